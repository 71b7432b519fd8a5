/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */

#include "common/net/address.h"

#include "common/base/mem.h"
#include "common/base/parse.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>

enum { ALLOW_MAX = 4096 };

struct prefix {
    int family;
    unsigned bits;
    unsigned char bytes[16];
};

struct posture_address_policy {
    size_t count;
    struct prefix allow[];
};

struct rule {
    struct prefix prefix;
    const char *reason;
};

/* The first that matches gives the reason. Registries: IANA special-purpose addresses;
 * metadata addresses as the cloud operators document them. */
static const struct rule rules[] = {
    {{AF_INET, 8, {0}}, "unspecified"},
    {{AF_INET, 8, {127}}, "loopback"},
    {{AF_INET, 32, {169, 254, 169, 254}}, "cloud metadata"},
    {{AF_INET, 32, {100, 100, 100, 200}}, "cloud metadata"},
    {{AF_INET, 32, {192, 0, 0, 192}}, "cloud metadata"},
    {{AF_INET, 16, {169, 254}}, "link-local"},
    {{AF_INET, 4, {224}}, "multicast"},
    {{AF_INET, 32, {255, 255, 255, 255}}, "broadcast"},
    {{AF_INET6, 128, {0}}, "unspecified"},
    {{AF_INET6, 128, {[15] = 1}}, "loopback"},
    {{AF_INET6, 128, {0xfd, 0, 0x0e, 0xc2, [14] = 0x02, [15] = 0x54}}, "cloud metadata"},
    {{AF_INET6, 128, {0xfd, 0x20, 0, 0xce, [14] = 0x02, [15] = 0x54}}, "cloud metadata"},
    {{AF_INET6, 10, {0xfe, 0x80}}, "link-local"},
    {{AF_INET6, 8, {0xff}}, "multicast"},
};

/* Where an IPv6 form carries an IPv4 address. mask: the bytes are inverted (Teredo, RFC
 * 4380). may_be_absent: a local NAT64 prefix (RFC 8215) has it in one of two places,
 * zeros in the other. */
static const struct carrier {
    struct prefix prefix;
    unsigned char at[4];
    unsigned char mask;
    bool may_be_absent;
} carriers[] = {
    {{AF_INET6, 96, {[10] = 0xff, [11] = 0xff}}, {12, 13, 14, 15}, 0, false}, /* mapped */
    {{AF_INET6, 96, {0}}, {12, 13, 14, 15}, 0, false},                   /* compatible */
    {{AF_INET6, 96, {0, 0x64, 0xff, 0x9b}}, {12, 13, 14, 15}, 0, false}, /* NAT64 */
    {{AF_INET6, 48, {0, 0x64, 0xff, 0x9b, 0, 1}}, {12, 13, 14, 15}, 0, true},
    {{AF_INET6, 48, {0, 0x64, 0xff, 0x9b, 0, 1}}, {6, 7, 9, 10}, 0, true},
    {{AF_INET6, 16, {0x20, 0x02}}, {2, 3, 4, 5}, 0, false},              /* 6to4 */
    {{AF_INET6, 32, {0x20, 0x01, 0, 0}}, {12, 13, 14, 15}, 0xff, false}, /* Teredo */
    {{AF_INET6, 32, {0x20, 0x01, 0, 0}}, {4, 5, 6, 7}, 0, false},        /* its server */
};

static bool prefix_matches(const struct prefix *prefix, int family,
                           const unsigned char *bytes)
{
    if (prefix->family != family)
        return false;
    size_t whole = prefix->bits / 8;
    if (memcmp(prefix->bytes, bytes, whole) != 0)
        return false;
    unsigned rest = prefix->bits % 8;
    return rest == 0 ||
           (unsigned char)(prefix->bytes[whole] ^ bytes[whole]) >> (8 - rest) == 0;
}

static const unsigned char *address_bytes(const struct sockaddr *sa)
{
    if (sa->sa_family == AF_INET)
        return (const unsigned char *)&((const struct sockaddr_in *)(const void *)sa)
            ->sin_addr;
    if (sa->sa_family == AF_INET6)
        return ((const struct sockaddr_in6 *)(const void *)sa)->sin6_addr.s6_addr;
    return NULL;
}

const char *posture_address_format(const struct sockaddr *sa,
                                   char buf[static POSTURE_ADDRESS_TEXT])
{
    const unsigned char *bytes = address_bytes(sa);
    if (!bytes || !inet_ntop(sa->sa_family, bytes, buf, POSTURE_ADDRESS_TEXT))
        memcpy(buf, "?", 2);
    return buf;
}

int posture_address_parse(const char *text, uint16_t port, struct sockaddr_storage *ret)
{
    struct sockaddr_storage storage = {0};
    struct sockaddr_in *in = (struct sockaddr_in *)&storage;
    struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)&storage;
    if (inet_pton(AF_INET, text, &in->sin_addr) == 1) {
        in->sin_family = AF_INET;
        in->sin_port = htons(port);
    } else if (inet_pton(AF_INET6, text, &in6->sin6_addr) == 1) {
        in6->sin6_family = AF_INET6;
        in6->sin6_port = htons(port);
    } else {
        return POSTURE_E_FORMAT;
    }
    *ret = storage;
    return 0;
}

static int prefix_parse(const char *text, struct prefix *ret)
{
    char address[POSTURE_ADDRESS_TEXT];
    const char *slash = strchr(text, '/');
    size_t len = slash ? (size_t)(slash - text) : strlen(text);
    if (len >= sizeof(address))
        return POSTURE_E_FORMAT;
    memcpy(address, text, len);
    address[len] = '\0';
    struct sockaddr_storage storage;
    POSTURE_TRY(posture_address_parse(address, 0, &storage));

    struct prefix prefix = {.family = storage.ss_family};
    uint32_t max = prefix.family == AF_INET ? 32 : 128;
    prefix.bits = max;
    if (slash)
        POSTURE_TRY(posture_parse_u32(slash + 1, 0, max, &prefix.bits));
    memcpy(prefix.bytes, address_bytes((struct sockaddr *)&storage), max / 8);
    /* "10.0.0.1/8" is more likely a slip than a wish. */
    for (unsigned bit = prefix.bits; bit < max; bit++)
        if (prefix.bytes[bit / 8] & (0x80 >> bit % 8))
            return POSTURE_E_FORMAT;
    *ret = prefix;
    return 0;
}

int posture_address_policy_new(const struct posture_option_list *allow,
                               struct posture_address_policy **ret,
                               struct posture_error *reterr)
{
    size_t count = allow ? allow->count : 0;
    if (count > ALLOW_MAX)
        return posture_error_set(reterr, POSTURE_E_LIMIT, "Allow: more than %d prefixes",
                                 ALLOW_MAX);
    struct posture_address_policy *policy =
        posture_calloc(1, sizeof(*policy) + count * sizeof(policy->allow[0]));
    if (!policy)
        return -ENOMEM;
    for (size_t i = 0; i < count; i++) {
        if (prefix_parse(allow->items[i], &policy->allow[i]) < 0) {
            free(policy);
            return posture_error_set(reterr, POSTURE_E_OPTION,
                                     "option Allow \"%s\"; expected a prefix such as "
                                     "10.0.0.0/8 or 2001:db8::/32, its other bits zero",
                                     allow->items[i]);
        }
    }
    policy->count = count;
    *ret = policy;
    return 0;
}

struct posture_address_policy *
posture_address_policy_free(struct posture_address_policy *policy)
{
    free(policy);
    return NULL;
}

static bool policy_has(const struct posture_address_policy *policy, int family,
                       const unsigned char *bytes)
{
    for (size_t i = 0; policy && i < policy->count; i++)
        if (prefix_matches(&policy->allow[i], family, bytes))
            return true;
    return false;
}

static bool bytes_allowed(const struct posture_address_policy *policy, int family,
                          const unsigned char *bytes, const char **ret_reason)
{
    if (policy_has(policy, family, bytes))
        return true;
    for (size_t i = 0; i < POSTURE_COUNT(rules); i++) {
        if (!prefix_matches(&rules[i].prefix, family, bytes))
            continue;
        *ret_reason = rules[i].reason;
        return false;
    }
    for (size_t i = 0; i < POSTURE_COUNT(carriers); i++) {
        if (!prefix_matches(&carriers[i].prefix, family, bytes))
            continue;
        unsigned char inner[4];
        for (size_t j = 0; j < sizeof(inner); j++)
            inner[j] = bytes[carriers[i].at[j]] ^ carriers[i].mask;
        static const unsigned char zeros[4];
        if (carriers[i].may_be_absent && memcmp(inner, zeros, sizeof(inner)) == 0)
            continue;
        if (!bytes_allowed(policy, AF_INET, inner, ret_reason))
            return false;
    }
    return true;
}

bool posture_address_allowed(const struct posture_address_policy *policy,
                             const struct sockaddr *sa, const char **ret_reason)
{
    const char *reason = "neither IPv4 nor IPv6";
    const unsigned char *bytes = address_bytes(sa);
    bool is_allowed = bytes && bytes_allowed(policy, sa->sa_family, bytes, &reason);
    if (!is_allowed && ret_reason)
        *ret_reason = reason;
    return is_allowed;
}
