/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */

#include "common/net/connection.h"

#include "common/base/error.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cmocka.h>

enum { WAIT_MS = 5000, LARGE = 192 * 1024 };

struct world {
    uv_loop_t loop;
    uv_timer_t timer;
    struct posture_connections *set;
    struct posture_connection connection;
    int listener, peer;
    struct sockaddr_in address;
    size_t received;
    unsigned calls, ends;
    int ended;
    bool closes_on_bytes; /* and opens again, within the callback */
    bool is_late;
};

static void give_up(uv_timer_t *timer)
{
    struct world *world = timer->data;
    world->is_late = true;
    uv_stop(&world->loop);
}

static void received(struct posture_connection *connection, const char *bytes, size_t len)
{
    struct world *world = connection->data;
    (void)bytes;
    world->calls++;
    world->received += len;
    if (world->closes_on_bytes) {
        bool is_remote;
        posture_connection_close(connection, /* reset = */ true);
        assert_int_equal(posture_connection_open(connection,
                                                 (struct sockaddr *)&world->address, "b",
                                                 1, &is_remote),
                         0);
        world->closes_on_bytes = false;
        uv_stop(&world->loop);
    }
}

static void ended(struct posture_connection *connection, int r)
{
    struct world *world = connection->data;
    world->ends++;
    world->ended = r;
    posture_connection_close(connection, /* reset = */ false);
    uv_stop(&world->loop);
}

static const struct posture_connection_ops ops = {.received = received, .ended = ended};

static int setup(void **state)
{
    struct world *world = posture_calloc(1, sizeof(*world));
    assert_non_null(world);
    assert_int_equal(uv_loop_init(&world->loop), 0);
    uv_timer_init(&world->loop, &world->timer);
    world->timer.data = world;
    uv_timer_start(&world->timer, give_up, WAIT_MS, 0);
    world->peer = -1;
    world->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    world->address.sin_family = AF_INET;
    world->address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t len = sizeof(world->address);
    assert_int_equal(bind(world->listener, (struct sockaddr *)&world->address, len), 0);
    assert_int_equal(listen(world->listener, 8), 0);
    getsockname(world->listener, (struct sockaddr *)&world->address, &len);
    assert_int_equal(posture_connections_ref(&world->set, &world->loop), 0);
    assert_int_equal(posture_connection_init(&world->connection, world->set, &ops, world),
                     0);
    *state = world;
    return 0;
}

static int teardown(void **state)
{
    struct world *world = *state;
    posture_connection_done(&world->connection);
    posture_connections_unref(world->set);
    assert_null(world->set);
    uv_close((uv_handle_t *)&world->timer, NULL);
    uv_run(&world->loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&world->loop), 0);
    posture_close(world->listener);
    posture_close(world->peer);
    free(world);
    return 0;
}

static void world_run(struct world *world)
{
    uv_run(&world->loop, UV_RUN_DEFAULT);
    assert_false(world->is_late);
}

static void world_open(struct world *world, const void *bytes, size_t len)
{
    bool is_remote = false;
    assert_int_equal(posture_connection_open(&world->connection,
                                             (struct sockaddr *)&world->address, bytes,
                                             len, &is_remote),
                     0);
    world->peer = accept(world->listener, NULL, NULL);
    assert_true(world->peer >= 0);
}

/* What the peer said before it closed comes first, then the end. */
static void answer_then_end(void **state)
{
    struct world *world = *state;
    char got[8];
    world_open(world, "hello", 5);
    assert_int_equal(recv(world->peer, got, sizeof(got), 0), 5);
    assert_int_equal(send(world->peer, "answer", 6, 0), 6);
    posture_close(world->peer);
    world->peer = -1;
    world_run(world);
    assert_int_equal(world->received, 6);
    assert_int_equal(world->ended, 0);
    assert_int_equal(world->ends, 1);
    assert_true(world->connection.is_connected);
}

static void refused_is_no_connection(void **state)
{
    struct world *world = *state;
    posture_close(world->listener);
    world->listener = -1;
    for (int i = 0; i < 2; i++) {
        bool is_remote = false;
        int r = posture_connection_open(&world->connection,
                                        (struct sockaddr *)&world->address, "hello",
                                        i == 0 ? 5 : 0, &is_remote);
        if (r == 0) { /* nothing to send: the loop says it */
            world_run(world);
            r = world->ended;
        }
        assert_int_equal(r, -ECONNREFUSED);
        assert_false(world->connection.is_connected);
        assert_int_equal(world->connection.fd, -1);
    }
}

static void reset_is_a_connection(void **state)
{
    struct world *world = *state;
    world_open(world, "hello", 5);
    posture_close(world->peer); /* with bytes unread: RST */
    world->peer = -1;
    world_run(world);
    assert_int_equal(world->ended, -ECONNRESET);
    assert_true(world->connection.is_connected);
}

/* A peer that speaks first and says nothing has accepted all the same. */
static void silent_peer_is_connected(void **state)
{
    struct world *world = *state;
    world_open(world, NULL, 0);
    uv_run(&world->loop, UV_RUN_ONCE);
    assert_true(world->connection.is_connected);
    assert_int_equal(world->calls + world->ends, 0);
}

/* More than the socket takes waits and goes out as the peer reads. */
static void large_write_goes_out(void **state)
{
    struct world *world = *state;
    char *bytes = posture_calloc(1, LARGE);
    int small = 4096;
    assert_non_null(bytes);
    setsockopt(world->listener, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small));
    world_open(world, "a", 1);
    setsockopt(world->connection.fd, SOL_SOCKET, SO_SNDBUF, &small, sizeof(small));
    assert_int_equal(posture_connection_send(&world->connection, bytes, LARGE), 0);
    assert_true(world->connection.rest.len > 0);
    size_t total = 0;
    while (total < LARGE + 1) {
        ssize_t n = recv(world->peer, bytes, LARGE, MSG_DONTWAIT);
        total += n > 0 ? (size_t)n : 0;
        uv_run(&world->loop, UV_RUN_NOWAIT);
        assert_false(world->is_late);
    }
    assert_int_equal(world->connection.rest.len, 0);
    free(bytes);
}

/* A burst over the buffer comes whole, though its event comes once. */
static void large_read_comes_whole(void **state)
{
    struct world *world = *state;
    char *bytes = posture_calloc(1, LARGE);
    assert_non_null(bytes);
    world_open(world, "a", 1);
    assert_int_equal(recv(world->peer, bytes, 1, 0), 1); /* unread, it would reset */
    int large = LARGE * 2;
    setsockopt(world->peer, SOL_SOCKET, SO_SNDBUF, &large, sizeof(large));
    size_t sent = 0;
    while (sent < LARGE) {
        ssize_t n = send(world->peer, bytes, LARGE - sent, MSG_DONTWAIT);
        sent += n > 0 ? (size_t)n : 0;
        uv_run(&world->loop, UV_RUN_NOWAIT);
        assert_false(world->is_late);
    }
    posture_close(world->peer);
    world->peer = -1;
    world_run(world);
    assert_int_equal(world->received, LARGE);
    assert_int_equal(world->ended, 0);
    free(bytes);
}

/* Nothing that belongs to the connection before reaches the one after. */
static void reopened_within_its_callback(void **state)
{
    struct world *world = *state;
    world->closes_on_bytes = true;
    world_open(world, "a", 1);
    assert_int_equal(send(world->peer, "x", 1, 0), 1);
    posture_close(world->peer); /* its end of file waits behind the byte */
    world_run(world);
    assert_int_equal(world->received, 1);
    world->peer = accept(world->listener, NULL, NULL);
    assert_int_equal(send(world->peer, "yz", 2, 0), 2);
    while (world->received < 3 && !world->is_late)
        uv_run(&world->loop, UV_RUN_ONCE);
    assert_int_equal(world->received, 3);
    assert_int_equal(world->ends, 0);
}

static void set_is_shared_until_the_last(void **state)
{
    struct world *world = *state;
    struct posture_connections *before = world->set;
    assert_int_equal(posture_connections_ref(&world->set, &world->loop), 0);
    assert_ptr_equal(world->set, before);
    struct posture_connection many[70];
    for (size_t i = 0; i < POSTURE_COUNT(many); i++)
        assert_int_equal(posture_connection_init(&many[i], world->set, &ops, world), 0);
    for (size_t i = 0; i < POSTURE_COUNT(many); i++)
        posture_connection_done(&many[i]);
    posture_connections_unref(world->set);
    assert_ptr_equal(world->set, before);
}

static void no_descriptor_left(void **state)
{
    struct world *world = *state;
    struct rlimit limit, none;
    bool is_remote = true;
    getrlimit(RLIMIT_NOFILE, &limit);
    none = limit;
    none.rlim_cur = 3;
    setrlimit(RLIMIT_NOFILE, &none);
    int r = posture_connection_open(
        &world->connection, (struct sockaddr *)&world->address, "a", 1, &is_remote);
    setrlimit(RLIMIT_NOFILE, &limit);
    assert_int_equal(r, -EMFILE);
    assert_false(is_remote);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(answer_then_end, setup, teardown),
        cmocka_unit_test_setup_teardown(refused_is_no_connection, setup, teardown),
        cmocka_unit_test_setup_teardown(reset_is_a_connection, setup, teardown),
        cmocka_unit_test_setup_teardown(silent_peer_is_connected, setup, teardown),
        cmocka_unit_test_setup_teardown(large_write_goes_out, setup, teardown),
        cmocka_unit_test_setup_teardown(large_read_comes_whole, setup, teardown),
        cmocka_unit_test_setup_teardown(reopened_within_its_callback, setup, teardown),
        cmocka_unit_test_setup_teardown(set_is_shared_until_the_last, setup, teardown),
        cmocka_unit_test_setup_teardown(no_descriptor_left, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
