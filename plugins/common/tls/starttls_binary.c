/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */

/* LDAP's StartTLS (RFC 4511, 4.14; RFC 4513, 3) and PostgreSQL's SSLRequest (its
 * documentation, 55.2.10 and 55.7). */

#include "common/tls/starttls_internal.h"

#include <string.h>

enum {
    MESSAGE_MAX = 16 * 1024,
    BER_SEQUENCE = 0x30,
    BER_INTEGER = 0x02,
    BER_OCTETS = 0x04,
    BER_ENUMERATED = 0x0a,
    LDAP_EXTENDED_RESPONSE = 0x78,
    LDAP_RESPONSE_NAME = 0x8a,
    LDAP_OUR_ID = 1,
    LDAP_SUCCESS = 0,
    LDAP_PROTOCOL_ERROR = 2,
    LDAP_BUSY = 51,
    LDAP_UNAVAILABLE = 52,
    PG_HEADER = 5, /* type and length */
};

static const char starttls_oid[] = "1.3.6.1.4.1.1466.20037";
static const char disconnection_oid[] = "1.3.6.1.4.1.1466.20036";

struct ber {
    const uint8_t *at;
    size_t len;
};

/* Takes one element off: -1 malformed, 0 more bytes are needed, 1 taken. Definite lengths
 * only, as LDAP has them (RFC 4511, 5.1). */
static int ber_take(struct ber *from, uint8_t *ret_tag, struct ber *ret_value)
{
    if (from->len < 2)
        return 0;
    size_t head = 2, len = from->at[1];
    if (len == 0x80 || len > 0x84)
        return -1;
    if (len > 0x80) {
        size_t octets = len & 0x7f;
        if (from->len < 2 + octets)
            return 0;
        len = 0;
        for (size_t i = 0; i < octets; i++)
            len = len << 8 | from->at[2 + i];
        head += octets;
    }
    if (len > MESSAGE_MAX)
        return -1;
    if (from->len - head < len)
        return 0;
    *ret_tag = from->at[0];
    *ret_value = (struct ber){from->at + head, len};
    from->at += head + len;
    from->len -= head + len;
    return 1;
}

static bool ber_take_tag(struct ber *from, uint8_t tag, struct ber *ret_value)
{
    uint8_t found;
    return ber_take(from, &found, ret_value) == 1 && found == tag;
}

/* Non-negative and small, as message ids and result codes of ours are. */
static bool ber_take_number(struct ber *from, uint8_t tag, unsigned *ret)
{
    struct ber value;
    if (!ber_take_tag(from, tag, &value) || value.len == 0 || value.len > 4 ||
        value.at[0] & 0x80)
        return false;
    *ret = 0;
    for (size_t i = 0; i < value.len; i++)
        *ret = *ret << 8 | value.at[i];
    return true;
}

struct ldap_response {
    unsigned id;
    unsigned code;
    struct ber words; /* diagnosticMessage */
    bool is_disconnection;
};

static bool ldap_response_read(struct ber message, struct ldap_response *ret)
{
    struct ber body, ignored, value;
    uint8_t tag;
    if (!ber_take_number(&message, BER_INTEGER, &ret->id) ||
        !ber_take_tag(&message, LDAP_EXTENDED_RESPONSE, &body) ||
        !ber_take_number(&body, BER_ENUMERATED, &ret->code) ||
        !ber_take_tag(&body, BER_OCTETS, &ignored) ||
        !ber_take_tag(&body, BER_OCTETS, &ret->words))
        return false;
    ret->is_disconnection = false;
    while (body.len > 0) {
        if (ber_take(&body, &tag, &value) != 1)
            return false;
        if (tag == LDAP_RESPONSE_NAME && value.len == sizeof(disconnection_oid) - 1 &&
            memcmp(value.at, disconnection_oid, value.len) == 0)
            ret->is_disconnection = true;
    }
    return true;
}

static void ldap_begin(struct posture_starttls *s, struct posture_buf *out)
{
    (void)s;
    static const uint8_t head[] = {
        BER_SEQUENCE,
        sizeof(starttls_oid) - 1 + 7,
        BER_INTEGER,
        1,
        LDAP_OUR_ID,
        0x77,
        sizeof(starttls_oid) - 1 + 2,
        0x80, /* requestName */
        sizeof(starttls_oid) - 1,
    };
    posture_buf_add(out, head, sizeof(head));
    posture_buf_add(out, starttls_oid, sizeof(starttls_oid) - 1);
}

static void ldap_unbind(struct posture_buf *out)
{
    static const uint8_t unbind[] = {BER_SEQUENCE, 5, BER_INTEGER, 1, LDAP_OUR_ID + 1,
                                     0x42,         0};
    posture_buf_add(out, unbind, sizeof(unbind));
}

static void ldap_answered(struct posture_starttls *s, const struct ldap_response *r,
                          struct posture_buf *out)
{
    const char *words = (const char *)r->words.at;
    if (r->is_disconnection) {
        enum posture_starttls_reason reason =
            r->code == LDAP_BUSY || r->code == LDAP_UNAVAILABLE
                ? POSTURE_STARTTLS_UNAVAILABLE
                : POSTURE_STARTTLS_REFUSED;
        posture_starttls_end(s, reason, words, r->words.len);
        return;
    }
    switch (r->code) {
    case LDAP_SUCCESS:
        posture_starttls_ready(s);
        return;
    case LDAP_PROTOCOL_ERROR:
        /* RFC 4511, 4.14.2: the extension is not known. */
        posture_starttls_end(s, POSTURE_STARTTLS_NOT_OFFERED, words, r->words.len);
        break;
    case LDAP_BUSY:
    case LDAP_UNAVAILABLE:
        posture_starttls_end(s, POSTURE_STARTTLS_UNAVAILABLE, words, r->words.len);
        break;
    default:
        posture_starttls_end(s, POSTURE_STARTTLS_REFUSED, words, r->words.len);
        break;
    }
    ldap_unbind(out);
}

static bool ldap_bytes(struct posture_starttls *s, struct posture_buf *out)
{
    struct ber rest = {(const uint8_t *)s->in.data, s->in.len}, message;
    uint8_t tag = 0;
    if (rest.len > 0 && rest.at[0] != BER_SEQUENCE) {
        posture_starttls_end(s, POSTURE_STARTTLS_FOREIGN, s->in.data, s->in.len);
        return false;
    }
    int r = ber_take(&rest, &tag, &message);
    if (r == 0)
        return false;
    struct ldap_response response = {0};
    if (r < 0 || !ldap_response_read(message, &response) ||
        response.id != (response.is_disconnection ? 0 : LDAP_OUR_ID)) {
        posture_starttls_end(s, POSTURE_STARTTLS_FOREIGN, NULL, 0);
        return false;
    }
    ldap_answered(s, &response, out);
    posture_buf_consume(&s->in, s->in.len - rest.len);
    return false;
}

static void postgresql_begin(struct posture_starttls *s, struct posture_buf *out)
{
    (void)s;
    posture_buf_add_u32(out, 8);
    posture_buf_add_u32(out, 1234u << 16 | 5679u); /* SSLRequest */
}

/* ErrorResponse: fields of one letter and a text each; C is the SQLSTATE, M the message.
 */
static void postgresql_error(struct posture_starttls *s, const char *body, size_t len)
{
    enum posture_starttls_reason reason = POSTURE_STARTTLS_REFUSED;
    const char *words = NULL;
    size_t at = 0;
    while (at < len && body[at] != '\0') {
        char field = body[at++];
        const char *text = body + at, *end = memchr(text, '\0', len - at);
        if (!end)
            break;
        at += (size_t)(end - text) + 1;
        if (field == 'M')
            words = text;
        if (field != 'C')
            continue;
        if (strcmp(text, "53300") == 0) /* too_many_connections */
            reason = POSTURE_STARTTLS_RATE_LIMITED;
        else if (strncmp(text, "57P0", 4) == 0 || strncmp(text, "53", 2) == 0)
            reason = POSTURE_STARTTLS_UNAVAILABLE; /* shutdown, start-up, no resources */
    }
    posture_starttls_end(s, reason, words, words ? strlen(words) : 0);
}

static bool postgresql_bytes(struct posture_starttls *s, struct posture_buf *out)
{
    (void)out;
    if (s->in.len == 0)
        return false;
    const uint8_t *in = (const uint8_t *)s->in.data;
    if (in[0] == 'S') {
        posture_starttls_ready(s);
        posture_buf_consume(&s->in, 1);
    } else if (in[0] == 'N') {
        posture_starttls_end(s, POSTURE_STARTTLS_NOT_OFFERED, NULL, 0);
    } else if (in[0] == 'E') {
        if (s->in.len < PG_HEADER)
            return false;
        size_t len =
            (size_t)in[1] << 24 | (size_t)in[2] << 16 | (size_t)in[3] << 8 | in[4];
        if (len < 4 || len > MESSAGE_MAX)
            posture_starttls_end(s, POSTURE_STARTTLS_FOREIGN, s->in.data, s->in.len);
        else if (s->in.len >= 1 + len)
            postgresql_error(s, s->in.data + PG_HEADER, len - 4);
    } else {
        posture_starttls_end(s, POSTURE_STARTTLS_FOREIGN, s->in.data, s->in.len);
    }
    return false;
}

const struct posture_starttls_ops posture_starttls_ldap = {
    .name = "ldap", .begin = ldap_begin, .bytes = ldap_bytes};
const struct posture_starttls_ops posture_starttls_postgresql = {
    .name = "postgresql", .begin = postgresql_begin, .bytes = postgresql_bytes};
