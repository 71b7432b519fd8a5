/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#ifndef POSTURE_BASE_OPTIONS_INTERNAL_H
#define POSTURE_BASE_OPTIONS_INTERNAL_H

#include "common/base/options.h"

/* Between the option files only: the memory of one settings set, freed as a whole. */
struct posture_arena *posture_arena_new(void);
struct posture_arena *posture_arena_free(struct posture_arena *arena);
POSTURE_AUTO_DEFINE(struct posture_arena *, posture_arena_free)
/* Zeroed; NULL when memory is out. */
void *posture_arena_alloc(struct posture_arena *arena, size_t size);
char *posture_arena_strdup(struct posture_arena *arena, const char *s);

/* Judges one value (PAIRS: key and value are text) and stores it at its place in the
 * struct. */
int posture_option_store(struct posture_arena *arena, const struct posture_option *option,
                         void *values, const char *const *texts, size_t count);
/* "a whole number from 100 to 60000", into buf. Returns buf. */
const char *posture_option_expectation(const struct posture_option *option, char *buf,
                                       size_t size);
/* Writes the stored value as the text that gives the same value again; buf for numbers.
 * NULL when it is not set. Not for LIST and PAIRS. */
const char *posture_option_text(const struct posture_option *option, const void *values,
                                char buf[static 40]);

static inline void *posture_option_at(const struct posture_option *option,
                                      const void *values)
{
    return (char *)(uintptr_t)values + option->offset;
}

#endif
