/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#include "posture_crypto/web_wire.h"

#include <stdarg.h>
#include <string.h>

#include <setjmp.h>

#include <cmocka.h>

static void expect(const char *label, json_t *facts_take, const char *want)
{
    json_t *wanted = json_loads(want, 0, NULL);
    assert_non_null(wanted);
    char *text = json_dumps(facts_take, JSON_COMPACT | JSON_SORT_KEYS);
    print_message("%s: %s\n", label, text);
    assert_true(json_equal(facts_take, wanted));
    free(text);
    json_decref(facts_take);
    json_decref(wanted);
}

static void test_hsts(void **state)
{
    (void)state;
    static const char bad[] = "{\"invalid\":true}";
    static const char year[] =
        "{\"max_age\":31536000,\"include_subdomains\":false,\"preload\":false}";
    static const struct {
        const char *label, *value, *want;
    } cases[] = {
        {"RFC 6797, 6.2 example 1", "max-age=31536000", year},
        {"includes", "max-age=15768000 ; includeSubDomains",
         "{\"max_age\":15768000,\"include_subdomains\":true,\"preload\":false}"},
        {"quoted", "max-age=\"31536000\"", year},
        {"case does not matter", "MAX-AGE=31536000;INCLUDESUBDOMAINS;Preload",
         "{\"max_age\":31536000,\"include_subdomains\":true,\"preload\":true}"},
        {"zero", "max-age=0",
         "{\"max_age\":0,\"include_subdomains\":false,\"preload\":false}"},
        {"an unknown directive", "foo=bar; max-age=31536000; x", year},
        {"empty directives", ";; max-age=31536000 ;;", year},
        {"a very long time", "max-age=99999999999999999999999",
         "{\"max_age\":3153600000,\"include_subdomains\":false,\"preload\":false}"},
        {"no max-age", "includeSubDomains", bad},
        {"nothing", "", bad},
        {"twice", "max-age=31536000; max-age=0", bad},
        {"not a number", "max-age=1y", bad},
        {"negative", "max-age=-1", bad},
        {"no value", "max-age", bad},
        {"an empty value", "max-age=", bad},
        {"two words", "max-age=1 2", bad},
        {"a comma, as when two fields were joined", "max-age=1, max-age=2", bad},
        {"an open quote", "max-age=\"1", bad},
        {"seventeen directives", "a;b;c;d;e;f;g;h;i;j;k;l;m;n;o;p;max-age=1", bad},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        expect(cases[i].label, web_hsts_facts(cases[i].value), cases[i].want);
}

static struct posture_http_response answer(long status, const char *name,
                                           const char *value)
{
    struct posture_http_response response = {.status = status, .body = ""};
    if (name)
        response.headers[response.header_count++] =
            (struct posture_http_header){.name = name, .value = value};
    return response;
}

static void test_answers(void **state)
{
    (void)state;
    struct posture_http_response response = answer(200, NULL, NULL);
    expect("no HSTS", web_https_facts(&response), "{\"status\":200}");
    response = answer(404, "strict-transport-security", "max-age=1");
    expect("HSTS with an error page", web_https_facts(&response),
           "{\"status\":404,\"hsts\":{\"max_age\":1,\"include_subdomains\":false,"
           "\"preload\":false}}");
    response = answer(0, NULL, NULL);
    response.error = POSTURE_HTTP_CLOSED;
    strcpy(response.detail, "Empty \x80 reply");
    expect("closed", web_https_facts(&response),
           "{\"error\":{\"code\":\"closed\",\"detail\":\"Empty ? reply\"}}");

    static const struct {
        const char *label;
        long status;
        const char *location, *want;
    } cases[] = {
        {"to HTTPS", 301, "https://www.example.go.jp/",
         "{\"port\":80,\"status\":301,\"location\":{\"scheme\":\"https\",\"host\":\"www."
         "example.go.jp\",\"port\":443}}"},
        {"within HTTP", 302, "/top",
         "{\"port\":80,\"status\":302,\"location\":{\"scheme\":\"http\",\"host\":\"a."
         "jp\","
         "\"port\":80}}"},
        {"an app's scheme", 302, "myapp://login/",
         "{\"port\":80,\"status\":302,\"location\":{\"invalid\":true}}"},
        {"nowhere", 301, "",
         "{\"port\":80,\"status\":301,\"location\":{\"invalid\":true}}"},
        {"content", 200, "https://a.jp/", "{\"port\":80,\"status\":200}"},
        {"not modified is no redirect", 304, "https://a.jp/",
         "{\"port\":80,\"status\":304}"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        response = answer(cases[i].status, "Location", cases[i].location);
        expect(cases[i].label, web_plain_facts(&response, "http://a.jp/", 80),
               cases[i].want);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hsts),
        cmocka_unit_test(test_answers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
