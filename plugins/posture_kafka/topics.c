/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */

/* posture-topics: creates the topics of a list (contrib/kafka/topics.conf) where they are
 * missing and checks partition counts and settings where they exist. Without a list: only
 * asks whether the brokers answer. Exit status 0: all is as listed; 1: not; 2: usage. */

#include "common/base/buf.h"
#include "common/base/mem.h"
#include "common/base/parse.h"

#include <librdkafka/rdkafka.h>

#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

enum { TOPICS_MAX = 4096, SETTINGS_MAX = 16, TIMEOUT_MS = 15000, LINE_MAX_BYTES = 1024 };

struct topic {
    char *name;
    int partitions;
    char *keys[SETTINGS_MAX];
    char *values[SETTINGS_MAX];
    size_t count;
};

struct list {
    struct topic *topics;
    size_t count;
    const char *prefix;
    int partitions, replication;
};

static int fail(const char *what, const char *why)
{
    fprintf(stderr, "posture-topics: %s: %s\n", what, why);
    return 1;
}

static int topic_setting(struct topic *topic, const char *text)
{
    const char *equals = strchr(text, '=');
    if (!equals || topic->count == SETTINGS_MAX)
        return -1;
    topic->keys[topic->count] = posture_strndup(text, (size_t)(equals - text));
    topic->values[topic->count] = posture_strdup(equals + 1);
    if (!topic->keys[topic->count] || !topic->values[topic->count])
        return -1;
    topic->count++;
    return 0;
}

static int line_read(struct list *list, char *line)
{
    char *rest = NULL;
    const char *name = strtok_r(line, " \t\n", &rest);
    if (!name || name[0] == '#')
        return 0;
    const char *count = strtok_r(NULL, " \t\n", &rest);
    if (!count || list->count == TOPICS_MAX)
        return -1;
    struct topic *topic = &list->topics[list->count];
    uint32_t partitions = (uint32_t)list->partitions;
    if (strcmp(count, "N") != 0 && posture_parse_u32(count, 1, 10000, &partitions) < 0)
        return -1;
    topic->partitions = (int)partitions;
    topic->name = posture_asprintf("%s.%s", list->prefix, name);
    if (!topic->name)
        return -1;
    list->count++;
    for (const char *text; (text = strtok_r(NULL, " \t\n", &rest));) {
        if (topic_setting(topic, text) < 0)
            return -1;
    }
    if (list->replication > 1) {
        char setting[64];
        snprintf(setting, sizeof(setting), "min.insync.replicas=%d",
                 list->replication - 1);
        return topic_setting(topic, setting);
    }
    return 0;
}

static int list_read(struct list *list, const char *path)
{
    char line[LINE_MAX_BYTES];
    int number = 0;
    FILE *file = fopen(path, "re");
    if (!file) {
        perror(path);
        return 1;
    }
    while (fgets(line, sizeof(line), file)) {
        number++;
        if (line_read(list, line) < 0) {
            fprintf(stderr, "%s:%d: expected: NAME PARTITIONS|N KEY=VALUE…\n", path,
                    number);
            fclose(file);
            return 1;
        }
    }
    fclose(file);
    return 0;
}

static int topics_create(rd_kafka_t *rk, rd_kafka_queue_t *queue, const struct list *list,
                         const bool *is_missing, size_t missing)
{
    char errstr[256];
    int status = 0;
    if (missing == 0)
        return 0;
    rd_kafka_NewTopic_t **new_topics = posture_calloc(missing, sizeof(*new_topics));
    if (!new_topics)
        return 1;
    size_t n = 0;
    for (size_t i = 0; i < list->count; i++) {
        const struct topic *topic = &list->topics[i];
        if (!is_missing[i])
            continue;
        new_topics[n] = rd_kafka_NewTopic_new(topic->name, topic->partitions,
                                              list->replication, errstr, sizeof(errstr));
        for (size_t j = 0; j < topic->count; j++)
            rd_kafka_NewTopic_set_config(new_topics[n], topic->keys[j], topic->values[j]);
        n++;
    }
    rd_kafka_AdminOptions_t *options =
        rd_kafka_AdminOptions_new(rk, RD_KAFKA_ADMIN_OP_CREATETOPICS);
    rd_kafka_AdminOptions_set_operation_timeout(options, TIMEOUT_MS, errstr,
                                                sizeof(errstr));
    rd_kafka_CreateTopics(rk, new_topics, n, options, queue);
    rd_kafka_event_t *event = rd_kafka_queue_poll(queue, TIMEOUT_MS * 2);
    const rd_kafka_CreateTopics_result_t *created =
        event ? rd_kafka_event_CreateTopics_result(event) : NULL;
    if (!created || rd_kafka_event_error(event)) {
        status = fail("creating topics",
                      event ? rd_kafka_event_error_string(event) : "no answer in time");
    } else {
        size_t count = 0;
        const rd_kafka_topic_result_t **results =
            rd_kafka_CreateTopics_result_topics(created, &count);
        for (size_t i = 0; i < count; i++) {
            rd_kafka_resp_err_t err = rd_kafka_topic_result_error(results[i]);
            const char *why = rd_kafka_topic_result_error_string(results[i]);
            if (err && err != RD_KAFKA_RESP_ERR_TOPIC_ALREADY_EXISTS)
                status = fail(rd_kafka_topic_result_name(results[i]),
                              why ? why : rd_kafka_err2str(err));
        }
    }
    if (event)
        rd_kafka_event_destroy(event);
    rd_kafka_AdminOptions_destroy(options);
    rd_kafka_NewTopic_destroy_array(new_topics, n);
    free(new_topics);
    return status;
}

static int settings_compare(const struct topic *topic,
                            const rd_kafka_ConfigResource_t *resource)
{
    size_t count = 0;
    int status = 0;
    const rd_kafka_ConfigEntry_t **entries =
        rd_kafka_ConfigResource_configs(resource, &count);
    for (size_t j = 0; j < topic->count; j++) {
        const char *got = NULL;
        for (size_t i = 0; i < count; i++) {
            if (strcmp(rd_kafka_ConfigEntry_name(entries[i]), topic->keys[j]) == 0)
                got = rd_kafka_ConfigEntry_value(entries[i]);
        }
        if (got && strcmp(got, topic->values[j]) == 0)
            continue;
        fprintf(stderr, "posture-topics: %s: %s is %s, expected %s\n", topic->name,
                topic->keys[j], got ? got : "unset", topic->values[j]);
        status = 1;
    }
    return status;
}

/* One request a topic: brokers answer for the whole batch only when all may be described.
 */
static int topic_check(rd_kafka_t *rk, rd_kafka_queue_t *queue, const struct topic *topic)
{
    int status = 1;
    rd_kafka_ConfigResource_t *resource =
        rd_kafka_ConfigResource_new(RD_KAFKA_RESOURCE_TOPIC, topic->name);
    rd_kafka_DescribeConfigs(rk, &resource, 1, NULL, queue);
    rd_kafka_event_t *event = rd_kafka_queue_poll(queue, TIMEOUT_MS);
    const rd_kafka_DescribeConfigs_result_t *described =
        event ? rd_kafka_event_DescribeConfigs_result(event) : NULL;
    size_t count = 0;
    const rd_kafka_ConfigResource_t **got =
        described && !rd_kafka_event_error(event)
            ? rd_kafka_DescribeConfigs_result_resources(described, &count)
            : NULL;
    if (got && count == 1 && !rd_kafka_ConfigResource_error(got[0]))
        status = settings_compare(topic, got[0]);
    else
        fail(topic->name, got && count == 1 ? rd_kafka_ConfigResource_error_string(got[0])
                          : event           ? rd_kafka_event_error_string(event)
                                            : "no answer in time");
    if (event)
        rd_kafka_event_destroy(event);
    rd_kafka_ConfigResource_destroy(resource);
    return status;
}

static int list_apply(rd_kafka_t *rk, const struct list *list)
{
    const struct rd_kafka_metadata *metadata = NULL;
    int status = 0;
    size_t missing = 0;

    rd_kafka_resp_err_t err =
        rd_kafka_metadata(rk, /* all_topics = */ 1, NULL, &metadata, TIMEOUT_MS);
    if (err)
        return fail("brokers", rd_kafka_err2str(err));
    bool *is_missing = posture_calloc(list->count + 1, sizeof(*is_missing));
    if (!is_missing) {
        rd_kafka_metadata_destroy(metadata);
        return fail("topics", "out of memory");
    }
    for (size_t i = 0; i < list->count; i++) {
        is_missing[i] = true;
        for (int j = 0; j < metadata->topic_cnt; j++) {
            if (strcmp(metadata->topics[j].topic, list->topics[i].name) != 0)
                continue;
            is_missing[i] = false;
            if (metadata->topics[j].partition_cnt != list->topics[i].partitions) {
                fprintf(stderr, "posture-topics: %s: has %d partitions, expected %d\n",
                        list->topics[i].name, metadata->topics[j].partition_cnt,
                        list->topics[i].partitions);
                status = 1;
            }
        }
        missing += is_missing[i];
    }
    rd_kafka_metadata_destroy(metadata);

    rd_kafka_queue_t *queue = rd_kafka_queue_new(rk);
    status |= topics_create(rk, queue, list, is_missing, missing);
    for (size_t i = 0; i < list->count; i++) {
        if (!is_missing[i])
            status |= topic_check(rk, queue, &list->topics[i]);
    }
    rd_kafka_queue_destroy(queue);
    free(is_missing);
    if (status == 0)
        printf("%zu topics, %zu created\n", list->count, missing);
    return status;
}

static int usage(void)
{
    fputs("usage: posture-topics --brokers HOST:PORT[,…] [--prefix posture] "
          "[--partitions 24]\n"
          "                      [--replication 1] [--property KEY=VALUE]… [LIST]\n",
          stderr);
    return 2;
}

int main(int argc, char **argv)
{
    static const struct option options[] = {{"brokers", required_argument, NULL, 'b'},
                                            {"prefix", required_argument, NULL, 'p'},
                                            {"partitions", required_argument, NULL, 'n'},
                                            {"replication", required_argument, NULL, 'r'},
                                            {"property", required_argument, NULL, 'X'},
                                            {NULL, 0, NULL, 0}};
    struct list list = {.prefix = "posture", .partitions = 24, .replication = 1};
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    char errstr[256], *equals;
    uint32_t number = 0;
    bool has_brokers = false;
    rd_kafka_conf_res_t res = RD_KAFKA_CONF_OK;

    rd_kafka_conf_set(conf, "log_level", "2", NULL, 0); /* failures come as answers */
    for (int c; (c = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        if (c == 'b') {
            res = rd_kafka_conf_set(conf, "bootstrap.servers", optarg, errstr,
                                    sizeof(errstr));
            has_brokers = true;
        } else if (c == 'p') {
            list.prefix = optarg;
        } else if ((c == 'n' || c == 'r') &&
                   posture_parse_u32(optarg, 1, 10000, &number) == 0) {
            *(c == 'n' ? &list.partitions : &list.replication) = (int)number;
        } else if (c == 'X' && (equals = strchr(optarg, '='))) {
            *equals = '\0';
            res = rd_kafka_conf_set(conf, optarg, equals + 1, errstr, sizeof(errstr));
        } else {
            return usage();
        }
        if (res != RD_KAFKA_CONF_OK) {
            fail("property", errstr);
            return 2;
        }
    }
    if (!has_brokers || optind + 1 < argc)
        return usage();
    list.topics = posture_calloc(TOPICS_MAX, sizeof(*list.topics));
    if (!list.topics || (optind < argc && list_read(&list, argv[optind]) != 0))
        return 1;
    rd_kafka_t *rk = rd_kafka_new(RD_KAFKA_PRODUCER, conf, errstr, sizeof(errstr));
    if (!rk)
        return fail("librdkafka", errstr);
    int status = list_apply(rk, &list);
    rd_kafka_destroy(rk);
    for (size_t i = 0; i < list.count; i++) {
        for (size_t j = 0; j < list.topics[i].count; j++) {
            free(list.topics[i].keys[j]);
            free(list.topics[i].values[j]);
        }
        free(list.topics[i].name);
    }
    free(list.topics);
    return status;
}
