/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#ifndef POSTURE_KAFKA_WORKER_H
#define POSTURE_KAFKA_WORKER_H

#include "common/kafka/producer.h"
#include "common/net/worker.h"
#include "common/spool/server.h"
#include "posture_kafka/options.h"

/* State of worker kafka: one loop thread. The spool is filled by the server, emptied by
 * drain.c. */
struct kafka_worker {
    struct posture_worker *worker;
    const struct posture_kafka_options *options;
    struct posture_kafka_secrets secrets;
    char *secret_texts[4];         /* what secrets points to */
    struct posture_buf properties; /* librdkafka's, as text for the log */

    char reporter[254];
    char source[400];         /* ce_source */
    char heartbeat_key[1024]; /* "agency|reporter|reporter|reporter://NAME" */
    char topics[POSTURE_SPOOL_TOPIC_COUNT][POSTURE_KAFKA_TOPIC_MAX];

    struct posture_spool *spool;
    struct posture_spool_server *server; /* NULL until the host gave the socket */
    struct posture_producer *producer;
    uv_timer_t heartbeat_timer, stats_timer, commit_timer, listen_timer;
    bool is_stopping;

    bool is_heartbeat_due;
    bool is_dry;          /* every numbered record was handed out */
    bool has_spool_fault; /* said once until it is over */
    bool is_near_cap;
    int64_t started_ns;
    uint64_t refused_said;
    char last_error[512];
};

/* drain.c: from the spool to the producer. */
extern const struct posture_producer_ops kafka_producer_ops;
extern const struct posture_spool_server_ops kafka_server_ops;
/* A transaction soon, whether or not workers send anything. */
void kafka_commit_soon(struct kafka_worker *kafka);
/* One transaction now, without the server: at the end, or before there is a server. */
void kafka_commit_now(struct kafka_worker *kafka);

/* heartbeat.c. The heartbeat as a report; replaced_sequence 0: a real one; else a filler
 * at the number of a record that could not be sent. Owner: caller. */
int kafka_heartbeat_body(struct kafka_worker *kafka, const char *id, int64_t time_ns,
                         enum posture_spool_topic topic, uint64_t replaced_sequence,
                         char **ret_body, size_t *ret_len);
/* Within a transaction: puts a heartbeat into the spool. */
int kafka_heartbeat_add(struct kafka_worker *kafka);
/* The stats lines of one round, and notifications where something needs a person. */
void kafka_stats_send(struct kafka_worker *kafka);

#endif
