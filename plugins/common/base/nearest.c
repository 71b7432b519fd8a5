/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#include "common/base/nearest.h"

#include <stdbool.h>
#include <string.h>
#include <strings.h>

enum { NAME_COMPARE_MAX = 64 };

static bool is_same(char a, char b)
{
    return strncasecmp(&a, &b, 1) == 0;
}

/* Edits between two names (letters put in, left out, changed, or two neighbours swapped),
 * letters' case aside; only as good as a hint needs. */
static size_t name_distance(const char *a, const char *b)
{
    size_t la = strlen(a), lb = strlen(b);
    if (la > NAME_COMPARE_MAX || lb > NAME_COMPARE_MAX)
        return NAME_COMPARE_MAX;
    size_t rows[3][NAME_COMPARE_MAX + 1];
    size_t *before = rows[0], *above = rows[1], *row = rows[2];
    for (size_t j = 0; j <= lb; j++)
        above[j] = before[j] = j;
    for (size_t i = 1; i <= la; i++) {
        row[0] = i;
        for (size_t j = 1; j <= lb; j++) {
            size_t best = above[j - 1] + (is_same(a[i - 1], b[j - 1]) ? 0 : 1);
            best = above[j] + 1 < best ? above[j] + 1 : best;
            best = row[j - 1] + 1 < best ? row[j - 1] + 1 : best;
            bool is_swap = i > 1 && j > 1 && is_same(a[i - 1], b[j - 2]) &&
                           is_same(a[i - 2], b[j - 1]);
            if (is_swap && before[j - 2] + 1 < best)
                best = before[j - 2] + 1;
            row[j] = best;
        }
        size_t *free_row = before;
        before = above;
        above = row;
        row = free_row;
    }
    return above[lb];
}

void posture_nearest_try(struct posture_nearest *nearest, const char *wanted,
                         const char *candidate)
{
    size_t distance = name_distance(wanted, candidate);
    size_t longest =
        strlen(wanted) > strlen(candidate) ? strlen(wanted) : strlen(candidate);
    if (distance <= (longest + 2) / 3 &&
        (!nearest->name || distance < nearest->distance)) {
        nearest->name = candidate;
        nearest->distance = distance;
    }
}
