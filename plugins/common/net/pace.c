/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */

#include "common/net/pace.h"

#include "common/base/clock.h"
#include "common/base/error.h"
#include "common/base/mem.h"

#include <errno.h>

struct pace_target {
    int64_t due_ns;
    int64_t interval_ns;
    int64_t second_ns; /* when the second round has it */
    size_t heap_at;
    bool was_started;
    bool is_running;
    bool is_missed; /* its turn came while it ran */
    bool was_done;
};

struct posture_pace {
    uv_timer_t timer;
    posture_pace_cb *start;
    void *data;
    struct pace_target *targets;
    size_t *heap; /* target numbers, earliest first */
    size_t count;
    size_t running;
    size_t max_running;
    double start_rate;
    uint64_t random;
    size_t first_left; /* targets that were not measured yet */
    bool is_turning;
    bool is_closed;
};

static bool heap_before(const struct posture_pace *pace, size_t a, size_t b)
{
    return pace->targets[pace->heap[a]].due_ns < pace->targets[pace->heap[b]].due_ns;
}

static void heap_swap(struct posture_pace *pace, size_t a, size_t b)
{
    size_t target = pace->heap[a];
    pace->heap[a] = pace->heap[b];
    pace->heap[b] = target;
    pace->targets[pace->heap[a]].heap_at = a;
    pace->targets[pace->heap[b]].heap_at = b;
}

static void heap_move(struct posture_pace *pace, size_t at)
{
    while (at > 0 && heap_before(pace, at, (at - 1) / 2)) {
        heap_swap(pace, at, (at - 1) / 2);
        at = (at - 1) / 2;
    }
    for (;;) {
        size_t least = at;
        for (size_t child = 2 * at + 1; child <= 2 * at + 2 && child < pace->count;
             child++)
            if (heap_before(pace, child, least))
                least = child;
        if (least == at)
            return;
        heap_swap(pace, at, least);
        at = least;
    }
}

static void timer_came(uv_timer_t *timer);

/* At the cap, an ending measurement turns the wheel, not the clock. */
static void timer_arm(struct posture_pace *pace)
{
    if (pace->is_closed)
        return;
    if (pace->count == 0 || pace->running >= pace->max_running) {
        uv_timer_stop(&pace->timer);
        return;
    }
    int64_t wait = pace->targets[pace->heap[0]].due_ns - (int64_t)uv_hrtime();
    uint64_t wait_ms =
        wait <= 0 ? 0 : (uint64_t)((wait + POSTURE_NS_PER_MS - 1) / POSTURE_NS_PER_MS);
    /* uv_timer counts from the loop's idea of now, which is as old as this turn. */
    uv_update_time(pace->timer.loop);
    uv_timer_start(&pace->timer, timer_came, wait_ms, 0);
}

static void pace_turn(struct posture_pace *pace)
{
    pace->is_turning = true;
    int64_t now = (int64_t)uv_hrtime();
    while (!pace->is_closed && pace->count > 0 && pace->running < pace->max_running) {
        size_t number = pace->heap[0];
        struct pace_target *target = &pace->targets[number];
        if (target->due_ns > now)
            break;
        if (!target->was_started)
            target->due_ns = target->second_ns - target->interval_ns;
        target->was_started = true;
        /* The grid stays; turns that are past are left out, not made up for. */
        int64_t late = now > target->due_ns ? now - target->due_ns : 0;
        target->due_ns += (late / target->interval_ns + 1) * target->interval_ns;
        heap_move(pace, 0);
        if (target->is_running) {
            target->is_missed = true;
            continue;
        }
        target->is_running = true;
        target->is_missed = false;
        pace->running++;
        pace->start(pace->data, number);
    }
    pace->is_turning = false;
    timer_arm(pace);
}

static void timer_came(uv_timer_t *timer)
{
    pace_turn(timer->data);
}

void posture_pace_done(struct posture_pace *pace, size_t number)
{
    struct pace_target *target = &pace->targets[number];
    if (!target->is_running)
        return;
    target->is_running = false;
    pace->running--;
    if (!target->was_done) {
        target->was_done = true;
        pace->first_left--;
    }
    if (target->is_missed) {
        /* At once, and then a whole interval later. */
        target->due_ns = (int64_t)uv_hrtime();
        heap_move(pace, target->heap_at);
    }
    if (!pace->is_turning)
        timer_arm(pace);
}

bool posture_pace_first_round_done(const struct posture_pace *pace)
{
    return pace->first_left == 0;
}

/* xorshift64*: an order, not a secret. */
static uint64_t random_next(uint64_t *state)
{
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    return *state * UINT64_C(2685821657736338717);
}

/* The numbers 0 to n-1 in an order that nobody can foresee from the list's. */
static void shuffle(size_t *numbers, size_t n, uint64_t *random)
{
    for (size_t i = n; i > 1; i--) {
        size_t j = (size_t)(random_next(random) % i);
        size_t number = numbers[i - 1];
        numbers[i - 1] = numbers[j];
        numbers[j] = number;
    }
}

/* The first round goes at start_rate. The second has the target at place p of n when p/n
 * of its interval has passed, or one interval later where that were sooner than half an
 * interval after its first turn: from then on the targets are spread evenly. */
static void schedule(struct posture_pace *pace, const size_t *order, size_t n)
{
    int64_t now = (int64_t)uv_hrtime();
    for (size_t place = 0; place < n; place++) {
        struct pace_target *target = &pace->targets[order[place]];
        double share = (double)place / (double)n;
        target->due_ns =
            now + (int64_t)((double)place / pace->start_rate * (double)POSTURE_NS_PER_S);
        target->second_ns = now + (int64_t)(share * (double)target->interval_ns);
        while (target->second_ns < target->due_ns + target->interval_ns / 2)
            target->second_ns += target->interval_ns;
    }
}

static void heap_make(struct posture_pace *pace)
{
    size_t count = pace->count;
    for (pace->count = 0; pace->count < count;) {
        size_t number = pace->count++;
        pace->heap[number] = number;
        pace->targets[number].heap_at = number;
        heap_move(pace, number);
    }
}

static int64_t interval_of(int64_t interval_ns)
{
    return interval_ns > POSTURE_NS_PER_MS ? interval_ns : POSTURE_NS_PER_MS;
}

int posture_pace_update(struct posture_pace *pace, size_t count, const size_t *old,
                        const int64_t *intervals_ns)
{
    struct pace_target *targets = posture_calloc(count + 1, sizeof(*targets));
    size_t *heap = posture_calloc(count + 1, sizeof(*heap));
    size_t *fresh = posture_calloc(count + 1, sizeof(*fresh));
    if (!targets || !heap || !fresh) {
        free(targets);
        free(heap);
        free(fresh);
        return -ENOMEM;
    }
    size_t fresh_count = 0;
    pace->first_left = 0;
    for (size_t i = 0; i < count; i++) {
        if (old[i] == POSTURE_PACE_NEW)
            fresh[fresh_count++] = i;
        else
            targets[i] = pace->targets[old[i]];
        targets[i].interval_ns = interval_of(intervals_ns[i]);
        pace->first_left += !targets[i].was_done;
    }
    free(pace->targets);
    free(pace->heap);
    pace->targets = targets;
    pace->heap = heap;
    pace->count = count;
    shuffle(fresh, fresh_count, &pace->random);
    schedule(pace, fresh, fresh_count);
    free(fresh);
    heap_make(pace);
    if (!pace->is_turning)
        timer_arm(pace);
    return 0;
}

int posture_pace_new(uv_loop_t *loop, size_t targets, const int64_t *intervals_ns,
                     double start_rate, size_t max_running, uint64_t seed,
                     posture_pace_cb *start, void *data, struct posture_pace **ret)
{
    POSTURE_REQUIRE(start_rate > 0 && max_running > 0);
    struct posture_pace *pace = posture_calloc(1, sizeof(*pace));
    if (!pace)
        return -ENOMEM;
    pace->targets = posture_calloc(targets + 1, sizeof(*pace->targets));
    pace->heap = posture_calloc(targets + 1, sizeof(*pace->heap));
    if (!pace->targets || !pace->heap || uv_timer_init(loop, &pace->timer) < 0) {
        free(pace->targets);
        free(pace->heap);
        free(pace);
        return -ENOMEM;
    }
    pace->timer.data = pace;
    pace->start = start;
    pace->data = data;
    pace->count = pace->first_left = targets;
    pace->max_running = max_running;
    pace->start_rate = start_rate;
    pace->random = seed ? seed : 1;
    for (size_t i = 0; i < targets; i++) {
        pace->targets[i].interval_ns = interval_of(intervals_ns[i]);
        pace->heap[i] = i;
    }
    shuffle(pace->heap, targets, &pace->random);
    schedule(pace, pace->heap, targets);
    heap_make(pace);
    timer_arm(pace);
    *ret = pace;
    return 0;
}

static void timer_closed(uv_handle_t *handle)
{
    struct posture_pace *pace = handle->data;
    free(pace->targets);
    free(pace->heap);
    free(pace);
}

void posture_pace_close(struct posture_pace *pace)
{
    if (!pace || pace->is_closed)
        return;
    pace->is_closed = true;
    uv_close((uv_handle_t *)&pace->timer, timer_closed);
}
