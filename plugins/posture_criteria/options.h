/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#ifndef POSTURE_CRITERIA_OPTIONS_H
#define POSTURE_CRITERIA_OPTIONS_H

#include "common/base/options.h"
#include "common/kafka/settings.h"

struct posture_criteria_settings {
    struct posture_common_settings common; /* first */
    struct posture_kafka_settings kafka;
    const char *registry;
    const char *catalogue;
    const char *profile;
    const char *group;
    const char *instance; /* NULL: the host's name */
    const char *listen;   /* "none": no pages */
    struct posture_option_file listen_cert;
    struct posture_option_file listen_key;
    struct posture_option_file listen_client_ca;
    struct posture_option_file listen_token;
    struct posture_option_list listen_names;
    int64_t evaluate_interval_ns;
};

extern const struct posture_option_table posture_criteria_options;

#endif
