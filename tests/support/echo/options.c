/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */

#include "options.h"

#include "common/base/options_common.h"

static const char *const mode_names[] = {
    "values", "who",   "open",  "foreign", "garbage", "huge",   "flood",
    "rights", "crash", "close", "deaf",    "refuse",  "helper", NULL};

static const struct posture_option plugin_options[] = {
    POSTURE_COMMON_OPTIONS(struct echo_settings, "nobody", "10"),
    {"Mode", POSTURE_OPT_ENUM, offsetof(struct echo_settings, mode), .values = mode_names,
     .def = "values", .help = "What the worker does."},
    {"Text", POSTURE_OPT_STRING, offsetof(struct echo_settings, text), .sample = "hello",
     .help = "What it logs at its start."},
    {"File", POSTURE_OPT_FILE, offsetof(struct echo_settings, file),
     .sample = "/etc/hostname", .help = "A file to be read."},
    {"SecretFile", POSTURE_OPT_SECRET_FILE, offsetof(struct echo_settings, secret),
     .sample = "/etc/posture/key", .help = "A credential to be read."},
    {0},
};

static const struct posture_option target_options[] = {
    {"Interval", POSTURE_OPT_SECONDS, offsetof(struct echo_target, interval_ns), .min = 1,
     .max = 86400, .unit = "seconds", .sample = "60",
     .help = "The target's own interval."},
    {0},
};

static const struct posture_option_block blocks[] = {
    {.size = sizeof(struct echo_settings), .options = plugin_options},
    {.name = "Target",
     .has_argument = true,
     .size = sizeof(struct echo_target),
     .options = target_options,
     .help = "Something to have values of.",
     .sample_argument = "echo://a"},
    {0},
};

const struct posture_option_table posture_echo_table = {"posture_echo", blocks};
