/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#include "common/tls/probe.h"

#include "common/tls/endpoint.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum {
    AT_ONCE = 2, /* addresses of one name measured at the same time */
    FACTS_BUDGET = 128 * 1024,
    FACTS_BUDGET_MIN = 24 * 1024,
};

struct posture_tls_context {
    struct posture_tls_tables *tables;
    struct posture_tls_handshake_context *handshake;
    struct posture_connections *sockets; /* while an endpoint runs */
};

struct target {
    struct posture_tls_probe *probe;
    struct posture_tls_endpoint *endpoint; /* while it runs */
    struct sockaddr_storage address;
    json_t *facts;
};

struct posture_tls_probe {
    uv_loop_t *loop;
    uv_timer_t timer;
    uv_getaddrinfo_t resolve;
    struct posture_tls_probe_options options;
    char *host;
    char *server_name;
    posture_tls_probe_cb *done;
    void *data;
    struct target targets[POSTURE_TLS_ADDRESSES_MAX];
    size_t count, started, finished;
    bool is_resolving;
    bool is_truncated;
    bool is_over; /* the deadline came, or nobody waits */
    bool is_closing;
    const char *resolution; /* error, static */
};

struct posture_tls_context *posture_tls_context_free(struct posture_tls_context *context)
{
    if (!context)
        return NULL;
    posture_tls_tables_free(context->tables);
    posture_tls_handshake_context_free(context->handshake);
    free(context);
    return NULL;
}

int posture_tls_context_new(const char *data_dir, struct posture_tls_context **ret,
                            struct posture_error *reterr)
{
    POSTURE_AUTO(posture_tls_context_free)
    struct posture_tls_context *context = posture_calloc(1, sizeof(*context));
    if (!context)
        return -ENOMEM;
    POSTURE_TRY(posture_tls_tables_load(data_dir, &context->tables, reterr));
    POSTURE_TRY(posture_tls_handshake_context_new(&context->handshake));
    *ret = POSTURE_TAKE(context);
    return 0;
}

static void probe_free(struct posture_tls_probe *probe)
{
    for (size_t i = 0; i < probe->count; i++)
        json_decref(probe->targets[i].facts);
    free(probe->host);
    free(probe->server_name);
    free(probe);
}

static json_t *probe_facts(struct posture_tls_probe *probe)
{
    json_auto_t *facts =
        json_pack("{s:s,s:i}", "host", probe->host, "port", probe->options.port);
    json_auto_t *endpoints = json_array();
    if (!facts || !endpoints)
        return NULL;
    if (probe->resolution) {
        json_t *resolution = json_pack("{s:s}", "error", probe->resolution);
        if (json_object_set_new(facts, "resolution", resolution) < 0)
            return NULL;
    }
    for (size_t i = 0; i < probe->count; i++) {
        if (json_array_append(endpoints, probe->targets[i].facts) < 0)
            return NULL;
    }
    if (json_object_set(facts, "endpoints", endpoints) < 0)
        return NULL;
    if (probe->is_truncated)
        json_object_set_new(facts, "truncated", json_true());
    return json_incref(facts);
}

static void timer_closed(uv_handle_t *handle)
{
    struct posture_tls_probe *probe = handle->data;
    if (probe->done)
        probe->done(probe->data, probe_facts(probe));
    probe_free(probe);
}

static void probe_finish(struct posture_tls_probe *probe)
{
    if (probe->is_closing || probe->is_resolving || probe->finished < probe->count)
        return;
    probe->is_closing = true;
    uv_close((uv_handle_t *)&probe->timer, timer_closed);
}

static json_t *unmeasured(const struct target *target, const char *code,
                          const char *detail)
{
    char address[POSTURE_ADDRESS_TEXT];
    posture_address_format((const struct sockaddr *)&target->address, address);
    json_t *facts = json_pack("{s:s,s:b,s:{s:s}}", "address", address, "reachable", 0,
                              "error", "code", code);
    if (detail)
        json_object_set_new(json_object_get(facts, "error"), "detail",
                            json_string(detail));
    return facts;
}

static void probe_pump(struct posture_tls_probe *probe);

static void endpoint_done(void *data, json_t *facts)
{
    struct target *target = data;
    struct posture_tls_probe *probe = target->probe;
    target->endpoint = NULL;
    target->facts = facts;
    probe->finished++;
    probe_pump(probe);
}

static void target_start(struct posture_tls_probe *probe, struct target *target)
{
    const char *reason = NULL;
    const struct sockaddr *address = (const struct sockaddr *)&target->address;
    if (probe->is_over) {
        target->facts = unmeasured(target, "deadline", NULL);
        probe->finished++;
        return;
    }
    if (!probe->options.is_literal &&
        !posture_address_allowed(probe->options.policy, address, &reason)) {
        target->facts = unmeasured(target, "denied", reason);
        probe->finished++;
        return;
    }
    bool is_named = probe->server_name || !probe->options.is_literal;
    const char *name = probe->server_name ? probe->server_name : probe->host;
    struct posture_tls_endpoint_options options = {
        .address = target->address,
        .server_name = is_named ? name : NULL,
        .verify_name = name,
        .verify_is_literal = !is_named,
        .timeout_ms = probe->options.timeout_ms,
        .connections = probe->options.connections,
        .facts_budget = FACTS_BUDGET / probe->count < FACTS_BUDGET_MIN
                            ? FACTS_BUDGET_MIN
                            : FACTS_BUDGET / probe->count,
        .tables = probe->options.context->tables,
        .handshake = probe->options.context->handshake,
        .trust = probe->options.trust,
        .sockets = &probe->options.context->sockets,
    };
    int r = posture_tls_endpoint_start(probe->loop, &options, endpoint_done, target,
                                       &target->endpoint);
    if (r < 0) {
        target->facts = unmeasured(target, "unreachable", posture_strerror(r));
        probe->finished++;
    }
}

static void probe_pump(struct posture_tls_probe *probe)
{
    while (probe->started < probe->count && probe->started - probe->finished < AT_ONCE)
        target_start(probe, &probe->targets[probe->started++]);
    probe_finish(probe);
}

static void target_add(struct posture_tls_probe *probe, const struct sockaddr *address)
{
    size_t len = address->sa_family == AF_INET ? sizeof(struct sockaddr_in)
                                               : sizeof(struct sockaddr_in6);
    for (size_t i = 0; i < probe->count; i++) {
        if (!memcmp(&probe->targets[i].address, address, len))
            return;
    }
    if (probe->count == POSTURE_TLS_ADDRESSES_MAX) {
        probe->is_truncated = true;
        return;
    }
    struct target *target = &probe->targets[probe->count++];
    target->probe = probe;
    memcpy(&target->address, address, len);
}

static void resolve_done(uv_getaddrinfo_t *req, int status, struct addrinfo *list)
{
    struct posture_tls_probe *probe = req->data;
    probe->is_resolving = false;
    if (status == 0 && !probe->is_over) {
        for (const struct addrinfo *a = list; a; a = a->ai_next) {
            if (a->ai_family == AF_INET || a->ai_family == AF_INET6)
                target_add(probe, a->ai_addr);
        }
    }
    uv_freeaddrinfo(list);
    if (probe->is_over)
        probe->resolution = "timeout";
    else if (status == UV_EAI_NONAME || status == UV_EAI_NODATA)
        probe->resolution = "nxdomain";
    else if (status == UV_EAI_AGAIN)
        probe->resolution = "timeout";
    else if (status != 0 || probe->count == 0)
        probe->resolution = "failed";
    probe_pump(probe);
}

static void probe_stop(struct posture_tls_probe *probe)
{
    probe->is_over = true;
    if (probe->is_resolving)
        uv_cancel((uv_req_t *)&probe
                      ->resolve); /* one under way ends by the resolver's timeout */
    for (size_t i = 0; i < probe->count; i++) {
        if (probe->targets[i].endpoint)
            posture_tls_endpoint_stop(probe->targets[i].endpoint);
    }
}

static void deadline_came(uv_timer_t *timer)
{
    probe_stop(timer->data);
}

static int resolve_start(struct posture_tls_probe *probe)
{
    if (probe->options.is_literal) {
        struct sockaddr_storage address = {0};
        POSTURE_TRY(posture_address_parse(probe->host, probe->options.port, &address));
        target_add(probe, (const struct sockaddr *)&address);
        return 0;
    }
    char service[8];
    snprintf(service, sizeof(service), "%u", probe->options.port);
    struct addrinfo hints = {
        .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV};
    probe->resolve.data = probe;
    int r = uv_getaddrinfo(probe->loop, &probe->resolve, resolve_done, probe->host,
                           service, &hints);
    if (r < 0)
        return r;
    probe->is_resolving = true;
    return 0;
}

int posture_tls_probe_start(uv_loop_t *loop,
                            const struct posture_tls_probe_options *options,
                            posture_tls_probe_cb *done, void *data,
                            struct posture_tls_probe **ret)
{
    POSTURE_REQUIRE(options->connections >= 1 &&
                    options->connections <= POSTURE_TLS_CONNECTIONS_MAX);
    struct posture_tls_probe *probe = posture_calloc(1, sizeof(*probe));
    if (!probe)
        return -ENOMEM;
    probe->loop = loop;
    probe->options = *options;
    probe->done = done;
    probe->data = data;
    probe->host = posture_strdup(options->host);
    probe->server_name =
        options->server_name ? posture_strdup(options->server_name) : NULL;
    int r = probe->host && (probe->server_name || !options->server_name) ? 0 : -ENOMEM;
    if (r == 0)
        r = resolve_start(probe);
    if (r < 0) {
        probe_free(probe);
        return r;
    }
    uv_timer_init(loop, &probe->timer);
    probe->timer.data = probe;
    uv_timer_start(&probe->timer, deadline_came, options->deadline_ms, 0);
    *ret = probe;
    if (!probe->is_resolving)
        probe_pump(probe);
    return 0;
}

void posture_tls_probe_cancel(struct posture_tls_probe *probe)
{
    probe->done = NULL;
    probe_stop(probe);
}
