/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */

#include "common/spool/store.h"

#include <string.h>

/*
 * The database's tables and every statement. Kept as they stand in sqlite_schema: the
 * text found there is compared byte for byte, because a database whose schema was damaged
 * may still parse.
 */
#define STATE_COLUMN(name) #name " INTEGER NOT NULL, "
#define STATE_NAME(name)   #name ", "
#define STATE_SET(name)    #name " = ?, "

const char *const spool_tables[] = {
    "CREATE TABLE record(id INTEGER PRIMARY KEY, ce_type TEXT NOT NULL, ce_id TEXT NOT "
    "NULL, "
    "time_ns INTEGER NOT NULL, key TEXT NOT NULL, sum BLOB NOT NULL, body BLOB)",
    "CREATE TABLE meta(id INTEGER PRIMARY KEY, plugin INTEGER NOT NULL, size INTEGER NOT "
    "NULL, "
    "hash INTEGER NOT NULL)",
    "CREATE TABLE assigned(first INTEGER PRIMARY KEY, last INTEGER NOT NULL, "
    "sequence INTEGER NOT NULL)",
    "CREATE TABLE plugin(id INTEGER PRIMARY KEY, name TEXT NOT NULL, rows INTEGER NOT "
    "NULL, "
    "bytes INTEGER NOT NULL)",
    "CREATE TABLE state(one INTEGER PRIMARY KEY, " SPOOL_STATE_FIELDS(
        STATE_COLUMN) "sum BLOB NOT NULL)",
    "CREATE TABLE aside(id INTEGER PRIMARY KEY, what TEXT NOT NULL, reason TEXT NOT "
    "NULL, "
    "plugin TEXT NOT NULL, topic INTEGER NOT NULL, sequence INTEGER NOT NULL, ce_type "
    "TEXT, "
    "ce_id TEXT, time_ns INTEGER, key TEXT, body BLOB)",
    NULL,
};

const char *const spool_sql[SPOOL_SQL_COUNT] = {
    [SPOOL_SQL_BEGIN] = "BEGIN IMMEDIATE",
    [SPOOL_SQL_COMMIT] = "COMMIT",
    [SPOOL_SQL_ROLLBACK] = "ROLLBACK",
    [SPOOL_SQL_STATE_LOAD] =
        "SELECT " SPOOL_STATE_FIELDS(STATE_NAME) "sum FROM state WHERE one = 1",
    [SPOOL_SQL_STATE_SAVE] =
        "UPDATE state SET " SPOOL_STATE_FIELDS(STATE_SET) "sum = ? WHERE one = 1",
    [SPOOL_SQL_PLUGIN_ADD] =
        "INSERT INTO plugin(id, name, rows, bytes) VALUES(?, ?, 0, 0)",
    [SPOOL_SQL_PLUGIN_SAVE] = "UPDATE plugin SET rows = ?, bytes = ? WHERE id = ?",
    [SPOOL_SQL_PLUGIN_LOAD] = "SELECT id, name, rows, bytes FROM plugin ORDER BY id",
    [SPOOL_SQL_RECORD_ADD] =
        "INSERT INTO record(id, ce_type, ce_id, time_ns, key, sum, body) "
        "VALUES(?, ?, ?, ?, ?, ?, ?)",
    [SPOOL_SQL_META_ADD] = "INSERT INTO meta(id, plugin, size, hash) VALUES(?, ?, ?, ?)",
    [SPOOL_SQL_RECORD_DELETE] = "DELETE FROM record WHERE id BETWEEN ? AND ?",
    [SPOOL_SQL_META_DELETE] = "DELETE FROM meta WHERE id BETWEEN ? AND ?",
    [SPOOL_SQL_RECORD_FILL] =
        "REPLACE INTO record(id, ce_type, ce_id, time_ns, key, sum, body) "
        "VALUES(?, ?, ?, ?, ?, ?, NULL)",
    [SPOOL_SQL_META_FILL] =
        "REPLACE INTO meta(id, plugin, size, hash) VALUES(?, 0, 0, 0)",
    [SPOOL_SQL_ASIDE_ADD] =
        "INSERT INTO aside(what, reason, plugin, topic, sequence, ce_type, ce_id, "
        "time_ns, key, "
        "body) SELECT ?2, ?3, ?4, ?5, ?6, ce_type, ce_id, time_ns, key, body FROM record "
        "WHERE id = ?1",
    [SPOOL_SQL_ASIDE_TRIM] =
        "DELETE FROM aside WHERE id <= (SELECT id FROM (SELECT id, "
        "row_number() OVER newest AS n, sum(length(body)) OVER newest AS bytes FROM "
        "aside "
        "WINDOW newest AS (ORDER BY id DESC)) WHERE n > ?1 OR (n > 1 AND bytes > ?2) "
        "ORDER BY id DESC LIMIT 1)",
    [SPOOL_SQL_WAITING_IDS] = "SELECT id FROM meta WHERE id > ? AND id <= ? ORDER BY id",
    [SPOOL_SQL_ASSIGNED_ADD] =
        "INSERT INTO assigned(first, last, sequence) VALUES(?, ?, ?)",
    [SPOOL_SQL_ASSIGNED_GROW] = "UPDATE assigned SET last = ? WHERE first = ?",
    [SPOOL_SQL_ASSIGNED_DELETE] = "DELETE FROM assigned WHERE first = ?",
    [SPOOL_SQL_ASSIGNED_LOAD] =
        "SELECT first, last, sequence FROM assigned ORDER BY first",
    [SPOOL_SQL_FIRST_ID] =
        "SELECT id FROM meta WHERE id >= ? AND id <= ? ORDER BY id LIMIT 1",
    [SPOOL_SQL_NEXT] = "SELECT m.id, m.plugin, m.size, r.id, r.ce_type, r.ce_id, "
                       "r.time_ns, r.key, r.sum, "
                       "r.body FROM meta m LEFT JOIN record r ON r.id = m.id "
                       "WHERE m.id > ? AND m.id <= ? ORDER BY m.id",
    [SPOOL_SQL_NEWEST] = "SELECT id, hash FROM meta WHERE id <= ? ORDER BY id",
    [SPOOL_SQL_SUPERSEDED] =
        "SELECT id, plugin, size, hash FROM meta WHERE id > ? AND id <= ? ORDER BY id",
    [SPOOL_SQL_OLDEST] = "SELECT id, size, hash FROM meta WHERE id > ? AND id <= ? AND "
                         "plugin = ? ORDER BY id LIMIT 1",
    [SPOOL_SQL_LIST] =
        "SELECT m.id, m.plugin, r.ce_type, r.ce_id, r.time_ns, r.key, length(r.body), "
        "r.body, '', '' FROM meta m JOIN record r ON r.id = m.id "
        "WHERE m.id > ? AND m.plugin > 0 ORDER BY m.id LIMIT ?",
    [SPOOL_SQL_ASIDE_LIST] =
        "SELECT id, plugin, ce_type, ce_id, time_ns, key, length(body), body, "
        "what || ': ' || reason, sequence, topic FROM aside WHERE id > ? ORDER BY id "
        "LIMIT ?",
};

const char *posture_spool_not_accepted_name(enum posture_spool_not_accepted reason)
{
    static const char *const names[POSTURE_SPOOL_NOT_COUNT] = {
        [POSTURE_SPOOL_NOT_DISK_FULL] = "disk_full",
        [POSTURE_SPOOL_NOT_IO] = "io",
        [POSTURE_SPOOL_NOT_CAP] = "cap",
        [POSTURE_SPOOL_NOT_INVALID] = "invalid",
    };
    return (unsigned)reason < POSTURE_SPOOL_NOT_COUNT ? names[reason] : "unknown";
}
