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
 * The spool: what is accepted is here, synced, before anything else happens to it, and it
 * leaves on the broker's delivery report. SQLite, WAL, synchronous=FULL; one opener
 * (flock); directory 0700. Used by worker kafka's loop thread alone. All changes between
 * posture_spool_begin() and _commit() are one transaction and one sync (group commit).
 *
 * One turn of the owner's loop: begin, add what came in, delivered/refused what the
 * broker answered, assign sequence numbers to what shall be produced next, commit, then
 * next until 0 and produce.
 *
 * Where the file cannot be trusted (a failed commit or sync) the spool closes it and
 * opens it again by itself at the next begin; what is not a usable database is moved to
 * quarantine/ in the directory, its readable rows are taken over, the rest is counted as
 * quarantined, and a new database is begun.
 */
struct posture_spool;

struct posture_spool_config {
    const char *directory;     /* made, 0700, when it is not there; its parent must be */
    uint64_t max_bytes;        /* cap of stored bytes: body, key and 128 bytes each */
    uint64_t reserve_bytes;    /* free space to leave on the file system */
    int64_t (*now_ns)(void *); /* injected clock; NULL: posture_now_ns */
    void *now_data;
    /* Tests only: called at each named step, so that a test can die there. May be NULL.
     */
    void (*point)(void *data, const char *name);
    void *point_data;
};

enum posture_spool_topic {
    POSTURE_SPOOL_REPORTS,
    POSTURE_SPOOL_INCIDENTS,
    POSTURE_SPOOL_TOPIC_COUNT,
};

enum {
    POSTURE_SPOOL_BODY_MAX = 256 * 1024,
    POSTURE_SPOOL_KEY_MAX = 1024,
    POSTURE_SPOOL_NAME_MAX = 64,     /* plugin, ce_type, ce_id */
    POSTURE_SPOOL_PLUGINS_MAX = 64,  /* different plugins in one spool */
    POSTURE_SPOOL_ENTRY_BYTES = 128, /* what an entry costs beside its body and key */
};

/* What a plugin hands in. Strings and body borrowed. */
struct posture_spool_entry {
    const char *plugin; /* "posture_crypto" */
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
    /* The number is owed for a record that the broker refused or that was found corrupt:
     * entry has topic, ce_type "posture.heartbeat.v1", a fresh ce_id and time; key and
     * body are NULL, the producer puts its present heartbeat there. */
    bool is_filler;
};

/* Why entries were answered with an error. */
enum posture_spool_not_accepted {
    POSTURE_SPOOL_NOT_DISK_FULL, /* no space, or less than the reserve */
    POSTURE_SPOOL_NOT_IO,  /* the file could not be written or synced, or is not open */
    POSTURE_SPOOL_NOT_CAP, /* nothing left that may be evicted for it */
    POSTURE_SPOOL_NOT_INVALID, /* too large, or not an entry */
    POSTURE_SPOOL_NOT_COUNT,
};
/* "disk_full" … */
const char *posture_spool_not_accepted_name(enum posture_spool_not_accepted reason);

/* Always true: accepted = delivered + spooled + evicted + refused + corrupt +
 * quarantined. Kept in the database, in the same transactions. */
struct posture_spool_stats {
    uint64_t accepted, delivered, spooled, evicted, refused, corrupt, quarantined;
    uint64_t evicted_superseded, evicted_oldest; /* parts of evicted */
    uint64_t not_accepted; /* answered with an error: disk full, over the cap … */
    uint64_t spooled_bytes, in_flight;
    uint64_t epoch;
    bool near_cap;                                     /* at or over 80 % */
    uint64_t not_accepted_by[POSTURE_SPOOL_NOT_COUNT]; /* parts of not_accepted */
    uint64_t unassigned; /* parts of spooled: no sequence number yet */
    uint64_t
        reopened; /* since start: the file was closed and opened again after an error */
    /* Since start: the end of the WAL was damaged; what it held is gone and not counted.
     */
    uint64_t wal_cut;
    bool is_open; /* false: waiting for the file to become usable */
};

/* -errno, POSTURE_E_DENIED (directory or file that others may write or own),
 * POSTURE_E_BUSY (another process has it). A corrupt database is no failure; nor is a
 * disk that is full or fails now: the spool is then closed (stats.is_open) and tries
 * again at each begin. Start-up time does not depend on the backlog. */
int posture_spool_open(const struct posture_spool_config *config,
                       struct posture_spool **ret, struct posture_error *reterr);
struct posture_spool *posture_spool_close(struct posture_spool *spool);
POSTURE_AUTO_DEFINE(struct posture_spool *, posture_spool_close)

/* Negative when the file is not usable now: the entries of this turn are answered with
 * that error (posture_spool_count_not_accepted counts them). Later calls try to open it
 * again. */
int posture_spool_begin(struct posture_spool *spool);
/* Within a transaction. POSTURE_E_LIMIT, POSTURE_E_FORMAT (too large, not an entry),
 * POSTURE_E_BUSY (cap reached, nothing may be evicted for it) and -ENOSPC for the reserve
 * leave the transaction as it was: only this entry is answered with the error. When
 * posture_spool_must_rollback() says so after a failure, roll back and answer every entry
 * of the transaction with it. Counts its own failures in not_accepted. */
int posture_spool_add(struct posture_spool *spool,
                      const struct posture_spool_entry *entry);
/* True when the transaction cannot be committed any more (it would fail). */
bool posture_spool_must_rollback(const struct posture_spool *spool);
/* count entries were answered with error r other than by posture_spool_add's own result:
 * those of a transaction that failed as a whole. */
void posture_spool_count_not_accepted(struct posture_spool *spool, int r, uint64_t count);
/* The broker has it: remove and count as delivered. Takes effect with the next commit
 * that succeeds, whether it is called inside or outside of a transaction. -ENOENT when it
 * is not in flight (handed out before a rewind or before the database was replaced): to
 * be ignored. */
int posture_spool_delivered(struct posture_spool *spool, int64_t id);
/* The broker can never take it (too large, invalid): moved aside, counted as refused,
 * shown. The sequence number is then owed: after the commit posture_spool_next hands out
 * a filler in its place. A filler that is refused is given up: its number stays missing.
 * As _delivered otherwise. */
int posture_spool_refused(struct posture_spool *spool, int64_t id, const char *reason);
/* The next record that has not been handed out since open or posture_spool_rewind(),
 * given its sequence number durably before it is returned from a committed transaction.
 * 1, 0 when none, negative. Oldest first per topic; incidents before reports. Outside of
 * a transaction. */
int posture_spool_next(struct posture_spool *spool, struct posture_spool_record *ret);
/* Assigns sequence numbers to up to n waiting records; must be committed before they are
 * produced. The number of records assigned, or negative (roll back). */
int posture_spool_assign(struct posture_spool *spool, size_t n);
/* After a fatal producer error: everything unacknowledged is handed out again, same
 * numbers. */
void posture_spool_rewind(struct posture_spool *spool);
/* The sync. After a failed sync the file is not trusted: the spool reopens it and says
 * so. A failed commit has rolled back; every entry of it is answered with the error. */
int posture_spool_commit(struct posture_spool *spool, struct posture_error *reterr);
void posture_spool_rollback(struct posture_spool *spool);
void posture_spool_stats(struct posture_spool *spool, struct posture_spool_stats *ret);

/* What waits, and what was set aside, for people. */
enum posture_spool_list {
    POSTURE_SPOOL_LIST_WAITING,
    POSTURE_SPOOL_LIST_ASIDE, /* refused by the broker, or corrupt; the newest 1,000 are
                                 kept */
};
struct posture_spool_item {
    int64_t id;
    enum posture_spool_topic topic;
    const char *plugin;
    const char *ce_type;
    const char *ce_id;
    int64_t time_ns;
    const char *key;
    uint64_t sequence;  /* 0: none yet */
    const char *reason; /* aside: why; else NULL */
    const void *body;   /* only posture_spool_show; NULL: none */
    size_t body_len;    /* always */
};
/* Calls cb for up to max items with an id above after, in order, until it returns
 * non-zero (returned). The item is valid during the call; cb must not call the spool. */
int posture_spool_list(struct posture_spool *spool, enum posture_spool_list list,
                       int64_t after, size_t max,
                       int (*cb)(void *data, const struct posture_spool_item *item),
                       void *data);
/* One item with its body. -ENOENT. */
int posture_spool_show(struct posture_spool *spool, enum posture_spool_list list,
                       int64_t id,
                       int (*cb)(void *data, const struct posture_spool_item *item),
                       void *data);

#endif
