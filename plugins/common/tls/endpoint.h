/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#ifndef POSTURE_TLS_ENDPOINT_H
#define POSTURE_TLS_ENDPOINT_H

#include "common/net/connection.h"
#include "common/tls/certificate.h"
#include "common/tls/handshake.h"
#include "common/tls/plan.h"

#include <sys/socket.h>
#include <uv.h>

/* One address: runs the plan's questions over TCP connections. Used by probe.c alone. */

enum { POSTURE_TLS_CONNECTIONS_MAX = 16 };

struct posture_tls_endpoint_options {
    struct sockaddr_storage address;
    const char *server_name; /* SNI; NULL: none */
    const char *verify_name;
    bool verify_is_literal;
    uint32_t timeout_ms;  /* of one connection, connect and answer */
    uint32_t connections; /* at once */
    size_t facts_budget;  /* bytes of JSON for chains, about */
    const struct posture_tls_tables *tables;
    const struct posture_tls_handshake_context *handshake;
    const struct posture_tls_trust *trust;
    struct posture_connections **sockets; /* where the set of the loop is kept */
};

struct posture_tls_endpoint;
/* Runs in the loop; the facts (member of "endpoints") are a new reference, NULL: no
 * memory. */
typedef void posture_tls_endpoint_cb(void *data, json_t *facts_take);

int posture_tls_endpoint_start(uv_loop_t *loop,
                               const struct posture_tls_endpoint_options *options,
                               posture_tls_endpoint_cb *done, void *data,
                               struct posture_tls_endpoint **ret);
/* Time is up. The callback comes once the connections are closed, never from within this
 * call. */
void posture_tls_endpoint_stop(struct posture_tls_endpoint *endpoint);

/* Facts of one address from what its plan found: facts.c. chains is borrowed. */
json_t *posture_tls_endpoint_facts(const struct posture_tls_plan *plan,
                                   const json_t *chains, const char *address,
                                   bool is_reachable, bool is_deadline,
                                   const char *detail, unsigned connections,
                                   int64_t duration_ms);

#endif
