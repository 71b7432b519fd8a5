/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#include "common/http/client.h"

#include "common/base/buf.h"

#include <ctype.h>
#include <curl/curl.h>
#include <errno.h>
#include <netinet/in.h>
#include <arpa/inet.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

struct posture_http_client {
    uv_loop_t *loop;
    CURLM *multi;
    uv_timer_t timer;
    struct posture_http_call *calls;
    size_t handles; /* libuv's that are not closed yet, the timer among them */
    bool is_closing;
};

struct posture_http_call {
    struct posture_http_client *client;
    struct posture_http_call *previous, *next;
    CURL *easy;
    struct curl_slist *resolve;
    posture_http_cb *done;
    void *data;
    size_t body_max;
    bool is_head_over;
    bool is_too_large;
    size_t head_len;
    char *names[POSTURE_HTTP_HEADERS_MAX]; /* "name\0value" */
    char *values[POSTURE_HTTP_HEADERS_MAX];
    size_t header_count;
    bool is_truncated;
    char *body;
    size_t body_len;
    char error[CURL_ERROR_SIZE];
};

/* One socket of libcurl's. */
struct watch {
    struct posture_http_client *client;
    uv_poll_t poll;
    curl_socket_t fd;
};

const char *posture_http_error_name(enum posture_http_error error)
{
    static const char *const names[] = {
        [POSTURE_HTTP_OK] = "ok",
        [POSTURE_HTTP_REFUSED] = "refused",
        [POSTURE_HTTP_NO_ROUTE] = "no_route",
        [POSTURE_HTTP_UNREACHABLE] = "unreachable",
        [POSTURE_HTTP_TIMEOUT] = "timeout",
        [POSTURE_HTTP_CLOSED] = "closed",
        [POSTURE_HTTP_TLS] = "tls",
        [POSTURE_HTTP_NOT_HTTP] = "not_http",
        [POSTURE_HTTP_TOO_LARGE] = "too_large",
        [POSTURE_HTTP_FAILED] = "failed",
    };
    return error < sizeof(names) / sizeof(names[0]) ? names[error] : "failed";
}

const char *posture_http_header_find(const struct posture_http_response *response,
                                     const char *name)
{
    for (size_t i = 0; i < response->header_count; i++) {
        if (strcasecmp(response->headers[i].name, name) == 0)
            return response->headers[i].value;
    }
    return NULL;
}

static void client_handle_closed(struct posture_http_client *client)
{
    if (--client->handles > 0 || !client->is_closing)
        return;
    free(client);
}

static void timer_closed(uv_handle_t *handle)
{
    client_handle_closed(handle->data);
}

static void watch_closed(uv_handle_t *handle)
{
    struct watch *watch = handle->data;
    struct posture_http_client *client = watch->client;
    free(watch);
    client_handle_closed(client);
}

/* Off the client's list, which may go away before the call does. */
static void call_unlink(struct posture_http_call *call)
{
    struct posture_http_client *client = call->client;
    if (!client)
        return;
    if (call->previous)
        call->previous->next = call->next;
    else
        client->calls = call->next;
    if (call->next)
        call->next->previous = call->previous;
    if (call->easy)
        (void)curl_multi_remove_handle(client->multi, call->easy);
    call->client = NULL;
}

static void call_free(struct posture_http_call *call)
{
    call_unlink(call);
    curl_easy_cleanup(call->easy);
    curl_slist_free_all(call->resolve);
    for (size_t i = 0; i < call->header_count; i++)
        free(call->names[i]);
    free(call->body);
    free(call);
}

static enum posture_http_error connect_error(const struct posture_http_call *call)
{
    long code = 0;
    (void)curl_easy_getinfo(call->easy, CURLINFO_OS_ERRNO, &code);
    switch (code) {
    case ECONNREFUSED:
        return POSTURE_HTTP_REFUSED;
    case ENETUNREACH:
    case EHOSTUNREACH:
    case EADDRNOTAVAIL:
    case EAFNOSUPPORT:
        return POSTURE_HTTP_NO_ROUTE;
    case ETIMEDOUT:
        return POSTURE_HTTP_TIMEOUT;
    default:
        return POSTURE_HTTP_UNREACHABLE;
    }
}

static enum posture_http_error error_of(const struct posture_http_call *call,
                                        CURLcode code)
{
    switch (code) {
    case CURLE_OK: /* ended within the head, which libcurl lets pass */
        return POSTURE_HTTP_CLOSED;
    case CURLE_COULDNT_CONNECT:
        return connect_error(call);
    case CURLE_OPERATION_TIMEDOUT:
        return POSTURE_HTTP_TIMEOUT;
    case CURLE_GOT_NOTHING:
    case CURLE_RECV_ERROR:
    case CURLE_SEND_ERROR:
    case CURLE_PARTIAL_FILE:
        return POSTURE_HTTP_CLOSED;
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_SSL_CIPHER:
    case CURLE_PEER_FAILED_VERIFICATION:
        return POSTURE_HTTP_TLS;
    case CURLE_UNSUPPORTED_PROTOCOL: /* HTTP/0.9 */
    case CURLE_WEIRD_SERVER_REPLY:
    case CURLE_HTTP2:
    case CURLE_BAD_CONTENT_ENCODING:
        return POSTURE_HTTP_NOT_HTTP;
    default:
        return POSTURE_HTTP_FAILED;
    }
}

/* The head is all that some callers want: ending the transfer there is no error. */
static void call_finish(struct posture_http_call *call, CURLcode code)
{
    struct posture_http_response response = {.body_len = call->body_len};
    bool is_whole = (code == CURLE_OK && call->is_head_over) ||
                    (call->is_head_over && call->body_max == 0) ||
                    (code == CURLE_WRITE_ERROR && call->is_truncated);
    response.error = call->is_too_large ? POSTURE_HTTP_TOO_LARGE
                     : is_whole         ? POSTURE_HTTP_OK
                                        : error_of(call, code);
    if (response.error != POSTURE_HTTP_OK)
        snprintf(response.detail, sizeof(response.detail), "%.*s",
                 (int)sizeof(response.detail) - 1,
                 call->is_too_large ? "the head is too large"
                 : call->error[0]   ? call->error
                 : code == CURLE_OK ? "the head is not whole"
                                    : curl_easy_strerror(code));
    if (call->is_head_over)
        (void)curl_easy_getinfo(call->easy, CURLINFO_RESPONSE_CODE, &response.status);
    for (size_t i = 0; i < call->header_count; i++)
        response.headers[i] = (struct posture_http_header){.name = call->names[i],
                                                           .value = call->values[i]};
    response.header_count = call->header_count;
    response.body = call->body ? call->body : "";
    response.is_truncated = call->is_truncated;
    call_unlink(call);
    call->done(call->data, &response);
    call_free(call);
}

static void messages_read(struct posture_http_client *client)
{
    CURLMsg *message;
    int left;
    while (!client->is_closing &&
           (message = curl_multi_info_read(client->multi, &left)) != NULL) {
        if (message->msg != CURLMSG_DONE)
            continue;
        char *call = NULL;
        CURLcode code = message->data.result; /* message dies with the handle */
        (void)curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &call);
        call_finish((struct posture_http_call *)(void *)call, code);
    }
}

static void socket_ready(uv_poll_t *poll, int status, int events)
{
    const struct watch *watch = poll->data;
    struct posture_http_client *client = watch->client;
    int flags = status < 0 ? CURL_CSELECT_ERR : 0;
    if (events & UV_READABLE)
        flags |= CURL_CSELECT_IN;
    if (events & UV_WRITABLE)
        flags |= CURL_CSELECT_OUT;
    int running;
    (void)curl_multi_socket_action(client->multi, watch->fd, flags, &running);
    messages_read(client);
}

static void watch_drop(struct posture_http_client *client, curl_socket_t fd,
                       struct watch *watch)
{
    if (!watch)
        return;
    uv_poll_stop(&watch->poll);
    if (!uv_is_closing((uv_handle_t *)&watch->poll))
        uv_close((uv_handle_t *)&watch->poll, watch_closed);
    (void)curl_multi_assign(client->multi, fd, NULL);
}

static int socket_wanted(CURL *easy, curl_socket_t fd, int what, void *data,
                         void *socket_data)
{
    (void)easy;
    struct posture_http_client *client = data;
    struct watch *watch = socket_data;
    if (what == CURL_POLL_REMOVE) {
        watch_drop(client, fd, watch);
        return 0;
    }
    if (!watch) {
        watch = posture_calloc(1, sizeof(*watch));
        if (!watch)
            return -1;
        watch->client = client;
        watch->fd = fd;
        watch->poll.data = watch;
        if (uv_poll_init_socket(client->loop, &watch->poll, fd) < 0) {
            free(watch);
            return -1;
        }
        client->handles++;
        (void)curl_multi_assign(client->multi, fd, watch);
    }
    int events = 0;
    if (what == CURL_POLL_IN || what == CURL_POLL_INOUT)
        events |= UV_READABLE;
    if (what == CURL_POLL_OUT || what == CURL_POLL_INOUT)
        events |= UV_WRITABLE;
    return uv_poll_start(&watch->poll, events, socket_ready) < 0 ? -1 : 0;
}

static void timer_due(uv_timer_t *timer)
{
    struct posture_http_client *client = timer->data;
    int running;
    (void)curl_multi_socket_action(client->multi, CURL_SOCKET_TIMEOUT, 0, &running);
    messages_read(client);
}

static int timer_wanted(CURLM *multi, long timeout_ms, void *data)
{
    (void)multi;
    struct posture_http_client *client = data;
    if (client->is_closing)
        return 0;
    if (timeout_ms < 0)
        uv_timer_stop(&client->timer);
    else
        uv_timer_start(&client->timer, timer_due, (uint64_t)timeout_ms, 0);
    return 0;
}

int posture_http_client_new(uv_loop_t *loop, struct posture_http_client **ret)
{
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
        return -ENOMEM;
    struct posture_http_client *client = posture_calloc(1, sizeof(*client));
    if (!client)
        return -ENOMEM;
    client->loop = loop;
    client->multi = curl_multi_init();
    if (!client->multi) {
        free(client);
        return -ENOMEM;
    }
    uv_timer_init(loop, &client->timer);
    client->timer.data = client;
    client->handles = 1;
    (void)curl_multi_setopt(client->multi, CURLMOPT_SOCKETFUNCTION, socket_wanted);
    (void)curl_multi_setopt(client->multi, CURLMOPT_SOCKETDATA, client);
    (void)curl_multi_setopt(client->multi, CURLMOPT_TIMERFUNCTION, timer_wanted);
    (void)curl_multi_setopt(client->multi, CURLMOPT_TIMERDATA, client);
    *ret = client;
    return 0;
}

void posture_http_client_close(struct posture_http_client *client)
{
    if (!client)
        return;
    client->is_closing = true;
    for (struct posture_http_call *call = client->calls, *next; call; call = next) {
        next = call->next;
        call_free(call);
    }
    (void)curl_multi_cleanup(client->multi);
    uv_timer_stop(&client->timer);
    uv_close((uv_handle_t *)&client->timer, timer_closed);
}

/* A line of the head: "Name: value", obs-fold and status line apart. */
static void header_add(struct posture_http_call *call, const char *line, size_t len)
{
    while (len > 0 && (line[len - 1] == '\r' || line[len - 1] == '\n' ||
                       line[len - 1] == ' ' || line[len - 1] == '\t'))
        len--;
    const char *colon = memchr(line, ':', len);
    if (!colon || colon == line)
        return;
    if (call->header_count == POSTURE_HTTP_HEADERS_MAX) {
        call->is_truncated = true;
        return;
    }
    size_t name_len = (size_t)(colon - line);
    const char *value = colon + 1;
    while (value < line + len && (*value == ' ' || *value == '\t'))
        value++;
    size_t value_len = (size_t)(line + len - value);
    char *text = posture_calloc(1, name_len + value_len + 2);
    if (!text) {
        call->is_truncated = true;
        return;
    }
    memcpy(text, line, name_len);
    memcpy(text + name_len + 1, value, value_len);
    call->names[call->header_count] = text;
    call->values[call->header_count++] = text + name_len + 1;
}

static size_t header_came(char *line, size_t size, size_t count, void *data)
{
    struct posture_http_call *call = data;
    size_t len = size * count;
    call->head_len += len;
    if (call->head_len > POSTURE_HTTP_HEAD_MAX) {
        call->is_too_large = true;
        return 0;
    }
    if (len >= 5 && memcmp(line, "HTTP/", 5) == 0) { /* after a 1xx, the real head */
        for (size_t i = 0; i < call->header_count; i++)
            free(call->names[i]);
        call->header_count = 0;
        call->is_head_over = false;
        return len;
    }
    if (len <= 2 && (line[0] == '\r' || line[0] == '\n')) {
        long status = 0;
        (void)curl_easy_getinfo(call->easy, CURLINFO_RESPONSE_CODE, &status);
        call->is_head_over = status >= 200;
        /* Nothing more is wanted: the transfer ends here. */
        return call->is_head_over && call->body_max == 0 ? 0 : len;
    }
    header_add(call, line, len);
    return len;
}

static size_t body_came(char *bytes, size_t size, size_t count, void *data)
{
    struct posture_http_call *call = data;
    size_t len = size * count, room = call->body_max - call->body_len;
    size_t take = len < room ? len : room;
    if (!call->body)
        call->body = posture_calloc(1, call->body_max + 1);
    if (!call->body) {
        call->is_truncated = true;
        return 0;
    }
    memcpy(call->body + call->body_len, bytes, take);
    call->body_len += take;
    if (take == len)
        return len;
    call->is_truncated = true;
    return 0;
}

/* Servers that are as old as those that are measured must be reached too; what they speak
 * is judged elsewhere. */
static CURLcode tls_open_up(CURL *easy, void *context, void *data)
{
    (void)easy;
    (void)data;
    SSL_CTX_set_security_level(context, 0);
    SSL_CTX_set_options(context, SSL_OP_LEGACY_SERVER_CONNECT);
    return CURLE_OK;
}

/* "+name:port:address" of the URL, so that nothing is resolved. */
static int resolve_make(struct posture_http_call *call,
                        const struct posture_http_request *request)
{
    struct posture_http_target target;
    POSTURE_TRY(posture_http_location(request->url, "", &target));
    char address[INET6_ADDRSTRLEN] = "";
    bool is_v6 = request->address->sa_family == AF_INET6;
    const void *bytes =
        is_v6
            ? (const void *)&((const struct sockaddr_in6 *)(const void *)request->address)
                  ->sin6_addr
            : (const void *)&((const struct sockaddr_in *)(const void *)request->address)
                  ->sin_addr;
    if (!inet_ntop(request->address->sa_family, bytes, address, sizeof(address)))
        return -errno;
    if (strchr(target.host, ':'))
        return 0; /* a literal is itself */
    char entry[sizeof(target.host) + INET6_ADDRSTRLEN + 32];
    snprintf(entry, sizeof(entry), is_v6 ? "%s:%u:[%s]" : "%s:%u:%s", target.host,
             target.port, address);
    call->resolve = curl_slist_append(NULL, entry);
    return call->resolve ? 0 : -ENOMEM;
}

static void easy_setup(struct posture_http_call *call,
                       const struct posture_http_request *request)
{
    CURL *easy = call->easy;
    curl_easy_setopt(easy, CURLOPT_PRIVATE, call);
    curl_easy_setopt(easy, CURLOPT_URL, request->url);
    curl_easy_setopt(easy, CURLOPT_RESOLVE, call->resolve);
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(easy, CURLOPT_PROXY, "");
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(easy, CURLOPT_FRESH_CONNECT, 1L);
    curl_easy_setopt(easy, CURLOPT_FORBID_REUSE, 1L);
    curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long)request->timeout_ms);
    curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)request->timeout_ms);
    curl_easy_setopt(easy, CURLOPT_USERAGENT, "posture");
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, call->error);
    curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, header_came);
    curl_easy_setopt(easy, CURLOPT_HEADERDATA, call);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, body_came);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, call);
    if (request->is_verified)
        return;
    curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 0L);
    curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 0L);
    curl_easy_setopt(easy, CURLOPT_CAINFO, NULL); /* no store is read for nothing */
    curl_easy_setopt(easy, CURLOPT_CAPATH, NULL);
    curl_easy_setopt(easy, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_0);
    curl_easy_setopt(easy, CURLOPT_SSL_CIPHER_LIST, "ALL:COMPLEMENTOFALL:!eNULL");
    curl_easy_setopt(easy, CURLOPT_SSL_CTX_FUNCTION, tls_open_up);
    curl_easy_setopt(easy, CURLOPT_SSL_SESSIONID_CACHE, 0L);
}

int posture_http_get(struct posture_http_client *client,
                     const struct posture_http_request *request, posture_http_cb *done,
                     void *data, struct posture_http_call **ret)
{
    struct posture_http_call *call = posture_calloc(1, sizeof(*call));
    if (!call)
        return -ENOMEM;
    call->client = client;
    call->done = done;
    call->data = data;
    call->body_max = request->body_max;
    call->next = client->calls;
    if (call->next)
        call->next->previous = call;
    client->calls = call;
    int r = resolve_make(call, request);
    if (r == 0) {
        call->easy = curl_easy_init();
        r = call->easy ? 0 : -ENOMEM;
    }
    if (r == 0) {
        easy_setup(call, request);
        /* Starts with the timer's next turn, so never calls back from here. */
        r = curl_multi_add_handle(client->multi, call->easy) == CURLM_OK ? 0 : -ENOMEM;
    }
    if (r < 0) {
        call_free(call);
        return r;
    }
    *ret = call;
    return 0;
}

void posture_http_cancel(struct posture_http_call *call)
{
    call_free(call);
}

static int part_get(CURLU *url, CURLUPart part, unsigned flags, char *buf, size_t size)
{
    char *text = NULL;
    if (curl_url_get(url, part, &text, flags) != CURLUE_OK || !text)
        return POSTURE_E_FORMAT;
    size_t len = strlen(text);
    int r = len < size ? 0 : POSTURE_E_FORMAT;
    if (r == 0)
        for (size_t i = 0; i <= len; i++)
            buf[i] = (char)tolower((unsigned char)text[i]);
    curl_free(text);
    return r;
}

int posture_http_location(const char *url, const char *location,
                          struct posture_http_target *ret)
{
    CURLU *parts = curl_url();
    if (!parts)
        return -ENOMEM;
    char port[8] = "", host[sizeof(ret->host) + 2];
    int r = curl_url_set(parts, CURLUPART_URL, url, CURLU_NON_SUPPORT_SCHEME) == CURLUE_OK
                ? 0
                : POSTURE_E_FORMAT;
    if (r == 0 && *location &&
        curl_url_set(parts, CURLUPART_URL, location, CURLU_NON_SUPPORT_SCHEME) !=
            CURLUE_OK)
        r = POSTURE_E_FORMAT;
    if (r == 0)
        r = part_get(parts, CURLUPART_SCHEME, 0, ret->scheme, sizeof(ret->scheme));
    if (r == 0)
        r = part_get(parts, CURLUPART_HOST, 0, host, sizeof(host));
    if (r == 0)
        r = part_get(parts, CURLUPART_PORT, CURLU_DEFAULT_PORT, port, sizeof(port));
    curl_url_cleanup(parts);
    if (r < 0)
        return r;
    size_t len = strlen(host);
    const char *start = host;
    if (len > 2 && host[0] == '[' && host[len - 1] == ']') {
        host[len - 1] = '\0';
        start++;
    } else if (len > 1 && host[len - 1] == '.') {
        host[len - 1] = '\0';
    }
    len = strlen(start);
    if (len >= sizeof(ret->host))
        return POSTURE_E_FORMAT;
    memcpy(ret->host, start, len + 1);
    ret->port = (uint16_t)strtoul(port, NULL, 10);
    return 0;
}
