/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#include "common/kafka/message.h"

#include "common/base/clock.h"
#include "common/base/parse.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static const char specversion[] = "1.0"; /* CloudEvents 1.0, binary mode */
static const char content_type[] = "application/json";

enum { SEQUENCE_DIGITS = 20, EPOCH_DIGITS_MAX = 20 };

static int header_add(rd_kafka_headers_t *headers, const char *name, const void *value,
                      size_t len)
{
    return rd_kafka_header_add(headers, name, -1, value, (ssize_t)len) ? -ENOMEM : 0;
}

static int headers_fill(rd_kafka_headers_t *headers,
                        const struct posture_message *message)
{
    char time_text[POSTURE_TIME_TEXT_MAX], number[32];

    posture_time_format(message->ce_time_ns, time_text);
    POSTURE_TRY(header_add(headers, "ce_specversion", specversion, strlen(specversion)));
    POSTURE_TRY(
        header_add(headers, "ce_type", message->ce_type, strlen(message->ce_type)));
    POSTURE_TRY(
        header_add(headers, "ce_source", message->ce_source, strlen(message->ce_source)));
    POSTURE_TRY(header_add(headers, "ce_id", message->ce_id, strlen(message->ce_id)));
    POSTURE_TRY(header_add(headers, "ce_time", time_text, strlen(time_text)));
    /* An event without data has no content type. */
    if (message->value)
        POSTURE_TRY(
            header_add(headers, "content-type", content_type, strlen(content_type)));
    snprintf(number, sizeof(number), "%020" PRIu64, message->sequence);
    POSTURE_TRY(header_add(headers, "ce_sequence", number, strlen(number)));
    snprintf(number, sizeof(number), "%" PRIu64, message->epoch);
    POSTURE_TRY(header_add(headers, "posture-epoch", number, strlen(number)));
    if (message->signature)
        POSTURE_TRY(header_add(headers, "posture-signature", message->signature,
                               message->signature_len));
    if (message->verdict)
        POSTURE_TRY(header_add(headers, "posture-verdict", message->verdict,
                               message->verdict_len));
    if (message->gate)
        POSTURE_TRY(
            header_add(headers, "posture-gate", message->gate, message->gate_len));
    return 0;
}

int posture_message_headers(const struct posture_message *message,
                            rd_kafka_headers_t **ret)
{
    rd_kafka_headers_t *headers = rd_kafka_headers_new(11);
    if (!headers)
        return -ENOMEM;
    int r = headers_fill(headers, message);
    if (r < 0) {
        rd_kafka_headers_destroy(headers);
        return r;
    }
    *ret = headers;
    return 0;
}

/* What we know, in the order of `found` below. */
enum header {
    HEADER_SPECVERSION,
    HEADER_TYPE,
    HEADER_SOURCE,
    HEADER_ID,
    HEADER_TIME,
    HEADER_SEQUENCE,
    HEADER_EPOCH,
    HEADER_CONTENT_TYPE,
    HEADER_SIGNATURE,
    HEADER_VERDICT,
    HEADER_GATE,
    HEADER_COUNT
};
static const struct {
    const char *name;
    size_t max;
    bool is_required;
} known[HEADER_COUNT] = {
    [HEADER_SPECVERSION] = {"ce_specversion", 16, true},
    [HEADER_TYPE] = {"ce_type",
                     sizeof(((struct posture_message_storage *)0)->ce_type) - 1, true},
    [HEADER_SOURCE] = {"ce_source",
                       sizeof(((struct posture_message_storage *)0)->ce_source) - 1,
                       true},
    [HEADER_ID] = {"ce_id", sizeof(((struct posture_message_storage *)0)->ce_id) - 1,
                   true},
    [HEADER_TIME] = {"ce_time", POSTURE_TIME_TEXT_MAX + 8, true},
    [HEADER_SEQUENCE] = {"ce_sequence", SEQUENCE_DIGITS, true},
    [HEADER_EPOCH] = {"posture-epoch", EPOCH_DIGITS_MAX, true},
    [HEADER_CONTENT_TYPE] = {"content-type", 128, false},
    [HEADER_SIGNATURE] = {"posture-signature", POSTURE_MESSAGE_SIGNATURE_MAX, false},
    [HEADER_VERDICT] = {"posture-verdict", POSTURE_MESSAGE_VERDICT_MAX, false},
    [HEADER_GATE] = {"posture-gate", POSTURE_MESSAGE_SIGNATURE_MAX, false},
};

struct found_header {
    const char *bytes;
    size_t len;
};

static int headers_find(const rd_kafka_headers_t *headers, struct found_header *found,
                        struct posture_error *reterr)
{
    const char *name;
    const void *value;
    size_t len;

    for (size_t i = 0; !rd_kafka_header_get_all(headers, i, &name, &value, &len); i++) {
        size_t h = 0;
        while (h < HEADER_COUNT && strcmp(name, known[h].name) != 0)
            h++;
        if (h == HEADER_COUNT)
            continue;
        if (found[h].bytes)
            return posture_error_set(reterr, POSTURE_E_FORMAT, "header %s: given twice",
                                     name);
        if (!value || len == 0)
            return posture_error_set(reterr, POSTURE_E_FORMAT, "header %s: empty", name);
        if (len > known[h].max)
            return posture_error_set(reterr, POSTURE_E_FORMAT,
                                     "header %s: %zu bytes, at most %zu are allowed",
                                     name, len, known[h].max);
        found[h].bytes = value;
        found[h].len = len;
    }
    return 0;
}

/* Printable ASCII without space: what types, sources and ids of ours are made of. */
static int text_copy(const struct found_header *found, const char *name, char *dst,
                     struct posture_error *reterr)
{
    for (size_t i = 0; i < found->len; i++) {
        unsigned char c = (unsigned char)found->bytes[i];
        if (c <= 0x20 || c >= 0x7f)
            return posture_error_set(
                reterr, POSTURE_E_FORMAT,
                "header %s: byte 0x%02x at %zu, expected printable ASCII", name, c, i);
    }
    memcpy(dst, found->bytes, found->len);
    dst[found->len] = '\0';
    return 0;
}

static int number_read(const struct found_header *found, const char *name, size_t digits,
                       uint64_t *ret, struct posture_error *reterr)
{
    char text[SEQUENCE_DIGITS + 1];
    uint64_t v = 0;

    if ((digits > 0 && found->len != digits) || found->len > SEQUENCE_DIGITS)
        return posture_error_set(reterr, POSTURE_E_FORMAT, "header %s: expected %s", name,
                                 digits > 0 ? "20 digits" : "a number");
    memcpy(text, found->bytes, found->len);
    text[found->len] = '\0';
    if (strlen(text) != found->len || posture_parse_u64(text, 0, UINT64_MAX, &v) < 0)
        return posture_error_set(reterr, POSTURE_E_FORMAT, "header %s: expected %s", name,
                                 digits > 0 ? "20 digits" : "a number");
    *ret = v;
    return 0;
}

static bool is_json(const struct found_header *found)
{
    size_t len = strlen(content_type);
    if (found->len < len || memcmp(found->bytes, content_type, len) != 0)
        return false;
    /* "application/json; charset=utf-8" is the same. */
    return found->len == len || found->bytes[len] == ';' || found->bytes[len] == ' ';
}

int posture_message_read_parts(const void *key, size_t key_len, const void *value,
                               size_t value_len, const rd_kafka_headers_t *headers,
                               struct posture_message_storage *storage,
                               struct posture_message *ret, struct posture_error *reterr)
{
    struct found_header found[HEADER_COUNT] = {{0}};
    struct posture_message message = {0};

    if (!key || key_len == 0)
        return posture_error_set(reterr, POSTURE_E_FORMAT, "no key");
    if (headers)
        POSTURE_TRY(headers_find(headers, found, reterr));
    for (size_t h = 0; h < HEADER_COUNT; h++) {
        if (known[h].is_required && !found[h].bytes)
            return posture_error_set(reterr, POSTURE_E_FORMAT, "header %s: missing",
                                     known[h].name);
    }
    if (found[HEADER_SPECVERSION].len != strlen(specversion) ||
        memcmp(found[HEADER_SPECVERSION].bytes, specversion, strlen(specversion)) != 0)
        return posture_error_set(reterr, POSTURE_E_FORMAT,
                                 "header ce_specversion: expected %s", specversion);
    if (found[HEADER_CONTENT_TYPE].bytes && !is_json(&found[HEADER_CONTENT_TYPE]))
        return posture_error_set(reterr, POSTURE_E_FORMAT,
                                 "header content-type: expected %s", content_type);
    POSTURE_TRY(text_copy(&found[HEADER_TYPE], "ce_type", storage->ce_type, reterr));
    POSTURE_TRY(
        text_copy(&found[HEADER_SOURCE], "ce_source", storage->ce_source, reterr));
    POSTURE_TRY(text_copy(&found[HEADER_ID], "ce_id", storage->ce_id, reterr));
    if (posture_time_parse(found[HEADER_TIME].bytes, found[HEADER_TIME].len,
                           &message.ce_time_ns) < 0)
        return posture_error_set(reterr, POSTURE_E_FORMAT,
                                 "header ce_time: expected an RFC 3339 time");
    POSTURE_TRY(number_read(&found[HEADER_SEQUENCE], "ce_sequence", SEQUENCE_DIGITS,
                            &message.sequence, reterr));
    POSTURE_TRY(
        number_read(&found[HEADER_EPOCH], "posture-epoch", 0, &message.epoch, reterr));

    message.ce_type = storage->ce_type;
    message.ce_source = storage->ce_source;
    message.ce_id = storage->ce_id;
    message.key = key;
    message.key_len = key_len;
    message.value = value;
    message.value_len = value ? value_len : 0;
    message.signature = found[HEADER_SIGNATURE].bytes;
    message.signature_len = found[HEADER_SIGNATURE].len;
    message.verdict = found[HEADER_VERDICT].bytes;
    message.verdict_len = found[HEADER_VERDICT].len;
    message.gate = found[HEADER_GATE].bytes;
    message.gate_len = found[HEADER_GATE].len;
    *ret = message;
    return 0;
}

int posture_message_read(const rd_kafka_message_t *rkmessage,
                         struct posture_message_storage *storage,
                         struct posture_message *ret, struct posture_error *reterr)
{
    rd_kafka_headers_t *headers = NULL;
    if (rd_kafka_message_headers(rkmessage, &headers))
        headers = NULL;
    return posture_message_read_parts(rkmessage->key, rkmessage->key_len,
                                      rkmessage->payload, rkmessage->len, headers,
                                      storage, ret, reterr);
}

int32_t posture_partition(const void *key, size_t key_len, int32_t partition_count)
{
    if (!key)
        key_len = 0;
    const char *bar = key_len > 0 ? memchr(key, '|', key_len) : NULL;
    size_t prefix_len = bar ? (size_t)(bar - (const char *)key) : key_len;
    /* murmur2 without "_random": the same partition whether or not its leader is there
     * now. */
    return rd_kafka_msg_partitioner_murmur2(NULL, key ? key : "", prefix_len,
                                            partition_count, NULL, NULL);
}

int32_t posture_partitioner(const rd_kafka_topic_t *rkt, const void *key, size_t key_len,
                            int32_t partition_count, void *rkt_opaque, void *msg_opaque)
{
    (void)rkt;
    (void)rkt_opaque;
    (void)msg_opaque;
    return posture_partition(key, key_len, partition_count);
}
