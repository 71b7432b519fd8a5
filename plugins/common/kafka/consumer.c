/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#include "common/kafka/consumer.h"

#include "common/base/clock.h"
#include "common/kafka/loop.h"
#include "common/kafka/statistics.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>

enum {
    POLL_MS = 1000, /* well within max.poll.interval.ms */
    CLOSE_STEP_MS = 20,
    CLOSE_MAX_MS = 3000, /* a dead coordinator must not hold up the end */
    REPEAT_S = 600,
    STATISTICS_MS = 10000,
};

struct posture_consumer {
    struct posture_consumer_ops ops;
    void *data;
    rd_kafka_t *rk;
    struct posture_kafka_watch *watch;
    uv_timer_t timer;
    bool is_group;
    bool is_closing;
    int64_t close_until_ns;
    void (*on_closed)(void *data);
    rd_kafka_resp_err_t said;
    int64_t said_ns;
    struct posture_consumer_stats stats;
};

static void consumer_say(struct posture_consumer *consumer, bool is_fault,
                         rd_kafka_resp_err_t err, const char *what, const char *reason)
{
    int64_t now = posture_monotonic_ns();
    if (err && consumer->said == err &&
        now - consumer->said_ns < REPEAT_S * POSTURE_NS_PER_S)
        return;
    consumer->said = err;
    consumer->said_ns = now;
    char text[512];
    snprintf(text, sizeof(text), "%s%s%s", what, reason ? ": " : "",
             reason ? reason : "");
    if (consumer->ops.on_log)
        consumer->ops.on_log(consumer->data, is_fault, text);
}

static void message_handle(struct posture_consumer *consumer,
                           const rd_kafka_message_t *message)
{
    switch (message->err) {
    case RD_KAFKA_RESP_ERR_NO_ERROR:
        consumer->stats.messages++;
        consumer->stats.bytes += message->len;
        if (consumer->stats.is_away) {
            consumer->stats.is_away = false;
            consumer_say(consumer, false, RD_KAFKA_RESP_ERR_NO_ERROR,
                         "brokers answer again", NULL);
        }
        consumer->ops.on_message(consumer->data, message);
        break;
    case RD_KAFKA_RESP_ERR__PARTITION_EOF:
        if (consumer->ops.on_eof)
            consumer->ops.on_eof(consumer->data, rd_kafka_topic_name(message->rkt),
                                 message->partition, message->offset);
        break;
    default:
        /* librdkafka goes on by itself; what it cannot mend the operator must. */
        consumer_say(consumer, true, message->err,
                     message->rkt ? rd_kafka_topic_name(message->rkt) : "consumer",
                     rd_kafka_message_errstr(message));
        break;
    }
}

void posture_consumer_commit(struct posture_consumer *consumer)
{
    if (consumer->is_group)
        rd_kafka_commit(consumer->rk, NULL, /* async = */ 1);
}

static void rebalance_handle(struct posture_consumer *consumer, rd_kafka_event_t *event)
{
    rd_kafka_topic_partition_list_t *partitions =
        rd_kafka_event_topic_partition_list(event);

    if (rd_kafka_event_error(event) == RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS) {
        if (consumer->is_closing) {
            rd_kafka_assign(consumer->rk, NULL);
            return;
        }
        rd_kafka_assign(consumer->rk, partitions);
        if (consumer->ops.on_assign)
            consumer->ops.on_assign(consumer->data, partitions);
        return;
    }
    if (consumer->ops.on_revoke)
        consumer->ops.on_revoke(consumer->data, partitions,
                                rd_kafka_assignment_lost(consumer->rk));
    posture_consumer_commit(consumer);
    rd_kafka_assign(consumer->rk, NULL);
}

/* As an event the end of a partition is an error; as a message it would be one of
 * message_handle's. */
static void eof_handle(struct posture_consumer *consumer, rd_kafka_event_t *event)
{
    rd_kafka_topic_partition_t *place = rd_kafka_event_topic_partition(event);
    if (place && consumer->ops.on_eof)
        consumer->ops.on_eof(consumer->data, place->topic, place->partition,
                             place->offset);
    if (place)
        rd_kafka_topic_partition_destroy(place);
}

static void error_handle(struct posture_consumer *consumer, rd_kafka_event_t *event)
{
    rd_kafka_resp_err_t err = rd_kafka_event_error(event);
    const char *text = rd_kafka_event_error_string(event);

    switch (err) {
    case RD_KAFKA_RESP_ERR__PARTITION_EOF:
        eof_handle(consumer, event);
        break;
    case RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN:
        if (!consumer->stats.is_away)
            consumer_say(consumer, false, RD_KAFKA_RESP_ERR_NO_ERROR, "no broker answers",
                         text);
        consumer->stats.is_away = true;
        break;
    case RD_KAFKA_RESP_ERR__TRANSPORT:
    case RD_KAFKA_RESP_ERR__TIMED_OUT:
        break; /* passing; ALL_BROKERS_DOWN says when it is serious */
    default:
        consumer_say(consumer, true, err, "the broker cannot be used", text);
        break;
    }
}

static void event_cb(void *data, rd_kafka_event_t *event)
{
    struct posture_consumer *consumer = data;
    const rd_kafka_message_t *message;
    struct posture_kafka_statistics statistics;

    switch (rd_kafka_event_type(event)) {
    case RD_KAFKA_EVENT_FETCH:
        while ((message = rd_kafka_event_message_next(event)))
            message_handle(consumer, message);
        break;
    case RD_KAFKA_EVENT_REBALANCE:
        rebalance_handle(consumer, event);
        break;
    case RD_KAFKA_EVENT_ERROR:
        error_handle(consumer, event);
        break;
    case RD_KAFKA_EVENT_STATS:
        if (posture_kafka_statistics_read(rd_kafka_event_stats(event), &statistics) ==
            0) {
            consumer->stats.rtt_ms = statistics.rtt_ms;
            consumer->stats.lag = statistics.lag;
        }
        break;
    case RD_KAFKA_EVENT_LOG:
        break; /* failures come as error events too */
    case RD_KAFKA_EVENT_OFFSET_COMMIT:
        if (rd_kafka_event_error(event) &&
            rd_kafka_event_error(event) != RD_KAFKA_RESP_ERR__NO_OFFSET)
            consumer_say(consumer, false, rd_kafka_event_error(event), "offset commit",
                         rd_kafka_event_error_string(event));
        break;
    default:
        if (consumer->ops.on_event)
            consumer->ops.on_event(consumer->data, event);
        break;
    }
}

static void turn_cb(void *data)
{
    struct posture_consumer *consumer = data;
    if (consumer->ops.on_turn)
        consumer->ops.on_turn(consumer->data);
}

static void handle_closed_cb(uv_handle_t *handle)
{
    free(handle->data);
}

static void timer_cb(uv_timer_t *timer)
{
    struct posture_consumer *consumer = timer->data;

    if (!consumer->is_closing) {
        posture_kafka_watch_poke(consumer->watch);
        return;
    }
    posture_kafka_watch_poke(consumer->watch);
    if (!rd_kafka_consumer_closed(consumer->rk) &&
        posture_monotonic_ns() < consumer->close_until_ns)
        return;
    posture_kafka_watch_close(POSTURE_TAKE(consumer->watch));
    rd_kafka_destroy_flags(POSTURE_TAKE(consumer->rk),
                           RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE);
    if (consumer->on_closed)
        consumer->on_closed(consumer->data);
    uv_close((uv_handle_t *)timer, handle_closed_cb);
}

int posture_consumer_new(uv_loop_t *loop, const struct posture_kafka_settings *settings,
                         const struct posture_kafka_secrets *secrets, const char *group,
                         const struct posture_consumer_ops *ops, void *data,
                         struct posture_consumer **ret, struct posture_error *reterr)
{
    rd_kafka_conf_t *conf = NULL;
    char errstr[256], number[16];

    struct posture_consumer *consumer = posture_calloc(1, sizeof(*consumer));
    if (!consumer)
        return posture_error_set(reterr, -ENOMEM, "out of memory");
    int r = posture_kafka_conf(settings, secrets, /* is_producer = */ false, &conf, NULL,
                               reterr);
    if (r < 0) {
        free(consumer);
        return r;
    }
    /* librdkafka wants a group id even where no group is used. */
    rd_kafka_conf_set(conf, "group.id", group ? group : "posture", NULL, 0);
    if (group && ops->instance)
        rd_kafka_conf_set(conf, "group.instance.id", ops->instance, NULL, 0);
    rd_kafka_conf_set(conf, "log.queue", "true", NULL, 0);
    snprintf(number, sizeof(number), "%d", STATISTICS_MS);
    rd_kafka_conf_set(conf, "statistics.interval.ms", number, NULL, 0);
    rd_kafka_conf_set_events(conf, RD_KAFKA_EVENT_FETCH | RD_KAFKA_EVENT_REBALANCE |
                                       RD_KAFKA_EVENT_ERROR | RD_KAFKA_EVENT_STATS |
                                       RD_KAFKA_EVENT_LOG | RD_KAFKA_EVENT_OFFSET_COMMIT);
    consumer->rk = rd_kafka_new(RD_KAFKA_CONSUMER, conf, errstr, sizeof(errstr));
    if (!consumer->rk) {
        rd_kafka_conf_destroy(conf);
        free(consumer);
        return posture_error_set(reterr, POSTURE_E_OPTION, "%s", errstr);
    }
    rd_kafka_set_log_queue(consumer->rk, NULL);
    rd_kafka_poll_set_consumer(consumer->rk);
    consumer->ops = *ops;
    consumer->data = data;
    consumer->is_group = group != NULL;
    consumer->stats.lag = -1;
    consumer->stats.rtt_ms = (double)NAN;
    r = posture_kafka_watch_new_take(loop, rd_kafka_queue_get_consumer(consumer->rk),
                                     event_cb, turn_cb, consumer, &consumer->watch);
    if (r < 0) {
        rd_kafka_destroy_flags(consumer->rk, RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE);
        free(consumer);
        return posture_error_set(reterr, r, "event queue: %s", posture_strerror(r));
    }
    uv_timer_init(loop, &consumer->timer);
    consumer->timer.data = consumer;
    uv_timer_start(&consumer->timer, timer_cb, POLL_MS, POLL_MS);
    *ret = consumer;
    return 0;
}

static int result(rd_kafka_resp_err_t err, struct posture_error *reterr)
{
    return err ? posture_error_set(reterr, POSTURE_E_PROTOCOL, "%s",
                                   rd_kafka_err2str(err))
               : 0;
}

int posture_consumer_subscribe(struct posture_consumer *consumer,
                               const char *const *topics, size_t count,
                               struct posture_error *reterr)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new((int)count);
    for (size_t i = 0; i < count; i++)
        rd_kafka_topic_partition_list_add(list, topics[i], RD_KAFKA_PARTITION_UA);
    rd_kafka_resp_err_t err = rd_kafka_subscribe(consumer->rk, list);
    rd_kafka_topic_partition_list_destroy(list);
    return result(err, reterr);
}

int posture_consumer_assign(struct posture_consumer *consumer,
                            const rd_kafka_topic_partition_list_t *partitions,
                            struct posture_error *reterr)
{
    return result(rd_kafka_assign(consumer->rk, partitions), reterr);
}

static rd_kafka_resp_err_t one_partition(
    rd_kafka_t *rk, const char *topic, int32_t partition, int64_t offset,
    rd_kafka_resp_err_t (*call)(rd_kafka_t *, rd_kafka_topic_partition_list_t *))
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(list, topic, partition)->offset = offset;
    rd_kafka_resp_err_t err = call(rk, list);
    rd_kafka_topic_partition_list_destroy(list);
    return err;
}

int posture_consumer_store(struct posture_consumer *consumer, const char *topic,
                           int32_t partition, int64_t offset_done)
{
    return result(one_partition(consumer->rk, topic, partition, offset_done + 1,
                                rd_kafka_offsets_store),
                  NULL);
}

int posture_consumer_pause(struct posture_consumer *consumer, const char *topic,
                           int32_t partition, bool is_paused)
{
    return result(
        one_partition(consumer->rk, topic, partition, RD_KAFKA_OFFSET_INVALID,
                      is_paused ? rd_kafka_pause_partitions : rd_kafka_resume_partitions),
        NULL);
}

void posture_consumer_hold(struct posture_consumer *consumer, bool is_held)
{
    if (consumer->watch && !consumer->is_closing)
        posture_kafka_watch_hold(consumer->watch, is_held);
}

void posture_consumer_stats(const struct posture_consumer *consumer,
                            struct posture_consumer_stats *ret)
{
    *ret = consumer->stats;
}

rd_kafka_t *posture_consumer_handle(struct posture_consumer *consumer)
{
    return consumer->rk;
}

rd_kafka_queue_t *posture_consumer_queue(struct posture_consumer *consumer)
{
    return rd_kafka_queue_get_consumer(consumer->rk);
}

void posture_consumer_close(struct posture_consumer *consumer,
                            void (*on_closed)(void *data))
{
    if (!consumer || consumer->is_closing)
        return;
    posture_kafka_watch_hold(consumer->watch, false);
    consumer->is_closing = true;
    consumer->on_closed = on_closed;
    consumer->close_until_ns = posture_monotonic_ns() + CLOSE_MAX_MS * POSTURE_NS_PER_MS;
    if (consumer->is_group)
        rd_kafka_commit(consumer->rk, NULL, /* async = */ 1);
    rd_kafka_queue_t *queue = rd_kafka_queue_get_consumer(consumer->rk);
    rd_kafka_error_destroy(rd_kafka_consumer_close_queue(consumer->rk, queue));
    rd_kafka_queue_destroy(queue);
    uv_timer_start(&consumer->timer, timer_cb, 0, CLOSE_STEP_MS);
}
