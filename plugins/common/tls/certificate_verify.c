/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#include "common/tls/certificate_trust.h"

#include "common/base/clock.h"
#include "common/base/mem.h"

#include <openssl/err.h>

#include <stdio.h>
#include <string.h>

enum { ERRORS_MAX = 8, STORED_MAX = 4 };

/* Everything that OpenSSL complains of, in its order; the first one decides. */
struct complaints {
    int errors[ERRORS_MAX];
    int depth;
    size_t count;
};

static const char *verify_error_name(int error, char buf[static 32])
{
    static const struct {
        int error;
        const char *name;
    } names[] = {
        {X509_V_OK, "ok"},
        {X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT, "unable_to_get_issuer_cert"},
        {X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY,
         "unable_to_get_issuer_cert_locally"},
        {X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE, "unable_to_verify_leaf_signature"},
        {X509_V_ERR_CERT_SIGNATURE_FAILURE, "cert_signature_failure"},
        {X509_V_ERR_CERT_NOT_YET_VALID, "cert_not_yet_valid"},
        {X509_V_ERR_CERT_HAS_EXPIRED, "cert_has_expired"},
        {X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT, "depth_zero_self_signed_cert"},
        {X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN, "self_signed_cert_in_chain"},
        {X509_V_ERR_CERT_CHAIN_TOO_LONG, "cert_chain_too_long"},
        {X509_V_ERR_INVALID_CA, "invalid_ca"},
        {X509_V_ERR_PATH_LENGTH_EXCEEDED, "path_length_exceeded"},
        {X509_V_ERR_INVALID_PURPOSE, "invalid_purpose"},
        {X509_V_ERR_CERT_UNTRUSTED, "cert_untrusted"},
        {X509_V_ERR_CERT_REJECTED, "cert_rejected"},
        {X509_V_ERR_KEYUSAGE_NO_CERTSIGN, "keyusage_no_certsign"},
        {X509_V_ERR_UNHANDLED_CRITICAL_EXTENSION, "unhandled_critical_extension"},
        {X509_V_ERR_PERMITTED_VIOLATION, "permitted_violation"},
        {X509_V_ERR_EXCLUDED_VIOLATION, "excluded_violation"},
        {X509_V_ERR_UNABLE_TO_DECODE_ISSUER_PUBLIC_KEY,
         "unable_to_decode_issuer_public_key"},
        {X509_V_ERR_UNSUPPORTED_SIGNATURE_ALGORITHM, "unsupported_signature_algorithm"},
        {X509_V_ERR_UNSUPPORTED_CONSTRAINT_TYPE, "unsupported_constraint_type"},
        {X509_V_ERR_UNSUPPORTED_CONSTRAINT_SYNTAX, "unsupported_constraint_syntax"},
        {X509_V_ERR_UNSUPPORTED_NAME_SYNTAX, "unsupported_name_syntax"},
        {X509_V_ERR_SUBTREE_MINMAX, "subtree_minmax"},
        {X509_V_ERR_INVALID_EXTENSION, "invalid_extension"},
        {X509_V_ERR_EC_KEY_EXPLICIT_PARAMS, "ec_key_explicit_params"},
    };
    for (size_t i = 0; i < POSTURE_COUNT(names); i++) {
        if (names[i].error == error)
            return names[i].name;
    }
    snprintf(buf, 32, "error_%d", error);
    return buf;
}

static int complaint_keep(int ok, X509_STORE_CTX *ctx)
{
    struct complaints *complaints = X509_STORE_CTX_get_app_data(ctx);
    if (ok)
        return 1;
    if (complaints->count == 0)
        complaints->depth = X509_STORE_CTX_get_error_depth(ctx);
    complaints->errors[complaints->count++] = X509_STORE_CTX_get_error(ctx);
    return complaints->count < ERRORS_MAX;
}

static void complaints_write(const struct complaints *complaints, json_t *facts)
{
    char buf[32];
    int first = complaints->count > 0 ? complaints->errors[0] : X509_V_OK;
    json_object_set_new(facts, "chain", json_string(verify_error_name(first, buf)));
    if (first == X509_V_OK)
        return;
    json_object_set_new(facts, "chain_detail",
                        json_string(X509_verify_cert_error_string(first)));
    json_object_set_new(facts, "depth", json_integer(complaints->depth));
    json_t *more = json_array();
    for (size_t i = 1; i < complaints->count; i++) {
        size_t n = 0;
        while (n < i && complaints->errors[n] != complaints->errors[i])
            n++;
        if (n == i)
            json_array_append_new(
                more, json_string(verify_error_name(complaints->errors[i], buf)));
    }
    if (json_array_size(more) > 0)
        json_object_set_new(facts, "further", more);
    else
        json_decref(more);
}

static int served_index(const STACK_OF(X509) * served, const X509 *cert)
{
    for (int i = 0; i < sk_X509_num(served); i++) {
        if (X509_cmp(sk_X509_value(served, i), cert) == 0)
            return i;
    }
    return -1;
}

/* Whether the key identifier of cert's issuer is that which cert names: in cert's facts.
 */
static void key_ids_compare(X509 *cert, X509 *issuer, json_t *facts)
{
    json_t *authority =
        json_object_get(json_object_get(facts, "extensions"), "authority_key_id");
    const ASN1_OCTET_STRING *named = X509_get0_authority_key_id(cert);
    const ASN1_OCTET_STRING *has = X509_get0_subject_key_id(issuer);
    if (authority && named && has)
        json_object_set_new(authority, "matches",
                            json_boolean(ASN1_OCTET_STRING_cmp(named, has) == 0));
}

static bool is_self_issued(const X509 *cert)
{
    return X509_NAME_cmp(X509_get_subject_name(cert), X509_get_issuer_name(cert)) == 0;
}

/* The path that was built: "path" are positions among the served, leaf first; "stored"
 * are the certificates that came from the store, the last one the trust anchor. */
static void path_write(const struct posture_tls_chain_input *input,
                       const STACK_OF(X509) * path, const STACK_OF(X509) * served,
                       json_t *certificates, json_t *facts, size_t *budget)
{
    json_t *positions = json_array(), *stored = json_array();
    json_t *last = NULL; /* facts of the certificate before */
    for (int i = 0; i < sk_X509_num(path); i++) {
        X509 *cert = sk_X509_value(path, i);
        int at = served_index(served, cert);
        json_t *of_cert = NULL;
        if (at >= 0) {
            json_array_append_new(positions, json_integer(at));
            of_cert = json_array_get(certificates, (size_t)at);
        } else if (json_array_size(stored) < STORED_MAX &&
                   *budget >= POSTURE_TLS_CERTIFICATE_COST) {
            *budget -= POSTURE_TLS_CERTIFICATE_COST;
            of_cert = posture_tls_certificate_json(cert, input->trust,
                                                   /* with_names = */ false, budget);
            json_array_append_new(stored, of_cert);
        }
        if (i > 0 && last)
            key_ids_compare(sk_X509_value(path, i - 1), cert, last);
        last = of_cert;
        if (i + 1 == sk_X509_num(path) && of_cert && is_self_issued(cert))
            key_ids_compare(cert, cert, of_cert);
    }
    json_object_set_new(facts, "path", positions);
    if (json_array_size(stored) > 0)
        json_object_set_new(facts, "stored", stored);
    else
        json_decref(stored);
}

static int path_verify(const struct posture_tls_chain_input *input,
                       STACK_OF(X509) * served, json_t *certificates, json_t *facts,
                       size_t *budget)
{
    struct complaints complaints = {0};
    X509_STORE_CTX *ctx = X509_STORE_CTX_new();
    if (!ctx || X509_STORE_CTX_init(ctx, posture_tls_trust_store(input->trust),
                                    sk_X509_value(served, 0), served) != 1) {
        X509_STORE_CTX_free(ctx);
        return -ENOMEM;
    }
    X509_STORE_CTX_set_default(ctx, "ssl_server");
    /* Whatever the store has is an anchor, self-signed or not (RFC 5280 6.1.1 d). */
    X509_STORE_CTX_set_flags(ctx, X509_V_FLAG_PARTIAL_CHAIN);
    X509_STORE_CTX_set_app_data(ctx, &complaints);
    X509_STORE_CTX_set_verify_cb(ctx, complaint_keep);
    if (input->at_ns != 0)
        X509_STORE_CTX_set_time(ctx, 0, (time_t)(input->at_ns / POSTURE_NS_PER_S));
    int r = X509_verify_cert(ctx);
    if (r != 1 && complaints.count == 0) {
        int error = X509_STORE_CTX_get_error(ctx);
        complaints.errors[complaints.count++] =
            error == X509_V_OK ? X509_V_ERR_UNSPECIFIED : error;
    }
    complaints_write(&complaints, facts);
    STACK_OF(X509) *path = X509_STORE_CTX_get0_chain(ctx);
    if (sk_X509_num(path) > 0)
        path_write(input, path, served, certificates, facts, budget);
    if (complaints.count == 0) {
        X509 *anchor = sk_X509_value(path, sk_X509_num(path) - 1);
        json_object_set_new(
            facts, "public",
            json_boolean(posture_tls_trust_is_public(input->trust, anchor)));
    }
    /* What a list says rests on its issuer's signature: only a chain that holds counts.
     */
    if (complaints.count == 0 && input->crls)
        json_object_set_new(facts, "crl",
                            posture_tls_crls_json(input->crls, path, input->at_ns));
    X509_STORE_CTX_free(ctx);
    ERR_clear_error();
    return 0;
}

json_t *posture_tls_verification_json(const struct posture_tls_chain_input *input,
                                      STACK_OF(X509) * served, json_t *certificates,
                                      size_t *budget)
{
    json_auto_t *facts = json_object();
    json_object_set_new(facts, "store",
                        json_string(posture_tls_trust_name(input->trust)));
    if (!posture_tls_trust_store(input->trust))
        json_object_set_new(facts, "chain", json_string("unchecked"));
    else if (path_verify(input, served, certificates, facts, budget) < 0)
        return NULL;
    json_t *matched = NULL;
    json_object_set_new(
        facts, "name",
        json_string(posture_tls_name_check(sk_X509_value(served, 0), input->host,
                                           input->is_literal, &matched)));
    if (matched)
        json_object_set_new(facts, "matched", matched);
    return json_incref(facts);
}
