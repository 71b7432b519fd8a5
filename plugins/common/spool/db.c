/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */

#include "common/spool/store.h"

#include "common/base/clock.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum {
    DB_VERSION = 1,
    DB_CHECKPOINT_PAGES_MIN = 64,
    DB_CHECKPOINT_PAGES_MAX = 4096, /* 32 MiB */
    DB_SHRINK_BYTES = 64 * 1024 * 1024,
};

static int sql_error(struct posture_spool *spool, int rc)
{
    switch (rc & 0xFF) {
    case SQLITE_NOMEM:
        return -ENOMEM;
    case SQLITE_FULL:
        return -ENOSPC;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return POSTURE_E_BUSY;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
    case SQLITE_FORMAT:
    case SQLITE_CONSTRAINT: /* an id twice: an index of the file is not what it was */
    case SQLITE_MISMATCH:
    case SQLITE_ERROR: /* our statements are constant: the schema under them is not */
        spool->is_corrupt = true;
        return POSTURE_E_CORRUPT;
    default:
        if (rc == SQLITE_IOERR_NOMEM)
            return -ENOMEM;
        spool->is_suspect = true;
        return -EIO;
    }
}

int spool_sql_error(struct posture_spool *spool, int rc)
{
    if (rc == SQLITE_OK || rc == SQLITE_ROW || rc == SQLITE_DONE)
        return 0;
    int r = sql_error(spool, rc);
    if (!spool->is_broken)
        spool->broken_by = r;
    spool->is_broken = true;
    return r;
}

sqlite3_stmt *spool_statement(struct posture_spool *spool, enum spool_statement which)
{
    sqlite3_stmt *statement = spool->statements[which];
    sqlite3_reset(statement);
    return statement;
}

int spool_run(struct posture_spool *spool, enum spool_statement which)
{
    int rc = sqlite3_step(spool->statements[which]);
    int rc_reset = sqlite3_reset(spool->statements[which]);
    if (rc == SQLITE_DONE)
        return 0;
    return spool_sql_error(spool, rc_reset != SQLITE_OK ? rc_reset : rc);
}

void spool_state_sum(struct posture_spool *spool, const int64_t *state,
                     unsigned char sum[static SPOOL_SUM])
{
    unsigned char bytes[SPOOL_STATE_COUNT * 8];
    for (int i = 0; i < SPOOL_STATE_COUNT; i++) {
        for (int b = 0; b < 8; b++)
            bytes[i * 8 + b] = (unsigned char)((uint64_t)state[i] >> (56 - 8 * b));
    }
    unsigned len = 0;
    if (EVP_DigestInit_ex2(spool->digest, spool->sha256, NULL) != 1 ||
        EVP_DigestUpdate(spool->digest, bytes, sizeof(bytes)) != 1 ||
        EVP_DigestFinal_ex(spool->digest, sum, &len) != 1)
        memset(sum, 0, SPOOL_SUM);
}

int spool_state_save(struct posture_spool *spool)
{
    sqlite3_stmt *statement = spool_statement(spool, SPOOL_SQL_STATE_SAVE);
    int64_t state[SPOOL_STATE_COUNT];
    memcpy(state, spool->state, sizeof(state));
    for (int i = 0; i < POSTURE_SPOOL_NOT_COUNT; i++)
        state[SPOOL_STATE_not_disk_full + i] += (int64_t)spool->not_accepted[i];
    unsigned char sum[SPOOL_SUM];
    spool_state_sum(spool, state, sum);
    for (int i = 0; i < SPOOL_STATE_COUNT; i++)
        sqlite3_bind_int64(statement, i + 1, state[i]);
    sqlite3_bind_blob(statement, SPOOL_STATE_COUNT + 1, sum, sizeof(sum),
                      SQLITE_TRANSIENT);
    POSTURE_TRY(spool_run(spool, SPOOL_SQL_STATE_SAVE));

    for (size_t i = 1; i <= spool->plugin_count; i++) {
        struct spool_plugin *plugin = &spool->plugins[i];
        if (!plugin->is_dirty)
            continue;
        statement = spool_statement(spool, SPOOL_SQL_PLUGIN_SAVE);
        sqlite3_bind_int64(statement, 1, (int64_t)plugin->rows);
        sqlite3_bind_int64(statement, 2, (int64_t)plugin->bytes);
        sqlite3_bind_int64(statement, 3, (int64_t)i);
        POSTURE_TRY(spool_run(spool, SPOOL_SQL_PLUGIN_SAVE));
    }
    return 0;
}

static int plugins_load(struct posture_spool *spool)
{
    memset(spool->plugins, 0, sizeof(spool->plugins));
    spool->plugin_count = 0;
    sqlite3_stmt *statement = spool_statement(spool, SPOOL_SQL_PLUGIN_LOAD);
    int rc;
    while ((rc = sqlite3_step(statement)) == SQLITE_ROW) {
        int64_t id = sqlite3_column_int64(statement, 0);
        const char *name = (const char *)sqlite3_column_text(statement, 1);
        if (id != (int64_t)spool->plugin_count + 1 || id > POSTURE_SPOOL_PLUGINS_MAX ||
            !name || strlen(name) >= POSTURE_SPOOL_NAME_MAX) {
            rc = SQLITE_CORRUPT;
            break;
        }
        struct spool_plugin *plugin = &spool->plugins[++spool->plugin_count];
        memcpy(plugin->name, name, strlen(name) + 1);
        plugin->rows = (uint64_t)sqlite3_column_int64(statement, 2);
        plugin->bytes = (uint64_t)sqlite3_column_int64(statement, 3);
    }
    sqlite3_reset(statement);
    return spool_sql_error(spool, rc);
}

/* The runs must tell one story with each other and with the state. */
static int runs_load(struct posture_spool *spool)
{
    spool->run_count = 0;
    sqlite3_stmt *statement = spool_statement(spool, SPOOL_SQL_ASSIGNED_LOAD);
    int rc;
    while ((rc = sqlite3_step(statement)) == SQLITE_ROW) {
        POSTURE_TRY(spool_runs_reserve(spool, spool->run_count + 1));
        struct spool_run run = {
            .first = sqlite3_column_int64(statement, 0),
            .last = sqlite3_column_int64(statement, 1),
            .sequence = (uint64_t)sqlite3_column_int64(statement, 2),
        };
        int topic = spool_topic_of(run.first);
        bool is_right = topic >= 0 && topic < POSTURE_SPOOL_TOPIC_COUNT &&
                        run.first > 0 && run.last >= run.first &&
                        run.last <= spool->state[SPOOL_ASSIGNED(topic)] &&
                        run.sequence >= 1;
        if (is_right && spool->run_count > 0) {
            const struct spool_run *before = &spool->runs[spool->run_count - 1];
            if (spool_topic_of(before->first) == topic)
                is_right =
                    before->last < run.first &&
                    before->sequence + (uint64_t)(before->last - before->first) + 1 ==
                        run.sequence;
        }
        if (!is_right) {
            rc = SQLITE_CORRUPT;
            break;
        }
        spool->runs[spool->run_count++] = run;
    }
    sqlite3_reset(statement);
    POSTURE_TRY(spool_sql_error(spool, rc));

    for (size_t i = 0; i < spool->run_count; i++) {
        const struct spool_run *run = &spool->runs[i];
        int topic = spool_topic_of(run->first);
        bool is_last = i + 1 == spool->run_count ||
                       spool_topic_of(spool->runs[i + 1].first) != topic;
        if (is_last && (int64_t)(run->sequence + (uint64_t)(run->last - run->first) +
                                 1) != spool->state[SPOOL_NEXT_SEQUENCE(topic)])
            return spool_sql_error(spool, SQLITE_CORRUPT);
    }
    return 0;
}

int spool_state_load(struct posture_spool *spool)
{
    sqlite3_stmt *statement = spool_statement(spool, SPOOL_SQL_STATE_LOAD);
    int rc = sqlite3_step(statement);
    if (rc == SQLITE_ROW) {
        int64_t state[SPOOL_STATE_COUNT];
        for (int i = 0; i < SPOOL_STATE_COUNT; i++)
            state[i] = sqlite3_column_int64(statement, i);
        unsigned char sum[SPOOL_SUM];
        spool_state_sum(spool, state, sum);
        const void *stored = sqlite3_column_blob(statement, SPOOL_STATE_COUNT);
        if (!stored || sqlite3_column_bytes(statement, SPOOL_STATE_COUNT) != SPOOL_SUM ||
            memcmp(stored, sum, SPOOL_SUM) != 0)
            rc = SQLITE_CORRUPT;
        else
            memcpy(spool->state, state, sizeof(state));
    } else if (rc == SQLITE_DONE) {
        rc = SQLITE_CORRUPT;
    }
    sqlite3_reset(statement);
    POSTURE_TRY(spool_sql_error(spool, rc));
    POSTURE_TRY(plugins_load(spool));
    spool_newest_forget(spool);
    return runs_load(spool);
}

int spool_plugin_find(struct posture_spool *spool, const char *name, size_t *ret_plugin)
{
    if (strlen(name) >= POSTURE_SPOOL_NAME_MAX)
        return POSTURE_E_LIMIT;
    for (size_t i = 1; i <= spool->plugin_count; i++) {
        if (strcmp(spool->plugins[i].name, name) == 0) {
            *ret_plugin = i;
            return 0;
        }
    }
    if (spool->plugin_count == POSTURE_SPOOL_PLUGINS_MAX)
        return POSTURE_E_LIMIT;

    size_t id = spool->plugin_count + 1;
    sqlite3_stmt *statement = spool_statement(spool, SPOOL_SQL_PLUGIN_ADD);
    sqlite3_bind_int64(statement, 1, (int64_t)id);
    sqlite3_bind_text(statement, 2, name, -1, SQLITE_TRANSIENT);
    POSTURE_TRY(spool_run(spool, SPOOL_SQL_PLUGIN_ADD));
    spool->plugins[id] = (struct spool_plugin){0};
    memcpy(spool->plugins[id].name, name, strlen(name) + 1);
    spool->plugin_count = id;
    *ret_plugin = id;
    return 0;
}

static int db_exec(struct posture_spool *spool, const char *sql)
{
    return spool_sql_error(spool, sqlite3_exec(spool->db, sql, NULL, NULL, NULL));
}

static int db_pragma_int(struct posture_spool *spool, const char *sql, int64_t *ret)
{
    sqlite3_stmt *statement = NULL;
    int rc = sqlite3_prepare_v2(spool->db, sql, -1, &statement, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_step(statement);
    if (rc == SQLITE_ROW)
        *ret = sqlite3_column_int64(statement, 0);
    sqlite3_finalize(statement);
    return spool_sql_error(spool, rc);
}

static int db_wal_hook(void *data, sqlite3 *db, const char *name, int pages)
{
    (void)db;
    (void)name;
    ((struct posture_spool *)data)->wal_pages = pages;
    return SQLITE_OK;
}

/* 1 when there is no table yet, 0 when the schema is ours, POSTURE_E_CORRUPT otherwise.
 */
static int db_schema_judge(struct posture_spool *spool)
{
    sqlite3_stmt *statement = NULL;
    int rc = sqlite3_prepare_v2(spool->db, "SELECT sql FROM sqlite_schema ORDER BY rowid",
                                -1, &statement, NULL);
    size_t i = 0;
    if (rc == SQLITE_OK) {
        while ((rc = sqlite3_step(statement)) == SQLITE_ROW) {
            const char *sql = (const char *)sqlite3_column_text(statement, 0);
            if (!sql || !spool_tables[i] || strcmp(sql, spool_tables[i]) != 0) {
                rc = SQLITE_CORRUPT;
                break;
            }
            i++;
        }
    }
    sqlite3_finalize(statement);
    POSTURE_TRY(spool_sql_error(spool, rc));

    int64_t version = 0, pages = 0;
    POSTURE_TRY(db_pragma_int(spool, "PRAGMA user_version", &version));
    POSTURE_TRY(db_pragma_int(spool, "PRAGMA page_count", &pages));
    if (i == 0 && pages <= 1)
        return 1;
    if (spool_tables[i] || version != DB_VERSION)
        return spool_sql_error(spool, SQLITE_CORRUPT);
    return 0;
}

/* The epoch is written beside the database first: a crash in between costs a number,
 * never makes one twice. */
static int db_new_epoch(struct posture_spool *spool, int64_t last, int64_t *ret_epoch,
                        struct posture_error *reterr)
{
    int64_t epoch = spool_now(spool);
    if (epoch <= last)
        epoch = last + 1;
    POSTURE_TRY(spool_epoch_write(spool, epoch, reterr));
    *ret_epoch = epoch;
    return 0;
}

static int db_create(struct posture_spool *spool, struct posture_error *reterr)
{
    int64_t last = 0, epoch = 0;
    POSTURE_TRY(spool_epoch_read(spool, &last));
    POSTURE_TRY(db_new_epoch(spool, last, &epoch, reterr));

    POSTURE_TRY(db_exec(spool, "BEGIN IMMEDIATE"));
    for (size_t i = 0; spool_tables[i]; i++)
        POSTURE_TRY(db_exec(spool, spool_tables[i]));
    char sql[1024];
    snprintf(sql, sizeof(sql), "PRAGMA user_version = %d", DB_VERSION);
    POSTURE_TRY(db_exec(spool, sql));

    int64_t state[SPOOL_STATE_COUNT] = {[SPOOL_STATE_epoch] = epoch};
    for (int topic = 0; topic < POSTURE_SPOOL_TOPIC_COUNT; topic++) {
        /* Ids go on where the database before it was, so that none means two records in
         * one run. */
        int64_t next = spool->state[SPOOL_NEXT_ID(topic)];
        if (next <= spool_topic_first(topic))
            next = spool_topic_first(topic) + 1;
        state[SPOOL_NEXT_ID(topic)] = next;
        state[SPOOL_NEXT_SEQUENCE(topic)] = 1;
        state[SPOOL_ASSIGNED(topic)] = next - 1;
    }
    unsigned char sum[SPOOL_SUM];
    spool_state_sum(spool, state, sum);
    sqlite3_stmt *statement = NULL;
    size_t len = (size_t)snprintf(sql, sizeof(sql), "INSERT INTO state VALUES(1");
    for (int i = 0; i <= SPOOL_STATE_COUNT; i++)
        len += (size_t)snprintf(sql + len, sizeof(sql) - len, ", ?");
    snprintf(sql + len, sizeof(sql) - len, ")");
    int rc = sqlite3_prepare_v2(spool->db, sql, -1, &statement, NULL);
    if (rc == SQLITE_OK) {
        for (int i = 0; i < SPOOL_STATE_COUNT; i++)
            sqlite3_bind_int64(statement, i + 1, state[i]);
        sqlite3_bind_blob(statement, SPOOL_STATE_COUNT + 1, sum, sizeof(sum),
                          SQLITE_TRANSIENT);
        rc = sqlite3_step(statement);
    }
    sqlite3_finalize(statement);
    POSTURE_TRY(spool_sql_error(spool, rc));
    POSTURE_TRY(db_exec(spool, "COMMIT"));
    spool_point(spool, "database.begun");
    return 0;
}

/* A database that is older than the epoch beside it is a copy put back: its numbers may
 * be used up. */
static int db_judge_epoch(struct posture_spool *spool, bool is_older,
                          struct posture_error *reterr)
{
    int64_t last = 0;
    POSTURE_TRY(spool_epoch_read(spool, &last));
    if (last < spool->state[SPOOL_STATE_epoch]) {
        POSTURE_TRY(spool_epoch_write(spool, spool->state[SPOOL_STATE_epoch], reterr));
        last = spool->state[SPOOL_STATE_epoch];
    }
    if (last == spool->state[SPOOL_STATE_epoch] && !is_older)
        return 0;

    int64_t epoch = 0;
    POSTURE_TRY(db_new_epoch(spool, last, &epoch, reterr));
    POSTURE_TRY(spool_run(spool, SPOOL_SQL_BEGIN));
    POSTURE_TRY(db_exec(spool, "DELETE FROM assigned"));
    spool->state[SPOOL_STATE_epoch] = epoch;
    for (int topic = 0; topic < POSTURE_SPOOL_TOPIC_COUNT; topic++) {
        spool->state[SPOOL_NEXT_SEQUENCE(topic)] = 1;
        spool->state[SPOOL_ASSIGNED(topic)] = spool_topic_first(topic);
    }
    POSTURE_TRY(spool_state_save(spool));
    POSTURE_TRY(spool_run(spool, SPOOL_SQL_COMMIT));
    spool->run_count = 0;
    return 0;
}

void spool_db_close(struct posture_spool *spool)
{
    spool->cursor_is_open = false;
    spool->in_transaction = false;
    for (int i = 0; i < SPOOL_SQL_COUNT; i++) {
        sqlite3_finalize(spool->statements[i]);
        spool->statements[i] = NULL;
    }
    sqlite3_close(spool->db);
    spool->db = NULL;
}

/* Before anything is accepted the WAL's content is synced into the database. Where the
 * WAL holds the end of a transaction behind the place up to which SQLite believes it, a
 * frame was damaged and the database is older than what was answered as stored and
 * numbered: told by the new epoch, as with a copy put back. */
static int db_settle_wal(struct posture_spool *spool, int commits, bool *ret_is_cut)
{
    int frames = 0, moved = 0;
    int rc = sqlite3_wal_checkpoint_v2(spool->db, NULL, SQLITE_CHECKPOINT_PASSIVE,
                                       &frames, &moved);
    /* A full disk leaves the WAL as it is: nothing is lost. */
    if ((rc & 0xFF) != SQLITE_FULL)
        POSTURE_TRY(spool_sql_error(spool, rc));
    *ret_is_cut = frames >= 0 && commits > frames;
    spool->wal_cut += *ret_is_cut;
    return 0;
}

static int db_open_file(struct posture_spool *spool, struct posture_error *reterr)
{
    int r = spool_directory_file(spool, reterr);
    if (r < 0)
        return r;
    if (spool->is_suspect)
        POSTURE_TRY(spool_wal_rewrite(spool));
    int commits = spool_wal_commits(spool);

    int rc = sqlite3_open_v2(spool->path, &spool->db,
                             SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX |
                                 SQLITE_OPEN_NOFOLLOW | SQLITE_OPEN_PRIVATECACHE |
                                 SQLITE_OPEN_EXRESCODE,
                             NULL);
    POSTURE_TRY(spool_sql_error(spool, rc));
    sqlite3_db_config(spool->db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    sqlite3_db_config(spool->db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
    /* Closing must not write: it may be the answer to a disk that failed. */
    sqlite3_db_config(spool->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);

    char sql[96];
    snprintf(sql, sizeof(sql), "PRAGMA page_size = %d", SPOOL_PAGE);
    POSTURE_TRY(db_exec(spool, sql));
    /* Exclusive before WAL: the index of the WAL lives on our heap, there is no shared
     * memory file. */
    POSTURE_TRY(db_exec(spool, "PRAGMA locking_mode = EXCLUSIVE"));
    POSTURE_TRY(db_exec(spool, "PRAGMA journal_mode = WAL"));
    POSTURE_TRY(db_exec(spool, "PRAGMA synchronous = FULL"));
    POSTURE_TRY(db_exec(spool, "PRAGMA cell_size_check = ON"));
    POSTURE_TRY(db_exec(spool, "PRAGMA temp_store = MEMORY"));
    POSTURE_TRY(db_exec(spool, "PRAGMA cache_size = -16384"));
    sqlite3_wal_hook(spool->db, db_wal_hook, spool);
    uint64_t pages = spool->config.max_bytes / 16 / SPOOL_PAGE;
    spool->checkpoint_pages = pages < DB_CHECKPOINT_PAGES_MIN   ? DB_CHECKPOINT_PAGES_MIN
                              : pages > DB_CHECKPOINT_PAGES_MAX ? DB_CHECKPOINT_PAGES_MAX
                                                                : (int)pages;

    r = db_schema_judge(spool);
    if (r < 0)
        return r;
    bool is_cut = false;
    POSTURE_TRY(db_settle_wal(spool, commits, &is_cut));
    if (r > 0)
        POSTURE_TRY(db_create(spool, reterr));
    for (int i = 0; i < SPOOL_SQL_COUNT; i++) {
        rc = sqlite3_prepare_v3(spool->db, spool_sql[i], -1, SQLITE_PREPARE_PERSISTENT,
                                &spool->statements[i], NULL);
        POSTURE_TRY(spool_sql_error(spool, rc));
    }
    POSTURE_TRY(spool_state_load(spool));
    return db_judge_epoch(spool, is_cut, reterr);
}

int spool_db_open(struct posture_spool *spool, struct posture_error *reterr)
{
    bool is_damaged = false;
    POSTURE_TRY(spool_damaged_find(spool, &is_damaged, reterr));

    int r = 0;
    for (int attempt = 0; attempt < 2; attempt++) {
        if (spool->is_corrupt && !is_damaged) {
            spool->is_corrupt = false;
            POSTURE_TRY(spool_damaged_begin(spool, reterr));
            is_damaged = true;
        }
        spool->is_broken = false;
        spool->is_corrupt = false;
        r = db_open_file(spool, reterr);
        if (r == 0 && is_damaged)
            r = spool_salvage(spool, reterr);
        if (r == 0) {
            spool->is_suspect = false;
            spool->is_broken = false;
            return 0;
        }
        spool_db_close(spool);
        if (!spool->is_corrupt || is_damaged)
            break;
    }
    return posture_error_set(reterr, r, "%s: cannot be opened: %s", spool->path,
                             posture_strerror(r));
}

int spool_db_checkpoint(struct posture_spool *spool)
{
    spool_point(spool, "checkpoint");
    int rc =
        sqlite3_wal_checkpoint_v2(spool->db, NULL, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);
    /* A full disk leaves the WAL as it is: nothing is lost, the next commit tries again.
     */
    if ((rc & 0xFF) == SQLITE_FULL)
        return 0;
    int r = spool_sql_error(spool, rc);
    if (r == 0)
        spool->wal_pages = 0;
    spool_point(spool, "checkpointed");
    return r;
}

void spool_db_shrink(struct posture_spool *spool)
{
    if (!spool->had_rows || spool->state[SPOOL_STATE_spooled] > 0 ||
        spool->state[SPOOL_STATE_fillers] > 0)
        return;
    int64_t pages = 0;
    if (db_pragma_int(spool, "PRAGMA page_count", &pages) < 0 ||
        pages * SPOOL_PAGE < DB_SHRINK_BYTES)
        return;
    spool->had_rows = false;
    spool_point(spool, "shrink");
    /* Best effort: on failure the file merely stays as large as it is. */
    int rc = sqlite3_exec(spool->db, "VACUUM", NULL, NULL, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_wal_checkpoint_v2(spool->db, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL,
                                       NULL);
    if ((rc & 0xFF) == SQLITE_IOERR)
        spool->is_suspect = true;
}
