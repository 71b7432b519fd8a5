/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#ifndef POSTURE_TLS_HANDSHAKE_H
#define POSTURE_TLS_HANDSHAKE_H

#include "common/tls/plan.h"

#include <openssl/ssl.h>

/*
 * A whole TLS 1.3 handshake by OpenSSL over memory BIOs: bytes in, bytes out, no socket.
 * Its certificate verification always goes on: the chain is verified apart, from the same
 * bytes.
 */
struct posture_tls_handshake_context; /* one SSL_CTX; one thread */
int posture_tls_handshake_context_new(struct posture_tls_handshake_context **ret);
struct posture_tls_handshake_context *
posture_tls_handshake_context_free(struct posture_tls_handshake_context *context);
/* Can OpenSSL negotiate one of these groups? (3.0 has no ML-KEM.) */
bool posture_tls_handshake_can(const struct posture_tls_handshake_context *context,
                               const uint16_t *groups, size_t count);

struct posture_tls_handshake;
int posture_tls_handshake_new(const struct posture_tls_handshake_context *context,
                              const struct posture_tls_question *question,
                              const char *server_name,
                              struct posture_tls_handshake **ret);
struct posture_tls_handshake *
posture_tls_handshake_free(struct posture_tls_handshake *handshake);
/* Takes bytes of the server (len 0: the start), appends what is to be sent. 1 when the
 * handshake is complete, 0 when more is needed, POSTURE_E_PROTOCOL when it failed. */
int posture_tls_handshake_step(struct posture_tls_handshake *handshake, const void *bytes,
                               size_t len, struct posture_buf *out);
/* DER of the chain as served; valid as long as the handshake. Returns the count kept. */
size_t posture_tls_handshake_chain(struct posture_tls_handshake *handshake,
                                   struct posture_tls_der *certificates, size_t max,
                                   bool *ret_is_truncated);

#endif
