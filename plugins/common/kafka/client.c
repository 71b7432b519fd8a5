/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#include "common/kafka/client.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

struct conf_pair {
    const char *key, *value;
};

/* What every client of ours has; an operator may override these by Property. */
static const struct conf_pair common_defaults[] = {
    {"client.id", "posture"},
    {"socket.keepalive.enable", "true"},
    /* After an outage the spool should drain soon, but a nation of agencies must not
       hammer. */
    {"reconnect.backoff.ms", "250"},
    {"reconnect.backoff.max.ms", "5000"},
    /* Closing idle connections is the brokers' habit (10 min) and no news. */
    {"log.connection.close", "false"},
};

static const struct conf_pair producer_promises[] = {
    {"acks", "all"},
    {"enable.idempotence", "true"},
    {"max.in.flight", "5"},
    {"message.timeout.ms", "0"},
    {"queue.buffering.max.messages", "5000"},
    {"queue.buffering.max.kbytes", "65536"},
    {"delivery.report.only.error", "false"},
    {"allow.auto.create.topics", "false"},
};

static const struct conf_pair consumer_promises[] = {
    {"enable.auto.commit", "false"},
    {"enable.auto.offset.store", "false"},
    {"auto.offset.reset", "earliest"},
    {"isolation.level", "read_committed"},
    {"partition.assignment.strategy", "range"},
    {"check.crcs", "true"},
    /* "Read to the end" is how a reader of the state knows that it holds it all. */
    {"enable.partition.eof", "true"},
    {"allow.auto.create.topics", "false"},
};

_Static_assert(POSTURE_KAFKA_QUEUE_MESSAGES == 5000, "queue.buffering.max.messages");
_Static_assert(POSTURE_KAFKA_QUEUE_BYTES == 65536 * 1024, "queue.buffering.max.kbytes");

static void rd_kafka_conf_auto(rd_kafka_conf_t **conf)
{
    if (*conf)
        rd_kafka_conf_destroy(*conf);
}

static int conf_set(rd_kafka_conf_t *conf, const char *key, const char *value,
                    struct posture_error *reterr)
{
    char errstr[POSTURE_ERROR_TEXT_MAX / 2];
    rd_kafka_conf_res_t res = rd_kafka_conf_set(conf, key, value, errstr, sizeof(errstr));
    if (res == RD_KAFKA_CONF_OK)
        return 0;
    if (posture_kafka_property_is_secret(key))
        return posture_error_set(reterr, POSTURE_E_OPTION,
                                 "property \"%s\": not accepted", key);
    return posture_error_set(reterr, POSTURE_E_OPTION, "property \"%s\" \"%.64s\": %s",
                             key, strchr(value, '\n') ? "(given)" : value, errstr);
}

static int conf_set_all(rd_kafka_conf_t *conf, const struct conf_pair *pairs,
                        size_t count, struct posture_error *reterr)
{
    for (size_t i = 0; i < count; i++)
        POSTURE_TRY(conf_set(conf, pairs[i].key, pairs[i].value, reterr));
    return 0;
}

static int conf_set_security(rd_kafka_conf_t *conf,
                             const struct posture_kafka_settings *settings,
                             const struct posture_kafka_secrets *secrets,
                             struct posture_error *reterr)
{
    static const char *const protocols[] = {"plaintext", "ssl", "sasl_plaintext",
                                            "sasl_ssl"};

    POSTURE_TRY(
        conf_set(conf, "security.protocol", protocols[settings->security], reterr));
    if (settings->security == POSTURE_KAFKA_TLS ||
        settings->security == POSTURE_KAFKA_SASL_TLS) {
        POSTURE_TRY(
            conf_set(conf, "enable.ssl.certificate.verification", "true", reterr));
        POSTURE_TRY(
            conf_set(conf, "ssl.endpoint.identification.algorithm", "https", reterr));
        if (secrets && secrets->tls_ca_pem)
            POSTURE_TRY(conf_set(conf, "ssl.ca.pem", secrets->tls_ca_pem, reterr));
        else if (settings->tls_ca)
            POSTURE_TRY(conf_set(conf, "ssl.ca.location", settings->tls_ca, reterr));
        if (secrets && secrets->tls_cert_pem)
            POSTURE_TRY(
                conf_set(conf, "ssl.certificate.pem", secrets->tls_cert_pem, reterr));
        if (secrets && secrets->tls_key_pem)
            POSTURE_TRY(conf_set(conf, "ssl.key.pem", secrets->tls_key_pem, reterr));
    }
    if (settings->security == POSTURE_KAFKA_SASL_PLAINTEXT ||
        settings->security == POSTURE_KAFKA_SASL_TLS) {
        POSTURE_TRY(conf_set(conf, "sasl.mechanisms",
                             posture_kafka_sasl_words[settings->sasl_mechanism], reterr));
        POSTURE_TRY(conf_set(conf, "sasl.username", settings->sasl_user, reterr));
        if (secrets && secrets->sasl_password)
            POSTURE_TRY(conf_set(conf, "sasl.password", secrets->sasl_password, reterr));
    }
    return 0;
}

/* Appends those of dump that differ from defaults. Both come in librdkafka's order of its
 * one table, but unset strings are left out, so look each up. */
static void dump_compare(struct posture_buf *out, const char **dump, size_t count,
                         const char **defaults, size_t default_count)
{
    for (size_t i = 0; i + 1 < count; i += 2) {
        const char *key = dump[i], *value = dump[i + 1];
        size_t key_len = strlen(key);
        bool is_default = key_len > 3 && strcmp(key + key_len - 3, "_cb") == 0;
        for (size_t j = 0; !is_default && j + 1 < default_count; j += 2)
            is_default =
                strcmp(key, defaults[j]) == 0 && strcmp(value, defaults[j + 1]) == 0;
        if (is_default || strcmp(key, "default_topic_conf") == 0)
            continue;
        if (posture_kafka_property_is_secret(key))
            value = "********";
        else if (strchr(value, '\n'))
            value = "(given)";
        posture_buf_addf(out, "%s%s=%s", out->len > 0 ? " " : "", key, value);
    }
}

static int conf_describe(rd_kafka_conf_t *conf, struct posture_buf *out)
{
    rd_kafka_conf_t *default_conf = rd_kafka_conf_new();
    rd_kafka_topic_conf_t *default_topic = rd_kafka_topic_conf_new();
    size_t count = 0, default_count = 0;
    const char **dump = rd_kafka_conf_dump(conf, &count);
    const char **defaults = rd_kafka_conf_dump(default_conf, &default_count);
    if (dump && defaults)
        dump_compare(out, dump, count, defaults, default_count);
    rd_kafka_conf_dump_free(dump, count);
    rd_kafka_conf_dump_free(defaults, default_count);

    rd_kafka_topic_conf_t *topic = rd_kafka_conf_get_default_topic_conf(conf);
    if (topic) {
        dump = rd_kafka_topic_conf_dump(topic, &count);
        defaults = rd_kafka_topic_conf_dump(default_topic, &default_count);
        if (dump && defaults)
            dump_compare(out, dump, count, defaults, default_count);
        rd_kafka_conf_dump_free(dump, count);
        rd_kafka_conf_dump_free(defaults, default_count);
    }
    rd_kafka_topic_conf_destroy(default_topic);
    rd_kafka_conf_destroy(default_conf);
    return posture_buf_error(out);
}

int posture_kafka_conf(const struct posture_kafka_settings *settings,
                       const struct posture_kafka_secrets *secrets, bool is_producer,
                       rd_kafka_conf_t **ret_conf, struct posture_buf *log_text,
                       struct posture_error *reterr)
{
    __attribute__((cleanup(rd_kafka_conf_auto))) rd_kafka_conf_t *conf =
        rd_kafka_conf_new();
    if (!conf)
        return posture_error_set(reterr, -ENOMEM, "out of memory");

    POSTURE_TRY(
        conf_set_all(conf, common_defaults, POSTURE_COUNT(common_defaults), reterr));
    for (size_t i = 0; i + 1 < settings->properties.count; i += 2) {
        const char *key = settings->properties.items[i], *why = NULL;
        if (posture_kafka_property_refused(key, &why))
            return posture_error_set(reterr, POSTURE_E_OPTION,
                                     "property \"%s\" is refused: %s", key, why);
        POSTURE_TRY(conf_set(conf, key, settings->properties.items[i + 1], reterr));
    }
    POSTURE_TRY(conf_set(conf, "bootstrap.servers", settings->brokers, reterr));
    POSTURE_TRY(conf_set_security(conf, settings, secrets, reterr));
    if (is_producer) {
        POSTURE_TRY(conf_set_all(conf, producer_promises,
                                 POSTURE_COUNT(producer_promises), reterr));
        POSTURE_TRY(conf_set(conf, "compression.codec",
                             posture_kafka_compression_words[settings->compression],
                             reterr));
    } else {
        POSTURE_TRY(conf_set_all(conf, consumer_promises,
                                 POSTURE_COUNT(consumer_promises), reterr));
    }
    if (log_text)
        POSTURE_TRY(conf_describe(conf, log_text));
    *ret_conf = POSTURE_TAKE(conf);
    return 0;
}
