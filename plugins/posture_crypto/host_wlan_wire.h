/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#ifndef POSTURE_CRYPTO_HOST_WLAN_WIRE_H
#define POSTURE_CRYPTO_HOST_WLAN_WIRE_H

#include "common/base/error.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Answers of nl80211 (generic netlink) and the information elements of IEEE 802.11 within
 * them: bytes to facts, no socket. Bytes must be aligned as malloc aligns. Anything at
 * all may stand in them.
 */

/* The number of generic netlink's family, from an answer to CTRL_CMD_GETFAMILY;
 * POSTURE_E_FORMAT when none is in it. */
int host_wlan_family_read(const void *bytes, size_t len, uint16_t *ret);

/* Appends an object for each interface in (a part of) a dump of
 * NL80211_CMD_GET_INTERFACE: name, index, mode, ssid. 1 when the dump is over, 0 when
 * more follows; negative: POSTURE_E_FORMAT, -ENOMEM, or the kernel's -errno. */
int host_wlan_interfaces_read(const void *bytes, size_t len, json_t *interfaces);

/* Sets security, ciphers, akms, mfp of the interface from (a part of) a dump of
 * NL80211_CMD_GET_SCAN, by the network that it is joined to. As above. */
int host_wlan_scan_read(const void *bytes, size_t len, json_t *interface);

/* The weakest that a network with these elements accepts: "open", "WEP", "WPA", "WPA2",
 * "WPA3", "OWE". has_privacy: of its capability field. 0 or -ENOMEM; elements that are
 * cut short leave security out. */
int host_wlan_elements_read(const uint8_t *bytes, size_t len, bool has_privacy,
                            json_t *interface);

#endif
