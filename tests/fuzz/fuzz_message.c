/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */

/* A Kafka message as it comes off the wire: key, value, headers. Input: lines
 * "name=value" of headers up to an empty line; "key=" and "value=" are the message's own.
 * What is accepted must survive being written and read again. */

#include "common/kafka/message.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { HEADERS_MAX = 64, NAME_MAX_BYTES = 64 };

static void written_again(const struct posture_message *message)
{
    struct posture_message_storage storage;
    struct posture_message again;
    rd_kafka_headers_t *headers = NULL;

    if (posture_message_headers(message, &headers) < 0)
        return;
    int r =
        posture_message_read_parts(message->key, message->key_len, message->value,
                                   message->value_len, headers, &storage, &again, NULL);
    if (r < 0 || again.sequence != message->sequence || again.epoch != message->epoch ||
        strcmp(again.ce_source, message->ce_source) != 0 ||
        again.signature_len != message->signature_len)
        abort();
    rd_kafka_headers_destroy(headers);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    rd_kafka_headers_t *headers = rd_kafka_headers_new(8);
    const char *at = (const char *)data, *end = at + size;
    const char *key = NULL, *value = NULL;
    size_t key_len = 0, value_len = 0;

    for (int i = 0; at < end && i < HEADERS_MAX; i++) {
        const char *line_end = memchr(at, '\n', (size_t)(end - at));
        if (!line_end)
            line_end = end;
        const char *equals = memchr(at, '=', (size_t)(line_end - at));
        if (!equals || equals - at >= NAME_MAX_BYTES)
            break;
        char name[NAME_MAX_BYTES];
        memcpy(name, at, (size_t)(equals - at));
        name[equals - at] = '\0';
        size_t len = (size_t)(line_end - equals - 1);
        if (strcmp(name, "key") == 0) {
            key = equals + 1;
            key_len = len;
        } else if (strcmp(name, "value") == 0) {
            value = equals + 1;
            value_len = len;
        } else {
            rd_kafka_header_add(headers, name, -1, equals + 1, (ssize_t)len);
        }
        at = line_end < end ? line_end + 1 : end;
    }
    struct posture_message_storage storage;
    struct posture_message message;
    struct posture_error error = {0};
    int r = posture_message_read_parts(key, key_len, value, value_len, headers, &storage,
                                       &message, &error);
    if (r == 0)
        written_again(&message);
    else if (!error.text[0])
        abort(); /* a refusal says why */
    int32_t partition = posture_partition(key, key_len, 24);
    if (partition < 0 || partition >= 24)
        abort();
    rd_kafka_headers_destroy(headers);
    return 0;
}
