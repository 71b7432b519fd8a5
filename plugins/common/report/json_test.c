/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#include "common/report/json.h"

#include "common/report/test_support.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define BYTES(text) text, sizeof(text) - 1

static void test_parse(void **state)
{
    (void)state;
    static const struct {
        const char *label, *text;
        size_t len;
        int want, line, column; /* line 0: not looked at */
    } rows[] = {
        {"object", BYTES("{\"a\":[1,2.5,null,true,\"x\"]}"), 0, 0, 0},
        {"white space around", BYTES(" \n\t{}\r\n "), 0, 0, 0},
        {"one scalar", BYTES("7"), 0, 0, 0},
        {"nothing", BYTES(""), POSTURE_E_FORMAT, 1, 0},
        {"two values", BYTES("{} {}"), POSTURE_E_FORMAT, 1, 4},
        {"text after it", BYTES("{}x"), POSTURE_E_FORMAT, 1, 3},
        {"NUL after it", BYTES("{}\0"), POSTURE_E_FORMAT, 1, 3},
        {"NUL after a number", BYTES("123\0"), POSTURE_E_FORMAT, 1, 4},
        {"NUL in a string", BYTES("\n{\"a\":\"\0\"}"), POSTURE_E_FORMAT, 2, 7},
        {"escaped NUL", BYTES("\"\\u0000\""), POSTURE_E_FORMAT, 0, 0},
        {"duplicate keys", BYTES("{\"a\":1,\"a\":1}"), POSTURE_E_FORMAT, 0, 0},
        {"duplicate keys by escape", BYTES("{\"a\":1,\"\\u0061\":1}"), POSTURE_E_FORMAT,
         0, 0},
        {"duplicate keys below", BYTES("[{\"b\":{\"a\":1,\"a\":1}}]"), POSTURE_E_FORMAT,
         0, 0},
        {"not UTF-8", BYTES("\"\xff\""), POSTURE_E_FORMAT, 0, 0},
        {"overlong UTF-8", BYTES("\"\xc0\xaf\""), POSTURE_E_FORMAT, 0, 0},
        {"surrogate in UTF-8", BYTES("\"\xed\xa0\x80\""), POSTURE_E_FORMAT, 0, 0},
        {"lone surrogate escape", BYTES("\"\\ud800\""), POSTURE_E_FORMAT, 0, 0},
        {"surrogate pair", BYTES("\"\\ud83d\\ude00\""), 0, 0, 0},
        {"byte order mark", BYTES("\xef\xbb\xbf{}"), POSTURE_E_FORMAT, 0, 0},
        {"trailing comma", BYTES("[1,]"), POSTURE_E_FORMAT, 0, 0},
        {"single quotes", BYTES("{'a':1}"), POSTURE_E_FORMAT, 0, 0},
        {"comment", BYTES("[1/*x*/]"), POSTURE_E_FORMAT, 0, 0},
        {"NaN", BYTES("[NaN]"), POSTURE_E_FORMAT, 0, 0},
        {"Infinity", BYTES("[-Infinity]"), POSTURE_E_FORMAT, 0, 0},
        {"number too large for a double", BYTES("[1e999]"), POSTURE_E_FORMAT, 0, 0},
        {"integer over int64", BYTES("[9223372036854775808]"), POSTURE_E_FORMAT, 0, 0},
        {"largest integer", BYTES("[9223372036854775807,-9223372036854775808]"), 0, 0, 0},
        {"leading zero", BYTES("[01]"), POSTURE_E_FORMAT, 0, 0},
        {"control in a string", BYTES("\"a\nb\""), POSTURE_E_FORMAT, 0, 0},
        {"unclosed string", BYTES("\"a"), POSTURE_E_FORMAT, 0, 0},
        {"unclosed escape", BYTES("\"a\\"), POSTURE_E_FORMAT, 0, 0},
        {"unclosed array", BYTES("[[1]"), POSTURE_E_FORMAT, 0, 0},
        {"brackets in strings do not nest",
         BYTES("[\"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[\"]"), 0, 0, 0},
        {"escaped quotes and brackets",
         BYTES("[\"\\\"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[\\\\\",\"{\"]"), 0, 0, 0},
    };
    for (size_t i = 0; i < POSTURE_COUNT(rows); i++) {
        json_auto_t *root = NULL;
        struct posture_error error = {0};
        int r = posture_json_parse(rows[i].text, rows[i].len, &root, &error);
        if (r != rows[i].want || (r == 0) != (root != NULL))
            fail_msg("%s: got %d (%s), want %d", rows[i].label, r, error.text,
                     rows[i].want);
        if (r < 0 && !*error.text)
            fail_msg("%s: no text", rows[i].label);
        if (rows[i].line &&
            (error.line != rows[i].line || error.column != rows[i].column))
            fail_msg("%s: at %d:%d, want %d:%d", rows[i].label, error.line, error.column,
                     rows[i].line, rows[i].column);
    }
}

static void test_depth(void **state)
{
    (void)state;
    char text[128];
    for (int depth = 1; depth <= POSTURE_JSON_DEPTH_MAX + 1; depth++) {
        json_auto_t *root = NULL;
        struct posture_error error = {0};
        memset(text, '[', (size_t)depth);
        memset(text + depth, ']', (size_t)depth);
        int want = depth <= POSTURE_JSON_DEPTH_MAX ? 0 : POSTURE_E_LIMIT;
        assert_int_equal(posture_json_parse(text, (size_t)depth * 2, &root, &error),
                         want);
        if (want < 0)
            assert_int_equal(error.column, POSTURE_JSON_DEPTH_MAX + 1);
    }
    /* A bomb that never closes is refused before jansson sees it. */
    size_t size = 1024 * 1024;
    POSTURE_AUTO_FREE char *bomb = malloc(size);
    json_auto_t *root = NULL;
    memset(bomb, '[', size);
    assert_int_equal(posture_json_parse(bomb, size, &root, NULL), POSTURE_E_LIMIT);
}

static void test_equal(void **state)
{
    (void)state;
    static const struct {
        const char *a, *b;
        bool want;
    } rows[] = {
        {"1", "1", true},
        {"1", "1.0", true},
        {"1", "1.5", false},
        {"0", "-0.0", true},
        {"1", "true", false},
        {"0", "false", false},
        {"null", "false", false},
        {"9007199254740993", "9007199254740992.0", false},
        {"9223372036854775807", "9223372036854775808.0", false},
        {"-9223372036854775808", "-9223372036854775808.0", true},
        {"\"a\"", "\"a\"", true},
        {"\"a\"", "\"b\"", false},
        {"\"a\"", "\"ab\"", false},
        {"[1,2]", "[1.0,2]", true},
        {"[1,2]", "[2,1]", false},
        {"[1]", "[1,2]", false},
        {"{\"a\":1,\"b\":[]}", "{\"b\":[],\"a\":1.0}", true},
        {"{\"a\":1}", "{\"b\":1}", false},
        {"{\"a\":1}", "{\"a\":1,\"b\":1}", false},
    };
    for (size_t i = 0; i < POSTURE_COUNT(rows); i++) {
        json_auto_t *a = json_loads(rows[i].a, JSON_DECODE_ANY, NULL);
        json_auto_t *b = json_loads(rows[i].b, JSON_DECODE_ANY, NULL);
        if (posture_json_equal(a, b) != rows[i].want ||
            posture_json_equal(b, a) != rows[i].want)
            fail_msg("%s and %s", rows[i].a, rows[i].b);
    }
}

static void test_write(void **state)
{
    (void)state;
    json_auto_t *value = json_pack("{s:i, s:[b,n], s:s}", "z", 1, "a", 1, "m", "日本\"");
    size_t len = 0;
    POSTURE_AUTO_FREE char *text = posture_json_compact(value, &len);
    assert_string_equal(text, "{\"z\":1,\"a\":[true,null],\"m\":\"日本\\\"\"}");
    assert_int_equal(len, strlen(text));
    POSTURE_AUTO_BUF struct posture_buf small;
    posture_buf_init(&small, 10);
    assert_int_equal(posture_json_write(value, &small), POSTURE_E_LIMIT);
}

static void test_files(void **state)
{
    (void)state;
    char path[] = "/tmp/posture-json-test-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, "{\"a\":\n 1,}", 10), 10);
    close(fd);
    json_t *root = NULL;
    struct posture_error error = {0};
    assert_int_equal(posture_json_load(path, 100, &root, &error), POSTURE_E_FORMAT);
    assert_string_equal(error.file, path);
    assert_int_equal(error.line, 2);
    assert_int_equal(posture_json_load(path, 9, &root, &error), POSTURE_E_LIMIT);
    assert_string_equal(error.file, path);
    assert_int_equal(truncate(path, 0), 0);
    assert_int_equal(posture_json_load(path, 9, &root, &error), POSTURE_E_FORMAT);
    unlink(path);
    assert_int_equal(posture_json_load(path, 9, &root, &error), -ENOENT);
    assert_string_equal(error.file, path);
    assert_int_equal(posture_json_load("/tmp", 9, &root, &error), -EINVAL);
    assert_int_equal(mkfifo(path, 0600), 0); /* must not block */
    assert_int_equal(posture_json_load(path, 9, &root, &error), -EINVAL);
    unlink(path);
    assert_null(root);
}

static void test_digest(void **state)
{
    (void)state;
    char digest[POSTURE_DIGEST_TEXT];
    assert_int_equal(posture_digest12("abc", 3, digest), 0);
    assert_string_equal(digest, "ba7816bf8f01"); /* FIPS 180-4 example */
}

static int load_8k(void *data)
{
    (void)data;
    json_auto_t *root = NULL;
    char digest[POSTURE_DIGEST_TEXT];
    POSTURE_TRY(posture_json_load_digest(POSTURE_SOURCE_DIR
                                         "/tests/bench/data/report-2k.json",
                                         100000, &root, digest, NULL));
    POSTURE_AUTO_FREE char *text = posture_json_compact(root, NULL);
    return text ? 0 : -ENOMEM;
}

static void test_out_of_memory_everywhere(void **state)
{
    (void)state;
    assert_true(test_out_of_memory(load_8k, NULL) > 50);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parse),
        cmocka_unit_test(test_depth),
        cmocka_unit_test(test_equal),
        cmocka_unit_test(test_write),
        cmocka_unit_test(test_files),
        cmocka_unit_test(test_digest),
        cmocka_unit_test(test_out_of_memory_everywhere),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
