/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#ifndef POSTURE_NET_ADDRESS_H
#define POSTURE_NET_ADDRESS_H

#include "common/base/error.h"
#include "common/base/options.h"

#include <netinet/in.h>
#include <stdbool.h>
#include <sys/socket.h>

/* Room for an address without port, IPv6 in RFC 5952 form. */
enum { POSTURE_ADDRESS_TEXT = 64 };

/* Address text (no brackets, no port) of an AF_INET or AF_INET6 socket address. Returns
 * buf. */
const char *posture_address_format(const struct sockaddr *sa,
                                   char buf[static POSTURE_ADDRESS_TEXT]);
/* An address literal. POSTURE_E_FORMAT when it is not one. */
int posture_address_parse(const char *text, uint16_t port, struct sockaddr_storage *ret);

/* The list of option Allow: CIDR prefixes, "127.0.0.0/8" or "2001:db8::/32". */
struct posture_address_policy;
int posture_address_policy_new(const struct posture_option_list *allow,
                               struct posture_address_policy **ret,
                               struct posture_error *reterr);
struct posture_address_policy *
posture_address_policy_free(struct posture_address_policy *policy);

/*
 * May a name's address be connected to? Refused unless allowed: unspecified, loopback,
 * link-local, multicast, broadcast, cloud metadata (169.254.169.254, fd00:ec2::254), and
 * the IPv4-mapped, 6to4, Teredo and NAT64 (64:ff9b::/96, 64:ff9b:1::/48) forms of these.
 * ret_reason (static) names the rule. Private space (RFC 1918, ULA) is an agency's own
 * network and allowed.
 */
bool posture_address_allowed(const struct posture_address_policy *policy,
                             const struct sockaddr *sa, const char **ret_reason);

#endif
