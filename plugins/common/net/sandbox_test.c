/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */

/* Each case runs in a process of its own, as an unprivileged user when we are root. */

#include "common/net/sandbox.h"

#include "common/base/mem.h"
#include "common/base/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <librdkafka/rdkafka.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>
#include <uv.h>

#include <cmocka.h>

static char directory[64];
static uint16_t port;

/* 0, or the errno of the call that must be refused. */
static int file_open_case(const char *path, int flags)
{
    int fd = open(path, flags, 0600);
    if (fd < 0)
        return errno;
    close(fd);
    return 0;
}

static int shadow_case(void)
{
    return file_open_case("/etc/shadow", O_RDONLY);
}

static int home_case(void)
{
    char path[96];
    snprintf(path, sizeof(path), "%s/readable", directory);
    return file_open_case(path, O_RDONLY);
}

static int create_case(void)
{
    char path[96];
    snprintf(path, sizeof(path), "%s/created", directory);
    return file_open_case(path, O_WRONLY | O_CREAT);
}

static int create_outside_case(void)
{
    return file_open_case("/tmp/posture-sandbox-outside", O_WRONLY | O_CREAT);
}

static int truncate_case(void)
{
    return file_open_case("/dev/null", O_RDONLY | O_TRUNC);
}

static int ptrace_case(void)
{
    return ptrace(PTRACE_TRACEME, 0, NULL, NULL) < 0 ? errno : 0;
}

static int fork_case(void)
{
    pid_t pid = fork();
    if (pid == 0)
        _exit(0);
    return pid < 0 ? errno : 0;
}

static int exec_case(void)
{
    char *const args[] = {(char[]){"true"}, NULL};
    execve("/bin/true", args, args + 1);
    return errno;
}

static int unix_socket_case(void)
{
    return socket(AF_UNIX, SOCK_STREAM, 0) < 0 ? errno : 0;
}

static int inet_socket_case(void)
{
    return socket(AF_INET, SOCK_STREAM, 0) < 0 ? errno : 0;
}

static int listen_case(void)
{
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in in = {.sin_family = AF_INET};
    in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (bind(fd, (struct sockaddr *)&in, sizeof(in)) < 0 || listen(fd, 1) < 0)
        return errno;
    return 0;
}

static int kill_case(void)
{
    return kill(getppid(), 0) < 0 ? errno : 0;
}

static int limits_case(void)
{
    struct rlimit limit = {1 << 20, 1 << 20};
    if (setrlimit(RLIMIT_NOFILE, &limit) < 0)
        return errno;
    return 0;
}

/* What a worker that measures does: names on libuv's threads, timers, connections. */
struct uv_state {
    uv_loop_t loop;
    uv_timer_t timer;
    uv_tcp_t tcp;
    uv_connect_t connect;
    uv_getaddrinfo_t name;
    int named, connected, ticked;
};

static void connected_cb(uv_connect_t *request, int status)
{
    struct uv_state *state = request->data;
    state->connected = status == 0 ? 1 : status;
    uv_close((uv_handle_t *)&state->tcp, NULL);
}

static void named_cb(uv_getaddrinfo_t *request, int status, struct addrinfo *list)
{
    struct uv_state *state = request->data;
    state->named = status == 0 ? 1 : status;
    uv_freeaddrinfo(list);
}

static void ticked_cb(uv_timer_t *timer)
{
    ((struct uv_state *)timer->data)->ticked = 1;
    uv_close((uv_handle_t *)timer, NULL);
}

static int uv_case(void)
{
    static struct uv_state state;
    struct sockaddr_in in;
    if (uv_loop_init(&state.loop) < 0)
        return 101;
    uv_timer_init(&state.loop, &state.timer);
    uv_tcp_init(&state.loop, &state.tcp);
    state.timer.data = state.connect.data = state.name.data = &state;
    uv_timer_start(&state.timer, ticked_cb, 10, 0);
    uv_ip4_addr("127.0.0.1", port, &in);
    if (uv_tcp_connect(&state.connect, &state.tcp, (struct sockaddr *)&in, connected_cb) <
        0)
        return 102;
    if (uv_getaddrinfo(&state.loop, &state.name, named_cb, "localhost", "443", NULL) < 0)
        return 103;
    uv_run(&state.loop, UV_RUN_DEFAULT);
    if (state.named != 1)
        return 104;
    if (state.connected != 1)
        return 105;
    return state.ticked && uv_loop_close(&state.loop) == 0 ? 0 : 106;
}

static int sqlite_case(void)
{
    char path[96];
    snprintf(path, sizeof(path), "%s/spool.db", directory);
    sqlite3 *db;
    if (sqlite3_open(path, &db) != SQLITE_OK)
        return 101;
    static const char sql[] =
        "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;"
        "CREATE TABLE t (a); BEGIN; INSERT INTO t VALUES (1); COMMIT;"
        "PRAGMA wal_checkpoint(TRUNCATE); VACUUM;";
    char *message = NULL;
    int r = sqlite3_exec(db, sql, NULL, NULL, &message);
    if (r != SQLITE_OK)
        fprintf(stderr, "sqlite: %s\n", message);
    return r == SQLITE_OK && sqlite3_close(db) == SQLITE_OK ? 0 : 102;
}

static int rdkafka_case(void)
{
    char error[512];
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    char broker[32];
    snprintf(broker, sizeof(broker), "127.0.0.1:%u", port);
    rd_kafka_conf_set(conf, "bootstrap.servers", broker, error, sizeof(error));
    rd_kafka_t *producer = rd_kafka_new(RD_KAFKA_PRODUCER, conf, error, sizeof(error));
    if (!producer) {
        fprintf(stderr, "rdkafka: %s\n", error);
        return 101;
    }
    rd_kafka_poll(producer, 50);
    rd_kafka_destroy(producer);
    return 0;
}

enum { KILLED = -1 };
static const unsigned all_needs = POSTURE_SANDBOX_CONNECT | POSTURE_SANDBOX_THREADS |
                                  POSTURE_SANDBOX_FILES | POSTURE_SANDBOX_LISTEN;

static const struct {
    const char *label;
    int (*run)(void);
    unsigned needs;
    int want; /* 0, errno, or KILLED by SIGSYS */
} cases[] = {
    {"names, connections, timers", uv_case, POSTURE_SANDBOX_CONNECT, 0},
    {"SQLite", sqlite_case, POSTURE_SANDBOX_FILES, 0},
    {"SQLite needs files", sqlite_case, POSTURE_SANDBOX_CONNECT, 101},
    {"librdkafka", rdkafka_case, POSTURE_SANDBOX_CONNECT | POSTURE_SANDBOX_THREADS, 0},
    {"exec", exec_case, all_needs, KILLED},
    {"fork", fork_case, all_needs, EPERM},
    {"ptrace", ptrace_case, all_needs, EPERM},
    {"signal another process", kill_case, all_needs, EPERM},
    {"raise limits", limits_case, all_needs, EPERM},
    {"/etc/shadow", shadow_case, all_needs, EACCES},
    {"a file outside /etc and /usr", home_case, POSTURE_SANDBOX_CONNECT, EACCES},
    {"create without files", create_case, POSTURE_SANDBOX_CONNECT, EPERM},
    {"truncate without files", truncate_case, POSTURE_SANDBOX_CONNECT, EPERM},
    {"create below the directory", create_case, POSTURE_SANDBOX_FILES, 0},
    {"create elsewhere", create_outside_case, POSTURE_SANDBOX_FILES, EACCES},
    {"local sockets", unix_socket_case, all_needs, EPERM},
    {"sockets without connect", inet_socket_case, POSTURE_SANDBOX_FILES, EPERM},
    {"listen", listen_case, POSTURE_SANDBOX_LISTEN, 0},
    {"listen without listen", listen_case, POSTURE_SANDBOX_CONNECT, EACCES},
};

/* Landlock decides it; without Landlock in the kernel, file permissions would allow it.
 */
static bool needs_landlock(size_t i)
{
    return strcmp(cases[i].label, "a file outside /etc and /usr") == 0 ||
           strcmp(cases[i].label, "create elsewhere") == 0;
}

static int case_run(size_t i)
{
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        uid_t uid;
        gid_t gid;
        if (geteuid() == 0 && (posture_user_find("nobody", &uid, &gid, NULL) < 0 ||
                               setgroups(0, NULL) < 0 || setresgid(gid, gid, gid) < 0 ||
                               setresuid(uid, uid, uid) < 0))
            _exit(110);
        const char *note = NULL;
        struct posture_error error = {0};
        if (posture_sandbox_enter(cases[i].needs, directory, &note, &error) < 0) {
            fprintf(stderr, "%s: %s\n", cases[i].label, error.text);
            _exit(111);
        }
        if (note && needs_landlock(i))
            _exit(cases[i].want);
        alarm(20);
        _exit(cases[i].run());
    }
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    if (WIFSIGNALED(status))
        return WTERMSIG(status) == SIGSYS ? KILLED : 1000 + WTERMSIG(status);
    return WEXITSTATUS(status);
}

static void cases_test(void **state)
{
    (void)state;
    for (size_t i = 0; i < POSTURE_COUNT(cases); i++) {
        int got = case_run(i);
        /* A kernel whose Landlock does not judge TCP leaves bind to seccomp's listen
         * rule. */
        if (cases[i].run == listen_case && cases[i].want == EACCES && got == EPERM)
            continue;
        if (got != cases[i].want)
            fail_msg("%s: got %d, want %d", cases[i].label, got, cases[i].want);
    }
}

int main(void)
{
    snprintf(directory, sizeof(directory), "/tmp/posture-sandbox-XXXXXX");
    if (!mkdtemp(directory))
        return 1;
    chmod(directory, 0777);
    char path[96];
    snprintf(path, sizeof(path), "%s/readable", directory);
    close(open(path, O_WRONLY | O_CREAT, 0644));

    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in in = {.sin_family = AF_INET};
    in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof(in);
    if (bind(listener, (struct sockaddr *)&in, sizeof(in)) < 0 ||
        listen(listener, 8) < 0 ||
        getsockname(listener, (struct sockaddr *)&in, &size) < 0)
        return 1;
    port = ntohs(in.sin_port);

    const struct CMUnitTest tests[] = {cmocka_unit_test(cases_test)};
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    static const char *const names[] = {"readable", "created", "spool.db", "spool.db-wal",
                                        "spool.db-shm"};
    for (size_t i = 0; i < POSTURE_COUNT(names); i++) {
        snprintf(path, sizeof(path), "%s/%s", directory, names[i]);
        unlink(path);
    }
    rmdir(directory);
    return failed;
}
