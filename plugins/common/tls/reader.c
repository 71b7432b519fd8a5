/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#include "common/tls/reader.h"

#include <stdio.h>
#include <string.h>

enum {
    RECORD_CHANGE_CIPHER = 20,
    RECORD_ALERT = 21,
    RECORD_HANDSHAKE = 22,
    RECORD_DATA = 23,
    RECORD_HEADER = 5,
    RECORD_BODY_MAX = 16384 + 2048, /* RFC 5246, 6.2.3 */
    MESSAGE_HEADER = 4,
    SERVER_HELLO_MAX = 16 * 1024,
    MESSAGE_HELLO_REQUEST = 0,
    MESSAGE_SERVER_HELLO = 2,
    MESSAGE_CERTIFICATE = 11,
    MESSAGE_KEY_EXCHANGE = 12,
    MESSAGE_HELLO_DONE = 14,
    MESSAGE_STATUS = 22,
    EXT_STATUS_REQUEST = 5,
    EXT_HEARTBEAT = 15,
    EXT_ALPN = 16,
    EXT_ENCRYPT_THEN_MAC = 22,
    EXT_EXTENDED_MASTER_SECRET = 23,
    EXT_SESSION_TICKET = 35,
    EXT_SUPPORTED_VERSIONS = 43,
    EXT_KEY_SHARE = 51,
    EXT_RENEGOTIATION_INFO = 0xff01,
    CURVE_EXPLICIT_PRIME = 1,
    CURVE_EXPLICIT_CHAR2 = 2,
    CURVE_NAMED = 3,
    GROUP_EXPLICIT_PRIME = 0xff01,
    GROUP_EXPLICIT_CHAR2 = 0xff02,
    ODD_RECORDS_MAX = 16,
    SSL2_SERVER_HELLO = 4,
};

/* RFC 8446, 4.1.3: SHA-256 of "HelloRetryRequest", in place of a random. */
static const uint8_t retry_random[32] = {
    0xcf, 0x21, 0xad, 0x74, 0xe5, 0x9a, 0x61, 0x11, 0xbe, 0x1d, 0x8c,
    0x02, 0x1e, 0x65, 0xb8, 0x91, 0xc2, 0xa2, 0x11, 0x16, 0x7a, 0xbb,
    0x8c, 0x5e, 0x07, 0x9e, 0x09, 0xe2, 0xc8, 0xa8, 0x33, 0x9c,
};

/* A view of bytes that fails softly: after the first read past the end everything is 0.
 */
struct cursor {
    const uint8_t *at;
    size_t left;
    bool is_bad;
};

static const uint8_t *cursor_bytes(struct cursor *c, size_t n)
{
    if (c->is_bad || n > c->left) {
        c->is_bad = true;
        return NULL;
    }
    const uint8_t *p = c->at;
    c->at += n;
    c->left -= n;
    return p;
}

static uint32_t cursor_number(struct cursor *c, size_t n)
{
    const uint8_t *p = cursor_bytes(c, n);
    uint32_t v = 0;
    for (size_t i = 0; p && i < n; i++)
        v = v << 8 | p[i];
    return v;
}

/* A part with its own length field of n bytes. */
static struct cursor cursor_part(struct cursor *c, size_t n)
{
    size_t len = cursor_number(c, n);
    const uint8_t *p = cursor_bytes(c, len);
    struct cursor part = {.at = p, .left = p ? len : 0, .is_bad = !p};
    return part;
}

/* RFC 7301, 3.1: a list of exactly one name. */
static bool alpn_read(struct posture_tls_flight *flight, struct cursor ext)
{
    struct cursor list = cursor_part(&ext, 2);
    struct cursor name = cursor_part(&list, 1);
    if (name.is_bad || name.left == 0 || list.left > 0 || ext.left > 0)
        return false;
    flight->alpn_len = (uint8_t)name.left;
    memcpy(flight->alpn, name.at, name.left);
    return true;
}

static int hello_extensions(struct posture_tls_flight *flight, struct cursor *all)
{
    while (all->left > 0 && !all->is_bad) {
        uint32_t type = cursor_number(all, 2);
        struct cursor ext = cursor_part(all, 2);
        switch (type) {
        case EXT_SUPPORTED_VERSIONS:
            flight->version = (uint16_t)cursor_number(&ext, 2);
            break;
        case EXT_KEY_SHARE:
            flight->group = (uint16_t)cursor_number(&ext, 2);
            flight->has_group = true;
            break;
        case EXT_STATUS_REQUEST:
            flight->has_status = true;
            break;
        case EXT_HEARTBEAT:
            flight->has_heartbeat = true;
            break;
        case EXT_ENCRYPT_THEN_MAC:
            flight->has_encrypt_then_mac = true;
            break;
        case EXT_EXTENDED_MASTER_SECRET:
            flight->has_extended_master_secret = true;
            break;
        case EXT_SESSION_TICKET:
            flight->has_ticket = true;
            break;
        case EXT_RENEGOTIATION_INFO:
            flight->has_renegotiation_info = true;
            break;
        case EXT_ALPN:
            if (!alpn_read(flight, ext))
                return POSTURE_E_PROTOCOL;
            break;
        default:
            break;
        }
        if (ext.is_bad)
            return POSTURE_E_PROTOCOL;
    }
    return all->is_bad ? POSTURE_E_PROTOCOL : 0;
}

static int hello_read(struct posture_tls_flight *flight, struct cursor c)
{
    if (flight->has_hello)
        return POSTURE_E_PROTOCOL;
    flight->version = (uint16_t)cursor_number(&c, 2);
    const uint8_t *random = cursor_bytes(&c, 32);
    struct cursor session = cursor_part(&c, 1);
    flight->suite = cursor_number(&c, 2);
    flight->compression = (uint8_t)cursor_number(&c, 1);
    if (c.is_bad || session.is_bad || session.left > POSTURE_TLS_SESSION_ID_MAX ||
        flight->version >> 8 != 3)
        return POSTURE_E_PROTOCOL;
    flight->session_id_len = (uint8_t)session.left;
    flight->is_retry = !memcmp(random, retry_random, sizeof(retry_random));
    if (c.left > 0) {
        struct cursor extensions = cursor_part(&c, 2);
        if (extensions.is_bad)
            return POSTURE_E_PROTOCOL;
        POSTURE_TRY(hello_extensions(flight, &extensions));
    }
    flight->has_hello = true;
    return 0;
}

static int certificate_read(struct posture_tls_flight *flight, struct cursor c)
{
    struct cursor list = cursor_part(&c, 3);
    if (list.is_bad)
        return POSTURE_E_PROTOCOL;
    flight->certificate_count = 0;
    while (list.left > 0) {
        struct cursor der = cursor_part(&list, 3);
        if (der.is_bad || der.left == 0)
            return POSTURE_E_PROTOCOL;
        if (flight->certificate_count == POSTURE_TLS_CERTIFICATES_MAX ||
            der.left > POSTURE_TLS_CERTIFICATE_MAX) {
            flight->is_truncated = true;
            continue;
        }
        struct posture_tls_der *kept = &flight->certificates[flight->certificate_count++];
        *kept = (struct posture_tls_der){.bytes = der.at, .len = der.left};
    }
    return 0;
}

static uint32_t prime_bits(const uint8_t *p, size_t len)
{
    size_t i = 0;
    while (i < len && p[i] == 0)
        i++;
    if (i == len)
        return 0;
    uint32_t bits = (uint32_t)(len - i) * 8;
    for (uint8_t top = p[i]; !(top & 0x80); top = (uint8_t)(top << 1))
        bits--;
    return bits;
}

static void prime_keep(struct posture_tls_flight *flight, const uint8_t *p, size_t len)
{
    while (len > 0 && *p == 0) {
        p++;
        len--;
    }
    flight->prime_len = len <= sizeof(flight->prime) ? len : 0;
    memcpy(flight->prime, p, flight->prime_len);
}

/* The groups of RFC 7919 share their first 128 bits (the expansion of e) and differ in
 * length. */
static void prime_name(struct posture_tls_flight *flight, const uint8_t *p, size_t len)
{
    static const uint8_t head[16] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
                                     0xad, 0xf8, 0x54, 0x58, 0xa2, 0xbb, 0x4a, 0x9a};
    static const struct {
        size_t len;
        uint16_t group;
    } known[] = {{256, 0x100}, {384, 0x101}, {512, 0x102}, {768, 0x103}, {1024, 0x104}};
    if (len < sizeof(head) || memcmp(p, head, sizeof(head)))
        return;
    for (size_t i = 0; i < POSTURE_COUNT(known); i++) {
        if (known[i].len == len) {
            flight->group = known[i].group;
            flight->has_group = true;
        }
    }
}

/* TLS 1.2 names the scheme of the signature that ends the message (RFC 5246, 7.4.3); c
 * stands behind the curve's name or the prime. Without a certificate there is none. */
static void signature_read(struct posture_tls_flight *flight,
                           enum posture_tls_exchange exchange, struct cursor c)
{
    if (flight->version != 0x0303 || flight->group >= 0xff00)
        return;
    if (exchange == POSTURE_TLS_EXCHANGE_ECDHE) {
        cursor_part(&c, 1); /* the server's point */
    } else if (exchange == POSTURE_TLS_EXCHANGE_DHE) {
        cursor_part(&c, 2); /* generator */
        cursor_part(&c, 2); /* the server's value */
    } else {
        return;
    }
    if (c.is_bad || c.left < 4)
        return;
    flight->signature = (uint16_t)cursor_number(&c, 2);
    flight->has_signature = true;
}

static int key_exchange_read(struct posture_tls_reader *reader, struct cursor c)
{
    struct posture_tls_flight *flight = &reader->flight;
    if (reader->has_psk_hint)
        cursor_part(&c, 2);
    if (reader->exchange == POSTURE_TLS_EXCHANGE_ECDHE) {
        uint32_t type = cursor_number(&c, 1);
        if (type == CURVE_NAMED)
            flight->group = (uint16_t)cursor_number(&c, 2);
        else if (type == CURVE_EXPLICIT_PRIME)
            flight->group = GROUP_EXPLICIT_PRIME;
        else if (type == CURVE_EXPLICIT_CHAR2)
            flight->group = GROUP_EXPLICIT_CHAR2;
        else
            return POSTURE_E_PROTOCOL;
        flight->has_group = true;
    } else if (reader->exchange == POSTURE_TLS_EXCHANGE_DHE) {
        struct cursor p = cursor_part(&c, 2);
        if (p.is_bad)
            return POSTURE_E_PROTOCOL;
        flight->dhe_bits = prime_bits(p.at, p.left);
        prime_name(flight, p.at, p.left);
        prime_keep(flight, p.at, p.left);
    }
    if (c.is_bad)
        return POSTURE_E_PROTOCOL;
    signature_read(flight, reader->exchange, c);
    return 0;
}

/* RFC 6066, 8: a type, ocsp alone is asked for, and the response. */
static int status_read(struct posture_tls_flight *flight, struct cursor c)
{
    uint32_t type = cursor_number(&c, 1);
    struct cursor response = cursor_part(&c, 3);
    if (type != 1 || response.is_bad || response.left == 0)
        return POSTURE_E_PROTOCOL;
    flight->staple.bytes = response.at;
    flight->staple.len = response.left;
    return 0;
}

static int message_read(struct posture_tls_reader *reader, uint8_t type,
                        struct cursor body, enum posture_tls_event *ret_event)
{
    struct posture_tls_flight *flight = &reader->flight;
    if (!flight->has_hello && type != MESSAGE_SERVER_HELLO &&
        type != MESSAGE_HELLO_REQUEST)
        return POSTURE_E_PROTOCOL;
    switch (type) {
    case MESSAGE_SERVER_HELLO:
        *ret_event = POSTURE_TLS_EVENT_HELLO;
        return hello_read(flight, body);
    case MESSAGE_CERTIFICATE:
        *ret_event = POSTURE_TLS_EVENT_CERTIFICATE;
        return certificate_read(flight, body);
    case MESSAGE_KEY_EXCHANGE:
        *ret_event = POSTURE_TLS_EVENT_KEY_EXCHANGE;
        return key_exchange_read(reader, body);
    case MESSAGE_STATUS:
        *ret_event = POSTURE_TLS_EVENT_STATUS;
        return status_read(flight, body);
    case MESSAGE_HELLO_DONE:
        *ret_event = POSTURE_TLS_EVENT_DONE;
        return 0;
    default: /* CertificateRequest, HelloRequest: of no use here */
        if (++reader->odd_records > ODD_RECORDS_MAX)
            return POSTURE_E_PROTOCOL;
        return 0;
    }
}

/* One whole message from the handshake bytes; 1 when there was one. */
static int message_next(struct posture_tls_reader *reader,
                        enum posture_tls_event *ret_event)
{
    const uint8_t *bytes = (const uint8_t *)reader->handshake.data;
    if (reader->handshake.len < MESSAGE_HEADER)
        return 0;
    size_t len = (size_t)bytes[1] << 16 | (size_t)bytes[2] << 8 | bytes[3];
    size_t max =
        bytes[0] == MESSAGE_SERVER_HELLO ? SERVER_HELLO_MAX : POSTURE_TLS_HANDSHAKE_MAX;
    if (len > max)
        return POSTURE_E_LIMIT;
    if (reader->handshake.len < MESSAGE_HEADER + len)
        return 0;
    struct cursor body = {.at = bytes + MESSAGE_HEADER, .left = len};
    POSTURE_TRY(message_read(reader, bytes[0], body, ret_event));
    reader->message_len = MESSAGE_HEADER + len;
    return 1;
}

/* *ret_stop: an event to hand out. */
static int alert_read(struct posture_tls_reader *reader, const uint8_t *body, size_t len,
                      bool *ret_stop)
{
    if (len != 2)
        return POSTURE_E_PROTOCOL;
    const uint8_t close_notify = 0;
    if (body[0] == /* warning = */ 1 && body[1] != close_notify) {
        if (++reader->odd_records > ODD_RECORDS_MAX)
            return POSTURE_E_PROTOCOL;
        return 0;
    }
    reader->flight.has_alert = true;
    reader->flight.alert = body[1];
    *ret_stop = true;
    return 0;
}

/* Moves one record on; 1 when there was one. */
static int record_next(struct posture_tls_reader *reader,
                       enum posture_tls_event *ret_event)
{
    size_t len = reader->in.len - reader->in_at;
    if (len == 0)
        return 0;
    const uint8_t *bytes = (const uint8_t *)reader->in.data + reader->in_at;
    int bad = reader->has_record ? POSTURE_E_PROTOCOL : POSTURE_E_FORMAT;
    /* One that lets bytes drip is slow before it is anything else. */
    if (!reader->has_record && len < RECORD_HEADER)
        return 0;
    if (bytes[0] < RECORD_CHANGE_CIPHER || bytes[0] > RECORD_DATA)
        return bad;
    if (len > 1 && bytes[1] != 3)
        return bad;
    if (len < RECORD_HEADER)
        return 0;
    size_t body = (size_t)bytes[3] << 8 | bytes[4];
    if (body > RECORD_BODY_MAX)
        return bad;
    if (len < RECORD_HEADER + body)
        return 0;

    uint8_t type = bytes[0];
    bool stop = false;
    reader->has_record = true;
    if (body == 0 && ++reader->odd_records > ODD_RECORDS_MAX)
        return POSTURE_E_PROTOCOL;
    switch (type) {
    case RECORD_HANDSHAKE:
        posture_buf_add(&reader->handshake, bytes + RECORD_HEADER, body);
        POSTURE_TRY(posture_buf_error(&reader->handshake));
        break;
    case RECORD_ALERT:
        POSTURE_TRY(alert_read(reader, bytes + RECORD_HEADER, body, &stop));
        if (stop)
            *ret_event = POSTURE_TLS_EVENT_ALERT;
        break;
    default: /* after this everything is encrypted */
        if (!reader->flight.has_hello)
            return POSTURE_E_PROTOCOL;
        *ret_event = POSTURE_TLS_EVENT_DONE;
        if (type == RECORD_DATA && body > reader->flight.sealed_max)
            reader->flight.sealed_max = body;
        break;
    }
    reader->in_at += RECORD_HEADER + body;
    return 1;
}

static int ssl2_next(struct posture_tls_reader *reader, enum posture_tls_event *ret_event)
{
    struct posture_tls_flight *flight = &reader->flight;
    const uint8_t *bytes = (const uint8_t *)reader->in.data;
    if (reader->in.len < 3)
        return 0;
    /* Two header bytes with the high bit, or three with padding. */
    size_t header = bytes[0] & 0x80 ? 2 : 3;
    size_t len = (size_t)(bytes[0] & (header == 2 ? 0x7f : 0x3f)) << 8 | bytes[1];
    if (reader->in.len < header + 1)
        return 0;
    if (bytes[header] != SSL2_SERVER_HELLO)
        return POSTURE_E_FORMAT;
    if (reader->in.len < header + len)
        return 0;
    struct cursor c = {.at = bytes + header, .left = len};
    cursor_number(&c, 3); /* type, session id hit, certificate type */
    flight->version = (uint16_t)cursor_number(&c, 2);
    size_t certificate = cursor_number(&c, 2);
    size_t ciphers = cursor_number(&c, 2);
    cursor_number(&c, 2); /* connection id */
    const uint8_t *der = cursor_bytes(&c, certificate);
    struct cursor list = {.at = cursor_bytes(&c, ciphers), .left = ciphers};
    if (c.is_bad || ciphers % 3 != 0 || flight->version != 0x0002)
        return POSTURE_E_PROTOCOL;
    while (list.left > 0 && flight->ssl2_count < POSTURE_TLS_SSL2_SUITES_MAX)
        flight->ssl2_suites[flight->ssl2_count++] = cursor_number(&list, 3);
    flight->is_truncated = list.left > 0;
    if (certificate > 0) {
        flight->certificates[0] =
            (struct posture_tls_der){.bytes = der, .len = certificate};
        flight->certificate_count = 1;
    }
    flight->has_hello = true;
    *ret_event = POSTURE_TLS_EVENT_HELLO;
    return 1;
}

void posture_tls_reader_init(struct posture_tls_reader *reader)
{
    memset(reader, 0, sizeof(*reader));
    posture_buf_init(&reader->in, POSTURE_TLS_BYTES_MAX);
    posture_buf_init(&reader->handshake, POSTURE_TLS_BYTES_MAX);
}

void posture_tls_reader_done(struct posture_tls_reader *reader)
{
    posture_buf_done(&reader->in);
    posture_buf_done(&reader->handshake);
}

void posture_tls_reader_reset(struct posture_tls_reader *reader, bool expects_ssl2)
{
    posture_buf_clear(&reader->in);
    posture_buf_clear(&reader->handshake);
    reader->in_at = 0;
    memset(&reader->flight, 0, offsetof(struct posture_tls_flight, prime));
    reader->total = 0;
    reader->message_len = 0;
    reader->odd_records = 0;
    reader->has_record = false;
    reader->has_psk_hint = false;
    reader->exchange = POSTURE_TLS_EXCHANGE_OTHER;
    reader->expects_ssl2 = expects_ssl2;
}

void posture_tls_reader_set_exchange(struct posture_tls_reader *reader,
                                     enum posture_tls_exchange exchange,
                                     bool has_psk_hint)
{
    reader->exchange = exchange;
    reader->has_psk_hint = has_psk_hint;
}

int posture_tls_reader_feed(struct posture_tls_reader *reader, const void *bytes,
                            size_t len)
{
    if (len > POSTURE_TLS_BYTES_MAX - reader->total)
        return POSTURE_E_LIMIT;
    reader->total += len;
    /* Here, not per record: many tiny records would move the rest each time. */
    posture_buf_consume(&reader->in, reader->in_at);
    reader->in_at = 0;
    posture_buf_add(&reader->in, bytes, len);
    return posture_buf_error(&reader->in);
}

bool posture_tls_reader_is_foreign(const struct posture_tls_reader *reader)
{
    const uint8_t *bytes = (const uint8_t *)reader->in.data;
    size_t len = reader->in.len - reader->in_at;
    return !reader->has_record && len > 0 &&
           (bytes[0] < RECORD_CHANGE_CIPHER || bytes[0] > RECORD_DATA ||
            (len > 1 && bytes[1] != 3));
}

int posture_tls_reader_next(struct posture_tls_reader *reader,
                            enum posture_tls_event *ret_event)
{
    enum posture_tls_event event = POSTURE_TLS_EVENT_NONE;
    if (reader->message_len > 0) {
        posture_buf_consume(&reader->handshake, reader->message_len);
        reader->message_len = 0;
    }
    if (reader->expects_ssl2 && !reader->has_record && reader->in.len > 0 &&
        (reader->in.data[0] & 0x80)) {
        if (reader->flight.has_hello) {
            *ret_event = POSTURE_TLS_EVENT_NONE;
            return 0;
        }
        POSTURE_TRY(ssl2_next(reader, &event));
        *ret_event = event;
        return 0;
    }
    for (;;) {
        int r = message_next(reader, &event);
        POSTURE_TRY(r);
        if (r > 0 && event == POSTURE_TLS_EVENT_NONE) {
            posture_buf_consume(&reader->handshake, reader->message_len);
            reader->message_len = 0;
            continue;
        }
        if (r == 0)
            r = record_next(reader, &event);
        POSTURE_TRY(r);
        if (r == 0 || event != POSTURE_TLS_EVENT_NONE) {
            *ret_event = event;
            return 0;
        }
    }
}

const char *posture_tls_alert_name(uint8_t alert, char buf[static POSTURE_TLS_CODE_TEXT])
{
    static const struct {
        uint8_t code;
        const char *name;
    } names[] = {
        {0, "close_notify"},
        {10, "unexpected_message"},
        {20, "bad_record_mac"},
        {22, "record_overflow"},
        {40, "handshake_failure"},
        {47, "illegal_parameter"},
        {49, "access_denied"},
        {50, "decode_error"},
        {51, "decrypt_error"},
        {70, "protocol_version"},
        {71, "insufficient_security"},
        {80, "internal_error"},
        {86, "inappropriate_fallback"},
        {109, "missing_extension"},
        {110, "unsupported_extension"},
        {112, "unrecognized_name"},
        {116, "certificate_required"},
        {120, "no_application_protocol"},
    };
    for (size_t i = 0; i < POSTURE_COUNT(names); i++) {
        if (names[i].code == alert)
            return names[i].name;
    }
    snprintf(buf, POSTURE_TLS_CODE_TEXT, "alert %u", alert);
    return buf;
}
