/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#include "posture_crypto/host_facts.h"

#include "common/base/mem.h"
#include "posture_crypto/host_libraries.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

/* The system-wide settings of GnuTLS: /etc/gnutls/config, sections [global],
 * [priorities] and [overrides]; what they disable for every program. */

enum { CONFIG_MAX = 256 * 1024, WORD_MAX = 256, LIST_MAX = 128 };

struct line {
    char name[WORD_MAX];
    char value[WORD_MAX * 8];
};

static size_t trim(const char **text, size_t len)
{
    while (len > 0 && (**text == ' ' || **text == '\t')) {
        (*text)++;
        len--;
    }
    while (len > 0 && strchr(" \t\r", (*text)[len - 1]))
        len--;
    return len;
}

/* "name = value"; false for anything else, or what does not fit. */
static bool line_split(const char *text, size_t len, struct line *ret)
{
    const char *equals = memchr(text, '=', len);
    if (!equals || *text == '#' || *text == ';')
        return false;
    const char *value = equals + 1;
    size_t name_len = trim(&text, (size_t)(equals - text));
    size_t value_len = trim(&value, len - (size_t)(value - text));
    if (name_len == 0 || name_len >= sizeof(ret->name) ||
        value_len >= sizeof(ret->value) || memchr(text, '\0', name_len))
        return false;
    memcpy(ret->name, text, name_len);
    ret->name[name_len] = '\0';
    memcpy(ret->value, value, value_len);
    ret->value[value_len] = '\0';
    return true;
}

static int list_add(json_t *gnutls, const char *key, const char *value)
{
    json_t *list = json_object_get(gnutls, key);
    if (!list) {
        list = json_array();
        if (json_object_set_new(gnutls, key, list) < 0)
            return -ENOMEM;
    }
    if (json_array_size(list) >= LIST_MAX)
        return json_object_set_new(gnutls, "truncated", json_true()) < 0 ? -ENOMEM : 0;
    return json_array_append_new(list, host_text(value, strlen(value), 64)) < 0 ? -ENOMEM
                                                                                : 0;
}

static int setting_read(const char *section, const struct line *line, json_t *gnutls)
{
    static const struct {
        const char *name, *key;
    } lists[] = {
        {"disabled-version", "disabled_versions"},
        {"enabled-version", "enabled_versions"},
        {"insecure-hash", "insecure_hashes"},
        {"tls-disabled-cipher", "disabled_ciphers"},
        {"tls-disabled-mac", "disabled_macs"},
        {"tls-disabled-group", "disabled_groups"},
        {"tls-disabled-kx", "disabled_kx"},
    };
    if (strcasecmp(section, "global") == 0 &&
        strcasecmp(line->name, "override-mode") == 0)
        return host_set_text(gnutls, "override_mode", line->value);
    if (strcasecmp(section, "priorities") == 0 && strcmp(line->name, "SYSTEM") == 0)
        return host_set_text(gnutls, "system_priority", line->value);
    if (strcasecmp(section, "overrides") != 0)
        return 0;
    if (strcasecmp(line->name, "default-priority-string") == 0)
        return host_set_text(gnutls, "default_priority", line->value);
    for (size_t i = 0; i < POSTURE_COUNT(lists); i++) {
        if (strcasecmp(line->name, lists[i].name) == 0)
            return list_add(gnutls, lists[i].key, line->value);
    }
    return 0;
}

static int config_parse(const char *bytes, json_t *gnutls)
{
    char section[WORD_MAX] = "";
    for (const char *at = bytes; *at;) {
        size_t whole = strcspn(at, "\n");
        const char *text = at;
        size_t len = trim(&text, whole);
        at += whole + (at[whole] == '\n');
        struct line line;
        const char *close = len > 0 && *text == '[' ? memchr(text, ']', len) : NULL;
        if (close && (size_t)(close - text) <= sizeof(section)) {
            memcpy(section, text + 1, (size_t)(close - text - 1));
            section[close - text - 1] = '\0';
        } else if (line_split(text, len, &line)) {
            POSTURE_TRY(setting_read(section, &line, gnutls));
        }
    }
    return 0;
}

int host_gnutls_measure(const struct host_input *input, json_t *facts)
{
    json_t *gnutls = json_object();
    if (json_object_set_new(facts, "gnutls", gnutls) < 0)
        return -ENOMEM;
    json_auto_t *libraries = NULL;
    POSTURE_TRY(host_libraries_find(&input->root, "libgnutls.so.", &libraries));
    if (json_object_set(gnutls, "libraries", libraries) < 0)
        return -ENOMEM;
    POSTURE_AUTO_FREE char *bytes = NULL;
    size_t len;
    int r = host_root_read(&input->root, "etc/gnutls/config", CONFIG_MAX, &bytes, &len);
    if (r == -ENOENT)
        return 0;
    if (r < 0)
        return host_missing(facts, "gnutls", r, "/etc/gnutls/config");
    POSTURE_TRY(host_set_text(gnutls, "config", "/etc/gnutls/config"));
    return config_parse(bytes, gnutls);
}
