/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */

#include "common/base/buf.h"
#include "common/base/clock.h"
#include "common/base/error.h"
#include "common/base/parse.h"
#include "common/base/uuid.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static void time_parse_test(void **state)
{
    (void)state;
    static const struct {
        const char *label, *text;
        int r;
        const char *want;
    } rows[] = {
        {"utc", "2026-11-23T08:00:00.123Z", 0, "2026-11-23T08:00:00.123Z"},
        {"offset", "2026-11-23T17:00:00+09:00", 0, "2026-11-23T08:00:00.000Z"},
        {"negative offset", "2026-12-31T23:30:00-01:00", 0, "2027-01-01T00:30:00.000Z"},
        {"leap day", "2028-02-29T00:00:00Z", 0, "2028-02-29T00:00:00.000Z"},
        {"before 1970", "1969-12-31T23:59:59.999Z", 0, "1969-12-31T23:59:59.999Z"},
        {"nanoseconds", "2026-01-01T00:00:00.123456789Z", 0, "2026-01-01T00:00:00.123Z"},
        {"no leap day", "2027-02-29T00:00:00Z", POSTURE_E_FORMAT, NULL},
        {"month 13", "2027-13-01T00:00:00Z", POSTURE_E_FORMAT, NULL},
        {"no zone", "2027-01-01T00:00:00", POSTURE_E_FORMAT, NULL},
        {"hour 24", "2027-01-01T24:00:00Z", POSTURE_E_FORMAT, NULL},
        {"empty fraction", "2027-01-01T00:00:00.Z", POSTURE_E_FORMAT, NULL},
        {"ten decimals", "2027-01-01T00:00:00.0123456789Z", POSTURE_E_FORMAT, NULL},
        {"trailing", "2027-01-01T00:00:00Zx", POSTURE_E_FORMAT, NULL},
        {"year 9999", "9999-01-01T00:00:00Z", POSTURE_E_RANGE, NULL},
    };
    for (size_t i = 0; i < POSTURE_COUNT(rows); i++) {
        int64_t ns = -1;
        int r = posture_time_parse(rows[i].text, strlen(rows[i].text), &ns);
        if (r != rows[i].r)
            fail_msg("%s: got %d, want %d", rows[i].label, r, rows[i].r);
        if (r < 0) {
            assert_int_equal(ns, -1);
            continue;
        }
        char text[POSTURE_TIME_TEXT_MAX];
        assert_string_equal(posture_time_format(ns, text), rows[i].want);
    }
    char text[POSTURE_TIME_TEXT_MAX];
    assert_string_equal(posture_time_format(INT64_MIN, text), "1677-09-21T00:12:43.145Z");
    assert_string_equal(posture_time_format(INT64_MAX, text), "2262-04-11T23:47:16.854Z");
}

static void fiscal_year_test(void **state)
{
    (void)state;
    static const struct {
        const char *time;
        int year;
    } rows[] = {
        {"2009-03-31T14:59:59.999Z", 2008}, /* 31 March, 23:59:59 in Japan */
        {"2009-03-31T15:00:00Z", 2009},     {"2006-03-31T15:00:00Z", 2006},
        {"2026-12-31T23:00:00Z", 2026},     {"2027-01-15T00:00:00Z", 2026},
    };
    for (size_t i = 0; i < POSTURE_COUNT(rows); i++) {
        int64_t ns;
        assert_int_equal(posture_time_parse(rows[i].time, strlen(rows[i].time), &ns), 0);
        assert_int_equal(posture_fiscal_year(ns), rows[i].year);
        assert_true(posture_fiscal_year_start(rows[i].year) <= ns);
        assert_true(posture_fiscal_year_start(rows[i].year + 1) > ns);
    }
    assert_true(posture_fiscal_year_start(2262) == INT64_MAX);
    assert_true(posture_fiscal_year_start(9999) == INT64_MAX);
    assert_true(posture_year_start_jst(1) == INT64_MIN);
    int64_t at;
    assert_int_equal(posture_at_parse("2031-04-01", &at, NULL), 0);
    assert_true(at == posture_fiscal_year_start(2031));
    assert_int_equal(posture_year_jst(posture_year_start_jst(2031)), 2031);
    assert_int_equal(posture_year_jst(posture_year_start_jst(2031) - 1), 2030);
    struct posture_error error;
    assert_int_equal(posture_at_parse("2031-4-1", &at, &error), POSTURE_E_FORMAT);
    assert_non_null(strstr(error.text, "'2031-4-1'"));
    char text[POSTURE_TIME_TEXT_MAX];
    assert_string_equal(posture_date_format_jst(at, text), "2031-04-01");
}

static void number_test(void **state)
{
    (void)state;
    uint32_t u = 7;
    assert_int_equal(posture_parse_u32("42", 0, 100, &u), 0);
    assert_int_equal(u, 42);
    static const char *const bad[] = {"", "-1", "+1", " 1", "1 ", "0x10", "1e3", "4.0"};
    for (size_t i = 0; i < POSTURE_COUNT(bad); i++)
        assert_int_equal(posture_parse_u32(bad[i], 0, 100, &u), POSTURE_E_FORMAT);
    assert_int_equal(posture_parse_u32("101", 0, 100, &u), POSTURE_E_RANGE);
    assert_int_equal(posture_parse_u32("99999999999999999999999", 0, 100, &u),
                     POSTURE_E_RANGE);
    assert_int_equal(u, 42);

    double d = 0;
    assert_int_equal(posture_parse_double("-12.5e-1", &d), 0);
    assert_true(d == -1.25);
    assert_int_equal(posture_parse_double("nan", &d), POSTURE_E_FORMAT);
    assert_int_equal(posture_parse_double("0x1p3", &d), POSTURE_E_FORMAT);
    assert_int_equal(posture_parse_double("1,5", &d), POSTURE_E_FORMAT);
    assert_int_equal(posture_parse_double("1e999", &d), POSTURE_E_RANGE);
    char text[32];
    assert_string_equal(posture_double_format(0.1, text), "0.1");
    assert_string_equal(posture_double_format(1.0 / 3, text), "0.3333333333333333");
}

static void utf8_test(void **state)
{
    (void)state;
    static const struct {
        const char *label, *bytes;
        bool is_valid;
    } rows[] = {
        {"ascii", "posture, and more than eight bytes", true},
        {"japanese", "\xe6\x94\xbf\xe5\xba\x9c", true},
        {"four bytes", "\xf0\x9f\x98\x80", true},
        {"overlong slash", "\xc0\xaf", false},
        {"overlong three", "\xe0\x80\xaf", false},
        {"surrogate", "\xed\xa0\x80", false},
        {"beyond U+10FFFF", "\xf4\x90\x80\x80", false},
        {"lone continuation", "a\x80", false},
        {"cut", "abcdefg\xe6\x94", false},
    };
    for (size_t i = 0; i < POSTURE_COUNT(rows); i++)
        if (posture_utf8_valid(rows[i].bytes, strlen(rows[i].bytes)) != rows[i].is_valid)
            fail_msg("%s: want %d", rows[i].label, rows[i].is_valid);

    const char *s = "a\xe6\x94\xbf";
    assert_int_equal(posture_utf8_cut(s, 4), 4);
    assert_int_equal(posture_utf8_cut(s, 3), 1);
    assert_int_equal(posture_utf8_cut(s, 2), 1);
    assert_int_equal(posture_utf8_cut(s, 1), 1);

    char out[64];
    assert_string_equal(posture_escape("a\n\x1b[31m\\\xff\xc2\x9b", 11, out, sizeof(out)),
                        "a\\x0a\\x1b[31m\\x5c\\xff\\xc2\\x9b");
    assert_string_equal(posture_escape("\xe6\x94\xbf", 3, out, sizeof(out)),
                        "\xe6\x94\xbf");
    assert_string_equal(posture_escape("abc\n", 4, out, 6), "abc");

    unsigned char bytes[2];
    assert_int_equal(posture_unhex("0aFf", 4, bytes, 2), 0);
    assert_string_equal(posture_hex(bytes, 2, out), "0aff");
    assert_int_equal(posture_unhex("0g", 2, bytes, 1), POSTURE_E_FORMAT);
}

static void buf_test(void **state)
{
    (void)state;
    POSTURE_AUTO_BUF struct posture_buf buf = {0};
    posture_buf_addf(&buf, "%s-%d", "abc", 7);
    posture_buf_add_u24(&buf, 0x414243);
    assert_string_equal(buf.data, "abc-7ABC");
    posture_buf_consume(&buf, 4);
    assert_string_equal(buf.data, "7ABC");
    size_t len;
    char *text = posture_buf_steal(&buf, &len);
    assert_string_equal(text, "7ABC");
    assert_int_equal(len, 4);
    free(text);

    struct posture_buf small;
    posture_buf_init(&small, 8);
    posture_buf_adds(&small, "12345678");
    assert_int_equal(posture_buf_error(&small), 0);
    posture_buf_addc(&small, '9');
    assert_int_equal(posture_buf_error(&small), POSTURE_E_LIMIT);
    posture_buf_adds(&small, "more");
    assert_string_equal(small.data, "12345678");
    assert_null(posture_buf_steal(&small, NULL));

    /* Every allocation fails once: the error sticks and nothing leaks. */
    for (unsigned long n = 1; n < 20; n++) {
        struct posture_buf b = {0};
        posture_alloc_fail_at(n, /* persistent = */ 0);
        for (int i = 0; i < 1000; i++)
            posture_buf_adds(&b, "0123456789");
        unsigned long used = posture_alloc_count();
        posture_alloc_fail_at(0, 0);
        if (used < n) {
            assert_int_equal(posture_buf_error(&b), 0);
            assert_int_equal(b.len, 10000);
        } else {
            assert_int_equal(posture_buf_error(&b), -ENOMEM);
        }
        posture_buf_done(&b);
    }
}

static void error_test(void **state)
{
    (void)state;
    for (int r = POSTURE_E_FORMAT; r >= POSTURE_E_LAST; r--)
        assert_non_null(posture_strerror(r));
    assert_string_equal(posture_strerror(POSTURE_E_BUSY), "in use");
    assert_string_equal(posture_strerror(-ENOENT), "No such file or directory");

    struct posture_error error;
    assert_int_equal(posture_error_at(&error, -5, "a.conf", 3, 7, "bad %s", "x"), -5);
    char text[128];
    assert_string_equal(posture_error_format(&error, text, sizeof(text)),
                        "a.conf:3:7: bad x");
    /* Context may be put around the text that is already there. */
    posture_error_set(&error, -5, "outer: %s", error.text);
    assert_string_equal(error.text, "outer: bad x");
    assert_string_equal(posture_error_format(&error, text, sizeof(text)), "outer: bad x");
}

static void uuid_test(void **state)
{
    (void)state;
    char last[POSTURE_UUID_TEXT] = "";
    int64_t now = posture_now_ns();
    for (int i = 0; i < 5000; i++) { /* more than one millisecond's counter holds */
        char id[POSTURE_UUID_TEXT];
        assert_int_equal(posture_uuid7(now, id), 0);
        assert_int_equal(strlen(id), 36);
        assert_int_equal(id[14], '7');
        assert_non_null(strchr("89ab", id[19]));
        assert_true(strcmp(id, last) > 0);
        memcpy(last, id, sizeof(id));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(time_parse_test), cmocka_unit_test(fiscal_year_test),
        cmocka_unit_test(number_test),     cmocka_unit_test(utf8_test),
        cmocka_unit_test(buf_test),        cmocka_unit_test(error_test),
        cmocka_unit_test(uuid_test),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
