/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#ifndef POSTURE_KAFKA_PRODUCER_H
#define POSTURE_KAFKA_PRODUCER_H

#include "common/kafka/client.h"

#include <uv.h>

/*
 * An idempotent producer in a libuv loop. It keeps little in memory; who owns the
 * messages keeps them until their delivery report. It heals itself: after a fatal error,
 * or an error that librdkafka will not retry, it waits (growing pauses), starts a new
 * librdkafka producer, and says so; everything without a final report is then sent again
 * by the owner, in order. One thread.
 */
struct posture_producer;

enum posture_delivery {
    POSTURE_DELIVERY_DONE,    /* the in-sync replicas have it */
    POSTURE_DELIVERY_REFUSED, /* the broker can never take it: reason */
    POSTURE_DELIVERY_LOST, /* given up by this librdkafka producer; on_restart follows */
};

enum posture_producer_level {
    POSTURE_PRODUCER_WARNING,
    POSTURE_PRODUCER_NOTICE,
    POSTURE_PRODUCER_DEBUG, /* librdkafka's own lines; only with Property "debug" */
};

struct posture_producer_ops {
    /* One message's fate; several come in one turn. */
    void (*on_delivery)(void *data, int64_t id, enum posture_delivery delivery,
                        const char *reason);
    /* After the last report of a turn: commit; there may be room again. May be NULL. */
    void (*on_turn)(void *data);
    /* Send again what has neither DONE nor REFUSED, in its first order. */
    void (*on_restart)(void *data);
    /* One line; repeats are held back already. */
    void (*on_log)(void *data, enum posture_producer_level level, const char *text);
};

struct posture_producer_stats {
    uint64_t sent, delivered, refused, lost, restarts, reconnects;
    uint64_t in_flight; /* messages without a report yet */
    uint64_t in_flight_bytes;
    double rtt_ms;         /* average to the brokers in the last 10 s; NaN when unknown */
    bool is_away;          /* no broker answers */
    int64_t away_since_ns; /* monotonic */
};

/* conf_tweak (may be NULL) may change the configuration of each librdkafka producer
 * before it starts: tests inject faults there. settings and secrets are borrowed and must
 * outlive the producer. The threads of librdkafka start here: after the fork, in the
 * worker. */
int posture_producer_new(uv_loop_t *loop, const struct posture_kafka_settings *settings,
                         const struct posture_kafka_secrets *secrets,
                         const struct posture_producer_ops *ops, void *data,
                         void (*conf_tweak)(rd_kafka_conf_t *conf, void *data),
                         struct posture_producer **ret, struct posture_error *reterr);

/* True when a message of the largest size would be taken now. */
bool posture_producer_has_room(const struct posture_producer *producer);
/*
 * Hands one message over (copied); its report comes with id (>= 0). 0; POSTURE_E_BUSY:
 * not now, on_turn or on_restart will come; POSTURE_E_LIMIT: it is over message.max.bytes
 * and can never be sent, no report follows; -ENOMEM.
 */
int posture_producer_send(struct posture_producer *producer, const char *topic,
                          const struct posture_message *message, int64_t id);
/* The same for a message whose headers are not ours to make (rejected, sent unchanged).
 * headers are taken (also on failure); may be NULL. */
int posture_producer_send_raw_take(struct posture_producer *producer, const char *topic,
                                   const void *key, size_t key_len, const void *value,
                                   size_t value_len, rd_kafka_headers_t *headers,
                                   int64_t id);
/* A new librdkafka producer after a pause, as after a failure: on_restart follows. For an
 * owner that could not send what it had taken from its store. */
void posture_producer_restart(struct posture_producer *producer, const char *reason);
void posture_producer_stats(const struct posture_producer *producer,
                            struct posture_producer_stats *ret);
/* The librdkafka handle of now, for metadata; NULL while it is being replaced. Borrowed
 * until the next turn of the loop. */
rd_kafka_t *posture_producer_handle(const struct posture_producer *producer);
/* Takes no more; waits up to linger_ms for what is in flight (not at all while the
 * brokers are away), reporting it as it comes; then ends librdkafka, calls on_closed (may
 * be NULL) and frees itself when the loop has closed its handles. */
void posture_producer_close(struct posture_producer *producer, uint64_t linger_ms,
                            void (*on_closed)(void *data));

#endif
