/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#include "posture_criteria/page_parts.h"

#include "common/base/clock.h"

#include <string.h>

/* Symbols differ in shape, not in colour alone. Bar patterns: unknown and silent are
 * hatched, so that what was not measured never looks like a result. */
static const char symbols[] =
    "<svg class=\"defs\" aria-hidden=\"true\" width=\"0\" height=\"0\"><defs>"
    "<symbol id=\"i-met\" viewBox=\"0 0 16 16\"><circle class=\"f\" cx=\"8\" cy=\"8\" "
    "r=\"8\"/>"
    "<path class=\"k\" d=\"M4 8.4l2.7 2.7L12 5.4\"/></symbol>"
    "<symbol id=\"i-not-met\" viewBox=\"0 0 16 16\"><path class=\"f\" d=\"M4.7 0h6.6L16 "
    "4.7v6.6L11.3 "
    "16H4.7L0 11.3V4.7z\"/><path class=\"k\" d=\"M5 5l6 6M11 5l-6 6\"/></symbol>"
    "<symbol id=\"i-unmeasured\" viewBox=\"0 0 16 16\"><circle class=\"r\" cx=\"8\" "
    "cy=\"8\" r=\"7\"/>"
    "<path class=\"q\" d=\"M5.8 6.2a2.2 2.2 0 1 1 3.2 2C8.3 8.6 8 9 8 9.8M8 "
    "11.6v.6\"/></symbol>"
    "<symbol id=\"i-absent\" viewBox=\"0 0 16 16\"><path class=\"q\" d=\"M4 "
    "8h8\"/></symbol>"
    "<symbol id=\"i-fail\" viewBox=\"0 0 16 16\"><use href=\"#i-not-met\"/></symbol>"
    "<symbol id=\"i-warn\" viewBox=\"0 0 16 16\"><path class=\"f\" d=\"M8 .6L16 15H0z\"/>"
    "<path class=\"k\" d=\"M8 5.6v4.2M8 11.8v.8\"/></symbol>"
    "<symbol id=\"i-unknown\" viewBox=\"0 0 16 16\"><use "
    "href=\"#i-unmeasured\"/></symbol>"
    "<symbol id=\"i-stale\" viewBox=\"0 0 16 16\"><circle class=\"r\" cx=\"8\" cy=\"8\" "
    "r=\"7\"/>"
    "<path class=\"q\" d=\"M8 4v4.3l3 1.8\"/></symbol>"
    "<symbol id=\"i-missing\" viewBox=\"0 0 16 16\"><circle class=\"r d\" cx=\"8\" "
    "cy=\"8\" r=\"7\"/>"
    "<path class=\"q\" d=\"M5 8h6\"/></symbol>"
    "<pattern id=\"p-unknown\" width=\"6\" height=\"6\" patternUnits=\"userSpaceOnUse\" "
    "patternTransform=\"rotate(45)\"><rect class=\"p0\" width=\"6\" height=\"6\"/><rect "
    "class=\"p1\" "
    "width=\"2.5\" height=\"6\"/></pattern>"
    "<pattern id=\"p-stale\" width=\"5\" height=\"5\" patternUnits=\"userSpaceOnUse\" "
    "patternTransform=\"rotate(-45)\"><rect class=\"p0\" width=\"5\" height=\"5\"/><rect "
    "class=\"p1\" "
    "width=\"1.2\" height=\"5\"/></pattern>"
    "<pattern id=\"p-missing\" width=\"6\" height=\"6\" "
    "patternUnits=\"userSpaceOnUse\"><rect "
    "class=\"p0\" width=\"6\" height=\"6\"/><circle class=\"p1\" cx=\"3\" cy=\"3\" "
    "r=\"1.2\"/></pattern>"
    "<pattern id=\"p-warn\" width=\"6\" height=\"6\" patternUnits=\"userSpaceOnUse\" "
    "patternTransform=\"rotate(45)\"><rect class=\"w0\" width=\"6\" height=\"6\"/><rect "
    "class=\"w1\" "
    "width=\"2\" height=\"6\"/></pattern>"
    "</defs></svg>";

static const char icon_link[] = "<link rel=\"icon\" href=\"data:image/svg+xml,%3Csvg "
                                "xmlns='http://www.w3.org/2000/svg' "
                                "viewBox='0 0 32 32'%3E%3Cpath fill='%230b7a63' d='M16 1 "
                                "29 6v10c0 8-6 13-13 15C9 29 3 24 3 "
                                "16V6z'/%3E%3Cpath fill='none' stroke='%23fff' "
                                "stroke-width='3' d='m10 16 4 4 8-9'/%3E%3C/svg%3E\">";

static const char logo[] =
    "<svg class=\"logo\" viewBox=\"0 0 32 32\" aria-hidden=\"true\"><path class=\"l0\" "
    "d=\"M16 1 29 6v10c0 "
    "8-6 13-13 15C9 29 3 24 3 16V6z\"/><path class=\"l1\" d=\"m10 16 4 4 8-9\"/></svg>";

/* The same page in the other language; the page knows its own address only relatively. */
static void languages(const struct posture_page *page)
{
    static const char *const names[POSTURE_LANG_COUNT] = {
        [POSTURE_LANG_EN] = "English", [POSTURE_LANG_JA] = "日本語"};

    posture_page_adds(page, "<nav class=\"lang\" aria-label=\"Language / 言語\">");
    for (int i = 0; i < POSTURE_LANG_COUNT; i++) {
        const char *code = posture_lang_name((enum posture_lang)i);

        posture_buf_addf(
            page->out, "<a href=\"?lang=%s\" lang=\"%s\" hreflang=\"%s\"%s>%s</a>", code,
            code, code, (int)page->lang == i ? " aria-current=\"true\"" : "", names[i]);
    }
    posture_page_adds(page, "</nav>");
}

static void days_left(const struct posture_page *page)
{
    const struct posture_page_model *model = page->model;
    int64_t end = posture_fiscal_year_start(model->fiscal_year + 1);

    posture_buf_addf(page->out, page->lang == POSTURE_LANG_JA ? "%d年度" : "FY%d",
                     model->fiscal_year);
    if (page->view->now_ns < end &&
        posture_fiscal_year(page->view->now_ns) == model->fiscal_year) {
        int64_t day = 86400 * POSTURE_NS_PER_S;
        posture_page_adds(page, " · ");
        posture_page_word_n(page, POSTURE_TEXT_DAYS_LEFT,
                            (uint64_t)((end - page->view->now_ns + day - 1) / day));
    }
}

static void subtitle(const struct posture_page *page)
{
    const json_t *profile = json_object_get(page->model->json, "profile");
    const char *title = posture_page_localised(profile, "title", page->lang);
    const char *id = json_string_value(json_object_get(profile, "id"));

    posture_page_adds(page, "<p class=\"sub\">");
    days_left(page);
    if (title || id) {
        posture_page_adds(page, " · ");
        posture_page_word(page, POSTURE_TEXT_PROFILE);
        posture_page_adds(page, " ");
        posture_page_text(page, title ? title : id);
    }
    posture_page_adds(page, "</p>");
}

static void fact_begin(const struct posture_page *page, enum posture_text text)
{
    posture_page_adds(page, "<div><dt>");
    posture_page_word(page, text);
    posture_page_adds(page, "</dt><dd>");
}

static void facts(const struct posture_page *page)
{
    const struct posture_page_model *model = page->model;

    posture_page_adds(page, "<dl class=\"facts\">");
    fact_begin(page, POSTURE_TEXT_AS_OF);
    posture_html_instant(page->out, model->time_ns);
    posture_page_adds(page, " <small>JST</small></dd></div>");
    fact_begin(page, POSTURE_TEXT_NEWEST);
    posture_page_age(page, model->newest_ns);
    posture_page_adds(page, "</dd></div>");
    fact_begin(page, POSTURE_TEXT_OLDEST);
    posture_page_age(page, model->oldest_ns);
    posture_page_adds(page, "</dd></div>");
    fact_begin(page, POSTURE_TEXT_REJECTED);
    posture_page_adds(page, model->rejected ? "<span class=\"c-warn\">" : "<span>");
    posture_html_count(page->out, model->rejected);
    posture_page_adds(page, "</span></dd></div>");
    fact_begin(page, POSTURE_TEXT_WAITING);
    posture_html_count(page->out, model->lag);
    posture_page_adds(page, "</dd></div></dl>");
}

static void old_banner(const struct posture_page *page)
{
    int64_t age = page->view->now_ns - page->model->time_ns;
    const char *words = posture_text(POSTURE_TEXT_MODEL_OLD, page->lang);
    const char *place = strstr(words, "{}");

    if (age <= POSTURE_PAGE_OLD_NS)
        return;
    posture_page_adds(page, "<p class=\"banner\" role=\"alert\">");
    posture_page_icon(page, "stale");
    posture_page_adds(page, "<b>");
    posture_html_text_len(page->out, words, (size_t)(place - words));
    posture_html_duration(page->out, age, page->lang);
    posture_html_text(page->out, place + 2);
    posture_page_adds(page, "</b> ");
    posture_page_word(page, POSTURE_TEXT_MODEL_OLD_HELP);
    posture_page_adds(page, "</p>");
}

void posture_page_begin(const struct posture_page *page, const char *title)
{
    posture_buf_addf(page->out,
                     "<!DOCTYPE html>\n<html lang=\"%s\"><head><meta charset=\"utf-8\">"
                     "<title>",
                     posture_lang_name(page->lang));
    if (title) {
        posture_page_text(page, title);
        posture_page_adds(page, " – ");
    }
    posture_page_word(page, POSTURE_TEXT_TITLE);
    posture_page_adds(
        page, "</title><meta name=\"viewport\" content=\"width=device-width,"
              "initial-scale=1\"><meta name=\"color-scheme\" content=\"light dark\">"
              "<meta name=\"robots\" content=\"noindex\">");
    if (page->view->refresh_s)
        posture_buf_addf(page->out, "<meta http-equiv=\"refresh\" content=\"%u\">",
                         page->view->refresh_s);
    posture_page_adds(page, icon_link);
    posture_page_adds(page, "<style>");
    posture_page_adds(page, posture_page_style());
    posture_buf_addf(page->out,
                     "</style></head><body%s><a class=\"skip\" href=\"#main\">",
                     title ? "" : " class=\"home\"");
    posture_page_word(page, POSTURE_TEXT_SKIP);
    posture_page_adds(page, "</a>");
    posture_page_adds(page, symbols);
    posture_page_adds(page, "<header class=\"top\">");
    posture_page_adds(page, logo);
    posture_page_adds(page, "<div class=\"brand\">");
    if (title) {
        posture_page_adds(page, "<p class=\"site\"><a href=\"");
        posture_page_href(page, NULL, NULL);
        posture_page_adds(page, "\">‹ ");
        posture_page_word(page, POSTURE_TEXT_BACK);
        posture_page_adds(page, "</a></p><h1>");
        posture_page_text(page, title);
    } else {
        posture_page_adds(page, "<h1>");
        posture_page_word(page, POSTURE_TEXT_TITLE);
    }
    posture_page_adds(page, "</h1>");
    if (page->model)
        subtitle(page);
    posture_page_adds(page, "</div>");
    if (page->model)
        facts(page);
    languages(page);
    posture_page_adds(page, "</header>");
    if (page->model)
        old_banner(page);
    posture_page_adds(page, "<main id=\"main\">");
}

static void legend(const struct posture_page *page)
{
    posture_page_adds(page, "<div class=\"legend\"><span class=\"vh\">");
    posture_page_word(page, POSTURE_TEXT_LEGEND);
    posture_page_adds(
        page, "</span><span><svg class=\"key\"><rect class=\"b-pass\" width=\"100%\" "
              "height=\"100%\"/></svg>");
    posture_page_text(page, posture_text_pass(page->lang));
    posture_page_adds(page, "</span>");
    for (int i = 0; i < POSTURE_TROUBLE_COUNT; i++) {
        posture_buf_addf(
            page->out,
            "<span><svg class=\"key\" aria-hidden=\"true\"><rect class=\"b-%s\" "
            "width=\"100%%\" height=\"100%%\"/></svg>",
            posture_trouble_name((enum posture_trouble)i));
        posture_page_text(page,
                          posture_text_trouble((enum posture_trouble)i, page->lang));
        posture_page_adds(page, "</span>");
    }
    posture_page_adds(
        page, "<span><svg class=\"key\" aria-hidden=\"true\"><line class=\"b-target\" "
              "x1=\"50%\" x2=\"50%\" y1=\"-25%\" y2=\"125%\"/></svg>");
    posture_page_word(page, POSTURE_TEXT_TARGET);
    posture_page_adds(page, "</span></div>");
}

void posture_page_end(const struct posture_page *page)
{
    posture_page_adds(page, "</main><footer>");
    if (page->model)
        legend(page);
    posture_page_adds(page, "<p class=\"links\"><a href=\"/metrics\">");
    posture_page_word(page, POSTURE_TEXT_METRICS);
    posture_page_adds(
        page, "</a> · <a href=\"/evaluations.json\">JSON</a> · posture</p></footer>"
              "</body></html>\n");
}
