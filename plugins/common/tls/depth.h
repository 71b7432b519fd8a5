/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#ifndef POSTURE_TLS_DEPTH_H
#define POSTURE_TLS_DEPTH_H

#include "common/tls/tables.h"

/*
 * What a plan finds out beside versions, suites, groups and chains. Most of it stands in
 * answers to questions that are asked anyway; the rest has lanes of its own:
 *
 *   SIGNATURES12  one connection per scheme but the first, and the refusal of the rest
 *   SIGNATURES13  one per scheme that a leaf's key allows and no handshake has shown, and
 *                 one for all others together
 *   FEATURES      one for the fallback; one more where no version has two suites
 *   ALPN          one per protocol, and the refusal of the rest
 *   SESSION       one handshake up to TLS 1.2, one that resumes its session and then asks
 *                 for a renegotiation
 */
enum {
    POSTURE_TLS_ALPN_FOUND_MAX = 8, /* more: the server repeats what it hears */
    POSTURE_TLS_ALPN_BYTES_MAX = 2048,
    POSTURE_TLS_COMPRESSIONS_MAX = 4,
};

/* NO wins over YES: the worst answer counts. */
enum posture_tls_claim {
    POSTURE_TLS_CLAIM_NOT_SEEN,
    POSTURE_TLS_CLAIM_YES,
    POSTURE_TLS_CLAIM_NO,
};

/* What a whole handshake shows. */
struct posture_tls_session {
    bool is_13;
    uint16_t signature; /* scheme of the server; 0: not known */
    unsigned tickets;   /* TLS 1.3 */
    uint32_t ticket_lifetime_s;
    uint32_t max_early_data;
    bool has_ticket; /* up to TLS 1.2 */
    bool has_id;
    bool is_resumed;
    enum posture_tls_claim renegotiation; /* that the client asked for */
    uint8_t alpn[255];
    uint8_t alpn_len;
};

struct posture_tls_depth {
    bool
        is_wanted; /* to be set after posture_tls_plan_init(); else its lanes stay shut */
    enum posture_tls_claim extended_master_secret;
    enum posture_tls_claim encrypt_then_mac; /* of CBC suites */
    enum posture_tls_claim secure_renegotiation;
    enum posture_tls_claim heartbeat;
    enum posture_tls_claim ticket;
    enum posture_tls_claim session_id;
    enum posture_tls_claim fallback;
    bool has_compression; /* asked and answered */
    uint8_t compression[POSTURE_TLS_COMPRESSIONS_MAX];
    size_t compression_count;
    const char *dhe_group; /* of the smallest prime; NULL: it has no name. Borrowed */
    uint16_t signatures12[POSTURE_TLS_SIGNATURES_MAX];
    size_t signature12_count;
    uint16_t signatures13[POSTURE_TLS_SIGNATURES_MAX];
    size_t signature13_count;
    uint8_t signature12_gone[POSTURE_TLS_SIGNATURES_MAX]; /* by index of the table */
    uint8_t signature13_gone[POSTURE_TLS_SIGNATURES_MAX]; /* asked alone or known */
    uint8_t
        signature13_leaf[POSTURE_TLS_SIGNATURES_MAX]; /* what the leaves' keys allow */
    bool is_rest_asked;
    uint8_t alpn_gone[POSTURE_TLS_ALPN_MAX];
    uint8_t alpn_found[POSTURE_TLS_ALPN_FOUND_MAX]; /* indices of the table */
    size_t alpn_count;
    bool has_session12, has_session13, is_resume_known;
    struct posture_tls_session session12, session13;
    unsigned stapled; /* bit per enum posture_tls_authentication */
};

#endif
