/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#ifndef POSTURE_KAFKA_MESSAGE_H
#define POSTURE_KAFKA_MESSAGE_H

#include "common/base/error.h"

#include <librdkafka/rdkafka.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * CloudEvents 1.0 in Kafka binary mode with our extension headers (DESIGN section 3,
 * Topics). posture-signature is left for the signing issue: read and carried, not made
 * nor judged here.
 */
struct posture_message {
    const char *ce_type;   /* "posture.report.v1" */
    const char *ce_source; /* "//AGENCY/REPORTER" */
    const char *ce_id;
    int64_t ce_time_ns;
    uint64_t epoch;    /* posture-epoch */
    uint64_t sequence; /* ce_sequence, 20 digits on the wire */
    const char *key;
    size_t key_len;
    const void *value; /* NULL: null value */
    size_t value_len;
    const void *signature; /* posture-signature or NULL */
    size_t signature_len;
    const void *verdict; /* posture-verdict, state topic only; NULL */
    size_t verdict_len;
    const void *gate; /* posture-gate; NULL */
    size_t gate_len;
};

/* Header list for a message; owner: caller (rd_kafka_producev takes it on success).
 * -ENOMEM. */
int posture_message_headers(const struct posture_message *message,
                            rd_kafka_headers_t **ret);
/*
 * Reads key, value and headers; bytes borrowed from rkmessage, NUL-terminated copies in
 * *storage. Refused, with the header's name in reterr: a missing, repeated, over-long or
 * ill-formed header of ours, another ce_specversion or content-type, no key. Headers that
 * are not ours are let be. Missing optional ones are NULL. Whether type, key, source and
 * body agree is the gate's question. POSTURE_E_FORMAT.
 */
enum { POSTURE_MESSAGE_SIGNATURE_MAX = 1024, POSTURE_MESSAGE_VERDICT_MAX = 2048 };
struct posture_message_storage {
    char ce_type[64], ce_source[400], ce_id[64];
};
int posture_message_read(const rd_kafka_message_t *rkmessage,
                         struct posture_message_storage *storage,
                         struct posture_message *ret, struct posture_error *reterr);

/* The same from parts; headers may be NULL. */
int posture_message_read_parts(const void *key, size_t key_len, const void *value,
                               size_t value_len, const rd_kafka_headers_t *headers,
                               struct posture_message_storage *storage,
                               struct posture_message *ret, struct posture_error *reterr);

/* The partitioner: murmur2 of the key up to the first '|' (Java-compatible): one agency,
 * one partition. */
int32_t posture_partition(const void *key, size_t key_len, int32_t partition_count);
int32_t posture_partitioner(const rd_kafka_topic_t *rkt, const void *key, size_t key_len,
                            int32_t partition_count, void *rkt_opaque, void *msg_opaque);

#endif
