/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#ifndef POSTURE_CRITERIA_NOT_PASSING_H
#define POSTURE_CRITERIA_NOT_PASSING_H

#include "posture_criteria/page_model.h"

/*
 * Subjects that keep a criterion from being achieved, per agency and kind: each subject
 * once, with its worst result over the criteria of the kind. Where an evaluation's list
 * was cut, its counts are the floor.
 */
struct posture_not_passing_group {
    const char *agency, *kind; /* borrowed from the document */
    uint64_t subjects[POSTURE_TROUBLE_COUNT];
};

struct posture_not_passing {
    struct posture_not_passing_group
        *groups; /* by agency, then kind; also those with nothing but 0 */
    size_t count;
};

int posture_not_passing_new(const json_t *nation, struct posture_not_passing **ret_list);
struct posture_not_passing *posture_not_passing_free(struct posture_not_passing *list);
POSTURE_AUTO_DEFINE(struct posture_not_passing *, posture_not_passing_free)

#endif
