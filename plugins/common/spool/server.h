/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#ifndef POSTURE_SPOOL_SERVER_H
#define POSTURE_SPOOL_SERVER_H

#include "common/spool/spool.h"

#include <sys/types.h>
#include <uv.h>

/*
 * The spool's socket, run by worker kafka on its loop. What all workers sent in one turn
 * of the loop is one transaction and one sync; each frame is answered after that commit.
 *
 * The server makes its transaction in the check phase of a turn, wholly within one
 * callback, so the owner may make its own in its own callbacks. Cheaper is to use the
 * server's: in_transaction is called inside of each of them (mark deliveries, assign
 * numbers), after_commit behind it (hand out and produce); and
 * posture_spool_server_request_commit() asks for one in this turn though no worker sent
 * anything.
 */
struct posture_spool_server;

/* Which kinds a plugin may report: rows, the last with plugin NULL. */
struct posture_spool_kind {
    const char *plugin; /* "posture_crypto" */
    const char *kind;   /* "tls" */
};

struct posture_spool_server_ops {
    /* Inside the transaction, after what workers sent was added. A negative result rolls
     * back. NULL: none. */
    int (*in_transaction)(void *data);
    /* Behind a commit that succeeded: accepted entries are new in the spool. NULL: none.
     */
    void (*after_commit)(void *data, size_t accepted);
    /* A transaction failed: every entry of it was answered with "try again". For one log
     * line. NULL: none. */
    void (*failed)(void *data, int r, const char *text);
    /* A peer was turned away or broke the protocol: for one log line. NULL: none. */
    void (*peer_refused)(void *data, const char *text);
};

struct posture_spool_server_config {
    uv_loop_t *loop;
    int listen_fd; /* taken, also on failure */
    struct posture_spool *spool;
    uid_t allowed_uid; /* collectd's own */
    const char *agency;
    const char *reporter;
    const struct posture_spool_kind *kinds;
    const struct posture_spool_server_ops *ops;
    void *data;
};

struct posture_spool_server_stats {
    uint64_t connections;     /* now */
    uint64_t accepted;        /* connections so far */
    uint64_t peers_refused;   /* another uid, no known plugin, too many */
    uint64_t protocol_errors; /* frames that broke the protocol: connection ended */
    uint64_t entries_stored, entries_refused, entries_retry;
    uint64_t commits;
};

int posture_spool_server_new(const struct posture_spool_server_config *config,
                             struct posture_spool_server **ret,
                             struct posture_error *reterr);
void posture_spool_server_request_commit(struct posture_spool_server *server);
void posture_spool_server_stats(const struct posture_spool_server *server,
                                struct posture_spool_server_stats *ret);
/* Closes handles; frees itself when the loop has closed them. The spool stays the owner's
 * and must live until then is over; no op is called any more. */
void posture_spool_server_close(struct posture_spool_server *server);

#endif
