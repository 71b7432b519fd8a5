/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#ifndef POSTURE_TLS_STARTTLS_INTERNAL_H
#define POSTURE_TLS_STARTTLS_INTERNAL_H

#include "common/tls/starttls.h"

/* Between the files of the machine: starttls.c (limits, lines, ends), starttls_reply.c
 * (SMTP, FTP), starttls_mailbox.c (IMAP, POP3), starttls_binary.c (LDAP, PostgreSQL),
 * starttls_xmpp.c. */

struct posture_starttls_ops {
    const char *name;
    /* What the client says first; may be NULL. */
    void (*begin)(struct posture_starttls *s, struct posture_buf *out);
    /* One of the two: a line without its end, NULs replaced; or whatever is in s->in:
     * true when it took something and may be called again. */
    void (*line)(struct posture_starttls *s, const char *line, struct posture_buf *out);
    bool (*bytes)(struct posture_starttls *s, struct posture_buf *out);
};

extern const struct posture_starttls_ops posture_starttls_smtp;
extern const struct posture_starttls_ops posture_starttls_ftp;
extern const struct posture_starttls_ops posture_starttls_imap;
extern const struct posture_starttls_ops posture_starttls_pop3;
extern const struct posture_starttls_ops posture_starttls_ldap;
extern const struct posture_starttls_ops posture_starttls_postgresql;
extern const struct posture_starttls_ops posture_starttls_xmpp;
extern const struct posture_starttls_ops posture_starttls_xmpp_server;

/* The go-ahead was read to its end. */
void posture_starttls_ready(struct posture_starttls *s);
/* No TLS, with the server's words (may be NULL) kept as the detail. */
void posture_starttls_end(struct posture_starttls *s, enum posture_starttls_reason reason,
                          const char *words, size_t len);
/* What words of a server that says no (or not now) mean; otherwise: what is meant when
 * they say nothing that we know. */
enum posture_starttls_reason
posture_starttls_reason_of(const char *words, enum posture_starttls_reason otherwise);

/* The next word of a list separated by spaces (RFC 5234: SP), case-insensitive compare.
 */
bool posture_starttls_next_word(const char **at, const char **ret_word, size_t *ret_len);
bool posture_starttls_word_is(const char *word, size_t len, const char *want);
/* Does the list of SASL mechanisms name one that sends the password itself? */
bool posture_starttls_sends_password(const char *mechanisms);

#endif
