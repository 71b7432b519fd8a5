/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#include "common/kafka/client.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static char *pair_storage[4];

static struct posture_kafka_settings settings_base(void)
{
    struct posture_kafka_settings settings = {
        .brokers = "127.0.0.1:9092",
        .topic_prefix = "posture",
        .security = POSTURE_KAFKA_PLAINTEXT,
        .sasl_mechanism = 2,
        .compression = 3,
    };
    return settings;
}

static struct posture_kafka_settings settings_with(const char *key, const char *value)
{
    struct posture_kafka_settings settings = settings_base();
    pair_storage[0] = (char *)(uintptr_t)key;
    pair_storage[1] = (char *)(uintptr_t)value;
    settings.properties.items = pair_storage;
    settings.properties.count = 2;
    return settings;
}

/* Everything that would weaken a promise, and a few that are the operator's own affair.
 */
static void properties_are_refused(void **state)
{
    static const struct {
        const char *key, *value;
        const char *why; /* NULL: taken */
    } rows[] = {
        {"acks", "1", "in-sync"},
        {"request.required.acks", "0", "in-sync"},
        {"enable.idempotence", "false", "idempotent"},
        {"max.in.flight", "100", "idempotent"},
        {"max.in.flight.requests.per.connection", "100", "idempotent"},
        {"retries", "3", "retried for ever"},
        {"message.timeout.ms", "1000", "retried for ever"},
        {"delivery.timeout.ms", "1000", "retried for ever"},
        {"queue.buffering.max.messages", "10000000", "spool on disk"},
        {"partitioner", "random", "one partition"},
        {"enable.ssl.certificate.verification", "false", "always checked"},
        {"ssl.endpoint.identification.algorithm", "none", "always checked"},
        {"enable.auto.commit", "true", "acknowledged"},
        {"enable.auto.offset.store", "true", "acknowledged"},
        {"check.crcs", "false", "verified"},
        {"plugin.library.paths", "/tmp/x.so", "foreign code"},
        {"test.mock.num.brokers", "3", "test double"},
        {"dr_msg_cb", "1", "for itself"},
        {"bootstrap.servers", "x:1", "option Brokers"},
        {"sasl.password", "x", "SASLPasswordFile"},
        {"ssl.ca.location", "/x", "TLSCACert"},
        {"compression.type", "none", "option Compression"},
        {"socket.timeout.ms", "30000", NULL},
        {"linger.ms", "50", NULL},
        {"ssl.cipher.suites", "ECDHE-RSA-AES128-GCM-SHA256", NULL},
        {"message.max.bytes", "2000000", NULL},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct posture_kafka_settings settings =
            settings_with(rows[i].key, rows[i].value);
        struct posture_error error = {0};
        rd_kafka_conf_t *conf = NULL;
        int r = posture_kafka_settings_check(&settings, &error);
        if (!rows[i].why) {
            if (r != 0 ||
                posture_kafka_conf(&settings, NULL, true, &conf, NULL, &error) != 0)
                fail_msg("%s: %s", rows[i].key, error.text);
            rd_kafka_conf_destroy(conf);
            continue;
        }
        if (r != POSTURE_E_OPTION || !strstr(error.text, rows[i].why) ||
            !strstr(error.text, rows[i].key))
            fail_msg("%s: got %d \"%s\", want \"%s\"", rows[i].key, r, error.text,
                     rows[i].why);
        assert_int_equal(posture_kafka_conf(&settings, NULL, true, &conf, NULL, &error),
                         POSTURE_E_OPTION);
    }
}

static void brokers_are_host_and_port(void **state)
{
    static const struct {
        const char *brokers;
        int r;
    } rows[] = {
        {"127.0.0.1:9092", 0},
        {"kafka1.example.go.jp:9093, [2001:db8::1]:9093", 0},
        {"kafka1,kafka2 ", 0},
        {"", POSTURE_E_OPTION},
        {" ", POSTURE_E_OPTION},
        {"a:1,", POSTURE_E_OPTION},
        {"nonsense:::", POSTURE_E_OPTION},
        {"a:", POSTURE_E_OPTION},
        {"a:0", POSTURE_E_OPTION},
        {"a:65536", POSTURE_E_OPTION},
        {"a:1 b:1", POSTURE_E_OPTION},
        {"2001:db8::1", POSTURE_E_OPTION},
        {"[]:1", POSTURE_E_OPTION},
        {"[::1:1", POSTURE_E_OPTION},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct posture_kafka_settings settings = settings_with("linger.ms", "5");
        struct posture_error error = {0};
        settings.brokers = (char *)(uintptr_t)rows[i].brokers;
        int r = posture_kafka_settings_check(&settings, &error);
        if (r != rows[i].r || (r < 0 && !strstr(error.text, "expected host:port")))
            fail_msg("\"%s\": got %d \"%s\"", rows[i].brokers, r, error.text);
    }
}

static void bad_properties_are_named(void **state)
{
    static const struct {
        const char *key, *value, *want;
    } rows[] = {
        {"no.such.property", "1", "no.such.property"},
        {"socket.timeout.ms", "soon", "socket.timeout.ms"},
        {"linger.ms", "-5", "linger.ms"},
        {"security.protocoll", "x", "security.protocoll"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct posture_kafka_settings settings =
            settings_with(rows[i].key, rows[i].value);
        struct posture_error error = {0};
        rd_kafka_conf_t *conf = NULL;
        assert_int_equal(posture_kafka_settings_check(&settings, &error), 0);
        int r = posture_kafka_conf(&settings, NULL, true, &conf, NULL, &error);
        if (r != POSTURE_E_OPTION || !strstr(error.text, rows[i].want))
            fail_msg("%s: got %d \"%s\"", rows[i].key, r, error.text);
    }
}

static void options_need_each_other(void **state)
{
    struct posture_error error = {0};
    struct posture_kafka_settings settings = settings_base();
    (void)state;

    assert_int_equal(posture_kafka_settings_check(&settings, &error), 0);
    settings.tls_ca = "/etc/ca.pem";
    assert_int_equal(posture_kafka_settings_check(&settings, &error), POSTURE_E_OPTION);
    assert_non_null(strstr(error.text, "not plaintext"));
    settings.security = POSTURE_KAFKA_TLS;
    assert_int_equal(posture_kafka_settings_check(&settings, &error), 0);
    settings.tls_cert.path = "/etc/c.pem";
    assert_int_equal(posture_kafka_settings_check(&settings, &error), POSTURE_E_OPTION);
    assert_non_null(strstr(error.text, "TLSKey is missing"));
    settings.tls_key.path = "/etc/c.key";
    assert_int_equal(posture_kafka_settings_check(&settings, &error), 0);
    settings.security = POSTURE_KAFKA_SASL_TLS;
    assert_int_equal(posture_kafka_settings_check(&settings, &error), POSTURE_E_OPTION);
    assert_non_null(strstr(error.text, "SASLUser is missing"));
    settings.sasl_user = "moj";
    assert_int_equal(posture_kafka_settings_check(&settings, &error), POSTURE_E_OPTION);
    assert_non_null(strstr(error.text, "SASLPasswordFile is missing"));
    settings.sasl_password.path = "/etc/p";
    assert_int_equal(posture_kafka_settings_check(&settings, &error), 0);
    settings.security = POSTURE_KAFKA_TLS;
    assert_int_equal(posture_kafka_settings_check(&settings, &error), POSTURE_E_OPTION);
    settings = settings_base();
    settings.topic_prefix = "Posture_X";
    assert_int_equal(posture_kafka_settings_check(&settings, &error), POSTURE_E_OPTION);
    assert_non_null(strstr(error.text, "TopicPrefix"));
}

static const char *conf_get(const rd_kafka_conf_t *conf, const char *key, char buf[512])
{
    size_t size = 512;
    assert_int_equal(rd_kafka_conf_get(conf, key, buf, &size), RD_KAFKA_CONF_OK);
    return buf;
}

static void promises_hold(void **state)
{
    static const struct {
        bool is_producer;
        const char *key, *want;
    } rows[] = {
        {true, "enable.idempotence", "true"},
        {true, "acks", "-1"},
        {true, "message.timeout.ms", "0"},
        {true, "queue.buffering.max.messages", "5000"},
        {true, "queue.buffering.max.kbytes", "65536"},
        {true, "compression.codec", "lz4"},
        {false, "enable.auto.commit", "false"},
        {false, "enable.auto.offset.store", "false"},
        {false, "partition.assignment.strategy", "range"},
        {false, "isolation.level", "read_committed"},
        {false, "check.crcs", "true"},
        {false, "auto.offset.reset", "smallest"},
    };
    (void)state;
    struct posture_kafka_settings settings = settings_base();
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        rd_kafka_conf_t *conf = NULL;
        char buf[512];
        assert_int_equal(
            posture_kafka_conf(&settings, NULL, rows[i].is_producer, &conf, NULL, NULL),
            0);
        const char *got = conf_get(conf, rows[i].key, buf);
        if (strcmp(got, rows[i].want) != 0)
            fail_msg("%s: got %s, want %s", rows[i].key, got, rows[i].want);
        rd_kafka_conf_destroy(conf);
    }
}

static void secrets_are_masked(void **state)
{
    struct posture_kafka_settings settings =
        settings_with("ssl.key.password", "s3cret-kp");
    struct posture_kafka_secrets secrets = {
        .sasl_password = "s3cret-pw",
        .tls_key_pem = "-----BEGIN PRIVATE KEY-----\ns3cret\n",
        .tls_cert_pem = "-----BEGIN CERTIFICATE-----\nopen\n",
    };
    POSTURE_AUTO_BUF struct posture_buf text = {0};
    struct posture_error error = {0};
    rd_kafka_conf_t *conf = NULL;
    (void)state;

    settings.security = POSTURE_KAFKA_SASL_TLS;
    settings.sasl_user = "moj";
    int r = posture_kafka_conf(&settings, &secrets, true, &conf, &text, &error);
    if (r < 0)
        fail_msg("%s", error.text);
    assert_null(strstr(text.data, "s3cret"));
    assert_null(strchr(text.data, '\n'));
    assert_non_null(strstr(text.data, "sasl.password=********"));
    assert_non_null(strstr(text.data, "ssl.certificate.pem=(given)"));
    assert_non_null(strstr(text.data, "sasl.username=moj"));
    assert_non_null(strstr(text.data, "enable.idempotence=true"));
    assert_non_null(strstr(text.data, "message.timeout.ms=0"));
    assert_null(strstr(text.data, "socket.timeout.ms")); /* a default is no news */
    rd_kafka_conf_destroy(conf);
}

static void topics_have_the_prefix(void **state)
{
    struct posture_kafka_settings settings = settings_base();
    char buf[POSTURE_KAFKA_TOPIC_MAX];
    (void)state;
    assert_string_equal(posture_kafka_topic(&settings, "reports.v1", buf),
                        "posture.reports.v1");
    settings.topic_prefix = "gov.test";
    assert_string_equal(posture_kafka_topic(&settings, "posture.state.v1", buf),
                        "gov.test.state.v1");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(properties_are_refused),
        cmocka_unit_test(brokers_are_host_and_port),
        cmocka_unit_test(bad_properties_are_named),
        cmocka_unit_test(options_need_each_other),
        cmocka_unit_test(promises_hold),
        cmocka_unit_test(secrets_are_masked),
        cmocka_unit_test(topics_have_the_prefix),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
