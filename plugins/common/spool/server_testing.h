/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#ifndef POSTURE_SPOOL_SERVER_TESTING_H
#define POSTURE_SPOOL_SERVER_TESTING_H

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

static inline int op_in_transaction(void *data)
{
    struct fixture *f = data;
    f->in_transaction++;
    return f->in_transaction_result;
}

static inline void op_after_commit(void *data, size_t accepted)
{
    struct fixture *f = data;
    f->after_commit++;
    f->accepted += accepted;
}

static inline void op_failed(void *data, int r, const char *text)
{
    struct fixture *f = data;
    (void)r;
    f->failed++;
    snprintf(f->last_text, sizeof(f->last_text), "%s", text);
}

static inline void op_peer_refused(void *data, const char *text)
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

static inline void op_need_connection(void *data)
{
    struct fixture *f = data;
    f->need++;
    int fd = -1;
    int r = posture_spool_connect(f->path, f->plugin, &fd, NULL);
    posture_spool_client_connected_take(f->client, r, fd);
}

static inline void op_welcome(void *data, const char *agency, const char *reporter)
{
    struct fixture *f = data;
    f->welcome++;
    assert_string_equal(agency, "moj");
    assert_string_equal(reporter, "noc1.moj.example");
}

static inline void op_stored(void *data, const char *subject, int r, const char *reason)
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

static inline void on_deadline(uv_timer_t *timer)
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

static inline void server_start(struct fixture *f, uid_t uid)
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

static inline int setup(void **state)
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

static inline void client_start(struct fixture *f, size_t max)
{
    assert_int_equal(posture_spool_client_new(&f->loop, &client_ops, f, max, &f->client),
                     0);
}

static inline int teardown(void **state)
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

static inline void body_format(char *buf, size_t size, const char *agency,
                               const char *kind, const char *subject, const char *id)
{
    snprintf(buf, size,
             "{\"schema\":\"posture.report/1\",\"id\":\"%s\",\"agency\":\"%s\","
             "\"reporter\":\"noc1.moj.example\",\"kind\":\"%s\",\"subject\":\"%s\"}",
             id, agency, kind, subject);
}

static inline int send_report(struct fixture *f, const char *kind, const char *subject)
{
    char body[1024];
    body_format(body, sizeof(body), "moj", kind, subject, "id-1");
    return posture_spool_client_report(f->client, kind, subject, "id-1", 42, body,
                                       strlen(body));
}

#endif
