/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */

/*
 * A process that owns the spool is killed (SIGKILL), at random instants and at each named
 * step, and started again on the same directory. The oracle is this process: it reads
 * over a pipe what was answered as stored and what "the broker" took. In the end nothing
 * stored is missing; every number was given to one record only, kept when it was sent
 * again, and none is left out.
 *
 *   POSTURE_KILLS=500 for more than 20 random instants.
 */
#include "common/spool/spool_testing.h"

#include "common/base/clock.h"
#include "common/base/parse.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { ENTRIES_MAX = 2000000, BATCH = 20 };

enum message_type { MESSAGE_STORED, MESSAGE_OUT, MESSAGE_IDENTITY };
struct message {
    enum message_type type;
    int first, count; /* stored: numbers first … */
    int n;            /* out: the entry's number, -1: a filler */
    int topic;
    uint64_t epoch, sequence;
};

static char *directory;
static int kills_done;

/* What the oracle knows. */
static struct {
    unsigned char stored[ENTRIES_MAX], out[ENTRIES_MAX];
    int number_of[POSTURE_SPOOL_TOPIC_COUNT][ENTRIES_MAX]; /* by sequence: entry + 1 */
    uint64_t epoch, highest[POSTURE_SPOOL_TOPIC_COUNT];
    int next, stored_count, duplicates;
} * oracle;

struct death {
    const char *point; /* NULL: none */
    int hits;
};

static void die_at(void *data, const char *name)
{
    struct death *death = data;
    if (death->point && strcmp(death->point, name) == 0 && --death->hits == 0)
        kill(getpid(), SIGKILL);
}

static void say(int fd, const struct message *message)
{
    if (write(fd, message, sizeof(*message)) != sizeof(*message))
        _exit(3);
}

/* The owner: stores, numbers, hands out to a broker that answers most things a turn
 * later. */
static void child(int fd, int first, struct death death, int turns)
{
    struct posture_spool_config config = {.directory = directory,
                                          .max_bytes = 64 << 20,
                                          .point = die_at,
                                          .point_data = &death};
    struct posture_spool *spool = NULL;
    if (posture_spool_open(&config, &spool, NULL) < 0)
        _exit(4);
    static char body[3000];
    memset(body, 'x', sizeof(body));
    int64_t answered[400];
    size_t answered_count = 0;
    for (int t = 0; turns == 0 || t < turns; t++) {
        bool is_draining = turns > 0;
        if (posture_spool_begin(spool) < 0)
            _exit(5);
        for (int i = 0; i < BATCH && !is_draining; i++) {
            char key[64];
            snprintf(key, sizeof(key), "a|r|k|%d", first + i);
            struct posture_spool_entry entry =
                testing_entry("p", (first + i) % 5 == 0, key, "");
            entry.body = body;
            entry.body_len = (size_t)(200 + (first + i) % 2500);
            if (posture_spool_add(spool, &entry) < 0)
                _exit(6);
        }
        for (size_t i = 0; i < answered_count; i++) {
            if ((answered[i] + t) % 97 == 0 && !is_draining)
                posture_spool_refused(spool, answered[i], "refused for the test");
            else
                posture_spool_delivered(spool, answered[i]);
        }
        if (posture_spool_assign(spool, is_draining ? 400 : BATCH - 1) < 0 ||
            posture_spool_commit(spool, NULL) < 0)
            _exit(7);
        if (!is_draining) {
            say(fd, &(struct message){
                        .type = MESSAGE_STORED, .first = first, .count = BATCH});
            first += BATCH;
        }
        struct posture_spool_record record;
        answered_count = 0;
        while (answered_count < 400 && posture_spool_next(spool, &record) == 1) {
            struct message message = {
                .type = MESSAGE_OUT,
                .n = record.is_filler ? -1 : atoi(strrchr(record.entry.key, '|') + 1),
                .topic = (int)record.entry.topic,
                .epoch = record.epoch,
                .sequence = record.sequence,
            };
            say(fd, &message);
            answered[answered_count++] = record.id;
        }
        if (is_draining && answered_count == 0)
            break;
        if (t % 50 == 49 && !is_draining)
            posture_spool_rewind(spool), answered_count = 0;
    }
    struct posture_spool_stats s;
    posture_spool_stats(spool, &s);
    if (s.accepted !=
            s.delivered + s.spooled + s.evicted + s.refused + s.corrupt + s.quarantined ||
        s.spooled != 0)
        _exit(8);
    posture_spool_close(spool);
    _exit(0);
}

static void oracle_hear(const struct message *message)
{
    if (message->type == MESSAGE_STORED) {
        memset(oracle->stored + message->first, 1, (size_t)message->count);
        oracle->stored_count += message->count;
        if (message->first + message->count > oracle->next)
            oracle->next = message->first + message->count;
        return;
    }
    if (oracle->epoch == 0)
        oracle->epoch = message->epoch;
    assert_int_equal(message->epoch, oracle->epoch); /* a crash makes no new epoch */
    assert_in_range(message->sequence, 1, ENTRIES_MAX - 1);
    int *number = &oracle->number_of[message->topic][message->sequence];
    if (message->n >= 0) {
        if (*number > 0 && *number != message->n + 1)
            fail_msg("number %llu of topic %d: entry %d, before entry %d",
                     (unsigned long long)message->sequence, message->topic, message->n,
                     *number - 1);
        *number = message->n + 1;
        oracle->duplicates += oracle->out[message->n];
        oracle->out[message->n] = 1;
        /* An entry whose answer was lost with the process is stored all the same. */
        if (message->n >= oracle->next)
            oracle->next = message->n + 1;
    } else if (*number == 0) {
        fail_msg("number %llu of topic %d was first seen as a filler",
                 (unsigned long long)message->sequence, message->topic);
    }
    if (message->sequence > oracle->highest[message->topic])
        oracle->highest[message->topic] = message->sequence;
}

/* Runs an owner until it dies or is killed after kill_us. The wait status. */
static int run(struct death death, long kill_us, int turns)
{
    int fds[2];
    assert_int_equal(pipe(fds), 0);
    (void)fcntl(fds[1], F_SETPIPE_SZ, 1 << 20);
    /* Numbers that may have been used by the one before, unheard of, are not used again.
     */
    int first = (oracle->next + BATCH) / BATCH * BATCH + BATCH;
    pid_t pid = fork();
    if (pid == 0) {
        close(fds[0]);
        child(fds[1], first, death, turns);
    }
    close(fds[1]);
    int64_t end = posture_monotonic_ns() + kill_us * 1000;
    bool is_killed = kill_us == 0;
    (void)fcntl(fds[0], F_SETFL, O_NONBLOCK);
    for (;;) {
        struct message messages[64];
        ssize_t n = read(fds[0], messages, sizeof(messages));
        if (n == 0)
            break;
        if (n < 0) {
            assert_int_equal(errno, EAGAIN);
            nanosleep(&(struct timespec){.tv_nsec = 20000}, NULL);
        }
        for (ssize_t i = 0; i < n / (ssize_t)sizeof(*messages); i++)
            oracle_hear(&messages[i]);
        if (!is_killed && posture_monotonic_ns() >= end) {
            kill(pid, SIGKILL);
            is_killed = true;
            kills_done++;
        }
    }
    close(fds[0]);
    int status = 0;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return status;
}

static int setup(void **state)
{
    (void)state;
    oracle = calloc(1, sizeof(*oracle));
    kills_done = 0;
    return testing_directory_new(&directory);
}

static int teardown(void **state)
{
    (void)state;
    free(oracle);
    return testing_directory_free(directory);
}

static void drain_and_judge(const char *label)
{
    int status = run((struct death){NULL, 0}, 0, 100000);
    if (status != 0)
        fail_msg("%s: the last owner ended with %x", label, status);
    int lost = 0;
    for (int i = 0; i < ENTRIES_MAX; i++)
        lost += oracle->stored[i] && !oracle->out[i];
    int missing = 0;
    for (int topic = 0; topic < POSTURE_SPOOL_TOPIC_COUNT; topic++) {
        for (uint64_t s = 1; s <= oracle->highest[topic]; s++)
            missing += oracle->number_of[topic][s] == 0;
    }
    printf("%s: %d stored, %d lost, %d sent again, %d numbers missing\n", label,
           oracle->stored_count, lost, oracle->duplicates, missing);
    assert_true(oracle->stored_count > 0);
    assert_int_equal(lost, 0);
    assert_int_equal(missing, 0);
}

static void test_random(void **state)
{
    (void)state;
    uint64_t kills = 20;
    const char *text = getenv("POSTURE_KILLS");
    if (text)
        (void)posture_parse_u64(text, 1, 100000, &kills);
    unsigned seed = (unsigned)posture_now_ns();
    printf("seed %u\n", seed);
    srand(seed);
    for (uint64_t i = 0; i < kills; i++) {
        int status = run((struct death){NULL, 0}, 2000 + rand() % 120000, 0);
        assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    }
    assert_int_equal(kills_done, kills);
    drain_and_judge("random instants");
}

static void test_points(void **state)
{
    (void)state;
    static const struct {
        const char *point;
        int rounds;
    } rows[] = {
        {"database.created", 1}, {"epoch.written", 1},    {"epoch.renamed", 1},
        {"database.begun", 1},   {"begun", 20},           {"added", 20},
        {"assigned", 20},        {"answers.applied", 20}, {"commit", 20},
        {"committed", 20},       {"checkpoint", 20},      {"checkpointed", 20},
    };
    for (size_t i = 0; i < POSTURE_COUNT(rows); i++) {
        for (int round = 0; round < rows[i].rounds; round++) {
            /* the first checkpoint of a run is that of its opening */
            int hits = rows[i].rounds == 1 ? 1 : 1 + round * 7 % 31;
            if (strncmp(rows[i].point, "checkpoint", 10) == 0)
                hits = 1 + round % 3;
            int status = run((struct death){rows[i].point, hits}, 5000000, 0);
            if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGKILL || kills_done > 0)
                fail_msg("%s: not reached, ended with %x", rows[i].point, status);
        }
    }
    drain_and_judge("named points");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_points, setup, teardown),
        cmocka_unit_test_setup_teardown(test_random, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
