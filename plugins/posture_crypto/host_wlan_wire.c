/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#include "posture_crypto/host_wlan_wire.h"

#include "posture_crypto/host_facts.h"

#include <libmnl/libmnl.h>
#include <linux/genetlink.h>
#include <linux/nl80211.h>

#include <errno.h>
#include <string.h>

enum {
    ELEMENT_RSN = 48,
    ELEMENT_VENDOR = 221,
    CAPABILITY_PRIVACY = 0x10,
    RSN_MFP_REQUIRED = 0x40,
    RSN_MFP_CAPABLE = 0x80,
    SUITES_MAX = 16,
    INTERFACES_MAX = 64,
    LAST_ATTR = 512,
};

static const uint8_t oui_ieee[3] = {0x00, 0x0F, 0xAC};
static const uint8_t oui_microsoft[3] = {0x00, 0x50, 0xF2};

struct suite_name {
    uint8_t type;
    const char *name;
};
static const struct suite_name ciphers[] = {
    {1, "WEP-40"},   {2, "TKIP"},     {4, "CCMP-128"},  {5, "WEP-104"},
    {8, "GCMP-128"}, {9, "GCMP-256"}, {10, "CCMP-256"}, {0, NULL},
};
static const struct suite_name akms[] = {
    {1, "802.1X"},
    {2, "PSK"},
    {3, "FT-802.1X"},
    {4, "FT-PSK"},
    {5, "802.1X-SHA256"},
    {6, "PSK-SHA256"},
    {8, "SAE"},
    {9, "FT-SAE"},
    {11, "SUITE-B"},
    {12, "SUITE-B-192"},
    {13, "FT-802.1X-SHA384"},
    {18, "OWE"},
    {24, "SAE-EXT"},
    {25, "FT-SAE-EXT"},
    {0, NULL},
};

struct elements {
    bool has_rsn, has_wpa, is_cut;
    bool has_tkip, has_wep, has_strong_cipher;
    bool has_sae, has_owe, has_other_akm;
    uint16_t rsn_capabilities;
};

/* Four bytes of a suite, appended by name to interface[key]. */
static const char *suite_add(const uint8_t *suite, const struct suite_name *names,
                             json_t *interface, const char *key, int *ret_r)
{
    const char *name = "unknown";
    bool is_known =
        memcmp(suite, oui_ieee, 3) == 0 || memcmp(suite, oui_microsoft, 3) == 0;
    for (size_t i = 0; is_known && names[i].name; i++) {
        if (names[i].type == suite[3])
            name = names[i].name;
    }
    json_t *list = json_object_get(interface, key);
    if (!list) {
        list = json_array();
        if (json_object_set_new(interface, key, list) < 0)
            *ret_r = -ENOMEM;
        list = json_object_get(interface, key);
    }
    size_t i;
    json_t *other;
    json_array_foreach (list, i, other) {
        if (strcmp(json_string_value(other), name) == 0)
            return name;
    }
    if (list && json_array_size(list) < SUITES_MAX &&
        json_array_append_new(list, json_string(name)) < 0)
        *ret_r = -ENOMEM;
    return name;
}

static void cipher_note(struct elements *elements, const char *name)
{
    elements->has_tkip = elements->has_tkip || strcmp(name, "TKIP") == 0;
    elements->has_wep = elements->has_wep || strncmp(name, "WEP", 3) == 0;
    elements->has_strong_cipher = elements->has_strong_cipher ||
                                  strncmp(name, "CCMP", 4) == 0 ||
                                  strncmp(name, "GCMP", 4) == 0;
}

static void akm_note(struct elements *elements, const char *name)
{
    bool is_sae = strstr(name, "SAE") != NULL || strcmp(name, "SUITE-B-192") == 0;
    bool is_owe = strcmp(name, "OWE") == 0;
    elements->has_sae = elements->has_sae || is_sae;
    elements->has_owe = elements->has_owe || is_owe;
    elements->has_other_akm = elements->has_other_akm || (!is_sae && !is_owe);
}

static uint16_t get16(const uint8_t *p)
{
    return (uint16_t)(p[0] | p[1] << 8);
}

/* VERSION GROUP-CIPHER COUNT {CIPHER} COUNT {AKM} CAPABILITIES; of WPA without the last.
 * What is missing at its end has defaults (CCMP, 802.1X); a list that is cut does not. */
static int body_read(const uint8_t *p, size_t len, bool is_rsn, json_t *interface,
                     struct elements *elements)
{
    int r = 0;
    if (len < 2) {
        elements->is_cut = true;
        return 0;
    }
    size_t at = 2;
    if (len < at + 4)
        return 0;
    at += 4; /* the group's cipher: of broadcasts */
    for (int list = 0; list < 2 && len >= at + 2; list++) {
        size_t count = get16(p + at);
        at += 2;
        if (count > (len - at) / 4) {
            elements->is_cut = true;
            return 0;
        }
        for (size_t i = 0; i < count; i++, at += 4) {
            if (list == 0)
                cipher_note(elements,
                            suite_add(p + at, ciphers, interface, "ciphers", &r));
            else
                akm_note(elements, suite_add(p + at, akms, interface, "akms", &r));
        }
    }
    if (is_rsn && len >= at + 2)
        elements->rsn_capabilities = get16(p + at);
    return r;
}

static int element_read(uint8_t id, const uint8_t *p, size_t len, json_t *interface,
                        struct elements *elements)
{
    if (id == ELEMENT_RSN) {
        elements->has_rsn = true;
        return body_read(p, len, true, interface, elements);
    }
    if (id == ELEMENT_VENDOR && len >= 4 && memcmp(p, oui_microsoft, 3) == 0 &&
        p[3] == 1) {
        elements->has_wpa = true;
        return body_read(p + 4, len - 4, false, interface, elements);
    }
    return 0;
}

static const char *security_of(const struct elements *elements, bool has_privacy)
{
    if (!elements->has_rsn && !elements->has_wpa)
        return has_privacy ? "WEP" : "open";
    if (elements->has_wep)
        return "WEP";
    if (elements->has_wpa || elements->has_tkip)
        return "WPA";
    if (elements->has_owe && !elements->has_sae && !elements->has_other_akm)
        return "OWE";
    bool is_mfp = elements->rsn_capabilities & RSN_MFP_REQUIRED;
    bool is_sae_alone = elements->has_sae && !elements->has_other_akm;
    return is_sae_alone && is_mfp ? "WPA3" : "WPA2";
}

int host_wlan_elements_read(const uint8_t *bytes, size_t len, bool has_privacy,
                            json_t *interface)
{
    struct elements elements = {0};
    size_t at = 0;
    while (at + 2 <= len) {
        size_t size = bytes[at + 1];
        if (at + 2 + size > len)
            break;
        POSTURE_TRY(element_read(bytes[at], bytes + at + 2, size, interface, &elements));
        at += 2 + size;
    }
    if (at != len || elements.is_cut)
        return 0;
    if (elements.has_rsn) {
        const char *mfp = elements.rsn_capabilities & RSN_MFP_REQUIRED  ? "required"
                          : elements.rsn_capabilities & RSN_MFP_CAPABLE ? "capable"
                                                                        : "no";
        POSTURE_TRY(host_set_text(interface, "mfp", mfp));
    }
    return host_set_text(interface, "security", security_of(&elements, has_privacy));
}

/* Attributes of one level, the last of a number holds; those past ours are passed over.
 */
struct attributes {
    const struct nlattr *at[LAST_ATTR];
};

static void attributes_read(const void *bytes, size_t len, struct attributes *ret)
{
    memset(ret, 0, sizeof(*ret));
    const char *p = bytes;
    while (len >= sizeof(struct nlattr)) {
        const struct nlattr *attr = (const void *)p;
        if (!mnl_attr_ok(attr, (int)len))
            return;
        uint16_t type = mnl_attr_get_type(attr);
        if (type < LAST_ATTR)
            ret->at[type] = attr;
        size_t step = MNL_ALIGN(attr->nla_len);
        if (step >= len)
            return;
        p += step;
        len -= step;
    }
}

typedef int message_fn(uint8_t command, const struct attributes *attributes, void *data);

/* One message; 1 at the dump's end. */
static int message_read(const struct nlmsghdr *message, message_fn *fn, void *data)
{
    const void *body = mnl_nlmsg_get_payload(message);
    size_t payload = message->nlmsg_len - sizeof(*message);
    if (message->nlmsg_type == NLMSG_DONE)
        return 1;
    if (message->nlmsg_type == NLMSG_ERROR) {
        const struct nlmsgerr *error = body;
        if (payload < sizeof(error->error))
            return POSTURE_E_FORMAT;
        int r = error->error;
        return r == 0 ? 1 : r < 0 && r > -4096 ? r : POSTURE_E_FORMAT;
    }
    if (payload < sizeof(struct genlmsghdr))
        return POSTURE_E_FORMAT;
    const struct genlmsghdr *header = body;
    struct attributes attributes;
    attributes_read(header + 1, payload - sizeof(*header), &attributes);
    return fn(header->cmd, &attributes, data);
}

/* Each message in turn. The library's own walk takes a length above 2 GiB for a small
 * one. */
static int messages_read(const void *bytes, size_t size, message_fn *fn, void *data)
{
    const char *at = bytes;
    while (size >= sizeof(struct nlmsghdr)) {
        const struct nlmsghdr *message = (const void *)at;
        size_t len = message->nlmsg_len;
        if (len < sizeof(*message) || len > size)
            return POSTURE_E_FORMAT;
        int r = message_read(message, fn, data);
        if (r != 0)
            return r;
        size_t step = (len + 3) & ~(size_t)3;
        if (step >= size)
            break;
        at += step;
        size -= step;
    }
    return 0;
}

static const void *attribute_bytes(const struct attributes *attributes, unsigned type,
                                   size_t least, size_t *ret_len)
{
    const struct nlattr *attr = attributes->at[type];
    size_t len = attr ? mnl_attr_get_payload_len(attr) : 0;
    if (!attr || len < least)
        return NULL;
    *ret_len = len;
    return mnl_attr_get_payload(attr);
}

static bool attribute_u32(const struct attributes *attributes, unsigned type,
                          uint32_t *ret)
{
    size_t len;
    const void *bytes = attribute_bytes(attributes, type, sizeof(*ret), &len);
    if (bytes)
        memcpy(ret, bytes, sizeof(*ret));
    return bytes != NULL;
}

static int family_message(uint8_t command, const struct attributes *attributes,
                          void *data)
{
    size_t len;
    const void *id =
        attribute_bytes(attributes, CTRL_ATTR_FAMILY_ID, sizeof(uint16_t), &len);
    if (command == CTRL_CMD_NEWFAMILY && id)
        memcpy(data, id, sizeof(uint16_t));
    return 0;
}

int host_wlan_family_read(const void *bytes, size_t len, uint16_t *ret)
{
    uint16_t family = 0;
    int r = messages_read(bytes, len, family_message, &family);
    if (r < 0)
        return r;
    *ret = family;
    return family != 0 ? 0 : POSTURE_E_FORMAT;
}

static const char *mode_name(uint32_t type)
{
    static const char *const names[] = {
        [NL80211_IFTYPE_ADHOC] = "ad-hoc",
        [NL80211_IFTYPE_STATION] = "station",
        [NL80211_IFTYPE_AP] = "access-point",
        [NL80211_IFTYPE_AP_VLAN] = "access-point",
        [NL80211_IFTYPE_MONITOR] = "monitor",
        [NL80211_IFTYPE_MESH_POINT] = "mesh",
        [NL80211_IFTYPE_P2P_CLIENT] = "station",
        [NL80211_IFTYPE_P2P_GO] = "access-point",
    };
    size_t count = sizeof(names) / sizeof(names[0]);
    return type < count && names[type] ? names[type] : "other";
}

static int interface_message(uint8_t command, const struct attributes *attributes,
                             void *data)
{
    json_t *interfaces = data;
    size_t len;
    uint32_t index, type;
    const char *name = attribute_bytes(attributes, NL80211_ATTR_IFNAME, 1, &len);
    if (command != NL80211_CMD_NEW_INTERFACE || !name ||
        !attribute_u32(attributes, NL80211_ATTR_IFINDEX, &index) ||
        json_array_size(interfaces) >= INTERFACES_MAX)
        return 0;
    json_t *interface = json_object();
    if (json_array_append_new(interfaces, interface) < 0 ||
        json_object_set_new(interface, "name", host_text(name, strnlen(name, len), 64)) <
            0 ||
        json_object_set_new(interface, "index", json_integer(index)) < 0)
        return -ENOMEM;
    if (attribute_u32(attributes, NL80211_ATTR_IFTYPE, &type))
        POSTURE_TRY(host_set_text(interface, "mode", mode_name(type)));
    const char *ssid = attribute_bytes(attributes, NL80211_ATTR_SSID, 1, &len);
    if (ssid && json_object_set_new(interface, "ssid", host_text(ssid, len, 128)) < 0)
        return -ENOMEM;
    return 0;
}

int host_wlan_interfaces_read(const void *bytes, size_t len, json_t *interfaces)
{
    return messages_read(bytes, len, interface_message, interfaces);
}

static int scan_message(uint8_t command, const struct attributes *attributes, void *data)
{
    json_t *interface = data;
    size_t len;
    const void *nested = attribute_bytes(attributes, NL80211_ATTR_BSS, 1, &len);
    if (command != NL80211_CMD_NEW_SCAN_RESULTS || !nested)
        return 0;
    struct attributes bss;
    attributes_read(nested, len, &bss);
    uint32_t status;
    if (!attribute_u32(&bss, NL80211_BSS_STATUS, &status) ||
        (status != NL80211_BSS_STATUS_ASSOCIATED &&
         status != NL80211_BSS_STATUS_IBSS_JOINED))
        return 0;
    if (json_object_set_new(interface, "joined", json_true()) < 0)
        return -ENOMEM;
    size_t size;
    uint16_t capability;
    const void *of_bss =
        attribute_bytes(&bss, NL80211_BSS_CAPABILITY, sizeof(capability), &size);
    const uint8_t *elements =
        attribute_bytes(&bss, NL80211_BSS_INFORMATION_ELEMENTS, 1, &size);
    if (!elements)
        elements = attribute_bytes(&bss, NL80211_BSS_BEACON_IES, 1, &size);
    if (!of_bss || !elements)
        return 0;
    memcpy(&capability, of_bss, sizeof(capability));
    return host_wlan_elements_read(elements, size, capability & CAPABILITY_PRIVACY,
                                   interface);
}

int host_wlan_scan_read(const void *bytes, size_t len, json_t *interface)
{
    return messages_read(bytes, len, scan_message, interface);
}
