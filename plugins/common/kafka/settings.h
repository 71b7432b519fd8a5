/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#ifndef POSTURE_KAFKA_SETTINGS_H
#define POSTURE_KAFKA_SETTINGS_H

#include "common/base/options.h"

/*
 * The connection options that posture_kafka and posture_criteria share. Pure data: linked
 * into the collectd module too, so nothing here needs librdkafka.
 */
enum posture_kafka_security {
    POSTURE_KAFKA_PLAINTEXT,
    POSTURE_KAFKA_TLS,
    POSTURE_KAFKA_SASL_PLAINTEXT,
    POSTURE_KAFKA_SASL_TLS,
};
extern const char *const posture_kafka_security_words[];
extern const char
    *const posture_kafka_sasl_words[]; /* PLAIN … OAUTHBEARER is not offered */
extern const char *const posture_kafka_compression_words[]; /* none … zstd */

/* First in the owner's settings struct's Kafka part; rows by
 * POSTURE_KAFKA_OPTIONS(struct, member). */
struct posture_kafka_settings {
    const char *brokers;      /* Brokers "host:port,host:port" */
    const char *topic_prefix; /* TopicPrefix, default "posture" */
    const char *tls_ca;       /* TLSCACert; NULL: the system's store */
    struct posture_option_file tls_cert;
    struct posture_option_file tls_key;
    int sasl_mechanism; /* index into posture_kafka_sasl_words */
    const char *sasl_user;
    struct posture_option_file sasl_password;
    int security;    /* enum posture_kafka_security */
    int compression; /* index into posture_kafka_compression_words */
    struct posture_option_list properties; /* Property "k" "v" */
};

/* Is the property one that would weaken a promise (acks, idempotence, retries,
 * certificate checks, offsets …) or is set by a typed option? Then *ret_why (static) says
 * so. */
bool posture_kafka_property_refused(const char *key, const char **ret_why);
/* True when the value must not be shown (passwords, private keys). */
bool posture_kafka_property_is_secret(const char *key);

/* The rules between these options (SASL needs a user, TLS files need a TLS security,
 * refused properties …). To be called from a block's check(). */
int posture_kafka_settings_check(const struct posture_kafka_settings *settings,
                                 struct posture_error *reterr);

/* "posture.reports.v1" for "reports.v1", with the prefix, into buf of
 * POSTURE_KAFKA_TOPIC_MAX bytes. */
enum { POSTURE_KAFKA_TOPIC_MAX = 256, POSTURE_KAFKA_PREFIX_MAX = 100 };
const char *posture_kafka_topic(const struct posture_kafka_settings *settings,
                                const char *name,
                                char buf[static POSTURE_KAFKA_TOPIC_MAX]);

/* Rows of an option table: POSTURE_KAFKA_OPTIONS(struct posture_kafka_plugin_settings,
 * kafka). */
#define POSTURE_KAFKA_OPTIONS(type, member)                                              \
    {"Brokers",                                                                          \
     POSTURE_OPT_STRING,                                                                 \
     offsetof(type, member.brokers),                                                     \
     .is_required = true,                                                                \
     .help = "Kafka brokers to ask first, host:port separated by commas.",               \
     .sample = "kafka1.example.go.jp:9093,kafka2.example.go.jp:9093"},                   \
        {"TopicPrefix", POSTURE_OPT_STRING, offsetof(type, member.topic_prefix),         \
         .def = "posture",                                                               \
         .help = "First part of every topic name: PREFIX.reports.v1 and so on."},        \
        {"Security",                                                                     \
         POSTURE_OPT_ENUM,                                                               \
         offsetof(type, member.security),                                                \
         .values = posture_kafka_security_words,                                         \
         .def = "tls",                                                                   \
         .help = "How the connection to the brokers is protected."},                     \
        {"TLSCACert", POSTURE_OPT_STRING, offsetof(type, member.tls_ca),                 \
         .help =                                                                         \
             "PEM file with the authorities that may sign the brokers' certificates; "   \
             "without it the system's store is used.",                                   \
         .sample = "/etc/posture/kafka-ca.pem"},                                         \
        {"TLSCert", POSTURE_OPT_FILE, offsetof(type, member.tls_cert),                   \
         .help = "PEM file with the client certificate and its chain.",                  \
         .sample = "/etc/posture/kafka.pem"},                                            \
        {"TLSKey", POSTURE_OPT_SECRET_FILE, offsetof(type, member.tls_key),              \
         .help =                                                                         \
             "PEM file with the private key of TLSCert; owner root, mode 0600 or 0400.", \
         .sample = "/etc/posture/kafka.key"},                                            \
        {"SASLMechanism",                                                                \
         POSTURE_OPT_ENUM,                                                               \
         offsetof(type, member.sasl_mechanism),                                          \
         .values = posture_kafka_sasl_words,                                             \
         .def = "SCRAM-SHA-512",                                                         \
         .help = "How the user proves its password where Security is sasl_tls or "       \
                 "sasl_plaintext."},                                                     \
        {"SASLUser", POSTURE_OPT_STRING, offsetof(type, member.sasl_user),               \
         .help = "User name at the brokers.", .sample = "posture-moj"},                  \
        {"SASLPasswordFile", POSTURE_OPT_SECRET_FILE,                                    \
         offsetof(type, member.sasl_password),                                           \
         .help =                                                                         \
             "File whose first line is that user's password; owner root, mode 0600 or "  \
             "0400.",                                                                    \
         .sample = "/etc/posture/kafka.password"},                                       \
        {"Compression",                                                                  \
         POSTURE_OPT_ENUM,                                                               \
         offsetof(type, member.compression),                                             \
         .values = posture_kafka_compression_words,                                      \
         .def = "lz4",                                                                   \
         .help = "How batches are compressed."},                                         \
    {                                                                                    \
        "Property", POSTURE_OPT_PAIRS, offsetof(type, member.properties),                \
            .help = "Any other librdkafka property and its value; those that would "     \
                    "weaken a "                                                          \
                    "promise or that another option sets are refused.",                  \
            .sample = "\"socket.timeout.ms\" \"30000\""                                  \
    }

#endif
