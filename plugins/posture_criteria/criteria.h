/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#ifndef POSTURE_CRITERIA_CRITERIA_H
#define POSTURE_CRITERIA_CRITERIA_H

#include "common/net/worker.h"
#include "common/report/checks.h"
#include "posture_criteria/evaluator.h"
#include "posture_criteria/gate.h"
#include "posture_criteria/options.h"
#include "posture_criteria/outbox.h"
#include "posture_criteria/topic_check.h"

/*
 * The worker's parts, joined: gate_worker (ingest to state) and judge_worker (state to
 * evaluations) share the nation in memory and the outbox, and otherwise meet only in the
 * state topic. One thread.
 */
struct posture_gate_worker;
struct posture_judge_worker;
struct posture_http;

struct posture_criteria {
    struct posture_worker *worker;
    uv_loop_t *loop;
    const struct posture_criteria_settings *settings;
    struct posture_kafka_secrets secrets;
    char *secret_texts[4]; /* owned; what secrets points to */
    char *listen_texts[4]; /* certificate, key, client CA, token */
    struct posture_registry_index *registry;
    struct posture_catalogue *catalogue;
    struct posture_profile *profile;
    struct posture_schema *schema;
    struct posture_check_registry *checks;
    const struct posture_check_set *const *sets;
    struct posture_state *state;
    struct posture_outbox *outbox;
    struct posture_gate_worker *gate;
    struct posture_judge_worker *judge;
    struct posture_http *http;
    char reports[POSTURE_KAFKA_TOPIC_MAX], state_topic[POSTURE_KAFKA_TOPIC_MAX];
    char rejected[POSTURE_KAFKA_TOPIC_MAX], evaluations[POSTURE_KAFKA_TOPIC_MAX];
    struct posture_topic_counts topics; /* partitions 0: not checked yet */
    uint64_t epoch, sequence;           /* of what the centre itself writes */
    int jobs;                           /* on the pool */
    bool is_stopping;
    bool has_failed; /* nothing more is taken from the input */
    uv_timer_t check_timer, stats_timer;
    uint64_t check_pause_ms;
    char check_said[POSTURE_ERROR_TEXT_MAX];
};

/* The worker cannot go on without breaking a promise: says why and ends; the host starts
 * it again. */
void posture_criteria_fail(struct posture_criteria *criteria, const char *what, int r);
/* A job of the pool has ended while stopping. */
void posture_criteria_job_done(struct posture_criteria *criteria);

#endif
