/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#ifndef POSTURE_CRITERIA_HTTP_H
#define POSTURE_CRITERIA_HTTP_H

#include "common/report/checks.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

/*
 * Pages, metrics and the model itself over HTTP, inside the caller's loop (libmicrohttpd,
 * epoll). One thread: every call is made from the loop's. GET and HEAD only.
 *
 *   /  /area/<id>  /agency/<id>  /criterion/<id>   HTML; language by ?lang=, then
 * Accept-Language /evaluations.json                              the posture.nation/1
 * document /metrics  /metrics/public                      OpenMetrics, or text 0.0.4, as
 * Accept asks /healthz                                       200 with a model that is not
 * too old, else 503
 *
 * A page is written when it is first asked for after a publish, and kept until the next.
 */
#define POSTURE_HTTP_LISTEN "[::1]:9475"

struct posture_http_settings {
    const char
        *listen; /* "[address]:port" or "address:port", port 0: any; NULL: the default */
    const char *tls_cert; /* PEM text, not paths; NULL: plain HTTP, loopback only */
    const char *tls_key;
    const char *tls_client_ca; /* who may connect */
    const char *token; /* what every request but /healthz must carry: Bearer, or Basic as
                          password; white space around it does not count */
    const char *const
        *host_names; /* ends with NULL; names beside the address that Host may give; plain
                        loopback refuses others (DNS rebinding) */
    const struct posture_check_registry
        *checks;        /* NULL: reasons as codes; must outlive the server */
    uint32_t refresh_s; /* pages reload themselves; 0: 60 s */
    uint32_t max_age_s; /* /healthz says 503 for an older model; 0: 600 s */
    uint32_t
        request_limit_s; /* a connection that has no answer after it is ended; 0: 30 s */
    uint32_t max_connections; /* 0: 128 */
};

/* What the settings break, as an option error that says what was expected: an address
 * that is not loopback needs TLS, with a client CA or a token of at least 16 characters.
 * Pure. */
int posture_http_settings_check(const struct posture_http_settings *settings,
                                struct posture_error *reterr);

struct posture_http;

/* Checks the settings, listens, answers 503 until the first publish. Strings are copied.
 * -errno of bind and listen (address in use …) with the address in reterr. */
int posture_http_new(uv_loop_t *loop, const struct posture_http_settings *settings,
                     struct posture_http **ret_http, struct posture_error *reterr);
/* The port that it listens on. */
uint16_t posture_http_port(const struct posture_http *http);

/* The new state of the nation; takes its own reference, the document must not change
 * afterwards. Publish at every change and at least once a minute with a new "time": ages
 * are shown by it. Cheap: pages are made of it when someone asks. POSTURE_E_SCHEMA when
 * the document calls itself something else; then the last one stays. */
int posture_http_publish(struct posture_http *http, json_t *nation,
                         struct posture_error *reterr);

struct posture_http_stats {
    uint64_t requests, refused; /* refused: 4xx by rule (token, host, method) */
    uint64_t failures;          /* published documents of which no page could be made */
    uint64_t renders, connections, cut; /* cut: connections ended for being slow */
};
void posture_http_stats_get(const struct posture_http *http,
                            struct posture_http_stats *ret_stats);

/* Stops listening, ends connections and closes the handles; the memory goes when the loop
 * has run once more. NULL is accepted. */
void posture_http_stop(struct posture_http *http);

#endif
