/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#ifndef POSTURE_PROGRAM_SCREEN_H
#define POSTURE_PROGRAM_SCREEN_H

#include "common/base/buf.h"
#include "common/report/checks.h"

/* Where a table goes: colours, width, language. Ours alone are the escape sequences on
 * it. */
enum screen_color_mode { SCREEN_COLOR_AUTO, SCREEN_COLOR_ALWAYS, SCREEN_COLOR_NEVER };

enum screen_style {
    SCREEN_PLAIN,
    SCREEN_BOLD,
    SCREEN_DIM,
    SCREEN_PASS,
    SCREEN_WARN,
    SCREEN_FAIL,
    SCREEN_UNKNOWN,
    SCREEN_STYLE_COUNT
};

struct screen {
    bool has_color;
    bool has_unicode; /* marks beyond ASCII */
    bool is_terminal;
    size_t width; /* columns */
    enum posture_lang lang;
    struct posture_buf out; /* what is not yet written */
};

/* For standard output: NO_COLOR, TERM=dumb, COLUMNS and the terminal's size are
 * respected. */
void screen_init(struct screen *screen, enum screen_color_mode color,
                 enum posture_lang lang);
void screen_done(struct screen *screen);
/* Text of ours, or text that is already safe. */
void screen_add(struct screen *screen, enum screen_style style, const char *text);
void screen_addf(struct screen *screen, enum screen_style style, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/* Padded to width columns; the style covers the text and its spaces. */
void screen_pad(struct screen *screen, enum screen_style style, const char *text,
                size_t width);
/* Foreign text, made safe, then wrapped: the first line from column on, later ones from
 * indent. */
void screen_wrap(struct screen *screen, enum screen_style style, const char *text,
                 size_t column, size_t indent);
void screen_spaces(struct screen *screen, size_t count);
void screen_line(struct screen *screen); /* ends the line */
/* Writes to standard output. 0 or -errno. */
int screen_flush(struct screen *screen);

enum screen_style screen_style_of(enum posture_result_status status);
const char *screen_mark(const struct screen *screen, enum posture_result_status status);

/* UI words: the program's own, in both languages. A macro, so that formats stay literals.
 */
#define SCREEN_WORD(screen, ja, en) ((screen)->lang == POSTURE_LANG_JA ? (ja) : (en))

#endif
