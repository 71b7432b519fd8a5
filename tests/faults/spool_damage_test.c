/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */

/*
 * The spool's files damaged from outside: single bytes changed and the file cut at
 * sampled places, a file of something else, a directory half moved. Whatever is there,
 * the spool opens, hands out nothing that was not put in, counts every record in exactly
 * one place, and goes on.
 *
 *   POSTURE_DAMAGE_STEP=1 looks at every byte instead of a sample.
 */
#include "common/spool/spool_testing.h"
#include "common/spool/store.h"

#include "common/base/parse.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { RECORDS = 120, DELIVERED = 20, BODY_MAX = 2500, FILE_MAX = 4 << 20 };

static char master[512], work[512];
static char *image; /* of the file under test */
static size_t image_len;

static const char *body_of(int n, char *buf)
{
    int len = n % 7 == 0 ? 2400 : 300 + n % 50;
    for (int i = 0; i < len; i += 12)
        snprintf(buf + i, (size_t)(len - i) + 1, "%05d-%05d;", n, i);
    return buf;
}

/* A spool with records in both topics, some delivered, one refused, some numbered; its
 * WAL not empty. */
static void master_make(void)
{
    struct posture_spool *spool = testing_open(master, 16 << 20);
    char body[BODY_MAX], key[64];
    for (int n = 0; n < RECORDS; n++) {
        snprintf(key, sizeof(key), "a|r|k|%d", n);
        testing_add(spool, n % 3 ? "posture_crypto" : "posture_ipv6", n % 10 == 9, key,
                    body_of(n, body));
    }
    testing_assign(spool, RECORDS / 2);
    struct posture_spool_record record;
    for (int i = 0; i < DELIVERED && posture_spool_next(spool, &record) == 1; i++)
        posture_spool_delivered(spool, record.id);
    assert_int_equal(posture_spool_next(spool, &record), 1);
    posture_spool_refused(spool, record.id, "too large");
    testing_commit_empty(spool);
    testing_stats(spool);
    posture_spool_close(spool);
}

static int group_setup(void **state)
{
    (void)state;
    const char *base = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";
    snprintf(master, sizeof(master), "%s/posture-damage-%d.master", base, (int)getpid());
    snprintf(work, sizeof(work), "%s/posture-damage-%d.work", base, (int)getpid());
    image = malloc(FILE_MAX);
    master_make();
    return 0;
}

static int group_teardown(void **state)
{
    (void)state;
    free(image);
    char *command = posture_asprintf("rm -rf '%s' '%s'", master, work);
    int r = command ? system(command) : -1;
    free(command);
    return r;
}

struct outcome {
    int intact, lost, corrupt, quarantined, out;
};

/* Opens what is in work and takes everything out of it. */
static struct outcome judge(const char *label, size_t at, bool numbers_hold)
{
    struct outcome outcome = {0};
    struct posture_spool_config config = {.directory = work, .max_bytes = 16 << 20};
    struct posture_spool *spool = NULL;
    struct posture_error error = {0};
    if (posture_spool_open(&config, &spool, &error) < 0)
        fail_msg("%s at %zu: does not open: %s", label, at, error.text);

    char seen[RECORDS] = {0}, expected[BODY_MAX];
    uint64_t epoch = 0, last[POSTURE_SPOOL_TOPIC_COUNT] = {0};
    for (int turn = 0; turn < 2 * RECORDS; turn++) {
        int r = posture_spool_begin(spool);
        if (r == 0)
            (void)posture_spool_assign(spool, 1000);
        if (r == 0)
            r = posture_spool_commit(spool, &error);
        struct posture_spool_record record;
        int n = 0;
        while (r >= 0 && (r = posture_spool_next(spool, &record)) == 1) {
            n++;
            if (epoch != record.epoch)
                memset(last, 0, sizeof(last));
            epoch = record.epoch;
            if (record.sequence <= last[record.entry.topic])
                fail_msg("%s at %zu: number %llu after %llu", label, at,
                         (unsigned long long)record.sequence,
                         (unsigned long long)last[record.entry.topic]);
            last[record.entry.topic] = record.sequence;
            posture_spool_delivered(spool, record.id);
            if (record.is_filler)
                continue;
            int number = -1;
            if (sscanf(record.entry.key, "a|r|k|%d", &number) != 1 || number < 0 ||
                number >= RECORDS ||
                strlen(body_of(number, expected)) != record.entry.body_len ||
                memcmp(expected, record.entry.body, record.entry.body_len) != 0)
                fail_msg("%s at %zu: handed out '%s' with another body", label, at,
                         record.entry.key);
            seen[number]++;
            outcome.out++;
        }
        if (r == 0 && n == 0 && testing_stats(spool).spooled == 0)
            break;
    }
    for (int n = 0; n < RECORDS; n++)
        outcome.intact += seen[n] > 0;
    struct posture_spool_stats stats = testing_stats(spool); /* the identity */
    if (stats.spooled != 0 || stats.in_flight != 0)
        fail_msg("%s at %zu: %llu spooled, %llu in flight at the end", label, at,
                 (unsigned long long)stats.spooled, (unsigned long long)stats.in_flight);
    outcome.corrupt = (int)stats.corrupt;
    outcome.quarantined = (int)stats.quarantined;
    outcome.lost = RECORDS - DELIVERED - 1 - outcome.intact;
    /* Whatever is missing is counted, where the counters survived. */
    if (numbers_hold && stats.accepted >= RECORDS && outcome.lost > 0 &&
        outcome.corrupt + outcome.quarantined < outcome.lost)
        fail_msg("%s at %zu: %d lost, counted %d corrupt and %d quarantined", label, at,
                 outcome.lost, outcome.corrupt, outcome.quarantined);
    /* It is of use again. */
    testing_add(spool, "p", 0, "a|r|k|0", "body");
    posture_spool_close(spool);
    return outcome;
}

static void work_new(void)
{
    char *command =
        posture_asprintf("rm -rf '%s' && cp -a '%s' '%s'", work, master, work);
    assert_non_null(command);
    assert_int_equal(system(command), 0);
    free(command);
}

static void image_read(const char *name)
{
    char *path = posture_asprintf("%s/%s", master, name);
    int fd = open(path, O_RDONLY);
    assert_true(fd >= 0);
    ssize_t n = read(fd, image, FILE_MAX);
    assert_true(n > 0 && n < FILE_MAX);
    image_len = (size_t)n;
    close(fd);
    free(path);
}

static void image_write(const char *name, size_t len)
{
    char *path = posture_asprintf("%s/%s", work, name);
    int fd = open(path, O_WRONLY | O_TRUNC | O_CREAT, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, image, len), (ssize_t)len);
    close(fd);
    free(path);
}

static size_t step_of(size_t cases)
{
    uint64_t step = 0;
    const char *text = getenv("POSTURE_DAMAGE_STEP");
    if (text && posture_parse_u64(text, 1, 1 << 20, &step) == 0)
        return (size_t)step;
    return image_len / cases + 1;
}

/* The WAL moved into the database, so that its pages are what is damaged. */
static void master_checkpoint(void)
{
    char *path = posture_asprintf("%s/spool.db", master);
    sqlite3 *db = NULL;
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(
        sqlite3_exec(db, "PRAGMA wal_checkpoint(TRUNCATE)", NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
    free(path);
}

static void flip_and_cut(const char *name, size_t cases)
{
    image_read(name);
    size_t step = step_of(cases), count = 0, lost = 0, worst = 0, harmless = 0;
    for (size_t at = 0; at < image_len; at += step + (at * 7919) % 5) {
        work_new();
        image[at] = (char)(image[at] ^ (1 << at % 8) ^ (at % 3 ? 0 : 0x80));
        image_write(name, image_len);
        struct outcome outcome = judge("byte changed", at, true);
        image[at] = (char)(image[at] ^ (1 << at % 8) ^ (at % 3 ? 0 : 0x80));
        count++;
        /* A WAL whose end is not believed also takes deliveries back: they come again. */
        outcome.lost = outcome.lost > 0 ? outcome.lost : 0;
        if (getenv("POSTURE_DAMAGE_STEP") && outcome.lost > 30)
            printf("%s: %d lost at %zu\n", name, outcome.lost, at);
        lost += (size_t)outcome.lost;
        worst = (size_t)outcome.lost > worst ? (size_t)outcome.lost : worst;
        harmless += outcome.lost == 0;
    }
    printf("%s: %zu bytes changed one by one: %zu without loss, %.2f records lost on "
           "average, "
           "%zu at worst, of %d\n",
           name, count, harmless, (double)lost / (double)count, worst,
           RECORDS - DELIVERED - 1);
    count = 0;
    for (size_t at = 0; at < image_len; at += step * 3) {
        work_new();
        image_write(name, at);
        judge("cut", at, false);
        count++;
    }
    printf("%s: cut at %zu places\n", name, count);
}

static void test_wal(void **state)
{
    (void)state;
    flip_and_cut("spool.db-wal", 60);
}

static void test_database(void **state)
{
    (void)state;
    master_checkpoint();
    flip_and_cut("spool.db", 250);
}

/* A frame of the WAL changed: SQLite takes it and what follows for never written. The
 * counters agree with what is left, and no number is given twice: the epoch is a new one.
 */
static void test_wal_end(void **state)
{
    (void)state;
    char saved[512];
    strcpy(saved, master);
    strcat(master, ".wal");
    struct posture_spool *spool = testing_open(master, 16 << 20);
    char body[BODY_MAX], key[64];
    for (int n = 0; n < 12; n++) {
        snprintf(key, sizeof(key), "a|r|k|%d", n);
        testing_add(spool, "p", 0, key, body_of(n, body));
        testing_assign(spool, 100);
    }
    uint64_t epoch = testing_stats(spool).epoch;
    posture_spool_close(spool);
    image_read("spool.db-wal");
    int same = 0, older = 0;
    for (size_t at = 40; at < image_len; at += image_len / 60 + 1) {
        work_new();
        image[at] ^= 0x10;
        image_write("spool.db-wal", image_len);
        image[at] ^= 0x10;
        spool = testing_open(work, 16 << 20);
        struct posture_spool_stats stats = testing_stats(spool);
        if (stats.accepted == 12) {
            same++;
        } else {
            older++;
            assert_true(stats.epoch > epoch);
        }
        testing_add(spool, "p", 0, "a|r|k|0", "body");
        testing_assign(spool, 100);
        struct posture_spool_record record;
        for (uint64_t i = 1; i <= stats.accepted + 1; i++) {
            assert_int_equal(posture_spool_next(spool, &record), 1);
            assert_int_equal(record.sequence, i);
            assert_int_equal(record.epoch, stats.epoch);
        }
        posture_spool_close(spool);
    }
    printf("end of the WAL: %d bytes changed without loss, %d with a new epoch\n", same,
           older);
    assert_true(older > 10);
    char *command = posture_asprintf("rm -rf '%s'", master);
    assert_int_equal(system(command), 0);
    free(command);
    strcpy(master, saved);
}

/* A record's own bytes changed: that one alone is lost, named as corrupt, and its number
 * is filled. */
static void test_one_record(void **state)
{
    (void)state;
    image_read("spool.db");
    char expected[BODY_MAX];
    for (int n = 40; n < 44; n++) { /* numbered and not delivered */
        body_of(n, expected);
        /* Pages keep stale copies of what was moved: one of the places is the record
         * itself. */
        int lost = 0;
        for (char *at = image; (at = memmem(at, image_len - (size_t)(at - image),
                                            expected + 20, 60)) != NULL;
             at++) {
            work_new();
            at[5] ^= 1;
            image_write("spool.db", image_len);
            at[5] ^= 1;
            struct outcome outcome = judge("one record", (size_t)(at - image), true);
            assert_int_equal(outcome.corrupt, outcome.lost);
            assert_int_equal(outcome.quarantined, 0);
            lost += outcome.lost;
        }
        assert_int_equal(lost, 1);
    }
}

static void test_something_else(void **state)
{
    (void)state;
    static const char *const contents[] = {"not a database at all", "SQLite format 3",
                                           "\x7F"
                                           "ELF"};
    for (size_t i = 0; i < POSTURE_COUNT(contents); i++) {
        work_new();
        memset(image, 0, 8192);
        strcpy(image, contents[i]);
        char *path = posture_asprintf("%s/spool.db-wal", work);
        unlink(path);
        free(path);
        image_write("spool.db", 8192);
        struct outcome outcome = judge(contents[i], 0, false);
        assert_int_equal(outcome.out, 0);
        path = posture_asprintf("%s/quarantine", work);
        assert_int_equal(access(path, F_OK), 0);
        free(path);
    }
}

/* Dies at each step of putting a damaged database aside; what could be read is there
 * afterwards. */
struct dying {
    const char *at;
};
static void die_at(void *data, const char *name)
{
    if (strcmp(((struct dying *)data)->at, name) == 0)
        _exit(77);
}

static void test_interrupted_salvage(void **state)
{
    (void)state;
    static const char *const points[] = {
        "damaged.made",   "damaged.wal_moved", "damaged.moved",
        "epoch.written",  "epoch.renamed",     "database.created",
        "database.begun", "salvage",           "damaged.quarantined",
    };
    for (size_t i = 0; i < POSTURE_COUNT(points); i++) {
        work_new();
        image_read("spool.db");
        memset(image + 60, 0xFF, 8); /* the header's version: the whole is not believed */
        image_write("spool.db", image_len);
        pid_t pid = fork();
        if (pid == 0) {
            struct dying dying = {.at = points[i]};
            struct posture_spool_config config = {.directory = work,
                                                  .max_bytes = 16 << 20,
                                                  .point = die_at,
                                                  .point_data = &dying};
            struct posture_spool *spool = NULL;
            (void)posture_spool_open(&config, &spool, NULL);
            _exit(0);
        }
        int status = 0;
        assert_int_equal(waitpid(pid, &status, 0), pid);
        if (WEXITSTATUS(status) != 77)
            fail_msg("%s was not reached", points[i]);
        struct outcome outcome = judge(points[i], 0, true);
        if (outcome.lost != 0)
            fail_msg("%s: %d lost", points[i], outcome.lost);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_wal),
        cmocka_unit_test(test_database), /* from here on the WAL is empty */
        cmocka_unit_test(test_one_record),
        cmocka_unit_test(test_wal_end),
        cmocka_unit_test(test_something_else),
        cmocka_unit_test(test_interrupted_salvage),
    };
    return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
