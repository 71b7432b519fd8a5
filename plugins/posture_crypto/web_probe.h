/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#ifndef POSTURE_CRYPTO_WEB_PROBE_H
#define POSTURE_CRYPTO_WEB_PROBE_H

#include "common/http/client.h"

#include <jansson.h>

/*
 * What a web server does besides TLS: one request over TLS (is HSTS sent?) and one over
 * plain HTTP (does it lead to HTTPS?) to each address at which TLS was spoken. Fills
 * endpoints[].http of the facts of kind tls.
 */
struct web_probe_options {
    struct posture_http_client *client;
    const char *name; /* asked for: host of the URLs, without brackets */
    uint16_t port;    /* of TLS */
    uint16_t plain_port;
    uint32_t timeout_ms; /* one request */
};

struct web_probe;
typedef void web_probe_cb(void *data, json_t *facts_take);

/* facts: taken, also on failure; done runs once, perhaps from within this call when there
 * is nothing to ask. *ret is NULL then. */
int web_probe_start(const struct web_probe_options *options, json_t *facts_take,
                    web_probe_cb *done, void *data, struct web_probe **ret);
/* No callback comes any more. */
void web_probe_cancel(struct web_probe *probe);

#endif
