/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#ifndef POSTURE_CRITERIA_JUDGE_WORKER_H
#define POSTURE_CRITERIA_JUDGE_WORKER_H

#include "posture_criteria/criteria.h"

/*
 * The judge's I/O: tails every partition of the state (and of the evaluations, to know
 * what is said already), judges again where the profile is another or an instant has
 * passed, evaluates what has changed and publishes what is this centre's to publish.
 */
struct posture_judge_counters {
    uint64_t unreadable; /* records of the state that could not be read */
    uint64_t rejudged;
    uint64_t evaluations; /* published */
    uint64_t
        repairs; /* a lower record came after a higher: the higher was written again */
    uint64_t tombstones; /* retired records whose time is over */
};

int posture_judge_worker_new(struct posture_criteria *criteria,
                             struct posture_judge_worker **ret,
                             struct posture_error *reterr);
int posture_judge_worker_start(struct posture_judge_worker *judge,
                               struct posture_error *reterr);
/* The next offset to come of a partition of the state. */
int64_t posture_judge_worker_position(const struct posture_judge_worker *judge,
                                      int32_t partition);
/* For questions to the broker from a thread of the pool; borrowed until close. */
rd_kafka_t *posture_judge_worker_handle(struct posture_judge_worker *judge);
/* What is ours to publish has changed. */
void posture_judge_worker_owner_changed(struct posture_judge_worker *judge);
const struct posture_judge_counters *
posture_judge_worker_counters(struct posture_judge_worker *judge);
bool posture_judge_worker_is_caught_up(const struct posture_judge_worker *judge);
/* Another centre evaluates by another registry, catalogue or profile. */
bool posture_judge_worker_differs(const struct posture_judge_worker *judge);
void posture_judge_worker_close(struct posture_judge_worker *judge);
struct posture_judge_worker *
posture_judge_worker_free(struct posture_judge_worker *judge);

#endif
