/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */

/* The spool against real files: what it promises of order, numbers, counters, the cap and
 * its files. */

#include "common/spool/spool_testing.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static int setup(void **state)
{
    return testing_directory_new((char **)state);
}

static int teardown(void **state)
{
    return testing_directory_free(*state);
}

static void test_cycle(void **state)
{
    struct posture_spool *spool = testing_open(*state, 1 << 20);
    testing_add(spool, "posture_crypto", 0, "a|r|tls|tls://one:443", "{\"n\":1}");
    testing_add(spool, "posture_crypto", 0, "a|r|tls|tls://two:443", "{\"n\":2}");
    testing_add(spool, "posture_incidents", 1, "a|r|incidents|incident://1", "{}");
    testing_add(spool, "admin", 0, "a|r|tls|tls://two:443", NULL);
    struct posture_spool_record record;
    assert_int_equal(posture_spool_next(spool, &record), 0); /* no number yet */
    assert_int_equal(testing_assign(spool, 100), 4);

    static const struct {
        const char *label, *plugin, *key, *body;
        enum posture_spool_topic topic;
        uint64_t sequence;
    } rows[] = {
        {"incidents first", "posture_incidents", "a|r|incidents|incident://1", "{}", 1,
         1},
        {"oldest report", "posture_crypto", "a|r|tls|tls://one:443", "{\"n\":1}", 0, 1},
        {"second report", "posture_crypto", "a|r|tls|tls://two:443", "{\"n\":2}", 0, 2},
        {"null value", "admin", "a|r|tls|tls://two:443", NULL, 0, 3},
    };
    int64_t ids[POSTURE_COUNT(rows)];
    for (int round = 0; round < 2; round++) {
        for (size_t i = 0; i < POSTURE_COUNT(rows); i++) {
            assert_int_equal(posture_spool_next(spool, &record), 1);
            if (strcmp(record.entry.plugin, rows[i].plugin) != 0 ||
                strcmp(record.entry.key, rows[i].key) != 0)
                fail_msg("%s: got %s", rows[i].label, record.entry.key);
            assert_int_equal(record.entry.topic, rows[i].topic);
            assert_int_equal(record.sequence, rows[i].sequence);
            assert_false(record.is_filler);
            if (rows[i].body)
                assert_memory_equal(record.entry.body, rows[i].body,
                                    strlen(rows[i].body));
            else
                assert_null(record.entry.body);
            ids[i] = record.id;
        }
        assert_int_equal(posture_spool_next(spool, &record), 0);
        if (round == 0)
            posture_spool_rewind(spool); /* the same, with the same numbers */
    }
    for (size_t i = 0; i < POSTURE_COUNT(rows); i++)
        assert_int_equal(posture_spool_delivered(spool, ids[i]), 0);
    assert_int_equal(posture_spool_delivered(spool, ids[0]), -ENOENT);
    testing_commit_empty(spool);

    struct posture_spool_stats stats = testing_stats(spool);
    assert_int_equal(stats.accepted, 4);
    assert_int_equal(stats.delivered, 4);
    assert_int_equal(stats.spooled, 0);
    assert_int_equal(stats.spooled_bytes, 0);
    assert_int_equal(stats.in_flight, 0);
    posture_spool_close(spool);
}

/* Numbers go on where they were, across restarts; what was handed out and not answered
 * comes again. */
static void test_restart(void **state)
{
    uint64_t epoch = 0, expected = 1;
    for (int round = 0; round < 5; round++) {
        struct posture_spool *spool = testing_open(*state, 1 << 20);
        struct posture_spool_stats stats = testing_stats(spool);
        if (round > 0)
            assert_int_equal(stats.epoch, epoch);
        epoch = stats.epoch;
        for (int i = 0; i < 10; i++)
            testing_add(spool, "p", 0, "a|r|k|s", "body");
        testing_assign(spool, 7);
        struct posture_spool_record record;
        uint64_t sequence = expected;
        int64_t first = 0;
        while (posture_spool_next(spool, &record) == 1) {
            assert_int_equal(record.sequence, sequence);
            if (sequence++ == expected)
                first = record.id;
        }
        assert_int_equal(posture_spool_delivered(spool, first), 0);
        testing_commit_empty(spool);
        expected++;
        posture_spool_close(spool);
    }
}

static void test_refused(void **state)
{
    struct posture_spool *spool = testing_open(*state, 1 << 20);
    for (int i = 0; i < 3; i++)
        testing_add(spool, "p", 0, "a|r|k|s", "body");
    testing_assign(spool, 10);
    struct posture_spool_record record;
    int64_t ids[3];
    for (int i = 0; i < 3; i++) {
        assert_int_equal(posture_spool_next(spool, &record), 1);
        ids[i] = record.id;
    }
    assert_int_equal(posture_spool_refused(spool, ids[1], "message too large"), 0);
    assert_int_equal(posture_spool_delivered(spool, ids[0]), 0);
    assert_int_equal(posture_spool_next(spool, &record), 0); /* not before the commit */
    testing_commit_empty(spool);

    for (int round = 0; round < 3; round++) {
        assert_int_equal(posture_spool_next(spool, &record), 1);
        assert_true(record.is_filler);
        assert_int_equal(record.id, ids[1]);
        assert_int_equal(record.sequence, 2);
        assert_string_equal(record.entry.ce_type, "posture.heartbeat.v1");
        assert_null(record.entry.body);
        assert_null(record.entry.key);
        if (round == 0) { /* still owed after a rewind, and after a restart */
            posture_spool_rewind(spool);
        } else if (round == 1) {
            posture_spool_close(spool);
            spool = testing_open(*state, 1 << 20);
        }
    }
    assert_int_equal(posture_spool_next(spool, &record), 1);
    assert_int_equal(record.sequence, 3);
    assert_int_equal(posture_spool_next(spool, &record), 0);
    assert_int_equal(posture_spool_delivered(spool, ids[1]), 0);
    assert_int_equal(posture_spool_delivered(spool, ids[2]), 0);
    testing_commit_empty(spool);
    assert_int_equal(posture_spool_next(spool, &record), 0);

    struct posture_spool_stats stats = testing_stats(spool);
    assert_int_equal(stats.accepted, 3);
    assert_int_equal(stats.delivered, 2);
    assert_int_equal(stats.refused, 1);
    assert_int_equal(stats.spooled, 0);
    struct testing_listed listed = testing_list(spool, POSTURE_SPOOL_LIST_ASIDE);
    assert_int_equal(listed.count, 1);
    assert_string_equal(listed.reason, "refused: message too large");
    posture_spool_close(spool);
}

/* An answer that came before a rewind is not forgotten: its record is not handed out
 * again. */
static void test_rewind_with_answers(void **state)
{
    struct posture_spool *spool = testing_open(*state, 1 << 20);
    for (int i = 0; i < 4; i++)
        testing_add(spool, "p", 0, "a|r|k|s", "body");
    testing_assign(spool, 10);
    struct posture_spool_record record;
    int64_t ids[4];
    for (int i = 0; i < 4; i++) {
        assert_int_equal(posture_spool_next(spool, &record), 1);
        ids[i] = record.id;
    }
    posture_spool_delivered(spool, ids[2]);
    posture_spool_refused(spool, ids[0], "no");
    posture_spool_rewind(spool);
    assert_int_equal(posture_spool_next(spool, &record), 1);
    assert_int_equal(record.id, ids[1]);
    assert_int_equal(posture_spool_next(spool, &record), 1);
    assert_int_equal(record.id, ids[3]);
    assert_int_equal(posture_spool_next(spool, &record), 0);
    testing_commit_empty(spool);
    assert_int_equal(posture_spool_next(spool, &record), 1);
    assert_true(record.is_filler);
    assert_int_equal(record.id, ids[0]);
    struct posture_spool_stats stats = testing_stats(spool);
    assert_int_equal(stats.delivered, 1);
    assert_int_equal(stats.in_flight, 3);
    posture_spool_close(spool);
}

static void test_rollback(void **state)
{
    struct posture_spool *spool = testing_open(*state, 1 << 20);
    testing_add(spool, "p", 0, "a|r|k|s", "kept");
    assert_int_equal(posture_spool_begin(spool), 0);
    struct posture_spool_entry entry = testing_entry("q", 0, "a|r|k|t", "dropped");
    assert_int_equal(posture_spool_add(spool, &entry), 0);
    assert_int_equal(posture_spool_assign(spool, 10), 2);
    posture_spool_rollback(spool);
    struct posture_spool_record record;
    assert_int_equal(posture_spool_next(spool, &record), 0);
    assert_int_equal(testing_assign(spool, 10), 1);
    assert_int_equal(posture_spool_next(spool, &record), 1);
    assert_int_equal(record.sequence, 1);
    assert_int_equal(testing_stats(spool).accepted, 1);
    posture_spool_close(spool);
}

static void test_invalid(void **state)
{
    static char large[POSTURE_SPOOL_BODY_MAX + 1];
    static char key[POSTURE_SPOOL_KEY_MAX + 1];
    memset(key, 'k', POSTURE_SPOOL_KEY_MAX);
    struct posture_spool *spool = testing_open(*state, 1 << 20);
    struct posture_spool_entry good = testing_entry("p", 0, "a|r|k|s", "body");
    struct posture_spool_entry entries[6];
    for (size_t i = 0; i < POSTURE_COUNT(entries); i++)
        entries[i] = good;
    entries[0].body = large;
    entries[0].body_len = sizeof(large);
    entries[1].key = key;
    entries[2].plugin = "";
    entries[3].ce_id = NULL;
    entries[4].topic = POSTURE_SPOOL_TOPIC_COUNT;
    entries[5].body = NULL;
    entries[5].body_len = 1;

    assert_int_equal(posture_spool_begin(spool), 0);
    for (size_t i = 0; i < POSTURE_COUNT(entries); i++) {
        assert_int_equal(posture_spool_add(spool, &entries[i]),
                         i == 0 ? POSTURE_E_LIMIT : POSTURE_E_FORMAT);
        assert_false(posture_spool_must_rollback(spool));
    }
    assert_int_equal(posture_spool_add(spool, &good), 0);
    assert_int_equal(posture_spool_commit(spool, NULL), 0);
    struct posture_spool_stats stats = testing_stats(spool);
    assert_int_equal(stats.accepted, 1);
    assert_int_equal(stats.not_accepted_by[POSTURE_SPOOL_NOT_INVALID], 6);
    posture_spool_close(spool);
    spool = testing_open(*state, 1 << 20);
    assert_int_equal(testing_stats(spool).not_accepted, 6);
    posture_spool_close(spool);
}

/* At the cap: superseded reports first, then the oldest of the largest plugin, incidents
 * not for reports; nothing that has a number. */
static void test_cap(void **state)
{
    enum { CAP = 100 * 1024, BODY = 1024 };
    static char body[BODY + 1];
    memset(body, 'x', BODY);
    struct posture_spool *spool = testing_open(*state, CAP);
    char key[64];
    testing_add(spool, "posture_crypto", 0, "a|r|tls|numbered", body);
    testing_assign(spool, 1);
    for (int i = 0; i < 5; i++) {
        snprintf(key, sizeof(key), "a|r|incidents|%d", i);
        testing_add(spool, "posture_incidents", 1, key, body);
    }
    for (int i = 0; i < 10; i++) {
        snprintf(key, sizeof(key), "a|r|ipv6|%d", i);
        testing_add(spool, "posture_ipv6", 0, key, body);
    }
    assert_false(testing_stats(spool).near_cap);
    /* 8 subjects, again and again: only superseded ones go */
    for (int i = 0; i < 400; i++) {
        snprintf(key, sizeof(key), "a|r|tls|%d", i % 8);
        testing_add(spool, "posture_crypto", 0, key, body);
    }
    struct posture_spool_stats stats = testing_stats(spool);
    assert_true(stats.near_cap);
    assert_true(stats.spooled_bytes <= CAP);
    assert_true(stats.evicted_superseded > 300);
    assert_int_equal(stats.evicted_oldest, 0);

    /* restarted, the table of the newest is built again */
    posture_spool_close(spool);
    spool = testing_open(*state, CAP);
    for (int i = 0; i < 65; i++) {
        snprintf(key, sizeof(key), "a|r|tls|new%d", i);
        testing_add(spool, "posture_crypto", 0, key, body);
    }
    uint64_t before = testing_stats(spool).evicted_superseded;
    for (int i = 0; i < 40; i++) {
        snprintf(key, sizeof(key), "a|r|tls|newer%d", i);
        testing_add(spool, "posture_crypto", 0, key, body);
    }
    stats = testing_stats(spool);
    assert_true(stats.spooled_bytes <= CAP);
    assert_true(stats.evicted_oldest > 0);
    assert_true(stats.evicted_superseded - before < 40);
    testing_commit_empty(spool);

    /* the small plugin and the incidents were not touched, the order is kept, the numbers
     * contiguous */
    testing_assign(spool, 1000);
    struct posture_spool_record record;
    int ipv6 = 0, incidents = 0, numbered = 0;
    int64_t last[2] = {0, 0};
    uint64_t sequence[2] = {1, 1};
    while (posture_spool_next(spool, &record) == 1) {
        int topic = (int)record.entry.topic;
        assert_true(record.id > last[topic]);
        assert_int_equal(record.sequence, sequence[topic]++);
        last[topic] = record.id;
        ipv6 += strcmp(record.entry.plugin, "posture_ipv6") == 0;
        incidents += topic == POSTURE_SPOOL_INCIDENTS;
        numbered += strcmp(record.entry.key, "a|r|tls|numbered") == 0;
    }
    assert_int_equal(ipv6, 10);
    assert_int_equal(incidents, 5);
    assert_int_equal(numbered, 1);

    /* now everything has a number: nothing may go for a new one */
    assert_int_equal(posture_spool_begin(spool), 0);
    int r = 0;
    for (int i = 0; i < 5 && r == 0; i++) {
        snprintf(key, sizeof(key), "a|r|tls|last%d", i);
        struct posture_spool_entry entry = testing_entry("posture_crypto", 0, key, body);
        r = posture_spool_add(spool, &entry);
        posture_spool_assign(spool, 1000);
    }
    assert_int_equal(r, POSTURE_E_BUSY);
    assert_false(posture_spool_must_rollback(spool));
    assert_int_equal(posture_spool_commit(spool, NULL), 0);
    stats = testing_stats(spool);
    assert_int_equal(stats.not_accepted_by[POSTURE_SPOOL_NOT_CAP], 1);
    posture_spool_close(spool);
}

/* A subject keeps its newest report whatever the flood. */
static void test_cap_keeps_newest(void **state)
{
    enum { CAP = 64 * 1024, SUBJECTS = 20 };
    struct posture_spool *spool = testing_open(*state, CAP);
    char key[64], body[1100];
    memset(body, 'x', sizeof(body));
    for (int i = 0; i < 1000; i++) {
        snprintf(key, sizeof(key), "a|r|tls|%d", (i * 7) % SUBJECTS);
        snprintf(body, 16, "%d", i);
        body[strlen(body)] = ' ';
        body[1000] = '\0';
        testing_add(spool, "posture_crypto", 0, key, body);
        body[1000] = 'x';
    }
    testing_assign(spool, 10000);
    int newest[SUBJECTS] = {0};
    struct posture_spool_record record;
    while (posture_spool_next(spool, &record) == 1) {
        int subject = atoi(strrchr(record.entry.key, '|') + 1);
        newest[subject] = atoi(record.entry.body);
    }
    for (int i = 1000 - SUBJECTS; i < 1000; i++)
        assert_int_equal(newest[(i * 7) % SUBJECTS], i);
    assert_int_equal(testing_stats(spool).evicted_oldest, 0);
    posture_spool_close(spool);
}

static void test_reserve(void **state)
{
    struct posture_spool_config config = {
        .directory = *state, .max_bytes = 1 << 20, .reserve_bytes = UINT64_MAX};
    struct posture_spool *spool = NULL;
    assert_int_equal(posture_spool_open(&config, &spool, NULL), 0);
    assert_int_equal(posture_spool_begin(spool), 0);
    struct posture_spool_entry entry = testing_entry("p", 0, "a|r|k|s", "body");
    assert_int_equal(posture_spool_add(spool, &entry), -ENOSPC);
    assert_false(posture_spool_must_rollback(spool));
    assert_int_equal(posture_spool_commit(spool, NULL), 0);
    assert_int_equal(testing_stats(spool).not_accepted_by[POSTURE_SPOOL_NOT_DISK_FULL],
                     1);
    posture_spool_close(spool);
}

/* The epoch outlives the database, grows without a clock, and an older copy put back gets
 * a new one. */
static int64_t clock_now(void *data)
{
    return *(int64_t *)data;
}

static void test_epoch(void **state)
{
    const char *dir = *state;
    int64_t now = 1000;
    struct posture_spool_config config = {
        .directory = dir, .max_bytes = 1 << 20, .now_ns = clock_now, .now_data = &now};
    struct posture_spool *spool = NULL;
    char path[512], copy[512], command[1200];
    snprintf(path, sizeof(path), "%s/spool.db", dir);
    snprintf(copy, sizeof(copy), "%s.copy", dir);

    assert_int_equal(posture_spool_open(&config, &spool, NULL), 0);
    assert_int_equal(testing_stats(spool).epoch, 1000);
    testing_add(spool, "p", 0, "a|r|k|s", "body");
    testing_assign(spool, 1);
    posture_spool_close(spool);
    snprintf(command, sizeof(command), "cp -a %s %s", dir, copy);
    assert_int_equal(system(command), 0);

    now = 500; /* the clock was set back */
    assert_int_equal(unlink(path), 0);
    assert_int_equal(posture_spool_open(&config, &spool, NULL), 0);
    assert_int_equal(testing_stats(spool).epoch, 1001);
    assert_int_equal(testing_stats(spool).spooled, 0);
    posture_spool_close(spool);

    snprintf(command, sizeof(command), "cp -a %s/spool.db* %s/ && rm -r %s", copy, dir,
             copy);
    assert_int_equal(system(command), 0);
    assert_int_equal(posture_spool_open(&config, &spool, NULL), 0);
    assert_int_equal(testing_stats(spool).epoch, 1002);
    assert_int_equal(testing_assign(spool, 10), 1);
    struct posture_spool_record record;
    assert_int_equal(posture_spool_next(spool, &record), 1);
    assert_int_equal(record.sequence, 1);
    assert_int_equal(record.epoch, 1002);
    posture_spool_close(spool);
}

static void test_directory(void **state)
{
    const char *dir = *state;
    struct posture_spool_config config = {.directory = dir, .max_bytes = 1 << 20};
    struct posture_spool *spool = testing_open(dir, 1 << 20), *other = NULL;
    struct posture_error error = {0};
    struct stat st;
    char path[512], target[512];
    assert_int_equal(stat(dir, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0700);

    pid_t pid = fork(); /* flock is per open file: another process */
    if (pid == 0)
        _exit(posture_spool_open(&config, &other, NULL) == POSTURE_E_BUSY ? 0 : 1);
    int status = 0;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    posture_spool_close(spool);

    assert_int_equal(chmod(dir, 0750), 0);
    assert_int_equal(posture_spool_open(&config, &spool, &error), POSTURE_E_DENIED);
    assert_non_null(strstr(error.text, "0700"));
    assert_int_equal(chmod(dir, 0700), 0);

    snprintf(path, sizeof(path), "%s/spool.db", dir);
    snprintf(target, sizeof(target), "%s/elsewhere", dir);
    assert_int_equal(rename(path, target), 0);
    assert_int_equal(symlink(target, path), 0);
    assert_true(posture_spool_open(&config, &spool, &error) <
                0); /* a link is not followed */
    assert_int_equal(unlink(path), 0);
    assert_int_equal(link(target, path), 0);
    assert_int_equal(posture_spool_open(&config, &spool, &error), POSTURE_E_DENIED);
    assert_int_equal(unlink(target), 0);
    spool = testing_open(dir, 1 << 20);
    posture_spool_close(spool);

    config.directory = "/nonexistent/spool";
    assert_int_equal(posture_spool_open(&config, &spool, &error), -ENOENT);
}

static void test_shrinks(void **state)
{
    struct posture_spool *spool = testing_open(*state, 256 << 20);
    static char body[POSTURE_SPOOL_BODY_MAX];
    memset(body, 'x', sizeof(body) - 1);
    for (int i = 0; i < 300; i++)
        testing_add(spool, "p", 0, "a|r|k|s", body);
    char path[512];
    snprintf(path, sizeof(path), "%s/spool.db", (char *)*state);
    testing_assign(spool, 1000);
    struct posture_spool_record record;
    while (posture_spool_next(spool, &record) == 1)
        posture_spool_delivered(spool, record.id);
    testing_commit_empty(spool);
    struct stat st;
    assert_int_equal(stat(path, &st), 0);
    assert_true(st.st_size < 1 << 20);
    testing_add(spool, "p", 0, "a|r|k|s", "body");
    assert_int_equal(testing_stats(spool).accepted, 301);
    posture_spool_close(spool);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_cycle, setup, teardown),
        cmocka_unit_test_setup_teardown(test_restart, setup, teardown),
        cmocka_unit_test_setup_teardown(test_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(test_rewind_with_answers, setup, teardown),
        cmocka_unit_test_setup_teardown(test_rollback, setup, teardown),
        cmocka_unit_test_setup_teardown(test_invalid, setup, teardown),
        cmocka_unit_test_setup_teardown(test_cap, setup, teardown),
        cmocka_unit_test_setup_teardown(test_cap_keeps_newest, setup, teardown),
        cmocka_unit_test_setup_teardown(test_reserve, setup, teardown),
        cmocka_unit_test_setup_teardown(test_epoch, setup, teardown),
        cmocka_unit_test_setup_teardown(test_directory, setup, teardown),
        cmocka_unit_test_setup_teardown(test_shrinks, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
