/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#ifndef POSTURE_TLS_ENDPOINT_H
#define POSTURE_TLS_ENDPOINT_H

#include "common/net/connection.h"
#include "common/tls/certificate.h"
#include "common/tls/handshake.h"
#include "common/tls/plan.h"
#include "common/tls/starttls.h"

#include <sys/socket.h>
#include <uv.h>

/* One address: runs the plan's questions over TCP connections. Used by probe.c alone. */

enum { POSTURE_TLS_CONNECTIONS_MAX = 16 };

/* How a connection comes to TLS, and how gently a server that counts its visitors is to
 * be treated. All zero: TLS from the first byte, no care. */
struct posture_tls_manners {
    enum posture_starttls_protocol protocol;
    const char *helo;         /* who we say we are; not NULL with a protocol */
    const char *name;         /* which server is meant; likewise */
    uint32_t timeout_ms;      /* for what comes before TLS */
    uint32_t pause_ms;        /* from the end of one connection to the next */
    uint32_t connections_max; /* of one measurement; 0: as many as it takes */
};

/* What was seen before TLS, over all connections. */
struct posture_tls_clear {
    enum posture_starttls_protocol protocol;
    enum posture_starttls_answer offered, injected, login;
    bool is_masked, is_authenticated;
    const char *refusal; /* static code of why the measurement was broken off; or NULL */
    char detail[POSTURE_STARTTLS_DETAIL_MAX];
};

struct posture_tls_endpoint_options {
    struct sockaddr_storage address;
    const char *server_name; /* SNI; NULL: none */
    const char *verify_name;
    bool verify_is_literal;
    uint32_t timeout_ms;  /* of one connection, connect and answer */
    uint32_t connections; /* at once */
    struct posture_tls_manners manners;
    size_t facts_budget; /* bytes of JSON for chains, about */
    bool is_deep;        /* what depth.h names, too */
    const struct posture_tls_tables *tables;
    const struct posture_tls_handshake_context *handshake;
    const struct posture_tls_trust *trust;
    struct posture_connections **sockets; /* where the set of the loop is kept */
    struct posture_tls_crls *crls;        /* NULL: none */
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
/* Those of depth.h, into facts and its list "incomplete": facts_depth.c. */
void posture_tls_depth_facts(const struct posture_tls_plan *plan, const json_t *chains,
                             json_t *facts, json_t *incomplete);

/* error.code of the facts schema: "refused" … */
const char *posture_tls_outcome_code(enum posture_tls_outcome outcome);

/* Adds "starttls" and the error of a measurement broken off; nothing without a protocol.
 */
void posture_tls_clear_facts(const struct posture_tls_clear *clear, json_t *facts);

#endif
