/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */

/* Answers of nl80211, made here by its documentation, as there is no WLAN where this was
 * written; the elements of beacons are as access points send them. */

#include "posture_crypto/host_wlan_config.h"
#include "posture_crypto/host_wlan_wire.h"

#include "common/base/mem.h"
#include "common/report/json.h"

#include <libmnl/libmnl.h>
#include <linux/genetlink.h>
#include <linux/nl80211.h>

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#define SSID 0x00, 0x02, 'n', 'o'
#define WPA_PSK                                                                          \
    0xdd, 0x16, 0x00, 0x50, 0xf2, 0x01, 0x01, 0x00, 0x00, 0x50, 0xf2, 0x02, 0x01, 0x00,  \
        0x00, 0x50, 0xf2, 0x02, 0x01, 0x00, 0x00, 0x50, 0xf2, 0x02
/* group and pairwise CCMP (04) or TKIP (02), one AKM, capabilities */
#define RSN(pairwise, akm, capabilities)                                                 \
    0x30, 0x14, 0x01, 0x00, 0x00, 0x0f, 0xac, 0x04, 0x01, 0x00, 0x00, 0x0f, 0xac,        \
        pairwise, 0x01, 0x00, 0x00, 0x0f, 0xac, akm, capabilities, 0x00
#define RSN_SAE_PSK                                                                      \
    0x30, 0x18, 0x01, 0x00, 0x00, 0x0f, 0xac, 0x04, 0x01, 0x00, 0x00, 0x0f, 0xac, 0x04,  \
        0x02, 0x00, 0x00, 0x0f, 0xac, 0x08, 0x00, 0x0f, 0xac, 0x02, 0x80, 0x00

#define BYTES(...) (const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__})

static const struct {
    const char *label;
    const uint8_t *bytes;
    size_t len;
    bool has_privacy;
    const char *security, *mfp;
} beacons[] = {
    {"open", BYTES(SSID), false, "open", NULL},
    {"WEP", BYTES(SSID), true, "WEP", NULL},
    {"WPA", BYTES(SSID, WPA_PSK), true, "WPA", NULL},
    {"WPA2", BYTES(SSID, RSN(4, 2, 0x00)), true, "WPA2", "no"},
    {"WPA2 enterprise", BYTES(SSID, RSN(4, 1, 0x80)), true, "WPA2", "capable"},
    {"WPA and WPA2", BYTES(SSID, RSN(4, 2, 0x00), WPA_PSK), true, "WPA", "no"},
    {"WPA2 with TKIP", BYTES(SSID, RSN(2, 2, 0x00)), true, "WPA", "no"},
    {"WPA3", BYTES(SSID, RSN(4, 8, 0xc0)), true, "WPA3", "required"},
    {"WPA3, GCMP-256, suite B 192", BYTES(SSID, RSN(9, 12, 0xc0)), true, "WPA3",
     "required"},
    {"SAE without protected frames", BYTES(SSID, RSN(4, 8, 0x80)), true, "WPA2",
     "capable"},
    {"WPA2 and WPA3", BYTES(SSID, RSN_SAE_PSK), true, "WPA2", "capable"},
    {"enhanced open", BYTES(SSID, RSN(4, 18, 0xc0)), true, "OWE", "required"},
    {"RSN with all its defaults", BYTES(SSID, 0x30, 0x02, 0x01, 0x00), true, "WPA2",
     "no"},
    {"an element cut short", BYTES(SSID, 0x30, 0x14, 0x01), true, NULL, NULL},
    {"a count that lies",
     BYTES(0x30, 0x08, 0x01, 0x00, 0x00, 0x0f, 0xac, 0x04, 0xff, 0xff), true, NULL, NULL},
    {"no version", BYTES(0x30, 0x01, 0x01), true, NULL, NULL},
};

static void elements_test(void **state)
{
    (void)state;
    for (size_t i = 0; i < POSTURE_COUNT(beacons); i++) {
        json_auto_t *interface = json_object();
        print_message("%s\n", beacons[i].label);
        assert_int_equal(host_wlan_elements_read(beacons[i].bytes, beacons[i].len,
                                                 beacons[i].has_privacy, interface),
                         0);
        const char *security = posture_json_string(interface, "security");
        const char *mfp = posture_json_string(interface, "mfp");
        assert_int_equal(security == NULL, beacons[i].security == NULL);
        if (security)
            assert_string_equal(security, beacons[i].security);
        assert_int_equal(mfp == NULL, beacons[i].mfp == NULL);
        if (mfp)
            assert_string_equal(mfp, beacons[i].mfp);
    }
}

static char buffer[8192] __attribute__((aligned(8)));

static struct nlmsghdr *message_begin(size_t at, uint8_t command)
{
    struct nlmsghdr *message = mnl_nlmsg_put_header(buffer + at);
    message->nlmsg_type = 30;
    struct genlmsghdr *header = mnl_nlmsg_put_extra_header(message, sizeof(*header));
    header->cmd = command;
    return message;
}

static size_t interface_put(size_t at, uint32_t index, const char *name, uint32_t type)
{
    struct nlmsghdr *message = message_begin(at, NL80211_CMD_NEW_INTERFACE);
    mnl_attr_put_u32(message, NL80211_ATTR_IFINDEX, index);
    mnl_attr_put_strz(message, NL80211_ATTR_IFNAME, name);
    mnl_attr_put_u32(message, NL80211_ATTR_IFTYPE, type);
    return at + message->nlmsg_len;
}

static size_t bss_put(size_t at, uint32_t status, size_t beacon)
{
    struct nlmsghdr *message = message_begin(at, NL80211_CMD_NEW_SCAN_RESULTS);
    struct nlattr *bss = mnl_attr_nest_start(message, NL80211_ATTR_BSS);
    mnl_attr_put_u16(message, NL80211_BSS_CAPABILITY,
                     beacons[beacon].has_privacy ? 0x11 : 0x01);
    mnl_attr_put(message, NL80211_BSS_INFORMATION_ELEMENTS, beacons[beacon].len,
                 beacons[beacon].bytes);
    if (status != UINT32_MAX)
        mnl_attr_put_u32(message, NL80211_BSS_STATUS, status);
    mnl_attr_nest_end(message, bss);
    return at + message->nlmsg_len;
}

static size_t done_put(size_t at)
{
    struct nlmsghdr *message = mnl_nlmsg_put_header(buffer + at);
    message->nlmsg_type = NLMSG_DONE;
    return at + message->nlmsg_len;
}

static void dumps_test(void **state)
{
    (void)state;
    json_auto_t *interfaces = json_array();
    size_t len = interface_put(0, 3, "wlan0", NL80211_IFTYPE_STATION);
    assert_int_equal(host_wlan_interfaces_read(buffer, len, interfaces), 0);
    len = done_put(interface_put(0, 4, "wlan1", NL80211_IFTYPE_AP));
    assert_int_equal(host_wlan_interfaces_read(buffer, len, interfaces), 1);
    assert_int_equal(json_array_size(interfaces), 2);
    json_t *first = json_array_get(interfaces, 0);
    assert_string_equal(posture_json_string(first, "name"), "wlan0");
    assert_string_equal(posture_json_string(first, "mode"), "station");
    assert_string_equal(posture_json_string(json_array_get(interfaces, 1), "mode"),
                        "access-point");

    /* Of what is heard only the network that it is joined to counts. */
    len = bss_put(0, UINT32_MAX, 0);
    len = bss_put(len, NL80211_BSS_STATUS_ASSOCIATED, 7);
    len = done_put(bss_put(len, NL80211_BSS_STATUS_AUTHENTICATED, 1));
    assert_int_equal(host_wlan_scan_read(buffer, len, first), 1);
    assert_string_equal(posture_json_string(first, "security"), "WPA3");
    assert_true(json_is_true(json_object_get(first, "joined")));
    assert_string_equal(
        json_string_value(json_array_get(json_object_get(first, "akms"), 0)), "SAE");

    /* Cut at every byte: no crash, and nothing better than what was whole. */
    for (size_t cut = 0; cut < len; cut++) {
        json_auto_t *interface = json_object();
        char *copy = malloc(cut + 1);
        memcpy(copy, buffer, cut);
        assert_true(host_wlan_scan_read(copy, cut, interface) <= 1);
        free(copy);
    }
}

static void errors_test(void **state)
{
    (void)state;
    uint16_t family = 0;
    struct nlmsghdr *message = mnl_nlmsg_put_header(buffer);
    message->nlmsg_type = NLMSG_ERROR;
    struct nlmsgerr *error = mnl_nlmsg_put_extra_header(message, sizeof(*error));
    error->error = -ENOENT;
    assert_int_equal(host_wlan_family_read(buffer, message->nlmsg_len, &family), -ENOENT);
    error->error = 77;
    assert_int_equal(host_wlan_family_read(buffer, message->nlmsg_len, &family),
                     POSTURE_E_FORMAT);
    /* A length that is small as a signed number. */
    message->nlmsg_len = 0xFFFFFF80;
    assert_int_equal(host_wlan_family_read(buffer, 64, &family), POSTURE_E_FORMAT);
    message = message_begin(0, CTRL_CMD_NEWFAMILY);
    assert_int_equal(host_wlan_family_read(buffer, message->nlmsg_len, &family),
                     POSTURE_E_FORMAT);
    mnl_attr_put_u16(message, CTRL_ATTR_FAMILY_ID, 31);
    assert_int_equal(host_wlan_family_read(buffer, message->nlmsg_len, &family), 0);
    assert_int_equal(family, 31);
}

static void config_test(void **state)
{
    (void)state;
    static const struct {
        const char *label;
        host_wlan_config_fn *read;
        const char *text, *want; /* the list as JSON */
    } rows[] = {
        {"wpa_supplicant", host_wlan_supplicant_read,
         "ctrl_interface=/run\nnetwork={\n\tssid=\"a\"\n\tpsk=\"secret12\"\n}\n"
         "network={\n ssid=\"b\"\n key_mgmt=NONE\n}\n"
         "network={\n ssid=\"c\"\n key_mgmt=NONE\n wep_key0=\"abcde\"\n}\n"
         "network={\n ssid=\"d\"\n key_mgmt=SAE\n ieee80211w=2\n}\n"
         "network={\n ssid=\"e\"\n key_mgmt=WPA-PSK SAE\n proto=RSN\n}\n"
         "network={\n ssid=\"f\"\n proto=WPA\n psk=x\n}\n"
         "network={\n ssid=\"g\"\n key_mgmt=NONE\n disabled=1\n}\n",
         "[[\"a\",\"WPA2\"],[\"b\",\"open\"],[\"c\",\"WEP\"],[\"d\",\"WPA3\"],"
         "[\"e\",\"WPA2\"],[\"f\",\"WPA\"]]"},
        {"NetworkManager", host_wlan_connection_read,
         "[connection]\nid=x\ntype=wifi\n[wifi]\nssid=office\n[wifi-security]\n"
         "key-mgmt=wpa-eap\n",
         "[[\"office\",\"WPA2\"]]"},
        {"NetworkManager, open", host_wlan_connection_read,
         "[connection]\ntype=wifi\n[wifi]\nssid=cafe\n[ipv4]\nmethod=auto\n",
         "[[\"cafe\",\"open\"]]"},
        {"NetworkManager, WEP", host_wlan_connection_read,
         "[connection]\ntype=802-11-wireless\n[802-11-wireless]\nssid=old\n"
         "[802-11-wireless-security]\nkey-mgmt=none\nwep-key0=abcde\n",
         "[[\"old\",\"WEP\"]]"},
        {"NetworkManager, wired", host_wlan_connection_read,
         "[connection]\ntype=ethernet\n", "[]"},
        {"hostapd", host_wlan_hostapd_read,
         "interface=wlan0\nssid=ap\nwpa=2\nwpa_key_mgmt=WPA-PSK\nrsn_pairwise=CCMP\n",
         "[[\"ap\",\"WPA2\"]]"},
        {"hostapd, mixed", host_wlan_hostapd_read,
         "interface=wlan0\nssid=ap\nwpa=3\nwpa_passphrase=secret12\n",
         "[[\"ap\",\"WPA\"]]"},
        {"hostapd, open", host_wlan_hostapd_read, "interface=wlan0\nssid=ap\n",
         "[[\"ap\",\"open\"]]"},
        {"hostapd, SAE", host_wlan_hostapd_read,
         "interface=wlan0\nssid=ap\nwpa=2\nwpa_key_mgmt=SAE\n", "[[\"ap\",\"WPA3\"]]"},
    };
    for (size_t i = 0; i < POSTURE_COUNT(rows); i++) {
        json_auto_t *networks = json_array();
        json_auto_t *got = json_array();
        print_message("%s\n", rows[i].label);
        assert_int_equal(rows[i].read(rows[i].text, networks), 0);
        size_t k;
        json_t *network;
        json_array_foreach (networks, k, network)
            json_array_append_new(got,
                                  json_pack("[s,s]", posture_json_string(network, "ssid"),
                                            posture_json_string(network, "security")));
        POSTURE_AUTO_FREE char *text = json_dumps(got, JSON_COMPACT);
        assert_string_equal(text, rows[i].want);
        POSTURE_AUTO_FREE char *all = json_dumps(networks, 0);
        assert_null(strstr(all, "secret"));
        assert_null(strstr(all, "abcde"));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(elements_test),
        cmocka_unit_test(dumps_test),
        cmocka_unit_test(errors_test),
        cmocka_unit_test(config_test),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
