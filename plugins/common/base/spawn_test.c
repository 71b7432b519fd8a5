/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */

#include "common/base/spawn.h"

#include "common/base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

/* Everything that the child writes to descriptor 3 until it ends. */
static size_t socket_drain(int fd, char *buf, size_t size)
{
    size_t len = 0;
    ssize_t n;
    while (len < size - 1 && (n = read(fd, buf + len, size - 1 - len)) > 0)
        len += (size_t)n;
    buf[len] = '\0';
    return len;
}

static void shell_run(const char *script, const struct posture_spawn *with, char *out,
                      size_t size, int *ret_status)
{
    const char *args[] = {"-c", script, NULL};
    struct posture_spawn spawn = *with;
    spawn.path = "/bin/sh";
    spawn.args = args;
    struct posture_child child;
    struct posture_error error = {0};
    if (posture_spawn(&spawn, &child, &error) < 0)
        fail_msg("spawn: %s", error.text);
    socket_drain(child.socket, out, size);
    assert_int_equal(posture_child_wait(&child, 5000, ret_status), 0);
    posture_child_done(&child);
    assert_int_equal(child.pidfd, -1);
}

static const struct posture_spawn same_user = {.stdout_fd = -1, .stderr_fd = -1};

/* The child sees descriptors 0 to 3 and no environment, though we hold many without
 * O_CLOEXEC. */
static void clean_child_test(void **state)
{
    (void)state;
    int leaks[40];
    for (size_t i = 0; i < POSTURE_COUNT(leaks); i++)
        leaks[i] = open("/dev/null", O_RDONLY);
    setenv("POSTURE_LEAK", "yes", 1);
    sigset_t block, before;
    sigemptyset(&block);
    sigaddset(&block, SIGTERM);
    sigprocmask(SIG_BLOCK, &block, &before);
    signal(SIGPIPE, SIG_IGN);

    char out[4096];
    int status;
    shell_run("exec >&3; for f in /proc/self/fd/*; do echo ${f##*/}; done; "
              "tr '\\0' '\\n' </proc/self/environ; pwd; umask; "
              "grep -E '^Sig(Blk|Ign)' /proc/self/status; exit 7",
              &same_user, out, sizeof(out), &status);
    assert_int_equal(status, 7);
    /* Blank lines aside: 0 1 2 3, and those the shell opens for itself at 10 and above.
     */
    assert_int_equal(strncmp(out, "0\n1\n2\n3\n", 8), 0);
    assert_null(strstr(out, "POSTURE_LEAK"));
    assert_non_null(strstr(out, "\n/\n0077\n"));
    assert_non_null(strstr(out, "SigBlk:\t0000000000000000"));
    assert_non_null(strstr(out, "SigIgn:\t0000000000000000"));
    char path[32];
    for (size_t i = 0; i < POSTURE_COUNT(leaks); i++) {
        snprintf(path, sizeof(path), "\n%d\n", leaks[i]);
        if (leaks[i] > 4 && /* 4: the shell reads the folder by it */
            strstr(out, path))
            fail_msg("descriptor %d leaked:\n%s", leaks[i], out);
        close(leaks[i]);
    }
    sigprocmask(SIG_SETMASK, &before, NULL);
    signal(SIGPIPE, SIG_DFL);
}

static void user_test(void **state)
{
    (void)state;
    uid_t uid = 0;
    gid_t gid = 0;
    struct posture_error error = {0};
    assert_int_equal(posture_user_find("no-such-user-of-posture", &uid, &gid, &error),
                     POSTURE_E_MISSING);
    assert_string_equal(error.text, "user \"no-such-user-of-posture\" does not exist");
    assert_int_equal(posture_user_find("nobody", &uid, &gid, &error), 0);
    assert_true(uid > 0);
    if (geteuid() != 0)
        skip();
    struct posture_spawn spawn = {
        .stdout_fd = -1, .stderr_fd = -1, .has_user = 1, .uid = uid, .gid = gid};
    char out[1024], want[64];
    int status;
    shell_run("grep -E '^(Uid|Gid|Groups|CapEff)' /proc/self/status >&3", &spawn, out,
              sizeof(out), &status);
    assert_int_equal(status, 0);
    snprintf(want, sizeof(want), "Uid:\t%u\t%u\t%u\t%u\n", uid, uid, uid, uid);
    assert_non_null(strstr(out, want));
    snprintf(want, sizeof(want), "Gid:\t%u\t%u\t%u\t%u\n", gid, gid, gid, gid);
    assert_non_null(strstr(out, want));
    assert_non_null(strstr(out, "Groups:\t \n"));
    assert_non_null(strstr(out, "CapEff:\t0000000000000000"));
}

static void missing_program_test(void **state)
{
    (void)state;
    struct posture_spawn spawn = same_user;
    spawn.path = "/nonexistent/worker";
    struct posture_child child = {.socket = -7};
    struct posture_error error = {0};
    assert_int_equal(posture_spawn(&spawn, &child, &error), -ENOENT);
    assert_string_equal(error.text, "'/nonexistent/worker': could not execute: "
                                    "No such file or directory");
    assert_int_equal(child.socket, -7);
    /* No zombie is left behind. */
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
    assert_int_equal(errno, ECHILD);
}

static void signal_test(void **state)
{
    (void)state;
    const char *args[] = {"1000", NULL};
    struct posture_spawn spawn = same_user;
    spawn.path = "/bin/sleep";
    spawn.args = args;
    struct posture_child child;
    int status;
    assert_int_equal(posture_spawn(&spawn, &child, NULL), 0);
    assert_int_equal(posture_child_wait(&child, 20, &status), POSTURE_E_DEADLINE);
    assert_int_equal(posture_child_signal(&child, SIGKILL), 0);
    assert_int_equal(posture_child_wait(&child, 5000, &status), 0);
    assert_int_equal(status, -SIGKILL);
    assert_int_equal(posture_child_signal(&child, SIGKILL), -ESRCH);
    posture_child_done(&child);
}

/* Somebody else reaps our child, as collectd's exec plugin does. */
static void stolen_child_test(void **state)
{
    (void)state;
    struct posture_spawn spawn = same_user;
    spawn.path = "/bin/true";
    struct posture_child child;
    assert_int_equal(posture_spawn(&spawn, &child, NULL), 0);
    assert_int_equal(waitpid(child.pid, NULL, 0), child.pid);
    int status = 0;
    assert_int_equal(posture_child_wait(&child, 5000, &status), 0);
    assert_int_equal(status, POSTURE_CHILD_STATUS_UNKNOWN);
    assert_int_equal(posture_child_signal(&child, SIGKILL), -ESRCH);
    posture_child_done(&child);
}

static void *allocating_thread(void *stop)
{
    while (!__atomic_load_n((int *)stop, __ATOMIC_RELAXED))
        free(malloc(64));
    return NULL;
}

/* Threads that hold the allocator's locks must not stop the child. */
static void threaded_test(void **state)
{
    (void)state;
    int stop = 0;
    pthread_t threads[2];
    for (size_t i = 0; i < POSTURE_COUNT(threads); i++)
        assert_int_equal(pthread_create(&threads[i], NULL, allocating_thread, &stop), 0);
    for (int i = 0; i < 20; i++) {
        char out[64];
        int status;
        shell_run("echo here >&3", &same_user, out, sizeof(out), &status);
        assert_string_equal(out, "here\n");
    }
    __atomic_store_n(&stop, 1, __ATOMIC_RELAXED);
    for (size_t i = 0; i < POSTURE_COUNT(threads); i++)
        pthread_join(threads[i], NULL);
}

static void data_path_test(void **state)
{
    (void)state;
    char *path = NULL;
    struct posture_error error = {0};
    assert_int_equal(posture_data_path(NULL, "contrib", "packages", &path, &error),
                     POSTURE_E_MISSING);
    assert_null(path);
    assert_non_null(strstr(error.text, "share/posture/contrib/packages"));
    assert_int_equal(
        posture_data_path(POSTURE_SOURCE_DIR, "contrib", "packages", &path, NULL), 0);
    assert_string_equal(path, POSTURE_SOURCE_DIR "/contrib/packages");
    free(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(clean_child_test),     cmocka_unit_test(user_test),
        cmocka_unit_test(missing_program_test), cmocka_unit_test(signal_test),
        cmocka_unit_test(stolen_child_test),    cmocka_unit_test(threaded_test),
        cmocka_unit_test(data_path_test),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
