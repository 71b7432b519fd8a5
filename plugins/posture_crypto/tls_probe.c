/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#include "posture_crypto/measure.h"
#include "posture_crypto/options.h"
#include "posture_crypto/tls_checks.h"
#include "posture_crypto/tls_files.h"
#include "posture_crypto/web_probe.h"

#include "common/base/clock.h"
#include "common/tls/probe.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* What the probes of kind tls share, made from the settings. */
struct tls_shared {
    const struct posture_crypto_settings *settings;
    struct posture_tls_context *context;
    const struct posture_crypto_common *common;
    struct posture_http_client *http;
    struct tls_files *files;
    char helo[POSTURE_STARTTLS_NAME_MAX]; /* who we say we are */
};

static struct tls_shared *tls_free(struct tls_shared *tls)
{
    if (!tls)
        return NULL;
    tls_files_free(tls->files);
    posture_tls_context_free(tls->context);
    free(tls);
    return NULL;
}
POSTURE_AUTO_DEFINE(struct tls_shared *, tls_free)

/* HeloName, or this host's name as far as it can stand in a mail server's log. */
static void helo_set(struct tls_shared *tls)
{
    char host[POSTURE_STARTTLS_NAME_MAX] = "";
    if (!tls->settings->helo_name && gethostname(host, sizeof(host)) < 0)
        host[0] = '\0';
    host[sizeof(host) - 1] = '\0';
    if (host[strspn(host, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                          "0123456789.-")] != '\0')
        host[0] = '\0';
    const char *name = tls->settings->helo_name ? tls->settings->helo_name : host;
    snprintf(tls->helo, sizeof(tls->helo), "%s", *name ? name : "localhost");
}

static int tls_setup(struct posture_worker *runtime,
                     const struct posture_crypto_common *common, void **ret,
                     struct posture_error *reterr)
{
    POSTURE_AUTO(tls_free) struct tls_shared *tls = posture_calloc(1, sizeof(*tls));
    if (!tls)
        return -ENOMEM;
    tls->settings = posture_settings_plugin(posture_worker_settings(runtime));
    tls->common = common;
    helo_set(tls);
    POSTURE_TRY(
        posture_tls_context_new(tls->settings->common.data_dir, &tls->context, reterr));
    POSTURE_TRY(tls_files_new(tls->settings, &tls->files, reterr));
    POSTURE_TRY(posture_http_client_new(posture_worker_loop(runtime), &tls->http));
    *ret = POSTURE_TAKE(tls);
    return 0;
}

static int tls_admit(void *shared, const void *values, struct posture_error *reterr)
{
    struct tls_shared *tls = shared;
    return tls_files_admit(tls->files, values, reterr);
}

static void tls_stop(void *shared)
{
    struct tls_shared *tls = shared;
    posture_http_client_close(tls->http);
    tls->http = NULL;
}

static void tls_teardown(void *shared)
{
    tls_free(shared);
}

/* One measurement: TLS first, then what a web server says over it. */
struct tls_run {
    const struct tls_shared *tls;
    uv_loop_t *loop;
    const struct posture_crypto_endpoint *endpoint;
    const struct posture_subject *subject;
    int64_t started_ns;
    struct posture_tls_probe *probe;
    struct web_probe *web;
    posture_crypto_measured_cb *done;
    void *data;
};

static void run_finish(void *data, json_t *facts_take)
{
    struct tls_run *run = data;
    posture_crypto_measured_cb *done = run->done;
    void *to = run->data;
    free(run);
    done(to, facts_take);
}

/* Ports of the IANA registry for HTTP over TLS; the option says so for any other. */
static bool is_web(const struct tls_run *run)
{
    bool is_usual = run->subject->port == 443 || run->subject->port == 8443;
    return strcmp(run->subject->scheme, "tls") == 0 &&
           (run->endpoint->web == POSTURE_CRYPTO_WEB_YES ||
            (run->endpoint->web == POSTURE_CRYPTO_WEB_AUTO && is_usual));
}

static void tls_measured(void *data, json_t *facts)
{
    struct tls_run *run = data;
    run->probe = NULL;
    if (!facts || !is_web(run)) {
        run_finish(run, facts);
        return;
    }
    const struct posture_crypto_settings *settings = run->tls->settings;
    int64_t spent_ms = (posture_monotonic_ns() - run->started_ns) / POSTURE_NS_PER_MS;
    int64_t left_ms = (int64_t)settings->deadline_ms - spent_ms;
    if (left_ms < 1)
        left_ms = 1;
    struct web_probe_options options = {
        .loop = run->loop,
        .client = run->tls->http,
        .budget = run->tls->common->budget,
        .name =
            run->endpoint->server_name ? run->endpoint->server_name : run->subject->host,
        .port = run->subject->port,
        .plain_port = run->endpoint->http_port,
        .timeout_ms =
            left_ms < settings->timeout_ms ? (uint32_t)left_ms : settings->timeout_ms,
        .deadline_ms = (uint32_t)left_ms,
    };
    if (web_probe_start(&options, facts, run_finish, run, &run->web) < 0)
        run_finish(run, NULL);
}

static void manners_set(const struct tls_shared *tls,
                        const struct posture_subject *subject,
                        struct posture_tls_probe_options *options)
{
    const struct posture_crypto_settings *settings = tls->settings;
    options->starttls = posture_starttls_by_scheme(subject->scheme, subject->port);
    options->helo = tls->helo;
    options->starttls_timeout_ms = settings->timeout_ms;
    if (!posture_starttls_is_mail(options->starttls))
        return;
    options->starttls_timeout_ms = settings->mail_timeout_ms;
    options->pause_ms = settings->mail_pause_ms;
    options->connections_max = settings->mail_connections;
    if (options->connections > settings->mail_at_once)
        options->connections = settings->mail_at_once;
}

static int tls_start(void *shared, uv_loop_t *loop, const struct posture_subject *subject,
                     const void *values, posture_crypto_measured_cb *done, void *data,
                     void **ret)
{
    const struct tls_shared *tls = shared;
    const struct posture_crypto_endpoint *endpoint = values;
    struct posture_tls_probe_options options = {
        .context = tls->context,
        .host = subject->host,
        .port = subject->port,
        .is_literal = subject->is_literal,
        .server_name = endpoint->server_name,
        .trust = tls_files_trust(tls->files, endpoint),
        .crls = tls_files_crls(tls->files, endpoint),
        .policy = tls->common->policy,
        .budget = tls->common->budget,
        .timeout_ms = tls->settings->timeout_ms,
        .deadline_ms = tls->settings->deadline_ms,
        .connections = tls->settings->connections_per_host,
        .is_deep = tls->settings->depth == POSTURE_CRYPTO_DEPTH_FULL,
    };
    /* Where a network has fewer than a host, its ticket is for no more than that. */
    if (options.connections > tls->settings->connections_per_network)
        options.connections = tls->settings->connections_per_network;
    manners_set(tls, subject, &options);
    struct tls_run *run = posture_calloc(1, sizeof(*run));
    if (!run)
        return -ENOMEM;
    *run = (struct tls_run){.tls = tls,
                            .loop = loop,
                            .endpoint = endpoint,
                            .subject = subject,
                            .started_ns = posture_monotonic_ns(),
                            .done = done,
                            .data = data};
    int r = posture_tls_probe_start(loop, &options, tls_measured, run, &run->probe);
    if (r < 0) {
        free(run);
        return r;
    }
    *ret = run;
    return 0;
}

static void tls_cancel(void *data)
{
    struct tls_run *run = data;
    if (run->probe)
        posture_tls_probe_cancel(run->probe);
    if (run->web)
        web_probe_cancel(run->web);
    free(run);
}

static json_t *tls_facts_none(const struct posture_subject *subject)
{
    return json_pack("{s:s,s:i,s:{s:s},s:[]}", "host", subject->host, "port",
                     subject->port, "resolution", "error", "failed", "endpoints");
}

static bool tls_is_failure(const json_t *facts)
{
    size_t i;
    const json_t *endpoint;
    json_array_foreach (json_object_get(facts, "endpoints"), i, endpoint) {
        if (json_array_size(json_object_get(endpoint, "versions")) > 0)
            return false;
    }
    return true;
}

/* The last addresses go first, then the chains of the only one left. */
static bool tls_shrink(json_t *facts)
{
    json_t *endpoints = json_object_get(facts, "endpoints");
    size_t n = json_array_size(endpoints);
    json_t *first = json_array_get(endpoints, 0);
    if (n > 1)
        json_array_remove(endpoints, n - 1);
    else if (json_object_del(first, "chains") < 0)
        return false;
    return json_object_set_new(n > 1 ? facts : first, "truncated", json_true()) == 0;
}

const struct posture_crypto_measure posture_crypto_measure_tls = {
    .kind = "tls",
    .block = "Endpoint",
    .checks = &posture_tls_checks,
    .setup = tls_setup,
    .admit = tls_admit,
    .stop = tls_stop,
    .teardown = tls_teardown,
    .start = tls_start,
    .cancel = tls_cancel,
    .facts_none = tls_facts_none,
    .is_failure = tls_is_failure,
    .shrink = tls_shrink,
};
