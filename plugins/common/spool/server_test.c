/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */

/* Server, workers' client and the program's client, over a real socket and a real spool
 * on one loop. */

#include "common/spool/admin.h"
#include "common/spool/client.h"
#include "common/spool/frame.h"
#include "common/spool/server.h"
#include "common/spool/spool_testing.h"
#include "common/spool/store.h"

#include "common/base/clock.h"

#include <errno.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

static const struct posture_spool_kind kinds[] = {{"posture_crypto", "tls"},
                                                  {"posture_crypto", "ssh"},
                                                  {"posture_ipv6", "ipv6"},
                                                  {NULL, NULL}};

/* One centre of everything; a client's fields are counted by its ops. */
struct fixture {
    char *directory;
    char path[sizeof(((struct sockaddr_un *)0)->sun_path)];
    uv_loop_t loop;
    uv_timer_t deadline;
    bool is_late;
    struct posture_spool *spool;
    struct posture_spool_server *server;
    struct posture_spool_client *client;
    const char *plugin; /* the client's */
    int need, welcome, stored, refused, after_commit, in_transaction, failed, peers;
    size_t accepted;
    int in_transaction_result;
    char last_reason[256];
    char last_text[512];
};

static int op_in_transaction(void *data)
{
    struct fixture *f = data;
    f->in_transaction++;
    return f->in_transaction_result;
}

static void op_after_commit(void *data, size_t accepted)
{
    struct fixture *f = data;
    f->after_commit++;
    f->accepted += accepted;
}

static void op_failed(void *data, int r, const char *text)
{
    struct fixture *f = data;
    (void)r;
    f->failed++;
    snprintf(f->last_text, sizeof(f->last_text), "%s", text);
}

static void op_peer_refused(void *data, const char *text)
{
    struct fixture *f = data;
    f->peers++;
    snprintf(f->last_text, sizeof(f->last_text), "%s", text);
}

static const struct posture_spool_server_ops server_ops = {
    .in_transaction = op_in_transaction,
    .after_commit = op_after_commit,
    .failed = op_failed,
    .peer_refused = op_peer_refused,
};

static void op_need_connection(void *data)
{
    struct fixture *f = data;
    f->need++;
    int fd = -1;
    int r = posture_spool_connect(f->path, f->plugin, &fd, NULL);
    posture_spool_client_connected_take(f->client, r, fd);
}

static void op_welcome(void *data, const char *agency, const char *reporter)
{
    struct fixture *f = data;
    f->welcome++;
    assert_string_equal(agency, "moj");
    assert_string_equal(reporter, "noc1.moj.example");
}

static void op_stored(void *data, const char *subject, int r, const char *reason)
{
    struct fixture *f = data;
    assert_true(subject[0] != '\0');
    if (r == 0) {
        f->stored++;
    } else {
        f->refused++;
        snprintf(f->last_reason, sizeof(f->last_reason), "%s", reason);
    }
}

static const struct posture_spool_client_ops client_ops = {
    .need_connection = op_need_connection, .welcome = op_welcome, .stored = op_stored};

static void on_deadline(uv_timer_t *timer)
{
    ((struct fixture *)timer->data)->is_late = true;
}

/* Turns the loop until the claim holds; 10 s at most. */
#define LOOP_UNTIL(f, claim)                                                             \
    do {                                                                                 \
        (f)->is_late = false;                                                            \
        uv_timer_start(&(f)->deadline, on_deadline, 10000, 0);                           \
        while (!(claim) && !(f)->is_late)                                                \
            uv_run(&(f)->loop, UV_RUN_ONCE);                                             \
        uv_timer_stop(&(f)->deadline);                                                   \
        if (!(claim))                                                                    \
            fail_msg("10 s and not yet: %s", #claim);                                    \
    } while (0)

static void server_start(struct fixture *f, uid_t uid)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    strcpy(address.sun_path, f->path);
    unlink(f->path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(listen(fd, 64), 0);
    const struct posture_spool_server_config config = {
        .loop = &f->loop,
        .listen_fd = fd,
        .spool = f->spool,
        .allowed_uid = uid,
        .agency = "moj",
        .reporter = "noc1.moj.example",
        .kinds = kinds,
        .ops = &server_ops,
        .data = f,
    };
    assert_int_equal(posture_spool_server_new(&config, &f->server, NULL), 0);
}

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));
    if (testing_directory_new(&f->directory) < 0)
        return -1;
    char *spool = posture_asprintf("%s/spool", f->directory);
    snprintf(f->path, sizeof(f->path), "%s/spool.sock", f->directory);
    f->spool = testing_open(spool, 8 << 20);
    free(spool);
    f->plugin = "posture_crypto";
    uv_loop_init(&f->loop);
    uv_timer_init(&f->loop, &f->deadline);
    f->deadline.data = f;
    server_start(f, getuid());
    *state = f;
    return 0;
}

static void client_start(struct fixture *f, size_t max)
{
    assert_int_equal(posture_spool_client_new(&f->loop, &client_ops, f, max, &f->client),
                     0);
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    posture_spool_client_close(f->client);
    posture_spool_server_close(f->server);
    uv_close((uv_handle_t *)&f->deadline, NULL);
    uv_run(&f->loop, UV_RUN_DEFAULT);
    int r = uv_loop_close(&f->loop); /* every handle is gone */
    testing_stats(f->spool);
    posture_spool_close(f->spool);
    testing_directory_free(f->directory);
    free(f);
    return r;
}

static void body_format(char *buf, size_t size, const char *agency, const char *kind,
                        const char *subject, const char *id)
{
    snprintf(buf, size,
             "{\"schema\":\"posture.report/1\",\"id\":\"%s\",\"agency\":\"%s\","
             "\"reporter\":\"noc1.moj.example\",\"kind\":\"%s\",\"subject\":\"%s\"}",
             id, agency, kind, subject);
}

static int send_report(struct fixture *f, const char *kind, const char *subject)
{
    char body[1024];
    body_format(body, sizeof(body), "moj", kind, subject, "id-1");
    return posture_spool_client_report(f->client, kind, subject, "id-1", 42, body,
                                       strlen(body));
}

static void test_stored(void **state)
{
    struct fixture *f = *state;
    client_start(f, 1 << 20);
    char subject[64];
    for (int i = 0; i < 500; i++) {
        snprintf(subject, sizeof(subject), "tls://host%d.example:443", i);
        assert_int_equal(send_report(f, "tls", subject), 0);
    }
    LOOP_UNTIL(f, f->stored == 500);
    struct posture_spool_server_stats stats;
    posture_spool_server_stats(f->server, &stats);
    assert_int_equal(stats.entries_stored, 500);
    assert_in_range(stats.commits, 1, 20); /* not one a report */
    assert_int_equal(f->after_commit, stats.commits);
    assert_int_equal(f->accepted, 500);
    assert_int_equal(testing_assign(f->spool, 1), 1);
    struct posture_spool_record record;
    assert_int_equal(posture_spool_next(f->spool, &record), 1);
    assert_string_equal(record.entry.key,
                        "moj|noc1.moj.example|tls|tls://host0.example:443");
    assert_string_equal(record.entry.plugin, "posture_crypto");
    assert_string_equal(record.entry.ce_type, "posture.report.v1");
    assert_int_equal(record.entry.time_ns, 42);
    struct posture_spool_client_stats client;
    posture_spool_client_stats(f->client, &client);
    assert_int_equal(client.pending, 0);
    assert_int_equal(client.stored, 500);
}

static void test_refused(void **state)
{
    struct fixture *f = *state;
    client_start(f, 1 << 20);
    static const struct {
        const char *label, *kind, *subject, *body_agency, *body_kind, *body_subject,
            *body_id, *reason;
    } rows[] = {
        {"agency", "tls", "tls://a.example:443", "mof", "tls", "tls://a.example:443",
         "id", "agency is 'mof'"},
        {"kind in the body", "tls", "tls://b.example:443", "moj", "ssh",
         "tls://b.example:443", "id", "kind is 'ssh'"},
        {"kind of another plugin", "ipv6", "ipv6://c.example", "moj", "ipv6",
         "ipv6://c.example", "id", "kind 'ipv6' is not"},
        {"subject", "tls", "tls://d.example:443", "moj", "tls", "tls://e.example:443",
         "id", "subject is"},
        {"id", "tls", "tls://f.example:443", "moj", "tls", "tls://f.example:443", "other",
         "id is 'other'"},
        {"spelling", "tls", "tls://G.example:443", "moj", "tls", "tls://G.example:443",
         "id", "canonical"},
        {"bar in the subject", "tls", "tls://h|i.example:443", "moj", "tls",
         "tls://h|i.example:443", "id", "canonical"},
    };
    for (size_t i = 0; i < POSTURE_COUNT(rows); i++) {
        char body[1024];
        body_format(body, sizeof(body), rows[i].body_agency, rows[i].body_kind,
                    rows[i].body_subject, rows[i].body_id);
        assert_int_equal(posture_spool_client_report(f->client, rows[i].kind,
                                                     rows[i].subject, "id", 1, body,
                                                     strlen(body)),
                         0);
        int before = f->refused;
        LOOP_UNTIL(f, f->refused == before + 1);
        if (!strstr(f->last_reason, rows[i].reason))
            fail_msg("%s: got '%s'", rows[i].label, f->last_reason);
    }
    static const char *const bodies[] = {"",         "{",  "[]", "{\"a\":1,\"a\":2}",
                                         "\"\xFF\"", "{}x"};
    for (size_t i = 0; i < POSTURE_COUNT(bodies); i++) {
        assert_int_equal(posture_spool_client_report(f->client, "tls",
                                                     "tls://j.example:443", "id", 1,
                                                     bodies[i], strlen(bodies[i])),
                         0);
        int before = f->refused;
        LOOP_UNTIL(f, f->refused == before + 1);
    }
    assert_int_equal(f->stored, 0);
    assert_int_equal(testing_stats(f->spool).accepted, 0);
    assert_int_equal(f->need, 1); /* the connection lived through all of it */
}

/* What is not stored is kept, the latest of each subject, and sent again after the
 * connection broke. */
static void test_reconnect(void **state)
{
    struct fixture *f = *state;
    client_start(f, 1 << 20);
    LOOP_UNTIL(f, f->welcome == 1);
    posture_spool_server_close(f->server);
    for (int i = 0; i < 5; i++)
        uv_run(&f->loop, UV_RUN_NOWAIT);
    for (int i = 0; i < 50; i++)
        assert_int_equal(send_report(f, "tls", "tls://a.example:443"), 0);
    assert_int_equal(send_report(f, "ssh", "ssh://a.example:22"), 0);
    struct posture_spool_client_stats stats;
    posture_spool_client_stats(f->client, &stats);
    assert_int_equal(stats.pending, 2);
    server_start(f, getuid());
    LOOP_UNTIL(f, f->stored == 2);
    assert_int_equal(f->welcome, 2);
    posture_spool_client_stats(f->client, &stats);
    assert_int_equal(stats.reconnects, 1);
    assert_int_equal(stats.pending, 0);
    assert_int_equal(stats.dropped, 0);
}

static void test_bounded(void **state)
{
    struct fixture *f = *state;
    f->plugin = "posture_unknown"; /* never let in */
    client_start(f, 20000);
    char subject[64];
    for (int i = 0; i < 300; i++) {
        snprintf(subject, sizeof(subject), "tls://host%d.example:443", i);
        assert_int_equal(send_report(f, "tls", subject), 0);
    }
    struct posture_spool_client_stats stats;
    posture_spool_client_stats(f->client, &stats);
    assert_in_range(stats.pending, 20, 80);
    assert_int_equal(stats.dropped, 300 - stats.pending);
    static char large[30000];
    assert_int_equal(
        posture_spool_client_report(f->client, "tls", "s", "i", 0, large, sizeof(large)),
        POSTURE_E_LIMIT);
    LOOP_UNTIL(f, f->peers == 1);
    assert_string_equal(f->last_text, "no such plugin");
    LOOP_UNTIL(f, f->need == 2); /* and it tries again, after a pause */
    assert_int_equal(f->welcome, 0);
}

static void test_another_user(void **state)
{
    struct fixture *f = *state;
    posture_spool_server_close(f->server);
    uv_run(&f->loop, UV_RUN_NOWAIT);
    server_start(f, getuid() + 1);
    client_start(f, 20000);
    LOOP_UNTIL(f, f->peers == 1);
    assert_non_null(strstr(f->last_text, "is not let in"));
    assert_int_equal(f->welcome, 0);
}

/* "Not now" is asked again until it is stored, without the owner's doing. */
static void test_retry(void **state)
{
    struct fixture *f = *state;
    client_start(f, 1 << 20);
    f->spool->config.reserve_bytes = UINT64_MAX;
    assert_int_equal(send_report(f, "tls", "tls://a.example:443"), 0);
    LOOP_UNTIL(f, testing_stats(f->spool).not_accepted >= 2);
    assert_int_equal(f->stored + f->refused, 0);
    f->spool->config.reserve_bytes = 0;
    LOOP_UNTIL(f, f->stored == 1);

    f->in_transaction_result = -EIO; /* the transaction fails as a whole */
    assert_int_equal(send_report(f, "tls", "tls://b.example:443"), 0);
    assert_int_equal(send_report(f, "tls", "tls://c.example:443"), 0);
    LOOP_UNTIL(f, f->failed >= 1);
    assert_int_equal(testing_stats(f->spool).accepted, 1);
    f->in_transaction_result = 0;
    LOOP_UNTIL(f, f->stored == 3);
    assert_int_equal(testing_stats(f->spool).accepted, 3);
    struct posture_spool_client_stats stats;
    posture_spool_client_stats(f->client, &stats);
    assert_int_equal(stats.reconnects, 0);
}

static void test_request_commit(void **state)
{
    struct fixture *f = *state;
    posture_spool_server_request_commit(f->server);
    LOOP_UNTIL(f, f->after_commit == 1);
    assert_int_equal(f->in_transaction, 1);
    uv_run(&f->loop, UV_RUN_NOWAIT);
    assert_int_equal(f->after_commit, 1); /* once */
}

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

/* Memory runs out at every point of taking a report in: the client keeps it, the server
 * lives. */
static void test_oom(void **state)
{
    struct fixture *f = *state;
    client_start(f, 1 << 20);
    LOOP_UNTIL(f, f->welcome == 1);
    unsigned long failed = 0;
    for (unsigned long n = 1; n < 40; n++) {
        char subject[64];
        snprintf(subject, sizeof(subject), "tls://host%lu.example:443", n);
        posture_alloc_fail_at(n, 0);
        int r = send_report(f, "tls", subject);
        for (int i = 0; r == 0 && i < 10; i++)
            uv_run(&f->loop, UV_RUN_NOWAIT);
        failed += posture_alloc_count() >= n;
        posture_alloc_fail_at(0, 0);
        if (r < 0) {
            assert_int_equal(r, -ENOMEM);
            assert_int_equal(send_report(f, "tls", subject), 0);
        }
    }
    assert_true(failed > 5);
    LOOP_UNTIL(f, f->stored == 39);
    assert_true(testing_stats(f->spool).accepted >= 39);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_stored, setup, teardown),
        cmocka_unit_test_setup_teardown(test_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(test_reconnect, setup, teardown),
        cmocka_unit_test_setup_teardown(test_bounded, setup, teardown),
        cmocka_unit_test_setup_teardown(test_another_user, setup, teardown),
        cmocka_unit_test_setup_teardown(test_retry, setup, teardown),
        cmocka_unit_test_setup_teardown(test_request_commit, setup, teardown),
        cmocka_unit_test_setup_teardown(test_protocol, setup, teardown),
        cmocka_unit_test_setup_teardown(test_backpressure, setup, teardown),
        cmocka_unit_test_setup_teardown(test_admin, setup, teardown),
        cmocka_unit_test_setup_teardown(test_admin_deadline, setup, teardown),
        cmocka_unit_test_setup_teardown(test_oom, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
