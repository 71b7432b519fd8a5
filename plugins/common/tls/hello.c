/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#include "common/tls/hello.h"

#include "common/base/error.h"

#include <string.h>

enum {
    EXT_SERVER_NAME = 0,
    EXT_STATUS_REQUEST = 5,
    EXT_SUPPORTED_GROUPS = 10,
    EXT_EC_POINT_FORMATS = 11,
    EXT_SIGNATURE_ALGORITHMS = 13,
    EXT_HEARTBEAT = 15,
    EXT_ALPN = 16,
    EXT_PADDING = 21,
    EXT_ENCRYPT_THEN_MAC = 22,
    EXT_EXTENDED_MASTER_SECRET = 23,
    EXT_SESSION_TICKET = 35,
    EXT_SUPPORTED_VERSIONS = 43,
    EXT_PSK_MODES = 45,
    EXT_KEY_SHARE = 51,
    SUITE_RENEGOTIATION_SCSV = 0x00ff,
    SUITE_FALLBACK_SCSV = 0x5600,
    RECORD_MAX = 16384,
    HELLO_SUITES_MAX = 4096,
};

/* RFC 7748: the base point u = 9. */
static const uint8_t x25519_point[32] = {9};
/* SEC 2: the generator of secp256r1, uncompressed. */
static const uint8_t p256_point[65] = {
    0x04, 0x6b, 0x17, 0xd1, 0xf2, 0xe1, 0x2c, 0x42, 0x47, 0xf8, 0xbc, 0xe6, 0xe5,
    0x63, 0xa4, 0x40, 0xf2, 0x77, 0x03, 0x7d, 0x81, 0x2d, 0xeb, 0x33, 0xa0, 0xf4,
    0xa1, 0x39, 0x45, 0xd8, 0x98, 0xc2, 0x96, 0x4f, 0xe3, 0x42, 0xe2, 0xfe, 0x1a,
    0x7f, 0x9b, 0x8e, 0xe7, 0xeb, 0x4a, 0x7c, 0x0f, 0x9e, 0x16, 0x2b, 0xce, 0x33,
    0x57, 0x6b, 0x31, 0x5e, 0xce, 0xcb, 0xb6, 0x40, 0x68, 0x37, 0xbf, 0x51, 0xf5,
};

/* SEC 2: the generator of secp384r1, uncompressed. */
static const uint8_t p384_point[97] = {
    0x04, 0xaa, 0x87, 0xca, 0x22, 0xbe, 0x8b, 0x05, 0x37, 0x8e, 0xb1, 0xc7, 0x1e, 0xf3,
    0x20, 0xad, 0x74, 0x6e, 0x1d, 0x3b, 0x62, 0x8b, 0xa7, 0x9b, 0x98, 0x59, 0xf7, 0x41,
    0xe0, 0x82, 0x54, 0x2a, 0x38, 0x55, 0x02, 0xf2, 0x5d, 0xbf, 0x55, 0x29, 0x6c, 0x3a,
    0x54, 0x5e, 0x38, 0x72, 0x76, 0x0a, 0xb7, 0x36, 0x17, 0xde, 0x4a, 0x96, 0x26, 0x2c,
    0x6f, 0x5d, 0x9e, 0x98, 0xbf, 0x92, 0x92, 0xdc, 0x29, 0xf8, 0xf4, 0x1d, 0xbd, 0x28,
    0x9a, 0x14, 0x7c, 0xe9, 0xda, 0x31, 0x13, 0xb5, 0xf0, 0xb8, 0xc0, 0x0a, 0x60, 0xb1,
    0xce, 0x1d, 0x7e, 0x81, 0x9d, 0x7a, 0x43, 0x1d, 0x7c, 0x90, 0xea, 0x0e, 0x5f,
};
/* RFC 7748: the base point u = 5. */
static const uint8_t x448_point[56] = {5};

static const struct {
    uint16_t group;
    uint16_t len;
    const uint8_t *bytes;
} points[] = {
    {0x001d, sizeof(x25519_point), x25519_point},
    {0x0017, sizeof(p256_point), p256_point},
    {0x0018, sizeof(p384_point), p384_point},
    {0x001e, sizeof(x448_point), x448_point},
};

static void patch_u16(struct posture_buf *buf, size_t at, size_t value)
{
    if (posture_buf_error(buf) < 0)
        return;
    buf->data[at] = (char)(uint8_t)(value >> 8);
    buf->data[at + 1] = (char)(uint8_t)value;
}

/* Opens a length field of two bytes; list_close() fills it in. */
static size_t list_open(struct posture_buf *buf)
{
    posture_buf_add_u16(buf, 0);
    return buf->len;
}

static void list_close(struct posture_buf *buf, size_t start)
{
    patch_u16(buf, start - 2, buf->len - start);
}

/* In blocks: a hello has some hundred code points, and most of its time went here. */
static void u16_list_add(struct posture_buf *out, const uint16_t *values, size_t count)
{
    uint8_t block[512];
    size_t list = list_open(out), len = 0;
    for (size_t i = 0; i < count; i++) {
        block[len++] = (uint8_t)(values[i] >> 8);
        block[len++] = (uint8_t)values[i];
        if (len == sizeof(block) || i + 1 == count) {
            posture_buf_add(out, block, len);
            len = 0;
        }
    }
    list_close(out, list);
}

static void share_add(const struct posture_tls_hello *hello, struct posture_buf *out)
{
    posture_buf_add_u16(out, EXT_KEY_SHARE);
    size_t ext = list_open(out);
    size_t list = list_open(out);
    size_t count = hello->share == POSTURE_TLS_SHARE_EMPTY      ? 0
                   : hello->share == POSTURE_TLS_SHARE_CONSTANT ? 2
                                                                : POSTURE_COUNT(points);
    for (size_t i = 0; i < hello->group_count; i++) {
        for (size_t k = 0; k < count; k++) {
            if (points[k].group != hello->groups[i])
                continue;
            posture_buf_add_u16(out, points[k].group);
            posture_buf_add_u16(out, points[k].len);
            posture_buf_add(out, points[k].bytes, points[k].len);
        }
    }
    list_close(out, list);
    list_close(out, ext);
}

/* What is asked beside the algorithms. */
static void features_add(const struct posture_tls_hello *hello, struct posture_buf *out)
{
    if (hello->asks_status) {
        /* ocsp = 1, no responder named, no extensions. */
        static const uint8_t status[] = {1, 0, 0, 0, 0};
        posture_buf_add_u16(out, EXT_STATUS_REQUEST);
        posture_buf_add_u16(out, sizeof(status));
        posture_buf_add(out, status, sizeof(status));
    }
    if (hello->asks_ticket) {
        posture_buf_add_u16(out, EXT_SESSION_TICKET);
        posture_buf_add_u16(out, 0);
    }
    if (hello->asks_heartbeat) {
        posture_buf_add_u16(out, EXT_HEARTBEAT);
        posture_buf_add_u16(out, 1);
        posture_buf_add_u8(out, /* peer_not_allowed_to_send = */ 2);
    }
    if (hello->alpn_len > 0) {
        posture_buf_add_u16(out, EXT_ALPN);
        size_t ext = list_open(out);
        size_t list = list_open(out);
        posture_buf_add(out, hello->alpn, hello->alpn_len);
        list_close(out, list);
        list_close(out, ext);
    }
}

static void extensions_add(const struct posture_tls_hello *hello, size_t start,
                           struct posture_buf *out)
{
    size_t all = list_open(out);
    if (hello->server_name) {
        size_t len = strlen(hello->server_name);
        posture_buf_add_u16(out, EXT_SERVER_NAME);
        size_t ext = list_open(out);
        size_t list = list_open(out);
        posture_buf_add_u8(out, /* host_name = */ 0);
        posture_buf_add_u16(out, (uint16_t)len);
        posture_buf_add(out, hello->server_name, len);
        list_close(out, list);
        list_close(out, ext);
    }
    posture_buf_add_u16(out, EXT_EXTENDED_MASTER_SECRET);
    posture_buf_add_u16(out, 0);
    posture_buf_add_u16(out, EXT_ENCRYPT_THEN_MAC);
    posture_buf_add_u16(out, 0);
    features_add(hello, out);
    if (hello->group_count > 0) {
        posture_buf_add_u16(out, EXT_SUPPORTED_GROUPS);
        size_t ext = list_open(out);
        u16_list_add(out, hello->groups, hello->group_count);
        list_close(out, ext);
        posture_buf_add_u16(out, EXT_EC_POINT_FORMATS);
        posture_buf_add_u16(out, 2);
        posture_buf_add_u16(out, 0x0100); /* one format: uncompressed */
    }
    if (hello->signature_count > 0) {
        posture_buf_add_u16(out, EXT_SIGNATURE_ALGORITHMS);
        size_t ext = list_open(out);
        u16_list_add(out, hello->signatures, hello->signature_count);
        list_close(out, ext);
    }
    if (hello->version_count > 0) {
        posture_buf_add_u16(out, EXT_SUPPORTED_VERSIONS);
        posture_buf_add_u16(out, (uint16_t)(hello->version_count * 2 + 1));
        posture_buf_add_u8(out, (uint8_t)(hello->version_count * 2));
        for (size_t i = 0; i < hello->version_count; i++)
            posture_buf_add_u16(out, hello->versions[i]);
        posture_buf_add_u16(out, EXT_PSK_MODES);
        posture_buf_add_u16(out, 2);
        posture_buf_add_u16(out, 0x0101); /* one mode: psk_dhe_ke */
    }
    if (hello->share != POSTURE_TLS_SHARE_NONE)
        share_add(hello, out);

    /* From the handshake header on; the record header does not count. */
    size_t len = out->len - start;
    if (len >= 256 && len < 512) {
        size_t pad = 512 - len < 4 ? 0 : 512 - len - 4;
        posture_buf_add_u16(out, EXT_PADDING);
        posture_buf_add_u16(out, (uint16_t)pad);
        static const uint8_t zeros[256];
        posture_buf_add(out, zeros, pad);
    }
    list_close(out, all);
}

static int ssl2_write(const struct posture_tls_hello *hello, struct posture_buf *out)
{
    /* draft-hickman-netscape-ssl: a two-byte record header with the high bit, type 1,
     * version, three lengths, ciphers of three bytes, no session, a challenge of 16
     * bytes. */
    size_t len = 9 + hello->suite_count * 3 + 16;
    if (len > 0x7fff)
        return POSTURE_E_LIMIT;
    posture_buf_add_u16(out, (uint16_t)(0x8000 | len));
    posture_buf_add_u8(out, 1);
    posture_buf_add_u16(out, 0x0002);
    posture_buf_add_u16(out, (uint16_t)(hello->suite_count * 3));
    posture_buf_add_u16(out, 0);
    posture_buf_add_u16(out, 16);
    for (size_t i = 0; i < hello->suite_count; i++)
        posture_buf_add_u24(out, hello->suites[i]);
    posture_buf_add(out, hello->random, 16);
    return posture_buf_error(out);
}

int posture_tls_hello_write(const struct posture_tls_hello *hello,
                            struct posture_buf *out)
{
    POSTURE_REQUIRE(hello->version_count < 64);
    if (hello->version == 0x0002)
        return ssl2_write(hello, out);
    if (hello->suite_count > HELLO_SUITES_MAX || hello->group_count > 1024 ||
        hello->signature_count > 1024 || hello->alpn_len > 4096 ||
        (hello->server_name && strlen(hello->server_name) > 255))
        return POSTURE_E_LIMIT;

    posture_buf_add_u8(out, /* handshake = */ 22);
    /* The record's version: 0x0301 for whatever is newer (RFC 8446, 5.1). */
    posture_buf_add_u16(out, hello->version < 0x0301 ? 0x0300 : 0x0301);
    size_t record = list_open(out);
    posture_buf_add_u8(out, /* client_hello = */ 1);
    posture_buf_add_u24(out, 0);
    size_t body = out->len;
    posture_buf_add_u16(out, hello->version);
    posture_buf_add(out, hello->random, sizeof(hello->random));
    if (hello->has_session_id) {
        uint8_t session[32];
        for (size_t i = 0; i < sizeof(session); i++)
            session[i] = hello->random[i] ^ 0xa5;
        posture_buf_add_u8(out, sizeof(session));
        posture_buf_add(out, session, sizeof(session));
    } else {
        posture_buf_add_u8(out, 0);
    }
    uint16_t suites[HELLO_SUITES_MAX + 2];
    for (size_t i = 0; i < hello->suite_count; i++)
        suites[i] = (uint16_t)hello->suites[i];
    /* RFC 5746, 3.3: says "secure renegotiation" also to servers without extensions. */
    size_t suite_count = hello->suite_count;
    suites[suite_count++] = SUITE_RENEGOTIATION_SCSV;
    if (hello->is_fallback)
        suites[suite_count++] = SUITE_FALLBACK_SCSV;
    u16_list_add(out, suites, suite_count);
    if (hello->asks_compression) {
        static const uint8_t methods[] = {3, /* DEFLATE = */ 1, /* LZS = */ 64, 0};
        posture_buf_add(out, methods, sizeof(methods));
    } else {
        posture_buf_add_u16(out, 0x0100); /* one compression method: null */
    }
    if (hello->has_extensions)
        extensions_add(hello, record, out);
    POSTURE_TRY(posture_buf_error(out));
    if (out->len - record > RECORD_MAX)
        return POSTURE_E_LIMIT;
    out->data[body - 3] = (char)(uint8_t)((out->len - body) >> 16);
    patch_u16(out, body - 2, out->len - body);
    list_close(out, record);
    return 0;
}
