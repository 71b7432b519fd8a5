/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#include "common/tls/certificate_internal.h"

#include "common/report/json.h"
#include "common/base/clock.h"
#include "common/base/mem.h"

#include <openssl/err.h>
#include <openssl/pem.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

struct posture_tls_crls {
    char *path;
    STACK_OF(X509_CRL) * list; /* as last read */
    struct stat seen;          /* of the file that was read */
    int r;                     /* of the last reading */
};

struct posture_tls_crls *posture_tls_crls_free(struct posture_tls_crls *crls)
{
    if (!crls)
        return NULL;
    sk_X509_CRL_pop_free(crls->list, X509_CRL_free);
    free(crls->path);
    free(crls);
    return NULL;
}
POSTURE_AUTO_DEFINE(struct posture_tls_crls *, posture_tls_crls_free)

static int list_parse(const char *bytes, size_t len, STACK_OF(X509_CRL) * list)
{
    const unsigned char *at = (const unsigned char *)bytes;
    if (len > 0 && at[0] == 0x30) { /* a SEQUENCE: DER */
        X509_CRL *crl = d2i_X509_CRL(NULL, &at, (long)len);
        return crl && sk_X509_CRL_push(list, crl) ? 0 : POSTURE_E_FORMAT;
    }
    BIO *bio = BIO_new_mem_buf(bytes, (int)len);
    X509_CRL *crl;
    int r = bio ? 0 : -ENOMEM;
    while (r == 0 && (crl = PEM_read_bio_X509_CRL(bio, NULL, NULL, NULL))) {
        if (sk_X509_CRL_num(list) >= POSTURE_TLS_CRLS_MAX)
            r = POSTURE_E_LIMIT;
        if (r < 0 || !sk_X509_CRL_push(list, crl))
            X509_CRL_free(crl);
    }
    BIO_free(bio);
    return r < 0 ? r : sk_X509_CRL_num(list) > 0 ? 0 : POSTURE_E_FORMAT;
}

static int list_read(struct posture_tls_crls *crls, struct posture_error *reterr)
{
    POSTURE_AUTO_FREE char *bytes = NULL;
    size_t len = 0;
    POSTURE_TRY(
        posture_file_read(crls->path, POSTURE_TLS_CRL_FILE_MAX, &bytes, &len, reterr));
    STACK_OF(X509_CRL) *list = sk_X509_CRL_new_null();
    if (!list)
        return -ENOMEM;
    int r = list_parse(bytes, len, list);
    ERR_clear_error();
    if (r < 0) {
        sk_X509_CRL_pop_free(list, X509_CRL_free);
        return posture_error_set(
            reterr, r,
            "no certificate revocation list in it; expected a file of "
            "PEM, or of one list in DER");
    }
    sk_X509_CRL_pop_free(crls->list, X509_CRL_free);
    crls->list = list;
    return 0;
}

/* A list that cannot be read any more is kept: it says itself how long it holds. */
static void list_refresh(struct posture_tls_crls *crls)
{
    struct stat st;
    if (stat(crls->path, &st) < 0) {
        crls->r = -errno;
        return;
    }
    bool is_same = st.st_ino == crls->seen.st_ino && st.st_dev == crls->seen.st_dev &&
                   st.st_size == crls->seen.st_size &&
                   st.st_mtim.tv_sec == crls->seen.st_mtim.tv_sec &&
                   st.st_mtim.tv_nsec == crls->seen.st_mtim.tv_nsec;
    if (is_same && crls->list)
        return;
    crls->seen = st;
    crls->r = list_read(crls, NULL);
}

int posture_tls_crls_load(const char *path, struct posture_tls_crls **ret,
                          struct posture_error *reterr)
{
    POSTURE_AUTO(posture_tls_crls_free)
    struct posture_tls_crls *crls = posture_calloc(1, sizeof(*crls));
    if (!crls)
        return -ENOMEM;
    crls->path = posture_strdup(path);
    if (!crls->path)
        return -ENOMEM;
    if (stat(path, &crls->seen) < 0)
        return posture_error_set(reterr, -errno, "%s", strerror(errno));
    POSTURE_TRY(list_read(crls, reterr));
    *ret = POSTURE_TAKE(crls);
    return 0;
}

static bool names_meet(const GENERAL_NAMES *a, const GENERAL_NAMES *b)
{
    for (int i = 0; i < sk_GENERAL_NAME_num(a); i++) {
        for (int j = 0; j < sk_GENERAL_NAME_num(b); j++) {
            if (GENERAL_NAME_cmp(sk_GENERAL_NAME_value(a, i),
                                 sk_GENERAL_NAME_value(b, j)) == 0)
                return true;
        }
    }
    return false;
}

/* A CA may split its list: one that names its place speaks only for the certificates
 * that name the same (RFC 5280 6.3.3 b 2 i). Names relative to the issuer are not
 * resolved. */
static bool place_is_of(const DIST_POINT_NAME *place, X509 *cert)
{
    bool is_of = false;
    CRL_DIST_POINTS *points =
        X509_get_ext_d2i(cert, NID_crl_distribution_points, NULL, NULL);
    for (int i = 0; place->type == 0 && i < sk_DIST_POINT_num(points); i++) {
        const DIST_POINT *point = sk_DIST_POINT_value(points, i);
        if (point->distpoint && point->distpoint->type == 0 && !point->reasons)
            is_of = is_of ||
                    names_meet(place->name.fullname, point->distpoint->name.fullname);
    }
    CRL_DIST_POINTS_free(points);
    return is_of;
}

/* Why the list cannot speak for the certificate; NULL: it can (RFC 5280 5.2, 6.3.3). */
static const char *list_fault(X509_CRL *crl, X509 *cert, X509 *issuer, time_t at)
{
    EVP_PKEY *key = X509_get0_pubkey(issuer);
    if (!key || X509_CRL_verify(crl, key) != 1)
        return "signature";
    if (!(X509_get_key_usage(issuer) & KU_CRL_SIGN)) /* all bits when there is none */
        return "issuer_usage";
    const ASN1_TIME *next = X509_CRL_get0_nextUpdate(crl);
    if (X509_cmp_time(X509_CRL_get0_lastUpdate(crl), &at) > 0)
        return "not_yet";
    if (!next)
        return "no_next_update";
    if (X509_cmp_time(next, &at) < 0)
        return "expired";
    int critical = -1;
    ASN1_INTEGER *number = X509_CRL_get_ext_d2i(crl, NID_crl_number, &critical, NULL);
    ASN1_INTEGER_free(number);
    if (!number || critical == 1)
        return "crl_number";
    if (X509_CRL_get_ext_by_NID(crl, NID_delta_crl, -1) >= 0)
        return "delta";
    /* Lists for part of the certificates or reasons only: not seen as whole. */
    ISSUING_DIST_POINT *point =
        X509_CRL_get_ext_d2i(crl, NID_issuing_distribution_point, NULL, NULL);
    bool is_partial =
        point && (point->onlyuser > 0 || point->onlyCA > 0 || point->onlysomereasons ||
                  point->indirectCRL > 0 || point->onlyattr > 0 ||
                  (point->distpoint && !place_is_of(point->distpoint, cert)));
    ISSUING_DIST_POINT_free(point);
    if (is_partial)
        return "partial";
    for (int i = 0; i < X509_CRL_get_ext_count(crl); i++) {
        X509_EXTENSION *extension = X509_CRL_get_ext(crl, i);
        int nid = OBJ_obj2nid(X509_EXTENSION_get_object(extension));
        if (X509_EXTENSION_get_critical(extension) &&
            nid != NID_issuing_distribution_point)
            return "critical_extension";
    }
    return NULL;
}

static const char *reason_name(int reason)
{
    static const char *const names[] = {
        [CRL_REASON_UNSPECIFIED] = "unspecified",
        [CRL_REASON_KEY_COMPROMISE] = "key_compromise",
        [CRL_REASON_CA_COMPROMISE] = "ca_compromise",
        [CRL_REASON_AFFILIATION_CHANGED] = "affiliation_changed",
        [CRL_REASON_SUPERSEDED] = "superseded",
        [CRL_REASON_CESSATION_OF_OPERATION] = "cessation_of_operation",
        [CRL_REASON_CERTIFICATE_HOLD] = "certificate_hold",
        [CRL_REASON_REMOVE_FROM_CRL] = "remove_from_crl",
        [CRL_REASON_PRIVILEGE_WITHDRAWN] = "privilege_withdrawn",
        [CRL_REASON_AA_COMPROMISE] = "aa_compromise",
    };
    bool is_known = reason >= 0 && reason < (int)POSTURE_COUNT(names) && names[reason];
    return is_known ? names[reason] : "unspecified";
}

static void revoked_write(const X509_REVOKED *entry, json_t *facts)
{
    ASN1_ENUMERATED *reason = X509_REVOKED_get_ext_d2i(entry, NID_crl_reason, NULL, NULL);
    json_t *time = posture_tls_time_json(X509_REVOKED_get0_revocationDate(entry));
    json_object_set_new(
        facts, "reason",
        json_string(reason_name(reason ? (int)ASN1_ENUMERATED_get(reason) : 0)));
    ASN1_ENUMERATED_free(reason);
    if (time)
        json_object_set_new(facts, "revoked_at", time);
}

/* The newest list of the issuer that may speak decides; else the last fault is the why.
 */
static json_t *certificate_status(const struct posture_tls_crls *crls, X509 *cert,
                                  X509 *issuer, time_t at)
{
    const char *status = "unknown", *why = crls->list ? "no_list" : "unreadable";
    json_t *facts = json_object();
    X509_CRL *best = NULL;
    for (int i = 0; i < sk_X509_CRL_num(crls->list); i++) {
        X509_CRL *crl = sk_X509_CRL_value(crls->list, i);
        if (X509_NAME_cmp(X509_CRL_get_issuer(crl), X509_get_issuer_name(cert)) != 0)
            continue;
        const char *fault = list_fault(crl, cert, issuer, at);
        if (fault)
            why = fault;
        else if (!best || ASN1_TIME_compare(X509_CRL_get0_lastUpdate(crl),
                                            X509_CRL_get0_lastUpdate(best)) > 0)
            best = crl;
    }
    if (best) {
        X509_REVOKED *entry = NULL;
        int found = X509_CRL_get0_by_cert(best, &entry, cert);
        status = found == 1 ? "revoked" : "good"; /* 2: taken off the list again */
        if (found == 1)
            revoked_write(entry, facts);
        json_object_set_new(facts, "this_update",
                            posture_tls_time_json(X509_CRL_get0_lastUpdate(best)));
        json_object_set_new(facts, "next_update",
                            posture_tls_time_json(X509_CRL_get0_nextUpdate(best)));
    } else {
        json_object_set_new(facts, "why", json_string(why));
    }
    json_object_set_new(facts, "status", json_string(status));
    ERR_clear_error();
    return facts;
}

json_t *posture_tls_crls_json(struct posture_tls_crls *crls, STACK_OF(X509) * path,
                              int64_t at_ns)
{
    time_t at = at_ns ? (time_t)(at_ns / POSTURE_NS_PER_S) : time(NULL);
    list_refresh(crls);
    json_t *certificates = json_array();
    for (int i = 0; i + 1 < sk_X509_num(path); i++)
        json_array_append_new(certificates,
                              certificate_status(crls, sk_X509_value(path, i),
                                                 sk_X509_value(path, i + 1), at));
    return json_pack("{s:o}", "certificates", certificates);
}
