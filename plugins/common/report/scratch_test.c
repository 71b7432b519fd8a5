/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#include "common/report/scratch.h"

#include "common/report/json.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static const char small[] = "{\"a\":[1,2,{\"b\":\"text\"}],\"c\":1.5}";

static void test_parse_again_and_again(void **state)
{
    (void)state;
    for (int i = 0; i < 1000; i++) {
        json_t *root = NULL;
        posture_scratch_begin();
        assert_int_equal(posture_json_parse(small, strlen(small), &root, NULL), 0);
        POSTURE_AUTO_FREE char *text = posture_json_compact(root, NULL);
        assert_string_equal(text, small);
        json_decref(root);
        posture_scratch_end();
    }
}

/* What is older lives on, and what is freed later than its block was begun anew does no
 * harm. */
static void test_older_values(void **state)
{
    (void)state;
    json_t *older = NULL, *root = NULL;
    assert_int_equal(posture_json_parse(small, strlen(small), &older, NULL), 0);
    posture_scratch_begin();
    assert_int_equal(posture_json_parse(small, strlen(small), &root, NULL), 0);
    json_incref(older);
    json_decref(older);
    posture_scratch_end();
    json_decref(root);
    assert_string_equal(
        posture_json_string(json_array_get(json_object_get(older, "a"), 2), "b"), "text");
    json_decref(older);
}

/* More than the block holds: the rest is from malloc, and given back. */
static void test_larger_than_the_block(void **state)
{
    (void)state;
    enum { COUNT = 60000 };
    POSTURE_AUTO_BUF struct posture_buf text = {0};
    posture_buf_addc(&text, '[');
    for (int i = 0; i < COUNT; i++)
        posture_buf_addf(&text, "%s%d.5", i ? "," : "", i);
    posture_buf_addc(&text, ']');
    json_t *root = NULL;
    posture_scratch_begin();
    assert_int_equal(posture_json_parse(text.data, text.len, &root, NULL), 0);
    assert_int_equal(json_array_size(root), COUNT);
    json_decref(root);
    posture_scratch_end();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parse_again_and_again),
        cmocka_unit_test(test_older_values),
        cmocka_unit_test(test_larger_than_the_block),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
