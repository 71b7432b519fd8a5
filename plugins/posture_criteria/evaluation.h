/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#ifndef POSTURE_CRITERIA_EVALUATION_H
#define POSTURE_CRITERIA_EVALUATION_H

#include "posture_criteria/registry_index.h"
#include "posture_criteria/state.h"

/*
 * Evaluation: registry, catalogue, the state in memory and an instant to
 * posture.evaluation/1 documents. Pure; the words are DESIGN section 2's. An agency is
 * tallied by itself; areas, sectors and the nation are sums of tallies, so that ratios
 * come from summed numerators and denominators.
 */
enum { POSTURE_EVALUATION_LIST_MAX = 200 }; /* not_achieved of one document */

enum posture_standing {
    POSTURE_STANDING_PASS,
    POSTURE_STANDING_FAIL, /* from here in the order in which they are listed */
    POSTURE_STANDING_MISSING,
    POSTURE_STANDING_STALE,
    POSTURE_STANDING_UNKNOWN,
    POSTURE_STANDING_WARN,
    POSTURE_STANDING_NA,
    POSTURE_STANDING_COUNT
};

struct posture_evaluation_context {
    const struct posture_registry_index *registry;
    const struct posture_catalogue *catalogue;
    const struct posture_state *state;
    const char *profile_id, *profile_digest;
    int64_t now_ns;
};

/* One subject that is not achieved. */
struct posture_shortfall {
    const char *agency; /* the registry's */
    const char
        *subject; /* record's or registry's: a pattern with missing > 1 as a whole */
    struct posture_record *record; /* NULL when missing */
    const char *check;             /* the worst check; NULL when stale or missing */
    enum posture_standing standing;
    uint32_t missing; /* the subject is a pattern: how many of it; else 0 */
    bool is_excepted;
    int64_t since_ns; /* 0: not known */
};

/* What one criterion counts for an agency or a sum of agencies. */
struct posture_tally {
    uint64_t counts[POSTURE_STANDING_COUNT]; /* registered subjects */
    uint64_t covered; /* fresh, and every check that is not na is pass, warn or fail */
    uint64_t
        excepted; /* not passing, and an exception holds for a check that does not pass */
    uint64_t unregistered;          /* fresh or stale, not in the inventory */
    int64_t oldest_ns, newest_ns;   /* reports of registered subjects; 0: none */
    struct posture_shortfall *list; /* worst first; at most LIST_MAX */
    size_t list_count, list_cap;
    size_t sorted_count; /* of the list, from its start: as of the last cut */
    bool is_truncated;
    int64_t next_change_ns; /* the first instant at which a fresh report turns stale or
                               an exception ends; INT64_MAX: none */
};
void posture_tally_done(struct posture_tally *tally);
uint64_t posture_tally_expected(const struct posture_tally *tally);

/* Age in ns from which a report of the kind is stale. */
int64_t posture_stale_after_ns(const struct posture_registry_index *registry,
                               const char *kind, double interval_s);

/* The records of an agency, sorted by subject and reporter, so that several criteria
 * share the work. */
struct posture_agency_view {
    struct posture_record **records;
    size_t count;
};
int posture_agency_view_fill(const struct posture_state *state, const char *agency,
                             struct posture_agency_view *ret);
void posture_agency_view_done(struct posture_agency_view *view);

/* Tallies one criterion for one agency. *ret is overwritten; on failure (-ENOMEM) it is
 * empty. Pointers in its list hold until the state changes. */
int posture_tally_agency(const struct posture_evaluation_context *context,
                         const struct posture_agency *agency,
                         const struct posture_criterion *criterion,
                         const struct posture_agency_view *view,
                         struct posture_tally *ret);
/* Adds from to sum, whose list is in order again after posture_tally_cut(). */
int posture_tally_add(struct posture_tally *sum, const struct posture_tally *from);
void posture_tally_cut(struct posture_tally *sum);

struct posture_scope {
    const char *type; /* "agency", "sector", "area", "nation" */
    const char *id;
};
#define POSTURE_NATION_ID "jp"

/*
 * The document. Its id is made from its content without id and time, and the content has
 * no instant of evaluation: the same state, registry, catalogue and profile give the same
 * id after any restart. New reference in *ret. *ret_wanted_count (may be NULL): listed
 * records whose detail (code and args) is not there yet; 0: the document is whole.
 * -ENOMEM.
 */
int posture_evaluation_document(const struct posture_evaluation_context *context,
                                const struct posture_scope *scope,
                                const struct posture_criterion *criterion,
                                const struct posture_tally *tally, json_t **ret,
                                size_t *ret_wanted_count);
/* "scope type:id|criterion|FY2026" into buf. */
enum { POSTURE_EVALUATION_KEY_MAX = 256 };
const char *posture_evaluation_key(const struct posture_scope *scope,
                                   const char *criterion, int fiscal_year,
                                   char buf[static POSTURE_EVALUATION_KEY_MAX]);

/* code and args of every result that does not pass, as posture_record.detail has them.
 * Owner: caller. */
char *posture_evaluation_detail(const struct posture_results *results);

#endif
