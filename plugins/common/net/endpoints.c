/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#include "common/net/endpoints.h"

#include "common/base/mem.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum { AT_ONCE = 2 /* addresses of one name measured at the same time */ };

struct target {
    struct posture_endpoints *endpoints;
    void *run; /* while it runs */
    struct posture_budget_ticket ticket;
    struct sockaddr_storage address;
    json_t *facts;
};

struct posture_endpoints {
    uv_loop_t *loop;
    uv_timer_t timer;
    uv_getaddrinfo_t resolve;
    struct posture_endpoints_options options;
    char *host;
    posture_endpoints_cb *done;
    void *done_data;
    struct target targets[POSTURE_ENDPOINTS_MAX];
    size_t count, started, finished;
    bool is_resolving;
    bool is_truncated;
    bool is_over; /* the deadline came, or nobody waits */
    bool is_closing;
    const char *resolution; /* error, static */
};

static void endpoints_free(struct posture_endpoints *endpoints)
{
    for (size_t i = 0; i < endpoints->count; i++)
        json_decref(endpoints->targets[i].facts);
    free(endpoints->host);
    free(endpoints);
}

static json_t *endpoints_facts(struct posture_endpoints *endpoints)
{
    json_auto_t *facts =
        json_pack("{s:s,s:i}", "host", endpoints->host, "port", endpoints->options.port);
    json_auto_t *list = json_array();
    if (!facts || !list)
        return NULL;
    if (endpoints->resolution) {
        json_t *resolution = json_pack("{s:s}", "error", endpoints->resolution);
        if (json_object_set_new(facts, "resolution", resolution) < 0)
            return NULL;
    }
    for (size_t i = 0; i < endpoints->count; i++) {
        if (json_array_append(list, endpoints->targets[i].facts) < 0)
            return NULL;
    }
    if (json_object_set(facts, "endpoints", list) < 0)
        return NULL;
    if (endpoints->is_truncated)
        json_object_set_new(facts, "truncated", json_true());
    return json_incref(facts);
}

static void timer_closed(uv_handle_t *handle)
{
    struct posture_endpoints *endpoints = handle->data;
    if (endpoints->done)
        endpoints->done(endpoints->done_data, endpoints_facts(endpoints));
    if (endpoints->options.release)
        endpoints->options.release(endpoints->options.data);
    endpoints_free(endpoints);
}

static void endpoints_finish(struct posture_endpoints *endpoints)
{
    if (endpoints->is_closing || endpoints->is_resolving ||
        endpoints->finished < endpoints->count)
        return;
    endpoints->is_closing = true;
    uv_close((uv_handle_t *)&endpoints->timer, timer_closed);
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
    const struct posture_endpoints_options *options = &target->endpoints->options;
    if (facts && options->ops->describe)
        options->ops->describe(options->data, facts);
    return facts;
}

static void endpoints_pump(struct posture_endpoints *endpoints);

static void target_done(void *data, json_t *facts)
{
    struct target *target = data;
    struct posture_endpoints *endpoints = target->endpoints;
    target->run = NULL;
    target->facts = facts;
    endpoints->finished++;
    posture_budget_return(&target->ticket);
    endpoints_pump(endpoints);
}

static void target_run(struct target *target)
{
    struct posture_endpoints *endpoints = target->endpoints;
    const struct posture_endpoints_options *options = &endpoints->options;
    int r = options->ops->start(options->data, endpoints->loop, &target->address,
                                endpoints->count, target_done, target, &target->run);
    if (r == 0)
        return;
    target->facts = unmeasured(target, "unreachable", posture_strerror(r));
    endpoints->finished++;
    posture_budget_return(&target->ticket);
}

static void target_granted(void *data)
{
    struct target *target = data;
    target_run(target);
    endpoints_finish(target->endpoints);
}

static void target_start(struct posture_endpoints *endpoints, struct target *target)
{
    const char *reason = NULL;
    const struct posture_endpoints_options *options = &endpoints->options;
    if (endpoints->is_over) {
        target->facts = unmeasured(target, "deadline", NULL);
        endpoints->finished++;
        return;
    }
    if (!options->is_literal &&
        !posture_address_allowed(options->policy,
                                 (const struct sockaddr *)&target->address, &reason)) {
        target->facts = unmeasured(target, "denied", reason);
        endpoints->finished++;
        return;
    }
    if (!options->budget ||
        posture_budget_take(options->budget, (const struct sockaddr *)&target->address,
                            options->connections, target_granted, target,
                            &target->ticket))
        target_run(target);
}

static void endpoints_pump(struct posture_endpoints *endpoints)
{
    while (endpoints->started < endpoints->count &&
           endpoints->started - endpoints->finished < AT_ONCE)
        target_start(endpoints, &endpoints->targets[endpoints->started++]);
    endpoints_finish(endpoints);
}

static void target_add(struct posture_endpoints *endpoints,
                       const struct sockaddr *address)
{
    size_t len = address->sa_family == AF_INET ? sizeof(struct sockaddr_in)
                                               : sizeof(struct sockaddr_in6);
    for (size_t i = 0; i < endpoints->count; i++) {
        if (!memcmp(&endpoints->targets[i].address, address, len))
            return;
    }
    if (endpoints->count == POSTURE_ENDPOINTS_MAX) {
        endpoints->is_truncated = true;
        return;
    }
    struct target *target = &endpoints->targets[endpoints->count++];
    target->endpoints = endpoints;
    memcpy(&target->address, address, len);
}

static void resolve_done(uv_getaddrinfo_t *req, int status, struct addrinfo *list)
{
    struct posture_endpoints *endpoints = req->data;
    endpoints->is_resolving = false;
    if (status == 0 && !endpoints->is_over) {
        for (const struct addrinfo *a = list; a; a = a->ai_next) {
            if (a->ai_family == AF_INET || a->ai_family == AF_INET6)
                target_add(endpoints, a->ai_addr);
        }
    }
    uv_freeaddrinfo(list);
    if (endpoints->is_over)
        endpoints->resolution = "timeout";
    else if (status == UV_EAI_NONAME || status == UV_EAI_NODATA)
        endpoints->resolution = "nxdomain";
    else if (status == UV_EAI_AGAIN)
        endpoints->resolution = "timeout";
    else if (status != 0 || endpoints->count == 0)
        endpoints->resolution = "failed";
    endpoints_pump(endpoints);
}

/* Its turn did not come in time. */
static void target_give_up(struct target *target)
{
    posture_budget_return(&target->ticket);
    target->facts = unmeasured(target, "deadline", "no connection was free");
    target->endpoints->finished++;
}

static void endpoints_stop(struct posture_endpoints *endpoints)
{
    endpoints->is_over = true;
    if (endpoints->is_resolving) /* one under way ends by the resolver's timeout */
        uv_cancel((uv_req_t *)&endpoints->resolve);
    for (size_t i = 0; i < endpoints->count; i++) {
        struct target *target = &endpoints->targets[i];
        if (target->run)
            endpoints->options.ops->stop(target->run);
        else if (target->ticket.is_waiting)
            target_give_up(target);
    }
    endpoints_pump(endpoints);
}

static void deadline_came(uv_timer_t *timer)
{
    endpoints_stop(timer->data);
}

static int resolve_start(struct posture_endpoints *endpoints)
{
    if (endpoints->options.is_literal) {
        struct sockaddr_storage address = {0};
        POSTURE_TRY(
            posture_address_parse(endpoints->host, endpoints->options.port, &address));
        target_add(endpoints, (const struct sockaddr *)&address);
        return 0;
    }
    char service[8];
    snprintf(service, sizeof(service), "%u", endpoints->options.port);
    struct addrinfo hints = {
        .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV};
    endpoints->resolve.data = endpoints;
    int r = uv_getaddrinfo(endpoints->loop, &endpoints->resolve, resolve_done,
                           endpoints->host, service, &hints);
    if (r < 0)
        return r;
    endpoints->is_resolving = true;
    return 0;
}

int posture_endpoints_start(uv_loop_t *loop,
                            const struct posture_endpoints_options *options,
                            posture_endpoints_cb *done, void *done_data,
                            struct posture_endpoints **ret)
{
    struct posture_endpoints *endpoints = posture_calloc(1, sizeof(*endpoints));
    if (!endpoints)
        return -ENOMEM;
    endpoints->loop = loop;
    endpoints->options = *options;
    endpoints->done = done;
    endpoints->done_data = done_data;
    endpoints->host = posture_strdup(options->host);
    int r = endpoints->host ? resolve_start(endpoints) : -ENOMEM;
    if (r < 0) {
        endpoints_free(endpoints);
        return r;
    }
    uv_timer_init(loop, &endpoints->timer);
    endpoints->timer.data = endpoints;
    uv_timer_start(&endpoints->timer, deadline_came, options->deadline_ms, 0);
    *ret = endpoints;
    if (!endpoints->is_resolving)
        endpoints_pump(endpoints);
    return 0;
}

void posture_endpoints_cancel(struct posture_endpoints *endpoints)
{
    endpoints->done = NULL;
    endpoints_stop(endpoints);
}
