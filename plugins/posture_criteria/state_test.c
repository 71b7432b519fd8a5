/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#include "posture_criteria/state.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define KEY "moj|noc1|tls|tls://www.moj.example:443"

static struct posture_judgement verdict_of(enum posture_result_status status)
{
    struct posture_judgement verdict = {.profile = "0123456789ab",
                                        .time_ns = 1000000,
                                        .interval_s = 60,
                                        .next_change_ns = INT64_MAX,
                                        .count = 2};
    (void)snprintf(verdict.items[0].check, sizeof(verdict.items[0].check), "tls.version");
    verdict.items[0].status = status;
    (void)snprintf(verdict.items[1].check, sizeof(verdict.items[1].check),
                   "tls.strength_until");
    verdict.items[1].status = POSTURE_RESULT_PASS;
    verdict.items[1].has_value = true;
    verdict.items[1].value = 2031;
    return verdict;
}

static enum posture_state_applied apply(struct posture_state *state, const char *key,
                                        uint64_t epoch, uint64_t sequence, int64_t offset,
                                        enum posture_result_status status)
{
    struct posture_judgement verdict = verdict_of(status);
    const struct posture_state_entry entry = {.key = key,
                                              .key_len = strlen(key),
                                              .epoch = epoch,
                                              .sequence = sequence,
                                              .partition = 3,
                                              .offset = offset,
                                              .verdict = &verdict};
    enum posture_state_applied applied;
    assert_int_equal(posture_state_apply(state, &entry, &applied, NULL), 0);
    return applied;
}

static enum posture_result_status
first_status(const struct posture_record_content *content)
{
    return (enum posture_result_status)content->items[0].status;
}

static void test_newer_wins(void **unused)
{
    (void)unused;
    static const struct {
        const char *label;
        uint64_t epoch, sequence;
        enum posture_state_applied applied;
        int64_t offset; /* afterwards */
    } rows[] = {
        {"first", 5, 10, POSTURE_STATE_NEWER, 100},
        {"same again", 5, 10, POSTURE_STATE_SAME, 101},
        {"lower sequence", 5, 9, POSTURE_STATE_OLDER, 101},
        {"lower epoch, higher sequence", 4, 900, POSTURE_STATE_OLDER, 101},
        {"higher sequence", 5, 11, POSTURE_STATE_NEWER, 104},
        {"higher epoch, lower sequence", 6, 1, POSTURE_STATE_NEWER, 105},
    };
    POSTURE_AUTO(posture_state_free) struct posture_state *state = posture_state_new();
    for (size_t i = 0; i < POSTURE_COUNT(rows); i++) {
        print_message("%s\n", rows[i].label);
        assert_int_equal(apply(state, KEY, rows[i].epoch, rows[i].sequence,
                               100 + (int64_t)i, POSTURE_RESULT_PASS),
                         rows[i].applied);
        assert_int_equal(posture_state_find(state, KEY, strlen(KEY))->offset,
                         rows[i].offset);
    }
    assert_int_equal(posture_state_count(state), 1);
}

static void test_parts_of_the_key(void **unused)
{
    (void)unused;
    char buf[256];
    POSTURE_AUTO(posture_state_free) struct posture_state *state = posture_state_new();
    apply(state, KEY, 1, 1, 1, POSTURE_RESULT_PASS);
    const struct posture_record *record = posture_state_find(state, KEY, strlen(KEY));
    assert_string_equal(posture_record_subject(record), "tls://www.moj.example:443");
    assert_string_equal(posture_record_reporter(record, buf, sizeof(buf)), "noc1");
    assert_string_equal(posture_record_kind(record, buf, sizeof(buf)), "tls");
    assert_true(posture_record_is_kind(record, "tls"));
    assert_false(posture_record_is_kind(record, "tl"));
    assert_string_equal(record->agency->id, "moj");
    struct posture_judgement verdict;
    posture_record_verdict(state, &record->content, &verdict);
    assert_string_equal(verdict.profile, "0123456789ab");
    assert_string_equal(verdict.items[1].check, "tls.strength_until");
    assert_true(verdict.items[1].value > 2030.5 && verdict.items[1].value < 2031.5);
}

static void test_pending(void **unused)
{
    (void)unused;
    POSTURE_AUTO(posture_state_free) struct posture_state *state = posture_state_new();
    struct posture_judgement verdict = verdict_of(POSTURE_RESULT_FAIL);
    size_t len = strlen(KEY);
    assert_int_equal(posture_state_accept(state, KEY, len, 1, 7, &verdict), 0);
    const struct posture_record *record = posture_state_find(state, KEY, len);
    assert_false(record->is_present);
    assert_int_equal(posture_state_count(state), 0);
    assert_int_equal(posture_record_compare(posture_record_latest(record), 1, 7), 0);

    /* Given up: as if it had never been. */
    posture_state_forget(state, KEY, len, 1, 6);
    assert_non_null(posture_state_find(state, KEY, len));
    posture_state_forget(state, KEY, len, 1, 7);
    assert_null(posture_state_find(state, KEY, len));

    /* Read back: what is older than the pending one does not replace it for the gate. */
    apply(state, KEY, 1, 5, 50, POSTURE_RESULT_PASS);
    assert_int_equal(posture_state_accept(state, KEY, len, 1, 8, &verdict), 0);
    record = posture_state_find(state, KEY, len);
    assert_int_equal(first_status(posture_record_latest(record)), POSTURE_RESULT_FAIL);
    assert_int_equal(first_status(&record->content), POSTURE_RESULT_PASS);
    apply(state, KEY, 1, 6, 51, POSTURE_RESULT_PASS);
    assert_non_null(record->pending);
    apply(state, KEY, 1, 8, 52, POSTURE_RESULT_FAIL);
    assert_null(record->pending);
    assert_int_equal(first_status(posture_record_latest(record)), POSTURE_RESULT_FAIL);

    assert_int_equal(posture_state_accept(state, KEY, len, 1, 9, &verdict), 0);
    posture_state_forget_all(state);
    assert_null(record->pending);
    assert_int_equal(posture_state_count(state), 1);
}

static void test_tombstone(void **unused)
{
    (void)unused;
    POSTURE_AUTO(posture_state_free) struct posture_state *state = posture_state_new();
    apply(state, KEY, 1, 1, 1, POSTURE_RESULT_PASS);
    posture_state_agency(state, "moj")->is_dirty = false;
    posture_state_remove(state, KEY, strlen(KEY));
    posture_state_remove(state, "moj|x|tls|tls://a:1", 19);
    assert_int_equal(posture_state_count(state), 0);
    assert_null(posture_state_find(state, KEY, strlen(KEY)));
    assert_true(posture_state_agency(state, "moj")->is_dirty);
    assert_int_equal(posture_state_agency(state, "moj")->count, 0);
}

static void test_bad_key(void **unused)
{
    (void)unused;
    POSTURE_AUTO(posture_state_free) struct posture_state *state = posture_state_new();
    struct posture_judgement verdict = verdict_of(POSTURE_RESULT_PASS);
    const struct posture_state_entry entry = {
        .key = "moj|noc1", .key_len = 8, .verdict = &verdict};
    enum posture_state_applied applied;
    assert_true(posture_state_apply(state, &entry, &applied, NULL) < 0);
    assert_null(posture_state_next(state, NULL));
}

static void test_many(void **unused)
{
    (void)unused;
    enum { MANY = 20000 };
    POSTURE_AUTO(posture_state_free) struct posture_state *state = posture_state_new();
    char key[128];
    for (int i = 0; i < MANY; i++) {
        (void)snprintf(key, sizeof(key), "a%d|noc|tls|tls://h%d.example:443", i % 7, i);
        apply(state, key, 1, (uint64_t)i, i, POSTURE_RESULT_PASS);
    }
    assert_int_equal(posture_state_count(state), MANY);
    size_t seen = 0, of_agency = 0;
    for (struct posture_record *record = posture_state_next(state, NULL); record;
         record = posture_state_next(state, record))
        seen++;
    for (struct posture_record *record = posture_state_agency(state, "a3")->first; record;
         record = record->next)
        of_agency++;
    assert_int_equal(seen, MANY);
    assert_int_equal(of_agency, posture_state_agency(state, "a3")->count);
    for (int i = 0; i < MANY; i += 2) {
        (void)snprintf(key, sizeof(key), "a%d|noc|tls|tls://h%d.example:443", i % 7, i);
        posture_state_remove(state, key, strlen(key));
    }
    assert_int_equal(posture_state_count(state), MANY / 2);
}

/* Whatever allocation fails: no leak, no half-made record. */
static void test_no_memory(void **unused)
{
    (void)unused;
    struct posture_judgement verdict = verdict_of(POSTURE_RESULT_PASS);
    const struct posture_state_entry entry = {.key = KEY,
                                              .key_len = strlen(KEY),
                                              .epoch = 1,
                                              .sequence = 1,
                                              .verdict = &verdict};
    for (unsigned long n = 1;; n++) {
        enum posture_state_applied applied;
        posture_alloc_fail_at(n, 0);
        struct posture_state *state = posture_state_new();
        int r = state ? posture_state_apply(state, &entry, &applied, NULL) : -1;
        if (r == 0)
            r = posture_state_accept(state, KEY, strlen(KEY), 1, 2, &verdict);
        posture_alloc_fail_at(0, 0);
        if (state && r < 0)
            assert_true(posture_state_count(state) <= 1);
        posture_state_free(state);
        if (r == 0)
            break;
        assert_true(n < 100);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_newer_wins), cmocka_unit_test(test_parts_of_the_key),
        cmocka_unit_test(test_pending),    cmocka_unit_test(test_tombstone),
        cmocka_unit_test(test_bad_key),    cmocka_unit_test(test_many),
        cmocka_unit_test(test_no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
