/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#include "common/kafka/statistics.h"

#include <jansson.h>
#include <math.h>

static int64_t topics_lag(const json_t *topics)
{
    const char *name;
    json_t *topic, *partition;
    int64_t sum = -1;

    json_object_foreach ((json_t *)(uintptr_t)topics, name, topic) {
        json_object_foreach (json_object_get(topic, "partitions"), name, partition) {
            json_int_t lag =
                json_integer_value(json_object_get(partition, "consumer_lag_stored"));
            if (json_integer_value(json_object_get(partition, "partition")) < 0 ||
                lag < 0 || !json_object_get(partition, "consumer_lag_stored"))
                continue;
            sum = (sum < 0 ? 0 : sum) + lag;
        }
    }
    return sum;
}

int posture_kafka_statistics_read(const char *json, struct posture_kafka_statistics *ret)
{
    const char *name;
    json_t *broker;
    double rtt_us = 0;
    int answered = 0;
    uint64_t disconnects = 0;

    json_auto_t *root = json ? json_loads(json, 0, NULL) : NULL;
    if (!root)
        return POSTURE_E_FORMAT;
    json_object_foreach (json_object_get(root, "brokers"), name, broker) {
        const json_t *rtt = json_object_get(broker, "rtt");
        disconnects +=
            (uint64_t)json_integer_value(json_object_get(broker, "disconnects"));
        if (json_integer_value(json_object_get(rtt, "cnt")) > 0) {
            rtt_us += (double)json_integer_value(json_object_get(rtt, "avg"));
            answered++;
        }
    }
    ret->disconnects = disconnects;
    ret->rtt_ms = answered > 0 ? rtt_us / answered / 1000.0 : (double)NAN;
    ret->lag = topics_lag(json_object_get(root, "topics"));
    return 0;
}
