/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#include "common/checks/algorithm.h"

#include "common/base/clock.h"

#include <string.h>

static const struct {
    enum posture_result_status status;
    const char *code;
} whys[POSTURE_WHY_COUNT] = {
    [POSTURE_WHY_SILENT] = {POSTURE_RESULT_NA, "profile.silent"},
    [POSTURE_WHY_LISTED] = {POSTURE_RESULT_PASS, "algorithm.listed"},
    [POSTURE_WHY_CANDIDATE] = {POSTURE_RESULT_WARN, "algorithm.candidate"},
    [POSTURE_WHY_MONITORED] = {POSTURE_RESULT_WARN, "algorithm.monitored"},
    [POSTURE_WHY_MIGRATE] = {POSTURE_RESULT_WARN, "algorithm.migrate"},
    [POSTURE_WHY_MIGRATE_PLANNED] = {POSTURE_RESULT_WARN, "algorithm.migrate_planned"},
    [POSTURE_WHY_UNJUDGED] = {POSTURE_RESULT_UNKNOWN, "algorithm.unjudged"},
    [POSTURE_WHY_NO_LENGTHS] = {POSTURE_RESULT_UNKNOWN, "algorithm.no_lengths"},
    [POSTURE_WHY_MALFORMED] = {POSTURE_RESULT_UNKNOWN, "facts.malformed"},
    [POSTURE_WHY_UNLISTED] = {POSTURE_RESULT_FAIL, "algorithm.unlisted"},
    [POSTURE_WHY_NOT_ALLOWED] = {POSTURE_RESULT_FAIL, "algorithm.not_allowed"},
    [POSTURE_WHY_NOT_ALLOWED_PLANNED] = {POSTURE_RESULT_FAIL,
                                         "algorithm.not_allowed_planned"},
    [POSTURE_WHY_TOO_WEAK] = {POSTURE_RESULT_FAIL, "algorithm.too_weak"},
};

const char *posture_finding_code(enum posture_finding_why why)
{
    return whys[why].code;
}

/* A profile that grades has no lists to speak of. */
static const char *code_for(const struct posture_profile *profile,
                            enum posture_finding_why why)
{
    if (posture_profile_has_grades(profile)) {
        if (why == POSTURE_WHY_LISTED)
            return "algorithm.accepted";
        if (why == POSTURE_WHY_CANDIDATE || why == POSTURE_WHY_MONITORED)
            return "algorithm.phase_out";
        if (why == POSTURE_WHY_UNLISTED)
            return "algorithm.insufficient";
    }
    return whys[why].code;
}

static void finding_set(struct posture_finding *finding, enum posture_finding_why why,
                        enum posture_certainty certainty)
{
    finding->why = why;
    finding->status = whys[why].status;
    finding->certainty = certainty;
}

/* The list that the row is on. */
static void tier_apply(const struct posture_profile_row *row,
                       struct posture_finding *finding)
{
    static const enum posture_finding_why of_tier[] = {
        [POSTURE_TIER_NONE] = POSTURE_WHY_UNLISTED,
        [POSTURE_TIER_RECOMMENDED] = POSTURE_WHY_LISTED,
        [POSTURE_TIER_PQC] = POSTURE_WHY_LISTED,
        [POSTURE_TIER_CANDIDATE] = POSTURE_WHY_CANDIDATE,
        [POSTURE_TIER_MONITORED] = POSTURE_WHY_MONITORED,
        [POSTURE_TIER_UNJUDGED] = POSTURE_WHY_UNJUDGED,
    };
    finding_set(finding, of_tier[row->tier], row->certainty);
    /* "*" stands for what is not named: it keeps the name that it came with. */
    if (strcmp(row->name, "*") != 0)
        finding->algorithm = row->listed_as;
    if (row->tier == POSTURE_TIER_NONE) {
        finding->last_year = 0; /* usable in no year */
        finding->year_certainty = row->certainty;
    }
}

/* A strength in bits at the judgement's date. */
static void strength_apply(const struct posture_check_input *input, uint32_t bits,
                           enum posture_certainty certainty,
                           struct posture_finding *finding)
{
    int64_t until_ns;
    enum posture_strength state =
        posture_profile_strength(input->profile, bits, input->planned_end_ns, &until_ns);
    if (state == POSTURE_STRENGTH_UNJUDGED)
        return;
    int last_year = posture_profile_strength_last_year(input->profile, bits);
    finding->bits = bits;
    if (until_ns < finding->valid_until_ns)
        finding->valid_until_ns = until_ns;
    if (finding->last_year < 0 || last_year < finding->last_year) {
        finding->last_year = last_year;
        finding->year_certainty = certainty;
    }

    finding->legacy_year = posture_profile_legacy_last_year(input->profile, bits);

    /* Better today than at the planned end: then that is why, until today is no better.
     */
    int64_t now_until_ns;
    enum posture_strength now =
        posture_profile_strength(input->profile, bits, input->at_ns, &now_until_ns);
    bool is_planned = now < state;
    if (is_planned && now_until_ns < finding->valid_until_ns)
        finding->valid_until_ns = now_until_ns;

    enum posture_finding_why why = POSTURE_WHY_LISTED;
    if (state == POSTURE_STRENGTH_NOT_ALLOWED)
        why = last_year == 0 ? POSTURE_WHY_TOO_WEAK
              : is_planned   ? POSTURE_WHY_NOT_ALLOWED_PLANNED
                             : POSTURE_WHY_NOT_ALLOWED;
    else if (state == POSTURE_STRENGTH_MIGRATE)
        why = is_planned ? POSTURE_WHY_MIGRATE_PLANNED : POSTURE_WHY_MIGRATE;
    if (whys[why].status > finding->status)
        finding_set(finding, why, certainty);
    else if (finding->why == POSTURE_WHY_LISTED && certainty < finding->certainty)
        finding->certainty = certainty; /* a pass rests on both */
}

/* True when there is a row to go on with. */
static bool row_apply(const struct posture_check_input *input, const char *cls,
                      const char *name, struct posture_finding *ret,
                      const struct posture_profile_row **ret_row)
{
    *ret = (struct posture_finding){
        .certainty = POSTURE_CERTAINTY_HIGH,
        .valid_until_ns = INT64_MAX,
        .last_year = -1,
        .legacy_year = -1,
        .year_certainty = POSTURE_CERTAINTY_HIGH,
        .algorithm = name ? name : "?",
    };
    *ret_row = name ? posture_profile_row(input->profile, cls, name) : NULL;
    if (!*ret_row) {
        bool is_silent = !posture_profile_has_class(input->profile, cls);
        finding_set(ret,
                    is_silent ? POSTURE_WHY_SILENT
                    : name    ? POSTURE_WHY_UNJUDGED
                              : POSTURE_WHY_MALFORMED,
                    POSTURE_CERTAINTY_HIGH);
        return false;
    }
    tier_apply(*ret_row, ret);
    return true;
}

void posture_algorithm_judge(const struct posture_check_input *input, const char *cls,
                             const char *name, struct posture_finding *ret)
{
    const struct posture_profile_row *row;
    if (!row_apply(input, cls, name, ret, &row))
        return;
    if (row->bits > 0)
        strength_apply(input, row->bits, row->bits_certainty, ret);
    else if (ret->last_year < 0)
        ret->last_year = 9999; /* nothing in it that ages by strength */
}

void posture_modulus_judge(const struct posture_check_input *input, const char *cls,
                           const char *name, json_int_t modulus_bits,
                           struct posture_finding *ret)
{
    const struct posture_profile_row *row;
    if (!row_apply(input, cls, name, ret, &row))
        return;
    uint32_t bits = 0;
    enum posture_certainty certainty = POSTURE_CERTAINTY_HIGH;
    enum posture_finding_why why;
    bool has_sizes = row->min > 0;
    if (has_sizes && modulus_bits > 0) {
        ret->last_year = -1;
        tier_apply(posture_profile_row_of_size(input->profile, cls, name,
                                               (uint64_t)modulus_bits),
                   ret);
        if (ret->last_year < 0)
            ret->last_year = 9999; /* unless its strength ends, below */
    }
    if (modulus_bits <= 0)
        why = POSTURE_WHY_MALFORMED;
    else if (has_sizes && !posture_profile_has_strength(input->profile))
        return;
    else if (!posture_profile_modulus_bits(input->profile, (uint64_t)modulus_bits, &bits,
                                           &certainty) ||
             !posture_profile_has_strength(input->profile))
        why = POSTURE_WHY_NO_LENGTHS;
    else {
        strength_apply(input, bits, certainty, ret);
        return;
    }
    if (whys[why].status > ret->status)
        finding_set(ret, why, POSTURE_CERTAINTY_HIGH);
}

void posture_finding_add(struct posture_finding *finding,
                         const struct posture_finding *other)
{
    struct posture_finding sum = other->status > finding->status ? *other : *finding;
    if (other->status == finding->status && other->status == POSTURE_RESULT_PASS &&
        other->certainty < sum.certainty)
        sum.certainty = other->certainty;
    if (other->valid_until_ns < sum.valid_until_ns)
        sum.valid_until_ns = other->valid_until_ns;
    if (finding->valid_until_ns < sum.valid_until_ns)
        sum.valid_until_ns = finding->valid_until_ns;
    /* A silent class has no say in the year; one that is not known makes the sum not
     * known, unless the other is usable in no year at all. */
    const struct posture_finding *parts[2] = {finding, other};
    sum.last_year = 9999;
    sum.year_certainty = POSTURE_CERTAINTY_HIGH;
    bool is_unknown = false;
    for (size_t i = 0; i < POSTURE_COUNT(parts); i++) {
        if (parts[i]->why == POSTURE_WHY_SILENT)
            continue;
        if (parts[i]->last_year < 0) {
            is_unknown = true;
        } else if (parts[i]->last_year < sum.last_year) {
            sum.last_year = parts[i]->last_year;
            sum.year_certainty = parts[i]->year_certainty;
        }
    }
    if (is_unknown && sum.last_year > 0)
        sum.last_year = -1;
    *finding = sum;
}

bool posture_finding_offer(const struct posture_check_input *input,
                           const struct posture_finding *finding, const char *item,
                           struct posture_verdict *verdict)
{
    const char *code = code_for(input->profile, finding->why);
    posture_verdict_until(verdict, finding->valid_until_ns);
    bool is_first = posture_verdict_offer(verdict, finding->status, code);
    if (!is_first && !posture_verdict_is(verdict, finding->status, code))
        return false;

    bool is_pass = finding->why == POSTURE_WHY_LISTED;
    if (finding->why == POSTURE_WHY_SILENT)
        return is_first;
    if (is_first && !is_pass) {
        posture_verdict_value_text(verdict, item);
        if (finding->bits > 0 || finding->why == POSTURE_WHY_TOO_WEAK)
            posture_verdict_arg_take(verdict, "bits", json_integer(finding->bits));
        if (finding->last_year > 0 && finding->last_year < 9999)
            posture_verdict_arg_take(verdict, "until", json_integer(finding->last_year));
        if (finding->legacy_year > 0 && finding->legacy_year < 9999 &&
            finding->legacy_year != finding->last_year)
            posture_verdict_arg_take(verdict, "legacy_until",
                                     json_integer(finding->legacy_year));
        if (finding->why == POSTURE_WHY_NOT_ALLOWED ||
            finding->why == POSTURE_WHY_NOT_ALLOWED_PLANNED ||
            finding->why == POSTURE_WHY_MIGRATE_PLANNED)
            posture_verdict_arg_date(verdict, "date", input->planned_end_ns);
    }
    if (!is_pass) {
        posture_verdict_add_item(verdict, "items", item);
        posture_verdict_add_item(verdict, "algorithms", finding->algorithm);
    }
    /* The lowest certainty of everything that the reason names. */
    if (finding->certainty < POSTURE_CERTAINTY_HIGH) {
        const char *now = json_string_value(json_object_get(verdict->args, "certainty"));
        if (!now || finding->certainty == POSTURE_CERTAINTY_LOW)
            posture_verdict_arg_text(verdict, "certainty",
                                     posture_certainty_name(finding->certainty));
    }
    return is_first;
}
