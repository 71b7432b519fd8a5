/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#ifndef POSTURE_CRYPTO_WORKER_INTERNAL_H
#define POSTURE_CRYPTO_WORKER_INTERNAL_H

#include "common/net/pace.h"
#include "common/net/values.h"
#include "common/net/worker.h"
#include "common/spool/client.h"
#include "posture_crypto/targets.h"

#include <sys/stat.h>

/* The worker posture-crypto: worker.c runs it, worker_targets.c says what it measures. */

enum { WORKER_MEASURES = 3 };

/* A list of further endpoints as it was last read: EndpointsFile, or what posture_snmp
 * found (EndpointsFrom device). */
enum { WORKER_LIST_FILE, WORKER_LIST_DEVICE, WORKER_LISTS };
struct worker;
struct worker_list {
    struct worker *worker;
    const char *option;
    const struct posture_option_file *file; /* NULL: not asked for */
    uv_timer_t timer;
    bool has_timer, is_asked, was_refused;
    struct stat seen;
    char *text; /* its lines; NULL: none were read yet */
    size_t len;
};

struct worker {
    struct posture_worker *runtime;
    const struct posture_crypto_settings *settings;
    void *shared[WORKER_MEASURES]; /* of each measure that has targets */
    struct posture_check_registry *checks;
    struct posture_profile *profile;
    struct posture_exceptions *exceptions;
    struct posture_values *values;
    struct posture_pace *pace;
    struct posture_spool_client *spool;
    struct posture_crypto_common common;
    struct posture_crypto_targets targets;
    struct worker_list lists[WORKER_LISTS];
    size_t printed; /* once mode: targets whose report is out */
    size_t held;
    char *agency, *reporter; /* as the spool says; NULL before */
    uv_timer_t stats;
    bool has_stats;
    uint64_t probes, failures, dropped, busy_ms;
    uint64_t running;
    int64_t born_ns;
    bool has_said_no_spool;
};

/* What can be measured; ends with NULL. */
extern const struct posture_crypto_measure *const worker_measures[WORKER_MEASURES + 1];

/* Blocks and lists, before the worker enters its sandbox. */
int worker_targets_prepare(struct worker *worker, struct posture_error *reterr);
/* Reads the lists again when they change. */
int worker_lists_watch(struct worker *worker, uv_loop_t *loop);
void worker_lists_stop(struct worker *worker);
void worker_lists_done(struct worker *worker);
/* due is called at each target's turn. */
int worker_pace_start(struct worker *worker, uv_loop_t *loop, posture_pace_cb *due);
void worker_run_cancel(struct posture_crypto_target *target);
void worker_held_drop(struct posture_crypto_target *target);

#endif
