/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */

/* tls.suites, tls.key_exchange, tls.forward_secrecy: what the accepted cipher suites are
 * made of. */

#include "posture_crypto/tls_check.h"

#include "common/report/json.h"

#include <string.h>

struct suite_walk {
    const struct posture_check_input *input;
    struct posture_verdict *verdict;
    void (*judge)(const struct posture_check_input *input, const struct tls_suite *suite,
                  struct posture_finding *ret);
};

static bool word_is(const json_t *row, const char *key, const char *word)
{
    const char *value = posture_json_string(row, key);
    return value && strcmp(value, word) == 0;
}

/* A code point without a row: nothing to look its parts up by. */
static void suite_unjudged(const struct tls_suite *suite, struct posture_finding *ret)
{
    *ret = (struct posture_finding){
        .status = POSTURE_RESULT_UNKNOWN,
        .why = POSTURE_WHY_UNJUDGED,
        .certainty = POSTURE_CERTAINTY_HIGH,
        .valid_until_ns = INT64_MAX,
        .last_year = -1,
        .legacy_year = -1,
        .algorithm = suite->name,
    };
}

void tls_suite_judge(const struct posture_check_input *input,
                     const struct tls_suite *suite, struct posture_finding *ret)
{
    /* A profile may judge whole suites, their parts, or both: then the worse counts. */
    struct posture_finding part;
    posture_algorithm_judge(input, "suite", suite->name, ret);
    bool is_whole = ret->why != POSTURE_WHY_SILENT;
    if (is_whole && !posture_profile_has_class(input->profile, "cipher"))
        return;
    if (!suite->row) {
        suite_unjudged(suite, &part);
        if (is_whole)
            posture_finding_add(ret, &part);
        else
            *ret = part;
        return;
    }
    posture_algorithm_judge(input, "cipher", posture_json_string(suite->row, "cipher"),
                            &part);
    if (is_whole)
        posture_finding_add(ret, &part);
    else
        *ret = part;
    /* A stream cipher, or none, has no mode; an AEAD has no MAC of its own. */
    if (!word_is(suite->row, "mode", "NULL") && !word_is(suite->row, "mode", "STREAM")) {
        posture_algorithm_judge(input, "mode", posture_json_string(suite->row, "mode"),
                                &part);
        posture_finding_add(ret, &part);
    }
    if (!word_is(suite->row, "mac", "AEAD")) {
        posture_algorithm_judge(input, "mac", posture_json_string(suite->row, "mac"),
                                &part);
        posture_finding_add(ret, &part);
    }
}

void tls_exchange_judge(const struct posture_check_input *input,
                        const struct tls_suite *suite, struct posture_finding *ret)
{
    if (!suite->row && posture_profile_has_class(input->profile, "key_exchange")) {
        suite_unjudged(suite, ret);
        return;
    }
    struct posture_finding part;
    /* TLS 1.3 suites name no exchange: it is the group that is agreed on, always
     * ephemeral. */
    if (word_is(suite->row, "protocol", "tls13")) {
        posture_algorithm_judge(input, "key_exchange", "ECDHE", ret);
        return;
    }
    posture_algorithm_judge(input, "key_exchange",
                            posture_json_string(suite->row, "key_exchange"), ret);
    posture_algorithm_judge(input, "authentication",
                            posture_json_string(suite->row, "authentication"), &part);
    posture_finding_add(ret, &part);
    if (json_is_true(json_object_get(suite->row, "export"))) {
        posture_algorithm_judge(input, "key_exchange", "EXPORT", &part);
        posture_finding_add(ret, &part);
    }
}

static void suite_offer(const struct tls_suite *suite, void *data)
{
    const struct suite_walk *walk = data;
    struct posture_finding finding;
    walk->judge(walk->input, suite, &finding);
    if (posture_finding_offer(walk->input, &finding, suite->name, walk->verdict) &&
        finding.why != POSTURE_WHY_LISTED && finding.why != POSTURE_WHY_SILENT)
        posture_verdict_arg_text(walk->verdict, "version", suite->version);
}

static void suites_walk(const struct posture_check_input *input,
                        const struct tls_endpoint *endpoint,
                        struct posture_verdict *verdict,
                        void (*judge)(const struct posture_check_input *,
                                      const struct tls_suite *, struct posture_finding *))
{
    struct suite_walk walk = {.input = input, .verdict = verdict, .judge = judge};
    if (tls_suites_each(input, endpoint, suite_offer, &walk))
        tls_incomplete_offer(verdict, "suites");
}

void tls_suites_check(const struct posture_check_input *input,
                      const struct tls_endpoint *endpoint,
                      struct posture_verdict *verdict)
{
    suites_walk(input, endpoint, verdict, tls_suite_judge);
}

void tls_key_exchange_check(const struct posture_check_input *input,
                            const struct tls_endpoint *endpoint,
                            struct posture_verdict *verdict)
{
    suites_walk(input, endpoint, verdict, tls_exchange_judge);
}

struct secrecy_count {
    size_t with, without;
    const char *unknown;           /* the first suite that no row names */
    struct posture_verdict listed; /* the suites without, for the reason */
};

static void secrecy_count_add(const struct tls_suite *suite, void *data)
{
    struct secrecy_count *count = data;
    if (!suite->row) {
        if (!count->unknown)
            count->unknown = suite->name;
    } else if (tls_suite_is_ephemeral(suite->row)) {
        count->with++;
    } else {
        count->without++;
        posture_verdict_add_item(&count->listed, "items", suite->name);
    }
}

void tls_forward_secrecy_check(const struct posture_check_input *input,
                               const struct tls_endpoint *endpoint,
                               struct posture_verdict *verdict)
{
    struct secrecy_count count = {0};
    posture_verdict_init(&count.listed);
    bool is_whole = !tls_suites_each(input, endpoint, secrecy_count_add, &count);
    if (!is_whole)
        tls_incomplete_offer(verdict, "suites");
    is_whole = is_whole && !(endpoint->incomplete & TLS_NEED_SUITES);
    /* One that is not known may be the one that has it: it can make none into some. */
    if (count.unknown) {
        if (posture_verdict_offer(verdict, POSTURE_RESULT_UNKNOWN,
                                  "algorithm.unjudged")) {
            posture_verdict_value_text(verdict, count.unknown);
            posture_verdict_add_item(verdict, "items", count.unknown);
            posture_verdict_add_item(verdict, "algorithms", count.unknown);
        }
    } else if (count.with > 0 && count.without == 0) {
        posture_verdict_offer(verdict, POSTURE_RESULT_PASS, "tls.forward_secrecy.all");
    } else if (count.without > 0 && (is_whole || count.with > 0)) {
        /* "None" can be said of a whole list only. */
        bool is_some = count.with > 0;
        if (posture_verdict_offer(
                verdict, is_some ? POSTURE_RESULT_WARN : POSTURE_RESULT_FAIL,
                is_some ? "tls.forward_secrecy.some" : "tls.forward_secrecy.none")) {
            json_t *items = json_incref(json_object_get(count.listed.args, "items"));
            posture_verdict_value_text(verdict,
                                       json_string_value(json_array_get(items, 0))
                                           ? json_string_value(json_array_get(items, 0))
                                           : "?");
            posture_verdict_arg_take(verdict, "items", items);
            posture_verdict_arg_take(verdict, "count",
                                     json_integer((json_int_t)count.without));
        }
    }
    if (count.listed.r < 0)
        verdict->r = count.listed.r;
    posture_verdict_done(&count.listed);
}
