/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#include "common/host/host.h"
#include "posture_kafka/options.h"

POSTURE_HOST_PLUGIN({.options = &posture_kafka_option_table,
                     .worker = "posture-kafka",
                     .flags = POSTURE_HOST_MAY_NOTIFY | POSTURE_HOST_BINDS_SPOOL})
