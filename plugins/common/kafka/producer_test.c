/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */

/* The producer against librdkafka's mock cluster, which can be told to fail: fatal
 * errors, refused batches, a broker that goes away. Each test plays the spool: it sends
 * in order and, after a restart, again what has no final report. What arrived is read
 * back from the cluster. */

#include "common/kafka/producer.h"

#include "common/base/clock.h"

#include <librdkafka/rdkafka_mock.h>

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { IDS_MAX = 20000, DEADLINE_S = 20, API_PRODUCE = 0 };
static const char topic[] = "posture.reports.v1";

struct world {
    rd_kafka_t *mock_rk;
    rd_kafka_mock_cluster_t *cluster;
    uv_loop_t loop;
    uv_timer_t deadline;
    struct posture_kafka_settings settings;
    struct posture_producer *producer;

    int total, next;
    size_t body_len;
    char *body;
    enum { WAITING, FLYING, DONE, REFUSED } ids[IDS_MAX];
    int done, refused, lost, restarts;
    int warnings, notices;
    char last_log[512], refused_reason[128];
    int64_t away_until_ns; /* test: set the broker up again */
};

static void world_pump(struct world *world)
{
    while (world->next < world->total) {
        int id = world->next;
        if (world->ids[id] != WAITING) {
            world->next++;
            continue;
        }
        char ce_id[40];
        snprintf(ce_id, sizeof(ce_id), "01936f3a-0000-7000-8000-%012d", id);
        const struct posture_message message = {
            .ce_type = "posture.report.v1",
            .ce_source = "//moj/noc1",
            .ce_id = ce_id,
            .epoch = 7,
            .sequence = (uint64_t)id + 1,
            .key = "moj|noc1|tls|tls://a:443",
            .key_len = 24,
            .value = world->body,
            .value_len = world->body_len,
        };
        int r = posture_producer_send(world->producer, topic, &message, id);
        if (r == POSTURE_E_BUSY)
            return;
        if (r == POSTURE_E_LIMIT) {
            world->ids[id] = REFUSED;
            world->refused++;
        } else {
            assert_int_equal(r, 0);
            world->ids[id] = FLYING;
        }
        world->next++;
    }
}

static void delivery_cb(void *data, int64_t id, enum posture_delivery delivery,
                        const char *reason)
{
    struct world *world = data;
    assert_int_equal(world->ids[id], FLYING);
    switch (delivery) {
    case POSTURE_DELIVERY_DONE:
        world->ids[id] = DONE;
        world->done++;
        break;
    case POSTURE_DELIVERY_REFUSED:
        world->ids[id] = REFUSED;
        world->refused++;
        snprintf(world->refused_reason, sizeof(world->refused_reason), "%s", reason);
        break;
    case POSTURE_DELIVERY_LOST:
        world->lost++;
        break;
    }
}

static void turn_cb(void *data)
{
    struct world *world = data;
    if (world->done + world->refused == world->total)
        uv_stop(&world->loop);
    else
        world_pump(world);
}

static void restart_cb(void *data)
{
    struct world *world = data;
    world->restarts++;
    for (int i = 0; i < world->total; i++) {
        if (world->ids[i] == FLYING)
            world->ids[i] = WAITING;
    }
    world->next = 0;
    world_pump(world);
}

static void log_cb(void *data, enum posture_producer_level level, const char *text)
{
    struct world *world = data;
    world->warnings += level == POSTURE_PRODUCER_WARNING;
    world->notices += level == POSTURE_PRODUCER_NOTICE;
    snprintf(world->last_log, sizeof(world->last_log), "%s", text);
}

static void deadline_cb(uv_timer_t *timer)
{
    struct world *world = timer->data;
    print_message("deadline: %d done, %d refused of %d; last log: %s\n", world->done,
                  world->refused, world->total, world->last_log);
    uv_stop(&world->loop);
}

static struct world *world_new(int total, size_t body_len)
{
    static const struct posture_producer_ops ops = {delivery_cb, turn_cb, restart_cb,
                                                    log_cb};
    struct world *world = calloc(1, sizeof(*world));
    struct posture_error error = {0};
    char errstr[256];

    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    rd_kafka_conf_set(conf, "log_level", "0", NULL, 0);
    world->mock_rk = rd_kafka_new(RD_KAFKA_PRODUCER, conf, errstr, sizeof(errstr));
    world->cluster = rd_kafka_mock_cluster_new(world->mock_rk, 1);
    assert_int_equal(rd_kafka_mock_topic_create(world->cluster, topic, 4, 1), 0);
    world->settings.brokers = rd_kafka_mock_cluster_bootstraps(world->cluster);
    world->settings.topic_prefix = "posture";
    world->total = total;
    world->body_len = body_len;
    world->body = malloc(body_len);
    memset(world->body, 'x', body_len);
    uv_loop_init(&world->loop);
    uv_timer_init(&world->loop, &world->deadline);
    world->deadline.data = world;
    uv_timer_start(&world->deadline, deadline_cb, DEADLINE_S * 1000, 0);
    if (posture_producer_new(&world->loop, &world->settings, NULL, &ops, world, NULL,
                             &world->producer, &error) < 0)
        fail_msg("%s", error.text);
    return world;
}

/* Reads everything back; the first copies must be in order, duplicates are counted. */
static int world_read_back(struct world *world, int *ret_duplicates)
{
    char errstr[256];
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    int32_t partition = posture_partition("moj", 3, 4);
    int seen = 0, duplicates = 0;
    uint64_t last = 0;

    rd_kafka_conf_set(conf, "bootstrap.servers", world->settings.brokers, NULL, 0);
    rd_kafka_conf_set(conf, "group.id", "t", NULL, 0);
    rd_kafka_conf_set(conf, "log_level", "0", NULL, 0);
    rd_kafka_conf_set(conf, "enable.partition.eof", "true", NULL, 0);
    rd_kafka_t *rk = rd_kafka_new(RD_KAFKA_CONSUMER, conf, errstr, sizeof(errstr));
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(list, topic, partition)->offset =
        RD_KAFKA_OFFSET_BEGINNING;
    rd_kafka_assign(rk, list);
    rd_kafka_topic_partition_list_destroy(list);
    for (;;) {
        rd_kafka_message_t *message = rd_kafka_consumer_poll(rk, 5000);
        assert_non_null(message);
        if (message->err) {
            assert_int_equal(message->err, RD_KAFKA_RESP_ERR__PARTITION_EOF);
            rd_kafka_message_destroy(message);
            break;
        }
        struct posture_message_storage storage;
        struct posture_message got;
        struct posture_error error = {0};
        if (posture_message_read(message, &storage, &got, &error) < 0)
            fail_msg("%s", error.text);
        assert_true(got.epoch == 7);
        if (got.sequence > last) {
            last = got.sequence;
            seen++;
        } else {
            duplicates++;
        }
        rd_kafka_message_destroy(message);
    }
    rd_kafka_consumer_close(rk);
    rd_kafka_destroy(rk);
    *ret_duplicates = duplicates;
    return seen;
}

static void world_free(struct world *world)
{
    posture_producer_close(world->producer, 0, NULL);
    uv_close((uv_handle_t *)&world->deadline, NULL);
    uv_run(&world->loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&world->loop), 0);
    rd_kafka_mock_cluster_destroy(world->cluster);
    rd_kafka_destroy(world->mock_rk);
    free(world->body);
    free(world);
}

static void world_run(struct world *world)
{
    world_pump(world);
    if (world->done + world->refused < world->total)
        uv_run(&world->loop, UV_RUN_DEFAULT);
}

static void all_are_delivered_in_order(void **state)
{
    (void)state;
    struct world *world = world_new(12000, 60); /* more than the queue holds */
    int duplicates = 0;
    world_run(world);
    assert_int_equal(world->done, 12000);
    assert_int_equal(world->restarts, 0);
    assert_int_equal(world_read_back(world, &duplicates), 12000);
    assert_int_equal(duplicates, 0);
    world_free(world);
}

static void fatal_error_makes_a_new_producer(void **state)
{
    (void)state;
    struct world *world = world_new(500, 100);
    int duplicates = 0;
    /* A gap in the sequence of the first request is what librdkafka cannot repair. */
    rd_kafka_mock_push_request_errors(world->cluster, API_PRODUCE, 1,
                                      RD_KAFKA_RESP_ERR_INVALID_PRODUCER_ID_MAPPING);
    rd_kafka_mock_push_request_errors(world->cluster, API_PRODUCE, 1,
                                      RD_KAFKA_RESP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER);
    world_pump(world);
    rd_kafka_test_fatal_error(posture_producer_handle(world->producer),
                              RD_KAFKA_RESP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER, "told to");
    uv_run(&world->loop, UV_RUN_DEFAULT);
    assert_int_equal(world->done, 500);
    assert_int_equal(world->refused, 0);
    assert_true(world->restarts >= 1);
    assert_int_equal(world_read_back(world, &duplicates), 500);
    assert_int_equal(duplicates, 0); /* none was on the wire */
    assert_true(world->warnings >= 1);
    world_free(world);
}

static void sequence_gap_is_survived(void **state)
{
    (void)state;
    struct world *world = world_new(500, 100);
    int duplicates = 0;
    rd_kafka_mock_push_request_errors(
        world->cluster, API_PRODUCE, 3, RD_KAFKA_RESP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER,
        RD_KAFKA_RESP_ERR_UNKNOWN_PRODUCER_ID, RD_KAFKA_RESP_ERR_INVALID_PRODUCER_EPOCH);
    world_run(world);
    assert_int_equal(world->done, 500);
    assert_int_equal(world->refused, 0);
    assert_int_equal(world_read_back(world, &duplicates), 500);
    world_free(world);
}

static void refused_batch_spares_its_neighbours(void **state)
{
    static const struct {
        const char *label;
        size_t errors; /* 1: the batch only; 2: the batch, then the first message by
                          itself */
        rd_kafka_resp_err_t err;
        int want_refused;
    } rows[] = {
        {"batch too large", 1, RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE, 0},
        {"one too large", 2, RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE, 1},
        {"one invalid", 2, RD_KAFKA_RESP_ERR_INVALID_RECORD, 1},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct world *world = world_new(200, 100);
        int duplicates = 0;
        for (size_t j = 0; j < rows[i].errors; j++)
            rd_kafka_mock_push_request_errors(world->cluster, API_PRODUCE, 1,
                                              rows[i].err);
        world_run(world);
        if (world->refused != rows[i].want_refused || world->done + world->refused != 200)
            fail_msg("%s: %d refused, %d done", rows[i].label, world->refused,
                     world->done);
        int seen = world_read_back(world, &duplicates);
        if (seen != 200 - rows[i].want_refused || duplicates != 0)
            fail_msg("%s: %d arrived, %d twice", rows[i].label, seen, duplicates);
        if (rows[i].want_refused)
            assert_true(world->ids[0] == REFUSED && world->refused_reason[0]);
        world_free(world);
    }
}

static void too_large_for_us_is_refused_at_once(void **state)
{
    (void)state;
    struct world *world = world_new(1, 1100000); /* over message.max.bytes */
    world_run(world);
    assert_int_equal(world->refused, 1);
    assert_int_equal(world->restarts, 0);
    world_free(world);
}

static void other_errors_are_tried_again(void **state)
{
    static const rd_kafka_resp_err_t errors[] = {
        RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED,
        RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED,
        RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS,
        RD_KAFKA_RESP_ERR_UNSUPPORTED_COMPRESSION_TYPE,
        RD_KAFKA_RESP_ERR_UNKNOWN,
    };
    (void)state;
    for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
        struct world *world = world_new(300, 100);
        int duplicates = 0;
        rd_kafka_mock_push_request_errors(world->cluster, API_PRODUCE, 1, errors[i]);
        world_run(world);
        if (world->done != 300 || world->refused != 0)
            fail_msg("%s: %d done, %d refused", rd_kafka_err2name(errors[i]), world->done,
                     world->refused);
        int seen = world_read_back(world, &duplicates);
        if (seen != 300 || duplicates != 0)
            fail_msg("%s: %d arrived, %d twice", rd_kafka_err2name(errors[i]), seen,
                     duplicates);
        world_free(world);
    }
}

static void up_cb(uv_timer_t *timer)
{
    struct world *world = timer->data;
    struct posture_producer_stats stats;
    posture_producer_stats(world->producer, &stats);
    /* Memory is flat: no more than the queue, whatever waits outside. */
    assert_true(stats.in_flight == POSTURE_KAFKA_QUEUE_MESSAGES);
    assert_false(posture_producer_has_room(world->producer));
    assert_true(stats.is_away);
    assert_int_equal(world->warnings, 1);
    rd_kafka_mock_broker_set_up(world->cluster, 1);
    uv_close((uv_handle_t *)timer, NULL);
}

static void broker_away_is_waited_for(void **state)
{
    (void)state;
    struct world *world = world_new(8000, 100);
    uv_timer_t up;
    int duplicates = 0;
    rd_kafka_mock_broker_set_down(world->cluster, 1);
    uv_timer_init(&world->loop, &up);
    up.data = world;
    uv_timer_start(&up, up_cb, 1500, 0);
    world_run(world);
    assert_int_equal(world->done, 8000);
    assert_int_equal(world->restarts, 0);
    assert_int_equal(world_read_back(world, &duplicates), 8000);
    assert_int_equal(duplicates, 0);
    assert_int_equal(world->warnings, 1);
    assert_non_null(strstr(world->last_log, "answer again"));
    world_free(world);
}

static void close_is_quick_while_away(void **state)
{
    (void)state;
    struct world *world = world_new(100, 100);
    rd_kafka_mock_broker_set_down(world->cluster, 1);
    uv_timer_start(&world->deadline, deadline_cb, 500, 0);
    world_run(world);
    assert_int_equal(world->done, 0);
    int64_t before = posture_monotonic_ns();
    posture_producer_close(world->producer, 3000, NULL);
    uv_run(&world->loop, UV_RUN_DEFAULT);
    assert_true(posture_monotonic_ns() - before < 2 * POSTURE_NS_PER_S);
    uv_close((uv_handle_t *)&world->deadline, NULL);
    uv_run(&world->loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&world->loop), 0);
    rd_kafka_mock_cluster_destroy(world->cluster);
    rd_kafka_destroy(world->mock_rk);
    free(world->body);
    free(world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_are_delivered_in_order),
        cmocka_unit_test(fatal_error_makes_a_new_producer),
        cmocka_unit_test(sequence_gap_is_survived),
        cmocka_unit_test(refused_batch_spares_its_neighbours),
        cmocka_unit_test(too_large_for_us_is_refused_at_once),
        cmocka_unit_test(other_errors_are_tried_again),
        cmocka_unit_test(broker_away_is_waited_for),
        cmocka_unit_test(close_is_quick_while_away),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
