/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */

/* tls.groups, tls.pq_hybrid: what keys are agreed on in. */

#include "posture_crypto/tls_check.h"

#include "common/report/json.h"

#include <stdio.h>
#include <string.h>

static void agreement_add(const struct tls_suite *suite, void *data)
{
    struct tls_agreement *agreement = data;
    const char *exchange = posture_json_string(suite->row, "key_exchange");
    const char *protocol = posture_json_string(suite->row, "protocol");
    if (!suite->row)
        agreement->has_unknown = true;
    else if ((protocol && strcmp(protocol, "tls13") == 0) ||
             (exchange && strncmp(exchange, "ECDHE", 5) == 0))
        agreement->has_ec = true;
    else if (exchange && strncmp(exchange, "DHE", 3) == 0)
        agreement->has_dhe = true;
}

void tls_agreement_find(const struct posture_check_input *input,
                        const struct tls_endpoint *endpoint, struct tls_agreement *ret)
{
    *ret = (struct tls_agreement){0};
    tls_suites_each(input, endpoint, agreement_add, ret);
}

void tls_dhe_judge(const struct posture_check_input *input,
                   const struct tls_endpoint *endpoint, struct posture_finding *ret,
                   char item[static TLS_DHE_ITEM_MAX])
{
    snprintf(item, TLS_DHE_ITEM_MAX, "dhe %lld", (long long)endpoint->dhe_bits);
    posture_modulus_judge(input, "key_exchange", "DHE", endpoint->dhe_bits, ret);
}

void tls_groups_check(const struct posture_check_input *input,
                      const struct tls_endpoint *endpoint,
                      struct posture_verdict *verdict)
{
    if (!posture_profile_has_class(input->profile, "group")) {
        posture_verdict_offer(verdict, POSTURE_RESULT_NA, "profile.silent");
        return;
    }
    struct posture_finding finding;
    size_t i;
    const json_t *item;
    json_array_foreach (endpoint->groups, i, item) {
        const char *name = json_string_value(item);
        posture_algorithm_judge(input, "group", name, &finding);
        posture_finding_offer(input, &finding, name, verdict);
    }

    struct tls_agreement agreement;
    tls_agreement_find(input, endpoint, &agreement);
    if (endpoint->dhe_bits > 0) {
        char dhe[TLS_DHE_ITEM_MAX];
        tls_dhe_judge(input, endpoint, &finding, dhe);
        posture_finding_offer(input, &finding, dhe, verdict);
    } else if (agreement.has_dhe) {
        tls_incomplete_offer(verdict, "dhe_bits");
    }
    if (agreement.has_ec && json_array_size(endpoint->groups) == 0)
        tls_incomplete_offer(verdict, "groups");
    if (agreement.has_unknown ||
        (!verdict->is_set && (endpoint->incomplete & TLS_NEED_SUITES)))
        tls_incomplete_offer(verdict, "suites");
    if (!verdict->is_set)
        posture_verdict_offer(verdict, POSTURE_RESULT_NA, "tls.groups.not_used");
}

void tls_pq_hybrid_check(const struct posture_check_input *input,
                         const struct tls_endpoint *endpoint,
                         struct posture_verdict *verdict)
{
    /* A profile without a post-quantum row does not ask. */
    bool is_asked = false;
    size_t i;
    const json_t *row;
    json_array_foreach (json_object_get(posture_profile_json(input->profile), "rows"), i,
                        row) {
        const char *tier = posture_json_string(row, "tier");
        const char *cls = posture_json_string(row, "class");
        is_asked = is_asked || (strcmp(tier, "pqc") == 0 && strcmp(cls, "group") == 0);
    }
    if (!is_asked) {
        posture_verdict_offer(verdict, POSTURE_RESULT_NA, "profile.silent");
        return;
    }

    const json_t *item;
    json_array_foreach (endpoint->groups, i, item) {
        const char *name = json_string_value(item);
        const struct posture_profile_row *found =
            posture_profile_row(input->profile, "group", name);
        /* ML-KEM by itself is on the same list, and no hybrid. */
        const char *type = posture_json_string(
            posture_profile_table_row(input->profile, "groups", name), "type");
        if (!found || found->tier != POSTURE_TIER_PQC || !type ||
            strcmp(type, "hybrid") != 0)
            continue;
        if (posture_verdict_offer(verdict, POSTURE_RESULT_PASS,
                                  "tls.pq_hybrid.offered")) {
            posture_verdict_value_text(verdict, name);
            posture_verdict_arg_text(verdict, "group", name);
            if (found->certainty < POSTURE_CERTAINTY_HIGH)
                posture_verdict_arg_text(verdict, "certainty",
                                         posture_certainty_name(found->certainty));
        }
        return;
    }
    /* A code point that nobody has named yet may be a hybrid. */
    json_array_foreach (endpoint->groups, i, item) {
        const char *name = json_string_value(item);
        if (posture_profile_table_row(input->profile, "groups", name))
            continue;
        if (posture_verdict_offer(verdict, POSTURE_RESULT_UNKNOWN, "algorithm.unjudged"))
            posture_verdict_value_text(verdict, name);
        posture_verdict_add_item(verdict, "items", name);
        posture_verdict_add_item(verdict, "algorithms", name);
    }
    struct tls_agreement agreement;
    tls_agreement_find(input, endpoint, &agreement);
    bool may_agree = agreement.has_ec || agreement.has_unknown ||
                     (endpoint->incomplete & TLS_NEED_SUITES);
    if (may_agree && json_array_size(endpoint->groups) == 0)
        tls_incomplete_offer(verdict, "groups");
    else
        posture_verdict_offer(verdict, POSTURE_RESULT_WARN, "tls.pq_hybrid.none");
}
