/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#include "common/net/connection.h"

#include "common/base/error.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

enum { EVENTS_MAX = 64, SLOTS_STEP = 32, REST_MAX = 256 * 1024 };

/* An event names its slot and the slot's generation: one that belongs to a connection
 * closed earlier in the same batch is passed over. */
struct slot {
    struct posture_connection *connection; /* NULL: free */
    uint32_t generation;
    uint32_t next_free;
};

struct posture_connections {
    uv_poll_t poll;
    int epoll;
    unsigned refs;
    struct posture_connections **owner;
    struct slot *slots;
    uint32_t slot_count;
    uint32_t first_free; /* slot_count: none */
    char buffer[POSTURE_CONNECTION_READ_MAX];
};

static struct slot *slot_of(const struct posture_connection *connection)
{
    return &connection->set->slots[connection->slot];
}

/* How many of the bytes the socket took, or a negative errno. */
static ssize_t bytes_send(struct posture_connection *connection, const void *bytes,
                          size_t len)
{
    ssize_t n;
    do
        n = send(connection->fd, bytes, len, MSG_NOSIGNAL);
    while (n < 0 && errno == EINTR);
    if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
        return 0;
    /* A reset in answer to the SYN is ECONNREFUSED: these two come after it. */
    if (n >= 0 || errno == ECONNRESET || errno == EPIPE)
        connection->is_connected = true;
    return n < 0 ? -errno : n;
}

/* Sends what waits. */
static int rest_flush(struct posture_connection *connection)
{
    ssize_t n = bytes_send(connection, connection->rest.data, connection->rest.len);
    if (n < 0)
        return (int)n;
    posture_buf_consume(&connection->rest, (size_t)n);
    return 0;
}

/* Sends what the socket takes and keeps the rest. */
static int connection_write(struct posture_connection *connection, const char *bytes,
                            size_t len)
{
    ssize_t n = bytes_send(connection, bytes, len);
    if (n < 0)
        return (int)n;
    posture_buf_add(&connection->rest, bytes + n, len - (size_t)n);
    return posture_buf_error(&connection->rest);
}

/* Until nothing is left, as edge-triggered events ask for; a short read says so too,
 * unless the end of the stream is known to wait behind it. */
static void connection_read(struct posture_connection *connection, uint32_t generation,
                            bool is_ending)
{
    struct posture_connections *set = connection->set;
    for (;;) {
        ssize_t n = recv(connection->fd, set->buffer, sizeof(set->buffer), 0);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
            return;
        if (n <= 0) {
            connection->ops->ended(connection, n == 0 ? 0 : -errno);
            return;
        }
        connection->is_connected = true;
        connection->ops->received(connection, set->buffer, (size_t)n);
        if (slot_of(connection)->generation != generation ||
            (!is_ending && (size_t)n < sizeof(set->buffer)))
            return;
    }
}

static void connection_event(struct posture_connection *connection, uint32_t generation,
                             uint32_t events)
{
    bool is_ending = events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR);
    if (!connection->is_connected) {
        int error = 0;
        socklen_t len = sizeof(error);
        if (events & (EPOLLERR | EPOLLHUP))
            getsockopt(connection->fd, SOL_SOCKET, SO_ERROR, &error, &len);
        connection->is_connected = error == ECONNRESET || error == EPIPE;
        if (error != 0) {
            connection->ops->ended(connection, -error);
            return;
        }
        connection->is_connected = events & (EPOLLOUT | EPOLLIN);
    }
    if ((events & EPOLLOUT) && connection->rest.len > 0) {
        int r = rest_flush(connection);
        /* What a peer said before it reset comes first. */
        if (r < 0 && !(events & EPOLLIN)) {
            connection->ops->ended(connection, r);
            return;
        }
    }
    if (is_ending || (events & EPOLLIN))
        connection_read(connection, generation, is_ending);
}

static void set_ready(uv_poll_t *poll, int status, int events)
{
    (void)status;
    (void)events;
    struct posture_connections *set = poll->data;
    struct epoll_event ready[EVENTS_MAX];
    int n = epoll_wait(set->epoll, ready, EVENTS_MAX, 0);
    for (int i = 0; i < n; i++) {
        uint32_t index = (uint32_t)(ready[i].data.u64 >> 32);
        uint32_t generation = (uint32_t)ready[i].data.u64;
        if (index >= set->slot_count || !set->slots[index].connection ||
            set->slots[index].generation != generation)
            continue;
        connection_event(set->slots[index].connection, generation, ready[i].events);
    }
}

static void set_free(struct posture_connections *set)
{
    close(set->epoll);
    free(set->slots);
    free(set);
}

static void set_closed(uv_handle_t *handle)
{
    set_free(handle->data);
}

int posture_connections_ref(struct posture_connections **slot, uv_loop_t *loop)
{
    if (*slot) {
        (*slot)->refs++;
        return 0;
    }
    struct posture_connections *set = posture_calloc(1, sizeof(*set));
    if (!set)
        return -ENOMEM;
    set->epoll = epoll_create1(EPOLL_CLOEXEC);
    if (set->epoll < 0) {
        int r = -errno;
        free(set);
        return r;
    }
    int r = uv_poll_init(loop, &set->poll, set->epoll);
    if (r < 0) {
        set_free(set);
        return r;
    }
    set->poll.data = set;
    set->refs = 1;
    set->owner = slot;
    *slot = set;
    return uv_poll_start(&set->poll, UV_READABLE, set_ready);
}

void posture_connections_unref(struct posture_connections *set)
{
    if (!set || --set->refs > 0)
        return;
    *set->owner = NULL;
    uv_close((uv_handle_t *)&set->poll, set_closed);
}

static int slots_grow(struct posture_connections *set)
{
    uint32_t count = set->slot_count + SLOTS_STEP;
    struct slot *slots = posture_reallocarray(set->slots, count, sizeof(*slots));
    if (!slots)
        return -ENOMEM;
    for (uint32_t i = set->slot_count; i < count; i++)
        slots[i] = (struct slot){.next_free = i + 1};
    set->slots = slots;
    set->slot_count = count;
    return 0;
}

int posture_connection_init(struct posture_connection *connection,
                            struct posture_connections *set,
                            const struct posture_connection_ops *ops, void *data)
{
    if (set->first_free == set->slot_count)
        POSTURE_TRY(slots_grow(set));
    memset(connection, 0, sizeof(*connection));
    connection->ops = ops;
    connection->data = data;
    connection->set = set;
    connection->fd = -1;
    connection->slot = set->first_free;
    posture_buf_init(&connection->rest, REST_MAX);
    set->first_free = set->slots[connection->slot].next_free;
    set->slots[connection->slot].connection = connection;
    return 0;
}

void posture_connection_done(struct posture_connection *connection)
{
    if (!connection->set)
        return;
    posture_connection_close(connection, /* reset = */ true);
    posture_buf_done(&connection->rest);
    struct slot *slot = slot_of(connection);
    slot->connection = NULL;
    slot->next_free = connection->set->first_free;
    connection->set->first_free = connection->slot;
    connection->set = NULL;
}

static int connection_watch(struct posture_connection *connection, int operation)
{
    const struct slot *slot = slot_of(connection);
    struct epoll_event event = {
        .events = EPOLLIN | EPOLLRDHUP | EPOLLET,
        .data.u64 = (uint64_t)connection->slot << 32 | slot->generation,
    };
    if (connection->is_watching_out)
        event.events |= EPOLLOUT;
    return epoll_ctl(connection->set->epoll, operation, connection->fd, &event) < 0
               ? -errno
               : 0;
}

static int connection_connect(struct posture_connection *connection,
                              const struct sockaddr *address, const void *bytes,
                              size_t len, bool *ret_is_remote)
{
    socklen_t size = address->sa_family == AF_INET ? sizeof(struct sockaddr_in)
                                                   : sizeof(struct sockaddr_in6);
    if (len > 0) {
        /* The last ACK of the TCP handshake waits for the bytes that follow at once. */
        const int off = 0;
        setsockopt(connection->fd, IPPROTO_TCP, TCP_QUICKACK, &off, sizeof(off));
    }
    if (connect(connection->fd, address, size) < 0 && errno != EINPROGRESS)
        return -errno;
    int r = len > 0 ? connection_write(connection, bytes, len) : 0;
    if (r < 0) {
        *ret_is_remote = true;
        return r;
    }
    /* Where all is sent already, the next that can happen is an answer. */
    connection->is_watching_out = !connection->is_connected || connection->rest.len > 0;
    return connection_watch(connection, EPOLL_CTL_ADD);
}

int posture_connection_open(struct posture_connection *connection,
                            const struct sockaddr *address, const void *bytes, size_t len,
                            bool *ret_is_remote)
{
    POSTURE_REQUIRE(connection->fd < 0);
    *ret_is_remote = false;
    connection->is_connected = false;
    posture_buf_clear(&connection->rest);
    connection->fd =
        socket(address->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (connection->fd < 0)
        return -errno;
    slot_of(connection)->generation++;
    int r = connection_connect(connection, address, bytes, len, ret_is_remote);
    if (r < 0)
        posture_connection_close(connection, /* reset = */ false);
    return r;
}

int posture_connection_send(struct posture_connection *connection, const void *bytes,
                            size_t len)
{
    POSTURE_REQUIRE(connection->fd >= 0);
    if (connection->rest.len > 0) {
        posture_buf_add(&connection->rest, bytes, len);
        return posture_buf_error(&connection->rest);
    }
    POSTURE_TRY(connection_write(connection, bytes, len));
    if (connection->rest.len == 0 || connection->is_watching_out)
        return 0;
    connection->is_watching_out = true;
    return connection_watch(connection, EPOLL_CTL_MOD);
}

void posture_connection_close(struct posture_connection *connection, bool is_reset)
{
    if (connection->fd < 0)
        return;
    if (is_reset) {
        const struct linger reset = {.l_onoff = 1, .l_linger = 0};
        setsockopt(connection->fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
    }
    /* Closing takes it out of the epoll set. */
    close(connection->fd);
    connection->fd = -1;
    slot_of(connection)->generation++;
}
