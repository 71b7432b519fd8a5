/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */

/* tls.cert.*: every certificate that is served, in every chain. */

#include "common/checks/certificate.h"
#include "posture_crypto/tls_check.h"

#include "common/report/json.h"

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

static void key_offer(const json_t *certificate, size_t index, void *data)
{
    (void)index;
    const struct cert_walk *walk = data;
    struct posture_finding finding;
    char item[POSTURE_CERTIFICATE_ITEM_MAX];
    posture_certificate_key_judge(walk->input, certificate, &finding, item);
    finding_offer(walk, &finding, certificate, item);
}

void tls_cert_key_check(const struct posture_check_input *input,
                        const struct tls_endpoint *endpoint,
                        struct posture_verdict *verdict)
{
    chains_walk(input, endpoint, verdict, key_offer);
}

/* The signature of a root on itself convinces nobody: it is the store that is relied on.
 */
static bool signature_counts(const json_t *certificate, size_t index)
{
    return index == 0 || !posture_certificate_is_self_issued(certificate);
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
    chains_walk(input, endpoint, verdict, signature_offer);
}

static void validity_offer(const json_t *certificate, size_t index, void *data)
{
    if (!signature_counts(certificate, index))
        return; /* nor is the time that a root gives itself */
    const struct cert_walk *walk = data;
    posture_certificate_validity_judge(walk->input, certificate, walk->verdict);
}

void tls_cert_validity_check(const struct posture_check_input *input,
                             const struct tls_endpoint *endpoint,
                             struct posture_verdict *verdict)
{
    chains_walk(input, endpoint, verdict, validity_offer);
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
        if (!store || !said) {
            tls_incomplete_offer(verdict, "verification");
        } else if (strcmp(store, "none") == 0) {
            posture_verdict_offer(verdict, POSTURE_RESULT_NA, "tls.cert.chain.no_store");
        } else if (strcmp(said, "ok") == 0) {
            if (posture_verdict_offer(verdict, POSTURE_RESULT_PASS,
                                      "tls.cert.chain.trusted"))
                posture_verdict_arg_text(verdict, "store", store);
        } else if (posture_verdict_offer(verdict, POSTURE_RESULT_FAIL,
                                         "tls.cert.chain.refused")) {
            posture_verdict_value_text(verdict, said);
            posture_verdict_arg_text(verdict, "error", said);
            posture_verdict_arg_text(verdict, "store", store);
        }
    }
}

void tls_cert_name_check(const struct posture_check_input *input,
                         const struct tls_endpoint *endpoint,
                         struct posture_verdict *verdict)
{
    (void)input;
    static const struct {
        const char *word;
        enum posture_result_status status;
        const char *code;
    } names[] = {
        {"ok", POSTURE_RESULT_PASS, "tls.cert.name.matches"},
        {"mismatch", POSTURE_RESULT_FAIL, "tls.cert.name.mismatch"},
        {"no_san", POSTURE_RESULT_FAIL, "tls.cert.name.no_san"},
    };
    if (json_array_size(endpoint->chains) == 0)
        posture_verdict_offer(verdict, POSTURE_RESULT_UNKNOWN, "tls.cert.none");
    size_t i;
    const json_t *chain;
    json_array_foreach (endpoint->chains, i, chain) {
        const char *said =
            posture_json_string(json_object_get(chain, "verification"), "name");
        size_t n = 0;
        while (n < POSTURE_COUNT(names) && (!said || strcmp(names[n].word, said) != 0))
            n++;
        if (n == POSTURE_COUNT(names))
            tls_incomplete_offer(verdict, "verification");
        else if (posture_verdict_offer(verdict, names[n].status, names[n].code) &&
                 names[n].status == POSTURE_RESULT_FAIL)
            posture_verdict_value_text(verdict, said);
    }
}
