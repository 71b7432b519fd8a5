/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */

/* What is said before TLS, as tables: the server's part, what we answer, how it ends. */

#include "common/tls/starttls.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

enum { SAYS_MAX = 6 };

struct says {
    const char *bytes;
    size_t len;
};
#define SAY(text)                                                                        \
    {                                                                                    \
        text, sizeof(text) - 1                                                           \
    }

struct script {
    const char *label;
    enum posture_starttls_protocol protocol;
    struct says server[SAYS_MAX];
    const char *client; /* all that we send; NULL: not compared */
    enum posture_starttls_state state;
    enum posture_starttls_reason reason;
    enum posture_starttls_answer offered;
    enum posture_starttls_answer login;
    const char *detail; /* NULL: not compared */
    bool is_masked;
    bool is_authenticated;
};

#define READY      .state = POSTURE_STARTTLS_READY, .offered = POSTURE_STARTTLS_YES
#define ENDED(why) .state = POSTURE_STARTTLS_ENDED, .reason = POSTURE_STARTTLS_##why
#define WAITING    .state = POSTURE_STARTTLS_WAITING
#define YES        POSTURE_STARTTLS_YES
#define NO         POSTURE_STARTTLS_NO
#define EHLO       "EHLO noc1.moj.example\r\n"
#define HELO       "HELO noc1.moj.example\r\n"
#define TLS_NS     "urn:ietf:params:xml:ns:xmpp-tls"
#define STREAM                                                                           \
    "<?xml version='1.0'?><stream:stream to='mail.example.go.jp' version='1.0' "         \
    "xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>"
#define STREAM_BACK                                                                      \
    "<?xml version='1.0'?><stream:stream xmlns:stream='http://etherx.jabber.org/"        \
    "streams' xmlns='jabber:client' id=\"a>b\" from='mail.example.go.jp' version='1.0'>"

static const struct script scripts[] = {
    /* -- SMTP -- */
    {.label = "smtp: offered and begun",
     .protocol = POSTURE_STARTTLS_SMTP,
     .server = {SAY("220 mx.example.go.jp ESMTP Postfix\r\n"),
                SAY("250-mx.example.go.jp\r\n250-SIZE 10240000\r\n250-starttls\r\n"
                    "250 8BITMIME\r\n"),
                SAY("220 2.0.0 Ready to start TLS\r\n")},
     .client = EHLO "STARTTLS\r\n",
     .login = NO,
     READY},
    {.label = "smtp: a greeting and a go-ahead of several lines",
     .protocol = POSTURE_STARTTLS_SMTP,
     .server = {SAY("220-mx.example.go.jp\r\n220-no spam\r\n220 ESMTP\r\n"),
                SAY("250-mx\r\n250-AUTH DIGEST-MD5 PLAIN\r\n250 STARTTLS\r\n"),
                SAY("220-go\r\n220 ahead\r\n")},
     .client = EHLO "STARTTLS\r\n",
     .login = YES,
     READY},
    {.label = "smtp: bare line feeds",
     .protocol = POSTURE_STARTTLS_SMTP,
     .server = {SAY("220 mx\n"), SAY("250-mx\n250 STARTTLS\n"), SAY("220 go\n")},
     .login = NO,
     READY},
    {.label = "smtp: the server's name is no extension",
     .protocol = POSTURE_STARTTLS_SMTP,
     .server = {SAY("220 mx\r\n"), SAY("250-STARTTLS\r\n250 AUTH=LOGIN\r\n")},
     .client = EHLO "QUIT\r\n",
     .login = YES,
     .offered = NO,
     ENDED(NOT_OFFERED)},
    {.label = "smtp: not offered",
     .protocol = POSTURE_STARTTLS_SMTP,
     .server = {SAY("220 mx\r\n"), SAY("250 mx\r\n")},
     .client = EHLO "QUIT\r\n",
     .login = NO,
     .offered = NO,
     ENDED(NOT_OFFERED)},
    {.label = "smtp: a firewall has written over the offer",
     .protocol = POSTURE_STARTTLS_SMTP,
     .server = {SAY("220 *****\r\n"), SAY("250-mx\r\n250-XXXXXXXA\r\n250 SIZE\r\n")},
     .client = EHLO "QUIT\r\n",
     .login = NO,
     .offered = NO,
     .is_masked = true,
     ENDED(NOT_OFFERED)},
    {.label = "smtp: no ESMTP, so no STARTTLS",
     .protocol = POSTURE_STARTTLS_SMTP,
     .server = {SAY("220 mx\r\n"), SAY("502 command not implemented\r\n"),
                SAY("250 mx\r\n")},
     .client = EHLO HELO "QUIT\r\n",
     .offered = NO,
     ENDED(NOT_OFFERED)},
    {.label = "smtp: it is us that it minds",
     .protocol = POSTURE_STARTTLS_SMTP,
     .server = {SAY("220 mx\r\n"), SAY("550 go away\r\n"), SAY("550 I said so\r\n")},
     .client = EHLO HELO "QUIT\r\n",
     .detail = "550 I said so",
     ENDED(REFUSED)},
    {.label = "smtp: 554 in place of a greeting",
     .protocol = POSTURE_STARTTLS_SMTP,
     .server = {SAY("554 5.7.1 listed\x1b[2J\r\n")},
     .client = "QUIT\r\n",
     .detail = "554 5.7.1 listed?[2J",
     ENDED(REFUSED)},
    {.label = "smtp: 421 with a reason",
     .protocol = POSTURE_STARTTLS_SMTP,
     .server = {SAY("421 4.7.0 mx Error: too many connections from 192.0.2.1\r\n")},
     .client = "QUIT\r\n",
     ENDED(RATE_LIMITED)},
    {.label = "smtp: 421 without one",
     .protocol = POSTURE_STARTTLS_SMTP,
     .server = {SAY("421 mx closing\r\n")},
     ENDED(UNAVAILABLE)},
    {.label = "smtp: greylisted at EHLO",
     .protocol = POSTURE_STARTTLS_SMTP,
     .server = {SAY("220 mx\r\n"), SAY("450 4.2.0 Greylisted, see http://x/\r\n")},
     .client = EHLO "QUIT\r\n",
     ENDED(GREYLISTED)},
    {.label = "smtp: 450 after a long EHLO",
     .protocol = POSTURE_STARTTLS_SMTP,
     .server = {SAY("220 mx\r\n"), SAY("450-4.3.2 Service\r\n450 unavailable\r\n")},
     ENDED(UNAVAILABLE)},
    {.label = "smtp: TLS not now",
     .protocol = POSTURE_STARTTLS_SMTP,
     .server = {SAY("220 mx\r\n"), SAY("250-mx\r\n250 STARTTLS\r\n"),
                SAY("454 4.7.0 TLS not available due to local problem\r\n")},
     .client = EHLO "STARTTLS\r\nQUIT\r\n",
     .login = NO,
     .offered = YES,
     ENDED(UNAVAILABLE)},
    {.label = "smtp: offered, then refused for good",
     .protocol = POSTURE_STARTTLS_SMTP,
     .server = {SAY("220 mx\r\n"), SAY("250-mx\r\n250 STARTTLS\r\n"),
                SAY("502 5.5.1 not implemented\r\n")},
     .login = NO,
     .offered = YES,
     ENDED(REFUSED)},
    {.label = "smtp: an SSH server",
     .protocol = POSTURE_STARTTLS_SMTP,
     .server = {SAY("SSH-2.0-OpenSSH_9.2\r\n")},
     .client = "",
     .detail = "SSH-2.0-OpenSSH_9.2",
     ENDED(FOREIGN)},
    {.label = "smtp: half a line",
     .protocol = POSTURE_STARTTLS_SMTP,
     .server = {SAY("220-mx\r\n220 "), SAY("mx")},
     .client = "",
     WAITING},
    {.label = "smtp: a NUL in a line",
     .protocol = POSTURE_STARTTLS_SMTP,
     .server = {SAY("554 a\0b\r\n")},
     .detail = "554 a?b",
     ENDED(REFUSED)},
    /* -- IMAP -- */
    {.label = "imap: offered and begun, login disabled",
     .protocol = POSTURE_STARTTLS_IMAP,
     .server = {SAY("* OK [CAPABILITY IMAP4rev1 STARTTLS] ready\r\n"),
                SAY("* CAPABILITY IMAP4rev1 STARTTLS LOGINDISABLED AUTH=PLAIN\r\n"
                    "p1 OK done\r\n"),
                SAY("p2 OK begin\r\n")},
     .client = "p1 CAPABILITY\r\np2 STARTTLS\r\n",
     .login = NO,
     READY},
    {.label = "imap: capabilities in the tagged answer do not count twice",
     .protocol = POSTURE_STARTTLS_IMAP,
     .server = {SAY("* ok hi\r\n"),
                SAY("* capability imap4rev1 auth=cram-md5\r\np1 ok done\r\n")},
     .client = "p1 CAPABILITY\r\np3 LOGOUT\r\n",
     .login = YES,
     .offered = NO,
     ENDED(NOT_OFFERED)},
    {.label = "imap: PREAUTH shuts the door to TLS",
     .protocol = POSTURE_STARTTLS_IMAP,
     .server = {SAY("* PREAUTH IMAP4rev1 server logged in as Smith\r\n")},
     .client = "p3 LOGOUT\r\n",
     .offered = NO,
     .is_authenticated = true,
     ENDED(NOT_OFFERED)},
    {.label = "imap: BYE, too many",
     .protocol = POSTURE_STARTTLS_IMAP,
     .server = {SAY("* BYE Maximum number of connections from user+IP exceeded\r\n")},
     .client = "",
     ENDED(RATE_LIMITED)},
    {.label = "imap: BYE in the middle",
     .protocol = POSTURE_STARTTLS_IMAP,
     .server = {SAY("* OK hi\r\n"), SAY("* BYE shutting down\r\n")},
     ENDED(UNAVAILABLE)},
    {.label = "imap: refused",
     .protocol = POSTURE_STARTTLS_IMAP,
     .server = {SAY("* OK hi\r\n"), SAY("* CAPABILITY IMAP4rev1 STARTTLS\r\np1 OK\r\n"),
                SAY("* 3 EXISTS\r\np2 BAD no\r\n")},
     .client = "p1 CAPABILITY\r\np2 STARTTLS\r\np3 LOGOUT\r\n",
     .login = YES,
     .offered = YES,
     ENDED(REFUSED)},
    {.label = "imap: NO [UNAVAILABLE]",
     .protocol = POSTURE_STARTTLS_IMAP,
     .server = {SAY("* OK hi\r\n"), SAY("p1 NO [UNAVAILABLE] later\r\n")},
     ENDED(UNAVAILABLE)},
    {.label = "imap: a tag of somebody else",
     .protocol = POSTURE_STARTTLS_IMAP,
     .server = {SAY("* OK hi\r\n"), SAY("p2 OK begin TLS\r\n")},
     ENDED(FOREIGN)},
    {.label = "imap: OK without a list says nothing",
     .protocol = POSTURE_STARTTLS_IMAP,
     .server = {SAY("* OK hi\r\n"), SAY("p1 OK done\r\n")},
     ENDED(REFUSED)},
    {.label = "imap: an SMTP server",
     .protocol = POSTURE_STARTTLS_IMAP,
     .server = {SAY("220 mx\r\n")},
     ENDED(FOREIGN)},
    /* -- POP3 -- */
    {.label = "pop3: offered and begun",
     .protocol = POSTURE_STARTTLS_POP3,
     .server = {SAY("+OK ready <1@mx>\r\n"),
                SAY("+OK\r\nUIDL\r\nSTLS\r\nSASL CRAM-MD5\r\n.\r\n"), SAY("+OK go\r\n")},
     .client = "CAPA\r\nSTLS\r\n",
     .login = NO,
     READY},
    {.label = "pop3: not offered, passwords welcome",
     .protocol = POSTURE_STARTTLS_POP3,
     .server = {SAY("+OK\r\n"), SAY("+OK list\r\nUSER\r\nTOP\r\n.\r\n")},
     .client = "CAPA\r\nQUIT\r\n",
     .login = YES,
     .offered = NO,
     ENDED(NOT_OFFERED)},
    {.label = "pop3: without CAPA the command tells",
     .protocol = POSTURE_STARTTLS_POP3,
     .server = {SAY("+OK\r\n"), SAY("-ERR what\r\n"), SAY("+OK\r\n")},
     .client = "CAPA\r\nSTLS\r\n",
     READY},
    {.label = "pop3: neither",
     .protocol = POSTURE_STARTTLS_POP3,
     .server = {SAY("+OK\r\n"), SAY("-ERR what\r\n"), SAY("-ERR what\r\n")},
     .client = "CAPA\r\nSTLS\r\nQUIT\r\n",
     .offered = NO,
     ENDED(NOT_OFFERED)},
    {.label = "pop3: offered and refused",
     .protocol = POSTURE_STARTTLS_POP3,
     .server = {SAY("+OK\r\n"), SAY("+OK\r\nSTLS\r\n.\r\n"), SAY("-ERR no\r\n")},
     .login = NO,
     .offered = YES,
     ENDED(REFUSED)},
    {.label = "pop3: a passing trouble",
     .protocol = POSTURE_STARTTLS_POP3,
     .server = {SAY("-ERR [SYS/TEMP] try again\r\n")},
     .client = "QUIT\r\n",
     ENDED(UNAVAILABLE)},
    /* -- FTP -- */
    {.label = "ftp: offered and begun",
     .protocol = POSTURE_STARTTLS_FTP,
     .server = {SAY("120 in a minute\r\n220-hi\r\nthere 220 x\r\n220-\r\n220 ready\r\n"),
                SAY("234 Proceed with negotiation.\r\n")},
     .client = "AUTH TLS\r\n",
     READY},
    {.label = "ftp: not known",
     .protocol = POSTURE_STARTTLS_FTP,
     .server = {SAY("220 ready\r\n"), SAY("500 AUTH not understood\r\n")},
     .client = "AUTH TLS\r\nQUIT\r\n",
     .offered = NO,
     ENDED(NOT_OFFERED)},
    {.label = "ftp: 530 to everything, and no such feature",
     .protocol = POSTURE_STARTTLS_FTP,
     .server = {SAY("220 ready\r\n"), SAY("530 Please login with USER and PASS.\r\n"),
                SAY("211-Features:\r\n EPRT\r\n UTF8\r\n211 End\r\n")},
     .client = "AUTH TLS\r\nFEAT\r\nQUIT\r\n",
     .offered = NO,
     ENDED(NOT_OFFERED)},
    {.label = "ftp: a feature that is refused",
     .protocol = POSTURE_STARTTLS_FTP,
     .server = {SAY("220 ready\r\n"), SAY("534 policy\r\n"),
                SAY("211-Features:\r\n AUTH TLS-C;TLS\r\n211 End\r\n")},
     .offered = YES,
     ENDED(REFUSED)},
    {.label = "ftp: neither AUTH nor FEAT",
     .protocol = POSTURE_STARTTLS_FTP,
     .server = {SAY("220 ready\r\n"), SAY("530 login\r\n"), SAY("530 login\r\n")},
     ENDED(REFUSED)},
    {.label = "ftp: too many",
     .protocol = POSTURE_STARTTLS_FTP,
     .server = {SAY("421 There are too many connected users, please try later.\r\n")},
     ENDED(RATE_LIMITED)},
    {.label = "ftp: no resource for TLS just now",
     .protocol = POSTURE_STARTTLS_FTP,
     .server = {SAY("220 ready\r\n"), SAY("431 later\r\n")},
     ENDED(UNAVAILABLE)},
    {.label = "ftp: wants more (RFC 2228) than TLS",
     .protocol = POSTURE_STARTTLS_FTP,
     .server = {SAY("220 ready\r\n"), SAY("334 ADAT=\r\n")},
     ENDED(FOREIGN)},
    /* -- LDAP -- */
    {.label = "ldap: success",
     .protocol = POSTURE_STARTTLS_LDAP,
     .server = {SAY("\x30\x0c\x02\x01\x01\x78\x07\x0a\x01\x00\x04\x00\x04\x00")},
     .client = "0\x1d\x02\x01\x01w\x18\x80\x16"
               "1.3.6.1.4.1.1466.20037",
     READY},
    {.label = "ldap: success with the name of the response, lengths of four octets",
     .protocol = POSTURE_STARTTLS_LDAP,
     .server = {SAY("\x30\x84\x00\x00\x00\x24\x02\x01\x01\x78\x1f\x0a\x01\x00\x04\x00\x04"
                    "\x00\x8a\x16"
                    "1.3.6.1.4.1.1466.20037")},
     READY},
    {.label = "ldap: the extension is not known",
     .protocol = POSTURE_STARTTLS_LDAP,
     .server = {SAY("\x30\x0f\x02\x01\x01\x78\x0a\x0a\x01\x02\x04\x00\x04\x03huh")},
     .offered = NO,
     .detail = "huh",
     ENDED(NOT_OFFERED)},
    {.label = "ldap: unavailable",
     .protocol = POSTURE_STARTTLS_LDAP,
     .server = {SAY("\x30\x0c\x02\x01\x01\x78\x07\x0a\x01\x34\x04\x00\x04\x00")},
     ENDED(UNAVAILABLE)},
    {.label = "ldap: unwilling",
     .protocol = POSTURE_STARTTLS_LDAP,
     .server = {SAY("\x30\x0c\x02\x01\x01\x78\x07\x0a\x01\x35\x04\x00\x04\x00")},
     ENDED(REFUSED)},
    {.label = "ldap: notice of disconnection, busy",
     .protocol = POSTURE_STARTTLS_LDAP,
     .server = {SAY("\x30\x24\x02\x01\x00\x78\x1f\x0a\x01\x33\x04\x00\x04\x00\x8a\x16"
                    "1.3.6.1.4.1.1466.20036")},
     ENDED(UNAVAILABLE)},
    {.label = "ldap: the answer to another message",
     .protocol = POSTURE_STARTTLS_LDAP,
     .server = {SAY("\x30\x0c\x02\x01\x02\x78\x07\x0a\x01\x00\x04\x00\x04\x00")},
     ENDED(FOREIGN)},
    {.label = "ldap: indefinite length",
     .protocol = POSTURE_STARTTLS_LDAP,
     .server = {SAY("\x30\x80\x02\x01\x01\x78\x07\x0a\x01\x00\x04\x00\x04\x00")},
     ENDED(FOREIGN)},
    {.label = "ldap: a message of 2 GiB",
     .protocol = POSTURE_STARTTLS_LDAP,
     .server = {SAY("\x30\x84\x7f\xff\xff\xff\x02\x01\x01")},
     ENDED(FOREIGN)},
    {.label = "ldap: a response shorter than it says",
     .protocol = POSTURE_STARTTLS_LDAP,
     .server = {SAY("\x30\x0c\x02\x01\x01\x78\x09\x0a\x01\x00\x04\x00\x04\x00")},
     ENDED(FOREIGN)},
    {.label = "ldap: HTTP",
     .protocol = POSTURE_STARTTLS_LDAP,
     .server = {SAY("HTTP/1.1 400 Bad Request\r\n\r\n")},
     ENDED(FOREIGN)},
    /* -- PostgreSQL -- */
    {.label = "postgresql: S",
     .protocol = POSTURE_STARTTLS_POSTGRESQL,
     .server = {SAY("S")},
     READY},
    {.label = "postgresql: N",
     .protocol = POSTURE_STARTTLS_POSTGRESQL,
     .server = {SAY("N")},
     .offered = NO,
     ENDED(NOT_OFFERED)},
    {.label = "postgresql: too many clients",
     .protocol = POSTURE_STARTTLS_POSTGRESQL,
     .server = {SAY("E\0\0\0\x24SFATAL\0C53300\0Msorry, too many\0\0")},
     .detail = "sorry, too many",
     ENDED(RATE_LIMITED)},
    {.label = "postgresql: starting up",
     .protocol = POSTURE_STARTTLS_POSTGRESQL,
     .server = {SAY("E\0\0\0\x10"
                    "C57P03\0Mup\0\0")},
     ENDED(UNAVAILABLE)},
    {.label = "postgresql: another error",
     .protocol = POSTURE_STARTTLS_POSTGRESQL,
     .server = {SAY("E\0\0\0\x08Mno\0")},
     .detail = "no",
     ENDED(REFUSED)},
    {.label = "postgresql: an error of 2 GiB",
     .protocol = POSTURE_STARTTLS_POSTGRESQL,
     .server = {SAY("E\x7f\xff\xff\xffMno\0")},
     ENDED(FOREIGN)},
    {.label = "postgresql: something else",
     .protocol = POSTURE_STARTTLS_POSTGRESQL,
     .server = {SAY("HTTP/1.1")},
     ENDED(FOREIGN)},
    /* -- XMPP -- */
    {.label = "xmpp: offered and begun",
     .protocol = POSTURE_STARTTLS_XMPP,
     .server = {SAY(STREAM_BACK),
                SAY("<stream:features><starttls xmlns='" TLS_NS
                    "'><required/></starttls></stream:features>\n"),
                SAY("<proceed xmlns='" TLS_NS "'/>")},
     .client = STREAM "<starttls xmlns='" TLS_NS "'/>",
     READY},
    {.label = "xmpp: the go-ahead with an end tag of its own",
     .protocol = POSTURE_STARTTLS_XMPP,
     .server = {SAY(STREAM_BACK),
                SAY("<stream:features><starttls xmlns=\"" TLS_NS
                    "\"/></stream:features>"),
                SAY("<proceed xmlns='" TLS_NS "'></proceed>")},
     READY},
    {.label = "xmpp: between servers we say who we are",
     .protocol = POSTURE_STARTTLS_XMPP_SERVER,
     .server = {SAY(STREAM_BACK "<stream:features/>")},
     .client = "<?xml version='1.0'?><stream:stream to='mail.example.go.jp' "
               "from='noc1.moj.example' version='1.0' xmlns='jabber:server' "
               "xmlns:stream='http://etherx.jabber.org/streams'></stream:stream>",
     .offered = NO,
     ENDED(NOT_OFFERED)},
    {.label = "xmpp: another feature of the same name",
     .protocol = POSTURE_STARTTLS_XMPP,
     .server = {SAY(STREAM_BACK "<stream:features><starttls xmlns='urn:other'/>"
                                "<mechanisms xmlns='urn:ietf:params:xml:ns:xmpp-sasl'>"
                                "<mechanism>PLAIN</mechanism></mechanisms>"
                                "</stream:features>")},
     .offered = NO,
     ENDED(NOT_OFFERED)},
    {.label = "xmpp: refused",
     .protocol = POSTURE_STARTTLS_XMPP,
     .server = {SAY(STREAM_BACK),
                SAY("<stream:features><starttls xmlns='" TLS_NS "'/></stream:features>"),
                SAY("<failure xmlns='" TLS_NS "'/></stream:stream>")},
     .client = STREAM "<starttls xmlns='" TLS_NS "'/></stream:stream>",
     .offered = YES,
     ENDED(REFUSED)},
    {.label = "xmpp: it does not know the name",
     .protocol = POSTURE_STARTTLS_XMPP,
     .server = {SAY(STREAM_BACK "<stream:error><host-unknown "
                                "xmlns='urn:ietf:params:xml:ns:xmpp-streams'/>"
                                "</stream:error></stream:stream>")},
     .client = STREAM "</stream:stream>",
     .detail = "host-unknown",
     ENDED(REFUSED)},
    {.label = "xmpp: too many",
     .protocol = POSTURE_STARTTLS_XMPP,
     .server = {SAY(STREAM_BACK "<stream:error><resource-constraint xmlns='x'/>")},
     ENDED(RATE_LIMITED)},
    {.label = "xmpp: a go-ahead that nobody asked for",
     .protocol = POSTURE_STARTTLS_XMPP,
     .server = {SAY(STREAM_BACK "<proceed xmlns='" TLS_NS "'/>")},
     ENDED(FOREIGN)},
    {.label = "xmpp: a document type",
     .protocol = POSTURE_STARTTLS_XMPP,
     .server = {SAY("<!DOCTYPE x [<!ENTITY a 'b'>]>")},
     ENDED(FOREIGN)},
    {.label = "xmpp: another document",
     .protocol = POSTURE_STARTTLS_XMPP,
     .server = {SAY("<html><body>")},
     ENDED(FOREIGN)},
    {.label = "xmpp: a nest without end",
     .protocol = POSTURE_STARTTLS_XMPP,
     .server = {SAY(STREAM_BACK "<a><a><a><a><a><a><a><a><a><a><a><a><a><a><a><a><a>")},
     ENDED(TOO_LARGE)},
    {.label = "xmpp: an end without a beginning",
     .protocol = POSTURE_STARTTLS_XMPP,
     .server = {SAY("</stream:stream>")},
     ENDED(FOREIGN)},
};

static void script_play(const struct script *script, size_t step, size_t limit,
                        struct posture_starttls *s, struct posture_buf *out)
{
    posture_buf_clear(out);
    assert_int_equal(posture_starttls_begin(s, script->protocol, "noc1.moj.example",
                                            "mail.example.go.jp", out),
                     0);
    for (size_t i = 0; i < SAYS_MAX && script->server[i].bytes; i++) {
        const struct says *says = &script->server[i];
        for (size_t at = 0; at < says->len && limit > 0; at += step) {
            size_t n = says->len - at < step ? says->len - at : step;
            n = n < limit ? n : limit;
            limit -= n;
            assert_int_equal(posture_starttls_feed(s, says->bytes + at, n, out), 0);
        }
    }
}

static void script_compare(const struct script *script, const struct posture_starttls *s,
                           const struct posture_buf *out)
{
    bool is_as_wanted =
        s->state == script->state && s->reason == script->reason &&
        s->offered == script->offered && s->login == script->login &&
        s->is_masked == script->is_masked &&
        s->is_authenticated == script->is_authenticated &&
        (!script->detail || strcmp(s->detail, script->detail) == 0) &&
        (!script->client ||
         (strlen(script->client) == out->len &&
          memcmp(script->client, out->len ? out->data : "", out->len) == 0));
    if (is_as_wanted)
        return;
    fail_msg("%s: state %d reason %d offered %d login %d masked %d detail \"%s\" "
             "sent \"%s\"",
             script->label, s->state, s->reason, s->offered, s->login, s->is_masked,
             s->detail, out->len ? out->data : "");
}

/* Whole, and byte by byte: the same. */
static void test_scripts(void **state)
{
    (void)state;
    struct posture_starttls s;
    struct posture_buf out = {0};
    posture_starttls_init(&s);
    for (size_t i = 0; i < sizeof(scripts) / sizeof(scripts[0]); i++) {
        script_play(&scripts[i], SIZE_MAX, SIZE_MAX, &s, &out);
        script_compare(&scripts[i], &s, &out);
        if (scripts[i].reason == POSTURE_STARTTLS_FOREIGN)
            continue; /* seen earlier, with less in its detail */
        script_play(&scripts[i], 1, SIZE_MAX, &s, &out);
        script_compare(&scripts[i], &s, &out);
    }
    posture_starttls_done(&s);
    posture_buf_done(&out);
}

/* Cut off anywhere, no script comes to another end than its own. */
static void test_cut_scripts(void **state)
{
    (void)state;
    struct posture_starttls s;
    struct posture_buf out = {0};
    posture_starttls_init(&s);
    for (size_t i = 0; i < sizeof(scripts) / sizeof(scripts[0]); i++) {
        size_t total = 0;
        for (size_t k = 0; k < SAYS_MAX; k++)
            total += scripts[i].server[k].len;
        for (size_t limit = 0; limit < total; limit++) {
            script_play(&scripts[i], SIZE_MAX, limit, &s, &out);
            if (s.state == POSTURE_STARTTLS_WAITING)
                continue;
            if (s.state != scripts[i].state || s.reason != scripts[i].reason)
                fail_msg("%s: cut after %zu bytes: state %d reason %d", scripts[i].label,
                         limit, s.state, s.reason);
        }
    }
    posture_starttls_done(&s);
    posture_buf_done(&out);
}

/* Whatever follows the go-ahead in the clear is no part of TLS (CVE-2011-0411 and its
 * like). */
static void test_injection(void **state)
{
    (void)state;
    struct posture_starttls s;
    struct posture_buf out = {0};
    posture_starttls_init(&s);
    size_t tried = 0;
    for (size_t i = 0; i < sizeof(scripts) / sizeof(scripts[0]); i++) {
        if (scripts[i].state != POSTURE_STARTTLS_READY)
            continue;
        struct script script = scripts[i];
        size_t last = 0;
        while (last + 1 < SAYS_MAX && script.server[last + 1].bytes)
            last++;
        char bytes[1024];
        size_t len = script.server[last].len;
        assert_true(len + 8 < sizeof(bytes));
        memcpy(bytes, script.server[last].bytes, len);
        memcpy(bytes + len, "250 evil", 8);
        script.server[last] = (struct says){bytes, len + 8};
        script_play(&script, SIZE_MAX, SIZE_MAX, &s, &out);
        if (s.state != POSTURE_STARTTLS_ENDED || s.reason != POSTURE_STARTTLS_INJECTED ||
            s.injected != YES || strcmp(s.detail, "250 evil") != 0)
            fail_msg("%s: state %d reason %d \"%s\"", script.label, s.state, s.reason,
                     s.detail);
        script_play(&scripts[i], SIZE_MAX, SIZE_MAX, &s, &out);
        assert_int_equal(s.injected, NO);
        tried++;
    }
    assert_true(tried >= 10);
    posture_starttls_done(&s);
    posture_buf_done(&out);
}

static void endless(enum posture_starttls_protocol protocol, const char *first,
                    const char *again)
{
    struct posture_starttls s;
    struct posture_buf out = {0};
    posture_starttls_init(&s);
    posture_starttls_begin(&s, protocol, "me", "you", &out);
    posture_starttls_feed(&s, first, strlen(first), &out);
    size_t n = 0;
    while (s.state == POSTURE_STARTTLS_WAITING && n++ < 100000)
        posture_starttls_feed(&s, again, strlen(again), &out);
    assert_int_equal(s.state, POSTURE_STARTTLS_ENDED);
    assert_int_equal(s.reason, POSTURE_STARTTLS_TOO_LARGE);
    assert_true(s.in.cap <= 2 * POSTURE_STARTTLS_BYTES_MAX);
    assert_true(out.len < 1024);
    posture_starttls_done(&s);
    posture_buf_done(&out);
}

static void test_endless(void **state)
{
    (void)state;
    endless(POSTURE_STARTTLS_SMTP, "220-mx\r\n", "220-more\r\n");
    endless(POSTURE_STARTTLS_SMTP, "220 mx", "xxxxxxxxxxxxxxxx");
    endless(POSTURE_STARTTLS_IMAP, "* OK hi\r\n", "* OK still here\r\n");
    endless(POSTURE_STARTTLS_POP3, "+OK\r\n+OK\r\n", "X\r\n");
    endless(POSTURE_STARTTLS_FTP, "220-hi\r\n", "\r\n");
    endless(POSTURE_STARTTLS_FTP, "", "120 soon\r\n");
    endless(POSTURE_STARTTLS_XMPP, "<stream:stream>", "<a/>");
    endless(POSTURE_STARTTLS_XMPP, "<stream:stream a='", ">>>>>>>>");
    endless(POSTURE_STARTTLS_XMPP, "<stream:stream>", "text");
}

static void test_schemes(void **state)
{
    (void)state;
    assert_int_equal(posture_starttls_by_scheme("tls", 443), POSTURE_STARTTLS_NONE);
    assert_int_equal(posture_starttls_by_scheme("smtp", 587), POSTURE_STARTTLS_SMTP);
    assert_int_equal(posture_starttls_by_scheme("xmpp", 5222), POSTURE_STARTTLS_XMPP);
    assert_int_equal(posture_starttls_by_scheme("xmpp", 5269),
                     POSTURE_STARTTLS_XMPP_SERVER);
    assert_int_equal(posture_starttls_by_scheme("postgresql", 5432),
                     POSTURE_STARTTLS_POSTGRESQL);
    assert_string_equal(posture_starttls_name(POSTURE_STARTTLS_LDAP), "ldap");
    assert_null(posture_starttls_name(POSTURE_STARTTLS_NONE));
    assert_true(posture_starttls_is_mail(POSTURE_STARTTLS_IMAP));
    assert_false(posture_starttls_is_mail(POSTURE_STARTTLS_FTP));
}

static void test_no_memory(void **state)
{
    (void)state;
    for (unsigned long n = 1; n < 16; n++) {
        struct posture_starttls s;
        struct posture_buf out = {0};
        posture_starttls_init(&s);
        posture_alloc_fail_at(n, /* persistent = */ 1);
        int r = posture_starttls_begin(&s, POSTURE_STARTTLS_SMTP, "me", "you", &out);
        if (r == 0)
            r = posture_starttls_feed(&s, "220 mx\r\n250 mx\r\n", 16, &out);
        posture_alloc_fail_at(0, 0);
        assert_true(r == 0 || r == -12 /* ENOMEM */);
        posture_starttls_done(&s);
        posture_buf_done(&out);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_scripts),   cmocka_unit_test(test_cut_scripts),
        cmocka_unit_test(test_injection), cmocka_unit_test(test_endless),
        cmocka_unit_test(test_schemes),   cmocka_unit_test(test_no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
