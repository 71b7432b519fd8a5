/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#ifndef POSTURE_CRYPTO_WEB_PROBE_H
#define POSTURE_CRYPTO_WEB_PROBE_H

#include "common/http/client.h"
#include "common/net/budget.h"

#include <jansson.h>

/*
 * What a web server does besides TLS: one request over TLS (is HSTS sent?) and one over
 * plain HTTP (does it lead to HTTPS?) to each address at which TLS was spoken. Fills
 * endpoints[].http of the facts of kind tls.
 */
struct web_probe_options {
    uv_loop_t *loop;
    struct posture_http_client *client;
    struct posture_budget *budget; /* of connections; NULL: none */
    const char *name;              /* asked for: host of the URLs, without brackets */
    uint16_t port;                 /* of TLS */
    uint16_t plain_port;
    uint32_t timeout_ms;  /* one request */
    uint32_t deadline_ms; /* all of it; what has not had its turn by then is a timeout */
};

struct web_probe;
typedef void web_probe_cb(void *data, json_t *facts_take);

/* facts: taken, also on failure; done runs once, in the loop, never from within this
 * call. */
int web_probe_start(const struct web_probe_options *options, json_t *facts_take,
                    web_probe_cb *done, void *data, struct web_probe **ret);
/* No callback comes any more; handles close in the loop. */
void web_probe_cancel(struct web_probe *probe);

#endif
