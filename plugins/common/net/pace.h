/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#ifndef POSTURE_NET_PACE_H
#define POSTURE_NET_PACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

/*
 * When each target is measured: the first round at start_rate per second from now on,
 * later rounds spread evenly over the interval in an order that is random and then fixed.
 * At most max_running at once; a target whose turn comes while it still runs waits for
 * its own end.
 */
struct posture_pace;
typedef void posture_pace_cb(void *data, size_t target);

int posture_pace_new(uv_loop_t *loop, size_t targets, const int64_t *intervals_ns,
                     double start_rate, size_t max_running, uint64_t seed,
                     posture_pace_cb *start, void *data, struct posture_pace **ret);
/*
 * Another list of targets: old[i] is the number that target i had, or POSTURE_PACE_NEW.
 * What stays keeps its turn and goes on running, what is new has its first turn from now
 * on at the start rate. What is not on the list any more must not be running
 * (posture_pace_done() first). -ENOMEM: nothing has changed.
 */
#define POSTURE_PACE_NEW SIZE_MAX
int posture_pace_update(struct posture_pace *pace, size_t targets, const size_t *old,
                        const int64_t *intervals_ns);
/* The target's measurement ended. */
void posture_pace_done(struct posture_pace *pace, size_t target);
/* True when every target was measured once. */
bool posture_pace_first_round_done(const struct posture_pace *pace);
/* Closes its timer; frees itself when the loop has closed it. */
void posture_pace_close(struct posture_pace *pace);

#endif
