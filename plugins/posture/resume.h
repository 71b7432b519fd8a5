/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#ifndef POSTURE_PROGRAM_RESUME_H
#define POSTURE_PROGRAM_RESUME_H

#include "posture/ndjson.h"

#include <jansson.h>
#include <stdbool.h>

/*
 * The file of a long probing (posture probe --resume FILE): each report goes there when
 * it comes, and what is there already is not measured again.
 */
struct resume {
    int fd; /* -1: none */
    const char *path;
    json_t *have; /* kind and subject of each report that is there */
};

/* Opens or makes the file, for this process alone, and reads it; a line that was cut off
 * by a sudden end is taken out. fn is called with each report's line. POSTURE_E_BUSY when
 * another process uses it; a line that is no report of ours is named. */
int resume_open(const char *path, struct resume *ret, ndjson_fn *fn, void *data,
                struct posture_error *reterr);
bool resume_has(const struct resume *resume, const char *kind, const char *subject);
/* Appends one report. */
int resume_add(const struct resume *resume, const char *line, size_t len);
void resume_done(struct resume *resume);

#endif
