/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#include "common/kafka/message.h"

#include "common/base/clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* org.apache.kafka.common.utils.Utils.murmur2 & 0x7fffffff, modulo 2^31-1 partitions; the
 * vectors of Kafka's own UtilsTest. */
static void partition_equals_java(void **state)
{
    static const struct {
        const char *key;
        int32_t murmur2;
    } rows[] = {
        {"21", -973932308},
        {"foobar", -790332482},
        {"a-little-bit-long-string", -985981536},
        {"a-little-bit-longer-string", -1486304829},
        {"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971},
        {"abc", 479470107},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        int32_t want = (rows[i].murmur2 & 0x7fffffff) % 24;
        int32_t got = posture_partition(rows[i].key, strlen(rows[i].key), 24);
        if (got != want)
            fail_msg("%s: got %d, want %d", rows[i].key, got, want);
    }
}

static void partition_is_the_agencys(void **state)
{
    static const char *const keys[] = {"moj|a.example|tls|tls://www.moj.example:443",
                                       "moj|b.example|tls|tls://x.moj.example:443",
                                       "moj|b.example|reporter|reporter://b.example",
                                       "moj|", "moj"};
    (void)state;
    int32_t want = posture_partition("moj", 3, 24);
    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
        assert_int_equal(posture_partition(keys[i], strlen(keys[i]), 24), want);
    assert_in_range(posture_partition(NULL, 0, 24), 0, 23);
    assert_in_range(posture_partition("|x", 2, 24), 0, 23);
    assert_int_equal(posture_partitioner(NULL, keys[0], strlen(keys[0]), 24, NULL, NULL),
                     want);
}

static const struct posture_message sample = {
    .ce_type = "posture.report.v1",
    .ce_source = "//moj/noc1.moj.example",
    .ce_id = "01936f3a-0000-7000-8000-000000000001",
    .ce_time_ns = INT64_C(1763884800123000000),
    .epoch = UINT64_C(1763884800123456789),
    .sequence = 42,
    .key = "moj|noc1.moj.example|tls|tls://www.moj.example:443",
    .key_len = 50,
    .value = "{}",
    .value_len = 2,
};

static const char *header_text(const rd_kafka_headers_t *headers, const char *name,
                               char buf[512])
{
    const void *value;
    size_t len;
    if (rd_kafka_header_get_last(headers, name, &value, &len))
        return "(absent)";
    assert_true(len < 512);
    memcpy(buf, value, len);
    buf[len] = '\0';
    return buf;
}

static void headers_are_cloudevents(void **state)
{
    static const struct {
        const char *name, *want;
    } rows[] = {
        {"ce_specversion", "1.0"},
        {"ce_type", "posture.report.v1"},
        {"ce_source", "//moj/noc1.moj.example"},
        {"ce_id", "01936f3a-0000-7000-8000-000000000001"},
        {"ce_time", "2025-11-23T08:00:00.123Z"},
        {"content-type", "application/json"},
        {"ce_sequence", "00000000000000000042"},
        {"posture-epoch", "1763884800123456789"},
        {"posture-signature", "(absent)"},
        {"posture-verdict", "(absent)"},
    };
    rd_kafka_headers_t *headers = NULL;
    char buf[512];
    (void)state;

    assert_int_equal(posture_message_headers(&sample, &headers), 0);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        assert_string_equal(header_text(headers, rows[i].name, buf), rows[i].want);
    rd_kafka_headers_destroy(headers);
}

static void written_is_read_back(void **state)
{
    struct posture_message message = sample, got;
    struct posture_message_storage storage;
    struct posture_error error = {0};
    rd_kafka_headers_t *headers = NULL;
    (void)state;

    message.signature = "eyJ..sig";
    message.signature_len = 8;
    message.verdict = "v";
    message.verdict_len = 1;
    assert_int_equal(posture_message_headers(&message, &headers), 0);
    int r = posture_message_read_parts(message.key, message.key_len, message.value, 2,
                                       headers, &storage, &got, &error);
    if (r < 0)
        fail_msg("%s", error.text);
    assert_string_equal(got.ce_type, message.ce_type);
    assert_string_equal(got.ce_source, message.ce_source);
    assert_string_equal(got.ce_id, message.ce_id);
    assert_true(got.ce_time_ns == message.ce_time_ns);
    assert_true(got.epoch == message.epoch);
    assert_true(got.sequence == message.sequence);
    assert_int_equal(got.signature_len, 8);
    assert_memory_equal(got.signature, "eyJ..sig", 8);
    assert_int_equal(got.verdict_len, 1);
    assert_null(got.gate);
    assert_ptr_equal(got.value, message.value);
    rd_kafka_headers_destroy(headers);

    /* A null value (retirement) has no content type and stays null. */
    message.value = NULL;
    message.value_len = 0;
    assert_int_equal(posture_message_headers(&message, &headers), 0);
    char buf[512];
    assert_string_equal(header_text(headers, "content-type", buf), "(absent)");
    assert_int_equal(posture_message_read_parts(message.key, message.key_len, NULL, 0,
                                                headers, &storage, &got, &error),
                     0);
    assert_null(got.value);
    rd_kafka_headers_destroy(headers);
}

static void foreign_headers_are_judged(void **state)
{
    static const char long_text[] = "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
                                    "xxxxxxxxxxxxxxxxxxxxxxxxxxxx";
    /* remove, then add name = value; want: what the error must name; NULL: accepted */
    static const struct {
        const char *label, *remove, *name, *value;
        const char *want;
    } rows[] = {
        {"as made", NULL, NULL, NULL, NULL},
        {"foreign header", NULL, "traceparent", "00-1-2-3", NULL},
        {"no type", "ce_type", NULL, NULL, "ce_type: missing"},
        {"no sequence", "ce_sequence", NULL, NULL, "ce_sequence: missing"},
        {"no epoch", "posture-epoch", NULL, NULL, "posture-epoch: missing"},
        {"twice", NULL, "ce_id", "again", "ce_id: given twice"},
        {"empty", "ce_source", "ce_source", "", "ce_source: empty"},
        {"other version", "ce_specversion", "ce_specversion", "0.3",
         "ce_specversion: expected"},
        {"version prefix", "ce_specversion", "ce_specversion", "1.01",
         "ce_specversion: expected"},
        {"short sequence", "ce_sequence", "ce_sequence", "42", "20 digits"},
        {"signed sequence", "ce_sequence", "ce_sequence", "-0000000000000000042",
         "20 digits"},
        {"huge sequence", "ce_sequence", "ce_sequence", "99999999999999999999",
         "20 digits"},
        {"wide sequence", "ce_sequence", "ce_sequence", "000000000000000000042",
         "at most 20"},
        {"epoch text", "posture-epoch", "posture-epoch", "now",
         "posture-epoch: expected"},
        {"epoch space", "posture-epoch", "posture-epoch", " 5",
         "posture-epoch: expected"},
        {"bad time", "ce_time", "ce_time", "yesterday", "ce_time: expected"},
        {"long id", "ce_id", "ce_id", long_text, "at most 63"},
        {"space in source", "ce_source", "ce_source", "//moj/a b", "0x20"},
        {"utf-8 in type", "ce_type", "ce_type", "posture.r\xc3\xa9port", "0xc3"},
        {"xml", "content-type", "content-type", "application/xml",
         "content-type: expected"},
        {"json prefix", "content-type", "content-type", "application/jsonl",
         "content-type"},
        {"charset", "content-type", "content-type", "application/json; charset=utf-8",
         NULL},
    };
    (void)state;

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        rd_kafka_headers_t *headers = NULL;
        struct posture_message got;
        struct posture_message_storage storage;
        struct posture_error error = {0};
        assert_int_equal(posture_message_headers(&sample, &headers), 0);
        if (rows[i].remove)
            rd_kafka_header_remove(headers, rows[i].remove);
        if (rows[i].name)
            rd_kafka_header_add(headers, rows[i].name, -1, rows[i].value, -1);
        int r = posture_message_read_parts(sample.key, sample.key_len, sample.value, 2,
                                           headers, &storage, &got, &error);
        rd_kafka_headers_destroy(headers);
        if (!rows[i].want) {
            if (r != 0)
                fail_msg("%s: got %d %s", rows[i].label, r, error.text);
        } else if (r != POSTURE_E_FORMAT || !strstr(error.text, rows[i].want)) {
            fail_msg("%s: got %d \"%s\", want \"%s\"", rows[i].label, r, error.text,
                     rows[i].want);
        }
    }

    struct posture_message got;
    struct posture_message_storage storage;
    struct posture_error error = {0};
    assert_int_equal(
        posture_message_read_parts(NULL, 0, "{}", 2, NULL, &storage, &got, &error),
        POSTURE_E_FORMAT);
    assert_string_equal(error.text, "no key");
    assert_int_equal(
        posture_message_read_parts("k", 1, "{}", 2, NULL, &storage, &got, NULL),
        POSTURE_E_FORMAT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(partition_equals_java),
        cmocka_unit_test(partition_is_the_agencys),
        cmocka_unit_test(headers_are_cloudevents),
        cmocka_unit_test(written_is_read_back),
        cmocka_unit_test(foreign_headers_are_judged),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
