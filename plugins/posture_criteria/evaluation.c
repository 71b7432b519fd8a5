/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#include "posture_criteria/evaluation.h"

#include "common/base/clock.h"
#include "common/report/json.h"

#include <errno.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>

static const char *const standing_names[POSTURE_STANDING_COUNT] = {
    [POSTURE_STANDING_PASS] = "pass",       [POSTURE_STANDING_FAIL] = "fail",
    [POSTURE_STANDING_MISSING] = "missing", [POSTURE_STANDING_STALE] = "stale",
    [POSTURE_STANDING_UNKNOWN] = "unknown", [POSTURE_STANDING_WARN] = "warn",
    [POSTURE_STANDING_NA] = "na",
};

static json_t *time_json(int64_t ns)
{
    char buf[POSTURE_TIME_TEXT_MAX];
    return ns ? json_string(posture_time_format(ns, buf)) : json_null();
}

static json_t *ratio_json(uint64_t numerator, uint64_t denominator)
{
    return denominator ? json_real((double)numerator / (double)denominator) : json_null();
}

char *posture_evaluation_detail(const struct posture_results *results)
{
    json_auto_t *detail = json_object();
    if (!detail)
        return NULL;
    for (size_t i = 0; i < results->count; i++) {
        const struct posture_result *result = &results->items[i];
        if (!result->code)
            continue;
        json_auto_t *entry = json_pack("{s:s}", "code", result->code);
        if (!entry ||
            (json_object_size(result->args) > 0 &&
             json_object_set(entry, "args", result->args) < 0) ||
            json_object_set(detail, result->check, entry) < 0)
            return NULL;
    }
    return posture_json_compact(detail, NULL);
}

/* The bar that a value did not reach belongs to the reason as much as the value. */
static int min_add(json_t *object, const struct posture_criterion *criterion,
                   const char *check)
{
    for (size_t i = 0; i < criterion->check_count; i++) {
        const struct posture_criterion_check *row = &criterion->checks[i];
        if (!row->has_min || strcmp(row->check, check) != 0)
            continue;
        json_auto_t *args = json_object_get(object, "args")
                                ? json_copy(json_object_get(object, "args"))
                                : json_object();
        json_t *min = row->min == (double)(json_int_t)row->min
                          ? json_integer((json_int_t)row->min)
                          : json_real(row->min);
        if (!args || json_object_set_new(args, "min", min) < 0 ||
            json_object_set(object, "args", args) < 0)
            return -ENOMEM;
    }
    return 0;
}

static int reason_add(json_t *object, const struct posture_criterion *criterion,
                      const struct posture_shortfall *shortfall, size_t *wanted)
{
    if (json_object_set_new(object, "check", json_string(shortfall->check)) < 0)
        return -ENOMEM;
    const char *text = shortfall->record->detail;
    if (!text) {
        (*wanted)++;
        return 0;
    }
    json_auto_t *detail = json_loads(text, 0, NULL);
    if (!detail)
        return -ENOMEM;
    const json_t *entry = json_object_get(detail, shortfall->check);
    if (entry && json_object_update(object, (json_t *)(uintptr_t)entry) < 0)
        return -ENOMEM;
    return min_add(object, criterion, shortfall->check);
}

static json_t *shortfall_json(const struct posture_criterion *criterion,
                              const struct posture_shortfall *shortfall, size_t *wanted)
{
    json_auto_t *object =
        json_pack("{s:s, s:s, s:s}", "agency", shortfall->agency, "subject",
                  shortfall->subject, "result", standing_names[shortfall->standing]);
    if (!object)
        return NULL;
    if (shortfall->check && reason_add(object, criterion, shortfall, wanted) < 0)
        return NULL;
    if (shortfall->missing > 0 &&
        json_object_set_new(
            object, "args",
            json_pack("{s:I}", "missing", (json_int_t)shortfall->missing)) < 0)
        return NULL;
    if (shortfall->is_excepted &&
        json_object_set_new(object, "excepted", json_true()) < 0)
        return NULL;
    if (shortfall->since_ns > 0 &&
        json_object_set_new(object, "since", time_json(shortfall->since_ns)) < 0)
        return NULL;
    if (shortfall->record) {
        char reporter[256];
        posture_record_reporter(shortfall->record, reporter, sizeof(reporter));
        if (json_object_set_new(object, "reporter", json_string(reporter)) < 0 ||
            json_object_set_new(object, "time",
                                time_json(shortfall->record->content.time_ns)) < 0)
            return NULL;
    }
    return json_incref(object);
}

static json_t *list_json(const struct posture_criterion *criterion,
                         const struct posture_tally *tally, size_t *wanted)
{
    json_auto_t *list = json_array();
    if (!list)
        return NULL;
    for (size_t i = 0; i < tally->list_count; i++) {
        if (json_array_append_new(list,
                                  shortfall_json(criterion, &tally->list[i], wanted)) < 0)
            return NULL;
    }
    return json_incref(list);
}

static json_t *counts_json(const struct posture_tally *tally)
{
    const uint64_t *c = tally->counts;
    return json_pack(
        "{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "pass",
        (json_int_t)c[POSTURE_STANDING_PASS], "warn",
        (json_int_t)c[POSTURE_STANDING_WARN], "fail",
        (json_int_t)c[POSTURE_STANDING_FAIL], "unknown",
        (json_int_t)c[POSTURE_STANDING_UNKNOWN], "na", (json_int_t)c[POSTURE_STANDING_NA],
        "stale", (json_int_t)c[POSTURE_STANDING_STALE], "missing",
        (json_int_t)c[POSTURE_STANDING_MISSING], "excepted", (json_int_t)tally->excepted);
}

/* Nothing expected, nothing ever reported, or no target to hold it against: nothing to
 * say. */
static const char *status_text(const struct posture_tally *tally, uint64_t expected,
                               bool has_target, double target)
{
    uint64_t passing = tally->counts[POSTURE_STANDING_PASS];
    if (expected == 0 || expected == tally->counts[POSTURE_STANDING_MISSING] ||
        !has_target)
        return "unmeasured";
    /* The ratio as it is published: a product would round 0.55 * 100 above 55. */
    return (double)passing / (double)expected >= target ? "met" : "not_met";
}

/* Everything but schema, id and time. */
static json_t *content_json(const struct posture_evaluation_context *context,
                            const struct posture_scope *scope,
                            const struct posture_criterion *criterion,
                            const struct posture_tally *tally, size_t *wanted)
{
    char period[16];
    int year = posture_fiscal_year(context->now_ns);
    (void)snprintf(period, sizeof(period), "FY%d", year);
    double target = 0;
    bool has_target = posture_criterion_target(criterion, year, &target);
    uint64_t expected = posture_tally_expected(tally);
    uint64_t passing = tally->counts[POSTURE_STANDING_PASS];
    uint64_t measured = passing + tally->counts[POSTURE_STANDING_WARN] +
                        tally->counts[POSTURE_STANDING_FAIL];
    return json_pack(
        "{s:{s:s, s:s}, s:s, s:s, s:{s:s, s:s}, s:s, s:s, s:I, s:I, s:o, s:I, s:o, s:o, "
        "s:o, "
        "s:s, s:o, s:I, s:o, s:o, s:o, s:b}",
        "scope", "type", scope->type, "id", scope->id, "criterion", criterion->id,
        "period", period, "profile", "id", context->profile_id, "digest",
        context->profile_digest, "catalogue_digest", context->catalogue->digest,
        "registry_digest", context->registry->digest, "expected", (json_int_t)expected,
        "passing", (json_int_t)passing, "achieved", ratio_json(passing, expected),
        "covered", (json_int_t)tally->covered, "coverage",
        ratio_json(tally->covered, expected), "of_measured",
        ratio_json(passing, measured), "target",
        has_target ? json_real(target) : json_null(), "status",
        status_text(tally, expected, has_target, target), "counts", counts_json(tally),
        "unregistered", (json_int_t)tally->unregistered, "oldest_report",
        time_json(tally->oldest_ns), "newest_report", time_json(tally->newest_ns),
        "not_achieved", list_json(criterion, tally, wanted), "truncated",
        (int)tally->is_truncated);
}

/* RFC 9562 version 8: a UUID of our own making, here from the content's SHA-256. */
static int content_id(const json_t *content, char ret_text[static 37])
{
    unsigned char hash[EVP_MAX_MD_SIZE];
    size_t len = 0;
    POSTURE_AUTO_FREE char *bytes = posture_json_compact(content, &len);
    if (!bytes || !EVP_Digest(bytes, len, hash, NULL, EVP_sha256(), NULL))
        return -ENOMEM;
    hash[6] = (unsigned char)((hash[6] & 0x0f) | 0x80);
    hash[8] = (unsigned char)((hash[8] & 0x3f) | 0x80);
    size_t at = 0;
    for (size_t i = 0; i < 16; i++) {
        if (i == 4 || i == 6 || i == 8 || i == 10)
            ret_text[at++] = '-';
        (void)snprintf(ret_text + at, 3, "%02x", hash[i]);
        at += 2;
    }
    return 0;
}

int posture_evaluation_document(const struct posture_evaluation_context *context,
                                const struct posture_scope *scope,
                                const struct posture_criterion *criterion,
                                const struct posture_tally *tally, json_t **ret,
                                size_t *ret_wanted_count)
{
    char id[37], time_text[POSTURE_TIME_TEXT_MAX];
    size_t wanted = 0;
    json_auto_t *content = content_json(context, scope, criterion, tally, &wanted);
    if (!content || content_id(content, id) < 0)
        return -ENOMEM;
    json_auto_t *document =
        json_pack("{s:s, s:s, s:s}", "schema", "posture.evaluation/1", "id", id, "time",
                  posture_time_format(context->now_ns, time_text));
    if (!document || json_object_update(document, content) < 0)
        return -ENOMEM;
    *ret = json_incref(document);
    if (ret_wanted_count)
        *ret_wanted_count = wanted;
    return 0;
}

const char *posture_evaluation_key(const struct posture_scope *scope,
                                   const char *criterion, int fiscal_year,
                                   char buf[static POSTURE_EVALUATION_KEY_MAX])
{
    (void)snprintf(buf, POSTURE_EVALUATION_KEY_MAX, "%s:%s|%s|FY%d", scope->type,
                   scope->id, criterion, fiscal_year);
    return buf;
}
