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
        2048, /* of one certificate in JSON, without its names */
    POSTURE_TLS_STORE_FILES_MAX = 4096,          /* of a folder of certificates */
    POSTURE_TLS_CRL_FILE_MAX = 16 * 1024 * 1024, /* bytes */
    POSTURE_TLS_CRLS_MAX = 256,                  /* in one file */
};

/* What chains are verified against: "system", "none", the path of a PEM file or of a
 * folder of such. Loaded once (before a worker enters its sandbox), then read-only. */
struct posture_tls_trust;
int posture_tls_trust_load(const char *store, struct posture_tls_trust **ret,
                           struct posture_error *reterr);
struct posture_tls_trust *posture_tls_trust_free(struct posture_tls_trust *trust);

/* Certificate revocation lists of one file (PEM, any number; or one in DER). The first
 * load must succeed; the file is read again when it has changed, and what cannot be read
 * then is said in the facts. */
struct posture_tls_crls;
int posture_tls_crls_load(const char *path, struct posture_tls_crls **ret,
                          struct posture_error *reterr);
struct posture_tls_crls *posture_tls_crls_free(struct posture_tls_crls *crls);

struct posture_tls_chain_input {
    const struct posture_tls_der *certificates; /* as served, the leaf first */
    size_t count;
    bool is_truncated; /* more were served */
    const struct posture_tls_trust *trust;
    struct posture_tls_crls *crls; /* NULL: none are configured */
    const char *host; /* name (A-labels) or address that the leaf must be for */
    bool is_literal;
    int64_t at_ns; /* instant of verification; 0: now */
};

/* The chain as served and its verification: member of "chains" in the facts. New
 * reference; NULL when memory is out or the leaf is no certificate (*ret_is_bad then).
 * budget: bytes of JSON that may still be used, about; it is lowered, and what does not
 * fit is left out with "truncated". */
json_t *posture_tls_chain_facts(const struct posture_tls_chain_input *input,
                                size_t *budget, bool *ret_is_bad);

/* Of a chain's facts: what suites of which authentication its leaf serves, and the IANA
 * name of the leaf's curve (borrowed; NULL when it has none). */
enum posture_tls_authentication posture_tls_chain_leaf(const json_t *chain,
                                                       const char **ret_curve);

#endif
