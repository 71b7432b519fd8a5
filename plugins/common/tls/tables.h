/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#ifndef POSTURE_TLS_TABLES_H
#define POSTURE_TLS_TABLES_H

#include "common/base/error.h"
#include "common/base/mem.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * The registries as data: schemas/tls/{suites,groups,signatures,primes,alpn}.json. Loaded
 * once, then read-only. Suites stand in the order in which the prober offers them:
 * forward secret ones first, so that the first answer brings a group with it.
 */
enum {
    POSTURE_TLS_SUITES_MAX = 512,
    POSTURE_TLS_GROUPS_MAX = 96,
    POSTURE_TLS_SIGNATURES_MAX = 96,
    POSTURE_TLS_PRIMES_MAX = 32,
    POSTURE_TLS_PRIME_MAX = 1024, /* bytes: 8192 bits */
    POSTURE_TLS_ALPN_MAX = 64,
    POSTURE_TLS_CODE_TEXT = 16,
};

enum posture_tls_version {
    POSTURE_TLS_SSL2,
    POSTURE_TLS_SSL3,
    POSTURE_TLS_10,
    POSTURE_TLS_11,
    POSTURE_TLS_12,
    POSTURE_TLS_13,
    POSTURE_TLS_VERSION_COUNT
};
const char *posture_tls_version_name(enum posture_tls_version version); /* "TLSv1.2" */
uint16_t posture_tls_version_code(enum posture_tls_version version);
/* false when the code is none of ours. */
bool posture_tls_version_from_code(uint16_t code, enum posture_tls_version *ret);

enum posture_tls_protocol {
    POSTURE_TLS_PROTOCOL_SSL2,
    POSTURE_TLS_PROTOCOL_TLS, /* SSLv3 to TLS 1.2 */
    POSTURE_TLS_PROTOCOL_TLS13,
};

enum posture_tls_exchange {
    POSTURE_TLS_EXCHANGE_OTHER,
    POSTURE_TLS_EXCHANGE_ECDHE,
    POSTURE_TLS_EXCHANGE_DHE,
};

enum posture_tls_authentication {
    POSTURE_TLS_AUTH_OTHER, /* PSK, Kerberos …: no certificate of ours to read */
    POSTURE_TLS_AUTH_NONE,  /* anonymous */
    POSTURE_TLS_AUTH_RSA,
    POSTURE_TLS_AUTH_ECDSA,
    POSTURE_TLS_AUTH_DSS,
    POSTURE_TLS_AUTH_COUNT
};

struct posture_tls_suite {
    uint32_t code; /* 24 bits for SSLv2 */
    enum posture_tls_protocol protocol;
    enum posture_tls_exchange exchange;
    enum posture_tls_authentication authentication;
    bool is_cbc;
    bool has_psk_hint; /* ServerKeyExchange opens with an identity hint (RFC 4279) */
    int rank;          /* offered first when low */
    char *name;
};

enum posture_tls_group_type {
    POSTURE_TLS_GROUP_EC,
    POSTURE_TLS_GROUP_FFDH,
    POSTURE_TLS_GROUP_HYBRID,
    POSTURE_TLS_GROUP_KEM,
    POSTURE_TLS_GROUP_EXPLICIT,
};

struct posture_tls_group {
    uint16_t code;
    enum posture_tls_group_type type;
    bool is_old; /* not for TLS 1.3 */
    char *name;
};

struct posture_tls_signature {
    uint16_t code;
    bool is_tls12_only; /* a pair of hash and signature that TLS 1.3 does not have */
    char *name;
    char *key_type;
};

/* A finite-field group that has a name. */
struct posture_tls_prime {
    char *name;
    size_t len;
    uint8_t *bytes; /* without leading zeros */
};

struct posture_tls_tables {
    struct posture_tls_suite suites[POSTURE_TLS_SUITES_MAX];
    size_t suite_count;
    struct posture_tls_group groups[POSTURE_TLS_GROUPS_MAX];
    size_t group_count;
    uint16_t signatures[POSTURE_TLS_SIGNATURES_MAX]; /* codes, of the rows below */
    struct posture_tls_signature signature_rows[POSTURE_TLS_SIGNATURES_MAX];
    size_t signature_count;
    struct posture_tls_prime primes[POSTURE_TLS_PRIMES_MAX];
    size_t prime_count;
    char *alpn[POSTURE_TLS_ALPN_MAX]; /* protocols to ask for */
    size_t alpn_count;
};

/* data_dir as in posture_data_path(). Errors name the file and the row. */
int posture_tls_tables_load(const char *data_dir, struct posture_tls_tables **ret,
                            struct posture_error *reterr);
struct posture_tls_tables *posture_tls_tables_free(struct posture_tls_tables *tables);
POSTURE_AUTO_DEFINE(struct posture_tls_tables *, posture_tls_tables_free)

/* Borrowed; NULL when the code is in no table. */
const struct posture_tls_suite *
posture_tls_suite_find(const struct posture_tls_tables *tables,
                       enum posture_tls_protocol protocol, uint32_t code);
const struct posture_tls_group *
posture_tls_group_find(const struct posture_tls_tables *tables, uint16_t code);
const struct posture_tls_group *
posture_tls_group_by_name(const struct posture_tls_tables *tables, const char *name);
/* IANA's name, or "0xNNNN" in buf. */
const char *posture_tls_suite_name(const struct posture_tls_tables *tables,
                                   enum posture_tls_protocol protocol, uint32_t code,
                                   char buf[static POSTURE_TLS_CODE_TEXT]);
const char *posture_tls_group_name(const struct posture_tls_tables *tables, uint16_t code,
                                   char buf[static POSTURE_TLS_CODE_TEXT]);

const char *posture_tls_signature_name(const struct posture_tls_tables *tables,
                                       uint16_t code,
                                       char buf[static POSTURE_TLS_CODE_TEXT]);
/* The name of a prime; NULL when it has none. Borrowed. */
const char *posture_tls_prime_name(const struct posture_tls_tables *tables,
                                   const uint8_t *bytes, size_t len);

#endif
