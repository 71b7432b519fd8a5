/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#include "posture_crypto/measure.h"
#include "posture_crypto/options.h"
#include "posture_crypto/ssh_checks.h"

#include "common/ssh/probe.h"

#include <errno.h>

/* What the probes of kind ssh share, made from the settings. */
struct ssh_shared {
    const struct posture_crypto_settings *settings;
    struct posture_ssh_context *context;
    const struct posture_crypto_common *common;
};

static struct ssh_shared *ssh_free(struct ssh_shared *ssh)
{
    if (!ssh)
        return NULL;
    posture_ssh_context_free(ssh->context);
    free(ssh);
    return NULL;
}
POSTURE_AUTO_DEFINE(struct ssh_shared *, ssh_free)

static int ssh_setup(struct posture_worker *runtime,
                     const struct posture_crypto_common *common, void **ret,
                     struct posture_error *reterr)
{
    POSTURE_AUTO(ssh_free) struct ssh_shared *ssh = posture_calloc(1, sizeof(*ssh));
    if (!ssh)
        return -ENOMEM;
    ssh->common = common;
    ssh->settings = posture_settings_plugin(posture_worker_settings(runtime));
    POSTURE_TRY(
        posture_ssh_context_new(ssh->settings->common.data_dir, &ssh->context, reterr));
    *ret = POSTURE_TAKE(ssh);
    return 0;
}

static void ssh_teardown(void *shared)
{
    ssh_free(shared);
}

static int ssh_start(void *shared, uv_loop_t *loop, const struct posture_subject *subject,
                     const void *values, posture_crypto_measured_cb *done, void *data,
                     void **ret)
{
    (void)values;
    const struct ssh_shared *ssh = shared;
    const struct posture_ssh_probe_options options = {
        .context = ssh->context,
        .host = subject->host,
        .port = subject->port,
        .is_literal = subject->is_literal,
        .policy = ssh->common->policy,
        .budget = ssh->common->budget,
        .timeout_ms = ssh->settings->timeout_ms,
        .deadline_ms = ssh->settings->deadline_ms,
    };
    struct posture_ssh_probe *probe = NULL;
    POSTURE_TRY(posture_ssh_probe_start(loop, &options, done, data, &probe));
    *ret = probe;
    return 0;
}

static void ssh_cancel(void *run)
{
    posture_ssh_probe_cancel(run);
}

static json_t *ssh_facts_none(const struct posture_subject *subject)
{
    return json_pack("{s:s,s:i,s:{s:s},s:[]}", "host", subject->host, "port",
                     subject->port, "resolution", "error", "failed", "endpoints");
}

static bool ssh_is_failure(const json_t *facts)
{
    size_t i;
    const json_t *endpoint;
    json_array_foreach (json_object_get(facts, "endpoints"), i, endpoint) {
        if (json_object_get(endpoint, "banner"))
            return false;
    }
    return true;
}

/* The last addresses go; one alone always fits. */
static bool ssh_shrink(json_t *facts)
{
    json_t *endpoints = json_object_get(facts, "endpoints");
    size_t n = json_array_size(endpoints);
    return n > 1 && json_array_remove(endpoints, n - 1) == 0 &&
           json_object_set_new(facts, "truncated", json_true()) == 0;
}

const struct posture_crypto_measure posture_crypto_measure_ssh = {
    .kind = "ssh",
    .block = "Endpoint",
    .checks = &posture_ssh_checks,
    .setup = ssh_setup,
    .teardown = ssh_teardown,
    .start = ssh_start,
    .cancel = ssh_cancel,
    .facts_none = ssh_facts_none,
    .is_failure = ssh_is_failure,
    .shrink = ssh_shrink,
};
