/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */

/* tls.version, tls.gl3001_type: what a guideline's types say of a server as a whole. */

#include "posture_crypto/tls_types.h"

#include "common/report/json.h"

#include <string.h>

typedef void tls_meets_fn(const struct posture_check_input *input, const json_t *type,
                          const struct tls_endpoint *endpoint, struct tls_obstacle *ret);

/* The best type that is met for certain, and the best that may be met. */
struct type_range {
    const json_t *met;
    const json_t *possible;
    struct tls_obstacle met_by;   /* of the type that is met */
    struct tls_obstacle obstacle; /* of the last type that is not: why it is no better */
    struct tls_obstacle doubt;    /* of the first type that is not to be told */
};

static void range_find(const struct posture_check_input *input,
                       const struct tls_endpoint *endpoint, tls_meets_fn *meets,
                       struct type_range *ret, struct posture_verdict *verdict)
{
    *ret = (struct type_range){0};
    size_t i;
    const json_t *type;
    json_array_foreach (tls_types_of(input), i, type) {
        struct tls_obstacle found;
        meets(input, type, endpoint, &found);
        posture_verdict_until(verdict, found.valid_until_ns);
        if (found.meets == TLS_MEETS_NO) {
            ret->obstacle = found;
            continue;
        }
        if (!ret->possible) {
            ret->possible = type;
            ret->doubt = found;
        }
        if (found.meets == TLS_MEETS_YES) {
            ret->met = type;
            ret->met_by = found;
            return;
        }
    }
}

static enum posture_result_status worth_of(const json_t *type)
{
    return type ? tls_type_result(type) : POSTURE_RESULT_FAIL;
}

static void versions_meet(const struct posture_check_input *input, const json_t *type,
                          const struct tls_endpoint *endpoint, struct tls_obstacle *ret)
{
    (void)input;
    tls_type_versions(type, endpoint, ret);
}

static void certainty_arg(struct posture_verdict *verdict,
                          enum posture_certainty certainty)
{
    if (certainty < POSTURE_CERTAINTY_HIGH)
        posture_verdict_arg_text(verdict, "certainty", posture_certainty_name(certainty));
}

/* Which of a check's sentences fits. */
struct type_codes {
    const char *met;    /* pass: {type} */
    const char *lesser; /* warn: {type}; {item} keeps it from a better one */
    const char *lesser_missing;
    const char *none; /* fail: {item} */
    const char *none_missing;
    const char *doubt; /* unknown: {item} */
};

static void range_offer(const struct type_range *range, const struct type_codes *codes,
                        struct posture_verdict *verdict)
{
    enum posture_result_status worst = worth_of(range->met),
                               best = worth_of(range->possible);
    /* Not to be told: what is possible and what is certain differ in worth. */
    if (worst != best) {
        if (posture_verdict_offer(verdict, POSTURE_RESULT_UNKNOWN, codes->doubt))
            posture_verdict_add_item(verdict, "items", range->doubt.item);
        return;
    }
    bool is_missing = range->obstacle.is_missing;
    if (worst == POSTURE_RESULT_PASS) {
        if (posture_verdict_offer(verdict, worst, codes->met))
            certainty_arg(verdict, range->met_by.certainty);
    } else if (range->met) {
        if (posture_verdict_offer(verdict, worst,
                                  is_missing ? codes->lesser_missing : codes->lesser)) {
            posture_verdict_add_item(verdict, "items", range->obstacle.item);
            certainty_arg(verdict, range->obstacle.certainty < range->met_by.certainty
                                       ? range->obstacle.certainty
                                       : range->met_by.certainty);
        }
    } else if (posture_verdict_offer(verdict, POSTURE_RESULT_FAIL,
                                     is_missing ? codes->none_missing : codes->none)) {
        posture_verdict_add_item(verdict, "items", range->obstacle.item);
        certainty_arg(verdict, range->obstacle.certainty);
    }
}

static void type_arg(const json_t *type, struct posture_verdict *verdict)
{
    posture_verdict_arg_text(verdict, "type", tls_type_id(type));
}

/* The order of the enumeration is the order of the names. */
static const char *lowest_version(const struct tls_endpoint *endpoint)
{
    const char *lowest = NULL;
    size_t i;
    const json_t *item;
    json_array_foreach (endpoint->versions, i, item) {
        const char *version = json_string_value(item);
        if (!lowest || strcmp(version, lowest) < 0) /* SSLv2 < SSLv3 < TLSv1.0 < … */
            lowest = version;
    }
    return lowest;
}

void tls_version_check(const struct posture_check_input *input,
                       const struct tls_endpoint *endpoint,
                       struct posture_verdict *verdict)
{
    if (!tls_types_of(input)) {
        size_t i;
        const json_t *item;
        json_array_foreach (endpoint->versions, i, item) {
            struct posture_finding finding;
            posture_algorithm_judge(input, "version", json_string_value(item), &finding);
            posture_finding_offer(input, &finding, json_string_value(item), verdict);
        }
        return;
    }
    static const struct type_codes codes = {
        .met = "tls.version.current",
        .lesser = "tls.version.exception",
        .lesser_missing = "tls.version.exception_missing",
        .none = "tls.version.legacy",
        .none_missing = "tls.version.missing",
        .doubt = "tls.version.unjudged",
    };
    struct type_range range;
    range_find(input, endpoint, versions_meet, &range, verdict);
    range_offer(&range, &codes, verdict);
    const char *lowest = lowest_version(endpoint);
    bool is_doubt = verdict->status == POSTURE_RESULT_UNKNOWN;
    if (lowest && !is_doubt)
        posture_verdict_value_text(verdict, lowest);
    if (range.met && !is_doubt)
        type_arg(range.met, verdict);
}

void tls_gl3001_check(const struct posture_check_input *input,
                      const struct tls_endpoint *endpoint,
                      struct posture_verdict *verdict)
{
    if (!tls_types_of(input)) {
        posture_verdict_offer(verdict, POSTURE_RESULT_NA, "profile.silent");
        return;
    }
    static const struct type_codes codes = {
        .met = "tls.gl3001_type.met",
        .lesser = "tls.gl3001_type.lesser",
        .lesser_missing = "tls.gl3001_type.lesser_missing",
        .none = "tls.gl3001_type.none",
        .none_missing = "tls.gl3001_type.none_missing",
        .doubt = "tls.gl3001_type.unjudged",
    };
    struct type_range range;
    range_find(input, endpoint, tls_type_all, &range, verdict);
    range_offer(&range, &codes, verdict);
    if (verdict->status == POSTURE_RESULT_UNKNOWN)
        return;
    posture_verdict_value_text(verdict, range.met ? tls_type_id(range.met) : "none");
    if (range.met)
        type_arg(range.met, verdict);
}
