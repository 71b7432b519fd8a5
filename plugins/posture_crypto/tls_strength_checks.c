/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */

/* tls.strength_until: the last civil year in which everything that is negotiated is still
 * usable. */

#include "common/base/clock.h"
#include "common/checks/certificate.h"
#include "posture_crypto/tls_check.h"

#include "common/report/json.h"

#include <errno.h>

enum { YEAR_OPEN = 9999, YEAR_UNSET = 10000 };

struct strength_walk {
    const struct posture_check_input *input;
    struct posture_verdict *verdict;
    int year;        /* the earliest of all */
    int legacy_year; /* the same of processing what exists; -1: not said of any */
    enum posture_certainty certainty;
    bool is_unknown;
    const char *unknown_code;
    struct posture_verdict items; /* what ends in that year */
    struct posture_verdict unknown_items;
};

static void year_add(struct strength_walk *walk, const struct posture_finding *finding,
                     const char *item)
{
    if (finding->why == POSTURE_WHY_SILENT)
        return;
    if (finding->last_year < 0) {
        posture_verdict_add_item(&walk->unknown_items, "items", item);
        posture_verdict_add_item(&walk->unknown_items, "algorithms", finding->algorithm);
        if (!walk->is_unknown)
            walk->unknown_code =
                posture_finding_code(finding->why == POSTURE_WHY_NO_LENGTHS ||
                                             finding->why == POSTURE_WHY_MALFORMED
                                         ? finding->why
                                         : POSTURE_WHY_UNJUDGED);
        walk->is_unknown = true;
        return;
    }
    if (finding->legacy_year >= 0 &&
        (walk->legacy_year < 0 || finding->legacy_year < walk->legacy_year))
        walk->legacy_year = finding->legacy_year;
    if (finding->last_year > walk->year)
        return;
    if (finding->last_year < walk->year) {
        walk->year = finding->last_year;
        walk->certainty = finding->year_certainty;
        int r = walk->items.r;
        posture_verdict_done(&walk->items);
        walk->items.r = r;
    } else if (finding->year_certainty < walk->certainty) {
        walk->certainty = finding->year_certainty;
    }
    posture_verdict_add_item(&walk->items, "items", item);
}

static void suite_add(const struct tls_suite *suite, void *data)
{
    struct strength_walk *walk = data;
    struct posture_finding finding;
    tls_suite_judge(walk->input, suite, &finding);
    year_add(walk, &finding, suite->name);
    /* No or export exchange, no authentication: usable in no year. */
    tls_exchange_judge(walk->input, suite, &finding);
    year_add(walk, &finding, suite->name);
}

static void certificate_add(const json_t *certificate, size_t index, void *data)
{
    struct strength_walk *walk = data;
    struct posture_finding finding;
    char item[POSTURE_CERTIFICATE_ITEM_MAX];
    posture_certificate_key_judge(walk->input, certificate, &finding, item);
    year_add(walk, &finding, item);
    if (index > 0 && posture_certificate_is_self_issued(certificate))
        return;
    posture_certificate_signature_judge(walk->input, certificate, &finding, item);
    year_add(walk, &finding, item);
}

static void groups_add(struct strength_walk *walk, const struct tls_endpoint *endpoint)
{
    struct posture_finding finding;
    size_t i;
    const json_t *item;
    json_array_foreach (endpoint->groups, i, item) {
        posture_algorithm_judge(walk->input, "group", json_string_value(item), &finding);
        year_add(walk, &finding, json_string_value(item));
    }
    struct tls_agreement agreement;
    tls_agreement_find(walk->input, endpoint, &agreement);
    if (endpoint->dhe_bits > 0) {
        char dhe[TLS_DHE_ITEM_MAX];
        tls_dhe_judge(walk->input, endpoint, &finding, dhe);
        year_add(walk, &finding, dhe);
    } else if (agreement.has_dhe) {
        tls_incomplete_offer(walk->verdict, "dhe_bits");
    }
    if (agreement.has_ec && json_array_size(endpoint->groups) == 0)
        tls_incomplete_offer(walk->verdict, "groups");
}

static void year_offer(struct strength_walk *walk)
{
    struct posture_verdict *verdict = walk->verdict;
    int wanted = posture_year_jst(walk->input->planned_end_ns);
    enum posture_result_status status = POSTURE_RESULT_PASS;
    const char *code = "tls.strength_until.year";
    if (walk->year < wanted) {
        status = POSTURE_RESULT_FAIL;
        bool is_planned = walk->year >= posture_year_jst(walk->input->at_ns);
        code = walk->year == 0 ? "tls.strength_until.never"
               : is_planned    ? "tls.strength_until.over_planned"
                               : "tls.strength_until.over";
        if (is_planned) /* then the date itself is the reason */
            posture_verdict_until(verdict, posture_year_start_jst(walk->year + 1));
    } else if (walk->year == YEAR_OPEN) {
        code = "tls.strength_until.open";
    } else {
        posture_verdict_until(verdict, posture_year_start_jst(walk->year + 1));
    }
    if (!posture_verdict_offer(verdict, status, code))
        return;
    posture_verdict_value_take(verdict, json_integer(walk->year));
    json_t *items = json_object_get(walk->items.args, "items");
    if (items)
        posture_verdict_arg_take(verdict, "items", json_incref(items));
    if (walk->year > 0 && walk->year < YEAR_OPEN)
        posture_verdict_arg_take(verdict, "until", json_integer(walk->year));
    if (walk->year > 0 && walk->legacy_year > walk->year && walk->legacy_year < YEAR_OPEN)
        posture_verdict_arg_take(verdict, "legacy_until",
                                 json_integer(walk->legacy_year));
    if (status == POSTURE_RESULT_FAIL && walk->year > 0)
        posture_verdict_arg_date(verdict, "date", walk->input->planned_end_ns);
    if (walk->certainty < POSTURE_CERTAINTY_HIGH)
        posture_verdict_arg_text(verdict, "certainty",
                                 posture_certainty_name(walk->certainty));
}

void tls_strength_check(const struct posture_check_input *input,
                        const struct tls_endpoint *endpoint,
                        struct posture_verdict *verdict)
{
    if (!posture_profile_has_strength(input->profile)) {
        posture_verdict_offer(verdict, POSTURE_RESULT_NA, "profile.silent");
        return;
    }
    struct strength_walk walk = {
        .input = input,
        .verdict = verdict,
        .year = YEAR_UNSET,
        .legacy_year = -1,
        .certainty = POSTURE_CERTAINTY_HIGH,
    };
    posture_verdict_init(&walk.items);
    posture_verdict_init(&walk.unknown_items);

    if (tls_suites_each(input, endpoint, suite_add, &walk))
        tls_incomplete_offer(verdict, "suites");
    groups_add(&walk, endpoint);
    if (!tls_certificates_each(endpoint, certificate_add, &walk))
        posture_verdict_offer(verdict, POSTURE_RESULT_UNKNOWN, "tls.cert.none");
    if (walk.is_unknown &&
        posture_verdict_offer(verdict, POSTURE_RESULT_UNKNOWN, walk.unknown_code)) {
        json_decref(verdict->args);
        verdict->args = POSTURE_TAKE(walk.unknown_items.args);
    }
    if (walk.year != YEAR_UNSET)
        year_offer(&walk);

    if (walk.items.r < 0 || walk.unknown_items.r < 0)
        verdict->r = -ENOMEM;
    posture_verdict_done(&walk.items);
    posture_verdict_done(&walk.unknown_items);
}
