/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */

#include "common/spool/store.h"

#include <errno.h>
#include <string.h>

/*
 * The cap. What goes, in this order, and only what has no sequence number yet (a number,
 * once given, is delivered): reports of which a newer one of the same subject waits; then
 * the oldest report of the plugin that stores most, which is the one furthest above an
 * equal share; incidents only for incidents.
 *
 * Which reports are superseded is known from a table of the newest id of each key, on the
 * heap. It is built by one pass over the narrow table when room is first needed, and kept
 * up from then on.
 */
enum { NEWEST_FIRST = 1024, NEWEST_MAX = 1 << 24 };

void spool_newest_forget(struct posture_spool *spool)
{
    free(spool->newest.slots);
    spool->newest = (struct spool_newest){0};
    for (size_t i = 0; i <= POSTURE_SPOOL_PLUGINS_MAX; i++)
        memset(spool->plugins[i].oldest_after, 0, sizeof(spool->plugins[i].oldest_after));
}

static struct spool_newest_slot *newest_slot(const struct spool_newest *newest,
                                             uint64_t hash)
{
    size_t i = (size_t)hash & (newest->cap - 1);
    while (newest->slots[i].hash != 0 && newest->slots[i].hash != hash)
        i = (i + 1) & (newest->cap - 1);
    return &newest->slots[i];
}

static int newest_grow(struct spool_newest *newest)
{
    struct spool_newest bigger = *newest;
    bigger.cap = newest->cap > 0 ? newest->cap * 2 : NEWEST_FIRST;
    if (bigger.cap > NEWEST_MAX)
        return POSTURE_E_LIMIT;
    bigger.slots = posture_calloc(bigger.cap, sizeof(*bigger.slots));
    if (!bigger.slots)
        return -ENOMEM;
    for (size_t i = 0; i < newest->cap; i++) {
        if (newest->slots[i].hash != 0)
            *newest_slot(&bigger, newest->slots[i].hash) = newest->slots[i];
    }
    free(newest->slots);
    *newest = bigger;
    return 0;
}

static int newest_put(struct spool_newest *newest, uint64_t hash, int64_t id,
                      int64_t *ret_old)
{
    if (newest->count * 4 >= newest->cap * 3)
        POSTURE_TRY(newest_grow(newest));
    struct spool_newest_slot *slot = newest_slot(newest, hash);
    if (slot->hash == 0)
        newest->count++;
    *ret_old = slot->hash == 0 ? 0 : slot->id;
    *slot = (struct spool_newest_slot){.hash = hash, .id = id};
    return 0;
}

void spool_newest_note(struct posture_spool *spool, int topic, uint64_t hash, int64_t id)
{
    struct spool_newest *newest = &spool->newest;
    if (!newest->is_built || topic != POSTURE_SPOOL_REPORTS)
        return;
    int64_t old = 0;
    if (newest_put(newest, hash, id, &old) < 0) {
        spool_newest_forget(spool);
        return;
    }
    /* The sweep has passed the one that is now superseded: send it back. */
    if (old > 0 && old <= newest->superseded_after)
        newest->superseded_after = old - 1;
}

static int newest_build(struct posture_spool *spool)
{
    spool_newest_forget(spool);
    sqlite3_stmt *statement = spool_statement(spool, SPOOL_SQL_NEWEST);
    sqlite3_bind_int64(statement, 1, spool_topic_last(POSTURE_SPOOL_REPORTS));
    int rc, r = 0;
    while (r == 0 && (rc = sqlite3_step(statement)) == SQLITE_ROW) {
        int64_t old = 0;
        uint64_t hash = (uint64_t)sqlite3_column_int64(statement, 1);
        if (hash != 0)
            r = newest_put(&spool->newest, hash, sqlite3_column_int64(statement, 0),
                           &old);
    }
    sqlite3_reset(statement);
    if (r < 0) {
        spool_newest_forget(spool);
        return r;
    }
    POSTURE_TRY(spool_sql_error(spool, rc));
    spool->newest.is_built = true;
    return 0;
}

static int evict_row(struct posture_spool *spool, int64_t id, size_t plugin,
                     uint64_t size, enum spool_state_field counter)
{
    POSTURE_TRY(spool_rows_delete(spool, id, id));
    spool_row_forget(spool, plugin, size);
    spool->state[counter]++;
    return 1;
}

/* 1 when one went. */
static int evict_superseded(struct posture_spool *spool)
{
    if (!spool->newest.is_built) {
        int r = newest_build(spool);
        /* Without the table the oldest go instead. */
        if (r == -ENOMEM || r == POSTURE_E_LIMIT)
            return 0;
        POSTURE_TRY(r);
    }
    struct spool_newest *newest = &spool->newest;
    if (newest->cap == 0)
        return 0;
    int64_t after = newest->superseded_after;
    if (after < spool->state[SPOOL_ASSIGNED(POSTURE_SPOOL_REPORTS)])
        after = spool->state[SPOOL_ASSIGNED(POSTURE_SPOOL_REPORTS)];

    sqlite3_stmt *statement = spool_statement(spool, SPOOL_SQL_SUPERSEDED);
    sqlite3_bind_int64(statement, 1, after);
    sqlite3_bind_int64(statement, 2, spool_topic_last(POSTURE_SPOOL_REPORTS));
    int rc;
    size_t plugin = 0;
    uint64_t size = 0;
    while ((rc = sqlite3_step(statement)) == SQLITE_ROW) {
        after = sqlite3_column_int64(statement, 0);
        plugin = (size_t)sqlite3_column_int64(statement, 1);
        size = (uint64_t)sqlite3_column_int64(statement, 2);
        uint64_t hash = (uint64_t)sqlite3_column_int64(statement, 3);
        if (hash == 0 || plugin == SPOOL_FILLER || plugin > spool->plugin_count)
            continue;
        const struct spool_newest_slot *slot = newest_slot(newest, hash);
        if (slot->hash != 0 && slot->id > after)
            break;
    }
    sqlite3_reset(statement);
    POSTURE_TRY(spool_sql_error(spool, rc));
    newest->superseded_after = after;
    return rc == SQLITE_ROW
               ? evict_row(spool, after, plugin, size, SPOOL_STATE_evicted_superseded)
               : 0;
}

/* 1 when one went. */
static int evict_oldest(struct posture_spool *spool, int topic)
{
    bool is_tried[POSTURE_SPOOL_PLUGINS_MAX + 1] = {false};
    for (;;) {
        size_t most = 0;
        for (size_t i = 1; i <= spool->plugin_count; i++) {
            if (!is_tried[i] && spool->plugins[i].rows > 0 &&
                (most == 0 || spool->plugins[i].bytes > spool->plugins[most].bytes))
                most = i;
        }
        if (most == 0)
            return 0;
        is_tried[most] = true;

        struct spool_plugin *plugin = &spool->plugins[most];
        int64_t after = plugin->oldest_after[topic];
        if (after < spool->state[SPOOL_ASSIGNED(topic)])
            after = spool->state[SPOOL_ASSIGNED(topic)];
        sqlite3_stmt *statement = spool_statement(spool, SPOOL_SQL_OLDEST);
        sqlite3_bind_int64(statement, 1, after);
        sqlite3_bind_int64(statement, 2, spool_topic_last(topic));
        sqlite3_bind_int64(statement, 3, (int64_t)most);
        int rc = sqlite3_step(statement);
        int64_t id = rc == SQLITE_ROW ? sqlite3_column_int64(statement, 0) : 0;
        uint64_t size =
            rc == SQLITE_ROW ? (uint64_t)sqlite3_column_int64(statement, 1) : 0;
        uint64_t hash =
            rc == SQLITE_ROW ? (uint64_t)sqlite3_column_int64(statement, 2) : 0;
        sqlite3_reset(statement);
        POSTURE_TRY(spool_sql_error(spool, rc));
        if (rc != SQLITE_ROW) {
            /* Nothing of it up to the newest id; later ones are above. */
            plugin->oldest_after[topic] = spool->state[SPOOL_NEXT_ID(topic)] - 1;
            continue;
        }
        plugin->oldest_after[topic] = id;
        if (spool->newest.is_built && topic == POSTURE_SPOOL_REPORTS && hash != 0) {
            struct spool_newest_slot *slot = newest_slot(&spool->newest, hash);
            if (slot->hash != 0 && slot->id == id)
                slot->id =
                    0; /* no id is below it: nothing is superseded by it any more */
        }
        return evict_row(spool, id, most, size, SPOOL_STATE_evicted_oldest);
    }
}

int spool_evict(struct posture_spool *spool, const struct posture_spool_entry *entry)
{
    uint64_t size = spool_entry_size(entry);
    if ((uint64_t)spool->state[SPOOL_STATE_spooled_bytes] + size <=
        spool->config.max_bytes)
        return 0;

    /* The entry itself may supersede one that waits. */
    int64_t id = spool->state[SPOOL_NEXT_ID(entry->topic)];
    if (entry->topic == POSTURE_SPOOL_REPORTS) {
        if (!spool->newest.is_built) {
            int r = newest_build(spool);
            if (r < 0 && r != -ENOMEM && r != POSTURE_E_LIMIT)
                return r;
        }
        spool_newest_note(spool, entry->topic,
                          (uint64_t)spool_key_hash(spool, entry->topic, entry->key), id);
    }
    while ((uint64_t)spool->state[SPOOL_STATE_spooled_bytes] + size >
           spool->config.max_bytes) {
        int r = evict_superseded(spool);
        if (r == 0)
            r = evict_oldest(spool, POSTURE_SPOOL_REPORTS);
        if (r == 0 && entry->topic == POSTURE_SPOOL_INCIDENTS)
            r = evict_oldest(spool, POSTURE_SPOOL_INCIDENTS);
        if (r < 0)
            return r;
        if (r == 0) {
            spool_newest_forget(spool); /* it names an id that will not be */
            return POSTURE_E_BUSY;
        }
    }
    spool_point(spool, "evicted");
    return 0;
}
