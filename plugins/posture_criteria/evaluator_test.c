/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#include "posture_criteria/evaluator.h"

#include "common/base/clock.h"
#include "common/report/json.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static const char registry_text[] =
    "{\"schema\":\"posture.registry/1\",\"agencies\":[{\"id\":\"moj\","
    "\"area\":\"central-government\",\"inventory\":["
    "{\"kind\":\"tls\",\"subject\":\"tls://a.moj.example:443\"}]}]}";
static const char catalogue_text[] =
    "{\"schema\":\"posture.catalogue/1\",\"criteria\":[{\"id\":\"c\",\"kind\":\"tls\","
    "\"areas\":[\"central-government\"],\"aggregation\":\"share_of_subjects\","
    "\"checks\":[{\"check\":\"tls.version\"}],\"targets\":{\"FY2025\":1.0}}]}";

static void report_apply(struct posture_state *state, int64_t time_ns)
{
    static const char key[] = "moj|n1|tls|tls://a.moj.example:443";
    const struct posture_judgement verdict = {
        .profile = "333333333333",
        .time_ns = time_ns,
        .interval_s = 3600,
        .next_change_ns = INT64_MAX,
        .count = 1,
        .items = {{.check = "tls.version", .status = POSTURE_RESULT_PASS}},
    };
    const struct posture_state_entry entry = {.key = key,
                                              .key_len = strlen(key),
                                              .epoch = 1,
                                              .sequence = 1,
                                              .verdict = &verdict};
    enum posture_state_applied applied;
    assert_int_equal(posture_state_apply(state, &entry, &applied, NULL), 0);
}

/* The last instant of March in Japan and the first of April: another period by the clock
 * alone, of the same state. */
static void test_fiscal_year_turns(void **unused)
{
    (void)unused;
    static const struct {
        const char *label;
        int64_t after_ns;
        const char *period, *status;
    } rows[] = {
        {"last instant of the year", -1, "FY2025", "met"},
        {"first of the next, without a target", 0, "FY2026", "unmeasured"},
    };
    const int64_t turn_ns = INT64_C(1774969200) * POSTURE_NS_PER_S; /* 2026-04-01 JST */
    json_auto_t *registry_json = json_loads(registry_text, 0, NULL);
    json_auto_t *catalogue_json = json_loads(catalogue_text, 0, NULL);
    struct posture_error error = {0};
    POSTURE_AUTO(posture_registry_index_free)
    struct posture_registry_index *registry = NULL;
    POSTURE_AUTO(posture_catalogue_free) struct posture_catalogue *catalogue = NULL;
    POSTURE_AUTO(posture_state_free) struct posture_state *state = posture_state_new();
    POSTURE_AUTO(posture_evaluator_free) struct posture_evaluator *evaluator = NULL;
    assert_int_equal(
        posture_registry_index_new(registry_json, "111111111111", &registry, &error), 0);
    assert_int_equal(
        posture_catalogue_new(catalogue_json, "222222222222", &catalogue, &error), 0);
    report_apply(state, turn_ns - 60 * POSTURE_NS_PER_S);
    const struct posture_evaluation_context context = {.registry = registry,
                                                       .catalogue = catalogue,
                                                       .state = state,
                                                       .profile_id = "p",
                                                       .profile_digest = "333333333333"};
    const struct posture_evaluator_ops ops = {0};
    assert_int_equal(posture_evaluator_new(&context, &evaluator), 0);
    for (size_t i = 0; i < POSTURE_COUNT(rows); i++) {
        print_message("%s\n", rows[i].label);
        assert_int_equal(
            posture_evaluator_run(evaluator, turn_ns + rows[i].after_ns, &ops), 0);
        json_auto_t *documents = posture_evaluator_documents(evaluator);
        assert_int_equal(json_array_size(documents), 3); /* agency, area, nation */
        for (size_t d = 0; d < json_array_size(documents); d++) {
            const json_t *document = json_array_get(documents, d);
            assert_string_equal(posture_json_string(document, "period"), rows[i].period);
            assert_string_equal(posture_json_string(document, "status"), rows[i].status);
            assert_int_equal(json_integer_value(json_object_get(document, "passing")), 1);
        }
        if (i == 0)
            assert_int_equal(posture_evaluator_next_ns(evaluator), turn_ns);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fiscal_year_turns),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
