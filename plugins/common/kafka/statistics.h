/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#ifndef POSTURE_KAFKA_STATISTICS_H
#define POSTURE_KAFKA_STATISTICS_H

#include "common/base/error.h"

#include <stdint.h>

/* What we use of librdkafka's statistics document (its STATISTICS.md). */
struct posture_kafka_statistics {
    uint64_t disconnects; /* sum over brokers */
    double rtt_ms;        /* average of the brokers that answered; NaN when none did */
    int64_t
        lag; /* consumer: sum of consumer_lag_stored over partitions; -1 when unknown */
};
int posture_kafka_statistics_read(const char *json, struct posture_kafka_statistics *ret);

#endif
