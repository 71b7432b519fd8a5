/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#ifndef POSTURE_BASE_SPAWN_H
#define POSTURE_BASE_SPAWN_H

#include "common/base/error.h"

#include <stdint.h>
#include <sys/types.h>

/*
 * Starts a worker from a process that may be threaded, root, and full of descriptors
 * without O_CLOEXEC: between fork and exec only async-signal-safe calls. The child gets
 * descriptor 3 (its end of a socket pair), default signals and mask, an empty
 * environment, nothing else open above 3, and runs as uid:gid with no supplementary
 * groups. Its death is end of file on the socket.
 */
struct posture_spawn {
    const char *path;        /* absolute, of the worker */
    const char *const *args; /* after argv[0]; ends with NULL; may be NULL */
    uid_t uid;
    gid_t gid;
    int has_user;  /* 0: stay as we are (we are not root) */
    int stdout_fd; /* becomes descriptor 1; -1: /dev/null */
    int stderr_fd; /* becomes descriptor 2; -1: /dev/null */
    /* A helper instead of a worker: no socket (nothing open above 2), the whole path as
     * argv[0] (sshd wants that), and limits on what it may write and compute. */
    int is_helper;
    uint32_t output_max; /* bytes a file */
    uint32_t cpu_s;
};

struct posture_child {
    int socket; /* our end, SOCK_STREAM, close-on-exec */
    int pidfd;  /* for signals; -1 when closed */
    pid_t pid;  /* for log lines only: it may be reused */
};

int posture_spawn(const struct posture_spawn *spawn, struct posture_child *ret_child,
                  struct posture_error *reterr);
/* Signal through the pidfd; -ESRCH when it is gone. Never fails on ECHILD when reaping.
 */
int posture_child_signal(struct posture_child *child, int signal);
/* Waits until the process is gone, at most timeout_ms (-1: for ever), and reaps it if it
 * can. POSTURE_E_DEADLINE when it still runs. ret_status (may be NULL): exit status,
 * minus the signal's number, or POSTURE_CHILD_STATUS_UNKNOWN when somebody else reaped
 * it. */
enum { POSTURE_CHILD_STATUS_UNKNOWN = 4096 };
int posture_child_wait(struct posture_child *child, int timeout_ms, int *ret_status);
/* Closes both descriptors and reaps if it can (ECHILD is normal). */
void posture_child_done(struct posture_child *child);

/* uid and gid of a user name. POSTURE_E_MISSING names it. */
int posture_user_find(const char *name, uid_t *ret_uid, gid_t *ret_gid,
                      struct posture_error *reterr);

/* Data files (schemas, profiles, catalogues): sub is "profiles", "criteria", "" …; the
 * first of override_dir (may be NULL), ../share/posture and ../../share/posture beside
 * the running program, and the source tree it was built from. Owner: caller.
 * POSTURE_E_MISSING names what was tried. */
int posture_data_path(const char *override_dir, const char *sub, const char *name,
                      char **ret_path, struct posture_error *reterr);

#endif
