/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#ifndef POSTURE_TLS_PLAN_QUESTION_H
#define POSTURE_TLS_PLAN_QUESTION_H

#include "common/tls/plan.h"

/* The plan's other half: what the hello of a lane's next question holds. */

enum posture_tls_protocol posture_tls_plan_protocol(unsigned lane);
/* Is anything left to offer in the lane (in its present chunk)? */
bool posture_tls_plan_has_offer(const struct posture_tls_plan *plan, unsigned lane);
size_t posture_tls_plan_chunks(const struct posture_tls_plan *plan, unsigned lane);
/* The version in which the older groups are asked for; false: no suite has a group to
 * show. */
bool posture_tls_plan_groups12_version(const struct posture_tls_plan *plan,
                                       unsigned *ret);
/* Fills the question that the lane's state calls for. */
void posture_tls_plan_question(const struct posture_tls_plan *plan,
                               enum posture_tls_lane_id lane,
                               struct posture_tls_question *ret);

#endif
