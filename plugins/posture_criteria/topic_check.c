/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#include "posture_criteria/topic_check.h"

#include "common/base/mem.h"

#include <errno.h>
#include <string.h>

static void metadata_auto(const struct rd_kafka_metadata **metadata)
{
    if (*metadata)
        rd_kafka_metadata_destroy(*metadata);
}

static int partitions_of(const struct rd_kafka_metadata *metadata, const char *name,
                         int32_t *ret, struct posture_error *reterr)
{
    for (int i = 0; i < metadata->topic_cnt; i++) {
        const struct rd_kafka_metadata_topic *topic = &metadata->topics[i];
        if (strcmp(topic->topic, name) != 0)
            continue;
        if (topic->err == RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED)
            return posture_error_set(reterr, POSTURE_E_DENIED,
                                     "topic %s: the broker does not let this user see it",
                                     name);
        if (topic->err)
            break;
        *ret = topic->partition_cnt;
        return 0;
    }
    return posture_error_set(
        reterr, POSTURE_E_MISSING,
        "topic %s does not exist: create it (contrib/kafka/topics.conf)", name);
}

static int counts_read(rd_kafka_t *rk, const struct posture_topic_names *names,
                       int timeout_ms, struct posture_topic_counts *ret,
                       struct posture_error *reterr)
{
    __attribute__((cleanup(metadata_auto))) const struct rd_kafka_metadata *metadata =
        NULL;
    int32_t reports, rejected;
    /* All topics: asking for one by name may create it where the broker does that. */
    rd_kafka_resp_err_t err =
        rd_kafka_metadata(rk, /* all_topics = */ 1, NULL, &metadata, timeout_ms);
    if (err)
        return posture_error_set(reterr, POSTURE_E_DEADLINE,
                                 "the brokers do not answer: %s", rd_kafka_err2str(err));
    POSTURE_TRY(partitions_of(metadata, names->reports, &reports, reterr));
    POSTURE_TRY(partitions_of(metadata, names->state, &ret->partitions, reterr));
    POSTURE_TRY(partitions_of(metadata, names->rejected, &rejected, reterr));
    POSTURE_TRY(partitions_of(metadata, names->evaluations, &ret->evaluations, reterr));
    if (reports != ret->partitions)
        return posture_error_set(
            reterr, POSTURE_E_DENIED,
            "topic %s has %d partitions, topic %s has %d: expected the same "
            "number, fixed for life",
            names->reports, reports, names->state, ret->partitions);
    return 0;
}

static const char *config_value(const rd_kafka_ConfigResource_t *resource,
                                const char *name)
{
    size_t count;
    const rd_kafka_ConfigEntry_t **entries =
        rd_kafka_ConfigResource_configs(resource, &count);
    for (size_t i = 0; i < count; i++) {
        if (strcmp(rd_kafka_ConfigEntry_name(entries[i]), name) == 0)
            return rd_kafka_ConfigEntry_value(entries[i]);
    }
    return NULL;
}

static int configs_check(const rd_kafka_event_t *event,
                         const struct posture_topic_names *names,
                         struct posture_topic_counts *ret, struct posture_error *reterr)
{
    size_t count = 0;
    const rd_kafka_ConfigResource_t **resources =
        rd_kafka_DescribeConfigs_result_resources(
            rd_kafka_event_DescribeConfigs_result((rd_kafka_event_t *)(uintptr_t)event),
            &count);
    for (size_t i = 0; i < count; i++) {
        const char *name = rd_kafka_ConfigResource_name(resources[i]);
        if (rd_kafka_ConfigResource_error(resources[i]))
            return posture_error_set(
                reterr, POSTURE_E_DENIED,
                "topic %s: its settings may not be read: %s; allow DescribeConfigs", name,
                rd_kafka_ConfigResource_error_string(resources[i]));
        const char *type = config_value(resources[i], "message.timestamp.type");
        if (!type || strcmp(type, "LogAppendTime") != 0)
            return posture_error_set(
                reterr, POSTURE_E_DENIED,
                "topic %s: message.timestamp.type is %s, expected LogAppendTime", name,
                type ? type : "not told");
        const char *policy = config_value(resources[i], "cleanup.policy");
        if (strcmp(name, names->state) == 0)
            ret->is_state_compacted = policy && strstr(policy, "compact") != NULL;
    }
    return count == 2
               ? 0
               : posture_error_set(reterr, POSTURE_E_DENIED,
                                   "the broker told the settings of %zu topics of 2",
                                   count);
}

static int configs_read(rd_kafka_t *rk, const struct posture_topic_names *names,
                        int timeout_ms, struct posture_topic_counts *ret,
                        struct posture_error *reterr)
{
    rd_kafka_ConfigResource_t *resources[] = {
        rd_kafka_ConfigResource_new(RD_KAFKA_RESOURCE_TOPIC, names->reports),
        rd_kafka_ConfigResource_new(RD_KAFKA_RESOURCE_TOPIC, names->state),
    };
    rd_kafka_AdminOptions_t *options =
        rd_kafka_AdminOptions_new(rk, RD_KAFKA_ADMIN_OP_DESCRIBECONFIGS);
    rd_kafka_queue_t *queue = rd_kafka_queue_new(rk);
    (void)rd_kafka_AdminOptions_set_request_timeout(options, timeout_ms, NULL, 0);
    rd_kafka_DescribeConfigs(rk, resources, POSTURE_COUNT(resources), options, queue);
    rd_kafka_event_t *event = rd_kafka_queue_poll(queue, timeout_ms + 1000);
    int r;
    if (!event)
        r = posture_error_set(reterr, POSTURE_E_DEADLINE, "the brokers do not answer");
    else if (rd_kafka_event_error(event))
        r = posture_error_set(reterr, POSTURE_E_DEADLINE, "the topics' settings: %s",
                              rd_kafka_event_error_string(event));
    else
        r = configs_check(event, names, ret, reterr);
    if (event)
        rd_kafka_event_destroy(event);
    rd_kafka_queue_destroy(queue);
    rd_kafka_AdminOptions_destroy(options);
    rd_kafka_ConfigResource_destroy_array(resources, POSTURE_COUNT(resources));
    return r;
}

int posture_topic_check(rd_kafka_t *rk, const struct posture_topic_names *names,
                        int timeout_ms, struct posture_topic_counts *ret,
                        struct posture_error *reterr)
{
    struct posture_topic_counts counts = {0};
    POSTURE_TRY(counts_read(rk, names, timeout_ms, &counts, reterr));
    POSTURE_TRY(configs_read(rk, names, timeout_ms, &counts, reterr));
    *ret = counts;
    return 0;
}
