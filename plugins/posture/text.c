/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#include "posture/text.h"

#include "common/base/mem.h"

#include <string.h>

struct range {
    uint32_t first, last;
};

/* Combining marks and joiners: no column of their own. */
static const struct range zero_width[] = {
    {0x0300, 0x036f},   {0x0483, 0x0489}, {0x0591, 0x05bd}, {0x0610, 0x061a},
    {0x064b, 0x065f},   {0x0900, 0x0902}, {0x1ab0, 0x1aff}, {0x1dc0, 0x1dff},
    {0x200b, 0x200f},   {0x202a, 0x202e}, {0x2060, 0x2064}, {0x20d0, 0x20f0},
    {0x3099, 0x309a},   {0xfe00, 0xfe0f}, {0xfe20, 0xfe2f}, {0xfeff, 0xfeff},
    {0xe0100, 0xe01ef},
};

/* East Asian Width W and F (Unicode Standard Annex 11), in whole blocks. */
static const struct range double_width[] = {
    {0x1100, 0x115f}, {0x231a, 0x231b},   {0x2e80, 0x303e},   {0x3041, 0x33ff},
    {0x3400, 0x4dbf}, {0x4e00, 0x9fff},   {0xa000, 0xa4cf},   {0xa960, 0xa97f},
    {0xac00, 0xd7a3}, {0xf900, 0xfaff},   {0xfe30, 0xfe6f},   {0xff00, 0xff60},
    {0xffe0, 0xffe6}, {0x1f300, 0x1f64f}, {0x1f900, 0x1f9ff}, {0x20000, 0x3fffd},
};

/* What could make a terminal, or a reader, see something else than is written. */
static const struct range deceiving[] = {
    {0x00ad, 0x00ad}, {0x061c, 0x061c}, {0x200b, 0x200f}, {0x2028, 0x202e},
    {0x2060, 0x206f}, {0xfeff, 0xfeff}, {0xfff9, 0xfffb}, {0xe0000, 0xe007f},
};

static bool range_has(const struct range *ranges, size_t count, uint32_t c)
{
    for (size_t i = 0; i < count; i++) {
        if (c >= ranges[i].first && c <= ranges[i].last)
            return true;
    }
    return false;
}

uint32_t text_next(const char **text, const char *end, bool *ret_bad)
{
    const unsigned char *p = (const unsigned char *)*text;
    size_t left = (size_t)(end - *text);
    *ret_bad = false;
    if (left == 0)
        return 0;
    size_t len = p[0] < 0x80                   ? 1
                 : p[0] >= 0xc2 && p[0] < 0xe0 ? 2
                 : (p[0] & 0xf0) == 0xe0       ? 3
                 : p[0] >= 0xf0 && p[0] < 0xf5 ? 4
                                               : 0;
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    uint32_t c = len < 2 ? p[0] : p[0] & (0x7fu >> len);
    bool is_good = len > 0 && len <= left;
    for (size_t i = 1; is_good && i < len; i++) {
        is_good = (p[i] & 0xc0) == 0x80;
        c = c << 6 | (p[i] & 0x3fu);
    }
    if (!is_good || c < least[len] || c > 0x10ffff || (c >= 0xd800 && c < 0xe000)) {
        *ret_bad = true;
        *text += 1;
        return 0xfffd;
    }
    *text += len;
    return c;
}

int text_char_width(uint32_t c)
{
    if (range_has(zero_width, POSTURE_COUNT(zero_width), c))
        return 0;
    return c >= 0x1100 && range_has(double_width, POSTURE_COUNT(double_width), c) ? 2 : 1;
}

size_t text_width(const char *text)
{
    size_t width = 0;
    const char *end = text + strlen(text);
    bool is_bad;
    while (text < end)
        width += (size_t)text_char_width(text_next(&text, end, &is_bad));
    return width;
}

void text_safe(const char *bytes, size_t len, struct posture_buf *out)
{
    const char *end = bytes + len;
    while (bytes < end) {
        const char *start = bytes;
        bool is_bad;
        uint32_t c = text_next(&bytes, end, &is_bad);
        if (is_bad || c < 0x20 || c == 0x7f || c == '\\')
            posture_buf_addf(out, "\\x%02x", (unsigned)(unsigned char)*start);
        else if (c >= 0x80 && c < 0xa0)
            posture_buf_addf(out, "\\x%02x", (unsigned)c);
        else if (range_has(deceiving, POSTURE_COUNT(deceiving), c))
            posture_buf_addf(out, "\\u{%04x}", (unsigned)c);
        else
            posture_buf_add(out, start, (size_t)(bytes - start));
    }
}

void text_safe_string(const char *text, struct posture_buf *out)
{
    text_safe(text, strlen(text), out);
}

void text_pad(const char *text, size_t width, struct posture_buf *out)
{
    size_t whole = text_width(text);
    size_t room = whole > width ? width - (width > 0) : width, used = 0;
    const char *end = text + strlen(text);
    while (text < end) {
        const char *start = text;
        bool is_bad;
        size_t w = (size_t)text_char_width(text_next(&text, end, &is_bad));
        if (used + w > room)
            break;
        used += w;
        posture_buf_add(out, start, (size_t)(text - start));
    }
    if (whole > width && width > 0) {
        posture_buf_adds(out, "…");
        used++;
    }
    for (; used < width; used++)
        posture_buf_addc(out, ' ');
}

/* Marks that do not begin a line (kinsoku), and those that do not end one. */
static bool may_not_begin(uint32_t c)
{
    return c == 0x3001 || c == 0x3002 || c == 0xff0c || c == 0xff0e || c == 0xff09 ||
           c == 0x300d || c == 0x300f || c == 0x30fc || c == 0xff1b || c == 0xff1a ||
           c == 0xff1f || c == ')' || c == ',' || c == '.' || c == ';' || c == ':' ||
           c == '!' || c == '?';
}

static bool may_not_end(uint32_t c)
{
    return c == 0xff08 || c == 0x300c || c == 0x300e || c == '(';
}

/* The end of the piece that starts at text and does not break: a word, or one wide
 * character with the marks that belong to it. */
static const char *piece_end(const char *text, const char *end, size_t *ret_width)
{
    size_t width = 0;
    uint32_t last = 0;
    const char *p = text;
    while (p < end && *p != ' ') {
        const char *next = p;
        bool is_bad;
        uint32_t c = text_next(&next, end, &is_bad);
        int w = text_char_width(c);
        bool is_break = p > text && (w == 2 || text_char_width(last) == 2) &&
                        !may_not_begin(c) && !may_not_end(last);
        if (is_break)
            break;
        width += (size_t)w;
        last = c;
        p = next;
    }
    *ret_width = width;
    return p;
}

void text_wrap(const char *text, size_t first, size_t indent, size_t width,
               struct posture_buf *out)
{
    const char *end = text + strlen(text);
    size_t column = first;
    bool is_start = true; /* of a line: leading spaces are dropped */
    while (text < end) {
        if (*text == ' ') {
            const char *word = text + strspn(text, " ");
            size_t next;
            piece_end(word, end, &next);
            if (!is_start && word < end && column + 1 + next <= width) {
                posture_buf_addc(out, ' ');
                column++;
            } else if (!is_start && word < end) {
                posture_buf_addf(out, "\n%*s", (int)indent, "");
                column = indent;
                is_start = true;
            }
            text = word;
            continue;
        }
        size_t piece;
        const char *stop = piece_end(text, end, &piece);
        if (!is_start && column + piece > width) {
            posture_buf_addf(out, "\n%*s", (int)indent, "");
            column = indent;
        }
        posture_buf_add(out, text, (size_t)(stop - text));
        column += piece;
        is_start = false;
        text = stop;
    }
}
