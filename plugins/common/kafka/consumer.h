/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#ifndef POSTURE_KAFKA_CONSUMER_H
#define POSTURE_KAFKA_CONSUMER_H

#include "common/kafka/client.h"

#include <uv.h>

/*
 * A consumer in a libuv loop: in a group (group given, then posture_consumer_subscribe),
 * or reading partitions that its owner names (no group, posture_consumer_assign). Offsets
 * are stored and committed only when the owner says so. One thread.
 */
struct posture_consumer;

struct posture_consumer_ops {
    /* Group only: group.instance.id. A member that comes back under the name that it had
     * takes up its partitions at once, without a rebalance, even after SIGKILL. NULL: a
     * new member at every start. */
    const char *instance;
    /* One message; borrowed, valid during the call. */
    void (*on_message)(void *data, const rd_kafka_message_t *message);
    /* The end of a partition was reached for now: offset is the next to come. May be
     * NULL. */
    void (*on_eof)(void *data, const char *topic, int32_t partition, int64_t offset);
    /* After the last event of a turn: flush, commit. May be NULL. */
    void (*on_turn)(void *data);
    /* Group only. The partitions are assigned when on_assign returns: it may set their
     * offset and may pause them; on_revoke comes before they are given up: store what is
     * done. lost: another member may have them already, do not store. */
    void (*on_assign)(void *data, rd_kafka_topic_partition_list_t *partitions);
    void (*on_revoke)(void *data, const rd_kafka_topic_partition_list_t *partitions,
                      bool lost);
    /* One line; repeats are held back already. is_fault: the operator must act. */
    void (*on_log)(void *data, bool is_fault, const char *text);
    /* Answers to asynchronous requests made on posture_consumer_queue (watermarks,
     * DescribeConfigs, commits). May be NULL. */
    void (*on_event)(void *data, rd_kafka_event_t *event);
};

struct posture_consumer_stats {
    uint64_t messages, bytes;
    int64_t lag; /* as of the last statistics; -1 unknown */
    double rtt_ms;
    bool is_away;
};

int posture_consumer_new(uv_loop_t *loop, const struct posture_kafka_settings *settings,
                         const struct posture_kafka_secrets *secrets, const char *group,
                         const struct posture_consumer_ops *ops, void *data,
                         struct posture_consumer **ret, struct posture_error *reterr);
int posture_consumer_subscribe(struct posture_consumer *consumer,
                               const char *const *topics, size_t count,
                               struct posture_error *reterr);
int posture_consumer_assign(struct posture_consumer *consumer,
                            const rd_kafka_topic_partition_list_t *partitions,
                            struct posture_error *reterr);
/* The message is done: the offset behind it is what a commit will carry. */
int posture_consumer_store(struct posture_consumer *consumer, const char *topic,
                           int32_t partition, int64_t offset_done);
/* Commits what is stored; asynchronous; a failure is logged and tried again with the
 * next. */
void posture_consumer_commit(struct posture_consumer *consumer);
int posture_consumer_pause(struct posture_consumer *consumer, const char *topic,
                           int32_t partition, bool is_paused);
/* While held nothing is taken from the queue, neither messages nor rebalances: for as
 * long as what was taken finds no room. Cheaper than a pause, which throws away what was
 * fetched. Held beyond max.poll.interval.ms (300 s) the member loses its partitions. */
void posture_consumer_hold(struct posture_consumer *consumer, bool is_held);
void posture_consumer_stats(const struct posture_consumer *consumer,
                            struct posture_consumer_stats *ret);
/* For metadata and admin requests; borrowed until close. */
rd_kafka_t *posture_consumer_handle(struct posture_consumer *consumer);
/* A reference to the queue that is served; for requests whose answer goes to on_event.
 * Destroy after use. */
rd_kafka_queue_t *posture_consumer_queue(struct posture_consumer *consumer);
/* Leaves the group (on_revoke comes), commits what is stored, ends librdkafka, calls
 * on_closed (may be NULL), frees itself when the loop has closed its handles. */
void posture_consumer_close(struct posture_consumer *consumer,
                            void (*on_closed)(void *data));

#endif
