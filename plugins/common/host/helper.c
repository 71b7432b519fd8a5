/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */

#include "common/host/helper.h"

#include "common/base/clock.h"
#include "common/base/mem.h"
#include "common/base/parse.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    OUTPUT_MAX = 256 * 1024,
    ERRORS_SHOWN = 200,
    RUN_S = 10,
    PAUSE_S = 1,
    CPU_S = 5,
    KILL_WAIT_MS = 1000,
};

static const struct {
    const char *name;
    const char *path;   /* absolute; NULL: beside the worker */
    const char *beside; /* file name there */
    const char *const args[2];
} helpers[POSTURE_HELPERS] = {
    {"sshd", "/usr/sbin/sshd", NULL, {"-T", NULL}},
    {"dm-table", NULL, "posture-dm-table", {NULL}},
};

void posture_helper_init(struct posture_helper *helper)
{
    *helper = (struct posture_helper){
        .child = {.socket = -1, .pidfd = -1}, .output = -1, .errors = -1};
}

int posture_helper_find(const char *name)
{
    for (int i = 0; i < POSTURE_HELPERS; i++) {
        if (strcmp(helpers[i].name, name) == 0)
            return i;
    }
    return -1;
}

const char *posture_helper_name(int number)
{
    return helpers[number].name;
}

static int path_make(int number, const char *worker_path, char path[static PATH_MAX])
{
    const char *slash = strrchr(worker_path, '/');
    int n = helpers[number].path ? snprintf(path, PATH_MAX, "%s", helpers[number].path)
                                 : snprintf(path, PATH_MAX, "%.*s/%s",
                                            slash ? (int)(slash - worker_path) : 0,
                                            worker_path, helpers[number].beside);
    return n < 0 || n >= PATH_MAX ? -ENAMETOOLONG : 0;
}

/* path: absolute, without links. Whoever may write a folder on the way could put another
 * program in place after the look at this one; in a sticky folder (/tmp) nobody moves
 * what is root's. */
static int folders_judge(const char *path, struct posture_error *reterr)
{
    char folder[PATH_MAX];
    snprintf(folder, sizeof(folder), "%s", path);
    for (char *slash; (slash = strrchr(folder, '/'));) {
        struct stat st;
        *slash = '\0';
        if (stat(*folder ? folder : "/", &st) < 0)
            return posture_error_set(reterr, -errno, "'%s': %s", folder, strerror(errno));
        bool is_open = (st.st_mode & (S_IWGRP | S_IWOTH)) && !(st.st_mode & S_ISVTX);
        if (st.st_uid != 0 || is_open)
            return posture_error_set(reterr, POSTURE_E_DENIED,
                                     "'%s': not run as root: others than root may write "
                                     "its folder '%s'",
                                     path, *folder ? folder : "/");
    }
    return 0;
}

/* What runs as root must be root's, and nobody else's to write. */
static int program_judge(const char *path, struct posture_error *reterr)
{
    struct stat st;
    if (stat(path, &st) < 0)
        return posture_error_set(reterr, -errno, "'%s': %s", path, strerror(errno));
    if (!S_ISREG(st.st_mode) || st.st_uid != 0 || (st.st_mode & (S_IWGRP | S_IWOTH)))
        return posture_error_set(
            reterr, POSTURE_E_DENIED,
            "'%s': not run as root: it must be a file of root's that "
            "nobody else may write",
            path);
    return folders_judge(path, reterr);
}

static void files_close(struct posture_helper *helper)
{
    posture_close(helper->output);
    posture_close(helper->errors);
    helper->output = helper->errors = -1;
}

int posture_helper_start(struct posture_helper *helper, int number,
                         const char *worker_path, struct posture_error *reterr)
{
    int64_t now = posture_monotonic_ns();
    if (geteuid() != 0)
        return POSTURE_E_DENIED;
    if (posture_helper_is_running(helper) ||
        (helper->started_ns > 0 && now - helper->started_ns < PAUSE_S * POSTURE_NS_PER_S))
        return POSTURE_E_BUSY;
    char named[PATH_MAX], path[PATH_MAX];
    POSTURE_TRY(path_make(number, worker_path, named));
    /* Judged and run without links, which others might turn in between. */
    if (!realpath(named, path))
        return posture_error_set(reterr, -errno, "'%s': %s", named, strerror(errno));
    POSTURE_TRY(program_judge(path, reterr));
    helper->output = memfd_create("posture-helper", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    helper->errors = memfd_create("posture-helper-errors", MFD_CLOEXEC);
    int r = helper->output < 0 || helper->errors < 0 ? -errno : 0;
    const struct posture_spawn spawn = {
        .path = path,
        .args = helpers[number].args,
        .stdout_fd = helper->output,
        .stderr_fd = helper->errors,
        .is_helper = 1,
        .output_max = OUTPUT_MAX,
        .cpu_s = CPU_S,
    };
    if (r == 0)
        r = posture_spawn(&spawn, &helper->child, reterr);
    if (r < 0) {
        files_close(helper);
        return r;
    }
    helper->started_ns = now;
    helper->deadline_ns = now + RUN_S * POSTURE_NS_PER_S;
    return 0;
}

bool posture_helper_is_running(const struct posture_helper *helper)
{
    return helper->child.pidfd >= 0;
}

int posture_helper_left_ms(const struct posture_helper *helper)
{
    if (!posture_helper_is_running(helper))
        return -1;
    int64_t left = helper->deadline_ns - posture_monotonic_ns();
    return left <= 0 ? 0 : (int)(left / POSTURE_NS_PER_MS) + 1;
}

/* Sealed, so that what the worker reads is what was checked; from its beginning. */
static int output_take(struct posture_helper *helper, int *ret_fd)
{
    if (fcntl(helper->output, F_ADD_SEALS,
              F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL) < 0 ||
        lseek(helper->output, 0, SEEK_SET) < 0)
        return -errno;
    *ret_fd = POSTURE_TAKE_FD(helper->output);
    return 0;
}

/* The first line of what it complained about. */
static void errors_read(const struct posture_helper *helper, char text[static 512])
{
    char bytes[ERRORS_SHOWN];
    ssize_t n = pread(helper->errors, bytes, sizeof(bytes), 0);
    const char *end = n > 0 ? memchr(bytes, '\n', (size_t)n) : NULL;
    if (n < 0)
        n = 0;
    posture_escape(bytes, end ? (size_t)(end - bytes) : (size_t)n, text, 512);
}

static int end_judge(struct posture_helper *helper, int number, int status, int *ret_fd,
                     struct posture_error *reterr)
{
    struct stat st;
    off_t size = fstat(helper->output, &st) == 0 ? st.st_size : 0;
    if (size >= OUTPUT_MAX)
        return posture_error_set(reterr, POSTURE_E_LIMIT,
                                 "%s: more than %d bytes of output", helpers[number].name,
                                 OUTPUT_MAX);
    /* A daemonised collectd gets no status of its children: then output is the sign. */
    if (status == 0 || (status == POSTURE_CHILD_STATUS_UNKNOWN && size > 0))
        return output_take(helper, ret_fd);
    char text[512];
    errors_read(helper, text);
    return posture_error_set(reterr, POSTURE_E_CLOSED, "%s failed%s%s",
                             helpers[number].name, text[0] ? ": " : "", text);
}

int posture_helper_poll(struct posture_helper *helper, int number, int *ret_fd,
                        struct posture_error *reterr)
{
    int status = POSTURE_CHILD_STATUS_UNKNOWN;
    int r = posture_child_wait(&helper->child, 0, &status);
    if (r == POSTURE_E_DEADLINE && posture_helper_left_ms(helper) > 0)
        return 1;
    if (r < 0) {
        posture_helper_done(helper);
        return posture_error_set(reterr, POSTURE_E_DEADLINE, "%s: no end within %d s",
                                 helpers[number].name, RUN_S);
    }
    r = end_judge(helper, number, status, ret_fd, reterr);
    posture_helper_done(helper);
    return r;
}

void posture_helper_done(struct posture_helper *helper)
{
    if (posture_helper_is_running(helper)) {
        (void)posture_child_signal(&helper->child, SIGKILL);
        (void)posture_child_wait(&helper->child, KILL_WAIT_MS, NULL);
        posture_child_done(&helper->child);
    }
    files_close(helper);
}
