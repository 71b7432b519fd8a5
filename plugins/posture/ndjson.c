/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#include "posture/ndjson.h"

#include "common/report/report.h"

#include <string.h>

void ndjson_init(struct ndjson *lines)
{
    *lines = (struct ndjson){0};
    posture_buf_init(&lines->pending, POSTURE_REPORT_MAX + 2);
}

void ndjson_done(struct ndjson *lines)
{
    posture_buf_done(&lines->pending);
}

static bool is_blank(const char *line, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (line[i] != ' ' && line[i] != '\t' && line[i] != '\r')
            return false;
    }
    return true;
}

static int line_tell(struct ndjson *lines, ndjson_fn *fn, void *data)
{
    int r = 0;
    lines->number++;
    if (lines->is_too_long)
        r = fn(data, lines->number, NULL, 0);
    else if (!is_blank(lines->pending.data, lines->pending.len))
        r = fn(data, lines->number, lines->pending.data, lines->pending.len);
    posture_buf_clear(&lines->pending);
    lines->is_too_long = false;
    return r;
}

int ndjson_feed(struct ndjson *lines, const char *bytes, size_t len, ndjson_fn *fn,
                void *data)
{
    while (len > 0) {
        const char *end = memchr(bytes, '\n', len);
        size_t part = end ? (size_t)(end - bytes) : len;
        if (!lines->is_too_long && lines->pending.len + part > POSTURE_REPORT_MAX)
            lines->is_too_long = true;
        if (!lines->is_too_long)
            posture_buf_add(&lines->pending, bytes, part);
        POSTURE_TRY(posture_buf_error(&lines->pending));
        bytes += part;
        len -= part;
        if (!end)
            continue;
        bytes++;
        len--;
        POSTURE_TRY(line_tell(lines, fn, data));
    }
    return 0;
}

int ndjson_end(struct ndjson *lines, ndjson_fn *fn, void *data)
{
    if (lines->pending.len == 0 && !lines->is_too_long)
        return 0;
    return line_tell(lines, fn, data);
}
