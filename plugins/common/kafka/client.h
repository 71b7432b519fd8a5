/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#ifndef POSTURE_KAFKA_CLIENT_H
#define POSTURE_KAFKA_CLIENT_H

#include "common/base/buf.h"
#include "common/kafka/message.h"
#include "common/kafka/settings.h"

/* The files' contents, NUL-terminated; NULL when not given. Borrowed. tls_ca_pem NULL
 * with settings->tls_ca set: librdkafka reads the file itself, which it cannot inside the
 * sandbox. */
struct posture_kafka_secrets {
    const char *tls_cert_pem, *tls_key_pem, *sasl_password;
    const char *tls_ca_pem;
};

/*
 * A configuration with everything but the callbacks. Producer: acks=all, idempotent,
 * infinite message.timeout.ms, a small queue. Consumer: no automatic commit or offset
 * store, checksums verified, range assignor, earliest offset, read_committed. What
 * differs from librdkafka's defaults is appended to log_text (may be NULL) as "name=value
 * name=value", secrets masked. POSTURE_E_OPTION names the property and says what
 * librdkafka expected. Owner: caller.
 */
enum {
    POSTURE_KAFKA_QUEUE_MESSAGES = 5000,
    POSTURE_KAFKA_QUEUE_BYTES = 64 * 1024 * 1024,
};
int posture_kafka_conf(const struct posture_kafka_settings *settings,
                       const struct posture_kafka_secrets *secrets, bool is_producer,
                       rd_kafka_conf_t **ret_conf, struct posture_buf *log_text,
                       struct posture_error *reterr);

#endif
