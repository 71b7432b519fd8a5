/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */

/* What golden cases cannot show: memory that runs out, facts of every wrong type, ends
 * that hold. */

#include "posture_crypto/tls_checks.h"

#include "common/base/clock.h"
#include "common/report/json.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static const struct posture_check_set *const sets[] = {&posture_tls_checks, NULL};

static struct posture_profile *profile_of(const char *id)
{
    struct posture_profile *profile = NULL;
    struct posture_error error = {0};
    if (posture_profile_load(POSTURE_SOURCE_DIR "/schemas", id, &profile, &error) < 0)
        fail_msg("%s: %s", id, error.text);
    return profile;
}

static int64_t at(const char *date)
{
    int64_t ns = 0;
    assert_int_equal(posture_at_parse(date, &ns, NULL), 0);
    return ns;
}

static json_t *facts_of(const char *name)
{
    char path[512];
    snprintf(path, sizeof(path), "%s/testdata/%s/facts.json", POSTURE_TEST_DIR, name);
    json_t *root = NULL;
    struct posture_error error = {0};
    if (posture_json_load(path, 1 << 20, &root, &error) < 0)
        fail_msg("%s: %s", path, error.text);
    return root;
}

/* Checks of the kind: each gives one result, whatever the facts. */
static size_t check_count(const struct posture_profile *profile)
{
    static size_t count;
    if (count == 0) {
        json_auto_t *facts = facts_of("modern-nginx-2031");
        POSTURE_AUTO_RESULTS struct posture_results results = {0};
        assert_int_equal(
            posture_judge(sets, "tls", facts, NULL, profile, at("2026-11-23"), &results),
            0);
        count = results.count;
        assert_true(count >= 19);
    }
    return count;
}

/* Each allocation fails once, then all from it on: no crash, no leak, no half result. */
static void test_memory_runs_out(void **state)
{
    (void)state;
    POSTURE_AUTO(posture_profile_free)
    struct posture_profile *profile = profile_of("cryptrec-ls0001-2022r2");
    json_auto_t *facts = facts_of("legacy-everything");
    POSTURE_AUTO_RESULTS struct posture_results whole = {0};
    assert_int_equal(
        posture_judge(sets, "tls", facts, NULL, profile, at("2026-11-23"), &whole), 0);
    json_auto_t *want = posture_results_to_json(&whole);

    json_malloc_t old_malloc;
    json_free_t old_free;
    json_get_alloc_funcs(&old_malloc, &old_free);
    json_set_alloc_funcs(posture_malloc, free);
    for (int persistent = 0; persistent <= 1; persistent++) {
        for (unsigned long n = 1;; n++) {
            struct posture_results results = {0};
            posture_alloc_fail_at(n, persistent);
            int r = posture_judge(sets, "tls", facts, NULL, profile, at("2026-11-23"),
                                  &results);
            bool has_failed = posture_alloc_count() >= n;
            posture_alloc_fail_at(0, 0);
            if (r == 0) {
                json_auto_t *got = posture_results_to_json(&results);
                if (!posture_json_equal(want, got))
                    fail_msg("allocation %lu failed and the results differ", n);
            } else {
                assert_int_equal(r, -ENOMEM);
                assert_int_equal(results.count, 0);
            }
            posture_results_done(&results);
            if (!has_failed)
                break;
            assert_true(n < 100000);
        }
    }
    json_set_alloc_funcs(old_malloc, old_free);
}

static const char *const wrong_values[] = {
    "null",
    "true",
    "0",
    "-1",
    "9223372036854775807",
    "1.5e300",
    "\"\"",
    "\"x\"",
    "[]",
    "{}",
    "[null]",
    "[[]]",
    "[{}]",
    "[1]",
    "{\"\":null}",
    "[\"\\u0001\\u202e\"]",
};

/* Facts that were sound before: with a member of a wrong type nothing may become a pass
 * that was not one, and nothing crashes. */
static void wrong_types_try(const struct posture_profile *profile, json_t *root,
                            json_t *holder, const char *key, size_t index)
{
    json_t *old = key ? json_object_get(holder, key) : json_array_get(holder, index);
    json_incref(old);
    for (size_t i = 0; i < POSTURE_COUNT(wrong_values); i++) {
        json_t *wrong = json_loads(wrong_values[i], JSON_DECODE_ANY, NULL);
        assert_non_null(wrong);
        if (key)
            json_object_set_new(holder, key, wrong);
        else
            json_array_set_new(holder, index, wrong);
        POSTURE_AUTO_RESULTS struct posture_results results = {0};
        assert_int_equal(
            posture_judge(sets, "tls", root, NULL, profile, at("2026-11-23"), &results),
            0);
        assert_int_equal(results.count, check_count(profile));
        for (size_t n = 0; n < results.count; n++)
            assert_non_null(results.items[n].code);
    }
    if (key)
        json_object_set_new(holder, key, old);
    else
        json_array_set_new(holder, index, old);
}

static void wrong_types_walk(const struct posture_profile *profile, json_t *root,
                             json_t *value)
{
    if (json_is_object(value)) {
        const char *keys[64];
        size_t count = 0;
        const char *key;
        json_t *member;
        json_object_foreach (value, key, member) {
            assert_true(count < 64);
            keys[count++] = key;
        }
        for (size_t i = 0; i < count; i++) {
            wrong_types_walk(profile, root, json_object_get(value, keys[i]));
            char copy[64];
            snprintf(copy, sizeof(copy), "%s", keys[i]);
            wrong_types_try(profile, root, value, copy, 0);
        }
    } else if (json_is_array(value)) {
        for (size_t i = 0; i < json_array_size(value); i++) {
            wrong_types_walk(profile, root, json_array_get(value, i));
            wrong_types_try(profile, root, value, NULL, i);
        }
    }
}

static void test_wrong_types(void **state)
{
    (void)state;
    static const char *const ids[] = {"cryptrec-ls0001-2022r2", "cryptrec-2003",
                                      "bod-18-01"};
    for (size_t i = 0; i < POSTURE_COUNT(ids); i++) {
        POSTURE_AUTO(posture_profile_free)
        struct posture_profile *profile = profile_of(ids[i]);
        json_auto_t *facts = facts_of("two-addresses-one-legacy");
        wrong_types_walk(profile, facts, facts);
    }
}

static void test_root_of_wrong_type(void **state)
{
    (void)state;
    POSTURE_AUTO(posture_profile_free)
    struct posture_profile *profile = profile_of("cryptrec-ls0001-2022r2");
    for (size_t i = 0; i < POSTURE_COUNT(wrong_values); i++) {
        json_auto_t *facts = json_loads(wrong_values[i], JSON_DECODE_ANY, NULL);
        POSTURE_AUTO_RESULTS struct posture_results results = {0};
        assert_int_equal(
            posture_judge(sets, "tls", facts, NULL, profile, at("2026-11-23"), &results),
            0);
        assert_int_equal(results.count, check_count(profile));
        for (size_t n = 0; n < results.count; n++)
            assert_int_equal(results.items[n].status, POSTURE_RESULT_UNKNOWN);
    }
    POSTURE_AUTO_RESULTS struct posture_results results = {0};
    assert_int_equal(
        posture_judge(sets, "tls", NULL, NULL, profile, at("2026-11-23"), &results), 0);
    assert_int_equal(results.items[0].status, POSTURE_RESULT_UNKNOWN);
}

/* "The same facts give the same result until": judged a moment before every end that is
 * named, nothing has changed; walked through the ends, 80 years are crossed without a
 * surprise in between. */
static void ends_hold(const struct posture_profile *profile, const char *name,
                      const json_t *declared)
{
    json_auto_t *facts = facts_of(name);
    int64_t now = at("2026-11-23"), last = at("2106-01-01");
    int steps = 0;
    while (now < last) {
        POSTURE_AUTO_RESULTS struct posture_results first = {0};
        assert_int_equal(
            posture_judge(sets, "tls", facts, declared, profile, now, &first), 0);
        int64_t until = posture_results_valid_until(&first);
        if (until > last)
            until = last;
        assert_true(until > now);
        /* Sixteen instants on the way and the last before the end. */
        for (int i = 1; i <= 17; i++) {
            int64_t t = i == 17 ? until - 1 : now + (until - now) / 17 * i;
            POSTURE_AUTO_RESULTS struct posture_results later = {0};
            assert_int_equal(
                posture_judge(sets, "tls", facts, declared, profile, t, &later), 0);
            for (size_t n = 0; n < first.count; n++) {
                if (first.items[n].status != later.items[n].status ||
                    strcmp(first.items[n].code, later.items[n].code) != 0) {
                    char text[POSTURE_TIME_TEXT_MAX];
                    fail_msg("%s: %s changes before its end, at %s", name,
                             first.items[n].check, posture_time_format(t, text));
                }
            }
        }
        now = until;
        assert_true(++steps < 64);
    }
    assert_true(steps >
                1); /* a certificate ends, a period ends: something must have changed */
}

static void test_ends_hold(void **state)
{
    (void)state;
    static const char *const names[] = {"modern-nginx", "rsa2048-2026",
                                        "legacy-everything", "two-addresses-one-legacy",
                                        "rsa4096-dhe"};
    POSTURE_AUTO(posture_profile_free)
    struct posture_profile *profile = profile_of("cryptrec-ls0001-2022r2");
    json_auto_t *declared = json_pack("{s:s}", "planned_end", "2035-03-31");
    for (size_t i = 0; i < POSTURE_COUNT(names); i++) {
        ends_hold(profile, names[i], NULL);
        ends_hold(profile, names[i], declared);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_memory_runs_out),
        cmocka_unit_test(test_wrong_types),
        cmocka_unit_test(test_root_of_wrong_type),
        cmocka_unit_test(test_ends_hold),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
