/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#include "common/ssh/probe.h"

#include "common/ssh/endpoint.h"

#include <errno.h>

struct posture_ssh_context {
    struct posture_ssh_tables *tables;
    struct posture_connections *sockets; /* while an endpoint runs */
};

struct posture_ssh_probe {
    struct posture_ssh_context *context;
    uint32_t timeout_ms;
    struct posture_endpoints *endpoints;
};

struct posture_ssh_context *posture_ssh_context_free(struct posture_ssh_context *context)
{
    if (!context)
        return NULL;
    posture_ssh_tables_free(context->tables);
    free(context);
    return NULL;
}

int posture_ssh_context_new(const char *data_dir, struct posture_ssh_context **ret,
                            struct posture_error *reterr)
{
    POSTURE_AUTO(posture_ssh_context_free)
    struct posture_ssh_context *context = posture_calloc(1, sizeof(*context));
    if (!context)
        return -ENOMEM;
    POSTURE_TRY(posture_ssh_tables_load(data_dir, &context->tables, reterr));
    *ret = POSTURE_TAKE(context);
    return 0;
}

static int address_start(void *data, uv_loop_t *loop,
                         const struct sockaddr_storage *address, size_t count,
                         posture_endpoint_done_cb *done, void *done_data, void **ret_run)
{
    (void)count;
    struct posture_ssh_probe *probe = data;
    const struct posture_ssh_endpoint_options options = {
        .address = *address,
        .timeout_ms = probe->timeout_ms,
        .tables = probe->context->tables,
        .sockets = &probe->context->sockets,
    };
    struct posture_ssh_endpoint *endpoint = NULL;
    POSTURE_TRY(posture_ssh_endpoint_start(loop, &options, done, done_data, &endpoint));
    *ret_run = endpoint;
    return 0;
}

static void address_stop(void *run)
{
    posture_ssh_endpoint_stop(run);
}

static const struct posture_endpoints_ops address_ops = {
    .start = address_start,
    .stop = address_stop,
};

int posture_ssh_probe_start(uv_loop_t *loop,
                            const struct posture_ssh_probe_options *options,
                            posture_endpoints_cb *done, void *data,
                            struct posture_ssh_probe **ret)
{
    struct posture_ssh_probe *probe = posture_calloc(1, sizeof(*probe));
    if (!probe)
        return -ENOMEM;
    probe->context = options->context;
    probe->timeout_ms = options->timeout_ms;
    const struct posture_endpoints_options every = {
        .host = options->host,
        .port = options->port,
        .is_literal = options->is_literal,
        .policy = options->policy,
        .budget = options->budget,
        .connections = 1,
        .deadline_ms = options->deadline_ms,
        .ops = &address_ops,
        .data = probe,
        .release = free,
    };
    int r = posture_endpoints_start(loop, &every, done, data, &probe->endpoints);
    if (r < 0) {
        free(probe);
        return r;
    }
    *ret = probe;
    return 0;
}

void posture_ssh_probe_cancel(struct posture_ssh_probe *probe)
{
    posture_endpoints_cancel(probe->endpoints);
}
