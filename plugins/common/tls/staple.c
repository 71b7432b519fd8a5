/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#include "common/tls/staple.h"

#include "common/base/clock.h"

#include <openssl/err.h>
#include <openssl/ocsp.h>
#include <openssl/x509.h>

#include <stdio.h>
#include <string.h>

/* A responder's clock may be a little ahead of ours. */
#define CLOCK_SLACK_NS (300 * POSTURE_NS_PER_S)

static X509 *certificate_parse(const struct posture_tls_der *der)
{
    const unsigned char *p = der->bytes;
    if (der->parsed)
        return X509_up_ref(der->parsed) == 1 ? der->parsed : NULL;
    return der->len > 0 ? d2i_X509(NULL, &p, (long)der->len) : NULL;
}

/* The served certificate that has issued the leaf; the leaf itself when it is its own. */
static X509 *issuer_find(X509 *leaf, const struct posture_tls_der *certificates,
                         size_t count)
{
    for (size_t i = 1; i < count; i++) {
        X509 *candidate = certificate_parse(&certificates[i]);
        if (candidate && X509_check_issued(candidate, leaf) == X509_V_OK)
            return candidate;
        X509_free(candidate);
    }
    if (X509_check_issued(leaf, leaf) == X509_V_OK && X509_up_ref(leaf))
        return leaf;
    return NULL;
}

static bool digest_equals(const unsigned char *digest, unsigned len,
                          const ASN1_OCTET_STRING *want)
{
    return want && (size_t)ASN1_STRING_length(want) == len &&
           !memcmp(ASN1_STRING_get0_data(want), digest, len);
}

/* Is the single answer about the leaf? By serial, issuer's name and, where the issuer was
 * served, its key. */
static bool single_is_of(const OCSP_SINGLERESP *single, X509 *leaf, X509 *issuer)
{
    ASN1_OCTET_STRING *name = NULL, *key = NULL;
    ASN1_OBJECT *algorithm = NULL;
    ASN1_INTEGER *serial = NULL;
    OCSP_CERTID *id = (OCSP_CERTID *)(uintptr_t)OCSP_SINGLERESP_get0_id(single);
    if (!id || OCSP_id_get0_info(&name, &algorithm, &key, &serial, id) != 1)
        return false;
    const EVP_MD *md = EVP_get_digestbyobj(algorithm);
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned len = 0;
    if (!md || !serial || ASN1_INTEGER_cmp(serial, X509_get0_serialNumber(leaf)) != 0)
        return false;
    if (X509_NAME_digest(X509_get_issuer_name(leaf), md, digest, &len) != 1 ||
        !digest_equals(digest, len, name))
        return false;
    return !issuer || (X509_pubkey_digest(issuer, md, digest, &len) == 1 &&
                       digest_equals(digest, len, key));
}

static OCSP_SINGLERESP *single_find(OCSP_BASICRESP *basic, X509 *leaf, X509 *issuer)
{
    int count = OCSP_resp_count(basic);
    for (int i = 0; i < count && i < POSTURE_TLS_STAPLE_SINGLES_MAX; i++) {
        OCSP_SINGLERESP *single = OCSP_resp_get0(basic, i);
        if (single && single_is_of(single, leaf, issuer))
            return single;
    }
    return NULL;
}

/* By the issuer or by one whom it has charged with it (RFC 6960, 4.2.2.2). */
static const char *signature_state(OCSP_BASICRESP *basic, X509 *issuer)
{
    if (!issuer)
        return "unverified";
    X509_STORE *store = X509_STORE_new();
    STACK_OF(X509) *others = sk_X509_new_null();
    const char *state = "unverified";
    if (store && others && X509_STORE_add_cert(store, issuer) == 1 &&
        X509_STORE_set_flags(store, X509_V_FLAG_PARTIAL_CHAIN) == 1 &&
        sk_X509_push(others, issuer) > 0)
        state = OCSP_basic_verify(basic, others, store, 0) > 0 ? "ok" : "invalid";
    sk_X509_free(others);
    X509_STORE_free(store);
    return state;
}

/* INT64_MIN when there is none or it is beyond what can be written. */
static int64_t time_set(json_t *facts, const char *key, const ASN1_GENERALIZEDTIME *time)
{
    struct tm tm;
    int64_t ns = INT64_MIN;
    char text[40];
    if (!time || ASN1_TIME_to_tm(time, &tm) != 1 || tm.tm_year < 70 || tm.tm_year > 8099)
        return INT64_MIN;
    snprintf(text, sizeof(text), "%04d-%02d-%02dT%02d:%02d:%02dZ", tm.tm_year + 1900,
             tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec);
    if (posture_time_parse(text, strlen(text), &ns) < 0)
        return INT64_MIN;
    json_object_set_new(facts, key, json_string(text));
    return ns;
}

static void single_facts(OCSP_SINGLERESP *single, int64_t now_ns, json_t *facts)
{
    ASN1_GENERALIZEDTIME *revoked = NULL, *this_update = NULL, *next_update = NULL;
    int reason = 0;
    const char *text = "unknown";
    switch (
        OCSP_single_get0_status(single, &reason, &revoked, &this_update, &next_update)) {
    case V_OCSP_CERTSTATUS_GOOD:
        text = "good";
        break;
    case V_OCSP_CERTSTATUS_REVOKED:
        text = "revoked";
        time_set(facts, "revoked_at", revoked);
        break;
    default:
        break;
    }
    int64_t from = time_set(facts, "this_update", this_update);
    int64_t to = time_set(facts, "next_update", next_update);
    json_object_set_new(facts, "status", json_string(text));
    json_object_set_new(facts, "current",
                        json_boolean(from != INT64_MIN &&
                                     from <= now_ns + CLOCK_SLACK_NS &&
                                     (!next_update || now_ns <= to)));
}

/* NULL, or the word of why it says nothing of the leaf. */
static const char *response_read(const struct posture_tls_der *der,
                                 OCSP_RESPONSE **ret_response, OCSP_BASICRESP **ret_basic)
{
    const unsigned char *p = der->bytes;
    *ret_response = d2i_OCSP_RESPONSE(NULL, &p, (long)der->len);
    if (!*ret_response || p != der->bytes + der->len)
        return "malformed";
    if (OCSP_response_status(*ret_response) != OCSP_RESPONSE_STATUS_SUCCESSFUL)
        return "not_successful";
    *ret_basic = OCSP_response_get1_basic(*ret_response);
    return *ret_basic ? NULL : "malformed";
}

static void response_facts(const struct posture_tls_der *der,
                           const struct posture_tls_der *certificates, size_t count,
                           int64_t now_ns, json_t *facts)
{
    OCSP_RESPONSE *response = NULL;
    OCSP_BASICRESP *basic = NULL;
    const char *error = response_read(der, &response, &basic);
    X509 *leaf = !error && count > 0 ? certificate_parse(&certificates[0]) : NULL;
    X509 *issuer = leaf ? issuer_find(leaf, certificates, count) : NULL;
    OCSP_SINGLERESP *single = leaf ? single_find(basic, leaf, issuer) : NULL;
    if (!error && !single)
        error = "other_certificate";
    if (error) {
        json_object_set_new(facts, "error", json_string(error));
    } else {
        time_set(facts, "produced_at", OCSP_resp_get0_produced_at(basic));
        single_facts(single, now_ns, facts);
        json_object_set_new(facts, "signature",
                            json_string(signature_state(basic, issuer)));
    }
    X509_free(issuer);
    X509_free(leaf);
    OCSP_BASICRESP_free(basic);
    OCSP_RESPONSE_free(response);
    ERR_clear_error();
}

json_t *posture_tls_staple_facts(const struct posture_tls_der *response,
                                 const struct posture_tls_der *certificates, size_t count,
                                 int64_t now_ns)
{
    json_t *facts = json_pack("{s:b}", "present", response != NULL);
    if (facts && response)
        response_facts(response, certificates, count, now_ns, facts);
    return facts;
}
