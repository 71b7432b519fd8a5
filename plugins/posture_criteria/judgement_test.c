/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#include "posture_criteria/judgement.h"

#include "common/base/clock.h"
#include "common/base/parse.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define T0 (INT64_C(1763884800) * POSTURE_NS_PER_S)

static void item_set(struct posture_judgement *verdict, const char *check,
                     enum posture_result_status status, int64_t since_ns, double value)
{
    struct posture_judgement_item *item = &verdict->items[verdict->count++];
    *item = (struct posture_judgement_item){.status = status, .since_ns = since_ns};
    (void)snprintf(item->check, sizeof(item->check), "%s", check);
    item->has_value = value > 0;
    item->value = value;
}

static struct posture_judgement sample(void)
{
    struct posture_judgement verdict = {
        .profile = "0123456789ab",
        .time_ns = T0,
        .interval_s = 3600,
        .next_change_ns = T0 + 86400 * POSTURE_NS_PER_S,
    };
    item_set(&verdict, "tls.version", POSTURE_RESULT_FAIL, T0 - 5 * POSTURE_NS_PER_S, 0);
    item_set(&verdict, "tls.suites", POSTURE_RESULT_PASS, T0, 0);
    item_set(&verdict, "tls.cert.chain", POSTURE_RESULT_NA, T0, 0);
    item_set(&verdict, "other.check", POSTURE_RESULT_UNKNOWN, T0, 0);
    item_set(&verdict, "tls.strength_until", POSTURE_RESULT_WARN, T0, 2030);
    return verdict;
}

static void test_text(void **state)
{
    (void)state;
    struct posture_judgement verdict = sample();
    char text[POSTURE_JUDGEMENT_MAX + 1];
    size_t len;
    posture_judgement_encode(&verdict, "tls", text, &len);
    assert_string_equal(text, "1;p=0123456789ab;t=mibfgu80;i=3600;n=micuwow0;s=mibfgu80|"
                              "version=f@mibfgqd4;suites=p;cert.chain=n;.other.check=u;"
                              "strength_until=w/2030");
    assert_int_equal(len, strlen(text));
}

static void assert_same(const struct posture_judgement *a,
                        const struct posture_judgement *b)
{
    assert_string_equal(a->profile, b->profile);
    assert_int_equal(a->time_ns, b->time_ns);
    assert_int_equal(a->next_change_ns, b->next_change_ns);
    assert_int_equal(a->flags, b->flags);
    assert_true(!(a->interval_s < b->interval_s) && !(a->interval_s > b->interval_s));
    assert_int_equal(a->count, b->count);
    for (size_t i = 0; i < a->count; i++) {
        assert_string_equal(a->items[i].check, b->items[i].check);
        assert_int_equal(a->items[i].status, b->items[i].status);
        assert_int_equal(a->items[i].since_ns, b->items[i].since_ns);
        assert_int_equal(a->items[i].has_value, b->items[i].has_value);
        assert_true(!(a->items[i].value < b->items[i].value) &&
                    !(a->items[i].value > b->items[i].value));
    }
}

static void test_round_trip(void **state)
{
    (void)state;
    static const struct {
        const char *label;
        int64_t next_ns;
        unsigned flags;
        double interval_s;
        const char *profile;
    } rows[] = {
        {"plain", T0 + POSTURE_NS_PER_S, 0, 3600, "0123456789ab"},
        {"never changes", INT64_MAX, 0, 0.5, "ffffffffffff"},
        {"retired", INT64_MAX, POSTURE_JUDGEMENT_RETIRED, 0, ""},
        {"clock and body", INT64_MAX, POSTURE_JUDGEMENT_CLOCK | POSTURE_JUDGEMENT_BODY,
         60, ""},
    };
    for (size_t i = 0; i < POSTURE_COUNT(rows); i++) {
        print_message("%s\n", rows[i].label);
        struct posture_judgement verdict = sample(), back;
        verdict.next_change_ns = rows[i].next_ns;
        verdict.flags = rows[i].flags;
        verdict.interval_s = rows[i].interval_s;
        (void)snprintf(verdict.profile, sizeof(verdict.profile), "%s", rows[i].profile);
        char text[POSTURE_JUDGEMENT_MAX + 1];
        size_t len;
        posture_judgement_encode(&verdict, "tls", text, &len);
        assert_int_equal(posture_judgement_decode(text, len, "tls", &back), 0);
        assert_same(&verdict, &back);
    }
}

/* The thirteen checks of kind tls, each with a since of its own and a value, fit. */
static void test_worst_tls_fits(void **state)
{
    (void)state;
    static const char *const checks[] = {
        "tls.version",        "tls.suites",         "tls.key_exchange",
        "tls.groups",         "tls.pq_hybrid",      "tls.forward_secrecy",
        "tls.cert.key",       "tls.cert.signature", "tls.cert.validity",
        "tls.cert.chain",     "tls.cert.name",      "tls.gl3001_type",
        "tls.strength_until",
    };
    struct posture_judgement verdict = sample(), back;
    verdict.count = 0;
    verdict.flags = POSTURE_JUDGEMENT_CLOCK;
    for (size_t i = 0; i < POSTURE_COUNT(checks); i++)
        item_set(&verdict, checks[i], POSTURE_RESULT_FAIL,
                 T0 + (int64_t)i * POSTURE_NS_PER_MS, 2030);
    char text[POSTURE_JUDGEMENT_MAX + 1];
    size_t len;
    posture_judgement_encode(&verdict, "tls", text, &len);
    print_message("%zu bytes\n", len);
    assert_int_equal(posture_judgement_decode(text, len, "tls", &back), 0);
    assert_same(&verdict, &back);
}

static void test_too_long_asks_for_the_body(void **state)
{
    (void)state;
    struct posture_judgement verdict = sample(), back;
    verdict.count = 0;
    for (int i = 0; i < POSTURE_RESULTS_MAX; i++) {
        char check[POSTURE_JUDGEMENT_CHECK_MAX];
        (void)snprintf(check, sizeof(check), "tls.a_rather_long_name_of_a_check_%02d", i);
        item_set(&verdict, check, POSTURE_RESULT_PASS, T0 + i * POSTURE_NS_PER_MS, 0);
    }
    char text[POSTURE_JUDGEMENT_MAX + 1];
    size_t len;
    posture_judgement_encode(&verdict, "tls", text, &len);
    assert_true(len <= POSTURE_JUDGEMENT_MAX);
    assert_int_equal(posture_judgement_decode(text, len, "tls", &back), 0);
    assert_int_equal(back.flags, POSTURE_JUDGEMENT_BODY);
    assert_int_equal(back.count, 0);
}

static void test_refused(void **state)
{
    (void)state;
#define HEAD "1;p=0123456789ab;t=mib1;i=60;n=-;s=mib1"
    static const struct {
        const char *label, *text;
    } rows[] = {
        {"empty", ""},
        {"no bar", HEAD},
        {"version 2", "2;p=0123456789ab;t=mib1;i=60;n=-;s=mib1|"},
        {"no profile", "1;t=mib1;i=60;n=-;s=mib1|"},
        {"short profile", "1;p=0123;t=mib1;i=60;n=-;s=mib1|"},
        {"upper-case profile", "1;p=0123456789AB;t=mib1;i=60;n=-;s=mib1|"},
        {"no time", "1;p=0123456789ab;i=60;n=-;s=mib1|"},
        {"no base 36", "1;p=0123456789ab;t=MIB1;i=60;n=-;s=mib1|"},
        {"beyond 2262", "1;p=0123456789ab;t=zzzzzzzzz;i=60;n=-;s=mib1|"},
        {"no number", "1;p=0123456789ab;t=mib1;i=x;n=-;s=mib1|"},
        {"flag unknown", "1;p=0123456789ab;t=mib1;i=60;n=-;f=x;s=mib1|"},
        {"no result", HEAD "|version"},
        {"result unknown", HEAD "|version=x"},
        {"result missing", HEAD "|version="},
        {"nothing after at", HEAD "|version=p@"},
        {"nothing after slash", HEAD "|version=p/"},
        {"rubbish after result", HEAD "|version=px"},
        {"name with a bar", HEAD "|ver|sion=p"},
        {"no name", HEAD "|=p"},
        {"a dot alone", HEAD "|.=p"},
        {"twice", HEAD "|version=p;version=f"},
        {"trailing separator is empty check", HEAD "|version=p;;suites=p"},
    };
    for (size_t i = 0; i < POSTURE_COUNT(rows); i++) {
        struct posture_judgement verdict;
        print_message("%s\n", rows[i].label);
        assert_int_equal(
            posture_judgement_decode(rows[i].text, strlen(rows[i].text), "tls", &verdict),
            POSTURE_E_FORMAT);
    }
}

static void test_unknown_field_is_skipped(void **state)
{
    (void)state;
    static const char text[] =
        "1;p=0123456789ab;t=mib1;i=60;n=-;x=later;s=mib1|version=p";
    struct posture_judgement verdict;
    assert_int_equal(posture_judgement_decode(text, strlen(text), "tls", &verdict), 0);
    assert_int_equal(verdict.count, 1);
    assert_string_equal(verdict.items[0].check, "tls.version");
}

static void test_since_is_kept(void **state)
{
    (void)state;
    struct posture_judgement previous = sample(), verdict = {.time_ns = T0};
    struct posture_results POSTURE_AUTO_RESULTS results = {.count = 0};
    int64_t at_ns = T0 + 60 * POSTURE_NS_PER_S;
    assert_int_equal(posture_results_add_take(&results, "tls.version",
                                              POSTURE_RESULT_FAIL, NULL, NULL, NULL,
                                              INT64_MAX),
                     0);
    assert_int_equal(posture_results_add_take(&results, "tls.suites", POSTURE_RESULT_WARN,
                                              NULL, NULL, NULL, INT64_MAX),
                     0);
    assert_int_equal(posture_results_add_take(&results, "tls.new", POSTURE_RESULT_PASS,
                                              json_integer(7), NULL, NULL, INT64_MAX),
                     0);
    posture_judgement_set_results(&verdict, &results, &previous, at_ns);
    assert_int_equal(verdict.items[0].since_ns, T0 - 5 * POSTURE_NS_PER_S);
    assert_int_equal(verdict.items[1].since_ns, at_ns);
    assert_int_equal(verdict.items[2].since_ns, at_ns);
    assert_true(verdict.items[2].has_value);
    assert_false(verdict.items[0].has_value);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_text),
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_worst_tls_fits),
        cmocka_unit_test(test_too_long_asks_for_the_body),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_unknown_field_is_skipped),
        cmocka_unit_test(test_since_is_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
