/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#include "posture_criteria/page_parts.h"

#include "common/base/clock.h"
#include "common/report/json.h"

#include <string.h>

enum {
    AGENCIES_ALL = 60,     /* up to so many the overview lists every agency */
    AGENCIES_AN_AREA = 10, /* beyond: so many an area, the rest on the area's page */
    PROBLEMS_FULL = 6,
    ENTRIES_OVERVIEW = 25,
    ENTRIES_ALL = 2000,
};

static struct posture_page page_of(const struct posture_page_view *view,
                                   struct posture_buf *out)
{
    return (struct posture_page){
        .view = view, .model = view->model, .lang = view->lang, .out = out};
}

static void table_begin(const struct posture_page *page)
{
    posture_page_adds(page, "<section class=\"matrix\" aria-labelledby=\"h-matrix\"><h2 "
                            "id=\"h-matrix\">");
    posture_page_word(page, POSTURE_TEXT_AREAS_AND_AGENCIES);
    posture_page_adds(page, "</h2><table role=\"table\">");
    posture_page_table_head(page);
}

static void problems_section(const struct posture_page *page, long agency,
                             uint64_t criteria, size_t full, size_t limit)
{
    posture_page_adds(
        page, "<section class=\"what\" aria-labelledby=\"h-what\"><h2 id=\"h-what\">");
    posture_page_word(page, POSTURE_TEXT_FAILS);
    posture_page_adds(page, "</h2>");
    posture_page_problems(page, agency, criteria, full, limit);
    posture_page_adds(page, "</section>");
}

static void summary_count(const struct posture_page *page,
                          enum posture_eval_status status, const char *colour,
                          uint64_t count)
{
    if (count == 0)
        return;
    posture_buf_addf(page->out, "<span class=\"c-%s\">", colour);
    posture_page_icon(page, posture_page_state(status));
    posture_page_word(page, posture_page_state_text(status));
    posture_page_adds(page, " <b>");
    posture_html_count(page->out, count);
    posture_page_adds(page, "</b></span>");
}

/* How many agencies meet all that is asked of them: the one number of the page. */
static void summary_tile(const struct posture_page *page)
{
    const struct posture_page_model *model = page->model;
    size_t met = 0, unmeasured = 0;

    for (size_t i = 0; i < model->agency_count; i++) {
        const struct posture_page_agency *agency = &model->agencies[i];
        bool is_met = agency->applying > 0 && agency->met == agency->applying;

        met += is_met;
        unmeasured += !is_met && agency->newest_ns == 0;
    }
    struct posture_page_eval all = {
        .expected = model->agency_count,
        .passing = met,
        .troubles = {[POSTURE_TROUBLE_FAIL] = model->agency_count - met - unmeasured,
                     [POSTURE_TROUBLE_MISSING] = unmeasured},
    };
    posture_buf_addf(
        page->out,
        "<article class=\"tile total\"><p class=\"big\">%zu<small>/ %zu</small>"
        "</p><h2>",
        met, model->agency_count);
    posture_page_word(page, POSTURE_TEXT_AGENCIES_MEETING);
    posture_page_adds(page, "</h2>");
    posture_page_bar(page, &all);
    posture_page_adds(page, "<p class=\"counts\">");
    summary_count(page, POSTURE_EVAL_MET, "pass", met);
    summary_count(page, POSTURE_EVAL_NOT_MET, "fail", all.troubles[POSTURE_TROUBLE_FAIL]);
    summary_count(page, POSTURE_EVAL_UNMEASURED, "missing", unmeasured);
    posture_page_adds(page, "</p>");
    posture_page_adds(page, "<ul class=\"by-area\">");
    for (size_t i = 0; i < model->area_count; i++) {
        const struct posture_page_area *area = &model->areas[i];
        const char *state = area->met_count == area->count ? "met" : "not-met";

        posture_buf_addf(page->out, "<li class=\"s-%s\"><a href=\"", state);
        posture_page_href(page, "area", area->id);
        posture_page_adds(page, "\">");
        posture_page_text(page, posture_text_area(area->id, page->lang));
        posture_buf_addf(page->out, "</a> <b>%zu/%zu</b></li>", area->met_count,
                         area->count);
    }
    posture_page_adds(page, "</ul></article>");
}

static void message_add(const struct posture_page *page, enum posture_text title,
                        enum posture_text help)
{
    posture_page_adds(page, "<section class=\"message\"><h2>");
    posture_page_word(page, title);
    posture_page_adds(page, "</h2><p>");
    posture_page_word(page, help);
    posture_page_adds(page, "</p></section>");
}

int posture_page_overview(const struct posture_page_view *view, struct posture_buf *out)
{
    struct posture_page page = page_of(view, out);
    const struct posture_page_model *model = view->model;
    size_t limit = model->agency_count <= AGENCIES_ALL ? SIZE_MAX : AGENCIES_AN_AREA;

    posture_page_begin(&page, NULL);
    if (model->agency_count == 0 || model->criterion_count == 0) {
        message_add(&page, POSTURE_TEXT_EMPTY, POSTURE_TEXT_EMPTY_HELP);
        posture_page_end(&page);
        return posture_buf_error(out);
    }
    posture_page_adds(&page, "<section class=\"tiles\">");
    summary_tile(&page);
    for (size_t c = 0; c < model->criterion_count; c++)
        posture_page_tile(&page, c, &model->nation[c]);
    posture_page_adds(&page, "</section><div class=\"cols\">");
    table_begin(&page);
    for (size_t i = 0; i < model->area_count; i++)
        posture_page_table_area(&page, i, limit);
    posture_page_adds(&page, "</table></section>");
    problems_section(&page, -1, UINT64_MAX, PROBLEMS_FULL, ENTRIES_OVERVIEW);
    posture_page_adds(&page, "</div>");
    posture_page_end(&page);
    return posture_buf_error(out);
}

int posture_page_area(const struct posture_page_view *view, const char *id,
                      struct posture_buf *out)
{
    struct posture_page page = page_of(view, out);
    long at = posture_page_area_find(view->model, id);

    if (at < 0)
        return POSTURE_E_MISSING;
    posture_page_begin(&page, posture_text_area(view->model->areas[at].id, view->lang));
    posture_page_adds(&page, "<section class=\"tiles\">");
    for (size_t c = 0; c < view->model->criterion_count; c++)
        posture_page_tile(&page, c, &view->model->areas[at].evals[c]);
    posture_page_adds(&page, "</section>");
    table_begin(&page);
    posture_page_table_area(&page, (size_t)at, SIZE_MAX);
    posture_page_adds(&page, "</table></section>");
    posture_page_end(&page);
    return posture_buf_error(out);
}

static void agency_exceptions(const struct posture_page *page,
                              const struct posture_page_agency *agency)
{
    const json_t *list = json_object_get(agency->json, "exceptions");
    size_t i;
    json_t *entry;

    if (json_array_size(list) == 0)
        return;
    posture_page_adds(page, "<section class=\"panel\"><h2>");
    posture_page_word(page, POSTURE_TEXT_EXCEPTIONS);
    posture_page_adds(page, "</h2><ul class=\"entries\">");
    json_array_foreach (list, i, entry) {
        const char *expires = posture_json_string(entry, "expires");
        const char *check = posture_json_string(entry, "check");
        int64_t end = 0;

        posture_page_adds(page, "<li><code class=\"subject\">");
        posture_page_text(page, posture_json_string(entry, "subject"));
        posture_page_adds(page, "</code>");
        if (check) {
            posture_page_adds(page, " <code>");
            posture_page_text(page, check);
            posture_page_adds(page, "</code>");
        }
        posture_page_adds(page, "<span class=\"why\">");
        posture_page_text(page, posture_json_string(entry, "reason"));
        posture_page_adds(page, "</span><span class=\"fine\">");
        posture_page_word(page, POSTURE_TEXT_OWNER);
        posture_page_adds(page, " ");
        posture_page_text(page, posture_json_string(entry, "owner"));
        posture_page_adds(page, " · ");
        posture_page_word(page, POSTURE_TEXT_EXPIRES);
        posture_page_adds(page, " ");
        posture_page_text(page, expires);
        /* An exception that has run out is named so: it must not go on by being
         * forgotten. */
        if (expires && posture_at_parse(expires, &end, NULL) == 0 &&
            end + 86400 * POSTURE_NS_PER_S <= page->view->now_ns) {
            posture_page_adds(page, " <b class=\"c-fail\">");
            posture_page_word(page, POSTURE_TEXT_EXPIRED);
            posture_page_adds(page, "</b>");
        }
        posture_page_adds(page, "</span></li>");
    }
    posture_page_adds(page, "</ul></section>");
}

static void agency_ages(const struct posture_page *page,
                        const struct posture_page_agency *agency)
{
    const json_t *list = json_object_get(page->model->json, "last_report");
    size_t i;
    json_t *entry;

    posture_page_adds(page, "<section class=\"panel\"><h2>");
    posture_page_word(page, POSTURE_TEXT_AGE_OF_DATA);
    posture_page_adds(page, "</h2><dl class=\"facts\">");
    json_array_foreach (list, i, entry) {
        const char *id = posture_json_string(entry, "agency");
        const char *time = posture_json_string(entry, "time");
        int64_t ns = 0;

        if (!id || !time || strcmp(id, agency->id) != 0 ||
            posture_time_parse(time, strlen(time), &ns) < 0)
            continue;
        posture_page_adds(page, "<div><dt>");
        posture_page_word(page, POSTURE_TEXT_LAST_REPORT);
        posture_page_adds(page, " <code>");
        posture_page_text(page, posture_json_string(entry, "kind"));
        posture_page_adds(page, "</code></dt><dd>");
        posture_page_age(page, ns);
        posture_page_adds(page, "</dd></div>");
    }
    posture_page_adds(page, "<div><dt>");
    posture_page_word(page, POSTURE_TEXT_OLDEST);
    posture_page_adds(page, "</dt><dd>");
    posture_page_age(page, agency->oldest_ns);
    posture_page_adds(page, "</dd></div></dl></section>");
}

static void agency_about(const struct posture_page *page,
                         const struct posture_page_agency *agency)
{
    const char *cls = posture_json_string(agency->json, "class");
    const char *sector = posture_json_string(agency->json, "sector");
    const char *area = page->model->areas[agency->area].id;

    posture_page_adds(page, "<p class=\"about\"><a href=\"");
    posture_page_href(page, "area", area);
    posture_page_adds(page, "\">");
    posture_page_text(page, posture_text_area(area, page->lang));
    posture_page_adds(page, "</a>");
    if (cls) {
        posture_page_adds(page, " · ");
        posture_page_text(page, posture_text_class(cls, page->lang));
    }
    if (sector) {
        posture_page_adds(page, " · ");
        posture_page_text(page, posture_text_sector(sector, page->lang));
    }
    posture_page_adds(page, " · <code>");
    posture_page_text(page, agency->id);
    posture_page_adds(page, "</code></p>");
}

int posture_page_agency(const struct posture_page_view *view, const char *id,
                        struct posture_buf *out)
{
    struct posture_page page = page_of(view, out);
    long at = posture_page_agency_find(view->model, id);

    if (at < 0)
        return POSTURE_E_MISSING;
    const struct posture_page_agency *agency = &view->model->agencies[at];
    posture_page_begin(&page, posture_page_agency_name(&page, (size_t)at));
    agency_about(&page, agency);
    posture_page_adds(&page, "<section class=\"tiles\">");
    for (size_t c = 0; c < view->model->criterion_count; c++)
        posture_page_tile(&page, c, &agency->evals[c]);
    posture_page_adds(&page, "</section>");
    problems_section(&page, at, UINT64_MAX, SIZE_MAX, ENTRIES_ALL);
    agency_exceptions(&page, agency);
    agency_ages(&page, agency);
    posture_page_end(&page);
    return posture_buf_error(out);
}

/* What is asked, why, what to do: from the check registry, so that page and probe say the
 * same. */
static void criterion_checks(const struct posture_page *page, const json_t *criterion)
{
    const json_t *list = json_object_get(criterion, "checks");
    size_t i;
    json_t *entry;

    posture_page_adds(page, "<section class=\"panel\"><h2>");
    posture_page_word(page, POSTURE_TEXT_CHECKS);
    posture_page_adds(page, "</h2><dl class=\"checks\">");
    json_array_foreach (list, i, entry) {
        const char *id = posture_json_string(entry, "check");
        const struct posture_check_info *info =
            page->view->checks && id ? posture_check_find(page->view->checks, id) : NULL;
        const json_t *min = json_object_get(entry, "min");
        char number[32];

        if (!id)
            continue;
        posture_page_adds(page, "<dt>");
        posture_page_text(page, info ? info->title[page->lang] : id);
        posture_page_adds(page, " <code>");
        posture_page_text(page, id);
        posture_page_adds(page, "</code>");
        if (json_is_number(min)) {
            const char *words = posture_text(POSTURE_TEXT_CHECK_VALUE_MIN, page->lang);
            const char *place = strstr(words, "{}");
            posture_page_adds(page, " <b>");
            posture_html_text_len(page->out, words, (size_t)(place - words));
            posture_page_text(
                page, json_is_integer(min)
                          ? (snprintf(number, sizeof(number), "%lld",
                                      (long long)json_integer_value(min)),
                             number)
                          : (snprintf(number, sizeof(number), "%g", json_real_value(min)),
                             number));
            posture_html_text(page->out, place + 2);
            posture_page_adds(page, "</b>");
        }
        posture_page_adds(page, "</dt><dd>");
        if (info) {
            posture_page_text(page, info->question[page->lang]);
            posture_page_adds(page, " <span class=\"fine\">");
            posture_page_text(page, info->why[page->lang]);
            posture_page_adds(page, "</span><span class=\"do\"><b>");
            posture_page_word(page, POSTURE_TEXT_DO);
            posture_page_adds(page, "</b> ");
            posture_page_text(page, info->remedy[page->lang]);
            posture_page_adds(page, "</span><span class=\"fine\">");
            posture_page_text(page, info->source);
            posture_page_adds(page, "</span>");
        }
        posture_page_adds(page, "</dd>");
    }
    posture_page_adds(page, "</dl></section>");
}

static void criterion_row(const struct posture_page *page,
                          const struct posture_page_eval *eval, int64_t newest_ns)
{
    posture_page_adds(page, "</th><td role=\"cell\" data-label=\"");
    posture_page_word(page, POSTURE_TEXT_ACHIEVED);
    posture_page_adds(page, "\">");
    posture_page_cell(page, eval);
    posture_page_adds(page, "</td><td role=\"cell\" class=\"num\" data-label=\"");
    posture_page_word(page, POSTURE_TEXT_SUBJECT);
    posture_page_adds(page, "\"><b>");
    posture_html_count(page->out, eval->passing);
    posture_page_adds(page, "</b> / ");
    posture_html_count(page->out, eval->expected);
    posture_page_adds(page, "</td><td role=\"cell\" class=\"age\" data-label=\"");
    posture_page_word(page, POSTURE_TEXT_LAST_REPORT);
    posture_page_adds(page, "\">");
    posture_page_age(page, newest_ns);
    posture_page_adds(page, "</td></tr>");
}

static void criterion_table(const struct posture_page *page, size_t c)
{
    const struct posture_page_model *model = page->model;
    static const enum posture_text heads[] = {POSTURE_TEXT_AGENCY, POSTURE_TEXT_ACHIEVED,
                                              POSTURE_TEXT_SUBJECT,
                                              POSTURE_TEXT_LAST_REPORT};

    posture_page_adds(page, "<section class=\"matrix one\"><h2>");
    posture_page_word(page, POSTURE_TEXT_AREAS_AND_AGENCIES);
    posture_page_adds(
        page, "</h2><table role=\"table\"><thead role=\"rowgroup\"><tr role=\"row\">");
    for (size_t i = 0; i < POSTURE_COUNT(heads); i++) {
        posture_page_adds(page, "<th role=\"columnheader\" scope=\"col\">");
        posture_page_word(page, heads[i]);
        posture_page_adds(page, "</th>");
    }
    posture_page_adds(page, "</tr></thead>");
    for (size_t a = 0; a < model->area_count; a++) {
        const struct posture_page_area *area = &model->areas[a];

        if (area->evals[c].status == POSTURE_EVAL_ABSENT)
            continue;
        posture_page_adds(page,
                          "<tbody role=\"rowgroup\"><tr role=\"row\" class=\"area\"><th "
                          "role=\"rowheader\" scope=\"rowgroup\"><a href=\"");
        posture_page_href(page, "area", area->id);
        posture_page_adds(page, "\">");
        posture_page_text(page, posture_text_area(area->id, page->lang));
        posture_page_adds(page, "</a>");
        criterion_row(page, &area->evals[c], area->evals[c].newest_ns);
        for (size_t i = area->first; i < area->first + area->count; i++) {
            const struct posture_page_agency *agency = &model->agencies[i];

            if (agency->evals[c].status == POSTURE_EVAL_ABSENT)
                continue;
            posture_page_adds(page,
                              "<tr role=\"row\"><th role=\"rowheader\" scope=\"row\">");
            posture_page_agency_link(page, i);
            criterion_row(page, &agency->evals[c], agency->newest_ns);
        }
        posture_page_adds(page, "</tbody>");
    }
    posture_page_adds(page, "</table></section>");
}

static void criterion_about(const struct posture_page *page, const json_t *criterion)
{
    const char *source = posture_page_localised(criterion, "source", page->lang);
    const char *todo = posture_page_localised(criterion, "recommendation", page->lang);

    posture_page_adds(page, "<p class=\"about\">");
    posture_page_word(page, POSTURE_TEXT_CRITERION);
    posture_page_adds(page, " <code>");
    posture_page_text(page, posture_json_string(criterion, "id"));
    posture_page_adds(page, "</code>");
    if (source) {
        posture_page_adds(page, " · ");
        posture_page_word(page, POSTURE_TEXT_SOURCE);
        posture_page_adds(page, ": ");
        posture_page_text(page, source);
    }
    posture_page_adds(page, "</p>");
    if (todo) {
        posture_page_adds(page, "<p class=\"todo\"><b>");
        posture_page_word(page, POSTURE_TEXT_RECOMMENDATION);
        posture_page_adds(page, "</b> ");
        posture_page_text(page, todo);
        posture_page_adds(page, "</p>");
    }
}

int posture_page_criterion(const struct posture_page_view *view, const char *id,
                           struct posture_buf *out)
{
    struct posture_page page = page_of(view, out);
    long at = posture_page_criterion_find(view->model, id);

    if (at < 0)
        return POSTURE_E_MISSING;
    size_t c = (size_t)at;
    posture_page_begin(&page, posture_page_criterion_name(&page, c));
    criterion_about(&page, view->model->criteria[c].json);
    posture_page_adds(&page, "<section class=\"tiles\">");
    posture_page_tile(&page, c, &view->model->nation[c]);
    posture_page_adds(&page, "</section><div class=\"cols\">");
    criterion_table(&page, c);
    problems_section(&page, -1, UINT64_C(1) << c, SIZE_MAX, ENTRIES_OVERVIEW);
    posture_page_adds(&page, "</div>");
    criterion_checks(&page, view->model->criteria[c].json);
    posture_page_end(&page);
    return posture_buf_error(out);
}

int posture_page_message(const struct posture_page_view *view,
                         enum posture_page_message message, struct posture_buf *out)
{
    struct posture_page page = page_of(view, out);
    bool is_starting = message == POSTURE_PAGE_STARTING;

    posture_page_begin(
        &page, posture_text(is_starting ? POSTURE_TEXT_STARTING : POSTURE_TEXT_NOT_FOUND,
                            view->lang));
    message_add(&page, is_starting ? POSTURE_TEXT_STARTING : POSTURE_TEXT_NOT_FOUND,
                is_starting ? POSTURE_TEXT_STARTING_HELP : POSTURE_TEXT_NOT_FOUND_HELP);
    posture_page_end(&page);
    return posture_buf_error(out);
}
