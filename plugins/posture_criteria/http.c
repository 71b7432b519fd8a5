/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#include "posture_criteria/http.h"

#include "common/base/clock.h"
#include "common/base/mem.h"
#include "posture_criteria/http_cache.h"
#include "posture_criteria/http_request.h"
#include "posture_criteria/metrics.h"

#include <gnutls/gnutls.h>
#include <gnutls/x509.h>
#include <microhttpd.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

enum {
    BACKLOG = 64,
    IDLE_TIMEOUT_S = 15,
    REQUEST_LIMIT_DEFAULT_S =
        30, /* from connection or last answer to the end of the next */
    SWEEP_MS = 1000,
    CONNECTION_MEMORY = 32 * 1024,
    CONNECTIONS_DEFAULT = 128,
    REFRESH_DEFAULT_S = 60,
    MAX_AGE_DEFAULT_S = 600,
};

static const char priorities[] = "NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2:-RSA:-SHA1";

struct client {
    struct client *next, **previous;
    int fd;
    uint64_t since_ms;
};

struct posture_http {
    uv_loop_t *loop;
    uv_poll_t poll;
    uv_timer_t timer, sweep;
    unsigned int open_handles;
    bool is_stopping;
    struct MHD_Daemon *daemon;
    uint16_t port;
    bool has_client_ca, has_token;
    uint8_t token_digest[POSTURE_HTTP_DIGEST];
    char **host_names;
    char *tls_cert, *tls_key, *tls_client_ca;
    uint32_t max_age_s;
    uint64_t request_limit_ms;
    struct posture_http_source source;
    json_t *pending; /* published, not yet asked for */
    struct posture_http_cache cache;
    struct client *clients;
    struct posture_http_stats stats;
};

static enum MHD_Result answer(struct posture_http *http,
                              struct MHD_Connection *connection, unsigned int status,
                              char *body, size_t len, const char *type,
                              const char *header, const char *value)
{
    struct MHD_Response *response =
        body ? posture_http_response_take(&http->source, body, len, type) : NULL;

    if (!response)
        return MHD_NO;
    if (header)
        MHD_add_response_header(response, header, value);
    if (status == MHD_HTTP_UNAUTHORIZED)
        MHD_add_response_header(response, "WWW-Authenticate", "Bearer realm=\"posture\"");
    enum MHD_Result r = MHD_queue_response(connection, status, response);
    MHD_destroy_response(response);
    return r;
}

static enum MHD_Result answer_text(struct posture_http *http,
                                   struct MHD_Connection *connection, unsigned int status,
                                   const char *text, const char *header,
                                   const char *value)
{
    if (status >= 400 && status < 500)
        http->stats.refused++;
    return answer(http, connection, status, posture_strdup(text), strlen(text),
                  "text/plain; charset=utf-8", header, value);
}

static enum MHD_Result answer_message(struct posture_http *http,
                                      struct MHD_Connection *connection,
                                      unsigned int status, enum posture_lang lang,
                                      enum posture_page_message message)
{
    POSTURE_AUTO_BUF struct posture_buf body = {0};
    struct posture_page_view view = {
        .model = http->source.model,
        .lang = lang,
        .now_ns = posture_now_ns(),
        .refresh_s = message == POSTURE_PAGE_STARTING ? 5 : http->source.refresh_s,
    };
    size_t len = 0;

    if (posture_page_message(&view, message, &body) < 0)
        return MHD_NO;
    char *bytes = posture_buf_steal(&body, &len);
    return answer(http, connection, status, bytes, len, "text/html; charset=utf-8",
                  status == MHD_HTTP_SERVICE_UNAVAILABLE ? "Retry-After" : NULL, "5");
}

static enum MHD_Result answer_health(struct posture_http *http,
                                     struct MHD_Connection *connection)
{
    char text[128];

    if (!http->source.model)
        return answer_text(http, connection, MHD_HTTP_SERVICE_UNAVAILABLE,
                           "no evaluation yet\n", "Retry-After", "5");
    int64_t age_s = (posture_now_ns() - http->source.model->time_ns) / POSTURE_NS_PER_S;
    bool is_old = age_s > (int64_t)http->max_age_s;
    snprintf(text, sizeof(text), "%s age_s=%" PRId64 " agencies=%zu\n",
             is_old ? "old" : "ok", age_s, http->source.model->agency_count);
    return answer_text(http, connection,
                       is_old ? MHD_HTTP_SERVICE_UNAVAILABLE : MHD_HTTP_OK, text, NULL,
                       NULL);
}

static bool client_certificate_is_good(struct MHD_Connection *connection)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_GNUTLS_SESSION);
    gnutls_typed_vdata_st purpose = {
        .type = GNUTLS_DT_KEY_PURPOSE_OID,
        .data = (unsigned char *)(uintptr_t)GNUTLS_KP_TLS_WWW_CLIENT};
    unsigned int status = 0;

    return info && info->tls_session &&
           gnutls_certificate_verify_peers(info->tls_session, &purpose, 1, &status) ==
               0 &&
           status == 0;
}

static const char *header_get(struct MHD_Connection *connection, const char *name)
{
    return MHD_lookup_connection_value(connection, MHD_HEADER_KIND, name);
}

/* Who may ask, and by which name. true when an answer was queued instead. */
static bool request_is_refused(struct posture_http *http,
                               struct MHD_Connection *connection,
                               enum posture_http_route route, enum MHD_Result *ret_result)
{
    if (http->has_client_ca && !client_certificate_is_good(connection)) {
        *ret_result = answer_text(http, connection, MHD_HTTP_FORBIDDEN,
                                  "a client certificate of the configured CA is needed\n",
                                  NULL, NULL);
        return true;
    }
    if (!http->has_client_ca && !http->has_token &&
        !posture_http_host_is_local(header_get(connection, "Host"),
                                    (const char *const *)http->host_names)) {
        *ret_result = answer_text(http, connection, MHD_HTTP_MISDIRECTED_REQUEST,
                                  "this host name is not served here\n", NULL, NULL);
        return true;
    }
    if (http->has_token && route != POSTURE_ROUTE_HEALTH &&
        !posture_http_token_matches(http->token_digest,
                                    header_get(connection, "Authorization"))) {
        *ret_result =
            answer_text(http, connection, MHD_HTTP_UNAUTHORIZED, "a token is needed\n",
                        "WWW-Authenticate", "Basic realm=\"posture\", charset=\"UTF-8\"");
        return true;
    }
    return false;
}

/* A busy centre publishes every second, readers come once a minute: the model is made for
 * them. One that cannot be made leaves the last one, whose age then shows. */
static void model_refresh(struct posture_http *http)
{
    struct posture_page_model *model = NULL;
    json_auto_t *nation = POSTURE_TAKE(http->pending);

    if (!nation)
        return;
    if (posture_page_model_new(nation, &model, NULL) < 0) {
        http->stats.failures++;
        return;
    }
    posture_http_cache_clear(&http->cache);
    posture_page_model_free(http->source.model);
    http->source.model = model;
}

static enum MHD_Result request_answer(struct posture_http *http,
                                      struct MHD_Connection *connection, const char *url)
{
    const char *id;
    enum posture_http_route route = posture_http_route_find(url, &id);
    enum MHD_Result result;

    if (request_is_refused(http, connection, route, &result))
        return result;
    model_refresh(http);
    if (route == POSTURE_ROUTE_HEALTH)
        return answer_health(http, connection);
    enum posture_lang lang = posture_http_language(
        MHD_lookup_connection_value(connection, MHD_GET_ARGUMENT_KIND, "lang"),
        header_get(connection, "Accept-Language"));
    if (route == POSTURE_ROUTE_NONE)
        return answer_message(http, connection, MHD_HTTP_NOT_FOUND, lang,
                              POSTURE_PAGE_NOT_FOUND);
    if (!http->source.model && posture_http_route_is_page(route))
        return answer_message(http, connection, MHD_HTTP_SERVICE_UNAVAILABLE, lang,
                              POSTURE_PAGE_STARTING);
    if (!http->source.model)
        return answer_text(http, connection, MHD_HTTP_SERVICE_UNAVAILABLE,
                           "no evaluation yet\n", "Retry-After", "5");

    int variant = 0;
    if (posture_http_route_is_page(route))
        variant = (int)lang;
    else if (route == POSTURE_ROUTE_METRICS || route == POSTURE_ROUTE_PUBLIC)
        variant = posture_http_wants_openmetrics(header_get(connection, "Accept"))
                      ? POSTURE_EXPOSITION_OPENMETRICS
                      : POSTURE_EXPOSITION_TEXT;
    struct posture_http_entry *entry = NULL;
    int r =
        posture_http_cache_get(&http->cache, &http->source, route, variant, id, &entry);
    if (r == POSTURE_E_MISSING)
        return answer_message(http, connection, MHD_HTTP_NOT_FOUND, lang,
                              POSTURE_PAGE_NOT_FOUND);
    if (r < 0)
        return answer_text(http, connection, MHD_HTTP_INTERNAL_SERVER_ERROR,
                           "the page could not be made\n", NULL, NULL);
    bool is_known = posture_http_etag_matches(header_get(connection, "If-None-Match"),
                                              posture_http_entry_etag(entry));
    return MHD_queue_response(connection, is_known ? MHD_HTTP_NOT_MODIFIED : MHD_HTTP_OK,
                              posture_http_entry_response(entry, is_known));
}

static enum MHD_Result on_request(void *cls, struct MHD_Connection *connection,
                                  const char *url, const char *method,
                                  const char *version, const char *upload_data,
                                  size_t *upload_data_size, void **request)
{
    static int seen;
    struct posture_http *http = cls;

    (void)version;
    (void)upload_data;
    if (strcmp(method, MHD_HTTP_METHOD_GET) != 0 &&
        strcmp(method, MHD_HTTP_METHOD_HEAD) != 0) {
        http->stats.requests++;
        return answer_text(http, connection, MHD_HTTP_METHOD_NOT_ALLOWED,
                           "GET and HEAD only\n", "Allow", "GET, HEAD");
    }
    if (!*request) { /* headers are here; an answer is due when the body has been read */
        *request = &seen;
        return MHD_YES;
    }
    if (*upload_data_size) {
        *upload_data_size = 0;
        return MHD_YES;
    }
    http->stats.requests++;
    return request_answer(http, connection, url);
}

static void on_completed(void *cls, struct MHD_Connection *connection, void **request,
                         enum MHD_RequestTerminationCode code)
{
    struct posture_http *http = cls;
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    struct client *client = info ? info->socket_context : NULL;

    (void)request;
    (void)code;
    if (client)
        client->since_ms = uv_now(http->loop);
}

static void on_connection(void *cls, struct MHD_Connection *connection, void **context,
                          enum MHD_ConnectionNotificationCode code)
{
    struct posture_http *http = cls;
    struct client *client = *context;

    if (code == MHD_CONNECTION_NOTIFY_STARTED) {
        const union MHD_ConnectionInfo *info =
            MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);

        http->stats.connections++;
        client = info ? posture_calloc(1, sizeof(*client)) : NULL;
        if (!client)
            return; /* it still ends by the idle timeout */
        client->fd = info->connect_fd;
        client->since_ms = uv_now(http->loop);
        client->next = http->clients;
        client->previous = &http->clients;
        if (client->next)
            client->next->previous = &client->next;
        http->clients = client;
        *context = client;
    } else if (client) {
        *client->previous = client->next;
        if (client->next)
            client->next->previous = client->previous;
        free(client);
        *context = NULL;
    }
}

static void on_log(void *cls, const char *format, va_list args)
{
    /* libmicrohttpd's remarks about its clients; what matters is counted. */
    (void)cls;
    (void)format;
    (void)args;
}

static void daemon_run(struct posture_http *http);

static void on_timer(uv_timer_t *timer)
{
    daemon_run(timer->data);
}

static void on_poll(uv_poll_t *poll, int status, int events)
{
    (void)status;
    (void)events;
    daemon_run(poll->data);
}

static void daemon_run(struct posture_http *http)
{
    MHD_UNSIGNED_LONG_LONG wait_ms;

    if (http->is_stopping)
        return;
    MHD_run(http->daemon);
    if (MHD_get_timeout(http->daemon, &wait_ms) == MHD_YES)
        uv_timer_start(&http->timer, on_timer, wait_ms, 0);
    else
        uv_timer_stop(&http->timer);
}

/* libmicrohttpd's timeout begins anew with every byte; a byte a second must not hold a
 * connection. */
static void on_sweep(uv_timer_t *timer)
{
    struct posture_http *http = timer->data;
    uint64_t now = uv_now(http->loop);

    for (struct client *client = http->clients; client; client = client->next) {
        if (now - client->since_ms < http->request_limit_ms)
            continue;
        client->since_ms = now;
        http->stats.cut++;
        shutdown(client->fd, SHUT_RDWR);
    }
    daemon_run(http);
}

static struct posture_http *http_free(struct posture_http *http)
{
    posture_http_cache_clear(&http->cache);
    posture_page_model_free(http->source.model);
    json_decref(http->pending);
    for (size_t i = 0; http->host_names && http->host_names[i]; i++)
        free(http->host_names[i]);
    free(http->host_names);
    free(http->tls_cert);
    if (http->tls_key)
        OPENSSL_cleanse(http->tls_key, strlen(http->tls_key));
    free(http->tls_key);
    free(http->tls_client_ca);
    free(http);
    return NULL;
}
POSTURE_AUTO_DEFINE(struct posture_http *, http_free)

static int strings_copy(struct posture_http *http,
                        const struct posture_http_settings *settings)
{
    size_t names = 0;

    while (settings->host_names && settings->host_names[names])
        names++;
    http->host_names = posture_calloc(names + 1, sizeof(*http->host_names));
    if (!http->host_names)
        return -ENOMEM;
    for (size_t i = 0; i < names; i++) {
        http->host_names[i] = posture_strdup(settings->host_names[i]);
        if (!http->host_names[i])
            return -ENOMEM;
    }
    if (settings->tls_cert) {
        http->tls_cert = posture_strdup(settings->tls_cert);
        http->tls_key = posture_strdup(settings->tls_key);
        if (!http->tls_cert || !http->tls_key)
            return -ENOMEM;
    }
    if (settings->tls_client_ca &&
        !(http->tls_client_ca = posture_strdup(settings->tls_client_ca)))
        return -ENOMEM;
    return 0;
}

static int socket_listen(struct posture_http *http, const char *listen_text, int *ret_fd,
                         struct posture_error *reterr)
{
    struct sockaddr_storage address;
    socklen_t len;
    int one = 1;

    POSTURE_TRY(posture_http_address_parse(listen_text, &address, &len));
    POSTURE_AUTO_CLOSE int fd =
        socket(address.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return posture_error_set(reterr, -errno, "Listen \"%s\": %s", listen_text,
                                 strerror(errno));
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    if (address.ss_family == AF_INET6)
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof(one));
    if (bind(fd, (struct sockaddr *)&address, len) < 0 || listen(fd, BACKLOG) < 0 ||
        getsockname(fd, (struct sockaddr *)&address, &len) < 0) {
        int r = -errno;
        return posture_error_set(reterr, r, "Listen \"%s\": %s", listen_text,
                                 strerror(-r));
    }
    http->port =
        ntohs(address.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)&address)->sin6_port
                                            : ((struct sockaddr_in *)&address)->sin_port);
    *ret_fd = fd;
    fd = -1;
    return 0;
}

static int daemon_start(struct posture_http *http, int fd, uint32_t max_connections,
                        struct posture_error *reterr)
{
    struct MHD_OptionItem tls[5] = {{MHD_OPTION_END, 0, NULL}};
    unsigned int flags = MHD_USE_EPOLL | MHD_USE_ERROR_LOG;
    size_t n = 0;

    if (http->source.has_tls) {
        flags |= MHD_USE_TLS;
        tls[n++] = (struct MHD_OptionItem){MHD_OPTION_HTTPS_MEM_CERT, 0, http->tls_cert};
        tls[n++] = (struct MHD_OptionItem){MHD_OPTION_HTTPS_MEM_KEY, 0, http->tls_key};
        tls[n++] = (struct MHD_OptionItem){MHD_OPTION_HTTPS_PRIORITIES, 0,
                                           (void *)(uintptr_t)priorities};
        if (http->has_client_ca)
            tls[n++] = (struct MHD_OptionItem){MHD_OPTION_HTTPS_MEM_TRUST, 0,
                                               http->tls_client_ca};
        tls[n] = (struct MHD_OptionItem){MHD_OPTION_END, 0, NULL};
    }
    http->daemon = MHD_start_daemon(
        flags, 0, NULL, NULL, on_request, http, MHD_OPTION_EXTERNAL_LOGGER, on_log, NULL,
        MHD_OPTION_LISTEN_SOCKET, fd, MHD_OPTION_CONNECTION_LIMIT,
        (unsigned int)(max_connections ? max_connections : CONNECTIONS_DEFAULT),
        MHD_OPTION_CONNECTION_TIMEOUT, (unsigned int)IDLE_TIMEOUT_S,
        MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)CONNECTION_MEMORY,
        MHD_OPTION_NOTIFY_CONNECTION, on_connection, http, MHD_OPTION_NOTIFY_COMPLETED,
        on_completed, http, MHD_OPTION_STRICT_FOR_CLIENT, 1, MHD_OPTION_ARRAY, tls,
        MHD_OPTION_END);
    if (!http->daemon)
        return posture_error_set(reterr, POSTURE_E_OPTION,
                                 http->source.has_tls
                                     ? "the HTTP server does not start: are certificate, "
                                       "key and client CA valid PEM that fit together?"
                                     : "the HTTP server does not start");
    return 0;
}

uint16_t posture_http_port(const struct posture_http *http)
{
    return http->port;
}

void posture_http_stats_get(const struct posture_http *http,
                            struct posture_http_stats *ret_stats)
{
    *ret_stats = http->stats;
    ret_stats->renders = http->source.renders;
}

int posture_http_publish(struct posture_http *http, json_t *nation,
                         struct posture_error *reterr)
{
    POSTURE_TRY(posture_page_model_check(nation, reterr));
    json_incref(nation);
    json_decref(http->pending);
    http->pending = nation;
    return 0;
}

static void on_close(uv_handle_t *handle)
{
    struct posture_http *http = handle->data;

    if (--http->open_handles == 0)
        http_free(http);
}

void posture_http_stop(struct posture_http *http)
{
    if (!http || http->is_stopping)
        return;
    http->is_stopping = true;
    uv_close((uv_handle_t *)&http->poll, on_close);
    uv_close((uv_handle_t *)&http->timer, on_close);
    uv_close((uv_handle_t *)&http->sweep, on_close);
    MHD_stop_daemon(http->daemon);
}

int posture_http_new(uv_loop_t *loop, const struct posture_http_settings *settings,
                     struct posture_http **ret_http, struct posture_error *reterr)
{
    POSTURE_TRY(posture_http_settings_check(settings, reterr));
    POSTURE_AUTO(http_free) struct posture_http *http = posture_calloc(1, sizeof(*http));
    if (!http)
        return -ENOMEM;
    http->loop = loop;
    http->source.checks = settings->checks;
    http->source.refresh_s =
        settings->refresh_s ? settings->refresh_s : REFRESH_DEFAULT_S;
    http->max_age_s = settings->max_age_s ? settings->max_age_s : MAX_AGE_DEFAULT_S;
    http->source.has_tls = settings->tls_cert != NULL;
    http->request_limit_ms =
        UINT64_C(1000) *
        (settings->request_limit_s ? settings->request_limit_s : REQUEST_LIMIT_DEFAULT_S);
    http->has_client_ca = settings->tls_client_ca != NULL;
    http->has_token = settings->token != NULL;
    if (http->has_token)
        POSTURE_TRY(posture_http_token_digest(settings->token, http->token_digest));
    POSTURE_TRY(strings_copy(http, settings));
    POSTURE_TRY(posture_http_source_init(&http->source));

    int fd = -1;
    POSTURE_TRY(socket_listen(
        http, settings->listen ? settings->listen : POSTURE_HTTP_LISTEN, &fd, reterr));
    int r = daemon_start(http, fd, settings->max_connections, reterr);
    if (r < 0) {
        close(fd);
        return r;
    }
    const union MHD_DaemonInfo *info =
        MHD_get_daemon_info(http->daemon, MHD_DAEMON_INFO_EPOLL_FD);
    r = info ? uv_poll_init(loop, &http->poll, info->epoll_fd) : UV_EINVAL;
    if (r < 0) {
        MHD_stop_daemon(http->daemon);
        return posture_error_set(reterr, r, "the HTTP server cannot join the loop: %s",
                                 uv_strerror(r));
    }
    uv_timer_init(loop, &http->timer);
    uv_timer_init(loop, &http->sweep);
    http->poll.data = http->timer.data = http->sweep.data = http;
    http->open_handles = 3;
    uv_poll_start(&http->poll, UV_READABLE, on_poll);
    uv_timer_start(&http->sweep, on_sweep, SWEEP_MS, SWEEP_MS);
    *ret_http = POSTURE_TAKE(http);
    return 0;
}
