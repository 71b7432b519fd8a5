/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#ifndef POSTURE_CRITERIA_REGISTRY_INDEX_H
#define POSTURE_CRITERIA_REGISTRY_INDEX_H

#include "common/base/error.h"
#include "common/base/mem.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The registry and the catalogue as the gate and the evaluation look things up in them.
 * Strings are borrowed from the documents, which the index holds. Read-only once made. */

enum posture_area {
    POSTURE_AREA_CENTRAL_GOVERNMENT,
    POSTURE_AREA_LOCAL_GOVERNMENT,
    POSTURE_AREA_CRITICAL_INFRASTRUCTURE,
    POSTURE_AREA_BUSINESS,
    POSTURE_AREA_INDIVIDUAL,
    POSTURE_AREA_COUNT,
};
const char *posture_area_name(enum posture_area area);
int posture_area_from_name(const char *name, enum posture_area *ret);

/* Inventory: exact entries sorted by (kind, subject), then patterns in the registry's
 * order. */
struct posture_inventory_entry {
    const char *kind;
    const char *subject; /* or NULL */
    const char *pattern; /* or NULL */
    uint32_t expected;   /* of a pattern */
};
struct posture_exception {
    const char *subject;
    const char *check;
    int64_t expires_ns; /* first instant at which it no longer holds; INT64_MAX: none */
};
struct posture_agency {
    const char *id;
    enum posture_area area;
    const char *sector; /* or NULL */
    uint32_t max_subjects;
    struct posture_inventory_entry *exact;
    size_t exact_count;
    struct posture_inventory_entry *patterns;
    size_t pattern_count;
    struct posture_exception *exceptions;
    size_t exception_count;
};
enum { POSTURE_MAX_SUBJECTS_DEFAULT = 10000 };

struct posture_registry_index {
    json_t *document;
    char digest[13];
    struct posture_agency *agencies; /* sorted by id */
    size_t agency_count;
};

/* registry: as posture_registry_load() gives it; a reference is taken. */
int posture_registry_index_new(json_t *registry, const char *digest,
                               struct posture_registry_index **ret,
                               struct posture_error *reterr);
struct posture_registry_index *
posture_registry_index_free(struct posture_registry_index *index);
POSTURE_AUTO_DEFINE(struct posture_registry_index *, posture_registry_index_free)

/* NULL when unknown. */
const struct posture_agency *
posture_registry_agency(const struct posture_registry_index *index, const char *id);
/* The registry's maximum for a kind, else 86,400 s. */
double posture_registry_max_interval_s(const struct posture_registry_index *index,
                                       const char *kind);
/* The agency's exact entry for a subject; NULL when there is none. */
const struct posture_inventory_entry *
posture_agency_exact(const struct posture_agency *agency, const char *kind,
                     const char *subject);
/* The first pattern that a subject matches; NULL when none. */
const struct posture_inventory_entry *
posture_agency_pattern(const struct posture_agency *agency, const char *kind,
                       const char *subject);
/* Is there an exception that holds at that instant? */
bool posture_agency_is_excepted(const struct posture_agency *agency, const char *subject,
                                const char *check, int64_t at_ns);

struct posture_criterion_check {
    const char *check;
    bool has_min;
    double min;
};
struct posture_criterion {
    const char *id;
    const char *kind;
    unsigned areas; /* 1 << enum posture_area */
    struct posture_criterion_check *checks;
    size_t check_count;
    const json_t *targets;
};
struct posture_catalogue {
    json_t *document;
    char digest[13];
    struct posture_criterion *criteria; /* in the catalogue's order */
    size_t count;
};

int posture_catalogue_new(json_t *catalogue, const char *digest,
                          struct posture_catalogue **ret, struct posture_error *reterr);
struct posture_catalogue *posture_catalogue_free(struct posture_catalogue *catalogue);
POSTURE_AUTO_DEFINE(struct posture_catalogue *, posture_catalogue_free)
/* The target of a fiscal year; false when the catalogue has none. */
bool posture_criterion_target(const struct posture_criterion *criterion, int fiscal_year,
                              double *ret);

#endif
