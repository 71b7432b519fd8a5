/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#include "common/report/report.h"

#include "common/base/clock.h"
#include "common/report/test_support.h"

#include <dirent.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static struct posture_schema *schema;

static int setup(void **state)
{
    (void)state;
    test_jansson_fails_too();
    struct posture_error error = {0};
    int r = posture_schema_load(POSTURE_SOURCE_DIR "/schemas/report.v1.schema.json",
                                &schema, &error);
    if (r < 0)
        print_error("%s: %s\n", error.file, error.text);
    return r;
}

static int teardown(void **state)
{
    (void)state;
    schema = posture_schema_free(schema);
    return 0;
}

static struct posture_report *decode(const char *name)
{
    size_t len = 0;
    POSTURE_AUTO_FREE char *bytes = test_file(name, &len);
    struct posture_report *report = NULL;
    struct posture_error error = {0};
    if (!bytes || posture_report_decode(bytes, len, schema, &report, &error) < 0)
        fail_msg("%s: %s", name, error.text);
    return report;
}

static void test_decode(void **state)
{
    (void)state;
    POSTURE_AUTO(posture_report_free)
    struct posture_report *report = decode("tests/bench/data/report-8k.json");
    char time[POSTURE_TIME_TEXT_MAX];
    assert_string_equal(report->agency, "example");
    assert_string_equal(report->reporter, "noc1.example.go.jp");
    assert_string_equal(report->kind, "tls");
    assert_string_equal(report->subject, "tls://www.example.go.jp:443");
    assert_string_equal(report->profile, "cryptrec-ls0001-2022r2");
    assert_string_equal(posture_time_format(report->time_ns, time),
                        "2026-11-23T08:00:00.123Z");
    assert_true(report->interval_s > 3599.9 && report->interval_s < 3600.1);
    assert_int_equal(json_array_size(report->results), 13);
}

/* Every committed example of a report is one that the reader takes. */
static void test_examples(void **state)
{
    (void)state;
    DIR *dir = opendir(POSTURE_SOURCE_DIR "/schemas/examples/valid");
    assert_non_null(dir);
    int count = 0;
    for (struct dirent *entry; (entry = readdir(dir));) {
        char name[512];
        if (strncmp(entry->d_name, "report-", 7) != 0)
            continue;
        snprintf(name, sizeof(name), "schemas/examples/valid/%s", entry->d_name);
        posture_report_free(decode(name));
        count++;
    }
    closedir(dir);
    assert_true(count >= 5);
}

/* Decode and encode give the same bytes: the order of keys is fixed, whole numbers stay
 * whole. */
static void test_round_trip(void **state)
{
    (void)state;
    static const char *const names[] = {"tests/bench/data/report-600.json",
                                        "tests/bench/data/report-2k.json",
                                        "tests/bench/data/report-8k.json"};
    for (size_t i = 0; i < POSTURE_COUNT(names); i++) {
        POSTURE_AUTO(posture_report_free)
        struct posture_report *report = decode(names[i]);
        size_t want_len = 0, len = 0;
        POSTURE_AUTO_FREE char *want = test_file(names[i], &want_len);
        POSTURE_AUTO_FREE char *bytes = NULL;
        assert_int_equal(posture_report_encode(report, &bytes, &len, NULL), 0);
        assert_int_equal(len, want_len);
        assert_memory_equal(bytes, want, len);
    }
}

static void test_order_is_fixed(void **state)
{
    (void)state;
    static const char shuffled[] =
        "{\"facts\":{\"tls\":{}},\"subject\":\"tls://"
        "a:443\",\"kind\":\"tls\",\"reporter\":\"r\","
        "\"agency\":\"a\",\"interval_s\":0.25,\"time\":\"2026-11-23T17:00:00+09:00\","
        "\"id\":\"019aaf7c-0001-7c1e-9d3b-5b0e7a4f21c6\",\"schema\":\"posture.report/"
        "1\"}";
    static const char want[] =
        "{\"schema\":\"posture.report/"
        "1\",\"id\":\"019aaf7c-0001-7c1e-9d3b-5b0e7a4f21c6\","
        "\"time\":\"2026-11-23T08:00:00.000Z\",\"interval_s\":0.25,\"agency\":\"a\","
        "\"reporter\":\"r\",\"kind\":\"tls\",\"subject\":\"tls://"
        "a:443\",\"facts\":{\"tls\":{}}}";
    POSTURE_AUTO(posture_report_free) struct posture_report *report = NULL;
    assert_int_equal(
        posture_report_decode(shuffled, sizeof(shuffled) - 1, NULL, &report, NULL), 0);
    POSTURE_AUTO_FREE char *bytes = NULL;
    size_t len = 0;
    assert_int_equal(posture_report_encode(report, &bytes, &len, NULL), 0);
    assert_string_equal(bytes, want);
}

/* One member of a good report changed; value NULL: removed. */
static void test_refused(void **state)
{
    (void)state;
    static const struct {
        const char *label, *member, *value;
    } rows[] = {
        {"no schema", "schema", NULL},
        {"other version", "schema", "\"posture.report/2\""},
        {"id too short", "id", "\"019aaf7c\""},
        {"id is a number", "id", "1"},
        {"time without zone", "time", "\"2026-11-23T08:00:00.123\""},
        {"no time", "time", NULL},
        {"interval 0", "interval_s", "0"},
        {"interval as text", "interval_s", "\"60\""},
        {"no agency", "agency", NULL},
        {"agency in capitals", "agency", "\"MOJ\""},
        {"no reporter", "reporter", NULL},
        {"subject in capitals", "subject", "\"tls://WWW.example.go.jp:443\""},
        {"subject without port", "subject", "\"tls://www.example.go.jp\""},
        {"subject of another kind", "subject", "\"ssh://www.example.go.jp:22\""},
        {"kind without its facts", "kind", "\"ssh\""},
        {"facts as array", "facts", "[]"},
        {"facts of another kind", "facts", "{\"ssh\":{}}"},
        {"declared as text", "declared", "\"x\""},
        {"profile as number", "profile", "7"},
        {"results as object", "results", "{}"},
    };
    for (size_t i = 0; i < POSTURE_COUNT(rows); i++) {
        size_t len = 0;
        POSTURE_AUTO_FREE char *bytes =
            test_file("tests/bench/data/report-600.json", &len);
        json_t *root = json_loadb(bytes, len, 0, NULL);
        if (rows[i].value)
            json_object_set_new(root, rows[i].member,
                                json_loads(rows[i].value, JSON_DECODE_ANY, NULL));
        else
            json_object_del(root, rows[i].member);
        struct posture_report *report = NULL;
        struct posture_error error = {0};
        int r = posture_report_from_json_take(root, &report, &error);
        if (r != POSTURE_E_SCHEMA || error.text[0] != '/')
            fail_msg("%s: got %d '%s'", rows[i].label, r, error.text);
        assert_null(report);
    }
    struct posture_report *report = NULL;
    assert_int_equal(posture_report_from_json_take(json_integer(1), &report, NULL),
                     POSTURE_E_SCHEMA);
    assert_int_equal(posture_report_from_json_take(NULL, &report, NULL),
                     POSTURE_E_SCHEMA);
}

static void test_limits(void **state)
{
    (void)state;
    POSTURE_AUTO(posture_report_free)
    struct posture_report *report = decode("tests/bench/data/report-600.json");
    POSTURE_AUTO_FREE char *text = calloc(1, POSTURE_REPORT_MAX);
    memset(text, 'a', POSTURE_REPORT_MAX - 1);
    json_object_set_new(json_object_get(report->facts, "tls"), "long", json_string(text));
    char *bytes = NULL;
    size_t len = 0;
    struct posture_error error = {0};
    assert_int_equal(posture_report_encode(report, &bytes, &len, &error),
                     POSTURE_E_LIMIT);
    assert_null(bytes);
    struct posture_report *other = NULL;
    POSTURE_AUTO_FREE char *spaces = malloc(POSTURE_REPORT_MAX + 1);
    memset(spaces, ' ', POSTURE_REPORT_MAX + 1);
    assert_int_equal(
        posture_report_decode(spaces, POSTURE_REPORT_MAX + 1, schema, &other, &error),
        POSTURE_E_LIMIT);
    assert_int_equal(
        posture_report_decode(spaces, POSTURE_REPORT_MAX, schema, &other, &error),
        POSTURE_E_FORMAT);
}

static int decode_and_encode(void *data)
{
    const char *bytes = data;
    POSTURE_AUTO(posture_report_free) struct posture_report *report = NULL;
    POSTURE_TRY(posture_report_decode(bytes, strlen(bytes), schema, &report, NULL));
    POSTURE_AUTO_FREE char *out = NULL;
    size_t len = 0;
    return posture_report_encode(report, &out, &len, NULL);
}

static void test_out_of_memory_everywhere(void **state)
{
    (void)state;
    size_t len = 0;
    POSTURE_AUTO_FREE char *bytes = test_file("tests/bench/data/report-2k.json", &len);
    assert_true(test_out_of_memory(decode_and_encode, bytes) > 50);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_decode),
        cmocka_unit_test(test_examples),
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_order_is_fixed),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_out_of_memory_everywhere),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
