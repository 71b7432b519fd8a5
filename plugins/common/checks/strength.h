/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#ifndef POSTURE_CHECKS_STRENGTH_H
#define POSTURE_CHECKS_STRENGTH_H

#include "common/checks/algorithm.h"

/* The last civil year in which everything that a server may agree on is still usable:
 * findings one by one, then one verdict. */
struct posture_strength_walk {
    int year;        /* the earliest of all */
    int legacy_year; /* the same of processing what exists; -1: not said of any */
    enum posture_certainty certainty;
    bool is_unknown;
    const char *unknown_code;
    struct posture_verdict items; /* what ends in that year */
    struct posture_verdict unknown_items;
};

struct posture_strength_codes {
    const char *year;         /* usable until */
    const char *open;         /* no end is set */
    const char *over;         /* the year has passed at the date */
    const char *over_planned; /* it will have at the planned end of life */
    const char *never;        /* usable in no year */
};

void posture_strength_walk_init(struct posture_strength_walk *walk);
void posture_strength_walk_add(struct posture_strength_walk *walk,
                               const struct posture_finding *finding, const char *item);
/* Offers unknown for what has no year, and the earliest year. walk is empty then. */
void posture_strength_walk_offer(struct posture_strength_walk *walk,
                                 const struct posture_check_input *input,
                                 const struct posture_strength_codes *codes,
                                 struct posture_verdict *verdict);

#endif
