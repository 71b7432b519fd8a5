/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */

/* The ClientHello writer and the reader of what servers send, against bytes. */

#include "common/tls/hello.h"
#include "common/tls/reader.h"

#include "common/base/parse.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

static size_t unhex(const char *text, uint8_t *out, size_t size)
{
    char packed[8192];
    size_t n = 0;
    for (const char *p = text; *p; p++) {
        if (*p != ' ' && n < sizeof(packed))
            packed[n++] = *p;
    }
    assert_true(n / 2 <= size);
    assert_int_equal(posture_unhex(packed, n, out, n / 2), 0);
    return n / 2;
}

#define ZEROS32 "0000000000000000000000000000000000000000000000000000000000000000"
#define RETRY32 "cf21ad74e59a6111be1d8c021e65b891c2a211167abb8c5e079e09e2c8a8339c"

struct flight_case {
    const char *label;
    const char *hex;
    bool ssl2;
    enum posture_tls_exchange exchange;
    bool has_psk_hint;
    /* expected */
    const char *
        events; /* H hello, C certificate, S staple, K key exchange, D done, A alert; then
                   '!' and: */
    int error;
    uint16_t version;
    uint32_t suite;
    uint16_t group;
    uint32_t dhe_bits;
    size_t certificates;
    bool is_retry;
    uint8_t alert;
};

static const struct flight_case cases[] = {
    {.label = "HelloRetryRequest",
     .hex = "160303 0038 02 000034 0303 " RETRY32
            " 00 1301 00 000c 002b 0002 0304 0033 0002 001d",
     .events = "H",
     .version = 0x0304,
     .suite = 0x1301,
     .group = 0x1d,
     .is_retry = true},
    {.label = "ServerHello of 1.3 with a key share, then encryption",
     .hex = "160303 003c 02 000038 0303 " ZEROS32
            " 00 1302 00 0010 002b 0002 0304 0033 0006 0017 0002 0404 140303 0001 01",
     .events = "HD",
     .version = 0x0304,
     .suite = 0x1302,
     .group = 0x17},
    {.label = "ServerHello of 1.2 without extensions, certificate, key exchange, done",
     .hex = "160303 002a 02 000026 0303 " ZEROS32 " 00 c02f 00"
            "160303 000e 0b 00000a 000007 000004 30020101"
            "160303 0009 0c 000005 03 001d 01 aa"
            "160303 0004 0e 000000",
     .exchange = POSTURE_TLS_EXCHANGE_ECDHE,
     .events = "HCKD",
     .version = 0x0303,
     .suite = 0xc02f,
     .group = 0x1d,
     .certificates = 1},
    {.label = "three messages in one record",
     .hex = "160301 0038 02 000026 0301 " ZEROS32 " 00 0033 00 0b 000003 000000"
            "0c 000003 0001 7f",
     .exchange = POSTURE_TLS_EXCHANGE_DHE,
     .events = "HCK",
     .version = 0x0301,
     .suite = 0x33,
     .dhe_bits = 7},
    {.label = "message over two records",
     .hex = "160303 0016 02 000026 0303 00000000000000000000000000000000"
            "160303 0014 00000000000000000000000000000000 00 c02f 00",
     .events = "H",
     .version = 0x0303,
     .suite = 0xc02f},
    {.label = "psk hint before the curve",
     .hex = "160303 002a 02 000026 0303 " ZEROS32 " 00 c035 00"
            "160303 000c 0c 000008 0002 6869 03 0017 00",
     .exchange = POSTURE_TLS_EXCHANGE_ECDHE,
     .has_psk_hint = true,
     .events = "HK",
     .version = 0x0303,
     .suite = 0xc035,
     .group = 0x17},
    {.label = "explicit curve",
     .hex = "160303 002a 02 000026 0303 " ZEROS32 " 00 c02f 00 160303 0005 0c 000001 01",
     .exchange = POSTURE_TLS_EXCHANGE_ECDHE,
     .events = "HK",
     .version = 0x0303,
     .suite = 0xc02f,
     .group = 0xff01},
    {.label = "ffdhe2048 by its first bits is not named with another length",
     .hex = "160303 002a 02 000026 0303 " ZEROS32 " 00 009e 00"
            "160303 0016 0c 000012 0010 ffffffffffffffffadf85458a2bb4a9a",
     .exchange = POSTURE_TLS_EXCHANGE_DHE,
     .events = "HK",
     .version = 0x0303,
     .suite = 0x9e,
     .dhe_bits = 128},
    {.label = "fatal alert", .hex = "150303 0002 0228", .events = "A", .alert = 40},
    {.label = "close_notify as a refusal", .hex = "150303 0002 0100", .events = "A"},
    {.label = "warning before the hello",
     .hex = "150301 0002 0170 160301 002a 02 000026 0301 " ZEROS32 " 00 002f 00",
     .events = "H",
     .version = 0x0301,
     .suite = 0x2f},
    {.label = "http",
     .hex = "485454502f312e3120343030",
     .events = "!",
     .error = POSTURE_E_FORMAT},
    {.label = "odd bytes, fewer than a header", .hex = "00", .events = ""},
    {.label = "smtp banner",
     .hex = "3232302068",
     .events = "!",
     .error = POSTURE_E_FORMAT},
    {.label = "nothing yet", .hex = "1603", .events = ""},
    {.label = "record too long",
     .hex = "160303 ffff",
     .events = "!",
     .error = POSTURE_E_FORMAT},
    {.label = "message too long",
     .hex = "160303 0004 02 ffffff",
     .events = "!",
     .error = POSTURE_E_LIMIT},
    {.label = "certificate before the hello",
     .hex = "160303 0007 0b 000003 000000",
     .events = "!",
     .error = POSTURE_E_PROTOCOL},
    {.label = "two hellos",
     .hex = "160303 002a 02 000026 0303 " ZEROS32 " 00 c02f 00"
            "160303 002a 02 000026 0303 " ZEROS32 " 00 c02f 00",
     .events = "H!",
     .error = POSTURE_E_PROTOCOL,
     .version = 0x0303,
     .suite = 0xc02f},
    {.label = "session id over its limit",
     .hex = "160303 002b 02 000027 0303 " ZEROS32 " 21 002f 00 00",
     .events = "!",
     .error = POSTURE_E_PROTOCOL},
    {.label = "hello cut short",
     .hex = "160303 0006 02 000002 0303",
     .events = "!",
     .error = POSTURE_E_PROTOCOL},
    {.label = "extension past its list",
     .hex = "160303 0030 02 00002c 0303 " ZEROS32 " 00 1301 00 0004 002b 0009",
     .events = "!",
     .error = POSTURE_E_PROTOCOL},
    {.label = "certificate list past its message",
     .hex =
         "160303 002a 02 000026 0303 " ZEROS32 " 00 c02f 00 160303 0007 0b 000003 000009",
     .events = "H!",
     .error = POSTURE_E_PROTOCOL,
     .version = 0x0303,
     .suite = 0xc02f},
    {.label = "SSLv2 server hello",
     .ssl2 = true,
     .hex = "8016 04 00 01 0002 0002 0006 0003 3000 010080 0700c0 aabbcc",
     .events = "H",
     .version = 2,
     .certificates = 1},
    {.label = "SSLv2 error",
     .ssl2 = true,
     .hex = "8003 00 0001",
     .events = "!",
     .error = POSTURE_E_FORMAT},
    {.label = "SSLv2 ciphers not in threes",
     .ssl2 = true,
     .hex = "800d 04 00 01 0002 0000 0002 0000 0100",
     .events = "!",
     .error = POSTURE_E_PROTOCOL},
    {.label = "TLS alert to an SSLv2 hello",
     .ssl2 = true,
     .hex = "150301 0002 0246",
     .events = "A",
     .alert = 70},
};

/* Feeds in steps of the given size and writes the events down. */
static int case_run(const struct flight_case *c, size_t step,
                    struct posture_tls_reader *reader, char *events)
{
    uint8_t bytes[4096];
    size_t len = unhex(c->hex, bytes, sizeof(bytes)), n = 0;
    int r = 0;
    posture_tls_reader_reset(reader, c->ssl2);
    for (size_t at = 0; at < len && r >= 0; at += step) {
        r = posture_tls_reader_feed(reader, bytes + at,
                                    len - at < step ? len - at : step);
        while (r >= 0) {
            enum posture_tls_event event = POSTURE_TLS_EVENT_NONE;
            r = posture_tls_reader_next(reader, &event);
            if (r < 0 || event == POSTURE_TLS_EVENT_NONE)
                break;
            events[n++] = "-HCSKDA"[event];
            if (event == POSTURE_TLS_EVENT_HELLO)
                posture_tls_reader_set_exchange(reader, c->exchange, c->has_psk_hint);
        }
    }
    if (r < 0)
        events[n++] = '!';
    events[n] = '\0';
    return r < 0 ? r : 0;
}

static void test_flights(void **state)
{
    (void)state;
    struct posture_tls_reader reader;
    posture_tls_reader_init(&reader);
    int failures = 0;
    for (size_t i = 0; i < POSTURE_COUNT(cases); i++) {
        const struct flight_case *c = &cases[i];
        static const size_t steps[] = {4096, 1, 7};
        for (size_t s = 0; s < POSTURE_COUNT(steps); s++) {
            char events[64];
            int r = case_run(c, steps[s], &reader, events);
            const struct posture_tls_flight *f = &reader.flight;
            if (strcmp(events, c->events) || r != c->error) {
                print_error("%s (steps of %zu): got %s error %d\n", c->label, steps[s],
                            events, r);
                failures++;
            } else if (r == 0 && (f->version != c->version || f->suite != c->suite ||
                                  f->group != c->group || f->dhe_bits != c->dhe_bits ||
                                  f->certificate_count != c->certificates ||
                                  f->is_retry != c->is_retry || f->alert != c->alert)) {
                print_error(
                    "%s (steps of %zu): got %s error %d version %04x suite %04x group "
                    "%04x dhe %u certificates %zu alert %u\n",
                    c->label, steps[s], events, r, f->version, f->suite, f->group,
                    f->dhe_bits, f->certificate_count, f->alert);
                failures++;
            }
        }
    }
    posture_tls_reader_done(&reader);
    assert_int_equal(failures, 0);
}

/* Feeds bytes, calls for events until there are none, as endpoint.c does. Everything that
 * is handed out is read to its end. Returns the events; fails when they do not end. */
static size_t bytes_read(struct posture_tls_reader *reader, const struct flight_case *c,
                         const uint8_t *bytes, size_t len, size_t step)
{
    size_t events = 0;
    unsigned sum = 0;
    int r = 0;
    posture_tls_reader_reset(reader, c->ssl2);
    for (size_t at = 0; at < len && r >= 0; at += step) {
        r = posture_tls_reader_feed(reader, bytes + at,
                                    len - at < step ? len - at : step);
        enum posture_tls_event event = POSTURE_TLS_EVENT_HELLO;
        while (r >= 0 && event != POSTURE_TLS_EVENT_NONE) {
            r = posture_tls_reader_next(reader, &event);
            if (r < 0 || event == POSTURE_TLS_EVENT_NONE)
                break;
            assert_true(++events <= len);
            if (event == POSTURE_TLS_EVENT_HELLO)
                posture_tls_reader_set_exchange(reader, c->exchange, c->has_psk_hint);
            const struct posture_tls_flight *f = &reader->flight;
            assert_true(f->certificate_count <= POSTURE_TLS_CERTIFICATES_MAX);
            for (size_t i = 0;
                 i < f->certificate_count && event == POSTURE_TLS_EVENT_CERTIFICATE;
                 i++) {
                for (size_t k = 0; k < f->certificates[i].len; k++)
                    sum += f->certificates[i].bytes[k];
            }
        }
    }
    (void)posture_tls_reader_is_foreign(reader);
    assert_true(sum < UINT32_MAX);
    return events;
}

/* Every flight cut at every byte, and with every byte changed, left out or put in twice:
 * the reader ends, in bounds (the sanitizers look), and a cut flight shows no more than
 * the whole one. */
static void test_mutations(void **state)
{
    (void)state;
    static const uint8_t masks[] = {0x01, 0x80, 0xff, 0x7f, 0x10};
    struct posture_tls_reader reader;
    posture_tls_reader_init(&reader);
    for (size_t i = 0; i < POSTURE_COUNT(cases); i++) {
        const struct flight_case *c = &cases[i];
        uint8_t bytes[4096], changed[4096 + 1];
        size_t len = unhex(c->hex, bytes, sizeof(bytes));
        size_t whole = bytes_read(&reader, c, bytes, len, len);
        for (size_t at = 0; at < len; at++) {
            assert_true(bytes_read(&reader, c, bytes, at, 3) <= whole);
            for (size_t m = 0; m < POSTURE_COUNT(masks); m++) {
                memcpy(changed, bytes, len);
                changed[at] ^= masks[m];
                bytes_read(&reader, c, changed, len, m % 2 ? len : 5);
            }
            memcpy(changed, bytes, at);
            memcpy(changed + at, bytes + at + 1, len - at - 1);
            if (len > 1)
                bytes_read(&reader, c, changed, len - 1, len);
            memcpy(changed + at + 1, bytes + at, len - at);
            changed[at] = bytes[at];
            bytes_read(&reader, c, changed, len + 1, 2);
        }
    }
    assert_true(reader.in.cap + reader.handshake.cap <=
                (size_t)2 * POSTURE_TLS_BYTES_MAX);
    posture_tls_reader_done(&reader);
}

static void test_foreign(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        bool is_foreign;
    } ends[] = {{"", false},
                {"N", true},
                {"\x16", false},
                {"\x16\x03", false},
                {"\x16\x16", true}};
    struct posture_tls_reader reader;
    posture_tls_reader_init(&reader);
    for (size_t i = 0; i < POSTURE_COUNT(ends); i++) {
        enum posture_tls_event event;
        posture_tls_reader_reset(&reader, false);
        assert_int_equal(
            posture_tls_reader_feed(&reader, ends[i].bytes, strlen(ends[i].bytes)), 0);
        assert_int_equal(posture_tls_reader_next(&reader, &event), 0);
        assert_int_equal(posture_tls_reader_is_foreign(&reader), ends[i].is_foreign);
    }
    posture_tls_reader_done(&reader);
}

/* What a ServerHello says beside its choice, a staple, a named prime and the scheme of
 * the signature: an answer of TLS 1.2 with everything in it. */
static void test_depth(void **state)
{
    (void)state;
    uint8_t bytes[4096];
    size_t len =
        unhex("160303 0065 02 000061 0303 " ZEROS32 " 04 01020304 009e 01 0035"
              "ff01 0001 00  0017 0000  0016 0000  0023 0000  0005 0000  000f 0001 01"
              "0010 000b 0009 08 687474702f312e31  002b 0002 0303  0033 0002 0017"
              "160303 000e 0b 00000a 000007 000004 30020101"
              "160303 000d 16 000009 01 000005 3003 0a0103"
              "160303 0017 0c 000013 0003 00ffee 0001 02 0002 abcd 0804 0003 010203"
              "160303 0004 0e 000000",
              bytes, sizeof(bytes));
    for (size_t step = 1; step <= len; step = step == 1 ? len : len + 1) {
        struct posture_tls_reader reader;
        char events[16] = "";
        size_t n = 0;
        posture_tls_reader_init(&reader);
        posture_tls_reader_reset(&reader, false);
        const struct posture_tls_flight *f = &reader.flight;
        for (size_t at = 0; at < len; at += step) {
            assert_int_equal(posture_tls_reader_feed(&reader, bytes + at, step), 0);
            enum posture_tls_event event = POSTURE_TLS_EVENT_NONE;
            do {
                assert_int_equal(posture_tls_reader_next(&reader, &event), 0);
                if (event == POSTURE_TLS_EVENT_NONE)
                    break;
                events[n++] = "-HCSKDA"[event];
                if (event == POSTURE_TLS_EVENT_HELLO)
                    posture_tls_reader_set_exchange(&reader, POSTURE_TLS_EXCHANGE_DHE,
                                                    false);
                if (event == POSTURE_TLS_EVENT_STATUS) {
                    assert_int_equal(f->staple.len, 5);
                    assert_memory_equal(f->staple.bytes, "\x30\x03\x0a\x01\x03", 5);
                }
            } while (n < sizeof(events) - 1);
        }
        assert_string_equal(events, "HCSKD");
        assert_true(f->has_renegotiation_info && f->has_extended_master_secret &&
                    f->has_encrypt_then_mac && f->has_ticket && f->has_status &&
                    f->has_heartbeat);
        assert_int_equal(f->compression, 1);
        assert_int_equal(f->session_id_len, 4);
        assert_int_equal(f->alpn_len, 8);
        assert_memory_equal(f->alpn, "http/1.1", 8);
        assert_true(f->has_signature);
        assert_int_equal(f->signature, 0x0804);
        assert_int_equal(f->prime_len, 2); /* without its leading zero */
        assert_memory_equal(f->prime, "\xff\xee", 2);
        posture_tls_reader_done(&reader);
    }
}

/* Each of these is one fault in what only depth reads. */
static void test_depth_faults(void **state)
{
    (void)state;
    static const char *const faults[] = {
        /* two protocols chosen */
        "160303 003a 02 000036 0303 " ZEROS32
        " 00 c02f 00 000e 0010 000a 0008 02 6832 04 61626364",
        /* a protocol without a name */
        "160303 0033 02 00002f 0303 " ZEROS32 " 00 c02f 00 0007 0010 0003 0001 00",
        /* a staple of another type, one past its message, an empty one */
        "160303 002a 02 000026 0303 " ZEROS32
        " 00 c02f 00 160303 0009 16 000005 02 000001 00",
        "160303 002a 02 000026 0303 " ZEROS32
        " 00 c02f 00 160303 0009 16 000005 01 000009 00",
        "160303 002a 02 000026 0303 " ZEROS32
        " 00 c02f 00 160303 0008 16 000004 01 000000",
    };
    for (size_t i = 0; i < POSTURE_COUNT(faults); i++) {
        struct posture_tls_reader reader;
        uint8_t bytes[512];
        size_t len = unhex(faults[i], bytes, sizeof(bytes));
        enum posture_tls_event event = POSTURE_TLS_EVENT_NONE;
        posture_tls_reader_init(&reader);
        posture_tls_reader_reset(&reader, false);
        int r = posture_tls_reader_feed(&reader, bytes, len);
        do
            r = posture_tls_reader_next(&reader, &event);
        while (r == 0 && event != POSTURE_TLS_EVENT_NONE);
        if (r != POSTURE_E_PROTOCOL)
            fail_msg("fault %zu: got %d", i, r);
        posture_tls_reader_done(&reader);
    }
}

static void test_ssl2_suites(void **state)
{
    (void)state;
    struct posture_tls_reader reader;
    posture_tls_reader_init(&reader);
    for (size_t i = 0; i < POSTURE_COUNT(cases); i++) {
        if (strcmp(cases[i].label, "SSLv2 server hello"))
            continue;
        char events[64];
        assert_int_equal(case_run(&cases[i], 1, &reader, events), 0);
        assert_int_equal(reader.flight.ssl2_count, 2);
        assert_int_equal(reader.flight.ssl2_suites[0], 0x010080);
        assert_int_equal(reader.flight.ssl2_suites[1], 0x0700c0);
        assert_int_equal(reader.flight.certificates[0].len, 2);
    }
    posture_tls_reader_done(&reader);
}

/* Warnings without end, empty records without end, bytes without end. */
static void test_endless(void **state)
{
    (void)state;
    static const struct {
        const char *label;
        const char *hex;
    } endless[] = {
        {"warnings", "150303 0002 0170"},
        {"empty records", "160303 0000"},
        {"hello requests", "160303 0004 00 000000"},
        {"one long message", "160303 0010 00000000000000000000000000000000"},
    };
    struct posture_tls_reader reader;
    posture_tls_reader_init(&reader);
    for (size_t i = 0; i < POSTURE_COUNT(endless); i++) {
        uint8_t bytes[64];
        size_t len = unhex(endless[i].hex, bytes, sizeof(bytes));
        posture_tls_reader_reset(&reader, false);
        int r = 0;
        size_t fed = 0;
        while (r >= 0 && fed < 1024 * 1024) {
            enum posture_tls_event event;
            r = posture_tls_reader_feed(&reader, bytes, len);
            if (r >= 0)
                r = posture_tls_reader_next(&reader, &event);
            fed += len;
        }
        if (r >= 0)
            fail_msg("%s: no end", endless[i].label);
        assert_true(reader.in.cap + reader.handshake.cap < 1024 * 1024);
    }
    posture_tls_reader_done(&reader);
}

static void hello_check(const char *label, const struct posture_tls_hello *hello,
                        const char *hex)
{
    uint8_t want[2048];
    size_t len = unhex(hex, want, sizeof(want));
    struct posture_buf out = {0};
    assert_int_equal(posture_tls_hello_write(hello, &out), 0);
    char got[4096];
    posture_hex(out.data, out.len, got);
    if (out.len != len || memcmp(out.data, want, len))
        fail_msg("%s: got %s", label, got);
    posture_buf_done(&out);
}

static void test_hellos(void **state)
{
    (void)state;
    static const uint32_t suites[] = {0x1301, 0xc02f};
    static const uint32_t ssl2[] = {0x010080, 0x0700c0};
    static const uint16_t groups[] = {0x11ec, 0x001d};
    static const uint16_t signatures[] = {0x0403};
    static const uint16_t versions[] = {0x0304};
    struct posture_tls_hello hello = {
        .version = 0x0300, .suites = suites, .suite_count = 2};
    hello_check("SSLv3", &hello,
                "160300 0031 01 00002d 0300 " ZEROS32 " 00 0006 1301 c02f 00ff 0100");
    hello.version = 0x0303;
    hello.has_extensions = true;
    hello.has_session_id = true;
    hello.groups = groups;
    hello.group_count = 2;
    hello.signatures = signatures;
    hello.signature_count = 1;
    hello.versions = versions;
    hello.version_count = 1;
    hello.share = POSTURE_TLS_SHARE_EMPTY;
    hello.server_name = "a.jp";
    hello_check("TLS 1.3, empty share", &hello,
                "160301 0093 01 00008f 0303 " ZEROS32
                " 20 a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5"
                " 0006 1301 c02f 00ff 0100 0040"
                " 0000 0009 0007 00 0004 612e6a70"
                " 0017 0000 0016 0000"
                " 000a 0006 0004 11ec 001d 000b 0002 0100"
                " 000d 0004 0002 0403"
                " 002b 0003 02 0304 002d 0002 0101"
                " 0033 0002 0000");
    hello = (struct posture_tls_hello){.version = 2, .suites = ssl2, .suite_count = 2};
    hello_check(
        "SSLv2", &hello,
        "801f 01 0002 0006 0000 0010 010080 0700c0 00000000000000000000000000000000");
}

/* RFC 7685: never 256 to 511 bytes. */
static void test_hello_padding(void **state)
{
    (void)state;
    uint32_t suites[300];
    for (size_t i = 0; i < POSTURE_COUNT(suites); i++)
        suites[i] = (uint32_t)i;
    bool was_padded = false;
    for (size_t n = 1; n < POSTURE_COUNT(suites); n++) {
        struct posture_tls_hello hello = {.version = 0x0303,
                                          .suites = suites,
                                          .suite_count = n,
                                          .has_extensions = true};
        struct posture_buf out = {0};
        assert_int_equal(posture_tls_hello_write(&hello, &out), 0);
        size_t len = out.len - 5;
        if (len >= 256 && len < 512)
            fail_msg("%zu suites make %zu bytes", n, len);
        was_padded = was_padded || len == 512;
        posture_buf_done(&out);
    }
    assert_true(was_padded);
}

static void test_hello_shares(void **state)
{
    (void)state;
    static const uint32_t suites[] = {0x1301};
    static const uint16_t groups[] = {0x001d, 0x0017, 0x0018};
    static const uint16_t versions[] = {0x0304};
    struct posture_tls_hello hello = {.version = 0x0303,
                                      .suites = suites,
                                      .suite_count = 1,
                                      .has_extensions = true,
                                      .groups = groups,
                                      .group_count = 3,
                                      .versions = versions,
                                      .version_count = 1,
                                      .share = POSTURE_TLS_SHARE_CONSTANT};
    struct posture_buf out = {0};
    assert_int_equal(posture_tls_hello_write(&hello, &out), 0);
    static const uint8_t want[] = {0x00, 0x33, 0x00, 0x6b, 0x00, 0x69,
                                   0x00, 0x1d, 0x00, 0x20, 0x09, 0x00};
    assert_non_null(memmem(out.data, out.len, want, sizeof(want)));
    posture_buf_done(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_flights),       cmocka_unit_test(test_depth),
        cmocka_unit_test(test_depth_faults),  cmocka_unit_test(test_ssl2_suites),
        cmocka_unit_test(test_mutations),     cmocka_unit_test(test_foreign),
        cmocka_unit_test(test_endless),       cmocka_unit_test(test_hellos),
        cmocka_unit_test(test_hello_padding), cmocka_unit_test(test_hello_shares),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
