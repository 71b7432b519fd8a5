/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */

#include "common/net/sandbox_internal.h"

#include "common/base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <seccomp.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#ifndef PR_SET_VMA
#define PR_SET_VMA 0x53564d41
#endif

/* Names, not numbers: each architecture has its own subset; a name that it lacks is left
 * out. */
static const char *const common_calls[] = {
    /* descriptors */
    "read",
    "write",
    "readv",
    "writev",
    "pread64",
    "pwrite64",
    "preadv",
    "pwritev",
    "close",
    "lseek",
    "_llseek",
    "dup",
    "dup2",
    "dup3",
    "fcntl",
    "fcntl64",
    "pipe",
    "pipe2",
    "eventfd2",
    "poll",
    "ppoll",
    "select",
    "_newselect",
    "pselect6",
    "epoll_create1",
    "epoll_ctl",
    "epoll_wait",
    "epoll_pwait",
    "epoll_pwait2",
    "timerfd_create",
    "timerfd_settime",
    "timerfd_gettime",
    "fsync",
    "fdatasync",
    "sendfile",
    /* reading about files */
    "stat",
    "fstat",
    "lstat",
    "stat64",
    "fstat64",
    "newfstatat",
    "fstatat64",
    "statx",
    "statfs",
    "fstatfs",
    "access",
    "faccessat",
    "faccessat2",
    "readlink",
    "readlinkat",
    "getdents64",
    "getcwd",
    "fadvise64",
    "umask",
    /* memory */
    "brk",
    "mmap",
    "mmap2",
    "mprotect",
    "munmap",
    "mremap",
    "madvise",
    "mincore",
    "membarrier",
    /* threads of this process, time, signals to itself */
    "futex",
    "futex_waitv",
    "futex_time64",
    "set_robust_list",
    "get_robust_list",
    "rseq",
    "set_tid_address",
    "sched_yield",
    "sched_getaffinity",
    "sched_getparam",
    "sched_getscheduler",
    "sched_get_priority_max",
    "sched_get_priority_min",
    "getcpu",
    "clock_gettime",
    "clock_getres",
    "clock_nanosleep",
    "nanosleep",
    "gettimeofday",
    "time",
    "times",
    "rt_sigaction",
    "rt_sigprocmask",
    "rt_sigreturn",
    "rt_sigpending",
    "rt_sigtimedwait",
    "rt_sigsuspend",
    "sigaltstack",
    "sigreturn",
    "restart_syscall",
    "exit",
    "exit_group",
    "getrandom",
    /* who and where we are */
    "getpid",
    "gettid",
    "getppid",
    "getpgrp",
    "getuid",
    "geteuid",
    "getgid",
    "getegid",
    "getresuid",
    "getresgid",
    "getgroups",
    "uname",
    "sysinfo",
    "getrlimit",
    "ugetrlimit",
    "getrusage",
    /* sockets that are open */
    "sendto",
    "recvfrom",
    "sendmsg",
    "recvmsg",
    "sendmmsg",
    "recvmmsg",
    "send",
    "recv",
    "shutdown",
    "getsockname",
    "getpeername",
    "getsockopt",
    "setsockopt",
};
static const char *const connect_calls[] = {"connect", "bind"};
static const char *const listen_calls[] = {"bind", "listen", "accept", "accept4"};
/* Setting needs CAP_SYS_TIME, which no worker has. */
static const char *const clock_calls[] = {"adjtimex", "clock_adjtime"};
static const char *const file_calls[] = {
    "openat",   "open",        "creat",     "unlink",  "unlinkat",        "rename",
    "renameat", "renameat2",   "mkdir",     "mkdirat", "rmdir",           "ftruncate",
    "truncate", "ftruncate64", "fallocate", "flock",   "fchmod",          "chmod",
    "fchmodat", "fchown",      "utimensat", "msync",   "sync_file_range",
};
/* Refused as "not there", so that libc and libuv take their older way, which can be
 * judged. */
static const char *const absent_calls[] = {"clone3", "io_uring_setup", "openat2"};
static const char *const killing_calls[] = {"execve", "execveat"};

static int calls_add(scmp_filter_ctx filter, uint32_t action, const char *const *names,
                     size_t count)
{
    for (size_t i = 0; i < count; i++) {
        int number = seccomp_syscall_resolve_name(names[i]);
        if (number == __NR_SCMP_ERROR || number < 0)
            continue;
        int r = seccomp_rule_add(filter, action, number, 0);
        if (r < 0)
            return r;
    }
    return 0;
}

static int call_when(scmp_filter_ctx filter, const char *name, struct scmp_arg_cmp when)
{
    int number = seccomp_syscall_resolve_name(name);
    if (number == __NR_SCMP_ERROR || number < 0)
        return 0;
    return seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, number, 1, &when);
}

static int narrow_calls_add(scmp_filter_ctx filter, unsigned needs)
{
    /* Threads, never processes. */
    POSTURE_TRY(call_when(filter, "clone",
                          SCMP_A0(SCMP_CMP_MASKED_EQ, CLONE_THREAD, CLONE_THREAD)));
    /* Reading limits, never setting them. */
    POSTURE_TRY(call_when(filter, "prlimit64", SCMP_A2(SCMP_CMP_EQ, 0)));
    /* abort() and thread names. */
    POSTURE_TRY(
        call_when(filter, "tgkill", SCMP_A0(SCMP_CMP_EQ, (scmp_datum_t)getpid())));
    static const unsigned prctls[] = {PR_SET_NAME, PR_GET_NAME, PR_GET_DUMPABLE,
                                      PR_SET_VMA};
    for (size_t i = 0; i < POSTURE_COUNT(prctls); i++)
        POSTURE_TRY(call_when(filter, "prctl", SCMP_A0(SCMP_CMP_EQ, prctls[i])));
    static const unsigned ioctls[] = {FIONBIO,  FIONREAD, FIOCLEX,
                                      FIONCLEX, TCGETS,   TIOCGWINSZ};
    for (size_t i = 0; i < POSTURE_COUNT(ioctls); i++)
        POSTURE_TRY(call_when(filter, "ioctl", SCMP_A1(SCMP_CMP_EQ, ioctls[i])));

    if (!(needs & POSTURE_SANDBOX_FILES)) {
        /* Only to read. */
        const scmp_datum_t writing =
            O_ACCMODE | O_CREAT | O_TRUNC | (O_TMPFILE & ~O_DIRECTORY);
        POSTURE_TRY(call_when(filter, "openat", SCMP_A2(SCMP_CMP_MASKED_EQ, writing, 0)));
        POSTURE_TRY(call_when(filter, "open", SCMP_A1(SCMP_CMP_MASKED_EQ, writing, 0)));
    }

    POSTURE_TRY(call_when(filter, "socketpair", SCMP_A0(SCMP_CMP_EQ, AF_UNIX)));
    if (needs & (POSTURE_SANDBOX_CONNECT | POSTURE_SANDBOX_LISTEN)) {
        /* Netlink: which address families this host has, asked by getaddrinfo. Not
         * AF_UNIX: the spool's socket comes open, and no other service is ours to talk
         * to. */
        static const unsigned families[] = {AF_INET, AF_INET6, AF_NETLINK};
        for (size_t i = 0; i < POSTURE_COUNT(families); i++)
            POSTURE_TRY(call_when(filter, "socket", SCMP_A0(SCMP_CMP_EQ, families[i])));
    }
    return 0;
}

static int filter_fill(scmp_filter_ctx filter, unsigned needs)
{
    POSTURE_TRY(
        calls_add(filter, SCMP_ACT_ALLOW, common_calls, POSTURE_COUNT(common_calls)));
    POSTURE_TRY(calls_add(filter, SCMP_ACT_KILL_PROCESS, killing_calls,
                          POSTURE_COUNT(killing_calls)));
    POSTURE_TRY(calls_add(filter, SCMP_ACT_ERRNO(ENOSYS), absent_calls,
                          POSTURE_COUNT(absent_calls)));
    if (needs & POSTURE_SANDBOX_CONNECT)
        POSTURE_TRY(calls_add(filter, SCMP_ACT_ALLOW, connect_calls,
                              POSTURE_COUNT(connect_calls)));
    if (needs & POSTURE_SANDBOX_LISTEN)
        POSTURE_TRY(
            calls_add(filter, SCMP_ACT_ALLOW, listen_calls, POSTURE_COUNT(listen_calls)));
    if (needs & POSTURE_SANDBOX_CLOCK)
        POSTURE_TRY(
            calls_add(filter, SCMP_ACT_ALLOW, clock_calls, POSTURE_COUNT(clock_calls)));
    if (needs & POSTURE_SANDBOX_FILES)
        POSTURE_TRY(
            calls_add(filter, SCMP_ACT_ALLOW, file_calls, POSTURE_COUNT(file_calls)));
    POSTURE_TRY(narrow_calls_add(filter, needs));
    return seccomp_attr_set(filter, SCMP_FLTATR_CTL_TSYNC, 1);
}

int posture_seccomp_enter(unsigned needs, struct posture_error *reterr)
{
    scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ERRNO(EPERM));
    if (!filter)
        return -ENOMEM;
    int r = filter_fill(filter, needs);
    if (r == 0)
        r = seccomp_load(filter);
    seccomp_release(filter);
    if (r < 0)
        return posture_error_set(reterr, r, "seccomp: %s", strerror(-r));
    return 0;
}
