/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#ifndef POSTURE_TLS_STARTTLS_H
#define POSTURE_TLS_STARTTLS_H

#include "common/base/buf.h"

/*
 * What is said in the clear before TLS begins on a connection that does not begin with it
 * (RFC 3207, 2595, 9051, 2449, 4217, 4511, 6120, PostgreSQL's SSLRequest). Pure: the
 * server's bytes in, ours out; no socket, no clock, at most POSTURE_STARTTLS_BYTES_MAX of
 * one connection. It asks for TLS, never logs in, and takes its leave politely when TLS
 * is not to be had.
 */
enum {
    POSTURE_STARTTLS_BYTES_MAX = 64 * 1024,
    POSTURE_STARTTLS_LINE_MAX = 4096,
    POSTURE_STARTTLS_LINES_MAX = 512,
    POSTURE_STARTTLS_NAME_MAX = 256,
    POSTURE_STARTTLS_DETAIL_MAX = 160,
};

enum posture_starttls_protocol {
    POSTURE_STARTTLS_NONE, /* TLS from the first byte */
    POSTURE_STARTTLS_SMTP,
    POSTURE_STARTTLS_IMAP,
    POSTURE_STARTTLS_POP3,
    POSTURE_STARTTLS_FTP,
    POSTURE_STARTTLS_LDAP,
    POSTURE_STARTTLS_POSTGRESQL,
    POSTURE_STARTTLS_XMPP,        /* as a client */
    POSTURE_STARTTLS_XMPP_SERVER, /* as another server */
    POSTURE_STARTTLS_COUNT
};

enum posture_starttls_state {
    POSTURE_STARTTLS_WAITING, /* send what is in out, feed what comes */
    POSTURE_STARTTLS_READY,   /* the next bytes are a ClientHello */
    POSTURE_STARTTLS_ENDED,   /* send what is in out (farewell), then close; see reason */
};

enum posture_starttls_reason {
    POSTURE_STARTTLS_FINE,
    POSTURE_STARTTLS_NOT_OFFERED, /* the server says plainly that it has none */
    POSTURE_STARTTLS_REFUSED,     /* for good, and it is not said that there is none */
    POSTURE_STARTTLS_GREYLISTED,
    POSTURE_STARTTLS_RATE_LIMITED,
    POSTURE_STARTTLS_UNAVAILABLE, /* for now, whatever the cause */
    POSTURE_STARTTLS_INJECTED,    /* bytes in the clear behind the go-ahead */
    POSTURE_STARTTLS_FOREIGN,     /* what answers does not speak the protocol */
    POSTURE_STARTTLS_TOO_LARGE,
};

enum posture_starttls_answer {
    POSTURE_STARTTLS_UNSAID,
    POSTURE_STARTTLS_NO,
    POSTURE_STARTTLS_YES,
};

struct posture_starttls {
    enum posture_starttls_protocol protocol;
    enum posture_starttls_state state;
    enum posture_starttls_reason reason;
    enum posture_starttls_answer offered;
    enum posture_starttls_answer injected; /* NO once a clean go-ahead was seen */
    enum posture_starttls_answer login;    /* a password is taken without TLS */
    bool is_masked;        /* SMTP: a device on the path has written over the offer */
    bool is_authenticated; /* IMAP: greeted with PREAUTH, so that STARTTLS is too late */
    char detail[POSTURE_STARTTLS_DETAIL_MAX]; /* the server's words, printable ASCII */

    /* the rest is the machine's own */
    unsigned step;
    unsigned lines; /* of this connection, and of this reply */
    unsigned reply_lines;
    unsigned reply_code; /* SMTP, FTP: of the reply's first line; 0: between replies */
    unsigned depth;      /* XMPP: open elements */
    size_t total;
    struct posture_buf in;
    char helo[POSTURE_STARTTLS_NAME_MAX];
    char name[POSTURE_STARTTLS_NAME_MAX];
};

void posture_starttls_init(struct posture_starttls *starttls);
void posture_starttls_done(struct posture_starttls *starttls);

/* For a new connection, once it stands; keeps the memory. helo: who we say we are; name:
 * which server is meant (XMPP). What is to be sent first goes to out. -ENOMEM. */
int posture_starttls_begin(struct posture_starttls *starttls,
                           enum posture_starttls_protocol protocol, const char *helo,
                           const char *name, struct posture_buf *out);
/* Bytes of the server. 0 (see state), or -ENOMEM. Once state is not WAITING, bytes are
 * ignored. */
int posture_starttls_feed(struct posture_starttls *starttls, const void *bytes,
                          size_t len, struct posture_buf *out);

/* "smtp" …; NONE: NULL. */
const char *posture_starttls_name(enum posture_starttls_protocol protocol);
/* By a subject's scheme; a port may choose among two of one scheme (XMPP between servers,
 * 5269). A scheme without STARTTLS: NONE. */
enum posture_starttls_protocol posture_starttls_by_scheme(const char *scheme,
                                                          unsigned port);
/* SMTP, IMAP, POP3: servers that count their visitors. */
bool posture_starttls_is_mail(enum posture_starttls_protocol protocol);

#endif
