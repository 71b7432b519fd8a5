/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#ifndef POSTURE_TLS_PLAN_INTERNAL_H
#define POSTURE_TLS_PLAN_INTERNAL_H

#include "common/tls/plan.h"

/* Between the files of the plan: plan.c (which lane is next), plan_question.c (what its
 * hello holds), plan_answer.c (what the answer means), plan_depth.c (all three of the
 * lanes in depth). */

enum {
    POSTURE_TLS_OPENINGS = 5,
    POSTURE_TLS_RETRIES_MAX = 1,
    CONTRADICTIONS_MAX = 4, /* then nothing more is asked again */
};

static inline struct posture_tls_lane *lane_of(struct posture_tls_plan *plan, unsigned id)
{
    return &plan->lanes[id];
}

static inline bool is_version_lane(unsigned id)
{
    return id < POSTURE_TLS_VERSION_COUNT;
}

static inline bool is_depth_lane(unsigned id)
{
    return id >= POSTURE_TLS_LANE_SIGNATURES12;
}

static inline void lane_ready(struct posture_tls_lane *lane,
                              enum posture_tls_purpose purpose)
{
    lane->state = POSTURE_TLS_LANE_READY;
    lane->purpose = purpose;
    lane->retries = 0;
}

/* Asked when all else is: whose order counts, and was the last refusal meant? Their
 * answers prove the refusals before them, and time has passed since. */
static inline bool lane_is_late(const struct posture_tls_lane *lane)
{
    return lane->purpose == POSTURE_TLS_ASK_ORDER ||
           (lane->is_recheck && lane->purpose != POSTURE_TLS_ASK_CONFIRM);
}

static inline void lane_finish(struct posture_tls_lane *lane)
{
    lane->state = POSTURE_TLS_LANE_DONE;
}

/* A refusal says something about the server only when the server has answered a question
 * that was asked after it: one that has gone over to refusing everything (a rate limit, a
 * restart, an overload) would else look like one that offers little. What was not proven
 * so becomes incomplete. */
static inline bool lane_is_proven(const struct posture_tls_plan *plan,
                                  const struct posture_tls_lane *lane)
{
    return lane->refused_at == 0 || plan->answered > lane->refused_at;
}
void posture_tls_plan_mark_unproven(struct posture_tls_plan *plan);

/* Groups that the lane has not found yet, into groups (may be NULL). */
size_t posture_tls_plan_groups_offer(const struct posture_tls_plan *plan, unsigned lane,
                                     uint16_t *groups);
/* Wakes the lanes whose conditions hold now. */
void posture_tls_plan_wake(struct posture_tls_plan *plan);

enum posture_tls_protocol posture_tls_plan_protocol(unsigned lane);
/* Is anything left to offer in the lane (in its present chunk)? */
bool posture_tls_plan_has_offer(const struct posture_tls_plan *plan, unsigned lane);
size_t posture_tls_plan_chunks(const struct posture_tls_plan *plan, unsigned lane);
/* true: the answer was of the opening phase and is dealt with. */
bool posture_tls_plan_opening_answered(struct posture_tls_plan *plan,
                                       const struct posture_tls_question *question,
                                       enum posture_tls_outcome outcome);
/* Has a prime of RFC 7919 been seen before TLS 1.3, and is there another to ask for? */
bool posture_tls_plan_has_primes(const struct posture_tls_plan *plan);
/* The version in which the older groups are asked for; false: no suite has a group to
 * show. */
bool posture_tls_plan_groups12_version(const struct posture_tls_plan *plan,
                                       unsigned *ret);
/* Fills the question that the lane's state calls for. */
void posture_tls_plan_question(const struct posture_tls_plan *plan,
                               enum posture_tls_lane_id lane,
                               struct posture_tls_question *ret);

/* The lanes in depth: wakes them; fills lists of the question, before the common part of
 * its hello and after it; takes the answer. */
void posture_tls_depth_wake(struct posture_tls_plan *plan);
void posture_tls_depth_question(const struct posture_tls_plan *plan,
                                enum posture_tls_lane_id lane,
                                struct posture_tls_question *q);
void posture_tls_depth_hello(const struct posture_tls_plan *plan,
                             struct posture_tls_question *q);
void posture_tls_depth_answer(struct posture_tls_plan *plan,
                              const struct posture_tls_question *question,
                              enum posture_tls_outcome outcome,
                              const struct posture_tls_flight *flight);
/* What any answer in the clear says beside its choice. */
void posture_tls_depth_observe(struct posture_tls_plan *plan,
                               const struct posture_tls_question *question,
                               const struct posture_tls_flight *flight);
/* Between plan_depth.c and plan_depth_answer.c. */
/* -1: no code point of the table. */
int posture_tls_depth_signature_index(const struct posture_tls_plan *plan, uint16_t code);
/* True when it is new in the list. */
bool posture_tls_depth_signature_add(uint16_t *list, size_t *count, uint16_t code);
/* A scheme of TLS 1.3 to be asked for alone now; -1: none. Before the rest was asked,
 * those that a leaf's key allows. */
int posture_tls_depth_signature13_next(const struct posture_tls_plan *plan);
/* The version below the highest; -1: there is only one. */
int posture_tls_depth_fallback(const struct posture_tls_plan *plan);
/* version < 0: there is nothing to ask. */
void posture_tls_depth_begin(struct posture_tls_plan *plan, enum posture_tls_lane_id id,
                             int version, enum posture_tls_purpose purpose);
/* RFC 7507: the refusal that was hoped for. */
bool posture_tls_depth_is_fallback_alert(const struct posture_tls_question *question,
                                         enum posture_tls_outcome outcome,
                                         const struct posture_tls_flight *flight);

#endif
