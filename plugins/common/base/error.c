/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */

#include "common/base/error.h"

#include "common/base/parse.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const char *const own_texts[] = {
    "malformed",       "refused by the schema",
    "over a limit",    "bad option",
    "out of range",    "not allowed",
    "deadline passed", "closed by the other side",
    "protocol error",  "corrupt",
    "does not exist",  "in use",
};

const char *posture_strerror(int r)
{
    static _Thread_local char buf[128];
    if (r >= 0)
        return "success";
    if (r <= POSTURE_E_FORMAT && r >= POSTURE_E_LAST)
        return own_texts[POSTURE_E_FORMAT - r];
    return strerror_r(-r, buf, sizeof(buf));
}

/* vsnprintf that cuts at a whole character. */
static void text_format(char *dst, size_t size, const char *fmt, va_list args)
{
    int n = vsnprintf(dst, size, fmt, args);
    if (n < 0)
        dst[0] = '\0';
    else if ((size_t)n >= size)
        dst[posture_utf8_cut(dst, size - 1)] = '\0';
}

int posture_error_set(struct posture_error *reterr, int r, const char *fmt, ...)
{
    if (!reterr)
        return r;
    /* The arguments may point into *reterr (a caller that adds context). */
    char text[POSTURE_ERROR_TEXT_MAX];
    va_list args;
    va_start(args, fmt);
    text_format(text, sizeof(text), fmt, args);
    va_end(args);
    *reterr = (struct posture_error){0};
    memcpy(reterr->text, text, sizeof(text));
    return r;
}

int posture_error_at(struct posture_error *reterr, int r, const char *file, int line,
                     int column, const char *fmt, ...)
{
    if (!reterr)
        return r;
    char text[POSTURE_ERROR_TEXT_MAX];
    char name[POSTURE_ERROR_FILE_MAX];
    va_list args;
    va_start(args, fmt);
    text_format(text, sizeof(text), fmt, args);
    va_end(args);
    int n = snprintf(name, sizeof(name), "%s", file ? file : "");
    if (n < 0)
        name[0] = '\0';
    *reterr = (struct posture_error){.line = line, .column = column};
    memcpy(reterr->text, text, sizeof(text));
    memcpy(reterr->file, name, sizeof(name));
    return r;
}

const char *posture_error_format(const struct posture_error *error, char *buf,
                                 unsigned long size)
{
    if (error->file[0] && error->line > 0 && error->column > 0)
        snprintf(buf, size, "%s:%d:%d: %s", error->file, error->line, error->column,
                 error->text);
    else if (error->file[0] && error->line > 0)
        snprintf(buf, size, "%s:%d: %s", error->file, error->line, error->text);
    else if (error->file[0])
        snprintf(buf, size, "%s: %s", error->file, error->text);
    else if (error->line > 0)
        snprintf(buf, size, "line %d: %s", error->line, error->text);
    else
        snprintf(buf, size, "%s", error->text);
    return buf;
}
