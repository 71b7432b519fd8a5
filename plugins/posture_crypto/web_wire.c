/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#include "posture_crypto/web_wire.h"

#include "common/report/subject.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>
#include <strings.h>

enum { DIRECTIVES_MAX = 16, DIRECTIVE_MAX = 64 };

static bool is_token(char c)
{
    return isalnum((unsigned char)c) || (c && strchr("!#$%&'*+-.^_`|~", c));
}

static const char *space_skip(const char *p)
{
    while (*p == ' ' || *p == '\t')
        p++;
    return p;
}

/* A token or a quoted string into buf (cut at its size). NULL: neither stands here. */
static const char *word_read(const char *p, char *buf, size_t size)
{
    size_t len = 0;
    bool is_quoted = *p == '"';
    if (is_quoted)
        p++;
    while (is_quoted ? *p && *p != '"' : is_token(*p)) {
        if (is_quoted && *p == '\\' && p[1])
            p++;
        if (len + 1 < size)
            buf[len++] = *p;
        p++;
    }
    buf[len] = '\0';
    if (is_quoted)
        return *p == '"' ? p + 1 : NULL;
    return len > 0 ? p : NULL;
}

struct hsts {
    bool has_max_age, has_subdomains, has_preload;
    json_int_t max_age;
};

/* delta-seconds; anything beyond a hundred years means the same. */
static int age_read(const char *text, json_int_t *ret)
{
    json_int_t age = 0;
    if (!*text)
        return POSTURE_E_FORMAT;
    for (; *text; text++) {
        if (!isdigit((unsigned char)*text))
            return POSTURE_E_FORMAT;
        age = age > 315360000 ? 3153600000 : age * 10 + (*text - '0');
    }
    *ret = age;
    return 0;
}

/* Each directive at most once. */
static int directive_take(struct hsts *hsts, const char *name, const char *value)
{
    bool *seen = strcasecmp(name, "max-age") == 0             ? &hsts->has_max_age
                 : strcasecmp(name, "includeSubDomains") == 0 ? &hsts->has_subdomains
                 : strcasecmp(name, "preload") == 0           ? &hsts->has_preload
                                                              : NULL;
    if (!seen)
        return 0;
    if (*seen)
        return POSTURE_E_FORMAT;
    *seen = true;
    if (seen == &hsts->has_max_age)
        return value ? age_read(value, &hsts->max_age) : POSTURE_E_FORMAT;
    return 0;
}

static int hsts_read(const char *p, struct hsts *hsts)
{
    for (unsigned n = 0; n < DIRECTIVES_MAX; n++) {
        char name[DIRECTIVE_MAX], value[DIRECTIVE_MAX];
        bool has_value = false;
        p = space_skip(p);
        if (*p && *p != ';') {
            p = word_read(p, name, sizeof(name));
            if (!p)
                return POSTURE_E_FORMAT;
            p = space_skip(p);
            if (*p == '=') {
                has_value = true;
                p = word_read(space_skip(p + 1), value, sizeof(value));
                if (!p)
                    return POSTURE_E_FORMAT;
                p = space_skip(p);
            }
            POSTURE_TRY(directive_take(hsts, name, has_value ? value : NULL));
        }
        if (!*p)
            return hsts->has_max_age ? 0 : POSTURE_E_FORMAT;
        if (*p++ != ';')
            return POSTURE_E_FORMAT;
    }
    return POSTURE_E_LIMIT;
}

json_t *web_hsts_facts(const char *value)
{
    struct hsts hsts = {0};
    if (hsts_read(value, &hsts) < 0)
        return json_pack("{s:b}", "invalid", 1);
    return json_pack("{s:I,s:b,s:b}", "max_age", hsts.max_age, "include_subdomains",
                     hsts.has_subdomains, "preload", hsts.has_preload);
}

/* libcurl's words for people; what is not printable ASCII becomes '?'. */
static json_t *detail_text(const char *text)
{
    char buf[POSTURE_HTTP_DETAIL_MAX];
    size_t len = 0;
    for (; text[len] && len + 1 < sizeof(buf); len++)
        buf[len] = text[len] >= ' ' && text[len] <= '~' ? text[len] : '?';
    return json_stringn(buf, len);
}

json_t *web_error_facts(const char *code, const char *detail)
{
    json_t *facts = json_pack("{s:{s:s}}", "error", "code", code);
    if (facts && detail && *detail)
        (void)json_object_set_new(json_object_get(facts, "error"), "detail",
                                  detail_text(detail));
    return facts;
}

json_t *web_https_facts(const struct posture_http_response *response)
{
    if (response->error != POSTURE_HTTP_OK)
        return web_error_facts(posture_http_error_name(response->error),
                               response->detail);
    json_t *facts = json_pack("{s:I}", "status", (json_int_t)response->status);
    const char *hsts = posture_http_header_find(response, "Strict-Transport-Security");
    if (facts && hsts && json_object_set_new(facts, "hsts", web_hsts_facts(hsts)) < 0) {
        json_decref(facts);
        return NULL;
    }
    return facts;
}

static bool is_redirect(long status)
{
    return status == 301 || status == 302 || status == 303 || status == 307 ||
           status == 308;
}

static json_t *location_facts(const char *url, const char *location)
{
    struct posture_http_target target;
    struct posture_host host;
    if (!location || !*location || posture_http_location(url, location, &target) < 0 ||
        posture_host_parse(target.host, strlen(target.host), true, &host, NULL) < 0)
        return json_pack("{s:b}", "invalid", 1);
    bool is_known = !strcmp(target.scheme, "http") || !strcmp(target.scheme, "https");
    return json_pack("{s:s,s:s,s:i}", "scheme", is_known ? target.scheme : "other",
                     "host", host.text, "port", target.port);
}

json_t *web_plain_facts(const struct posture_http_response *response, const char *url,
                        uint16_t port)
{
    json_auto_t *facts = NULL;
    if (response->error != POSTURE_HTTP_OK) {
        facts =
            web_error_facts(posture_http_error_name(response->error), response->detail);
    } else {
        facts = json_pack("{s:I}", "status", (json_int_t)response->status);
        if (facts && is_redirect(response->status) &&
            json_object_set_new(
                facts, "location",
                location_facts(url, posture_http_header_find(response, "Location"))) < 0)
            return NULL;
    }
    if (!facts || json_object_set_new(facts, "port", json_integer(port)) < 0)
        return NULL;
    return json_incref(facts);
}
