/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */

#include "common/spool/admin.h"

#include "common/base/clock.h"
#include "common/spool/connect.h"
#include "common/spool/frame.h"
#include "common/spool/spool.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct posture_spool_admin {
    int fd;
    int64_t deadline_ns; /* monotonic */
    uint32_t last_id;
    struct posture_buf in;
    size_t in_used; /* of the frame handed out last */
    char agency[POSTURE_FRAME_TEXT_MAX + 1];
    char reporter[POSTURE_FRAME_TEXT_MAX + 1];
};

static int admin_wait(const struct posture_spool_admin *admin, short events)
{
    int64_t left_ns = admin->deadline_ns - posture_monotonic_ns();
    if (left_ns <= 0)
        return POSTURE_E_DEADLINE;
    struct pollfd fd = {.fd = admin->fd, .events = events};
    int n = poll(&fd, 1, (int)(left_ns / POSTURE_NS_PER_MS) + 1);
    return n < 0 && errno != EINTR ? -errno : 0;
}

static int admin_send(struct posture_spool_admin *admin,
                      const struct posture_frame *frame)
{
    POSTURE_AUTO_BUF struct posture_buf out;
    posture_buf_init(&out, POSTURE_FRAME_MAX + POSTURE_FRAME_HEADER);
    POSTURE_TRY(posture_frame_encode(frame, &out));
    for (size_t sent = 0; sent < out.len;) {
        ssize_t n = send(admin->fd, out.data + sent, out.len - sent, MSG_NOSIGNAL);
        if (n >= 0)
            sent += (size_t)n;
        else if (errno == EAGAIN)
            POSTURE_TRY(admin_wait(admin, POLLOUT));
        else if (errno != EINTR)
            return -errno;
    }
    return 0;
}

/* The next frame; its texts are valid until the next call. */
static int admin_receive(struct posture_spool_admin *admin, struct posture_frame *ret)
{
    posture_buf_consume(&admin->in, admin->in_used);
    admin->in_used = 0;
    for (;;) {
        int r = posture_frame_decode(admin->in.data, admin->in.len, POSTURE_FRAME_MAX,
                                     ret, &admin->in_used);
        if (r != 0)
            return r < 0 ? r : 0;
        char bytes[16384];
        ssize_t n = recv(admin->fd, bytes, sizeof(bytes), 0);
        if (n > 0) {
            posture_buf_add(&admin->in, bytes, (size_t)n);
            POSTURE_TRY(posture_buf_error(&admin->in));
        } else if (n == 0) {
            return POSTURE_E_CLOSED;
        } else if (errno == EAGAIN) {
            POSTURE_TRY(admin_wait(admin, POLLIN));
        } else if (errno != EINTR) {
            return -errno;
        }
    }
}

static int admin_fail(struct posture_error *reterr, int r)
{
    return posture_error_set(reterr, r, "spool: %s", posture_strerror(r));
}

/* Sends a question and gives every frame of the answer to cb. Ends with the ANSWER: 0,
 * -ENOENT, or what cb returned. */
static int admin_ask(struct posture_spool_admin *admin, struct posture_frame *question,
                     int (*cb)(void *data, const struct posture_frame *frame), void *data,
                     struct posture_error *reterr)
{
    question->id = ++admin->last_id;
    int r = admin_send(admin, question), r_cb = 0;
    if (r < 0)
        return admin_fail(reterr, r);
    for (;;) {
        struct posture_frame frame;
        r = admin_receive(admin, &frame);
        if (r < 0)
            return admin_fail(reterr, r);
        char reason[POSTURE_FRAME_TEXT_MAX + 1] = "";
        if (frame.type == POSTURE_FRAME_ANSWER || frame.type == POSTURE_FRAME_GOODBYE)
            (void)posture_frame_text_copy(frame.reason, reason, sizeof(reason));
        if (frame.type == POSTURE_FRAME_GOODBYE)
            return posture_error_set(reterr, POSTURE_E_CLOSED, "spool: %s", reason);
        if (frame.id != question->id)
            return admin_fail(reterr, POSTURE_E_PROTOCOL);
        if (frame.type != POSTURE_FRAME_ANSWER) {
            /* After cb has had enough the rest is still read, so that the next question
             * finds its own. */
            if (cb && r_cb == 0)
                r_cb = cb(data, &frame);
            continue;
        }
        if (r_cb != 0)
            return r_cb;
        switch (frame.answer) {
        case POSTURE_ANSWER_STORED:
            return 0;
        case POSTURE_ANSWER_RETRY:
            return posture_error_set(reterr, POSTURE_E_BUSY, "spool: not now: %s",
                                     reason);
        default:
            return posture_error_set(
                reterr, strcmp(reason, "no such entry") == 0 ? -ENOENT : POSTURE_E_DENIED,
                "spool: %s", reason);
        }
    }
}

struct admin_items {
    posture_spool_admin_item_cb *cb;
    void *data;
    int64_t last;
    size_t count;
};

static int admin_item(void *data, const struct posture_frame *frame)
{
    struct admin_items *items = data;
    char plugin[POSTURE_FRAME_TEXT_MAX + 1], ce_type[POSTURE_FRAME_TEXT_MAX + 1],
        ce_id[POSTURE_FRAME_TEXT_MAX + 1], key[POSTURE_FRAME_TEXT_MAX + 1],
        reason[POSTURE_FRAME_TEXT_MAX + 1];
    if (frame->type != POSTURE_FRAME_ITEM ||
        !posture_frame_text_copy(frame->plugin, plugin, sizeof(plugin)) ||
        !posture_frame_text_copy(frame->ce_type, ce_type, sizeof(ce_type)) ||
        !posture_frame_text_copy(frame->ce_id, ce_id, sizeof(ce_id)) ||
        !posture_frame_text_copy(frame->key, key, sizeof(key)) ||
        !posture_frame_text_copy(frame->reason, reason, sizeof(reason)))
        return POSTURE_E_PROTOCOL;
    const struct posture_spool_admin_item item = {
        .id = frame->item,
        .is_incident = frame->topic == POSTURE_SPOOL_INCIDENTS,
        .plugin = plugin,
        .ce_type = ce_type,
        .ce_id = ce_id,
        .key = key,
        .time_ns = frame->time_ns,
        .sequence = frame->sequence,
        .reason = reason,
        .body = frame->has_body ? frame->body.bytes : NULL,
        .body_len = frame->size,
    };
    items->last = frame->item;
    items->count++;
    return items->cb(items->data, &item);
}

int posture_spool_admin_list(struct posture_spool_admin *admin, bool is_aside,
                             int64_t after, size_t max, posture_spool_admin_item_cb *cb,
                             void *data, struct posture_error *reterr)
{
    struct admin_items items = {.cb = cb, .data = data, .last = after};
    size_t total = 0;
    do {
        size_t want = max > 0 && max - total < POSTURE_FRAME_LIST_MAX
                          ? max - total
                          : POSTURE_FRAME_LIST_MAX;
        struct posture_frame question = {
            .type = POSTURE_FRAME_LIST,
            .list = is_aside ? POSTURE_SPOOL_LIST_ASIDE : POSTURE_SPOOL_LIST_WAITING,
            .item = items.last,
            .max = (uint32_t)want,
        };
        items.count = 0;
        int r = admin_ask(admin, &question, admin_item, &items, reterr);
        if (r != 0)
            return r;
        total += items.count;
    } while (items.count == POSTURE_FRAME_LIST_MAX && (max == 0 || total < max));
    return 0;
}

int posture_spool_admin_show(struct posture_spool_admin *admin, bool is_aside, int64_t id,
                             posture_spool_admin_item_cb *cb, void *data,
                             struct posture_error *reterr)
{
    struct admin_items items = {.cb = cb, .data = data};
    struct posture_frame question = {
        .type = POSTURE_FRAME_SHOW,
        .list = is_aside ? POSTURE_SPOOL_LIST_ASIDE : POSTURE_SPOOL_LIST_WAITING,
        .item = id,
    };
    return admin_ask(admin, &question, admin_item, &items, reterr);
}

struct admin_stats {
    int (*cb)(void *data, const char *name, uint64_t value);
    void *data;
};

static int admin_stat(void *data, const struct posture_frame *frame)
{
    const struct admin_stats *stats = data;
    char name[POSTURE_FRAME_TEXT_MAX + 1];
    if (frame->type != POSTURE_FRAME_STAT ||
        !posture_frame_text_copy(frame->name, name, sizeof(name)))
        return POSTURE_E_PROTOCOL;
    return stats->cb(stats->data, name, frame->value);
}

int posture_spool_admin_stats(struct posture_spool_admin *admin,
                              int (*cb)(void *data, const char *name, uint64_t value),
                              void *data, struct posture_error *reterr)
{
    struct admin_stats stats = {.cb = cb, .data = data};
    struct posture_frame question = {.type = POSTURE_FRAME_STATS};
    return admin_ask(admin, &question, admin_stat, &stats, reterr);
}

int posture_spool_admin_retire(struct posture_spool_admin *admin, const char *kind,
                               const char *subject, struct posture_error *reterr)
{
    struct posture_frame question = {
        .type = POSTURE_FRAME_RETIRE,
        .kind = posture_frame_text(kind),
        .subject = posture_frame_text(subject),
    };
    return admin_ask(admin, &question, NULL, NULL, reterr);
}

const char *posture_spool_admin_agency(const struct posture_spool_admin *admin)
{
    return admin->agency;
}

const char *posture_spool_admin_reporter(const struct posture_spool_admin *admin)
{
    return admin->reporter;
}

struct posture_spool_admin *posture_spool_admin_free(struct posture_spool_admin *admin)
{
    if (!admin)
        return NULL;
    posture_close(admin->fd);
    posture_buf_done(&admin->in);
    free(admin);
    return NULL;
}

int posture_spool_admin_new(const char *socket_path, int64_t deadline_ms,
                            struct posture_spool_admin **ret,
                            struct posture_error *reterr)
{
    POSTURE_AUTO(posture_spool_admin_free)
    struct posture_spool_admin *admin = posture_calloc(1, sizeof(*admin));
    if (!admin)
        return -ENOMEM;
    admin->fd = -1;
    admin->deadline_ns = posture_monotonic_ns() + deadline_ms * POSTURE_NS_PER_MS;
    posture_buf_init(&admin->in, 2 * POSTURE_FRAME_MAX);
    POSTURE_TRY(posture_spool_connect(socket_path, "admin", &admin->fd, reterr));
    struct posture_frame frame;
    int r = admin_receive(admin, &frame);
    if (r < 0)
        return posture_error_set(reterr, r, "%s: %s%s", socket_path, posture_strerror(r),
                                 r == POSTURE_E_CLOSED || r == -ECONNRESET
                                     ? "; only collectd's own user is let in"
                                     : "");
    if (frame.type != POSTURE_FRAME_WELCOME || frame.version != POSTURE_FRAME_VERSION ||
        !posture_frame_text_copy(frame.agency, admin->agency, sizeof(admin->agency)) ||
        !posture_frame_text_copy(frame.reporter, admin->reporter,
                                 sizeof(admin->reporter)))
        return posture_error_set(reterr, POSTURE_E_PROTOCOL, "%s: %s", socket_path,
                                 posture_strerror(POSTURE_E_PROTOCOL));
    *ret = POSTURE_TAKE(admin);
    return 0;
}
