/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */

#include "common/net/worker.h"

#include "common/base/clock.h"
#include "common/base/parse.h"
#include "common/net/sandbox.h"

#include <errno.h>
#include <math.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    WORKER_FD = 3,
    WORKER_OUT_MAX = 8 * 1024 * 1024, /* what the host has not read yet */
    WORKER_FDS_MAX = 16,              /* descriptors that came before their line */
    WORKER_READ = 64 * 1024,
    WORKER_LOG_MAX = 2048,
    WORKER_META_MAX = 16,
    SETTINGS_WAIT_MS = 30000,
    OPEN_NOW_WAIT_MS = 5000,
    STOP_WAIT_MS = 4000, /* the host kills after 5 s */
    LAST_FLUSH_MS = 500,
};

struct worker_open {
    struct worker_open *next;
    posture_worker_fd_cb *cb;
    void *data;
    char what[16];
};

struct posture_worker {
    const struct posture_worker_ops *ops;
    void *data;
    struct posture_settings *settings;
    char *writable_dir;
    bool is_once;
    bool is_running; /* the loop polls the socket */
    bool is_stopping;
    bool is_host_gone;
    int exit_status;
    uint64_t dropped; /* lines that did not fit while the host was not reading */

    struct posture_line_reader reader;
    struct posture_buf out;
    int fds[WORKER_FDS_MAX];
    size_t fd_count;
    struct worker_open *opens;

    uv_loop_t loop;
    uv_poll_t poll;
    uv_signal_t signals[2];
    uv_timer_t finish;
    uv_timer_t guard;
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
static void poll_update(struct posture_worker *worker)
{
    if (!worker->is_running || uv_is_closing((uv_handle_t *)&worker->poll))
        return;
    int events = UV_READABLE | (worker->out.len > 0 ? UV_WRITABLE : 0);
    uv_poll_start(&worker->poll, events, socket_ready);
}

static int line_send(struct posture_worker *worker, const char *const *fields,
                     size_t count)
{
    if (worker->is_host_gone)
        return POSTURE_E_CLOSED;
    bool was_empty = worker->out.len == 0;
    int r = posture_line_write(&worker->out, fields, count);
    if (r < 0) {
        worker->dropped++;
        return r;
    }
    /* One send per burst: what a callback writes leaves when the loop turns. */
    if (was_empty)
        poll_update(worker);
    return 0;
}

static const char *number_format(double number, char buf[static 32])
{
    if (isnan(number))
        return "nan";
    return posture_double_format(number, buf);
}

void posture_worker_value(struct posture_worker *worker, uint32_t block,
                          const char *plugin_instance, const char *type,
                          const char *type_instance, double number,
                          const struct posture_meta *meta, size_t meta_count)
{
    char block_text[16], number_text[32];
    snprintf(block_text, sizeof(block_text), "%u", block);
    const char *fields[6 + 2 * WORKER_META_MAX] = {
        "values", block_text,    plugin_instance,
        type,     type_instance, number_format(number, number_text)};
    size_t count = 6;
    for (size_t i = 0; i < meta_count && i < WORKER_META_MAX; i++) {
        if (!meta[i].text)
            continue;
        fields[count++] = meta[i].key;
        fields[count++] = meta[i].text;
    }
    (void)line_send(worker, fields, count);
}

void posture_worker_stat(struct posture_worker *worker, const char *type,
                         const char *type_instance, double number)
{
    char number_text[32];
    const char *fields[] = {"stats", type, type_instance,
                            number_format(number, number_text)};
    (void)line_send(worker, fields, POSTURE_COUNT(fields));
}

int posture_worker_notify(struct posture_worker *worker, const char *severity,
                          const char *type_instance, const char *text)
{
    const char *fields[] = {"notification", severity, type_instance, text};
    return line_send(worker, fields, POSTURE_COUNT(fields));
}

void posture_worker_log(struct posture_worker *worker, enum posture_log_level level,
                        const char *fmt, ...)
{
    static const char *const names[] = {"error", "warning", "notice", "info", "debug"};
    char text[WORKER_LOG_MAX];
    va_list args;
    va_start(args, fmt);
    int n = vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    if (n < 0)
        return;
    if ((size_t)n >= sizeof(text))
        text[posture_utf8_cut(text, sizeof(text) - 1)] = '\0';
    const char *fields[] = {"log", names[level], text};
    (void)line_send(worker, fields, POSTURE_COUNT(fields));
}

int posture_worker_open(struct posture_worker *worker, const char *what,
                        posture_worker_fd_cb *cb, void *data)
{
    POSTURE_REQUIRE(strlen(what) < sizeof(worker->opens->what));
    struct worker_open *open = posture_calloc(1, sizeof(*open));
    if (!open)
        return -ENOMEM;
    const char *fields[] = {"open", what};
    int r = line_send(worker, fields, POSTURE_COUNT(fields));
    if (r < 0) {
        free(open);
        return r;
    }
    open->cb = cb;
    open->data = data;
    memcpy(open->what, what, strlen(what) + 1);
    struct worker_open **end = &worker->opens;
    while (*end)
        end = &(*end)->next;
    *end = open;
    return 0;
}

/* "fd WHAT ERROR": the descriptor came with this line's bytes or before them. */
static void fd_line(struct posture_worker *worker, const char *what, const char *error)
{
    int fd = -1;
    double number = POSTURE_E_PROTOCOL;
    (void)posture_parse_double(error, &number);
    if (number >= 0 && worker->fd_count > 0) {
        fd = worker->fds[0];
        worker->fd_count--;
        memmove(worker->fds, worker->fds + 1, worker->fd_count * sizeof(worker->fds[0]));
    } else if (number >= 0) {
        number = POSTURE_E_PROTOCOL;
    }
    for (struct worker_open **at = &worker->opens; *at; at = &(*at)->next) {
        if (strcmp((*at)->what, what) != 0)
            continue;
        struct worker_open *open = *at;
        *at = open->next;
        open->cb(worker, fd >= 0 ? fd : (int)number, open->data);
        free(open);
        return;
    }
    if (fd >= 0)
        posture_close(fd);
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
            fd_line(worker, fields[1], fields[2]);
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
    poll_update(worker);
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
    poll_update(worker);
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
        (void)line_send(&worker, fields, POSTURE_COUNT(fields));
        out_flush(&worker, LAST_FLUSH_MS);
        worker_done(&worker);
        return 1;
    }
    const char *ready[] = {"ready"};
    (void)line_send(&worker, ready, 1);
    uv_run(&worker.loop, UV_RUN_DEFAULT);

    out_flush(&worker, LAST_FLUSH_MS);
    uv_close((uv_handle_t *)&worker.guard, NULL);
    uv_run(&worker.loop, UV_RUN_DEFAULT);
    worker_done(&worker);
    (void)uv_loop_close(&worker.loop);
    return worker.exit_status;
}
