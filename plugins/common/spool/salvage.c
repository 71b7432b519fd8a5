/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */

#include "common/spool/store.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/*
 * What can still be read of a damaged database goes into the new one: every row whose
 * checksum holds, that the narrow table knows as waiting. The counters go on; what could
 * not be read is counted as quarantined. Numbers start again with the new epoch. A
 * salvage that is cut short is done again from the start.
 */
enum {
    SALVAGE_BATCH = 2000,
    SALVAGE_ERRORS_MAX =
        100000, /* ids that could not be read before the rest is given up */
};

struct salvage {
    struct posture_spool *spool;
    sqlite3 *db;
    sqlite3_stmt *next;        /* ids the narrow table has */
    sqlite3_stmt *next_record; /* ids the wide one has, where the narrow one is damaged */
    sqlite3_stmt *row;
    sqlite3_stmt *plugin;
    int64_t state[SPOOL_STATE_COUNT];
    bool has_state;
    uint64_t seen, taken, in_batch;
};

static void salvage_done(struct salvage *salvage)
{
    sqlite3_finalize(salvage->next);
    sqlite3_finalize(salvage->next_record);
    sqlite3_finalize(salvage->row);
    sqlite3_finalize(salvage->plugin);
    sqlite3_close(salvage->db);
}

static int salvage_prepare(struct salvage *salvage, const char *sql, sqlite3_stmt **ret)
{
    return sqlite3_prepare_v2(salvage->db, sql, -1, ret, NULL) == SQLITE_OK
               ? 0
               : POSTURE_E_CORRUPT;
}

static int salvage_open(struct salvage *salvage, const char *path)
{
    int rc = sqlite3_open_v2(path, &salvage->db,
                             SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX |
                                 SQLITE_OPEN_NOFOLLOW | SQLITE_OPEN_PRIVATECACHE,
                             NULL);
    if (rc != SQLITE_OK)
        return POSTURE_E_CORRUPT;
    sqlite3_db_config(salvage->db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    sqlite3_db_config(salvage->db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
    sqlite3_db_config(salvage->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    sqlite3_exec(salvage->db,
                 "PRAGMA locking_mode = EXCLUSIVE; PRAGMA query_only = ON; "
                 "PRAGMA cell_size_check = ON",
                 NULL, NULL, NULL);
    POSTURE_TRY(salvage_prepare(
        salvage, "SELECT id, plugin FROM meta WHERE id > ? ORDER BY id LIMIT 1",
        &salvage->next));
    POSTURE_TRY(salvage_prepare(
        salvage, "SELECT id, -1 FROM record WHERE id > ? ORDER BY id LIMIT 1",
        &salvage->next_record));
    POSTURE_TRY(
        salvage_prepare(salvage,
                        "SELECT ce_type, ce_id, time_ns, key, sum, body FROM record "
                        "WHERE id = ?",
                        &salvage->row));
    return salvage_prepare(salvage, "SELECT name FROM plugin WHERE id = ?",
                           &salvage->plugin);
}

/* Page 1 holds the header and the schema, which are the same in every spool: the new
 * database's own page takes the place of a damaged one, with the size of the file and no
 * list of free pages. */
static int salvage_page_one(struct posture_spool *spool, const char *path)
{
    POSTURE_TRY(spool_db_checkpoint(spool)); /* the new page 1 is in its file */
    POSTURE_AUTO_CLOSE int from = open(spool->path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    POSTURE_AUTO_CLOSE int to = open(path, O_RDWR | O_NOFOLLOW | O_CLOEXEC);
    unsigned char page[SPOOL_PAGE];
    struct stat st;
    if (from < 0 || to < 0 || fstat(to, &st) < 0 ||
        st.st_size < 2 * (off_t)sizeof(page) ||
        pread(from, page, sizeof(page), 0) != (ssize_t)sizeof(page))
        return POSTURE_E_CORRUPT;
    uint32_t pages = (uint32_t)(st.st_size / (off_t)sizeof(page));
    for (int i = 0; i < 4; i++)
        page[28 + i] = (unsigned char)(pages >> (24 - 8 * i));
    memset(page + 32, 0, 8);
    memcpy(page + 92, page + 24, 4); /* says that the size is of this change counter */
    return pwrite(to, page, sizeof(page), 0) == (ssize_t)sizeof(page) ? 0 : -EIO;
}

/* The counters: of the file if their checksum holds, else those this process last
 * committed. */
static void salvage_state(struct salvage *salvage)
{
    struct posture_spool *spool = salvage->spool;
    sqlite3_stmt *statement = NULL;
    if (salvage->db &&
        salvage_prepare(salvage, spool_sql[SPOOL_SQL_STATE_LOAD], &statement) == 0 &&
        sqlite3_step(statement) == SQLITE_ROW) {
        for (int i = 0; i < SPOOL_STATE_COUNT; i++)
            salvage->state[i] = sqlite3_column_int64(statement, i);
        unsigned char sum[SPOOL_SUM];
        spool_state_sum(spool, salvage->state, sum);
        const void *stored = sqlite3_column_blob(statement, SPOOL_STATE_COUNT);
        salvage->has_state =
            stored && sqlite3_column_bytes(statement, SPOOL_STATE_COUNT) == SPOOL_SUM &&
            memcmp(stored, sum, SPOOL_SUM) == 0;
    }
    sqlite3_finalize(statement);
    if (spool->committed[SPOOL_STATE_epoch] > 0 &&
        (!salvage->has_state ||
         salvage->state[SPOOL_STATE_accepted] < spool->committed[SPOOL_STATE_accepted])) {
        memcpy(salvage->state, spool->committed, sizeof(salvage->state));
        salvage->has_state = true;
    }
}

static int salvage_flush(struct salvage *salvage, bool is_last)
{
    struct posture_spool *spool = salvage->spool;
    if (salvage->in_batch == 0 && !is_last)
        return 0;
    salvage->in_batch = 0;
    POSTURE_TRY(spool_state_save(spool));
    POSTURE_TRY(spool_run(spool, SPOOL_SQL_COMMIT));
    spool_point(spool, "salvage");
    POSTURE_TRY(spool_db_checkpoint(spool));
    return is_last ? 0 : spool_run(spool, SPOOL_SQL_BEGIN);
}

/* One row under its old id; POSTURE_E_CORRUPT when it cannot be believed. */
static int salvage_row(struct salvage *salvage, int64_t id, int64_t old_plugin)
{
    struct posture_spool *spool = salvage->spool;
    int topic = spool_topic_of(id);
    if (topic < 0 || topic >= POSTURE_SPOOL_TOPIC_COUNT)
        return POSTURE_E_CORRUPT;
    sqlite3_reset(salvage->row);
    sqlite3_bind_int64(salvage->row, 1, id);
    struct posture_spool_entry entry;
    if (sqlite3_step(salvage->row) != SQLITE_ROW ||
        !spool_row_read(spool, salvage->row, 0, id, &entry))
        return POSTURE_E_CORRUPT;
    if (entry.key[0] == '\0')
        return 0; /* a filler: the number it stands for ends with its epoch */

    sqlite3_reset(salvage->plugin);
    sqlite3_bind_int64(salvage->plugin, 1, old_plugin);
    entry.plugin = "unknown";
    if (sqlite3_step(salvage->plugin) == SQLITE_ROW) {
        const char *name = (const char *)sqlite3_column_text(salvage->plugin, 0);
        if (name && name[0] != '\0' && strlen(name) < POSTURE_SPOOL_NAME_MAX)
            entry.plugin = name;
    }
    size_t plugin = 0;
    POSTURE_TRY(spool_plugin_find(spool, entry.plugin, &plugin));
    int64_t new_id = spool->state[SPOOL_NEXT_ID(topic)];
    POSTURE_TRY(spool_row_add(spool, new_id, plugin, &entry));
    spool->state[SPOOL_NEXT_ID(topic)]++;
    salvage->taken++;
    salvage->in_batch++;
    return 0;
}

/* The next id above id: 1, 0 when there is none, POSTURE_E_CORRUPT. */
static int salvage_next_of(sqlite3_stmt *statement, int64_t id, int64_t *ret_id,
                           int64_t *ret_plugin)
{
    sqlite3_reset(statement);
    sqlite3_bind_int64(statement, 1, id);
    int rc = sqlite3_step(statement);
    if (rc == SQLITE_DONE)
        return 0;
    if (rc != SQLITE_ROW || sqlite3_column_int64(statement, 0) <= id)
        return POSTURE_E_CORRUPT;
    *ret_id = sqlite3_column_int64(statement, 0);
    *ret_plugin = sqlite3_column_int64(statement, 1);
    return 1;
}

/* From the narrow table; where that is damaged from the wide one; where both are, one id
 * after the other as far as ids were ever given. */
static int salvage_next(struct salvage *salvage, int64_t id, int64_t *ret_id,
                        int64_t *ret_plugin)
{
    int r = salvage_next_of(salvage->next, id, ret_id, ret_plugin);
    bool is_short = r == 0 && salvage->has_state &&
                    salvage->seen < (uint64_t)salvage->state[SPOOL_STATE_spooled];
    if (r < 0 || is_short)
        r = salvage_next_of(salvage->next_record, id, ret_id, ret_plugin);
    if (r >= 0 || !salvage->has_state)
        return r < 0 ? 0 : r;
    int topic = spool_topic_of(id + 1);
    if (topic < 0 || topic >= POSTURE_SPOOL_TOPIC_COUNT)
        return 0;
    if (id + 1 >= salvage->state[SPOOL_NEXT_ID(topic)]) {
        if (++topic == POSTURE_SPOOL_TOPIC_COUNT)
            return 0;
        id = spool_topic_first(topic);
    }
    *ret_id = id + 1;
    *ret_plugin = -1;
    return 1;
}

static int salvage_rows(struct salvage *salvage)
{
    int64_t id = 0, plugin = 0;
    for (int errors = 0; errors < SALVAGE_ERRORS_MAX;) {
        if (salvage_next(salvage, id, &id, &plugin) == 0)
            break;
        if (plugin == SPOOL_FILLER)
            continue;
        salvage->seen++;
        int r = salvage_row(salvage, id, plugin);
        if (r == POSTURE_E_CORRUPT && !salvage->spool->is_corrupt)
            errors++;
        else if (r < 0)
            return r;
        if (salvage->in_batch >= SALVAGE_BATCH)
            POSTURE_TRY(salvage_flush(salvage, /* is_last = */ false));
    }
    return 0;
}

static void salvage_count(struct salvage *salvage)
{
    static const enum spool_state_field carried[] = {
        SPOOL_STATE_accepted,
        SPOOL_STATE_delivered,
        SPOOL_STATE_evicted_superseded,
        SPOOL_STATE_evicted_oldest,
        SPOOL_STATE_refused,
        SPOOL_STATE_corrupt,
        SPOOL_STATE_quarantined,
        SPOOL_STATE_not_disk_full,
        SPOOL_STATE_not_io,
        SPOOL_STATE_not_cap,
        SPOOL_STATE_not_invalid,
    };
    int64_t *state = salvage->spool->state;
    int64_t taken = (int64_t)salvage->taken;
    int64_t waiting = (int64_t)salvage->seen;
    if (salvage->has_state) {
        for (size_t i = 0; i < POSTURE_COUNT(carried); i++)
            state[carried[i]] = salvage->state[carried[i]];
        waiting = salvage->state[SPOOL_STATE_spooled];
    } else {
        state[SPOOL_STATE_accepted] = waiting;
    }
    if (taken > waiting)
        state[SPOOL_STATE_accepted] += taken - waiting;
    else
        state[SPOOL_STATE_quarantined] += waiting - taken;
}

static int salvage_all(struct salvage *salvage)
{
    POSTURE_TRY(spool_run(salvage->spool, SPOOL_SQL_BEGIN));
    if (salvage->plugin)
        POSTURE_TRY(salvage_rows(salvage));
    salvage_count(salvage);
    return salvage_flush(salvage, /* is_last = */ true);
}

int spool_salvage(struct posture_spool *spool, struct posture_error *reterr)
{
    POSTURE_AUTO_FREE char *path = spool_damaged_path(spool);
    if (!path)
        return -ENOMEM;
    struct salvage salvage = {.spool = spool};
    if (salvage_open(&salvage, path) < 0 && salvage_page_one(spool, path) == 0) {
        salvage_done(&salvage);
        salvage = (struct salvage){.spool = spool};
        (void)salvage_open(&salvage, path);
    }
    salvage_state(&salvage);
    int r = salvage_all(&salvage);
    salvage_done(&salvage);
    if (r < 0) {
        /* The new database is what failed here; begin again. */
        return posture_error_set(reterr, r, "%s: cannot be salvaged: %s", path,
                                 posture_strerror(r));
    }
    return spool_damaged_end(spool, reterr);
}
