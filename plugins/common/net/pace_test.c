/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */

#include "common/net/pace.h"

#include "common/base/clock.h"
#include "common/base/mem.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>

#include <cmocka.h>

enum { TARGETS_MAX = 64, STARTS_MAX = 4096 };

struct run {
    uv_loop_t loop;
    uv_timer_t end;
    uv_timer_t work[TARGETS_MAX]; /* each measurement's duration */
    struct posture_pace *pace;
    int64_t work_ms; /* 0: ends within its own start */
    size_t targets;
    size_t running, most_running;
    size_t starts;
    struct {
        size_t target;
        int64_t at_ns;
    } log[STARTS_MAX];
    int64_t begin_ns;
};

/*
 * Time is virtual: this program's clock_gettime() and epoll calls stand before the C
 * library's, so that waiting costs nothing and a busy machine changes nothing.
 */
static int64_t virtual_ns = 1000 * POSTURE_NS_PER_S;

__attribute__((visibility("default"))) int clock_gettime(clockid_t id,
                                                         struct timespec *ts)
{
    (void)id;
    ts->tv_sec = (time_t)(virtual_ns / POSTURE_NS_PER_S);
    ts->tv_nsec = (long)(virtual_ns % POSTURE_NS_PER_S);
    return 0;
}

__attribute__((visibility("default"))) int
epoll_wait(int epfd, struct epoll_event *events, int max, int timeout)
{
    (void)epfd;
    (void)events;
    (void)max;
    if (timeout > 0)
        virtual_ns += timeout * POSTURE_NS_PER_MS;
    return 0;
}

__attribute__((visibility("default"))) int epoll_pwait(int epfd,
                                                       struct epoll_event *events,
                                                       int max, int timeout,
                                                       const sigset_t *mask)
{
    (void)mask;
    return epoll_wait(epfd, events, max, timeout);
}

static void work_ended(uv_timer_t *timer)
{
    struct run *run = timer->data;
    run->running--;
    posture_pace_done(run->pace, (size_t)(timer - run->work));
}

static void target_start(void *data, size_t target)
{
    struct run *run = data;
    assert_true(run->starts < STARTS_MAX);
    run->log[run->starts].target = target;
    run->log[run->starts++].at_ns = posture_monotonic_ns() - run->begin_ns;
    run->running++;
    if (run->running > run->most_running)
        run->most_running = run->running;
    if (run->work_ms > 0) {
        assert_false(uv_is_active((uv_handle_t *)&run->work[target]));
        uv_timer_start(&run->work[target], work_ended, (uint64_t)run->work_ms, 0);
    } else {
        run->running--;
        posture_pace_done(run->pace, target);
    }
}

static void run_ended(uv_timer_t *timer)
{
    struct run *run = timer->data;
    posture_pace_close(run->pace);
    posture_pace_close(run->pace); /* twice is harmless */
    for (size_t i = 0; i < run->targets; i++)
        uv_close((uv_handle_t *)&run->work[i], NULL);
    uv_close((uv_handle_t *)timer, NULL);
}

static struct run *run_for(size_t targets, const int64_t *intervals_ns, double rate,
                           size_t max_running, int64_t work_ms, uint64_t ms,
                           uint64_t seed)
{
    static struct run run;
    memset(&run, 0, sizeof(run));
    run.targets = targets;
    run.work_ms = work_ms;
    uv_loop_init(&run.loop);
    for (size_t i = 0; i < targets; i++) {
        uv_timer_init(&run.loop, &run.work[i]);
        run.work[i].data = &run;
    }
    uv_timer_init(&run.loop, &run.end);
    run.end.data = &run;
    uv_timer_start(&run.end, run_ended, ms, 0);
    run.begin_ns = posture_monotonic_ns();
    assert_int_equal(posture_pace_new(&run.loop, targets, intervals_ns, rate, max_running,
                                      seed, target_start, &run, &run.pace),
                     0);
    uv_run(&run.loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&run.loop), 0);
    return &run;
}

static void intervals_fill(int64_t *intervals, size_t count, int64_t ms)
{
    for (size_t i = 0; i < count; i++)
        intervals[i] = ms * POSTURE_NS_PER_MS;
}

/* Each once in the first round, in an order that the seed gives, no faster than the rate.
 */
static void first_round_test(void **state)
{
    (void)state;
    int64_t intervals[20];
    intervals_fill(intervals, 20, 100000);
    struct run *run = run_for(20, intervals, 200, 100, 0, 400, 7);
    assert_int_equal(run->starts, 20);
    bool seen[20] = {false};
    size_t in_place = 0;
    for (size_t i = 0; i < 20; i++) {
        assert_false(seen[run->log[i].target]);
        seen[run->log[i].target] = true;
        in_place += run->log[i].target == i;
        if (run->log[i].at_ns < (int64_t)i * 5 * POSTURE_NS_PER_MS - POSTURE_NS_PER_MS)
            fail_msg("start %zu after %lld us", i, (long long)run->log[i].at_ns / 1000);
    }
    assert_true(in_place < 20);
    size_t first = run->log[0].target, last = run->log[19].target;
    run = run_for(20, intervals, 200, 100, 0, 400, 7);
    assert_int_equal(run->log[0].target, first);
    assert_int_equal(run->log[19].target, last);
}

/* Later rounds: spread over the interval, the order stays, gaps of at most 1.5 intervals.
 */
static void later_rounds_test(void **state)
{
    (void)state;
    enum { N = 10, MS = 200 };
    int64_t intervals[N];
    intervals_fill(intervals, N, MS);
    struct run *run = run_for(N, intervals, 1000, 100, 0, 5 * MS, 3);
    int64_t last[N], widest = 0;
    memset(last, 0xff, sizeof(last));
    for (size_t i = 0; i < run->starts; i++) {
        size_t t = run->log[i].target;
        if (last[t] >= 0 && run->log[i].at_ns - last[t] > widest)
            widest = run->log[i].at_ns - last[t];
        last[t] = run->log[i].at_ns;
    }
    assert_true(widest <= MS * 2 * POSTURE_NS_PER_MS);
    assert_true(run->starts >= 4 * N && run->starts <= 6 * N);
    /* No burst: in any tenth of the last interval at most 3 of the 10 start. */
    for (int64_t at = 4 * MS; at < 5 * MS; at += MS / 10) {
        size_t burst = 0;
        for (size_t i = 0; i < run->starts; i++)
            burst += run->log[i].at_ns >= at * POSTURE_NS_PER_MS &&
                     run->log[i].at_ns < (at + MS / 10) * POSTURE_NS_PER_MS;
        if (burst > 3)
            fail_msg("%zu starts in one tenth", burst);
    }
}

/* Never more than the cap; a target that still runs is not started a second time. */
static void cap_test(void **state)
{
    (void)state;
    int64_t intervals[12];
    intervals_fill(intervals, 12, 50);
    struct run *run = run_for(12, intervals, 10000, 3, 40, 600, 5);
    assert_int_equal(run->most_running, 3);
    /* 3 at a time, 40 ms each, 600 ms: 45 at best. */
    assert_true(run->starts >= 24 && run->starts <= 45);
    size_t counts[12] = {0};
    for (size_t i = 0; i < run->starts; i++)
        counts[run->log[i].target]++;
    for (size_t i = 0; i < 12; i++)
        assert_true(counts[i] >= 1);
}

/* A turn that comes while the target runs is had when it ends, not made up for twice. */
static void missed_test(void **state)
{
    (void)state;
    int64_t interval = 40 * POSTURE_NS_PER_MS;
    struct run *run = run_for(1, &interval, 1000, 10, 100, 500, 5);
    assert_true(run->starts >= 3 && run->starts <= 6);
    for (size_t i = 1; i < run->starts; i++)
        assert_true(run->log[i].at_ns - run->log[i - 1].at_ns >= 98 * POSTURE_NS_PER_MS);
}

static void none_test(void **state)
{
    (void)state;
    struct run *run = run_for(0, NULL, 1, 1, 0, 10, 1);
    assert_int_equal(run->starts, 0);
}

struct update {
    uv_timer_t timer;
    struct run *run;
};

/* At 250 ms: 0 and 1 change places, 2 goes, two new ones come. */
static void update_came(uv_timer_t *timer)
{
    const struct update *update = timer->data;
    static const size_t old[] = {1, 0, POSTURE_PACE_NEW, POSTURE_PACE_NEW};
    static const int64_t intervals[] = {100 * POSTURE_NS_PER_MS, 100 * POSTURE_NS_PER_MS,
                                        100 * POSTURE_NS_PER_MS, 100 * POSTURE_NS_PER_MS};
    assert_int_equal(posture_pace_update(update->run->pace, 4, old, intervals), 0);
    update->run->log[update->run->starts].target = SIZE_MAX; /* a mark */
    update->run->log[update->run->starts++].at_ns =
        posture_monotonic_ns() - update->run->begin_ns;
    uv_close((uv_handle_t *)timer, NULL);
}

static void update_test(void **state)
{
    (void)state;
    static struct run run;
    static struct update update;
    memset(&run, 0, sizeof(run));
    uv_loop_init(&run.loop);
    run.targets = 5;
    for (size_t i = 0; i < run.targets; i++)
        uv_timer_init(&run.loop, &run.work[i]);
    uv_timer_init(&run.loop, &run.end);
    run.end.data = &run;
    uv_timer_start(&run.end, run_ended, 1000, 0);
    uv_timer_init(&run.loop, &update.timer);
    update.timer.data = &update;
    update.run = &run;
    uv_timer_start(&update.timer, update_came, 250, 0);
    run.begin_ns = posture_monotonic_ns();
    int64_t intervals[3];
    intervals_fill(intervals, 3, 100);
    assert_int_equal(posture_pace_new(&run.loop, 3, intervals, 1000, 10, 9, target_start,
                                      &run, &run.pace),
                     0);
    uv_run(&run.loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&run.loop), 0);

    size_t mark = 0;
    while (run.log[mark].target != SIZE_MAX)
        mark++;
    int64_t last[4] = {-1, -1, -1, -1};
    for (size_t i = 0; i < mark; i++)
        last[run.log[i].target] = run.log[i].at_ns;
    int64_t kept[2] = {last[1], last[0]}; /* by their new numbers */
    size_t starts[4] = {0};
    int64_t first[4] = {0};
    for (size_t i = mark + 1; i < run.starts; i++) {
        size_t target = run.log[i].target;
        assert_true(target < 4);
        if (starts[target]++ == 0)
            first[target] = run.log[i].at_ns;
    }
    for (size_t i = 0; i < 2; i++) { /* their grid goes on */
        int64_t gap = first[i] - kept[i];
        assert_in_range(gap, 99 * POSTURE_NS_PER_MS, 102 * POSTURE_NS_PER_MS);
        assert_in_range(starts[i], 7, 9);
    }
    for (size_t i = 2; i < 4; i++) { /* their first turn is now */
        assert_true(first[i] - run.log[mark].at_ns < 5 * POSTURE_NS_PER_MS);
        assert_in_range(starts[i], 7, 9);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(first_round_test), cmocka_unit_test(later_rounds_test),
        cmocka_unit_test(cap_test),         cmocka_unit_test(missed_test),
        cmocka_unit_test(none_test),        cmocka_unit_test(update_test),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
