/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */

/* IMAP (RFC 3501, 9051; 2595 for LOGINDISABLED) and POP3 (RFC 1939, 2449, 2595). */

#include "common/tls/starttls_internal.h"

#include <string.h>
#include <strings.h>

enum imap_step { IMAP_GREETING, IMAP_CAPABILITY, IMAP_STARTTLS };
enum pop3_step { POP3_GREETING, POP3_CAPA, POP3_CAPA_LIST, POP3_STLS };

static bool starts_with(const char *text, const char *prefix)
{
    return strncasecmp(text, prefix, strlen(prefix)) == 0;
}

static void imap_farewell(struct posture_starttls *s, const char *line,
                          enum posture_starttls_reason reason, struct posture_buf *out)
{
    posture_starttls_end(s, reason, line, strlen(line));
    posture_buf_adds(out, "p3 LOGOUT\r\n");
}

static void imap_capabilities(struct posture_starttls *s, const char *list)
{
    const char *word;
    size_t len;
    bool is_disabled = false, sends_password = true; /* LOGIN is there unless disabled */
    while (posture_starttls_next_word(&list, &word, &len)) {
        if (word[len - 1] == ']')
            len--;
        if (posture_starttls_word_is(word, len, "STARTTLS"))
            s->offered = POSTURE_STARTTLS_YES;
        else if (posture_starttls_word_is(word, len, "LOGINDISABLED"))
            is_disabled = true;
        else if (posture_starttls_word_is(word, len, "AUTH=PLAIN") ||
                 posture_starttls_word_is(word, len, "AUTH=LOGIN"))
            sends_password = true;
    }
    if (is_disabled)
        sends_password = false;
    s->login = sends_password ? POSTURE_STARTTLS_YES : POSTURE_STARTTLS_NO;
}

static void imap_greeting(struct posture_starttls *s, const char *line,
                          struct posture_buf *out)
{
    if (starts_with(line, "* OK")) {
        s->step = IMAP_CAPABILITY;
        posture_buf_adds(out, "p1 CAPABILITY\r\n");
    } else if (starts_with(line, "* PREAUTH")) {
        /* STARTTLS is for the state before authentication only: there is no way to TLS.
         */
        s->is_authenticated = true;
        imap_farewell(s, line, POSTURE_STARTTLS_NOT_OFFERED, out);
    } else {
        posture_starttls_end(s, POSTURE_STARTTLS_FOREIGN, line, strlen(line));
    }
}

static void imap_tagged(struct posture_starttls *s, const char *line, const char *status,
                        struct posture_buf *out)
{
    bool is_ok = starts_with(status, "OK");
    if (!is_ok && !starts_with(status, "NO") && !starts_with(status, "BAD")) {
        posture_starttls_end(s, POSTURE_STARTTLS_FOREIGN, line, strlen(line));
    } else if (!is_ok) {
        enum posture_starttls_reason otherwise =
            strcasestr(status, "[UNAVAILABLE]") || strcasestr(status, "[INUSE]")
                ? POSTURE_STARTTLS_UNAVAILABLE
                : POSTURE_STARTTLS_REFUSED;
        imap_farewell(s, line, posture_starttls_reason_of(status, otherwise), out);
    } else if (s->step == IMAP_STARTTLS) {
        posture_starttls_ready(s);
    } else if (s->login == POSTURE_STARTTLS_UNSAID) {
        /* OK, and no list: nothing was said. */
        imap_farewell(s, line, POSTURE_STARTTLS_REFUSED, out);
    } else if (s->offered == POSTURE_STARTTLS_YES) {
        s->step = IMAP_STARTTLS;
        posture_buf_adds(out, "p2 STARTTLS\r\n");
    } else {
        imap_farewell(s, line, POSTURE_STARTTLS_NOT_OFFERED, out);
    }
}

static void imap_line(struct posture_starttls *s, const char *line,
                      struct posture_buf *out)
{
    static const char *const tags[] = {"", "p1 ", "p2 "};
    static const char capability[] = "* CAPABILITY ";
    if (starts_with(line, "* BYE")) {
        enum posture_starttls_reason reason =
            posture_starttls_reason_of(line, POSTURE_STARTTLS_UNAVAILABLE);
        posture_starttls_end(s, reason, line, strlen(line));
    } else if (s->step == IMAP_GREETING) {
        imap_greeting(s, line, out);
    } else if (s->step == IMAP_CAPABILITY && starts_with(line, capability)) {
        imap_capabilities(s, line + sizeof(capability) - 1);
    } else if (strncmp(line, tags[s->step], strlen(tags[s->step])) == 0) {
        imap_tagged(s, line, line + strlen(tags[s->step]), out);
    } else if (line[0] != '*') {
        /* Another tag than ours answers nobody's question. */
        posture_starttls_end(s, POSTURE_STARTTLS_FOREIGN, line, strlen(line));
    }
}

static void pop3_farewell(struct posture_starttls *s, const char *line,
                          enum posture_starttls_reason reason, struct posture_buf *out)
{
    posture_starttls_end(s, reason, line, strlen(line));
    posture_buf_adds(out, "QUIT\r\n");
}

static void pop3_refused(struct posture_starttls *s, const char *line,
                         enum posture_starttls_reason otherwise, struct posture_buf *out)
{
    /* RFC 2449, 3206: response codes for what will pass. */
    if (strcasestr(line, "[IN-USE]") || strcasestr(line, "[LOGIN-DELAY]") ||
        strcasestr(line, "[SYS/TEMP]"))
        otherwise = POSTURE_STARTTLS_UNAVAILABLE;
    pop3_farewell(s, line, posture_starttls_reason_of(line, otherwise), out);
}

static void pop3_stls(struct posture_starttls *s, struct posture_buf *out)
{
    s->step = POP3_STLS;
    posture_buf_adds(out, "STLS\r\n");
}

static void pop3_capability(struct posture_starttls *s, const char *line,
                            struct posture_buf *out)
{
    const char *word;
    size_t len;
    if (strcmp(line, ".") == 0) {
        if (s->login == POSTURE_STARTTLS_UNSAID)
            s->login = POSTURE_STARTTLS_NO;
        if (s->offered == POSTURE_STARTTLS_YES)
            pop3_stls(s, out);
        else
            pop3_farewell(s, "+OK, CAPA without STLS", POSTURE_STARTTLS_NOT_OFFERED, out);
        return;
    }
    if (!posture_starttls_next_word(&line, &word, &len))
        return;
    if (posture_starttls_word_is(word, len, "STLS"))
        s->offered = POSTURE_STARTTLS_YES;
    else if (posture_starttls_word_is(word, len, "USER") ||
             (posture_starttls_word_is(word, len, "SASL") &&
              posture_starttls_sends_password(line)))
        s->login = POSTURE_STARTTLS_YES;
}

static void pop3_line(struct posture_starttls *s, const char *line,
                      struct posture_buf *out)
{
    if (s->step == POP3_CAPA_LIST) {
        pop3_capability(s, line, out);
        return;
    }
    bool is_ok = starts_with(line, "+OK");
    if (!is_ok && !starts_with(line, "-ERR")) {
        posture_starttls_end(s, POSTURE_STARTTLS_FOREIGN, line, strlen(line));
        return;
    }
    switch ((enum pop3_step)s->step) {
    case POP3_GREETING:
        if (!is_ok) {
            pop3_refused(s, line, POSTURE_STARTTLS_REFUSED, out);
            break;
        }
        s->step = POP3_CAPA;
        posture_buf_adds(out, "CAPA\r\n");
        break;
    case POP3_CAPA:
        /* Without CAPA only the command itself tells. */
        if (is_ok)
            s->step = POP3_CAPA_LIST;
        else
            pop3_stls(s, out);
        break;
    case POP3_STLS:
        if (is_ok)
            posture_starttls_ready(s);
        else
            pop3_refused(s, line,
                         s->offered == POSTURE_STARTTLS_YES
                             ? POSTURE_STARTTLS_REFUSED
                             : POSTURE_STARTTLS_NOT_OFFERED,
                         out);
        break;
    case POP3_CAPA_LIST:
        break;
    }
}

const struct posture_starttls_ops posture_starttls_imap = {.name = "imap",
                                                           .line = imap_line};
const struct posture_starttls_ops posture_starttls_pop3 = {.name = "pop3",
                                                           .line = pop3_line};
