/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */

/* From the spool to the broker. A record leaves the spool on its delivery report and not
 * before; whatever ends a producer, everything without a report is handed out again with
 * the numbers that it had. */

#include "posture_kafka/worker.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum { ASSIGN_MAX = 4000 }; /* numbers given in one transaction */

/* The heartbeat of now at the number of a record that could not be sent. */
static int filler_send(struct kafka_worker *kafka,
                       const struct posture_spool_record *record)
{
    POSTURE_AUTO_FREE char *body = NULL;
    char ce_id[POSTURE_SPOOL_NAME_MAX];
    size_t len = 0;
    enum posture_spool_topic topic = record->entry.topic;
    int64_t id = record->id, time_ns = record->entry.time_ns;

    /* The body asks the spool for what it replaces: the record's strings end with that.
     */
    snprintf(ce_id, sizeof(ce_id), "%s", record->entry.ce_id);
    POSTURE_TRY(kafka_heartbeat_body(kafka, ce_id, time_ns, topic, record->sequence,
                                     &body, &len));
    const struct posture_message message = {
        .ce_type = "posture.heartbeat.v1",
        .ce_source = kafka->source,
        .ce_id = ce_id,
        .ce_time_ns = time_ns,
        .epoch = record->epoch,
        .sequence = record->sequence,
        .key = kafka->heartbeat_key,
        .key_len = strlen(kafka->heartbeat_key),
        .value = body,
        .value_len = len,
    };
    return posture_producer_send(kafka->producer, kafka->topics[topic], &message, id);
}

static int entry_send(struct kafka_worker *kafka,
                      const struct posture_spool_record *record)
{
    const struct posture_spool_entry *entry = &record->entry;
    const struct posture_message message = {
        .ce_type = entry->ce_type,
        .ce_source = kafka->source,
        .ce_id = entry->ce_id,
        .ce_time_ns = entry->time_ns,
        .epoch = record->epoch,
        .sequence = record->sequence,
        .key = entry->key,
        .key_len = strlen(entry->key),
        .value = entry->body,
        .value_len = entry->body_len,
        /* .signature: made here once agencies have keys */
    };
    return posture_producer_send(kafka->producer, kafka->topics[entry->topic], &message,
                                 record->id);
}

static void record_send(struct kafka_worker *kafka,
                        const struct posture_spool_record *record)
{
    int64_t id = record->id;
    int r = record->is_filler ? filler_send(kafka, record) : entry_send(kafka, record);

    if (r == POSTURE_E_LIMIT)
        posture_spool_refused(kafka->spool, id, "larger than message.max.bytes");
    else if (r < 0 && r != POSTURE_E_BUSY)
        /* It was handed out and not sent; a rewind keeps the order. BUSY rewinds by
         * itself. */
        posture_producer_restart(kafka->producer, posture_strerror(r));
}

static void records_send(struct kafka_worker *kafka)
{
    struct posture_spool_record record;

    kafka->is_dry = false;
    while (kafka->producer && !kafka->is_stopping &&
           posture_producer_has_room(kafka->producer)) {
        int r = posture_spool_next(kafka->spool, &record);
        if (r <= 0) {
            kafka->is_dry = r == 0;
            break;
        }
        record_send(kafka, &record);
    }
    /* Filler of a record that the producer refused at once, or numbers for what still
     * waits. */
    struct posture_spool_stats stats;
    posture_spool_stats(kafka->spool, &stats);
    if (kafka->is_dry && stats.unassigned > 0)
        kafka_commit_soon(kafka);
}

static void on_delivery(void *data, int64_t id, enum posture_delivery delivery,
                        const char *reason)
{
    struct kafka_worker *kafka = data;

    /* -ENOENT: the spool was opened anew meanwhile; the record comes again. */
    if (delivery == POSTURE_DELIVERY_DONE)
        posture_spool_delivered(kafka->spool, id);
    else if (delivery == POSTURE_DELIVERY_REFUSED)
        posture_spool_refused(kafka->spool, id, reason);
}

static void on_turn(void *data)
{
    struct kafka_worker *kafka = data;
    records_send(kafka);
    kafka_commit_soon(kafka);
}

static void on_restart(void *data)
{
    struct kafka_worker *kafka = data;
    posture_spool_rewind(kafka->spool);
    records_send(kafka);
}

static void on_log(void *data, enum posture_producer_level level, const char *text)
{
    struct kafka_worker *kafka = data;
    static const enum posture_log_level levels[] = {
        [POSTURE_PRODUCER_WARNING] = POSTURE_LOG_WARNING,
        [POSTURE_PRODUCER_NOTICE] = POSTURE_LOG_NOTICE,
        [POSTURE_PRODUCER_DEBUG] = POSTURE_LOG_DEBUG,
    };
    posture_worker_log(kafka->worker, levels[level], "%s", text);
    if (level == POSTURE_PRODUCER_WARNING)
        snprintf(kafka->last_error, sizeof(kafka->last_error), "%s", text);
}

const struct posture_producer_ops kafka_producer_ops = {
    .on_delivery = on_delivery,
    .on_turn = on_turn,
    .on_restart = on_restart,
    .on_log = on_log,
};

static int in_transaction(void *data)
{
    struct kafka_worker *kafka = data;

    if (kafka->is_heartbeat_due) {
        int r = kafka_heartbeat_add(kafka);
        /* A full spool refuses a heartbeat as it refuses any other: no reason to roll
         * back. */
        if (r < 0 && r != POSTURE_E_BUSY && r != POSTURE_E_LIMIT)
            return r;
        kafka->is_heartbeat_due = false;
    }
    if (kafka->is_dry && !kafka->is_stopping)
        POSTURE_TRY(posture_spool_assign(kafka->spool, ASSIGN_MAX));
    return 0;
}

static void after_commit(void *data, size_t accepted)
{
    struct kafka_worker *kafka = data;
    (void)accepted;

    if (kafka->has_spool_fault)
        posture_worker_log(kafka->worker, POSTURE_LOG_NOTICE, "spool '%s': works again",
                           kafka->options->spool_dir);
    kafka->has_spool_fault = false;
    records_send(kafka);
}

static void failed(void *data, int r, const char *text)
{
    struct kafka_worker *kafka = data;

    if (kafka->has_spool_fault)
        return;
    kafka->has_spool_fault = true;
    posture_worker_log(kafka->worker, POSTURE_LOG_ERROR,
                       "spool '%s': nothing is accepted until it works again: %s",
                       kafka->options->spool_dir, text ? text : posture_strerror(r));
    snprintf(kafka->last_error, sizeof(kafka->last_error), "spool: %s",
             text ? text : posture_strerror(r));
}

static void peer_refused(void *data, const char *text)
{
    struct kafka_worker *kafka = data;
    posture_worker_log(kafka->worker, POSTURE_LOG_WARNING, "spool socket: %s", text);
}

const struct posture_spool_server_ops kafka_server_ops = {
    .in_transaction = in_transaction,
    .after_commit = after_commit,
    .failed = failed,
    .peer_refused = peer_refused,
};

void kafka_commit_now(struct kafka_worker *kafka)
{
    struct posture_error error = {0};
    int r = posture_spool_begin(kafka->spool);
    if (r == 0) {
        r = in_transaction(kafka);
        if (r < 0)
            posture_spool_rollback(kafka->spool);
        else
            r = posture_spool_commit(kafka->spool, &error);
    }
    if (r < 0)
        failed(kafka, r, error.text[0] ? error.text : NULL);
    else
        after_commit(kafka, 0);
}

static void commit_cb(uv_timer_t *timer)
{
    kafka_commit_now(timer->data);
}

void kafka_commit_soon(struct kafka_worker *kafka)
{
    if (kafka->server)
        posture_spool_server_request_commit(kafka->server);
    else if (!uv_is_closing((uv_handle_t *)&kafka->commit_timer))
        uv_timer_start(&kafka->commit_timer, commit_cb, 0, 0);
}
