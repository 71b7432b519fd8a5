/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#include "posture_crypto/targets.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <setjmp.h>

#include <cmocka.h>

static const struct posture_crypto_measure measure_tls = {.kind = "tls",
                                                          .block = "Endpoint"};
static const struct posture_crypto_measure *const measures[] = {&measure_tls, NULL};

static struct posture_settings *settings_of(const char *const *endpoints, size_t count)
{
    struct posture_raw_block raw[8] = {{.name = NULL}};
    for (size_t i = 0; i < count; i++)
        raw[i + 1] =
            (struct posture_raw_block){.name = "Endpoint", .argument = endpoints[i]};
    struct posture_settings *settings = NULL;
    assert_int_equal(
        posture_settings_parse(&posture_crypto_options, raw, count + 1, &settings, NULL),
        0);
    return settings;
}

static int read_file(const struct posture_settings *settings, const char *text,
                     struct posture_crypto_targets *previous,
                     struct posture_crypto_targets *ret, size_t **ret_old,
                     struct posture_error *reterr)
{
    struct posture_crypto_file file = {
        .path = "/etc/posture/endpoints", .bytes = text, .len = text ? strlen(text) : 0};
    int r = posture_crypto_targets_read(settings, &file, 1, measures, previous, ret,
                                        ret_old, reterr);
    for (size_t i = 0; r == 0 && i < ret->count; i++)
        ret->items[i]->number = i;
    return r;
}

static void expect_subjects(const struct posture_crypto_targets *targets,
                            const char *want)
{
    char text[1024] = "";
    for (size_t i = 0; i < targets->count; i++) {
        strncat(text, targets->items[i]->subject.text, sizeof(text) - strlen(text) - 2);
        strncat(text, " ", sizeof(text) - strlen(text) - 1);
    }
    assert_string_equal(text, want);
}

static void test_lines(void **state)
{
    (void)state;
    static const char *const blocks[] = {"tls://block.example.jp"};
    POSTURE_AUTO(posture_settings_free)
    struct posture_settings *settings = settings_of(blocks, 1);
    struct posture_crypto_targets targets = {0};
    size_t *old = NULL;
    assert_int_equal(
        read_file(settings,
                  "# all of them\n"
                  "\n"
                  "  www.example.jp \t EndOfLife=2032-03-31   # a comment\r\n"
                  "tls://[2001:DB8::1]:8443 ServerName=www.example.jp Web=yes\n"
                  "\t \n"
                  "tls://mail.example.jp:465",
                  NULL, &targets, &old, NULL),
        0);
    expect_subjects(&targets, "tls://block.example.jp:443 tls://www.example.jp:443 "
                              "tls://[2001:db8::1]:8443 tls://mail.example.jp:465 ");
    assert_string_equal(targets.items[1]->end_of_life, "2032-03-31");
    assert_int_equal(targets.items[1]->interval_ns, targets.items[0]->interval_ns);
    const struct posture_crypto_endpoint *endpoint = targets.items[2]->values;
    assert_string_equal(endpoint->server_name, "www.example.jp");
    assert_int_equal(endpoint->web, POSTURE_CRYPTO_WEB_YES);
    free(old);
    posture_crypto_targets_done(&targets);
}

static void test_bad_lines(void **state)
{
    (void)state;
    static const char *const blocks[] = {"tls://block.example.jp"};
    static const struct {
        const char *label, *text, *want;
    } cases[] = {
        {"no option", "a.jp\nb.jp EndOfLife\n",
         "/etc/posture/endpoints:2: \"EndOfLife\": expected Option=value"},
        {"an unknown option", "a.jp EndOfLive=2032-03-31\n",
         "did you mean \"EndOfLife\""},
        {"a bad value", "\n\na.jp EndOfLife=tomorrow\n", "endpoints:3: "},
        {"its own interval", "a.jp Interval=5\n", "Interval: cannot be given for a line"},
        {"no subject", "tls://a_b c\n", "endpoints:1: "},
        {"twice in the file", "a.jp\ntls://A.jp:443 Web=no\n",
         "endpoints:2: tls://a.jp:443 is in the configuration twice"},
        {"in a block too", "block.example.jp\n", "is in the configuration twice"},
        {"an unknown scheme", "gopher://a.jp\n", "endpoints:1: "},
    };
    POSTURE_AUTO(posture_settings_free)
    struct posture_settings *settings = settings_of(blocks, 1);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct posture_crypto_targets targets = {0};
        size_t *old = NULL;
        struct posture_error error = {0};
        char text[1024];
        print_message("%s\n", cases[i].label);
        assert_true(read_file(settings, cases[i].text, NULL, &targets, &old, &error) < 0);
        posture_error_format(&error, text, sizeof(text));
        if (!strstr(text, cases[i].want))
            fail_msg("%s", text);
        assert_int_equal(targets.count, 0);
    }
    char line[4096];
    memset(line, 'a', sizeof(line));
    struct posture_settings *parsed = NULL;
    assert_int_equal(posture_crypto_line_parse(line, sizeof(line), &parsed, NULL),
                     POSTURE_E_LIMIT);
    assert_int_equal(posture_crypto_line_parse("a\0b", 3, &parsed, NULL),
                     POSTURE_E_FORMAT);
}

/* What is as it was stays the same target; the others go or come. */
static void test_change(void **state)
{
    (void)state;
    static const char *const blocks[] = {"tls://block.example.jp"};
    POSTURE_AUTO(posture_settings_free)
    struct posture_settings *settings = settings_of(blocks, 1);
    struct posture_crypto_targets now = {0}, list = {0};
    size_t *old = NULL;
    assert_int_equal(
        read_file(settings, "a.jp\nb.jp\nc.jp Web=no\n", NULL, &now, &old, NULL), 0);
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(old[i], SIZE_MAX);
    free(old);
    const struct posture_crypto_target *block = now.items[0], *a = now.items[1],
                                       *b = now.items[2], *c = now.items[3];

    /* A mistake changes nothing. */
    assert_true(read_file(settings, "a.jp\nx y z\n", &now, &list, &old, NULL) < 0);
    assert_int_equal(now.count, 4);

    /* c with another option, d is new, a is where it was, b goes. */
    static const char second[] = "d.jp\n c.jp Web=yes\na.jp\n";
    assert_int_equal(
        posture_crypto_targets_read(
            settings, &(struct posture_crypto_file){"/f", second, strlen(second), false},
            1, measures, &now, &list, &old, NULL),
        0);
    expect_subjects(&list, "tls://block.example.jp:443 tls://d.jp:443 tls://c.jp:443 "
                           "tls://a.jp:443 ");
    assert_ptr_equal(list.items[0], block);
    assert_ptr_equal(list.items[3], a);
    assert_int_equal(old[0], 0);
    assert_int_equal(old[1], SIZE_MAX);
    assert_int_equal(old[2], SIZE_MAX);
    assert_int_equal(old[3], 1);
    assert_int_equal(now.count, 2);
    assert_ptr_equal(now.items[0], b);
    assert_ptr_equal(now.items[1], c);

    /* And back again, as if it had not been read. */
    posture_crypto_targets_restore(&now, &list, old);
    free(old);
    assert_int_equal(now.count, 4);
    assert_ptr_equal(now.items[0], block);
    assert_ptr_equal(now.items[1], a);
    assert_ptr_equal(now.items[2], b);
    assert_ptr_equal(now.items[3], c);
    posture_crypto_targets_done(&now);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lines),
        cmocka_unit_test(test_bad_lines),
        cmocka_unit_test(test_change),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
