/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#include "posture_criteria/page_html.h"

#include "common/base/clock.h"
#include "common/base/parse.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

static const char replacement[] = "\xef\xbf\xbd"; /* U+FFFD */

/* Length of the character that starts at p, 0 when the bytes are ill-formed. */
static size_t char_len(const char *p, size_t left)
{
    unsigned char c = (unsigned char)*p;
    size_t n = c < 0x80 ? 1 : (c & 0xe0) == 0xc0 ? 2 : (c & 0xf0) == 0xe0 ? 3 : 4;

    return n <= left && posture_utf8_valid(p, n) ? n : 0;
}

/* C1 controls, zero-width and direction characters (U+200B-200F, 202A-202E, 2060-2069,
 * FEFF). */
static bool char_is_deceptive(const char *p, size_t n)
{
    const unsigned char *u = (const unsigned char *)p;

    if (n == 2)
        return u[0] == 0xc2 && u[1] < 0xa0;
    if (n != 3)
        return false;
    if (u[0] == 0xe2 && u[1] == 0x80)
        return (u[2] >= 0x8b && u[2] <= 0x8f) || (u[2] >= 0xa8 && u[2] <= 0xae);
    if (u[0] == 0xe2 && u[1] == 0x81)
        return u[2] >= 0xa0 && u[2] <= 0xa9;
    return u[0] == 0xef && u[1] == 0xbb && u[2] == 0xbf;
}

void posture_html_text_len(struct posture_buf *out, const char *text, size_t len)
{
    size_t i = 0;

    while (i < len) {
        size_t n = char_len(text + i, len - i);
        unsigned char c = (unsigned char)text[i];

        if (n == 0 || (n == 1 && (c == 0x7f || (c < 0x20 && c != '\n' && c != '\t'))) ||
            char_is_deceptive(text + i, n))
            posture_buf_adds(out, replacement);
        else if (c == '&')
            posture_buf_adds(out, "&amp;");
        else if (c == '<')
            posture_buf_adds(out, "&lt;");
        else if (c == '>')
            posture_buf_adds(out, "&gt;");
        else if (c == '"')
            posture_buf_adds(out, "&quot;");
        else if (c == '\'')
            posture_buf_adds(out, "&#39;");
        else
            posture_buf_add(out, text + i, n);
        i += n ? n : 1;
    }
}

void posture_html_text(struct posture_buf *out, const char *text)
{
    if (text)
        posture_html_text_len(out, text, strlen(text));
}

void posture_html_url(struct posture_buf *out, const char *segment)
{
    static const char unreserved[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
        "0123456789-._~";

    for (const char *p = segment; *p; p++) {
        if (strchr(unreserved, *p))
            posture_buf_addc(out, *p);
        else
            posture_buf_addf(out, "%%%02X", (unsigned)(unsigned char)*p);
    }
}

static void percent_add(struct posture_buf *out, double ratio, bool is_short)
{
    if (!isfinite(ratio))
        ratio = 0;
    /* The tiny summand undoes binary fractions such as 0.29 * 1000 = 289.99…. */
    int64_t tenths = (int64_t)floor(fmax(0, fmin(ratio, 1000)) * 1000 + 1e-6);

    if (tenths % 10 || (tenths < 1000 && !is_short))
        posture_buf_addf(out, "%" PRId64 ".%" PRId64 "%%", tenths / 10, tenths % 10);
    else
        posture_buf_addf(out, "%" PRId64 "%%", tenths / 10);
}

void posture_html_percent(struct posture_buf *out, double ratio)
{
    percent_add(out, ratio, false);
}

void posture_html_percent_short(struct posture_buf *out, double ratio)
{
    percent_add(out, ratio, true);
}

void posture_html_count(struct posture_buf *out, uint64_t n)
{
    char digits[24];
    int len = snprintf(digits, sizeof(digits), "%" PRIu64, n);

    for (int i = 0; i < len; i++) {
        if (i > 0 && (len - i) % 3 == 0)
            posture_buf_addc(out, ',');
        posture_buf_addc(out, digits[i]);
    }
}

static void time_open(struct posture_buf *out, int64_t ns)
{
    char utc[POSTURE_TIME_TEXT_MAX];

    posture_buf_addf(out, "<time datetime=\"%s\">", posture_time_format(ns, utc));
}

void posture_html_date(struct posture_buf *out, int64_t ns)
{
    char date[POSTURE_TIME_TEXT_MAX];

    if (ns == 0)
        return;
    time_open(out, ns);
    posture_buf_addf(out, "%s</time>", posture_date_format_jst(ns, date));
}

void posture_html_instant(struct posture_buf *out, int64_t ns)
{
    char date[POSTURE_TIME_TEXT_MAX];
    int64_t day_s = (ns / POSTURE_NS_PER_S + POSTURE_JST_OFFSET_S) % 86400;

    if (ns == 0)
        return;
    time_open(out, ns);
    posture_buf_addf(out, "%s %02d:%02d</time>", posture_date_format_jst(ns, date),
                     (int)(day_s / 3600), (int)(day_s / 60 % 60));
}

void posture_html_duration(struct posture_buf *out, int64_t ns, enum posture_lang lang)
{
    static const struct {
        int64_t above_s, unit_s;
        const char *one[POSTURE_LANG_COUNT], *many[POSTURE_LANG_COUNT];
    } units[] = {
        {2 * 86400, 86400, {" day", "日"}, {" days", "日"}},
        {2 * 3600, 3600, {" h", "時間"}, {" h", "時間"}},
        {120, 60, {" min", "分"}, {" min", "分"}},
        {0, 1, {" s", "秒"}, {" s", "秒"}},
    };
    int64_t s = ns > 0 ? ns / POSTURE_NS_PER_S : 0;
    size_t i = 0;

    while (s < units[i].above_s)
        i++;
    int64_t n = s / units[i].unit_s;
    posture_html_count(out, (uint64_t)n);
    posture_buf_adds(out, n == 1 ? units[i].one[lang] : units[i].many[lang]);
}
