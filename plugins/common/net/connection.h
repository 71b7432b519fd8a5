/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#ifndef POSTURE_NET_CONNECTION_H
#define POSTURE_NET_CONNECTION_H

#include "common/base/buf.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <uv.h>

/*
 * TCP connections that ask one thing and end, by the thousand: at most socket,
 * setsockopt, connect, send, epoll_ctl, recv, setsockopt, close each. They share one
 * edge-triggered epoll set, and the loop watches that set with one uv_poll_t. One thread.
 */

enum { POSTURE_CONNECTION_READ_MAX = 32 * 1024 };

struct posture_connections; /* the set of a loop */
struct posture_connection;

struct posture_connection_ops {
    /* Bytes came; they are gone when this returns. */
    void (*received)(struct posture_connection *connection, const char *bytes,
                     size_t len);
    /* 0: the peer's end of file; negative errno: why there is no connection (with
     * is_connected false: connecting failed). Closing it is still the callee's. */
    void (*ended)(struct posture_connection *connection, int r);
};

/* Embedded by its user; the members are for reading. */
struct posture_connection {
    const struct posture_connection_ops *ops;
    void *data;
    struct posture_connections *set;
    int fd;            /* -1: not open */
    bool is_connected; /* the peer accepted */
    bool is_watching_out;
    uint32_t slot;
    struct posture_buf rest; /* what the socket has not taken yet */
};

/* The set in *slot, made when there is none; each _ref needs its _unref. The last one
 * closes it in the loop and leaves NULL in *slot, which must live so long. */
int posture_connections_ref(struct posture_connections **slot, uv_loop_t *loop);
void posture_connections_unref(struct posture_connections *set);

int posture_connection_init(struct posture_connection *connection,
                            struct posture_connections *set,
                            const struct posture_connection_ops *ops, void *data);
void posture_connection_done(struct posture_connection *connection);

/* Connects and sends the first bytes as soon as can be; len 0: the peer speaks first. No
 * callback comes from within. A negative errno is this host's own refusal (no route, no
 * descriptor) or, with ret_is_remote true, what the peer said at once; the connection is
 * not open then. */
int posture_connection_open(struct posture_connection *connection,
                            const struct sockaddr *address, const void *bytes, size_t len,
                            bool *ret_is_remote);
/* Sends, or keeps what the socket does not take. Negative errno: the connection is of no
 * more use. */
int posture_connection_send(struct posture_connection *connection, const void *bytes,
                            size_t len);
/* Closes at once, within a callback too; the same struct can be opened again. is_reset:
 * with RST, so that neither side keeps a TIME_WAIT. */
void posture_connection_close(struct posture_connection *connection, bool is_reset);

#endif
