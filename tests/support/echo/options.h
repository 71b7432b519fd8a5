/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#ifndef POSTURE_TESTS_ECHO_OPTIONS_H
#define POSTURE_TESTS_ECHO_OPTIONS_H

#include "common/base/options.h"

/* posture_echo: a plugin and a worker for tests of the host object; the worker misbehaves
 * as told. */
enum echo_mode {
    ECHO_VALUES,  /* a value a second and target, as a good worker does */
    ECHO_WHO,     /* logs its user, groups and descriptors */
    ECHO_OPEN,    /* asks for its files, the spool and the listener; logs what it got */
    ECHO_FOREIGN, /* asks for files that are not its own */
    ECHO_GARBAGE, /* lines that must be refused, then a good one */
    ECHO_HUGE,    /* a line without end */
    ECHO_FLOOD,   /* log lines and new names, as fast as they are taken */
    ECHO_RIGHTS,  /* sends descriptors to the host */
    ECHO_CRASH,   /* dies after its first value */
    ECHO_CLOSE,   /* closes its socket and lives on */
    ECHO_DEAF,    /* does not stop */
    ECHO_REFUSE,  /* refuses its settings */
    ECHO_HELPER,  /* asks twice for what a root helper wrote; logs what it got */
};

struct echo_settings {
    struct posture_common_settings common;
    int mode;
    const char *text;
    struct posture_option_file file;
    struct posture_option_file secret;
};

struct echo_target {
    int64_t interval_ns;
};

extern const struct posture_option_table posture_echo_table;

#endif
