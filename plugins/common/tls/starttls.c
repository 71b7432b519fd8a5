/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#include "common/tls/starttls_internal.h"

#include "common/base/error.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

enum { XMPP_SERVER_PORT = 5269 };

static const struct posture_starttls_ops *const all_ops[POSTURE_STARTTLS_COUNT] = {
    [POSTURE_STARTTLS_SMTP] = &posture_starttls_smtp,
    [POSTURE_STARTTLS_IMAP] = &posture_starttls_imap,
    [POSTURE_STARTTLS_POP3] = &posture_starttls_pop3,
    [POSTURE_STARTTLS_FTP] = &posture_starttls_ftp,
    [POSTURE_STARTTLS_LDAP] = &posture_starttls_ldap,
    [POSTURE_STARTTLS_POSTGRESQL] = &posture_starttls_postgresql,
    [POSTURE_STARTTLS_XMPP] = &posture_starttls_xmpp,
    [POSTURE_STARTTLS_XMPP_SERVER] = &posture_starttls_xmpp_server,
};

const char *posture_starttls_name(enum posture_starttls_protocol protocol)
{
    return all_ops[protocol] ? all_ops[protocol]->name : NULL;
}

enum posture_starttls_protocol posture_starttls_by_scheme(const char *scheme,
                                                          unsigned port)
{
    /* A pseudo-protocol of its own to us, the same scheme to the user. */
    if (strcmp(scheme, "xmpp") == 0 && port == XMPP_SERVER_PORT)
        return POSTURE_STARTTLS_XMPP_SERVER;
    for (unsigned i = 0; i < POSTURE_STARTTLS_COUNT; i++) {
        if (all_ops[i] && strcmp(all_ops[i]->name, scheme) == 0)
            return (enum posture_starttls_protocol)i;
    }
    return POSTURE_STARTTLS_NONE;
}

bool posture_starttls_is_mail(enum posture_starttls_protocol protocol)
{
    return protocol == POSTURE_STARTTLS_SMTP || protocol == POSTURE_STARTTLS_IMAP ||
           protocol == POSTURE_STARTTLS_POP3;
}

bool posture_starttls_next_word(const char **at, const char **ret_word, size_t *ret_len)
{
    *at += strspn(*at, " \t");
    *ret_word = *at;
    *ret_len = strcspn(*at, " \t");
    *at += *ret_len;
    return *ret_len > 0;
}

bool posture_starttls_word_is(const char *word, size_t len, const char *want)
{
    return strlen(want) == len && strncasecmp(word, want, len) == 0;
}

bool posture_starttls_sends_password(const char *mechanisms)
{
    const char *word;
    size_t len;
    while (posture_starttls_next_word(&mechanisms, &word, &len)) {
        if (posture_starttls_word_is(word, len, "PLAIN") ||
            posture_starttls_word_is(word, len, "LOGIN"))
            return true;
    }
    return false;
}

enum posture_starttls_reason
posture_starttls_reason_of(const char *words, enum posture_starttls_reason otherwise)
{
    static const struct {
        const char *words;
        enum posture_starttls_reason reason;
    } known[] = {
        {"greylist", POSTURE_STARTTLS_GREYLISTED},
        {"graylist", POSTURE_STARTTLS_GREYLISTED},
        {"grey list", POSTURE_STARTTLS_GREYLISTED},
        {"postgrey", POSTURE_STARTTLS_GREYLISTED},
        {"too many", POSTURE_STARTTLS_RATE_LIMITED},
        {"too much", POSTURE_STARTTLS_RATE_LIMITED},
        {"too fast", POSTURE_STARTTLS_RATE_LIMITED},
        {"rate limit", POSTURE_STARTTLS_RATE_LIMITED},
        {"ratelimit", POSTURE_STARTTLS_RATE_LIMITED},
        {"rate exceeded", POSTURE_STARTTLS_RATE_LIMITED},
        {"limit exceeded", POSTURE_STARTTLS_RATE_LIMITED},
        {"exceeded the", POSTURE_STARTTLS_RATE_LIMITED},
        {"throttl", POSTURE_STARTTLS_RATE_LIMITED},
        {"maximum number of connections", POSTURE_STARTTLS_RATE_LIMITED},
        {"maximum number of clients", POSTURE_STARTTLS_RATE_LIMITED},
    };
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        if (strcasestr(words, known[i].words))
            return known[i].reason;
    }
    return otherwise;
}

/* Foreign bytes, to be shown some day: printable ASCII, and no more of it than fits. */
static void detail_set(struct posture_starttls *s, const char *words, size_t len)
{
    size_t n = 0;
    for (size_t i = 0; i < len && n + 1 < sizeof(s->detail); i++) {
        unsigned char c = (unsigned char)words[i];
        s->detail[n++] = c >= 0x20 && c < 0x7f ? (char)c : '?';
    }
    s->detail[n] = '\0';
}

void posture_starttls_ready(struct posture_starttls *s)
{
    s->state = POSTURE_STARTTLS_READY;
    s->offered = POSTURE_STARTTLS_YES;
}

void posture_starttls_end(struct posture_starttls *s, enum posture_starttls_reason reason,
                          const char *words, size_t len)
{
    s->state = POSTURE_STARTTLS_ENDED;
    s->reason = reason;
    if (reason == POSTURE_STARTTLS_NOT_OFFERED)
        s->offered = POSTURE_STARTTLS_NO;
    if (words)
        detail_set(s, words, len);
}

void posture_starttls_init(struct posture_starttls *s)
{
    memset(s, 0, sizeof(*s));
    posture_buf_init(&s->in, POSTURE_STARTTLS_BYTES_MAX);
}

void posture_starttls_done(struct posture_starttls *s)
{
    posture_buf_done(&s->in);
}

int posture_starttls_begin(struct posture_starttls *s,
                           enum posture_starttls_protocol protocol, const char *helo,
                           const char *name, struct posture_buf *out)
{
    struct posture_buf in = s->in;
    memset(s, 0, sizeof(*s));
    s->in = in;
    posture_buf_clear(&s->in);
    s->protocol = protocol;
    snprintf(s->helo, sizeof(s->helo), "%s", helo);
    snprintf(s->name, sizeof(s->name), "%s", name);
    const struct posture_starttls_ops *ops = all_ops[protocol];
    if (!ops) {
        s->state = POSTURE_STARTTLS_READY;
        return 0;
    }
    if (ops->begin)
        ops->begin(s, out);
    return posture_buf_error(out);
}

/* true: *line holds the next one. */
static bool line_take(struct posture_starttls *s,
                      char line[static POSTURE_STARTTLS_LINE_MAX + 1])
{
    if (s->in.len == 0)
        return false;
    const char *end = memchr(s->in.data, '\n', s->in.len);
    size_t len = end ? (size_t)(end - s->in.data) : s->in.len;
    if (len > POSTURE_STARTTLS_LINE_MAX || s->lines >= POSTURE_STARTTLS_LINES_MAX) {
        posture_starttls_end(s, POSTURE_STARTTLS_TOO_LARGE, NULL, 0);
        return false;
    }
    if (!end)
        return false;
    memcpy(line, s->in.data, len);
    posture_buf_consume(&s->in, len + 1);
    while (len > 0 && line[len - 1] == '\r')
        len--;
    line[len] = '\0';
    for (char *nul = line; (nul = memchr(nul, '\0', (size_t)(line + len - nul)));)
        *nul = '?';
    s->lines++;
    return true;
}

static void input_read(struct posture_starttls *s, struct posture_buf *out)
{
    const struct posture_starttls_ops *ops = all_ops[s->protocol];
    if (ops->bytes) {
        while (s->state == POSTURE_STARTTLS_WAITING && ops->bytes(s, out))
            ;
        return;
    }
    char line[POSTURE_STARTTLS_LINE_MAX + 1];
    while (s->state == POSTURE_STARTTLS_WAITING && line_take(s, line))
        ops->line(s, line, out);
}

int posture_starttls_feed(struct posture_starttls *s, const void *bytes, size_t len,
                          struct posture_buf *out)
{
    if (s->state != POSTURE_STARTTLS_WAITING)
        return 0;
    s->total += len;
    if (s->total > POSTURE_STARTTLS_BYTES_MAX) {
        posture_starttls_end(s, POSTURE_STARTTLS_TOO_LARGE, NULL, 0);
        return 0;
    }
    posture_buf_add(&s->in, bytes, len);
    POSTURE_TRY(posture_buf_error(&s->in));
    input_read(s, out);
    if (s->state == POSTURE_STARTTLS_READY) {
        /* No TLS server speaks before the ClientHello: what follows the go-ahead was sent
         * in the clear, by the server or by someone between, for a client to take it as
         * said under TLS. */
        s->injected = s->in.len > 0 ? POSTURE_STARTTLS_YES : POSTURE_STARTTLS_NO;
        if (s->in.len > 0)
            posture_starttls_end(s, POSTURE_STARTTLS_INJECTED, s->in.data, s->in.len);
    }
    return posture_buf_error(out);
}
