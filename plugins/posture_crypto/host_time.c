/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#include "posture_crypto/host_facts.h"

#include "common/base/mem.h"

#include <errno.h>
#include <string.h>
#include <sys/timex.h>

/* Whether the clock follows others. The kernel's own state is the truth: whoever steers
 * the clock (chronyd, ntpd, systemd-timesyncd) must tell the kernel how far off it may
 * be, and the kernel withdraws "synchronised" when nobody has for long. The services
 * found are for people. */

enum { NAMES_MAX = 16, CONFIG_MAX = 65536 };

static int number_set(json_t *object, const char *key, long long number)
{
    return json_object_set_new(object, key, json_integer(number)) < 0 ? -ENOMEM : 0;
}

static int kernel_measure(json_t *time)
{
    struct timex timex = {.modes = 0};
    int state = adjtimex(&timex);
    if (state < 0)
        return -errno;
    json_t *kernel = json_object();
    bool is_synchronised = state != TIME_ERROR && !(timex.status & STA_UNSYNC);
    if (json_object_set_new(time, "kernel", kernel) < 0 ||
        json_object_set_new(kernel, "synchronised", json_boolean(is_synchronised)) < 0)
        return -ENOMEM;
    POSTURE_TRY(number_set(kernel, "max_error_us", timex.maxerror));
    POSTURE_TRY(number_set(kernel, "estimated_error_us", timex.esterror));
    return number_set(kernel, "status", timex.status);
}

static int source_add(json_t *sources, const char *name)
{
    if (json_array_size(sources) >= NAMES_MAX)
        return 0;
    return json_array_append_new(sources, host_text(name, strlen(name), 255)) < 0
               ? -ENOMEM
               : 0;
}

/* "server NAME", "pool NAME", "peer NAME" of chrony.conf and ntp.conf; "NTP=A B" of
 * timesyncd.conf. */
static int source_line(char *line, json_t *sources)
{
    static const char *const words[] = {"server", "pool", "peer"};
    char *rest = NULL;
    const char *word = strtok_r(line, " \t=", &rest);
    if (!word)
        return 0;
    if (strcmp(word, "NTP") == 0) {
        for (const char *name; (name = strtok_r(NULL, " \t\r", &rest));)
            POSTURE_TRY(source_add(sources, name));
        return 0;
    }
    for (size_t i = 0; i < POSTURE_COUNT(words); i++) {
        if (strcmp(word, words[i]) != 0)
            continue;
        const char *name = strtok_r(NULL, " \t\r", &rest);
        return name ? source_add(sources, name) : 0;
    }
    return 0;
}

static int sources_read(const struct host_root *root, const char *path, json_t *sources)
{
    POSTURE_AUTO_FREE char *bytes = NULL;
    size_t len;
    int r = host_root_read(root, path, CONFIG_MAX, &bytes, &len);
    if (r < 0)
        return r == -ENOMEM ? r : 0;
    char *save = NULL;
    for (char *line = strtok_r(bytes, "\n", &save); line;
         line = strtok_r(NULL, "\n", &save))
        POSTURE_TRY(source_line(line, sources));
    return 0;
}

static const struct {
    const char *name;
    const char *program; /* installed */
    const char *running; /* there while it runs */
    const char *touched; /* written when it last agreed with a source */
    const char *configs[2];
} services[] = {
    {"chrony",
     "usr/sbin/chronyd",
     "run/chrony/chronyd.pid",
     "var/lib/chrony/chrony.drift",
     {"etc/chrony/chrony.conf", "etc/chrony.conf"}},
    {"ntpsec",
     "usr/sbin/ntpd",
     "run/ntpd.pid",
     "var/lib/ntpsec/ntp.drift",
     {"etc/ntpsec/ntp.conf", "etc/ntp.conf"}},
    {"systemd-timesyncd",
     "usr/lib/systemd/systemd-timesyncd",
     "run/systemd/timesync",
     "run/systemd/timesync/synchronized",
     {"etc/systemd/timesyncd.conf", NULL}},
};

static int service_measure(const struct host_input *input, size_t number, json_t *list)
{
    const struct host_root *root = &input->root;
    if (!host_root_exists(root, services[number].program))
        return 0;
    json_t *service = json_object(), *sources = json_array();
    if (json_array_append_new(list, service) < 0 ||
        json_object_set_new(service, "sources", sources) < 0)
        return -ENOMEM;
    POSTURE_TRY(host_set_text(service, "name", services[number].name));
    bool is_running = host_root_exists(root, services[number].running);
    if (json_object_set_new(service, "running", json_boolean(is_running)) < 0)
        return -ENOMEM;
    for (size_t i = 0; i < 2 && services[number].configs[i]; i++)
        POSTURE_TRY(sources_read(root, services[number].configs[i], sources));
    long long when;
    if (host_root_mtime(root, services[number].touched, &when) == 0) {
        long long age_s = input->now_ns / INT64_C(1000000000) - when;
        POSTURE_TRY(number_set(service, "last_s", age_s > 0 ? age_s : 0));
    }
    return 0;
}

int host_time_measure(const struct host_input *input, json_t *facts)
{
    json_t *time = json_object(), *list = json_array();
    if (json_object_set_new(facts, "time", time) < 0 ||
        json_object_set_new(time, "services", list) < 0)
        return -ENOMEM;
    for (size_t i = 0; i < POSTURE_COUNT(services); i++)
        POSTURE_TRY(service_measure(input, i, list));
    int r = input->root.is_system ? kernel_measure(time) : -EXDEV;
    if (r == -ENOMEM)
        return r;
    return r < 0 ? host_missing(facts, "time.kernel", r, "adjtimex(2)") : 0;
}
