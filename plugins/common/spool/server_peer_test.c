/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */

/* The server against peers that break the protocol or do not read, and the program's
 * client. */

#include "common/spool/server_testing.h"

/* A raw peer: what it sends, what comes back. */
struct raw {
    struct fixture *f;
    uv_poll_t poll;
    int fd;
    bool is_eof, is_reading;
    size_t answers, welcomes, goodbyes;
    struct posture_buf in;
};

static void on_raw(uv_poll_t *poll, int status, int events)
{
    struct raw *raw = poll->data;
    (void)status;
    (void)events;
    char bytes[65536];
    ssize_t n = recv(raw->fd, bytes, sizeof(bytes), MSG_DONTWAIT);
    if (n == 0 || (n < 0 && errno != EAGAIN)) {
        raw->is_eof = true;
        uv_poll_stop(poll);
        return;
    }
    if (n < 0)
        return;
    posture_buf_add(&raw->in, bytes, (size_t)n);
    struct posture_frame frame;
    size_t used = 0;
    while (posture_frame_decode(raw->in.data, raw->in.len, POSTURE_FRAME_MAX, &frame,
                                &used) == 1) {
        raw->answers += frame.type == POSTURE_FRAME_ANSWER;
        raw->welcomes += frame.type == POSTURE_FRAME_WELCOME;
        raw->goodbyes += frame.type == POSTURE_FRAME_GOODBYE;
        posture_buf_consume(&raw->in, used);
    }
}

static struct raw *raw_new(struct fixture *f)
{
    struct raw *raw = calloc(1, sizeof(*raw));
    raw->f = f;
    raw->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    strcpy(address.sun_path, f->path);
    assert_int_equal(connect(raw->fd, (struct sockaddr *)&address, sizeof(address)), 0);
    uv_poll_init(&f->loop, &raw->poll, raw->fd);
    raw->poll.data = raw;
    uv_poll_start(&raw->poll, UV_READABLE, on_raw);
    return raw;
}

static void on_raw_closed(uv_handle_t *handle)
{
    struct raw *raw = handle->data;
    close(raw->fd);
    posture_buf_done(&raw->in);
    free(raw);
}

static void raw_free(struct raw *raw)
{
    uv_close((uv_handle_t *)&raw->poll, on_raw_closed);
}

static void test_protocol(void **state)
{
    struct fixture *f = *state;
    POSTURE_AUTO_BUF struct posture_buf hello = {0};
    const struct posture_frame frames[] = {
        {.type = POSTURE_FRAME_HELLO,
         .version = 1,
         .plugin = posture_frame_text("posture_crypto")},
        {.type = POSTURE_FRAME_HELLO,
         .version = 9,
         .plugin = posture_frame_text("posture_crypto")},
        {.type = POSTURE_FRAME_HELLO,
         .version = 1,
         .plugin = posture_frame_text("admin")},
        {.type = POSTURE_FRAME_LIST, .id = 1, .max = 10},
        {.type = POSTURE_FRAME_RETIRE, .id = 1, .kind = posture_frame_text("tls")},
        {.type = POSTURE_FRAME_REPORT, .id = 1, .kind = posture_frame_text("tls")},
    };
    static const struct {
        const char *label;
        int frames[3]; /* -1: end, -2: garbage */
        size_t welcomes;
    } rows[] = {
        {"garbage first", {-2, -1}, 0},    {"report first", {5, -1}, 0},
        {"another version", {1, -1}, 0},   {"hello twice", {0, 0, -1}, 1},
        {"a worker lists", {0, 3, -1}, 1}, {"a worker retires", {0, 4, -1}, 1},
        {"admin reports", {2, 5, -1}, 1},  {"garbage later", {0, -2, -1}, 1},
    };
    for (size_t i = 0; i < POSTURE_COUNT(rows); i++) {
        POSTURE_AUTO_BUF struct posture_buf out = {0};
        for (int n = 0; n < 3 && rows[i].frames[n] != -1; n++) {
            if (rows[i].frames[n] == -2)
                posture_buf_adds(&out, "GET / HTTP/1.1\r\n\r\n");
            else
                assert_int_equal(posture_frame_encode(&frames[rows[i].frames[n]], &out),
                                 0);
        }
        struct raw *raw = raw_new(f);
        /* byte by byte: frames are put together across turns */
        for (size_t b = 0; b < out.len; b++) {
            (void)!send(raw->fd, out.data + b, 1, MSG_NOSIGNAL);
            uv_run(&f->loop, UV_RUN_NOWAIT);
        }
        LOOP_UNTIL(f, raw->is_eof);
        if (raw->welcomes != rows[i].welcomes || raw->goodbyes != 1 || raw->answers != 0)
            fail_msg("%s: %zu welcomes, %zu goodbyes, %zu answers", rows[i].label,
                     raw->welcomes, raw->goodbyes, raw->answers);
        raw_free(raw);
    }
    assert_int_equal(testing_stats(f->spool).accepted, 0);
    struct posture_spool_server_stats stats;
    posture_spool_server_stats(f->server, &stats);
    assert_int_equal(stats.connections, 0);
}

/* A peer that sends and does not read is not read from for ever; what was stored is
 * answered later. */
static void test_backpressure(void **state)
{
    enum { REPORTS = 60000 };
    struct fixture *f = *state;
    struct raw *raw = raw_new(f);
    uv_poll_stop(&raw->poll); /* does not read */
    POSTURE_AUTO_BUF struct posture_buf out = {0};
    struct posture_frame frame = {.type = POSTURE_FRAME_HELLO,
                                  .version = 1,
                                  .plugin = posture_frame_text("posture_crypto")};
    assert_int_equal(posture_frame_encode(&frame, &out), 0);
    for (uint32_t i = 0; i < REPORTS; i++) {
        /* refused ones: their answers are the longest */
        frame = (struct posture_frame){.type = POSTURE_FRAME_REPORT,
                                       .id = i,
                                       .kind = posture_frame_text("ipv6"),
                                       .subject = posture_frame_text("ipv6://a.example")};
        assert_int_equal(posture_frame_encode(&frame, &out), 0);
    }
    size_t sent = 0;
    int idle = 0;
    while (sent < out.len && idle < 200) {
        ssize_t n = send(raw->fd, out.data + sent, out.len - sent, MSG_NOSIGNAL);
        idle = n > 0 ? 0 : idle + 1;
        sent += n > 0 ? (size_t)n : 0;
        uv_run(&f->loop, UV_RUN_NOWAIT);
    }
    assert_true(sent < out.len); /* it was held back */
    struct server_out {
        size_t n;
    } before = {0};
    struct posture_spool_server_stats stats;
    posture_spool_server_stats(f->server, &stats);
    before.n = stats.entries_refused;
    assert_true(before.n < REPORTS);

    uv_poll_start(&raw->poll, UV_READABLE, on_raw);
    f->is_late = false;
    uv_timer_start(&f->deadline, on_deadline, 10000, 0);
    while (raw->answers < REPORTS && !f->is_late) {
        ssize_t n = sent < out.len
                        ? send(raw->fd, out.data + sent, out.len - sent, MSG_NOSIGNAL)
                        : 0;
        sent += n > 0 ? (size_t)n : 0;
        uv_run(&f->loop, UV_RUN_NOWAIT);
    }
    uv_timer_stop(&f->deadline);
    assert_int_equal(raw->answers, REPORTS);
    raw_free(raw);
}

/* The program, in its own process, while the loop turns here. */
struct admin_seen {
    int items, stats;
    uint64_t accepted;
    int64_t id;
    char key[200], body[200], reason[200];
};

static int on_item(void *data, const struct posture_spool_admin_item *item)
{
    struct admin_seen *seen = data;
    seen->items++;
    seen->id = item->id;
    snprintf(seen->key, sizeof(seen->key), "%s", item->key);
    snprintf(seen->reason, sizeof(seen->reason), "%s", item->reason);
    if (item->body)
        snprintf(seen->body, sizeof(seen->body), "%.*s", (int)item->body_len,
                 (const char *)item->body);
    return 0;
}

static int on_stat(void *data, const char *name, uint64_t value)
{
    struct admin_seen *seen = data;
    seen->stats++;
    if (strcmp(name, "accepted") == 0)
        seen->accepted = value;
    return 0;
}

#define CHILD_REQUIRE(claim)                                                             \
    do {                                                                                 \
        if (!(claim)) {                                                                  \
            fprintf(stderr, "admin child: %s (%s)\n", #claim, error.text);               \
            return 1;                                                                    \
        }                                                                                \
    } while (0)

static int admin_child(const char *path)
{
    struct posture_error error = {0};
    POSTURE_AUTO(posture_spool_admin_free) struct posture_spool_admin *admin = NULL;
    CHILD_REQUIRE(posture_spool_admin_new(path, 5000, &admin, &error) == 0);
    CHILD_REQUIRE(strcmp(posture_spool_admin_agency(admin), "moj") == 0);
    struct admin_seen seen = {0};
    CHILD_REQUIRE(posture_spool_admin_stats(admin, on_stat, &seen, &error) == 0);
    CHILD_REQUIRE(seen.stats > 20 && seen.accepted == 2500);
    CHILD_REQUIRE(posture_spool_admin_list(admin, false, 0, 0, on_item, &seen, &error) ==
                  0);
    CHILD_REQUIRE(seen.items == 2500);
    CHILD_REQUIRE(strcmp(seen.key, "moj|noc1.moj.example|tls|tls://last:443") == 0);
    CHILD_REQUIRE(seen.body[0] == '\0');
    CHILD_REQUIRE(
        posture_spool_admin_show(admin, false, seen.id, on_item, &seen, &error) == 0);
    CHILD_REQUIRE(strcmp(seen.body, "last body") == 0);
    CHILD_REQUIRE(posture_spool_admin_show(admin, false, 1 << 30, on_item, &seen,
                                           &error) == -ENOENT);
    seen.items = 0;
    CHILD_REQUIRE(posture_spool_admin_list(admin, false, 0, 7, on_item, &seen, &error) ==
                  0);
    CHILD_REQUIRE(seen.items == 7);
    CHILD_REQUIRE(
        posture_spool_admin_retire(admin, "tls", "tls://gone.example:443", &error) == 0);
    CHILD_REQUIRE(posture_spool_admin_retire(admin, "tls", "Not Canonical", &error) ==
                  POSTURE_E_DENIED);
    CHILD_REQUIRE(strstr(error.text, "canonical"));
    CHILD_REQUIRE(posture_spool_admin_stats(admin, on_stat, &seen, &error) == 0);
    CHILD_REQUIRE(seen.accepted == 2501);
    CHILD_REQUIRE(posture_spool_admin_list(admin, true, 0, 0, on_item, &seen, &error) ==
                  0);
    return 0;
}

static void on_child_tick(uv_timer_t *timer)
{
    (void)timer;
}

static void test_admin(void **state)
{
    struct fixture *f = *state;
    for (int i = 0; i < 2500; i++)
        testing_add(f->spool, "posture_crypto", 0,
                    i == 2499 ? "moj|noc1.moj.example|tls|tls://last:443" : "a|r|tls|x",
                    i == 2499 ? "last body" : "body");
    pid_t pid = fork();
    if (pid == 0)
        _exit(admin_child(f->path));
    static uv_timer_t tick; /* closed in teardown */
    uv_timer_init(&f->loop, &tick);
    uv_timer_start(&tick, on_child_tick, 5, 5);
    int status = -1;
    LOOP_UNTIL(f, waitpid(pid, &status, WNOHANG) == pid || status != -1);
    uv_close((uv_handle_t *)&tick, NULL);
    assert_int_equal(status, 0);

    testing_assign(f->spool, 10000);
    struct posture_spool_record record;
    int retired = 0;
    while (posture_spool_next(f->spool, &record) == 1) {
        if (strcmp(record.entry.ce_type, "posture.retire.v1") != 0)
            continue;
        retired++;
        assert_null(record.entry.body);
        assert_string_equal(record.entry.key,
                            "moj|noc1.moj.example|tls|tls://gone.example:443");
        assert_string_equal(record.entry.plugin, "admin");
    }
    assert_int_equal(retired, 1);
}

/* A server that never answers ends the program by its deadline. */
static void test_admin_deadline(void **state)
{
    struct fixture *f = *state;
    struct posture_error error = {0};
    struct posture_spool_admin *admin = NULL;
    int64_t begin = posture_monotonic_ns();
    assert_int_equal(posture_spool_admin_new(f->path, 200, &admin, &error),
                     POSTURE_E_DEADLINE);
    assert_in_range((posture_monotonic_ns() - begin) / POSTURE_NS_PER_MS, 190, 2000);
    LOOP_UNTIL(f, f->in_transaction == 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_protocol, setup, teardown),
        cmocka_unit_test_setup_teardown(test_backpressure, setup, teardown),
        cmocka_unit_test_setup_teardown(test_admin, setup, teardown),
        cmocka_unit_test_setup_teardown(test_admin_deadline, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
