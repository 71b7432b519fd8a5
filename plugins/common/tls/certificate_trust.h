/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#ifndef POSTURE_TLS_CERTIFICATE_TRUST_H
#define POSTURE_TLS_CERTIFICATE_TRUST_H

#include "common/tls/certificate_internal.h"

/* Readers of struct posture_tls_trust. */
const char *posture_tls_trust_name(const struct posture_tls_trust *trust);
/* NULL: "none". Borrowed. */
X509_STORE *posture_tls_trust_store(const struct posture_tls_trust *trust);
/* The store is the system's, and the anchor is not one that was added on this host: the
 * rules for publicly trusted certificates hold. */
bool posture_tls_trust_is_public(const struct posture_tls_trust *trust,
                                 const X509 *anchor);

#endif
