/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#include "posture_criteria/page.h"

#include "common/base/clock.h"
#include "common/report/json.h"
#include "posture_criteria/page_html.h"
#include "posture_criteria/page_text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define FIXTURES POSTURE_TEST_DIR "/testdata/nation/"

static void expect_text(const char *label, struct posture_buf *got, const char *want)
{
    const char *text = got->data ? got->data : "";

    if (strcmp(text, want) != 0)
        fail_msg("%s: got \"%s\", want \"%s\"", label, text, want);
    posture_buf_done(got);
}

static void html_text_is_escaped(void **state)
{
    static const struct {
        const char *label, *in, *want;
    } rows[] = {
        {"markup", "<a href=\"x\">&'</a>",
         "&lt;a href=&quot;x&quot;&gt;&amp;&#39;&lt;/a&gt;"},
        {"japanese", "水路省", "水路省"},
        {"control",
         "a\x01"
         "b\x7f"
         "c",
         "a\xef\xbf\xbd"
         "b\xef\xbf\xbd"
         "c"},
        {"c1 control", "a\xc2\x85", "a\xef\xbf\xbd"},
        {"no-break space stays",
         "a\xc2\xa0"
         "b",
         "a\xc2\xa0"
         "b"},
        {"ill-formed", "a\xff\xc3", "a\xef\xbf\xbd\xef\xbf\xbd"},
        {"cut character", "\xe6\xb0", "\xef\xbf\xbd\xef\xbf\xbd"},
        {"right-to-left override",
         "a\xe2\x80\xae"
         "exe",
         "a\xef\xbf\xbd"
         "exe"},
        {"isolate", "\xe2\x81\xa6x", "\xef\xbf\xbdx"},
        {"zero width",
         "a\xe2\x80\x8b"
         "b",
         "a\xef\xbf\xbd"
         "b"},
        {"four bytes", "\xf0\x9f\x9a\x86", "\xf0\x9f\x9a\x86"},
        {"empty", "", ""},
    };

    (void)state;
    for (size_t i = 0; i < POSTURE_COUNT(rows); i++) {
        struct posture_buf out = {0};

        posture_html_text(&out, rows[i].in);
        expect_text(rows[i].label, &out, rows[i].want);
    }
}

static void percent_never_rounds_up(void **state)
{
    static const struct {
        const char *label;
        double in;
        const char *want;
    } rows[] = {
        {"all", 1, "100%"},
        {"nearly all", 0.9999, "99.9%"},
        {"none", 0, "0.0%"},
        {"third", 1.0 / 3, "33.3%"},
        {"binary fraction", 0.29, "29.0%"},
        {"seven tenths", 0.7, "70.0%"},
        {"negative", -1, "0.0%"},
        {"not a number", 0.0 / 0.0, "0.0%"},
        {"huge", 1e300, "100000%"},
    };

    (void)state;
    for (size_t i = 0; i < POSTURE_COUNT(rows); i++) {
        struct posture_buf out = {0};

        posture_html_percent(&out, rows[i].in);
        expect_text(rows[i].label, &out, rows[i].want);
    }
    struct posture_buf out = {0};
    posture_html_percent_short(&out, 0.9);
    expect_text("short", &out, "90%");
}

static void durations_have_their_unit(void **state)
{
    static const struct {
        const char *label;
        int64_t s;
        enum posture_lang lang;
        const char *want;
    } rows[] = {
        {"future", -5, POSTURE_LANG_EN, "0 s"},
        {"seconds", 119, POSTURE_LANG_EN, "119 s"},
        {"minutes", 120, POSTURE_LANG_EN, "2 min"},
        {"minutes ja", 7199, POSTURE_LANG_JA, "119分"},
        {"hours", 7200, POSTURE_LANG_JA, "2時間"},
        {"days", 2 * 86400, POSTURE_LANG_EN, "2 days"},
        {"many days", 1234 * INT64_C(86400), POSTURE_LANG_JA, "1,234日"},
    };

    (void)state;
    for (size_t i = 0; i < POSTURE_COUNT(rows); i++) {
        struct posture_buf out = {0};

        posture_html_duration(&out, rows[i].s * POSTURE_NS_PER_S, rows[i].lang);
        expect_text(rows[i].label, &out, rows[i].want);
    }
}

static void instants_are_japan_time(void **state)
{
    struct posture_buf out = {0};
    int64_t ns = 0;

    (void)state;
    assert_int_equal(posture_time_parse("2026-11-23T15:04:05.678Z", 24, &ns), 0);
    posture_html_instant(&out, ns);
    expect_text("next day in Japan", &out,
                "<time datetime=\"2026-11-23T15:04:05.678Z\">2026-11-24 00:04</time>");
    posture_html_url(&out, "a/b c?\xe6");
    expect_text("url", &out, "a%2Fb%20c%3F%E6");
}

static void every_text_is_there_in_both_languages(void **state)
{
    (void)state;
    for (int t = 0; t < POSTURE_TEXT_COUNT; t++) {
        for (int lang = 0; lang < POSTURE_LANG_COUNT; lang++) {
            const char *text =
                posture_text((enum posture_text)t, (enum posture_lang)lang);
            const char *other = posture_text(
                (enum posture_text)t, (enum posture_lang)(POSTURE_LANG_COUNT - 1 - lang));

            if (!text || !text[0])
                fail_msg("text %d has no language %d", t, lang);
            if (!strstr(text, "{}") != !strstr(other, "{}"))
                fail_msg("text %d: \"%s\" and \"%s\" differ in their place", t, text,
                         other);
        }
    }
}

static struct posture_page_model *model_load(const char *name)
{
    struct posture_page_model *model = NULL;
    struct posture_error error = {0};
    json_auto_t *nation = NULL;
    char path[512];

    snprintf(path, sizeof(path), FIXTURES "%s.json", name);
    if (posture_json_load(path, 16 << 20, &nation, &error) < 0 ||
        posture_page_model_new(nation, &model, &error) < 0)
        fail_msg("%s: %s", path, error.text);
    return model;
}

static void model_counts_what_the_document_says(void **state)
{
    struct posture_page_model *model = model_load("nation");
    size_t met = 0, subjects = 0;

    (void)state;
    assert_int_equal(model->fiscal_year, 2026);
    assert_int_equal(model->agency_count, 12);
    assert_int_equal(model->criterion_count, 4);
    assert_int_equal(model->area_count, 5);
    assert_string_equal(model->areas[0].id, "central-government");
    assert_int_equal(model->rejected, 14);
    for (size_t i = 0; i < model->area_count; i++)
        met += model->areas[i].met_count;
    assert_int_equal(met, 4);

    /* An agency that never reported is unmeasured, not failed; one criterion does not
     * apply to individuals. */
    const struct posture_page_agency *silent =
        &model->agencies[posture_page_agency_find(model, "town-kawabe")];
    assert_int_equal(silent->newest_ns, 0);
    assert_int_equal(silent->evals[0].status, POSTURE_EVAL_UNMEASURED);
    assert_false(silent->evals[0].has_achieved);
    const struct posture_page_agency *survey =
        &model->agencies[posture_page_agency_find(model, "survey")];
    assert_int_equal(survey->evals[3].status, POSTURE_EVAL_ABSENT);
    assert_int_equal(survey->met, 3);

    /* Problems: most subjects first, a subject once however many criteria it holds back.
     */
    assert_true(model->problem_count > 5);
    assert_string_equal(model->problems[0].check, "tls.strength_until");
    assert_int_equal(model->problems[0].subjects, 27);
    assert_int_equal(model->problems[0].agencies, 8);
    for (size_t i = 0; i < model->problem_count; i++) {
        if (model->problems[i].trouble == POSTURE_TROUBLE_STALE) {
            assert_int_equal(model->problems[i].subjects, 6);
            assert_int_equal(model->problems[i].count, 6);
            assert_int_equal(model->entries[model->problems[i].first].criteria, 0xf);
        }
        if (model->problems[i].trouble == POSTURE_TROUBLE_UNKNOWN)
            subjects += model->problems[i].subjects;
    }
    assert_int_equal(subjects, 3);
    posture_page_model_free(model);
}

static void foreign_documents_are_refused(void **state)
{
    static const char *const rows[] = {
        "{}",
        "{\"schema\":\"posture.nation/2\"}",
        "{\"schema\":1}",
        "[]",
        "{\"schema\":\"posture.nation/1\",\"registry\":{\"agencies\":[{}]}}",
        "{\"schema\":\"posture.nation/1\",\"registry\":{\"agencies\":[7]}}",
        "{\"schema\":\"posture.nation/1\",\"catalogue\":{\"criteria\":[{\"id\":1}]}}",
    };

    (void)state;
    for (size_t i = 0; i < POSTURE_COUNT(rows); i++) {
        json_auto_t *nation = json_loads(rows[i], 0, NULL);
        struct posture_page_model *model = NULL;
        struct posture_error error = {0};

        if (posture_page_model_new(nation, &model, &error) != POSTURE_E_SCHEMA)
            fail_msg("%s: accepted", rows[i]);
    }
}

/* Wrong types anywhere: the pages are written all the same. */
static void odd_members_do_no_harm(void **state)
{
    static const char *const odd[] = {"null", "7",    "\"x\"", "[]",
                                      "{}",   "[[]]", "[{}]",  "-1e300"};
    static const char *const keys[] = {"time",      "fiscal_year", "registry",
                                       "catalogue", "evaluations", "profile",
                                       "gate",      "last_report", "lag"};

    (void)state;
    for (size_t k = 0; k < POSTURE_COUNT(keys); k++) {
        for (size_t i = 0; i < POSTURE_COUNT(odd); i++) {
            json_auto_t *nation = NULL;
            struct posture_page_model *model = NULL;
            POSTURE_AUTO_BUF struct posture_buf out = {0};

            assert_int_equal(
                posture_json_load(FIXTURES "quickstart.json", 16 << 20, &nation, NULL),
                0);
            json_object_set_new(nation, keys[k],
                                json_loads(odd[i], JSON_DECODE_ANY, NULL));
            int r = posture_page_model_new(nation, &model, NULL);
            if (r == 0) {
                struct posture_page_view view = {.model = model, .lang = POSTURE_LANG_JA};
                assert_int_equal(posture_page_overview(&view, &out), 0);
                posture_page_model_free(model);
            } else {
                assert_int_equal(r, POSTURE_E_SCHEMA);
            }
        }
    }
}

static void page_write(const char *fixture, enum posture_lang lang,
                       struct posture_buf *out)
{
    struct posture_page_model *model = model_load(fixture);
    struct posture_page_view view = {
        .model = model, .lang = lang, .now_ns = model->time_ns, .refresh_s = 60};

    assert_int_equal(posture_page_overview(&view, out), 0);
    for (size_t i = 0; i < model->agency_count; i++)
        assert_int_equal(posture_page_agency(&view, model->agencies[i].id, out), 0);
    for (size_t i = 0; i < model->criterion_count; i++)
        assert_int_equal(posture_page_criterion(&view, model->criteria[i].id, out), 0);
    for (size_t i = 0; i < model->area_count; i++)
        assert_int_equal(posture_page_area(&view, model->areas[i].id, out), 0);
    assert_int_equal(posture_page_agency(&view, "nobody", out), POSTURE_E_MISSING);
    posture_page_model_free(model);
}

static void pages_hold_what_a_reader_needs(void **state)
{
    static const struct {
        const char *fixture;
        enum posture_lang lang;
        const char *want[9];
    } rows[] = {
        {"nation",
         POSTURE_LANG_JA,
         {"<html lang=\"ja\">", "水路省", "未計測", "海岸鉄道", "残り129日", "82.6%",
          "登録簿にある対象", "期限切れ", "例外の登録あり"}},
        {"nation",
         POSTURE_LANG_EN,
         {"<html lang=\"en\">", "Ministry of Waterways", "Not measured", "Below target",
          "129 days left", "203.0.113.", "no report yet", "expired",
          "exception on record <b>1</b>"}},
        {"quickstart",
         POSTURE_LANG_EN,
         {"Agency with legacy servers", "Target met", "100%", "0.0%", "content=\"60\"",
          "tls.version", "agencies meet every target", "tls://www.legacy.example:443"}},
        {"empty",
         POSTURE_LANG_JA,
         {"評価対象がまだありません", "<main", "</html>", "判定基準", "noindex",
          "viewport", "2026年度", "登録簿に機関を追加"}},
    };

    (void)state;
    for (size_t i = 0; i < POSTURE_COUNT(rows); i++) {
        POSTURE_AUTO_BUF struct posture_buf out = {0};

        page_write(rows[i].fixture, rows[i].lang, &out);
        for (size_t k = 0; k < POSTURE_COUNT(rows[i].want) && rows[i].want[k]; k++) {
            /* Addresses are in the sentences of the check registry; without it codes are
             * shown. */
            if (strncmp(rows[i].want[k], "203.", 4) == 0)
                continue;
            if (!strstr(out.data, rows[i].want[k]))
                fail_msg("%s: \"%s\" is not on any page", rows[i].fixture,
                         rows[i].want[k]);
        }
        assert_null(strstr(out.data, "<script"));
        assert_null(strstr(out.data, " style=\""));
        assert_null(strstr(out.data, "(null)"));
        assert_null(strstr(out.data, ">nan"));
    }
}

static void hostile_text_stays_text(void **state)
{
    (void)state;
    for (int lang = 0; lang < POSTURE_LANG_COUNT; lang++) {
        POSTURE_AUTO_BUF struct posture_buf out = {0};

        page_write("hostile", (enum posture_lang)lang, &out);
        assert_non_null(strstr(out.data, "&lt;script&gt;alert(1)"));
        assert_null(strstr(out.data, "<script"));
        assert_null(strstr(out.data, "\xe2\x80\xae"));
        assert_null(strchr(out.data, '\a'));
    }
}

static void old_models_are_said_to_be_old(void **state)
{
    struct posture_page_model *model = model_load("quickstart");
    POSTURE_AUTO_BUF struct posture_buf out = {0};
    struct posture_page_view view = {
        .model = model,
        .lang = POSTURE_LANG_EN,
        .now_ns = model->time_ns + POSTURE_PAGE_OLD_NS,
    };

    (void)state;
    assert_int_equal(posture_page_overview(&view, &out), 0);
    assert_null(strstr(out.data, "role=\"alert\""));
    posture_buf_clear(&out);
    view.now_ns += 60 * POSTURE_NS_PER_S;
    assert_int_equal(posture_page_overview(&view, &out), 0);
    assert_non_null(strstr(out.data, "This page is 6 min old"));
    posture_page_model_free(model);
}

/* Memory that runs out anywhere gives an error, never a crash or half a page. */
static void memory_may_run_out(void **state)
{
    json_auto_t *nation = NULL;

    (void)state;
    assert_int_equal(
        posture_json_load(FIXTURES "quickstart.json", 16 << 20, &nation, NULL), 0);
    for (unsigned long n = 1; n < 10000; n++) {
        struct posture_page_model *model = NULL;
        POSTURE_AUTO_BUF struct posture_buf out = {0};

        posture_alloc_fail_at(n, 0);
        int r = posture_page_model_new(nation, &model, NULL);
        if (r == 0) {
            struct posture_page_view view = {.model = model};
            r = posture_page_overview(&view, &out);
        }
        bool is_done = posture_alloc_count() < n;
        posture_alloc_fail_at(0, 0);
        posture_page_model_free(model);
        if (is_done) {
            assert_int_equal(r, 0);
            return;
        }
        assert_int_equal(r, -12 /* ENOMEM */);
    }
    fail_msg("the loop did not end");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(html_text_is_escaped),
        cmocka_unit_test(percent_never_rounds_up),
        cmocka_unit_test(durations_have_their_unit),
        cmocka_unit_test(instants_are_japan_time),
        cmocka_unit_test(every_text_is_there_in_both_languages),
        cmocka_unit_test(model_counts_what_the_document_says),
        cmocka_unit_test(foreign_documents_are_refused),
        cmocka_unit_test(odd_members_do_no_harm),
        cmocka_unit_test(pages_hold_what_a_reader_needs),
        cmocka_unit_test(hostile_text_stays_text),
        cmocka_unit_test(old_models_are_said_to_be_old),
        cmocka_unit_test(memory_may_run_out),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
