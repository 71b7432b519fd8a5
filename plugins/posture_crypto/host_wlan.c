/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#include "posture_crypto/host_facts.h"

#include "common/base/mem.h"
#include "posture_crypto/host_wlan_config.h"
#include "posture_crypto/host_wlan_netlink.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* facts.wlan: the wireless interfaces, each with the network it is joined to, as the
 * kernel says; and the networks that are configured, as the files of wpa_supplicant,
 * NetworkManager and hostapd say. No key is read on. */

enum { INTERFACES_MAX = 1024, FILES_MAX = 256, FILE_BYTES = 256 * 1024 };

/* What sysfs calls wireless; the kernel's own list may not be had. */
static int sysfs_interfaces(const struct host_root *root, json_t *interfaces)
{
    HOST_AUTO_NAMES struct host_names names = {0};
    int r = host_root_list(root, "sys/class/net", INTERFACES_MAX, &names);
    if (r < 0)
        return r == -ENOMEM ? r : 0;
    for (size_t i = 0; i < names.count && json_array_size(interfaces) < 64; i++) {
        char phy[PATH_MAX], wireless[PATH_MAX];
        snprintf(phy, sizeof(phy), "sys/class/net/%s/phy80211", names.items[i]);
        snprintf(wireless, sizeof(wireless), "sys/class/net/%s/wireless", names.items[i]);
        if (!host_root_exists(root, phy) && !host_root_exists(root, wireless))
            continue;
        json_t *interface = json_object();
        if (json_array_append_new(interfaces, interface) < 0)
            return -ENOMEM;
        POSTURE_TRY(host_set_text(interface, "name", names.items[i]));
    }
    return 0;
}

static bool ends_with(const char *text, const char *end)
{
    size_t n = strlen(text), m = strlen(end);
    return n > m && strcmp(text + n - m, end) == 0;
}

static const struct {
    const char *folder, *suffix;
    host_wlan_config_fn *read;
} sources[] = {
    {"etc/wpa_supplicant", ".conf", host_wlan_supplicant_read},
    {"etc/NetworkManager/system-connections", ".nmconnection", host_wlan_connection_read},
    {"run/NetworkManager/system-connections", ".nmconnection", host_wlan_connection_read},
    {"etc/hostapd", ".conf", host_wlan_hostapd_read},
};

/* Files of root's that hold keys are not for the worker to read: then what is configured
 * is not known. */
static int source_measure(const struct host_root *root, size_t number, json_t *facts,
                          json_t *networks)
{
    HOST_AUTO_NAMES struct host_names names = {0};
    int r = host_root_list(root, sources[number].folder, FILES_MAX, &names);
    if (r == -ENOENT)
        return 0;
    for (size_t i = 0; r == 0 && i < names.count; i++) {
        if (!ends_with(names.items[i], sources[number].suffix))
            continue;
        POSTURE_AUTO_FREE char *path =
            posture_asprintf("%s/%s", sources[number].folder, names.items[i]);
        POSTURE_AUTO_FREE char *bytes = NULL;
        size_t len;
        if (!path)
            return -ENOMEM;
        r = host_root_read(root, path, FILE_BYTES, &bytes, &len);
        if (r == 0)
            r = sources[number].read(bytes, networks);
        if (bytes)
            explicit_bzero(bytes, len);
        if (r == -ENOENT)
            r = 0;
    }
    if (r == -ENOMEM)
        return r;
    return r < 0 ? host_missing(facts, "wlan.networks", r, sources[number].folder) : 0;
}

int host_wlan_measure(const struct host_input *input, json_t *facts)
{
    json_t *wlan = json_object(), *interfaces = json_array(), *networks = json_array();
    if (json_object_set_new(facts, "wlan", wlan) < 0 ||
        json_object_set_new(wlan, "interfaces", interfaces) < 0 ||
        json_object_set_new(wlan, "networks", networks) < 0)
        return -ENOMEM;
    int r = input->root.is_system ? host_wlan_ask(interfaces) : -EXDEV;
    if (r == -ENOMEM)
        return r;
    if (r < 0) {
        if (json_array_clear(interfaces) < 0)
            return -ENOMEM;
        POSTURE_TRY(sysfs_interfaces(&input->root, interfaces));
        /* Of another system's tree nothing at all can be said but by its files. */
        if (json_array_size(interfaces) > 0 || input->root.is_system)
            POSTURE_TRY(host_missing(facts, "wlan.interfaces", r, "nl80211"));
    }
    for (size_t i = 0; i < POSTURE_COUNT(sources); i++)
        POSTURE_TRY(source_measure(&input->root, i, facts, networks));
    return 0;
}
