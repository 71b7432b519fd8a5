/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#ifndef POSTURE_KAFKA_LOOP_H
#define POSTURE_KAFKA_LOOP_H

#include "common/base/error.h"

#include <librdkafka/rdkafka.h>
#include <stdbool.h>
#include <uv.h>

/*
 * Serves a librdkafka queue in a libuv loop. librdkafka's threads write to an eventfd
 * when the queue becomes non-empty; the callback then runs in the loop's thread, one
 * event at a time. At most a bounded number is served in one turn, so that other handles
 * get theirs; on_turn (may be NULL) follows the last event of a turn: the place to
 * commit.
 */
struct posture_kafka_watch;
/* The event is destroyed after the callback. */
typedef void posture_kafka_event_cb(void *data, rd_kafka_event_t *event);
typedef void posture_kafka_turn_cb(void *data);

/* Takes over one reference of queue (also on failure). */
int posture_kafka_watch_new_take(uv_loop_t *loop, rd_kafka_queue_t *queue,
                                 posture_kafka_event_cb *on_event,
                                 posture_kafka_turn_cb *on_turn, void *data,
                                 struct posture_kafka_watch **ret);
/* Serves the queue in the next turn whether or not it signalled: a consumer must poll
 * within max.poll.interval.ms even when nothing comes. */
void posture_kafka_watch_poke(struct posture_kafka_watch *watch);
/* While held no event is served: what follows must wait until there is room for it.
 * Released, it goes on where it was. */
void posture_kafka_watch_hold(struct posture_kafka_watch *watch, bool is_held);
/* No callback comes after this. May be called from a callback. Detaches the queue at once
 * (the rd_kafka_t may be destroyed next); frees itself when the loop has closed its
 * handles. NULL is nothing. */
void posture_kafka_watch_close(struct posture_kafka_watch *watch);

#endif
