/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#include "common/kafka/producer.h"

#include "common/base/clock.h"
#include "common/kafka/loop.h"
#include "common/kafka/producer_conf.h"
#include "common/kafka/statistics.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

enum {
    TOPICS_MAX = 16,
    PAUSE_FIRST_MS = 250,
    PAUSE_LAST_MS = 60000,
    SETTLE_MS =
        5000, /* how long a failing producer may still report what is on the wire */
    SETTLE_STEP_MS = 50,
    MESSAGE_ROOM = 300 * 1024, /* a report of the largest size, key and headers */
    BATCH_SIZE_MIN = 16 * 1024,
    REPEAT_S = 600, /* the same fault is said again after this */
};

enum producer_state {
    STATE_RUNNING,
    STATE_SETTLING, /* failed or to be replaced: nothing new; wait for reports on their
                       way */
    STATE_PAUSED,   /* no librdkafka producer; the timer starts the next */
    STATE_CLOSING,
};

struct posture_producer {
    const struct posture_kafka_settings *settings;
    const struct posture_kafka_secrets *secrets;
    struct posture_producer_ops ops;
    void *data;
    void (*conf_tweak)(rd_kafka_conf_t *conf, void *data);
    uv_loop_t *loop;
    uv_timer_t timer;

    rd_kafka_t *rk;
    struct posture_kafka_watch *watch;
    struct {
        char *name;
        rd_kafka_topic_t *handle;
    } topics[TOPICS_MAX];
    size_t topic_count;

    enum producer_state state;
    int64_t settle_until_ns;
    uint64_t pause_ms;
    int64_t failed_ns; /* 0: never */
    void (*on_closed)(void *data);

    /*
     * A broker judges a batch, not a message: one that is too large or invalid takes its
     * neighbours down with it. So a refusal is believed only from batches of one message:
     * careful_left counts the messages that must still pass that way.
     */
    uint64_t careful_left;
    bool is_careful;
    bool has_refused; /* since careful began */
    int batch_size;   /* 0: as configured */

    rd_kafka_resp_err_t said;
    int64_t said_ns;
    char away_reason[256];
    uint64_t disconnects_before; /* of librdkafka producers that ended */
    uint64_t disconnects;
    struct posture_producer_stats stats;
};

static void producer_say(struct posture_producer *producer,
                         enum posture_producer_level level, const char *text)
{
    if (producer->ops.on_log)
        producer->ops.on_log(producer->data, level, text);
}

/* Says a fault once, and again after REPEAT_S. */
static void producer_say_fault(struct posture_producer *producer, rd_kafka_resp_err_t err,
                               const char *what, const char *reason)
{
    int64_t now = posture_monotonic_ns();
    if (producer->said == err && now - producer->said_ns < REPEAT_S * POSTURE_NS_PER_S)
        return;
    producer->said = err;
    producer->said_ns = now;
    char text[512];
    snprintf(text, sizeof(text), "%s: %s", what, reason);
    producer_say(producer, POSTURE_PRODUCER_WARNING, text);
}

static void producer_is_back(struct posture_producer *producer)
{
    if (!producer->stats.is_away)
        return;
    char text[128];
    producer->stats.is_away = false;
    producer->said = RD_KAFKA_RESP_ERR_NO_ERROR;
    snprintf(text, sizeof(text), "brokers answer again after %.1f s",
             (double)(posture_monotonic_ns() - producer->stats.away_since_ns) /
                 (double)POSTURE_NS_PER_S);
    producer_say(producer, POSTURE_PRODUCER_NOTICE, text);
}

static void producer_is_away(struct posture_producer *producer)
{
    if (producer->stats.is_away)
        return;
    char text[512];
    producer->stats.is_away = true;
    producer->stats.away_since_ns = posture_monotonic_ns();
    snprintf(text, sizeof(text), "no broker answers, the spool keeps what comes: %s",
             producer->away_reason[0] ? producer->away_reason : "connection failed");
    producer_say(producer, POSTURE_PRODUCER_WARNING, text);
}

/* Refused for good: the message itself is at fault, not the state of the cluster or our
 * rights. */
static bool error_is_permanent(rd_kafka_resp_err_t err)
{
    return err == RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE ||
           err == RD_KAFKA_RESP_ERR_INVALID_MSG_SIZE ||
           err == RD_KAFKA_RESP_ERR_RECORD_LIST_TOO_LARGE ||
           err == RD_KAFKA_RESP_ERR_INVALID_RECORD || err == RD_KAFKA_RESP_ERR__BAD_MSG;
}

static void topics_forget(struct posture_producer *producer)
{
    for (size_t i = 0; i < producer->topic_count; i++) {
        rd_kafka_topic_destroy(producer->topics[i].handle);
        free(producer->topics[i].name);
    }
    producer->topic_count = 0;
}

/* Ends the librdkafka producer; what it still held has no report and never will. */
static void producer_end(struct posture_producer *producer)
{
    if (!producer->rk)
        return;
    posture_kafka_watch_close(POSTURE_TAKE(producer->watch));
    topics_forget(producer);
    rd_kafka_destroy(POSTURE_TAKE(producer->rk));
    producer->stats.lost += producer->stats.in_flight;
    producer->stats.in_flight = 0;
    producer->stats.in_flight_bytes = 0;
    producer->disconnects_before += producer->disconnects;
    producer->disconnects = 0;
}

static void timer_cb(uv_timer_t *timer);

static void producer_settle(struct posture_producer *producer, int purge)
{
    if (producer->state != STATE_RUNNING)
        return;
    producer->state = STATE_SETTLING;
    producer->settle_until_ns = posture_monotonic_ns() + SETTLE_MS * POSTURE_NS_PER_MS;
    if (purge)
        rd_kafka_purge(producer->rk, purge);
    uv_timer_start(&producer->timer, timer_cb, SETTLE_STEP_MS, 0);
}

static void producer_fail(struct posture_producer *producer, rd_kafka_resp_err_t err,
                          const char *what, const char *reason)
{
    if (producer->state != STATE_RUNNING)
        return;
    producer_say_fault(producer, err, what, reason);
    /* A success between two failures proves little where one topic of two is at fault:
     * only time does. */
    int64_t now = posture_monotonic_ns();
    if (now - producer->failed_ns > 2 * PAUSE_LAST_MS * POSTURE_NS_PER_MS)
        producer->pause_ms = 0;
    producer->failed_ns = now;
    producer->pause_ms =
        producer->pause_ms == 0 ? PAUSE_FIRST_MS : producer->pause_ms * 2;
    if (producer->pause_ms > PAUSE_LAST_MS)
        producer->pause_ms = PAUSE_LAST_MS;
    /* Requests on the wire may still succeed: wait for them, or they would be sent twice.
     */
    producer_settle(producer, err == RD_KAFKA_RESP_ERR__FATAL
                                  ? RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT
                                  : RD_KAFKA_PURGE_F_QUEUE);
}

static void producer_be_careful(struct posture_producer *producer, const char *reason)
{
    char text[320];
    snprintf(text, sizeof(text),
             "a batch was refused (%s): sending its messages one by one", reason);
    producer_say(producer, POSTURE_PRODUCER_NOTICE, text);
    producer->is_careful = true;
    producer->has_refused = false;
    producer->careful_left = producer->stats.in_flight + 1;
    producer_settle(producer, RD_KAFKA_PURGE_F_QUEUE);
}

static void careful_step(struct posture_producer *producer)
{
    if (!producer->is_careful || producer->state != STATE_RUNNING)
        return;
    if (producer->careful_left-- > 1)
        return;
    producer->is_careful = false;
    /* Every message was fine by itself, so the batch was what is too large for this
     * topic. */
    if (!producer->has_refused) {
        int size = producer->batch_size ? producer->batch_size : 1000000;
        producer->batch_size = size / 2 > BATCH_SIZE_MIN ? size / 2 : BATCH_SIZE_MIN;
    }
    producer->pause_ms = 0;
    producer_settle(producer, 0);
}

static void delivery_handle(struct posture_producer *producer,
                            const rd_kafka_message_t *message)
{
    int64_t id = (int64_t)(intptr_t)message->_private;
    size_t size = message->len + message->key_len;
    const char *reason = rd_kafka_err2str(message->err);

    producer->stats.in_flight--;
    producer->stats.in_flight_bytes -= size;
    if (message->err == RD_KAFKA_RESP_ERR_NO_ERROR) {
        producer->stats.delivered++;
        producer_is_back(producer);
        producer->ops.on_delivery(producer->data, id, POSTURE_DELIVERY_DONE, NULL);
        careful_step(producer);
        return;
    }
    bool is_permanent = error_is_permanent(message->err);
    if (is_permanent && producer->is_careful && producer->state == STATE_RUNNING) {
        producer->stats.refused++;
        producer->has_refused = true;
        producer->ops.on_delivery(producer->data, id, POSTURE_DELIVERY_REFUSED, reason);
        careful_step(producer);
        return;
    }
    producer->stats.lost++;
    producer->ops.on_delivery(producer->data, id, POSTURE_DELIVERY_LOST, reason);
    if (is_permanent && producer->state == STATE_RUNNING)
        producer_be_careful(producer, reason);
    else if (message->err != RD_KAFKA_RESP_ERR__PURGE_QUEUE &&
             message->err != RD_KAFKA_RESP_ERR__PURGE_INFLIGHT)
        producer_fail(producer, message->err,
                      message->rkt ? rd_kafka_topic_name(message->rkt) : "delivery",
                      reason);
}

static void producer_say_authentication(struct posture_producer *producer,
                                        rd_kafka_resp_err_t err, const char *reason)
{
    /* Before 2.6.1 librdkafka repeats its nonce in the last SCRAM message; Kafka 4 checks
     * it strictly (CVE-2024-56128) and says "invalid credentials" for the right password.
     */
    bool is_old_scram = rd_kafka_version() < 0x02060100 && strstr(reason, "SCRAM");
    char text[512];
    snprintf(text, sizeof(text), "%s%s", reason,
             is_old_scram
                 ? "; librdkafka before 2.6.1 cannot do SCRAM with Apache Kafka 4: use a "
                   "client certificate or SASLMechanism PLAIN over TLS"
                 : "");
    producer_say_fault(producer, err, "the broker cannot be used", text);
}

static void error_handle(struct posture_producer *producer, rd_kafka_event_t *event)
{
    rd_kafka_resp_err_t err = rd_kafka_event_error(event);
    const char *text = rd_kafka_event_error_string(event);
    char fatal[256];

    if (rd_kafka_event_error_is_fatal(event) || err == RD_KAFKA_RESP_ERR__FATAL) {
        rd_kafka_resp_err_t cause =
            rd_kafka_fatal_error(producer->rk, fatal, sizeof(fatal));
        producer_fail(producer, RD_KAFKA_RESP_ERR__FATAL,
                      "fatal producer error, starting a new producer",
                      cause ? fatal : (text ? text : "unknown"));
        return;
    }
    switch (err) {
    case RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN:
        producer_is_away(producer);
        break;
    case RD_KAFKA_RESP_ERR__AUTHENTICATION:
    case RD_KAFKA_RESP_ERR_SASL_AUTHENTICATION_FAILED:
        producer_say_authentication(producer, err, text ? text : "");
        break;
    case RD_KAFKA_RESP_ERR__SSL:
    case RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED:
        /* Waiting does not cure these: the operator must hear of them. */
        producer_say_fault(producer, err, "the broker cannot be used", text ? text : "");
        break;
    default:;
    }
    if (text && err != RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN)
        snprintf(producer->away_reason, sizeof(producer->away_reason), "%s", text);
}

static void statistics_handle(struct posture_producer *producer, rd_kafka_event_t *event)
{
    struct posture_kafka_statistics statistics;
    if (posture_kafka_statistics_read(rd_kafka_event_stats(event), &statistics) < 0)
        return;
    producer->disconnects = statistics.disconnects;
    producer->stats.rtt_ms = statistics.rtt_ms;
}

static void log_handle(struct posture_producer *producer, rd_kafka_event_t *event)
{
    const char *facility = NULL, *text = NULL;
    int level = 0;
    char line[512];

    if (rd_kafka_event_log(event, &facility, &text, &level))
        return;
    /* Failures come as error events too; the rest is for those who asked for it. */
    if (level < 7)
        return;
    snprintf(line, sizeof(line), "librdkafka %s: %s", facility, text);
    producer_say(producer, POSTURE_PRODUCER_DEBUG, line);
}

static void event_cb(void *data, rd_kafka_event_t *event)
{
    struct posture_producer *producer = data;
    const rd_kafka_message_t *message;

    switch (rd_kafka_event_type(event)) {
    case RD_KAFKA_EVENT_DR:
        while ((message = rd_kafka_event_message_next(event)))
            delivery_handle(producer, message);
        break;
    case RD_KAFKA_EVENT_ERROR:
        error_handle(producer, event);
        break;
    case RD_KAFKA_EVENT_STATS:
        statistics_handle(producer, event);
        break;
    case RD_KAFKA_EVENT_LOG:
        log_handle(producer, event);
        break;
    default:
        break;
    }
}

static void turn_cb(void *data)
{
    struct posture_producer *producer = data;
    if (producer->ops.on_turn)
        producer->ops.on_turn(producer->data);
}

static int producer_begin(struct posture_producer *producer, struct posture_error *reterr)
{
    char errstr[256];
    rd_kafka_conf_t *conf = NULL;

    POSTURE_TRY(posture_producer_conf(producer->settings, producer->secrets,
                                      producer->is_careful, producer->batch_size, &conf,
                                      reterr));
    if (producer->conf_tweak)
        producer->conf_tweak(conf, producer->data);

    rd_kafka_t *rk = rd_kafka_new(RD_KAFKA_PRODUCER, conf, errstr, sizeof(errstr));
    if (!rk) {
        rd_kafka_conf_destroy(conf);
        return posture_error_set(reterr, POSTURE_E_OPTION, "%s", errstr);
    }
    rd_kafka_set_log_queue(rk, NULL); /* the main queue */
    int r = posture_kafka_watch_new_take(producer->loop, rd_kafka_queue_get_main(rk),
                                         event_cb, turn_cb, producer, &producer->watch);
    if (r < 0) {
        rd_kafka_destroy(rk);
        return posture_error_set(reterr, r, "event queue: %s", posture_strerror(r));
    }
    producer->rk = rk;
    producer->state = STATE_RUNNING;
    return 0;
}

static void handle_closed_cb(uv_handle_t *handle)
{
    free(handle->data);
}

static void producer_close_now(struct posture_producer *producer)
{
    producer_end(producer);
    if (producer->on_closed)
        producer->on_closed(producer->data);
    uv_close((uv_handle_t *)&producer->timer, handle_closed_cb);
}

static void timer_cb(uv_timer_t *timer)
{
    struct posture_producer *producer = timer->data;
    bool is_over = producer->stats.in_flight == 0 ||
                   posture_monotonic_ns() >= producer->settle_until_ns;
    struct posture_error error = {0};

    switch (producer->state) {
    case STATE_SETTLING:
        if (!is_over) {
            uv_timer_start(timer, timer_cb, SETTLE_STEP_MS, 0);
            break;
        }
        producer_end(producer);
        producer->state = STATE_PAUSED;
        uv_timer_start(timer, timer_cb, producer->pause_ms, 0);
        break;
    case STATE_PAUSED:
        if (producer_begin(producer, &error) < 0) {
            /* It started before with the same configuration: memory or descriptors are
             * short. */
            producer_say_fault(producer, RD_KAFKA_RESP_ERR__FAIL, "producer", error.text);
            uv_timer_start(timer, timer_cb, PAUSE_LAST_MS, 0);
            break;
        }
        producer->stats.restarts++;
        producer->ops.on_restart(producer->data);
        break;
    case STATE_CLOSING:
        if (is_over || producer->stats.is_away)
            producer_close_now(producer);
        else
            uv_timer_start(timer, timer_cb, SETTLE_STEP_MS, 0);
        break;
    case STATE_RUNNING:
        break;
    }
}

static rd_kafka_topic_t *topic_find(struct posture_producer *producer, const char *name)
{
    for (size_t i = 0; i < producer->topic_count; i++) {
        if (strcmp(producer->topics[i].name, name) == 0)
            return producer->topics[i].handle;
    }
    if (producer->topic_count == TOPICS_MAX)
        return NULL;
    char *copy = posture_strdup(name);
    rd_kafka_topic_t *handle = copy ? rd_kafka_topic_new(producer->rk, name, NULL) : NULL;
    if (!handle) {
        free(copy);
        return NULL;
    }
    producer->topics[producer->topic_count].name = copy;
    producer->topics[producer->topic_count].handle = handle;
    producer->topic_count++;
    return handle;
}

bool posture_producer_has_room(const struct posture_producer *producer)
{
    return producer->state == STATE_RUNNING &&
           producer->stats.in_flight < POSTURE_KAFKA_QUEUE_MESSAGES &&
           producer->stats.in_flight_bytes + MESSAGE_ROOM <= POSTURE_KAFKA_QUEUE_BYTES;
}

static rd_kafka_resp_err_t producer_produce(struct posture_producer *producer,
                                            const char *topic, const void *key,
                                            size_t key_len, const void *value,
                                            size_t value_len, rd_kafka_headers_t *headers,
                                            int64_t id)
{
    rd_kafka_topic_t *handle = topic_find(producer, topic);
    rd_kafka_vu_t vus[6];
    size_t n = 0;

    if (handle) {
        vus[n].vtype = RD_KAFKA_VTYPE_RKT;
        vus[n++].u.rkt = handle;
    } else {
        vus[n].vtype = RD_KAFKA_VTYPE_TOPIC;
        vus[n++].u.cstr = topic;
    }
    vus[n].vtype = RD_KAFKA_VTYPE_MSGFLAGS;
    vus[n++].u.i = RD_KAFKA_MSG_F_COPY;
    vus[n].vtype = RD_KAFKA_VTYPE_KEY;
    vus[n].u.mem.ptr = (void *)(uintptr_t)key;
    vus[n++].u.mem.size = key_len;
    vus[n].vtype = RD_KAFKA_VTYPE_VALUE;
    vus[n].u.mem.ptr = (void *)(uintptr_t)value;
    vus[n++].u.mem.size = value_len;
    vus[n].vtype = RD_KAFKA_VTYPE_OPAQUE;
    vus[n++].u.ptr = (void *)(intptr_t)id;
    if (headers) {
        vus[n].vtype = RD_KAFKA_VTYPE_HEADERS;
        vus[n++].u.headers = headers;
    }
    rd_kafka_error_t *error = rd_kafka_produceva(producer->rk, vus, n);
    rd_kafka_resp_err_t err = rd_kafka_error_code(error);
    rd_kafka_error_destroy(error);
    return err;
}

int posture_producer_send_raw_take(struct posture_producer *producer, const char *topic,
                                   const void *key, size_t key_len, const void *value,
                                   size_t value_len, rd_kafka_headers_t *headers,
                                   int64_t id)
{
    rd_kafka_resp_err_t err = RD_KAFKA_RESP_ERR__QUEUE_FULL;

    if (posture_producer_has_room(producer))
        err = producer_produce(producer, topic, key, key_len, value, value_len, headers,
                               id);
    if (err == RD_KAFKA_RESP_ERR_NO_ERROR) {
        producer->stats.sent++;
        producer->stats.in_flight++;
        producer->stats.in_flight_bytes += key_len + value_len;
        return 0;
    }
    if (headers)
        rd_kafka_headers_destroy(headers);
    if (error_is_permanent(err)) {
        producer->stats.refused++;
        return POSTURE_E_LIMIT;
    }
    if (err != RD_KAFKA_RESP_ERR__QUEUE_FULL)
        producer_fail(producer, err, topic, rd_kafka_err2str(err));
    return POSTURE_E_BUSY;
}

int posture_producer_send(struct posture_producer *producer, const char *topic,
                          const struct posture_message *message, int64_t id)
{
    rd_kafka_headers_t *headers = NULL;

    if (!posture_producer_has_room(producer))
        return POSTURE_E_BUSY;
    POSTURE_TRY(posture_message_headers(message, &headers));
    return posture_producer_send_raw_take(producer, topic, message->key, message->key_len,
                                          message->value, message->value_len, headers,
                                          id);
}

void posture_producer_restart(struct posture_producer *producer, const char *reason)
{
    producer_fail(producer, RD_KAFKA_RESP_ERR__APPLICATION, "starting a new producer",
                  reason);
}

void posture_producer_stats(const struct posture_producer *producer,
                            struct posture_producer_stats *ret)
{
    *ret = producer->stats;
    ret->reconnects = producer->disconnects_before + producer->disconnects;
}

rd_kafka_t *posture_producer_handle(const struct posture_producer *producer)
{
    return producer->rk;
}

int posture_producer_new(uv_loop_t *loop, const struct posture_kafka_settings *settings,
                         const struct posture_kafka_secrets *secrets,
                         const struct posture_producer_ops *ops, void *data,
                         void (*conf_tweak)(rd_kafka_conf_t *conf, void *data),
                         struct posture_producer **ret, struct posture_error *reterr)
{
    struct posture_producer *producer = posture_calloc(1, sizeof(*producer));
    if (!producer)
        return posture_error_set(reterr, -ENOMEM, "out of memory");
    producer->loop = loop;
    producer->settings = settings;
    producer->secrets = secrets;
    producer->ops = *ops;
    producer->data = data;
    producer->conf_tweak = conf_tweak;
    producer->stats.rtt_ms = (double)NAN;
    int r = producer_begin(producer, reterr);
    if (r < 0) {
        free(producer);
        return r;
    }
    uv_timer_init(loop, &producer->timer);
    producer->timer.data = producer;
    *ret = producer;
    return 0;
}

void posture_producer_close(struct posture_producer *producer, uint64_t linger_ms,
                            void (*on_closed)(void *data))
{
    if (!producer || producer->state == STATE_CLOSING)
        return;
    producer->on_closed = on_closed;
    producer->state = STATE_CLOSING;
    producer->settle_until_ns =
        posture_monotonic_ns() + (int64_t)linger_ms * POSTURE_NS_PER_MS;
    uv_timer_start(&producer->timer, timer_cb, 0, 0);
}
