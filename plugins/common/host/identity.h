/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#ifndef POSTURE_HOST_IDENTITY_H
#define POSTURE_HOST_IDENTITY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * How many different values a worker has named. collectd keeps each name in its cache, so
 * that a worker that invents names would eat the memory of a daemon that is not its own.
 * Zero-initialise.
 */
enum { POSTURE_IDENTITIES_MAX = 200000 };

struct posture_identities {
    uint64_t *slots; /* hashes; 0: empty */
    size_t cap;      /* a power of two */
    size_t count;
    int64_t since_ns;
};

/* True when the name is known or there is room for it. After keep_ns the old names are
 * forgotten, as collectd forgets what is no longer sent. Out of memory: false. */
bool posture_identities_admit(struct posture_identities *identities, const char *a,
                              const char *b, const char *c, int64_t now_ns,
                              int64_t keep_ns);
void posture_identities_done(struct posture_identities *identities);

#endif
