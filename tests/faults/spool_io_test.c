/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */

/*
 * The disk against the spool: every write and sync fails once, and from then on, with EIO
 * and ENOSPC and cut short; a small file system that is really full; memory that runs
 * out, SQLite's included. No crash, what was accepted is there when the trouble is over,
 * the identity holds, and no restart is needed.
 *
 * The calls are this program's own, which the dynamic linker prefers to libc's (as
 * LD_PRELOAD would).
 */
#include "common/spool/spool_testing.h"
#include "common/spool/store.h"

#include "common/base/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* The n-th call from now fails (0: none), or all from the n-th on. */
static struct {
    unsigned long calls, fail_at;
    bool is_persistent, only_syncs;
    int error;
    bool is_short;
} shim;

static bool shim_fails(bool is_sync)
{
    if (shim.only_syncs && !is_sync)
        return false;
    shim.calls++;
    return shim.fail_at > 0 &&
           (shim.is_persistent ? shim.calls >= shim.fail_at : shim.calls == shim.fail_at);
}

#define EXPORTED __attribute__((visibility("default")))

EXPORTED int fsync(int fd)
{
    if (shim_fails(true)) {
        errno = shim.error;
        return -1;
    }
    return (int)syscall(SYS_fsync, fd);
}

EXPORTED int fdatasync(int fd)
{
    if (shim_fails(true)) {
        errno = shim.error;
        return -1;
    }
    return (int)syscall(SYS_fdatasync, fd);
}

EXPORTED ssize_t pwrite64(int fd, const void *bytes, size_t len, off64_t offset)
{
    if (shim_fails(false)) {
        if (shim.is_short && len > 1)
            return syscall(SYS_pwrite64, fd, bytes, len / 2, offset);
        errno = shim.error;
        return -1;
    }
    return syscall(SYS_pwrite64, fd, bytes, len, offset);
}

EXPORTED ssize_t pwrite(int fd, const void *bytes, size_t len, off_t offset)
{
    return pwrite64(fd, bytes, len, offset);
}

enum { ENTRIES_MAX = 100000 };

/* What was answered as stored, and what the broker has. */
static struct {
    unsigned char stored[ENTRIES_MAX], delivered[ENTRIES_MAX];
    int count;
} oracle;

static const char *directory;
static char *directory_owned;

static struct posture_spool *spool_open_or_fail(void)
{
    struct posture_spool_config config = {.directory = directory, .max_bytes = 64 << 20};
    struct posture_spool *spool = NULL;
    struct posture_error error = {0};
    int r = posture_spool_open(&config, &spool, &error);
    if (r < 0)
        fail_msg("open: %d %s", r, error.text);
    return spool;
}

/* One turn as worker kafka makes it: some entries in, some numbers, what came out is
 * delivered next turn. */
static int turn(struct posture_spool *spool, int entries, size_t body_len,
                bool has_answers)
{
    static char body[8192];
    memset(body, 'b', sizeof(body));
    int first = oracle.count, r = posture_spool_begin(spool);
    if (r < 0) {
        posture_spool_count_not_accepted(spool, r, (uint64_t)entries);
        oracle.count += entries;
        return r;
    }
    bool is_in[64] = {false};
    for (int i = 0; i < entries; i++) {
        char key[64];
        snprintf(key, sizeof(key), "a|r|k|%d", first + i);
        struct posture_spool_entry entry = testing_entry("p", 0, key, "");
        entry.body = body;
        entry.body_len = body_len;
        int r_add = posture_spool_add(spool, &entry);
        is_in[i] = r_add == 0;
        if (r_add < 0)
            r = r_add;
    }
    if (!posture_spool_must_rollback(spool))
        (void)posture_spool_assign(spool, 50);
    int r_commit = posture_spool_commit(spool, NULL);
    uint64_t failed = 0;
    for (int i = 0; i < entries; i++) {
        if (is_in[i] && r_commit == 0)
            oracle.stored[first + i] = 1;
        failed += is_in[i] && r_commit < 0;
    }
    oracle.count += entries;
    if (failed > 0)
        posture_spool_count_not_accepted(spool, r_commit, failed);
    struct posture_spool_record record;
    while (has_answers && posture_spool_next(spool, &record) == 1) {
        if (!record.is_filler)
            oracle.delivered[atoi(strrchr(record.entry.key, '|') + 1)] = 1;
        posture_spool_delivered(spool, record.id);
    }
    return r_commit < 0 ? r_commit : r;
}

static int answered_with_error(void)
{
    int n = 0;
    for (int i = 0; i < oracle.count; i++)
        n += !oracle.stored[i];
    return n;
}

/* Takes everything out and compares: nothing that was stored is missing. */
static void drain_and_judge(struct posture_spool *spool, const char *label,
                            unsigned long at)
{
    for (int i = 0; i < 10000; i++) {
        if (turn(spool, 0, 0, true) < 0)
            fail_msg("%s at %lu: does not recover", label, at);
        if (testing_stats(spool).spooled == 0)
            break;
    }
    struct posture_spool_stats stats = testing_stats(spool);
    assert_int_equal(stats.spooled, 0);
    int lost = 0;
    for (int i = 0; i < oracle.count; i++)
        lost += oracle.stored[i] && !oracle.delivered[i];
    if (lost > 0 || stats.corrupt > 0 || stats.quarantined > 0)
        fail_msg("%s at %lu: %d lost, %llu corrupt, %llu quarantined", label, at, lost,
                 (unsigned long long)stats.corrupt,
                 (unsigned long long)stats.quarantined);
}

static int setup(void **state)
{
    (void)state;
    memset(&shim, 0, sizeof(shim));
    memset(&oracle, 0, sizeof(oracle));
    if (testing_directory_new(&directory_owned) < 0)
        return -1;
    directory = directory_owned;
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    memset(&shim, 0, sizeof(shim));
    return testing_directory_free(directory_owned);
}

/* Small checkpoints, so that database writes and syncs are among what fails. */
static void often_checkpoint(struct posture_spool *spool)
{
    spool->checkpoint_pages = 8;
}

static void test_io(void **state)
{
    (void)state;
    static const struct {
        const char *label;
        int error;
        bool is_persistent, only_syncs, is_short;
    } rows[] = {
        {"one call EIO", EIO, false, false, false},
        {"one call ENOSPC", ENOSPC, false, false, false},
        {"one short write", 0, false, false, true},
        {"one sync EIO", EIO, false, true, false},
        {"all calls EIO", EIO, true, false, false},
        {"all calls ENOSPC", ENOSPC, true, false, false},
        {"all syncs EIO", EIO, true, true, false},
        {"all calls EROFS", EROFS, true, false, false},
    };
    for (size_t row = 0; row < POSTURE_COUNT(rows); row++) {
        unsigned long at = 1, step = 1;
        bool has_failed = true;
        int cases = 0;
        for (; has_failed; at += step, step += cases % 7 == 6) {
            memset(&oracle, 0, sizeof(oracle));
            struct posture_spool *spool = spool_open_or_fail();
            often_checkpoint(spool);
            shim.error = rows[row].error;
            shim.is_persistent = rows[row].is_persistent;
            shim.only_syncs = rows[row].only_syncs;
            shim.is_short = rows[row].is_short;
            shim.calls = 0;
            shim.fail_at = at;
            struct posture_spool_stats before = testing_stats(spool);
            for (int i = 0; i < 6; i++) {
                (void)turn(spool, 5, 700, i % 2);
                often_checkpoint(spool);
            }
            has_failed = shim.calls >= at;
            shim.fail_at = 0;
            struct posture_spool_stats stats = testing_stats(spool);
            assert_int_equal(stats.not_accepted - before.not_accepted,
                             answered_with_error());
            spool->retry_ns = 0; /* the second's pause is not waited for */
            /* killed here, or living on */
            if (cases % 2) {
                posture_spool_close(spool);
                spool = spool_open_or_fail();
            }
            drain_and_judge(spool, rows[row].label, at);
            posture_spool_close(spool);
            cases++;
        }
        printf("%s: %d places\n", rows[row].label, cases);
        assert_true(cases > 8);
    }
}

/* Failing while it is opened: it starts closed, and opens when the disk is back. */
static void test_io_at_open(void **state)
{
    (void)state;
    shim.error = EIO;
    for (unsigned long at = 1; at < 30; at++) {
        memset(&oracle, 0, sizeof(oracle));
        shim.calls = 0;
        shim.fail_at = at;
        shim.is_persistent = true;
        struct posture_spool *spool = spool_open_or_fail();
        (void)turn(spool, 3, 100, true);
        shim.fail_at = 0;
        spool->retry_ns = 0;
        assert_int_equal(turn(spool, 3, 100, true), 0);
        assert_true(testing_stats(spool).is_open);
        drain_and_judge(spool, "open", at);
        posture_spool_close(spool);
    }
}

/* A real file system of 6 MiB, filled by the spool itself and by others. In a mount
 * namespace of its own. */
static int disk_full_child(void)
{
    if (mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
        mount("tmpfs", directory, "tmpfs", 0, "size=6m,mode=0700") < 0)
        return 99;
    static char ballast[256];
    char path[600];
    snprintf(path, sizeof(path), "%s/spool", directory);
    directory = path;
    snprintf(ballast, sizeof(ballast), "%s/../ballast", directory);

    struct posture_spool *spool = spool_open_or_fail();
    int refused = 0;
    for (int i = 0; i < 300 && refused < 20; i++)
        refused += turn(spool, 20, 2000, false) < 0;
    assert_true(refused >= 20); /* full by its own doing */
    struct posture_spool_stats stats = testing_stats(spool);
    assert_int_equal(stats.not_accepted, answered_with_error());
    assert_true(stats.not_accepted_by[POSTURE_SPOOL_NOT_DISK_FULL] > 0);
    assert_int_equal(stats.accepted, oracle.count - answered_with_error());
    uint64_t accepted = stats.accepted;
    printf("full: %llu accepted, %llu answered with an error\n",
           (unsigned long long)accepted, (unsigned long long)stats.not_accepted);

    /* What is there can be delivered although nothing more can be stored. */
    spool->retry_ns = 0;
    struct posture_spool_record record;
    int out = 0;
    while (posture_spool_next(spool, &record) == 1 && out < 40) {
        oracle.delivered[atoi(strrchr(record.entry.key, '|') + 1)] = 1;
        posture_spool_delivered(spool, record.id);
        out++;
    }
    printf("full: %d handed out\n", out);

    /* Killed when full, started when full. */
    posture_spool_close(spool);
    spool = spool_open_or_fail();
    for (int i = 0; i < 5; i++)
        (void)turn(spool, 20, 2000, false);
    testing_stats(spool);

    assert_int_equal(mount("none", directory, NULL, 0, NULL), -1);
    char parent[700];
    snprintf(parent, sizeof(parent), "%s/..", directory);
    if (mount("none", parent, NULL, MS_REMOUNT, "size=64m") < 0)
        return 98;
    spool->retry_ns = 0;
    for (int i = 0; i < 20; i++)
        assert_int_equal(turn(spool, 20, 2000, false), 0); /* without a restart */
    stats = testing_stats(spool);
    assert_int_equal(stats.accepted - stats.delivered, stats.spooled);
    drain_and_judge(spool, "disk full", 0);
    posture_spool_close(spool);
    fflush(stdout);
    return 0;
}

static void test_disk_full(void **state)
{
    (void)state;
    pid_t pid = fork();
    if (pid == 0) {
        if (unshare(CLONE_NEWNS) < 0)
            _exit(99);
        _exit(disk_full_child());
    }
    int status = 0;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 99) {
        printf("no mount here: skipped\n");
        skip();
    }
    assert_int_equal(status, 0);
}

static void *memory_realloc(void *p, int n)
{
    return posture_realloc(p, (size_t)n);
}
static void *memory_malloc(int n)
{
    return posture_malloc((size_t)n);
}
static int memory_size(void *p)
{
    return (int)malloc_usable_size(p);
}
static int memory_round(int n)
{
    return (n + 7) & ~7;
}
static int memory_init(void *p)
{
    (void)p;
    return 0;
}
static void memory_shutdown(void *p)
{
    (void)p;
}

static void test_memory(void **state)
{
    (void)state;
    int in_open = 0, in_turns = 0;
    for (int variant = 0; variant < 4; variant++) {
        bool is_persistent = variant & 1, is_open_tried = variant & 2;
        bool has_failed = true;
        for (unsigned long n = 1; has_failed; n += 1 + n / 40) {
            memset(&oracle, 0, sizeof(oracle));
            struct posture_spool_config config = {.directory = directory,
                                                  .max_bytes = 64 << 20};
            struct posture_spool *spool = NULL;
            if (!is_open_tried)
                spool = spool_open_or_fail();
            posture_alloc_fail_at(n, is_persistent);
            int r = is_open_tried ? posture_spool_open(&config, &spool, NULL) : 0;
            for (int i = 0; !is_open_tried && i < 4; i++)
                (void)turn(spool, 5, (size_t)i * 2700, true);
            has_failed = posture_alloc_count() >= n;
            posture_alloc_fail_at(0, 0);
            if (r < 0) {
                assert_int_equal(r, -ENOMEM);
                spool = spool_open_or_fail();
            }
            spool->retry_ns = 0;
            drain_and_judge(spool, "memory", n);
            posture_spool_close(spool);
            in_open += is_open_tried;
            in_turns += !is_open_tried;
        }
    }
    printf("memory: %d places in open, %d in turns\n", in_open, in_turns);
    assert_true(in_open > 50 && in_turns > 50);
}

int main(void)
{
    static const sqlite3_mem_methods memory = {
        memory_malloc, free,        memory_realloc,  memory_size,
        memory_round,  memory_init, memory_shutdown, NULL};
    sqlite3_config(SQLITE_CONFIG_MALLOC, &memory);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_io, setup, teardown),
        cmocka_unit_test_setup_teardown(test_io_at_open, setup, teardown),
        cmocka_unit_test_setup_teardown(test_disk_full, setup, teardown),
        cmocka_unit_test_setup_teardown(test_memory, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
