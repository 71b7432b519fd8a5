/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#ifndef POSTURE_CRITERIA_TOPIC_CHECK_H
#define POSTURE_CRITERIA_TOPIC_CHECK_H

#include "common/base/error.h"

#include <librdkafka/rdkafka.h>
#include <stdint.h>

/*
 * What the topics must be before anything is consumed (DESIGN section 3): they exist;
 * ingest and state have one and the same number of partitions; their timestamps are the
 * broker's. Asks the broker and waits for the answers: to be run on a thread of the pool.
 */
struct posture_topic_names {
    const char *reports;
    const char *state;
    const char *rejected;
    const char *evaluations;
};
struct posture_topic_counts {
    int32_t partitions; /* of ingest and state */
    int32_t evaluations;
    int is_state_compacted; /* 0: it works, but grows without end */
};
/* POSTURE_E_DEADLINE: no answer; POSTURE_E_MISSING: a topic; POSTURE_E_DENIED: what it
 * must be it is not, or may not be read. The text says what to do. */
int posture_topic_check(rd_kafka_t *rk, const struct posture_topic_names *names,
                        int timeout_ms, struct posture_topic_counts *ret,
                        struct posture_error *reterr);

#endif
