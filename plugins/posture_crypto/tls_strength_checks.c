/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */

/* tls.strength_until: the last civil year in which everything that is negotiated is still
 * usable. */

#include "common/checks/certificate.h"
#include "common/checks/strength.h"
#include "posture_crypto/tls_check.h"

#include "common/report/json.h"

static const struct posture_strength_codes codes = {
    .year = "tls.strength_until.year",
    .open = "tls.strength_until.open",
    .over = "tls.strength_until.over",
    .over_planned = "tls.strength_until.over_planned",
    .never = "tls.strength_until.never",
};

struct strength_walk {
    const struct posture_check_input *input;
    struct posture_verdict *verdict;
    struct posture_strength_walk years;
};

static void suite_add(const struct tls_suite *suite, void *data)
{
    struct strength_walk *walk = data;
    struct posture_finding finding;
    tls_suite_judge(walk->input, suite, &finding);
    posture_strength_walk_add(&walk->years, &finding, suite->name);
    /* No or export exchange, no authentication: usable in no year. */
    tls_exchange_judge(walk->input, suite, &finding);
    posture_strength_walk_add(&walk->years, &finding, suite->name);
}

static void certificate_add(const json_t *certificate, size_t index, void *data)
{
    struct strength_walk *walk = data;
    struct posture_finding finding;
    char item[POSTURE_CERTIFICATE_ITEM_MAX];
    posture_certificate_key_judge(walk->input, certificate, &finding, item);
    posture_strength_walk_add(&walk->years, &finding, item);
    if (index > 0 && posture_certificate_is_self_issued(certificate))
        return;
    posture_certificate_signature_judge(walk->input, certificate, &finding, item);
    posture_strength_walk_add(&walk->years, &finding, item);
}

static void groups_add(struct strength_walk *walk, const struct tls_endpoint *endpoint)
{
    struct posture_finding finding;
    size_t i;
    const json_t *item;
    json_array_foreach (endpoint->groups, i, item) {
        posture_algorithm_judge(walk->input, "group", json_string_value(item), &finding);
        posture_strength_walk_add(&walk->years, &finding, json_string_value(item));
    }
    struct tls_agreement agreement;
    tls_agreement_find(walk->input, endpoint, &agreement);
    if (endpoint->dhe_bits > 0) {
        char dhe[TLS_DHE_ITEM_MAX];
        tls_dhe_judge(walk->input, endpoint, &finding, dhe);
        posture_strength_walk_add(&walk->years, &finding, dhe);
    } else if (agreement.has_dhe) {
        tls_incomplete_offer(walk->verdict, "dhe_bits");
    }
    if (agreement.has_ec && json_array_size(endpoint->groups) == 0)
        tls_incomplete_offer(walk->verdict, "groups");
}

void tls_strength_check(const struct posture_check_input *input,
                        const struct tls_endpoint *endpoint,
                        struct posture_verdict *verdict)
{
    if (!posture_profile_has_strength(input->profile)) {
        posture_verdict_offer(verdict, POSTURE_RESULT_NA, "profile.silent");
        return;
    }
    struct strength_walk walk = {.input = input, .verdict = verdict};
    posture_strength_walk_init(&walk.years);
    if (tls_suites_each(input, endpoint, suite_add, &walk))
        tls_incomplete_offer(verdict, "suites");
    groups_add(&walk, endpoint);
    if (!tls_certificates_each(endpoint, certificate_add, &walk))
        posture_verdict_offer(verdict, POSTURE_RESULT_UNKNOWN, "tls.cert.none");
    posture_strength_walk_offer(&walk.years, input, &codes, verdict);
}
