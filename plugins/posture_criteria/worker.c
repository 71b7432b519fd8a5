/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#include "posture_criteria/criteria.h"

#include "common/base/clock.h"
#include "common/base/spawn.h"
#include "common/net/sandbox.h"
#include "common/report/registry.h"
#include "posture_criteria/gate_worker.h"
#include "posture_criteria/http.h"
#include "posture_criteria/judge_worker.h"
#include "posture_crypto/host_checks.h"
#include "posture_crypto/ssh_checks.h"
#include "posture_crypto/tls_checks.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum {
    FILE_MAX = 1024 * 1024,
    CHECK_TIMEOUT_MS = 5000,
    CHECK_PAUSE_FIRST_MS = 500,
    CHECK_PAUSE_LAST_MS = 30000,
    LINGER_MS = 1500, /* for what is on its way when the worker stops */
};

/* Every plugin's pure checks: the centre judges all kinds. */
static const struct posture_check_set *const check_sets[] = {
    &posture_tls_checks, &posture_ssh_checks, &posture_host_checks, NULL};

void posture_criteria_fail(struct posture_criteria *criteria, const char *what, int r)
{
    if (criteria->has_failed)
        return;
    criteria->has_failed = true;
    posture_worker_log(criteria->worker, POSTURE_LOG_ERROR, "%s: %s; starting anew", what,
                       posture_strerror(r));
    posture_worker_finish(criteria->worker, 1);
}

/* A file option's content, NUL-terminated; NULL when it is not given. */
static int file_read(struct posture_worker *worker,
                     const struct posture_option_file *file, char **ret_text,
                     struct posture_error *reterr)
{
    POSTURE_AUTO_CLOSE int fd = -1;
    size_t len;
    if (file->index == 0)
        return 0;
    POSTURE_TRY(posture_worker_open_now(worker, file->index, &fd, reterr));
    int r = posture_worker_read_all(fd, FILE_MAX, ret_text, &len);
    if (r < 0)
        return posture_error_set(reterr, r, "%s: %s", file->path, posture_strerror(r));
    return 0;
}

static int kafka_files_read(struct posture_criteria *criteria,
                            struct posture_error *reterr)
{
    const struct posture_kafka_settings *kafka = &criteria->settings->kafka;
    char **texts = criteria->secret_texts;
    size_t len;
    POSTURE_TRY(file_read(criteria->worker, &kafka->tls_cert, &texts[0], reterr));
    POSTURE_TRY(file_read(criteria->worker, &kafka->tls_key, &texts[1], reterr));
    POSTURE_TRY(file_read(criteria->worker, &kafka->sasl_password, &texts[2], reterr));
    if (kafka->tls_ca)
        POSTURE_TRY(posture_file_read(kafka->tls_ca, FILE_MAX, &texts[3], &len, reterr));
    if (texts[2])
        texts[2][strcspn(texts[2], "\r\n")] = '\0';
    criteria->secrets = (struct posture_kafka_secrets){.tls_cert_pem = texts[0],
                                                       .tls_key_pem = texts[1],
                                                       .sasl_password = texts[2],
                                                       .tls_ca_pem = texts[3]};
    return 0;
}

static bool has_pages(const struct posture_criteria *criteria)
{
    return strcmp(criteria->settings->listen, "none") != 0;
}

static int listen_files_read(struct posture_criteria *criteria,
                             struct posture_error *reterr)
{
    const struct posture_criteria_settings *settings = criteria->settings;
    char **texts = criteria->listen_texts;
    POSTURE_TRY(file_read(criteria->worker, &settings->listen_cert, &texts[0], reterr));
    POSTURE_TRY(file_read(criteria->worker, &settings->listen_key, &texts[1], reterr));
    POSTURE_TRY(
        file_read(criteria->worker, &settings->listen_client_ca, &texts[2], reterr));
    return file_read(criteria->worker, &settings->listen_token, &texts[3], reterr);
}

/* names: count + 1 pointers, the last NULL. */
static struct posture_http_settings http_settings(const struct posture_criteria *criteria,
                                                  const char **names)
{
    const struct posture_option_list *list = &criteria->settings->listen_names;
    for (size_t i = 0; i < list->count; i++)
        names[i] = list->items[i];
    names[list->count] = NULL;
    return (struct posture_http_settings){
        .listen = criteria->settings->listen,
        .tls_cert = criteria->listen_texts[0],
        .tls_key = criteria->listen_texts[1],
        .tls_client_ca = criteria->listen_texts[2],
        .token = criteria->listen_texts[3],
        .host_names = names,
        .checks = criteria->checks,
    };
}

static int http_do(struct posture_criteria *criteria, bool is_start,
                   struct posture_error *reterr)
{
    if (!has_pages(criteria))
        return 0;
    POSTURE_AUTO_FREE char *memory = posture_reallocarray(
        NULL, criteria->settings->listen_names.count + 1, sizeof(const char *));
    if (!memory)
        return -ENOMEM;
    struct posture_http_settings settings =
        http_settings(criteria, (const char **)(void *)memory);
    return is_start ? posture_http_new(criteria->loop, &settings, &criteria->http, reterr)
                    : posture_http_settings_check(&settings, reterr);
}

static int documents_load(struct posture_criteria *criteria, struct posture_error *reterr)
{
    const struct posture_criteria_settings *settings = criteria->settings;
    const char *data_dir = settings->common.data_dir;
    char digest[POSTURE_DIGEST_TEXT];
    json_auto_t *registry = NULL, *catalogue = NULL;
    POSTURE_AUTO_FREE char *schema_path = NULL;

    POSTURE_TRY(
        posture_registry_load(data_dir, settings->registry, &registry, digest, reterr));
    POSTURE_TRY(
        posture_registry_index_new(registry, digest, &criteria->registry, reterr));
    POSTURE_TRY(posture_catalogue_load(data_dir, settings->catalogue, &catalogue, digest,
                                       reterr));
    POSTURE_TRY(posture_catalogue_new(catalogue, digest, &criteria->catalogue, reterr));
    POSTURE_TRY(
        posture_profile_load(data_dir, settings->profile, &criteria->profile, reterr));
    POSTURE_TRY(posture_check_registry_load(data_dir, &criteria->checks, reterr));
    POSTURE_TRY(posture_data_path(data_dir, "schemas", "report.v1.schema.json",
                                  &schema_path, reterr));
    return posture_schema_load(schema_path, &criteria->schema, reterr);
}

static int prepare(struct posture_worker *worker, struct posture_error *reterr)
{
    struct posture_criteria *criteria = posture_calloc(1, sizeof(*criteria));
    if (!criteria)
        return -ENOMEM;
    posture_worker_set_data(worker,
                            criteria); /* freed by criteria_free, whatever happens */
    criteria->worker = worker;
    criteria->settings = posture_settings_plugin(posture_worker_settings(worker));
    criteria->sets = check_sets;
    criteria->epoch = (uint64_t)posture_now_ns();
    POSTURE_TRY(documents_load(criteria, reterr));
    POSTURE_TRY(kafka_files_read(criteria, reterr));
    POSTURE_TRY(listen_files_read(criteria, reterr));
    POSTURE_TRY(http_do(criteria, /* is_start = */ false, reterr));
    criteria->state = posture_state_new();
    return criteria->state ? 0 : -ENOMEM;
}

static void stats_send(struct posture_criteria *criteria)
{
    const struct posture_gate_counters *gate =
        posture_gate_worker_counters(criteria->gate);
    const struct posture_judge_counters *judge =
        posture_judge_worker_counters(criteria->judge);
    struct posture_producer_stats producer;
    uint64_t waiting, rejected = 0;
    char name[64];
    posture_outbox_stats(criteria->outbox, &producer, &waiting);
    for (int i = 0; i < POSTURE_GATE_REASON_COUNT; i++) {
        (void)snprintf(name, sizeof(name), "rejected-%s",
                       posture_gate_reason_name((enum posture_gate_reason)i));
        posture_worker_stat(criteria->worker, "derive", name, (double)gate->rejected[i]);
        rejected += gate->rejected[i];
    }
    const struct {
        const char *type, *name;
        double number;
    } rows[] = {
        {"derive", "accepted", (double)gate->accepted},
        {"derive", "rejected", (double)rejected},
        {"derive", "duplicates", (double)gate->duplicates},
        {"derive", "acknowledgements", (double)gate->noted},
        {"derive", "clock_ahead", (double)gate->clock_ahead},
        {"derive", "sequence_missing", (double)gate->sequence_missing},
        {"derive", "new_epochs", (double)gate->new_epochs},
        {"derive", "sources_not_tracked", (double)gate->sources_not_tracked},
        {"derive", "state_unreadable", (double)judge->unreadable},
        {"derive", "rejudged", (double)judge->rejudged},
        {"derive", "evaluations", (double)judge->evaluations},
        {"derive", "repairs", (double)judge->repairs},
        {"derive", "tombstones", (double)judge->tombstones},
        {"derive", "broker_refused", (double)producer.refused},
        {"derive", "producer_restarts", (double)producer.restarts},
        {"gauge", "outbox", (double)waiting},
        {"gauge", "subjects", (double)posture_state_count(criteria->state)},
        {"gauge", "partitions", (double)posture_gate_worker_owned(criteria->gate)},
        {"gauge", "caught_up",
         posture_judge_worker_is_caught_up(criteria->judge) ? 1 : 0},
        {"gauge", "centres_differ",
         posture_judge_worker_differs(criteria->judge) ? 1 : 0},
    };
    for (size_t i = 0; i < POSTURE_COUNT(rows); i++)
        posture_worker_stat(criteria->worker, rows[i].type, rows[i].name, rows[i].number);
    int64_t lag = posture_gate_worker_lag(criteria->gate);
    if (lag >= 0)
        posture_worker_stat(criteria->worker, "gauge", "lag", (double)lag);
}

static void stats_cb(uv_timer_t *timer)
{
    stats_send(timer->data);
}

static void outbox_left(void *data, const struct posture_outbox_entry *entry)
{
    struct posture_criteria *criteria = data;
    posture_gate_worker_left(criteria->gate, entry);
}

static void outbox_refused(void *data, const struct posture_outbox_entry *entry,
                           const char *reason)
{
    struct posture_criteria *criteria = data;
    posture_gate_worker_refused(criteria->gate, entry, reason);
}

static void outbox_turn(void *data)
{
    struct posture_criteria *criteria = data;
    posture_gate_worker_turn(criteria->gate);
}

static void outbox_log(void *data, enum posture_producer_level level, const char *text)
{
    static const enum posture_log_level levels[] = {
        [POSTURE_PRODUCER_WARNING] = POSTURE_LOG_WARNING,
        [POSTURE_PRODUCER_NOTICE] = POSTURE_LOG_NOTICE,
        [POSTURE_PRODUCER_DEBUG] = POSTURE_LOG_DEBUG,
    };
    struct posture_criteria *criteria = data;
    posture_worker_log(criteria->worker, levels[level], "writing: %s", text);
}

static int loops_start(struct posture_criteria *criteria, struct posture_error *reterr)
{
    POSTURE_TRY(posture_judge_worker_start(criteria->judge, reterr));
    return posture_gate_worker_start(criteria->gate, reterr);
}

/* The topics are asked for on a thread of the pool, again and again until they are as
 * they must be. */
struct check_job {
    uv_work_t work;
    struct posture_criteria *criteria;
    struct posture_topic_counts counts;
    struct posture_error error;
    int r;
};

static void check_run(uv_work_t *work)
{
    struct check_job *job = work->data;
    const struct posture_criteria *criteria = job->criteria;
    const struct posture_topic_names names = {.reports = criteria->reports,
                                              .state = criteria->state_topic,
                                              .rejected = criteria->rejected,
                                              .evaluations = criteria->evaluations};
    job->r = posture_topic_check(posture_judge_worker_handle(criteria->judge), &names,
                                 CHECK_TIMEOUT_MS, &job->counts, &job->error);
}

static void check_failed(struct posture_criteria *criteria, const struct check_job *job)
{
    if (strcmp(criteria->check_said, job->error.text) != 0) {
        (void)snprintf(criteria->check_said, sizeof(criteria->check_said), "%s",
                       job->error.text);
        posture_worker_log(criteria->worker,
                           job->r == POSTURE_E_DEADLINE ? POSTURE_LOG_WARNING
                                                        : POSTURE_LOG_ERROR,
                           "nothing is consumed yet: %s", job->error.text);
    }
    uv_timer_start(&criteria->check_timer, criteria->check_timer.timer_cb,
                   criteria->check_pause_ms, 0);
    criteria->check_pause_ms = criteria->check_pause_ms * 2 < CHECK_PAUSE_LAST_MS
                                   ? criteria->check_pause_ms * 2
                                   : CHECK_PAUSE_LAST_MS;
}

static void check_done(uv_work_t *work, int status)
{
    struct check_job *job = work->data;
    struct posture_criteria *criteria = job->criteria;
    struct posture_error error = {0};
    criteria->jobs--;
    if (criteria->is_stopping) {
        posture_criteria_job_done(criteria);
    } else if (status < 0 || job->r < 0) {
        check_failed(criteria, job);
    } else {
        criteria->topics = job->counts;
        if (!job->counts.is_state_compacted)
            posture_worker_log(criteria->worker, POSTURE_LOG_WARNING,
                               "topic '%s' is not compacted: it grows without end; set "
                               "cleanup.policy=compact",
                               criteria->state_topic);
        int r = loops_start(criteria, &error);
        if (r < 0)
            posture_criteria_fail(criteria, error.text[0] ? error.text : "start", r);
    }
    free(job);
}

static void check_cb(uv_timer_t *timer)
{
    struct posture_criteria *criteria = timer->data;
    struct check_job *job = posture_calloc(1, sizeof(*job));
    if (job) {
        job->work.data = job;
        job->criteria = criteria;
        if (uv_queue_work(criteria->loop, &job->work, check_run, check_done) == 0) {
            criteria->jobs++;
            return;
        }
        free(job);
    }
    uv_timer_start(timer, check_cb, CHECK_PAUSE_LAST_MS, 0);
}

static int start(struct posture_worker *worker, struct posture_error *reterr)
{
    static const struct posture_outbox_ops outbox_ops = {
        .on_left = outbox_left,
        .on_refused = outbox_refused,
        .on_turn = outbox_turn,
        .on_log = outbox_log,
    };
    struct posture_criteria *criteria = posture_worker_data(worker);
    const struct posture_kafka_settings *kafka = &criteria->settings->kafka;
    criteria->loop = posture_worker_loop(worker);
    posture_kafka_topic(kafka, "reports.v1", criteria->reports);
    posture_kafka_topic(kafka, "state.v1", criteria->state_topic);
    posture_kafka_topic(kafka, "rejected.v1", criteria->rejected);
    posture_kafka_topic(kafka, "evaluations.v1", criteria->evaluations);
    POSTURE_TRY(http_do(criteria, /* is_start = */ true, reterr));
    POSTURE_TRY(posture_outbox_new(criteria->loop, kafka, &criteria->secrets, &outbox_ops,
                                   criteria, &criteria->outbox, reterr));
    POSTURE_TRY(posture_gate_worker_new(criteria, &criteria->gate, reterr));
    POSTURE_TRY(posture_judge_worker_new(criteria, &criteria->judge, reterr));
    uv_timer_init(criteria->loop, &criteria->check_timer);
    uv_timer_init(criteria->loop, &criteria->stats_timer);
    criteria->check_timer.data = criteria->stats_timer.data = criteria;
    criteria->check_timer.timer_cb = check_cb;
    criteria->check_pause_ms = CHECK_PAUSE_FIRST_MS;
    uv_timer_start(&criteria->check_timer, check_cb, 0, 0);
    uint64_t interval_ms =
        (uint64_t)(criteria->settings->common.interval_ns / POSTURE_NS_PER_MS);
    uv_timer_start(&criteria->stats_timer, stats_cb, interval_ms, interval_ms);
    return 0;
}

static void outbox_closed(void *data)
{
    struct posture_criteria *criteria = data;
    /* Only now is all done that will be: the gate commits it and leaves the group. */
    posture_gate_worker_close(criteria->gate);
}

/* The pool's threads ask with the judge's handle: it closes when they are back. */
static void parts_close(struct posture_criteria *criteria)
{
    posture_judge_worker_close(criteria->judge);
    posture_outbox_close(criteria->outbox, LINGER_MS, outbox_closed);
}

void posture_criteria_job_done(struct posture_criteria *criteria)
{
    if (criteria->jobs == 0)
        parts_close(criteria);
}

static void stop(struct posture_worker *worker)
{
    struct posture_criteria *criteria = posture_worker_data(worker);
    criteria->is_stopping = true;
    stats_send(criteria);
    uv_close((uv_handle_t *)&criteria->check_timer, NULL);
    uv_close((uv_handle_t *)&criteria->stats_timer, NULL);
    posture_http_stop(criteria->http);
    criteria->http = NULL;
    if (criteria->jobs == 0)
        parts_close(criteria);
}

static void criteria_free(struct posture_worker *worker)
{
    struct posture_criteria *criteria = posture_worker_data(worker);
    if (!criteria)
        return;
    posture_gate_worker_free(criteria->gate);
    posture_judge_worker_free(criteria->judge);
    posture_state_free(criteria->state);
    posture_schema_free(criteria->schema);
    posture_check_registry_free(criteria->checks);
    posture_profile_free(criteria->profile);
    posture_catalogue_free(criteria->catalogue);
    posture_registry_index_free(criteria->registry);
    for (size_t i = 0; i < POSTURE_COUNT(criteria->secret_texts); i++)
        free(criteria->secret_texts[i]);
    for (size_t i = 0; i < POSTURE_COUNT(criteria->listen_texts); i++)
        free(criteria->listen_texts[i]);
    free(criteria);
    posture_worker_set_data(worker, NULL);
}

int main(int argc, char **argv)
{
    static const struct posture_worker_ops ops = {
        .name = "posture-criteria",
        .options = &posture_criteria_options,
        .prepare = prepare,
        .start = start,
        .stop = stop,
        .free = criteria_free,
        .sandbox =
            POSTURE_SANDBOX_CONNECT | POSTURE_SANDBOX_THREADS | POSTURE_SANDBOX_LISTEN,
    };
    return posture_worker_main(&ops, argc, argv);
}
