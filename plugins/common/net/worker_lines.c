/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */

#include "common/net/worker_internal.h"

#include "common/base/parse.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

enum { WORKER_LOG_MAX = 2048, WORKER_META_MAX = 16 };

int posture_worker_line_send(struct posture_worker *worker, const char *const *fields,
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
        posture_worker_poll_update(worker);
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
    (void)posture_worker_line_send(worker, fields, count);
}

void posture_worker_stat(struct posture_worker *worker, const char *type,
                         const char *type_instance, double number)
{
    char number_text[32];
    const char *fields[] = {"stats", type, type_instance,
                            number_format(number, number_text)};
    (void)posture_worker_line_send(worker, fields, POSTURE_COUNT(fields));
}

int posture_worker_notify(struct posture_worker *worker, const char *severity,
                          const char *type_instance, const char *text)
{
    const char *fields[] = {"notification", severity, type_instance, text};
    return posture_worker_line_send(worker, fields, POSTURE_COUNT(fields));
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
    (void)posture_worker_line_send(worker, fields, POSTURE_COUNT(fields));
}

int posture_worker_open(struct posture_worker *worker, const char *what,
                        posture_worker_fd_cb *cb, void *data)
{
    POSTURE_REQUIRE(strlen(what) < sizeof(worker->opens->what));
    struct worker_open *open = posture_calloc(1, sizeof(*open));
    if (!open)
        return -ENOMEM;
    const char *fields[] = {"open", what};
    int r = posture_worker_line_send(worker, fields, POSTURE_COUNT(fields));
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
void posture_worker_fd_line(struct posture_worker *worker, const char *what,
                            const char *error)
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
