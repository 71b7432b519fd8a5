/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#ifndef POSTURE_TLS_HANDSHAKE_H
#define POSTURE_TLS_HANDSHAKE_H

#include "common/tls/plan.h"

#include <openssl/ssl.h>

/*
 * A whole handshake by OpenSSL over memory BIOs, TLS 1.3 or older as the question asks:
 * bytes in, bytes out, no socket. Its certificate verification always goes on: the chain
 * is verified apart, from the same bytes. In depth, the connection then stays for what
 * comes after: tickets (we say goodbye and read to the end), or the answer to a
 * renegotiation that is begun and not completed.
 */
struct posture_tls_handshake_context; /* SSL_CTXs; one thread */
int posture_tls_handshake_context_new(struct posture_tls_handshake_context **ret);
struct posture_tls_handshake_context *
posture_tls_handshake_context_free(struct posture_tls_handshake_context *context);
/* Can OpenSSL negotiate one of these groups? (3.0 has no ML-KEM.) */
bool posture_tls_handshake_can(const struct posture_tls_handshake_context *context,
                               const uint16_t *groups, size_t count);

struct posture_tls_handshake;
/* session: to be resumed; NULL: none. */
int posture_tls_handshake_new(const struct posture_tls_handshake_context *context,
                              const struct posture_tls_question *question,
                              const char *server_name, bool is_deep, SSL_SESSION *session,
                              struct posture_tls_handshake **ret);
struct posture_tls_handshake *
posture_tls_handshake_free(struct posture_tls_handshake *handshake);
/* Takes bytes of the server (len 0: the start), appends what is to be sent. 1 when all is
 * learnt, 0 when more is needed, POSTURE_E_PROTOCOL when the handshake failed. */
int posture_tls_handshake_step(struct posture_tls_handshake *handshake, const void *bytes,
                               size_t len, struct posture_buf *out);
/* The connection has ended or time is up: true when the handshake itself was completed,
 * so that what follows may be asked. is_time: no end of the server's was seen. */
bool posture_tls_handshake_end(struct posture_tls_handshake *handshake, bool is_time);

/* DER of the chain as served; valid as long as the handshake. Returns the count kept. */
size_t posture_tls_handshake_chain(struct posture_tls_handshake *handshake,
                                   struct posture_tls_der *certificates, size_t max,
                                   bool *ret_is_truncated);
/* false: none was stapled. Valid as long as the handshake. */
bool posture_tls_handshake_staple(const struct posture_tls_handshake *handshake,
                                  struct posture_tls_der *ret);
void posture_tls_handshake_learnt(const struct posture_tls_handshake *handshake,
                                  struct posture_tls_session *ret);
/* For a question that resumes it. The caller's to free; NULL: it cannot be resumed. */
SSL_SESSION *posture_tls_handshake_session(const struct posture_tls_handshake *handshake);

#endif
