/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */

#include "common/base/mem.h"

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static _Thread_local unsigned long alloc_count;
static _Thread_local unsigned long alloc_fail_at;
static _Thread_local int alloc_fail_persistent;

static bool alloc_must_fail(void)
{
    alloc_count++;
    if (alloc_fail_at == 0)
        return false;
    return alloc_fail_persistent ? alloc_count >= alloc_fail_at
                                 : alloc_count == alloc_fail_at;
}

void posture_alloc_fail_at(unsigned long n, int persistent)
{
    alloc_count = 0;
    alloc_fail_at = n;
    alloc_fail_persistent = persistent;
}

unsigned long posture_alloc_count(void)
{
    return alloc_count;
}

void *posture_malloc(size_t size)
{
    return alloc_must_fail() ? NULL : malloc(size > 0 ? size : 1);
}

void *posture_calloc(size_t count, size_t size)
{
    if (alloc_must_fail())
        return NULL;
    return count > 0 && size > 0 ? calloc(count, size) : calloc(1, 1);
}

void *posture_realloc(void *ptr, size_t size)
{
    return alloc_must_fail() ? NULL : realloc(ptr, size > 0 ? size : 1);
}

void *posture_reallocarray(void *ptr, size_t count, size_t size)
{
    if (alloc_must_fail())
        return NULL;
    if (count == 0 || size == 0)
        return realloc(ptr, 1);
    return reallocarray(ptr, count, size);
}

char *posture_strndup(const char *s, size_t n)
{
    size_t len = strnlen(s, n);
    char *copy = posture_malloc(len + 1);
    if (!copy)
        return NULL;
    memcpy(copy, s, len);
    copy[len] = '\0';
    return copy;
}

char *posture_strdup(const char *s)
{
    return posture_strndup(s, SIZE_MAX);
}

char *posture_asprintf(const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    int n = vsnprintf(NULL, 0, fmt, args);
    va_end(args);
    if (n < 0)
        return NULL;
    char *text = posture_malloc((size_t)n + 1);
    if (!text)
        return NULL;
    va_start(args, fmt);
    vsnprintf(text, (size_t)n + 1, fmt, args);
    va_end(args);
    return text;
}

void posture_close(int fd)
{
    if (fd < 0)
        return;
    int saved = errno;
    (void)close(fd); /* Linux frees the descriptor whatever close() says */
    errno = saved;
}
