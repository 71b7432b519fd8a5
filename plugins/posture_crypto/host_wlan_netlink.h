/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#ifndef POSTURE_CRYPTO_HOST_WLAN_NETLINK_H
#define POSTURE_CRYPTO_HOST_WLAN_NETLINK_H

#include <jansson.h>

/* The running kernel's wireless interfaces, each with what the network it is joined to
 * accepts: appended to the list. Waits at most some seconds; nothing is scanned, what is
 * read is the kernel's own list. 0, also on a system without WLAN; -errno. */
int host_wlan_ask(json_t *interfaces);

#endif
