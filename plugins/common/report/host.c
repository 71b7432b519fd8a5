/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#include "common/base/mem.h"
#include "common/report/subject.h"

#include <idn2.h>

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>

enum { NAME_MAX_BYTES = 253, LABEL_MAX = 63, INPUT_MAX = 1024 };

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_label_char(char c)
{
    /* The underscore stands in names that exist (RFC 2181, 11), though not in host names.
     */
    return (c >= 'a' && c <= 'z') || is_digit(c) || c == '-' || c == '_';
}

/* RFC 1123 and WHATWG URL, "ends in a number": a name whose last label is a number,
 * decimal or hexadecimal, can never be resolved as a name, but inet_aton() takes it for
 * an address. */
static bool label_is_number(const char *label, size_t len)
{
    if (len >= 2 && label[0] == '0' && label[1] == 'x') {
        for (size_t i = 2; i < len; i++) {
            if (!is_digit(label[i]) && !(label[i] >= 'a' && label[i] <= 'f'))
                return false;
        }
        return true;
    }
    for (size_t i = 0; i < len; i++) {
        if (!is_digit(label[i]))
            return false;
    }
    return len > 0;
}

static int name_check(const char *name, bool is_resolved, struct posture_error *reterr)
{
    size_t total = strlen(name);
    if (total == 0)
        return posture_error_set(reterr, POSTURE_E_FORMAT, "the host is empty");
    if (total > NAME_MAX_BYTES)
        return posture_error_set(reterr, POSTURE_E_FORMAT,
                                 "host name longer than %d bytes", NAME_MAX_BYTES);
    for (const char *p = name; *p; p++) {
        if (!is_label_char(*p) && *p != '.')
            return posture_error_set(reterr, POSTURE_E_FORMAT,
                                     "host has a character that no host name has");
    }
    for (const char *label = name;;) {
        size_t len = strcspn(label, ".");
        if (len == 0)
            return posture_error_set(reterr, POSTURE_E_FORMAT, "empty label in host '%s'",
                                     name);
        if (len > LABEL_MAX)
            return posture_error_set(reterr, POSTURE_E_FORMAT,
                                     "label longer than %d bytes in host '%s'", LABEL_MAX,
                                     name);
        if (label[0] == '-' || label[len - 1] == '-')
            return posture_error_set(reterr, POSTURE_E_FORMAT,
                                     "label that begins or ends with '-' in host '%s'",
                                     name);
        if (label[len] == '\0') {
            if (!is_resolved || !label_is_number(label, len))
                return 0;
            return posture_error_set(
                reterr, POSTURE_E_FORMAT,
                "host '%s' is neither a name nor a full IPv4 address", name);
        }
        label += len + 1;
    }
}

/* ASCII in lower case without the root's dot, or A-labels of anything else (UTS #46,
 * non-transitional). */
static int name_canonical(const char *text, size_t len, char host[static 256],
                          struct posture_error *reterr)
{
    char copy[INPUT_MAX];
    bool is_ascii = true;
    for (size_t i = 0; i < len; i++) {
        char c = text[i];
        is_ascii = is_ascii && !((unsigned char)c & 0x80);
        copy[i] = c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
    }
    copy[len] = '\0';

    const char *name = copy;
    char *labels = NULL;
    if (!is_ascii) {
        int r = idn2_to_ascii_8z(copy, &labels, IDN2_NFC_INPUT | IDN2_NONTRANSITIONAL);
        if (r == IDN2_MALLOC)
            return posture_error_set(reterr, -ENOMEM, "out of memory");
        if (r != IDN2_OK)
            return posture_error_set(reterr, POSTURE_E_FORMAT,
                                     "host has no A-label form: %s", idn2_strerror(r));
        name = labels;
    }
    size_t n = strlen(name);
    if (n > 0 && name[n - 1] == '.')
        n--;
    bool fits = n < 256;
    if (fits) {
        memcpy(host, name, n);
        host[n] = '\0';
    }
    idn2_free(labels);
    if (!fits)
        return posture_error_set(reterr, POSTURE_E_FORMAT,
                                 "host name longer than %d bytes", NAME_MAX_BYTES);
    return 0;
}

static int literal6_parse(const char *text, size_t len, struct posture_host *host,
                          struct posture_error *reterr)
{
    char copy[INET6_ADDRSTRLEN];
    struct in6_addr in6;
    bool fits = len < sizeof(copy);
    if (fits) {
        memcpy(copy, text, len);
        copy[len] = '\0';
    }
    /* inet_ntop writes RFC 5952: the longest run, lower case, mapped addresses dotted. */
    if (!fits || inet_pton(AF_INET6, copy, &in6) != 1 ||
        !inet_ntop(AF_INET6, &in6, host->text, sizeof(host->text)))
        return posture_error_set(reterr, POSTURE_E_FORMAT,
                                 "not an IPv6 address (a zone is not part of one)");
    host->is_literal = host->is_ipv6 = true;
    return 0;
}

int posture_host_parse(const char *text, size_t len, bool is_resolved,
                       struct posture_host *ret, struct posture_error *reterr)
{
    if (len == 0)
        return posture_error_set(reterr, POSTURE_E_FORMAT, "the host is empty");
    if (len >= INPUT_MAX)
        return posture_error_set(reterr, POSTURE_E_FORMAT,
                                 "host name longer than %d bytes", NAME_MAX_BYTES);
    struct posture_host host = {0};
    if (memchr(text, ':', len)) {
        POSTURE_TRY(literal6_parse(text, len, &host, reterr));
    } else {
        /* Full-width digits and dots map to ASCII, so an address is looked for
         * afterwards. */
        struct in_addr in;
        POSTURE_TRY(name_canonical(text, len, host.text, reterr));
        host.is_literal = inet_pton(AF_INET, host.text, &in) == 1;
        if (!host.is_literal)
            POSTURE_TRY(name_check(host.text, is_resolved, reterr));
    }
    *ret = host;
    return 0;
}
