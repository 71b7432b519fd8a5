/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#ifndef POSTURE_HOST_HELPER_H
#define POSTURE_HOST_HELPER_H

#include "common/base/spawn.h"

#include <stdbool.h>

/*
 * The two programs that the host runs as root for a worker (DESIGN section 4): "sshd -T",
 * and our reader of device-mapper tables. A worker names one of them and nothing else:
 * path and arguments are fixed, the environment is empty, no descriptor is passed but the
 * output, which is a file in memory of a bounded size. Nobody waits: the end is seen by
 * poll on child.pidfd.
 */
enum { POSTURE_HELPERS = 2 };

struct posture_helper {
    struct posture_child child; /* pidfd -1: not running */
    int output, errors;         /* memfds */
    int64_t deadline_ns;
    int64_t started_ns; /* the last start, for the limit of one a second */
    char said[160];     /* the last failure that was logged */
};

void posture_helper_init(struct posture_helper *helper);
/* The number of a helper's name; -1 when it is none. */
int posture_helper_find(const char *name);
const char *posture_helper_name(int number);

/* worker_path: of the worker; our own helper is beside it. -ENOENT: not installed,
 * POSTURE_E_DENIED: we are not root, or somebody else could have changed the program;
 * POSTURE_E_BUSY: it runs, or did just now. */
int posture_helper_start(struct posture_helper *helper, int number,
                         const char *worker_path, struct posture_error *reterr);
bool posture_helper_is_running(const struct posture_helper *helper);
/* Milliseconds until its deadline; -1 when it does not run. */
int posture_helper_left_ms(const struct posture_helper *helper);
/* 1: still running. 0: *ret_fd is its output, sealed, at the beginning; owner: caller.
 * Negative: failed, reterr says how (its own words are foreign text). */
int posture_helper_poll(struct posture_helper *helper, int number, int *ret_fd,
                        struct posture_error *reterr);
/* Ends it if it runs. */
void posture_helper_done(struct posture_helper *helper);

#endif
