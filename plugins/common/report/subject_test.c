/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#include "common/report/subject.h"

#include "common/base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static void test_parse(void **state)
{
    (void)state;
    static const struct {
        const char *label, *text, *scheme, *want; /* want NULL: refused */
    } rows[] = {
        {"bare name", "www.Example.go.jp", "tls", "tls://www.example.go.jp:443"},
        {"bare name with port", "example.jp:8443", "tls", "tls://example.jp:8443"},
        {"no scheme, no default", "example.jp", NULL, NULL},
        {"scheme in capitals", "TLS://EXAMPLE.JP:443", NULL, "tls://example.jp:443"},
        {"trailing dot", "tls://example.jp.:443", NULL, "tls://example.jp:443"},
        {"two trailing dots", "tls://example.jp..:443", NULL, NULL},
        {"empty port", "tls://example.jp:", NULL, "tls://example.jp:443"},
        {"leading zeros of a port", "tls://example.jp:00443", NULL,
         "tls://example.jp:443"},
        {"port 0", "tls://example.jp:0", NULL, NULL},
        {"port 65536", "tls://example.jp:65536", NULL, NULL},
        {"port with sign", "tls://example.jp:+443", NULL, NULL},
        {"port with space", "tls://example.jp: 443", NULL, NULL},
        {"loopback in brackets", "tls://[::1]", NULL, "tls://[::1]:443"},
        {"IPv6 long form", "tls://[2001:0DB8:0:0:0:0:0:0001]:8443", NULL,
         "tls://[2001:db8::1]:8443"},
        {"one zero field stays", "tls://[2001:db8:0:1:1:1:1:1]", NULL,
         "tls://[2001:db8:0:1:1:1:1:1]:443"},
        {"first of two equal runs", "tls://[2001:db8:0:0:1:0:0:1]", NULL,
         "tls://[2001:db8::1:0:0:1]:443"},
        {"longest run", "tls://[2001:0:0:1:0:0:0:1]", NULL, "tls://[2001:0:0:1::1]:443"},
        {"mapped address", "tls://[::FFFF:C000:0201]", NULL,
         "tls://[::ffff:192.0.2.1]:443"},
        {"IPv6 with zone", "tls://[fe80::1%25eth0]", NULL, NULL},
        {"IPv6 without brackets", "tls://2001:db8::1", NULL, NULL},
        {"IPv4 in brackets", "tls://[192.0.2.1]", NULL, NULL},
        {"unclosed bracket", "tls://[::1", NULL, NULL},
        {"text after the bracket", "tls://[::1]x:443", NULL, NULL},
        {"IPv4", "tls://192.0.2.1", NULL, "tls://192.0.2.1:443"},
        {"IPv4 with leading zeros", "tls://192.0.02.1", NULL, NULL},
        {"short IPv4, inet_aton", "tls://127.1", NULL, NULL},
        {"hexadecimal IPv4, inet_aton", "tls://0x7f.0.0.0x1", NULL, NULL},
        {"number as host", "tls://2130706433", NULL, NULL},
        {"IPv4 with a trailing dot", "tls://192.0.2.1.", NULL, "tls://192.0.2.1:443"},
        {"full-width IPv4", "tls://１９２.０.２.１", NULL, "tls://192.0.2.1:443"},
        {"A-label stays", "tls://xn--eckwd4c7c.xn--zckzah", NULL,
         "tls://xn--eckwd4c7c.xn--zckzah:443"},
        {"U-label", "tls://ドメイン.テスト", NULL, "tls://xn--eckwd4c7c.xn--zckzah:443"},
        {"ideographic full stop", "tls://www。example。jp", NULL,
         "tls://www.example.jp:443"},
        {"sharp s, non-transitional", "tls://straße.example", NULL,
         "tls://xn--strae-oqa.example:443"},
        {"decomposed letters", "tls://mu\xcc\x88ller.example", NULL,
         "tls://xn--mller-kva.example:443"},
        {"not UTF-8", "tls://\xff.example", NULL, NULL},
        {"underscore", "tls://_dmarc.example.jp", NULL, "tls://_dmarc.example.jp:443"},
        {"hyphen first", "tls://-a.example", NULL, NULL},
        {"hyphen last", "tls://a-.example", NULL, NULL},
        {"empty label", "tls://a..example", NULL, NULL},
        {"dot first", "tls://.example", NULL, NULL},
        {"empty host", "tls://:443", NULL, NULL},
        {"nothing", "tls://", NULL, NULL},
        {"empty text", "", "tls", NULL},
        {"space in the host", "tls://a b", NULL, NULL},
        {"bar in the host", "tls://a|b", NULL, NULL},
        {"percent in a host", "tls://a%41.example", NULL, NULL},
        {"control in the host", "tls://a\x01", NULL, NULL},
        {"user part", "tls://root@example.jp", NULL, NULL},
        {"slash", "tls://example.jp/", NULL, "tls://example.jp:443"},
        {"path", "tls://example.jp/x", NULL, NULL},
        {"pasted web address", "https://www.example.jp/a?b=c#d", NULL,
         "tls://www.example.jp:443"},
        {"web address with port", "https://www.example.jp:8443/", NULL,
         "tls://www.example.jp:8443"},
        {"plain http", "http://www.example.jp/", NULL, NULL},
        {"mail", "smtp://mx.example.go.jp", NULL, "smtp://mx.example.go.jp:25"},
        {"submission is smtp at 587", "submission://mx.example.jp", NULL,
         "smtp://mx.example.jp:587"},
        {"xmpp between servers is xmpp at 5269", "xmpp-server://h.example", NULL,
         "xmpp://h.example:5269"},
        {"postgres is postgresql", "postgres://db.example", NULL,
         "postgresql://db.example:5432"},
        {"imaps is tls at 993", "imaps://mx.example.jp", NULL, "tls://mx.example.jp:993"},
        {"ssh", "ssh://h", NULL, "ssh://h:22"},
        {"host", "host://Name", NULL, "host://name"},
        {"container's name is a number", "reporter://123456789012", NULL,
         "reporter://123456789012"},
        {"number as a device", "snmp://123456789012", NULL, NULL},
        {"host takes no port", "host://name:1", NULL, NULL},
        {"ipv6 of a domain", "ipv6://Example.go.jp", NULL, "ipv6://example.go.jp"},
        {"ipv6 of an address", "ipv6://[::1]", NULL, NULL},
        {"domain", "domain://日本語.jp", NULL, "domain://xn--wgv71a119e.jp"},
        {"device by address", "snmp://[2001:DB8::7]", NULL, "snmp://[2001:db8::7]"},
        {"attestation", "attest://Training/FY2026", NULL, "attest://training/FY2026"},
        {"attestation without period", "attest://training", NULL, NULL},
        {"attestation with two", "attest://training/FY2026/x", NULL, NULL},
        {"bar and space in a period", "attest://a/x|y z", NULL, "attest://a/x%7Cy%20z"},
        {"incident", "incident://CERT-2026-0001", NULL, "incident://cert-2026-0001"},
        {"needless percent", "incident://%61%2dB", NULL, "incident://a-b"},
        {"lower-case percent", "incident://a%7cb", NULL, "incident://a%7Cb"},
        {"encoded slash stays", "incident://a%2fb", NULL, "incident://a%2Fb"},
        {"non-ASCII id", "incident://障害", NULL, "incident://%E9%9A%9C%E5%AE%B3"},
        {"half a percent", "incident://a%2", NULL, NULL},
        {"percent and no digits", "incident://a%zz", NULL, NULL},
        {"encoded NUL", "incident://a%00", NULL, NULL},
        {"reporter", "reporter://NOC1.moj.example", NULL, "reporter://noc1.moj.example"},
        {"unknown scheme", "gopher://a", NULL, NULL},
    };
    for (size_t i = 0; i < POSTURE_COUNT(rows); i++) {
        struct posture_subject subject = {0};
        struct posture_error error = {0};
        int r = posture_subject_parse(rows[i].text, rows[i].scheme, &subject, &error);
        if (!rows[i].want ? r != POSTURE_E_FORMAT || !*error.text
                          : r != 0 || strcmp(subject.text, rows[i].want) != 0)
            fail_msg("%s: got %d '%s' (%s), want '%s'", rows[i].label, r, subject.text,
                     error.text, rows[i].want ? rows[i].want : "refused");
        /* The one spelling is stable, and nothing else counts as canonical. */
        if (rows[i].want && !posture_subject_is_canonical(rows[i].want))
            fail_msg("%s: '%s' should be canonical", rows[i].label, rows[i].want);
        bool is_same = rows[i].want && strcmp(rows[i].want, rows[i].text) == 0;
        if (posture_subject_is_canonical(rows[i].text) != is_same)
            fail_msg("%s: '%s' canonical?", rows[i].label, rows[i].text);
    }
}

static void test_parts(void **state)
{
    (void)state;
    struct posture_subject subject;
    assert_int_equal(
        posture_subject_parse("tls://[2001:DB8::1]:8443", NULL, &subject, NULL), 0);
    assert_string_equal(subject.scheme, "tls");
    assert_string_equal(subject.host, "2001:db8::1");
    assert_int_equal(subject.port, 8443);
    assert_true(subject.is_literal);
    assert_int_equal(posture_subject_parse("host://a.example", NULL, &subject, NULL), 0);
    assert_int_equal(subject.port, 0);
    assert_false(subject.is_literal);
    assert_int_equal(posture_subject_parse("attest://a/FY2026", NULL, &subject, NULL), 0);
    assert_string_equal(subject.host, "");
}

static void test_limits(void **state)
{
    (void)state;
    char text[2048];
    struct posture_subject subject;
    const struct {
        const char *label;
        size_t label_len, labels;
        int want;
    } rows[] = {
        {"label of 63", 63, 1, 0},
        {"label of 64", 64, 1, POSTURE_E_FORMAT},
        {"name of 253", 50, 5, 0}, /* 5 * 51 - 1 = 254 less one below */
        {"far too long", 50, 30, POSTURE_E_FORMAT},
    };
    for (size_t i = 0; i < POSTURE_COUNT(rows); i++) {
        size_t n = (size_t)sprintf(text, "tls://");
        for (size_t k = 0; k < rows[i].labels; k++) {
            memset(text + n, 'a', rows[i].label_len);
            n += rows[i].label_len;
            text[n++] = '.';
        }
        text[n - 1] = '\0';
        if (rows[i].labels == 5) /* 253 bytes are allowed, 254 are not */
            memmove(text + 6, text + 7, strlen(text + 7) + 1);
        int r = posture_subject_parse(text, NULL, &subject, NULL);
        if (r != rows[i].want)
            fail_msg("%s: got %d, want %d", rows[i].label, r, rows[i].want);
    }
    memset(text, 'a', 600);
    memcpy(text, "incident://", 11);
    text[511] = '\0';
    assert_int_equal(posture_subject_parse(text, NULL, &subject, NULL), 0);
    assert_int_equal(strlen(subject.text), POSTURE_SUBJECT_MAX - 1);
    text[511] = 'a';
    text[512] = '\0';
    assert_int_equal(posture_subject_parse(text, NULL, &subject, NULL), POSTURE_E_LIMIT);
}

static void test_kinds(void **state)
{
    (void)state;
    assert_string_equal(posture_subject_kind("smtp"), "tls");
    assert_string_equal(posture_subject_kind("snmp"), "device");
    assert_string_equal(posture_subject_kind("incident"), "incidents");
    assert_null(posture_subject_kind("gopher"));
    assert_true(posture_subject_fits_kind("host", "ipv6"));
    assert_true(posture_subject_fits_kind("host", "host"));
    assert_false(posture_subject_fits_kind("tls", "ssh"));
    assert_false(posture_subject_fits_kind("gopher", "tls"));
}

static void test_matches(void **state)
{
    (void)state;
    static const struct {
        const char *label, *pattern, *subject;
        bool want;
    } rows[] = {
        {"no star", "tls://a:443", "tls://a:443", true},
        {"no star, other", "tls://a:443", "tls://b:443", false},
        {"sub-domain", "tls://*.moj.example:443", "tls://www.moj.example:443", true},
        {"dots are not special", "tls://*.moj.example:443", "tls://a.b.moj.example:443",
         true},
        {"not the domain itself", "tls://*.moj.example:443", "tls://moj.example:443",
         false},
        {"not another domain", "tls://*.moj.example:443", "tls://x.amoj.example:443",
         false},
        {"other port", "tls://*.moj.example:443", "tls://www.moj.example:8443", false},
        {"any port", "tls://a:*", "tls://a:8443", true},
        {"not over a colon", "tls://*", "tls://a:443", false},
        {"not over a slash", "attest://*", "attest://a/FY2026", false},
        {"two stars", "attest://*/FY*", "attest://a/FY2026", true},
        {"star matches nothing", "tls://a*:443", "tls://a:443", true},
        {"backtracks", "tls://*ab:443", "tls://aabab:443", true},
        {"star at the end", "host://web*", "host://web01", true},
        {"star alone", "*", "", true},
        {"empty pattern", "", "a", false},
        {"prefix only", "tls://a", "tls://ab", false},
    };
    for (size_t i = 0; i < POSTURE_COUNT(rows); i++) {
        if (posture_subject_matches(rows[i].pattern, rows[i].subject) != rows[i].want)
            fail_msg("%s", rows[i].label);
    }
    assert_true(posture_pattern_is_canonical("tls://*.moj.example:443"));
    assert_false(posture_pattern_is_canonical("tls://*.MOJ.example:443"));
    assert_false(posture_pattern_is_canonical("tls://*.moj.example"));
    assert_false(posture_pattern_is_canonical("*"));
}

static void test_keys(void **state)
{
    (void)state;
    char buf[POSTURE_KEY_MAX];
    struct posture_key key;
    assert_int_equal(posture_key_format("moj", "noc1", "tls", "tls://a:443", buf), 0);
    assert_string_equal(buf, "moj|noc1|tls|tls://a:443");
    assert_int_equal(posture_key_parse(buf, strlen(buf), &key), 0);
    assert_string_equal(key.agency, "moj");
    assert_string_equal(key.reporter, "noc1");
    assert_string_equal(key.kind, "tls");
    assert_string_equal(key.subject, "tls://a:443");
    assert_int_equal(posture_key_format("m|j", "noc1", "tls", "s", buf),
                     POSTURE_E_FORMAT);
    assert_int_equal(posture_key_format("moj", "", "tls", "s", buf), POSTURE_E_FORMAT);
    static const char *const bad[] = {"",       "a",      "a|b|c",     "a|b|c|",
                                      "|b|c|d", "a||c|d", "a|b|c|d|e", "a|b|c|\xff"};
    for (size_t i = 0; i < POSTURE_COUNT(bad); i++) {
        if (posture_key_parse(bad[i], strlen(bad[i]), &key) >= 0)
            fail_msg("'%s' should not be a key", bad[i]);
    }
    assert_int_equal(posture_key_parse("a|b|c|d\0e", 9, &key), POSTURE_E_FORMAT);
    char longer[POSTURE_KEY_MAX + 8];
    memset(longer, 'a', sizeof(longer));
    assert_int_equal(posture_key_parse(longer, sizeof(longer), &key), POSTURE_E_LIMIT);
    longer[sizeof(longer) - 1] = '\0';
    assert_int_equal(posture_key_format("a", "b", "c", longer, buf), POSTURE_E_LIMIT);
}

static void test_agencies(void **state)
{
    (void)state;
    assert_true(posture_agency_is_valid("moj"));
    assert_true(posture_agency_is_valid("0-a.b"));
    assert_false(posture_agency_is_valid(""));
    assert_false(posture_agency_is_valid("-a"));
    assert_false(posture_agency_is_valid("Moj"));
    assert_false(posture_agency_is_valid("a|b"));
    assert_false(posture_agency_is_valid(
        "a234567890123456789012345678901234567890123456789012345678901234"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parse),    cmocka_unit_test(test_parts),
        cmocka_unit_test(test_limits),   cmocka_unit_test(test_kinds),
        cmocka_unit_test(test_matches),  cmocka_unit_test(test_keys),
        cmocka_unit_test(test_agencies),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
