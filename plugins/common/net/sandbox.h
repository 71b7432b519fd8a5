/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#ifndef POSTURE_NET_SANDBOX_H
#define POSTURE_NET_SANDBOX_H

#include "common/base/error.h"

enum {
    POSTURE_SANDBOX_CONNECT = 1 << 0, /* outgoing TCP and UDP */
    POSTURE_SANDBOX_THREADS = 1 << 1, /* more threads than libuv's pool */
    POSTURE_SANDBOX_FILES = 1 << 2,   /* writes below one directory (the spool) */
    POSTURE_SANDBOX_LISTEN = 1 << 3,  /* bind and listen */
    POSTURE_SANDBOX_CLOCK = 1 << 4,   /* asking the kernel how exact its clock is */
};

/*
 * Closes what a worker does not need: no_new_privs, rlimits (memory, files, no core), a
 * seccomp allow list (killing is replaced by EPERM, except for exec-like calls), Landlock
 * where the kernel has it. writable_dir may be NULL. What the kernel does not offer is
 * skipped and said in ret_note (static text, NULL when all was applied).
 */
int posture_sandbox_enter(unsigned needs, const char *writable_dir, const char **ret_note,
                          struct posture_error *reterr);

/* One more file or folder that may be read, beyond system configuration and libraries;
 * before posture_sandbox_enter(). Copied. Files and credentials of the configuration come
 * open from the host instead (posture_worker_open). */
int posture_sandbox_allow_read(const char *path);

#endif
