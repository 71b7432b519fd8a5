/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#include "posture_crypto/tls_checks.h"

#include "common/report/json.h"
#include "posture_crypto/tls_check.h"

#include <errno.h>

enum {
    NEED_SUITES = TLS_NEED_VERSIONS | TLS_NEED_SUITES,
    NEED_ALGORITHMS = TLS_NEED_VERSIONS | TLS_NEED_SUITES | TLS_NEED_GROUPS |
                      TLS_NEED_DHE | TLS_NEED_CHAINS,
};

static const struct {
    const char *id;
    unsigned needs; /* lists that must be whole for anything better than a fail */
    tls_check_fn *check;
} checks[] = {
    {"tls.version", TLS_NEED_VERSIONS, tls_version_check},
    {"tls.suites", NEED_SUITES, tls_suites_check},
    {"tls.key_exchange", NEED_SUITES, tls_key_exchange_check},
    {"tls.groups", TLS_NEED_GROUPS | TLS_NEED_DHE, tls_groups_check},
    {"tls.pq_hybrid", TLS_NEED_VERSIONS | TLS_NEED_GROUPS, tls_pq_hybrid_check},
    {"tls.forward_secrecy", NEED_SUITES, tls_forward_secrecy_check},
    {"tls.cert.key", TLS_NEED_CHAINS, tls_cert_key_check},
    {"tls.cert.signature", TLS_NEED_CHAINS, tls_cert_signature_check},
    {"tls.cert.validity", TLS_NEED_CHAINS, tls_cert_validity_check},
    {"tls.cert.chain", TLS_NEED_CHAINS | TLS_NEED_VERIFICATION, tls_cert_chain_check},
    {"tls.cert.name", TLS_NEED_CHAINS | TLS_NEED_VERIFICATION, tls_cert_name_check},
    {"tls.https_redirect", 0, tls_https_redirect_check},
    {"tls.hsts", 0, tls_hsts_check},
    {"tls.cert.wildcard", TLS_NEED_CHAINS, tls_cert_wildcard_check},
    {"tls.cert.usage", TLS_NEED_CHAINS, tls_cert_usage_check},
    {"tls.cert.form", TLS_NEED_CHAINS, tls_cert_form_check},
    {"tls.cert.serial", TLS_NEED_CHAINS, tls_cert_serial_check},
    {"tls.cert.lifetime", TLS_NEED_CHAINS | TLS_NEED_VERIFICATION,
     tls_cert_lifetime_check},
    {"tls.cert.transparency", TLS_NEED_CHAINS | TLS_NEED_VERIFICATION,
     tls_cert_transparency_check},
    {"tls.cert.revocation", TLS_NEED_CHAINS, tls_cert_revocation_check},
    {"tls.gl3001_type", NEED_ALGORITHMS, tls_gl3001_check},
    {"tls.strength_until", NEED_ALGORITHMS, tls_strength_check},
    {"tls.signature_algorithms", TLS_NEED_VERSIONS | TLS_NEED_SIGNATURES,
     tls_signature_algorithms_check},
    {"tls.extended_master_secret", TLS_NEED_VERSIONS | TLS_NEED_EXTENDED_MASTER_SECRET,
     tls_extended_master_secret_check},
    {"tls.renegotiation", TLS_NEED_VERSIONS | TLS_NEED_RENEGOTIATION,
     tls_renegotiation_check},
    {"tls.compression", TLS_NEED_VERSIONS | TLS_NEED_COMPRESSION, tls_compression_check},
    {"tls.early_data", TLS_NEED_VERSIONS | TLS_NEED_EARLY_DATA, tls_early_data_check},
    {"tls.ocsp_stapling", TLS_NEED_CHAINS | TLS_NEED_OCSP_STAPLE,
     tls_ocsp_stapling_check},
    {"tls.starttls", 0, tls_starttls_check},
};

void tls_incomplete_offer(struct posture_verdict *verdict, const char *what)
{
    posture_verdict_offer_incomplete(verdict, what);
}

static const char *need_name(unsigned missing)
{
    static const char *const names[] = {"versions",
                                        "suites",
                                        "groups",
                                        "dhe_bits",
                                        "chains",
                                        "verification",
                                        "signature_algorithms",
                                        "extended_master_secret",
                                        "renegotiation",
                                        "compression",
                                        "early_data",
                                        "ocsp_staple"};
    for (size_t i = 0; i < POSTURE_COUNT(names); i++) {
        if (missing & (1u << i))
            return names[i];
    }
    return "facts";
}

/* One check on one endpoint, lists that are not whole taken into account. A check that
 * the profile does not ask for, or that needs nothing that is not whole, keeps its
 * verdict. */
static void endpoint_check(const struct posture_check_input *input, size_t number,
                           const struct tls_endpoint *endpoint,
                           struct posture_verdict *whole)
{
    POSTURE_AUTO_VERDICT struct posture_verdict part;
    posture_verdict_init(&part);
    if (endpoint->unknown && checks[number].check != tls_starttls_check) {
        posture_verdict_offer(&part, POSTURE_RESULT_UNKNOWN, endpoint->unknown);
    } else {
        checks[number].check(input, endpoint, &part);
        unsigned missing = endpoint->incomplete & checks[number].needs;
        bool is_silent = posture_verdict_is(&part, POSTURE_RESULT_NA, "profile.silent");
        /* A hybrid that was found stays found, whatever else there may be. */
        bool is_found =
            posture_verdict_is(&part, POSTURE_RESULT_PASS, "tls.pq_hybrid.offered");
        if (missing && !is_silent && !is_found)
            tls_incomplete_offer(&part, need_name(missing));
        if (!part.is_set)
            tls_incomplete_offer(&part, "facts");
    }
    if (posture_verdict_merge(whole, &part))
        posture_verdict_arg_text(whole, "address", endpoint->address);
}

static int subject_check(const struct posture_check_input *input, size_t number,
                         struct posture_results *results)
{
    POSTURE_AUTO_VERDICT struct posture_verdict whole, left_out;
    posture_verdict_init(&whole);
    posture_verdict_init(&left_out);
    const json_t *endpoints = json_object_get(input->facts, "endpoints");
    size_t i;
    const json_t *element;
    json_array_foreach (endpoints, i, element) {
        struct tls_endpoint endpoint;
        tls_endpoint_read(element, &endpoint);
        if (endpoint.is_left_out)
            posture_verdict_add_item(&left_out, "left_out", endpoint.address);
        else
            endpoint_check(input, number, &endpoint, &whole);
    }
    if (!json_is_object(input->facts) || !json_is_array(endpoints))
        posture_verdict_offer(&whole, POSTURE_RESULT_UNKNOWN, "facts.malformed");
    else if (json_is_true(json_object_get(input->facts, "truncated")))
        tls_incomplete_offer(&whole, "endpoints");
    json_t *left = json_object_get(left_out.args, "left_out");
    if (!whole.is_set)
        posture_verdict_offer(&whole, POSTURE_RESULT_UNKNOWN,
                              left ? "endpoint.no_route"
                                   : tls_resolution_code(input->facts));
    if (left)
        posture_verdict_arg_take(&whole, "left_out", json_incref(left));
    if (left_out.r < 0)
        whole.r = left_out.r;
    return posture_verdict_finish(&whole, checks[number].id, results);
}

static int judge(const struct posture_check_input *input, struct posture_results *results)
{
    if (!input->profile)
        return -EINVAL;
    for (size_t i = 0; i < POSTURE_COUNT(checks); i++)
        POSTURE_TRY(subject_check(input, i, results));
    return 0;
}

const struct posture_check_set posture_tls_checks = {.kind = "tls", .judge = judge};
