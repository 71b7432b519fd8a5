/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#ifndef POSTURE_CRYPTO_OPTIONS_H
#define POSTURE_CRYPTO_OPTIONS_H

#include "common/base/options.h"

extern const struct posture_option_table posture_crypto_options;

/* Depth: how much of a TLS endpoint is measured. */
enum posture_crypto_depth {
    POSTURE_CRYPTO_DEPTH_FULL,
    POSTURE_CRYPTO_DEPTH_BASIC,
};

/* EndpointsFrom: who else names endpoints. */
enum posture_crypto_from {
    POSTURE_CRYPTO_FROM_NOBODY,
    POSTURE_CRYPTO_FROM_DEVICE, /* posture_snmp, of what its devices say */
};

struct posture_crypto_settings {
    struct posture_common_settings common;
    uint32_t timeout_ms;
    uint32_t deadline_ms;
    double start_rate;
    uint32_t max_running;
    uint32_t connections_per_host;
    uint32_t mail_connections; /* in all, of one measurement of one address */
    uint32_t mail_at_once;
    uint32_t mail_pause_ms;
    uint32_t mail_timeout_ms; /* before TLS */
    const char *helo_name;    /* NULL: this host's */
    uint32_t connections_per_network;
    struct posture_option_file endpoints; /* EndpointsFile */
    int endpoints_from;                   /* enum posture_crypto_from */
    struct posture_option_file device_endpoints;
    int depth; /* enum posture_crypto_depth */
    const char *trust_store;
    const char *crl_file; /* NULL: none */
    const char *profile;
    const char *exceptions_file; /* NULL: none */
    const char *agency;          /* once mode only */
    const char *reporter;        /* once mode only */
    struct posture_option_list allow;
};

/* Web: is HTTP spoken over the TLS? */
enum posture_crypto_web {
    POSTURE_CRYPTO_WEB_AUTO, /* on ports 443 and 8443 */
    POSTURE_CRYPTO_WEB_YES,
    POSTURE_CRYPTO_WEB_NO,
};

struct posture_crypto_endpoint {
    int64_t interval_ns; /* 0: the plugin's */
    const char *end_of_life;
    const char *server_name;
    const char *trust_store; /* NULL: the plugin's */
    const char *crl_file;    /* the same */
    int web;                 /* enum posture_crypto_web */
    uint16_t http_port;
};

/* This host, or the system whose files are beneath root. */
struct posture_crypto_host {
    int64_t interval_ns; /* 0: the plugin's */
    const char *end_of_life;
    const char *root;
    struct posture_option_list backup_stamps;
};

#endif
