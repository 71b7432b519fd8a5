/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#include "posture_crypto/worker_internal.h"

#include "common/base/clock.h"
#include "common/net/sandbox.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum {
    STATS_MS = 10000,
    SPOOL_PENDING_MAX = 32 * 1024 * 1024,
    ORDERED_MAX = 16, /* reports of once mode that come in their order */
    HELD_MAX = 2000,  /* reports kept until the spool says who we are */
};

static void held_set(struct posture_crypto_target *target,
                     struct posture_report *report_take)
{
    struct worker *worker = target->worker;
    if (target->held) {
        worker_held_drop(target); /* the newer one says it all */
    } else if (!posture_worker_is_once(worker->runtime) && worker->held >= HELD_MAX) {
        worker->dropped++;
        posture_report_free(report_take);
        return;
    }
    target->held = report_take;
    worker->held++;
}

static void held_send(struct posture_crypto_target *target)
{
    struct worker *worker = target->worker;
    POSTURE_AUTO_FREE char *body = NULL;
    size_t len = 0;
    if (posture_crypto_target_encode(target, worker->profile, target->held,
                                     worker->agency, worker->reporter, &body, &len) < 0 ||
        posture_spool_client_report(worker->spool, target->measure->kind,
                                    target->subject.text, target->held->id,
                                    target->held->time_ns, body, len) < 0)
        worker->dropped++;
    worker_held_drop(target);
}

static void report_print(struct posture_crypto_target *target)
{
    struct worker *worker = target->worker;
    POSTURE_AUTO_FREE char *body = NULL;
    size_t len = 0;
    if (posture_crypto_target_encode(target, worker->profile, target->held,
                                     worker->settings->agency, worker->settings->reporter,
                                     &body, &len) == 0) {
        fwrite(body, 1, len, stdout);
        fputc('\n', stdout);
        fflush(stdout);
    } else {
        worker->dropped++;
    }
    worker_held_drop(target);
}

/* Once mode: a few in the order of the settings, whatever ends first; many as they come,
 * so that none that is slow holds back what is there. */
static void held_print(struct posture_crypto_target *target)
{
    struct worker *worker = target->worker;
    const struct posture_crypto_targets *targets = &worker->targets;
    if (targets->count > ORDERED_MAX) {
        report_print(target);
        return;
    }
    while (worker->printed < targets->count && targets->items[worker->printed]->held)
        report_print(targets->items[worker->printed++]);
}

static int facts_report(struct posture_crypto_target *target, json_t *facts)
{
    struct worker *worker = target->worker;
    POSTURE_AUTO(posture_report_free) struct posture_report *report = NULL;
    POSTURE_AUTO_RESULTS struct posture_results results = {0};
    POSTURE_TRY(
        posture_crypto_target_report(target, facts, worker->profile, &results, &report));
    if (posture_worker_is_once(worker->runtime)) {
        held_set(target, POSTURE_TAKE(report));
        held_print(target);
        return 0;
    }
    POSTURE_TRY(posture_values_publish(worker->values, target->block,
                                       target->subject.text, &results, report->time_ns));
    held_set(target, POSTURE_TAKE(report));
    if (worker->agency && target->held)
        held_send(target);
    return 0;
}

static void probe_ended(void *data, json_t *facts)
{
    struct posture_crypto_target *target = data;
    struct worker *worker = target->worker;
    target->run = NULL;
    worker->running--;
    worker->probes++;
    worker->busy_ms +=
        (uint64_t)((posture_monotonic_ns() - target->started_ns) / POSTURE_NS_PER_MS);
    int r = facts ? facts_report(target, facts) : -ENOMEM;
    if (r < 0) {
        worker->dropped++;
        posture_worker_log(worker->runtime, POSTURE_LOG_ERROR, "'%s': no report: %s",
                           target->subject.text, posture_strerror(r));
    }
    if (!facts || target->measure->is_failure(facts))
        worker->failures++;
    json_decref(facts);
    posture_pace_done(worker->pace, target->number);
    if (posture_worker_is_once(worker->runtime) && worker->running == 0 &&
        posture_pace_first_round_done(worker->pace))
        posture_worker_finish(worker->runtime,
                              worker->dropped > 0 || ferror(stdout) ? 1 : 0);
}

static void target_due(void *data, size_t index)
{
    struct worker *worker = data;
    struct posture_crypto_target *target = worker->targets.items[index];
    worker->running++;
    target->started_ns = posture_monotonic_ns();
    int r = target->measure->start(target->shared, posture_worker_loop(worker->runtime),
                                   &target->subject, target->values, probe_ended, target,
                                   &target->run);
    if (r < 0) {
        posture_worker_log(worker->runtime, POSTURE_LOG_ERROR,
                           "'%s': cannot be measured: %s", target->subject.text,
                           posture_strerror(r));
        probe_ended(target, target->measure->facts_none(&target->subject));
    }
}

/* Without posture_kafka that is as wanted; with another SpoolSocket than its own it would
 * go unnoticed. */
static void spool_missing_say(struct worker *worker)
{
    int64_t age_ns = posture_monotonic_ns() - worker->born_ns;
    if (worker->agency || worker->has_said_no_spool ||
        age_ns < STATS_MS * POSTURE_NS_PER_MS / 2)
        return;
    worker->has_said_no_spool = true;
    posture_worker_log(worker->runtime, POSTURE_LOG_NOTICE,
                       "no spool answers at SpoolSocket \"%s\" (posture_kafka's must be "
                       "the same): values go to collectd, reports wait",
                       worker->settings->common.spool_socket);
}

static void stats_due(uv_timer_t *timer)
{
    struct worker *worker = timer->data;
    struct posture_worker *runtime = worker->runtime;
    posture_worker_stat(runtime, "derive", "probes", (double)worker->probes);
    posture_worker_stat(runtime, "derive", "probes_failed", (double)worker->failures);
    posture_worker_stat(runtime, "derive", "probe_ms", (double)worker->busy_ms);
    posture_worker_stat(runtime, "gauge", "probes_running", (double)worker->running);
    posture_worker_stat(runtime, "derive", "reports_dropped", (double)worker->dropped);
    if (!worker->spool)
        return;
    spool_missing_say(worker);
    struct posture_spool_client_stats stats;
    posture_spool_client_stats(worker->spool, &stats);
    posture_worker_stat(runtime, "derive", "reports_stored", (double)stats.stored);
    posture_worker_stat(runtime, "derive", "reports_refused", (double)stats.refused);
    posture_worker_stat(runtime, "gauge", "reports_pending",
                        (double)stats.pending + (double)worker->held);
}

static void spool_opened(struct posture_worker *runtime, int fd, void *data)
{
    (void)runtime;
    struct worker *worker = data;
    if (!worker->spool) {
        if (fd >= 0)
            close(fd);
        return;
    }
    posture_spool_client_connected_take(worker->spool, fd < 0 ? fd : 0, fd);
}

static void spool_needed(void *data)
{
    struct worker *worker = data;
    int r = posture_worker_open(worker->runtime, "spool", spool_opened, worker);
    if (r < 0)
        posture_spool_client_connected_take(worker->spool, r, -1);
}

static void spool_welcomed(void *data, const char *agency, const char *reporter)
{
    struct worker *worker = data;
    char *new_agency = posture_strdup(agency);
    char *new_reporter = posture_strdup(reporter);
    if (!new_agency || !new_reporter) {
        free(new_agency);
        free(new_reporter);
        return;
    }
    if (worker->has_said_no_spool)
        posture_worker_log(worker->runtime, POSTURE_LOG_NOTICE,
                           "the spool answers: reports go out");
    worker->has_said_no_spool = false;
    free(worker->agency);
    free(worker->reporter);
    worker->agency = new_agency;
    worker->reporter = new_reporter;
    for (size_t i = 0; i < worker->targets.count; i++) {
        if (worker->targets.items[i]->held)
            held_send(worker->targets.items[i]);
    }
}

static void report_stored(void *data, const char *subject, int r, const char *reason)
{
    struct worker *worker = data;
    if (r < 0)
        posture_worker_log(worker->runtime, POSTURE_LOG_ERROR,
                           "'%s': the spool refused: %s", subject,
                           reason ? reason : posture_strerror(r));
}

static const struct posture_spool_client_ops spool_ops = {
    .need_connection = spool_needed,
    .welcome = spool_welcomed,
    .stored = report_stored,
};

static int profile_load(struct worker *worker, struct posture_error *reterr)
{
    const struct posture_crypto_settings *settings = worker->settings;
    struct posture_error error = {0};
    int r = posture_profile_load(settings->common.data_dir, settings->profile,
                                 &worker->profile, &error);
    if (r == 0)
        return 0;
    char text[POSTURE_ERROR_TEXT_MAX + POSTURE_ERROR_FILE_MAX];
    return posture_error_set(reterr, r, "option Profile \"%s\": %s", settings->profile,
                             error.text[0]
                                 ? posture_error_format(&error, text, sizeof(text))
                                 : posture_strerror(r));
}

static int exceptions_load(struct worker *worker, struct posture_error *reterr)
{
    const char *path = worker->settings->exceptions_file;
    if (!path)
        return 0;
    struct posture_error error = {0};
    int r = posture_exceptions_load(path, worker->checks, &worker->exceptions, &error);
    if (r == 0)
        return 0;
    char text[POSTURE_ERROR_TEXT_MAX + POSTURE_ERROR_FILE_MAX];
    return posture_error_set(reterr, r, "option ExceptionsFile \"%s\": %s", path,
                             error.text[0]
                                 ? posture_error_format(&error, text, sizeof(text))
                                 : posture_strerror(r));
}

static int worker_prepare(struct posture_worker *runtime, struct posture_error *reterr)
{
    struct worker *worker = posture_calloc(1, sizeof(*worker));
    if (!worker)
        return -ENOMEM;
    posture_worker_set_data(runtime, worker);
    const struct posture_settings *settings = posture_worker_settings(runtime);
    worker->runtime = runtime;
    worker->settings = posture_settings_plugin(settings);
    worker->born_ns = posture_monotonic_ns();
    const char *data_dir = worker->settings->common.data_dir;
    POSTURE_TRY(posture_check_registry_load(data_dir, &worker->checks, reterr));
    POSTURE_TRY(profile_load(worker, reterr));
    POSTURE_TRY(exceptions_load(worker, reterr));
    return worker_targets_prepare(worker, reterr);
}

static int worker_start(struct posture_worker *runtime, struct posture_error *reterr)
{
    (void)reterr;
    struct worker *worker = posture_worker_data(runtime);
    uv_loop_t *loop = posture_worker_loop(runtime);
    if (posture_worker_is_once(runtime)) {
        if (worker->targets.count == 0) {
            posture_worker_finish(runtime, 0);
            return 0;
        }
        return worker_pace_start(worker, loop, target_due);
    }
    POSTURE_TRY(posture_values_new(runtime, worker->settings->common.values,
                                   worker->checks, &worker->values));
    posture_values_except(worker->values, worker->exceptions);
    posture_values_expect(worker->values, worker->targets.count);
    POSTURE_TRY(uv_timer_init(loop, &worker->stats));
    worker->stats.data = worker;
    worker->has_stats = true;
    POSTURE_TRY(uv_timer_start(&worker->stats, stats_due, 0, STATS_MS));
    POSTURE_TRY(posture_spool_client_new(loop, &spool_ops, worker, SPOOL_PENDING_MAX,
                                         &worker->spool));
    POSTURE_TRY(worker_lists_watch(worker, loop));
    return worker_pace_start(worker, loop, target_due);
}

static void worker_stop(struct posture_worker *runtime)
{
    struct worker *worker = posture_worker_data(runtime);
    for (size_t i = 0; i < worker->targets.count; i++)
        worker_run_cancel(worker->targets.items[i]);
    for (size_t i = 0; i < POSTURE_COUNT(worker->shared); i++) {
        if (worker->shared[i] && worker_measures[i]->stop)
            worker_measures[i]->stop(worker->shared[i]);
    }
    if (worker->pace)
        posture_pace_close(worker->pace);
    if (worker->spool)
        posture_spool_client_close(worker->spool);
    if (worker->has_stats)
        uv_close((uv_handle_t *)&worker->stats, NULL);
    worker_lists_stop(worker);
    worker->pace = NULL;
    worker->spool = NULL;
    worker->has_stats = false;
}

static void worker_free(struct posture_worker *runtime)
{
    struct worker *worker = posture_worker_data(runtime);
    if (!worker)
        return;
    posture_crypto_targets_done(&worker->targets);
    worker_lists_done(worker);
    free(worker->agency);
    free(worker->reporter);
    posture_values_free(worker->values);
    posture_exceptions_free(worker->exceptions);
    posture_profile_free(worker->profile);
    posture_check_registry_free(worker->checks);
    for (size_t i = 0; i < POSTURE_COUNT(worker->shared); i++) {
        if (worker->shared[i])
            worker_measures[i]->teardown(worker->shared[i]);
    }
    posture_budget_free(worker->common.budget);
    posture_address_policy_free(worker->common.policy);
    free(worker);
    posture_worker_set_data(runtime, NULL);
}

static const struct posture_worker_ops ops = {
    .name = "posture-crypto",
    .options = &posture_crypto_options,
    .prepare = worker_prepare,
    .start = worker_start,
    .stop = worker_stop,
    .free = worker_free,
    .sandbox = POSTURE_SANDBOX_CONNECT | POSTURE_SANDBOX_CLOCK,
};

int main(int argc, char **argv)
{
    return posture_worker_main(&ops, argc, argv);
}
