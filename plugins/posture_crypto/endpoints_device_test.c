/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#include "posture_crypto/endpoints_device.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define HEAD                                                                             \
    "{\"schema\":\"posture.endpoints/1\",\"written\":\"2026-11-23T08:00:00.000Z\","      \
    "\"endpoints\":["
#define ENTRY(subject) "{\"subject\":\"" subject "\",\"device\":\"snmp://sw1.example\"}"

static char path[] = "/tmp/posture-endpoints-test-XXXXXX";
static struct posture_address_policy *policy;

static int setup(void **state)
{
    (void)state;
    int fd = mkstemp(path);
    if (fd < 0 || close(fd) < 0)
        return -1;
    static const struct posture_option_list none = {0};
    return posture_address_policy_new(&none, &policy, NULL);
}

static int teardown(void **state)
{
    (void)state;
    posture_address_policy_free(policy);
    return unlink(path);
}

static int load(const char *text, struct posture_crypto_device_endpoints *ret,
                struct posture_error *reterr)
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    assert_int_equal(fclose(file), 0);
    return posture_crypto_endpoints_device_read(path, policy, ret, reterr);
}

/* A device's word opens no door that DNS could not. */
static void test_entries(void **state)
{
    (void)state;
    static const struct {
        const char *label, *entry, *refused; /* NULL: taken */
    } rows[] = {
        {"web interface", ENTRY("tls://192.168.1.1:443"), NULL},
        {"SSH over IPv6", ENTRY("ssh://[2400:db8::1]:22"), NULL},
        {"name", ENTRY("tls://sw1.example.go.jp:8443"), NULL},
        {"no device named", "{\"subject\":\"tls://192.168.1.1:443\"}", NULL},
        {"loopback", ENTRY("tls://127.0.0.1:443"), "loopback"},
        {"loopback, IPv6", ENTRY("ssh://[::1]:22"), "loopback"},
        {"cloud metadata", ENTRY("tls://169.254.169.254:443"), "endpoints[0]"},
        {"mapped loopback", ENTRY("tls://[::ffff:127.0.0.1]:443"), "endpoints[0]"},
        {"another spelling", ENTRY("tls://192.168.1.1"), "one spelling"},
        {"another kind", ENTRY("domain://example.go.jp"), "no kind"},
        {"no subject", "{\"device\":\"snmp://sw1.example\"}", "has no subject"},
        {"not an object", "7", "has no subject"},
        {"escape sequence", ENTRY("tls://\\u001b[2J:443"), "endpoints[0] \"tls://\\x1b"},
    };
    for (size_t i = 0; i < POSTURE_COUNT(rows); i++) {
        char text[1024];
        snprintf(text, sizeof(text), HEAD "%s," ENTRY("tls://198.18.0.9:443") "]}",
                 rows[i].entry);
        struct posture_crypto_device_endpoints endpoints;
        struct posture_error error = {0};
        if (load(text, &endpoints, &error) < 0)
            fail_msg("%s: %s", rows[i].label, error.text);
        bool is_right =
            endpoints.count == (rows[i].refused ? 1 : 2) &&
            endpoints.refused == (rows[i].refused ? 1 : 0) &&
            (!rows[i].refused || strstr(endpoints.first_refused, rows[i].refused));
        if (!is_right)
            fail_msg("%s: %zu taken, %zu refused: %s", rows[i].label, endpoints.count,
                     endpoints.refused, endpoints.first_refused);
        assert_string_equal(endpoints.items[endpoints.count - 1].subject,
                            "tls://198.18.0.9:443");
        posture_crypto_endpoints_device_done(&endpoints);
    }
}

static void test_whole(void **state)
{
    (void)state;
    struct posture_crypto_device_endpoints endpoints;
    assert_int_equal(load(HEAD ENTRY("tls://192.0.2.1:443") "," ENTRY(
                              "ssh://192.0.2.1:22") "," ENTRY("tls://192.0.2.1:443") "]}",
                          &endpoints, NULL),
                     0);
    assert_int_equal(endpoints.count, 2); /* each once */
    assert_string_equal(endpoints.items[1].subject, "ssh://192.0.2.1:22");
    assert_string_equal(endpoints.items[1].device, "snmp://sw1.example");
    assert_int_equal(endpoints.written_ns, INT64_C(1795420800000000000));
    posture_crypto_endpoints_device_done(&endpoints);

    static const struct {
        const char *label, *text, *says;
    } rows[] = {
        {"empty", "", "expected"},
        {"cut", HEAD "{\"subject\":", "expected"},
        {"other schema", "{\"schema\":\"posture.endpoints/2\"}", "posture.endpoints/1"},
        {"no time", "{\"schema\":\"posture.endpoints/1\",\"endpoints\":[]}", "written"},
        {"no list",
         "{\"schema\":\"posture.endpoints/1\",\"written\":\"2026-11-23T08:00:00.000Z\"}",
         "endpoints is a list"},
    };
    for (size_t i = 0; i < POSTURE_COUNT(rows); i++) {
        struct posture_error error = {0};
        int r = load(rows[i].text, &endpoints, &error);
        if (r >= 0 || (rows[i].text[0] && !strstr(error.text, rows[i].says)))
            fail_msg("%s: %d \"%s\"", rows[i].label, r, error.text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_entries),
        cmocka_unit_test(test_whole),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
