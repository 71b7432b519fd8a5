/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#ifndef POSTURE_CRITERIA_SOURCES_H
#define POSTURE_CRITERIA_SOURCES_H

#include "common/base/error.h"
#include "common/base/mem.h"

#include <stddef.h>
#include <stdint.h>

/*
 * Sequence numbers per (source, topic): contiguous within an epoch, so a number that
 * never comes means that something is held back. Counted, never a reason to refuse. The
 * first number seen after a start is where counting begins.
 */
struct posture_sources;
enum { POSTURE_SOURCES_MAX = 100000 };

struct posture_sources *posture_sources_new(void);
struct posture_sources *posture_sources_free(struct posture_sources *sources);
POSTURE_AUTO_DEFINE(struct posture_sources *, posture_sources_free)

struct posture_sources_seen {
    uint64_t missing;   /* numbers skipped by this message */
    int is_new_epoch;   /* later than the one known of that source */
    int is_not_tracked; /* too many sources, or no memory */
};
struct posture_sources_seen posture_sources_note(struct posture_sources *sources,
                                                 const char *source, const char *topic,
                                                 uint64_t epoch, uint64_t sequence);
/* Another centre may have read on meanwhile: begin anew. */
void posture_sources_clear(struct posture_sources *sources);

#endif
