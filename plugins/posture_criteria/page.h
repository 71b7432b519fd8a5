/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#ifndef POSTURE_CRITERIA_PAGE_H
#define POSTURE_CRITERIA_PAGE_H

#include "posture_criteria/page_model.h"

/*
 * The HTML writer: a posture.nation/1 model as self-contained pages with inline SVG, no
 * script, nothing loaded from elsewhere. Everything that comes from the model is escaped.
 * Pure: the same view gives the same bytes.
 */
struct posture_page_view {
    const struct posture_page_model *model;
    const struct posture_check_registry
        *checks; /* NULL: reasons are shown as their codes */
    enum posture_lang lang;
    int64_t now_ns; /* ages are counted to it; a model older than it by far is said to be
                       old */
    unsigned int refresh_s; /* the page reloads itself; 0: never */
};

/* A model older than this is announced as old on every page. */
#define POSTURE_PAGE_OLD_NS (5 * 60 * INT64_C(1000000000))

/* What a page's URL is for the links between pages: "/", "/area/<id>", "/agency/<id>",
 * "/criterion/<id>", each with ?lang=. Appended to out. 0, -ENOMEM or POSTURE_E_LIMIT;
 * POSTURE_E_MISSING for an id that the model does not have (nothing is appended). */
int posture_page_overview(const struct posture_page_view *view, struct posture_buf *out);
int posture_page_area(const struct posture_page_view *view, const char *id,
                      struct posture_buf *out);
int posture_page_agency(const struct posture_page_view *view, const char *id,
                        struct posture_buf *out);
int posture_page_criterion(const struct posture_page_view *view, const char *id,
                           struct posture_buf *out);

/* A page that says one thing; view->model may be NULL. */
enum posture_page_message { POSTURE_PAGE_NOT_FOUND, POSTURE_PAGE_STARTING };
int posture_page_message(const struct posture_page_view *view,
                         enum posture_page_message message, struct posture_buf *out);

/* The one style sheet, as it stands between <style> and </style>: a
 * Content-Security-Policy names its hash. */
const char *posture_page_style(void);

#endif
