/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#ifndef POSTURE_CRITERIA_PAGE_PARTS_H
#define POSTURE_CRITERIA_PAGE_PARTS_H

#include "posture_criteria/page.h"
#include "posture_criteria/page_html.h"
#include "posture_criteria/page_text.h"

/* The pieces that several pages are made of. Inside the writer only. */

struct posture_page {
    const struct posture_page_view *view;
    const struct posture_page_model *model;
    enum posture_lang lang;
    struct posture_buf *out;
};

/* A fixed word, a fixed word around a number, or foreign text. */
void posture_page_word(const struct posture_page *page, enum posture_text text);
void posture_page_word_n(const struct posture_page *page, enum posture_text text,
                         uint64_t n);
void posture_page_adds(const struct posture_page *page, const char *markup);
void posture_page_text(const struct posture_page *page, const char *foreign);

/* kind: "agency", "area", "criterion"; NULL: the overview. The href's value. */
void posture_page_href(const struct posture_page *page, const char *kind, const char *id);
/* <a> around the name. */
void posture_page_agency_link(const struct posture_page *page, size_t agency);
void posture_page_criterion_link(const struct posture_page *page, size_t criterion);
const char *posture_page_agency_name(const struct posture_page *page, size_t agency);
const char *posture_page_criterion_name(const struct posture_page *page,
                                        size_t criterion);

/* Symbols are <use> of the icons that the page's head defines. */
void posture_page_icon(const struct posture_page *page, const char *name);
/* "met", "not-met" …: class and icon of a status. */
const char *posture_page_state(enum posture_eval_status status);
enum posture_text posture_page_state_text(enum posture_eval_status status);

/* Stacked bar: who passes, warns, is unknown, silent, fails; a mark at the target. */
void posture_page_bar(const struct posture_page *page,
                      const struct posture_page_eval *eval);
/* Symbol, achieved, coverage where it is not whole, bar. As the content of a table cell.
 */
void posture_page_cell(const struct posture_page *page,
                       const struct posture_page_eval *eval);
/* The large card of one criterion. */
void posture_page_tile(const struct posture_page *page, size_t criterion,
                       const struct posture_page_eval *eval);
/* "12 min ago" with its instant; "no report yet" for 0. */
void posture_page_age(const struct posture_page *page, int64_t ns);
/* The rows of an evaluation table: agencies first to first + count of one area. */
void posture_page_table_head(const struct posture_page *page);
void posture_page_table_area(const struct posture_page *page, size_t area, size_t limit);

/* The reason of an entry as a sentence. */
void posture_page_reason(const struct posture_page *page,
                         const struct posture_page_entry *entry);
/* The problems as cards, those entries alone that belong to the agency (-1: all) and have
 * one of the criteria. heading may be NULL. */
void posture_page_problems(const struct posture_page *page, long agency,
                           uint64_t criteria, size_t open_count, size_t entry_limit);

/* Everything before and after the content of <main>. title and trail may be NULL: the
 * overview. */
void posture_page_begin(const struct posture_page *page, const char *title);
void posture_page_end(const struct posture_page *page);

#endif
