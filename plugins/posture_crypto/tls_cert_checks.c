/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */

/* tls.cert.*: every certificate that is served, in every chain. */

#include "common/checks/certificate.h"
#include "posture_crypto/tls_cert_rules.h"

#include "common/report/json.h"

#include <stdio.h>
#include <string.h>

struct cert_walk {
    const struct posture_check_input *input;
    struct posture_verdict *verdict;
};

static void chains_walk(const struct posture_check_input *input,
                        const struct tls_endpoint *endpoint,
                        struct posture_verdict *verdict, tls_certificate_fn *fn)
{
    struct cert_walk walk = {.input = input, .verdict = verdict};
    if (!tls_certificates_each(endpoint, fn, &walk) &&
        posture_verdict_offer(verdict, POSTURE_RESULT_UNKNOWN, "tls.cert.none"))
        return;
}

static void finding_offer(const struct cert_walk *walk,
                          const struct posture_finding *finding,
                          const json_t *certificate, const char *item)
{
    const char *subject = posture_json_string(certificate, "subject");
    if (posture_finding_offer(walk->input, finding, item, walk->verdict) &&
        finding->why != POSTURE_WHY_LISTED && finding->why != POSTURE_WHY_SILENT)
        posture_verdict_arg_text(walk->verdict, "subject", subject ? subject : "?");
}

/* A modulus or an exponent that no size makes good (FIPS 186-5 5.1, RFC 5480 2.1.1). */
static bool exponent_is_trivial(const struct cert_view *view,
                                char item[static CERT_ITEM_MAX])
{
    const json_t *key = json_object_get(view->certificate, "key");
    const json_t *exponent = json_object_get(key, "exponent");
    snprintf(item, CERT_ITEM_MAX, "%lld", (long long)json_integer_value(exponent));
    return cert_flag(key, "exponent_even") ||
           (exponent && json_integer_value(exponent) == 1);
}

static bool exponent_is_small(const struct cert_view *view,
                              char item[static CERT_ITEM_MAX])
{
    json_int_t exponent = json_integer_value(
        json_object_get(json_object_get(view->certificate, "key"), "exponent"));
    snprintf(item, CERT_ITEM_MAX, "%lld", (long long)exponent);
    return exponent > 1 && exponent < 65537;
}

static bool modulus_is_roca(const struct cert_view *view, char item[static CERT_ITEM_MAX])
{
    (void)item;
    return cert_flag(json_object_get(view->certificate, "key"), "roca");
}

static bool modulus_has_factor(const struct cert_view *view,
                               char item[static CERT_ITEM_MAX])
{
    (void)item;
    return cert_flag(json_object_get(view->certificate, "key"), "small_factor");
}

static bool modulus_is_odd_size(const struct cert_view *view,
                                char item[static CERT_ITEM_MAX])
{
    const json_t *key = json_object_get(view->certificate, "key");
    json_int_t bits = json_integer_value(json_object_get(key, "bits"));
    snprintf(item, CERT_ITEM_MAX, "%lld", (long long)bits);
    const char *type = posture_json_string(key, "type");
    return type && strncmp(type, "rsa", 3) == 0 && bits % 8 != 0;
}

static bool curve_is_spelled_out(const struct cert_view *view,
                                 char item[static CERT_ITEM_MAX])
{
    const json_t *key = json_object_get(view->certificate, "key");
    const char *curve = posture_json_string(key, "curve");
    cert_item_set(item, curve ? curve : "?");
    return cert_flag(key, "explicit_parameters");
}

static bool key_is_dsa(const struct cert_view *view, char item[static CERT_ITEM_MAX])
{
    (void)item;
    const char *type =
        posture_json_string(json_object_get(view->certificate, "key"), "type");
    return type && strcmp(type, "dsa") == 0;
}

static bool subgroup_is_small(const struct cert_view *view,
                              char item[static CERT_ITEM_MAX])
{
    json_int_t bits = json_integer_value(
        json_object_get(json_object_get(view->certificate, "key"), "q_bits"));
    snprintf(item, CERT_ITEM_MAX, "%lld", (long long)bits);
    return bits > 0 && bits < 224;
}

#define FAIL POSTURE_RESULT_FAIL
#define WARN POSTURE_RESULT_WARN
static const struct cert_rule key_rules[] = {
    {"tls.cert.key.exponent", CERT_ANY, FAIL, FAIL, exponent_is_trivial},
    {"tls.cert.key.roca", CERT_ANY, FAIL, FAIL, modulus_is_roca},
    {"tls.cert.key.small_factor", CERT_ANY, FAIL, FAIL, modulus_has_factor},
    {"tls.cert.key.explicit_curve", CERT_ANY, FAIL, FAIL, curve_is_spelled_out},
    {"tls.cert.key.dsa_subgroup", CERT_ANY, FAIL, FAIL, subgroup_is_small},
    {"tls.cert.key.dsa", CERT_ANY, WARN, FAIL, key_is_dsa},
    {"tls.cert.key.odd_size", CERT_ANY, WARN, FAIL, modulus_is_odd_size},
    {"tls.cert.key.small_exponent", CERT_ANY, WARN, WARN, exponent_is_small},
};

static void key_offer(const json_t *certificate, size_t index, void *data)
{
    (void)index;
    const struct cert_walk *walk = data;
    struct posture_finding finding;
    char item[POSTURE_CERTIFICATE_ITEM_MAX];
    posture_certificate_key_judge(walk->input, certificate, &finding, item);
    finding_offer(walk, &finding, certificate, item);
}

/* Of the store's certificates only what is weak now counts: when a trust anchor must be
 * replaced is not its servers' matter. */
static void stored_key_offer(const struct cert_walk *walk, const json_t *certificate)
{
    struct posture_finding finding;
    char item[POSTURE_CERTIFICATE_ITEM_MAX];
    posture_certificate_key_judge(walk->input, certificate, &finding, item);
    if (finding.status == POSTURE_RESULT_FAIL)
        finding_offer(walk, &finding, certificate, item);
}

void tls_cert_key_check(const struct posture_check_input *input,
                        const struct tls_endpoint *endpoint,
                        struct posture_verdict *verdict)
{
    const struct cert_walk walk = {.input = input, .verdict = verdict};
    size_t i, j;
    const json_t *chain, *certificate;
    chains_walk(input, endpoint, verdict, key_offer);
    bool is_silent = posture_verdict_is(verdict, POSTURE_RESULT_NA, "profile.silent");
    if (is_silent)
        return;
    json_array_foreach (endpoint->chains, i, chain) {
        const json_t *verification = json_object_get(chain, "verification");
        json_array_foreach (json_object_get(verification, "stored"), j, certificate)
            stored_key_offer(&walk, certificate);
    }
    cert_rules_apply(input, endpoint, key_rules, POSTURE_COUNT(key_rules), verdict);
}

/* The signature of a root on itself convinces nobody: it is the store that is relied on.
 * Issuer and subject alike do not make a root: a CA certifies its own new key like that.
 */
static bool signature_counts(const json_t *certificate, size_t index)
{
    const json_t *self_signed = json_object_get(certificate, "self_signed");
    if (index == 0)
        return true;
    return self_signed ? !json_is_true(self_signed)
                       : !posture_certificate_is_self_issued(certificate);
}

static void signature_offer(const json_t *certificate, size_t index, void *data)
{
    if (!signature_counts(certificate, index))
        return;
    const struct cert_walk *walk = data;
    struct posture_finding finding;
    char item[POSTURE_CERTIFICATE_ITEM_MAX];
    posture_certificate_signature_judge(walk->input, certificate, &finding, item);
    finding_offer(walk, &finding, certificate, item);
}

void tls_cert_signature_check(const struct posture_check_input *input,
                              const struct tls_endpoint *endpoint,
                              struct posture_verdict *verdict)
{
    struct cert_walk walk = {.input = input, .verdict = verdict};
    size_t i, j;
    const json_t *chain, *certificate;
    chains_walk(input, endpoint, verdict, signature_offer);
    json_array_foreach (endpoint->chains, i, chain) {
        const json_t *verification = json_object_get(chain, "verification");
        json_array_foreach (json_object_get(verification, "stored"), j, certificate) {
            if (j + 1 < json_array_size(json_object_get(verification, "stored")))
                signature_offer(certificate, 1, &walk);
        }
    }
}

static void validity_offer(const struct cert_view *view, void *data)
{
    const struct cert_walk *walk = data;
    if (view->role != CERT_ROOT) /* nor does the time that a root gives itself */
        posture_certificate_validity_judge(walk->input, view->certificate, walk->verdict);
}

/* An expired certificate that is served and that no path needs does no harm. */
void tls_cert_validity_check(const struct posture_check_input *input,
                             const struct tls_endpoint *endpoint,
                             struct posture_verdict *verdict)
{
    struct cert_walk walk = {.input = input, .verdict = verdict};
    if (!cert_views_each(input, endpoint, validity_offer, &walk))
        posture_verdict_offer(verdict, POSTURE_RESULT_UNKNOWN, "tls.cert.none");
}

static bool is_error_of_missing(const char *error)
{
    static const char *const errors[] = {"unable_to_get_issuer_cert",
                                         "unable_to_get_issuer_cert_locally",
                                         "unable_to_verify_leaf_signature"};
    for (size_t i = 0; i < POSTURE_COUNT(errors); i++) {
        if (strcmp(errors[i], error) == 0)
            return true;
    }
    return false;
}

static const json_t *served_at(const json_t *chain, const json_t *path, size_t i)
{
    json_int_t at = json_integer_value(json_array_get(path, i));
    return at < 0 ? NULL
                  : json_array_get(json_object_get(chain, "certificates"), (size_t)at);
}

static void refusal_offer(const json_t *chain, const json_t *verification,
                          const char *store, const char *error,
                          struct posture_verdict *verdict)
{
    const json_t *path = json_object_get(verification, "path");
    const json_t *last = json_array_size(path) > 0
                             ? served_at(chain, path, json_array_size(path) - 1)
                             : NULL;
    const char *issuer = posture_json_string(last, "issuer");
    bool is_missing =
        last && issuer && is_error_of_missing(error) && signature_counts(last, 1);
    if (!posture_verdict_offer(verdict, POSTURE_RESULT_FAIL,
                               is_missing ? "tls.cert.chain.incomplete"
                                          : "tls.cert.chain.refused"))
        return;
    posture_verdict_value_text(verdict, error);
    posture_verdict_arg_text(verdict, "error", error);
    posture_verdict_arg_text(verdict, "store", store);
    if (is_missing)
        posture_verdict_arg_text(verdict, "issuer", *issuer ? issuer : "?");
}

/* How a chain that verifies was served. */
static void service_offer(const json_t *chain, const json_t *verification,
                          const char *store, struct posture_verdict *verdict)
{
    const json_t *path = json_object_get(verification, "path");
    size_t served = json_array_size(json_object_get(chain, "certificates"));
    size_t used = json_array_size(path);
    bool is_ordered = true;
    for (size_t i = 1; i < used; i++)
        is_ordered = is_ordered && json_integer_value(json_array_get(path, i)) >
                                       json_integer_value(json_array_get(path, i - 1));
    const json_t *last = used > 0 ? served_at(chain, path, used - 1) : NULL;
    bool has_root = used > 1 && last && !signature_counts(last, 1);
    const char *code = "tls.cert.chain.trusted";
    if (!is_ordered)
        code = "tls.cert.chain.order";
    else if (used > 0 && used < served)
        code = "tls.cert.chain.extra";
    else if (has_root)
        code = "tls.cert.chain.root_served";
    if (posture_verdict_offer(
            verdict, is_ordered ? POSTURE_RESULT_PASS : POSTURE_RESULT_WARN, code))
        posture_verdict_arg_text(verdict, "store", store);
}

void tls_cert_chain_check(const struct posture_check_input *input,
                          const struct tls_endpoint *endpoint,
                          struct posture_verdict *verdict)
{
    (void)input;
    if (json_array_size(endpoint->chains) == 0)
        posture_verdict_offer(verdict, POSTURE_RESULT_UNKNOWN, "tls.cert.none");
    size_t i;
    const json_t *chain;
    json_array_foreach (endpoint->chains, i, chain) {
        const json_t *verification = json_object_get(chain, "verification");
        const char *store = posture_json_string(verification, "store");
        const char *said = posture_json_string(verification, "chain");
        if (!store || !said)
            tls_incomplete_offer(verdict, "verification");
        else if (strcmp(store, "none") == 0)
            posture_verdict_offer(verdict, POSTURE_RESULT_NA, "tls.cert.chain.no_store");
        else if (strcmp(said, "ok") == 0)
            service_offer(chain, verification, store, verdict);
        else
            refusal_offer(chain, verification, store, said, verdict);
    }
}
