/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#include "common/report/judge.h"
#include "common/report/result.h"

#include "common/base/clock.h"
#include "common/report/test_support.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static void test_names(void **state)
{
    (void)state;
    static const char *const names[] = {"na", "pass", "warn", "unknown", "fail"};
    enum posture_result_status status = POSTURE_RESULT_PASS;
    for (size_t i = 0; i < POSTURE_COUNT(names); i++) {
        assert_int_equal(posture_result_from_name(names[i], &status), 0);
        assert_string_equal(posture_result_name(status), names[i]);
    }
    assert_int_equal(posture_result_from_name("PASS", &status), POSTURE_E_FORMAT);
    assert_int_equal(posture_result_from_name(NULL, &status), POSTURE_E_FORMAT);
    assert_string_equal(posture_result_name((enum posture_result_status)99), "unknown");
}

/* fail, unknown, warn, pass from worst to best; na yields. */
static void test_worse(void **state)
{
    (void)state;
    static const enum posture_result_status order[] = {
        POSTURE_RESULT_NA, POSTURE_RESULT_PASS, POSTURE_RESULT_WARN,
        POSTURE_RESULT_UNKNOWN, POSTURE_RESULT_FAIL};
    for (size_t i = 0; i < POSTURE_COUNT(order); i++) {
        for (size_t k = 0; k < POSTURE_COUNT(order); k++)
            assert_int_equal(posture_result_worse(order[i], order[k]),
                             order[i > k ? i : k]);
    }
}

static void test_results(void **state)
{
    (void)state;
    POSTURE_AUTO_RESULTS struct posture_results results = {0};
    assert_true(posture_results_valid_until(&results) == INT64_MAX);
    assert_int_equal(
        posture_results_add_take(&results, "tls.version", POSTURE_RESULT_FAIL,
                                 json_string("TLSv1.0"), "tls.version.legacy",
                                 json_pack("{s:s}", "version", "TLSv1.0"), 50),
        0);
    assert_int_equal(posture_results_add_take(&results, "tls.groups", POSTURE_RESULT_NA,
                                              NULL, NULL, json_object(), 40),
                     0);
    assert_true(posture_results_valid_until(&results) == 40);
    assert_int_equal(posture_results_find(&results, "tls.groups")->status,
                     POSTURE_RESULT_NA);
    assert_null(posture_results_find(&results, "tls.nothing"));
    json_auto_t *array = posture_results_to_json(&results);
    POSTURE_AUTO_FREE char *text = posture_json_compact(array, NULL);
    assert_string_equal(
        text,
        "[{\"check\":\"tls.version\",\"result\":\"fail\",\"value\":\"TLSv1.0\",\"code\":"
        "\"tls.version.legacy\",\"args\":{\"version\":\"TLSv1.0\"}},"
        "{\"check\":\"tls.groups\",\"result\":\"na\"}]");
}

static void test_results_limit(void **state)
{
    (void)state;
    POSTURE_AUTO_RESULTS struct posture_results results = {0};
    for (int i = 0; i < POSTURE_RESULTS_MAX; i++)
        assert_int_equal(posture_results_add_take(&results, "a.b", POSTURE_RESULT_PASS,
                                                  json_integer(i), NULL, NULL, INT64_MAX),
                         0);
    /* Taken on failure too: AddressSanitizer would see the leak. */
    assert_int_equal(posture_results_add_take(&results, "a.b", POSTURE_RESULT_PASS,
                                              json_integer(1), NULL, json_object(), 0),
                     POSTURE_E_LIMIT);
    assert_int_equal(posture_results_add_take(&results, NULL, POSTURE_RESULT_PASS,
                                              json_integer(1), NULL, json_object(), 0),
                     -EINVAL);
}

static struct posture_check_input seen;
static int judge_return;

static int judge_seen(const struct posture_check_input *input,
                      struct posture_results *results)
{
    seen = *input;
    int r = posture_results_add_take(results, "tls.version", POSTURE_RESULT_PASS, NULL,
                                     NULL, NULL, INT64_MAX);
    return r < 0 ? r : judge_return;
}

static void test_judge(void **state)
{
    (void)state;
    static const struct posture_check_set set = {.kind = "tls", .judge = judge_seen};
    static const struct posture_check_set *const sets[] = {&set, NULL};
    static const struct {
        const char *label, *planned_end, *want; /* want NULL: the judgement's own date */
    } rows[] = {
        {"nothing declared", NULL, NULL},
        {"later", "\"2032-03-31\"", "2032-03-31"},
        {"earlier", "\"2020-01-01\"", NULL},
        {"not a date", "\"soon\"", NULL},
        {"not a string", "7", NULL},
        {"no end planned", "\"9999-12-31\"", "2261-12-31"},
        {"just beyond our clock", "\"2262-01-01\"", "2261-12-31"},
        {"before our clock", "\"0001-01-01\"", NULL},
    };
    int64_t at_ns, want_ns;
    assert_int_equal(posture_date_parse_jst("2026-11-23", 10, &at_ns), 0);
    json_auto_t *facts = json_object();
    for (size_t i = 0; i < POSTURE_COUNT(rows); i++) {
        POSTURE_AUTO_RESULTS struct posture_results results = {0};
        json_auto_t *declared = json_object();
        if (rows[i].planned_end)
            json_object_set_new(declared, "planned_end",
                                json_loads(rows[i].planned_end, JSON_DECODE_ANY, NULL));
        assert_int_equal(posture_judge(sets, "tls", facts, i == 0 ? NULL : declared, NULL,
                                       at_ns, &results),
                         0);
        want_ns = at_ns;
        if (rows[i].want)
            assert_int_equal(
                posture_date_parse_jst(rows[i].want, strlen(rows[i].want), &want_ns), 0);
        if (seen.planned_end_ns != want_ns || seen.at_ns != at_ns || seen.facts != facts)
            fail_msg("%s", rows[i].label);
        /* From empty: a second judgement replaces the first. */
        assert_int_equal(posture_judge(sets, "tls", facts, NULL, NULL, at_ns, &results),
                         0);
        assert_int_equal(results.count, 1);
    }
    POSTURE_AUTO_RESULTS struct posture_results results = {0};
    assert_int_equal(posture_judge(sets, "ssh", facts, NULL, NULL, at_ns, &results),
                     POSTURE_E_MISSING);
    judge_return = -ENOMEM;
    assert_int_equal(posture_judge(sets, "tls", facts, NULL, NULL, at_ns, &results),
                     -ENOMEM);
    assert_int_equal(results.count, 0);
    judge_return = 0;
}

static int encode(void *data)
{
    (void)data;
    POSTURE_AUTO_RESULTS struct posture_results results = {0};
    json_t *value = json_string("x"), *args = json_pack("{s:i}", "n", 1);
    if (!value || !args) {
        json_decref(value);
        json_decref(args);
        return -ENOMEM;
    }
    POSTURE_TRY(posture_results_add_take(&results, "a.b", POSTURE_RESULT_WARN, value,
                                         "a.b.c", args, 0));
    json_auto_t *array = posture_results_to_json(&results);
    return array ? 0 : -ENOMEM;
}

static void test_out_of_memory_everywhere(void **state)
{
    (void)state;
    test_jansson_fails_too();
    assert_true(test_out_of_memory(encode, NULL) > 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names),   cmocka_unit_test(test_worse),
        cmocka_unit_test(test_results), cmocka_unit_test(test_results_limit),
        cmocka_unit_test(test_judge),   cmocka_unit_test(test_out_of_memory_everywhere),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
