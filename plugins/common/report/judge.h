/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#ifndef POSTURE_REPORT_JUDGE_H
#define POSTURE_REPORT_JUDGE_H

#include "common/report/profile.h"
#include "common/report/result.h"

/*
 * Verdicts are a pure function of (facts, declared dates, profile, date). Each plugin
 * offers one check set per kind from its <topic>_checks.c; posture_criteria and posture
 * link them all.
 */
struct posture_check_input {
    const json_t *facts;    /* the kind's member: report.facts.<kind> */
    const json_t *declared; /* object or NULL */
    const struct posture_profile *profile;
    int64_t at_ns;          /* the judgement's date */
    int64_t planned_end_ns; /* later of at_ns and declared.planned_end */
};

struct posture_check_set {
    const char *kind;
    /* Appends one result per check of the kind, in a fixed order. 0 or -ENOMEM. Facts
     * that are not what the schema says give unknown, never a crash. */
    int (*judge)(const struct posture_check_input *input,
                 struct posture_results *results);
};

/* sets: array ended by NULL. POSTURE_E_MISSING for a kind without a set. results is
 * filled from empty. */
int posture_judge(const struct posture_check_set *const *sets, const char *kind,
                  const json_t *facts, const json_t *declared,
                  const struct posture_profile *profile, int64_t at_ns,
                  struct posture_results *results);

#endif
