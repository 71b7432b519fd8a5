/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#include "posture/resume.h"

#include "common/report/report.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

struct reading {
    struct resume *resume;
    ndjson_fn *fn;
    void *data;
    unsigned long bad_line;
    struct posture_error *reterr;
};

static char *key_of(const char *kind, const char *subject)
{
    return posture_asprintf("%s %s", kind, subject);
}

static int report_read(void *data, unsigned long number, const char *line, size_t len)
{
    struct reading *reading = data;
    POSTURE_AUTO(posture_report_free) struct posture_report *report = NULL;
    struct posture_error why = {0};
    int r =
        line ? posture_report_decode(line, len, NULL, &report, &why) : POSTURE_E_LIMIT;
    if (r < 0)
        return posture_error_at(reading->reterr, r, reading->resume->path, (int)number, 0,
                                "no report: %s; expected a file that --resume wrote",
                                why.text[0] ? why.text : posture_strerror(r));
    POSTURE_AUTO_FREE char *key = key_of(report->kind, report->subject);
    if (!key || json_object_set_new(reading->resume->have, key, json_true()) < 0)
        return -ENOMEM;
    return reading->fn(reading->data, number, line, len);
}

/* Whole lines only; *ret_end is where the last of them ends. */
static int lines_read(struct reading *reading, off_t *ret_end)
{
    struct ndjson lines;
    char bytes[65536];
    off_t at = 0;
    int r = 0;
    *ret_end = 0;
    ndjson_init(&lines);
    for (;;) {
        ssize_t n = pread(reading->resume->fd, bytes, sizeof(bytes), at);
        if (n <= 0) {
            r = n < 0 ? -errno : r;
            break;
        }
        const char *last = memrchr(bytes, '\n', (size_t)n);
        if (last)
            *ret_end = at + (last - bytes) + 1;
        at += n;
        r = ndjson_feed(&lines, bytes, (size_t)n, report_read, reading);
        if (r < 0)
            break;
    }
    ndjson_done(&lines);
    return r;
}

int resume_open(const char *path, struct resume *ret, ndjson_fn *fn, void *data,
                struct posture_error *reterr)
{
    *ret = (struct resume){.path = path, .fd = -1, .have = json_object()};
    if (!ret->have)
        return -ENOMEM;
    ret->fd = open(path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY, 0600);
    if (ret->fd < 0)
        return posture_error_set(reterr, -errno, "--resume %s: %s", path,
                                 strerror(errno));
    if (flock(ret->fd, LOCK_EX | LOCK_NB) < 0)
        return posture_error_set(reterr, POSTURE_E_BUSY,
                                 "--resume %s: another process is using it", path);
    struct reading reading = {.resume = ret, .fn = fn, .data = data, .reterr = reterr};
    off_t end = 0;
    POSTURE_TRY(lines_read(&reading, &end));
    if (ftruncate(ret->fd, end) < 0)
        return posture_error_set(reterr, -errno, "--resume %s: %s", path,
                                 strerror(errno));
    return 0;
}

bool resume_has(const struct resume *resume, const char *kind, const char *subject)
{
    if (!resume->have)
        return false;
    POSTURE_AUTO_FREE char *key = key_of(kind, subject);
    return key && json_object_get(resume->have, key);
}

int resume_add(const struct resume *resume, const char *line, size_t len)
{
    if (resume->fd < 0)
        return 0;
    POSTURE_AUTO_BUF struct posture_buf text = {0};
    posture_buf_add(&text, line, len);
    posture_buf_add(&text, "\n", 1);
    POSTURE_TRY(posture_buf_error(&text));
    for (size_t at = 0; at < text.len;) {
        ssize_t n = write(resume->fd, text.data + at, text.len - at);
        if (n < 0 && errno != EINTR)
            return -errno;
        if (n > 0)
            at += (size_t)n;
    }
    return 0;
}

void resume_done(struct resume *resume)
{
    if (resume->fd >= 0)
        close(resume->fd);
    json_decref(resume->have);
    *resume = (struct resume){.fd = -1};
}
