/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */

/* The host object on a recorded collectd, with a worker that is real and misbehaves as
 * told. */

#include "fake_collectd/fake_collectd.h"

#include "common/base/clock.h"
#include "common/base/mem.h"

#include <dirent.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

void module_register(void);

static char directory[64];

static size_t descriptors(void)
{
    size_t count = 0;
    DIR *dir = opendir("/proc/self/fd");
    while (readdir(dir))
        count++;
    closedir(dir);
    return count;
}

static int config_add(const char *text)
{
    char all[4096];
    snprintf(all, sizeof(all), "WorkerDir \"%s\"\nSpoolSocket \"%s/spool.sock\"\n%s",
             ECHO_WORKER_DIR, directory, text);
    return fake_collectd_config(all);
}

static void host_begin(const char *text)
{
    fake_collectd_reset();
    module_register();
    assert_int_equal(config_add(text), 0);
    if (fake_collectd_init() != 0) {
        fake_collectd_dump();
        fail_msg("init failed for: %s", text);
    }
}

static void line_expect(const char *text)
{
    if (!fake_collectd_wait(text, 10000)) {
        fake_collectd_dump();
        fail_msg("no line with '%s'", text);
    }
}

static void host_end(void)
{
    int64_t begin = posture_monotonic_ns();
    assert_int_equal(fake_collectd_shutdown(), 0);
    int64_t took_ms = (posture_monotonic_ns() - begin) / POSTURE_NS_PER_MS;
    if (took_ms > 2500)
        fail_msg("stop took %lld ms", (long long)took_ms);
    /* Nothing of ours is left, not even a zombie. */
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
}

static void values_test(void **state)
{
    (void)state;
    host_begin("Interval 30\nText \"hello\"\n<Target \"echo://a\">\n</Target>\n"
               "<Target \"echo://b\">\nInterval 7\n</Target>\n");
    line_expect("log 6 posture_echo: hello");
    line_expect("value fake.example/posture_echo-echo://a/gauge-echo.up 1 interval=30 "
                "subject=echo://a check=echo.up result=pass");
    line_expect("value fake.example/posture_echo-echo://b/gauge-echo.up 1 interval=7 ");
    line_expect("value fake.example/posture_echo/gauge-echo_alive 1 interval=10");
    assert_int_equal(fake_collectd_read(), 0);
    line_expect("value fake.example/posture_echo/derive-worker_restarts 0 interval=10");
    line_expect("value fake.example/posture_echo/gauge-worker_up 1 interval=10");
    host_end();
}

static void no_block_test(void **state)
{
    (void)state;
    fake_collectd_reset();
    size_t before = descriptors();
    module_register();
    assert_int_equal(fake_collectd_init(), 0);
    assert_int_equal(descriptors(), before);
    assert_int_equal(fake_collectd_read(), 0);
    assert_int_equal(fake_collectd_shutdown(), 0);
    assert_int_equal(fake_collectd_count(""), 0);
}

/* Nothing but memory before init: collectd forks in between. */
static void config_only_test(void **state)
{
    (void)state;
    fake_collectd_reset();
    size_t before = descriptors();
    module_register();
    assert_int_equal(config_add("<Target \"echo://a\">\n</Target>\n"), 0);
    assert_int_equal(descriptors(), before);
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
    assert_int_equal(fake_collectd_shutdown(), 0);
}

static void bad_config_test(void **state)
{
    (void)state;
    static const struct {
        const char *label, *text, *want;
        int r;
    } rows[] = {
        {"unknown option", "Modus values\n",
         "log 3 posture_echo: <Plugin posture_echo>: unknown option \"Modus\"; did you "
         "mean "
         "\"Mode\"?",
         0},
        {"number out of range", "<Target \"a\">\nInterval 0.5\n</Target>\n",
         "<Plugin posture_echo> <Target \"a\">: option Interval \"0.5\"; expected "
         "seconds from "
         "1 to 86400",
         0},
        {"unknown block", "<Targett \"a\">\nInterval 5\n</Targett>\n",
         "unknown block \"Targett\"; did you mean \"Target\"?", 0},
        {"two arguments", "<Target \"a\" \"b\">\nInterval 5\n</Target>\n",
         "<Plugin posture_echo> <Target>: 2 arguments; expected at most one", 0},
        {"strict", "Strict true\nMode wrong\n", "option Mode \"wrong\"; expected one of",
         -1},
        {"strict, good", "Strict true\n", NULL, 0},
    };
    for (size_t i = 0; i < POSTURE_COUNT(rows); i++) {
        fake_collectd_reset();
        module_register();
        int r = config_add(rows[i].text);
        if (r != rows[i].r)
            fail_msg("%s: config gave %d", rows[i].label, r);
        if (rows[i].want) {
            if (fake_collectd_count(rows[i].want) != 1) {
                fake_collectd_dump();
                fail_msg("%s: not logged once", rows[i].label);
            }
            assert_int_equal(fake_collectd_init(), -1);
            assert_int_equal(fake_collectd_count("log "), 1);
        }
        assert_int_equal(fake_collectd_shutdown(), 0);
    }
}

/* Blocks of several files are one: what the second says twice is refused. */
static void several_blocks_test(void **state)
{
    (void)state;
    fake_collectd_reset();
    module_register();
    assert_int_equal(config_add("<Target \"echo://a\">\n</Target>\n"), 0);
    assert_int_equal(fake_collectd_config("<Target \"echo://b\">\n</Target>\n"), 0);
    assert_int_equal(fake_collectd_init(), 0);
    line_expect("posture_echo-echo://a/gauge-echo.up");
    line_expect("posture_echo-echo://b/gauge-echo.up");
    host_end();

    fake_collectd_reset();
    module_register();
    assert_int_equal(config_add("Mode values\n"), 0);
    assert_int_equal(fake_collectd_config("Mode who\n"), 0);
    line_expect("option Mode is given twice; expected once");
    assert_int_equal(fake_collectd_init(), -1);
    assert_int_equal(fake_collectd_shutdown(), 0);
}

static void bad_start_test(void **state)
{
    (void)state;
    static const struct {
        const char *label, *text, *want;
    } rows[] = {
        {"no user", "User \"no-such-user\"\n",
         "log 3 posture_echo: user \"no-such-user\" does not exist"},
        {"root", "User \"root\"\n",
         "log 3 posture_echo: user \"root\" is root; expected an unprivileged user"},
    };
    if (geteuid() != 0)
        skip();
    size_t before = descriptors();
    for (size_t i = 0; i < POSTURE_COUNT(rows); i++) {
        fake_collectd_reset();
        module_register();
        assert_int_equal(config_add(rows[i].text), 0);
        assert_int_equal(fake_collectd_init(), -1);
        line_expect(rows[i].want);
        assert_int_equal(fake_collectd_shutdown(), 0);
    }
    fake_collectd_reset();
    module_register();
    char text[256], path[96];
    snprintf(path, sizeof(path), "%s/spool.sock", directory);
    snprintf(text, sizeof(text), "WorkerDir \"/nonexistent\"\nSpoolSocket \"%s\"\n",
             path);
    assert_int_equal(fake_collectd_config(text), 0);
    assert_int_equal(fake_collectd_init(), -1);
    line_expect(
        "'/nonexistent/posture-echo': could not execute: No such file or directory");
    assert_int_equal(access(path, F_OK), -1);
    assert_int_equal(fake_collectd_shutdown(), 0);
    assert_int_equal(descriptors(), before);
}

static void registration_test(void **state)
{
    (void)state;
    static const char *const functions[] = {"complex_config", "init", "read", "shutdown"};
    for (size_t i = 0; i < POSTURE_COUNT(functions); i++) {
        fake_collectd_reset();
        fake_collectd_fail(functions[i]);
        module_register();
        line_expect("log 3 posture_echo: collectd did not take the callbacks");
        assert_int_equal(fake_collectd_init(), -1);
    }
    fake_collectd_reset();
    module_register();
    config_add("");
    fake_collectd_fail("thread");
    assert_int_equal(fake_collectd_init(), -1);
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
    assert_int_equal(fake_collectd_shutdown(), 0);
}

static void who_test(void **state)
{
    (void)state;
    host_begin("Mode who\n");
    line_expect("environment empty");
    if (geteuid() == 0) {
        line_expect("posture_echo: user 65534 65534 group 65534 65534 groups 0 ");
    } else {
        line_expect("collectd is not root: the worker runs as the same user");
        line_expect("posture_echo: user ");
    }
    host_end();
}

/* Lines that a hostile worker may send change nothing but a counter. */
static void garbage_test(void **state)
{
    (void)state;
    host_begin("Mode garbage\n");
    char want[300] = "value fake.example/posture_echo-";
    size_t used = strlen(want);
    memset(want + used, '0', 127);
    snprintf(want + used + 127, sizeof(want) - used - 127, "/gauge-last 42 interval=10");
    line_expect(want);
    line_expect("worker posture-echo sent a line that is refused: \"\"");
    assert_int_equal(fake_collectd_count("that is refused"), 1);
    line_expect("log 6 posture_echo: controls \\x0a \\x01 \\x1b[31m end");
    assert_int_equal(fake_collectd_read(), 0);
    line_expect("derive-worker_refused_lines 23 ");
    assert_int_equal(fake_collectd_count("posture_echo-p"), 0);
    assert_int_equal(fake_collectd_count("notification"), 0);
    assert_int_equal(fake_collectd_count("ended"), 0);
    host_end();
}

static void huge_line_test(void **state)
{
    (void)state;
    host_begin("Mode huge\n");
    line_expect("log 3 posture_echo: worker posture-echo (pid ");
    line_expect("was killed: ");
    line_expect("derive-worker_restarts 1 ");
    host_end();
}

static void flood_test(void **state)
{
    (void)state;
    host_begin("Mode flood\n");
    line_expect("more lines of the worker were held back");
    usleep(1200 * 1000);
    /* The first burst, then what a second allows: never as much as was sent. */
    size_t values = fake_collectd_count("value ");
    size_t logs = fake_collectd_count("flood ");
    if (values > 20000 || logs > 50)
        fail_msg("%zu values, %zu log lines", values, logs);
    host_end();
}

static void rights_test(void **state)
{
    (void)state;
    size_t before = descriptors();
    host_begin("Mode rights\n");
    line_expect("gauge-echo_alive");
    assert_true(descriptors() < before + 10);
    host_end();
    assert_int_equal(descriptors(), before);
}

static void crash_test(void **state)
{
    (void)state;
    size_t before = descriptors();
    host_begin("Mode crash\n");
    line_expect("ended by signal 6 (Aborted); starting it again in 1 s");
    line_expect("ended by signal 6 (Aborted); starting it again in 2 s");
    line_expect("value fake.example/posture_echo/derive-worker_restarts 2 ");
    host_end(); /* in the pause before the next start */
    assert_int_equal(descriptors(), before);
}

static void close_test(void **state)
{
    (void)state;
    host_begin("Mode close\n");
    line_expect("was killed: it closed its socket; starting it again in 1 s");
    host_end();
}

static void refuse_test(void **state)
{
    (void)state;
    host_begin("Mode refuse\n");
    line_expect(
        "log 3 posture_echo: worker posture-echo refused its settings: no such thing");
    line_expect("ended with status 1; starting it again in 1 s");
    line_expect("derive-worker_restarts 2 ");
    assert_int_equal(fake_collectd_count("refused its settings"), 1);
    host_end();
}

static void deaf_test(void **state)
{
    (void)state;
    host_begin("Mode deaf\n");
    line_expect("echo_alive");
    int64_t begin = posture_monotonic_ns();
    assert_int_equal(fake_collectd_shutdown(), 0);
    int64_t took_ms = (posture_monotonic_ns() - begin) / POSTURE_NS_PER_MS;
    assert_true(took_ms >= 4500 && took_ms < 6500);
    line_expect("did not stop within 5 s and is killed");
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
}

static void open_descriptors_test(void **state)
{
    (void)state;
    char text[512], path[96];
    static const struct {
        const char *name;
        mode_t mode;
    } files[] = {{"file", 0600}, {"secret", 0600}};
    for (size_t i = 0; i < POSTURE_COUNT(files); i++) {
        snprintf(path, sizeof(path), "%s/%s", directory, files[i].name);
        FILE *f = fopen(path, "w");
        fprintf(f, "bytes of %s", files[i].name);
        fclose(f);
        chmod(path, files[i].mode);
    }
    size_t before = descriptors();
    snprintf(text, sizeof(text),
             "Mode open\nFile \"%s/file\"\nSecretFile \"%s/secret\"\n", directory,
             directory);
    host_begin(text);
    line_expect("log 6 posture_echo: at once: text bytes of file");
    line_expect("log 6 posture_echo: got 1: text bytes of file");
    line_expect("log 6 posture_echo: got 2: text bytes of secret");
    line_expect("log 6 posture_echo: got listen: socket listening");
    line_expect("got spool: ");
    struct stat st;
    snprintf(path, sizeof(path), "%s/spool.sock", directory);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    host_end();
    assert_int_equal(stat(path, &st), -1);
    assert_int_equal(descriptors(), before);

    snprintf(path, sizeof(path), "%s/secret", directory);
    chmod(path, 0644);
    host_begin(text);
    line_expect("got 2: error -1005");
    line_expect("log 4 posture_echo: ");
    line_expect("a credential must have mode 0600 or 0400");
    host_end();
}

static void foreign_test(void **state)
{
    (void)state;
    host_begin("Mode foreign\n");
    line_expect("sent a line that is refused: \"open\\x5cx09999\"");
    host_end();
}

static mode_t folder_mode = 0755;

/* A root helper as the script says, beside a real worker. */
static void helper_begin(const char *script, mode_t mode)
{
    char path[96], text[256];
    snprintf(path, sizeof(path), "%s/posture-echo", directory);
    (void)symlink(ECHO_WORKER_DIR "/posture-echo", path);
    snprintf(path, sizeof(path), "%s/posture-dm-table", directory);
    unlink(path);
    if (script) {
        FILE *file = fopen(path, "we");
        fprintf(file, "#!/bin/sh\n%s\n", script);
        fclose(file);
        chmod(path, mode);
    }
    chmod(directory, folder_mode);
    fake_collectd_reset();
    module_register();
    snprintf(text, sizeof(text),
             "WorkerDir \"%s\"\nSpoolSocket \"%s/socket/spool.sock\"\nMode helper\n",
             directory, directory);
    snprintf(path, sizeof(path), "%s/socket", directory);
    (void)mkdir(path, 0700);
    assert_int_equal(fake_collectd_config(text), 0);
    assert_int_equal(fake_collectd_init(), 0);
}

static void helper_end(void)
{
    char path[96];
    host_end();
    snprintf(path, sizeof(path), "%s/posture-dm-table", directory);
    unlink(path);
    snprintf(path, sizeof(path), "%s/posture-echo", directory);
    unlink(path);
    snprintf(path, sizeof(path), "%s/socket/spool.sock", directory);
    unlink(path);
    *strrchr(path, '/') = '\0';
    rmdir(path);
}

/* Who may write the folder could change the program between the look and the start. */
static void helper_folder_test(void **state)
{
    (void)state;
    if (geteuid() != 0)
        skip();
    folder_mode = 0777;
    helper_begin("echo x", 0755);
    folder_mode = 0755;
    line_expect("got dm-table: error -1005");
    line_expect("others than root may write its folder");
    helper_end();
    chmod(directory, 0755);
}

/* Nothing of collectd's reaches a helper: no descriptor, no environment, no argument; and
 * one runs at a time. */
static void helper_test(void **state)
{
    (void)state;
    if (geteuid() != 0) {
        helper_begin("echo no", 0755);
        line_expect("got dm-table: error -1005");
        helper_end();
        return;
    }
    size_t before = descriptors();
    setenv("POSTURE_LEAK", "yes", 1);
    helper_begin("u=$(id -u); for n in 3 4 5 6 7 8 9 11 12 13 14 15 16 17 18 19 20; do "
                 "[ -e /proc/$$/fd/$n ] && echo open $n; done; "
                 "echo user $u arguments $# leak ${POSTURE_LEAK:-none} in $(pwd) $0",
                 0755);
    line_expect("got dm-table: error -1011"); /* the second question: it runs already */
    char want[200];
    snprintf(want, sizeof(want),
             "got dm-table: text user 0 arguments 0 leak none in / "
             "%s/posture-dm-table",
             directory);
    line_expect(want);
    helper_end();
    unsetenv("POSTURE_LEAK");
    assert_int_equal(descriptors(), before);
}

static void helper_fails_test(void **state)
{
    (void)state;
    static const struct {
        const char *label, *script;
        mode_t mode;
        const char *want, *log;
    } rows[] = {
        {"fails", "echo 'no \033[31mtable' >&2; echo part; exit 3", 0755,
         "got dm-table: error -1007", "log 5 posture_echo: dm-table failed: no "},
        {"endless output",
         "while :; do echo 0123456789012345678901234567890123456789; done", 0755,
         "got dm-table: error -1002", "more than 262144 bytes of output"},
        {"somebody else may write it", "echo x", 0775, "got dm-table: error -1005",
         "it must be a file of root's that nobody else may write"},
        {"not there", NULL, 0, "got dm-table: error -2", NULL},
    };
    if (geteuid() != 0)
        skip();
    size_t before = descriptors();
    for (size_t i = 0; i < POSTURE_COUNT(rows); i++) {
        print_message("%s\n", rows[i].label);
        helper_begin(rows[i].script, rows[i].mode);
        line_expect(rows[i].want);
        if (rows[i].log)
            line_expect(rows[i].log);
        helper_end();
        assert_int_equal(descriptors(), before);
    }
}

static void helper_deadline_test(void **state)
{
    (void)state;
    if (geteuid() != 0)
        skip();
    helper_begin("exec sleep 60", 0755);
    line_expect("got dm-table: error -1011");
    usleep(500 * 1000);
    int64_t begin = posture_monotonic_ns();
    if (!fake_collectd_wait("got dm-table: error -1006", 12000))
        fail_msg("no end");
    assert_true(posture_monotonic_ns() - begin > 8 * POSTURE_NS_PER_S);
    line_expect("dm-table: no end within 10 s");
    helper_end();
    /* Stopping while one runs. */
    helper_begin("exec sleep 60", 0755);
    line_expect("got dm-table: error -1011");
    helper_end();
}

/* The listener's name: in use, stale, not a socket. */
static void listen_test(void **state)
{
    (void)state;
    char path[96];
    snprintf(path, sizeof(path), "%s/spool.sock", directory);
    struct sockaddr_un sa = {.sun_family = AF_UNIX};
    memcpy(sa.sun_path, path, strlen(path) + 1);
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&sa, sizeof(sa)), 0);
    assert_int_equal(listen(fd, 1), 0);
    fake_collectd_reset();
    module_register();
    config_add("");
    assert_int_equal(fake_collectd_init(), -1);
    line_expect("is in use: another process listens on it");
    assert_int_equal(fake_collectd_shutdown(), 0);
    close(fd); /* stale now */
    host_begin("");
    line_expect("echo_alive");
    host_end();

    FILE *f = fopen(path, "w");
    fclose(f);
    fake_collectd_reset();
    module_register();
    config_add("");
    assert_int_equal(fake_collectd_init(), -1);
    line_expect("exists and is not a socket; it is left alone");
    assert_int_equal(fake_collectd_shutdown(), 0);
    assert_int_equal(unlink(path), 0);

    fake_collectd_reset();
    module_register();
    assert_int_equal(fake_collectd_config("SpoolSocket \"/tmp/posture-shared.sock\"\n"),
                     0);
    assert_int_equal(fake_collectd_init(), -1);
    line_expect("'/tmp' may be written by others; expected a folder of root's");
    assert_int_equal(access("/tmp/posture-shared.sock", F_OK), -1);
    assert_int_equal(fake_collectd_shutdown(), 0);
}

/* More settings than the socket holds, more values than a second may bring: slower, never
 * lost. */
static void many_targets_test(void **state)
{
    (void)state;
    enum { COUNT = 4000, LINE = 120 };
    char *text = malloc((size_t)COUNT * LINE);
    assert_non_null(text);
    size_t used = 0;
    for (int i = 0; i < COUNT; i++)
        used += (size_t)snprintf(text + used, LINE,
                                 "<Target \"echo://a-name-that-takes-room-%d.example\">\n"
                                 "Interval 60\n</Target>\n",
                                 i);
    fake_collectd_reset();
    module_register();
    assert_int_equal(config_add("Text \"many\"\n"), 0);
    assert_int_equal(fake_collectd_config(text), 0);
    free(text);
    assert_int_equal(fake_collectd_init(), 0);
    line_expect("posture_echo: many");
    for (int i = 0; i < COUNT; i += 333) {
        char want[80];
        snprintf(want, sizeof(want), "takes-room-%d.example/gauge-echo.up 1 interval=60",
                 i);
        line_expect(want);
    }
    host_end();
}

static void types_test(void **state)
{
    (void)state;
    host_begin("");
    fake_collectd_hide_types(true);
    line_expect("log 3 posture_echo: type 'gauge' is in no types.db");
    usleep(500 * 1000);
    assert_int_equal(fake_collectd_count("in no types.db"), 1);
    host_end();
}

int main(int argc, char **argv)
{
    snprintf(directory, sizeof(directory), "/tmp/posture-host-XXXXXX");
    if (!mkdtemp(directory))
        return 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_test),           cmocka_unit_test(no_block_test),
        cmocka_unit_test(config_only_test),      cmocka_unit_test(bad_config_test),
        cmocka_unit_test(several_blocks_test),   cmocka_unit_test(bad_start_test),
        cmocka_unit_test(registration_test),     cmocka_unit_test(who_test),
        cmocka_unit_test(garbage_test),          cmocka_unit_test(rights_test),
        cmocka_unit_test(open_descriptors_test), cmocka_unit_test(foreign_test),
        cmocka_unit_test(listen_test),           cmocka_unit_test(types_test),
        cmocka_unit_test(many_targets_test),     cmocka_unit_test(helper_test),
        cmocka_unit_test(helper_folder_test),    cmocka_unit_test(helper_fails_test),
    };
    /* Those that wait for pauses and deadlines. */
    const struct CMUnitTest slow_tests[] = {
        cmocka_unit_test(huge_line_test),       cmocka_unit_test(flood_test),
        cmocka_unit_test(crash_test),           cmocka_unit_test(close_test),
        cmocka_unit_test(refuse_test),          cmocka_unit_test(deaf_test),
        cmocka_unit_test(helper_deadline_test),
    };
    bool is_slow = argc == 2 && strcmp(argv[1], "slow") == 0;
    int failed = is_slow ? cmocka_run_group_tests(slow_tests, NULL, NULL)
                         : cmocka_run_group_tests(tests, NULL, NULL);
    char path[96];
    static const char *const names[] = {"file", "secret", "spool.sock"};
    for (size_t i = 0; i < POSTURE_COUNT(names); i++) {
        snprintf(path, sizeof(path), "%s/%s", directory, names[i]);
        unlink(path);
    }
    rmdir(directory);
    return failed;
}
