/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#include "posture/screen.h"

#include "common/base/parse.h"
#include "posture/text.h"

#include <errno.h>
#include <langinfo.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum { WIDTH_MIN = 40, WIDTH_MAX = 200, WIDTH_DEFAULT = 100 };

static const char *const sequences[SCREEN_STYLE_COUNT] = {
    [SCREEN_PLAIN] = "",           [SCREEN_BOLD] = "\x1b[1m",
    [SCREEN_DIM] = "\x1b[2m",      [SCREEN_PASS] = "\x1b[32m",
    [SCREEN_WARN] = "\x1b[33m",    [SCREEN_FAIL] = "\x1b[1;31m",
    [SCREEN_UNKNOWN] = "\x1b[35m",
};

static size_t width_find(void)
{
    struct winsize size;
    uint32_t columns = 0;
    const char *text = getenv("COLUMNS");
    if (isatty(STDOUT_FILENO) && ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 &&
        size.ws_col > 0)
        columns = size.ws_col;
    else if (!text || posture_parse_u32(text, 1, 10000, &columns) < 0)
        columns = WIDTH_DEFAULT;
    return columns < WIDTH_MIN ? WIDTH_MIN : columns > WIDTH_MAX ? WIDTH_MAX : columns;
}

void screen_init(struct screen *screen, enum screen_color_mode color,
                 enum posture_lang lang)
{
    const char *no_color = getenv("NO_COLOR");
    const char *term = getenv("TERM");
    *screen = (struct screen){.lang = lang, .width = width_find()};
    screen->is_terminal = isatty(STDOUT_FILENO) == 1;
    screen->has_color =
        color == SCREEN_COLOR_ALWAYS ||
        (color == SCREEN_COLOR_AUTO && screen->is_terminal && !(no_color && *no_color) &&
         !(term && strcmp(term, "dumb") == 0));
    screen->has_unicode =
        strcmp(nl_langinfo(CODESET), "UTF-8") == 0 || lang == POSTURE_LANG_JA;
    posture_buf_init(&screen->out, 0);
}

void screen_done(struct screen *screen)
{
    posture_buf_done(&screen->out);
}

void screen_add(struct screen *screen, enum screen_style style, const char *text)
{
    bool is_styled = screen->has_color && style != SCREEN_PLAIN && *text;
    if (is_styled)
        posture_buf_adds(&screen->out, sequences[style]);
    posture_buf_adds(&screen->out, text);
    if (is_styled)
        posture_buf_adds(&screen->out, "\x1b[0m");
}

void screen_addf(struct screen *screen, enum screen_style style, const char *fmt, ...)
{
    POSTURE_AUTO_BUF struct posture_buf text = {0};
    va_list args;
    va_start(args, fmt);
    posture_buf_vaddf(&text, fmt, args);
    va_end(args);
    if (text.data)
        screen_add(screen, style, text.data);
}

void screen_pad(struct screen *screen, enum screen_style style, const char *text,
                size_t width)
{
    POSTURE_AUTO_BUF struct posture_buf padded = {0};
    text_pad(text, width, &padded);
    if (padded.data)
        screen_add(screen, style, padded.data);
}

void screen_wrap(struct screen *screen, enum screen_style style, const char *text,
                 size_t column, size_t indent)
{
    POSTURE_AUTO_BUF struct posture_buf safe = {0};
    POSTURE_AUTO_BUF struct posture_buf wrapped = {0};
    text_safe_string(text, &safe);
    if (!safe.data)
        return;
    text_wrap(safe.data, column, indent, screen->width, &wrapped);
    if (wrapped.data)
        screen_add(screen, style, wrapped.data);
}

void screen_spaces(struct screen *screen, size_t count)
{
    posture_buf_addf(&screen->out, "%*s", (int)count, "");
}

void screen_line(struct screen *screen)
{
    posture_buf_addc(&screen->out, '\n');
}

int screen_flush(struct screen *screen)
{
    int r = posture_buf_error(&screen->out);
    if (r == 0 && screen->out.len > 0 &&
        fwrite(screen->out.data, 1, screen->out.len, stdout) != screen->out.len)
        r = errno ? -errno : -EIO;
    if (r == 0 && fflush(stdout) != 0)
        r = -errno;
    posture_buf_clear(&screen->out);
    return r;
}

enum screen_style screen_style_of(enum posture_result_status status)
{
    static const enum screen_style styles[POSTURE_RESULT_COUNT] = {
        [POSTURE_RESULT_NA] = SCREEN_DIM,          [POSTURE_RESULT_PASS] = SCREEN_PASS,
        [POSTURE_RESULT_WARN] = SCREEN_WARN,       [POSTURE_RESULT_FAIL] = SCREEN_FAIL,
        [POSTURE_RESULT_UNKNOWN] = SCREEN_UNKNOWN,
    };
    return styles[status];
}

const char *screen_mark(const struct screen *screen, enum posture_result_status status)
{
    static const char *const marks[POSTURE_RESULT_COUNT] = {
        [POSTURE_RESULT_NA] = "–",      [POSTURE_RESULT_PASS] = "✓",
        [POSTURE_RESULT_WARN] = "!",    [POSTURE_RESULT_FAIL] = "✗",
        [POSTURE_RESULT_UNKNOWN] = "?",
    };
    static const char *const plain[POSTURE_RESULT_COUNT] = {
        [POSTURE_RESULT_NA] = "-",      [POSTURE_RESULT_PASS] = "+",
        [POSTURE_RESULT_WARN] = "!",    [POSTURE_RESULT_FAIL] = "x",
        [POSTURE_RESULT_UNKNOWN] = "?",
    };
    return (screen->has_unicode ? marks : plain)[status];
}
