/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */

#include "common/base/lines.h"

#include "common/base/error.h"

#include <string.h>

/* The letter after the backslash; 0 when the byte stands for itself. */
static char byte_escape(char c)
{
    switch (c) {
    case '\\':
        return '\\';
    case '\t':
        return 't';
    case '\n':
        return 'n';
    case '\r':
        return 'r';
    case '\0':
        return '0';
    default:
        return 0;
    }
}

int posture_line_write(struct posture_buf *out, const char *const *fields, size_t count)
{
    POSTURE_REQUIRE(count >= 1);
    POSTURE_TRY(posture_buf_error(out));
    if (count > POSTURE_LINE_FIELDS_MAX)
        return POSTURE_E_LIMIT;

    size_t start = out->len;
    for (size_t i = 0; i < count; i++) {
        if (i > 0)
            posture_buf_addc(out, '\t');
        const char *run = fields[i], *p = run;
        for (; *p; p++) {
            char letter = byte_escape(*p);
            if (!letter)
                continue;
            posture_buf_add(out, run, (size_t)(p - run));
            posture_buf_addc(out, '\\');
            posture_buf_addc(out, letter);
            run = p + 1;
        }
        posture_buf_add(out, run, (size_t)(p - run));
    }
    posture_buf_addc(out, '\n');

    int r = posture_buf_error(out);
    if (r == 0 && out->len - start > POSTURE_LINE_MAX)
        r = POSTURE_E_LIMIT;
    if (r < 0) {
        out->error = 0;
        out->len = start;
        if (out->data)
            out->data[start] = '\0';
    }
    return r;
}

static int field_unescape(char *dst, const char *src, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        char c = src[i];
        if (c == '\0')
            return POSTURE_E_FORMAT;
        if (c == '\\') {
            if (++i == len)
                return POSTURE_E_FORMAT;
            switch (src[i]) {
            case '\\':
                c = '\\';
                break;
            case 't':
                c = '\t';
                break;
            case 'n':
                c = '\n';
                break;
            case 'r':
                c = '\r';
                break;
            default: /* \0 too: no field of ours holds a NUL, and a C string cannot */
                return POSTURE_E_FORMAT;
            }
        }
        *dst++ = c;
    }
    *dst = '\0';
    return 0;
}

int posture_line_split(char *line, size_t len, const char **fields, size_t max,
                       size_t *ret_count)
{
    size_t count = 0;
    char *start = line, *end = line + len;
    for (;;) {
        char *tab = memchr(start, '\t', (size_t)(end - start));
        char *stop = tab ? tab : end;
        if (count == max)
            return POSTURE_E_LIMIT;
        POSTURE_TRY(field_unescape(start, start, (size_t)(stop - start)));
        fields[count++] = start;
        if (!tab)
            break;
        start = tab + 1;
    }
    *ret_count = count;
    return 0;
}

void posture_line_reader_init(struct posture_line_reader *reader)
{
    *reader = (struct posture_line_reader){0};
    /* One line being assembled and one read behind it. */
    posture_buf_init(&reader->pending, (size_t)4 * POSTURE_LINE_MAX);
}

void posture_line_reader_done(struct posture_line_reader *reader)
{
    posture_buf_done(&reader->pending);
    reader->scanned = reader->taken = 0;
}

/* Drops the line that the last call handed out. */
static void reader_drop_taken(struct posture_line_reader *reader)
{
    if (reader->taken == 0)
        return;
    posture_buf_consume(&reader->pending, reader->taken);
    reader->taken = 0;
}

int posture_line_reader_feed(struct posture_line_reader *reader, const void *bytes,
                             size_t len)
{
    reader_drop_taken(reader);
    posture_buf_add(&reader->pending, bytes, len);
    return posture_buf_error(&reader->pending);
}

int posture_line_reader_next(struct posture_line_reader *reader, char **ret_line,
                             size_t *ret_len)
{
    struct posture_buf *pending = &reader->pending;
    char *start = pending->data ? pending->data + reader->taken : NULL;
    size_t left = pending->len - reader->taken;
    char *end = left > reader->scanned
                    ? memchr(start + reader->scanned, '\n', left - reader->scanned)
                    : NULL;
    if (!end) {
        reader->scanned = left;
        if (left >= POSTURE_LINE_MAX)
            return POSTURE_E_LIMIT;
        reader_drop_taken(reader);
        return 0;
    }
    size_t len = (size_t)(end - start);
    if (len >= POSTURE_LINE_MAX)
        return POSTURE_E_LIMIT;
    *end = '\0';
    reader->scanned = 0;
    reader->taken += len + 1;
    *ret_line = start;
    *ret_len = len;
    return 1;
}
