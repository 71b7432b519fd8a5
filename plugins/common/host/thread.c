/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */

#include "common/host/host_internal.h"

#include "common/base/clock.h"
#include "common/base/mem.h"

#include "plugin.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

enum {
    READ_MAX = 64 * 1024,
    LINES_A_SECOND = 5000, /* a flood is slowed down, not passed on */
    LINES_BURST = 20000,
    STOP_WAIT_MS = 5000,
    KILL_WAIT_MS = 1000,
    BACKOFF_FIRST_S = 1,
    BACKOFF_LAST_S = 60,
    WELL_S = 300, /* alive that long, the pauses start over */
    THROTTLE_MS = 20,
    TICK_MS = 1000,
};

int posture_host_worker_start(struct posture_host *host, struct posture_error *reterr)
{
    struct host_worker *worker = &host->worker;
    *worker = (struct host_worker){.child = {.socket = -1, .pidfd = -1}};
    for (int i = 0; i < POSTURE_HELPERS; i++)
        posture_helper_init(&worker->helpers[i]);
    posture_line_reader_init(&worker->reader);
    posture_buf_init(&worker->out, (size_t)2 * POSTURE_SETTINGS_LINES_MAX);
    posture_buf_add(&worker->out, host->lines.data, host->lines.len);
    POSTURE_TRY(posture_buf_error(&worker->out));
    POSTURE_TRY(posture_spawn(&host->spawn, &worker->child, reterr));
    worker->started_ns = worker->tokens_ns = posture_monotonic_ns();
    worker->tokens = LINES_BURST;
    return 0;
}

static void worker_done(struct host_worker *worker)
{
    for (size_t i = 0; i < worker->answer_count; i++)
        if (worker->answers[i].fd >= 0)
            posture_close(worker->answers[i].fd);
    worker->answer_count = 0;
    for (int i = 0; i < POSTURE_HELPERS; i++)
        posture_helper_done(&worker->helpers[i]);
    posture_line_reader_done(&worker->reader);
    posture_buf_done(&worker->out);
    posture_child_done(&worker->child);
}

/* Sends what the socket takes now: settings, then the answers, each with its descriptor.
 */
static int worker_send(struct host_worker *worker)
{
    for (;;) {
        struct iovec iov;
        struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
        union {
            char buf[CMSG_SPACE(sizeof(int))];
            struct cmsghdr align;
        } control;
        struct host_answer *answer = &worker->answers[0];
        if (worker->out.len > 0) {
            iov = (struct iovec){worker->out.data, worker->out.len};
        } else if (worker->answer_count > 0) {
            iov = (struct iovec){answer->line, answer->len};
            if (answer->fd >= 0) {
                memset(&control, 0, sizeof(control));
                msg.msg_control = control.buf;
                msg.msg_controllen = sizeof(control.buf);
                struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
                c->cmsg_level = SOL_SOCKET;
                c->cmsg_type = SCM_RIGHTS;
                c->cmsg_len = CMSG_LEN(sizeof(int));
                memcpy(CMSG_DATA(c), &answer->fd, sizeof(int));
            }
        } else {
            return 0;
        }
        ssize_t n = sendmsg(worker->child.socket, &msg, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return errno == EAGAIN ? 0 : POSTURE_E_CLOSED;
        if (worker->out.len > 0) {
            posture_buf_consume(&worker->out, (size_t)n);
            continue;
        }
        /* The descriptor left with the first byte; what is left of the line follows. */
        posture_buf_add(&worker->out, answer->line + n, answer->len - (size_t)n);
        if (answer->fd >= 0)
            posture_close(answer->fd);
        worker->answer_count--;
        memmove(worker->answers, worker->answers + 1,
                worker->answer_count * sizeof(worker->answers[0]));
    }
}

static void tokens_refill(struct host_worker *worker)
{
    int64_t now = posture_monotonic_ns();
    worker->tokens +=
        (double)(now - worker->tokens_ns) / (double)POSTURE_NS_PER_S * LINES_A_SECOND;
    if (worker->tokens > LINES_BURST)
        worker->tokens = LINES_BURST;
    worker->tokens_ns = now;
}

/* Lines that are whole, as far as tokens reach. */
static int worker_lines(struct posture_host *host)
{
    struct host_worker *worker = &host->worker;
    char *line;
    size_t len;
    int r = 0;
    while (worker->tokens >= 1 && !atomic_load(&host->is_stopping) &&
           (r = posture_line_reader_next(&worker->reader, &line, &len)) > 0) {
        worker->tokens -= 1;
        POSTURE_TRY(posture_host_line(host, line, len));
    }
    return r < 0 ? r : 0;
}

static int worker_read(struct posture_host *host)
{
    struct host_worker *worker = &host->worker;
    char bytes[READ_MAX];
    /* recv, not recvmsg: descriptors that a worker sends are dropped by the kernel. */
    ssize_t n = recv(worker->child.socket, bytes, sizeof(bytes), MSG_DONTWAIT);
    if (n < 0)
        return errno == EAGAIN || errno == EINTR ? 0 : POSTURE_E_CLOSED;
    if (n == 0)
        return POSTURE_E_CLOSED;
    return posture_line_reader_feed(&worker->reader, bytes, (size_t)n);
}

/* Until the worker ends or breaks the rules (negative), or the host stops (0). */
static int worker_serve(struct posture_host *host)
{
    struct host_worker *worker = &host->worker;
    while (!atomic_load(&host->is_stopping)) {
        tokens_refill(worker);
        posture_host_helpers_answer(host);
        POSTURE_TRY(worker_lines(host));
        POSTURE_TRY(worker_send(worker));
        bool is_throttled = worker->tokens < 1;
        bool has_output = worker->out.len > 0 || worker->answer_count > 0;
        struct pollfd fds[] = {
            {.fd = host->wake_fd, .events = POLLIN},
            {.fd = is_throttled && !has_output ? -1 : worker->child.socket,
             .events = (short)((is_throttled ? 0 : POLLIN) | (has_output ? POLLOUT : 0))},
            {.fd = worker->helpers[0].child.pidfd, .events = POLLIN},
            {.fd = worker->helpers[1].child.pidfd, .events = POLLIN},
        };
        int timeout_ms = is_throttled              ? THROTTLE_MS
                         : host->log.held_back > 0 ? TICK_MS
                                                   : -1;
        for (int i = 0; i < POSTURE_HELPERS; i++) {
            int left_ms = posture_helper_left_ms(&worker->helpers[i]);
            if (left_ms >= 0 && (timeout_ms < 0 || left_ms < timeout_ms))
                timeout_ms = left_ms;
        }
        (void)poll(fds, POSTURE_COUNT(fds), timeout_ms);
        posture_host_log_tick(host);
        if (!is_throttled && (fds[1].revents & (POLLIN | POLLHUP | POLLERR)))
            POSTURE_TRY(worker_read(host));
    }
    return 0;
}

/* End of file means stop: what the worker still says is read away, or it could not go on.
 */
static void worker_stop(struct posture_host *host)
{
    struct posture_child *child = &host->worker.child;
    int64_t end = posture_monotonic_ns() + STOP_WAIT_MS * POSTURE_NS_PER_MS;
    char bytes[4096];
    bool is_open = true;
    (void)shutdown(child->socket, SHUT_WR);
    for (;;) {
        int64_t left_ms = (end - posture_monotonic_ns()) / POSTURE_NS_PER_MS;
        if (left_ms <= 0)
            break;
        struct pollfd fds[] = {{.fd = child->pidfd, .events = POLLIN},
                               {.fd = is_open ? child->socket : -1, .events = POLLIN}};
        (void)poll(fds, POSTURE_COUNT(fds), (int)left_ms);
        if (fds[0].revents)
            break;
        if (fds[1].revents)
            is_open = recv(child->socket, bytes, sizeof(bytes), MSG_DONTWAIT) > 0;
    }
    if (posture_child_wait(child, 0, NULL) == POSTURE_E_DEADLINE) {
        WARNING("%s: worker %s did not stop within %d s and is killed", host->name,
                host->plugin->worker, STOP_WAIT_MS / 1000);
        (void)posture_child_signal(child, SIGKILL);
        (void)posture_child_wait(child, KILL_WAIT_MS, NULL);
    }
}

/* After an end that nobody asked for: nothing of the process is left, and why it ended,
 * as text. */
static void worker_bury(struct posture_host *host, int why, char *text, size_t size)
{
    struct posture_child *child = &host->worker.child;
    int status = POSTURE_CHILD_STATUS_UNKNOWN;
    /* Its socket is closed before the process is quite gone. */
    bool is_gone =
        why == POSTURE_E_CLOSED && posture_child_wait(child, KILL_WAIT_MS, &status) == 0;
    if (!is_gone) {
        (void)posture_child_signal(child, SIGKILL);
        (void)posture_child_wait(child, KILL_WAIT_MS, NULL);
        snprintf(text, size, "was killed: %s",
                 why == POSTURE_E_CLOSED ? "it closed its socket"
                                         : posture_strerror(why));
    } else if (status == POSTURE_CHILD_STATUS_UNKNOWN) {
        snprintf(text, size, "ended");
    } else if (status < 0) {
        snprintf(text, size, "ended by signal %d (%s)", -status, strsignal(-status));
    } else {
        snprintf(text, size, "ended with status %d", status);
    }
}

/* Sleeps, but not through a stop. */
static void pause_s(struct posture_host *host, int seconds)
{
    int64_t end = posture_monotonic_ns() + seconds * POSTURE_NS_PER_S;
    while (!atomic_load(&host->is_stopping)) {
        int64_t left_ms = (end - posture_monotonic_ns()) / POSTURE_NS_PER_MS;
        if (left_ms <= 0)
            return;
        struct pollfd wake = {.fd = host->wake_fd, .events = POLLIN};
        (void)poll(&wake, 1, (int)left_ms);
    }
}

static void restart_log(struct posture_host *host, const char *what, int backoff_s)
{
    /* A worker that refuses its settings has said why, once. */
    if (host->last_refusal[0] && !host->worker.is_ready && backoff_s > BACKOFF_FIRST_S)
        return;
    ERROR("%s: worker %s (pid %d) %s; starting it again in %d s", host->name,
          host->plugin->worker, (int)host->worker.child.pid, what, backoff_s);
}

static void worker_start_again(struct posture_host *host)
{
    struct posture_error error = {0};
    if (posture_host_worker_start(host, &error) == 0) {
        host->last_spawn_error[0] = '\0';
        return;
    }
    if (strncmp(host->last_spawn_error, error.text, sizeof(host->last_spawn_error) - 1) !=
        0)
        ERROR("%s: %s", host->name, error.text);
    snprintf(host->last_spawn_error, sizeof(host->last_spawn_error), "%s", error.text);
}

void *posture_host_thread(void *data)
{
    struct posture_host *host = data;
    int backoff_s = BACKOFF_FIRST_S;
    /* This thread opens files with other users' rights; groups of root's would stay with
     * it. The raw system call changes this thread alone. */
    if (geteuid() == 0)
        (void)syscall(SYS_setgroups, 0, NULL);

    while (!atomic_load(&host->is_stopping)) {
        if (host->worker.child.socket >= 0) {
            int why = worker_serve(host);
            if (why == 0)
                break;
            char text[128];
            worker_bury(host, why, text, sizeof(text));
            atomic_store(&host->counters.is_up, false);
            atomic_fetch_add(&host->counters.restarts, 1);
            int64_t lived_ns = posture_monotonic_ns() - host->worker.started_ns;
            if (lived_ns >= WELL_S * POSTURE_NS_PER_S)
                backoff_s = BACKOFF_FIRST_S;
            restart_log(host, text, backoff_s);
            posture_host_stat(host, "derive", "worker_restarts",
                              (double)atomic_load(&host->counters.restarts));
        }
        worker_done(&host->worker);
        pause_s(host, backoff_s);
        backoff_s = backoff_s * 2 < BACKOFF_LAST_S ? backoff_s * 2 : BACKOFF_LAST_S;
        if (!atomic_load(&host->is_stopping))
            worker_start_again(host);
    }
    if (host->worker.child.socket >= 0)
        worker_stop(host);
    worker_done(&host->worker);
    atomic_store(&host->counters.is_up, false);
    return NULL;
}
