/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#include "posture_kafka/options.h"

#include "common/base/options_common.h"

#include <string.h>

static const struct posture_option plugin_options[] = {
    {.name = "Agency",
     .type = POSTURE_OPT_STRING,
     .offset = offsetof(struct posture_kafka_options, agency),
     .is_required = true,
     .help = "Id of the agency that this collectd reports for, as the centre's registry "
             "has it.",
     .sample = "moj"},
    {.name = "Reporter",
     .type = POSTURE_OPT_STRING,
     .offset = offsetof(struct posture_kafka_options, reporter),
     .help = "Name of this reporter; by default the host's name.",
     .sample = "noc1.moj.example"},
    {.name = "SpoolDir",
     .type = POSTURE_OPT_STRING,
     .offset = offsetof(struct posture_kafka_options, spool_dir),
     .def = "/var/lib/posture/spool",
     .help =
         "Folder of the spool; owner is the worker's user, mode 0700, on a local disk."},
    {.name = "SpoolMaxBytes",
     .type = POSTURE_OPT_U64,
     .offset = offsetof(struct posture_kafka_options, spool_max_bytes),
     .min = 1048576,
     .max = 1099511627776.0,
     .def = "1073741824",
     .unit = "bytes",
     .help =
         "How much the spool may hold; beyond it superseded reports go first, then the "
         "oldest, and each is counted."},
    {.name = "SpoolReserveBytes",
     .type = POSTURE_OPT_U64,
     .offset = offsetof(struct posture_kafka_options, spool_reserve_bytes),
     .min = 0,
     .max = 1099511627776.0,
     .def = "67108864",
     .unit = "bytes",
     .help = "Free space that the spool leaves to others on its file system."},
    {.name = "HeartbeatInterval",
     .type = POSTURE_OPT_SECONDS,
     .offset = offsetof(struct posture_kafka_options, heartbeat_ns),
     .min = 1,
     .max = 3600,
     .def = "60",
     .unit = "seconds",
     .help = "Time between two heartbeats of this reporter to the centre."},
    POSTURE_KAFKA_OPTIONS(struct posture_kafka_options, kafka),
    POSTURE_COMMON_OPTIONS(struct posture_kafka_options, "posture-kafka", "10"),
    {.name = NULL},
};

/* [a-z0-9][a-z0-9.-]{0,62}, as the report schema has it. */
static bool agency_is_valid(const char *agency)
{
    size_t len = strlen(agency);
    return len >= 1 && len <= 63 && agency[0] != '.' && agency[0] != '-' &&
           strspn(agency, "abcdefghijklmnopqrstuvwxyz0123456789.-") == len;
}

static bool reporter_is_valid(const char *reporter)
{
    size_t len = strlen(reporter);
    return len >= 1 && len <= 253 &&
           strspn(reporter, "abcdefghijklmnopqrstuvwxyz0123456789_.-") == len;
}

static int plugin_check(const void *values, const char *argument,
                        struct posture_error *reterr)
{
    const struct posture_kafka_options *options = values;
    (void)argument;

    if (!agency_is_valid(options->agency))
        return posture_error_set(
            reterr, POSTURE_E_OPTION,
            "option Agency: \"%.80s\": expected lower-case letters, digits, "
            "'.' and '-', beginning with a letter or digit, at most 63",
            options->agency);
    if (options->reporter && !reporter_is_valid(options->reporter))
        return posture_error_set(
            reterr, POSTURE_E_OPTION,
            "option Reporter: \"%.80s\": expected a host name in lower case",
            options->reporter);
    if (options->spool_dir[0] != '/')
        return posture_error_set(reterr, POSTURE_E_OPTION,
                                 "option SpoolDir: \"%.200s\": expected an absolute path",
                                 options->spool_dir);
    return posture_kafka_settings_check(&options->kafka, reterr);
}

static const struct posture_option_block blocks[] = {
    {.name = NULL,
     .size = sizeof(struct posture_kafka_options),
     .options = plugin_options,
     .help = "Durable delivery of what this collectd's posture plugins report to Kafka.",
     .check = plugin_check},
    {.size = 0},
};

const struct posture_option_table posture_kafka_option_table = {
    .plugin = "posture_kafka",
    .blocks = blocks,
};
