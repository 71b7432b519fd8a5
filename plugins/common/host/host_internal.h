/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#ifndef POSTURE_HOST_INTERNAL_H
#define POSTURE_HOST_INTERNAL_H

/* Between the files of this folder only. collectd.h first and alone, as it wants. */
#include "collectd.h"

#include "common/base/lines.h"
#include "common/base/options.h"
#include "common/base/spawn.h"
#include "common/host/helper.h"
#include "common/host/host.h"
#include "common/host/identity.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "liboconfig/oconfig.h"

enum {
    HOST_ANSWERS_MAX = 64, /* a worker that asks on without reading is ended */
    HOST_LOG_LINES = 10,   /* a second */
};

/* An answer to "open": its line and its descriptor leave in one message. */
struct host_answer {
    char line[64];
    size_t len;
    int fd;
};

/* Which lines of a worker reach the log. */
struct host_log {
    int64_t window_ns; /* start of the current second */
    unsigned lines;
    uint64_t held_back;
};

/* One life of the worker process, and what is read of it. Reader thread only. */
struct host_worker {
    struct posture_child child;
    int64_t started_ns;
    bool is_ready;
    struct posture_line_reader reader;
    struct posture_buf out; /* bytes to send before the answers */
    struct host_answer answers[HOST_ANSWERS_MAX];
    size_t answer_count;
    struct posture_helper helpers[POSTURE_HELPERS];
    uint64_t refused; /* lines */
    double tokens;    /* lines it may send; refilled by time */
    int64_t tokens_ns;
};

/* What read exports; written by the reader thread. */
struct host_counters {
    atomic_uint_fast64_t restarts;
    atomic_uint_fast64_t refused_lines;
    atomic_uint_fast64_t dropped_values;
    atomic_bool is_up;
    atomic_bool has_missing_type; /* logged */
};

struct posture_host {
    const struct posture_host_plugin *plugin;
    const char *name; /* of the plugin */

    /* config */
    struct posture_arena *arena; /* raw blocks */
    struct posture_raw_block *raw;
    size_t raw_count;
    bool has_block;
    bool is_bad; /* the error is logged */
    struct posture_settings *settings;
    struct posture_buf lines; /* the settings, encoded */

    /* init */
    char *worker_path;
    struct posture_spawn spawn;
    int listener;
    char *listener_path;
    int wake_fd;
    atomic_bool is_stopping;
    bool has_thread;
    pthread_t thread;

    /* reader thread */
    struct host_worker worker;
    struct host_log log;
    struct posture_identities identities;
    bool identities_full;
    char last_refusal[256];
    char last_spawn_error[POSTURE_ERROR_TEXT_MAX];
    struct host_counters counters;
};

/* config.c: one <Plugin posture_x> block. The return value is config's. */
int posture_host_config(struct posture_host *host, const oconfig_item_t *ci);

/* thread.c */
int posture_host_worker_start(struct posture_host *host, struct posture_error *reterr);
void *posture_host_thread(void *host);

/* dispatch.c: one line of the worker. Negative: end this worker. */
int posture_host_line(struct posture_host *host, char *line, size_t len);
void posture_host_stat(struct posture_host *host, const char *type,
                       const char *type_instance, double number);
/* A line of the worker or about it, under the limit; text is foreign. */
void posture_host_log(struct posture_host *host, int severity, const char *text);
/* Tells how many lines were held back, once their second is over. */
void posture_host_log_tick(struct posture_host *host);

/* answer.c: "open WHAT". Negative: end this worker. */
int posture_host_open_request(struct posture_host *host, const char *what);
/* Answers for the helpers that have ended or were given up. */
void posture_host_helpers_answer(struct posture_host *host);

#endif
