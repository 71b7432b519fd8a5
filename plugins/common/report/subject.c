/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#include "common/report/subject.h"

#include "common/base/mem.h"
#include "common/base/parse.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum scheme_form {
    FORM_ENDPOINT, /* scheme://host:port */
    FORM_HOST,     /* scheme://name-or-literal */
    FORM_MACHINE,  /* the same, a name that is never resolved: "123456789012" is a
                      container */
    FORM_NAME,     /* scheme://dns-name */
    FORM_PERIOD,   /* scheme://measure/period */
    FORM_ID,       /* scheme://id */
};

struct scheme {
    const char *name;
    const char *canonical; /* NULL: it is canonical itself */
    const char *kind;
    enum scheme_form form;
    uint16_t port;
};

/* Implicit TLS is "tls" whatever is spoken inside it; a scheme of its own means STARTTLS.
 * Ports: IANA. */
static const struct scheme schemes[] = {
    {"tls", NULL, "tls", FORM_ENDPOINT, 443},
    {"https", "tls", "tls", FORM_ENDPOINT, 443},
    {"smtps", "tls", "tls", FORM_ENDPOINT, 465},
    {"submissions", "tls", "tls", FORM_ENDPOINT, 465},
    {"ldaps", "tls", "tls", FORM_ENDPOINT, 636},
    {"ftps", "tls", "tls", FORM_ENDPOINT, 990},
    {"imaps", "tls", "tls", FORM_ENDPOINT, 993},
    {"pop3s", "tls", "tls", FORM_ENDPOINT, 995},
    {"smtp", NULL, "tls", FORM_ENDPOINT, 25},
    {"submission", "smtp", "tls", FORM_ENDPOINT, 587},
    {"ftp", NULL, "tls", FORM_ENDPOINT, 21},
    {"pop3", NULL, "tls", FORM_ENDPOINT, 110},
    {"imap", NULL, "tls", FORM_ENDPOINT, 143},
    {"ldap", NULL, "tls", FORM_ENDPOINT, 389},
    {"xmpp", NULL, "tls", FORM_ENDPOINT, 5222},
    {"xmpp-server", "xmpp", "tls", FORM_ENDPOINT, 5269},
    {"postgresql", NULL, "tls", FORM_ENDPOINT, 5432},
    {"postgres", "postgresql", "tls", FORM_ENDPOINT, 5432},
    {"ssh", NULL, "ssh", FORM_ENDPOINT, 22},
    {"host", NULL, "host", FORM_MACHINE, 0},
    {"ipv6", NULL, "ipv6", FORM_NAME, 0},
    {"domain", NULL, "domain", FORM_NAME, 0},
    {"snmp", NULL, "device", FORM_HOST, 0},
    {"attest", NULL, "attest", FORM_PERIOD, 0},
    {"incident", NULL, "incidents", FORM_ID, 0},
    {"reporter", NULL, "reporter", FORM_MACHINE, 0},
};

static const struct scheme *scheme_find(const char *name, size_t len)
{
    for (size_t i = 0; i < POSTURE_COUNT(schemes); i++) {
        if (strlen(schemes[i].name) == len &&
            strncasecmp(schemes[i].name, name, len) == 0)
            return &schemes[i];
    }
    return NULL;
}

static bool is_unreserved(unsigned char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           (c && strchr("-._~", c));
}

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

/* One component in the one spelling of RFC 3986, 6.2.2: what need not be percent-encoded
 * is not, what must be is, with upper-case digits. */
static int component_canonical(const char *text, size_t len, bool lower, char *dst,
                               size_t size, struct posture_error *reterr)
{
    size_t n = 0;
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)text[i];
        bool is_encoded = c == '%';
        if (is_encoded) {
            int high = i + 2 < len ? hex_value(text[i + 1]) : -1;
            int low = i + 2 < len ? hex_value(text[i + 2]) : -1;
            if (high < 0 || low < 0 || (high == 0 && low == 0))
                return posture_error_set(
                    reterr, POSTURE_E_FORMAT,
                    "'%%' must be followed by two hex digits, not 00");
            c = (unsigned char)(high * 16 + low);
            i += 2;
        }
        if (lower && c >= 'A' && c <= 'Z')
            c = (unsigned char)(c - 'A' + 'a');
        bool is_plain = is_unreserved(c) ||
                        (!is_encoded && c < 0x80 && c && strchr("!$&'()*+,;=:@", c));
        if (n + (is_plain ? 1 : 3) >= size)
            return posture_error_set(reterr, POSTURE_E_LIMIT,
                                     "subject longer than %d bytes",
                                     POSTURE_SUBJECT_MAX - 1);
        if (is_plain)
            dst[n++] = (char)c;
        else
            n += (size_t)snprintf(dst + n, size - n, "%%%02X", (unsigned)c);
    }
    if (n == 0)
        return posture_error_set(reterr, POSTURE_E_FORMAT, "an id or period is empty");
    dst[n] = '\0';
    return 0;
}

/* host, "[literal]", each with ":port" where the scheme has ports. */
static int authority_parse(const struct scheme *scheme, const char *text, size_t len,
                           struct posture_subject *subject, bool *ret_is_ipv6,
                           struct posture_error *reterr)
{
    if (memchr(text, '@', len))
        return posture_error_set(reterr, POSTURE_E_FORMAT, "a subject has no user part");
    const char *host = text, *rest;
    size_t host_len;
    if (len > 0 && text[0] == '[') {
        const char *close = memchr(text, ']', len);
        if (!close)
            return posture_error_set(reterr, POSTURE_E_FORMAT, "'[' without ']'");
        host = text + 1;
        host_len = (size_t)(close - host);
        rest = close + 1;
        if (!memchr(host, ':', host_len))
            return posture_error_set(reterr, POSTURE_E_FORMAT,
                                     "only an IPv6 address stands in brackets");
    } else {
        const char *colon = memchr(text, ':', len);
        host_len = colon ? (size_t)(colon - text) : len;
        rest = text + host_len;
        /* "2001:db8::1:443" could mean two things. */
        if (colon && memchr(colon + 1, ':', (size_t)(text + len - colon - 1)))
            return posture_error_set(reterr, POSTURE_E_FORMAT,
                                     "an IPv6 address must stand in brackets");
    }
    size_t rest_len = (size_t)(text + len - rest);
    if (rest_len > 0 && rest[0] != ':')
        return posture_error_set(reterr, POSTURE_E_FORMAT,
                                 "':' and a port expected after ']'");

    subject->port = scheme->port;
    if (rest_len > 0 && scheme->form != FORM_ENDPOINT)
        return posture_error_set(reterr, POSTURE_E_FORMAT, "%s:// takes no port",
                                 scheme->name);
    if (rest_len > 1) {
        char digits[8];
        uint16_t port;
        if (rest_len - 1 >= sizeof(digits))
            return posture_error_set(reterr, POSTURE_E_FORMAT,
                                     "port: 1 to 65535 expected");
        memcpy(digits, rest + 1, rest_len - 1);
        digits[rest_len - 1] = '\0';
        if (posture_parse_port(digits, &port) < 0)
            return posture_error_set(reterr, POSTURE_E_FORMAT,
                                     "port: 1 to 65535 expected");
        subject->port = port;
    }
    struct posture_host parsed;
    POSTURE_TRY(posture_host_parse(host, host_len, scheme->form != FORM_MACHINE, &parsed,
                                   reterr));
    memcpy(subject->host, parsed.text, sizeof(subject->host));
    subject->is_literal = parsed.is_literal;
    *ret_is_ipv6 = parsed.is_ipv6;
    if (subject->is_literal && scheme->form == FORM_NAME)
        return posture_error_set(reterr, POSTURE_E_FORMAT,
                                 "%s:// takes a name, not an address", scheme->name);
    return 0;
}

static int subject_fill(const struct scheme *scheme, const char *text, size_t len,
                        struct posture_subject *subject, struct posture_error *reterr)
{
    const char *name = scheme->canonical ? scheme->canonical : scheme->name;
    snprintf(subject->scheme, sizeof(subject->scheme), "%s", name);
    size_t authority_len = strcspn(text, "/?#");
    const char *rest = text + authority_len;
    size_t rest_len = len - authority_len;
    int n;

    if (scheme->form == FORM_ID || scheme->form == FORM_PERIOD) {
        char id[POSTURE_SUBJECT_MAX], period[POSTURE_SUBJECT_MAX] = "";
        POSTURE_TRY(component_canonical(text, authority_len, /* lower = */ true, id,
                                        sizeof(id), reterr));
        if (scheme->form == FORM_ID && rest_len > 0)
            return posture_error_set(reterr, POSTURE_E_FORMAT, "%s:// takes one id",
                                     name);
        if (scheme->form == FORM_PERIOD) {
            if (rest_len < 2 || rest[0] != '/' || strpbrk(rest + 1, "/?#"))
                return posture_error_set(reterr, POSTURE_E_FORMAT,
                                         "%s://MEASURE/PERIOD expected", name);
            POSTURE_TRY(component_canonical(rest + 1, rest_len - 1, /* lower = */ false,
                                            period, sizeof(period), reterr));
        }
        n = snprintf(subject->text, sizeof(subject->text), "%s://%s%s%s", name, id,
                     *period ? "/" : "", period);
    } else {
        /* A pasted web address names its endpoint; elsewhere a path would say something.
         */
        bool is_web = strcmp(scheme->name, "https") == 0;
        if (rest_len > 0 && !is_web && strcmp(rest, "/") != 0)
            return posture_error_set(reterr, POSTURE_E_FORMAT, "%s:// takes no path",
                                     name);
        bool is_ipv6 = false;
        POSTURE_TRY(
            authority_parse(scheme, text, authority_len, subject, &is_ipv6, reterr));
        char port[8] = "";
        if (scheme->form == FORM_ENDPOINT)
            snprintf(port, sizeof(port), ":%u", (unsigned)subject->port);
        n = snprintf(subject->text, sizeof(subject->text), "%s://%s%s%s%s", name,
                     is_ipv6 ? "[" : "", subject->host, is_ipv6 ? "]" : "", port);
    }
    if (n < 0 || (size_t)n >= sizeof(subject->text))
        return posture_error_set(reterr, POSTURE_E_LIMIT, "subject longer than %d bytes",
                                 POSTURE_SUBJECT_MAX - 1);
    return 0;
}

int posture_subject_parse(const char *text, const char *default_scheme,
                          struct posture_subject *ret, struct posture_error *reterr)
{
    size_t len = strlen(text);
    if (!posture_utf8_valid(text, len))
        return posture_error_set(reterr, POSTURE_E_FORMAT, "not UTF-8");
    const char *scheme_text = default_scheme, *rest = text;
    size_t scheme_len = default_scheme ? strlen(default_scheme) : 0;
    const char *mark = strstr(text, "://");
    if (mark) {
        scheme_text = text;
        scheme_len = (size_t)(mark - text);
        rest = mark + 3;
    }
    if (!scheme_text)
        return posture_error_set(reterr, POSTURE_E_FORMAT,
                                 "no scheme: write it as in tls://www.example.go.jp:443");
    const struct scheme *scheme = scheme_find(scheme_text, scheme_len);
    if (!scheme)
        return posture_error_set(
            reterr, POSTURE_E_FORMAT,
            "unknown scheme: tls, smtp, ssh, host, ipv6, domain, snmp, "
            "attest, incident, reporter … expected");
    struct posture_subject subject = {0};
    POSTURE_TRY(subject_fill(scheme, rest, strlen(rest), &subject, reterr));
    *ret = subject;
    return 0;
}

bool posture_subject_is_canonical(const char *text)
{
    struct posture_subject subject;
    return posture_subject_parse(text, NULL, &subject, NULL) == 0 &&
           strcmp(subject.text, text) == 0;
}

const char *posture_subject_kind(const char *scheme)
{
    const struct scheme *found = scheme_find(scheme, strlen(scheme));
    return found ? found->kind : NULL;
}

bool posture_subject_fits_kind(const char *scheme, const char *kind)
{
    const char *own = posture_subject_kind(scheme);
    if (!own)
        return false;
    /* A host has two kinds: its hygiene, and its IPv6. */
    return strcmp(own, kind) == 0 ||
           (strcmp(scheme, "host") == 0 && strcmp(kind, "ipv6") == 0);
}

bool posture_subject_matches(const char *pattern, const char *subject)
{
    const char *star = NULL, *retry = NULL;
    while (*subject) {
        if (*pattern == '*') {
            star = pattern++;
            retry = subject;
        } else if (*pattern == *subject) {
            pattern++;
            subject++;
        } else if (star && *retry != '/' && *retry != ':') {
            /* The last '*' takes one character more. No earlier one need be tried again:
             * as it cannot cross '/' or ':' either, it could not help. */
            pattern = star + 1;
            subject = ++retry;
        } else {
            return false;
        }
    }
    while (*pattern == '*')
        pattern++;
    return *pattern == '\0';
}

bool posture_pattern_is_canonical(const char *pattern)
{
    char text[POSTURE_SUBJECT_MAX];
    size_t len = strlen(pattern);
    if (len >= sizeof(text))
        return false;
    for (size_t i = 0; i <= len; i++)
        text[i] = pattern[i] == '*' ? 'x' : pattern[i];
    return posture_subject_is_canonical(text);
}

bool posture_agency_is_valid(const char *id)
{
    size_t len = strlen(id);
    if (len == 0 || len > 63 || id[0] == '.' || id[0] == '-')
        return false;
    return strspn(id, "abcdefghijklmnopqrstuvwxyz0123456789.-") == len;
}

int posture_key_format(const char *agency, const char *reporter, const char *kind,
                       const char *subject, char buf[static POSTURE_KEY_MAX])
{
    if (!*agency || !*reporter || !*kind || !*subject)
        return POSTURE_E_FORMAT;
    if (strchr(agency, '|') || strchr(reporter, '|') || strchr(kind, '|') ||
        strchr(subject, '|'))
        return POSTURE_E_FORMAT;
    char key[POSTURE_KEY_MAX];
    int n = snprintf(key, sizeof(key), "%s|%s|%s|%s", agency, reporter, kind, subject);
    if (n < 0 || (size_t)n >= sizeof(key))
        return POSTURE_E_LIMIT;
    memcpy(buf, key, (size_t)n + 1);
    return 0;
}

int posture_key_parse(const char *bytes, size_t len, struct posture_key *ret)
{
    struct posture_key key;
    const struct {
        char *dst;
        size_t size;
    } parts[] = {
        {key.agency, sizeof(key.agency)},
        {key.reporter, sizeof(key.reporter)},
        {key.kind, sizeof(key.kind)},
        {key.subject, sizeof(key.subject)},
    };
    if (len >= POSTURE_KEY_MAX)
        return POSTURE_E_LIMIT;
    if (len == 0 || memchr(bytes, '\0', len) || !posture_utf8_valid(bytes, len))
        return POSTURE_E_FORMAT;
    const char *p = bytes, *end = bytes + len;
    for (size_t i = 0; i < POSTURE_COUNT(parts); i++) {
        bool is_last = i + 1 == POSTURE_COUNT(parts);
        const char *bar = memchr(p, '|', (size_t)(end - p));
        if (!bar != is_last)
            return POSTURE_E_FORMAT;
        size_t n = (size_t)((bar ? bar : end) - p);
        if (n == 0)
            return POSTURE_E_FORMAT;
        if (n >= parts[i].size)
            return POSTURE_E_LIMIT;
        memcpy(parts[i].dst, p, n);
        parts[i].dst[n] = '\0';
        p += n + (is_last ? 0 : 1);
    }
    *ret = key;
    return 0;
}
