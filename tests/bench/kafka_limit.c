/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */

/*
 * The limit that kafka_bench.py compares with: the same body, key and headers through
 * librdkafka with the same promises (acks=all, idempotent, compression), without a spool,
 * as fast as its queue takes them. One JSON line.
 *
 *   kafka_limit BROKERS TOPIC COUNT BODY_FILE COMPRESSION
 */
#include "common/base/clock.h"
#include "common/base/parse.h"
#include "common/kafka/client.h"

#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

static uint32_t delivered, failed;

static void delivery_cb(rd_kafka_t *rk, const rd_kafka_message_t *message, void *opaque)
{
    (void)rk;
    (void)opaque;
    if (message->err)
        failed++;
    else
        delivered++;
}

static int produce_all(rd_kafka_t *rk, const char *topic_name, uint32_t count, char *body,
                       size_t len)
{
    rd_kafka_topic_conf_t *topic_conf = rd_kafka_default_topic_conf_dup(rk);
    rd_kafka_topic_conf_set_partitioner_cb(topic_conf, posture_partitioner);
    rd_kafka_topic_t *topic = rd_kafka_topic_new(rk, topic_name, topic_conf);
    char id[64], key[128], number[32];

    for (uint32_t i = 0; i < count; i++) {
        rd_kafka_headers_t *headers = NULL;
        snprintf(id, sizeof(id), "01936f3a-0000-7000-8000-%012x", i);
        snprintf(key, sizeof(key), "moj|noc1.moj.example|tls|tls://s%07u.example:443", i);
        snprintf(number, sizeof(number), "%010u", i);
        memcpy(body + len - 12, number, 10); /* no two are the same for the compressor */
        const struct posture_message message = {
            .ce_type = "posture.report.v1",
            .ce_source = "//moj/noc1.moj.example",
            .ce_id = id,
            .ce_time_ns = posture_now_ns(),
            .epoch = 1,
            .sequence = i + 1,
            .value = body,
        };
        if (posture_message_headers(&message, &headers) < 0)
            return 1;
        while (rd_kafka_producev(
            rk, RD_KAFKA_V_RKT(topic), RD_KAFKA_V_KEY(key, strlen(key)),
            RD_KAFKA_V_VALUE(body, len), RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY),
            RD_KAFKA_V_HEADERS(headers), RD_KAFKA_V_END))
            rd_kafka_poll(rk, 1);
        rd_kafka_poll(rk, 0);
    }
    rd_kafka_flush(rk, 60000);
    rd_kafka_topic_destroy(topic);
    return delivered == count ? 0 : 1;
}

int main(int argc, char **argv)
{
    static char body[64 * 1024];
    uint32_t count = 0;
    struct posture_kafka_settings settings = {.topic_prefix = "posture"};
    struct posture_error error = {0};
    rd_kafka_conf_t *conf = NULL;

    if (argc != 6 || posture_parse_u32(argv[3], 1, 100000000, &count) < 0) {
        fputs("usage: kafka_limit BROKERS TOPIC COUNT BODY_FILE COMPRESSION\n", stderr);
        return 2;
    }
    FILE *file = fopen(argv[4], "re");
    size_t len = file ? fread(body, 1, sizeof(body), file) : 0;
    if (file)
        fclose(file);
    settings.brokers = argv[1];
    while (posture_kafka_compression_words[settings.compression] &&
           strcmp(posture_kafka_compression_words[settings.compression], argv[5]) != 0)
        settings.compression++;
    if (len < 64 || !posture_kafka_compression_words[settings.compression] ||
        posture_kafka_conf(&settings, NULL, true, &conf, NULL, &error) < 0) {
        fprintf(stderr, "kafka_limit: %s\n", error.text[0] ? error.text : "bad body");
        return 1;
    }
    rd_kafka_conf_set_dr_msg_cb(conf, delivery_cb);
    rd_kafka_t *rk =
        rd_kafka_new(RD_KAFKA_PRODUCER, conf, error.text, sizeof(error.text));
    if (!rk)
        return 1;
    int64_t began = posture_monotonic_ns();
    int status = produce_all(rk, argv[2], count, body, len);
    double seconds = (double)(posture_monotonic_ns() - began) / 1e9;
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    double cpu = (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
                 (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
    printf("{\"delivered\":%u,\"failed\":%u,\"seconds\":%.3f,\"per_second\":%.0f,"
           "\"cpu_us\":%.2f}\n",
           delivered, failed, seconds, count / seconds, cpu / count * 1e6);
    rd_kafka_destroy(rk);
    return status;
}
