/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */

#include "common/net/worker_internal.h"

#include "common/base/clock.h"
#include "common/net/sandbox.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    WORKER_FD = 3,
    WORKER_OUT_MAX = 8 * 1024 * 1024, /* what the host has not read yet */
    WORKER_READ = 64 * 1024,
    SETTINGS_WAIT_MS = 30000,
    OPEN_NOW_WAIT_MS = 5000,
    STOP_WAIT_MS = 4000, /* the host kills after 5 s */
    LAST_FLUSH_MS = 500,
};

uv_loop_t *posture_worker_loop(struct posture_worker *worker)
{
    return &worker->loop;
}

const struct posture_settings *
posture_worker_settings(const struct posture_worker *worker)
{
    return worker->settings;
}

void posture_worker_set_data(struct posture_worker *worker, void *data)
{
    worker->data = data;
}

void *posture_worker_data(const struct posture_worker *worker)
{
    return worker->data;
}

bool posture_worker_is_once(const struct posture_worker *worker)
{
    return worker->is_once;
}

int posture_worker_set_writable_dir(struct posture_worker *worker, const char *dir)
{
    char *copy = posture_strdup(dir);
    if (!copy)
        return -ENOMEM;
    free(worker->writable_dir);
    worker->writable_dir = copy;
    return 0;
}

uint64_t posture_worker_dropped(const struct posture_worker *worker)
{
    return worker->dropped;
}

/* Sends what the socket takes now. */
static void out_send(struct posture_worker *worker)
{
    while (worker->out.len > 0 && !worker->is_host_gone) {
        ssize_t n = send(WORKER_FD, worker->out.data, worker->out.len,
                         MSG_DONTWAIT | MSG_NOSIGNAL);
        if (n > 0) {
            posture_buf_consume(&worker->out, (size_t)n);
        } else if (n < 0 && errno != EINTR) {
            if (errno != EAGAIN)
                worker->is_host_gone = true;
            return;
        }
    }
    if (worker->is_host_gone)
        posture_buf_clear(&worker->out);
}

/* Sends everything, waiting for the host at most timeout_ms. */
static void out_flush(struct posture_worker *worker, int timeout_ms)
{
    int64_t end = posture_monotonic_ns() + timeout_ms * POSTURE_NS_PER_MS;
    for (;;) {
        out_send(worker);
        int64_t left_ms = (end - posture_monotonic_ns()) / POSTURE_NS_PER_MS;
        if (worker->out.len == 0 || left_ms <= 0)
            return;
        struct pollfd ready = {.fd = WORKER_FD, .events = POLLOUT};
        (void)poll(&ready, 1, (int)left_ms);
    }
}

static void socket_ready(uv_poll_t *poll, int status, int events);

/* Waits for room in the socket only while there is something to send. */
void posture_worker_poll_update(struct posture_worker *worker)
{
    if (!worker->is_running || uv_is_closing((uv_handle_t *)&worker->poll))
        return;
    int events = UV_READABLE | (worker->out.len > 0 ? UV_WRITABLE : 0);
    uv_poll_start(&worker->poll, events, socket_ready);
}

static void lines_handle(struct posture_worker *worker)
{
    char *line;
    size_t len;
    while (posture_line_reader_next(&worker->reader, &line, &len) > 0) {
        const char *fields[8];
        size_t count;
        if (posture_line_split(line, len, fields, POSTURE_COUNT(fields), &count) < 0)
            continue;
        if (count == 3 && strcmp(fields[0], "fd") == 0)
            posture_worker_fd_line(worker, fields[1], fields[2]);
    }
}

static void fds_take(struct posture_worker *worker, struct msghdr *msg)
{
    for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
            continue;
        size_t n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (size_t i = 0; i < n; i++) {
            int fd;
            memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof(int));
            if (worker->fd_count < WORKER_FDS_MAX)
                worker->fds[worker->fd_count++] = fd;
            else
                posture_close(fd);
        }
    }
}

/* Reads once without waiting. 1 read, 0 nothing there, POSTURE_E_CLOSED at the end. */
static int socket_read(struct posture_worker *worker)
{
    static char bytes[WORKER_READ];
    union {
        char buf[CMSG_SPACE(4 * sizeof(int))];
        struct cmsghdr align;
    } control;
    struct iovec iov = {.iov_base = bytes, .iov_len = sizeof(bytes)};
    struct msghdr msg = {.msg_iov = &iov,
                         .msg_iovlen = 1,
                         .msg_control = control.buf,
                         .msg_controllen = sizeof(control.buf)};
    ssize_t n = recvmsg(WORKER_FD, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    if (n < 0)
        return errno == EAGAIN || errno == EINTR ? 0 : POSTURE_E_CLOSED;
    fds_take(worker, &msg);
    if (n == 0)
        return POSTURE_E_CLOSED;
    POSTURE_TRY(posture_line_reader_feed(&worker->reader, bytes, (size_t)n));
    return 1;
}

/* Waits for bytes until the instant; without the loop, while it does not run yet. */
static int socket_wait(struct posture_worker *worker, int64_t end_ns)
{
    for (;;) {
        int r = socket_read(worker);
        if (r != 0)
            return r;
        int64_t left_ms = (end_ns - posture_monotonic_ns()) / POSTURE_NS_PER_MS;
        if (left_ms <= 0)
            return POSTURE_E_DEADLINE;
        struct pollfd ready = {.fd = WORKER_FD, .events = POLLIN};
        (void)poll(&ready, 1, (int)left_ms);
    }
}

struct open_now {
    bool is_done;
    int fd;
};

static void open_now_done(struct posture_worker *worker, int fd, void *data)
{
    (void)worker;
    struct open_now *now = data;
    now->is_done = true;
    now->fd = fd;
}

/* The answer came too late for its owner, who is gone. */
static void open_late(struct posture_worker *worker, int fd, void *data)
{
    (void)worker;
    (void)data;
    if (fd >= 0)
        posture_close(fd);
}

int posture_worker_open_now(struct posture_worker *worker, uint32_t file_index,
                            int *ret_fd, struct posture_error *reterr)
{
    char what[16];
    snprintf(what, sizeof(what), "%u", file_index);
    struct open_now now = {.fd = POSTURE_E_DEADLINE};
    POSTURE_TRY(posture_worker_open(worker, what, open_now_done, &now));
    out_flush(worker, OPEN_NOW_WAIT_MS);
    int64_t end = posture_monotonic_ns() + OPEN_NOW_WAIT_MS * POSTURE_NS_PER_MS;
    while (!now.is_done) {
        int r = socket_wait(worker, end);
        if (r < 0) {
            now.fd = r;
            break;
        }
        lines_handle(worker);
    }
    for (struct worker_open *o = worker->opens; o && !now.is_done; o = o->next)
        if (o->data == &now)
            o->cb = open_late;
    if (now.fd < 0)
        return posture_error_set(
            reterr, now.fd, "'%s': %s",
            posture_settings_file(worker->settings, file_index, NULL)
                ? posture_settings_file(worker->settings, file_index, NULL)
                : "no such file option",
            posture_strerror(now.fd));
    *ret_fd = now.fd;
    return 0;
}

int posture_worker_read_all(int fd, size_t max, char **ret_bytes, size_t *ret_len)
{
    POSTURE_AUTO_BUF struct posture_buf buf;
    posture_buf_init(&buf, max);
    char piece[16 * 1024];
    for (;;) {
        ssize_t n = read(fd, piece, sizeof(piece));
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        if (n == 0)
            break;
        posture_buf_add(&buf, piece, (size_t)n);
        POSTURE_TRY(posture_buf_error(&buf));
    }
    char *bytes = posture_buf_steal(&buf, ret_len);
    if (!bytes)
        return -ENOMEM;
    *ret_bytes = bytes;
    return 0;
}

static void opens_fail(struct posture_worker *worker)
{
    while (worker->opens) {
        struct worker_open *open = worker->opens;
        worker->opens = open->next;
        open->cb(worker, POSTURE_E_CLOSED, open->data);
        free(open);
    }
}

static void guard_ended(uv_timer_t *timer)
{
    struct posture_worker *worker = timer->data;
    posture_worker_log(worker, POSTURE_LOG_WARNING, "did not stop within %d ms",
                       STOP_WAIT_MS);
    out_flush(worker, LAST_FLUSH_MS);
    _exit(worker->exit_status ? worker->exit_status : 1);
}

static void worker_stop(struct posture_worker *worker)
{
    if (worker->is_stopping)
        return;
    worker->is_stopping = true;
    opens_fail(worker);
    worker->ops->stop(worker);
    for (size_t i = 0; i < POSTURE_COUNT(worker->signals); i++)
        uv_close((uv_handle_t *)&worker->signals[i], NULL);
    uv_close((uv_handle_t *)&worker->poll, NULL);
    uv_close((uv_handle_t *)&worker->finish, NULL);
    uv_timer_start(&worker->guard, guard_ended, STOP_WAIT_MS, 0);
    uv_unref((uv_handle_t *)&worker->guard);
}

static void socket_ready(uv_poll_t *poll, int status, int events)
{
    struct posture_worker *worker = poll->data;
    (void)status;
    (void)events;
    out_send(worker);
    int r;
    while ((r = socket_read(worker)) > 0)
        lines_handle(worker);
    if (r < 0) {
        worker_stop(worker);
        return;
    }
    posture_worker_poll_update(worker);
}

static void signal_came(uv_signal_t *handle, int number)
{
    (void)number;
    worker_stop(handle->data);
}

static void finish_due(uv_timer_t *timer)
{
    worker_stop(timer->data);
}

void posture_worker_finish(struct posture_worker *worker, int exit_status)
{
    worker->exit_status = exit_status;
    /* Not from within the caller, who may be one of the handles to be closed. */
    if (!worker->is_stopping)
        uv_timer_start(&worker->finish, finish_due, 0, 0);
}

/* Settings lines up to the empty one. */
static int settings_read(struct posture_worker *worker, struct posture_error *reterr)
{
    POSTURE_AUTO_BUF struct posture_buf all;
    posture_buf_init(&all, (size_t)2 * POSTURE_SETTINGS_LINES_MAX);
    size_t count = 0;
    int64_t end = posture_monotonic_ns() + SETTINGS_WAIT_MS * POSTURE_NS_PER_MS;
    for (bool is_done = false; !is_done;) {
        POSTURE_TRY(socket_wait(worker, end));
        char *line;
        size_t len;
        int r = 0;
        while (!is_done &&
               (r = posture_line_reader_next(&worker->reader, &line, &len)) > 0) {
            is_done = len == 0;
            if (is_done)
                break;
            posture_buf_add(&all, line, len + 1);
            POSTURE_TRY(posture_buf_error(&all));
            count++;
        }
        if (r < 0)
            return posture_error_set(reterr, r, "settings: %s", posture_strerror(r));
    }
    POSTURE_AUTO_FREE char *memory =
        posture_reallocarray(NULL, count + 1, sizeof(char *));
    if (!memory)
        return -ENOMEM;
    const char **lines = (const char **)(void *)memory;
    char *at = all.data;
    for (size_t i = 0; i < count; i++, at += strlen(at) + 1)
        lines[i] = at;
    return posture_settings_decode(worker->ops->options, lines, count, &worker->settings,
                                   reterr);
}

static int loop_open(struct posture_worker *worker)
{
    POSTURE_TRY(uv_poll_init(&worker->loop, &worker->poll, WORKER_FD));
    POSTURE_TRY(uv_timer_init(&worker->loop, &worker->finish));
    POSTURE_TRY(uv_timer_init(&worker->loop, &worker->guard));
    static const int numbers[] = {SIGTERM, SIGINT};
    for (size_t i = 0; i < POSTURE_COUNT(numbers); i++) {
        POSTURE_TRY(uv_signal_init(&worker->loop, &worker->signals[i]));
        worker->signals[i].data = worker;
        POSTURE_TRY(uv_signal_start(&worker->signals[i], signal_came, numbers[i]));
    }
    worker->poll.data = worker->finish.data = worker->guard.data = worker;
    worker->is_running = true;
    posture_worker_poll_update(worker);
    return 0;
}

static int worker_begin(struct posture_worker *worker, struct posture_error *reterr)
{
    POSTURE_TRY(settings_read(worker, reterr));
    POSTURE_TRY(worker->ops->prepare(worker, reterr));
    const char *note = NULL;
    POSTURE_TRY(
        posture_sandbox_enter(worker->ops->sandbox, worker->writable_dir, &note, reterr));
    if (note && !worker->is_once)
        posture_worker_log(worker, POSTURE_LOG_NOTICE, "%s", note);
    int r = loop_open(worker);
    if (r < 0)
        return posture_error_set(reterr, r, "event loop: %s", posture_strerror(r));
    return worker->ops->start(worker, reterr);
}

static void worker_done(struct posture_worker *worker)
{
    if (worker->ops->free)
        worker->ops->free(worker);
    for (size_t i = 0; i < worker->fd_count; i++)
        posture_close(worker->fds[i]);
    while (worker->opens) {
        struct worker_open *next = worker->opens->next;
        free(worker->opens);
        worker->opens = next;
    }
    posture_line_reader_done(&worker->reader);
    posture_buf_done(&worker->out);
    posture_settings_free(worker->settings);
    free(worker->writable_dir);
}

int posture_worker_main(const struct posture_worker_ops *ops, int argc, char **argv)
{
    static struct posture_worker worker;
    worker.ops = ops;
    worker.is_once = argc == 2 && strcmp(argv[1], "--once") == 0;
    int type;
    socklen_t size = sizeof(type);
    if ((argc > 1 && !worker.is_once) ||
        getsockopt(WORKER_FD, SOL_SOCKET, SO_TYPE, &type, &size) < 0) {
        fprintf(stderr,
                "%s: the worker of collectd plugin %s; collectd starts it, with its "
                "settings on descriptor 3\n",
                ops->name, ops->options->plugin);
        return 2;
    }
    signal(SIGPIPE, SIG_IGN);
    posture_line_reader_init(&worker.reader);
    posture_buf_init(&worker.out, WORKER_OUT_MAX);
    if (uv_loop_init(&worker.loop) < 0)
        return 1;

    struct posture_error error = {0};
    int r = worker_begin(&worker, &error);
    if (r < 0) {
        char text[POSTURE_ERROR_TEXT_MAX + POSTURE_ERROR_FILE_MAX];
        const char *fields[] = {
            "refused", error.text[0] ? posture_error_format(&error, text, sizeof(text))
                                     : posture_strerror(r)};
        (void)posture_worker_line_send(&worker, fields, POSTURE_COUNT(fields));
        out_flush(&worker, LAST_FLUSH_MS);
        worker_done(&worker);
        return 1;
    }
    const char *ready[] = {"ready"};
    (void)posture_worker_line_send(&worker, ready, 1);
    uv_run(&worker.loop, UV_RUN_DEFAULT);

    out_flush(&worker, LAST_FLUSH_MS);
    uv_close((uv_handle_t *)&worker.guard, NULL);
    uv_run(&worker.loop, UV_RUN_DEFAULT);
    worker_done(&worker);
    (void)uv_loop_close(&worker.loop);
    return worker.exit_status;
}
