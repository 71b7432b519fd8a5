/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */

#include "common/spool/store.h"

#include <errno.h>
#include <string.h>

static const char *list_text(sqlite3_stmt *statement, int column)
{
    const char *text = (const char *)sqlite3_column_text(statement, column);
    return text ? text : "";
}

static void list_item(struct posture_spool *spool, enum posture_spool_list list,
                      sqlite3_stmt *statement, bool has_body,
                      struct posture_spool_item *ret)
{
    int64_t id = sqlite3_column_int64(statement, 0);
    *ret = (struct posture_spool_item){
        .id = id,
        .ce_type = list_text(statement, 2),
        .ce_id = list_text(statement, 3),
        .time_ns = sqlite3_column_int64(statement, 4),
        .key = list_text(statement, 5),
        .body_len = (size_t)sqlite3_column_int64(statement, 6),
    };
    if (list == POSTURE_SPOOL_LIST_ASIDE) {
        ret->plugin = list_text(statement, 1);
        ret->reason = list_text(statement, 8);
        ret->sequence = (uint64_t)sqlite3_column_int64(statement, 9);
        int64_t topic = sqlite3_column_int64(statement, 10);
        ret->topic = topic == POSTURE_SPOOL_INCIDENTS ? POSTURE_SPOOL_INCIDENTS
                                                      : POSTURE_SPOOL_REPORTS;
    } else {
        uint64_t plugin = (uint64_t)sqlite3_column_int64(statement, 1);
        ret->plugin = plugin <= spool->plugin_count ? spool->plugins[plugin].name : "";
        ret->sequence = spool_sequence_of(spool, id);
        ret->topic = spool_topic_of(id) == POSTURE_SPOOL_INCIDENTS
                         ? POSTURE_SPOOL_INCIDENTS
                         : POSTURE_SPOOL_REPORTS;
    }
    if (has_body) {
        ret->body = sqlite3_column_blob(statement, 7);
        ret->body_len = (size_t)sqlite3_column_bytes(statement, 7);
    }
}

int posture_spool_list(struct posture_spool *spool, enum posture_spool_list list,
                       int64_t after, size_t max,
                       int (*cb)(void *data, const struct posture_spool_item *item),
                       void *data)
{
    if (!spool->in_transaction)
        POSTURE_TRY(spool_ensure_open(spool));
    spool_cursor_reset(spool);
    enum spool_statement which =
        list == POSTURE_SPOOL_LIST_ASIDE ? SPOOL_SQL_ASIDE_LIST : SPOOL_SQL_LIST;
    sqlite3_stmt *statement = spool_statement(spool, which);
    sqlite3_bind_int64(statement, 1, after);
    sqlite3_bind_int64(statement, 2, (int64_t)max);
    int rc, r = 0;
    while ((rc = sqlite3_step(statement)) == SQLITE_ROW && r == 0) {
        struct posture_spool_item item;
        list_item(spool, list, statement, /* has_body = */ false, &item);
        r = cb(data, &item);
    }
    sqlite3_reset(statement);
    return r != 0 ? r : spool_sql_error(spool, rc);
}

int posture_spool_show(struct posture_spool *spool, enum posture_spool_list list,
                       int64_t id,
                       int (*cb)(void *data, const struct posture_spool_item *item),
                       void *data)
{
    if (!spool->in_transaction)
        POSTURE_TRY(spool_ensure_open(spool));
    spool_cursor_reset(spool);
    enum spool_statement which =
        list == POSTURE_SPOOL_LIST_ASIDE ? SPOOL_SQL_ASIDE_LIST : SPOOL_SQL_LIST;
    sqlite3_stmt *statement = spool_statement(spool, which);
    sqlite3_bind_int64(statement, 1, id - 1);
    sqlite3_bind_int64(statement, 2, 1);
    int rc = sqlite3_step(statement), r = -ENOENT;
    if (rc == SQLITE_ROW && sqlite3_column_int64(statement, 0) == id) {
        struct posture_spool_item item;
        list_item(spool, list, statement, /* has_body = */ true, &item);
        r = cb(data, &item);
    }
    sqlite3_reset(statement);
    POSTURE_TRY(spool_sql_error(spool, rc));
    return r;
}
