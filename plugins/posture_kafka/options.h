/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#ifndef POSTURE_KAFKA_OPTIONS_H
#define POSTURE_KAFKA_OPTIONS_H

#include "common/kafka/settings.h"

/* <Plugin posture_kafka>: linked into the collectd module, the worker and the program. */
struct posture_kafka_options {
    struct posture_common_settings common; /* Interval: between two rounds of values */
    const char *agency;
    const char *reporter; /* NULL: this host's name */
    const char *spool_dir;
    uint64_t spool_max_bytes;
    uint64_t spool_reserve_bytes;
    int64_t heartbeat_ns;
    struct posture_kafka_settings kafka;
};

extern const struct posture_option_table posture_kafka_option_table;

#endif
