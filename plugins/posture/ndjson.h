/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#ifndef POSTURE_PROGRAM_NDJSON_H
#define POSTURE_PROGRAM_NDJSON_H

#include "common/base/buf.h"
#include "common/base/error.h"

/* Lines out of a stream of bytes, each at most one report long; a longer one is passed
 * over and told of. Numbers count every line from 1, blank ones included; blank lines are
 * not told. */
struct ndjson {
    struct posture_buf pending;
    unsigned long number;
    bool is_too_long; /* of the line that is being read */
};

/* line NULL: it was too long. A negative result ends the feeding and is returned. */
typedef int ndjson_fn(void *data, unsigned long number, const char *line, size_t len);

void ndjson_init(struct ndjson *lines);
void ndjson_done(struct ndjson *lines);
int ndjson_feed(struct ndjson *lines, const char *bytes, size_t len, ndjson_fn *fn,
                void *data);
/* The last line, when no line end follows it. */
int ndjson_end(struct ndjson *lines, ndjson_fn *fn, void *data);

#endif
