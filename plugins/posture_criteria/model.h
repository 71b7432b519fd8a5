/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#ifndef POSTURE_CRITERIA_MODEL_H
#define POSTURE_CRITERIA_MODEL_H

#include "posture_criteria/evaluator.h"
#include "posture_criteria/gate.h"

struct posture_model_input {
    const struct posture_evaluation_context *context;
    const struct posture_evaluator *evaluator;
    const struct posture_profile *profile;
    const struct posture_gate_counters *counters;
    int64_t lag; /* negative: not known */
    int64_t now_ns;
};

/* The posture.nation/1 document (schemas/nation.v1.schema.json). Documents in it are
 * shared, and never change. New reference, NULL when memory is out. */
json_t *posture_model_build(const struct posture_model_input *input);

#endif
