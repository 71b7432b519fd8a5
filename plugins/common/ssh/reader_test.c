/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#include "common/ssh/kexinit.h"
#include "common/ssh/key.h"
#include "common/ssh/plan.h"
#include "common/ssh/reader.h"

#include "common/base/error.h"

// clang-format off
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
// clang-format on

#include <string.h>

#define BANNER "SSH-2.0-x\r\n"

/* What the reader says of a server's first bytes, whole and byte by byte. */
static const struct {
    const char *label, *bytes;
    size_t len;
    int r;
    const char *banner, *line;
} rows[] = {
    {"a banner", BANNER, 11, 0, "SSH-2.0-x", ""},
    {"a banner that ends in LF", "SSH-2.0-x\n", 10, 0, "SSH-2.0-x", ""},
    {"lines before it", "hello\r\nyou\r\n" BANNER, 23, 0, "SSH-2.0-x", "hello"},
    {"a line without end", "Exceeded MaxStartups", 20, 0, "", "Exceeded MaxStartups"},
    {"nothing", "", 0, 0, "", ""},
    {"a packet over the limit", BANNER "\x7f\xff\xff\xff\x04", 16, POSTURE_E_LIMIT,
     "SSH-2.0-x", ""},
    {"padding that is too short", BANNER "\0\0\0\x0c\x03", 16, POSTURE_E_PROTOCOL,
     "SSH-2.0-x", ""},
    {"padding over the packet", BANNER "\0\0\0\x08\xff", 16, POSTURE_E_PROTOCOL,
     "SSH-2.0-x", ""},
    {"no payload", BANNER "\0\0\0\x05\x04\0\0\0\0", 20, POSTURE_E_PROTOCOL, "SSH-2.0-x",
     ""},
};

static void first_bytes(void **state)
{
    (void)state;
    for (size_t piece = 1; piece <= 64; piece += 63) {
        for (size_t i = 0; i < POSTURE_COUNT(rows); i++) {
            struct posture_ssh_reader reader;
            posture_ssh_reader_init(&reader);
            enum posture_ssh_event event = POSTURE_SSH_EVENT_BANNER;
            struct posture_ssh_bytes payload;
            int r = 0;
            for (size_t at = 0; at < rows[i].len && r == 0; at += piece) {
                size_t len = rows[i].len - at < piece ? rows[i].len - at : piece;
                r = posture_ssh_reader_feed(&reader, rows[i].bytes + at, len);
                do
                    r = r < 0 ? r : posture_ssh_reader_next(&reader, &event, &payload);
                while (r == 0 && event != POSTURE_SSH_EVENT_NONE);
            }
            if (r != rows[i].r || strcmp(reader.banner, rows[i].banner) != 0 ||
                strcmp(reader.line, rows[i].line) != 0)
                fail_msg("%s, pieces of %zu: %d '%s' '%s'", rows[i].label, piece, r,
                         reader.banner, reader.line);
            posture_ssh_reader_done(&reader);
        }
    }
}

static void endless_lines_end(void **state)
{
    (void)state;
    struct posture_ssh_reader reader;
    posture_ssh_reader_init(&reader);
    enum posture_ssh_event event;
    struct posture_ssh_bytes payload;
    int r = 0;
    unsigned n = 0;
    for (; r == 0 && n < 100000; n++) {
        r = posture_ssh_reader_feed(&reader, "hello\r\n", 7);
        if (r == 0)
            r = posture_ssh_reader_next(&reader, &event, &payload);
    }
    assert_int_equal(r, POSTURE_E_LIMIT);
    assert_true(n <= POSTURE_SSH_PREFACE_MAX / 7 + 1);
    posture_ssh_reader_done(&reader);
}

/* A server's lists as it would send them. */
static void kexinit_make(struct posture_buf *out, const char *kex, const char *host_key)
{
    static const char *const rest[] = {"aes128-ctr",
                                       "aes128-ctr",
                                       "hmac-sha2-256",
                                       "hmac-sha2-256",
                                       "none",
                                       "none",
                                       "",
                                       ""};
    posture_buf_add_u8(out, POSTURE_SSH_KEXINIT);
    posture_buf_add(out, "0123456789abcdef", 16);
    posture_ssh_add_string(out, kex, strlen(kex));
    posture_ssh_add_string(out, host_key, strlen(host_key));
    for (size_t i = 0; i < POSTURE_COUNT(rest); i++)
        posture_ssh_add_string(out, rest[i], strlen(rest[i]));
    posture_buf_add(out, "\0\0\0\0", 5);
}

static struct posture_ssh_bytes bytes_of(const struct posture_buf *buf)
{
    return (struct posture_ssh_bytes){(const uint8_t *)buf->data, buf->len};
}

static void names_are_checked(void **state)
{
    (void)state;
    static const struct {
        const char *kex;
        int r;
    } lists[] = {
        {"a", 0},
        {"a,b@x", 0},
        {"", POSTURE_E_PROTOCOL},
        {"a,,b", POSTURE_E_PROTOCOL},
        {",a", POSTURE_E_PROTOCOL},
        {"a,", POSTURE_E_PROTOCOL},
        {"a b", POSTURE_E_PROTOCOL},
        {"a\x1b", POSTURE_E_PROTOCOL},
    };
    for (size_t i = 0; i < POSTURE_COUNT(lists); i++) {
        POSTURE_AUTO_BUF struct posture_buf buf = {0};
        struct posture_ssh_kexinit kexinit = {0};
        kexinit_make(&buf, lists[i].kex, "ssh-ed25519");
        int r = posture_ssh_kexinit_read(bytes_of(&buf), &kexinit);
        if (r != lists[i].r)
            fail_msg("'%s': %d", lists[i].kex, r);
        posture_ssh_kexinit_done(&kexinit);
        /* Every shorter one is refused. */
        for (size_t len = 0; len < buf.len; len++)
            assert_int_equal(
                posture_ssh_kexinit_read(
                    (struct posture_ssh_bytes){(const uint8_t *)buf.data, len}, &kexinit),
                POSTURE_E_PROTOCOL);
    }
}

/* Questions of a whole measurement, and that a server that limits is left alone. */
static void plan_asks_once(void **state)
{
    (void)state;
    struct posture_ssh_tables *tables = NULL;
    struct posture_ssh_plan plan;
    struct posture_ssh_question question;
    assert_int_equal(
        posture_ssh_tables_load(POSTURE_SOURCE_DIR "/schemas", &tables, NULL), 0);
    POSTURE_AUTO_BUF struct posture_buf buf = {0};
    kexinit_make(&buf, "curve25519-sha256,diffie-hellman-group-exchange-sha256",
                 "rsa-sha2-512,rsa-sha2-256,ssh-rsa,ssh-ed25519,x509v3-ssh-rsa");
    posture_ssh_plan_init(&plan, tables);
    assert_true(posture_ssh_plan_next(&plan, &question));
    assert_null(question.kex);
    assert_int_equal(posture_ssh_plan_learn(&plan, bytes_of(&buf), &question), 0);
    /* Names of one key are one; a certificate of X.509 is not asked for. */
    assert_int_equal(plan.key_count, 3);
    assert_string_equal(question.kex->name, "curve25519-sha256");
    assert_true(posture_ssh_is(question.host_key, "rsa-sha2-512"));
    assert_null(question.size);
    unsigned pauses[5];
    for (size_t i = 0; i < POSTURE_COUNT(pauses); i++) {
        pauses[i] = posture_ssh_plan_answer(&plan, &question, POSTURE_SSH_CLOSED, i == 0);
        bool is_more = posture_ssh_plan_next(&plan, &question);
        assert_int_equal(is_more, i < 4);
    }
    assert_int_equal(pauses[0], 0);
    assert_int_equal(pauses[1], 1000);
    assert_int_equal(pauses[3], 4000);
    assert_true(plan.has_failure && plan.failure == POSTURE_SSH_RATE_LIMITED);
    posture_ssh_plan_done(&plan);
    posture_ssh_tables_free(tables);
}

static void large_groups_answer_smaller_requests(void **state)
{
    (void)state;
    struct posture_ssh_plan plan;
    struct posture_ssh_tables tables = {0};
    posture_ssh_plan_init(&plan, &tables);
    struct posture_ssh_question question = {.size = &plan.sizes[1]};
    posture_ssh_plan_modulus(&plan, &question, 4096);
    assert_int_equal(plan.sizes[0].state, POSTURE_SSH_STATE_PENDING);
    assert_int_equal(plan.sizes[2].modulus, 4096);
    assert_int_equal(plan.sizes[3].modulus, 4096);
    assert_int_equal(plan.sizes[4].state, POSTURE_SSH_STATE_PENDING);
    posture_ssh_plan_done(&plan);
}

static void keys_are_what_their_type_says(void **state)
{
    (void)state;
    POSTURE_AUTO_BUF struct posture_buf buf = {0};
    json_t *facts = NULL;
    posture_ssh_add_string(&buf, "ssh-rsa", 7);
    posture_ssh_add_string(&buf, "\x01\x00\x01", 3);
    posture_ssh_add_string(&buf, "\x00\x80\x00\x01", 4);
    assert_int_equal(posture_ssh_key_facts(bytes_of(&buf), &facts), 0);
    assert_int_equal(
        json_integer_value(json_object_get(json_object_get(facts, "key"), "bits")), 24);
    json_decref(facts);
    for (size_t len = 0; len < buf.len; len++)
        assert_int_equal(
            posture_ssh_key_facts(
                (struct posture_ssh_bytes){(const uint8_t *)buf.data, len}, &facts),
            POSTURE_E_PROTOCOL);
    posture_buf_clear(&buf);
    posture_ssh_add_string(&buf, "ssh-ed25519", 11);
    posture_ssh_add_string(&buf, "short", 5);
    assert_int_equal(posture_ssh_key_facts(bytes_of(&buf), &facts), POSTURE_E_PROTOCOL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(first_bytes),
        cmocka_unit_test(endless_lines_end),
        cmocka_unit_test(names_are_checked),
        cmocka_unit_test(plan_asks_once),
        cmocka_unit_test(large_groups_answer_smaller_requests),
        cmocka_unit_test(keys_are_what_their_type_says),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
