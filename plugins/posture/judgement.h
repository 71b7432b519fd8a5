/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#ifndef POSTURE_PROGRAM_JUDGEMENT_H
#define POSTURE_PROGRAM_JUDGEMENT_H

#include "common/report/exceptions.h"
#include "common/report/judge.h"
#include "common/report/report.h"
#include "posture/arguments.h"

/* Every check set that is linked; ends with NULL. */
extern const struct posture_check_set *const judgement_sets[];

/* The profiles asked for, in their order, and the check registry. */
struct judgement {
    struct posture_profile *profiles[ARGUMENTS_PROFILES_MAX];
    size_t count;
    struct posture_check_registry *checks;
    struct posture_exceptions *exceptions; /* NULL: none */
    bool has_at;
    int64_t at_ns;
};

int judgement_load(const struct arguments *arguments, struct judgement *ret,
                   struct posture_error *reterr);
void judgement_done(struct judgement *judgement);

/* One report under every profile: results[i] under profiles[i]. */
struct judged {
    struct posture_results results[ARGUMENTS_PROFILES_MAX];
    int64_t at_ns;
};
/* POSTURE_E_MISSING: no checks of this report's kind are linked. */
int judgement_apply(const struct judgement *judgement,
                    const struct posture_report *report, struct judged *ret);
void judged_done(struct judged *judged);
/* The exception on record for a result, and whether it holds on the judgement's day;
 * NULL: none. */
const struct posture_exceptions_entry *
judged_exception(const struct judgement *judgement, const struct judged *judged,
                 const struct posture_report *report, const struct posture_result *result,
                 bool *ret_holds);
/* The worst of all results of all profiles, exceptions or not. */
enum posture_result_status judged_worst(const struct judgement *judgement,
                                        const struct judged *judged);
/* True when anything of the subject was measured. */
bool judged_is_measured(const struct posture_report *report);

/* As a line of JSON a profile: the report with that profile's results. is_ascii: for
 * terminals. */
int judged_write_json(const struct judgement *judgement, const struct judged *judged,
                      struct posture_report *report, bool is_ascii,
                      struct posture_buf *out);

#endif
