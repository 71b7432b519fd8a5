/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#ifndef POSTURE_REPORT_PROFILE_INTERNAL_H
#define POSTURE_REPORT_PROFILE_INTERNAL_H

#include "common/report/profile.h"

#include "common/report/json.h"

/* What a profile is made of: profile_read.c fills it, profile.c answers from it. */

enum {
    PROFILE_TABLES_MAX = 8,
    PROFILE_PERIODS_MAX = 16,
    PROFILE_PHASES_MAX = 8,
    PROFILE_MODULUS_MAX = 16,
    PROFILE_NAME_MAX = 64,
};

struct profile_phase {
    enum posture_strength state;
    int until; /* last civil year; 0: no end known */
};

struct profile_period {
    uint32_t bits;
    struct profile_phase phases[PROFILE_PHASES_MAX];
    size_t count;
};

struct profile_modulus {
    uint64_t min;
    uint32_t bits;
};

struct profile_table {
    char name[PROFILE_NAME_MAX];
    json_t *root;  /* the document, owner of the rows */
    json_t *index; /* name -> row */
};

struct posture_profile {
    json_t *root; /* owner of every string of the rows */
    const char *id;
    const char *title[POSTURE_LANG_COUNT];
    char digest[POSTURE_DIGEST_TEXT];
    struct posture_profile_row *rows;
    size_t count;
    json_t *index; /* class -> {name -> number of the row} */
    struct profile_period periods[PROFILE_PERIODS_MAX];
    size_t period_count;
    struct profile_modulus modulus[PROFILE_MODULUS_MAX];
    size_t modulus_count;
    enum posture_certainty modulus_certainty;
    struct profile_table tables[PROFILE_TABLES_MAX];
    size_t table_count;
};

/* By enum posture_certainty. */
extern const char *const posture_certainty_names_[3];

#endif
