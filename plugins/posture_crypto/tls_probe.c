/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#include "posture_crypto/tls_probe.h"

#include <errno.h>
#include <string.h>

struct store {
    const char *name; /* of the settings */
    struct posture_tls_trust *trust;
};

struct posture_crypto_tls {
    const struct posture_crypto_settings *settings;
    struct posture_tls_context *context;
    struct posture_address_policy *policy;
    struct store *stores; /* one per distinct TrustStore */
    size_t store_count;
};

struct posture_crypto_tls *posture_crypto_tls_free(struct posture_crypto_tls *tls)
{
    if (!tls)
        return NULL;
    for (size_t i = 0; i < tls->store_count; i++)
        posture_tls_trust_free(tls->stores[i].trust);
    free(tls->stores);
    posture_address_policy_free(tls->policy);
    posture_tls_context_free(tls->context);
    free(tls);
    return NULL;
}
POSTURE_AUTO_DEFINE(struct posture_crypto_tls *, posture_crypto_tls_free)

static const struct posture_tls_trust *store_find(const struct posture_crypto_tls *tls,
                                                  const char *name)
{
    for (size_t i = 0; i < tls->store_count; i++) {
        if (!strcmp(tls->stores[i].name, name))
            return tls->stores[i].trust;
    }
    return NULL;
}

/* endpoint: the argument of the block that names the store; NULL: the plugin does. */
static int store_add(struct posture_crypto_tls *tls, const char *endpoint,
                     const char *name, struct posture_error *reterr)
{
    if (store_find(tls, name))
        return 0;
    struct store *stores =
        posture_reallocarray(tls->stores, tls->store_count + 1, sizeof(*stores));
    if (!stores)
        return -ENOMEM;
    tls->stores = stores;
    struct store *store = &stores[tls->store_count];
    store->name = name;
    struct posture_error error = {0};
    int r = posture_tls_trust_load(name, &store->trust, &error);
    if (r < 0)
        return posture_error_set(reterr, r, "%s%s%soption TrustStore \"%s\": %s",
                                 endpoint ? "block Endpoint \"" : "",
                                 endpoint ? endpoint : "", endpoint ? "\": " : "", name,
                                 error.text[0] ? error.text : posture_strerror(r));
    tls->store_count++;
    return 0;
}

int posture_crypto_tls_new(const struct posture_settings *settings,
                           struct posture_crypto_tls **ret, struct posture_error *reterr)
{
    POSTURE_AUTO(posture_crypto_tls_free)
    struct posture_crypto_tls *tls = posture_calloc(1, sizeof(*tls));
    if (!tls)
        return -ENOMEM;
    tls->settings = posture_settings_plugin(settings);
    POSTURE_TRY(
        posture_tls_context_new(tls->settings->common.data_dir, &tls->context, reterr));
    POSTURE_TRY(posture_address_policy_new(&tls->settings->allow, &tls->policy, reterr));
    POSTURE_TRY(store_add(tls, NULL, tls->settings->trust_store, reterr));
    for (size_t i = 1; i < settings->count; i++) {
        const struct posture_crypto_endpoint *endpoint = settings->blocks[i].values;
        if (endpoint->trust_store)
            POSTURE_TRY(store_add(tls, settings->blocks[i].argument,
                                  endpoint->trust_store, reterr));
    }
    *ret = POSTURE_TAKE(tls);
    return 0;
}

int posture_crypto_tls_start(struct posture_crypto_tls *tls, uv_loop_t *loop,
                             const struct posture_subject *subject,
                             const struct posture_crypto_endpoint *endpoint,
                             posture_tls_probe_cb *done, void *data,
                             struct posture_tls_probe **ret)
{
    const char *store =
        endpoint->trust_store ? endpoint->trust_store : tls->settings->trust_store;
    struct posture_tls_probe_options options = {
        .context = tls->context,
        .host = subject->host,
        .port = subject->port,
        .is_literal = subject->is_literal,
        .server_name = endpoint->server_name,
        .trust = store_find(tls, store),
        .policy = tls->policy,
        .timeout_ms = tls->settings->timeout_ms,
        .deadline_ms = tls->settings->deadline_ms,
        .connections = tls->settings->connections_per_host,
    };
    return posture_tls_probe_start(loop, &options, done, data, ret);
}
