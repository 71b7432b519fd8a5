/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#include "posture_crypto/host_check.h"

#include "common/report/json.h"

#include <stdio.h>
#include <string.h>

/* "wlan0 WPA2", or "NetworkManager office open". */
static void item_make(const json_t *network, char item[static 128])
{
    const char *source = posture_json_string(network, "name");
    const char *ssid = posture_json_string(network, "ssid");
    const char *security = posture_json_string(network, "security");
    if (!source)
        source = posture_json_string(network, "source");
    snprintf(item, 128, "%.40s%s%.48s%s%.16s", source ? source : "?", ssid ? " " : "",
             ssid ? ssid : "", security ? " " : "", security ? security : "");
}

static void network_offer(const struct posture_check_input *input, const json_t *network,
                          struct posture_verdict *verdict)
{
    char item[128];
    const char *security = posture_json_string(network, "security");
    item_make(network, item);
    if (security) {
        host_feature_offer(input, "wlan", security, item, verdict);
    } else if (posture_verdict_offer(verdict, POSTURE_RESULT_UNKNOWN,
                                     "host.wlan.unknown") ||
               posture_verdict_is(verdict, POSTURE_RESULT_UNKNOWN, "host.wlan.unknown")) {
        posture_verdict_add_item(verdict, "items", item);
    }
}

/* An access point's own network is known by the configuration that names it. */
static bool is_configured(const json_t *topic, const json_t *interface)
{
    const char *name = posture_json_string(interface, "name");
    size_t i;
    const json_t *network;
    json_array_foreach (json_object_get(topic, "networks"), i, network) {
        const char *of_network = posture_json_string(network, "interface");
        if (name && of_network && strcmp(name, of_network) == 0)
            return true;
    }
    return false;
}

static bool is_in_use(const json_t *interface)
{
    const char *mode = posture_json_string(interface, "mode");
    bool is_serving = mode && (strcmp(mode, "access-point") == 0 ||
                               strcmp(mode, "mesh") == 0 || strcmp(mode, "ad-hoc") == 0);
    return json_is_true(json_object_get(interface, "joined")) ||
           json_object_get(interface, "ssid") || is_serving;
}

void host_wlan_check(const struct posture_check_input *input, const json_t *topic,
                     struct posture_verdict *verdict)
{
    const json_t *interfaces = json_object_get(topic, "interfaces");
    size_t i;
    const json_t *thing;
    if (!json_is_array(interfaces))
        return;
    json_array_foreach (interfaces, i, thing) {
        if (is_in_use(thing) && !is_configured(topic, thing))
            network_offer(input, thing, verdict);
    }
    /* Configured networks matter where there is something to join them with. */
    json_array_foreach (json_object_get(topic, "networks"), i, thing) {
        if (json_array_size(interfaces) > 0)
            network_offer(input, thing, verdict);
    }
    if (!verdict->is_set)
        posture_verdict_offer(verdict, POSTURE_RESULT_NA,
                              json_array_size(interfaces) > 0 ? "host.wlan.idle"
                                                              : "host.wlan.none");
}
