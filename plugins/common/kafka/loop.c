/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#include "common/kafka/loop.h"

#include "common/base/mem.h"

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum { EVENTS_PER_TURN = 256 };

struct posture_kafka_watch {
    rd_kafka_queue_t *queue;
    posture_kafka_event_cb *on_event;
    posture_kafka_turn_cb *on_turn;
    void *data;
    int fd;
    bool is_closing;
    bool is_held;
    int open_handles;
    uv_poll_t poll;
    uv_timer_t more; /* a turn ended before the queue was empty: go on in the next */
};

static void more_cb(uv_timer_t *more);

static void watch_serve(struct posture_kafka_watch *watch)
{
    int served = 0;
    while (!watch->is_closing && !watch->is_held && served < EVENTS_PER_TURN) {
        rd_kafka_event_t *event = rd_kafka_queue_poll(watch->queue, 0);
        if (!event)
            break;
        watch->on_event(watch->data, event);
        rd_kafka_event_destroy(event);
        served++;
    }
    if (!watch->is_closing && served > 0 && watch->on_turn)
        watch->on_turn(watch->data);
    if (watch->is_closing || watch->is_held)
        return;
    /* librdkafka signals only the step from empty to non-empty. */
    if (served == EVENTS_PER_TURN)
        uv_timer_start(&watch->more, more_cb, 0, 0);
}

static void more_cb(uv_timer_t *more)
{
    watch_serve(more->data);
}

static void poll_cb(uv_poll_t *poll, int status, int events)
{
    struct posture_kafka_watch *watch = poll->data;
    uint64_t count;
    (void)status;
    (void)events;

    ssize_t n = read(watch->fd, &count, sizeof(count));
    (void)n; /* EAGAIN: someone else's wakeup */
    watch_serve(watch);
}

static void closed_cb(uv_handle_t *handle)
{
    struct posture_kafka_watch *watch = handle->data;
    if (--watch->open_handles > 0)
        return;
    posture_close(watch->fd);
    free(watch);
}

int posture_kafka_watch_new_take(uv_loop_t *loop, rd_kafka_queue_t *queue,
                                 posture_kafka_event_cb *on_event,
                                 posture_kafka_turn_cb *on_turn, void *data,
                                 struct posture_kafka_watch **ret)
{
    static const uint64_t one = 1;
    int r = -ENOMEM;
    struct posture_kafka_watch *watch = posture_calloc(1, sizeof(*watch));
    if (!watch)
        goto failed;
    watch->fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (watch->fd < 0) {
        r = -errno;
        goto failed;
    }
    watch->queue = queue;
    watch->on_event = on_event;
    watch->on_turn = on_turn;
    watch->data = data;
    watch->poll.data = watch;
    watch->more.data = watch;
    r = uv_poll_init(loop, &watch->poll, watch->fd);
    if (r < 0)
        goto failed;
    uv_timer_init(loop, &watch->more);
    watch->open_handles = 2;
    uv_poll_start(&watch->poll, UV_READABLE, poll_cb);
    rd_kafka_queue_io_event_enable(queue, watch->fd, &one, sizeof(one));
    /* What came before the line above signalled nothing. */
    uv_timer_start(&watch->more, more_cb, 0, 0);
    *ret = watch;
    return 0;

failed:
    if (watch && watch->fd > 0)
        posture_close(watch->fd);
    free(watch);
    rd_kafka_queue_destroy(queue);
    return r;
}

void posture_kafka_watch_poke(struct posture_kafka_watch *watch)
{
    if (!watch->is_closing)
        uv_timer_start(&watch->more, more_cb, 0, 0);
}

void posture_kafka_watch_hold(struct posture_kafka_watch *watch, bool is_held)
{
    watch->is_held = is_held;
    if (!is_held)
        posture_kafka_watch_poke(watch);
}

void posture_kafka_watch_close(struct posture_kafka_watch *watch)
{
    if (!watch || watch->is_closing)
        return;
    watch->is_closing = true;
    rd_kafka_queue_io_event_enable(watch->queue, -1, NULL, 0);
    rd_kafka_queue_destroy(watch->queue);
    watch->queue = NULL;
    uv_close((uv_handle_t *)&watch->poll, closed_cb);
    uv_close((uv_handle_t *)&watch->more, closed_cb);
}
