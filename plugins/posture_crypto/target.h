/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#ifndef POSTURE_CRYPTO_TARGET_H
#define POSTURE_CRYPTO_TARGET_H

#include "common/report/report.h"
#include "posture_crypto/measure.h"
#include "posture_crypto/options.h"

/* One target of the worker: a subject, how it is measured, its report on the way. */
struct posture_crypto_target {
    void *worker;
    const struct posture_crypto_measure *measure;
    void *shared; /* of the measure */
    struct posture_subject subject;
    const char *written; /* argument of its block, as it was written; NULL: none */
    const void *values;  /* of its block */
    const char *end_of_life;
    uint32_t block;
    int64_t interval_ns;
    int64_t started_ns;
    void *run;                   /* while it runs */
    struct posture_report *held; /* measured, not yet handed over */
    size_t number;               /* in the worker's list */

    /* Of a line of EndpointsFile: */
    char *line;
    struct posture_settings *own_settings; /* where values points into */
};

/* Reads the block: kind, subject, interval. POSTURE_E_OPTION names block and value. */
int posture_crypto_target_read(const struct posture_settings *settings, uint32_t block,
                               const struct posture_crypto_measure *const *measures,
                               struct posture_crypto_target *ret,
                               struct posture_error *reterr);

/* Facts judged and made a report without agency and reporter. */
int posture_crypto_target_report(const struct posture_crypto_target *target,
                                 json_t *facts, const struct posture_profile *profile,
                                 struct posture_results *results,
                                 struct posture_report **ret);

/* Encodes for a reporter. A report over the limit is cut by the kind's shrink: it says
 * so, and is judged by what is left of it. *ret_body: owner is the caller. */
int posture_crypto_target_encode(const struct posture_crypto_target *target,
                                 const struct posture_profile *profile,
                                 struct posture_report *report, const char *agency,
                                 const char *reporter, char **ret_body, size_t *ret_len);

#endif
