/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#ifndef POSTURE_TLS_ENDPOINT_INTERNAL_H
#define POSTURE_TLS_ENDPOINT_INTERNAL_H

#include "common/tls/chains.h"
#include "common/tls/endpoint.h"

/* Between endpoint.c (one address, its connections), endpoint_chains.c (the certificates
 * and staples of each) and endpoint_manners.c (what is owed to servers that are asked for
 * STARTTLS). */

enum { DETAIL_MAX = 160 };

enum link_phase {
    LINK_TLS,
    LINK_CLEAR,   /* what comes before TLS */
    LINK_LEAVING, /* answered; the server may end it first */
};

struct link {
    struct posture_tls_endpoint *endpoint;
    enum link_phase phase;
    bool is_answered; /* the plan has its answer, and it is closed or being left */
    bool is_ended;    /* by the peer */
    unsigned wants;   /* POSTURE_TLS_WANT_* still awaited */
    const struct posture_tls_suite *suite;
    int64_t deadline_ms;
    size_t received; /* bytes, in a whole handshake */
    struct posture_connection connection;
    struct posture_buf out;
    struct posture_tls_reader reader;
    struct posture_tls_handshake *handshake;
    struct posture_starttls starttls;
    struct posture_tls_kept kept; /* of the chain, while its staple is awaited */
    size_t chain;           /* of endpoint->chains, that was read last; SIZE_MAX: none */
    struct posture_buf say; /* before TLS; out keeps the ClientHello meanwhile */
    struct posture_tls_question question;
};

struct posture_tls_endpoint {
    struct posture_tls_endpoint_options options;
    uv_loop_t *loop;
    uv_timer_t timer; /* one for all connections: fires at the earliest deadline */
    struct posture_tls_plan plan;
    posture_tls_endpoint_cb *done;
    void *data;
    struct posture_tls_chains chains;
    char detail[DETAIL_MAX];
    bool is_reachable;
    bool is_deadline;
    bool is_closing;
    bool is_pumping;
    unsigned connections;
    unsigned open;
    uint64_t random[4];
    int64_t started_ns;
    int64_t pause_until_ms;
    struct posture_tls_clear clear;
    struct posture_connections *sockets;
    SSL_SESSION *session; /* to be resumed */
    struct link links[];  /* options.connections */
};

static inline bool posture_tls_link_is_open(const struct link *link)
{
    return link->connection.fd >= 0;
}

static inline bool posture_tls_has_manners(const struct posture_tls_endpoint *endpoint)
{
    return endpoint->options.manners.protocol != POSTURE_STARTTLS_NONE;
}

/* The first that is said stays. */
void posture_tls_detail_set(struct posture_tls_endpoint *endpoint, const char *text);
/* A chain was read; of a hello in the clear with the authentication of its suite. */
void posture_tls_link_chain_add(struct link *link,
                                const struct posture_tls_der *certificates, size_t count,
                                bool is_truncated,
                                enum posture_tls_authentication suite_authentication);
/* EVENT_CERTIFICATE, EVENT_STATUS. */
void posture_tls_link_chain(struct link *link);
void posture_tls_link_staple(struct link *link);
/* No staple comes with the chain that was read last. */
void posture_tls_link_staple_absent(struct link *link);

void posture_tls_link_shut(struct link *link);
/* Shuts it, or takes leave of a server that was greeted: then it is shut later. */
void posture_tls_link_close(struct link *link);

/* No further connection: what is not known stays unknown, and this says why. code is
 * static. */
void posture_tls_endpoint_give_up(struct posture_tls_endpoint *endpoint, const char *code,
                                  const char *detail);
/* Broken off before TLS, or not let in any more: to go on knocking helps nobody. */
bool posture_tls_is_unwelcome(const struct link *link, enum posture_tls_outcome outcome);
/* May another connection be made now? */
bool posture_tls_may_connect(struct posture_tls_endpoint *endpoint);

const char *posture_tls_starttls_code(enum posture_starttls_reason reason);
void posture_tls_clear_merge(struct posture_tls_clear *clear,
                             const struct posture_starttls *starttls);

#endif
