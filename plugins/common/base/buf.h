/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#ifndef POSTURE_BASE_BUF_H
#define POSTURE_BASE_BUF_H

#include "common/base/mem.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * A growing byte string with a limit. The first failure (memory, limit) sticks: later
 * appends do nothing, and posture_buf_error() says what it was. data is NUL-terminated
 * whenever it is not NULL. Zero-initialise, or posture_buf_init() with a limit (0 = 64
 * MiB).
 */
struct posture_buf {
    char *data;
    size_t len;
    size_t cap;
    size_t limit;
    int error;
};

void posture_buf_init(struct posture_buf *buf, size_t limit);
void posture_buf_done(struct posture_buf *buf); /* frees, leaves it usable */
void posture_buf_clear(
    struct posture_buf *buf); /* empties, keeps the memory and the limit */
int posture_buf_error(const struct posture_buf *buf); /* 0, -ENOMEM or POSTURE_E_LIMIT */

void posture_buf_add(struct posture_buf *buf, const void *bytes, size_t len);
void posture_buf_adds(struct posture_buf *buf, const char *s);
void posture_buf_addc(struct posture_buf *buf, char c);
void posture_buf_addf(struct posture_buf *buf, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
void posture_buf_vaddf(struct posture_buf *buf, const char *fmt, va_list args);
/* Big-endian integers, as wire formats want them. */
void posture_buf_add_u8(struct posture_buf *buf, uint8_t v);
void posture_buf_add_u16(struct posture_buf *buf, uint16_t v);
void posture_buf_add_u24(struct posture_buf *buf, uint32_t v);
void posture_buf_add_u32(struct posture_buf *buf, uint32_t v);
void posture_buf_add_u64(struct posture_buf *buf, uint64_t v);
/* Removes the first n bytes (n <= len). */
void posture_buf_consume(struct posture_buf *buf, size_t n);
/* The string, owned by the caller; NULL when an append failed. The buffer is empty
 * afterwards. */
char *posture_buf_steal(struct posture_buf *buf, size_t *ret_len);

static inline __attribute__((unused)) void posture_buf_auto_(struct posture_buf *buf)
{
    posture_buf_done(buf);
}
#define POSTURE_AUTO_BUF __attribute__((cleanup(posture_buf_auto_)))

#endif
