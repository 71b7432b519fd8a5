/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#include "posture_crypto/host_root.h"
#include "posture_crypto/host_testing.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static const char tree[] = "== etc/one\nfirst\nsecond\n"
                           "== etc/absolute -> /etc/one\n"
                           "== etc/relative -> ../etc/./one\n"
                           "== etc/up -> ../../../../../../../../etc/one\n"
                           "== etc/outside -> /../../../../../../../../etc/passwd\n"
                           "== etc/loop -> loop\n"
                           "== etc/spaces\n  padded \t\n"
                           "== folder -> /deep/er\n"
                           "== deep/er/b\nb\n"
                           "== deep/er/a\na\n"
                           "== deep/er/c\nc\n";

struct fixture {
    char path[64];
    struct host_root root;
};

static int setup(void **state)
{
    struct fixture *f = posture_calloc(1, sizeof(*f));
    assert_non_null(f);
    assert_int_equal(tree_make(tree, f->path), 0);
    assert_int_equal(host_root_open(f->path, &f->root, NULL), 0);
    assert_false(f->root.is_system);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    host_root_done(&f->root);
    tree_remove(f->path);
    free(f);
    return 0;
}

static void links_test(void **state)
{
    struct fixture *f = *state;
    static const char *const names[] = {"etc/one",       "/etc/one",  "etc/absolute",
                                        "etc/relative",  "etc/up",    "etc/../etc/one",
                                        "../../etc/one", "./etc//one"};
    for (size_t i = 0; i < POSTURE_COUNT(names); i++) {
        POSTURE_AUTO_FREE char *bytes = NULL;
        size_t len;
        print_message("%s\n", names[i]);
        assert_int_equal(host_root_read(&f->root, names[i], 100, &bytes, &len), 0);
        assert_string_equal(bytes, "first\nsecond\n");
        char real[PATH_MAX];
        assert_int_equal(host_root_real(&f->root, names[i], real), 0);
        assert_string_equal(real, "etc/one");
    }
}

/* Whatever a link says, the answer is from within the tree. */
static void escape_test(void **state)
{
    struct fixture *f = *state;
    POSTURE_AUTO_FREE char *bytes = NULL;
    size_t len;
    assert_int_equal(host_root_read(&f->root, "etc/outside", 65536, &bytes, &len),
                     -ENOENT);
    assert_int_equal(
        host_root_read(&f->root, "../../../../etc/passwd", 65536, &bytes, &len), -ENOENT);
    assert_int_equal(host_root_read(&f->root, "etc/loop", 65536, &bytes, &len), -ELOOP);
    assert_false(host_root_exists(&f->root, "etc/outside"));
}

static void limits_test(void **state)
{
    struct fixture *f = *state;
    POSTURE_AUTO_FREE char *bytes = NULL;
    size_t len;
    assert_int_equal(host_root_read(&f->root, "etc/one", 12, &bytes, &len),
                     POSTURE_E_LIMIT);
    assert_int_equal(host_root_read(&f->root, "etc/one", 13, &bytes, &len), 0);
    assert_int_equal(len, 13);
    POSTURE_AUTO_FREE char *other = NULL;
    assert_int_equal(host_root_read(&f->root, "etc", 13, &other, &len), POSTURE_E_DENIED);
    assert_int_equal(host_root_read(&f->root, "etc/one/x", 13, &other, &len), -ENOTDIR);
    char fifo[128];
    snprintf(fifo, sizeof(fifo), "%s/fifo", f->path);
    assert_int_equal(mkfifo(fifo, 0600), 0);
    assert_int_equal(host_root_read(&f->root, "fifo", 13, &other, &len),
                     POSTURE_E_DENIED);
    char line[8], small[6];
    assert_int_equal(host_root_line(&f->root, "etc/spaces", line, sizeof(line)), 0);
    assert_string_equal(line, "padded");
    assert_int_equal(host_root_line(&f->root, "etc/spaces", small, sizeof(small)),
                     POSTURE_E_LIMIT);
}

static void list_test(void **state)
{
    struct fixture *f = *state;
    HOST_AUTO_NAMES struct host_names names = {0};
    assert_int_equal(host_root_list(&f->root, "folder", 10, &names), 0);
    assert_int_equal(names.count, 3);
    assert_string_equal(names.items[0], "a");
    assert_string_equal(names.items[2], "c");
    assert_false(names.is_truncated);
    HOST_AUTO_NAMES struct host_names cut = {0};
    assert_int_equal(host_root_list(&f->root, "folder", 2, &cut), 0);
    assert_int_equal(cut.count, 2);
    assert_true(cut.is_truncated);
    HOST_AUTO_NAMES struct host_names none = {0};
    assert_int_equal(host_root_list(&f->root, "etc/one", 2, &none), -ENOTDIR);
    assert_int_equal(host_root_list(&f->root, "missing", 2, &none), -ENOENT);
}

static void memory_test(void **state)
{
    struct fixture *f = *state;
    for (unsigned long n = 1; n < 40; n++) {
        HOST_AUTO_NAMES struct host_names names = {0};
        posture_alloc_fail_at(n, 0);
        int r = host_root_list(&f->root, "folder", 10, &names);
        posture_alloc_fail_at(0, 0);
        assert_true(r == 0 || r == -ENOMEM);
        if (r == 0)
            return;
    }
    fail();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(links_test, setup, teardown),
        cmocka_unit_test_setup_teardown(escape_test, setup, teardown),
        cmocka_unit_test_setup_teardown(limits_test, setup, teardown),
        cmocka_unit_test_setup_teardown(list_test, setup, teardown),
        cmocka_unit_test_setup_teardown(memory_test, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
