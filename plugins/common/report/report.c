/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#include "common/report/report.h"

#include "common/base/clock.h"
#include "common/report/subject.h"

#include <errno.h>
#include <math.h>
#include <string.h>

#define REPORT_SCHEMA "posture.report/1"

struct posture_report *posture_report_new(void)
{
    return posture_calloc(1, sizeof(struct posture_report));
}

struct posture_report *posture_report_free(struct posture_report *report)
{
    if (!report)
        return NULL;
    free(report->agency);
    free(report->reporter);
    free(report->kind);
    free(report->subject);
    free(report->profile);
    json_decref(report->facts);
    json_decref(report->declared);
    json_decref(report->results);
    free(report);
    return NULL;
}

/* Whole seconds are written without a fraction: "3600", not "3600.0". */
static json_t *interval_new(double interval_s)
{
    if (interval_s >= 0 && interval_s <= 1e15 && !(floor(interval_s) < interval_s))
        return json_integer((json_int_t)interval_s);
    return json_real(interval_s); /* NULL for NaN and infinity */
}

/* Keys in the order of the schema, whatever the order of filling. */
static int report_to_json(const struct posture_report *report, json_t **ret_root)
{
    char time[POSTURE_TIME_TEXT_MAX];
    posture_time_format(report->time_ns, time);
    json_auto_t *root = json_object();
    if (!root || json_object_set_new(root, "schema", json_string(REPORT_SCHEMA)) < 0 ||
        json_object_set_new(root, "id", json_string(report->id)) < 0 ||
        json_object_set_new(root, "time", json_string(time)) < 0 ||
        json_object_set_new(root, "interval_s", interval_new(report->interval_s)) < 0 ||
        json_object_set_new(root, "agency", json_string(report->agency)) < 0 ||
        json_object_set_new(root, "reporter", json_string(report->reporter)) < 0 ||
        json_object_set_new(root, "kind", json_string(report->kind)) < 0 ||
        json_object_set_new(root, "subject", json_string(report->subject)) < 0 ||
        json_object_set(root, "facts", report->facts) < 0)
        return -ENOMEM;
    if (report->declared && json_object_set(root, "declared", report->declared) < 0)
        return -ENOMEM;
    if (report->profile &&
        json_object_set_new(root, "profile", json_string(report->profile)) < 0)
        return -ENOMEM;
    if (report->results && json_object_set(root, "results", report->results) < 0)
        return -ENOMEM;
    *ret_root = json_incref(root);
    return 0;
}

int posture_report_encode(const struct posture_report *report, char **ret_bytes,
                          size_t *ret_len, struct posture_error *reterr)
{
    if (!report->agency || !report->reporter || !report->kind || !report->subject ||
        !json_is_object(report->facts) || !isfinite(report->interval_s))
        return posture_error_set(
            reterr, -EINVAL,
            "report without agency, reporter, kind, subject, facts or "
            "interval");
    json_auto_t *root = NULL;
    int r = report_to_json(report, &root);
    if (r < 0)
        return posture_error_set(reterr, r, "out of memory or text that is not UTF-8");

    POSTURE_AUTO_BUF struct posture_buf out;
    posture_buf_init(&out, POSTURE_REPORT_MAX);
    r = posture_json_write(root, &out);
    if (r == POSTURE_E_LIMIT)
        return posture_error_set(reterr, r, "report larger than %d bytes",
                                 POSTURE_REPORT_MAX);
    if (r < 0)
        return posture_error_set(reterr, r, "out of memory");
    char *bytes = posture_buf_steal(&out, ret_len);
    if (!bytes)
        return posture_error_set(reterr, -ENOMEM, "out of memory");
    *ret_bytes = bytes;
    return 0;
}

/* One required string member, copied. */
static int text_take(const json_t *root, const char *name, char **ret,
                     struct posture_error *reterr)
{
    const char *text = posture_json_string(root, name);
    if (!text || !*text)
        return posture_error_set(reterr, POSTURE_E_SCHEMA, "/%s: a string is required",
                                 name);
    *ret = posture_strdup(text);
    return *ret ? 0 : posture_error_set(reterr, -ENOMEM, "out of memory");
}

/* What a schema cannot say: the agency's and the subject's one spelling, and that they
 * fit the kind. */
static int identity_check(const struct posture_report *report,
                          struct posture_error *reterr)
{
    struct posture_subject subject;
    struct posture_error error = {0};
    if (!posture_agency_is_valid(report->agency))
        return posture_error_set(reterr, POSTURE_E_SCHEMA, "/agency: not an agency id");
    if (posture_subject_parse(report->subject, NULL, &subject, &error) < 0)
        return posture_error_set(reterr, POSTURE_E_SCHEMA, "/subject: %s", error.text);
    if (strcmp(subject.text, report->subject) != 0)
        return posture_error_set(reterr, POSTURE_E_SCHEMA,
                                 "/subject: must be spelled '%s'", subject.text);
    if (!posture_subject_fits_kind(subject.scheme, report->kind))
        return posture_error_set(reterr, POSTURE_E_SCHEMA,
                                 "/subject: %s:// is not of this kind", subject.scheme);
    return 0;
}

static int report_fill(struct posture_report *report, const json_t *root,
                       struct posture_error *reterr)
{
    if (!json_is_object(root))
        return posture_error_set(reterr, POSTURE_E_SCHEMA, "not a JSON object");
    const char *schema = posture_json_string(root, "schema");
    if (!schema || strcmp(schema, REPORT_SCHEMA) != 0)
        return posture_error_set(reterr, POSTURE_E_SCHEMA, "/schema: must be \"%s\"",
                                 REPORT_SCHEMA);
    const char *id = posture_json_string(root, "id");
    if (!id || strlen(id) != sizeof(report->id) - 1)
        return posture_error_set(reterr, POSTURE_E_SCHEMA, "/id: must be a UUIDv7");
    memcpy(report->id, id, sizeof(report->id));
    const char *time = posture_json_string(root, "time");
    if (!time || posture_time_parse(time, strlen(time), &report->time_ns) < 0)
        return posture_error_set(reterr, POSTURE_E_SCHEMA,
                                 "/time: must be an RFC 3339 time");
    const json_t *interval = json_object_get(root, "interval_s");
    if (!json_is_number(interval) || !(json_number_value(interval) > 0))
        return posture_error_set(reterr, POSTURE_E_SCHEMA,
                                 "/interval_s: must be a number above 0");
    report->interval_s = json_number_value(interval);
    POSTURE_TRY(text_take(root, "agency", &report->agency, reterr));
    POSTURE_TRY(text_take(root, "reporter", &report->reporter, reterr));
    POSTURE_TRY(text_take(root, "kind", &report->kind, reterr));
    POSTURE_TRY(text_take(root, "subject", &report->subject, reterr));
    POSTURE_TRY(identity_check(report, reterr));
    json_t *facts = json_object_get(root, "facts");
    if (!json_is_object(json_object_get(facts, report->kind)))
        return posture_error_set(reterr, POSTURE_E_SCHEMA,
                                 "/facts: must hold the object \"%s\"", report->kind);
    report->facts = json_incref(facts);
    json_t *declared = json_object_get(root, "declared");
    if (declared && !json_is_object(declared))
        return posture_error_set(reterr, POSTURE_E_SCHEMA,
                                 "/declared: must be an object");
    report->declared = json_incref(declared);
    if (json_object_get(root, "profile"))
        POSTURE_TRY(text_take(root, "profile", &report->profile, reterr));
    json_t *results = json_object_get(root, "results");
    if (results && !json_is_array(results))
        return posture_error_set(reterr, POSTURE_E_SCHEMA, "/results: must be an array");
    report->results = json_incref(results);
    return 0;
}

int posture_report_from_json_take(json_t *root, struct posture_report **ret_report,
                                  struct posture_error *reterr)
{
    json_auto_t *owned = root;
    POSTURE_AUTO(posture_report_free)
    struct posture_report *report = posture_report_new();
    if (!report)
        return posture_error_set(reterr, -ENOMEM, "out of memory");
    POSTURE_TRY(report_fill(report, owned, reterr));
    *ret_report = POSTURE_TAKE(report);
    return 0;
}

int posture_report_decode(const char *bytes, size_t len,
                          const struct posture_schema *schema,
                          struct posture_report **ret_report,
                          struct posture_error *reterr)
{
    if (len > POSTURE_REPORT_MAX)
        return posture_error_set(reterr, POSTURE_E_LIMIT, "report larger than %d bytes",
                                 POSTURE_REPORT_MAX);
    json_auto_t *root = NULL;
    POSTURE_TRY(posture_json_parse(bytes, len, &root, reterr));
    if (schema)
        POSTURE_TRY(posture_schema_check(schema, root, reterr));
    return posture_report_from_json_take(POSTURE_TAKE(root), ret_report, reterr);
}
