/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#include "common/tls/probe.h"

#include "common/net/endpoints.h"
#include "common/tls/endpoint.h"

#include <errno.h>

enum { FACTS_BUDGET = 128 * 1024, FACTS_BUDGET_MIN = 24 * 1024 };

struct posture_tls_context {
    struct posture_tls_tables *tables;
    struct posture_tls_handshake_context *handshake;
    struct posture_connections *sockets; /* while an endpoint runs */
};

struct posture_tls_probe {
    struct posture_tls_probe_options options;
    char *host;
    char *server_name;
    char *helo;
    struct posture_endpoints *endpoints;
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

static void probe_free(void *data)
{
    struct posture_tls_probe *probe = data;
    free(probe->host);
    free(probe->server_name);
    free(probe->helo);
    free(probe);
}

static int address_start(void *data, uv_loop_t *loop,
                         const struct sockaddr_storage *address, size_t count,
                         posture_endpoint_done_cb *done, void *done_data, void **ret_run)
{
    struct posture_tls_probe *probe = data;
    bool is_named = probe->server_name || !probe->options.is_literal;
    const char *name = probe->server_name ? probe->server_name : probe->host;
    struct posture_tls_endpoint_options options = {
        .address = *address,
        .server_name = is_named ? name : NULL,
        .verify_name = name,
        .verify_is_literal = !is_named,
        .timeout_ms = probe->options.timeout_ms,
        .connections = probe->options.connections,
        .manners = {.protocol = probe->options.starttls,
                    .helo = probe->helo,
                    .name = name,
                    .timeout_ms = probe->options.starttls_timeout_ms,
                    .pause_ms = probe->options.pause_ms,
                    .connections_max = probe->options.connections_max},
        .is_deep = probe->options.is_deep,
        .facts_budget = FACTS_BUDGET / count < FACTS_BUDGET_MIN ? FACTS_BUDGET_MIN
                                                                : FACTS_BUDGET / count,
        .tables = probe->options.context->tables,
        .handshake = probe->options.context->handshake,
        .trust = probe->options.trust,
        .sockets = &probe->options.context->sockets,
        .crls = probe->options.crls,
    };
    struct posture_tls_endpoint *endpoint = NULL;
    POSTURE_TRY(posture_tls_endpoint_start(loop, &options, done, done_data, &endpoint));
    *ret_run = endpoint;
    return 0;
}

static void address_stop(void *run)
{
    posture_tls_endpoint_stop(run);
}

/* What began in the clear stays known of an address that was not even tried. */
static void address_describe(void *data, json_t *facts)
{
    const struct posture_tls_probe *probe = data;
    const struct posture_tls_clear clear = {.protocol = probe->options.starttls};
    posture_tls_clear_facts(&clear, facts);
}

static const struct posture_endpoints_ops address_ops = {
    .describe = address_describe,
    .start = address_start,
    .stop = address_stop,
};

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
    probe->options = *options;
    probe->host = posture_strdup(options->host);
    probe->server_name =
        options->server_name ? posture_strdup(options->server_name) : NULL;
    probe->helo = posture_strdup(options->helo ? options->helo : "localhost");
    bool is_whole =
        probe->host && probe->helo && (probe->server_name || !options->server_name);
    int r = is_whole ? 0 : -ENOMEM;
    const struct posture_endpoints_options every = {
        .host = options->host,
        .port = options->port,
        .is_literal = options->is_literal,
        .policy = options->policy,
        .budget = options->budget,
        .connections = options->connections,
        .deadline_ms = options->deadline_ms,
        .ops = &address_ops,
        .data = probe,
        .release = probe_free,
    };
    if (r == 0)
        r = posture_endpoints_start(loop, &every, done, data, &probe->endpoints);
    if (r < 0) {
        probe_free(probe);
        return r;
    }
    *ret = probe;
    return 0;
}

void posture_tls_probe_cancel(struct posture_tls_probe *probe)
{
    posture_endpoints_cancel(probe->endpoints);
}
