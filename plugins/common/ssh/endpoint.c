/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#include "common/ssh/endpoint.h"

#include "common/base/clock.h"
#include "common/base/parse.h"
#include "common/ssh/public.h"
#include "common/ssh/reader.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* RFC 4253 section 11.1: SSH_DISCONNECT_BY_APPLICATION. */
enum { DISCONNECT_BY_APPLICATION = 11 };

enum {
    GOODBYE_MS = 500,    /* for the server to close after our disconnect */
    SPEAK_MS_MAX = 2000, /* then our KEXINIT goes first */
};

#define OUR_BANNER "SSH-2.0-posture\r\n"

enum stage {
    STAGE_IDLE,
    STAGE_BANNER,  /* waiting for the identification line */
    STAGE_KEXINIT, /* for the server's lists */
    STAGE_GROUP,   /* for the group of a group exchange */
    STAGE_REPLY,
    STAGE_GEX_REPLY,
    STAGE_GOODBYE, /* answered; the server may close first */
    STAGE_PAUSE,   /* before the next connection */
};

struct posture_ssh_endpoint {
    struct posture_ssh_endpoint_options options;
    posture_endpoint_done_cb *done;
    void *data;
    uv_loop_t *loop;
    uv_timer_t timer;
    struct posture_connections *sockets;
    struct posture_connection connection;
    struct posture_ssh_reader reader;
    struct posture_buf out;
    struct posture_ssh_plan plan;
    struct posture_ssh_question question;
    enum stage stage;
    bool has_spoken;  /* our KEXINIT is out */
    bool is_broad;    /* it names everything: nothing can be asked by it */
    bool has_kexinit; /* the server's came */
    bool speaks_first;
    bool is_closing;
    int64_t deadline_ms; /* of the connection */
    int64_t started_ns;
    struct posture_ssh_found found;
};

static void timer_closed(uv_handle_t *handle)
{
    struct posture_ssh_endpoint *endpoint = handle->data;
    char address[POSTURE_ADDRESS_TEXT];
    endpoint->found.address = posture_address_format(
        (const struct sockaddr *)&endpoint->options.address, address);
    endpoint->found.duration_ms =
        (posture_monotonic_ns() - endpoint->started_ns) / POSTURE_NS_PER_MS;
    json_t *facts = posture_ssh_endpoint_facts(&endpoint->plan, &endpoint->found);
    endpoint->done(endpoint->data, facts);
    posture_ssh_plan_done(&endpoint->plan);
    posture_ssh_reader_done(&endpoint->reader);
    posture_buf_done(&endpoint->out);
    posture_connection_done(&endpoint->connection);
    posture_connections_unref(endpoint->sockets);
    free(endpoint);
}

static void endpoint_finish(struct posture_ssh_endpoint *endpoint)
{
    if (endpoint->is_closing)
        return;
    endpoint->is_closing = true;
    uv_close((uv_handle_t *)&endpoint->timer, timer_closed);
}

static void detail_set(struct posture_ssh_endpoint *endpoint, const char *text,
                       size_t len)
{
    if (endpoint->found.detail[0] == '\0')
        posture_escape(text, len, endpoint->found.detail, sizeof(endpoint->found.detail));
}

static void timer_fired(uv_timer_t *timer);

static void timer_set(struct posture_ssh_endpoint *endpoint, enum stage stage,
                      uint64_t ms)
{
    endpoint->stage = stage;
    uv_timer_start(&endpoint->timer, timer_fired, ms, 0);
}

/* The stage after next runs from the loop: a server that is refused at once, again and
 * again, is no recursion. */
static void connection_end(struct posture_ssh_endpoint *endpoint, bool is_reset,
                           uint64_t pause_ms)
{
    posture_connection_close(&endpoint->connection, is_reset);
    timer_set(endpoint, STAGE_PAUSE, pause_ms);
}

static void answer(struct posture_ssh_endpoint *endpoint,
                   enum posture_ssh_outcome outcome)
{
    bool is_asked = endpoint->has_kexinit && !endpoint->is_broad;
    unsigned pause_ms =
        posture_ssh_plan_answer(&endpoint->plan, &endpoint->question, outcome, is_asked);
    if (!endpoint->has_kexinit || outcome != POSTURE_SSH_ANSWERED || pause_ms > 0) {
        connection_end(endpoint, true, pause_ms);
        return;
    }
    /* A word of farewell, and the server's close awaited: then its place for new
     * connections (MaxStartups) is free again before we come back. */
    posture_buf_clear(&endpoint->out);
    size_t begin = posture_ssh_packet_begin(&endpoint->out, POSTURE_SSH_DISCONNECT);
    posture_buf_add_u32(&endpoint->out, DISCONNECT_BY_APPLICATION);
    posture_ssh_add_string(&endpoint->out, "done", 4);
    posture_ssh_add_string(&endpoint->out, "", 0);
    posture_ssh_packet_end(&endpoint->out, begin);
    if (posture_buf_error(&endpoint->out) < 0 ||
        posture_connection_send(&endpoint->connection, endpoint->out.data,
                                endpoint->out.len) < 0) {
        connection_end(endpoint, true, 0);
        return;
    }
    timer_set(endpoint, STAGE_GOODBYE, GOODBYE_MS);
}

static void out_send(struct posture_ssh_endpoint *endpoint)
{
    int r = posture_buf_error(&endpoint->out);
    if (r == 0 && endpoint->out.len > 0)
        r = posture_connection_send(&endpoint->connection, endpoint->out.data,
                                    endpoint->out.len);
    if (r < 0)
        answer(endpoint, POSTURE_SSH_RESET);
}

/* Our lists: one method and one host key once the server's are known, else all. */
static void kexinit_add(struct posture_ssh_endpoint *endpoint)
{
    const struct posture_ssh_question *question = &endpoint->question;
    if (endpoint->has_spoken)
        return;
    endpoint->has_spoken = true;
    endpoint->is_broad = !question->kex;
    if (!question->kex) {
        posture_ssh_tables_kexinit(endpoint->plan.tables, &endpoint->out);
        return;
    }
    char host_key[POSTURE_SSH_NAME_MAX + 1];
    size_t len = question->host_key.len;
    if (len > 0)
        memcpy(host_key, question->host_key.at, len);
    host_key[len] = '\0';
    posture_ssh_kexinit_write(&endpoint->plan.server, question->kex->name, host_key,
                              &endpoint->out);
}

static void init_add(struct posture_ssh_endpoint *endpoint)
{
    const struct posture_ssh_question *question = &endpoint->question;
    struct posture_buf *out = &endpoint->out;
    struct posture_ssh_bytes dh = posture_ssh_public_dh();
    size_t begin, len = 0;
    switch (question->kex->method) {
    case POSTURE_SSH_METHOD_ECDH:
        begin = posture_ssh_packet_begin(out, POSTURE_SSH_KEX_INIT);
        for (size_t i = 0; i < POSTURE_SSH_COMPONENTS_MAX && question->kex->components[i];
             i++)
            len += posture_ssh_public_len(question->kex->components[i]);
        posture_buf_add_u32(out, (uint32_t)len);
        for (size_t i = 0; i < POSTURE_SSH_COMPONENTS_MAX && question->kex->components[i];
             i++)
            posture_ssh_public_add(question->kex->components[i], out);
        posture_ssh_packet_end(out, begin);
        endpoint->stage = STAGE_REPLY;
        return;
    case POSTURE_SSH_METHOD_DH:
        begin = posture_ssh_packet_begin(out, POSTURE_SSH_KEX_INIT);
        posture_ssh_add_string(out, dh.at, dh.len);
        posture_ssh_packet_end(out, begin);
        endpoint->stage = STAGE_REPLY;
        return;
    case POSTURE_SSH_METHOD_GEX:
        begin = posture_ssh_packet_begin(out, POSTURE_SSH_GEX_REQUEST);
        posture_buf_add_u32(out, question->size->min);
        posture_buf_add_u32(out, question->size->preferred);
        posture_buf_add_u32(out, question->size->max);
        posture_ssh_packet_end(out, begin);
        endpoint->stage = STAGE_GROUP;
        return;
    case POSTURE_SSH_METHOD_OTHER:
        break;
    }
}

static void banner_came(struct posture_ssh_endpoint *endpoint)
{
    const struct posture_ssh_reader *reader = &endpoint->reader;
    if (endpoint->found.banner[0] == '\0')
        posture_escape(reader->banner, reader->banner_len, endpoint->found.banner,
                       sizeof(endpoint->found.banner));
    if (strncmp(reader->banner, "SSH-2.", 6) != 0 &&
        strncmp(reader->banner, "SSH-1.99-", 9) != 0) {
        answer(endpoint, strncmp(reader->banner, "SSH-1.", 6) == 0
                             ? POSTURE_SSH_VERSION_1
                             : POSTURE_SSH_PROTOCOL_ERROR);
        return;
    }
    endpoint->stage = STAGE_KEXINIT;
    if (endpoint->speaks_first) {
        posture_buf_clear(&endpoint->out);
        kexinit_add(endpoint);
        out_send(endpoint);
    }
}

static void kexinit_came(struct posture_ssh_endpoint *endpoint,
                         struct posture_ssh_bytes payload)
{
    int r = posture_ssh_plan_learn(&endpoint->plan, payload, &endpoint->question);
    if (r < 0) {
        answer(endpoint, POSTURE_SSH_PROTOCOL_ERROR);
        return;
    }
    endpoint->has_kexinit = true;
    if (!endpoint->question.kex || endpoint->is_broad) {
        answer(endpoint, POSTURE_SSH_ANSWERED);
        return;
    }
    posture_buf_clear(&endpoint->out);
    kexinit_add(endpoint);
    init_add(endpoint);
    out_send(endpoint);
}

static void group_came(struct posture_ssh_endpoint *endpoint,
                       struct posture_ssh_bytes payload)
{
    struct posture_ssh_cursor cursor = {payload.at + 1, payload.len - 1, false};
    size_t bits = posture_ssh_read_mpint_bits(&cursor);
    posture_ssh_read_mpint_bits(&cursor);
    if (cursor.is_bad) {
        answer(endpoint, POSTURE_SSH_PROTOCOL_ERROR);
        return;
    }
    posture_ssh_plan_modulus(&endpoint->plan, &endpoint->question, bits);
    struct posture_ssh_bytes dh = posture_ssh_public_dh();
    /* A value larger than the prime is none of the group's. */
    if (!endpoint->question.key || bits <= dh.len * 8) {
        answer(endpoint, POSTURE_SSH_ANSWERED);
        return;
    }
    posture_buf_clear(&endpoint->out);
    size_t begin = posture_ssh_packet_begin(&endpoint->out, POSTURE_SSH_GEX_INIT);
    posture_ssh_add_string(&endpoint->out, dh.at, dh.len);
    posture_ssh_packet_end(&endpoint->out, begin);
    endpoint->stage = STAGE_GEX_REPLY;
    out_send(endpoint);
}

static void reply_came(struct posture_ssh_endpoint *endpoint,
                       struct posture_ssh_bytes payload)
{
    struct posture_ssh_cursor cursor = {payload.at + 1, payload.len - 1, false};
    struct posture_ssh_bytes blob = posture_ssh_read_string(&cursor);
    posture_ssh_read_string(
        &cursor); /* the server's public value: no use is made of it */
    struct posture_ssh_bytes signature = posture_ssh_read_string(&cursor);
    bool is_sound = !cursor.is_bad && endpoint->question.key &&
                    posture_ssh_plan_host_key(&endpoint->plan, &endpoint->question, blob,
                                              signature) == 0;
    answer(endpoint, is_sound ? POSTURE_SSH_ANSWERED : POSTURE_SSH_PROTOCOL_ERROR);
}

static void disconnect_came(struct posture_ssh_endpoint *endpoint,
                            struct posture_ssh_bytes payload)
{
    struct posture_ssh_cursor cursor = {payload.at + 1, payload.len - 1, false};
    posture_ssh_read_u32(&cursor);
    struct posture_ssh_bytes text = posture_ssh_read_string(&cursor);
    if (!endpoint->has_kexinit)
        detail_set(endpoint, (const char *)text.at, text.len);
    answer(endpoint, POSTURE_SSH_DISCONNECTED);
}

static void packet_came(struct posture_ssh_endpoint *endpoint,
                        struct posture_ssh_bytes payload)
{
    uint8_t type = payload.at[0];
    if (type == POSTURE_SSH_DISCONNECT)
        disconnect_came(endpoint, payload);
    else if (type == POSTURE_SSH_IGNORE || type == POSTURE_SSH_DEBUG ||
             type == POSTURE_SSH_UNIMPLEMENTED)
        return;
    else if (type == POSTURE_SSH_KEXINIT && endpoint->stage == STAGE_KEXINIT)
        kexinit_came(endpoint, payload);
    else if (type == POSTURE_SSH_GEX_GROUP && endpoint->stage == STAGE_GROUP)
        group_came(endpoint, payload);
    else if ((type == POSTURE_SSH_KEX_REPLY && endpoint->stage == STAGE_REPLY) ||
             (type == POSTURE_SSH_GEX_REPLY && endpoint->stage == STAGE_GEX_REPLY))
        reply_came(endpoint, payload);
    else
        answer(endpoint, POSTURE_SSH_PROTOCOL_ERROR);
}

static bool is_waiting(const struct posture_ssh_endpoint *endpoint)
{
    return endpoint->stage >= STAGE_BANNER && endpoint->stage <= STAGE_GEX_REPLY;
}

static void received(struct posture_connection *connection, const char *bytes, size_t len)
{
    struct posture_ssh_endpoint *endpoint = connection->data;
    endpoint->found.is_reachable = true;
    if (!is_waiting(endpoint))
        return;
    int r = posture_ssh_reader_feed(&endpoint->reader, bytes, len);
    while (r >= 0 && is_waiting(endpoint)) {
        enum posture_ssh_event event;
        struct posture_ssh_bytes payload;
        r = posture_ssh_reader_next(&endpoint->reader, &event, &payload);
        if (r < 0 || event == POSTURE_SSH_EVENT_NONE)
            break;
        if (event == POSTURE_SSH_EVENT_BANNER)
            banner_came(endpoint);
        else
            packet_came(endpoint, payload);
    }
    if (r < 0 && is_waiting(endpoint))
        answer(endpoint,
               r == POSTURE_E_LIMIT ? POSTURE_SSH_TOO_LARGE : POSTURE_SSH_PROTOCOL_ERROR);
}

/* Without an identification line: what did the server say instead? */
static enum posture_ssh_outcome silent_outcome(struct posture_ssh_endpoint *endpoint,
                                               enum posture_ssh_outcome outcome)
{
    /* OpenSSH's words when MaxStartups is reached and for a source under penalty. */
    static const char *const limits[] = {"Exceeded MaxStartups",
                                         "Not allowed at this time"};
    const struct posture_ssh_reader *reader = &endpoint->reader;
    if (reader->has_banner || reader->line_len == 0)
        return outcome;
    detail_set(endpoint, reader->line, reader->line_len);
    for (size_t i = 0; i < POSTURE_COUNT(limits); i++) {
        size_t len = strlen(limits[i]);
        if (reader->line_len >= len && memcmp(reader->line, limits[i], len) == 0)
            return POSTURE_SSH_RATE_LIMITED;
    }
    return POSTURE_SSH_NOT_SSH;
}

/* is_local: this host refused at once, before anything was sent. */
static enum posture_ssh_outcome connect_outcome(int error, bool is_local)
{
    switch (error) {
    case -ECONNREFUSED:
        return POSTURE_SSH_REFUSED;
    case -ETIMEDOUT:
        return POSTURE_SSH_NO_CONNECT;
    case -ECONNRESET:
        return POSTURE_SSH_RESET;
    case -ENETUNREACH:
    case -EHOSTUNREACH:
    case -EADDRNOTAVAIL:
    case -EAFNOSUPPORT:
        return is_local ? POSTURE_SSH_NO_ROUTE : POSTURE_SSH_UNREACHABLE;
    default:
        return POSTURE_SSH_UNREACHABLE;
    }
}

static void ended(struct posture_connection *connection, int r)
{
    struct posture_ssh_endpoint *endpoint = connection->data;
    if (endpoint->stage == STAGE_GOODBYE) {
        connection_end(endpoint, false, 0);
        return;
    }
    if (!is_waiting(endpoint))
        return;
    if (!connection->is_connected) {
        detail_set(endpoint, strerror(-r), strlen(strerror(-r)));
        answer(endpoint, connect_outcome(r, false));
        return;
    }
    endpoint->found.is_reachable = true;
    answer(endpoint,
           silent_outcome(endpoint, r == 0 ? POSTURE_SSH_CLOSED : POSTURE_SSH_RESET));
}

static const struct posture_connection_ops connection_ops = {
    .received = received,
    .ended = ended,
};

static int64_t now_ms(const struct posture_ssh_endpoint *endpoint)
{
    return (int64_t)uv_now(endpoint->loop);
}

/* The time left of the connection; at first only until it is our turn to speak. */
static void wait_set(struct posture_ssh_endpoint *endpoint, bool may_speak)
{
    int64_t left = endpoint->deadline_ms - now_ms(endpoint);
    int64_t speak = endpoint->options.timeout_ms / 2 < SPEAK_MS_MAX
                        ? endpoint->options.timeout_ms / 2
                        : SPEAK_MS_MAX;
    int64_t wait = may_speak && speak < left ? speak : left;
    timer_set(endpoint, endpoint->stage, wait > 0 ? (uint64_t)wait : 0);
}

static void connect_next(struct posture_ssh_endpoint *endpoint)
{
    if (!posture_ssh_plan_next(&endpoint->plan, &endpoint->question)) {
        endpoint_finish(endpoint);
        return;
    }
    posture_ssh_reader_reset(&endpoint->reader);
    endpoint->has_spoken = endpoint->has_kexinit = endpoint->is_broad = false;
    endpoint->found.connections++;
    bool is_remote = false;
    int r = posture_connection_open(&endpoint->connection,
                                    (const struct sockaddr *)&endpoint->options.address,
                                    OUR_BANNER, sizeof(OUR_BANNER) - 1, &is_remote);
    if (r < 0) {
        detail_set(endpoint, strerror(-r), strlen(strerror(-r)));
        answer(endpoint, connect_outcome(r, !is_remote));
        return;
    }
    endpoint->stage = STAGE_BANNER;
    endpoint->deadline_ms = now_ms(endpoint) + endpoint->options.timeout_ms;
    wait_set(endpoint, !endpoint->speaks_first);
}

static void timer_fired(uv_timer_t *timer)
{
    struct posture_ssh_endpoint *endpoint = timer->data;
    switch (endpoint->stage) {
    case STAGE_IDLE:
    case STAGE_PAUSE:
        connect_next(endpoint);
        return;
    case STAGE_GOODBYE:
        connection_end(endpoint, true, 0);
        return;
    case STAGE_KEXINIT:
        if (now_ms(endpoint) < endpoint->deadline_ms && !endpoint->has_spoken) {
            /* It waits for us. */
            endpoint->speaks_first = true;
            posture_buf_clear(&endpoint->out);
            kexinit_add(endpoint);
            out_send(endpoint);
            if (endpoint->stage == STAGE_KEXINIT)
                wait_set(endpoint, false);
            return;
        }
        break;
    default:
        break;
    }
    if (now_ms(endpoint) < endpoint->deadline_ms) {
        wait_set(endpoint, false);
        return;
    }
    if (endpoint->connection.is_connected)
        endpoint->found.is_reachable = true;
    answer(endpoint, endpoint->connection.is_connected
                         ? silent_outcome(endpoint, POSTURE_SSH_TIMED_OUT)
                         : POSTURE_SSH_NO_CONNECT);
}

int posture_ssh_endpoint_start(uv_loop_t *loop,
                               const struct posture_ssh_endpoint_options *options,
                               posture_endpoint_done_cb *done, void *data,
                               struct posture_ssh_endpoint **ret)
{
    struct posture_ssh_endpoint *endpoint = posture_calloc(1, sizeof(*endpoint));
    if (!endpoint)
        return -ENOMEM;
    endpoint->options = *options;
    endpoint->loop = loop;
    endpoint->done = done;
    endpoint->data = data;
    endpoint->started_ns = posture_monotonic_ns();
    int r = posture_connections_ref(options->sockets, loop);
    if (r < 0) {
        free(endpoint);
        return r;
    }
    endpoint->sockets = *options->sockets;
    r = posture_connection_init(&endpoint->connection, endpoint->sockets, &connection_ops,
                                endpoint);
    if (r < 0) {
        posture_connections_unref(endpoint->sockets);
        free(endpoint);
        return r;
    }
    posture_ssh_plan_init(&endpoint->plan, options->tables);
    posture_ssh_reader_init(&endpoint->reader);
    posture_buf_init(&endpoint->out, 0);
    uv_timer_init(loop, &endpoint->timer);
    endpoint->timer.data = endpoint;
    *ret = endpoint;
    connect_next(endpoint);
    return 0;
}

void posture_ssh_endpoint_stop(struct posture_ssh_endpoint *endpoint)
{
    posture_ssh_plan_stop(&endpoint->plan);
    posture_connection_close(&endpoint->connection, true);
    endpoint->stage = STAGE_IDLE;
    endpoint_finish(endpoint);
}
