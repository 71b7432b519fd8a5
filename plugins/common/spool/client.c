/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */

#include "common/spool/client.h"

#include "common/base/buf.h"
#include "common/base/clock.h"
#include "common/spool/frame.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    CLIENT_BUCKETS = 4096,
    CLIENT_IN_MAX = 64 * 1024,
    CLIENT_OUT_MAX =
        512 * 1024, /* encoded, not yet taken by the socket: then one frame more */
    CLIENT_OUT_LIMIT = CLIENT_OUT_MAX + POSTURE_FRAME_MAX + POSTURE_FRAME_HEADER,
    CLIENT_PAUSE_FIRST_MS = 1000,
    CLIENT_PAUSE_MAX_MS = 30000,
    CLIENT_WELCOME_MS = 10000,
};

/* One report, not yet answered as stored. */
struct pending {
    struct pending *before, *behind; /* in the order they came */
    struct pending *next_key, *next_id;
    uint32_t id;
    uint32_t hash;
    bool is_sent; /* on this connection */
    char *kind, *subject, *ce_id;
    int64_t time_ns;
    char *body;
    size_t len;
    size_t cost;
};

enum client_phase {
    CLIENT_PAUSING, /* the timer runs; then a connection is asked for */
    CLIENT_ASKING,
    CLIENT_GREETING, /* connected; WELCOME is due before the timer */
    CLIENT_WELCOME,
};

/* The handle outlives the connection until the loop has closed it. */
struct client_socket {
    struct posture_spool_client *client;
    uv_poll_t poll;
    int fd;
};

struct posture_spool_client {
    uv_loop_t *loop;
    struct posture_spool_client_ops ops;
    void *data;
    uv_timer_t timer;
    struct client_socket *socket;
    int handles;
    bool is_closing;
    enum client_phase phase;
    bool is_held; /* the spool said "later": nothing is sent until the timer */
    bool is_near_cap;
    bool was_connected;
    unsigned pause_ms;

    struct pending *oldest, *newest;
    struct pending *next_unsent; /* nothing before it is unsent */
    struct pending *by_key[CLIENT_BUCKETS];
    struct pending *by_id[CLIENT_BUCKETS];
    size_t pending_bytes, max_pending_bytes;
    uint32_t last_id;

    char in[CLIENT_IN_MAX];
    size_t in_len;
    struct posture_buf out;
    size_t out_sent;
    struct posture_spool_client_stats stats;
};

static uint32_t key_hash(const char *kind, const char *subject)
{
    uint32_t hash = 2166136261u; /* FNV-1a */
    for (const char *p = kind; *p; p++)
        hash = (hash ^ (unsigned char)*p) * 16777619u;
    hash = (hash ^ '|') * 16777619u;
    for (const char *p = subject; *p; p++)
        hash = (hash ^ (unsigned char)*p) * 16777619u;
    return hash;
}

static void pending_free(struct pending *pending)
{
    free(pending->kind);
    free(pending->subject);
    free(pending->ce_id);
    free(pending->body);
    free(pending);
}

static struct pending *pending_find(const struct posture_spool_client *client,
                                    const char *kind, const char *subject, uint32_t hash)
{
    struct pending *p = client->by_key[hash % CLIENT_BUCKETS];
    while (p && (p->hash != hash || strcmp(p->kind, kind) != 0 ||
                 strcmp(p->subject, subject) != 0))
        p = p->next_key;
    return p;
}

static struct pending *pending_of_id(const struct posture_spool_client *client,
                                     uint32_t id)
{
    struct pending *p = client->by_id[id % CLIENT_BUCKETS];
    while (p && p->id != id)
        p = p->next_id;
    return p;
}

static void pending_insert(struct posture_spool_client *client, struct pending *pending)
{
    pending->before = client->newest;
    if (client->newest)
        client->newest->behind = pending;
    else
        client->oldest = pending;
    client->newest = pending;
    if (!client->next_unsent)
        client->next_unsent = pending;
    struct pending **bucket = &client->by_key[pending->hash % CLIENT_BUCKETS];
    pending->next_key = *bucket;
    *bucket = pending;
    bucket = &client->by_id[pending->id % CLIENT_BUCKETS];
    pending->next_id = *bucket;
    *bucket = pending;
    client->pending_bytes += pending->cost;
    client->stats.pending++;
}

static void pending_unlink(struct posture_spool_client *client, struct pending *pending)
{
    if (client->next_unsent == pending)
        client->next_unsent = pending->behind;
    if (pending->before)
        pending->before->behind = pending->behind;
    else
        client->oldest = pending->behind;
    if (pending->behind)
        pending->behind->before = pending->before;
    else
        client->newest = pending->before;
    struct pending **p = &client->by_key[pending->hash % CLIENT_BUCKETS];
    while (*p != pending)
        p = &(*p)->next_key;
    *p = pending->next_key;
    p = &client->by_id[pending->id % CLIENT_BUCKETS];
    while (*p != pending)
        p = &(*p)->next_id;
    *p = pending->next_id;
    client->pending_bytes -= pending->cost;
    client->stats.pending--;
}

static void pending_remove(struct posture_spool_client *client, struct pending *pending)
{
    pending_unlink(client, pending);
    pending_free(pending);
}

static void client_free(struct posture_spool_client *client)
{
    while (client->oldest)
        pending_remove(client, client->oldest);
    posture_buf_done(&client->out);
    free(client);
}

static void client_handle_closed(struct posture_spool_client *client)
{
    if (--client->handles == 0)
        client_free(client);
}

static void on_timer_closed(uv_handle_t *handle)
{
    client_handle_closed(handle->data);
}

static void on_socket_closed(uv_handle_t *handle)
{
    struct client_socket *closed = handle->data;
    posture_close(closed->fd);
    struct posture_spool_client *client = closed->client;
    free(closed);
    client_handle_closed(client);
}

static void client_disconnect(struct posture_spool_client *client)
{
    if (client->socket)
        uv_close((uv_handle_t *)&client->socket->poll, on_socket_closed);
    client->socket = NULL;
    client->in_len = 0;
    posture_buf_clear(&client->out);
    client->out_sent = 0;
    for (struct pending *p = client->oldest; p; p = p->behind)
        p->is_sent = false;
    client->next_unsent = client->oldest;
    client->is_held = false;
}

static void client_pause(struct posture_spool_client *client);

/* The connection is over: pause, then ask for another. */
static void client_fail(struct posture_spool_client *client)
{
    client_disconnect(client);
    client_pause(client);
}

static unsigned client_next_pause(struct posture_spool_client *client)
{
    unsigned pause = client->pause_ms > 0 ? client->pause_ms : CLIENT_PAUSE_FIRST_MS;
    client->pause_ms = pause * 2 < CLIENT_PAUSE_MAX_MS ? pause * 2 : CLIENT_PAUSE_MAX_MS;
    return pause;
}

/* Encodes what is unsent while there is room, and writes what the socket takes. */
static int client_write(struct posture_spool_client *client)
{
    for (;;) {
        while (client->phase == CLIENT_WELCOME && !client->is_held &&
               client->next_unsent &&
               client->out.len - client->out_sent < CLIENT_OUT_MAX) {
            struct pending *pending = client->next_unsent;
            client->next_unsent = pending->behind;
            if (pending->is_sent)
                continue;
            const struct posture_frame frame = {
                .type = POSTURE_FRAME_REPORT,
                .id = pending->id,
                .kind = posture_frame_text(pending->kind),
                .subject = posture_frame_text(pending->subject),
                .ce_id = posture_frame_text(pending->ce_id),
                .time_ns = pending->time_ns,
                .has_body = true,
                .body = {.bytes = pending->body, .len = pending->len},
            };
            if (client->out_sent > 0) {
                posture_buf_consume(&client->out, client->out_sent);
                client->out_sent = 0;
            }
            POSTURE_TRY(posture_frame_encode(&frame, &client->out));
            pending->is_sent = true;
            client->stats.sent++;
        }
        size_t left = client->out.len - client->out_sent;
        if (left == 0)
            break;
        ssize_t n = send(client->socket->fd, client->out.data + client->out_sent, left,
                         MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EAGAIN)
            return 1;
        if (n < 0)
            return -errno;
        client->out_sent += (size_t)n;
    }
    posture_buf_clear(&client->out);
    client->out_sent = 0;
    return 0;
}

static void on_socket_ready(uv_poll_t *poll, int status, int events);

static void client_send(struct posture_spool_client *client)
{
    if (!client->socket)
        return;
    int r = client_write(client);
    if (r >= 0)
        r = uv_poll_start(&client->socket->poll, UV_READABLE | (r > 0 ? UV_WRITABLE : 0),
                          on_socket_ready);
    if (r < 0)
        client_fail(client);
}

static void on_timer(uv_timer_t *timer)
{
    struct posture_spool_client *client = timer->data;
    switch (client->phase) {
    case CLIENT_PAUSING:
        client->phase = CLIENT_ASKING;
        client->ops.need_connection(client->data);
        return;
    case CLIENT_ASKING:
        return;
    case CLIENT_GREETING:
        client_fail(client);
        return;
    case CLIENT_WELCOME:
        client->is_held = false;
        client_send(client);
        return;
    }
}

static void client_pause(struct posture_spool_client *client)
{
    if (client->is_closing)
        return;
    client->phase = CLIENT_PAUSING;
    uv_timer_start(&client->timer, on_timer, client_next_pause(client), 0);
}

/* "Later": everything that is not stored waits for the timer and goes again, in its
 * order. */
static void client_hold(struct posture_spool_client *client, struct pending *pending)
{
    pending->is_sent = false;
    client->next_unsent = client->oldest;
    if (client->is_held)
        return;
    client->is_held = true;
    uv_timer_start(&client->timer, on_timer, client_next_pause(client), 0);
}

static void client_answered(struct posture_spool_client *client,
                            const struct posture_frame *frame)
{
    client->is_near_cap = frame->flags & POSTURE_FRAME_NEAR_CAP;
    struct pending *pending = pending_of_id(client, frame->id);
    if (!pending)
        return; /* replaced by a newer one meanwhile */
    if (frame->answer == POSTURE_ANSWER_RETRY) {
        client_hold(client, pending);
        return;
    }
    int r = frame->answer == POSTURE_ANSWER_STORED ? 0 : POSTURE_E_DENIED;
    char reason[POSTURE_FRAME_TEXT_MAX + 1];
    (void)posture_frame_text_copy(frame->reason, reason, sizeof(reason));
    if (r == 0) {
        client->stats.stored++;
        if (!client->is_held)
            client->pause_ms = 0;
    } else {
        client->stats.refused++;
    }
    /* Taken out before the owner hears of it: it may queue the next one. */
    pending_unlink(client, pending);
    if (client->ops.stored)
        client->ops.stored(client->data, pending->subject, r, r == 0 ? NULL : reason);
    pending_free(pending);
}

/* 0, or negative when the connection is of no use any more. */
static int client_frame(struct posture_spool_client *client,
                        const struct posture_frame *frame)
{
    if (frame->type == POSTURE_FRAME_WELCOME && client->phase == CLIENT_GREETING) {
        char agency[POSTURE_FRAME_TEXT_MAX + 1], reporter[POSTURE_FRAME_TEXT_MAX + 1];
        if (frame->version != POSTURE_FRAME_VERSION ||
            !posture_frame_text_copy(frame->agency, agency, sizeof(agency)) ||
            !posture_frame_text_copy(frame->reporter, reporter, sizeof(reporter)))
            return POSTURE_E_PROTOCOL;
        client->phase = CLIENT_WELCOME;
        client->pause_ms = 0;
        uv_timer_stop(&client->timer);
        client->ops.welcome(client->data, agency, reporter);
        return 0;
    }
    if (frame->type == POSTURE_FRAME_ANSWER && client->phase == CLIENT_WELCOME) {
        client_answered(client, frame);
        return 0;
    }
    return frame->type == POSTURE_FRAME_GOODBYE ? POSTURE_E_CLOSED : POSTURE_E_PROTOCOL;
}

static int client_read(struct posture_spool_client *client)
{
    struct client_socket *of = client->socket;
    ssize_t n =
        recv(of->fd, client->in + client->in_len, sizeof(client->in) - client->in_len, 0);
    if (n < 0)
        return errno == EAGAIN || errno == EINTR ? 0 : -errno;
    if (n == 0)
        return POSTURE_E_CLOSED;
    client->in_len += (size_t)n;
    size_t at = 0;
    for (;;) {
        struct posture_frame frame;
        size_t used = 0;
        int r = posture_frame_decode(client->in + at, client->in_len - at,
                                     CLIENT_IN_MAX - POSTURE_FRAME_HEADER, &frame, &used);
        if (r < 0)
            return r;
        if (r == 0)
            break;
        POSTURE_TRY(client_frame(client, &frame));
        if (client->socket != of)
            return 0; /* an op closed the client */
        at += used;
    }
    client->in_len -= at;
    memmove(client->in, client->in + at, client->in_len);
    return 0;
}

static void on_socket_ready(uv_poll_t *poll, int status, int events)
{
    struct client_socket *of = poll->data;
    struct posture_spool_client *client = of->client;
    int r = status;
    if (r == 0 && (events & UV_READABLE))
        r = client_read(client);
    if (client->is_closing)
        return;
    if (r < 0)
        client_fail(client);
    else
        client_send(client);
}

void posture_spool_client_connected_take(struct posture_spool_client *client, int r,
                                         int fd)
{
    if (r == 0 && fd >= 0 && !client->is_closing && client->phase == CLIENT_ASKING) {
        struct client_socket *of = posture_calloc(1, sizeof(*of));
        if (of && uv_poll_init(client->loop, &of->poll, fd) == 0) {
            *of = (struct client_socket){.client = client, .poll = of->poll, .fd = fd};
            of->poll.data = of;
            client->socket = of;
            client->handles++;
            client->stats.reconnects += client->was_connected;
            client->was_connected = true;
            client->phase = CLIENT_GREETING;
            uv_timer_start(&client->timer, on_timer, CLIENT_WELCOME_MS, 0);
            client_send(client);
            return;
        }
        free(of);
    }
    posture_close(fd);
    if (client->phase == CLIENT_ASKING)
        client_pause(client);
}

bool posture_spool_client_is_welcome(const struct posture_spool_client *client)
{
    return client->phase == CLIENT_WELCOME;
}

bool posture_spool_client_is_near_cap(const struct posture_spool_client *client)
{
    return client->is_near_cap;
}

int posture_spool_client_report(struct posture_spool_client *client, const char *kind,
                                const char *subject, const char *ce_id, int64_t time_ns,
                                const char *body, size_t len)
{
    size_t cost =
        sizeof(struct pending) + strlen(kind) + strlen(subject) + strlen(ce_id) + len;
    if (len > POSTURE_REPORT_MAX || cost > client->max_pending_bytes ||
        strlen(kind) > POSTURE_FRAME_TEXT_MAX ||
        strlen(subject) > POSTURE_FRAME_TEXT_MAX ||
        strlen(ce_id) > POSTURE_FRAME_TEXT_MAX)
        return POSTURE_E_LIMIT;
    struct pending *pending = posture_calloc(1, sizeof(*pending));
    if (!pending)
        return -ENOMEM;
    pending->kind = posture_strdup(kind);
    pending->subject = posture_strdup(subject);
    pending->ce_id = posture_strdup(ce_id);
    pending->body = posture_malloc(len > 0 ? len : 1);
    if (!pending->kind || !pending->subject || !pending->ce_id || !pending->body) {
        pending_free(pending);
        return -ENOMEM;
    }
    memcpy(pending->body, body, len);
    pending->len = len;
    pending->time_ns = time_ns;
    pending->cost = cost;
    pending->hash = key_hash(kind, subject);

    struct pending *older = pending_find(client, kind, subject, pending->hash);
    if (older)
        pending_remove(client, older);
    while (client->oldest && client->pending_bytes + cost > client->max_pending_bytes) {
        client->stats.dropped++;
        pending_remove(client, client->oldest);
    }
    /* Numbers come round after 2^32; one that still waits is passed over. */
    do
        pending->id = ++client->last_id;
    while (pending_of_id(client, pending->id));
    pending_insert(client, pending);
    if (client->phase == CLIENT_WELCOME && !client->is_held)
        client_send(client);
    return 0;
}

void posture_spool_client_stats(const struct posture_spool_client *client,
                                struct posture_spool_client_stats *ret)
{
    *ret = client->stats;
}

void posture_spool_client_close(struct posture_spool_client *client)
{
    if (!client || client->is_closing)
        return;
    client->is_closing = true;
    client_disconnect(client);
    client->phase = CLIENT_PAUSING;
    uv_close((uv_handle_t *)&client->timer, on_timer_closed);
}

int posture_spool_client_new(uv_loop_t *loop, const struct posture_spool_client_ops *ops,
                             void *data, size_t max_pending_bytes,
                             struct posture_spool_client **ret)
{
    struct posture_spool_client *client = posture_calloc(1, sizeof(*client));
    if (!client)
        return -ENOMEM;
    client->loop = loop;
    client->ops = *ops;
    client->data = data;
    client->max_pending_bytes = max_pending_bytes;
    posture_buf_init(&client->out, CLIENT_OUT_LIMIT);
    uv_timer_init(loop, &client->timer);
    client->timer.data = client;
    client->handles = 1;
    /* The first connection is asked for as soon as the loop runs. */
    client->phase = CLIENT_PAUSING;
    uv_timer_start(&client->timer, on_timer, 0, 0);
    *ret = client;
    return 0;
}
