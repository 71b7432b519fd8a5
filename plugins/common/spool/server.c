/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */

#include "common/spool/server_parts.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    SERVER_ACCEPT_TURN = 16,
    SERVER_IN_FIRST = 16 * 1024,
    SERVER_OUT_LIMIT = 4 * 1024 * 1024, /* with the largest list behind SERVER_OUT_MAX */
};

static void server_free(struct posture_spool_server *server)
{
    posture_close(server->config.listen_fd);
    free(server->agency);
    free(server->reporter);
    free(server);
}

static void server_handle_closed(struct posture_spool_server *server)
{
    if (--server->handles == 0)
        server_free(server);
}

static void on_handle_closed(uv_handle_t *handle)
{
    server_handle_closed(handle->data);
}

static void on_connection_closed(uv_handle_t *handle)
{
    struct server_connection *connection = handle->data;
    struct posture_spool_server *server = connection->server;
    posture_close(connection->fd);
    for (size_t i = 0; i < connection->answer_count; i++)
        free(connection->answers[i].reason);
    free(connection->answers);
    free(connection->in);
    posture_buf_done(&connection->out);
    free(connection);
    server_handle_closed(server);
}

static void connection_close(struct server_connection *connection)
{
    if (connection->is_closing)
        return;
    connection->is_closing = true;
    struct posture_spool_server *server = connection->server;
    for (struct server_connection **p = &server->connections; *p; p = &(*p)->next) {
        if (*p == connection) {
            *p = connection->next;
            break;
        }
    }
    server->stats.connections--;
    uv_close((uv_handle_t *)&connection->poll, on_connection_closed);
}

/* Writes what the socket takes. */
static void connection_flush(struct server_connection *connection)
{
    while (server_out_left(connection) > 0) {
        ssize_t n = send(connection->fd, connection->out.data + connection->out_sent,
                         server_out_left(connection), MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EAGAIN)
            return;
        if (n < 0) {
            connection->is_eof = true;
            connection->is_ending = true;
            connection->out_sent = connection->out.len;
            break;
        }
        connection->out_sent += (size_t)n;
    }
    posture_buf_clear(&connection->out);
    connection->out_sent = 0;
}

/* Reads what there is, up to the buffer's limit. */
static void connection_fill(struct server_connection *connection)
{
    while (!connection->is_eof && connection->in_len < SERVER_IN_MAX) {
        if (connection->in_len == connection->in_cap) {
            size_t cap =
                connection->in_cap > 0 ? connection->in_cap * 2 : SERVER_IN_FIRST;
            char *in = posture_realloc(connection->in, cap);
            if (!in)
                return; /* what is there can still be handled */
            connection->in = in;
            connection->in_cap = cap;
        }
        size_t room = connection->in_cap - connection->in_len;
        ssize_t n = recv(connection->fd, connection->in + connection->in_len, room, 0);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EAGAIN)
            return;
        if (n <= 0) {
            connection->is_eof = true;
            return;
        }
        connection->in_len += (size_t)n;
        connection->server->has_input = true;
        if ((size_t)n < room)
            return;
    }
}

static void on_connection_ready(uv_poll_t *poll, int status, int events)
{
    struct server_connection *connection = poll->data;
    if (status < 0)
        connection->is_eof = true;
    if (events & UV_WRITABLE)
        connection_flush(connection);
    if (events & UV_READABLE)
        connection_fill(connection);
    /* Even when nothing came: the turn's end closes what has ended and asks anew. */
    connection->server->has_input = true;
}

/* At the end of a turn: consume, write, ask for what is wanted next, or close. True when
 * whole frames wait. */
static bool connection_settle(struct server_connection *connection)
{
    if (connection->in_used > 0) {
        connection->in_len -= connection->in_used;
        memmove(connection->in, connection->in + connection->in_used, connection->in_len);
        connection->in_used = 0;
    }
    if (posture_buf_error(&connection->out) < 0)
        connection->is_ending = true;
    connection_flush(connection);
    struct posture_frame frame;
    size_t used = 0;
    bool is_waiting = server_out_left(connection) < SERVER_OUT_MAX &&
                      server_frame_next(connection, &frame, &used) == 1;
    bool is_done = connection->is_ending || (connection->is_eof && !is_waiting);
    if (is_done && (server_out_left(connection) == 0 || connection->is_eof)) {
        connection_close(connection);
        return false;
    }

    int events = server_out_left(connection) > 0 ? UV_WRITABLE : 0;
    if (!connection->is_ending && !connection->is_eof &&
        connection->in_len < SERVER_IN_MAX &&
        server_out_left(connection) < SERVER_OUT_MAX)
        events |= UV_READABLE;
    if (events != connection->events) {
        connection->events = events;
        if (events == 0)
            uv_poll_stop(&connection->poll);
        else if (uv_poll_start(&connection->poll, events, on_connection_ready) < 0)
            connection_close(connection);
    }
    return is_waiting;
}

static void server_peer_refused(struct posture_spool_server *server, const char *text)
{
    server->stats.peers_refused++;
    if (server->config.ops->peer_refused)
        server->config.ops->peer_refused(server->config.data, text);
}

static int connection_new(struct posture_spool_server *server, int fd)
{
    struct server_connection *connection = posture_calloc(1, sizeof(*connection));
    if (!connection)
        return -ENOMEM;
    connection->server = server;
    connection->fd = fd;
    connection->poll.data = connection;
    posture_buf_init(&connection->out, SERVER_OUT_LIMIT);
    if (uv_poll_init(server->config.loop, &connection->poll, fd) < 0) {
        free(connection);
        return -EIO;
    }
    server->handles++;
    server->stats.connections++;
    server->stats.accepted++;
    connection->next = server->connections;
    server->connections = connection;
    connection->events = UV_READABLE;
    if (uv_poll_start(&connection->poll, UV_READABLE, on_connection_ready) < 0)
        connection_close(connection);
    return 0;
}

static void on_listener_ready(uv_poll_t *poll, int status, int events)
{
    struct posture_spool_server *server = poll->data;
    (void)events;
    for (int i = 0; status == 0 && i < SERVER_ACCEPT_TURN; i++) {
        POSTURE_AUTO_CLOSE int fd =
            accept4(server->config.listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (fd < 0)
            return;
        struct ucred peer = {0};
        socklen_t len = sizeof(peer);
        char text[96];
        if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) < 0 ||
            peer.uid != server->config.allowed_uid) {
            snprintf(text, sizeof(text), "user %u is not let in, only %u",
                     (unsigned)peer.uid, (unsigned)server->config.allowed_uid);
            server_peer_refused(server, text);
        } else if (server->stats.connections >= SERVER_CONNECTIONS_MAX) {
            server_peer_refused(server, "too many connections");
        } else if (connection_new(server, fd) == 0) {
            fd = -1;
        }
    }
}

/* Entries of all connections in turns, until all is taken or the transaction is large
 * enough. */
static void turn_entries(struct posture_spool_server *server, int r)
{
    size_t total = 0, bytes = 0, taken;
    do {
        taken = 0;
        for (struct server_connection *c = server->connections; c; c = c->next)
            taken += server_take_entries(c, r, SERVER_SHARE, &bytes);
        total += taken;
    } while (taken > 0 && total < SERVER_TURN_ENTRIES && bytes < SERVER_TURN_BYTES);
}

static bool turn_has_entry(struct posture_spool_server *server)
{
    for (struct server_connection *c = server->connections; c; c = c->next) {
        struct posture_frame frame;
        size_t used = 0;
        if (c->is_known && server_out_left(c) < SERVER_OUT_MAX &&
            server_frame_next(c, &frame, &used) == 1 &&
            (!c->is_admin || frame.type == POSTURE_FRAME_RETIRE))
            return true;
    }
    return false;
}

static void turn_transaction(struct posture_spool_server *server)
{
    const struct posture_spool_server_ops *ops = server->config.ops;
    struct posture_spool *spool = server->config.spool;
    struct posture_error error = {0};

    int r = posture_spool_begin(spool);
    turn_entries(server, r);
    size_t stored = 0;
    for (struct server_connection *c = server->connections; c; c = c->next) {
        for (size_t i = 0; i < c->answer_count; i++)
            stored += c->answers[i].answer == POSTURE_ANSWER_STORED;
    }
    if (r < 0) {
        posture_error_set(&error, r, "spool is not usable: %s", posture_strerror(r));
    } else {
        bool is_full = posture_spool_must_rollback(spool);
        if (!is_full && ops->in_transaction)
            r = ops->in_transaction(server->config.data);
        if (r < 0) {
            posture_spool_rollback(spool);
            posture_error_set(&error, r, "spool: %s", posture_strerror(r));
        } else {
            r = posture_spool_commit(spool, &error);
        }
        if (r < 0)
            posture_spool_count_not_accepted(spool, r, stored);
        else
            server->stats.commits++;
    }
    for (struct server_connection *c = server->connections; c; c = c->next)
        server_answer_all(c, r);
    if (r < 0 && ops->failed)
        ops->failed(server->config.data, r, error.text);
    if (r == 0 && ops->after_commit)
        ops->after_commit(server->config.data, stored);
}

static void on_more(uv_idle_t *idle)
{
    (void)idle; /* only there to keep the loop from waiting */
}

static void on_check(uv_check_t *check)
{
    struct posture_spool_server *server = check->data;
    if (!server->has_input && !server->commit_requested)
        return;
    server->has_input = false;
    bool is_requested = server->commit_requested;
    server->commit_requested = false;

    for (struct server_connection *c = server->connections; c; c = c->next)
        server_greet(c);
    if (is_requested || turn_has_entry(server))
        turn_transaction(server);
    for (struct server_connection *c = server->connections; c; c = c->next)
        server_take_questions(c);

    for (struct server_connection *c = server->connections, *next; c; c = next) {
        next = c->next;
        if (connection_settle(c))
            server->has_input = true;
    }
    if (server->is_closing)
        return;
    if (server->has_input || server->commit_requested)
        uv_idle_start(&server->more, on_more);
    else
        uv_idle_stop(&server->more);
}

void posture_spool_server_request_commit(struct posture_spool_server *server)
{
    if (server->is_closing)
        return;
    server->commit_requested = true;
    uv_idle_start(&server->more, on_more);
}

void posture_spool_server_stats(const struct posture_spool_server *server,
                                struct posture_spool_server_stats *ret)
{
    *ret = server->stats;
}

void posture_spool_server_close(struct posture_spool_server *server)
{
    if (!server || server->is_closing)
        return;
    server->is_closing = true;
    while (server->connections)
        connection_close(server->connections);
    uv_close((uv_handle_t *)&server->listener, on_handle_closed);
    uv_close((uv_handle_t *)&server->check, on_handle_closed);
    uv_close((uv_handle_t *)&server->more, on_handle_closed);
}

int posture_spool_server_new(const struct posture_spool_server_config *config,
                             struct posture_spool_server **ret,
                             struct posture_error *reterr)
{
    struct posture_spool_server *server = posture_calloc(1, sizeof(*server));
    if (!server) {
        posture_close(config->listen_fd);
        return -ENOMEM;
    }
    server->config = *config;
    server->agency = posture_strdup(config->agency);
    server->reporter = posture_strdup(config->reporter);
    if (!server->agency || !server->reporter) {
        server_free(server);
        return -ENOMEM;
    }
    int r = uv_poll_init(config->loop, &server->listener, config->listen_fd);
    if (r < 0) {
        server_free(server);
        return posture_error_set(reterr, r, "listening socket: %s", uv_strerror(r));
    }
    uv_check_init(config->loop, &server->check);
    uv_idle_init(config->loop, &server->more);
    server->handles = 3;
    server->listener.data = server->check.data = server->more.data = server;
    uv_check_start(&server->check, on_check);
    r = uv_poll_start(&server->listener, UV_READABLE, on_listener_ready);
    if (r < 0) {
        posture_spool_server_close(server); /* frees when the loop runs */
        return posture_error_set(reterr, r, "listening socket: %s", uv_strerror(r));
    }
    *ret = server;
    return 0;
}
