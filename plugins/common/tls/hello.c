/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#include "common/tls/hello.h"

#include "common/base/error.h"

#include <string.h>

enum {
    EXT_SERVER_NAME = 0,
    EXT_SUPPORTED_GROUPS = 10,
    EXT_EC_POINT_FORMATS = 11,
    EXT_SIGNATURE_ALGORITHMS = 13,
    EXT_PADDING = 21,
    EXT_ENCRYPT_THEN_MAC = 22,
    EXT_EXTENDED_MASTER_SECRET = 23,
    EXT_SUPPORTED_VERSIONS = 43,
    EXT_PSK_MODES = 45,
    EXT_KEY_SHARE = 51,
    SUITE_RENEGOTIATION_SCSV = 0x00ff,
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

static const struct {
    uint16_t group;
    uint16_t len;
    const uint8_t *bytes;
} points[] = {
    {0x001d, sizeof(x25519_point), x25519_point},
    {0x0017, sizeof(p256_point), p256_point},
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
    for (size_t i = 0;
         hello->share == POSTURE_TLS_SHARE_CONSTANT && i < hello->group_count; i++) {
        for (size_t k = 0; k < POSTURE_COUNT(points); k++) {
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
        hello->signature_count > 1024 ||
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
    uint16_t suites[HELLO_SUITES_MAX + 1];
    for (size_t i = 0; i < hello->suite_count; i++)
        suites[i] = (uint16_t)hello->suites[i];
    /* RFC 5746, 3.3: says "secure renegotiation" also to servers without extensions. */
    suites[hello->suite_count] = SUITE_RENEGOTIATION_SCSV;
    u16_list_add(out, suites, hello->suite_count + 1);
    posture_buf_add_u16(out, 0x0100); /* one compression method: null */
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
