/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#ifndef POSTURE_SPOOL_SERVER_PARTS_H
#define POSTURE_SPOOL_SERVER_PARTS_H

#include "common/spool/frame.h"
#include "common/spool/server.h"

/*
 * The inside of the server, shared by server.c (sockets and the loop's turn) and
 * server_request.c (what frames mean).
 */
enum {
    SERVER_CONNECTIONS_MAX = 256,
    SERVER_IN_MAX = 1024 * 1024, /* read and not yet handled, a connection */
    SERVER_OUT_MAX =
        256 * 1024, /* written and not yet taken: no more is handled above it */
    SERVER_TURN_ENTRIES = 2000, /* of one transaction */
    SERVER_TURN_BYTES = 4 * 1024 * 1024,
    SERVER_SHARE = 64, /* entries of one connection before the next one's turn */
};

/* The answer to one entry, held until the commit. */
struct server_answer {
    uint32_t id;
    uint8_t answer;
    char *reason;
};

struct server_connection {
    struct posture_spool_server *server;
    struct server_connection *next;
    uv_poll_t poll;
    int fd;
    int events;    /* asked of poll */
    bool is_known; /* its HELLO was good */
    bool is_admin;
    bool is_eof;    /* the peer sends no more */
    bool is_ending; /* closed once what is written has gone */
    bool is_closing;
    char plugin[POSTURE_SPOOL_NAME_MAX];
    char *in;
    size_t in_len, in_used, in_cap;
    struct posture_buf out;
    size_t out_sent;
    struct server_answer *answers;
    size_t answer_count, answer_cap;
};

struct posture_spool_server {
    struct posture_spool_server_config config;
    char *agency;
    char *reporter;
    uv_poll_t listener;
    uv_check_t check;
    uv_idle_t more; /* keeps the loop turning while there is work left */
    struct server_connection *connections;
    int handles; /* not yet closed */
    bool is_closing;
    bool has_input;
    bool commit_requested;
    struct posture_spool_server_stats stats;
};

static inline size_t server_out_left(const struct server_connection *connection)
{
    return connection->out.len - connection->out_sent;
}

/* server_request.c */
/* The next frame in the connection's buffer, not consumed: 1, 0 when there is no whole
 * one, negative when the peer broke the protocol (it is then ending). */
int server_frame_next(struct server_connection *connection, struct posture_frame *ret,
                      size_t *ret_used);
/* Ends the connection with a reason for the peer. */
void server_goodbye(struct server_connection *connection, const char *reason);
/* HELLO, when it is due. */
void server_greet(struct server_connection *connection);
/* Handles entries (REPORT, RETIRE) at the head of the buffer, inside the transaction; r
 * negative: there is none, answer "try again". Number handled. */
size_t server_take_entries(struct server_connection *connection, int r, size_t max,
                           size_t *bytes);
/* Answers admin's questions at the head of the buffer. */
void server_take_questions(struct server_connection *connection);
/* Writes the held answers; r negative: the commit failed, nothing is stored. */
void server_answer_all(struct server_connection *connection, int r);

#endif
