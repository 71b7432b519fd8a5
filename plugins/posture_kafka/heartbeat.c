/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */

/* What worker kafka says about itself: to the centre once a minute (kind reporter), to
 * collectd as values. */

#include "posture_kafka/worker.h"

#include "common/base/clock.h"
#include "common/base/uuid.h"
#include "common/report/report.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>

enum { ASIDE_LOOK_MAX = 1000 };

static json_t *counter(uint64_t v)
{
    return json_integer((json_int_t)(v > INT64_MAX ? INT64_MAX : v));
}

static json_t *spool_json(const struct posture_spool_stats *stats)
{
    return json_pack(
        "{so so so so so so so so so so so so so sb}", "epoch", counter(stats->epoch),
        "accepted", counter(stats->accepted), "delivered", counter(stats->delivered),
        "spooled", counter(stats->spooled), "evicted", counter(stats->evicted), "refused",
        counter(stats->refused), "corrupt", counter(stats->corrupt), "quarantined",
        counter(stats->quarantined), "evicted_superseded",
        counter(stats->evicted_superseded), "evicted_oldest",
        counter(stats->evicted_oldest), "not_accepted", counter(stats->not_accepted),
        "spooled_bytes", counter(stats->spooled_bytes), "in_flight",
        counter(stats->in_flight), "near_cap", stats->near_cap);
}

static json_t *kafka_json(const struct kafka_worker *kafka)
{
    struct posture_producer_stats stats = {.is_away = true};
    if (kafka->producer)
        posture_producer_stats(kafka->producer, &stats);
    json_t *object = json_pack("{sb so so so}", "connected", !stats.is_away, "produced",
                               counter(stats.sent), "retried", counter(stats.lost),
                               "recreated", counter(stats.restarts));
    if (object && kafka->last_error[0])
        /* Foreign text may be no UTF-8: jansson then gives NULL, and the member stays
         * out. */
        json_object_set_new(object, "last_error", json_string(kafka->last_error));
    return object;
}

struct aside_search {
    enum posture_spool_topic topic;
    uint64_t sequence;
    json_t *found;
};

static int aside_cb(void *data, const struct posture_spool_item *item)
{
    struct aside_search *search = data;
    if (item->topic != search->topic || item->sequence != search->sequence ||
        !item->reason)
        return 0;
    search->found = json_pack("{ss}", "reason", item->reason);
    if (search->found && item->key)
        json_object_set_new(search->found, "key", json_string(item->key));
    if (search->found && item->ce_id)
        json_object_set_new(search->found, "id", json_string(item->ce_id));
    return 1;
}

/* Why the record that had this number could not be sent, as far as the spool still knows.
 */
static json_t *replaces_json(struct kafka_worker *kafka, enum posture_spool_topic topic,
                             uint64_t sequence)
{
    struct aside_search search = {.topic = topic, .sequence = sequence};
    posture_spool_list(kafka->spool, POSTURE_SPOOL_LIST_ASIDE, 0, ASIDE_LOOK_MAX,
                       aside_cb, &search);
    return search.found ? search.found
                        : json_pack("{ss}", "reason", "not known any more");
}

static json_t *facts_json(struct kafka_worker *kafka, enum posture_spool_topic topic,
                          uint64_t replaced_sequence)
{
    char started[POSTURE_TIME_TEXT_MAX], system[256];
    struct posture_spool_stats stats;
    struct utsname name;

    posture_spool_stats(kafka->spool, &stats);
    posture_time_format(kafka->started_ns, started);
    json_t *facts = json_pack("{ss ss ss so so}", "version", POSTURE_VERSION,
                              "librdkafka", rd_kafka_version_str(), "started", started,
                              "spool", spool_json(&stats), "kafka", kafka_json(kafka));
    if (!facts)
        return NULL;
    if (uname(&name) == 0) {
        snprintf(system, sizeof(system), "%.60s %.100s %.60s", name.sysname, name.release,
                 name.machine);
        json_object_set_new(facts, "system", json_string(system));
    }
    if (replaced_sequence)
        json_object_set_new(facts, "replaces",
                            replaces_json(kafka, topic, replaced_sequence));
    return json_pack("{so}", "reporter", facts);
}

int kafka_heartbeat_body(struct kafka_worker *kafka, const char *id, int64_t time_ns,
                         enum posture_spool_topic topic, uint64_t replaced_sequence,
                         char **ret_body, size_t *ret_len)
{
    POSTURE_AUTO(posture_report_free)
    struct posture_report *report = posture_report_new();
    if (!report)
        return -ENOMEM;
    snprintf(report->id, sizeof(report->id), "%s", id);
    report->time_ns = time_ns;
    report->interval_s = (double)kafka->options->heartbeat_ns / (double)POSTURE_NS_PER_S;
    report->agency = posture_strdup(kafka->options->agency);
    report->reporter = posture_strdup(kafka->reporter);
    report->kind = posture_strdup("reporter");
    report->subject = posture_asprintf("reporter://%s", kafka->reporter);
    report->facts = facts_json(kafka, topic, replaced_sequence);
    if (!report->agency || !report->reporter || !report->kind || !report->subject ||
        !report->facts)
        return -ENOMEM;
    return posture_report_encode(report, ret_body, ret_len, NULL);
}

int kafka_heartbeat_add(struct kafka_worker *kafka)
{
    POSTURE_AUTO_FREE char *body = NULL;
    char id[POSTURE_UUID_TEXT];
    int64_t now = posture_now_ns();
    size_t len = 0;

    POSTURE_TRY(posture_uuid7(now, id));
    POSTURE_TRY(
        kafka_heartbeat_body(kafka, id, now, POSTURE_SPOOL_REPORTS, 0, &body, &len));
    const struct posture_spool_entry entry = {
        .plugin = "posture_kafka",
        .topic = POSTURE_SPOOL_REPORTS,
        .ce_type = "posture.heartbeat.v1",
        .ce_id = id,
        .time_ns = now,
        .key = kafka->heartbeat_key,
        .body = body,
        .body_len = len,
    };
    return posture_spool_add(kafka->spool, &entry);
}

/* What an operator must hear even where nobody reads the log. */
static void notifications_send(struct kafka_worker *kafka,
                               const struct posture_spool_stats *stats)
{
    char text[256];

    if (stats->near_cap != kafka->is_near_cap) {
        kafka->is_near_cap = stats->near_cap;
        snprintf(
            text, sizeof(text), "spool holds %llu records in %llu bytes, the cap is %llu",
            (unsigned long long)stats->spooled, (unsigned long long)stats->spooled_bytes,
            (unsigned long long)kafka->options->spool_max_bytes);
        posture_worker_notify(kafka->worker, stats->near_cap ? "warning" : "okay",
                              "spool", text);
    }
    if (stats->refused > kafka->refused_said) {
        snprintf(
            text, sizeof(text),
            "the broker refused %llu records for good; posture spool list shows them",
            (unsigned long long)stats->refused);
        posture_worker_notify(kafka->worker, "warning", "refused", text);
        posture_worker_log(kafka->worker, POSTURE_LOG_WARNING, "%s", text);
    }
    kafka->refused_said = stats->refused;
}

void kafka_stats_send(struct kafka_worker *kafka)
{
    struct posture_spool_stats spool;
    struct posture_producer_stats producer = {.is_away = true};

    posture_spool_stats(kafka->spool, &spool);
    if (kafka->producer)
        posture_producer_stats(kafka->producer, &producer);
    const struct {
        const char *type, *name;
        double value;
    } rows[] = {
        {"derive", "accepted", (double)spool.accepted},
        {"derive", "delivered", (double)spool.delivered},
        {"gauge", "spooled", (double)spool.spooled},
        {"gauge", "bytes", (double)spool.spooled_bytes},
        {"derive", "evicted", (double)spool.evicted},
        {"derive", "refused", (double)spool.refused},
        {"derive", "corrupt", (double)spool.corrupt},
        {"derive", "quarantined", (double)spool.quarantined},
        {"derive", "not_accepted", (double)spool.not_accepted},
        {"gauge", "in_flight", (double)producer.in_flight},
        {"derive", "reconnects", (double)producer.reconnects},
        {"derive", "recreated", (double)producer.restarts},
        {"gauge", "rtt", producer.rtt_ms / 1000.0}, /* seconds; NaN when unknown */
        {"gauge", "connected", producer.is_away ? 0 : 1},
    };
    for (size_t i = 0; i < POSTURE_COUNT(rows); i++)
        posture_worker_stat(kafka->worker, rows[i].type, rows[i].name, rows[i].value);
    notifications_send(kafka, &spool);
}
