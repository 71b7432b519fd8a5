/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#ifndef POSTURE_NET_WORKER_H
#define POSTURE_NET_WORKER_H

#include "common/base/lines.h"
#include "common/base/options.h"

#include <uv.h>

/*
 * The worker's side of the host object: reads its settings from descriptor 3, enters the
 * sandbox, runs one libuv loop, exchanges lines. One thread. A worker's main() is a call
 * of posture_worker_main().
 */
struct posture_worker;

struct posture_worker_ops {
    const char *name; /* "posture-crypto" */
    const struct posture_option_table *options;
    /* Loads data files and checks settings, before the sandbox and before any network. On
     * failure the worker says "refused" with reterr's text and ends. */
    int (*prepare)(struct posture_worker *worker, struct posture_error *reterr);
    /* Inside the sandbox, loop not yet running: creates handles. */
    int (*start)(struct posture_worker *worker, struct posture_error *reterr);
    /* The host asked to stop (end of file): close handles; the loop ends when none is
     * left. */
    void (*stop)(struct posture_worker *worker);
    void (*free)(struct posture_worker *worker);
    /* What the sandbox must allow beyond the common set. */
    unsigned sandbox; /* POSTURE_SANDBOX_* of net/sandbox.h */
};

int posture_worker_main(const struct posture_worker_ops *ops, int argc, char **argv);

uv_loop_t *posture_worker_loop(struct posture_worker *worker);
const struct posture_settings *
posture_worker_settings(const struct posture_worker *worker);
/* The worker's own state, set in prepare. */
void posture_worker_set_data(struct posture_worker *worker, void *data);
void *posture_worker_data(const struct posture_worker *worker);
/* Where sandbox flag POSTURE_SANDBOX_FILES may write; called in prepare. Copied. */
int posture_worker_set_writable_dir(struct posture_worker *worker, const char *dir);
/* Started by the program ("--once"): reports go to stdout as NDJSON, no spool, end when
 * done. */
bool posture_worker_is_once(const struct posture_worker *worker);
/* Ends the loop in good order (once mode, when all is measured; else the host starts it
 * anew). */
void posture_worker_finish(struct posture_worker *worker, int exit_status);

struct posture_meta {
    const char *key;
    const char *text;
};
/* One value for collectd. block: number of the settings block it belongs to (its
 * interval). */
void posture_worker_value(struct posture_worker *worker, uint32_t block,
                          const char *plugin_instance, const char *type,
                          const char *type_instance, double number,
                          const struct posture_meta *meta, size_t meta_count);
/* A counter or gauge of the worker itself. type: "gauge", "count" or "derive". */
void posture_worker_stat(struct posture_worker *worker, const char *type,
                         const char *type_instance, double number);
enum posture_log_level {
    POSTURE_LOG_ERROR,
    POSTURE_LOG_WARNING,
    POSTURE_LOG_NOTICE,
    POSTURE_LOG_INFO,
    POSTURE_LOG_DEBUG,
};
void posture_worker_log(struct posture_worker *worker, enum posture_log_level level,
                        const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* Lines that were dropped because the host did not read for long. */
uint64_t posture_worker_dropped(const struct posture_worker *worker);
/* A collectd notification; the host passes it on for posture_kafka alone. severity:
 * "failure", "warning" or "okay". */
int posture_worker_notify(struct posture_worker *worker, const char *severity,
                          const char *type_instance, const char *text);

/* Asks the host for a descriptor: what is "spool", "listen", or a file option's index as
 * text. The callback runs in the loop: fd (the callee owns it) or a negative error. */
typedef void posture_worker_fd_cb(struct posture_worker *worker, int fd, void *data);
int posture_worker_open(struct posture_worker *worker, const char *what,
                        posture_worker_fd_cb *cb, void *data);
/* Before the loop runs (prepare): blocks until the host answered, at most 5 s. */
int posture_worker_open_now(struct posture_worker *worker, uint32_t file_index,
                            int *ret_fd, struct posture_error *reterr);
/* Reads a whole descriptor, at most max bytes. Owner: caller. */
int posture_worker_read_all(int fd, size_t max, char **ret_bytes, size_t *ret_len);

#endif
