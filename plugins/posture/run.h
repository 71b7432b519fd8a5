/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#ifndef POSTURE_PROGRAM_RUN_H
#define POSTURE_PROGRAM_RUN_H

#include "posture/arguments.h"
#include "posture/kinds.h"
#include "posture/ndjson.h"

/*
 * The installed worker of a kind, started by hand: the same process, user and sandbox as
 * under collectd, settings in, reports out.
 */
struct run_result {
    bool is_refused; /* the worker did not take its settings: it has said why */
    int exit_status; /* of the worker; negative: a signal */
};

/* Measures the subjects (canonical; options: further ones of each, "Name=value …" or
 * NULL); fn is called with each line of the worker's standard output. What the worker
 * logs goes to standard error. Blocks until the worker has ended.
 */
int run_worker(const struct kind *kind, const struct arguments *arguments,
               const struct string_list *subjects, const struct string_list *options,
               ndjson_fn *fn, void *data, struct run_result *ret,
               struct posture_error *reterr);
/* The kind that measures a subject, when first is the kind of another: by its scheme.
 * Name, static; NULL: none that first's worker has. */
const char *kind_of_subject(const struct kind *first, const char *subject);

#endif
