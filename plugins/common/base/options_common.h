/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#ifndef POSTURE_BASE_OPTIONS_COMMON_H
#define POSTURE_BASE_OPTIONS_COMMON_H

#include "common/base/options.h"

/* Words of the common ENUM options; also for tables of plugins ("no" is 0, "yes" is 1).
 */
extern const char *const posture_values_names[];
extern const char *const posture_yes_no_names[];

/*
 * The rows of struct posture_common_settings, which struct_type starts with:
 *     static const struct posture_option plugin_options[] = {
 *         POSTURE_COMMON_OPTIONS(struct posture_crypto_settings, "posture", "3600"),
 *         …
 */
#define POSTURE_COMMON_OFFSET_(struct_type, member)                                      \
    (offsetof(struct posture_common_settings, member) + 0 * sizeof(struct_type))

/* clang-format off */
#define POSTURE_COMMON_OPTIONS(struct_type, default_user, default_interval)                \
    {.name = "User", .type = POSTURE_OPT_STRING, .def = default_user,                      \
     .offset = POSTURE_COMMON_OFFSET_(struct_type, user),                                  \
     .help = "User that the worker process runs as; must exist when collectd is root."},   \
    {.name = "Interval", .type = POSTURE_OPT_SECONDS, .min = 1, .max = 2678400,            \
     .def = default_interval, .unit = "seconds",                                           \
     .offset = POSTURE_COMMON_OFFSET_(struct_type, interval_ns),                           \
     .help = "Time between two measurements of one target."},                              \
    {.name = "Values", .type = POSTURE_OPT_ENUM, .values = posture_values_names,           \
     .def = "auto", .offset = POSTURE_COMMON_OFFSET_(struct_type, values),                 \
     .help = "Which values go to collectd: every check of each subject, only counts and "  \
             "the checks that do not pass, or only counts; auto is all up to 100 "         \
             "subjects, else summary."},                                                   \
    {.name = "Strict", .type = POSTURE_OPT_ENUM, .values = posture_yes_no_names,           \
     .def = "no", .offset = POSTURE_COMMON_OFFSET_(struct_type, strict),                   \
     .help = "Whether an error in this block keeps collectd from starting; otherwise "     \
             "only this plugin is left out."},                                             \
    {.name = "SpoolSocket", .type = POSTURE_OPT_STRING,                                    \
     .def = "/run/posture/spool.sock",                                                     \
     .offset = POSTURE_COMMON_OFFSET_(struct_type, spool_socket),                          \
     .help = "Socket of the spool, which posture_kafka listens on."},                      \
    {.name = "WorkerDir", .type = POSTURE_OPT_STRING, .sample = "/usr/libexec/posture",    \
     .offset = POSTURE_COMMON_OFFSET_(struct_type, worker_dir),                            \
     .help = "Folder of the worker programs; by default the installation's own."},         \
    {.name = "DataDir", .type = POSTURE_OPT_STRING, .sample = "/usr/share/posture",        \
     .offset = POSTURE_COMMON_OFFSET_(struct_type, data_dir),                              \
     .help = "Folder of the schemas and profiles; by default the installation's own."}
/* clang-format on */

#endif
