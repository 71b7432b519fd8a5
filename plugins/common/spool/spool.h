/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#ifndef POSTURE_SPOOL_SPOOL_H
#define POSTURE_SPOOL_SPOOL_H

#include "common/base/error.h"
#include "common/base/mem.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * The spool: what is accepted is here, synced, before anything else happens to it, and it leaves on the
 * broker's delivery report. SQLite, WAL, synchronous=FULL; one opener (flock); directory 0700. Used by
 * worker kafka's loop thread alone. All changes between posture_spool_begin() and _commit() are one
 * transaction and one sync (group commit).
 */
struct posture_spool;

struct posture_spool_config {
    const char *directory;
    uint64_t max_bytes;        /* cap of stored bodies */
    uint64_t reserve_bytes;    /* free space to leave on the file system */
    int64_t (*now_ns)(void *); /* injected clock; NULL: posture_now_ns */
    void *now_data;
};

enum posture_spool_topic {
    POSTURE_SPOOL_REPORTS,
    POSTURE_SPOOL_INCIDENTS,
    POSTURE_SPOOL_TOPIC_COUNT,
};

/* What a plugin hands in. Strings and body borrowed. */
struct posture_spool_entry {
    const char *plugin;  /* "posture_crypto" */
    enum posture_spool_topic topic;
    const char *ce_type; /* "posture.report.v1" */
    const char *ce_id;   /* UUIDv7 */
    int64_t time_ns;     /* ce_time */
    const char *key;     /* "agency|reporter|kind|subject" */
    const void *body;    /* NULL with len 0: a null value (retirement) */
    size_t body_len;
};

/* What is to be produced. Strings and body valid until the next call on the spool. */
struct posture_spool_record {
    int64_t id;
    struct posture_spool_entry entry;
    uint64_t epoch;
    uint64_t sequence; /* contiguous per (source, epoch, topic) */
};

/* Always true: accepted = delivered + spooled + evicted + refused + corrupt + quarantined. Kept in the
 * database, in the same transactions. */
struct posture_spool_stats {
    uint64_t accepted, delivered, spooled, evicted, refused, corrupt, quarantined;
    uint64_t evicted_superseded, evicted_oldest; /* parts of evicted */
    uint64_t not_accepted; /* answered with an error: disk full, over the cap … */
    uint64_t spooled_bytes, in_flight;
    uint64_t epoch;
    bool near_cap; /* at or over 80 % */
};

int posture_spool_open(const struct posture_spool_config *config, struct posture_spool **ret,
                       struct posture_error *reterr);
struct posture_spool *posture_spool_close(struct posture_spool *spool);
POSTURE_AUTO_DEFINE(struct posture_spool *, posture_spool_close)

int posture_spool_begin(struct posture_spool *spool);
/* Within a transaction. On failure of one, roll back and answer every entry of it with the error. */
int posture_spool_add(struct posture_spool *spool, const struct posture_spool_entry *entry);
/* The broker has it: remove and count as delivered. */
int posture_spool_delivered(struct posture_spool *spool, int64_t id);
/* The broker can never take it (too large, invalid): moved aside, counted as refused, shown. The
 * sequence number is then owed: posture_spool_next hands out a heartbeat entry in its place. */
int posture_spool_refused(struct posture_spool *spool, int64_t id, const char *reason);
/* The next record that has not been handed out since open or posture_spool_rewind(), given its sequence
 * number durably before it is returned from a committed transaction. 1, 0 when none, negative. Oldest
 * first per topic. */
int posture_spool_next(struct posture_spool *spool, struct posture_spool_record *ret);
/* Assigns sequence numbers to up to n waiting records; must be committed before they are produced. */
int posture_spool_assign(struct posture_spool *spool, size_t n);
/* After a fatal producer error: everything unacknowledged is handed out again, same numbers. */
void posture_spool_rewind(struct posture_spool *spool);
/* The sync. After a failed sync the file is not trusted: the spool reopens it and says so. */
int posture_spool_commit(struct posture_spool *spool, struct posture_error *reterr);
void posture_spool_rollback(struct posture_spool *spool);
void posture_spool_stats(struct posture_spool *spool, struct posture_spool_stats *ret);

#endif
