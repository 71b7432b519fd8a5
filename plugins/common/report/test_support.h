/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#ifndef POSTURE_REPORT_TEST_SUPPORT_H
#define POSTURE_REPORT_TEST_SUPPORT_H

#include "common/base/mem.h"
#include "common/report/json.h"

#include <stdio.h>

/* A committed file, as jansson reads it. */
static inline __attribute__((unused)) char *test_file(const char *name, size_t *ret_len)
{
    char path[1024];
    struct posture_error error = {0};
    char *bytes = NULL;
    snprintf(path, sizeof(path), "%s/%s", POSTURE_SOURCE_DIR, name);
    if (posture_file_read(path, 4 * 1024 * 1024, &bytes, ret_len, &error) < 0) {
        fprintf(stderr, "%s: %s\n", path, error.text);
        return NULL;
    }
    return bytes;
}

/* jansson through our allocator, so that its allocations fail as ours do. */
static inline __attribute__((unused)) void test_jansson_fails_too(void)
{
    json_set_alloc_funcs(posture_malloc, free);
}

/* Runs call with the 1st, 2nd … allocation failing (then with all from there on) until it
 * succeeds; every failure must be -ENOMEM. The call frees what it makes. Gives the number
 * of allocations. */
static inline __attribute__((unused)) unsigned long
test_out_of_memory(int (*call)(void *), void *data)
{
    unsigned long points = 0;
    for (int persistent = 0; persistent <= 1; persistent++) {
        for (unsigned long n = 1;; n++) {
            posture_alloc_fail_at(n, persistent);
            int r = call(data);
            bool was_hit = posture_alloc_count() >= n;
            posture_alloc_fail_at(0, 0);
            if (r == 0 && (!was_hit || n > 100000))
                break;
            if (r != 0 && r != -12 /* ENOMEM */) {
                fprintf(stderr, "allocation %lu failed: got %d, want -ENOMEM\n", n, r);
                return 0;
            }
            points = n;
        }
    }
    return points;
}

#endif
