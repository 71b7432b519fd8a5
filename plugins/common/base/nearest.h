/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#ifndef POSTURE_BASE_NEAREST_H
#define POSTURE_BASE_NEAREST_H

#include <stddef.h>

/*
 * "Did you mean …?": of the names tried, the one nearest to what was written, if any is
 * near enough to be a slip of the pen. Letters' case aside.
 */
struct posture_nearest {
    const char *name; /* as tried, borrowed; NULL: none is near */
    size_t distance;  /* 0: differs in case only */
};

void posture_nearest_try(struct posture_nearest *nearest, const char *wanted,
                         const char *candidate);

#endif
