/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */

/* posture-kafka: owns the spool, serves the other workers at its socket, delivers to
 * Kafka. */

#include "posture_kafka/worker.h"

#include "common/base/clock.h"
#include "common/net/sandbox.h"
#include "common/report/subject.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    HOST_FD = 3,
    SECRET_MAX = 64 * 1024,
    CA_MAX = 1024 * 1024,
    LISTEN_RETRY_MS = 5000,
    LINGER_MS = 1500, /* the host kills after 5 s */
};

/* Which kinds each plugin may report (DESIGN section 2). */
static const struct posture_spool_kind kinds[] = {
    {"posture_crypto", "tls"},
    {"posture_crypto", "ssh"},
    {"posture_crypto", "host"},
    {"posture_ipv6", "ipv6"},
    {"posture_domain", "domain"},
    {"posture_snmp", "device"},
    {"posture_incidents", "incidents"},
    {"posture_attest", "attest"},
    {NULL, NULL},
};

static int file_read(const char *path, char **ret_text, struct posture_error *reterr)
{
    POSTURE_AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    size_t len = 0;
    if (fd < 0)
        return posture_error_set(reterr, -errno, "option TLSCACert: '%s': %s", path,
                                 strerror(errno));
    int r = posture_worker_read_all(fd, CA_MAX, ret_text, &len);
    if (r < 0)
        return posture_error_set(reterr, r, "option TLSCACert: '%s': %s", path,
                                 posture_strerror(r));
    return 0;
}

/* A file that the host opened for us; NUL-terminated text. */
static int secret_read(struct kafka_worker *kafka, const struct posture_option_file *file,
                       const char *option, char **ret_text, struct posture_error *reterr)
{
    POSTURE_AUTO_CLOSE int fd = -1;
    size_t len = 0;

    if (!file->path)
        return 0;
    struct posture_error error = {0};
    int r = posture_worker_open_now(kafka->worker, file->index, &fd, &error);
    if (r < 0)
        return posture_error_set(reterr, r, "option %s: %s", option, error.text);
    r = posture_worker_read_all(fd, SECRET_MAX, ret_text, &len);
    if (r == 0 && (len == 0 || strlen(*ret_text) != len))
        r = POSTURE_E_FORMAT;
    if (r < 0)
        return posture_error_set(reterr, r, "option %s: '%s': %s", option, file->path,
                                 len == 0 ? "empty" : posture_strerror(r));
    return 0;
}

static int secrets_read(struct kafka_worker *kafka, struct posture_error *reterr)
{
    const struct posture_kafka_settings *settings = &kafka->options->kafka;
    char **texts = kafka->secret_texts;

    if (settings->tls_ca)
        POSTURE_TRY(file_read(settings->tls_ca, &texts[0], reterr));
    POSTURE_TRY(secret_read(kafka, &settings->tls_cert, "TLSCert", &texts[1], reterr));
    POSTURE_TRY(secret_read(kafka, &settings->tls_key, "TLSKey", &texts[2], reterr));
    POSTURE_TRY(secret_read(kafka, &settings->sasl_password, "SASLPasswordFile",
                            &texts[3], reterr));
    if (texts[3])
        texts[3][strcspn(texts[3], "\r\n")] = '\0';
    kafka->secrets.tls_ca_pem = texts[0];
    kafka->secrets.tls_cert_pem = texts[1];
    kafka->secrets.tls_key_pem = texts[2];
    kafka->secrets.sasl_password = texts[3];
    return 0;
}

/* Builds the configuration once, so that a bad property or key is a clear configuration
 * error. */
static int configuration_check(struct kafka_worker *kafka, struct posture_error *reterr)
{
    rd_kafka_conf_t *conf = NULL;
    char errstr[256];

    POSTURE_TRY(posture_kafka_conf(&kafka->options->kafka, &kafka->secrets,
                                   /* is_producer = */ true, &conf, &kafka->properties,
                                   reterr));
    /* Only rd_kafka_new() looks at certificates and keys. Its threads end with it. */
    rd_kafka_conf_set_events(conf, RD_KAFKA_EVENT_LOG | RD_KAFKA_EVENT_ERROR);
    rd_kafka_conf_set(conf, "log.queue", "true", NULL, 0);
    rd_kafka_conf_set(conf, "bootstrap.servers", "", NULL, 0);
    rd_kafka_t *rk = rd_kafka_new(RD_KAFKA_PRODUCER, conf, errstr, sizeof(errstr));
    if (!rk) {
        rd_kafka_conf_destroy(conf);
        return posture_error_set(reterr, POSTURE_E_OPTION, "Kafka connection: %s",
                                 errstr);
    }
    rd_kafka_destroy(rk);
    return 0;
}

static int names_make(struct kafka_worker *kafka, struct posture_error *reterr)
{
    char subject[POSTURE_SUBJECT_MAX];

    if (kafka->options->reporter) {
        snprintf(kafka->reporter, sizeof(kafka->reporter), "%s",
                 kafka->options->reporter);
    } else {
        if (gethostname(kafka->reporter, sizeof(kafka->reporter) - 1) < 0)
            return posture_error_set(reterr, -errno, "host name: %s", strerror(errno));
        for (char *c = kafka->reporter; *c; c++)
            *c = (char)tolower((unsigned char)*c);
    }
    snprintf(subject, sizeof(subject), "reporter://%s", kafka->reporter);
    if (!posture_subject_is_canonical(subject))
        return posture_error_set(reterr, POSTURE_E_OPTION,
                                 "option Reporter: \"%s\": expected a host name",
                                 kafka->reporter);
    snprintf(kafka->source, sizeof(kafka->source), "//%s/%s", kafka->options->agency,
             kafka->reporter);
    POSTURE_TRY(posture_key_format(kafka->options->agency, kafka->reporter, "reporter",
                                   subject, kafka->heartbeat_key));
    posture_kafka_topic(&kafka->options->kafka, "reports.v1",
                        kafka->topics[POSTURE_SPOOL_REPORTS]);
    posture_kafka_topic(&kafka->options->kafka, "incidents.v1",
                        kafka->topics[POSTURE_SPOOL_INCIDENTS]);
    return 0;
}

static int prepare(struct posture_worker *worker, struct posture_error *reterr)
{
    struct kafka_worker *kafka = posture_calloc(1, sizeof(*kafka));
    if (!kafka)
        return -ENOMEM;
    posture_worker_set_data(worker, kafka);
    kafka->worker = worker;
    kafka->options = posture_settings_plugin(posture_worker_settings(worker));
    if (posture_worker_is_once(worker))
        return posture_error_set(reterr, POSTURE_E_OPTION, "posture-kafka has no --once");
    POSTURE_TRY(names_make(kafka, reterr));
    POSTURE_TRY(secrets_read(kafka, reterr));
    POSTURE_TRY(configuration_check(kafka, reterr));
    /* The sandbox opens one folder for writing; it must be there before. */
    const char *dir = kafka->options->spool_dir;
    if (mkdir(dir, 0700) < 0 && errno != EEXIST)
        return posture_error_set(reterr, -errno, "option SpoolDir: '%s': %s", dir,
                                 strerror(errno));
    return posture_worker_set_writable_dir(worker, dir);
}

/* The host made the socket pair, so the peer's uid of descriptor 3 is collectd's. */
static uid_t host_uid(void)
{
    struct ucred cred;
    socklen_t len = sizeof(cred);
    if (getsockopt(HOST_FD, SOL_SOCKET, SO_PEERCRED, &cred, &len) < 0)
        return getuid();
    return cred.uid;
}

static void listen_ask(uv_timer_t *timer);

static void listen_cb(struct posture_worker *worker, int fd, void *data)
{
    struct kafka_worker *kafka = data;
    struct posture_error error = {0};

    if (kafka->is_stopping) {
        posture_close(fd);
        return;
    }
    int r = fd < 0 ? posture_error_set(&error, fd, "%s", posture_strerror(fd)) : 0;
    if (r == 0) {
        const struct posture_spool_server_config config = {
            .loop = posture_worker_loop(worker),
            .listen_fd = fd,
            .spool = kafka->spool,
            .allowed_uid = host_uid(),
            .agency = kafka->options->agency,
            .reporter = kafka->reporter,
            .kinds = kinds,
            .ops = &kafka_server_ops,
            .data = kafka,
        };
        r = posture_spool_server_new(&config, &kafka->server, &error);
    }
    if (r < 0) {
        posture_worker_log(worker, POSTURE_LOG_ERROR, "spool socket '%s': %s",
                           kafka->options->common.spool_socket, error.text);
        uv_timer_start(&kafka->listen_timer, listen_ask, LISTEN_RETRY_MS, 0);
    }
}

static void listen_ask(uv_timer_t *timer)
{
    struct kafka_worker *kafka = timer->data;
    if (posture_worker_open(kafka->worker, "listen", listen_cb, kafka) < 0)
        uv_timer_start(timer, listen_ask, LISTEN_RETRY_MS, 0);
}

static void heartbeat_cb(uv_timer_t *timer)
{
    struct kafka_worker *kafka = timer->data;
    kafka->is_heartbeat_due = true;
    kafka_commit_soon(kafka);
}

static void stats_cb(uv_timer_t *timer)
{
    kafka_stats_send(timer->data);
}

static uint64_t to_ms(int64_t ns)
{
    return (uint64_t)(ns / POSTURE_NS_PER_MS);
}

static int start(struct posture_worker *worker, struct posture_error *reterr)
{
    struct kafka_worker *kafka = posture_worker_data(worker);
    uv_loop_t *loop = posture_worker_loop(worker);
    const struct posture_kafka_options *options = kafka->options;

    kafka->started_ns = posture_now_ns();
    const struct posture_spool_config config = {
        .directory = options->spool_dir,
        .max_bytes = options->spool_max_bytes,
        .reserve_bytes = options->spool_reserve_bytes,
    };
    struct posture_error error = {0};
    int r = posture_spool_open(&config, &kafka->spool, &error);
    if (r < 0)
        return posture_error_set(reterr, r, "option SpoolDir: %s",
                                 error.text[0] ? error.text : posture_strerror(r));
    POSTURE_TRY(posture_producer_new(loop, &options->kafka, &kafka->secrets,
                                     &kafka_producer_ops, kafka, NULL, &kafka->producer,
                                     reterr));
    uv_timer_t *timers[] = {&kafka->heartbeat_timer, &kafka->stats_timer,
                            &kafka->commit_timer, &kafka->listen_timer};
    for (size_t i = 0; i < POSTURE_COUNT(timers); i++) {
        uv_timer_init(loop, timers[i]);
        timers[i]->data = kafka;
    }
    uv_timer_start(&kafka->heartbeat_timer, heartbeat_cb, 0,
                   to_ms(options->heartbeat_ns));
    uint64_t interval = to_ms(options->common.interval_ns);
    uv_timer_start(&kafka->stats_timer, stats_cb, interval < 1000 ? interval : 1000,
                   interval);
    uv_timer_start(&kafka->listen_timer, listen_ask, 0, 0);
    struct posture_spool_stats stats;
    posture_spool_stats(kafka->spool, &stats);
    kafka->refused_said = stats.refused;
    kafka->is_dry = true;
    posture_worker_log(worker, POSTURE_LOG_INFO, "librdkafka %s: %s",
                       rd_kafka_version_str(),
                       kafka->properties.data ? kafka->properties.data : "");
    posture_worker_log(worker, POSTURE_LOG_INFO, "%s: spool '%s' holds %llu records",
                       kafka->source, options->spool_dir,
                       (unsigned long long)stats.spooled);
    return 0;
}

static void producer_closed(void *data)
{
    struct kafka_worker *kafka = data;
    kafka->producer = NULL;
    kafka_commit_now(kafka); /* the last delivery reports */
    uv_close((uv_handle_t *)&kafka->commit_timer, NULL);
}

static void stop(struct posture_worker *worker)
{
    struct kafka_worker *kafka = posture_worker_data(worker);
    if (!kafka || kafka->is_stopping)
        return;
    kafka->is_stopping = true;
    kafka_stats_send(kafka);
    if (kafka->server)
        posture_spool_server_close(POSTURE_TAKE(kafka->server));
    uv_close((uv_handle_t *)&kafka->heartbeat_timer, NULL);
    uv_close((uv_handle_t *)&kafka->stats_timer, NULL);
    uv_close((uv_handle_t *)&kafka->listen_timer, NULL);
    posture_producer_close(kafka->producer, LINGER_MS, producer_closed);
}

static void worker_free(struct posture_worker *worker)
{
    struct kafka_worker *kafka = posture_worker_data(worker);
    if (!kafka)
        return;
    posture_spool_close(kafka->spool);
    posture_buf_done(&kafka->properties);
    for (size_t i = 0; i < POSTURE_COUNT(kafka->secret_texts); i++) {
        if (kafka->secret_texts[i])
            explicit_bzero(kafka->secret_texts[i], strlen(kafka->secret_texts[i]));
        free(kafka->secret_texts[i]);
    }
    free(kafka);
}

int main(int argc, char **argv)
{
    static const struct posture_worker_ops ops = {
        .name = "posture-kafka",
        .options = &posture_kafka_option_table,
        .prepare = prepare,
        .start = start,
        .stop = stop,
        .free = worker_free,
        .sandbox = POSTURE_SANDBOX_CONNECT | POSTURE_SANDBOX_THREADS |
                   POSTURE_SANDBOX_FILES |
                   POSTURE_SANDBOX_LISTEN, /* accept on the host's listening socket */
    };
    return posture_worker_main(&ops, argc, argv);
}
