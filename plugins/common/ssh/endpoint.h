/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#ifndef POSTURE_SSH_ENDPOINT_H
#define POSTURE_SSH_ENDPOINT_H

#include "common/net/connection.h"
#include "common/net/endpoints.h"
#include "common/ssh/plan.h"

/* One address: runs the plan's questions, one connection after another. Used by probe.c
 * alone. */

enum { POSTURE_SSH_DETAIL_MAX = 200 };

struct posture_ssh_endpoint_options {
    struct sockaddr_storage address;
    uint32_t timeout_ms; /* of one connection, connect and answer */
    const struct posture_ssh_tables *tables;
    struct posture_connections **sockets; /* where the set of the loop is kept */
};

struct posture_ssh_endpoint;

int posture_ssh_endpoint_start(uv_loop_t *loop,
                               const struct posture_ssh_endpoint_options *options,
                               posture_endpoint_done_cb *done, void *data,
                               struct posture_ssh_endpoint **ret);
/* Time is up. The callback comes soon, never from within this call. */
void posture_ssh_endpoint_stop(struct posture_ssh_endpoint *endpoint);

/* What was found at an address, beside the plan: facts.c. */
struct posture_ssh_found {
    const char *address;
    bool is_reachable;
    char banner[POSTURE_SSH_NAME_MAX * 8]; /* escaped; "" when there is none */
    char detail[POSTURE_SSH_DETAIL_MAX];   /* escaped; why it failed */
    unsigned connections;
    int64_t duration_ms;
};
json_t *posture_ssh_endpoint_facts(const struct posture_ssh_plan *plan,
                                   const struct posture_ssh_found *found);

#endif
