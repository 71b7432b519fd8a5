/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#include "common/checks/certificate.h"

#include "common/base/clock.h"
#include "common/base/parse.h"
#include "common/report/json.h"

#include <stdio.h>
#include <string.h>

bool posture_certificate_is_self_issued(const json_t *certificate)
{
    const char *subject = posture_json_string(certificate, "subject");
    const char *issuer = posture_json_string(certificate, "issuer");
    return subject && issuer && strcmp(subject, issuer) == 0;
}

/* Foreign names in one item, whole characters only. */
static void item_format(char item[static POSTURE_CERTIFICATE_ITEM_MAX], const char *a,
                        const char *b)
{
    enum { PART_MAX = POSTURE_CERTIFICATE_ITEM_MAX / 2 - 2 };
    int a_len = (int)posture_utf8_cut(a, strnlen(a, PART_MAX));
    int b_len = (int)posture_utf8_cut(b, strnlen(b, PART_MAX));
    snprintf(item, POSTURE_CERTIFICATE_ITEM_MAX, "%.*s%s%.*s", a_len, a,
             b_len > 0 ? " " : "", b_len, b);
}

/* The strength of RSA and DSA is that of their modulus; of a kind whose strength a
 * profile with periods does not give, nothing else is known. */
static bool size_decides(const struct posture_profile *profile, const char *type)
{
    if (posture_profile_row(profile, "key", type)->bits > 0)
        return false;
    return posture_profile_has_strength(profile) || strncmp(type, "rsa", 3) == 0 ||
           strcmp(type, "dsa") == 0;
}

void posture_certificate_key_judge(const struct posture_check_input *input,
                                   const json_t *certificate, struct posture_finding *ret,
                                   char item[static POSTURE_CERTIFICATE_ITEM_MAX])
{
    const json_t *key = json_object_get(certificate, "key");
    const char *type = posture_json_string(key, "type");
    item_format(item, type ? type : "?", "");
    posture_algorithm_judge(input, "key", type, ret);
    if (!type || ret->why == POSTURE_WHY_SILENT || ret->why == POSTURE_WHY_UNJUDGED)
        return;

    if (strcmp(type, "ec") == 0) {
        /* The key's algorithm is ECDSA, its strength that of the curve. */
        struct posture_finding curve;
        const char *name = posture_json_string(key, "curve");
        item_format(item, type, name ? name : "?");
        posture_algorithm_judge(input, "group", name, &curve);
        if (curve.why != POSTURE_WHY_UNJUDGED && curve.why != POSTURE_WHY_UNLISTED)
            curve.algorithm =
                ret->algorithm; /* the row of a group speaks of key agreement */
        if (curve.why == POSTURE_WHY_SILENT) { /* no curve may stand for all of them */
            curve.why = POSTURE_WHY_NO_LENGTHS;
            curve.status = POSTURE_RESULT_UNKNOWN;
        }
        posture_finding_add(ret, &curve);
    } else if (size_decides(input->profile, type)) {
        json_int_t size = json_integer_value(json_object_get(key, "bits"));
        char text[24];
        snprintf(text, sizeof(text), "%lld", (long long)size);
        item_format(item, type, size > 0 ? text : "?");
        posture_modulus_judge(input, "key", type, size, ret);
    }
}

/* The scheme of a certificate's signature, by its algorithm's name and its signer's kind
 * of key. */
static const char *scheme_name(const char *algorithm, const char *key_type)
{
    if (!algorithm || !key_type)
        return NULL;
    if (strcmp(key_type, "rsa") == 0 || strcmp(key_type, "rsa-pss") == 0)
        return strncmp(algorithm, "rsa_pss", 7) == 0 ? "rsa_pss" : "rsa_pkcs1";
    if (strcmp(key_type, "ec") == 0 || strcmp(key_type, "ecdsa") == 0)
        return "ecdsa";
    return key_type;
}

void posture_signature_judge(const struct posture_check_input *input,
                             const char *algorithm, const char *key_type,
                             const char *hash, struct posture_finding *ret)
{
    const char *scheme = scheme_name(algorithm, key_type);
    posture_algorithm_judge(input, "signature", scheme, ret);
    if (ret->why == POSTURE_WHY_SILENT &&
        !posture_profile_has_class(input->profile, "hash"))
        return;

    /* The hash of Ed25519 and Ed448 is part of the scheme. */
    if (scheme && strncmp(scheme, "ed", 2) == 0 && ret->why != POSTURE_WHY_UNJUDGED)
        return;
    struct posture_finding by_hash;
    posture_algorithm_judge(input, "hash", hash, &by_hash);
    posture_finding_add(ret, &by_hash);
}

void posture_certificate_signature_judge(const struct posture_check_input *input,
                                         const json_t *certificate,
                                         struct posture_finding *ret,
                                         char item[static POSTURE_CERTIFICATE_ITEM_MAX])
{
    const json_t *signature = json_object_get(certificate, "signature");
    const char *algorithm = posture_json_string(signature, "algorithm");
    item_format(item, algorithm ? algorithm : "?", "");
    const char *key_type = posture_json_string(signature, "key_type");
    const char *hash = posture_json_string(signature, "hash");
    if (!posture_profile_has_class(input->profile, "certificate_signature")) {
        posture_signature_judge(input, algorithm, key_type, hash, ret);
        return;
    }
    /* TLS 1.3 names ECDSA with its curve; here the certificate's key has that. */
    const char *scheme = scheme_name(algorithm, key_type);
    char name[POSTURE_CERTIFICATE_ITEM_MAX];
    bool is_ecdsa = scheme && hash && strcmp(scheme, "ecdsa") == 0;
    if (is_ecdsa)
        snprintf(name, sizeof(name), "ecdsa_%.40s", hash);
    posture_algorithm_judge(input, "certificate_signature", is_ecdsa ? name : algorithm,
                            ret);
    if (ret->algorithm == name)
        ret->algorithm = algorithm;
}

int posture_certificate_instant(const json_t *certificate, const char *key,
                                int64_t *ret_ns)
{
    const char *text = posture_json_string(certificate, key);
    int r = text ? posture_time_parse(text, strlen(text), ret_ns) : POSTURE_E_FORMAT;
    if (r != POSTURE_E_RANGE)
        return r;
    /* 9999-12-31 means that no end was set (RFC 5280 4.1.2.5): beyond all our times. */
    *ret_ns = text[0] == '1' ? INT64_MIN : INT64_MAX;
    return 0;
}

void posture_certificate_validity_judge(const struct posture_check_input *input,
                                        const json_t *certificate,
                                        struct posture_verdict *verdict)
{
    int64_t not_before, not_after;
    const char *subject = posture_json_string(certificate, "subject");
    if (posture_certificate_instant(certificate, "not_before", &not_before) < 0 ||
        posture_certificate_instant(certificate, "not_after", &not_after) < 0) {
        if (posture_verdict_offer(verdict, POSTURE_RESULT_UNKNOWN, "facts.malformed"))
            posture_verdict_add_item(verdict, "items", "not_before, not_after");
        return;
    }
    enum posture_result_status status = POSTURE_RESULT_PASS;
    const char *code = "tls.cert.validity.valid";
    int64_t shown_ns = not_after;
    if (input->at_ns > not_after) {
        status = POSTURE_RESULT_FAIL;
        code = "tls.cert.validity.expired";
    } else if (input->at_ns < not_before) {
        status = POSTURE_RESULT_FAIL;
        code = "tls.cert.validity.not_yet";
        shown_ns = not_before;
        posture_verdict_until(verdict, not_before);
    } else if (not_after < INT64_MAX) {
        posture_verdict_until(verdict,
                              not_after + 1); /* valid through the instant itself */
    }
    /* Of valid certificates, the one that ends first. */
    bool is_earlier = posture_verdict_is(verdict, POSTURE_RESULT_PASS, code) &&
                      not_after < INT64_MAX && verdict->valid_until_ns == not_after + 1;
    if (!posture_verdict_offer(verdict, status, code) && !is_earlier)
        return;
    char text[POSTURE_TIME_TEXT_MAX];
    posture_verdict_value_text(verdict, posture_time_format(shown_ns, text));
    posture_verdict_arg_date(verdict, "date", shown_ns);
    posture_verdict_arg_text(verdict, "subject", subject ? subject : "?");
}
