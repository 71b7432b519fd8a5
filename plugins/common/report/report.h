/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#ifndef POSTURE_REPORT_REPORT_H
#define POSTURE_REPORT_REPORT_H

#include "common/report/json.h"
#include "common/report/result.h"
#include "common/report/schema.h"

#include <stdint.h>

/* posture.report/1: schemas/report.v1.schema.json, facts in
 * schemas/facts/<kind>.schema.json. */
enum { POSTURE_REPORT_MAX = 256 * 1024 };

struct posture_report {
    char id[37]; /* UUIDv7 */
    int64_t time_ns;
    double interval_s;
    char *agency;
    char *reporter;
    char *kind;
    char *subject;
    char *profile;    /* may be NULL */
    json_t *facts;    /* object {"<kind>": …} */
    json_t *declared; /* object or NULL */
    json_t *results;  /* array or NULL; posture_results_* converts */
};

struct posture_report *posture_report_new(void);
struct posture_report *posture_report_free(struct posture_report *report);
POSTURE_AUTO_DEFINE(struct posture_report *, posture_report_free)

/* Compact JSON. POSTURE_E_LIMIT over POSTURE_REPORT_MAX. Owner: caller. */
int posture_report_encode(const struct posture_report *report, char **ret_bytes,
                          size_t *ret_len, struct posture_error *reterr);
/* From bytes: size, NUL, UTF-8, JSON, schema (schema may be NULL: only what the struct
 * needs is required), then what a schema cannot say (the subject's one spelling, and that
 * its scheme is of the kind), then the struct. POSTURE_E_LIMIT, _FORMAT, _SCHEMA. */
int posture_report_decode(const char *bytes, size_t len,
                          const struct posture_schema *schema,
                          struct posture_report **ret_report,
                          struct posture_error *reterr);
/* From a parsed document, which is taken (also on failure). */
int posture_report_from_json_take(json_t *root, struct posture_report **ret_report,
                                  struct posture_error *reterr);

#endif
