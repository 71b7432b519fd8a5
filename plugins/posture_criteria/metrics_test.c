/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#include "posture_criteria/metrics.h"

#include "common/report/json.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define FIXTURES POSTURE_TEST_DIR "/testdata/nation/"

static json_t *nation_load(const char *name)
{
    struct posture_error error = {0};
    json_t *nation = NULL;
    char path[512];

    snprintf(path, sizeof(path), FIXTURES "%s.json", name);
    if (posture_json_load(path, 16 << 20, &nation, &error) < 0)
        fail_msg("%s: %s", path, error.text);
    return nation;
}

static void samples_say_what_the_document_says(void **state)
{
    static const struct {
        const char *fixture;
        enum posture_exposition format;
        const char *want;
    } rows[] = {
        {"nation", POSTURE_EXPOSITION_TEXT,
         "# TYPE posture_gate_rejected_total counter\n"},
        {"nation", POSTURE_EXPOSITION_OPENMETRICS,
         "# TYPE posture_gate_rejected counter\n"},
        {"nation", POSTURE_EXPOSITION_OPENMETRICS,
         "# UNIT posture_criterion_achieved_ratio ratio\n"},
        {"nation", POSTURE_EXPOSITION_TEXT,
         "\nposture_gate_rejected_total{reason=\"schema\"} 11\n"},
        {"nation", POSTURE_EXPOSITION_TEXT,
         "\nposture_gate_events_total{event=\"clock_ahead\"} 3\n"},
        {"nation", POSTURE_EXPOSITION_TEXT, "\nposture_gate_lag_messages 4\n"},
        {"nation", POSTURE_EXPOSITION_TEXT,
         "\nposture_criterion_target_ratio{scope=\"agency\",agency=\"coast-rail\",area="
         "\"critical-"
         "infrastructure\",sector=\"railway\",criterion=\"crypto.forward_secrecy\"} "
         "0.9\n"},
        {"nation", POSTURE_EXPOSITION_TEXT,
         "\nposture_criterion_coverage_ratio{scope=\"sector\",sector=\"railway\","
         "criterion=\"crypto."
         "tls\"} 0.4\n"},
        {"nation", POSTURE_EXPOSITION_TEXT,
         "\nposture_criterion_passing_subjects{scope=\"nation\",criterion=\"crypto.tls\"}"
         " 133\n"},
        {"nation", POSTURE_EXPOSITION_TEXT,
         "\nposture_not_passing{agency=\"coast-rail\",kind=\"tls\",result=\"stale\"} "
         "6\n"},
        {"nation", POSTURE_EXPOSITION_TEXT,
         "\nposture_not_passing{agency=\"town-kawabe\",kind=\"tls\",result=\"missing\"} "
         "4\n"},
        {"nation", POSTURE_EXPOSITION_TEXT,
         "\nposture_not_passing{agency=\"calendar\",kind=\"tls\",result=\"fail\"} 0\n"},
        {"nation", POSTURE_EXPOSITION_TEXT,
         "\nposture_last_report_timestamp_seconds{agency=\"records\",kind=\"tls\"} "
         "1795420620.123\n"},
        {"nation", POSTURE_EXPOSITION_TEXT,
         "\nposture_agency_info{agency=\"records\",area=\"central-government\",class="
         "\"ministry\","
         "name_ja=\"記録省\",name_en=\"Ministry of Records\"} 1\n"},
        {"quickstart", POSTURE_EXPOSITION_TEXT,
         "\nposture_criterion_achieved_ratio{scope=\"agency\",agency=\"legacy\",area="
         "\"local-"
         "government\",criterion=\"crypto.tls\"} 0\n"},
        {"hostile", POSTURE_EXPOSITION_TEXT, "profile=\"a\\\\b\\\"c\\nd\""},
        {"hostile", POSTURE_EXPOSITION_TEXT, "{reason=\"back\\\\slash\"} 1\n"},
    };

    (void)state;
    for (size_t i = 0; i < POSTURE_COUNT(rows); i++) {
        POSTURE_AUTO_BUF struct posture_buf out = {0};
        json_auto_t *nation = nation_load(rows[i].fixture);

        assert_int_equal(posture_metrics_write(nation, rows[i].format, &out), 0);
        if (!strstr(out.data, rows[i].want))
            fail_msg("%s: no %s in\n%s", rows[i].fixture, rows[i].want, out.data);
        assert_string_equal(out.data + out.len - 6, "# EOF\n");
    }
}

static void what_is_not_measured_has_no_sample(void **state)
{
    POSTURE_AUTO_BUF struct posture_buf out = {0};
    json_auto_t *nation = nation_load("nation");

    (void)state;
    assert_int_equal(posture_metrics_write(nation, POSTURE_EXPOSITION_TEXT, &out), 0);
    assert_null(strstr(
        out.data,
        "posture_criterion_of_measured_ratio{scope=\"agency\",agency=\"town-kawabe\""));
    assert_non_null(strstr(
        out.data,
        "posture_criterion_coverage_ratio{scope=\"agency\",agency=\"town-kawabe\""));
    /* Subjects and reporters never become labels. */
    assert_null(strstr(out.data, "tls://"));
    assert_null(strstr(out.data, ".example"));
    assert_null(strstr(out.data, " nan\n"));
}

/* One family stands in one block, and each name is one of those that boards may use. */
static void families_stand_together_and_are_listed(void **state)
{
    POSTURE_AUTO_BUF struct posture_buf out = {0};
    json_auto_t *nation = nation_load("nation");
    const char *line, *end;
    size_t types = 0;

    (void)state;
    assert_int_equal(posture_metrics_write(nation, POSTURE_EXPOSITION_TEXT, &out), 0);
    for (line = out.data; (end = strchr(line, '\n')); line = end + 1) {
        char name[128];
        bool is_listed = false;

        if (sscanf(line, "# TYPE %127s", name) != 1)
            continue;
        types++;
        for (size_t i = 0; posture_metrics_name(i); i++)
            is_listed |= strcmp(posture_metrics_name(i), name) == 0;
        if (!is_listed)
            fail_msg("%s is not listed", name);
        char again[160];
        snprintf(again, sizeof(again), "# TYPE %s ", name);
        if (strstr(end, again))
            fail_msg("%s stands in two blocks", name);
    }
    assert_true(types >= 20);
    assert_null(posture_metrics_name(1000));
}

static void cut_lists_are_floors(void **state)
{
    POSTURE_AUTO_BUF struct posture_buf out = {0};
    json_auto_t *nation = nation_load("nation");
    size_t i;
    json_t *eval;

    (void)state;
    json_array_foreach (json_object_get(nation, "evaluations"), i, eval) {
        json_t *scope = json_object_get(eval, "scope");

        if (strcmp(posture_json_string(scope, "id"), "coast-rail") == 0) {
            json_object_set_new(eval, "not_achieved", json_array());
            json_object_set_new(eval, "truncated", json_true());
        }
    }
    assert_int_equal(posture_metrics_write(nation, POSTURE_EXPOSITION_TEXT, &out), 0);
    assert_non_null(strstr(
        out.data,
        "posture_not_passing{agency=\"coast-rail\",kind=\"tls\",result=\"stale\"} 6\n"));
}

static void memory_may_run_out(void **state)
{
    json_auto_t *nation = nation_load("quickstart");

    (void)state;
    for (unsigned long n = 1; n < 10000; n++) {
        POSTURE_AUTO_BUF struct posture_buf out = {0};

        posture_alloc_fail_at(n, 0);
        int r = posture_metrics_write(nation, POSTURE_EXPOSITION_TEXT, &out);
        bool is_done = posture_alloc_count() < n;
        posture_alloc_fail_at(0, 0);
        assert_int_equal(r, is_done ? 0 : -12 /* ENOMEM */);
        if (is_done)
            return;
    }
    fail_msg("the loop did not end");
}

static void public_metrics_disclose_nothing_yet(void **state)
{
    POSTURE_AUTO_BUF struct posture_buf out = {0};
    json_auto_t *nation = nation_load("nation");

    (void)state;
    assert_int_equal(
        posture_metrics_write_public(nation, POSTURE_EXPOSITION_OPENMETRICS, &out), 0);
    assert_string_equal(out.data, "# EOF\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(samples_say_what_the_document_says),
        cmocka_unit_test(what_is_not_measured_has_no_sample),
        cmocka_unit_test(families_stand_together_and_are_listed),
        cmocka_unit_test(cut_lists_are_floors),
        cmocka_unit_test(memory_may_run_out),
        cmocka_unit_test(public_metrics_disclose_nothing_yet),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
