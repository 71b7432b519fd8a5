/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */

/*
 * tls.extended_master_secret, tls.renegotiation, tls.compression, tls.early_data,
 * tls.ocsp_stapling: what a server does beside its algorithms. A weakness that was seen
 * is judged by the profile's row of class "feature" for it; a profile without that row
 * does not ask. What an RFC says of every server needs no row.
 */

#include "posture_crypto/tls_check.h"

#include "common/report/json.h"

#include <string.h>

static bool has_version_upto_12(const struct tls_endpoint *endpoint)
{
    size_t i;
    const json_t *item;
    json_array_foreach (endpoint->versions, i, item) {
        if (strcmp(json_string_value(item), "TLSv1.3") != 0)
            return true;
    }
    return false;
}

static bool feature_is_asked(const struct posture_check_input *input, const char *feature)
{
    return posture_profile_row(input->profile, "feature", feature) != NULL;
}

/* The weakness is there: the row says how bad that is. True when it is now the verdict.
 */
static bool weakness_offer(const struct posture_check_input *input, const char *feature,
                           const char *code, struct posture_verdict *verdict)
{
    struct posture_finding finding;
    if (!feature_is_asked(input, feature))
        return posture_verdict_offer(verdict, POSTURE_RESULT_NA, "profile.silent");
    posture_algorithm_judge(input, "feature", feature, &finding);
    if (!posture_verdict_offer(verdict, finding.status, code))
        return false;
    if (finding.certainty < POSTURE_CERTAINTY_HIGH)
        posture_verdict_arg_text(verdict, "certainty",
                                 posture_certainty_name(finding.certainty));
    return true;
}

/* A claim of the facts: weak when it is not what is wanted. */
struct feature_rule {
    const char *fact;
    bool wanted;
    const char *feature; /* the weakness */
    const char *weak;    /* codes */
    const char *fine;
};

static void rule_check(const struct posture_check_input *input,
                       const struct tls_endpoint *endpoint,
                       const struct feature_rule *rule, struct posture_verdict *verdict)
{
    const json_t *fact = json_object_get(endpoint->facts, rule->fact);
    if (!feature_is_asked(input, rule->feature))
        posture_verdict_offer(verdict, POSTURE_RESULT_NA, "profile.silent");
    else if (!has_version_upto_12(endpoint))
        posture_verdict_offer(verdict, POSTURE_RESULT_NA, "tls.only_tls13");
    else if (!json_is_boolean(fact))
        tls_incomplete_offer(verdict, rule->fact);
    else if (json_is_true(fact) == rule->wanted)
        posture_verdict_offer(verdict, POSTURE_RESULT_PASS, rule->fine);
    else
        weakness_offer(input, rule->feature, rule->weak, verdict);
}

void tls_extended_master_secret_check(const struct posture_check_input *input,
                                      const struct tls_endpoint *endpoint,
                                      struct posture_verdict *verdict)
{
    static const struct feature_rule rule = {
        "extended_master_secret", true, "tls.no_extended_master_secret",
        "tls.extended_master_secret.missing", "tls.extended_master_secret.used"};
    rule_check(input, endpoint, &rule, verdict);
}

void tls_renegotiation_check(const struct posture_check_input *input,
                             const struct tls_endpoint *endpoint,
                             struct posture_verdict *verdict)
{
    static const struct feature_rule rules[] = {
        {"secure_renegotiation", true, "tls.insecure_renegotiation",
         "tls.renegotiation.insecure", "tls.renegotiation.safe"},
        {"client_renegotiation", false, "tls.client_renegotiation",
         "tls.renegotiation.by_client", "tls.renegotiation.safe"},
    };
    for (size_t i = 0; i < POSTURE_COUNT(rules); i++)
        rule_check(input, endpoint, &rules[i], verdict);
}

void tls_compression_check(const struct posture_check_input *input,
                           const struct tls_endpoint *endpoint,
                           struct posture_verdict *verdict)
{
    const json_t *methods = json_object_get(endpoint->facts, "compression");
    if (!feature_is_asked(input, "tls.compression")) {
        posture_verdict_offer(verdict, POSTURE_RESULT_NA, "profile.silent");
    } else if (!has_version_upto_12(endpoint)) {
        posture_verdict_offer(verdict, POSTURE_RESULT_NA, "tls.only_tls13");
    } else if (!json_is_array(methods)) {
        tls_incomplete_offer(verdict, "compression");
    } else if (json_array_size(methods) == 0) {
        posture_verdict_offer(verdict, POSTURE_RESULT_PASS, "tls.compression.none");
    } else if (weakness_offer(input, "tls.compression", "tls.compression.used",
                              verdict)) {
        size_t i;
        const json_t *item;
        json_array_foreach (methods, i, item) {
            const char *name = json_string_value(item);
            posture_verdict_add_item(verdict, "items", name ? name : "?");
        }
    }
}

void tls_early_data_check(const struct posture_check_input *input,
                          const struct tls_endpoint *endpoint,
                          struct posture_verdict *verdict)
{
    const json_t *bytes =
        json_object_get(json_object_get(endpoint->facts, "early_data"), "max_bytes");
    if (!feature_is_asked(input, "tls.early_data")) {
        posture_verdict_offer(verdict, POSTURE_RESULT_NA, "profile.silent");
    } else if (!tls_has_version(endpoint, "TLSv1.3")) {
        posture_verdict_offer(verdict, POSTURE_RESULT_NA, "tls.no_tls13");
    } else if (!json_is_integer(bytes)) {
        tls_incomplete_offer(verdict, "early_data");
    } else if (json_integer_value(bytes) == 0) {
        posture_verdict_offer(verdict, POSTURE_RESULT_PASS, "tls.early_data.none");
    } else if (weakness_offer(input, "tls.early_data", "tls.early_data.accepted",
                              verdict)) {
        posture_verdict_value_take(verdict, json_integer(json_integer_value(bytes)));
        posture_verdict_arg_take(verdict, "bytes",
                                 json_integer(json_integer_value(bytes)));
    }
}

/* An answer that was stapled: nothing of this is a matter of policy. */
static void staple_check(const json_t *staple, const char *subject,
                         struct posture_verdict *verdict)
{
    const char *error = posture_json_string(staple, "error");
    const char *status = posture_json_string(staple, "status");
    const char *signature = posture_json_string(staple, "signature");
    enum posture_result_status result = POSTURE_RESULT_FAIL;
    const char *code;
    if (error)
        code = "tls.ocsp_stapling.unusable";
    else if (!status || !signature)
        code = NULL;
    else if (!strcmp(signature, "invalid"))
        code = "tls.ocsp_stapling.forged";
    else if (!strcmp(status, "revoked"))
        code = "tls.ocsp_stapling.revoked";
    else if (strcmp(status, "good") != 0)
        code = "tls.ocsp_stapling.not_known";
    else if (!json_is_true(json_object_get(staple, "current")))
        code = "tls.ocsp_stapling.outdated";
    else if (strcmp(signature, "ok") != 0)
        result = POSTURE_RESULT_UNKNOWN, code = "tls.ocsp_stapling.unverified";
    else
        result = POSTURE_RESULT_PASS, code = "tls.ocsp_stapling.good";
    if (!code)
        tls_incomplete_offer(verdict, "ocsp_staple");
    else if (posture_verdict_offer(verdict, result, code))
        posture_verdict_arg_text(verdict, "subject", subject);
}

/* Nothing is stapled. A certificate that asks for it makes that a fault (RFC 7633); one
 * that names no responder cannot have it. */
static void staple_missing(const struct posture_check_input *input, const json_t *leaf,
                           const char *subject, struct posture_verdict *verdict)
{
    const json_t *extensions = json_object_get(leaf, "extensions");
    const json_t *feature = json_object_get(extensions, "tls_feature");
    const json_t *responders =
        json_object_get(json_object_get(extensions, "authority_info_access"), "ocsp");
    bool is_new = false;
    if (json_is_true(json_object_get(feature, "must_staple")))
        is_new = posture_verdict_offer(verdict, POSTURE_RESULT_FAIL,
                                       "tls.ocsp_stapling.required");
    else if (extensions && json_array_size(responders) == 0)
        posture_verdict_offer(verdict, POSTURE_RESULT_NA,
                              "tls.ocsp_stapling.no_responder");
    else
        is_new = weakness_offer(input, "tls.no_ocsp_stapling", "tls.ocsp_stapling.none",
                                verdict) &&
                 verdict->status != POSTURE_RESULT_NA;
    if (is_new)
        posture_verdict_arg_text(verdict, "subject", subject);
}

void tls_ocsp_stapling_check(const struct posture_check_input *input,
                             const struct tls_endpoint *endpoint,
                             struct posture_verdict *verdict)
{
    size_t i;
    const json_t *chain;
    json_array_foreach (endpoint->chains, i, chain) {
        const json_t *staple = json_object_get(chain, "ocsp_staple");
        const json_t *present = json_object_get(staple, "present");
        const json_t *leaf = json_array_get(json_object_get(chain, "certificates"), 0);
        const char *subject = posture_json_string(leaf, "subject");
        if (!json_is_boolean(present) && !feature_is_asked(input, "tls.no_ocsp_stapling"))
            posture_verdict_offer(verdict, POSTURE_RESULT_NA, "profile.silent");
        else if (!json_is_boolean(present))
            tls_incomplete_offer(verdict, "ocsp_staple");
        else if (json_is_true(present))
            staple_check(staple, subject ? subject : "?", verdict);
        else
            staple_missing(input, leaf, subject ? subject : "?", verdict);
    }
    if (json_array_size(endpoint->chains) == 0)
        posture_verdict_offer(verdict, POSTURE_RESULT_UNKNOWN, "tls.cert.none");
}

struct signature_walk {
    const struct posture_check_input *input;
    struct posture_verdict *verdict;
};

static void scheme_offer(const struct signature_walk *walk, const char *name)
{
    const json_t *row =
        posture_profile_table_row(walk->input->profile, "signatures", name);
    struct posture_finding finding;
    if (row)
        posture_signature_judge(walk->input, name, posture_json_string(row, "key_type"),
                                posture_json_string(row, "hash"), &finding);
    else /* a code point that nobody has named yet */
        posture_algorithm_judge(walk->input, "signature", name, &finding);
    posture_finding_offer(walk->input, &finding, name, walk->verdict);
}

void tls_signature_algorithms_check(const struct posture_check_input *input,
                                    const struct tls_endpoint *endpoint,
                                    struct posture_verdict *verdict)
{
    static const char *const versions[] = {"TLSv1.2", "TLSv1.3"};
    const struct signature_walk walk = {.input = input, .verdict = verdict};
    if (!posture_profile_has_class(input->profile, "signature") &&
        !posture_profile_has_class(input->profile, "hash")) {
        posture_verdict_offer(verdict, POSTURE_RESULT_NA, "profile.silent");
        return;
    }
    const json_t *all = json_object_get(endpoint->facts, "signature_algorithms");
    for (size_t v = 0; v < POSTURE_COUNT(versions); v++) {
        const json_t *list = json_object_get(all, versions[v]);
        if (!list && !tls_has_version(endpoint, versions[v]))
            continue;
        if (!json_is_array(list))
            tls_incomplete_offer(verdict, "signature_algorithms");
        size_t i;
        const json_t *item;
        json_array_foreach (list, i, item) {
            const char *name = json_string_value(item);
            scheme_offer(&walk, name ? name : "?");
        }
    }
    if (json_is_true(json_object_get(all, "truncated")))
        tls_incomplete_offer(verdict, "signature_algorithms");
    if (!verdict->is_set)
        posture_verdict_offer(verdict, POSTURE_RESULT_NA,
                              "tls.signature_algorithms.not_used");
}
