/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#include "common/kafka/producer_conf.h"

#include <errno.h>
#include <stdio.h>

enum { STATISTICS_MS = 10000 };

static int conf_number(rd_kafka_conf_t *conf, const char *key, int value)
{
    char text[16];
    snprintf(text, sizeof(text), "%d", value);
    return rd_kafka_conf_set(conf, key, text, NULL, 0) == RD_KAFKA_CONF_OK ? 0 : -EINVAL;
}

static int conf_fill(rd_kafka_conf_t *conf, bool is_careful, int batch_size)
{
    /* There since the promises were set, some of which are a topic's. */
    rd_kafka_topic_conf_t *topic_conf = rd_kafka_conf_get_default_topic_conf(conf);
    if (!topic_conf)
        return -EINVAL;
    rd_kafka_topic_conf_set_partitioner_cb(topic_conf, posture_partitioner);
    rd_kafka_conf_set_events(conf, RD_KAFKA_EVENT_DR | RD_KAFKA_EVENT_ERROR |
                                       RD_KAFKA_EVENT_STATS | RD_KAFKA_EVENT_LOG);
    if (rd_kafka_conf_set(conf, "log.queue", "true", NULL, 0) != RD_KAFKA_CONF_OK)
        return -EINVAL;
    POSTURE_TRY(conf_number(conf, "statistics.interval.ms", STATISTICS_MS));
    if (is_careful) {
        POSTURE_TRY(conf_number(conf, "batch.num.messages", 1));
        POSTURE_TRY(conf_number(conf, "max.in.flight", 1));
    } else if (batch_size > 0) {
        POSTURE_TRY(conf_number(conf, "batch.size", batch_size));
    }
    return 0;
}

int posture_producer_conf(const struct posture_kafka_settings *settings,
                          const struct posture_kafka_secrets *secrets, bool is_careful,
                          int batch_size, rd_kafka_conf_t **ret_conf,
                          struct posture_error *reterr)
{
    rd_kafka_conf_t *conf = NULL;

    POSTURE_TRY(posture_kafka_conf(settings, secrets, /* is_producer = */ true, &conf,
                                   NULL, reterr));
    int r = conf_fill(conf, is_careful, batch_size);
    if (r < 0) {
        rd_kafka_conf_destroy(conf);
        return posture_error_set(reterr, r, "producer configuration was not taken");
    }
    *ret_conf = conf;
    return 0;
}
