/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#include "posture_crypto/worker_internal.h"

#include "common/base/clock.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { FILE_CHECK_MS = 10000 };

const struct posture_crypto_measure *const worker_measures[WORKER_MEASURES + 1] = {
    &posture_crypto_measure_tls,
    &posture_crypto_measure_ssh,
    &posture_crypto_measure_host,
    NULL,
};

void worker_held_drop(struct posture_crypto_target *target)
{
    struct worker *worker = target->worker;
    if (!target->held)
        return;
    target->held = posture_report_free(target->held);
    worker->held--;
}

/* What the targets of a kind share. */
static int shared_make(struct worker *worker, size_t i, struct posture_error *reterr)
{
    if (worker->shared[i])
        return 0;
    return worker_measures[i]->setup(worker->runtime, &worker->common, &worker->shared[i],
                                     reterr);
}

/* The file may name a kind later that no target has yet: what that reads is out of reach
 * by then. */
static int shared_make_for_file(struct worker *worker, struct posture_error *reterr)
{
    for (size_t i = 0; worker_measures[i]; i++) {
        if (strcmp(worker_measures[i]->block, "Endpoint") == 0)
            POSTURE_TRY(shared_make(worker, i, reterr));
    }
    return 0;
}

/* What the targets of its kind share, made with the first of them; what this one needs
 * besides. */
static int target_admit(struct worker *worker, struct posture_crypto_target *target,
                        struct posture_error *reterr)
{
    size_t i = 0;
    while (worker_measures[i] != target->measure)
        i++;
    POSTURE_TRY(shared_make(worker, i, reterr));
    target->worker = worker;
    target->shared = worker->shared[i];
    if (!worker_measures[i]->admit)
        return 0;
    struct posture_error why = {0};
    int r = worker_measures[i]->admit(target->shared, target->values, &why);
    if (r == 0)
        return 0;
    const char *text = why.text[0] ? why.text : posture_strerror(r);
    if (target->line)
        return posture_error_at(reterr, r, worker->settings->endpoints.path, 0, 0,
                                "'%s': %s", target->line, text);
    return posture_error_set(reterr, r, "block %s \"%s\": %s", target->measure->block,
                             target->written ? target->written : target->subject.text,
                             text);
}

static size_t *numbers_free(size_t *numbers)
{
    free(numbers);
    return NULL;
}
POSTURE_AUTO_DEFINE(size_t *, numbers_free)

static int64_t *intervals_free(int64_t *intervals)
{
    free(intervals);
    return NULL;
}
POSTURE_AUTO_DEFINE(int64_t *, intervals_free)

static int file_open_first(struct worker *worker, char **ret_bytes, size_t *ret_len,
                           struct posture_error *reterr)
{
    int fd = -1;
    struct posture_error why = {0};
    int r = posture_worker_open_now(worker->runtime, worker->settings->endpoints.index,
                                    &fd, &why);
    if (r == 0) {
        r = fstat(fd, &worker->file.seen) < 0
                ? -errno
                : posture_worker_read_all(fd, POSTURE_CRYPTO_FILE_MAX, ret_bytes,
                                          ret_len);
        posture_close(fd);
    }
    return r < 0 ? posture_error_set(reterr, r, "option EndpointsFile \"%s\": %s",
                                     worker->settings->endpoints.path,
                                     why.text[0] ? why.text : posture_strerror(r))
                 : 0;
}

int worker_targets_prepare(struct worker *worker, struct posture_error *reterr)
{
    const struct posture_settings *settings = posture_worker_settings(worker->runtime);
    POSTURE_TRY(posture_address_policy_new(&worker->settings->allow,
                                           &worker->common.policy, reterr));
    POSTURE_TRY(posture_budget_new(worker->settings->connections_per_host,
                                   worker->settings->connections_per_network,
                                   &worker->common.budget));
    struct posture_crypto_file file = {.path = worker->settings->endpoints.path};
    POSTURE_AUTO_FREE char *bytes = NULL;
    if (file.path) {
        POSTURE_TRY(file_open_first(worker, &bytes, &file.len, reterr));
        file.bytes = bytes;
    }
    POSTURE_AUTO(numbers_free) size_t *old = NULL;
    POSTURE_TRY(posture_crypto_targets_read(settings, file.path ? &file : NULL,
                                            worker_measures, NULL, &worker->targets, &old,
                                            reterr));
    for (size_t i = 0; i < worker->targets.count; i++) {
        worker->targets.items[i]->number = i;
        POSTURE_TRY(target_admit(worker, worker->targets.items[i], reterr));
    }
    return file.path ? shared_make_for_file(worker, reterr) : 0;
}

static int64_t *intervals_of(const struct posture_crypto_targets *targets)
{
    int64_t *intervals = posture_calloc(targets->count + 1, sizeof(*intervals));
    for (size_t i = 0; intervals && i < targets->count; i++)
        intervals[i] = targets->items[i]->interval_ns;
    return intervals;
}

int worker_pace_start(struct worker *worker, uv_loop_t *loop, posture_pace_cb *due)
{
    POSTURE_AUTO(intervals_free) int64_t *intervals = intervals_of(&worker->targets);
    if (!intervals)
        return -ENOMEM;
    return posture_pace_new(loop, worker->targets.count, intervals,
                            worker->settings->start_rate, worker->settings->max_running,
                            (uint64_t)posture_now_ns(), due, worker, &worker->pace);
}

void worker_run_cancel(struct posture_crypto_target *target)
{
    if (target->run)
        target->measure->cancel(target->run);
    target->run = NULL;
}

/* Targets that the file names no more: their values end, what waits for a spool goes. */
static void gone_drop(struct worker *worker, struct posture_crypto_targets *gone)
{
    for (size_t i = 0; i < gone->count; i++) {
        struct posture_crypto_target *target = gone->items[i];
        if (target->run)
            worker->running--;
        worker_run_cancel(target);
        worker_held_drop(target);
        posture_pace_done(worker->pace, target->number);
        posture_values_forget(worker->values, target->subject.text);
    }
}

/* All or nothing: a list with an error changes nothing. */
static int file_take(struct worker *worker, const struct posture_crypto_file *file,
                     struct posture_error *reterr)
{
    struct posture_crypto_targets list = {0};
    struct posture_crypto_targets *now = &worker->targets;
    POSTURE_AUTO(numbers_free) size_t *old = NULL;
    size_t before = now->count, added = 0;
    POSTURE_TRY(posture_crypto_targets_read(posture_worker_settings(worker->runtime),
                                            file, worker_measures, now, &list, &old,
                                            reterr));
    POSTURE_AUTO(intervals_free) int64_t *intervals = intervals_of(&list);
    int r = intervals ? 0 : -ENOMEM;
    for (size_t i = 0; r == 0 && i < list.count; i++) {
        if (old[i] == SIZE_MAX && ++added > 0)
            r = target_admit(worker, list.items[i], reterr);
    }
    if (r < 0) { /* previous gets back what is its own */
        posture_crypto_targets_restore(now, &list, old);
        return r;
    }
    size_t gone = now->count;
    gone_drop(worker, now);
    for (size_t i = 0; i < list.count; i++)
        old[i] = old[i] == SIZE_MAX ? POSTURE_PACE_NEW : list.items[i]->number;
    r = posture_pace_update(worker->pace, list.count, old, intervals);
    for (size_t i = 0; i < list.count; i++)
        list.items[i]->number = i;
    posture_crypto_targets_done(now);
    *now = list;
    if (r < 0) { /* no memory for the turns: the host starts the worker anew */
        posture_worker_finish(worker->runtime, 1);
        return r;
    }
    posture_values_expect(worker->values, now->count);
    posture_worker_log(worker->runtime, POSTURE_LOG_NOTICE,
                       "EndpointsFile '%s': %zu targets (%zu before, %zu new, %zu gone)",
                       file->path, now->count, before, added, gone);
    return 0;
}

static bool file_is_same(const struct stat *a, const struct stat *b)
{
    return a->st_dev == b->st_dev && a->st_ino == b->st_ino && a->st_size == b->st_size &&
           a->st_mtim.tv_sec == b->st_mtim.tv_sec &&
           a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

static void file_opened(struct posture_worker *runtime, int fd, void *data)
{
    struct worker *worker = data;
    struct file_watch *watch = &worker->file;
    const char *path = worker->settings->endpoints.path;
    watch->is_asked = false;
    struct stat now = {0};
    struct posture_error error = {0};
    POSTURE_AUTO_FREE char *bytes = NULL;
    struct posture_crypto_file file = {.path = path};
    int r = fd < 0 ? fd : fstat(fd, &now) < 0 ? -errno : 0;
    bool is_new = r == 0 && !file_is_same(&now, &watch->seen);
    if (is_new) {
        r = posture_worker_read_all(fd, POSTURE_CRYPTO_FILE_MAX, &bytes, &file.len);
        file.bytes = bytes;
        if (r == 0 && watch->has_timer)
            r = file_take(worker, &file, &error);
        watch->seen = now; /* what is wrong is said once, not every time */
    }
    posture_close(fd);
    char text[POSTURE_ERROR_TEXT_MAX + POSTURE_ERROR_FILE_MAX];
    if (r < 0 && (is_new || !watch->was_refused))
        posture_worker_log(runtime, POSTURE_LOG_ERROR,
                           "EndpointsFile '%s': %s; the targets stay as they were", path,
                           error.text[0]
                               ? posture_error_format(&error, text, sizeof(text))
                               : posture_strerror(r));
    watch->was_refused = r < 0;
}

static void file_due(uv_timer_t *timer)
{
    struct worker *worker = timer->data;
    char what[16];
    if (worker->file.is_asked)
        return;
    snprintf(what, sizeof(what), "%u", worker->settings->endpoints.index);
    worker->file.is_asked =
        posture_worker_open(worker->runtime, what, file_opened, worker) == 0;
}

int worker_file_watch(struct worker *worker, uv_loop_t *loop)
{
    if (!worker->settings->endpoints.path)
        return 0;
    POSTURE_TRY(uv_timer_init(loop, &worker->file.timer));
    worker->file.timer.data = worker;
    worker->file.has_timer = true;
    return uv_timer_start(&worker->file.timer, file_due, FILE_CHECK_MS, FILE_CHECK_MS);
}
