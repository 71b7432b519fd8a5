/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#include "posture_crypto/host_dm.h"

#include "common/base/error.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define KEY_64 "000102030405060708090a0b0c0d0e0f000102030405060708090a0b0c0d0e0f"

static void params_test(void **state)
{
    (void)state;
    static const struct {
        const char *label, *params, *cipher;
        int r;
        uint32_t bits;
    } rows[] = {
        {"LUKS2, key in the ring",
         "aes-xts-plain64 :64:logon:cryptsetup:d1b3-d0 0 8:3 32768 1 allow_discards",
         "aes-xts-plain64", 0, 512},
        {"hex", "aes-cbc-essiv:sha256 " KEY_64 " 0 8:3 4096", "aes-cbc-essiv:sha256", 0,
         256},
        {"no key", "cipher_null-ecb - 0 8:3 4096", "cipher_null-ecb", 0, 0},
        {"authenticated",
         "capi:authenc(hmac(sha256),xts(aes))-random " KEY_64 KEY_64
         " 0 254:0 0 1 integrity:32:aead",
         "capi:authenc(hmac(sha256),xts(aes))-random", 0, 512},
        {"odd digits", "aes-xts-plain64 abc 0 8:3 0", NULL, POSTURE_E_FORMAT, 0},
        {"no hex", "aes-xts-plain64 zz 0 8:3 0", NULL, POSTURE_E_FORMAT, 0},
        {"ring without size", "aes-xts-plain64 :logon:x 0 8:3 0", NULL, POSTURE_E_FORMAT,
         0},
        {"only a cipher", "aes-xts-plain64", NULL, POSTURE_E_FORMAT, 0},
        {"nothing", "", NULL, POSTURE_E_FORMAT, 0},
        {"control", "aes\n-xts 00 0", NULL, POSTURE_E_FORMAT, 0},
    };
    for (size_t i = 0; i < POSTURE_COUNT(rows); i++) {
        struct host_dm_crypt crypt = {.major = 254, .minor = 1};
        print_message("%s\n", rows[i].label);
        assert_int_equal(host_dm_params_read(rows[i].params, &crypt), rows[i].r);
        if (rows[i].r < 0)
            continue;
        assert_string_equal(crypt.cipher, rows[i].cipher);
        assert_int_equal(crypt.key_bits, rows[i].bits);
        /* The line says no more than this. */
        POSTURE_AUTO_BUF struct posture_buf out = {0};
        char want[256];
        host_dm_line_write(&out, &crypt);
        snprintf(want, sizeof(want), "crypt 254:1 %s %u\n", rows[i].cipher, rows[i].bits);
        assert_string_equal(out.data, want);
    }
}

static void count_up(const struct host_dm_crypt *crypt, void *data)
{
    unsigned *sum = data;
    *sum += crypt->major * 1000 + crypt->minor * 100 + crypt->key_bits;
}

static void lines_test(void **state)
{
    (void)state;
    static const struct {
        const char *label, *text;
        int r;
        unsigned sum;
    } rows[] = {
        {"none", "end\n", 0, 0},
        {"two", "crypt 1:2 aes-xts-plain64 3\ncrypt 2:0 aes 4\nend\n", 0, 3207},
        {"without the end", "crypt 1:2 aes-xts-plain64 3\n", POSTURE_E_FORMAT, 1203},
        {"after the end", "end\ncrypt 1:2 aes 3\n", POSTURE_E_FORMAT, 0},
        {"nothing", "", POSTURE_E_FORMAT, 0},
        {"another word", "linear 1:2 aes 3\nend\n", POSTURE_E_FORMAT, 0},
        {"a word more", "crypt 1:2 aes 3 4\nend\n", POSTURE_E_FORMAT, 0},
        {"no number", "crypt 1:x aes 3\nend\n", POSTURE_E_FORMAT, 0},
        {"two spaces", "crypt 1:2  3\nend\n", POSTURE_E_FORMAT, 0},
    };
    for (size_t i = 0; i < POSTURE_COUNT(rows); i++) {
        unsigned sum = 0;
        print_message("%s\n", rows[i].label);
        assert_int_equal(
            host_dm_lines_read(rows[i].text, strlen(rows[i].text), count_up, &sum),
            rows[i].r);
        assert_int_equal(sum, rows[i].sum);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(params_test),
        cmocka_unit_test(lines_test),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
