/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#ifndef POSTURE_TLS_READER_H
#define POSTURE_TLS_READER_H

#include "common/base/buf.h"
#include "common/tls/tables.h"

/*
 * Reads what a server sends in the clear: records, alerts, ServerHello,
 * HelloRetryRequest, Certificate (up to TLS 1.2), CertificateStatus, ServerKeyExchange,
 * ServerHelloDone, and the SSLv2 SERVER-HELLO. Incremental, pure and bounded: no I/O, at
 * most POSTURE_TLS_BYTES_MAX bytes of one connection.
 */
enum {
    POSTURE_TLS_BYTES_MAX = 384 * 1024,
    POSTURE_TLS_HANDSHAKE_MAX = 256 * 1024, /* one handshake message */
    POSTURE_TLS_CERTIFICATES_MAX = 32,
    POSTURE_TLS_CERTIFICATE_MAX = 192 * 1024,
    POSTURE_TLS_SSL2_SUITES_MAX = 64,
    POSTURE_TLS_SESSION_ID_MAX = 32,
};

enum posture_tls_event {
    POSTURE_TLS_EVENT_NONE,  /* more bytes are needed */
    POSTURE_TLS_EVENT_HELLO, /* version, suite, group: a ServerHello or HelloRetryRequest
                              */
    POSTURE_TLS_EVENT_CERTIFICATE,  /* certificates[]: valid until the next call */
    POSTURE_TLS_EVENT_STATUS,       /* staple: valid until the next call */
    POSTURE_TLS_EVENT_KEY_EXCHANGE, /* group or dhe_bits, signature */
    POSTURE_TLS_EVENT_DONE,         /* ServerHelloDone, or the clear part is over */
    POSTURE_TLS_EVENT_ALERT,        /* fatal, or close_notify */
};

struct posture_tls_der {
    const uint8_t *bytes;
    size_t len;
    struct x509_st *parsed; /* by OpenSSL's handshake, which owns it; NULL: not yet */
};

struct posture_tls_flight {
    bool has_hello;
    bool is_retry;
    bool has_group;
    bool has_alert;
    uint16_t version; /* as negotiated, supported_versions included */
    uint32_t suite;
    uint16_t group;
    uint32_t dhe_bits; /* 0: no finite-field Diffie-Hellman seen */
    uint8_t alert;     /* description */
    struct posture_tls_der certificates[POSTURE_TLS_CERTIFICATES_MAX];
    size_t certificate_count;
    bool is_truncated; /* more certificates were sent than are kept */
    uint32_t ssl2_suites[POSTURE_TLS_SSL2_SUITES_MAX];
    size_t ssl2_count;
    /* What the ServerHello says beside its choice. */
    bool has_extended_master_secret;
    bool has_encrypt_then_mac;
    bool has_renegotiation_info;
    bool has_ticket;
    bool has_status; /* a staple will follow */
    bool has_heartbeat;
    uint8_t compression;
    uint8_t session_id_len;
    uint8_t alpn_len; /* 0: no protocol chosen */
    uint8_t alpn[255];
    bool has_signature;
    uint16_t signature;                   /* scheme of the ServerKeyExchange, TLS 1.2 */
    size_t sealed_max;                    /* longest encrypted record so far */
    struct posture_tls_der staple;        /* OCSPResponse */
    size_t prime_len;                     /* of prime; 0: none, or longer than is kept */
    uint8_t prime[POSTURE_TLS_PRIME_MAX]; /* last: only set with prime_len */
};

struct posture_tls_reader {
    struct posture_tls_flight flight;
    struct posture_buf in; /* bytes of records; those before in_at are read */
    size_t in_at;
    struct posture_buf handshake; /* bytes of messages not yet read */
    size_t total;
    size_t message_len;   /* of the message handed out last; dropped at the next call */
    unsigned odd_records; /* warnings and empty records */
    bool expects_ssl2;
    bool has_record;
    enum posture_tls_exchange exchange;
    bool has_psk_hint;
};

void posture_tls_reader_init(struct posture_tls_reader *reader);
void posture_tls_reader_done(struct posture_tls_reader *reader);
/* For the next connection: empties, keeps the memory. */
void posture_tls_reader_reset(struct posture_tls_reader *reader, bool expects_ssl2);
/* How to read ServerKeyExchange; after EVENT_HELLO, from the suite. */
void posture_tls_reader_set_exchange(struct posture_tls_reader *reader,
                                     enum posture_tls_exchange exchange,
                                     bool has_psk_hint);

/* Appends bytes of the connection. POSTURE_E_LIMIT, -ENOMEM. */
int posture_tls_reader_feed(struct posture_tls_reader *reader, const void *bytes,
                            size_t len);
/* The next event, or POSTURE_E_FORMAT (the first bytes are no TLS), POSTURE_E_PROTOCOL,
 * POSTURE_E_LIMIT, -ENOMEM. After a failure the reader is of no more use until reset. */
int posture_tls_reader_next(struct posture_tls_reader *reader,
                            enum posture_tls_event *ret_event);

/* At the end of the connection: are the few bytes that came, fewer than a record's
 * header, no TLS? */
bool posture_tls_reader_is_foreign(const struct posture_tls_reader *reader);

/* "handshake_failure" of RFC 8446 section 6, or "alert N" in buf. */
const char *posture_tls_alert_name(uint8_t alert, char buf[static POSTURE_TLS_CODE_TEXT]);

#endif
