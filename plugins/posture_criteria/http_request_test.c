/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#include "posture_criteria/http_request.h"

#include "posture_criteria/http.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define TOKEN "0123456789abcdef"

static void settings_are_judged(void **state)
{
    static const struct {
        const char *label;
        struct posture_http_settings settings;
        const char *want; /* in the error; NULL: accepted */
    } rows[] = {
        {"default", {0}, NULL},
        {"loopback 4", {.listen = "127.0.0.1:9475"}, NULL},
        {"loopback net", {.listen = "127.9.9.9:0"}, NULL},
        {"no port", {.listen = "127.0.0.1"}, "expected \"[address]:port\""},
        {"name", {.listen = "localhost:1"}, "literal address"},
        {"port too large", {.listen = "127.0.0.1:65536"}, "expected"},
        {"bare IPv6", {.listen = "::1:9475"}, "expected"},
        {"any without TLS", {.listen = "[::]:9475"}, "needs TLS"},
        {"any, token, no TLS", {.listen = "0.0.0.0:1", .token = TOKEN}, "needs TLS"},
        {"mapped loopback is not loopback",
         {.listen = "[::ffff:127.0.0.1]:1"},
         "needs TLS"},
        {"TLS without readers",
         {.listen = "[::]:1", .tls_cert = "c", .tls_key = "k"},
         "client CA or a token file"},
        {"TLS and client CA",
         {.listen = "[::]:1", .tls_cert = "c", .tls_key = "k", .tls_client_ca = "a"},
         NULL},
        {"TLS and token",
         {.listen = "[::]:1", .tls_cert = "c", .tls_key = "k", .token = " " TOKEN "\n"},
         NULL},
        {"certificate without key", {.tls_cert = "c"}, "both"},
        {"client CA without TLS", {.tls_client_ca = "a"}, "needs TLS"},
        {"short token", {.token = "secret\n"}, "16 to 512"},
        {"empty token", {.token = "\n"}, "16 to 512"},
        {"two words", {.token = TOKEN " " TOKEN}, "one word"},
    };

    (void)state;
    for (size_t i = 0; i < POSTURE_COUNT(rows); i++) {
        struct posture_error error = {0};
        int r = posture_http_settings_check(&rows[i].settings, &error);

        if (!rows[i].want && r != 0)
            fail_msg("%s: refused: %s", rows[i].label, error.text);
        if (rows[i].want && (r != POSTURE_E_OPTION || !strstr(error.text, rows[i].want)))
            fail_msg("%s: got %d \"%s\", want \"%s\"", rows[i].label, r, error.text,
                     rows[i].want);
        if (strstr(error.text, TOKEN) || strstr(error.text, "secret"))
            fail_msg("%s: the token is in the error", rows[i].label);
    }
}

static void languages_are_chosen(void **state)
{
    static const struct {
        const char *query, *accept;
        enum posture_lang want;
    } rows[] = {
        {NULL, NULL, POSTURE_LANG_EN},
        {"ja", "en", POSTURE_LANG_JA},
        {"fr", "ja", POSTURE_LANG_JA},
        {NULL, "ja", POSTURE_LANG_JA},
        {NULL, "ja-JP,en;q=0.5", POSTURE_LANG_JA},
        {NULL, "en-US, ja;q=0.9", POSTURE_LANG_EN},
        {NULL, "en;q=0.3, JA-jp;q=0.8", POSTURE_LANG_JA},
        {NULL, "fr, de;q=0.5", POSTURE_LANG_EN},
        {NULL, "ja;q=0, en;q=0.1", POSTURE_LANG_EN},
        {NULL, "jav, *", POSTURE_LANG_EN},
        {NULL, "ja;q=abc", POSTURE_LANG_EN},
        {NULL, ",,;;q=;,ja", POSTURE_LANG_JA},
        {NULL, "ja;q=0.99999999999999999999", POSTURE_LANG_JA},
    };

    (void)state;
    for (size_t i = 0; i < POSTURE_COUNT(rows); i++) {
        if (posture_http_language(rows[i].query, rows[i].accept) != rows[i].want)
            fail_msg("query %s, accept %s", rows[i].query, rows[i].accept);
    }
}

static void formats_are_negotiated(void **state)
{
    static const struct {
        const char *accept;
        bool want;
    } rows[] = {
        {NULL, false},
        {"*/*", false},
        {"text/plain", false},
        {"application/openmetrics-text", true},
        /* Prometheus 2.42 */
        {"application/openmetrics-text;version=1.0.0,application/"
         "openmetrics-text;version=0.0.1;q=0.75,"
         "text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
         true},
        {"application/openmetrics-text;q=0.1, text/plain", false},
        {"application/openmetrics-text;q=0", false},
    };

    (void)state;
    for (size_t i = 0; i < POSTURE_COUNT(rows); i++) {
        if (posture_http_wants_openmetrics(rows[i].accept) != rows[i].want)
            fail_msg("accept %s", rows[i].accept);
    }
}

static void tags_are_compared(void **state)
{
    static const struct {
        const char *header;
        bool want;
    } rows[] = {
        {NULL, false},
        {"", false},
        {"\"abc\"", true},
        {"W/\"abc\"", true},
        {"*", true},
        {"\"ab\"", false},
        {"\"abcd\"", false},
        {"\"x\", \"abc\"", true},
        {"\"a,b\",\"abc\"", true},
        {"abc", false},
        {"\"x", false},
        {"\"abc\"z", false},
    };

    (void)state;
    for (size_t i = 0; i < POSTURE_COUNT(rows); i++) {
        if (posture_http_etag_matches(rows[i].header, "\"abc\"") != rows[i].want)
            fail_msg("If-None-Match %s", rows[i].header);
    }
}

static void tokens_are_compared(void **state)
{
    static const struct {
        const char *header;
        bool want;
    } rows[] = {
        {NULL, false},
        {"", false},
        {"Bearer " TOKEN, true},
        {"bearer " TOKEN, true},
        {"Bearer " TOKEN "0", false},
        {"Bearer ", false},
        {TOKEN, false},
        {"Basic dXNlcjowMTIzNDU2Nzg5YWJjZGVm", true}, /* user:TOKEN */
        {"Basic OjAxMjM0NTY3ODlhYmNkZWY=", true},     /* :TOKEN */
        {"Basic MDEyMzQ1Njc4OWFiY2RlZg==", false},    /* TOKEN without colon */
        {"Basic dXNlcjp4", false},                    /* user:x */
        {"Basic =", false},
        {"Basic ====", false},
        {"Basic !!!!", false},
        {"Digest " TOKEN, false},
    };
    uint8_t digest[POSTURE_HTTP_DIGEST];

    (void)state;
    assert_int_equal(posture_http_token_digest("  " TOKEN "\r\n", digest), 0);
    for (size_t i = 0; i < POSTURE_COUNT(rows); i++) {
        if (posture_http_token_matches(digest, rows[i].header) != rows[i].want)
            fail_msg("Authorization %s", rows[i].header);
    }
}

static void hosts_are_judged(void **state)
{
    static const char *const names[] = {"noc.example", NULL};
    static const struct {
        const char *host;
        bool want;
    } rows[] = {
        {NULL, true},
        {"[::1]:9475", true},
        {"[::1]", true},
        {"127.0.0.1:9475", true},
        {"127.0.0.1", true},
        {"localhost:80", true},
        {"LOCALHOST", true},
        {"noc.example:9475", true},
        {"NOC.example", true},
        {"evil.example:9475", false},
        {"localhost.evil.example", false},
        {"127.0.0.1.evil.example", false},
        {"[2001:db8::1]", false},
        {"192.0.2.1:9475", false},
        {"", false},
        {":", false},
        {"[", false},
        {"]:", false},
    };

    (void)state;
    for (size_t i = 0; i < POSTURE_COUNT(rows); i++) {
        if (posture_http_host_is_local(rows[i].host, names) != rows[i].want)
            fail_msg("Host %s", rows[i].host);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(settings_are_judged),    cmocka_unit_test(languages_are_chosen),
        cmocka_unit_test(formats_are_negotiated), cmocka_unit_test(tags_are_compared),
        cmocka_unit_test(tokens_are_compared),    cmocka_unit_test(hosts_are_judged),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
