/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#ifndef POSTURE_CRYPTO_TLS_FACTS_H
#define POSTURE_CRYPTO_TLS_FACTS_H

#include "common/checks/verdict.h"

/* What a check needs to know of an endpoint; the prober says what it could not measure to
 * its end. */
enum tls_need {
    TLS_NEED_VERSIONS = 1 << 0,
    TLS_NEED_SUITES = 1 << 1,
    TLS_NEED_GROUPS = 1 << 2,
    TLS_NEED_DHE = 1 << 3,
    TLS_NEED_CHAINS = 1 << 4,
    TLS_NEED_VERIFICATION = 1 << 5,
    TLS_NEED_SIGNATURES = 1 << 6,
    TLS_NEED_EXTENDED_MASTER_SECRET = 1 << 7,
    TLS_NEED_RENEGOTIATION = 1 << 8,
    TLS_NEED_COMPRESSION = 1 << 9,
    TLS_NEED_EARLY_DATA = 1 << 10,
    TLS_NEED_OCSP_STAPLE = 1 << 11,
    TLS_NEED_ALL = (1 << 12) - 1,
};

/* One address of the subject. Members are borrowed from the facts and are of the type
 * that the schema gives, or NULL. */
struct tls_endpoint {
    const char *address;
    bool is_left_out; /* no route from here: not judged, but named */
    const char
        *unknown; /* code of why nothing of it can be judged; NULL when something can */
    unsigned incomplete; /* enum tls_need: lists that are not whole */
    const json_t *versions;
    const json_t *suites; /* object of lists */
    const json_t *groups;
    const json_t *chains;
    const json_t *http;  /* NULL: no web server is expected */
    json_int_t dhe_bits; /* 0: not known */
    const json_t *facts; /* the whole of it; members not named above may be of any type */
};

/* Reads one element of facts.tls.endpoints; anything at all may stand there. */
void tls_endpoint_read(const json_t *element, struct tls_endpoint *ret);
bool tls_has_version(const struct tls_endpoint *endpoint, const char *version);
/* The code of why a name gave no endpoint. */
const char *tls_resolution_code(const json_t *facts);

/* Ephemeral exchange, by the registry's own row: every suite of TLS 1.3, and names with
 * an E. */
bool tls_suite_is_ephemeral(const json_t *row);

/* A suite that the endpoint accepts. row is NULL for a code point that no registry row
 * names. */
struct tls_suite {
    const char *version;
    const char *name;
    const json_t *row;
};
typedef void tls_suite_fn(const struct tls_suite *suite, void *data);
/* Each suite of each version, in the facts' order. Returns the first version that the
 * endpoint has but no suites are known of, NULL when there is none. */
const char *tls_suites_each(const struct posture_check_input *input,
                            const struct tls_endpoint *endpoint, tls_suite_fn *fn,
                            void *data);

/* Each certificate of each chain, in order; index 0 is the leaf. False when there is
 * none. */
typedef void tls_certificate_fn(const json_t *certificate, size_t index, void *data);
bool tls_certificates_each(const struct tls_endpoint *endpoint, tls_certificate_fn *fn,
                           void *data);

#endif
