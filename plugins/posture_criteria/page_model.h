/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#ifndef POSTURE_CRITERIA_PAGE_MODEL_H
#define POSTURE_CRITERIA_PAGE_MODEL_H

#include "common/report/checks.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

/*
 * What the pages show, indexed: made once from a posture.nation/1 document, then read by
 * every page and language. Members that are absent or of another type count as not there;
 * nothing is guessed. Pure.
 */
enum posture_eval_status {
    POSTURE_EVAL_MET,
    POSTURE_EVAL_NOT_MET,
    POSTURE_EVAL_UNMEASURED,
    POSTURE_EVAL_ABSENT, /* no such evaluation: the criterion does not apply */
};

/* What keeps a subject from being achieved, worst first; the order in which pages list
 * it. */
enum posture_trouble {
    POSTURE_TROUBLE_FAIL,
    POSTURE_TROUBLE_MISSING,
    POSTURE_TROUBLE_STALE,
    POSTURE_TROUBLE_UNKNOWN,
    POSTURE_TROUBLE_WARN,
    POSTURE_TROUBLE_COUNT,
};
const char *posture_trouble_name(enum posture_trouble trouble); /* "fail" */
/* false when the name is none of them. */
bool posture_trouble_from_name(const char *name, enum posture_trouble *ret);

struct posture_page_eval {
    const json_t *json; /* NULL when absent */
    enum posture_eval_status status;
    bool has_achieved, has_coverage, has_of_measured, has_target;
    double achieved, coverage, of_measured, target;
    uint64_t expected, passing, excepted, unregistered;
    uint64_t troubles[POSTURE_TROUBLE_COUNT];
    int64_t oldest_ns, newest_ns; /* 0: no report */
};

struct posture_page_criterion {
    const char *id;
    const json_t *json; /* the catalogue's entry */
};

struct posture_page_agency {
    const char *id;
    const json_t *json;              /* the registry's entry */
    size_t area;                     /* index into areas */
    struct posture_page_eval *evals; /* one per criterion */
    int64_t oldest_ns, newest_ns;
    size_t met, applying; /* criteria */
};

struct posture_page_area {
    const char *id;
    struct posture_page_eval *evals;
    size_t first,
        count; /* its agencies, contiguous; those furthest from their targets first */
    size_t met_count; /* agencies that meet every criterion that applies to them */
};

/* One subject and one reason; the criteria that it keeps from being achieved are bits. */
struct posture_page_entry {
    size_t agency;
    enum posture_trouble trouble;
    const char *subject, *check, *code, *reporter; /* check … reporter may be NULL */
    const json_t *args;
    bool is_excepted; /* an exception is on record that holds */
    uint64_t criteria;
    uint64_t weight; /* subjects that it stands for: an inventory pattern may miss many */
    int64_t since_ns, time_ns; /* 0: not known */
};

/* Entries with the same trouble and check (unknown: reason code): one thing to repair,
 * wherever it is. */
struct posture_page_problem {
    enum posture_trouble trouble;
    const char *check;   /* NULL for stale and missing */
    size_t first, count; /* entries */
    uint64_t subjects;
    size_t agencies;
    int64_t since_ns; /* the oldest that is known */
};

/* Limits: what goes over is an error (-E2BIG-like POSTURE_E_LIMIT), never cut. */
enum {
    POSTURE_PAGE_CRITERIA_MAX = 64,
    POSTURE_PAGE_AGENCIES_MAX = 100000,
    POSTURE_PAGE_ENTRIES_MAX = 1000000,
};

struct posture_page_model {
    json_t *json; /* owned reference */
    int64_t time_ns;
    int fiscal_year;
    struct posture_page_criterion *criteria;
    size_t criterion_count;
    struct posture_page_eval *nation; /* one per criterion */
    struct posture_page_area *areas;  /* in the strategy's order */
    size_t area_count;
    struct posture_page_agency *agencies; /* grouped by area */
    size_t agency_count;
    struct posture_page_entry *entries; /* grouped by problem, then by agency */
    size_t entry_count;
    struct posture_page_problem *problems; /* most subjects first, warnings last */
    size_t problem_count;
    bool is_truncated; /* an evaluation's list was cut: numbers of entries are lower
                          bounds */
    int64_t oldest_ns, newest_ns;
    uint64_t accepted, rejected, duplicates, lag;
};

/* Takes its own reference of nation, which must not change afterwards. POSTURE_E_SCHEMA
 * when it is not a posture.nation/1 object, POSTURE_E_LIMIT, -ENOMEM. */
int posture_page_model_new(json_t *nation, struct posture_page_model **ret_model,
                           struct posture_error *reterr);
/* The first of these: POSTURE_E_SCHEMA by what the document calls itself. */
int posture_page_model_check(const json_t *nation, struct posture_error *reterr);
struct posture_page_model *posture_page_model_free(struct posture_page_model *model);
POSTURE_AUTO_DEFINE(struct posture_page_model *, posture_page_model_free)

/* Index, or -1. */
long posture_page_agency_find(const struct posture_page_model *model, const char *id);
long posture_page_area_find(const struct posture_page_model *model, const char *id);
long posture_page_criterion_find(const struct posture_page_model *model, const char *id);

/* {"ja":…,"en":…} in the language, else the other one, else NULL; borrowed. */
const char *posture_page_localised(const json_t *object, const char *key,
                                   enum posture_lang lang);

#endif
