/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#ifndef POSTURE_NET_ENDPOINTS_H
#define POSTURE_NET_ENDPOINTS_H

#include "common/net/address.h"
#include "common/net/budget.h"

#include <jansson.h>
#include <uv.h>

/*
 * Every address of a name, measured: what probes of all kinds of endpoint share. The name
 * is resolved, each address checked against the policy and handed to the kind's own
 * measurement, two at a time; the facts are {host, port, resolution, endpoints,
 * truncated} as in schemas/facts/tls.schema.json.
 */
enum { POSTURE_ENDPOINTS_MAX = 8 };

/* facts: the member of "endpoints", a new reference; NULL when memory was out. */
typedef void posture_endpoint_done_cb(void *data, json_t *facts_take);

struct posture_endpoints_ops {
    /* Starts the measurement of one of count addresses. done runs once, never from
     * within this call. A negative result becomes the error "unreachable". */
    int (*start)(void *data, uv_loop_t *loop, const struct sockaddr_storage *address,
                 size_t count, posture_endpoint_done_cb *done, void *done_data,
                 void **ret_run);
    /* What else to say of an address that start was not called for, or that failed to
     * start; facts is borrowed. May be NULL. */
    void (*describe)(void *data, json_t *facts);
    /* Time is up: done comes soon, never from within this call. */
    void (*stop)(void *run);
};

struct posture_endpoints_options {
    const char *host; /* name (A-labels) or address literal without brackets; copied */
    uint16_t port;
    bool is_literal;
    const struct posture_address_policy *policy; /* for what DNS gives */
    struct posture_budget *budget;               /* NULL: no budget of connections */
    uint32_t connections;                        /* that each address may take from it */
    uint32_t deadline_ms;                        /* for all of it */
    const struct posture_endpoints_ops *ops;
    void *data;                  /* of ops */
    void (*release)(void *data); /* when nobody needs data any more; may be NULL */
};

struct posture_endpoints;
/* Runs once, in the loop; the facts are a new reference, NULL when memory was out. */
typedef void posture_endpoints_cb(void *data, json_t *facts_take);

/* policy and budget must outlive it. On failure data is still the caller's. */
int posture_endpoints_start(uv_loop_t *loop,
                            const struct posture_endpoints_options *options,
                            posture_endpoints_cb *done, void *done_data,
                            struct posture_endpoints **ret);
/* No callback comes any more; handles close in the loop. */
void posture_endpoints_cancel(struct posture_endpoints *endpoints);

#endif
