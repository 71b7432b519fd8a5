/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#include "posture_crypto/web_probe.h"

#include "common/net/address.h"
#include "common/report/json.h"
#include "posture_crypto/web_wire.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum { URL_MAX = 320 };

struct exchange {
    struct web_probe *probe;
    struct posture_http_call *call; /* while it runs */
    struct posture_budget_ticket ticket;
    struct sockaddr_storage to;
    json_t *http; /* borrowed: of its address */
    bool is_plain;
};

struct web_probe {
    web_probe_cb *done;
    void *data;
    json_t *facts;
    char urls[2][URL_MAX]; /* over TLS, plain */
    uint16_t plain_port;
    struct posture_http_client *client;
    uint32_t timeout_ms;
    uv_timer_t deadline;
    struct exchange *exchanges;
    size_t count, running; /* running or waiting for a connection */
};

static void probe_free(struct web_probe *probe)
{
    json_decref(probe->facts);
    free(probe->exchanges);
    free(probe);
}

static void deadline_closed(uv_handle_t *handle)
{
    struct web_probe *probe = handle->data;
    web_probe_cb *done = probe->done;
    if (done)
        done(probe->data, json_incref(probe->facts));
    probe_free(probe);
}

static void probe_finish(struct web_probe *probe)
{
    if (!uv_is_closing((uv_handle_t *)&probe->deadline))
        uv_close((uv_handle_t *)&probe->deadline, deadline_closed);
}

static void answer_set(const struct exchange *exchange, json_t *answer_take)
{
    (void)json_object_set_new(exchange->http, exchange->is_plain ? "plain" : "https",
                              answer_take);
}

static void exchange_end(struct exchange *exchange)
{
    struct web_probe *probe = exchange->probe;
    posture_budget_return(&exchange->ticket);
    if (--probe->running == 0)
        probe_finish(probe);
}

static void answered(void *data, const struct posture_http_response *response)
{
    struct exchange *exchange = data;
    struct web_probe *probe = exchange->probe;
    exchange->call = NULL;
    answer_set(exchange, exchange->is_plain ? web_plain_facts(response, probe->urls[1],
                                                              probe->plain_port)
                                            : web_https_facts(response));
    exchange_end(exchange);
}

static json_t *failed_facts(const struct exchange *exchange, const char *code,
                            const char *detail)
{
    json_t *facts = web_error_facts(code, detail);
    if (facts && exchange->is_plain)
        (void)json_object_set_new(facts, "port",
                                  json_integer(exchange->probe->plain_port));
    return facts;
}

static void exchange_run(void *data)
{
    struct exchange *exchange = data;
    struct web_probe *probe = exchange->probe;
    struct posture_http_request request = {
        .url = probe->urls[exchange->is_plain],
        .address = (const struct sockaddr *)&exchange->to,
        .timeout_ms = probe->timeout_ms,
    };
    int r =
        posture_http_get(probe->client, &request, answered, exchange, &exchange->call);
    if (r == 0)
        return;
    answer_set(exchange, failed_facts(exchange, "failed", posture_strerror(r)));
    exchange_end(exchange);
}

/* Time is up for those whose turn did not come; the others end by their own. */
static void deadline_came(uv_timer_t *timer)
{
    struct web_probe *probe = timer->data;
    for (size_t i = 0; i < probe->count; i++) {
        struct exchange *exchange = &probe->exchanges[i];
        if (!exchange->ticket.is_waiting)
            continue;
        answer_set(exchange, failed_facts(exchange, "timeout", "no connection was free"));
        exchange_end(exchange);
    }
}

static int exchange_start(struct web_probe *probe,
                          const struct web_probe_options *options, const char *address,
                          json_t *http, bool is_plain)
{
    struct exchange *exchange = &probe->exchanges[probe->count];
    *exchange = (struct exchange){.probe = probe, .http = http, .is_plain = is_plain};
    POSTURE_TRY(posture_address_parse(address, options->port, &exchange->to));
    probe->count++;
    probe->running++;
    if (!options->budget ||
        posture_budget_take(options->budget, (const struct sockaddr *)&exchange->to, 1,
                            exchange_run, exchange, &exchange->ticket))
        exchange_run(exchange);
    return 0;
}

static int endpoint_ask(struct web_probe *probe, const struct web_probe_options *options,
                        json_t *endpoint)
{
    const char *address = posture_json_string(endpoint, "address");
    if (!address || json_array_size(json_object_get(endpoint, "versions")) == 0)
        return 0;
    json_t *http = json_pack("{s:s}", "name", options->name);
    if (!http || json_object_set_new(endpoint, "http", http) < 0)
        return -ENOMEM;
    POSTURE_TRY(exchange_start(probe, options, address, http, false));
    return exchange_start(probe, options, address, http, true);
}

int web_probe_start(const struct web_probe_options *options, json_t *facts_take,
                    web_probe_cb *done, void *data, struct web_probe **ret)
{
    json_t *endpoints = json_object_get(facts_take, "endpoints");
    struct web_probe *probe = posture_calloc(1, sizeof(*probe));
    struct exchange *exchanges =
        posture_calloc(2 * json_array_size(endpoints) + 1, sizeof(*exchanges));
    if (!probe || !exchanges) {
        free(probe);
        free(exchanges);
        json_decref(facts_take);
        return -ENOMEM;
    }
    *probe = (struct web_probe){.done = done,
                                .data = data,
                                .facts = facts_take,
                                .plain_port = options->plain_port,
                                .client = options->client,
                                .timeout_ms = options->timeout_ms,
                                .exchanges = exchanges};
    bool is_v6 = strchr(options->name, ':') != NULL;
    snprintf(probe->urls[0], URL_MAX, is_v6 ? "https://[%s]:%u/" : "https://%s:%u/",
             options->name, options->port);
    snprintf(probe->urls[1], URL_MAX, is_v6 ? "http://[%s]:%u/" : "http://%s:%u/",
             options->name, options->plain_port);
    uv_timer_init(options->loop, &probe->deadline);
    probe->deadline.data = probe;
    uv_timer_start(&probe->deadline, deadline_came, options->deadline_ms, 0);
    *ret = probe;
    probe->running = 1; /* nothing ends before all have begun */
    size_t i;
    json_t *endpoint;
    json_array_foreach (endpoints, i, endpoint) {
        int r = endpoint_ask(probe, options, endpoint);
        if (r < 0) {
            web_probe_cancel(probe);
            return r;
        }
    }
    if (--probe->running == 0)
        probe_finish(probe);
    return 0;
}

void web_probe_cancel(struct web_probe *probe)
{
    probe->done = NULL;
    for (size_t i = 0; i < probe->count; i++) {
        if (probe->exchanges[i].call)
            posture_http_cancel(probe->exchanges[i].call);
        probe->exchanges[i].call = NULL;
        posture_budget_return(&probe->exchanges[i].ticket);
    }
    probe_finish(probe);
}
