/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */

#include "common/net/sandbox.h"
#include "common/net/worker.h"

#include "options.h"

#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { TICK_MS = 200, SOCKET = 3 };

static uv_timer_t tick;
static const struct echo_settings *settings;

static void socket_write(const char *bytes, size_t len)
{
    while (len > 0) {
        ssize_t n = send(SOCKET, bytes, len, MSG_NOSIGNAL);
        if (n <= 0)
            _exit(3);
        bytes += n;
        len -= (size_t)n;
    }
}

static void values_send(struct posture_worker *worker)
{
    const struct posture_settings *all = posture_worker_settings(worker);
    for (uint32_t i = 1; i < all->count; i++) {
        const struct posture_meta meta[] = {{"subject", all->blocks[i].argument},
                                            {"check", "echo.up"},
                                            {"result", "pass"}};
        posture_worker_value(worker, i, all->blocks[i].argument, "gauge", "echo.up", 1,
                             meta, POSTURE_COUNT(meta));
    }
    posture_worker_stat(worker, "gauge", "echo_alive", 1);
}

static void who_log(struct posture_worker *worker)
{
    posture_worker_log(worker, POSTURE_LOG_INFO,
                       "user %d %d group %d %d groups %d parent %d", (int)getuid(),
                       (int)geteuid(), (int)getgid(), (int)getegid(), getgroups(0, NULL),
                       (int)getppid());
    extern char **environ;
    posture_worker_log(worker, POSTURE_LOG_INFO, "environment %s",
                       environ[0] ? environ[0] : "empty");
}

static void file_got(struct posture_worker *worker, int fd, void *data)
{
    const char *what = data;
    if (fd < 0) {
        posture_worker_log(worker, POSTURE_LOG_INFO, "got %s: error %d", what, fd);
        return;
    }
    char *bytes = NULL;
    size_t len;
    struct sockaddr_storage sa;
    socklen_t size = sizeof(sa);
    if (getsockname(fd, (struct sockaddr *)&sa, &size) == 0) {
        int is_listening = 0;
        size = sizeof(is_listening);
        getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &is_listening, &size);
        posture_worker_log(worker, POSTURE_LOG_INFO, "got %s: socket %s", what,
                           is_listening ? "listening" : "connected");
    } else if (posture_worker_read_all(fd, 4096, &bytes, &len) == 0) {
        posture_worker_log(worker, POSTURE_LOG_INFO, "got %s: text %s", what, bytes);
    }
    free(bytes);
    close(fd);
}

static void files_ask(struct posture_worker *worker)
{
    static char names[2][16];
    const uint32_t indexes[] = {settings->file.index, settings->secret.index};
    for (size_t i = 0; i < 2; i++) {
        snprintf(names[i], sizeof(names[i]), "%u", indexes[i]);
        if (indexes[i] > 0)
            posture_worker_open(worker, names[i], file_got, names[i]);
    }
    static char spool[] = "spool", listen[] = "listen";
    posture_worker_open(worker, listen, file_got, listen);
    posture_worker_open(worker, spool, file_got, spool);
}

static void garbage_send(void)
{
    static const char lines[] = "\n"
                                "nonsense\n"
                                "values\n"
                                "values\t0\tp\tabsolute\tt\t1\n"
                                "values\t0\tp\tgauge\tt\tone\n"
                                "values\t0\tp\tgauge\tt\tinf\n"
                                "values\t0\tp\tcount\tt\t-1\n"
                                "values\t0\tp\tcount\tt\tnan\n"
                                "values\t0\tp\tderive\tt\t1.5\n"
                                "values\t9\tp\tgauge\tt\t1\n"
                                "values\t0\tp\tgauge\tt\t1\tevil\tkey\n"
                                "values\t0\tp\tgauge\tt\t1\tsubject\n"
                                "values\t0\tp\xff\tgauge\tt\t1\n"
                                "values\t0\tp\tgauge\tt\t1\tsubject\t\xff\n"
                                "stats\tgauge\tx\n"
                                "log\tloud\tx\n"
                                "log\terror\tx\ty\n"
                                "open\t../../etc/shadow\n"
                                "open\t77\n"
                                "notification\tloud\tx\ty\n"
                                "ready\tnow\n"
                                "bad\\escape\\q\n"
                                "log\tinfo\tcontrols \\n \x01 \x1b[31m end\n";
    socket_write(lines, sizeof(lines) - 1);
    socket_write("log\tinfo\ta\0b\n", 13);
    char line[4096];
    int n = snprintf(line, sizeof(line), "values\t0\t%0300d\tgauge\tlast\t42\n", 7);
    socket_write(line, (size_t)n);
}

static void flood_send(void)
{
    char line[128];
    for (int i = 0;; i++) {
        int n = snprintf(line, sizeof(line),
                         "log\tinfo\tflood %d\nvalues\t0\tp%d\tgauge\tt\t1\n", i, i);
        socket_write(line, (size_t)n);
    }
}

static void rights_send(void)
{
    for (int i = 0; i < 100; i++) {
        union {
            char buf[CMSG_SPACE(sizeof(int))];
            struct cmsghdr align;
        } control = {{0}};
        char text[] = "log\tinfo\tin rights\n";
        struct iovec iov = {text, sizeof(text) - 1};
        struct msghdr msg = {.msg_iov = &iov,
                             .msg_iovlen = 1,
                             .msg_control = control.buf,
                             .msg_controllen = sizeof(control.buf)};
        struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
        c->cmsg_level = SOL_SOCKET;
        c->cmsg_type = SCM_RIGHTS;
        c->cmsg_len = CMSG_LEN(sizeof(int));
        int fd = 0;
        memcpy(CMSG_DATA(c), &fd, sizeof(fd));
        if (sendmsg(SOCKET, &msg, MSG_NOSIGNAL) < 0)
            _exit(3);
    }
}

static void ticked(uv_timer_t *timer)
{
    struct posture_worker *worker = timer->data;
    static int ticks;
    static char big[70000], helper[] = "dm-table";
    if (ticks++ == 0) {
        switch (settings->mode) {
        case ECHO_WHO:
            who_log(worker);
            break;
        case ECHO_OPEN:
            files_ask(worker);
            break;
        case ECHO_FOREIGN:
            posture_worker_open(worker, "999", file_got, (char[]){"999"});
            break;
        case ECHO_HELPER:
            for (int i = 0; i < 2; i++)
                posture_worker_open(worker, "dm-table", file_got, helper);
            break;
        case ECHO_GARBAGE:
            garbage_send();
            break;
        case ECHO_HUGE:
            memset(big, 'x', sizeof(big));
            socket_write(big, sizeof(big));
            break;
        case ECHO_FLOOD:
            flood_send();
            break;
        case ECHO_RIGHTS:
            rights_send();
            break;
        case ECHO_CLOSE:
            shutdown(SOCKET, SHUT_RDWR);
            (void)poll(NULL, 0, -1);
            break;
        default:
            break;
        }
    } else if (settings->mode == ECHO_CRASH) {
        abort();
    }
    values_send(worker);
}

static int echo_prepare(struct posture_worker *worker, struct posture_error *reterr)
{
    settings = posture_settings_plugin(posture_worker_settings(worker));
    if (settings->mode == ECHO_REFUSE)
        return posture_error_set(reterr, POSTURE_E_MISSING, "no such thing");
    if (settings->mode == ECHO_OPEN && settings->file.index > 0) {
        int fd;
        char *bytes;
        size_t len;
        struct posture_error error = {0};
        if (posture_worker_open_now(worker, settings->file.index, &fd, &error) < 0) {
            posture_worker_log(worker, POSTURE_LOG_INFO, "at once: %s", error.text);
        } else if (posture_worker_read_all(fd, 4096, &bytes, &len) == 0) {
            posture_worker_log(worker, POSTURE_LOG_INFO, "at once: text %s", bytes);
            free(bytes);
            close(fd);
        }
    }
    return 0;
}

static int echo_start(struct posture_worker *worker, struct posture_error *reterr)
{
    (void)reterr;
    if (settings->text)
        posture_worker_log(worker, POSTURE_LOG_INFO, "%s", settings->text);
    uv_timer_init(posture_worker_loop(worker), &tick);
    tick.data = worker;
    uv_timer_start(&tick, ticked, 10, TICK_MS);
    return 0;
}

static void echo_stop(struct posture_worker *worker)
{
    (void)worker;
    while (settings->mode == ECHO_DEAF)
        (void)poll(NULL, 0, -1);
    uv_close((uv_handle_t *)&tick, NULL);
}

int main(int argc, char **argv)
{
    static const struct posture_worker_ops ops = {
        .name = "posture-echo",
        .options = &posture_echo_table,
        .prepare = echo_prepare,
        .start = echo_start,
        .stop = echo_stop,
        .sandbox = POSTURE_SANDBOX_CONNECT,
    };
    return posture_worker_main(&ops, argc, argv);
}
