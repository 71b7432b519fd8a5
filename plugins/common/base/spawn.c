/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */

#include "common/base/spawn.h"

#include "common/base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/close_range.h>
#include <linux/sched.h>
#include <poll.h>
#include <pwd.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef P_PIDFD
#define P_PIDFD 3
#endif

enum { SPAWN_ARGS_MAX = 16, SPAWN_FIRST_FREE_FD = 16, SPAWN_SOCKET_FD = 3 };

/* What the child needs, laid out before the fork; the child only reads it. */
struct spawn_plan {
    const char *path;
    char *argv[SPAWN_ARGS_MAX + 2];
    int fds[4];   /* stdin, stdout, stderr, the socket; all >= SPAWN_FIRST_FREE_FD */
    int fd_count; /* 4, 3 for a helper */
    int status_fd;
    uint32_t output_max, cpu_s;
    int has_user;
    uid_t uid;
    gid_t gid;
};

enum spawn_step {
    SPAWN_STEP_FDS,
    SPAWN_STEP_LIMITS,
    SPAWN_STEP_USER,
    SPAWN_STEP_EXEC,
};
static const char *const spawn_step_names[] = {
    "arrange its descriptors",
    "set its limits",
    "take its user",
    "execute",
};

struct spawn_status {
    int step;
    int error;
};

static _Noreturn void child_fail(const struct spawn_plan *plan, enum spawn_step step)
{
    struct spawn_status status = {.step = (int)step, .error = errno};
    ssize_t n = write(plan->status_fd, &status, sizeof(status));
    (void)n; /* nobody is left to tell */
    _exit(127);
}

/* Between clone and exec in a copy of a threaded process: other threads may hold any
 * lock, so only async-signal-safe calls. Credentials go by the raw system calls, because
 * glibc's wrappers signal every thread that they believe to exist. */
static _Noreturn void child_run(const struct spawn_plan *plan)
{
    struct sigaction action = {.sa_handler = SIG_DFL};
    for (int i = 1; i < NSIG; i++)
        sigaction(i, &action, NULL); /* fails for SIGKILL, SIGSTOP: already so */

    for (int i = 0; i < plan->fd_count; i++)
        if (dup2(plan->fds[i], i) < 0)
            child_fail(plan, SPAWN_STEP_FDS);
    /* To be closed by exec, not now: the status pipe is among them. */
    if (syscall(SYS_close_range, (unsigned)plan->fd_count, ~0U, CLOSE_RANGE_CLOEXEC) < 0)
        child_fail(plan, SPAWN_STEP_FDS);

    /* A session of its own: Ctrl-C at a terminal ends the host, and the host ends the
     * worker. */
    setsid();
    umask(077);
    if (chdir("/") < 0)
        child_fail(plan, SPAWN_STEP_FDS);

    if (plan->fd_count < 4) {
        const struct rlimit none = {0}, output = {plan->output_max, plan->output_max},
                            cpu = {plan->cpu_s, plan->cpu_s};
        if (setrlimit(RLIMIT_CORE, &none) < 0 || setrlimit(RLIMIT_FSIZE, &output) < 0 ||
            setrlimit(RLIMIT_CPU, &cpu) < 0)
            child_fail(plan, SPAWN_STEP_LIMITS);
    }
    if (plan->has_user) {
        if (syscall(SYS_setgroups, 0, NULL) < 0 ||
            syscall(SYS_setresgid, plan->gid, plan->gid, plan->gid) < 0 ||
            syscall(SYS_setresuid, plan->uid, plan->uid, plan->uid) < 0)
            child_fail(plan, SPAWN_STEP_USER);
    }

    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    static char *const empty_environment[] = {NULL};
    execve(plan->path, plan->argv, empty_environment);
    child_fail(plan, SPAWN_STEP_EXEC);
}

/* Duplicates above the range that the child fills; -1 becomes /dev/null. */
static int fd_lift(int fd, int *ret)
{
    POSTURE_AUTO_CLOSE int null = -1;
    if (fd < 0) {
        fd = null = open("/dev/null", O_RDWR | O_CLOEXEC);
        if (fd < 0)
            return -errno;
    }
    int lifted = fcntl(fd, F_DUPFD_CLOEXEC, SPAWN_FIRST_FREE_FD);
    if (lifted < 0)
        return -errno;
    *ret = lifted;
    return 0;
}

/* The pidfd must come from the clone itself: collectd's exec plugin reaps every child, so
 * that between a fork and a pidfd_open the number could already be another process. */
static pid_t child_clone(int *ret_pidfd)
{
    struct clone_args args = {
        .flags = CLONE_PIDFD,
        .pidfd = (uint64_t)(uintptr_t)ret_pidfd,
        .exit_signal = SIGCHLD,
    };
    long pid = syscall(SYS_clone3, &args, sizeof(args));
    if (pid >= 0 || (errno != ENOSYS && errno != EPERM))
        return (pid_t)pid;

        /* Container run-times refuse clone3 so that libc falls back to clone. */
#if defined(__x86_64__) || defined(__aarch64__)
    return (pid_t)syscall(SYS_clone, (unsigned long)(CLONE_PIDFD | SIGCHLD), NULL,
                          ret_pidfd, NULL, 0UL);
#else
    return -1;
#endif
}

static int plan_fill(const struct posture_spawn *spawn, struct spawn_plan *plan,
                     struct posture_error *reterr)
{
    plan->path = spawn->path;
    plan->fd_count = spawn->is_helper ? SPAWN_SOCKET_FD : SPAWN_SOCKET_FD + 1;
    plan->output_max = spawn->output_max;
    plan->cpu_s = spawn->cpu_s;
    plan->has_user = spawn->has_user;
    plan->uid = spawn->uid;
    plan->gid = spawn->gid;
    const char *slash = strrchr(spawn->path, '/');
    size_t count = 0;
    plan->argv[count++] =
        (char *)(uintptr_t)(slash && !spawn->is_helper ? slash + 1 : spawn->path);
    for (size_t i = 0; spawn->args && spawn->args[i]; i++) {
        if (count > SPAWN_ARGS_MAX)
            return posture_error_set(reterr, POSTURE_E_LIMIT, "too many arguments");
        plan->argv[count++] = (char *)(uintptr_t)spawn->args[i];
    }
    plan->argv[count] = NULL;
    return 0;
}

/* What the child said before exec, or end of file when exec was reached. */
static int child_started(int status_fd, const char *path, struct posture_error *reterr)
{
    struct spawn_status status = {0};
    ssize_t n;
    do
        n = read(status_fd, &status, sizeof(status));
    while (n < 0 && errno == EINTR);
    if (n == 0)
        return 0;
    if (n != (ssize_t)sizeof(status))
        return posture_error_set(reterr, -EIO, "'%s': no word from the new process",
                                 path);
    return posture_error_set(reterr, -status.error, "'%s': could not %s: %s", path,
                             spawn_step_names[status.step], strerror(status.error));
}

int posture_spawn(const struct posture_spawn *spawn, struct posture_child *ret_child,
                  struct posture_error *reterr)
{
    struct spawn_plan plan = {0};
    POSTURE_TRY(plan_fill(spawn, &plan, reterr));

    int pair[2], pipe_fds[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
        return posture_error_set(reterr, -errno, "socket pair: %s", strerror(errno));
    POSTURE_AUTO_CLOSE int ours = pair[0];
    POSTURE_AUTO_CLOSE int theirs = pair[1];
    if (pipe2(pipe_fds, O_CLOEXEC) < 0)
        return posture_error_set(reterr, -errno, "pipe: %s", strerror(errno));
    POSTURE_AUTO_CLOSE int status_read = pipe_fds[0];
    POSTURE_AUTO_CLOSE int status_write = pipe_fds[1];

    POSTURE_AUTO_CLOSE int in = -1;
    POSTURE_AUTO_CLOSE int out = -1;
    POSTURE_AUTO_CLOSE int err = -1;
    POSTURE_AUTO_CLOSE int socket = -1;
    POSTURE_AUTO_CLOSE int status = -1;
    int r = fd_lift(-1, &in);
    r = r < 0 ? r : fd_lift(spawn->stdout_fd, &out);
    r = r < 0 ? r : fd_lift(spawn->stderr_fd, &err);
    r = r < 0 ? r : fd_lift(theirs, &socket);
    r = r < 0 ? r : fd_lift(status_write, &status);
    if (r < 0)
        return posture_error_set(reterr, r, "descriptors: %s", posture_strerror(r));
    plan.fds[0] = in;
    plan.fds[1] = out;
    plan.fds[2] = err;
    plan.fds[3] = socket;
    plan.status_fd = status;

    /* A signal of the host must not run the host's handlers in the child. */
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int pidfd = -1;
    pid_t pid = child_clone(&pidfd);
    int clone_errno = errno;
    if (pid == 0)
        child_run(&plan);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (pid < 0)
        return posture_error_set(reterr, -clone_errno, "new process: %s",
                                 strerror(clone_errno));

    struct posture_child child = {.socket = -1, .pidfd = pidfd, .pid = pid};
    posture_close(POSTURE_TAKE_FD(status_write));
    posture_close(POSTURE_TAKE_FD(status));
    r = child_started(status_read, spawn->path, reterr);
    if (r < 0) {
        posture_child_wait(&child, 1000, NULL);
        posture_child_done(&child);
        return r;
    }
    if (!spawn->is_helper)
        child.socket = POSTURE_TAKE_FD(ours);
    *ret_child = child;
    return 0;
}

int posture_child_signal(struct posture_child *child, int signal)
{
    if (child->pidfd < 0)
        return -ESRCH;
    return syscall(SYS_pidfd_send_signal, child->pidfd, signal, NULL, 0) < 0 ? -errno : 0;
}

int posture_child_wait(struct posture_child *child, int timeout_ms, int *ret_status)
{
    if (child->pidfd < 0)
        return -ESRCH;
    struct pollfd ended = {.fd = child->pidfd, .events = POLLIN};
    int n;
    do
        n = poll(&ended, 1, timeout_ms);
    while (n < 0 && errno == EINTR && timeout_ms < 0);
    if (n < 0)
        return -errno;
    if (n == 0)
        return POSTURE_E_DEADLINE;

    siginfo_t info = {0};
    int r = waitid((idtype_t)P_PIDFD, (id_t)child->pidfd, &info, WEXITED | WNOHANG);
    if (ret_status) {
        *ret_status = POSTURE_CHILD_STATUS_UNKNOWN;
        if (r == 0 && info.si_pid != 0)
            *ret_status = info.si_code == CLD_EXITED ? info.si_status : -info.si_status;
    }
    return 0;
}

void posture_child_done(struct posture_child *child)
{
    if (child->socket >= 0)
        posture_close(child->socket);
    if (child->pidfd >= 0) {
        siginfo_t info;
        /* ECHILD: collectd's exec plugin reaps every child of the process. */
        (void)waitid((idtype_t)P_PIDFD, (id_t)child->pidfd, &info, WEXITED | WNOHANG);
        posture_close(child->pidfd);
    }
    *child = (struct posture_child){.socket = -1, .pidfd = -1};
}

int posture_user_find(const char *name, uid_t *ret_uid, gid_t *ret_gid,
                      struct posture_error *reterr)
{
    size_t size = 1024;
    for (;;) {
        POSTURE_AUTO_FREE char *buf = posture_malloc(size);
        if (!buf)
            return -ENOMEM;
        struct passwd entry, *found = NULL;
        int e = getpwnam_r(name, &entry, buf, size, &found);
        if (e == ERANGE && size < 1024 * 1024) {
            size *= 4;
            continue;
        }
        if (e != 0)
            return posture_error_set(reterr, -e, "user \"%s\": %s", name, strerror(e));
        if (!found)
            return posture_error_set(reterr, POSTURE_E_MISSING,
                                     "user \"%s\" does not exist", name);
        *ret_uid = entry.pw_uid;
        *ret_gid = entry.pw_gid;
        return 0;
    }
}
