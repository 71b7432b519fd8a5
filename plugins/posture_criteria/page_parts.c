/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#include "posture_criteria/page_parts.h"

#include "common/base/clock.h"
#include "common/report/json.h"

#include <math.h>
#include <string.h>

void posture_page_adds(const struct posture_page *page, const char *markup)
{
    posture_buf_adds(page->out, markup);
}

void posture_page_text(const struct posture_page *page, const char *foreign)
{
    posture_html_text(page->out, foreign);
}

void posture_page_word(const struct posture_page *page, enum posture_text text)
{
    posture_html_text(page->out, posture_text(text, page->lang));
}

void posture_page_word_n(const struct posture_page *page, enum posture_text text,
                         uint64_t n)
{
    const char *words = posture_text(text, page->lang), *place = strstr(words, "{}");

    if (!place) {
        posture_html_text(page->out, words);
        return;
    }
    posture_html_text_len(page->out, words, (size_t)(place - words));
    posture_html_count(page->out, n);
    /* English has a plural: "1 agencies" reads as a mistake. */
    const char *rest = place + 2;
    size_t len = strlen(rest);
    if (page->lang == POSTURE_LANG_EN && n == 1 && len > 3 &&
        strcmp(rest + len - 3, "ies") == 0) {
        posture_html_text_len(page->out, rest, len - 3);
        posture_buf_addc(page->out, 'y');
    } else if (page->lang == POSTURE_LANG_EN && n == 1 && len > 1 &&
               rest[len - 1] == 's') {
        posture_html_text_len(page->out, rest, len - 1);
    } else {
        posture_html_text(page->out, rest);
    }
}

void posture_page_href(const struct posture_page *page, const char *kind, const char *id)
{
    posture_buf_addc(page->out, '/');
    if (kind) {
        posture_buf_addf(page->out, "%s/", kind);
        posture_html_url(page->out, id);
    }
    posture_buf_addf(page->out, "?lang=%s", posture_lang_name(page->lang));
}

const char *posture_page_agency_name(const struct posture_page *page, size_t agency)
{
    const struct posture_page_agency *a = &page->model->agencies[agency];
    const char *name = posture_page_localised(a->json, "name", page->lang);

    return name && name[0] ? name : a->id;
}

const char *posture_page_criterion_name(const struct posture_page *page, size_t criterion)
{
    const struct posture_page_criterion *c = &page->model->criteria[criterion];
    const char *name = posture_page_localised(c->json, "title", page->lang);

    return name && name[0] ? name : c->id;
}

static void link_add(const struct posture_page *page, const char *kind, const char *id,
                     const char *name)
{
    posture_page_adds(page, "<a href=\"");
    posture_page_href(page, kind, id);
    posture_page_adds(page, "\">");
    posture_page_text(page, name);
    posture_page_adds(page, "</a>");
}

void posture_page_agency_link(const struct posture_page *page, size_t agency)
{
    link_add(page, "agency", page->model->agencies[agency].id,
             posture_page_agency_name(page, agency));
}

void posture_page_criterion_link(const struct posture_page *page, size_t criterion)
{
    link_add(page, "criterion", page->model->criteria[criterion].id,
             posture_page_criterion_name(page, criterion));
}

void posture_page_icon(const struct posture_page *page, const char *name)
{
    posture_buf_addf(page->out,
                     "<svg class=\"i\" aria-hidden=\"true\"><use href=\"#i-%s\"/></svg>",
                     name);
}

const char *posture_page_state(enum posture_eval_status status)
{
    static const char *const names[] = {
        [POSTURE_EVAL_MET] = "met",
        [POSTURE_EVAL_NOT_MET] = "not-met",
        [POSTURE_EVAL_UNMEASURED] = "unmeasured",
        [POSTURE_EVAL_ABSENT] = "absent",
    };

    return names[status];
}

enum posture_text posture_page_state_text(enum posture_eval_status status)
{
    static const enum posture_text texts[] = {
        [POSTURE_EVAL_MET] = POSTURE_TEXT_STATE_MET,
        [POSTURE_EVAL_NOT_MET] = POSTURE_TEXT_STATE_NOT_MET,
        [POSTURE_EVAL_UNMEASURED] = POSTURE_TEXT_STATE_UNMEASURED,
        [POSTURE_EVAL_ABSENT] = POSTURE_TEXT_STATE_ABSENT,
    };

    return texts[status];
}

static void segment_add(const struct posture_page *page, const char *cls, double *x,
                        uint64_t n, double total)
{
    if (n == 0)
        return;
    double width = 100 * (double)n / total;
    posture_buf_addf(
        page->out,
        "<rect class=\"b-%s\" x=\"%.2f%%\" width=\"%.2f%%\" height=\"100%%\"/>", cls, *x,
        width);
    *x += width;
}

/* The bar's text for those who do not see it: "81 pass, 4 warn, …". */
static void bar_label(const struct posture_page *page,
                      const struct posture_page_eval *eval)
{
    posture_page_text(page, posture_text_pass(page->lang));
    posture_buf_addf(page->out, " %llu", (unsigned long long)eval->passing);
    for (int i = 0; i < POSTURE_TROUBLE_COUNT; i++) {
        if (eval->troubles[i] == 0)
            continue;
        posture_page_adds(page, ", ");
        posture_page_text(page,
                          posture_text_trouble((enum posture_trouble)i, page->lang));
        posture_buf_addf(page->out, " %llu", (unsigned long long)eval->troubles[i]);
    }
}

void posture_page_bar(const struct posture_page *page,
                      const struct posture_page_eval *eval)
{
    static const enum posture_trouble order[] = {
        POSTURE_TROUBLE_WARN,    POSTURE_TROUBLE_UNKNOWN, POSTURE_TROUBLE_STALE,
        POSTURE_TROUBLE_MISSING, POSTURE_TROUBLE_FAIL,
    };
    uint64_t sum = eval->passing;
    double x = 0;

    for (size_t i = 0; i < POSTURE_COUNT(order); i++)
        sum += eval->troubles[order[i]];
    double total = (double)(eval->expected > sum ? eval->expected : sum);
    posture_page_adds(page, "<svg class=\"bar\" role=\"img\" aria-label=\"");
    bar_label(page, eval);
    posture_page_adds(page,
                      "\"><rect class=\"b-track\" width=\"100%\" height=\"100%\"/>");
    if (total > 0) {
        segment_add(page, "pass", &x, eval->passing, total);
        for (size_t i = 0; i < POSTURE_COUNT(order); i++)
            segment_add(page, posture_trouble_name(order[i]), &x,
                        eval->troubles[order[i]], total);
    }
    if (eval->has_target) {
        double at = 100 * fmax(0, fmin(eval->target, 1));
        posture_buf_addf(
            page->out,
            "<line class=\"b-target\" x1=\"%.2f%%\" x2=\"%.2f%%\" y1=\"-25%%\" "
            "y2=\"125%%\"/>",
            at, at);
    }
    posture_page_adds(page, "</svg>");
}

void posture_page_cell(const struct posture_page *page,
                       const struct posture_page_eval *eval)
{
    if (eval->status == POSTURE_EVAL_ABSENT) {
        posture_page_adds(page, "<span class=\"na\">–<span class=\"vh\">");
        posture_page_word(page, POSTURE_TEXT_STATE_ABSENT);
        posture_page_adds(page, "</span></span>");
        return;
    }
    posture_buf_addf(page->out, "<span class=\"val s-%s\">",
                     posture_page_state(eval->status));
    posture_page_icon(page, posture_page_state(eval->status));
    posture_page_adds(page, "<span class=\"vh\">");
    posture_page_word(page, posture_page_state_text(eval->status));
    posture_page_adds(page, " </span><b>");
    if (eval->has_achieved)
        posture_html_percent(page->out, eval->achieved);
    else
        posture_page_word(page, POSTURE_TEXT_STATE_UNMEASURED);
    posture_page_adds(page, "</b>");
    if (eval->has_achieved && eval->has_coverage && eval->coverage < 1) {
        posture_page_adds(page, "<small>");
        posture_page_word(page, POSTURE_TEXT_COVERAGE);
        posture_page_adds(page, " ");
        posture_html_percent(page->out, eval->coverage);
        posture_page_adds(page, "</small>");
    }
    posture_page_adds(page, "</span>");
    posture_page_bar(page, eval);
}

static void tile_counts(const struct posture_page *page,
                        const struct posture_page_eval *eval)
{
    posture_page_adds(page, "<p class=\"counts\"><span class=\"c-pass\">");
    posture_page_icon(page, "met");
    posture_page_text(page, posture_text_pass(page->lang));
    posture_page_adds(page, " <b>");
    posture_html_count(page->out, eval->passing);
    posture_page_adds(page, "</b></span>");
    for (int i = 0; i < POSTURE_TROUBLE_COUNT; i++) {
        const char *name = posture_trouble_name((enum posture_trouble)i);

        if (eval->troubles[i] == 0)
            continue;
        posture_buf_addf(page->out, "<span class=\"c-%s\">", name);
        posture_page_icon(page, name);
        posture_page_text(page,
                          posture_text_trouble((enum posture_trouble)i, page->lang));
        posture_page_adds(page, " <b>");
        posture_html_count(page->out, eval->troubles[i]);
        posture_page_adds(page, "</b></span>");
    }
    posture_page_adds(page, "</p>");
}

static void tile_facts(const struct posture_page *page,
                       const struct posture_page_eval *eval)
{
    posture_page_adds(page, "<p class=\"fine\">");
    posture_page_word(page, POSTURE_TEXT_COVERAGE);
    posture_page_adds(page, " <b>");
    if (eval->has_coverage)
        posture_html_percent(page->out, eval->coverage);
    else
        posture_page_adds(page, "–");
    posture_page_adds(page, "</b>");
    if (eval->has_of_measured) {
        posture_page_adds(page, " · ");
        posture_page_word(page, POSTURE_TEXT_OF_MEASURED);
        posture_page_adds(page, " <b>");
        posture_html_percent(page->out, eval->of_measured);
        posture_page_adds(page, "</b>");
    }
    if (eval->unregistered) {
        posture_page_adds(page, " · ");
        posture_page_word(page, POSTURE_TEXT_UNREGISTERED);
        posture_page_adds(page, " <b>");
        posture_html_count(page->out, eval->unregistered);
        posture_page_adds(page, "</b>");
    }
    if (eval->excepted) {
        posture_page_adds(page, " · ");
        posture_page_word(page, POSTURE_TEXT_EXCEPTED);
        posture_page_adds(page, " <b>");
        posture_html_count(page->out, eval->excepted);
        posture_page_adds(page, "</b>");
    }
    posture_page_adds(page, "</p>");
}

void posture_page_tile(const struct posture_page *page, size_t criterion,
                       const struct posture_page_eval *eval)
{
    const char *state = posture_page_state(eval->status);

    posture_buf_addf(page->out, "<article class=\"tile s-%s\"><h2>", state);
    posture_page_criterion_link(page, criterion);
    posture_buf_addf(page->out, "</h2><p class=\"pill s-%s\">", state);
    posture_page_icon(page, state);
    posture_page_word(page, posture_page_state_text(eval->status));
    posture_page_adds(page, "</p>");
    if (eval->status != POSTURE_EVAL_ABSENT) {
        posture_page_adds(page, "<p class=\"big\">");
        if (eval->has_achieved)
            posture_html_percent(page->out, eval->achieved);
        else
            posture_page_adds(page, "–");
        posture_page_adds(page, "<small>");
        posture_page_word(page, POSTURE_TEXT_TARGET);
        posture_page_adds(page, " ");
        if (eval->has_target)
            posture_html_percent_short(page->out, eval->target);
        else
            posture_page_adds(page, "–");
        posture_page_adds(page, "</small><small class=\"of\"><b>");
        posture_html_count(page->out, eval->passing);
        posture_page_adds(page, "</b>/");
        posture_html_count(page->out, eval->expected);
        posture_page_adds(page, " ");
        posture_page_word(page, POSTURE_TEXT_SUBJECTS_PASS);
        posture_page_adds(page, "</small></p>");
        posture_page_bar(page, eval);
        tile_counts(page, eval);
        tile_facts(page, eval);
    }
    posture_page_adds(page, "</article>");
}

void posture_page_age(const struct posture_page *page, int64_t ns)
{
    const char *words = posture_text(POSTURE_TEXT_AGO, page->lang),
               *place = strstr(words, "{}");
    char utc[POSTURE_TIME_TEXT_MAX];

    if (ns == 0) {
        posture_page_adds(page, "<span class=\"none\">");
        posture_page_word(page, POSTURE_TEXT_NO_REPORT);
        posture_page_adds(page, "</span>");
        return;
    }
    posture_buf_addf(page->out, "<time datetime=\"%s\">", posture_time_format(ns, utc));
    posture_html_text_len(page->out, words, (size_t)(place - words));
    posture_html_duration(page->out, page->view->now_ns - ns, page->lang);
    posture_html_text(page->out, place + 2);
    posture_page_adds(page, "</time>");
}

void posture_page_table_head(const struct posture_page *page)
{
    const struct posture_page_model *model = page->model;

    posture_page_adds(
        page, "<thead role=\"rowgroup\"><tr role=\"row\"><th role=\"columnheader\" "
              "scope=\"col\">");
    posture_page_word(page, POSTURE_TEXT_AGENCY);
    posture_page_adds(page, "</th>");
    for (size_t c = 0; c < model->criterion_count; c++) {
        posture_page_adds(page, "<th role=\"columnheader\" scope=\"col\">");
        posture_page_criterion_link(page, c);
        if (model->nation[c].has_target) {
            posture_page_adds(page, "<small>");
            posture_page_word(page, POSTURE_TEXT_TARGET);
            posture_page_adds(page, " ");
            posture_html_percent_short(page->out, model->nation[c].target);
            posture_page_adds(page, "</small>");
        }
        posture_page_adds(page, "</th>");
    }
    posture_page_adds(page, "<th role=\"columnheader\" scope=\"col\" class=\"age\">");
    posture_page_word(page, POSTURE_TEXT_LAST_REPORT);
    posture_page_adds(page, "</th></tr></thead>");
}

static void row_cells(const struct posture_page *page,
                      const struct posture_page_eval *evals)
{
    for (size_t c = 0; c < page->model->criterion_count; c++) {
        posture_page_adds(page, "<td role=\"cell\" data-label=\"");
        posture_page_text(page, posture_page_criterion_name(page, c));
        posture_page_adds(page, "\">");
        posture_page_cell(page, &evals[c]);
        posture_page_adds(page, "</td>");
    }
}

static void row_agency(const struct posture_page *page, size_t i)
{
    const struct posture_page_agency *agency = &page->model->agencies[i];
    const char *cls = posture_json_string(agency->json, "class");
    const char *sector = posture_json_string(agency->json, "sector");

    posture_page_adds(page, "<tr role=\"row\"><th role=\"rowheader\" scope=\"row\">");
    posture_page_agency_link(page, i);
    if (cls || sector) {
        posture_page_adds(page, "<small>");
        posture_page_text(page, sector ? posture_text_sector(sector, page->lang)
                                       : posture_text_class(cls, page->lang));
        posture_page_adds(page, "</small>");
    }
    posture_page_adds(page, "</th>");
    row_cells(page, agency->evals);
    posture_page_adds(page, "<td role=\"cell\" class=\"age\" data-label=\"");
    posture_page_word(page, POSTURE_TEXT_LAST_REPORT);
    posture_page_adds(page, "\">");
    posture_page_age(page, agency->newest_ns);
    posture_page_adds(page, "</td></tr>");
}

void posture_page_table_area(const struct posture_page *page, size_t at, size_t limit)
{
    const struct posture_page_area *area = &page->model->areas[at];
    size_t shown = area->count < limit ? area->count : limit;

    posture_page_adds(page,
                      "<tbody role=\"rowgroup\"><tr role=\"row\" class=\"area\"><th "
                      "role=\"rowheader\" scope=\"rowgroup\">");
    link_add(page, "area", area->id, posture_text_area(area->id, page->lang));
    posture_page_adds(page, "<small>");
    posture_html_count(page->out, area->met_count);
    posture_page_adds(page, "/");
    posture_html_count(page->out, area->count);
    posture_page_adds(page, " ");
    posture_page_word(page, POSTURE_TEXT_MEETING);
    posture_page_adds(page, "</small></th>");
    row_cells(page, area->evals);
    posture_page_adds(page, "<td role=\"cell\" class=\"age\"></td></tr>");
    for (size_t i = 0; i < shown; i++)
        row_agency(page, area->first + i);
    if (shown < area->count) {
        posture_buf_addf(
            page->out,
            "<tr role=\"row\" class=\"more\"><td role=\"cell\" colspan=\"%zu\">"
            "<a href=\"",
            page->model->criterion_count + 2);
        posture_page_href(page, "area", area->id);
        posture_page_adds(page, "\">");
        posture_page_word_n(page, POSTURE_TEXT_ALL_AGENCIES, area->count);
        posture_page_adds(page, "</a></td></tr>");
    }
    posture_page_adds(page, "</tbody>");
}
