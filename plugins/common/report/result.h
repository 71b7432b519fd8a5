/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#ifndef POSTURE_REPORT_RESULT_H
#define POSTURE_REPORT_RESULT_H

#include "common/base/error.h"
#include "common/base/mem.h"

#include <jansson.h>
#include <stdint.h>

/* Worst to best: fail, unknown, warn, pass; na does not count. */
enum posture_result_status {
    POSTURE_RESULT_NA,
    POSTURE_RESULT_PASS,
    POSTURE_RESULT_WARN,
    POSTURE_RESULT_UNKNOWN,
    POSTURE_RESULT_FAIL,
    POSTURE_RESULT_COUNT
};

const char *posture_result_name(enum posture_result_status status); /* "pass" */
int posture_result_from_name(const char *name, enum posture_result_status *ret);
/* The worse of two; NA yields to anything. */
enum posture_result_status posture_result_worse(enum posture_result_status a,
                                                enum posture_result_status b);

struct posture_result {
    const char *check; /* borrowed from the check table */
    enum posture_result_status status;
    json_t *value;    /* string, number or NULL: what was judged (worst item, year …) */
    const char *code; /* key of a reason in schemas/checks.json; borrowed, static */
    json_t *args;     /* object of the reason's arguments, or NULL */
    /* The same facts judged by the same profile give the same result until this instant;
     * INT64_MAX: for ever. */
    int64_t valid_until_ns;
};

enum { POSTURE_RESULTS_MAX = 64 };
struct posture_results {
    struct posture_result items[POSTURE_RESULTS_MAX];
    size_t count;
};
void posture_results_done(struct posture_results *results);
#define POSTURE_AUTO_RESULTS __attribute__((cleanup(posture_results_done)))

/* Appends; value and args are taken (also on failure). */
int posture_results_add_take(struct posture_results *results, const char *check,
                             enum posture_result_status status, json_t *value,
                             const char *code, json_t *args, int64_t valid_until_ns);
const struct posture_result *posture_results_find(const struct posture_results *results,
                                                  const char *check);
/* As the "results" array of a report; new reference, NULL when memory is out. */
json_t *posture_results_to_json(const struct posture_results *results);
/* The earliest valid_until_ns. */
int64_t posture_results_valid_until(const struct posture_results *results);

#endif
