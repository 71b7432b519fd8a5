/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#ifndef POSTURE_BASE_PARSE_H
#define POSTURE_BASE_PARSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Whole-string parsers: 0, POSTURE_E_FORMAT or POSTURE_E_RANGE; *ret untouched on
 * failure. No sign, space, or locale. */
int posture_parse_u64(const char *text, uint64_t min, uint64_t max, uint64_t *ret);
int posture_parse_u32(const char *text, uint32_t min, uint32_t max, uint32_t *ret);
/* Decimal number with optional sign, fraction and exponent; always a point, never
 * NaN/Inf. */
int posture_parse_double(const char *text, double *ret);
int posture_parse_port(const char *text, uint16_t *ret); /* 1 to 65535 */

/* Shortest decimal text that reads back as the same double, with a point whatever the
 * locale. */
const char *posture_double_format(double v, char buf[static 32]);

/* True when the bytes are well-formed UTF-8 (RFC 3629: no surrogates, no overlong forms).
 */
bool posture_utf8_valid(const char *bytes, size_t len);
/* Largest n' <= n that does not split a character of well-formed UTF-8. */
size_t posture_utf8_cut(const char *bytes, size_t n);

/* Foreign text made safe for a log line: controls, DEL, C1, backslash and ill-formed
 * bytes become \xHH; at most size - 1 bytes. Returns dst. */
const char *posture_escape(const char *bytes, size_t len, char *dst, size_t size);

/* Lower-case hex of len bytes into dst (2 * len + 1 bytes). Returns dst. */
const char *posture_hex(const void *bytes, size_t len, char *dst);
/* Hex text to bytes; exactly out_len bytes. */
int posture_unhex(const char *text, size_t text_len, void *out, size_t out_len);

#endif
