/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#ifndef POSTURE_CRYPTO_TLS_PROBE_H
#define POSTURE_CRYPTO_TLS_PROBE_H

#include "common/report/subject.h"
#include "common/tls/probe.h"
#include "posture_crypto/options.h"

/* Kind tls of the worker: what its probes share, made from the settings. */
struct posture_crypto_tls;

int posture_crypto_tls_new(const struct posture_settings *settings,
                           struct posture_crypto_tls **ret, struct posture_error *reterr);
struct posture_crypto_tls *posture_crypto_tls_free(struct posture_crypto_tls *tls);

/* Starts a probe of the subject with its block's options. Strings are borrowed as long as
 * it runs. */
int posture_crypto_tls_start(struct posture_crypto_tls *tls, uv_loop_t *loop,
                             const struct posture_subject *subject,
                             const struct posture_crypto_endpoint *endpoint,
                             posture_tls_probe_cb *done, void *data,
                             struct posture_tls_probe **ret);

#endif
