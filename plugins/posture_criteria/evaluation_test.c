/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#include "posture_criteria/evaluator.h"

#include "common/base/clock.h"
#include "common/report/json.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define NOW    (INT64_C(1763884800) * POSTURE_NS_PER_S) /* 2025-11-23T08:00:00Z: FY2025 */
#define MINUTE (60 * POSTURE_NS_PER_S)

static const char registry_text[] =
    "{\"schema\":\"posture.registry/1\",\"max_interval_s\":{\"tls\":7200},\"agencies\":["
    "{\"id\":\"moj\",\"area\":\"central-government\",\"sector\":null,\"inventory\":["
    " {\"kind\":\"tls\",\"subject\":\"tls://a.moj.example:443\"},"
    " {\"kind\":\"tls\",\"subject\":\"tls://b.moj.example:443\"},"
    " {\"kind\":\"tls\",\"subject\":\"tls://b.moj.example:443\"},"
    " {\"kind\":\"tls\",\"pattern\":\"tls://*.moj.example:443\",\"expected\":2}],"
    " \"exceptions\":[{\"subject\":\"tls://a.moj.example:443\",\"check\":\"tls.version\","
    "  \"reason\":\"r\",\"owner\":\"o\",\"expires\":\"2025-11-23\"}]},"
    "{\"id\":\"power\",\"area\":\"critical-infrastructure\",\"sector\":\"electric-"
    "power\","
    " \"inventory\":[{\"kind\":\"tls\",\"subject\":\"tls://p.example:443\"}]},"
    "{\"id\":\"city\",\"area\":\"local-government\",\"inventory\":[]}]}";

static const char catalogue_text[] =
    "{\"schema\":\"posture.catalogue/1\",\"criteria\":["
    "{\"id\":\"c.two\",\"kind\":\"tls\",\"areas\":[\"central-government\","
    "\"critical-infrastructure\",\"local-government\"],\"aggregation\":\"share_of_"
    "subjects\","
    "\"checks\":[{\"check\":\"tls.version\"},{\"check\":\"tls.suites\"}],"
    "\"targets\":{\"FY2025\":0.5}},"
    "{\"id\":\"c.min\",\"kind\":\"tls\",\"areas\":[\"central-government\"],"
    "\"aggregation\":\"share_of_subjects\","
    "\"checks\":[{\"check\":\"tls.strength_until\",\"min\":2031}],\"targets\":{}}]}";

struct world {
    struct posture_registry_index *registry;
    struct posture_catalogue *catalogue;
    struct posture_state *state;
    struct posture_evaluation_context context;
    uint64_t sequence;
};

static int world_setup(void **state)
{
    struct world *world = calloc(1, sizeof(*world));
    json_auto_t *registry = json_loads(registry_text, 0, NULL);
    json_auto_t *catalogue = json_loads(catalogue_text, 0, NULL);
    struct posture_error error = {0};
    assert_int_equal(
        posture_registry_index_new(registry, "111111111111", &world->registry, &error),
        0);
    assert_int_equal(
        posture_catalogue_new(catalogue, "222222222222", &world->catalogue, &error), 0);
    world->state = posture_state_new();
    world->context = (struct posture_evaluation_context){.registry = world->registry,
                                                         .catalogue = world->catalogue,
                                                         .state = world->state,
                                                         .profile_id = "p",
                                                         .profile_digest = "333333333333",
                                                         .now_ns = NOW};
    *state = world;
    return 0;
}

static int world_teardown(void **state)
{
    struct world *world = *state;
    posture_state_free(world->state);
    posture_catalogue_free(world->catalogue);
    posture_registry_index_free(world->registry);
    free(world);
    return 0;
}

/* results: one letter for tls.version, one for tls.suites; year: tls.strength_until, 0:
 * no such check. */
static struct posture_record *report(struct world *world, const char *key,
                                     const char *results, int year, int64_t time_ns,
                                     unsigned flags)
{
    static const char letters[] = "npwuf";
    static const char *const checks[] = {"tls.version", "tls.suites"};
    struct posture_judgement verdict = {.profile = "333333333333",
                                        .time_ns = time_ns,
                                        .interval_s = 3600,
                                        .next_change_ns = INT64_MAX,
                                        .flags = flags};
    for (size_t i = 0; results[i]; i++) {
        struct posture_judgement_item *item = &verdict.items[verdict.count++];
        (void)snprintf(item->check, sizeof(item->check), "%s", checks[i]);
        item->status =
            (enum posture_result_status)(strchr(letters, results[i]) - letters);
        item->since_ns = NOW - 10 * MINUTE;
    }
    if (year) {
        struct posture_judgement_item *item = &verdict.items[verdict.count++];
        (void)snprintf(item->check, sizeof(item->check), "tls.strength_until");
        item->status = POSTURE_RESULT_PASS;
        item->has_value = true;
        item->value = year;
    }
    const struct posture_state_entry entry = {.key = key,
                                              .key_len = strlen(key),
                                              .epoch = 1,
                                              .sequence = ++world->sequence,
                                              .verdict = &verdict};
    enum posture_state_applied applied;
    struct posture_record *record;
    assert_int_equal(posture_state_apply(world->state, &entry, &applied, &record), 0);
    return record;
}

static struct posture_tally tally_of(struct world *world, const char *agency,
                                     size_t criterion)
{
    struct posture_agency_view view;
    struct posture_tally tally;
    assert_int_equal(posture_agency_view_fill(world->state, agency, &view), 0);
    assert_int_equal(
        posture_tally_agency(&world->context,
                             posture_registry_agency(world->registry, agency),
                             &world->catalogue->criteria[criterion], &view, &tally),
        0);
    posture_agency_view_done(&view);
    return tally;
}

/* Letters: Pass Fail Missing Stale Unknown Warn Na, then covered, unregistered, expected.
 */
static void assert_tally(const struct posture_tally *tally, const char *expected)
{
    char got[128];
    const uint64_t *c = tally->counts;
    (void)snprintf(got, sizeof(got), "P%d F%d M%d S%d U%d W%d N%d c%d u%d e%d",
                   (int)c[POSTURE_STANDING_PASS], (int)c[POSTURE_STANDING_FAIL],
                   (int)c[POSTURE_STANDING_MISSING], (int)c[POSTURE_STANDING_STALE],
                   (int)c[POSTURE_STANDING_UNKNOWN], (int)c[POSTURE_STANDING_WARN],
                   (int)c[POSTURE_STANDING_NA], (int)tally->covered,
                   (int)tally->unregistered, (int)posture_tally_expected(tally));
    assert_string_equal(got, expected);
}

/* One subject "a" (exact); "b" exact and two of the pattern never reported: three
 * missing. */
static void test_one_subject(void **state)
{
    static const struct {
        const char *label, *results, *expected;
        int64_t age;
    } rows[] = {
        {"all pass", "pp", "P1 F0 M3 S0 U0 W0 N0 c1 u0 e4", MINUTE},
        {"na does not count", "pn", "P1 F0 M3 S0 U0 W0 N0 c1 u0 e4", MINUTE},
        {"all na: not expected", "nn", "P0 F0 M3 S0 U0 W0 N1 c0 u0 e3", MINUTE},
        {"worst wins", "wf", "P0 F1 M3 S0 U0 W0 N0 c1 u0 e4", MINUTE},
        {"warn is not achieved", "pw", "P0 F0 M3 S0 U0 W1 N0 c1 u0 e4", MINUTE},
        {"unknown is not covered", "pu", "P0 F0 M3 S0 U1 W0 N0 c0 u0 e4", MINUTE},
        {"fail beside unknown: fail, not covered", "fu", "P0 F1 M3 S0 U0 W0 N0 c0 u0 e4",
         MINUTE},
        {"a check without result is unknown", "p", "P0 F0 M3 S0 U1 W0 N0 c0 u0 e4",
         MINUTE},
        {"just fresh: 2 h + 600 s", "pp", "P1 F0 M3 S0 U0 W0 N0 c1 u0 e4", 130 * MINUTE},
        {"just stale", "pp", "P0 F0 M3 S1 U0 W0 N0 c0 u0 e4", 130 * MINUTE + 1},
        {"stale na is stale", "nn", "P0 F0 M3 S1 U0 W0 N0 c0 u0 e4", 200 * MINUTE},
    };
    for (size_t i = 0; i < POSTURE_COUNT(rows); i++) {
        struct world *world = *state;
        print_message("%s\n", rows[i].label);
        report(world, "moj|n1|tls|tls://a.moj.example:443", rows[i].results, 0,
               NOW - rows[i].age, 0);
        struct posture_tally tally = tally_of(world, "moj", 0);
        assert_tally(&tally, rows[i].expected);
        posture_tally_done(&tally);
    }
}

static void test_inventory(void **state)
{
    struct world *world = *state;
    struct posture_tally tally = tally_of(world, "moj", 0);
    assert_tally(&tally,
                 "P0 F0 M4 S0 U0 W0 N0 c0 u0 e4"); /* b is there twice: one expectation */
    assert_int_equal(tally.list_count, 3);
    assert_string_equal(tally.list[0].subject, "tls://*.moj.example:443");
    assert_int_equal(tally.list[0].missing, 2);
    posture_tally_done(&tally);

    /* The exact entry does not feed the pattern; more matches than expected count all. */
    report(world, "moj|n1|tls|tls://a.moj.example:443", "pp", 0, NOW, 0);
    report(world, "moj|n1|tls|tls://x.moj.example:443", "pp", 0, NOW, 0);
    tally = tally_of(world, "moj", 0);
    assert_tally(&tally, "P2 F0 M2 S0 U0 W0 N0 c2 u0 e4");
    posture_tally_done(&tally);
    report(world, "moj|n1|tls|tls://y.moj.example:443", "nn", 0, NOW, 0);
    report(world, "moj|n1|tls|tls://z.moj.example:443", "ff", 0, NOW, 0);
    tally = tally_of(world, "moj", 0);
    assert_tally(&tally, "P2 F1 M1 S0 U0 W0 N1 c3 u0 e4"); /* max(2, 3) - 1 na + a + b */
    posture_tally_done(&tally);

    /* Another port, and another kind's subject: not registered, not expected. */
    report(world, "moj|n1|tls|tls://a.moj.example:8443", "pp", 0, NOW, 0);
    report(world, "moj|n1|reporter|reporter://n1", "", 0, NOW, 0);
    tally = tally_of(world, "moj", 0);
    assert_tally(&tally, "P2 F1 M1 S0 U0 W0 N1 c3 u1 e4");
    posture_tally_done(&tally);

    /* Retired: what the registry still expects is missing. */
    report(world, "moj|n1|tls|tls://a.moj.example:443", "", 0, NOW,
           POSTURE_JUDGEMENT_RETIRED);
    tally = tally_of(world, "moj", 0);
    assert_tally(&tally, "P1 F1 M2 S0 U0 W0 N1 c2 u1 e4");
    posture_tally_done(&tally);
}

static void test_several_reporters(void **state)
{
    struct world *world = *state;
    char name[64];
    report(world, "moj|n1|tls|tls://a.moj.example:443", "pp", 0, NOW, 0);
    report(world, "moj|n2|tls|tls://a.moj.example:443", "pf", 0, NOW, 0);
    report(world, "moj|n3|tls|tls://a.moj.example:443", "ff", 0, NOW - 500 * MINUTE, 0);
    report(world, "moj|n4|tls|tls://a.moj.example:443", "nn", 0, NOW, 0);
    struct posture_tally tally = tally_of(world, "moj", 0);
    assert_tally(&tally, "P0 F1 M3 S0 U0 W0 N0 c1 u0 e4");
    assert_string_equal(posture_record_reporter(tally.list[0].record, name, sizeof(name)),
                        "n2");
    assert_string_equal(tally.list[0].check, "tls.suites");
    posture_tally_done(&tally);
}

/* Kinds that share a scheme, and so a subject, at several reporters: one subject still.
 */
static void test_kinds_that_share_a_subject(void **state)
{
    struct world *world = *state;
    report(world, "moj|n1|ssh|tls://a.moj.example:443", "pp", 0, NOW, 0);
    report(world, "moj|n1|tls|tls://a.moj.example:443", "pp", 0, NOW, 0);
    report(world, "moj|n2|ssh|tls://a.moj.example:443", "pp", 0, NOW, 0);
    report(world, "moj|n2|tls|tls://a.moj.example:443", "pf", 0, NOW, 0);
    struct posture_tally tally = tally_of(world, "moj", 0);
    assert_tally(&tally, "P0 F1 M3 S0 U0 W0 N0 c1 u0 e4");
    posture_tally_done(&tally);
}

static void test_min_takes_the_place_of_the_check(void **state)
{
    static const struct {
        const char *label;
        int year;
        const char *expected;
    } rows[] = {
        {"no such check", 0, "P0 F0 M3 S0 U1 W0 N0 c0 u0 e4"},
        {"too early", 2030, "P0 F1 M3 S0 U0 W0 N0 c1 u0 e4"},
        {"enough", 2031, "P1 F0 M3 S0 U0 W0 N0 c1 u0 e4"},
    };
    for (size_t i = 0; i < POSTURE_COUNT(rows); i++) {
        struct world *world = *state;
        print_message("%s\n", rows[i].label);
        report(world, "moj|n1|tls|tls://a.moj.example:443", "pp", rows[i].year, NOW, 0);
        struct posture_tally tally = tally_of(world, "moj", 1);
        assert_tally(&tally, rows[i].expected);
        posture_tally_done(&tally);
    }
}

static const json_t *document_find(const json_t *documents, const char *type,
                                   const char *id, const char *criterion)
{
    size_t i;
    json_t *document;
    json_array_foreach ((json_t *)(uintptr_t)documents, i, document) {
        const json_t *scope = json_object_get(document, "scope");
        if (strcmp(posture_json_string(scope, "type"), type) == 0 &&
            strcmp(posture_json_string(scope, "id"), id) == 0 &&
            strcmp(posture_json_string(document, "criterion"), criterion) == 0)
            return document;
    }
    return NULL;
}

static json_int_t number(const json_t *document, const char *name)
{
    return json_integer_value(json_object_get(document, name));
}

static void test_documents(void **state)
{
    struct world *world = *state;
    report(world, "moj|n1|tls|tls://a.moj.example:443", "fp", 2030, NOW - MINUTE, 0)
        ->detail = strdup(
        "{\"tls.version\":{\"code\":\"tls.version.legacy\",\"args\":{\"v\":\"TLSv1.0\"}},"
        "\"tls.strength_until\":{\"code\":\"tls.s\"}}");
    report(world, "moj|n1|tls|tls://b.moj.example:443", "pp", 2031, NOW - 2 * MINUTE, 0);
    report(world, "power|n1|tls|tls://p.example:443", "pp", 2031, NOW - 3 * MINUTE, 0);
    json_auto_t *documents = NULL;
    assert_int_equal(posture_evaluate(&world->context, &documents), 0);
    /* c.two: 3 agencies, 1 sector, 3 areas, nation; c.min: moj, its area, nation. */
    assert_int_equal(json_array_size(documents), 11);
    const json_t *moj = document_find(documents, "agency", "moj", "c.two");
    assert_int_equal(number(moj, "expected"), 4);
    assert_int_equal(number(moj, "passing"), 1);
    assert_string_equal(posture_json_string(moj, "status"), "not_met");
    assert_string_equal(posture_json_string(moj, "period"), "FY2025");
    assert_int_equal(
        json_integer_value(json_object_get(json_object_get(moj, "counts"), "excepted")),
        1);
    const json_t *first = json_array_get(json_object_get(moj, "not_achieved"), 0);
    assert_string_equal(posture_json_string(first, "code"), "tls.version.legacy");
    assert_string_equal(posture_json_string(first, "reporter"), "n1");
    assert_string_equal(posture_json_string(first, "since"), "2025-11-23T07:50:00.000Z");

    /* Of 5 expected in the nation 2 pass: sums, not an average of 1/4 and 1/1. */
    const json_t *nation = document_find(documents, "nation", POSTURE_NATION_ID, "c.two");
    double achieved = json_real_value(json_object_get(nation, "achieved"));
    assert_true(achieved > 0.399 && achieved < 0.401);
    assert_string_equal(posture_json_string(nation, "oldest_report"),
                        "2025-11-23T07:57:00.000Z");
    const json_t *power = document_find(documents, "sector", "electric-power", "c.two");
    assert_string_equal(posture_json_string(power, "status"), "met");
    const json_t *city = document_find(documents, "agency", "city", "c.two");
    assert_true(json_is_null(json_object_get(city, "achieved")));
    assert_string_equal(posture_json_string(city, "status"), "unmeasured");

    const json_t *minimum = document_find(documents, "agency", "moj", "c.min");
    first = json_array_get(json_object_get(minimum, "not_achieved"), 0);
    assert_string_equal(posture_json_string(first, "result"), "fail");
    assert_int_equal(
        json_integer_value(json_object_get(json_object_get(first, "args"), "min")), 2031);
    assert_true(json_is_null(json_object_get(minimum, "target")));
}

/* Same content, another instant and another order of arrival: same ids; only time
 * differs. */
static void test_deterministic(void **state)
{
    struct world *world = *state;
    static const char *const keys[] = {
        "moj|n1|tls|tls://a.moj.example:443", "moj|n2|tls|tls://a.moj.example:443",
        "moj|n1|tls|tls://c.moj.example:443", "power|n1|tls|tls://p.example:443"};
    for (size_t i = 0; i < POSTURE_COUNT(keys); i++)
        report(world, keys[i], "fw", 2030, NOW - 5 * MINUTE, 0);
    json_auto_t *documents = NULL, *again = NULL;
    assert_int_equal(posture_evaluate(&world->context, &documents), 0);
    world->state = posture_state_free(world->state);
    world->state = posture_state_new();
    world->context.state = world->state;
    world->context.now_ns += MINUTE;
    for (size_t i = POSTURE_COUNT(keys); i-- > 0;)
        report(world, keys[i], "fw", 2030, NOW - 5 * MINUTE, 0);
    assert_int_equal(posture_evaluate(&world->context, &again), 0);
    assert_int_equal(json_array_size(documents), json_array_size(again));
    for (size_t i = 0; i < json_array_size(documents); i++) {
        assert_string_equal(posture_json_string(json_array_get(documents, i), "id"),
                            posture_json_string(json_array_get(again, i), "id"));
        json_object_del(json_array_get(documents, i), "time");
        json_object_del(json_array_get(again, i), "time");
    }
    assert_true(json_equal(documents, again));
}

struct heard {
    int changed;
    int wanted;
    struct posture_record *record;
};

static void heard_changed(void *data, const struct posture_scope *scope,
                          const struct posture_criterion *criterion, int fiscal_year,
                          json_t *document)
{
    struct heard *heard = data;
    (void)scope;
    (void)criterion;
    (void)document;
    assert_int_equal(fiscal_year, 2025);
    heard->changed++;
}

static void heard_wanted(void *data, struct posture_record *record)
{
    struct heard *heard = data;
    heard->wanted++;
    heard->record = record;
}

static void test_incremental(void **state)
{
    struct world *world = *state;
    struct heard heard = {0};
    const struct posture_evaluator_ops ops = {heard_changed, heard_wanted, &heard};
    POSTURE_AUTO(posture_evaluator_free) struct posture_evaluator *evaluator = NULL;
    report(world, "power|n1|tls|tls://p.example:443", "pp", 2031, NOW, 0);
    assert_int_equal(posture_evaluator_new(&world->context, &evaluator), 0);
    assert_int_equal(posture_evaluator_run(evaluator, NOW, &ops), 0);
    assert_int_equal(heard.changed, 11);
    assert_int_equal(heard.wanted, 0);

    heard = (struct heard){0};
    assert_int_equal(posture_evaluator_run(evaluator, NOW + MINUTE, &ops), 0);
    assert_int_equal(heard.changed, 0);

    /* A fail waits for its reason before it is said. */
    report(world, "power|n1|tls|tls://p.example:443", "fp", 2031, NOW + MINUTE, 0);
    assert_int_equal(posture_evaluator_run(evaluator, NOW + MINUTE, &ops), 0);
    assert_int_equal(heard.changed, 0);
    assert_true(heard.wanted > 0);
    assert_true(posture_evaluator_is_waiting(evaluator));
    heard.record->detail = strdup("{\"tls.version\":{\"code\":\"x.y\"}}");
    assert_int_equal(posture_evaluator_run(evaluator, NOW + MINUTE, &ops), 0);
    assert_int_equal(heard.changed, 4); /* agency, sector, area, nation */
    assert_false(posture_evaluator_is_waiting(evaluator));

    /* Nothing is heard any more: at that very instant it turns stale. */
    heard = (struct heard){0};
    int64_t stale_ns = posture_evaluator_next_ns(evaluator);
    assert_int_equal(stale_ns, NOW + MINUTE + 130 * MINUTE + 1);
    assert_int_equal(posture_evaluator_run(evaluator, stale_ns - 1, &ops), 0);
    assert_int_equal(heard.changed, 0);
    assert_int_equal(posture_evaluator_run(evaluator, stale_ns, &ops), 0);
    assert_int_equal(heard.changed, 4);
    /* Then the exception of another agency ends, then the year. */
    int64_t exception_ns = posture_evaluator_next_ns(evaluator);
    assert_int_equal(exception_ns, NOW + 420 * MINUTE);
    assert_int_equal(posture_evaluator_run(evaluator, exception_ns, &ops), 0);
    assert_int_equal(posture_evaluator_next_ns(evaluator),
                     posture_fiscal_year_start(2026));
}

/* An exception that ends changes what is counted, though no report comes. */
static void test_exception_ends(void **state)
{
    struct world *world = *state;
    const int64_t end_ns = NOW + 420 * MINUTE; /* 2025-11-24, midnight in Japan */
    struct heard heard = {0};
    const struct posture_evaluator_ops ops = {heard_changed, heard_wanted, &heard};
    POSTURE_AUTO(posture_evaluator_free) struct posture_evaluator *evaluator = NULL;
    report(world, "moj|n1|tls|tls://a.moj.example:443", "fp", 2031, end_ns - 60 * MINUTE,
           0)
        ->detail = strdup("{\"tls.version\":{\"code\":\"x.y\"}}");
    assert_int_equal(posture_evaluator_new(&world->context, &evaluator), 0);
    assert_int_equal(posture_evaluator_run(evaluator, end_ns - 60 * MINUTE, &ops), 0);
    assert_int_equal(posture_evaluator_next_ns(evaluator), end_ns);
    heard = (struct heard){0};
    assert_int_equal(posture_evaluator_run(evaluator, end_ns - 1, &ops), 0);
    assert_int_equal(heard.changed, 0);
    assert_int_equal(posture_evaluator_run(evaluator, end_ns, &ops), 0);
    assert_int_equal(heard.changed, 3); /* agency, area, nation */
    json_auto_t *documents = posture_evaluator_documents(evaluator);
    const json_t *moj = document_find(documents, "agency", "moj", "c.two");
    assert_int_equal(
        json_integer_value(json_object_get(json_object_get(moj, "counts"), "excepted")),
        0);
}

/* Exactly the target is the target: 0.55 * 100 is a little more than 55 in binary. */
static void test_target_is_met_exactly(void **state)
{
    static const struct {
        double target;
        int passing, expected;
        const char *status;
    } rows[] = {
        {0.55, 55, 100, "met"},        {0.55, 54, 100, "not_met"}, {0.07, 7, 100, "met"},
        {0.07, 6, 100, "not_met"},     {0.14, 7, 50, "met"},       {1.0, 3, 3, "met"},
        {1.0, 2, 3, "not_met"},        {0.0, 0, 3, "met"},         {0.7, 7, 10, "met"},
        {0.7, 6999, 10000, "not_met"},
    };
    struct world *world = *state;
    const struct posture_scope scope = {"agency", "moj"};
    for (size_t i = 0; i < POSTURE_COUNT(rows); i++) {
        struct posture_tally tally = {.next_change_ns = INT64_MAX};
        tally.counts[POSTURE_STANDING_PASS] = (uint64_t)rows[i].passing;
        tally.counts[POSTURE_STANDING_FAIL] =
            (uint64_t)(rows[i].expected - rows[i].passing);
        json_auto_t *targets = json_pack("{s:f}", "FY2025", rows[i].target);
        json_auto_t *document = NULL;
        struct posture_criterion criterion = world->catalogue->criteria[0];
        criterion.targets = targets;
        assert_int_equal(posture_evaluation_document(&world->context, &scope, &criterion,
                                                     &tally, &document, NULL),
                         0);
        print_message("%d of %d\n", rows[i].passing, rows[i].expected);
        assert_string_equal(posture_json_string(document, "status"), rows[i].status);
    }
}

static void test_list_is_bounded(void **state)
{
    struct world *world = *state;
    char key[128];
    for (int i = 0; i < 3000; i++) {
        (void)snprintf(key, sizeof(key), "moj|n1|tls|tls://h%04d.moj.example:443",
                       (i * 7) % 3000);
        report(world, key, i % 2 ? "wp" : "fp", 2031, NOW, 0);
    }
    struct posture_tally tally = tally_of(world, "moj", 0);
    assert_int_equal(tally.list_count, POSTURE_EVALUATION_LIST_MAX);
    assert_true(tally.is_truncated);
    assert_string_equal(tally.list[0].subject, "tls://h0000.moj.example:443");
    for (size_t i = 0; i < tally.list_count; i++)
        assert_int_equal(tally.list[i].standing, POSTURE_STANDING_FAIL);
    assert_int_equal(posture_tally_expected(&tally), 3002);
    posture_tally_done(&tally);
}

/* The worst of many agencies are the worst of all, however they are added up. */
static void test_sum_of_many(void **state)
{
    struct world *world = *state;
    char key[128];
    for (int i = 0; i < 900; i++) {
        (void)snprintf(key, sizeof(key), "%s|n1|tls|tls://h%04d.moj.example:443",
                       i % 2 ? "moj" : "power", (i * 7) % 900);
        report(world, key, i % 3 ? "wp" : "fp", 2031, NOW, 0);
    }
    struct posture_tally sum = {.next_change_ns = INT64_MAX}, parts[2];
    struct posture_agency everything = *posture_registry_agency(world->registry, "moj");
    everything.exact_count = 0;
    for (int i = 0; i < 2; i++) {
        struct posture_agency_view view;
        everything.id = i ? "power" : "moj";
        assert_int_equal(posture_agency_view_fill(world->state, everything.id, &view), 0);
        assert_int_equal(posture_tally_agency(&world->context, &everything,
                                              &world->catalogue->criteria[0], &view,
                                              &parts[i]),
                         0);
        posture_agency_view_done(&view);
    }
    /* Again and again, so that the sum is cut on the way. */
    for (int i = 0; i < 20; i++)
        assert_int_equal(posture_tally_add(&sum, &parts[i % 2]), 0);
    posture_tally_cut(&sum);
    assert_int_equal(sum.list_count, POSTURE_EVALUATION_LIST_MAX);
    assert_true(sum.is_truncated);
    assert_int_equal(sum.counts[POSTURE_STANDING_FAIL], 3000);
    for (size_t i = 0; i < sum.list_count; i++) {
        assert_int_equal(sum.list[i].standing, POSTURE_STANDING_FAIL);
        /* Ten times the worst of moj: its first twenty. */
        assert_string_equal(sum.list[i].agency, "moj");
        assert_string_equal(sum.list[i].subject, parts[0].list[i / 10].subject);
    }
    posture_tally_done(&sum);
    posture_tally_done(&parts[0]);
    posture_tally_done(&parts[1]);
}

static void test_key(void **state)
{
    (void)state;
    char buf[POSTURE_EVALUATION_KEY_MAX];
    const struct posture_scope scope = {"area", "central-government"};
    assert_string_equal(posture_evaluation_key(&scope, "crypto.tls", 2026, buf),
                        "area:central-government|crypto.tls|FY2026");
}

static void test_no_memory(void **state)
{
    struct world *world = *state;
    report(world, "moj|n1|tls|tls://a.moj.example:443", "fp", 2030, NOW, 0);
    for (unsigned long n = 1;; n++) {
        json_t *documents = NULL;
        posture_alloc_fail_at(n, 0);
        int r = posture_evaluate(&world->context, &documents);
        posture_alloc_fail_at(0, 0);
        json_decref(documents);
        if (r == 0)
            break;
        assert_true(n < 1000);
    }
}

#define WORLD_TEST(fn) cmocka_unit_test_setup_teardown(fn, world_setup, world_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WORLD_TEST(test_one_subject),
        WORLD_TEST(test_inventory),
        WORLD_TEST(test_several_reporters),
        WORLD_TEST(test_min_takes_the_place_of_the_check),
        WORLD_TEST(test_documents),
        WORLD_TEST(test_deterministic),
        WORLD_TEST(test_incremental),
        WORLD_TEST(test_kinds_that_share_a_subject),
        WORLD_TEST(test_exception_ends),
        WORLD_TEST(test_target_is_met_exactly),
        WORLD_TEST(test_list_is_bounded),
        WORLD_TEST(test_sum_of_many),
        WORLD_TEST(test_key),
        WORLD_TEST(test_no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
