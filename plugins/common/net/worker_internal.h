/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#ifndef POSTURE_NET_WORKER_INTERNAL_H
#define POSTURE_NET_WORKER_INTERNAL_H

#include "common/net/worker.h"

enum { WORKER_FDS_MAX = 16 }; /* descriptors that came before their line */

/* A descriptor that the worker asked for and has not got yet. */
struct worker_open {
    struct worker_open *next;
    posture_worker_fd_cb *cb;
    void *data;
    char what[16];
};

struct posture_worker {
    const struct posture_worker_ops *ops;
    void *data;
    struct posture_settings *settings;
    char *writable_dir;
    bool is_once;
    bool is_running; /* the loop polls the socket */
    bool is_stopping;
    bool is_host_gone;
    int exit_status;
    uint64_t dropped; /* lines that did not fit while the host was not reading */

    struct posture_line_reader reader;
    struct posture_buf out;
    int fds[WORKER_FDS_MAX];
    size_t fd_count;
    struct worker_open *opens;

    uv_loop_t loop;
    uv_poll_t poll;
    uv_signal_t signals[2];
    uv_timer_t finish;
    uv_timer_t guard;
};

/* Queues one line; POSTURE_E_LIMIT when the host has not read for long: dropped and
 * counted. */
int posture_worker_line_send(struct posture_worker *worker, const char *const *fields,
                             size_t count);
/* "fd WHAT ERROR": hands the descriptor to whoever asked first. */
void posture_worker_fd_line(struct posture_worker *worker, const char *what,
                            const char *error);
/* The socket is watched for room only while there is something to send. */
void posture_worker_poll_update(struct posture_worker *worker);

#endif
