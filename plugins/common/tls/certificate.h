/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#ifndef POSTURE_TLS_CERTIFICATE_H
#define POSTURE_TLS_CERTIFICATE_H

#include "common/tls/reader.h"

#include <jansson.h>
#include <openssl/x509.h>

/*
 * Certificates → facts. All parsing is OpenSSL's; ours are the limits: certificates in a
 * chain (reader.h), names kept of one certificate, lengths of texts.
 */
enum {
    POSTURE_TLS_SANS_MAX = 1000, /* DNS names */
    POSTURE_TLS_SAN_IPS_MAX = 250,
    POSTURE_TLS_SAN_TEXT_MAX = 253,
    POSTURE_TLS_NAME_TEXT_MAX = 512,
    POSTURE_TLS_CERTIFICATE_COST =
        1024, /* of one certificate in JSON, without its names */
};

/* What chains are verified against: "system", "none" or the path of a PEM file. Loaded
 * once (before a worker enters its sandbox), then read-only. */
struct posture_tls_trust;
int posture_tls_trust_load(const char *store, struct posture_tls_trust **ret,
                           struct posture_error *reterr);
struct posture_tls_trust *posture_tls_trust_free(struct posture_tls_trust *trust);

/* The chain as served and its verification now: member of "chains" in the facts. host:
 * the name (or address literal) that the leaf must be for. New reference; NULL when
 * memory is out or the leaf is no certificate (*ret_is_bad then). budget: bytes of JSON
 * that may still be used, about; it is lowered, and what does not fit is left out with
 * "truncated". */
json_t *posture_tls_chain_facts(const struct posture_tls_der *certificates, size_t count,
                                bool is_truncated, const struct posture_tls_trust *trust,
                                const char *host, bool is_literal, size_t *budget,
                                bool *ret_is_bad);

/* Of a chain's facts: what suites of which authentication its leaf serves, and the IANA
 * name of the leaf's curve (borrowed; NULL when it has none). */
enum posture_tls_authentication posture_tls_chain_leaf(const json_t *chain,
                                                       const char **ret_curve);

#endif
