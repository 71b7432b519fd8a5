/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */

#include "common/spool/store.h"

#include "common/base/buf.h"
#include "common/base/uuid.h"

#include <errno.h>
#include <string.h>

static const char row_filler_type[] = "posture.heartbeat.v1";
static const uint64_t row_aside_bytes_max = 16 * 1024 * 1024;

uint64_t spool_entry_size(const struct posture_spool_entry *entry)
{
    return entry->body_len + strlen(entry->key) + POSTURE_SPOOL_ENTRY_BYTES;
}

/* First 8 bytes of SHA-256 of topic and key; never 0, which marks an empty slot. */
int64_t spool_key_hash(struct posture_spool *spool, int topic, const char *key)
{
    unsigned char sum[SPOOL_SUM], t = (unsigned char)topic;
    unsigned len = 0;
    if (EVP_DigestInit_ex2(spool->digest, spool->sha256, NULL) != 1 ||
        EVP_DigestUpdate(spool->digest, &t, 1) != 1 ||
        EVP_DigestUpdate(spool->digest, key, strlen(key)) != 1 ||
        EVP_DigestFinal_ex(spool->digest, sum, &len) != 1)
        return 1;
    uint64_t hash = 0;
    for (int i = 0; i < 8; i++)
        hash = hash << 8 | sum[i];
    return hash == 0 ? 1 : (int64_t)hash;
}

static unsigned char *row_put(unsigned char *p, uint64_t v)
{
    for (int b = 0; b < 8; b++)
        *p++ = (unsigned char)(v >> (56 - 8 * b));
    return p;
}

/* Over the id and every column, each with its length: a row that moved or was cut does
 * not match. */
static int row_sum(struct posture_spool *spool, int64_t id,
                   const struct posture_spool_entry *entry,
                   unsigned char sum[static SPOOL_SUM])
{
    unsigned char head[7 * 8], *p = head;
    size_t type_len = strlen(entry->ce_type), id_len = strlen(entry->ce_id);
    size_t key_len = strlen(entry->key);
    p = row_put(p, (uint64_t)id);
    p = row_put(p, (uint64_t)entry->time_ns);
    p = row_put(p, type_len);
    p = row_put(p, id_len);
    p = row_put(p, key_len);
    p = row_put(p, entry->body ? 1 : 0);
    p = row_put(p, entry->body_len);
    unsigned len = 0;
    if (EVP_DigestInit_ex2(spool->digest, spool->sha256, NULL) != 1 ||
        EVP_DigestUpdate(spool->digest, head, (size_t)(p - head)) != 1 ||
        EVP_DigestUpdate(spool->digest, entry->ce_type, type_len) != 1 ||
        EVP_DigestUpdate(spool->digest, entry->ce_id, id_len) != 1 ||
        EVP_DigestUpdate(spool->digest, entry->key, key_len) != 1 ||
        (entry->body_len > 0 &&
         EVP_DigestUpdate(spool->digest, entry->body, entry->body_len) != 1) ||
        EVP_DigestFinal_ex(spool->digest, sum, &len) != 1)
        return -ENOMEM;
    return 0;
}

/* A column as a string without NUL inside, at most max - 1 bytes; NULL otherwise. */
static const char *row_text(sqlite3_stmt *statement, int column, size_t max)
{
    if (sqlite3_column_type(statement, column) != SQLITE_TEXT)
        return NULL;
    const char *text = (const char *)sqlite3_column_text(statement, column);
    int bytes = sqlite3_column_bytes(statement, column);
    return text && (size_t)bytes < max && strlen(text) == (size_t)bytes ? text : NULL;
}

bool spool_row_read(struct posture_spool *spool, sqlite3_stmt *statement, int first,
                    int64_t id, struct posture_spool_entry *ret)
{
    struct posture_spool_entry entry = {
        .topic = (enum posture_spool_topic)spool_topic_of(id),
        .ce_type = row_text(statement, first, POSTURE_SPOOL_NAME_MAX),
        .ce_id = row_text(statement, first + 1, POSTURE_SPOOL_NAME_MAX),
        .time_ns = sqlite3_column_int64(statement, first + 2),
        .key = row_text(statement, first + 3, POSTURE_SPOOL_KEY_MAX),
    };
    const void *stored = sqlite3_column_blob(statement, first + 4);
    if (!entry.ce_type || !entry.ce_id || !entry.key || !stored ||
        sqlite3_column_bytes(statement, first + 4) != SPOOL_SUM)
        return false;
    if (sqlite3_column_type(statement, first + 5) != SQLITE_NULL) {
        entry.body = sqlite3_column_blob(statement, first + 5);
        entry.body_len = (size_t)sqlite3_column_bytes(statement, first + 5);
        if (!entry.body)
            entry.body = ""; /* an empty body is not a null one */
    }
    unsigned char sum[SPOOL_SUM];
    if (row_sum(spool, id, &entry, sum) < 0 || memcmp(sum, stored, SPOOL_SUM) != 0)
        return false;
    *ret = entry;
    return true;
}

static void row_bind(sqlite3_stmt *statement, int64_t id,
                     const struct posture_spool_entry *entry, const unsigned char *sum)
{
    sqlite3_bind_int64(statement, 1, id);
    sqlite3_bind_text(statement, 2, entry->ce_type, -1, SQLITE_STATIC);
    sqlite3_bind_text(statement, 3, entry->ce_id, -1, SQLITE_STATIC);
    sqlite3_bind_int64(statement, 4, entry->time_ns);
    sqlite3_bind_text(statement, 5, entry->key, -1, SQLITE_STATIC);
    sqlite3_bind_blob(statement, 6, sum, SPOOL_SUM, SQLITE_STATIC);
}

int spool_row_add(struct posture_spool *spool, int64_t id, size_t plugin,
                  const struct posture_spool_entry *entry)
{
    unsigned char sum[SPOOL_SUM];
    POSTURE_TRY(row_sum(spool, id, entry, sum));
    sqlite3_stmt *statement = spool_statement(spool, SPOOL_SQL_RECORD_ADD);
    row_bind(statement, id, entry, sum);
    if (entry->body)
        sqlite3_bind_blob(statement, 7, entry->body, (int)entry->body_len, SQLITE_STATIC);
    else
        sqlite3_bind_null(statement, 7);
    POSTURE_TRY(spool_run(spool, SPOOL_SQL_RECORD_ADD));

    uint64_t size = spool_entry_size(entry);
    int64_t hash = spool_key_hash(spool, entry->topic, entry->key);
    statement = spool_statement(spool, SPOOL_SQL_META_ADD);
    sqlite3_bind_int64(statement, 1, id);
    sqlite3_bind_int64(statement, 2, (int64_t)plugin);
    sqlite3_bind_int64(statement, 3, (int64_t)size);
    sqlite3_bind_int64(statement, 4, hash);
    POSTURE_TRY(spool_run(spool, SPOOL_SQL_META_ADD));

    spool_newest_note(spool, entry->topic, (uint64_t)hash, id);
    spool->state[SPOOL_STATE_spooled]++;
    spool->state[SPOOL_STATE_spooled_bytes] += (int64_t)size;
    spool->plugins[plugin].rows++;
    spool->plugins[plugin].bytes += size;
    spool->plugins[plugin].is_dirty = true;
    spool->had_rows = true;
    return 0;
}

int spool_rows_delete(struct posture_spool *spool, int64_t first, int64_t last)
{
    sqlite3_stmt *statement = spool_statement(spool, SPOOL_SQL_RECORD_DELETE);
    sqlite3_bind_int64(statement, 1, first);
    sqlite3_bind_int64(statement, 2, last);
    POSTURE_TRY(spool_run(spool, SPOOL_SQL_RECORD_DELETE));
    statement = spool_statement(spool, SPOOL_SQL_META_DELETE);
    sqlite3_bind_int64(statement, 1, first);
    sqlite3_bind_int64(statement, 2, last);
    return spool_run(spool, SPOOL_SQL_META_DELETE);
}

void spool_row_forget(struct posture_spool *spool, size_t plugin, uint64_t size)
{
    int64_t *state = spool->state;
    /* A damaged index can show a row that was counted out before. */
    if (state[SPOOL_STATE_spooled] == 0)
        state[SPOOL_STATE_accepted]++;
    else
        state[SPOOL_STATE_spooled]--;
    state[SPOOL_STATE_spooled_bytes] -= (int64_t)size;
    /* meta has no checksum: its sizes may have been damaged. */
    if (state[SPOOL_STATE_spooled] == 0 || state[SPOOL_STATE_spooled_bytes] < 0)
        state[SPOOL_STATE_spooled_bytes] = 0;
    struct spool_plugin *p = &spool->plugins[plugin];
    p->rows -= p->rows > 0 ? 1 : 0;
    p->bytes = p->rows == 0 || p->bytes < size ? 0 : p->bytes - size;
    p->is_dirty = true;
}

static int row_fill(struct posture_spool *spool, int64_t id)
{
    char ce_id[POSTURE_UUID_TEXT];
    POSTURE_TRY(posture_uuid7(spool_now(spool), ce_id));
    const struct posture_spool_entry filler = {
        .ce_type = row_filler_type,
        .ce_id = ce_id,
        .time_ns = spool_now(spool),
        .key = "",
    };
    unsigned char sum[SPOOL_SUM];
    POSTURE_TRY(row_sum(spool, id, &filler, sum));
    row_bind(spool_statement(spool, SPOOL_SQL_RECORD_FILL), id, &filler, sum);
    POSTURE_TRY(spool_run(spool, SPOOL_SQL_RECORD_FILL));
    sqlite3_bind_int64(spool_statement(spool, SPOOL_SQL_META_FILL), 1, id);
    POSTURE_TRY(spool_run(spool, SPOOL_SQL_META_FILL));
    spool->state[SPOOL_STATE_fillers]++;
    return 0;
}

int spool_row_set_aside(struct posture_spool *spool, int64_t id, size_t plugin,
                        uint64_t size, enum spool_state_field counter, const char *reason)
{
    uint64_t sequence = spool_sequence_of(spool, id);
    sqlite3_stmt *statement = spool_statement(spool, SPOOL_SQL_ASIDE_ADD);
    sqlite3_bind_int64(statement, 1, id);
    sqlite3_bind_text(statement, 2,
                      counter == SPOOL_STATE_refused ? "refused" : "corrupt", -1,
                      SQLITE_STATIC);
    sqlite3_bind_text(statement, 3, reason, -1, SQLITE_STATIC);
    sqlite3_bind_text(statement, 4, spool->plugins[plugin].name, -1, SQLITE_STATIC);
    sqlite3_bind_int64(statement, 5, spool_topic_of(id));
    sqlite3_bind_int64(statement, 6, (int64_t)sequence);
    POSTURE_TRY(spool_run(spool, SPOOL_SQL_ASIDE_ADD));
    statement = spool_statement(spool, SPOOL_SQL_ASIDE_TRIM);
    sqlite3_bind_int64(statement, 1, SPOOL_ASIDE_MAX);
    sqlite3_bind_int64(statement, 2, (int64_t)row_aside_bytes_max);
    POSTURE_TRY(spool_run(spool, SPOOL_SQL_ASIDE_TRIM));

    spool->state[counter]++;
    spool_row_forget(spool, plugin, size);
    return sequence > 0 ? row_fill(spool, id) : spool_rows_delete(spool, id, id);
}
