/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#ifndef POSTURE_CRITERIA_OUTBOX_H
#define POSTURE_CRITERIA_OUTBOX_H

#include "common/kafka/producer.h"

/*
 * What the centre writes, in order, each entry kept until its delivery report: the gate's
 * state and rejected messages, with the place in the input that each stands for, and the
 * judge's evaluations. An entry leaves at the head, when it and all before it are done:
 * then, and not before, its input may be committed.
 */
struct posture_outbox;

enum posture_outbox_purpose {
    POSTURE_OUTBOX_STATE,
    POSTURE_OUTBOX_REJECTED,
    POSTURE_OUTBOX_EVALUATION,
    POSTURE_OUTBOX_REPAIR,
    POSTURE_OUTBOX_NOTHING, /* nothing to write: only the input's place in the order */
};

/* Where in the input it came from; partition -1: nowhere. */
struct posture_outbox_input {
    int32_t partition;
    uint32_t generation;
    int64_t offset;
};

struct posture_outbox_entry {
    enum posture_outbox_purpose purpose;
    const char *topic; /* with prefix; the owner's, outlives the outbox */
    struct posture_outbox_input input;
    /* Either message, whose strings and bytes are copied … */
    struct posture_message message;
    /* … or key and value of message with these headers as they are. */
    rd_kafka_headers_t *headers;
    bool is_done;
};

struct posture_outbox_ops {
    void (*on_left)(void *data, const struct posture_outbox_entry *entry);
    /* The broker can never take it. It counts as done when this returns; another entry
     * may be added for it. */
    void (*on_refused)(void *data, const struct posture_outbox_entry *entry,
                       const char *reason);
    void (*on_turn)(void *data); /* there may be room again */
    void (*on_log)(void *data, enum posture_producer_level level, const char *text);
};

int posture_outbox_new(uv_loop_t *loop, const struct posture_kafka_settings *settings,
                       const struct posture_kafka_secrets *secrets,
                       const struct posture_outbox_ops *ops, void *data,
                       struct posture_outbox **ret, struct posture_error *reterr);
/* Copies the entry and takes its headers (also on failure). -ENOMEM. */
int posture_outbox_add_take(struct posture_outbox *outbox,
                            struct posture_outbox_entry *entry);
/* Sends what there is room for. */
void posture_outbox_pump(struct posture_outbox *outbox);
/* More is waiting than is wise to read on; true again below half of it. */
bool posture_outbox_is_full(const struct posture_outbox *outbox);
bool posture_outbox_is_low(const struct posture_outbox *outbox);
void posture_outbox_stats(const struct posture_outbox *outbox,
                          struct posture_producer_stats *ret, uint64_t *ret_waiting);
/* Ends the producer (up to linger_ms for what is on its way), forgets what is left, calls
 * on_closed, frees itself. */
void posture_outbox_close(struct posture_outbox *outbox, uint64_t linger_ms,
                          void (*on_closed)(void *data));

#endif
