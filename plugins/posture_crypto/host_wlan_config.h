/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#ifndef POSTURE_CRYPTO_HOST_WLAN_CONFIG_H
#define POSTURE_CRYPTO_HOST_WLAN_CONFIG_H

#include <jansson.h>

/*
 * Configured wireless networks: file text to objects {source, ssid, security, role}
 * appended to the list; the weakest that the entry allows. Pure. Disabled entries are
 * left out; what cannot be made out has no security. 0 or -ENOMEM.
 */
typedef int host_wlan_config_fn(const char *text, json_t *networks);

host_wlan_config_fn host_wlan_supplicant_read; /* wpa_supplicant.conf */
host_wlan_config_fn host_wlan_connection_read; /* a keyfile of NetworkManager */
host_wlan_config_fn host_wlan_hostapd_read;    /* hostapd.conf */

#endif
