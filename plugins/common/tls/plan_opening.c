/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */

/* The plan: its first questions, until the server says anything in TLS. */

#include "common/tls/plan_internal.h"

enum { OPENING_SILENCES_MAX = 3 /* then the server is called silent */ };

bool posture_tls_plan_opening_answered(struct posture_tls_plan *plan,
                                       const struct posture_tls_question *question,
                                       enum posture_tls_outcome outcome)
{
    struct posture_tls_lane *lane = lane_of(plan, question->lane);
    bool is_alive = outcome == POSTURE_TLS_ANSWERED || outcome == POSTURE_TLS_ALERTED;
    if (question->is_opening && outcome != POSTURE_TLS_ANSWERED)
        plan->opening_failed = true;
    if (is_alive) {
        plan->phase = POSTURE_TLS_PHASE_RUNNING;
        if (plan->opening_step == 0)
            return false;
        /* A short hello got through: is it the length or the version that it minds? */
        plan->gate_lane = (int)question->lane;
        lane->variant = POSTURE_TLS_VARIANT_FULL;
        lane->state = POSTURE_TLS_LANE_WAITING;
        lane_of(plan, POSTURE_TLS_13)->state = POSTURE_TLS_LANE_WAITING;
        return true;
    }
    bool is_over = outcome >= POSTURE_TLS_REFUSED || outcome == POSTURE_TLS_TOO_LARGE;
    if (outcome == POSTURE_TLS_TIMED_OUT)
        is_over = ++plan->opening_silences >= OPENING_SILENCES_MAX;
    if (outcome == POSTURE_TLS_NOT_TLS || outcome == POSTURE_TLS_BROKEN)
        is_over = plan->opening_step > 0;
    if (++plan->opening_step == POSTURE_TLS_OPENINGS)
        is_over = true;
    if (plan->opening_step == 1 || is_over)
        plan->failure = outcome;
    lane->state = POSTURE_TLS_LANE_WAITING;
    if (is_over)
        plan->phase = POSTURE_TLS_PHASE_OVER;
    return true;
}
