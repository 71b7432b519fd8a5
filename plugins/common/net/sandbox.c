/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */

#include "common/net/sandbox.h"

#include "common/net/sandbox_internal.h"

#include <errno.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>

static int limit_set(int resource, rlim_t value, const char *name,
                     struct posture_error *reterr)
{
    struct rlimit limit;
    if (getrlimit((__rlimit_resource_t)resource, &limit) < 0)
        return posture_error_set(reterr, -errno, "%s: %s", name, strerror(errno));
    /* Only ever lower: an administrator's own limit stays. */
    if (limit.rlim_max == RLIM_INFINITY || limit.rlim_max > value)
        limit.rlim_max = value;
    limit.rlim_cur = limit.rlim_max;
    if (setrlimit((__rlimit_resource_t)resource, &limit) < 0)
        return posture_error_set(reterr, -errno, "%s: %s", name, strerror(errno));
    return 0;
}

#if defined(__SANITIZE_ADDRESS__)
/* The leak check at exit traces its own process, which the filter refuses; it would call
 * that a failure of the program. Leaks are looked for in the unit tests. */
static int sandbox_is_entered;
int __lsan_is_turned_off(void);
__attribute__((visibility("default"))) int __lsan_is_turned_off(void)
{
    return sandbox_is_entered;
}
#endif

static int limits_enter(unsigned needs, struct posture_error *reterr)
{
    POSTURE_TRY(limit_set(RLIMIT_CORE, 0, "RLIMIT_CORE", reterr));
    POSTURE_TRY(limit_set(RLIMIT_NOFILE, 8192, "RLIMIT_NOFILE", reterr));
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
    /* Data, not address space: arenas and thread stacks reserve much more than they use.
     */
    bool is_large = needs & (POSTURE_SANDBOX_THREADS | POSTURE_SANDBOX_LISTEN);
    POSTURE_TRY(
        limit_set(RLIMIT_DATA, (rlim_t)(is_large ? 8 : 2) << 30, "RLIMIT_DATA", reterr));
#else
    (void)needs;
#endif
    return 0;
}

int posture_sandbox_enter(unsigned needs, const char *writable_dir, const char **ret_note,
                          struct posture_error *reterr)
{
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
        return posture_error_set(reterr, -errno, "no_new_privs: %s", strerror(errno));
    /* No core, no ptrace, no /proc/PID for others of the same user. */
    if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
        return posture_error_set(reterr, -errno, "not dumpable: %s", strerror(errno));
    POSTURE_TRY(limits_enter(needs, reterr));

    const char *note = NULL;
    int r = posture_landlock_enter(needs, writable_dir, reterr);
    if (r == -EOPNOTSUPP || r == -ENOSYS)
        note = "this kernel has no Landlock; file permissions alone limit the worker";
    else if (r < 0)
        return r;
    POSTURE_TRY(posture_seccomp_enter(needs, reterr));
#if defined(__SANITIZE_ADDRESS__)
    sandbox_is_entered = 1;
#endif
    if (ret_note)
        *ret_note = note;
    return 0;
}
