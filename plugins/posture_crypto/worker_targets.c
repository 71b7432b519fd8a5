/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#include "posture_crypto/worker_internal.h"

#include "common/base/clock.h"
#include "posture_crypto/endpoints_device.h"

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

/* A list may name a kind later that no target has yet: what that reads is out of reach
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
        return posture_error_set(reterr, r, "'%s': %s", target->line, text);
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

/* Bytes of a list as lines. What devices say is taken entry by entry. */
static int lines_make(struct worker_list *list, char *bytes, size_t len, char **ret_text,
                      size_t *ret_len, struct posture_error *reterr)
{
    struct worker *worker = list->worker;
    if (list != &worker->lists[WORKER_LIST_DEVICE]) {
        *ret_text = posture_calloc(1, len + 1);
        if (!*ret_text)
            return -ENOMEM;
        memcpy(*ret_text, bytes, len);
        *ret_len = len;
        return 0;
    }
    struct posture_crypto_device_endpoints found;
    POSTURE_TRY(posture_crypto_endpoints_device_parse(
        list->file->path, bytes, len, worker->common.policy, &found, reterr));
    if (found.refused > 0)
        posture_worker_log(worker->runtime, POSTURE_LOG_WARNING,
                           "%s '%s': %zu entries left out, the first: %s", list->option,
                           list->file->path, found.refused, found.first_refused);
    *ret_text = posture_crypto_endpoints_device_lines(&found, ret_len);
    posture_crypto_endpoints_device_done(&found);
    return *ret_text ? 0 : -ENOMEM;
}

/* As they are, one of them (may be NULL) with new lines. */
static void files_fill(const struct worker *worker, const struct worker_list *changed,
                       const char *text, size_t len,
                       struct posture_crypto_file files[static WORKER_LISTS])
{
    for (size_t i = 0; i < WORKER_LISTS; i++) {
        const struct worker_list *list = &worker->lists[i];
        files[i] =
            (struct posture_crypto_file){.path = list->file ? list->file->path : NULL,
                                         .bytes = list == changed ? text : list->text,
                                         .len = list == changed ? len : list->len,
                                         .is_found = i == WORKER_LIST_DEVICE};
    }
}

static void lists_init(struct worker *worker)
{
    const struct posture_crypto_settings *settings = worker->settings;
    for (size_t i = 0; i < WORKER_LISTS; i++)
        worker->lists[i].worker = worker;
    worker->lists[WORKER_LIST_FILE].option = "EndpointsFile";
    worker->lists[WORKER_LIST_DEVICE].option = "DeviceEndpoints";
    if (settings->endpoints.path)
        worker->lists[WORKER_LIST_FILE].file = &settings->endpoints;
    if (settings->endpoints_from == POSTURE_CRYPTO_FROM_DEVICE &&
        !posture_worker_is_once(worker->runtime))
        worker->lists[WORKER_LIST_DEVICE].file = &settings->device_endpoints;
}

static int list_open_first(struct worker_list *list, struct posture_error *reterr)
{
    int fd = -1;
    size_t len = 0;
    struct posture_error why = {0};
    POSTURE_AUTO_FREE char *bytes = NULL;
    int r = posture_worker_open_now(list->worker->runtime, list->file->index, &fd, &why);
    if (r == 0) {
        r = fstat(fd, &list->seen) < 0
                ? -errno
                : posture_worker_read_all(fd, POSTURE_CRYPTO_FILE_MAX, &bytes, &len);
        posture_close(fd);
    }
    if (r == 0)
        r = lines_make(list, bytes, len, &list->text, &list->len, &why);
    char text[POSTURE_ERROR_TEXT_MAX + POSTURE_ERROR_FILE_MAX];
    return r < 0 ? posture_error_set(
                       reterr, r, "option %s \"%s\": %s", list->option, list->file->path,
                       why.text[0] ? posture_error_format(&why, text, sizeof(text))
                                   : posture_strerror(r))
                 : 0;
}

/* EndpointsFile is the operator's: a mistake in it is one in the configuration. What
 * devices say may be late, or wrong: it is said, and waited for. */
static int lists_read_first(struct worker *worker, struct posture_error *reterr)
{
    lists_init(worker);
    if (worker->lists[WORKER_LIST_FILE].file)
        POSTURE_TRY(list_open_first(&worker->lists[WORKER_LIST_FILE], reterr));
    struct worker_list *device = &worker->lists[WORKER_LIST_DEVICE];
    struct posture_error why = {0};
    if (device->file && list_open_first(device, &why) < 0) {
        device->was_refused = true;
        posture_worker_log(worker->runtime, POSTURE_LOG_WARNING,
                           "%s; no endpoint of a device is measured before it is there",
                           why.text);
    }
    return 0;
}

int worker_targets_prepare(struct worker *worker, struct posture_error *reterr)
{
    const struct posture_settings *settings = posture_worker_settings(worker->runtime);
    POSTURE_TRY(posture_address_policy_new(&worker->settings->allow,
                                           &worker->common.policy, reterr));
    POSTURE_TRY(posture_budget_new(worker->settings->connections_per_host,
                                   worker->settings->connections_per_network,
                                   &worker->common.budget));
    POSTURE_TRY(lists_read_first(worker, reterr));
    struct posture_crypto_file files[WORKER_LISTS];
    files_fill(worker, NULL, NULL, 0, files);
    POSTURE_AUTO(numbers_free) size_t *old = NULL;
    POSTURE_TRY(posture_crypto_targets_read(settings, files, WORKER_LISTS,
                                            worker_measures, NULL, &worker->targets, &old,
                                            reterr));
    for (size_t i = 0; i < worker->targets.count; i++) {
        worker->targets.items[i]->number = i;
        POSTURE_TRY(target_admit(worker, worker->targets.items[i], reterr));
    }
    for (size_t i = 0; i < WORKER_LISTS; i++) {
        if (worker->lists[i].file)
            POSTURE_TRY(shared_make_for_file(worker, reterr));
    }
    return 0;
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
static int lists_take(struct worker *worker, const struct worker_list *changed,
                      const char *text, size_t len, struct posture_error *reterr)
{
    struct posture_crypto_targets list = {0};
    struct posture_crypto_targets *now = &worker->targets;
    POSTURE_AUTO(numbers_free) size_t *old = NULL;
    size_t before = now->count, added = 0;
    struct posture_crypto_file files[WORKER_LISTS];
    files_fill(worker, changed, text, len, files);
    POSTURE_TRY(posture_crypto_targets_read(posture_worker_settings(worker->runtime),
                                            files, WORKER_LISTS, worker_measures, now,
                                            &list, &old, reterr));
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
                       "%s '%s': %zu targets (%zu before, %zu new, %zu gone)",
                       changed->option, changed->file->path, now->count, before, added,
                       gone);
    return 0;
}

static bool file_is_same(const struct stat *a, const struct stat *b)
{
    return a->st_dev == b->st_dev && a->st_ino == b->st_ino && a->st_size == b->st_size &&
           a->st_mtim.tv_sec == b->st_mtim.tv_sec &&
           a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

static int list_read(struct worker_list *list, int fd, struct posture_error *reterr)
{
    POSTURE_AUTO_FREE char *bytes = NULL;
    POSTURE_AUTO_FREE char *text = NULL;
    size_t len = 0, text_len = 0;
    POSTURE_TRY(posture_worker_read_all(fd, POSTURE_CRYPTO_FILE_MAX, &bytes, &len));
    POSTURE_TRY(lines_make(list, bytes, len, &text, &text_len, reterr));
    POSTURE_TRY(lists_take(list->worker, list, text, text_len, reterr));
    free(list->text);
    list->text = POSTURE_TAKE(text);
    list->len = text_len;
    return 0;
}

static void list_opened(struct posture_worker *runtime, int fd, void *data)
{
    struct worker_list *list = data;
    list->is_asked = false;
    struct stat now = {0};
    struct posture_error error = {0};
    int r = fd < 0 ? fd : fstat(fd, &now) < 0 ? -errno : 0;
    bool is_new = r == 0 && !file_is_same(&now, &list->seen);
    if (is_new && list->has_timer)
        r = list_read(list, fd, &error);
    if (is_new)
        list->seen = now; /* what is wrong is said once, not every time */
    posture_close(fd);
    char text[POSTURE_ERROR_TEXT_MAX + POSTURE_ERROR_FILE_MAX];
    if (r < 0 && (is_new || !list->was_refused))
        posture_worker_log(
            runtime, POSTURE_LOG_ERROR, "%s '%s': %s; the targets stay as they were",
            list->option, list->file->path,
            error.text[0] ? posture_error_format(&error, text, sizeof(text))
                          : posture_strerror(r));
    list->was_refused = r < 0;
}

static void list_due(uv_timer_t *timer)
{
    struct worker_list *list = timer->data;
    char what[16];
    if (list->is_asked)
        return;
    snprintf(what, sizeof(what), "%u", list->file->index);
    list->is_asked =
        posture_worker_open(list->worker->runtime, what, list_opened, list) == 0;
}

int worker_lists_watch(struct worker *worker, uv_loop_t *loop)
{
    for (size_t i = 0; i < WORKER_LISTS; i++) {
        struct worker_list *list = &worker->lists[i];
        if (!list->file)
            continue;
        POSTURE_TRY(uv_timer_init(loop, &list->timer));
        list->timer.data = list;
        list->has_timer = true;
        POSTURE_TRY(uv_timer_start(&list->timer, list_due, FILE_CHECK_MS, FILE_CHECK_MS));
    }
    return 0;
}

void worker_lists_stop(struct worker *worker)
{
    for (size_t i = 0; i < WORKER_LISTS; i++) {
        if (worker->lists[i].has_timer)
            uv_close((uv_handle_t *)&worker->lists[i].timer, NULL);
        worker->lists[i].has_timer = false;
    }
}

void worker_lists_done(struct worker *worker)
{
    for (size_t i = 0; i < WORKER_LISTS; i++)
        free(worker->lists[i].text);
}
