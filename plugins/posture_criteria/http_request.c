/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#include "posture_criteria/http_request.h"

#include "common/base/parse.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>

#include <arpa/inet.h>
#include <string.h>
#include <strings.h>

enum { ADDRESS_TEXT_MAX = 64, HEADER_MAX = 1024 };

int posture_http_address_parse(const char *text, struct sockaddr_storage *ret_address,
                               socklen_t *ret_len)
{
    struct sockaddr_storage address = {0};
    char host[ADDRESS_TEXT_MAX];
    const char *colon = strrchr(text, ':'), *start = text;
    uint32_t port;

    if (!colon || posture_parse_u32(colon + 1, 0, 65535, &port) < 0)
        return POSTURE_E_FORMAT;
    size_t len = (size_t)(colon - text);
    bool is_v6 = len > 2 && text[0] == '[' && text[len - 1] == ']';
    if (is_v6) {
        start++;
        len -= 2;
    }
    if (len == 0 || len >= sizeof(host))
        return POSTURE_E_FORMAT;
    memcpy(host, start, len);
    host[len] = '\0';
    if (is_v6) {
        struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&address;

        v6->sin6_family = AF_INET6;
        v6->sin6_port = htons((uint16_t)port);
        if (inet_pton(AF_INET6, host, &v6->sin6_addr) != 1)
            return POSTURE_E_FORMAT;
        *ret_len = sizeof(*v6);
    } else {
        struct sockaddr_in *v4 = (struct sockaddr_in *)&address;

        v4->sin_family = AF_INET;
        v4->sin_port = htons((uint16_t)port);
        if (inet_pton(AF_INET, host, &v4->sin_addr) != 1)
            return POSTURE_E_FORMAT;
        *ret_len = sizeof(*v4);
    }
    *ret_address = address;
    return 0;
}

bool posture_http_address_is_loopback(const struct sockaddr_storage *address)
{
    if (address->ss_family == AF_INET) {
        const struct sockaddr_in *v4 = (const struct sockaddr_in *)address;
        return ntohl(v4->sin_addr.s_addr) >> 24 == 127;
    }
    const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)address;
    return address->ss_family == AF_INET6 && IN6_IS_ADDR_LOOPBACK(&v6->sin6_addr);
}

/* One element of a list with weights: "ja-JP;q=0.8". Returns where the next begins, NULL
 * at the end. */
static const char *weighted_next(const char *p, const char **ret_name, size_t *ret_len,
                                 double *ret_q)
{
    p += strspn(p, ", \t");
    if (!*p)
        return NULL;
    size_t whole = strcspn(p, ","), len = strcspn(p, ",; \t");

    *ret_name = p;
    *ret_len = len;
    *ret_q = 1;
    for (const char *q = p + len; q < p + whole; q++) {
        if (*q != ';')
            continue;
        q += 1 + strspn(q + 1, " \t");
        if (strncasecmp(q, "q=", 2) == 0) {
            char number[8] = {0};
            double v;

            memcpy(number, q + 2,
                   strnlen(q + 2, strspn(q + 2, "0123456789.") < 7
                                      ? strspn(q + 2, "0123456789.")
                                      : 7));
            *ret_q = posture_parse_double(number, &v) == 0 && v >= 0 && v <= 1 ? v : 0;
        }
        q--;
    }
    return p + whole;
}

enum posture_lang posture_http_language(const char *query, const char *accept_language)
{
    enum posture_lang lang = POSTURE_LANG_EN;
    const char *name;
    size_t len;
    double q, best = 0;

    if (query && posture_lang_from_name(query, &lang) == 0)
        return lang;
    for (const char *p = accept_language; p && (p = weighted_next(p, &name, &len, &q));) {
        for (int i = 0; i < POSTURE_LANG_COUNT; i++) {
            const char *own = posture_lang_name((enum posture_lang)i);
            size_t own_len = strlen(own);

            if (q > best && len >= own_len && strncasecmp(name, own, own_len) == 0 &&
                (len == own_len || name[own_len] == '-')) {
                best = q;
                lang = (enum posture_lang)i;
            }
        }
    }
    return lang;
}

bool posture_http_wants_openmetrics(const char *accept)
{
    static const char open[] = "application/openmetrics-text", text[] = "text/plain";
    const char *name;
    size_t len;
    double q, q_open = 0, q_text = 0;

    for (const char *p = accept; p && (p = weighted_next(p, &name, &len, &q));) {
        if (len == sizeof(open) - 1 && strncasecmp(name, open, len) == 0 && q > q_open)
            q_open = q;
        else if (len == sizeof(text) - 1 && strncasecmp(name, text, len) == 0 &&
                 q > q_text)
            q_text = q;
    }
    return q_open > 0 && q_open >= q_text;
}

bool posture_http_etag_matches(const char *if_none_match, const char *etag)
{
    const char *p = if_none_match;
    size_t len = strlen(etag);

    while (p && *(p += strspn(p, ", \t"))) {
        if (*p == '*')
            return true;
        if (strncmp(p, "W/", 2) == 0)
            p += 2;
        if (strncmp(p, etag, len) == 0 && (!p[len] || strchr(", \t", p[len])))
            return true;
        if (*p != '"')
            return false;
        p++; /* a tag may hold commas: on to its closing quote */
        p += strcspn(p, "\"");
        p += *p == '"';
    }
    return false;
}

static int digest_of(const char *bytes, size_t len, uint8_t *ret_digest)
{
    return EVP_Digest(bytes, len, ret_digest, NULL, EVP_sha256(), NULL) == 1
               ? 0
               : POSTURE_E_CLOSED;
}

int posture_http_token_digest(const char *token,
                              uint8_t ret_digest[static POSTURE_HTTP_DIGEST])
{
    size_t len;

    token += strspn(token, " \t\r\n");
    len = strlen(token);
    while (len && strchr(" \t\r\n", token[len - 1]))
        len--;
    return digest_of(token, len, ret_digest);
}

/* The password of "user:password" in base64, into out. */
static bool basic_password(const char *text, char *out, size_t size)
{
    unsigned char plain[HEADER_MAX];
    size_t len = strlen(text);

    if (len == 0 || len % 4 || len / 4 * 3 >= sizeof(plain))
        return false;
    int n = EVP_DecodeBlock(plain, (const unsigned char *)text, (int)len);
    if (n < 0)
        return false;
    /* EVP_DecodeBlock counts the padding as bytes. */
    for (size_t i = len; i > len - 2 && text[i - 1] == '='; i--)
        n--;
    plain[n] = '\0';
    const char *colon = strchr((const char *)plain, ':');
    bool is_good = colon && strlen(colon + 1) < size;
    if (is_good)
        memcpy(out, colon + 1, strlen(colon + 1) + 1);
    OPENSSL_cleanse(plain, sizeof(plain));
    return is_good;
}

bool posture_http_token_matches(const uint8_t digest[static POSTURE_HTTP_DIGEST],
                                const char *authorization)
{
    uint8_t given[POSTURE_HTTP_DIGEST];
    char password[HEADER_MAX];
    const char *token = NULL;

    if (!authorization)
        return false;
    if (strncasecmp(authorization, "Bearer ", 7) == 0)
        token = authorization + 7;
    else if (strncasecmp(authorization, "Basic ", 6) == 0 &&
             basic_password(authorization + 6 + strspn(authorization + 6, " "), password,
                            sizeof(password)))
        token = password;
    if (!token || posture_http_token_digest(token, given) < 0)
        return false;
    /* Digests have one length and give nothing away by where they differ. */
    return CRYPTO_memcmp(digest, given, sizeof(given)) == 0;
}

bool posture_http_host_is_local(const char *host, const char *const *names)
{
    struct sockaddr_storage address;
    socklen_t address_len;
    char text[ADDRESS_TEXT_MAX + 8];
    size_t len;

    /* HTTP/1.0 without Host: no browser, so no page of another site behind it. */
    if (!host)
        return true;
    const char *bracket = strrchr(host, ']'), *colon = strrchr(host, ':');
    len = colon && (!bracket || colon > bracket) ? (size_t)(colon - host) : strlen(host);
    for (size_t i = 0; names && names[i]; i++) {
        if (strlen(names[i]) == len && strncasecmp(names[i], host, len) == 0)
            return true;
    }
    if (len == 9 && strncasecmp(host, "localhost", len) == 0)
        return true;
    if (len + 3 > sizeof(text))
        return false;
    memcpy(text, host, len);
    memcpy(text + len, ":0", 3);
    return posture_http_address_parse(text, &address, &address_len) == 0 &&
           posture_http_address_is_loopback(&address);
}
