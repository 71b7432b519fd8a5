/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */

/* SMTP (RFC 5321, 3207) and FTP (RFC 959, 2389, 4217): replies of three digits. */

#include "common/tls/starttls_internal.h"

#include <string.h>

enum smtp_step { SMTP_GREETING, SMTP_EHLO, SMTP_HELO, SMTP_STARTTLS };
enum ftp_step { FTP_GREETING, FTP_AUTH, FTP_FEAT };

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* The three digits at the start of a line; 0: none. */
static unsigned code_of(const char *line)
{
    if (!is_digit(line[0]) || !is_digit(line[1]) || !is_digit(line[2]))
        return 0;
    if (line[3] != '\0' && line[3] != ' ' && line[3] != '-')
        return 0;
    return (unsigned)(line[0] - '0') * 100 + (unsigned)(line[1] - '0') * 10 +
           (unsigned)(line[2] - '0');
}

static const char *text_of(const char *line)
{
    return line[3] == '\0' ? line + 3 : line + 4;
}

static void farewell(struct posture_starttls *s, const char *line,
                     enum posture_starttls_reason reason, struct posture_buf *out)
{
    posture_starttls_end(s, reason, line, strlen(line));
    posture_buf_adds(out, "QUIT\r\n");
}

/* A reply that is no success. 4yz: not now, whatever else. */
static void refused(struct posture_starttls *s, unsigned code, const char *line,
                    enum posture_starttls_reason otherwise, struct posture_buf *out)
{
    enum posture_starttls_reason reason = otherwise;
    if (code >= 400 && code < 500)
        reason = posture_starttls_reason_of(line, POSTURE_STARTTLS_UNAVAILABLE);
    else if (code < 500)
        reason = POSTURE_STARTTLS_FOREIGN;
    else if (otherwise == POSTURE_STARTTLS_REFUSED)
        reason = posture_starttls_reason_of(line, otherwise);
    farewell(s, line, reason, out);
}

/* "XXXXXXXA": some firewalls write over the names of extensions they do not know or want.
 */
static bool is_masked(const char *word, size_t len)
{
    size_t masked = 0;
    while (masked < len && (word[masked] == 'X' || word[masked] == 'x'))
        masked++;
    return len == strlen("STARTTLS") && masked + 1 >= len;
}

static void smtp_extension(struct posture_starttls *s, const char *text)
{
    const char *word;
    size_t len;
    if (!posture_starttls_next_word(&text, &word, &len))
        return;
    if (posture_starttls_word_is(word, len, "STARTTLS"))
        s->offered = POSTURE_STARTTLS_YES;
    else if (posture_starttls_word_is(word, len, "AUTH") ||
             (len > 5 && posture_starttls_word_is(word, 5, "AUTH=")))
        s->login = s->login == POSTURE_STARTTLS_YES ||
                           posture_starttls_sends_password(len > 5 ? word + 5 : text)
                       ? POSTURE_STARTTLS_YES
                       : POSTURE_STARTTLS_NO;
    else if (is_masked(word, len))
        s->is_masked = true;
}

static void smtp_ehlo_answered(struct posture_starttls *s, unsigned code,
                               const char *line, struct posture_buf *out)
{
    if (code == 250) {
        if (s->login == POSTURE_STARTTLS_UNSAID)
            s->login = POSTURE_STARTTLS_NO;
        if (s->offered == POSTURE_STARTTLS_YES) {
            s->is_masked = false;
            s->step = SMTP_STARTTLS;
            posture_buf_adds(out, "STARTTLS\r\n");
        } else {
            farewell(s, line, POSTURE_STARTTLS_NOT_OFFERED, out);
        }
    } else if (code >= 500) {
        /* Too old for extensions, or is it us that it minds? */
        s->step = SMTP_HELO;
        posture_buf_addf(out, "HELO %s\r\n", s->helo);
    } else {
        refused(s, code, line, POSTURE_STARTTLS_REFUSED, out);
    }
}

static void smtp_reply(struct posture_starttls *s, unsigned code, const char *line,
                       struct posture_buf *out)
{
    switch ((enum smtp_step)s->step) {
    case SMTP_GREETING:
        if (code != 220) {
            refused(s, code, line, POSTURE_STARTTLS_REFUSED, out);
            break;
        }
        s->step = SMTP_EHLO;
        posture_buf_addf(out, "EHLO %s\r\n", s->helo);
        break;
    case SMTP_EHLO:
        smtp_ehlo_answered(s, code, line, out);
        break;
    case SMTP_HELO:
        /* Without extensions there is no STARTTLS. */
        if (code == 250)
            farewell(s, line, POSTURE_STARTTLS_NOT_OFFERED, out);
        else
            refused(s, code, line, POSTURE_STARTTLS_REFUSED, out);
        break;
    case SMTP_STARTTLS:
        if (code == 220)
            posture_starttls_ready(s);
        else
            refused(s, code, line, POSTURE_STARTTLS_REFUSED, out);
        break;
    }
}

static void smtp_line(struct posture_starttls *s, const char *line,
                      struct posture_buf *out)
{
    unsigned code = code_of(line);
    if (code == 0) {
        posture_starttls_end(s, POSTURE_STARTTLS_FOREIGN, line, strlen(line));
        return;
    }
    s->reply_lines++;
    /* The first line names the server, each further one an extension. */
    if (s->step == SMTP_EHLO && code == 250 && s->reply_lines > 1)
        smtp_extension(s, text_of(line));
    if (line[3] == '-')
        return;
    s->reply_lines = 0;
    smtp_reply(s, code, line, out);
}

/* " AUTH TLS", " AUTH TLS-C;TLS;SSL" (RFC 4217 section 6) */
static bool feature_is_tls(const char *line)
{
    const char *word;
    size_t len;
    if (!posture_starttls_next_word(&line, &word, &len) ||
        !posture_starttls_word_is(word, len, "AUTH"))
        return false;
    return strcasestr(line, "TLS") || strcasestr(line, "SSL");
}

static void ftp_auth_answered(struct posture_starttls *s, unsigned code, const char *line,
                              struct posture_buf *out)
{
    if (code == 234) {
        posture_starttls_ready(s);
    } else if (code == 500 || code == 502 || code == 504) {
        farewell(s, line, POSTURE_STARTTLS_NOT_OFFERED, out);
    } else if (code >= 500) {
        /* "530 Please login": some say that to whatever they do not know. */
        s->step = FTP_FEAT;
        posture_buf_adds(out, "FEAT\r\n");
    } else {
        refused(s, code, line, POSTURE_STARTTLS_REFUSED, out);
    }
}

static void ftp_reply(struct posture_starttls *s, unsigned code, const char *line,
                      struct posture_buf *out)
{
    if (code >= 100 && code < 200)
        return; /* "120 ready in nnn minutes": the reply proper is still to come */
    switch ((enum ftp_step)s->step) {
    case FTP_GREETING:
        if (code != 220) {
            refused(s, code, line, POSTURE_STARTTLS_REFUSED, out);
            break;
        }
        s->step = FTP_AUTH;
        posture_buf_adds(out, "AUTH TLS\r\n");
        break;
    case FTP_AUTH:
        ftp_auth_answered(s, code, line, out);
        break;
    case FTP_FEAT:
        if (code >= 200 && code < 300 && s->offered != POSTURE_STARTTLS_YES)
            farewell(s, line, POSTURE_STARTTLS_NOT_OFFERED, out);
        else if (code >= 400 && code < 500)
            refused(s, code, line, POSTURE_STARTTLS_REFUSED, out);
        else
            farewell(s, line, POSTURE_STARTTLS_REFUSED, out);
        break;
    }
}

/* Within a reply of several lines anything may stand, until the first line's code comes
 * again with a space (RFC 959, 4.2). */
static void ftp_line(struct posture_starttls *s, const char *line,
                     struct posture_buf *out)
{
    unsigned code = code_of(line);
    if (s->reply_code == 0) {
        if (code == 0) {
            posture_starttls_end(s, POSTURE_STARTTLS_FOREIGN, line, strlen(line));
            return;
        }
        if (line[3] == '-') {
            s->reply_code = code;
            return;
        }
    } else if (code != s->reply_code || line[3] == '-') {
        if (s->step == FTP_FEAT && feature_is_tls(line))
            s->offered = POSTURE_STARTTLS_YES;
        return;
    }
    s->reply_code = 0;
    ftp_reply(s, code, line, out);
}

const struct posture_starttls_ops posture_starttls_smtp = {.name = "smtp",
                                                           .line = smtp_line};
const struct posture_starttls_ops posture_starttls_ftp = {.name = "ftp",
                                                          .line = ftp_line};
