/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#ifndef POSTURE_KAFKA_CLIENT_H
#define POSTURE_KAFKA_CLIENT_H

#include "common/base/options.h"
#include "common/kafka/message.h"

/* Connection options shared by posture_kafka and posture_criteria: first in their settings structs' Kafka
 * part; rows by POSTURE_KAFKA_OPTIONS(struct, member). */
struct posture_kafka_settings {
    const char *brokers;      /* Brokers "host:port,host:port" */
    const char *topic_prefix; /* TopicPrefix, default "posture" */
    const char *tls_ca;       /* TLSCACert */
    struct posture_option_file tls_cert;
    struct posture_option_file tls_key;
    const char *sasl_mechanism; /* SASLMechanism */
    const char *sasl_user;
    struct posture_option_file sasl_password;
    int security; /* Security: plaintext, tls, sasl_plaintext, sasl_tls */
    const char *compression;
    struct posture_option_list properties; /* Property "k" "v" */
};

/* Is the property one that would weaken a promise (acks, idempotence, retries, certificate checks, offsets …)
 * or is set by a typed option? Then *ret_why (static) says so. Checked when settings are parsed. */
bool posture_kafka_property_refused(const char *key, const char **ret_why);

/* A configuration with everything but the callbacks. secrets: the files' contents, NULL when not given. The
 * effective set, secrets masked, is appended to log_text. Owner: caller. */
struct posture_kafka_secrets {
    const char *tls_cert_pem, *tls_key_pem, *sasl_password;
};
int posture_kafka_conf(const struct posture_kafka_settings *settings,
                       const struct posture_kafka_secrets *secrets, bool is_producer,
                       rd_kafka_conf_t **ret_conf, struct posture_buf *log_text,
                       struct posture_error *reterr);
/* "posture.reports.v1" with the prefix, into buf of 256 bytes. */
const char *posture_kafka_topic(const struct posture_kafka_settings *settings, const char *name,
                                char *buf);

#endif
