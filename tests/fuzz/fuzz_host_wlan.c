/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */

/* Netlink answers, elements of beacons, and the files in which networks are configured.
 */

#include "posture_crypto/host_wlan_config.h"
#include "posture_crypto/host_wlan_wire.h"

#include "common/base/mem.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    json_auto_t *list = json_array();
    json_auto_t *interface = json_object();
    uint16_t family;
    /* As aligned as a receive buffer, and of the very size. */
    POSTURE_AUTO_FREE char *copy = posture_malloc(size + 1);
    if (!copy)
        return 0;
    memcpy(copy, data, size);
    copy[size] = '\0';
    if (host_wlan_interfaces_read(copy, size, list) > 1 ||
        host_wlan_scan_read(copy, size, interface) > 1)
        abort();
    if (host_wlan_family_read(copy, size, &family) > 0)
        abort();
    if (host_wlan_elements_read(data, size, size % 2, interface) != 0)
        abort();
    static host_wlan_config_fn *const readers[] = {
        host_wlan_supplicant_read, host_wlan_connection_read, host_wlan_hostapd_read};
    for (size_t i = 0; i < sizeof(readers) / sizeof(readers[0]); i++) {
        if (readers[i](copy, list) != 0)
            abort();
    }
    return 0;
}
