/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */

#include "common/host/host_internal.h"

#include "common/base/clock.h"
#include "common/base/parse.h"

#include "plugin.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

enum {
    VALUE_FIELDS_MIN = 6,
    VALUE_FIELDS_MAX = 6 + 2 * 8,
    META_TEXT_MAX = 1024,
    LOG_TEXT_MAX = 900, /* collectd cuts at 1024 with its own words */
    REFUSED_MAX = 1000, /* lines; then the worker is ended */
    KEEP_INTERVALS = 3,
};
static const double whole_max = 9007199254740992.0; /* 2^53 */

/* The only types and meta data that a worker can name. */
static const char *const types[] = {"gauge", "count", "derive"};
static const char *const meta_keys[] = {"subject", "check",  "result",     "since",
                                        "code",    "reason", "years_left", "exception"};

static bool word_in(const char *word, const char *const *words, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(word, words[i]) == 0)
            return true;
    return false;
}

void posture_host_log_tick(struct posture_host *host)
{
    struct host_log *log = &host->log;
    if (posture_monotonic_ns() - log->window_ns < POSTURE_NS_PER_S)
        return;
    if (log->held_back > 0)
        WARNING("%s: %" PRIu64 " more lines of the worker were held back", host->name,
                log->held_back);
    log->window_ns = posture_monotonic_ns();
    log->lines = 0;
    log->held_back = 0;
}

void posture_host_log(struct posture_host *host, int severity, const char *text)
{
    posture_host_log_tick(host);
    if (host->log.lines >= HOST_LOG_LINES) {
        host->log.held_back++;
        return;
    }
    host->log.lines++;
    char safe[LOG_TEXT_MAX];
    plugin_log(severity, "%s: %s", host->name,
               posture_escape(text, strlen(text), safe, sizeof(safe)));
}

/* As much as fits a collectd field, whole characters, no controls. */
static void field_copy(char *dst, const char *src)
{
    size_t len = strlen(src);
    if (len >= DATA_MAX_NAME_LEN)
        len = posture_utf8_cut(src, DATA_MAX_NAME_LEN - 1);
    for (size_t i = 0; i < len; i++)
        dst[i] = (unsigned char)src[i] < 0x20 || src[i] == 0x7F ? '_' : src[i];
    dst[len] = '\0';
}

static int number_read(const char *type, const char *text, value_t *ret)
{
    if (strcmp(type, "gauge") == 0 && strcmp(text, "nan") == 0) {
        ret->gauge = NAN;
        return 0;
    }
    double number;
    POSTURE_TRY(posture_parse_double(text, &number));
    if (strcmp(type, "gauge") == 0) {
        ret->gauge = number;
        return 0;
    }
    /* types.db: neither can be below zero; a count is a gauge to collectd. */
    if (number < 0 || number > whole_max || number != floor(number))
        return POSTURE_E_RANGE;
    if (strcmp(type, "derive") == 0)
        ret->derive = (derive_t)number;
    else
        ret->gauge = number;
    return 0;
}

static int64_t longest_interval(const struct posture_settings *settings)
{
    int64_t longest = 0;
    for (uint32_t i = 0; i < settings->count; i++) {
        int64_t ns = posture_settings_interval(settings, i);
        longest = ns > longest ? ns : longest;
    }
    return longest;
}

static bool identity_admit(struct posture_host *host, const char *plugin_instance,
                           const char *type, const char *type_instance)
{
    if (posture_identities_admit(&host->identities, plugin_instance, type, type_instance,
                                 posture_monotonic_ns(),
                                 KEEP_INTERVALS * longest_interval(host->settings)))
        return true;
    atomic_fetch_add(&host->counters.dropped_values, 1);
    if (!host->identities_full)
        ERROR("%s: the worker names more than %d different values; new ones are dropped",
              host->name, POSTURE_IDENTITIES_MAX);
    host->identities_full = true;
    return false;
}

static void value_dispatch(struct posture_host *host, value_t value,
                           const char *plugin_instance, const char *type,
                           const char *type_instance, cdtime_t interval,
                           meta_data_t *meta)
{
    /* A TypesDB of the user's own hides the stock types: once, not once a value. */
    if (!plugin_get_ds(type)) {
        atomic_fetch_add(&host->counters.dropped_values, 1);
        if (!atomic_exchange(&host->counters.has_missing_type, true))
            ERROR("%s: type '%s' is in no types.db that TypesDB names; its values are "
                  "dropped",
                  host->name, type);
        return;
    }
    value_list_t list = VALUE_LIST_INIT;
    list.values = &value;
    list.values_len = 1;
    list.interval = interval;
    list.time = cdtime();
    field_copy(list.host, hostname_g);
    field_copy(list.plugin, host->name);
    field_copy(list.plugin_instance, plugin_instance);
    field_copy(list.type, type);
    field_copy(list.type_instance, type_instance);
    list.meta = meta;
    if (plugin_dispatch_values(&list) != 0)
        atomic_fetch_add(&host->counters.dropped_values, 1);
}

void posture_host_stat(struct posture_host *host, const char *type,
                       const char *type_instance, double number)
{
    value_t value;
    char text[32];
    if (number_read(type, posture_double_format(number, text), &value) == 0)
        value_dispatch(host, value, "", type, type_instance, plugin_get_interval(), NULL);
}

static int meta_read(const char *const *fields, size_t count, meta_data_t **ret_meta)
{
    meta_data_t *meta = NULL;
    for (size_t i = 0; i + 1 < count; i += 2) {
        if (!word_in(fields[i], meta_keys, POSTURE_COUNT(meta_keys)) ||
            !posture_utf8_valid(fields[i + 1], strlen(fields[i + 1]))) {
            meta_data_destroy(meta);
            return POSTURE_E_PROTOCOL;
        }
        char text[META_TEXT_MAX];
        size_t len = strlen(fields[i + 1]);
        if (len >= sizeof(text))
            len = posture_utf8_cut(fields[i + 1], sizeof(text) - 1);
        memcpy(text, fields[i + 1], len);
        text[len] = '\0';
        if (!meta)
            meta = meta_data_create();
        if (!meta || meta_data_add_string(meta, fields[i], text) != 0) {
            meta_data_destroy(meta);
            return -ENOMEM;
        }
    }
    *ret_meta = meta;
    return 0;
}

/* values BLOCK PLUGIN_INSTANCE TYPE TYPE_INSTANCE NUMBER [KEY TEXT …] */
static int values_line(struct posture_host *host, const char *const *f, size_t count)
{
    uint32_t block;
    value_t value;
    if (count < VALUE_FIELDS_MIN || count % 2 != 0 ||
        posture_parse_u32(f[1], 0, (uint32_t)host->settings->count - 1, &block) < 0 ||
        !word_in(f[3], types, POSTURE_COUNT(types)) ||
        number_read(f[3], f[5], &value) < 0 || !posture_utf8_valid(f[2], strlen(f[2])) ||
        !posture_utf8_valid(f[4], strlen(f[4])))
        return POSTURE_E_PROTOCOL;
    if (!identity_admit(host, f[2], f[3], f[4]))
        return 0;
    meta_data_t *meta = NULL;
    POSTURE_TRY(meta_read(f + VALUE_FIELDS_MIN, count - VALUE_FIELDS_MIN, &meta));
    int64_t ns = posture_settings_interval(host->settings, block);
    cdtime_t interval = ns > 0 ? NS_TO_CDTIME_T((uint64_t)ns) : plugin_get_interval();
    value_dispatch(host, value, f[2], f[3], f[4], interval, meta);
    meta_data_destroy(meta);
    return 0;
}

/* stats TYPE TYPE_INSTANCE NUMBER */
static int stats_line(struct posture_host *host, const char *const *f, size_t count)
{
    value_t value;
    if (count != 4 || !word_in(f[1], types, POSTURE_COUNT(types)) ||
        number_read(f[1], f[3], &value) < 0 || !posture_utf8_valid(f[2], strlen(f[2])))
        return POSTURE_E_PROTOCOL;
    if (identity_admit(host, "", f[1], f[2]))
        value_dispatch(host, value, "", f[1], f[2], plugin_get_interval(), NULL);
    return 0;
}

static int log_line(struct posture_host *host, const char *const *f, size_t count)
{
    static const struct {
        const char *word;
        int severity;
    } levels[] = {{"error", LOG_ERR},
                  {"warning", LOG_WARNING},
                  {"notice", LOG_NOTICE},
                  {"info", LOG_INFO},
                  {"debug", LOG_DEBUG}};
    for (size_t i = 0; count == 3 && i < POSTURE_COUNT(levels); i++) {
        if (strcmp(f[1], levels[i].word) != 0)
            continue;
        posture_host_log(host, levels[i].severity, f[2]);
        return 0;
    }
    return POSTURE_E_PROTOCOL;
}

/* notification SEVERITY TYPE_INSTANCE TEXT */
static int notification_line(struct posture_host *host, const char *const *f,
                             size_t count)
{
    static const struct {
        const char *word;
        int severity;
    } severities[] = {
        {"failure", NOTIF_FAILURE}, {"warning", NOTIF_WARNING}, {"okay", NOTIF_OKAY}};
    if (count != 4 || !(host->plugin->flags & POSTURE_HOST_MAY_NOTIFY))
        return POSTURE_E_PROTOCOL;
    for (size_t i = 0; i < POSTURE_COUNT(severities); i++) {
        if (strcmp(f[1], severities[i].word) != 0)
            continue;
        notification_t notification = {.severity = severities[i].severity,
                                       .time = cdtime()};
        field_copy(notification.host, hostname_g);
        field_copy(notification.plugin, host->name);
        field_copy(notification.type, "gauge");
        field_copy(notification.type_instance, f[2]);
        posture_escape(f[3], strlen(f[3]), notification.message,
                       sizeof(notification.message));
        plugin_dispatch_notification(&notification);
        return 0;
    }
    return POSTURE_E_PROTOCOL;
}

static int refused_line(struct posture_host *host, const char *text)
{
    /* The same refusal after each restart is one line. */
    if (strncmp(host->last_refusal, text, sizeof(host->last_refusal) - 1) != 0) {
        char line[LOG_TEXT_MAX];
        snprintf(line, sizeof(line), "worker %s refused its settings: %s",
                 host->plugin->worker, text);
        posture_host_log(host, LOG_ERR, line);
        snprintf(host->last_refusal, sizeof(host->last_refusal), "%s", text);
    }
    return 0;
}

static int fields_handle(struct posture_host *host, const char *const *f, size_t count)
{
    if (strcmp(f[0], "values") == 0)
        return values_line(host, f, count);
    if (strcmp(f[0], "stats") == 0)
        return stats_line(host, f, count);
    if (strcmp(f[0], "log") == 0)
        return log_line(host, f, count);
    if (strcmp(f[0], "open") == 0 && count == 2)
        return posture_host_open_request(host, f[1]);
    if (strcmp(f[0], "notification") == 0)
        return notification_line(host, f, count);
    if (strcmp(f[0], "refused") == 0 && count == 2)
        return refused_line(host, f[1]);
    if (strcmp(f[0], "ready") == 0 && count == 1) {
        host->worker.is_ready = true;
        atomic_store(&host->counters.is_up, true);
        host->last_refusal[0] = '\0';
        return 0;
    }
    return POSTURE_E_PROTOCOL;
}

int posture_host_line(struct posture_host *host, char *line, size_t len)
{
    char begin[64];
    posture_escape(line, len < 40 ? len : 40, begin, sizeof(begin));
    const char *fields[VALUE_FIELDS_MAX];
    size_t count;
    int r = posture_line_split(line, len, fields, POSTURE_COUNT(fields), &count);
    if (r == 0)
        r = fields_handle(host, fields, count);
    if (r == 0 || r == -ENOMEM)
        return 0;
    if (r == POSTURE_E_CLOSED)
        return r;
    atomic_fetch_add(&host->counters.refused_lines, 1);
    if (host->worker.refused++ == 0) {
        char text[160];
        snprintf(text, sizeof(text), "worker %s sent a line that is refused: \"%s\"%s",
                 host->plugin->worker, begin, len > 40 ? " …" : "");
        /* begin is safe already; the escape of a backslash twice is harmless. */
        posture_host_log(host, LOG_WARNING, text);
    }
    return host->worker.refused > REFUSED_MAX ? POSTURE_E_PROTOCOL : 0;
}
