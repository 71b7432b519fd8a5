/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */

/* What the option table takes and what it refuses, by name. */

#include "posture_crypto/options.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <string.h>

struct option_case {
    const char *label;
    const char *block;
    const char *argument;
    const char *name;
    const char *value;
    const char *want; /* in the error's text; NULL: accepted */
};

static const struct option_case cases[] = {
    {"endpoint", "Endpoint", "tls://www.example.go.jp:443", NULL, NULL, NULL},
    {"end of life", "Endpoint", "tls://a.jp", "EndOfLife", "2032-03-31", NULL},
    {"no day", "Endpoint", "tls://a.jp", "EndOfLife", "soon", "expected a day such as"},
    {"odd server name", "Endpoint", "tls://a.jp", "ServerName", "a b",
     "expected a host name"},
    {"empty argument", "Endpoint", "", NULL, NULL, "needs an argument"},
    {"unknown option", "Endpoint", "tls://a.jp", "Port", "443", "Port"},
    {"timeout", NULL, NULL, "TimeoutMs", "99", "TimeoutMs"},
    {"deadline before timeout", NULL, NULL, "DeadlineMs", "1000", "at least TimeoutMs"},
    {"connections", NULL, NULL, "ConnectionsPerHost", "17", "ConnectionsPerHost"},
};

static void test_options(void **state)
{
    (void)state;
    int failures = 0;
    for (size_t i = 0; i < POSTURE_COUNT(cases); i++) {
        const struct option_case *c = &cases[i];
        char *name = posture_strdup(c->name ? c->name : "");
        char *value = posture_strdup(c->value ? c->value : "");
        struct posture_item item = {.name = name, .values = &value, .value_count = 1};
        struct posture_raw_block raw[2] = {{.name = NULL}};
        struct posture_raw_block *block = c->block ? &raw[1] : &raw[0];
        block->name = c->block;
        block->argument = c->argument;
        block->items = &item;
        block->count = c->name ? 1 : 0;
        struct posture_settings *settings = NULL;
        struct posture_error error = {0};
        int r = posture_settings_parse(&posture_crypto_options, raw, c->block ? 2 : 1,
                                       &settings, &error);
        bool is_right =
            c->want ? r == POSTURE_E_OPTION && strstr(error.text, c->want) : r == 0;
        if (!is_right) {
            print_error("%s: got %d \"%s\"\n", c->label, r, error.text);
            failures++;
        }
        posture_settings_free(settings);
        free(name);
        free(value);
    }
    assert_int_equal(failures, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_options),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
