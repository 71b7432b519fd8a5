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
    json_t *http;                   /* borrowed: of its address */
    bool is_plain;
};

struct web_probe {
    web_probe_cb *done;
    void *data;
    json_t *facts;
    char urls[2][URL_MAX]; /* over TLS, plain */
    uint16_t plain_port;
    struct exchange *exchanges;
    size_t count, running;
};

static void probe_free(struct web_probe *probe)
{
    json_decref(probe->facts);
    free(probe->exchanges);
    free(probe);
}

static void probe_finish(struct web_probe *probe)
{
    web_probe_cb *done = probe->done;
    void *data = probe->data;
    json_t *facts = json_incref(probe->facts);
    probe_free(probe);
    done(data, facts);
}

static void answer_set(const struct exchange *exchange, json_t *answer_take)
{
    (void)json_object_set_new(exchange->http, exchange->is_plain ? "plain" : "https",
                              answer_take);
}

static void answered(void *data, const struct posture_http_response *response)
{
    struct exchange *exchange = data;
    struct web_probe *probe = exchange->probe;
    exchange->call = NULL;
    answer_set(exchange, exchange->is_plain ? web_plain_facts(response, probe->urls[1],
                                                              probe->plain_port)
                                            : web_https_facts(response));
    if (--probe->running == 0)
        probe_finish(probe);
}

static int exchange_start(struct web_probe *probe,
                          const struct web_probe_options *options, const char *address,
                          json_t *http, bool is_plain)
{
    struct sockaddr_storage to;
    POSTURE_TRY(posture_address_parse(address, options->port, &to));
    struct exchange *exchange = &probe->exchanges[probe->count++];
    *exchange = (struct exchange){.probe = probe, .http = http, .is_plain = is_plain};
    struct posture_http_request request = {
        .url = probe->urls[is_plain],
        .address = (const struct sockaddr *)&to,
        .timeout_ms = options->timeout_ms,
    };
    int r =
        posture_http_get(options->client, &request, answered, exchange, &exchange->call);
    if (r < 0) {
        answer_set(exchange, web_error_facts("failed", posture_strerror(r)));
        return r == -ENOMEM ? r : 0;
    }
    probe->running++;
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
                                .exchanges = exchanges};
    bool is_v6 = strchr(options->name, ':') != NULL;
    snprintf(probe->urls[0], URL_MAX, is_v6 ? "https://[%s]:%u/" : "https://%s:%u/",
             options->name, options->port);
    snprintf(probe->urls[1], URL_MAX, is_v6 ? "http://[%s]:%u/" : "http://%s:%u/",
             options->name, options->plain_port);
    size_t i;
    json_t *endpoint;
    json_array_foreach (endpoints, i, endpoint) {
        int r = endpoint_ask(probe, options, endpoint);
        if (r < 0) {
            web_probe_cancel(probe);
            return r;
        }
    }
    *ret = probe->running > 0 ? probe : NULL;
    if (probe->running == 0)
        probe_finish(probe);
    return 0;
}

void web_probe_cancel(struct web_probe *probe)
{
    for (size_t i = 0; i < probe->count; i++) {
        if (probe->exchanges[i].call)
            posture_http_cancel(probe->exchanges[i].call);
    }
    probe_free(probe);
}
