/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#include "posture_crypto/host_wlan_config.h"

#include "posture_crypto/host_facts.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

enum { NETWORKS_MAX = 128, VALUE_MAX = 256 };

/* What an entry says, in whatever form. */
struct entry {
    char ssid[VALUE_MAX];
    char key_management[VALUE_MAX]; /* lower case, words separated by spaces */
    char pairwise[VALUE_MAX];
    char proto[VALUE_MAX];
    char interface[VALUE_MAX];
    bool has_wep, is_disabled, is_wifi, has_section;
    int wpa; /* hostapd's: -1 not said */
};

/* "name = value" with quotes taken off the value; false for anything else. */
static bool pair_split(const char *line, size_t len, char name[static VALUE_MAX],
                       char value[static VALUE_MAX])
{
    while (len > 0 && (*line == ' ' || *line == '\t')) {
        line++;
        len--;
    }
    while (len > 0 && strchr(" \t\r", line[len - 1]))
        len--;
    const char *equals = len > 0 && *line != '#' ? memchr(line, '=', len) : NULL;
    if (!equals)
        return false;
    size_t n = (size_t)(equals - line);
    while (n > 0 && (line[n - 1] == ' ' || line[n - 1] == '\t'))
        n--;
    const char *text = equals + 1;
    size_t m = len - (size_t)(text - line);
    while (m > 0 && (*text == ' ' || *text == '\t')) {
        text++;
        m--;
    }
    if (m >= 2 && *text == '"' && text[m - 1] == '"') {
        text++;
        m -= 2;
    }
    if (n == 0 || n >= VALUE_MAX || m >= VALUE_MAX)
        return false;
    memcpy(name, line, n);
    name[n] = '\0';
    memcpy(value, text, m);
    value[m] = '\0';
    return true;
}

static void lower_copy(char to[static VALUE_MAX], const char *from)
{
    size_t i = 0;
    for (; from[i] && i + 1 < VALUE_MAX; i++)
        to[i] = from[i] >= 'A' && from[i] <= 'Z' ? (char)(from[i] - 'A' + 'a') : from[i];
    to[i] = '\0';
}

static bool has_word(const char *list, const char *word)
{
    size_t len = strlen(word);
    for (const char *at = list; *at;) {
        size_t n = strcspn(at, " \t,;");
        if (n == len && strncmp(at, word, len) == 0)
            return true;
        at += n + strspn(at + n, " \t,;");
    }
    return false;
}

/* The weakest way in that the entry allows. */
static const char *security_of(const struct entry *entry)
{
    const char *keys = entry->key_management;
    bool is_none = has_word(keys, "none");
    if (is_none || has_word(keys, "ieee8021x"))
        return entry->has_wep || has_word(keys, "ieee8021x") ? "WEP" : "open";
    bool is_old = has_word(entry->proto, "wpa") || has_word(entry->pairwise, "tkip");
    bool is_sae = has_word(keys, "sae") || has_word(keys, "ft-sae") ||
                  has_word(keys, "wpa-eap-suite-b-192");
    bool is_psk = has_word(keys, "wpa-psk") || has_word(keys, "ft-psk") ||
                  has_word(keys, "wpa-psk-sha256");
    bool is_eap = has_word(keys, "wpa-eap") || has_word(keys, "wpa-eap-sha256") ||
                  has_word(keys, "ft-eap");
    if (is_psk || is_eap)
        return is_old ? "WPA" : "WPA2";
    if (is_sae)
        return "WPA3";
    return has_word(keys, "owe") ? "OWE" : NULL;
}

static int network_add(json_t *networks, const char *source, const struct entry *entry,
                       const char *role, const char *security)
{
    if (json_array_size(networks) >= NETWORKS_MAX)
        return 0;
    json_t *network = json_object();
    if (json_array_append_new(networks, network) < 0)
        return -ENOMEM;
    POSTURE_TRY(host_set_text(network, "source", source));
    POSTURE_TRY(host_set_text(network, "role", role));
    if (entry->ssid[0])
        POSTURE_TRY(host_set_text(network, "ssid", entry->ssid));
    if (entry->interface[0])
        POSTURE_TRY(host_set_text(network, "interface", entry->interface));
    return security ? host_set_text(network, "security", security) : 0;
}

static void supplicant_pair(struct entry *entry, const char *name, const char *value)
{
    if (strcmp(name, "ssid") == 0)
        memcpy(entry->ssid, value, strlen(value) + 1);
    else if (strcmp(name, "key_mgmt") == 0)
        lower_copy(entry->key_management, value);
    else if (strcmp(name, "pairwise") == 0)
        lower_copy(entry->pairwise, value);
    else if (strcmp(name, "proto") == 0)
        lower_copy(entry->proto, value);
    else if (strncmp(name, "wep_key", 7) == 0)
        entry->has_wep = true;
    else if (strcmp(name, "disabled") == 0)
        entry->is_disabled = strcmp(value, "1") == 0;
}

static const char *line_next(const char *line)
{
    line += strcspn(line, "\n");
    return line + (*line == '\n');
}

int host_wlan_supplicant_read(const char *text, json_t *networks)
{
    struct entry entry = {.wpa = -1};
    bool is_within = false;
    for (const char *line = text; *line; line = line_next(line)) {
        char name[VALUE_MAX], value[VALUE_MAX];
        size_t len = strcspn(line, "\n");
        size_t indent = strspn(line, " \t");
        if (!is_within) {
            is_within = strncmp(line + indent, "network={", 9) == 0;
            if (is_within)
                /* wpa_supplicant's own default */
                entry = (struct entry){.key_management = "wpa-psk wpa-eap", .wpa = -1};
        } else if (line[indent] == '}') {
            is_within = false;
            if (!entry.is_disabled)
                POSTURE_TRY(network_add(networks, "wpa_supplicant", &entry, "station",
                                        security_of(&entry)));
        } else if (pair_split(line, len, name, value)) {
            supplicant_pair(&entry, name, value);
        }
    }
    return 0;
}

int host_wlan_connection_read(const char *text, json_t *networks)
{
    struct entry entry = {.wpa = -1};
    char section[VALUE_MAX] = "", mode[VALUE_MAX] = "";
    for (const char *line = text; *line; line = line_next(line)) {
        char name[VALUE_MAX], value[VALUE_MAX];
        size_t len = strcspn(line, "\n");
        const char *close = *line == '[' ? memchr(line, ']', len) : NULL;
        if (close && close - line < VALUE_MAX) {
            memcpy(section, line + 1, (size_t)(close - line - 1));
            section[close - line - 1] = '\0';
            if (strcmp(section, "wifi-security") == 0 ||
                strcmp(section, "802-11-wireless-security") == 0)
                entry.has_section = true;
            continue;
        }
        if (!pair_split(line, len, name, value))
            continue;
        bool is_wifi =
            strcmp(section, "wifi") == 0 || strcmp(section, "802-11-wireless") == 0;
        if (strcmp(section, "connection") == 0 && strcmp(name, "type") == 0)
            entry.is_wifi =
                strcmp(value, "wifi") == 0 || strcmp(value, "802-11-wireless") == 0;
        else if (is_wifi && strcmp(name, "ssid") == 0)
            memcpy(entry.ssid, value, sizeof(value));
        else if (is_wifi && strcmp(name, "mode") == 0)
            memcpy(mode, value, sizeof(value));
        else if (entry.has_section && strcmp(name, "key-mgmt") == 0)
            lower_copy(entry.key_management, value);
        else if (entry.has_section && strcmp(name, "pairwise") == 0)
            lower_copy(entry.pairwise, value);
        else if (entry.has_section && strcmp(name, "proto") == 0)
            lower_copy(entry.proto, value);
    }
    if (!entry.is_wifi)
        return 0;
    entry.has_wep = true; /* key-mgmt=none with the section is WEP here */
    const char *role = strcmp(mode, "ap") == 0 ? "access-point" : "station";
    return network_add(networks, "NetworkManager", &entry, role,
                       entry.has_section ? security_of(&entry) : "open");
}

int host_wlan_hostapd_read(const char *text, json_t *networks)
{
    struct entry entry = {.wpa = 0, .key_management = "wpa-psk"};
    for (const char *line = text; *line; line = line_next(line)) {
        char name[VALUE_MAX], value[VALUE_MAX];
        if (!pair_split(line, strcspn(line, "\n"), name, value))
            continue;
        if (strcmp(name, "interface") == 0)
            memcpy(entry.interface, value, sizeof(value));
        else if (strcmp(name, "ssid") == 0 || strcmp(name, "ssid2") == 0)
            memcpy(entry.ssid, value, sizeof(value));
        else if (strcmp(name, "wpa") == 0)
            entry.wpa =
                value[0] >= '0' && value[0] <= '3' && !value[1] ? value[0] - '0' : -1;
        else if (strcmp(name, "wpa_key_mgmt") == 0)
            lower_copy(entry.key_management, value);
        else if (strcmp(name, "wpa_pairwise") == 0 || strcmp(name, "rsn_pairwise") == 0)
            lower_copy(entry.pairwise, value);
        else if (strncmp(name, "wep_key", 7) == 0)
            entry.has_wep = true;
    }
    if (!entry.interface[0])
        return 0;
    const char *security = entry.wpa == 0 ? (entry.has_wep ? "WEP" : "open")
                           : entry.wpa == 1 || entry.wpa == 3 ? "WPA"
                           : entry.wpa == 2                   ? security_of(&entry)
                                                              : NULL;
    return network_add(networks, "hostapd", &entry, "access-point", security);
}
