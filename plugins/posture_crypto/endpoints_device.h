/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#ifndef POSTURE_CRYPTO_ENDPOINTS_DEVICE_H
#define POSTURE_CRYPTO_ENDPOINTS_DEVICE_H

#include "common/base/error.h"
#include "common/base/mem.h"
#include "common/net/address.h"

#include <stddef.h>
#include <stdint.h>

/*
 * EndpointsFrom device: what posture_snmp found on the devices that it watches
 * (schemas/endpoints.v1.schema.json), written by rename. What a device says of itself is
 * no configuration: an address in it is taken under the rule for addresses that DNS
 * gives, one bad entry is left out and counted, and the rest is taken.
 */
struct posture_crypto_device_endpoint {
    const char *subject; /* "tls://192.0.2.1:443", in its one spelling */
    const char *device;  /* "snmp://sw1.example.go.jp", or "" */
};

struct posture_crypto_device_endpoints {
    struct posture_crypto_device_endpoint *items; /* in the file's order, each once */
    size_t count;
    size_t refused;          /* entries left out */
    char first_refused[256]; /* which, and why; "" */
    int64_t written_ns;
    void *owner; /* of the strings */
};

enum { POSTURE_CRYPTO_DEVICE_ENDPOINTS_MAX = 100000 };

/* policy: as for names (option Allow). Errors name the file: not JSON, another schema,
 * too many entries. */
int posture_crypto_endpoints_device_read(const char *path,
                                         const struct posture_address_policy *policy,
                                         struct posture_crypto_device_endpoints *ret,
                                         struct posture_error *reterr);
/* The same of bytes that were read from path. */
int posture_crypto_endpoints_device_parse(const char *path, const char *bytes, size_t len,
                                          const struct posture_address_policy *policy,
                                          struct posture_crypto_device_endpoints *ret,
                                          struct posture_error *reterr);
/* One subject a line, as in EndpointsFile. Owner: caller; NULL: no memory. */
char *posture_crypto_endpoints_device_lines(
    const struct posture_crypto_device_endpoints *endpoints, size_t *ret_len);
void posture_crypto_endpoints_device_done(
    struct posture_crypto_device_endpoints *endpoints);

#endif
