/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#ifndef POSTURE_SPOOL_STORE_H
#define POSTURE_SPOOL_STORE_H

#include "common/spool/spool.h"

#include <openssl/evp.h>
#include <sqlite3.h>

/*
 * The inside of the spool, shared by its own files only: directory.c (the file system),
 * db.c (the database as a file), record.c (rows), evict.c (the cap), spool.c
 * (transactions).
 *
 *   record    one row an entry: what the producer needs, with a SHA-256 over all of it
 *   meta      the same ids, narrow: what eviction and counting need without touching
 * bodies assigned  runs of consecutive ids that have consecutive sequence numbers plugin
 * names as small integers, bytes stored by each state     one row of counters with a
 * SHA-256 aside     what was refused or corrupt
 *
 * An id is topic << SPOOL_TOPIC_SHIFT | counter: ids of a topic are consecutive in order
 * of acceptance, so that a whole batch of sequence numbers is one row of assigned.
 */
enum {
    SPOOL_TOPIC_SHIFT = 56,
    SPOOL_SUM = 32,
    SPOOL_PAGE = 8192,
    SPOOL_ASIDE_MAX = 1000,
    SPOOL_FILLER = 0, /* meta.plugin of a filler; real plugins count from 1 */
};

/* Every column of state, in this order; the checksum covers them. */
#define SPOOL_STATE_FIELDS(X)                                                            \
    X(epoch)                                                                             \
    X(accepted)                                                                          \
    X(delivered)                                                                         \
    X(spooled)                                                                           \
    X(evicted_superseded)                                                                \
    X(evicted_oldest)                                                                    \
    X(refused)                                                                           \
    X(corrupt)                                                                           \
    X(quarantined)                                                                       \
    X(not_disk_full)                                                                     \
    X(not_io)                                                                            \
    X(not_cap)                                                                           \
    X(not_invalid)                                                                       \
    X(spooled_bytes)                                                                     \
    X(fillers)                                                                           \
    X(next_id_reports)                                                                   \
    X(next_id_incidents)                                                                 \
    X(next_sequence_reports)                                                             \
    X(next_sequence_incidents)                                                           \
    X(assigned_reports)                                                                  \
    X(assigned_incidents)

enum spool_state_field {
#define SPOOL_STATE_ENUM(name) SPOOL_STATE_##name,
    SPOOL_STATE_FIELDS(SPOOL_STATE_ENUM)
#undef SPOOL_STATE_ENUM
        SPOOL_STATE_COUNT
};

/* Fields that exist once a topic follow each other. */
#define SPOOL_NEXT_ID(topic)       (SPOOL_STATE_next_id_reports + (int)(topic))
#define SPOOL_NEXT_SEQUENCE(topic) (SPOOL_STATE_next_sequence_reports + (int)(topic))
#define SPOOL_ASSIGNED(topic)      (SPOOL_STATE_assigned_reports + (int)(topic))

enum spool_statement {
    SPOOL_SQL_BEGIN,
    SPOOL_SQL_COMMIT,
    SPOOL_SQL_ROLLBACK,
    SPOOL_SQL_STATE_LOAD,
    SPOOL_SQL_STATE_SAVE,
    SPOOL_SQL_PLUGIN_ADD,
    SPOOL_SQL_PLUGIN_SAVE,
    SPOOL_SQL_PLUGIN_LOAD,
    SPOOL_SQL_RECORD_ADD,
    SPOOL_SQL_META_ADD,
    SPOOL_SQL_RECORD_DELETE,
    SPOOL_SQL_META_DELETE,
    SPOOL_SQL_RECORD_FILL,
    SPOOL_SQL_META_FILL,
    SPOOL_SQL_ASIDE_ADD,
    SPOOL_SQL_ASIDE_TRIM,
    SPOOL_SQL_WAITING_IDS,
    SPOOL_SQL_ASSIGNED_ADD,
    SPOOL_SQL_ASSIGNED_GROW,
    SPOOL_SQL_ASSIGNED_DELETE,
    SPOOL_SQL_ASSIGNED_LOAD,
    SPOOL_SQL_FIRST_ID,
    SPOOL_SQL_NEXT,
    SPOOL_SQL_NEWEST,
    SPOOL_SQL_SUPERSEDED,
    SPOOL_SQL_OLDEST,
    SPOOL_SQL_LIST,
    SPOOL_SQL_ASIDE_LIST,
    SPOOL_SQL_COUNT
};
/* schema.c */
extern const char *const spool_tables[]; /* CREATE statements, NULL at the end */
extern const char *const spool_sql[SPOOL_SQL_COUNT];

struct spool_plugin {
    char name[POSTURE_SPOOL_NAME_MAX];
    uint64_t bytes;
    uint64_t rows;
    bool is_dirty;
    int64_t oldest_after[POSTURE_SPOOL_TOPIC_COUNT]; /* eviction has looked up to here */
};

/* ids first to last have sequence, sequence + 1, … */
struct spool_run {
    int64_t first, last;
    uint64_t sequence;
};

enum spool_flight_state {
    SPOOL_FLIGHT_OUT,      /* handed out */
    SPOOL_FLIGHT_ANSWERED, /* its answer waits for a commit */
    SPOOL_FLIGHT_AGAIN,    /* to be handed out again, as a filler */
    SPOOL_FLIGHT_GONE,     /* answered and committed */
};

struct spool_flight {
    int64_t id;
    uint32_t size;
    uint8_t plugin;
    uint8_t state;
};

/* What was handed out, ids rising. */
struct spool_flights {
    struct spool_flight *items;
    size_t head, tail, cap;
    size_t out, again; /* how many are SPOOL_FLIGHT_OUT, _AGAIN */
};

/* An answer of the broker that waits for a commit. */
struct spool_answer {
    int64_t id;
    uint32_t size;
    uint8_t plugin;
    char *refused; /* NULL: delivered */
};

/* Newest id of each key, for eviction; built when the cap comes near. */
struct spool_newest {
    struct spool_newest_slot {
        uint64_t hash; /* 0: empty */
        int64_t id;
    } * slots;
    size_t count, cap;
    bool is_built;
    int64_t superseded_after; /* the sweep has looked up to here */
};

struct posture_spool {
    struct posture_spool_config config;
    char *directory; /* canonical */
    char *path;      /* of the database */
    int directory_fd;
    int lock_fd;

    sqlite3 *db; /* NULL: not usable now */
    sqlite3_stmt *statements[SPOOL_SQL_COUNT];
    EVP_MD *sha256;
    EVP_MD_CTX *digest;
    int64_t retry_ns; /* monotonic: not opened again before */
    bool is_suspect;  /* a commit, sync or checkpoint failed: reopen */
    bool is_corrupt;  /* SQLite met damage: quarantine */
    bool in_transaction;
    bool is_broken;      /* this transaction cannot be committed */
    int broken_by;       /* the first error that made it so */
    bool cursor_is_open; /* SPOOL_SQL_NEXT stands on a row of cursor_topic */
    int cursor_topic;
    bool disk_is_judged; /* in this transaction */
    bool disk_is_low;
    int last_error; /* why db is NULL */
    int wal_pages;
    int checkpoint_pages;
    bool had_rows; /* since the file was last shrunk */

    int64_t state[SPOOL_STATE_COUNT];
    int64_t committed[SPOOL_STATE_COUNT];           /* as of the last commit */
    uint64_t not_accepted[POSTURE_SPOOL_NOT_COUNT]; /* not yet in state */
    struct spool_plugin plugins[POSTURE_SPOOL_PLUGINS_MAX + 1];
    size_t plugin_count; /* the highest in use; 0 is the filler */
    struct spool_run *runs;
    size_t run_count, run_cap;

    struct spool_flights flights[POSTURE_SPOOL_TOPIC_COUNT];
    int64_t handed_out[POSTURE_SPOOL_TOPIC_COUNT]; /* the last id */
    struct spool_answer *answers;
    size_t answer_count, answer_cap;
    size_t answers_before_rewind;
    struct spool_newest newest;
    uint64_t reopened;
    uint64_t wal_cut;
    char filler_id[37];
};

static inline int64_t spool_topic_first(int topic)
{
    return (int64_t)topic << SPOOL_TOPIC_SHIFT;
}
static inline int64_t spool_topic_last(int topic)
{
    return ((int64_t)(topic + 1) << SPOOL_TOPIC_SHIFT) - 1;
}
static inline int spool_topic_of(int64_t id)
{
    return (int)(id >> SPOOL_TOPIC_SHIFT);
}

/* spool.c */
/* Opens the database again when it is not usable, at most once a second after a failure.
 */
int spool_ensure_open(struct posture_spool *spool);
void spool_point(struct posture_spool *spool, const char *name);
int64_t spool_now(const struct posture_spool *spool);

/* directory.c */
int spool_directory_open(struct posture_spool *spool, struct posture_error *reterr);
/* The database file: made empty when it is not there; a regular file, ours alone. 1 when
 * made. */
int spool_directory_file(struct posture_spool *spool, struct posture_error *reterr);
/* 0 when there is no epoch file. */
int spool_epoch_read(struct posture_spool *spool, int64_t *ret);
int spool_epoch_write(struct posture_spool *spool, int64_t epoch,
                      struct posture_error *reterr);
/* Writes the WAL's bytes over themselves and syncs them: after a failed sync the kernel
 * calls pages clean that never reached the disk; this makes them dirty again. */
int spool_wal_rewrite(struct posture_spool *spool);
/* Number of the last frame of the present WAL that ends a transaction, believed or not;
 * 0: none. */
int spool_wal_commits(struct posture_spool *spool);
/* A damaged database goes to damaged/, is salvaged from there, and only then goes to
 * quarantine/, so that a crash at any point repeats the salvage. */
int spool_damaged_begin(struct posture_spool *spool, struct posture_error *reterr);
int spool_damaged_find(struct posture_spool *spool, bool *ret_found,
                       struct posture_error *reterr);
char *spool_damaged_path(const struct posture_spool *spool);
int spool_damaged_end(struct posture_spool *spool, struct posture_error *reterr);
/* True when the file system has less left than the reserve. */
bool spool_is_disk_low(const struct posture_spool *spool);

/* db.c */
/* SQLite's result code as ours; notes damage and distrust in the spool. */
int spool_sql_error(struct posture_spool *spool, int rc);
sqlite3_stmt *spool_statement(struct posture_spool *spool, enum spool_statement which);
/* Steps a statement that returns no row, resets it. */
int spool_run(struct posture_spool *spool, enum spool_statement which);
int spool_state_load(struct posture_spool *spool);
int spool_state_save(struct posture_spool *spool);
void spool_state_sum(struct posture_spool *spool, const int64_t *state,
                     unsigned char sum[static SPOOL_SUM]);
int spool_db_open(struct posture_spool *spool, struct posture_error *reterr);
void spool_db_close(struct posture_spool *spool);
int spool_db_checkpoint(struct posture_spool *spool);
void spool_db_shrink(struct posture_spool *spool);
int spool_plugin_find(struct posture_spool *spool, const char *name, size_t *ret_plugin);

/* row.c */
uint64_t spool_entry_size(const struct posture_spool_entry *entry);
int64_t spool_key_hash(struct posture_spool *spool, int topic, const char *key);
/* Reads ce_type, ce_id, time_ns, key, sum, body from column first on. False when they are
 * not what was written under this id. */
bool spool_row_read(struct posture_spool *spool, sqlite3_stmt *statement, int first,
                    int64_t id, struct posture_spool_entry *ret);
int spool_row_add(struct posture_spool *spool, int64_t id, size_t plugin,
                  const struct posture_spool_entry *entry);
int spool_rows_delete(struct posture_spool *spool, int64_t first, int64_t last);
/* Takes a row out of the counters of what is spooled. */
void spool_row_forget(struct posture_spool *spool, size_t plugin, uint64_t size);
/* Sets a row aside as refused or corrupt and leaves a filler when it has a number. */
int spool_row_set_aside(struct posture_spool *spool, int64_t id, size_t plugin,
                        uint64_t size, enum spool_state_field counter,
                        const char *reason);

/* assign.c */
int spool_runs_reserve(struct posture_spool *spool, size_t count);
uint64_t spool_sequence_of(const struct posture_spool *spool, int64_t id);
int spool_runs_trim(struct posture_spool *spool);

/* flight.c */
void spool_cursor_reset(struct posture_spool *spool);
/* Applies the broker's answers inside the transaction; _done after its commit. */
int spool_answers_apply(struct posture_spool *spool);
void spool_answers_done(struct posture_spool *spool);
/* Another database: nothing that was handed out means anything there. */
void spool_flights_forget(struct posture_spool *spool);
void spool_flights_free(struct posture_spool *spool);

/* evict.c */
/* Makes room for an entry. POSTURE_E_BUSY when nothing may go. */
int spool_evict(struct posture_spool *spool, const struct posture_spool_entry *entry);
void spool_newest_note(struct posture_spool *spool, int topic, uint64_t hash, int64_t id);
void spool_newest_forget(struct posture_spool *spool);

/* salvage.c */
/* Takes the counters and the readable rows of damaged/ over into the new database, which
 * is open and empty. */
int spool_salvage(struct posture_spool *spool, struct posture_error *reterr);

#endif
