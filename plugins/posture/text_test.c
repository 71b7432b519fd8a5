/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#include "posture/ndjson.h"
#include "posture/text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static void test_width(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        size_t width;
    } rows[] = {
        {"", 0},         {"abc", 3},    {"証明書", 6},   {"TLSバージョン", 13},
        {"ﾊﾝｶｸ", 4},     {"が", 2},     {"か\u3099", 2}, {"é", 1},
        {"e\u0301", 1},  {"✓ pass", 6}, {"😀", 2},        {"。", 2},
        {"\xff\xfe", 2}, {"–", 1},
    };
    for (size_t i = 0; i < POSTURE_COUNT(rows); i++) {
        if (text_width(rows[i].text) != rows[i].width)
            fail_msg("'%s': %zu, expected %zu", rows[i].text, text_width(rows[i].text),
                     rows[i].width);
    }
}

static void test_safe(void **state)
{
    (void)state;
    static const struct {
        const char *label, *text;
        size_t len;
        const char *safe;
    } rows[] = {
        {"plain", "CN=www.example.go.jp", 20, "CN=www.example.go.jp"},
        {"Japanese", "総務省", 9, "総務省"},
        {"escape sequence", "\x1b[2J", 4, "\\x1b[2J"},
        {"line end, bell, DEL", "a\nb\a\x7f", 5, "a\\x0ab\\x07\\x7f"},
        {"C1 control CSI",
         "\xc2\x9b"
         "31m",
         5, "\\x9b31m"},
        {"right-to-left override", "a\u202eb", 5, "a\\u{202e}b"},
        {"zero width space", "a\u200bb", 5, "a\\u{200b}b"},
        {"line separator", "\u2028", 3, "\\u{2028}"},
        {"tag characters", "\U000e0041", 4, "\\u{e0041}"},
        {"backslash", "a\\x1b", 5, "a\\x5cx1b"},
        {"NUL", "a\0b", 3, "a\\x00b"},
        {"ill-formed", "\xc3(", 2, "\\xc3("},
        {"overlong", "\xc0\x9b", 2, "\\xc0\\x9b"},
        {"surrogate", "\xed\xa0\x80", 3, "\\xed\\xa0\\x80"},
        {"cut", "\xe7\xb7", 2, "\\xe7\\xb7"},
    };
    for (size_t i = 0; i < POSTURE_COUNT(rows); i++) {
        POSTURE_AUTO_BUF struct posture_buf out = {0};
        text_safe(rows[i].text, rows[i].len, &out);
        if (strcmp(out.data, rows[i].safe) != 0)
            fail_msg("%s: '%s', expected '%s'", rows[i].label, out.data, rows[i].safe);
    }
}

static void test_pad(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        size_t width;
        const char *padded;
    } rows[] = {
        {"ab", 4, "ab  "},     {"証明書", 8, "証明書  "},
        {"abcdef", 4, "abc…"}, {"証明書", 5, "証明…"},
        {"証明書", 4, "証… "}, {"", 2, "  "},
        {"abc", 3, "abc"},     {"abc", 0, ""},
    };
    for (size_t i = 0; i < POSTURE_COUNT(rows); i++) {
        POSTURE_AUTO_BUF struct posture_buf out = {0};
        text_pad(rows[i].text, rows[i].width, &out);
        assert_string_equal(out.data ? out.data : "", rows[i].padded);
    }
}

static void test_wrap(void **state)
{
    (void)state;
    static const struct {
        const char *label, *text;
        size_t first, indent, width;
        const char *wrapped;
    } rows[] = {
        {"fits", "one two", 0, 2, 10, "one two"},
        {"at a space", "one two three", 0, 2, 8, "one two\n  three"},
        {"starts late", "one two", 6, 2, 9, "one\n  two"},
        {"long word stays whole", "a verylongword b", 0, 2, 6, "a\n  verylongword\n  b"},
        {"between ideographs", "証明書の期限", 0, 2, 8, "証明書の\n  期限"},
        {"no line begins with a full stop", "証明書。次", 0, 0, 6, "証明\n書。次"},
        {"no line ends with an opening bracket", "証明(有)", 0, 0, 6, "証明\n(有)"},
        {"mixed", "鍵はRSA 2048です", 0, 0, 8, "鍵はRSA\n2048です"},
        {"spaces collapse", "a   b", 0, 0, 10, "a b"},
        {"trailing space", "a ", 0, 0, 10, "a"},
    };
    for (size_t i = 0; i < POSTURE_COUNT(rows); i++) {
        POSTURE_AUTO_BUF struct posture_buf out = {0};
        text_wrap(rows[i].text, rows[i].first, rows[i].indent, rows[i].width, &out);
        if (strcmp(out.data, rows[i].wrapped) != 0)
            fail_msg("%s: '%s', expected '%s'", rows[i].label, out.data, rows[i].wrapped);
    }
}

static int line_note(void *data, unsigned long number, const char *line, size_t len)
{
    posture_buf_addf(data, "%lu:%.*s;", number, line ? (int)len : 8,
                     line ? line : "too long");
    return 0;
}

/* The same lines however the bytes come. */
static void test_ndjson(void **state)
{
    (void)state;
    static const char text[] = "one\n\n  \r\ntwo\nlast";
    for (size_t step = 1; step < sizeof(text); step++) {
        POSTURE_AUTO_BUF struct posture_buf out = {0};
        struct ndjson lines;
        ndjson_init(&lines);
        for (size_t at = 0; at < sizeof(text) - 1; at += step) {
            size_t left = sizeof(text) - 1 - at;
            assert_int_equal(ndjson_feed(&lines, text + at, left < step ? left : step,
                                         line_note, &out),
                             0);
        }
        assert_int_equal(ndjson_end(&lines, line_note, &out), 0);
        ndjson_done(&lines);
        assert_string_equal(out.data, "1:one;4:two;5:last;");
    }
}

static void test_ndjson_too_long(void **state)
{
    (void)state;
    static char block[4096];
    POSTURE_AUTO_BUF struct posture_buf out = {0};
    struct ndjson lines;
    memset(block, 'x', sizeof(block));
    ndjson_init(&lines);
    for (int i = 0; i < 100; i++)
        assert_int_equal(ndjson_feed(&lines, block, sizeof(block), line_note, &out), 0);
    assert_int_equal(ndjson_feed(&lines, "\nnext\n", 6, line_note, &out), 0);
    ndjson_done(&lines);
    assert_string_equal(out.data, "1:too long;2:next;");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_width),  cmocka_unit_test(test_safe),
        cmocka_unit_test(test_pad),    cmocka_unit_test(test_wrap),
        cmocka_unit_test(test_ndjson), cmocka_unit_test(test_ndjson_too_long),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
