/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#ifndef POSTURE_PROGRAM_KINDS_H
#define POSTURE_PROGRAM_KINDS_H

#include "common/base/options.h"

#include <stdbool.h>

/* What can be measured by hand: the kind, its worker, and the block that names a target.
 */
struct kind {
    const char *name;
    const char *worker; /* "posture-crypto" */
    const char *folder; /* of its build: "posture_crypto" */
    const struct posture_option_table *options;
    const char *block; /* "Endpoint": its argument is the target */
    bool is_within;    /* a system that is looked at from within: this one */
};

const struct kind *kind_find(const char *name);
/* The names of all, for messages. */
const char *kind_names(void);

#endif
