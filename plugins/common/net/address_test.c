/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */

#include "common/net/address.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static void allowed_test(void **state)
{
    (void)state;
    static const struct {
        const char *address, *reason; /* NULL: allowed */
    } rows[] = {
        {"0.0.0.0", "unspecified"},
        {"0.1.2.3", "unspecified"},
        {"127.0.0.1", "loopback"},
        {"127.255.255.255", "loopback"},
        {"128.0.0.1", NULL},
        {"169.254.1.1", "link-local"},
        {"169.254.169.254", "cloud metadata"},
        {"224.0.0.1", "multicast"},
        {"239.255.255.255", "multicast"},
        {"255.255.255.255", "broadcast"},
        {"10.0.0.1", NULL},
        {"192.168.1.1", NULL},
        {"203.0.113.7", NULL},
        {"::", "unspecified"},
        {"::1", "loopback"},
        {"::2", "unspecified"}, /* IPv4-compatible 0.0.0.2 */
        {"fe80::1", "link-local"},
        {"febf::1", "link-local"},
        {"fec0::1", NULL},
        {"ff02::1", "multicast"},
        {"fd00:ec2::254", "cloud metadata"},
        {"fd00::1", NULL},
        {"2001:db8::1", NULL},
        {"::ffff:127.0.0.1", "loopback"},
        {"::ffff:169.254.169.254", "cloud metadata"},
        {"::ffff:203.0.113.7", NULL},
        {"64:ff9b::7f00:1", "loopback"},
        {"64:ff9b::cb00:7107", NULL},
        {"64:ff9b:1::169.254.169.254", "cloud metadata"},
        {"64:ff9b:1:7f00:0:100::", "loopback"},
        {"64:ff9b:1::203.0.113.7", NULL},
        {"64:ff9b:1:cb00:71:700::", NULL},
        {"2002:7f00:1::1", "loopback"},
        {"2002:cb00:7107::1", NULL},
        {"2001:0:7f00:1::3456", "loopback"},         /* Teredo server 127.0.0.1 */
        {"2001:0:cb00:7107::80ff:fffe", "loopback"}, /* Teredo client 127.0.0.1 */
        {"2001:0:cb00:7107::34ff:8ef8", NULL},       /* Teredo client 203.0.113.7 */
    };
    for (size_t i = 0; i < POSTURE_COUNT(rows); i++) {
        struct sockaddr_storage sa;
        assert_int_equal(posture_address_parse(rows[i].address, 443, &sa), 0);
        const char *reason = NULL;
        bool is_allowed = posture_address_allowed(NULL, (struct sockaddr *)&sa, &reason);
        if (is_allowed != !rows[i].reason ||
            (rows[i].reason && strcmp(reason, rows[i].reason) != 0))
            fail_msg("%s: got %s", rows[i].address, is_allowed ? "allowed" : reason);
    }
    struct sockaddr local = {.sa_family = AF_UNIX};
    assert_false(posture_address_allowed(NULL, &local, NULL));
}

static void allow_test(void **state)
{
    (void)state;
    char *items[] = {(char[]){"127.0.0.0/8"}, (char[]){"fe80::/10"},
                     (char[]){"169.254.1.0/25"}, (char[]){"::1"}};
    struct posture_option_list allow = {items, POSTURE_COUNT(items)};
    struct posture_address_policy *policy = NULL;
    assert_int_equal(posture_address_policy_new(&allow, &policy, NULL), 0);
    static const struct {
        const char *address;
        bool is_allowed;
    } rows[] = {
        {"127.9.9.9", true}, {"::ffff:127.0.0.1", true}, {"64:ff9b::7f00:1", true},
        {"fe80::5", true},   {"169.254.1.127", true},    {"169.254.1.128", false},
        {"::1", true},       {"224.0.0.1", false},
    };
    for (size_t i = 0; i < POSTURE_COUNT(rows); i++) {
        struct sockaddr_storage sa;
        assert_int_equal(posture_address_parse(rows[i].address, 1, &sa), 0);
        if (posture_address_allowed(policy, (struct sockaddr *)&sa, NULL) !=
            rows[i].is_allowed)
            fail_msg("%s", rows[i].address);
    }
    posture_address_policy_free(policy);

    static const char *const bad[] = {"10.0.0.1/8", "10.0.0.0/33", "example.jp",
                                      "::/129",     "10.0.0.0/",   "",
                                      "1.2.3.4/-1"};
    for (size_t i = 0; i < POSTURE_COUNT(bad); i++) {
        char text[32];
        strcpy(text, bad[i]);
        char *one = text;
        struct posture_option_list list = {&one, 1};
        struct posture_error error = {0};
        struct posture_address_policy *none = NULL;
        if (posture_address_policy_new(&list, &none, &error) != POSTURE_E_OPTION || none)
            fail_msg("'%s' was taken", bad[i]);
        assert_non_null(strstr(error.text, "option Allow \""));
    }
}

static void format_test(void **state)
{
    (void)state;
    static const char *const rows[][2] = {
        {"2001:DB8:0:0:0:0:0:1", "2001:db8::1"},
        {"203.0.113.7", "203.0.113.7"},
        {"2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1"},
    };
    for (size_t i = 0; i < POSTURE_COUNT(rows); i++) {
        struct sockaddr_storage sa;
        char text[POSTURE_ADDRESS_TEXT];
        assert_int_equal(posture_address_parse(rows[i][0], 1, &sa), 0);
        assert_string_equal(posture_address_format((struct sockaddr *)&sa, text),
                            rows[i][1]);
    }
    struct sockaddr_storage sa;
    assert_int_equal(posture_address_parse("1.2.3", 1, &sa), POSTURE_E_FORMAT);
    assert_int_equal(posture_address_parse("fe80::1%eth0", 1, &sa), POSTURE_E_FORMAT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(allowed_test),
        cmocka_unit_test(allow_test),
        cmocka_unit_test(format_test),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
