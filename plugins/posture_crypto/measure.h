/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#ifndef POSTURE_CRYPTO_MEASURE_H
#define POSTURE_CRYPTO_MEASURE_H

#include "common/base/options.h"
#include "common/net/address.h"
#include "common/net/budget.h"
#include "common/net/worker.h"
#include "common/report/judge.h"
#include "common/report/subject.h"

#include <jansson.h>
#include <uv.h>

/*
 * What the worker measures: one of these per kind. The worker owns targets, pace, reports
 * and values; a measure only makes facts. To add a kind: fill one, list it in worker.c,
 * and give the program its row (plugins/posture/kinds.c).
 */

/* Runs once per start, in the loop. facts: the object that becomes facts.<kind>, a new
 * reference that the callee takes; NULL when memory was out. */
typedef void posture_crypto_measured_cb(void *data, json_t *facts_take);

/* What all kinds share; it outlives them. */
struct posture_crypto_common {
    struct posture_address_policy *policy; /* of option Allow */
    struct posture_budget *budget;         /* connections to others */
};

struct posture_crypto_measure {
    const char *kind;  /* also the name of the member of "facts" */
    const char *block; /* "Endpoint": the kind of block that a target is written as */
    const struct posture_check_set *checks;

    /* What all targets of the kind share, made once from the settings while the worker
     * still has its rights, and only when there is a target of this kind. Errors name the
     * option. */
    int (*setup)(struct posture_worker *runtime,
                 const struct posture_crypto_common *common, void **ret_shared,
                 struct posture_error *reterr);
    /* A target that will be measured: loads what its block names (values: the block's
     * struct), or says why it cannot be. A target that comes with a changed EndpointsFile
     * finds the worker within its sandbox. May be NULL. */
    int (*admit)(void *shared, const void *values, struct posture_error *reterr);
    /* The worker stops, every run is cancelled: closes handles in the loop. May be NULL.
     */
    void (*stop)(void *shared);
    void (*teardown)(void *shared);

    /* Starts one measurement. values: the block's struct. All pointers live as long as
     * it. It ends by itself at its deadline, with done; data is done's. */
    int (*start)(void *shared, uv_loop_t *loop, const struct posture_subject *subject,
                 const void *values, posture_crypto_measured_cb *done, void *data,
                 void **ret_run);
    /* No callback comes any more; handles close in the loop. */
    void (*cancel)(void *run);

    /* Facts of a target that could not even be started: everything unknown. */
    json_t *(*facts_none)(const struct posture_subject *subject);
    /* Nothing at all was measured: counted in probes_failed. */
    bool (*is_failure)(const json_t *facts);
    /* Makes facts smaller that do not fit a report and says so in them (truncated).
     * false: nothing is left that could be cut. */
    bool (*shrink)(json_t *facts);
};

extern const struct posture_crypto_measure posture_crypto_measure_host;
extern const struct posture_crypto_measure posture_crypto_measure_ssh;
extern const struct posture_crypto_measure posture_crypto_measure_tls;

#endif
