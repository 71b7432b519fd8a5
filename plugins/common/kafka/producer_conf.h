/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#ifndef POSTURE_KAFKA_PRODUCER_CONF_H
#define POSTURE_KAFKA_PRODUCER_CONF_H

#include "common/kafka/client.h"

/*
 * The configuration of one librdkafka producer: promises, partitioner, events instead of
 * callbacks. is_careful: one message a batch and one request on the wire, so that a
 * refusal names its message. batch_size 0: as configured. Owner: caller.
 */
int posture_producer_conf(const struct posture_kafka_settings *settings,
                          const struct posture_kafka_secrets *secrets, bool is_careful,
                          int batch_size, rd_kafka_conf_t **ret_conf,
                          struct posture_error *reterr);

#endif
