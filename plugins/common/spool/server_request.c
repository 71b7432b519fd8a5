/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */

#include "common/spool/server_parts.h"

#include "common/base/clock.h"
#include "common/base/uuid.h"
#include "common/report/json.h"
#include "common/report/report.h"
#include "common/report/subject.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static const char request_admin[] = "admin";

void server_goodbye(struct server_connection *connection, const char *reason)
{
    const struct posture_frame frame = {.type = POSTURE_FRAME_GOODBYE,
                                        .reason = posture_frame_text(reason)};
    (void)posture_frame_encode(&frame, &connection->out);
    connection->is_ending = true;
}

int server_frame_next(struct server_connection *connection, struct posture_frame *ret,
                      size_t *ret_used)
{
    if (connection->is_ending || connection->is_closing)
        return 0;
    size_t max = connection->is_known ? POSTURE_FRAME_MAX : POSTURE_FRAME_HELLO_MAX;
    int r = posture_frame_decode(connection->in + connection->in_used,
                                 connection->in_len - connection->in_used, max, ret,
                                 ret_used);
    if (r >= 0)
        return r;
    connection->server->stats.protocol_errors++;
    server_goodbye(connection,
                   r == POSTURE_E_LIMIT ? "frame is too long" : "not a frame");
    return r;
}

static bool plugin_is_known(const struct posture_spool_server *server, const char *plugin)
{
    for (const struct posture_spool_kind *k = server->config.kinds; k && k->plugin; k++) {
        if (strcmp(k->plugin, plugin) == 0)
            return true;
    }
    return false;
}

void server_greet(struct server_connection *connection)
{
    struct posture_spool_server *server = connection->server;
    struct posture_frame frame;
    size_t used = 0;
    if (connection->is_known || server_frame_next(connection, &frame, &used) != 1)
        return;
    connection->in_used += used;

    const char *why = NULL;
    if (frame.type != POSTURE_FRAME_HELLO)
        why = "expected HELLO first";
    else if (frame.version != POSTURE_FRAME_VERSION)
        why = "this version is not spoken here";
    else if (!posture_frame_text_copy(frame.plugin, connection->plugin,
                                      sizeof(connection->plugin)))
        why = "plugin name is too long";
    else if (strcmp(connection->plugin, request_admin) == 0)
        connection->is_admin = true;
    else if (!plugin_is_known(server, connection->plugin))
        why = "no such plugin";
    if (why) {
        server->stats.peers_refused++;
        server_goodbye(connection, why);
        if (server->config.ops->peer_refused)
            server->config.ops->peer_refused(server->config.data, why);
        return;
    }
    connection->is_known = true;
    const struct posture_frame welcome = {
        .type = POSTURE_FRAME_WELCOME,
        .version = POSTURE_FRAME_VERSION,
        .agency = posture_frame_text(server->agency),
        .reporter = posture_frame_text(server->reporter),
    };
    if (posture_frame_encode(&welcome, &connection->out) < 0)
        connection->is_ending = true;
}

/* Without memory for an answer the connection ends: the peer sends again what was not
 * answered. */
static void answer_hold(struct server_connection *connection, uint32_t id,
                        enum posture_frame_answer answer, const char *reason)
{
    struct posture_spool_server *server = connection->server;
    if (connection->answer_count == connection->answer_cap) {
        size_t cap = connection->answer_cap > 0 ? connection->answer_cap * 2 : 64;
        struct server_answer *answers =
            posture_reallocarray(connection->answers, cap, sizeof(*answers));
        if (!answers) {
            connection->is_ending = true;
            return;
        }
        connection->answers = answers;
        connection->answer_cap = cap;
    }
    connection->answers[connection->answer_count++] = (struct server_answer){
        .id = id,
        .answer = (uint8_t)answer,
        .reason = reason ? posture_strndup(reason, POSTURE_FRAME_TEXT_MAX) : NULL,
    };
    if (answer == POSTURE_ANSWER_REFUSED)
        server->stats.entries_refused++;
}

void server_answer_all(struct server_connection *connection, int r)
{
    struct posture_spool_server *server = connection->server;
    struct posture_spool_stats spool;
    if (connection->answer_count > 0)
        posture_spool_stats(server->config.spool, &spool);
    for (size_t i = 0; i < connection->answer_count; i++) {
        struct server_answer *held = &connection->answers[i];
        const char *reason = held->reason ? held->reason : "";
        uint8_t answer = held->answer;
        if (answer == POSTURE_ANSWER_STORED && r < 0) {
            answer = POSTURE_ANSWER_RETRY;
            reason = posture_strerror(r);
        }
        server->stats.entries_stored += answer == POSTURE_ANSWER_STORED;
        server->stats.entries_retry += answer == POSTURE_ANSWER_RETRY;
        const struct posture_frame frame = {
            .type = POSTURE_FRAME_ANSWER,
            .id = held->id,
            .answer = answer,
            .flags = spool.near_cap ? POSTURE_FRAME_NEAR_CAP : 0,
            .reason = posture_frame_text(reason),
        };
        if (posture_frame_encode(&frame, &connection->out) < 0)
            connection->is_ending = true;
        free(held->reason);
    }
    connection->answer_count = 0;
}

static int entry_refuse(struct posture_error *error, const char *member, const char *got,
                        const char *expected)
{
    return posture_error_set(error, POSTURE_E_DENIED, "%s is '%.200s', expected '%.200s'",
                             member, got ? got : "", expected);
}

/* The body must say of itself what the connection may say. */
static int report_judge(const struct server_connection *connection,
                        const struct posture_frame *frame, const char *kind,
                        const char *subject, const char *ce_id,
                        struct posture_error *error)
{
    const struct posture_spool_server *server = connection->server;
    bool is_own = false;
    for (const struct posture_spool_kind *k = server->config.kinds; k && k->plugin; k++)
        is_own = is_own || (strcmp(k->plugin, connection->plugin) == 0 &&
                            strcmp(k->kind, kind) == 0);
    if (!is_own)
        return posture_error_set(error, POSTURE_E_DENIED, "kind '%s' is not %s's", kind,
                                 connection->plugin);
    if (!frame->has_body)
        return posture_error_set(error, POSTURE_E_FORMAT, "a report has a body");
    if (frame->body.len > POSTURE_REPORT_MAX)
        return posture_error_set(error, POSTURE_E_LIMIT, "longer than %d bytes",
                                 POSTURE_REPORT_MAX);
    if (!posture_subject_is_canonical(subject))
        return posture_error_set(error, POSTURE_E_FORMAT,
                                 "subject '%.200s' is not in its canonical spelling",
                                 subject);

    json_auto_t *root = NULL;
    POSTURE_TRY(posture_json_parse(frame->body.bytes, frame->body.len, &root, error));
    const struct {
        const char *member, *expected;
    } members[] = {
        {"schema", "posture.report/1"}, {"agency", server->agency},
        {"reporter", server->reporter}, {"kind", kind},
        {"subject", subject},           {"id", ce_id},
    };
    for (size_t i = 0; i < POSTURE_COUNT(members); i++) {
        const char *got = posture_json_string(root, members[i].member);
        if (!got || strcmp(got, members[i].expected) != 0)
            return entry_refuse(error, members[i].member, got, members[i].expected);
    }
    return 0;
}

/* 0 when the entry is in the transaction. */
static int entry_add(struct server_connection *connection,
                     const struct posture_frame *frame, int r_transaction,
                     struct posture_error *error)
{
    struct posture_spool_server *server = connection->server;
    char kind[POSTURE_SPOOL_NAME_MAX], subject[POSTURE_SUBJECT_MAX], key[POSTURE_KEY_MAX];
    char ce_id[POSTURE_SPOOL_NAME_MAX];
    struct posture_spool_entry entry = {
        .plugin = connection->plugin,
        .topic = POSTURE_SPOOL_REPORTS,
        .ce_type = "posture.report.v1",
        .ce_id = ce_id,
        .time_ns = frame->time_ns,
        .key = key,
    };
    if (!posture_frame_text_copy(frame->kind, kind, sizeof(kind)) ||
        !posture_frame_text_copy(frame->subject, subject, sizeof(subject)) ||
        !posture_frame_text_copy(frame->ce_id, ce_id, sizeof(ce_id)))
        return posture_error_set(error, POSTURE_E_LIMIT,
                                 "kind, subject or id is too long");

    if (frame->type == POSTURE_FRAME_REPORT) {
        POSTURE_TRY(report_judge(connection, frame, kind, subject, ce_id, error));
        entry.body = frame->body.bytes;
        entry.body_len = frame->body.len;
    } else {
        if (!posture_subject_is_canonical(subject))
            return posture_error_set(error, POSTURE_E_FORMAT,
                                     "subject '%.200s' is not in its canonical spelling",
                                     subject);
        entry.ce_type = "posture.retire.v1";
        entry.time_ns = posture_now_ns();
        int r = posture_uuid7(entry.time_ns, ce_id);
        if (r < 0)
            return posture_error_set(error, r, "%s", posture_strerror(r));
    }
    int r = posture_key_format(server->agency, server->reporter, kind, subject, key);
    if (r < 0)
        return posture_error_set(error, r, "no key can be made of kind and subject");

    if (r_transaction < 0) {
        posture_spool_count_not_accepted(server->config.spool, r_transaction, 1);
        return posture_error_set(error, r_transaction, "%s",
                                 posture_strerror(r_transaction));
    }
    r = posture_spool_add(server->config.spool, &entry);
    return r < 0 ? posture_error_set(error, r, "%s", posture_strerror(r)) : 0;
}

/* Errors that sending the same again will not change. */
static bool is_for_good(int r)
{
    return r == POSTURE_E_FORMAT || r == POSTURE_E_DENIED || r == POSTURE_E_LIMIT ||
           r == POSTURE_E_SCHEMA;
}

size_t server_take_entries(struct server_connection *connection, int r_transaction,
                           size_t max, size_t *bytes)
{
    struct posture_spool_server *server = connection->server;
    size_t count = 0;
    while (count < max && connection->is_known &&
           server_out_left(connection) < SERVER_OUT_MAX) {
        struct posture_frame frame;
        size_t used = 0;
        if (server_frame_next(connection, &frame, &used) != 1)
            break;
        bool is_entry = connection->is_admin ? frame.type == POSTURE_FRAME_RETIRE
                                             : frame.type == POSTURE_FRAME_REPORT;
        if (!is_entry) {
            if (!connection->is_admin) {
                server->stats.protocol_errors++;
                server_goodbye(connection, "this frame is not a worker's");
            }
            break;
        }
        if (r_transaction == 0 && posture_spool_must_rollback(server->config.spool))
            r_transaction = -EIO;
        struct posture_error error = {0};
        int r = entry_add(connection, &frame, r_transaction, &error);
        if (r < 0 && r_transaction == 0 && !is_for_good(r))
            r_transaction = posture_spool_must_rollback(server->config.spool) ? r : 0;
        answer_hold(connection, frame.id,
                    r == 0           ? POSTURE_ANSWER_STORED
                    : is_for_good(r) ? POSTURE_ANSWER_REFUSED
                                     : POSTURE_ANSWER_RETRY,
                    r == 0 ? NULL : error.text);
        connection->in_used += used;
        *bytes += used;
        count++;
    }
    return count;
}

struct question {
    struct server_connection *connection;
    uint32_t id;
};

static int question_item(void *data, const struct posture_spool_item *item)
{
    const struct question *question = data;
    const struct posture_frame frame = {
        .type = POSTURE_FRAME_ITEM,
        .id = question->id,
        .item = item->id,
        .topic = (uint8_t)item->topic,
        .plugin = posture_frame_text(item->plugin),
        .ce_type = posture_frame_text(item->ce_type),
        .ce_id = posture_frame_text(item->ce_id),
        .time_ns = item->time_ns,
        .key = posture_frame_text(item->key),
        .sequence = item->sequence,
        .reason = posture_frame_text(item->reason),
        .size = (uint32_t)item->body_len,
        .has_body = item->body != NULL,
        .body = {.bytes = item->body, .len = item->body ? item->body_len : 0},
    };
    return posture_frame_encode(&frame, &question->connection->out);
}

static int question_stats(const struct question *question)
{
    const struct posture_spool_server *server = question->connection->server;
    struct posture_spool_stats s;
    posture_spool_stats(server->config.spool, &s);
    const struct {
        const char *name;
        uint64_t value;
    } rows[] = {
        {"accepted", s.accepted},
        {"delivered", s.delivered},
        {"spooled", s.spooled},
        {"evicted", s.evicted},
        {"refused", s.refused},
        {"corrupt", s.corrupt},
        {"quarantined", s.quarantined},
        {"evicted_superseded", s.evicted_superseded},
        {"evicted_oldest", s.evicted_oldest},
        {"not_accepted", s.not_accepted},
        {"not_accepted_disk_full", s.not_accepted_by[POSTURE_SPOOL_NOT_DISK_FULL]},
        {"not_accepted_io", s.not_accepted_by[POSTURE_SPOOL_NOT_IO]},
        {"not_accepted_cap", s.not_accepted_by[POSTURE_SPOOL_NOT_CAP]},
        {"not_accepted_invalid", s.not_accepted_by[POSTURE_SPOOL_NOT_INVALID]},
        {"spooled_bytes", s.spooled_bytes},
        {"unassigned", s.unassigned},
        {"in_flight", s.in_flight},
        {"near_cap", s.near_cap},
        {"is_open", s.is_open},
        {"reopened", s.reopened},
        {"wal_cut", s.wal_cut},
        {"epoch", s.epoch},
        {"connections", server->stats.connections},
        {"peers_refused", server->stats.peers_refused},
        {"protocol_errors", server->stats.protocol_errors},
        {"entries_stored", server->stats.entries_stored},
        {"entries_refused", server->stats.entries_refused},
        {"entries_retry", server->stats.entries_retry},
        {"commits", server->stats.commits},
    };
    for (size_t i = 0; i < POSTURE_COUNT(rows); i++) {
        const struct posture_frame frame = {
            .type = POSTURE_FRAME_STAT,
            .id = question->id,
            .name = posture_frame_text(rows[i].name),
            .value = rows[i].value,
        };
        POSTURE_TRY(posture_frame_encode(&frame, &question->connection->out));
    }
    return 0;
}

/* 0, negative, or POSTURE_E_PROTOCOL when it is no question. */
static int question_answer(struct question *question, const struct posture_frame *frame)
{
    struct posture_spool *spool = question->connection->server->config.spool;
    enum posture_spool_list list = frame->list == POSTURE_SPOOL_LIST_ASIDE
                                       ? POSTURE_SPOOL_LIST_ASIDE
                                       : POSTURE_SPOOL_LIST_WAITING;
    switch (frame->type) {
    case POSTURE_FRAME_LIST:
        return posture_spool_list(
            spool, list, frame->item,
            frame->max < POSTURE_FRAME_LIST_MAX ? frame->max : POSTURE_FRAME_LIST_MAX,
            question_item, question);
    case POSTURE_FRAME_SHOW:
        return posture_spool_show(spool, list, frame->item, question_item, question);
    case POSTURE_FRAME_STATS:
        return question_stats(question);
    default:
        return POSTURE_E_PROTOCOL;
    }
}

void server_take_questions(struct server_connection *connection)
{
    struct posture_frame frame;
    size_t used = 0;
    while (connection->is_admin && server_out_left(connection) < SERVER_OUT_MAX &&
           server_frame_next(connection, &frame, &used) == 1) {
        if (frame.type == POSTURE_FRAME_RETIRE)
            return; /* the next transaction's */
        connection->in_used += used;
        struct question question = {.connection = connection, .id = frame.id};
        int r = question_answer(&question, &frame);
        if (r == POSTURE_E_PROTOCOL) {
            connection->server->stats.protocol_errors++;
            server_goodbye(connection, "this frame is not admin's");
            return;
        }
        const struct posture_frame answer = {
            .type = POSTURE_FRAME_ANSWER,
            .id = frame.id,
            .answer = r == 0 ? POSTURE_ANSWER_STORED : POSTURE_ANSWER_REFUSED,
            .reason = posture_frame_text(r == 0         ? ""
                                         : r == -ENOENT ? "no such entry"
                                                        : posture_strerror(r)),
        };
        if (posture_frame_encode(&answer, &connection->out) < 0)
            connection->is_ending = true;
    }
}
