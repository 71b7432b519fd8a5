/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#ifndef POSTURE_SPOOL_CLIENT_H
#define POSTURE_SPOOL_CLIENT_H

#include "common/base/error.h"
#include "common/report/report.h"
#include "common/spool/connect.h"

#include <uv.h>

/*
 * A worker's side of the spool: keeps the connection that the host hands over, sends
 * reports, keeps the latest of each subject until the answer after the commit, resends
 * after a reconnect.
 */
struct posture_spool_client;

struct posture_spool_client_ops {
    /* A new connection is needed; the owner answers later with
     * posture_spool_client_connected(). The client asks again with growing pauses (1 s to
     * 30 s). */
    void (*need_connection)(void *data);
    /* Connected and welcomed: who we report as. Called again after each reconnect. */
    void (*welcome)(void *data, const char *agency, const char *reporter);
    /* subject is stored durably (r 0), or was refused for good (r negative, reason). May
     * be NULL. */
    void (*stored)(void *data, const char *subject, int r, const char *reason);
};

int posture_spool_client_new(uv_loop_t *loop, const struct posture_spool_client_ops *ops,
                             void *data, size_t max_pending_bytes,
                             struct posture_spool_client **ret);
/* Takes the descriptor (also on failure). r negative: the host could not connect. */
void posture_spool_client_connected_take(struct posture_spool_client *client, int r,
                                         int fd);
bool posture_spool_client_is_welcome(const struct posture_spool_client *client);
/* Queues a report body (copied); it replaces an older one of the same kind and subject
 * that is not stored yet. Where the table would grow over max_pending_bytes the oldest
 * are dropped and counted. POSTURE_E_LIMIT when this one alone is too large, -ENOMEM: it
 * was not queued. */
int posture_spool_client_report(struct posture_spool_client *client, const char *kind,
                                const char *subject, const char *ce_id, int64_t time_ns,
                                const char *body, size_t len);
/* The spool said with its last answer that it is at 80 % of its cap: journal sources stop
 * reading. */
bool posture_spool_client_is_near_cap(const struct posture_spool_client *client);
struct posture_spool_client_stats {
    uint64_t sent, stored, refused, dropped, pending, reconnects;
};
void posture_spool_client_stats(const struct posture_spool_client *client,
                                struct posture_spool_client_stats *ret);
/* Closes handles; frees itself when the loop has closed them. */
void posture_spool_client_close(struct posture_spool_client *client);

#endif
