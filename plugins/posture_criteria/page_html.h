/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#ifndef POSTURE_CRITERIA_PAGE_HTML_H
#define POSTURE_CRITERIA_PAGE_HTML_H

#include "common/base/buf.h"
#include "common/report/checks.h"

#include <stdint.h>

/* The leaves of the HTML writer: foreign text, numbers and times as markup. Pure. */

/* Text for element content and quoted attributes. Controls, ill-formed UTF-8 and
 * characters that turn the direction of writing become U+FFFD, so that a name cannot
 * pretend to be another. */
void posture_html_text(struct posture_buf *out, const char *text);
void posture_html_text_len(struct posture_buf *out, const char *text, size_t len);
/* One segment of a URL's path or query: all but unreserved characters percent-encoded. */
void posture_html_url(struct posture_buf *out, const char *segment);

/* "64.3%", one decimal, always rounded down: nothing short of all is shown as 100%. */
void posture_html_percent(struct posture_buf *out, double ratio);
/* The same without ".0": for targets. */
void posture_html_percent_short(struct posture_buf *out, double ratio);
/* "12,345" */
void posture_html_count(struct posture_buf *out, uint64_t n);
/* <time datetime="…">: "2026-11-23 17:00" in Japan time, or the date alone. Nothing for
 * 0. */
void posture_html_instant(struct posture_buf *out, int64_t ns);
void posture_html_date(struct posture_buf *out, int64_t ns);
/* "12 min", "3 h", "5 days"; "12分", "3時間", "5日". Negative counts as 0. */
void posture_html_duration(struct posture_buf *out, int64_t ns, enum posture_lang lang);

#endif
