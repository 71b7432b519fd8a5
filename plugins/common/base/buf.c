/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */

#include "common/base/buf.h"

#include "common/base/error.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum { BUF_FIRST = 256 };
static const size_t buf_default_limit = (size_t)64 * 1024 * 1024;

void posture_buf_init(struct posture_buf *buf, size_t limit)
{
    *buf = (struct posture_buf){.limit = limit};
}

void posture_buf_done(struct posture_buf *buf)
{
    free(buf->data);
    *buf = (struct posture_buf){.limit = buf->limit};
}

void posture_buf_clear(struct posture_buf *buf)
{
    buf->len = 0;
    buf->error = 0;
    if (buf->data)
        buf->data[0] = '\0';
}

int posture_buf_error(const struct posture_buf *buf)
{
    return buf->error;
}

/* Makes room for extra bytes and a NUL. */
static bool buf_reserve(struct posture_buf *buf, size_t extra)
{
    if (buf->error)
        return false;
    size_t limit = buf->limit > 0 ? buf->limit : buf_default_limit;
    if (extra > limit || buf->len > limit - extra) {
        buf->error = POSTURE_E_LIMIT;
        return false;
    }
    size_t need = buf->len + extra + 1;
    if (need <= buf->cap)
        return true;
    size_t cap = buf->cap > 0 ? buf->cap : BUF_FIRST;
    while (cap < need)
        cap *= 2;
    char *data = posture_realloc(buf->data, cap);
    if (!data) {
        buf->error = -ENOMEM;
        return false;
    }
    buf->data = data;
    buf->cap = cap;
    return true;
}

void posture_buf_add(struct posture_buf *buf, const void *bytes, size_t len)
{
    if (!buf_reserve(buf, len))
        return;
    if (len > 0)
        memcpy(buf->data + buf->len, bytes, len);
    buf->len += len;
    buf->data[buf->len] = '\0';
}

void posture_buf_adds(struct posture_buf *buf, const char *s)
{
    posture_buf_add(buf, s, strlen(s));
}

void posture_buf_addc(struct posture_buf *buf, char c)
{
    posture_buf_add(buf, &c, 1);
}

void posture_buf_vaddf(struct posture_buf *buf, const char *fmt, va_list args)
{
    va_list copy;
    va_copy(copy, args);
    int n = vsnprintf(NULL, 0, fmt, copy);
    va_end(copy);
    if (n < 0) {
        buf->error = buf->error ? buf->error : -EINVAL;
        return;
    }
    if (!buf_reserve(buf, (size_t)n))
        return;
    vsnprintf(buf->data + buf->len, (size_t)n + 1, fmt, args);
    buf->len += (size_t)n;
}

void posture_buf_addf(struct posture_buf *buf, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    posture_buf_vaddf(buf, fmt, args);
    va_end(args);
}

static void buf_add_be(struct posture_buf *buf, uint64_t v, unsigned bytes)
{
    unsigned char be[8];
    for (unsigned i = 0; i < bytes; i++)
        be[i] = (unsigned char)(v >> (8 * (bytes - 1 - i)));
    posture_buf_add(buf, be, bytes);
}

void posture_buf_add_u8(struct posture_buf *buf, uint8_t v)
{
    buf_add_be(buf, v, 1);
}

void posture_buf_add_u16(struct posture_buf *buf, uint16_t v)
{
    buf_add_be(buf, v, 2);
}

void posture_buf_add_u24(struct posture_buf *buf, uint32_t v)
{
    buf_add_be(buf, v, 3);
}

void posture_buf_add_u32(struct posture_buf *buf, uint32_t v)
{
    buf_add_be(buf, v, 4);
}

void posture_buf_add_u64(struct posture_buf *buf, uint64_t v)
{
    buf_add_be(buf, v, 8);
}

void posture_buf_consume(struct posture_buf *buf, size_t n)
{
    if (n >= buf->len) {
        buf->len = 0;
    } else {
        memmove(buf->data, buf->data + n, buf->len - n);
        buf->len -= n;
    }
    if (buf->data)
        buf->data[buf->len] = '\0';
}

char *posture_buf_steal(struct posture_buf *buf, size_t *ret_len)
{
    /* An empty buffer still yields a string. */
    posture_buf_add(buf, "", 0);
    char *data = buf->error ? NULL : buf->data;
    if (!data)
        free(buf->data);
    else if (ret_len)
        *ret_len = buf->len;
    *buf = (struct posture_buf){.limit = buf->limit};
    return data;
}
