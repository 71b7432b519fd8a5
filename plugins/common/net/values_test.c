/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */

#include "common/net/values.h"

#include "common/base/clock.h"

#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

/* Everything published, one line a value. */
struct record {
    char text[16 * 1024];
};

static void record_value(void *data, uint32_t block, const char *plugin_instance,
                         const char *type, const char *type_instance, double number,
                         const struct posture_meta *meta, size_t meta_count)
{
    struct record *record = data;
    size_t used = strlen(record->text);
    used += (size_t)snprintf(record->text + used, sizeof(record->text) - used,
                             "%u %s %s-%s %g", block, plugin_instance, type,
                             type_instance, number);
    for (size_t i = 0; i < meta_count; i++)
        if (meta[i].text && strcmp(meta[i].key, "subject") != 0)
            used += (size_t)snprintf(record->text + used, sizeof(record->text) - used,
                                     " %s=%s", meta[i].key, meta[i].text);
    snprintf(record->text + used, sizeof(record->text) - used, "\n");
}

static void add(struct posture_results *results, const char *check,
                enum posture_result_status status)
{
    assert_int_equal(
        posture_results_add_take(results, check, status, NULL, NULL, NULL, INT64_MAX), 0);
}

static const int64_t t0 =
    INT64_C(1795420800) * POSTURE_NS_PER_S; /* 2026-11-23T08:00:00Z */

static void publish(struct posture_values *values, struct record *record,
                    const char *subject, enum posture_result_status version,
                    enum posture_result_status name, int64_t at_ns)
{
    POSTURE_AUTO_RESULTS struct posture_results results = {0};
    add(&results, "tls.version", version);
    add(&results, "tls.cert.name", name);
    record->text[0] = '\0';
    assert_int_equal(posture_values_publish(values, 3, subject, &results, at_ns), 0);
}

static void modes_test(void **state)
{
    (void)state;
    static const char counts_11[] =
        "3 tls://a:443 count-pass 1\n3 tls://a:443 count-warn 0\n"
        "3 tls://a:443 count-fail 1\n"
        "3 tls://a:443 count-unknown 0\n";
    static const char version[] = "3 tls://a:443 gauge-tls.version 0 check=tls.version "
                                  "result=fail since=2026-11-23T08:00:00.000Z\n";
    static const char name[] = "3 tls://a:443 gauge-tls.cert.name 1 check=tls.cert.name "
                               "result=pass since=2026-11-23T08:00:00.000Z\n";
    static const struct {
        enum posture_values_mode mode;
        size_t expected;
        const char *parts[3];
    } rows[] = {
        {POSTURE_VALUES_ALL, 1000, {version, name, counts_11}},
        {POSTURE_VALUES_FAILING, 1, {version, "", counts_11}},
        {POSTURE_VALUES_SUMMARY, 1, {"", "", counts_11}},
        {POSTURE_VALUES_AUTO, 100, {version, name, counts_11}},
        {POSTURE_VALUES_AUTO, 101, {"", "", counts_11}},
    };
    for (size_t i = 0; i < POSTURE_COUNT(rows); i++) {
        struct record record;
        POSTURE_AUTO(posture_values_free) struct posture_values *values = NULL;
        assert_int_equal(posture_values_new_with_sink(record_value, &record, rows[i].mode,
                                                      NULL, &values),
                         0);
        posture_values_expect(values, rows[i].expected);
        publish(values, &record, "tls://a:443", POSTURE_RESULT_FAIL, POSTURE_RESULT_PASS,
                t0);
        char want[2048];
        snprintf(want, sizeof(want), "%s%s%s", rows[i].parts[0], rows[i].parts[1],
                 rows[i].parts[2]);
        if (strcmp(record.text, want) != 0)
            fail_msg("row %zu: got\n%s", i, record.text);
    }
}

/* since is when the result came; an end of failing is told once in mode failing. */
static void since_test(void **state)
{
    (void)state;
    struct record record;
    POSTURE_AUTO(posture_values_free) struct posture_values *values = NULL;
    assert_int_equal(posture_values_new_with_sink(record_value, &record,
                                                  POSTURE_VALUES_FAILING, NULL, &values),
                     0);
    int64_t hour = 3600 * POSTURE_NS_PER_S;
    publish(values, &record, "x", POSTURE_RESULT_UNKNOWN, POSTURE_RESULT_PASS, t0);
    assert_non_null(strstr(record.text, "gauge-tls.version nan check=tls.version "
                                        "result=unknown since=2026-11-23T08:00:00.000Z"));
    publish(values, &record, "x", POSTURE_RESULT_UNKNOWN, POSTURE_RESULT_PASS, t0 + hour);
    assert_non_null(strstr(record.text, "since=2026-11-23T08:00:00.000Z"));
    publish(values, &record, "x", POSTURE_RESULT_PASS, POSTURE_RESULT_PASS,
            t0 + 2 * hour);
    assert_non_null(strstr(record.text,
                           "gauge-tls.version 1 check=tls.version result=pass "
                           "since=2026-11-23T10:00:00.000Z"));
    publish(values, &record, "x", POSTURE_RESULT_PASS, POSTURE_RESULT_PASS,
            t0 + 3 * hour);
    assert_null(strstr(record.text, "gauge"));
    posture_values_forget(values, "x");
    posture_values_forget(values, "never seen");
    publish(values, &record, "x", POSTURE_RESULT_WARN, POSTURE_RESULT_PASS,
            t0 + 4 * hour);
    assert_non_null(strstr(record.text, "0.5 check=tls.version result=warn "
                                        "since=2026-11-23T12:00:00.000Z"));
}

static void years_left_test(void **state)
{
    (void)state;
    static const struct {
        const char *label;
        enum posture_values_mode mode;
        int year; /* -1: the check has no year */
        const char *meta, *value;
    } rows[] = {
        {"four years", POSTURE_VALUES_ALL, 2030, " years_left=4\n",
         "gauge-tls.strength_until.years_left 4 "},
        {"the last", POSTURE_VALUES_ALL, 2026, " years_left=0\n",
         "gauge-tls.strength_until.years_left 0 "},
        {"over", POSTURE_VALUES_ALL, 2020, " years_left=-6\n",
         "gauge-tls.strength_until.years_left -6 "},
        {"usable in no year", POSTURE_VALUES_ALL, 0, " years_left=-100\n",
         "gauge-tls.strength_until.years_left -100 "},
        {"no end", POSTURE_VALUES_ALL, 9999, " years_left=100\n",
         "gauge-tls.strength_until.years_left 100 "},
        {"summary draws the cliff too", POSTURE_VALUES_SUMMARY, 2030, NULL,
         "gauge-tls.strength_until.years_left 4 "},
        {"not known", POSTURE_VALUES_ALL, -1, NULL, NULL},
    };
    for (size_t i = 0; i < POSTURE_COUNT(rows); i++) {
        struct record record = {0};
        POSTURE_AUTO(posture_values_free) struct posture_values *values = NULL;
        assert_int_equal(posture_values_new_with_sink(record_value, &record, rows[i].mode,
                                                      NULL, &values),
                         0);
        POSTURE_AUTO_RESULTS struct posture_results results = {0};
        posture_results_add_take(&results, "tls.strength_until", POSTURE_RESULT_PASS,
                                 rows[i].year < 0 ? NULL : json_integer(rows[i].year),
                                 NULL, NULL, INT64_MAX);
        assert_int_equal(posture_values_publish(values, 0, "x", &results, t0), 0);
        bool is_right = !rows[i].value
                            ? !strstr(record.text, "years_left")
                            : strstr(record.text, rows[i].value) &&
                                  (!rows[i].meta || strstr(record.text, rows[i].meta));
        if (!is_right)
            fail_msg("%s: %s", rows[i].label, record.text);
    }
}

/* Shown and counted, never a pass; one that has expired is said to have. */
static void exceptions_test(void **state)
{
    (void)state;
    char path[] = "/tmp/posture-values-test-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    static const char text[] =
        "{\"schema\":\"posture.exceptions/1\",\"exceptions\":["
        "{\"subject\":\"tls://a.example:443\",\"check\":\"tls.version\","
        "\"reason\":\"terminals\",\"owner\":\"NW\",\"expires\":\"2026-11-23\"}]}";
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    close(fd);
    POSTURE_AUTO(posture_exceptions_free) struct posture_exceptions *exceptions = NULL;
    assert_int_equal(posture_exceptions_load(path, NULL, &exceptions, NULL), 0);
    unlink(path);

    struct record record = {0};
    POSTURE_AUTO(posture_values_free) struct posture_values *values = NULL;
    assert_int_equal(posture_values_new_with_sink(record_value, &record,
                                                  POSTURE_VALUES_ALL, NULL, &values),
                     0);
    posture_values_except(values, exceptions);
    publish(values, &record, "tls://a.example:443", POSTURE_RESULT_FAIL,
            POSTURE_RESULT_FAIL, t0);
    assert_non_null(strstr(record.text, "gauge-tls.version 0 "));
    assert_non_null(strstr(record.text, "exception=until 2026-11-23: terminals (NW)"));
    assert_non_null(strstr(record.text, "count-fail 2"));
    assert_non_null(strstr(record.text, "count-excepted 1"));
    publish(values, &record, "tls://a.example:443", POSTURE_RESULT_FAIL,
            POSTURE_RESULT_FAIL, t0 + 86400 * POSTURE_NS_PER_S);
    assert_non_null(strstr(record.text, "exception=expired 2026-11-23: terminals (NW)"));
    assert_non_null(strstr(record.text, "count-excepted 0"));
    publish(values, &record, "tls://b.example:443", POSTURE_RESULT_FAIL,
            POSTURE_RESULT_FAIL, t0);
    assert_null(strstr(record.text, "exception="));
    assert_non_null(strstr(record.text, "count-excepted 0"));
}

static void many_subjects_test(void **state)
{
    (void)state;
    struct record record;
    POSTURE_AUTO(posture_values_free) struct posture_values *values = NULL;
    assert_int_equal(posture_values_new_with_sink(record_value, &record,
                                                  POSTURE_VALUES_AUTO, NULL, &values),
                     0);
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < 1000; i++) {
            char subject[32];
            snprintf(subject, sizeof(subject), "tls://h%d:443", i);
            publish(values, &record, subject, POSTURE_RESULT_FAIL, POSTURE_RESULT_FAIL,
                    t0 + round);
            bool has_gauges = strstr(record.text, "gauge") != NULL;
            assert_int_equal(has_gauges, round == 0 && i < 100);
        }
    }
}

static void instance_test(void **state)
{
    (void)state;
    char subject[300], instance[POSTURE_VALUES_INSTANCE];
    memset(subject, 'a', sizeof(subject));
    subject[100] = '\0';
    assert_string_equal(posture_values_instance(subject, instance), subject);
    subject[100] = 'a';
    subject[101] = '\0';
    posture_values_instance(subject, instance);
    assert_int_equal(strlen(instance), 84 + 1 + 12);
    /* printf 'a%.0s' {1..101} | sha256sum */
    assert_string_equal(instance + 84, "~9d0793397991");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(modes_test),      cmocka_unit_test(since_test),
        cmocka_unit_test(years_left_test), cmocka_unit_test(many_subjects_test),
        cmocka_unit_test(instance_test),   cmocka_unit_test(exceptions_test),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
