/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#ifndef POSTURE_TLS_PROBE_H
#define POSTURE_TLS_PROBE_H

#include "common/net/address.h"
#include "common/tls/certificate.h"
#include "common/tls/starttls.h"

#include <jansson.h>
#include <uv.h>

/*
 * Measures one TLS endpoint, every address of its name: versions, suites, groups and
 * chains by raw ClientHellos, TLS 1.3 certificates by one whole handshake of OpenSSL. The
 * result is the object "tls" of schemas/facts/tls.schema.json.
 */
/* What all probes of a loop share: IANA tables, an SSL_CTX, a set of connections. */
struct posture_tls_context;
int posture_tls_context_new(const char *data_dir, struct posture_tls_context **ret,
                            struct posture_error *reterr);
struct posture_tls_context *posture_tls_context_free(struct posture_tls_context *context);
POSTURE_AUTO_DEFINE(struct posture_tls_context *, posture_tls_context_free)

struct posture_tls_probe_options {
    struct posture_tls_context *context;
    const char *host; /* name (A-labels) or address literal without brackets */
    uint16_t port;
    bool is_literal;
    const char *server_name; /* SNI and the name verified; NULL: host */
    const struct posture_tls_trust *trust;
    struct posture_tls_crls *crls;               /* NULL: none */
    const struct posture_address_policy *policy; /* for what DNS gives */
    struct posture_budget *budget;               /* of connections; NULL: none */
    uint32_t timeout_ms;                         /* one connection */
    uint32_t deadline_ms;                        /* the whole target */
    uint32_t connections;                        /* at once to one address; 1 to 16 */
    bool is_deep;                                /* all that depth.h names, too */
    /* STARTTLS; with NONE the rest says nothing. */
    enum posture_starttls_protocol starttls;
    const char *helo;             /* who we say we are */
    uint32_t starttls_timeout_ms; /* for what is said before TLS */
    uint32_t pause_ms;            /* from the end of one connection to the next */
    uint32_t connections_max;     /* to one address in all; 0: as many as it takes */
};

struct posture_tls_probe;
/* Runs once, in the loop. facts: owner is the callee; NULL when memory was out. */
typedef void posture_tls_probe_cb(void *data, json_t *facts);

/* Strings of options are copied; the pointers to context, trust, policy and budget must
 * outlive the probe. */
int posture_tls_probe_start(uv_loop_t *loop,
                            const struct posture_tls_probe_options *options,
                            posture_tls_probe_cb *done, void *data,
                            struct posture_tls_probe **ret);
/* No callback comes any more; handles close in the loop. */
void posture_tls_probe_cancel(struct posture_tls_probe *probe);

#endif
