/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#include "common/report/scratch.h"

#include "common/base/mem.h"

#include <stdbool.h>
#include <stdint.h>

/* The largest report needs more; it is rare. */
enum { SCRATCH_SIZE = 512 * 1024, ALIGNMENT = 16 };

struct scratch {
    bool is_on;
    size_t used;
    _Alignas(ALIGNMENT) char bytes[SCRATCH_SIZE];
};
static _Thread_local struct scratch *scratch;

void *posture_scratch_malloc(size_t size)
{
    if (!scratch || !scratch->is_on)
        return posture_malloc(size);
    size_t need = (size + ALIGNMENT - 1) & ~(size_t)(ALIGNMENT - 1);
    if (need < size || need > SCRATCH_SIZE - scratch->used)
        return posture_malloc(size);
    void *at = scratch->bytes + scratch->used;
    scratch->used += need;
    return at;
}

void posture_scratch_free(void *ptr)
{
    uintptr_t at = (uintptr_t)ptr;
    if (scratch && at >= (uintptr_t)scratch->bytes &&
        at < (uintptr_t)scratch->bytes + SCRATCH_SIZE)
        return;
    free(ptr);
}

void posture_scratch_begin(void)
{
    if (!scratch)
        scratch = posture_malloc(sizeof(*scratch)); /* without it all is as ever */
    if (scratch) {
        scratch->used = 0;
        scratch->is_on = true;
    }
}

void posture_scratch_end(void)
{
    if (scratch)
        scratch->is_on = false;
}
