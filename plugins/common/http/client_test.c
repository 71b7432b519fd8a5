/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#include "common/http/client.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <setjmp.h>

#include <cmocka.h>

/* A server of one connection: reads a little, writes what the test gives, closes. */
struct server {
    uv_tcp_t listener, client;
    uv_write_t write;
    uv_buf_t answer;
    uint16_t port;
    bool is_silent; /* answers nothing and holds the connection */
    bool has_client;
    char request[512];
    size_t request_len;
};

static void written(uv_write_t *write, int status)
{
    (void)status;
    struct server *server = write->data;
    if (!uv_is_closing((uv_handle_t *)&server->client))
        uv_close((uv_handle_t *)&server->client, NULL);
}

static void request_room(uv_handle_t *handle, size_t size, uv_buf_t *buf)
{
    (void)size;
    struct server *server = handle->data;
    *buf = uv_buf_init(server->request, sizeof(server->request) - 1);
}

static void request_came(uv_stream_t *stream, ssize_t len, const uv_buf_t *buf)
{
    (void)buf;
    struct server *server = stream->data;
    uv_read_stop(stream);
    if (len < 0 || server->is_silent)
        return;
    server->request_len = (size_t)len;
    server->request[len] = '\0';
    server->write.data = server;
    uv_write(&server->write, stream, &server->answer, 1, written);
}

static void connection_came(uv_stream_t *listener, int status)
{
    struct server *server = listener->data;
    assert_int_equal(status, 0);
    uv_tcp_init(listener->loop, &server->client);
    server->client.data = server;
    server->has_client = true;
    uv_accept(listener, (uv_stream_t *)&server->client);
    uv_read_start((uv_stream_t *)&server->client, request_room, request_came);
}

static void server_start(uv_loop_t *loop, struct server *server, const char *answer,
                         size_t len)
{
    struct sockaddr_in address;
    uv_ip4_addr("127.0.0.1", 0, &address);
    uv_tcp_init(loop, &server->listener);
    server->listener.data = server;
    uv_tcp_bind(&server->listener, (const struct sockaddr *)&address, 0);
    assert_int_equal(uv_listen((uv_stream_t *)&server->listener, 4, connection_came), 0);
    int size = sizeof(address);
    uv_tcp_getsockname(&server->listener, (struct sockaddr *)&address, &size);
    server->port = ntohs(address.sin_port);
    server->answer = uv_buf_init((char *)(uintptr_t)answer, (unsigned)len);
}

struct outcome {
    struct posture_http_client *client;
    struct server *server;
    int calls;
    enum posture_http_error error;
    long status;
    char header[64];
    char body[64];
    bool is_truncated;
};

static void answered(void *data, const struct posture_http_response *response)
{
    struct outcome *outcome = data;
    outcome->calls++;
    outcome->error = response->error;
    outcome->status = response->status;
    outcome->is_truncated = response->is_truncated;
    const char *header = posture_http_header_find(response, "x-test");
    snprintf(outcome->header, sizeof(outcome->header), "%s", header ? header : "");
    snprintf(outcome->body, sizeof(outcome->body), "%s", response->body);
    /* The client may be closed by what it calls. */
    posture_http_client_close(outcome->client);
    uv_close((uv_handle_t *)&outcome->server->listener, NULL);
    if (outcome->server->has_client &&
        !uv_is_closing((uv_handle_t *)&outcome->server->client))
        uv_close((uv_handle_t *)&outcome->server->client, NULL);
}

static void ask(const char *answer, size_t len, size_t body_max, bool is_silent,
                struct outcome *outcome, struct server *server)
{
    uv_loop_t loop;
    uv_loop_init(&loop);
    memset(outcome, 0, sizeof(*outcome));
    memset(server, 0, sizeof(*server));
    server->is_silent = is_silent;
    server_start(&loop, server, answer, len);
    outcome->server = server;
    assert_int_equal(posture_http_client_new(&loop, &outcome->client), 0);
    char url[64];
    snprintf(url, sizeof(url), "http://www.example.go.jp:%u/", server->port);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(9)};
    inet_pton(AF_INET, "127.0.0.1", &address.sin_addr);
    struct posture_http_request request = {.url = url,
                                           .address = (const struct sockaddr *)&address,
                                           .timeout_ms = 300,
                                           .body_max = body_max};
    struct posture_http_call *call = NULL;
    assert_int_equal(
        posture_http_get(outcome->client, &request, answered, outcome, &call), 0);
    uv_run(&loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&loop), 0);
    assert_int_equal(outcome->calls, 1);
}

static void test_answers(void **state)
{
    (void)state;
    static const struct {
        const char *label, *answer;
        size_t body_max;
        enum posture_http_error error;
        long status;
        const char *header, *body;
        bool is_truncated;
    } cases[] = {
        {"a head alone",
         "HTTP/1.1 301 Moved\r\nX-Test: a\r\nContent-Length: 5\r\n\r\nhello", 0,
         POSTURE_HTTP_OK, 301, "a", "", false},
        {"a body", "HTTP/1.1 200 OK\r\nx-test:  b \t\r\nContent-Length: 5\r\n\r\nhello",
         10, POSTURE_HTTP_OK, 200, "b", "hello", false},
        {"a body over the limit", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", 3,
         POSTURE_HTTP_OK, 200, "", "hel", true},
        {"an interim response first",
         "HTTP/1.1 103 Early\r\nX-Test: no\r\n\r\nHTTP/1.1 204 No Content\r\nX-Test: "
         "yes\r\n\r\n",
         0, POSTURE_HTTP_OK, 204, "yes", "", false},
        {"the first of two headers", "HTTP/1.1 200 OK\r\nX-Test: 1\r\nX-Test: 2\r\n\r\n",
         0, POSTURE_HTTP_OK, 200, "1", "", false},
        {"something else", "220 mail.example ESMTP\r\n", 0, POSTURE_HTTP_NOT_HTTP, 0, "",
         "", false},
        {"nothing", "", 0, POSTURE_HTTP_CLOSED, 0, "", "", false},
        {"half a head", "HTTP/1.1 200 OK\r\nX-Te", 0, POSTURE_HTTP_CLOSED, 0, "", "",
         false},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct outcome outcome;
        struct server server;
        print_message("%s\n", cases[i].label);
        ask(cases[i].answer, strlen(cases[i].answer), cases[i].body_max, false, &outcome,
            &server);
        assert_string_equal(posture_http_error_name(outcome.error),
                            posture_http_error_name(cases[i].error));
        assert_int_equal(outcome.status, cases[i].status);
        assert_string_equal(outcome.header, cases[i].header);
        assert_string_equal(outcome.body, cases[i].body);
        assert_int_equal(outcome.is_truncated, cases[i].is_truncated);
        assert_non_null(strstr(server.request, "GET / HTTP/1.1\r\n"));
        assert_non_null(strstr(server.request, "Host: www.example.go.jp:"));
    }
}

static void test_limits(void **state)
{
    (void)state;
    struct outcome outcome;
    struct server server;
    ask("", 0, 0, true, &outcome, &server);
    assert_int_equal(outcome.error, POSTURE_HTTP_TIMEOUT);

    size_t len = 4 * POSTURE_HTTP_HEAD_MAX;
    char *head = malloc(len);
    memset(head, 'a', len);
    memcpy(head, "HTTP/1.1 200 OK\r\n", 17);
    for (size_t i = 17; i + 40 < len; i += 40)
        memcpy(head + i, "X-Long: 012345678901234567890123456789\r\n", 40);
    ask(head, len, 0, false, &outcome, &server);
    free(head);
    assert_int_equal(outcome.error, POSTURE_HTTP_TOO_LARGE);
}

static void test_location(void **state)
{
    (void)state;
    static const struct {
        const char *url, *location, *scheme, *host;
        unsigned port;
    } cases[] = {
        {"http://a.jp/", "https://a.jp/", "https", "a.jp", 443},
        {"http://a.jp/", "https://WWW.A.jp.:8443/x?y", "https", "www.a.jp", 8443},
        {"http://a.jp:81/x", "/login", "http", "a.jp", 81},
        {"http://a.jp/", "//b.jp/", "http", "b.jp", 80},
        {"http://a.jp/", "https://[2001:db8::1]/", "https", "2001:db8::1", 443},
        {"http://a.jp/", "http://:/", NULL, NULL, 0},
        {"http://a.jp/", "https:// bad/", NULL, NULL, 0},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct posture_http_target target;
        print_message("%s\n", cases[i].location);
        int r = posture_http_location(cases[i].url, cases[i].location, &target);
        if (!cases[i].scheme) {
            assert_true(r < 0);
            continue;
        }
        assert_int_equal(r, 0);
        assert_string_equal(target.scheme, cases[i].scheme);
        assert_string_equal(target.host, cases[i].host);
        assert_int_equal(target.port, cases[i].port);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_answers),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_location),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
