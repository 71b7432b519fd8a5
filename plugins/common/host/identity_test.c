/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */

#include "common/host/identity.h"

#include "common/base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

static bool admit(struct posture_identities *identities, unsigned n, int64_t now)
{
    char name[16];
    snprintf(name, sizeof(name), "%u", n);
    return posture_identities_admit(identities, "subject", "gauge", name, now, 1000);
}

static void limit_test(void **state)
{
    (void)state;
    struct posture_identities identities = {0};
    for (unsigned i = 0; i < POSTURE_IDENTITIES_MAX; i++)
        assert_true(admit(&identities, i, 1));
    assert_int_equal(identities.count, POSTURE_IDENTITIES_MAX);
    assert_false(admit(&identities, POSTURE_IDENTITIES_MAX, 1));
    assert_true(admit(&identities, 77, 1));    /* a known one goes on */
    assert_true(admit(&identities, 77, 1001)); /* still kept */
    assert_false(admit(&identities, POSTURE_IDENTITIES_MAX, 1001));
    assert_true(admit(&identities, POSTURE_IDENTITIES_MAX, 1002)); /* forgotten by now */
    assert_int_equal(identities.count, 1);
    posture_identities_done(&identities);
}

/* Where one field ends and the next begins is part of the name. */
static void fields_test(void **state)
{
    (void)state;
    struct posture_identities identities = {0};
    static const char *const names[][3] = {{"a", "b", "c"},
                                           {"ab", "", "c"},
                                           {"", "ab", "c"},
                                           {"a", "bc", ""},
                                           {"", "", "abc"}};
    for (size_t i = 0; i < POSTURE_COUNT(names); i++)
        assert_true(posture_identities_admit(&identities, names[i][0], names[i][1],
                                             names[i][2], 1, 1000));
    assert_int_equal(identities.count, POSTURE_COUNT(names));
    posture_identities_done(&identities);
}

static void memory_test(void **state)
{
    (void)state;
    struct posture_identities identities = {0};
    posture_alloc_fail_at(1, 0);
    assert_false(admit(&identities, 1, 1));
    posture_alloc_fail_at(0, 0);
    assert_true(admit(&identities, 1, 1));
    posture_identities_done(&identities);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(limit_test),
        cmocka_unit_test(fields_test),
        cmocka_unit_test(memory_test),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
