/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#ifndef POSTURE_CRITERIA_FETCHER_H
#define POSTURE_CRITERIA_FETCHER_H

#include "common/kafka/consumer.h"

/*
 * Fetches single records of the state topic by partition and offset, in order of offset,
 * on a consumer of its own. What compaction has removed meanwhile is silently not there:
 * its successor comes by the tail.
 */
struct posture_fetcher;

struct posture_fetcher_ops {
    void (*on_record)(void *data, const rd_kafka_message_t *message);
    void (*on_log)(void *data, bool is_fault, const char *text);
};

int posture_fetcher_new(uv_loop_t *loop, const struct posture_kafka_settings *settings,
                        const struct posture_kafka_secrets *secrets, const char *topic,
                        const struct posture_fetcher_ops *ops, void *data,
                        struct posture_fetcher **ret, struct posture_error *reterr);
/* -ENOMEM. The same offset twice is fetched once. */
int posture_fetcher_want(struct posture_fetcher *fetcher, int32_t partition,
                         int64_t offset);
/* Starts on what is wanted, if it is not at work already. */
void posture_fetcher_go(struct posture_fetcher *fetcher);
size_t posture_fetcher_waiting(const struct posture_fetcher *fetcher);
void posture_fetcher_close(struct posture_fetcher *fetcher,
                           void (*on_closed)(void *data));

#endif
