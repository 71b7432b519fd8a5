/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#ifndef POSTURE_CHECKS_ALGORITHM_H
#define POSTURE_CHECKS_ALGORITHM_H

#include "common/checks/verdict.h"

/*
 * One algorithm under a profile at a date: which list it is on, and whether its strength
 * may still be used (DESIGN "From list to result"). The judgement's date is the later of
 * the date and the planned end of life. The worse of the two decides, the list where they
 * are equal.
 */
enum posture_finding_why {
    POSTURE_WHY_SILENT,          /* na: the profile says nothing about such things */
    POSTURE_WHY_LISTED,          /* pass: recommended or PQC list */
    POSTURE_WHY_CANDIDATE,       /* warn */
    POSTURE_WHY_MONITORED,       /* warn */
    POSTURE_WHY_MIGRATE,         /* warn: migration to be completed */
    POSTURE_WHY_MIGRATE_PLANNED, /* the same, because of the planned end of life */
    POSTURE_WHY_UNJUDGED,        /* unknown: no row */
    POSTURE_WHY_NO_LENGTHS,  /* unknown: its size decides and the profile has no sizes */
    POSTURE_WHY_MALFORMED,   /* unknown: the facts do not say it */
    POSTURE_WHY_UNLISTED,    /* fail: judged, and on no list */
    POSTURE_WHY_NOT_ALLOWED, /* fail: its strength is not allowed any more */
    POSTURE_WHY_NOT_ALLOWED_PLANNED, /* the same, because of the planned end of life */
    POSTURE_WHY_TOO_WEAK,            /* fail: its strength is allowed in no year */
    POSTURE_WHY_COUNT
};

struct posture_finding {
    enum posture_result_status status;
    enum posture_finding_why why;
    enum posture_certainty certainty; /* of what decided */
    uint32_t bits;                    /* strength; 0: not known */
    int64_t valid_until_ns;
    int last_year;   /* see posture_profile_strength_last_year(); -1: not known, 9999: no
                        end */
    int legacy_year; /* the same of processing what exists; -1: not said */
    enum posture_certainty year_certainty;
    const char *algorithm; /* the name on the list; borrowed */
};

/* A named algorithm. */
void posture_algorithm_judge(const struct posture_check_input *input, const char *cls,
                             const char *name, struct posture_finding *ret);
/* One whose strength is that of an RSA, DH or DSA modulus; 0 bits: size not known. */
void posture_modulus_judge(const struct posture_check_input *input, const char *cls,
                           const char *name, json_int_t modulus_bits,
                           struct posture_finding *ret);
/* Both together: the worse, and the earlier end. */
void posture_finding_add(struct posture_finding *finding,
                         const struct posture_finding *other);
/* "algorithm.monitored" */
const char *posture_finding_code(enum posture_finding_why why);
/* Offers a finding about a thing called item. True when it is now the verdict. */
bool posture_finding_offer(const struct posture_check_input *input,
                           const struct posture_finding *finding, const char *item,
                           struct posture_verdict *verdict);

#endif
