/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#ifndef POSTURE_CRYPTO_TLS_FILES_H
#define POSTURE_CRYPTO_TLS_FILES_H

#include "common/tls/certificate.h"
#include "posture_crypto/options.h"

/* The trust stores and revocation lists that the settings name, each loaded once. */
struct tls_files;

/* With what the plugin's own options name. Before the sandbox: folders of revocation
 * lists are opened to it, for their renewal. Errors name the option. */
int tls_files_new(const struct posture_crypto_settings *settings, struct tls_files **ret,
                  struct posture_error *reterr);
/* What an endpoint names. */
int tls_files_admit(struct tls_files *files,
                    const struct posture_crypto_endpoint *endpoint,
                    struct posture_error *reterr);
struct tls_files *tls_files_free(struct tls_files *files);
POSTURE_AUTO_DEFINE(struct tls_files *, tls_files_free)

/* Of an endpoint: its own, or the plugin's. Borrowed; lists may be NULL. */
const struct posture_tls_trust *
tls_files_trust(const struct tls_files *files,
                const struct posture_crypto_endpoint *endpoint);
struct posture_tls_crls *tls_files_crls(const struct tls_files *files,
                                        const struct posture_crypto_endpoint *endpoint);

#endif
