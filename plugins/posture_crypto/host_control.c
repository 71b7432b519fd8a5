/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#include "posture_crypto/host_control.h"

#include "posture_crypto/host_stream.h"

#include <errno.h>
#include <solv/evr.h>
#include <solv/pool.h>
#include <string.h>
#include <strings.h>

enum { FEED_STEP = 65536 };

void host_control_init(struct host_control *control, const char *const *names,
                       size_t count, host_control_fn *paragraph, void *data)
{
    *control = (struct host_control){
        .names = names, .count = count, .paragraph = paragraph, .data = data};
}

const char *host_control_value(const struct host_control *control, size_t number)
{
    return control->is_set[number] ? control->values[number] : NULL;
}

static int paragraph_end(struct host_control *control)
{
    if (!control->has_fields)
        return 0;
    control->has_fields = false;
    int r = control->paragraph(control, control->data);
    memset(control->is_set, 0, sizeof(control->is_set));
    return r;
}

static void field_read(struct host_control *control)
{
    const char *colon = memchr(control->line, ':', control->line_len);
    if (!colon)
        return;
    control->has_fields = true;
    size_t name_len = (size_t)(colon - control->line);
    for (size_t i = 0; i < control->count; i++) {
        if (strlen(control->names[i]) != name_len ||
            strncasecmp(control->names[i], control->line, name_len) != 0)
            continue;
        const char *value = colon + 1, *end = control->line + control->line_len;
        while (value < end && (*value == ' ' || *value == '\t'))
            value++;
        while (end > value && (end[-1] == ' ' || end[-1] == '\t' || end[-1] == '\r'))
            end--;
        size_t len = (size_t)(end - value);
        if (control->is_long || len >= HOST_CONTROL_VALUE_MAX || memchr(value, '\0', len))
            return;
        memcpy(control->values[i], value, len);
        control->values[i][len] = '\0';
        control->is_set[i] = true;
        return;
    }
}

static int line_end(struct host_control *control)
{
    bool is_empty =
        !control->is_long && strspn(control->line, " \t\r") >= control->line_len;
    int r = 0;
    if (is_empty)
        r = paragraph_end(control);
    else if (control->line[0] != ' ' && control->line[0] != '\t' &&
             control->line[0] != '#')
        field_read(control);
    control->line_len = 0;
    control->is_long = false;
    return r;
}

int host_control_feed(struct host_control *control, const char *bytes, size_t len)
{
    for (const char *end = bytes + len; bytes < end;) {
        const char *stop = memchr(bytes, '\n', (size_t)(end - bytes));
        size_t take = (size_t)((stop ? stop : end) - bytes);
        size_t room = HOST_CONTROL_LINE_MAX - 1 - control->line_len;
        if (take > room)
            control->is_long = true;
        memcpy(control->line + control->line_len, bytes, take < room ? take : room);
        control->line_len += take < room ? take : room;
        control->line[control->line_len] = '\0';
        bytes += take + (stop != NULL);
        if (stop)
            POSTURE_TRY(line_end(control));
    }
    return 0;
}

int host_control_end(struct host_control *control)
{
    if (control->line_len > 0)
        POSTURE_TRY(line_end(control));
    return paragraph_end(control);
}

int host_control_file(const struct host_root *root, const char *path,
                      struct host_control *control)
{
    POSTURE_AUTO(host_stream_free) struct host_stream *stream = NULL;
    POSTURE_AUTO_FREE char *bytes = posture_malloc(FEED_STEP);
    if (!bytes)
        return -ENOMEM;
    POSTURE_TRY(host_stream_open(root, path, &stream));
    for (;;) {
        ssize_t n = host_stream_read(stream, bytes, FEED_STEP);
        if (n < 0)
            return (int)n;
        if (n == 0)
            return host_control_end(control);
        int r = host_control_feed(control, bytes, (size_t)n);
        if (r != 0)
            return r;
    }
}

/* libsolv compares by the rules of the pool's distribution. */
struct host_versions *host_versions_new(void)
{
    Pool *pool = pool_create();
    if (pool)
        (void)pool_setdisttype(pool, DISTTYPE_DEB);
    return (struct host_versions *)pool;
}

struct host_versions *host_versions_free(struct host_versions *versions)
{
    if (versions)
        pool_free((Pool *)versions);
    return NULL;
}

int host_versions_compare(struct host_versions *versions, const char *a, const char *b)
{
    return pool_evrcmp_str((Pool *)versions, a, b, EVRCMP_COMPARE);
}
