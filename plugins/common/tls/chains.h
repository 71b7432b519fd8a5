/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#ifndef POSTURE_TLS_CHAINS_H
#define POSTURE_TLS_CHAINS_H

#include "common/tls/endpoint.h"

#include <openssl/sha.h>

/* The chains of one address, one for each leaf that was served. Used by endpoint.c alone.
 */
enum { POSTURE_TLS_CHAINS_MAX = 8, POSTURE_TLS_KEPT_MAX = 4 };

struct posture_tls_chains {
    json_t *list; /* facts */
    unsigned char leaves[POSTURE_TLS_CHAINS_MAX][SHA256_DIGEST_LENGTH];
    size_t count;
};

/* The chain's index, of one that was known or of a new one; SIZE_MAX: there is no room,
 * or the leaf is no certificate (*ret_is_bad then). A new one lowers *budget and tells
 * the plan what its leaf's key is. */
size_t posture_tls_chains_add(struct posture_tls_chains *chains,
                              const struct posture_tls_endpoint_options *options,
                              size_t *budget, struct posture_tls_plan *plan,
                              const struct posture_tls_der *certificates, size_t count,
                              bool is_truncated, bool *ret_is_bad);
/* response NULL: none came with it. A staple that was seen once is not unsaid by a
 * connection without: some servers fetch theirs when the first client asks. */
void posture_tls_chains_staple(struct posture_tls_chains *chains, size_t index,
                               const struct posture_tls_der *response,
                               const struct posture_tls_der *certificates, size_t count);

/* Certificates kept until their staple comes: a message is gone when the next is read. */
struct posture_tls_kept {
    struct posture_buf bytes;
    struct posture_tls_der certificates[POSTURE_TLS_KEPT_MAX];
    size_t count;
};
void posture_tls_kept_set(struct posture_tls_kept *kept,
                          const struct posture_tls_der *certificates, size_t count);

#endif
