/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */

#include "fake_collectd/fake_collectd.h"

#include "plugin.h"

#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { META_MAX = 16 };

struct meta_data_s {
    size_t count;
    char *keys[META_MAX];
    char *texts[META_MAX];
};

static char hostname[] = "fake.example";
char *hostname_g = hostname;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static char **lines;
static size_t line_count;
static const char *failing;
static bool types_are_hidden;

static int (*config_cb)(oconfig_item_t *);
static plugin_init_cb init_cb;
static int (*read_cb)(void);
static plugin_shutdown_cb shutdown_cb;

static void record(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
static void record(const char *fmt, ...)
{
    char *line = NULL;
    va_list args;
    va_start(args, fmt);
    int n = vasprintf(&line, fmt, args);
    va_end(args);
    if (n < 0)
        abort();
    pthread_mutex_lock(&lock);
    lines = realloc(lines, (line_count + 1) * sizeof(*lines));
    lines[line_count++] = line;
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&lock);
}

static bool is_failing(const char *function)
{
    pthread_mutex_lock(&lock);
    bool is = failing && strcmp(failing, function) == 0;
    if (is)
        failing = NULL;
    pthread_mutex_unlock(&lock);
    return is;
}

void fake_collectd_reset(void)
{
    pthread_mutex_lock(&lock);
    for (size_t i = 0; i < line_count; i++)
        free(lines[i]);
    free(lines);
    lines = NULL;
    line_count = 0;
    failing = NULL;
    types_are_hidden = false;
    config_cb = NULL;
    init_cb = NULL;
    read_cb = NULL;
    shutdown_cb = NULL;
    pthread_mutex_unlock(&lock);
}

void fake_collectd_fail(const char *function)
{
    pthread_mutex_lock(&lock);
    failing = function;
    pthread_mutex_unlock(&lock);
}

void fake_collectd_hide_types(bool is_hidden)
{
    pthread_mutex_lock(&lock);
    types_are_hidden = is_hidden;
    pthread_mutex_unlock(&lock);
}

int fake_collectd_config(const char *text)
{
    if (!config_cb)
        return -1;
    oconfig_item_t *item = fake_oconfig_parse(text);
    int r = config_cb(item);
    fake_oconfig_free(item);
    return r;
}

int fake_collectd_init(void)
{
    return init_cb ? init_cb() : -1;
}

int fake_collectd_read(void)
{
    return read_cb ? read_cb() : -1;
}

int fake_collectd_shutdown(void)
{
    return shutdown_cb ? shutdown_cb() : -1;
}

static size_t count_locked(const char *text)
{
    size_t count = 0;
    for (size_t i = 0; i < line_count; i++)
        count += strstr(lines[i], text) != NULL;
    return count;
}

size_t fake_collectd_count(const char *text)
{
    pthread_mutex_lock(&lock);
    size_t count = count_locked(text);
    pthread_mutex_unlock(&lock);
    return count;
}

bool fake_collectd_wait(const char *text, int timeout_ms)
{
    struct timespec end;
    clock_gettime(CLOCK_REALTIME, &end);
    end.tv_sec += timeout_ms / 1000;
    end.tv_nsec += timeout_ms % 1000 * 1000000L;
    if (end.tv_nsec >= 1000000000L) {
        end.tv_sec++;
        end.tv_nsec -= 1000000000L;
    }
    pthread_mutex_lock(&lock);
    int r = 0;
    while (count_locked(text) == 0 && r == 0)
        r = pthread_cond_timedwait(&changed, &lock, &end);
    bool is_there = count_locked(text) > 0;
    pthread_mutex_unlock(&lock);
    return is_there;
}

void fake_collectd_dump(void)
{
    pthread_mutex_lock(&lock);
    for (size_t i = line_count > 100 ? line_count - 100 : 0; i < line_count; i++)
        fprintf(stderr, "%s\n", lines[i]);
    pthread_mutex_unlock(&lock);
}

/* What the daemon exports. */

int plugin_register_complex_config(const char *type, int (*callback)(oconfig_item_t *))
{
    (void)type;
    if (is_failing("complex_config"))
        return -1;
    config_cb = callback;
    return 0;
}

int plugin_register_init(const char *name, plugin_init_cb callback)
{
    (void)name;
    if (is_failing("init"))
        return -1;
    init_cb = callback;
    return 0;
}

int plugin_register_read(const char *name, int (*callback)(void))
{
    (void)name;
    if (is_failing("read"))
        return -1;
    read_cb = callback;
    return 0;
}

int plugin_register_shutdown(const char *name, plugin_shutdown_cb callback)
{
    (void)name;
    if (is_failing("shutdown"))
        return -1;
    shutdown_cb = callback;
    return 0;
}

int plugin_unregister_complex_config(const char *name)
{
    (void)name;
    config_cb = NULL;
    return 0;
}

int plugin_unregister_init(const char *name)
{
    (void)name;
    init_cb = NULL;
    return 0;
}

int plugin_unregister_read(const char *name)
{
    (void)name;
    read_cb = NULL;
    return 0;
}

int plugin_unregister_shutdown(const char *name)
{
    (void)name;
    shutdown_cb = NULL;
    return 0;
}

int plugin_thread_create(pthread_t *thread, void *(*start_routine)(void *), void *arg,
                         char const *name)
{
    (void)name;
    return is_failing("thread") ? EAGAIN
                                : pthread_create(thread, NULL, start_routine, arg);
}

const data_set_t *plugin_get_ds(const char *name)
{
    static data_source_t source = {.name = "value", .type = DS_TYPE_GAUGE};
    static data_set_t sets[] = {
        {"gauge", 1, &source}, {"count", 1, &source}, {"derive", 1, &source}};
    pthread_mutex_lock(&lock);
    bool is_hidden = types_are_hidden;
    pthread_mutex_unlock(&lock);
    for (size_t i = 0; !is_hidden && i < sizeof(sets) / sizeof(sets[0]); i++)
        if (strcmp(sets[i].type, name) == 0)
            return &sets[i];
    return NULL;
}

cdtime_t plugin_get_interval(void)
{
    return TIME_T_TO_CDTIME_T_STATIC(10);
}

cdtime_t cdtime(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return NS_TO_CDTIME_T((uint64_t)now.tv_sec * 1000000000U + (uint64_t)now.tv_nsec);
}

int plugin_dispatch_values(value_list_t const *vl)
{
    if (is_failing("dispatch"))
        return -1;
    char meta[4096] = "";
    size_t used = 0;
    for (size_t i = 0; vl->meta && i < vl->meta->count && used < sizeof(meta); i++)
        used += (size_t)snprintf(meta + used, sizeof(meta) - used, " %s=%s",
                                 vl->meta->keys[i], vl->meta->texts[i]);
    double number = strcmp(vl->type, "derive") == 0 ? (double)vl->values[0].derive
                                                    : vl->values[0].gauge;
    record("value %s/%s%s%s/%s-%s %g interval=%g%s", vl->host, vl->plugin,
           vl->plugin_instance[0] ? "-" : "", vl->plugin_instance, vl->type,
           vl->type_instance, number, CDTIME_T_TO_DOUBLE(vl->interval), meta);
    return 0;
}

int plugin_dispatch_notification(const notification_t *n)
{
    record("notification %d %s/%s %s", n->severity, n->plugin, n->type_instance,
           n->message);
    return 0;
}

void plugin_log(int level, const char *format, ...)
{
    char text[1024];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    record("log %d %s", level, text);
}

meta_data_t *meta_data_create(void)
{
    return calloc(1, sizeof(meta_data_t));
}

int meta_data_add_string(meta_data_t *md, const char *key, const char *value)
{
    if (md->count == META_MAX)
        return -1;
    md->keys[md->count] = strdup(key);
    md->texts[md->count++] = strdup(value);
    return 0;
}

void meta_data_destroy(meta_data_t *md)
{
    for (size_t i = 0; md && i < md->count; i++) {
        free(md->keys[i]);
        free(md->texts[i]);
    }
    free(md);
}
