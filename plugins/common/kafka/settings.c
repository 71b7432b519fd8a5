/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#include "common/kafka/settings.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *const posture_kafka_security_words[] = {"plaintext", "tls", "sasl_plaintext",
                                                    "sasl_tls", NULL};
const char *const posture_kafka_sasl_words[] = {"PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512",
                                                NULL};
const char *const posture_kafka_compression_words[] = {"none", "gzip", "snappy",
                                                       "lz4",  "zstd", NULL};

/* Why a property is not taken; one text for many keys. */
static const char why_typed_brokers[] = "it is set by option Brokers";
static const char why_typed_security[] = "it is set by option Security";
static const char why_typed_ca[] = "it is set by option TLSCACert";
static const char why_typed_cert[] = "it is set by options TLSCert and TLSKey";
static const char why_typed_sasl[] =
    "it is set by options SASLMechanism, SASLUser and SASLPasswordFile";
static const char why_typed_compression[] = "it is set by option Compression";
static const char why_acks[] =
    "a report counts as delivered only when all in-sync replicas have it (acks=all)";
static const char why_order[] = "order within a source and one copy of each message need "
                                "the idempotent producer as it is";
static const char why_retries[] =
    "what is in the spool is retried for ever; a limit would lose reports";
static const char why_queue[] =
    "the backlog belongs in the spool on disk, not in librdkafka's memory";
static const char why_partition[] = "one agency must stay on one partition";
static const char why_verify[] = "the brokers' certificates and names are always checked";
static const char why_offsets[] =
    "an offset is stored only after the state record was acknowledged";
static const char why_checked[] = "record checksums are always verified";
static const char why_group[] = "posture names and runs its consumer groups itself";
static const char why_code[] = "it would load or run foreign code";
static const char why_mock[] = "it replaces the brokers by a test double";
static const char why_transaction[] = "posture does not use transactions";
static const char why_topics[] =
    "topics are made by the operator, with the right settings";
static const char why_internal[] = "posture needs it for itself";

static const struct {
    const char *key;
    const char *why;
} refused[] = {
    {"metadata.broker.list", why_typed_brokers},
    {"bootstrap.servers", why_typed_brokers},
    {"security.protocol", why_typed_security},
    {"ssl.ca.location", why_typed_ca},
    {"ssl.ca.pem", why_typed_ca},
    {"ssl_ca", why_typed_ca},
    {"ssl.ca.certificate.stores", why_typed_ca},
    {"ssl.certificate.location", why_typed_cert},
    {"ssl.certificate.pem", why_typed_cert},
    {"ssl_certificate", why_typed_cert},
    {"ssl.key.location", why_typed_cert},
    {"ssl.key.pem", why_typed_cert},
    {"ssl_key", why_typed_cert},
    {"ssl.keystore.location", why_typed_cert},
    {"ssl.keystore.password", why_typed_cert},
    {"sasl.mechanism", why_typed_sasl},
    {"sasl.mechanisms", why_typed_sasl},
    {"sasl.username", why_typed_sasl},
    {"sasl.password", why_typed_sasl},
    {"compression.codec", why_typed_compression},
    {"compression.type", why_typed_compression},
    {"acks", why_acks},
    {"request.required.acks", why_acks},
    {"delivery.report.only.error", why_acks},
    {"enable.idempotence", why_order},
    {"enable.gapless.guarantee", why_order},
    {"max.in.flight", why_order},
    {"max.in.flight.requests.per.connection", why_order},
    {"queuing.strategy", why_order},
    {"retries", why_retries},
    {"message.send.max.retries", why_retries},
    {"message.timeout.ms", why_retries},
    {"delivery.timeout.ms", why_retries},
    {"queue.buffering.max.messages", why_queue},
    {"queue.buffering.max.kbytes", why_queue},
    {"queue.buffering.backpressure.threshold", why_queue},
    {"partitioner", why_partition},
    {"partitioner_cb", why_partition},
    {"msg_order_cmp", why_order},
    {"enable.ssl.certificate.verification", why_verify},
    {"ssl.endpoint.identification.algorithm", why_verify},
    {"ssl.certificate.verify_cb", why_verify},
    {"enable.sasl.oauthbearer.unsecure.jwt", why_verify},
    {"enable.auto.commit", why_offsets},
    {"auto.commit.enable", why_offsets},
    {"auto.commit.interval.ms", why_offsets},
    {"enable.auto.offset.store", why_offsets},
    {"auto.offset.reset", why_offsets},
    {"offset.store.method", why_offsets},
    {"offset.store.path", why_offsets},
    {"offset.store.sync.interval.ms", why_offsets},
    {"isolation.level", why_offsets},
    {"check.crcs", why_checked},
    {"group.id", why_group},
    {"group.protocol.type", why_group},
    {"partition.assignment.strategy", why_group},
    {"enable.partition.eof", why_group},
    {"plugin.library.paths", why_code},
    {"ssl.engine.location", why_code},
    {"ssl.engine.id", why_code},
    {"ssl_engine_callback_data", why_code},
    {"ssl.providers", why_code},
    {"sasl.kerberos.kinit.cmd", why_code},
    {"interceptors", why_code},
    {"test.mock.num.brokers", why_mock},
    {"test.mock.broker.rtt", why_mock},
    {"transactional.id", why_transaction},
    {"transaction.timeout.ms", why_transaction},
    {"allow.auto.create.topics", why_topics},
    {"statistics.interval.ms", why_internal},
    {"enabled_events", why_internal},
    {"log.queue", why_internal},
    {"log.thread.name", why_internal},
    {"internal.termination.signal", why_internal},
    {"produce.offset.report", why_internal},
    {"opaque", why_internal},
    {"default_topic_conf", why_internal},
    {"enable_sasl_queue", why_internal},
};

bool posture_kafka_property_refused(const char *key, const char **ret_why)
{
    for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
        if (strcmp(key, refused[i].key) == 0) {
            *ret_why = refused[i].why;
            return true;
        }
    }
    /* Callbacks are addresses inside the program; as text they can only crash it. */
    size_t len = strlen(key);
    if (len > 3 && strcmp(key + len - 3, "_cb") == 0) {
        *ret_why = why_internal;
        return true;
    }
    return false;
}

bool posture_kafka_property_is_secret(const char *key)
{
    return strstr(key, "password") || strstr(key, "secret") || strstr(key, ".key.pem") ||
           strcmp(key, "sasl.oauthbearer.config") == 0;
}

static bool prefix_is_valid(const char *prefix)
{
    size_t len = strlen(prefix);
    if (len == 0 || len > POSTURE_KAFKA_PREFIX_MAX)
        return false;
    /* Kafka maps '.' and '_' to one metric name, so topics here are dots only. */
    return strspn(prefix, "abcdefghijklmnopqrstuvwxyz0123456789.-") == len &&
           prefix[0] != '.' && prefix[len - 1] != '.';
}

/* "host:port, host:port"; a host alone means Kafka's own port. */
static bool brokers_are_valid(const char *brokers)
{
    for (;;) {
        brokers += strspn(brokers, " ");
        size_t len = strcspn(brokers, ",");
        const char *end = brokers + len;
        size_t size = len;
        while (size > 0 && brokers[size - 1] == ' ')
            size--;
        const char *host_end = brokers[0] == '[' ? memchr(brokers, ']', size) : NULL;
        size_t host = brokers[0] == '['
                          ? (host_end ? (size_t)(host_end + 1 - brokers) : 0)
                          : strcspn(brokers, ":, ");
        if (host == 0 || (brokers[0] == '[' && host < 4))
            return false;
        if (host < size) {
            const char *port = brokers + host + 1;
            size_t digits = strspn(port, "0123456789");
            long number = digits > 0 && digits <= 5 ? strtol(port, NULL, 10) : 0;
            if (brokers[host] != ':' || host + 1 + digits != size || number < 1 ||
                number > 65535)
                return false;
        }
        if (*end == '\0')
            return true;
        brokers = end + 1;
    }
}

static int properties_check(const struct posture_option_list *list,
                            struct posture_error *reterr)
{
    for (size_t i = 0; i + 1 < list->count; i += 2) {
        const char *key = list->items[i];
        const char *why = NULL;
        if (posture_kafka_property_refused(key, &why))
            return posture_error_set(reterr, POSTURE_E_OPTION,
                                     "option Property: \"%s\" is refused: %s", key, why);
        for (size_t j = 0; j < i; j += 2) {
            if (strcmp(key, list->items[j]) == 0)
                return posture_error_set(reterr, POSTURE_E_OPTION,
                                         "option Property: \"%s\" is given twice", key);
        }
    }
    return 0;
}

int posture_kafka_settings_check(const struct posture_kafka_settings *settings,
                                 struct posture_error *reterr)
{
    bool is_tls = settings->security == POSTURE_KAFKA_TLS ||
                  settings->security == POSTURE_KAFKA_SASL_TLS;
    bool is_sasl = settings->security == POSTURE_KAFKA_SASL_PLAINTEXT ||
                   settings->security == POSTURE_KAFKA_SASL_TLS;
    const char *security = posture_kafka_security_words[settings->security];

    if (!settings->brokers || !brokers_are_valid(settings->brokers))
        return posture_error_set(
            reterr, POSTURE_E_OPTION,
            "option Brokers: \"%.200s\": expected host:port, separated by commas",
            settings->brokers ? settings->brokers : "");
    if (!prefix_is_valid(settings->topic_prefix ? settings->topic_prefix : ""))
        return posture_error_set(
            reterr, POSTURE_E_OPTION,
            "option TopicPrefix: \"%s\": expected lower-case letters, "
            "digits, '.' and '-', at most %d",
            settings->topic_prefix ? settings->topic_prefix : "",
            POSTURE_KAFKA_PREFIX_MAX);
    if (!is_tls &&
        (settings->tls_ca || settings->tls_cert.path || settings->tls_key.path))
        return posture_error_set(
            reterr, POSTURE_E_OPTION,
            "options TLSCACert, TLSCert and TLSKey need Security tls or "
            "sasl_tls, not %s",
            security);
    if (!settings->tls_cert.path != !settings->tls_key.path)
        return posture_error_set(
            reterr, POSTURE_E_OPTION,
            "option %s is missing: TLSCert and TLSKey are given together",
            settings->tls_cert.path ? "TLSKey" : "TLSCert");
    if (is_sasl && (!settings->sasl_user || !settings->sasl_password.path))
        return posture_error_set(
            reterr, POSTURE_E_OPTION, "option %s is missing: Security %s needs it",
            settings->sasl_user ? "SASLPasswordFile" : "SASLUser", security);
    if (!is_sasl && (settings->sasl_user || settings->sasl_password.path))
        return posture_error_set(
            reterr, POSTURE_E_OPTION,
            "options SASLUser and SASLPasswordFile need Security sasl_tls "
            "or sasl_plaintext, not %s",
            security);
    if (settings->security == POSTURE_KAFKA_SASL_PLAINTEXT &&
        settings->sasl_mechanism == 0)
        return posture_error_set(
            reterr, POSTURE_E_OPTION,
            "option SASLMechanism: PLAIN shows the password to everyone on "
            "the way; it needs Security sasl_tls");
    return properties_check(&settings->properties, reterr);
}

const char *posture_kafka_topic(const struct posture_kafka_settings *settings,
                                const char *name,
                                char buf[static POSTURE_KAFKA_TOPIC_MAX])
{
    /* A name may be written with our own first part, as the documents do. */
    if (strncmp(name, "posture.", strlen("posture.")) == 0)
        name += strlen("posture.");
    snprintf(buf, POSTURE_KAFKA_TOPIC_MAX, "%s.%s", settings->topic_prefix, name);
    return buf;
}
