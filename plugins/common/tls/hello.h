/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#ifndef POSTURE_TLS_HELLO_H
#define POSTURE_TLS_HELLO_H

#include "common/base/buf.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Writes ClientHello messages. Pure: no socket, no key, no random source of its own. */

enum posture_tls_share {
    POSTURE_TLS_SHARE_NONE,  /* no key_share: TLS 1.2 and older */
    POSTURE_TLS_SHARE_EMPTY, /* an empty list: a TLS 1.3 server answers HelloRetryRequest
                                (RFC 8446, 4.2.8), and nobody computes anything */
    /* Constant, well-known points (nobody holds a secret): for servers that do not take
     * an empty list. Only for groups that are offered and for which there is a constant.
     */
    POSTURE_TLS_SHARE_CONSTANT, /* x25519 and secp256r1, to keep it short */
    POSTURE_TLS_SHARE_ALL,
};

struct posture_tls_hello {
    uint16_t version; /* legacy_version; 0x0002 writes an SSLv2 CLIENT-HELLO */
    const uint32_t *suites;
    size_t suite_count;
    bool has_extensions;      /* false: none at all, whatever stands below */
    const uint16_t *versions; /* supported_versions; not sent when version_count is 0 */
    size_t version_count;
    const uint16_t *groups;
    size_t group_count;
    const uint16_t *signatures;
    size_t signature_count;
    enum posture_tls_share share;
    const char *server_name; /* NULL: no SNI */
    uint8_t random[32];
    bool has_session_id;   /* 32 bytes made of random: TLS 1.3 middlebox compatibility */
    bool asks_status;      /* status_request: a stapled OCSP answer (RFC 6066, 8) */
    bool asks_ticket;      /* an empty session_ticket (RFC 5077) */
    bool asks_heartbeat;   /* RFC 6520 */
    bool asks_compression; /* DEFLATE and LZS before null; never beside TLS 1.3 */
    bool is_fallback;      /* TLS_FALLBACK_SCSV (RFC 7507) */
    const uint8_t *alpn;   /* ProtocolNames with their lengths (RFC 7301) */
    size_t alpn_len;       /* 0: none */
};

/* Appends the record(s). A hello of 256 to 511 bytes is padded to 512 (RFC 7685: some
 * load balancers hang on those). POSTURE_E_LIMIT when a list is too long for its length
 * field. */
int posture_tls_hello_write(const struct posture_tls_hello *hello,
                            struct posture_buf *out);

#endif
