/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#ifndef POSTURE_PROGRAM_TEXT_H
#define POSTURE_PROGRAM_TEXT_H

#include "common/base/buf.h"

/*
 * Text for a terminal: how wide it is, where it may break, and what of it is foreign.
 * Widths are our own (East Asian Width W and F are two columns), so that tables align
 * whatever the locale.
 */

/* The next character of text, which is advanced; ill-formed bytes come one by one as
 * U+FFFD with *ret_bad set. 0 at the end. */
uint32_t text_next(const char **text, const char *end, bool *ret_bad);
int text_char_width(uint32_t c); /* 0, 1 or 2 columns */
size_t text_width(const char *text);

/* Foreign text made safe: controls (C0, DEL, C1), ill-formed bytes and a backslash become
 * \xHH, and what changes the order or hides (bidirectional controls, zero width, line
 * separators) \u{HHHH}. */
void text_safe(const char *bytes, size_t len, struct posture_buf *out);
void text_safe_string(const char *text, struct posture_buf *out);

/* Text and spaces up to width columns; longer text is cut and ends in an ellipsis. */
void text_pad(const char *text, size_t width, struct posture_buf *out);

/* Text broken at spaces, and between ideographs and kana, into lines of at most width
 * columns. The first line starts at column first, later lines are indented by indent.
 * Ends without a line end. */
void text_wrap(const char *text, size_t first, size_t indent, size_t width,
               struct posture_buf *out);

#endif
