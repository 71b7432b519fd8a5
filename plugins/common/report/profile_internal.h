/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#ifndef POSTURE_REPORT_PROFILE_INTERNAL_H
#define POSTURE_REPORT_PROFILE_INTERNAL_H

#include "common/report/profile.h"

#include "common/base/nearest.h"
#include "common/base/parse.h"
#include "common/report/json.h"

/* What a profile is made of: profile_read.c fills it (with profile_rows.c,
 * profile_types.c, profile_place.c), profile.c answers from it. */

enum {
    PROFILE_TABLES_MAX = 8,
    PROFILE_PERIODS_MAX = 16,
    PROFILE_PHASES_MAX = 8,
    PROFILE_MODULUS_MAX = 16,
    PROFILE_NAME_MAX = 64,
    PROFILE_BITS_MAX = 65536,
};

struct profile_phase {
    enum posture_strength state;
    int until; /* last civil year; 0: no end known */
};

struct profile_period {
    uint32_t bits;
    struct profile_phase phases[PROFILE_PHASES_MAX];
    size_t count;
    int legacy_until; /* of processing what exists; 0: never, 9999: no end known, -1: not
                         said */
};

struct profile_modulus {
    uint64_t min;
    uint32_t bits;
};

struct profile_table {
    char file[PROFILE_NAME_MAX]; /* "tls/suites.json" */
    char name[PROFILE_NAME_MAX]; /* "suites" */
    json_t *root;                /* the document, owner of the rows */
    json_t *index;               /* name -> row */
};

struct posture_profile {
    json_t *root; /* owner of every string of the rows */
    const char *id;
    const char *title[POSTURE_LANG_COUNT];
    bool has_grades;
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

/* Where in the file an error is: "rows[3] (cipher AES-128)". */
struct profile_place {
    const char *file;
    char text[3 * PROFILE_NAME_MAX];
};

void posture_profile_place_row_(struct profile_place *place, size_t number,
                                const char *cls, const char *name);
int posture_profile_refuse_(struct posture_error *reterr,
                            const struct profile_place *place, const char *what);
/* "tier \"good\" is not …; did you mean …?"; word NULL: "tier is missing". */
int posture_profile_refuse_word_(struct posture_error *reterr,
                                 const struct profile_place *place, const char *key,
                                 const char *word, const char *expected,
                                 const char *const *words, size_t count);
int posture_profile_refuse_near_(struct posture_error *reterr,
                                 const struct profile_place *place, const char *key,
                                 const char *word, const char *expected,
                                 const struct posture_nearest *nearest);
/* The word's number, or -1. */
int posture_profile_word_(const char *word, const char *const *words, size_t count);
bool posture_profile_is_short_(const char *text);
int posture_profile_certainty_(const json_t *object, const char *key,
                               const struct profile_place *place,
                               enum posture_certainty *ret, struct posture_error *reterr);
/* A whole number min to max, or nothing: then *ret stays. */
int posture_profile_number_(const json_t *object, const char *key, json_int_t min,
                            json_int_t max, const struct profile_place *place,
                            json_int_t *ret, struct posture_error *reterr);
int posture_profile_source_(const json_t *object, const struct profile_place *place,
                            struct posture_error *reterr);
/* Nothing but these members. */
int posture_profile_members_(const json_t *object, const char *const *words, size_t count,
                             const struct profile_place *place,
                             struct posture_error *reterr);

int posture_profile_rows_read_(struct posture_profile *profile, const json_t *classes,
                               const char *file, struct posture_error *reterr);
/* Adds to the list of files below schemas/. */
int posture_profile_tables_needed_(const struct posture_profile *profile,
                                   const json_t *classes, json_t *tables);
int posture_profile_names_check_(const struct posture_profile *profile,
                                 const json_t *classes, const char *file,
                                 struct posture_error *reterr);
int posture_profile_types_check_(const struct posture_profile *profile, const char *file,
                                 struct posture_error *reterr);

#endif
