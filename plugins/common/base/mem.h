/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#ifndef POSTURE_BASE_MEM_H
#define POSTURE_BASE_MEM_H

#include <stddef.h>
#include <stdlib.h>

/*
 * Allocation through these wrappers, so that tests can make the n-th one fail. All return
 * NULL when memory is out. Free with free().
 */
void *posture_malloc(size_t size) __attribute__((malloc, warn_unused_result));
void *posture_calloc(size_t count, size_t size)
    __attribute__((malloc, warn_unused_result));
void *posture_realloc(void *ptr, size_t size) __attribute__((warn_unused_result));
void *posture_reallocarray(void *ptr, size_t count, size_t size)
    __attribute__((warn_unused_result));
char *posture_strdup(const char *s) __attribute__((malloc, warn_unused_result));
char *posture_strndup(const char *s, size_t n)
    __attribute__((malloc, warn_unused_result));
char *posture_asprintf(const char *fmt, ...)
    __attribute__((format(printf, 1, 2), malloc, warn_unused_result));

/* Tests only: the n-th allocation from now (1 = the next) fails, and every later one too
 * when persistent is set; 0 turns it off. Per thread. */
void posture_alloc_fail_at(unsigned long n, int persistent);
/* Tests only: allocations of this thread since the last posture_alloc_fail_at(). */
unsigned long posture_alloc_count(void);

/* Locals that clean up after themselves:
 *     POSTURE_AUTO(posture_report_free) struct posture_report *report =
 * posture_report_new(); needs POSTURE_AUTO_DEFINE(struct posture_report *,
 * posture_report_free) beside the type. */
#define POSTURE_AUTO(fn) __attribute__((cleanup(fn##_auto_)))
#define POSTURE_AUTO_DEFINE(type, fn)                                                    \
    static inline __attribute__((unused)) void fn##_auto_(type *p)                       \
    {                                                                                    \
        if (*p)                                                                          \
            fn(*p);                                                                      \
    }
/* Hands the pointer over and leaves NULL behind. */
#define POSTURE_TAKE(p)                                                                  \
    __extension__({                                                                      \
        __typeof__(p) posture_take_ = (p);                                               \
        (p) = NULL;                                                                      \
        posture_take_;                                                                   \
    })

POSTURE_AUTO_DEFINE(char *, free)
/* A local char array or struct from malloc: POSTURE_AUTO_FREE char *s = … */
#define POSTURE_AUTO_FREE POSTURE_AUTO(free)

/* Closes a descriptor that is not negative; for int locals: POSTURE_AUTO_CLOSE int fd =
 * -1; */
void posture_close(int fd);
static inline __attribute__((unused)) void posture_close_auto_(int *fd)
{
    posture_close(*fd);
}
#define POSTURE_AUTO_CLOSE __attribute__((cleanup(posture_close_auto_)))
/* Hands the descriptor over and leaves -1 behind. */
#define POSTURE_TAKE_FD(fd)                                                              \
    __extension__({                                                                      \
        int posture_take_fd_ = (fd);                                                     \
        (fd) = -1;                                                                       \
        posture_take_fd_;                                                                \
    })

#define POSTURE_COUNT(array) (sizeof(array) / sizeof((array)[0]))

#endif
