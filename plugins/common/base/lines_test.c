/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */

#include "common/base/lines.h"

#include "common/base/error.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static void write_split_test(void **state)
{
    (void)state;
    static const struct {
        const char *label;
        const char *fields[4];
        size_t count;
        const char *line;
    } rows[] = {
        {"one", {"ready"}, 1, "ready\n"},
        {"three", {"a", "b", "c"}, 3, "a\tb\tc\n"},
        {"empty fields", {"", "", "x"}, 3, "\t\tx\n"},
        {"escapes", {"a\tb", "c\nd", "e\\f\r"}, 3, "a\\tb\tc\\nd\te\\\\f\\r\n"},
        {"not an escape", {"\\t"}, 1, "\\\\t\n"},
        {"UTF-8", {"日本"}, 1, "日本\n"},
    };
    for (size_t i = 0; i < POSTURE_COUNT(rows); i++) {
        POSTURE_AUTO_BUF struct posture_buf out = {0};
        assert_int_equal(posture_line_write(&out, rows[i].fields, rows[i].count), 0);
        if (strcmp(out.data, rows[i].line) != 0)
            fail_msg("%s: got '%s'", rows[i].label, out.data);
        const char *fields[4];
        size_t count = 0;
        assert_int_equal(posture_line_split(out.data, out.len - 1, fields, 4, &count), 0);
        assert_int_equal(count, rows[i].count);
        for (size_t j = 0; j < count; j++)
            if (strcmp(fields[j], rows[i].fields[j]) != 0)
                fail_msg("%s: field %zu is '%s'", rows[i].label, j, fields[j]);
    }
}

static void split_refuses_test(void **state)
{
    (void)state;
    static const struct {
        const char *label, *line;
        size_t len;
        int r;
    } rows[] = {
        {"unknown escape", "a\\x", 3, POSTURE_E_FORMAT},
        {"escape at the end", "a\\", 2, POSTURE_E_FORMAT},
        {"escape before TAB", "a\\\tb", 4, POSTURE_E_FORMAT},
        {"NUL", "a\0b", 3, POSTURE_E_FORMAT},
        {"escaped NUL", "a\\0", 3, POSTURE_E_FORMAT},
        {"too many", "a\tb\tc\td\te", 9, POSTURE_E_LIMIT},
    };
    for (size_t i = 0; i < POSTURE_COUNT(rows); i++) {
        char line[32];
        memcpy(line, rows[i].line, rows[i].len + 1);
        const char *fields[4];
        size_t count = 77;
        int r = posture_line_split(line, rows[i].len, fields, 4, &count);
        if (r != rows[i].r || count != 77)
            fail_msg("%s: got %d", rows[i].label, r);
    }
}

static void write_limit_test(void **state)
{
    (void)state;
    static char big[POSTURE_LINE_MAX + 8];
    memset(big, 'x', POSTURE_LINE_MAX - 1);
    POSTURE_AUTO_BUF struct posture_buf out = {0};
    posture_buf_adds(&out, "before\n");
    const char *fields[] = {big};
    assert_int_equal(posture_line_write(&out, fields, 1), 0);
    assert_int_equal(out.len, 7 + POSTURE_LINE_MAX);
    size_t len = out.len;
    big[POSTURE_LINE_MAX - 1] = 'x';
    assert_int_equal(posture_line_write(&out, fields, 1), POSTURE_E_LIMIT);
    assert_int_equal(out.len, len);
    assert_int_equal(posture_buf_error(&out), 0);
}

/* The same bytes in every cut give the same lines. */
static void reader_cuts_test(void **state)
{
    (void)state;
    static const char bytes[] = "one\n\ntwo\tfields\nthree\nrest";
    static const char *const want[] = {"one", "", "two\tfields", "three"};
    for (size_t step = 1; step <= sizeof(bytes); step++) {
        struct posture_line_reader reader;
        posture_line_reader_init(&reader);
        size_t seen = 0;
        for (size_t at = 0; at < strlen(bytes); at += step) {
            size_t n = strlen(bytes) - at < step ? strlen(bytes) - at : step;
            assert_int_equal(posture_line_reader_feed(&reader, bytes + at, n), 0);
            char *line;
            size_t len;
            int r;
            while ((r = posture_line_reader_next(&reader, &line, &len)) > 0) {
                assert_true(seen < POSTURE_COUNT(want));
                assert_string_equal(line, want[seen]);
                assert_int_equal(len, strlen(want[seen]));
                seen++;
            }
            assert_int_equal(r, 0);
        }
        assert_int_equal(seen, POSTURE_COUNT(want));
        posture_line_reader_done(&reader);
    }
}

static void reader_limit_test(void **state)
{
    (void)state;
    static char big[POSTURE_LINE_MAX + 1];
    memset(big, 'x', sizeof(big));
    char *line;
    size_t len;
    struct posture_line_reader reader;

    posture_line_reader_init(&reader);
    assert_int_equal(posture_line_reader_feed(&reader, big, POSTURE_LINE_MAX - 1), 0);
    assert_int_equal(posture_line_reader_next(&reader, &line, &len), 0);
    assert_int_equal(posture_line_reader_feed(&reader, "\nx\n", 3), 0);
    assert_int_equal(posture_line_reader_next(&reader, &line, &len), 1);
    assert_int_equal(len, POSTURE_LINE_MAX - 1);
    assert_int_equal(posture_line_reader_next(&reader, &line, &len), 1);
    assert_string_equal(line, "x");
    posture_line_reader_done(&reader);

    posture_line_reader_init(&reader);
    assert_int_equal(posture_line_reader_feed(&reader, big, POSTURE_LINE_MAX), 0);
    assert_int_equal(posture_line_reader_next(&reader, &line, &len), POSTURE_E_LIMIT);
    posture_line_reader_done(&reader);
}

static void reader_memory_test(void **state)
{
    (void)state;
    struct posture_line_reader reader;
    posture_line_reader_init(&reader);
    posture_alloc_fail_at(1, 0);
    assert_int_equal(posture_line_reader_feed(&reader, "x\n", 2), -ENOMEM);
    posture_alloc_fail_at(0, 0);
    posture_line_reader_done(&reader);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(write_split_test),  cmocka_unit_test(split_refuses_test),
        cmocka_unit_test(write_limit_test),  cmocka_unit_test(reader_cuts_test),
        cmocka_unit_test(reader_limit_test), cmocka_unit_test(reader_memory_test),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
