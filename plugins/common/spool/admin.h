/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#ifndef POSTURE_SPOOL_ADMIN_H
#define POSTURE_SPOOL_ADMIN_H

#include "common/base/error.h"
#include "common/base/mem.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * The program's side of the spool's socket, as plugin "admin": blocking, each call within
 * the deadline given at the start of the connection. Run as collectd's own user, the only
 * one that is let in.
 */
struct posture_spool_admin;

int posture_spool_admin_new(const char *socket_path, int64_t deadline_ms,
                            struct posture_spool_admin **ret,
                            struct posture_error *reterr);
struct posture_spool_admin *posture_spool_admin_free(struct posture_spool_admin *admin);
POSTURE_AUTO_DEFINE(struct posture_spool_admin *, posture_spool_admin_free)

/* As whom this host reports; borrowed. */
const char *posture_spool_admin_agency(const struct posture_spool_admin *admin);
const char *posture_spool_admin_reporter(const struct posture_spool_admin *admin);

struct posture_spool_admin_item {
    int64_t id;
    bool is_incident; /* topic */
    const char *plugin, *ce_type, *ce_id, *key;
    int64_t time_ns;
    uint64_t sequence;  /* 0: none yet */
    const char *reason; /* of what was set aside; "" otherwise */
    const void *body;   /* show only; NULL: a null value */
    size_t body_len;
};
typedef int posture_spool_admin_item_cb(void *data,
                                        const struct posture_spool_admin_item *item);

/* is_aside: what was refused or found corrupt instead of what waits. Up to max items (0:
 * all) with ids above after, in order; a cb result other than 0 ends it and is returned.
 */
int posture_spool_admin_list(struct posture_spool_admin *admin, bool is_aside,
                             int64_t after, size_t max, posture_spool_admin_item_cb *cb,
                             void *data, struct posture_error *reterr);
/* One item with its body. -ENOENT. */
int posture_spool_admin_show(struct posture_spool_admin *admin, bool is_aside, int64_t id,
                             posture_spool_admin_item_cb *cb, void *data,
                             struct posture_error *reterr);
/* Every counter by name, in a fixed order. */
int posture_spool_admin_stats(struct posture_spool_admin *admin,
                              int (*cb)(void *data, const char *name, uint64_t value),
                              void *data, struct posture_error *reterr);
/* Takes a subject of this agency and reporter out: a null value, posture.retire.v1,
 * stored durably when this returns 0. The subject must be in its canonical spelling. */
int posture_spool_admin_retire(struct posture_spool_admin *admin, const char *kind,
                               const char *subject, struct posture_error *reterr);

#endif
