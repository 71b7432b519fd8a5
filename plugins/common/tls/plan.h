/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#ifndef POSTURE_TLS_PLAN_H
#define POSTURE_TLS_PLAN_H

#include "common/tls/depth.h"
#include "common/tls/hello.h"
#include "common/tls/reader.h"

/*
 * What to ask one server next, and what its answers mean. Pure: questions out, answers
 * in; no socket, no clock. Enumeration is by elimination: offer everything, the server
 * picks one, take it away, until it refuses; one lane per version, two for groups, one
 * for TLS 1.3 certificates, and those of depth.h. Lanes are independent, so that several
 * questions can be under way at once.
 */
enum posture_tls_lane_id {
    /* 0 to 5: enum posture_tls_version */
    POSTURE_TLS_LANE_GROUPS13 = POSTURE_TLS_VERSION_COUNT,
    POSTURE_TLS_LANE_GROUPS12,
    POSTURE_TLS_LANE_HANDSHAKE,
    /* in depth: they begin when all versions are known */
    POSTURE_TLS_LANE_SIGNATURES12,
    POSTURE_TLS_LANE_SIGNATURES13,
    POSTURE_TLS_LANE_FEATURES,
    POSTURE_TLS_LANE_ALPN,
    POSTURE_TLS_LANE_SESSION,
    POSTURE_TLS_LANE_COUNT
};

enum posture_tls_purpose {
    POSTURE_TLS_ASK_FIRST,   /* is this version spoken at all? */
    POSTURE_TLS_ASK_SUITE,   /* which suite of what is left? */
    POSTURE_TLS_ASK_ORDER,   /* what was accepted, reversed: whose order counts? */
    POSTURE_TLS_ASK_CONFIRM, /* after a refusal: does the server still answer? */
    POSTURE_TLS_ASK_GROUP,
    POSTURE_TLS_ASK_HANDSHAKE, /* a whole handshake by OpenSSL: 1.3; lane SESSION: older
                                */
    POSTURE_TLS_ASK_SIGNATURE, /* TLS 1.2: which of what is left? 1.3: this one alone? */
    POSTURE_TLS_ASK_REST,      /* TLS 1.3: any scheme that no certificate hints at? */
    POSTURE_TLS_ASK_FEATURES,  /* what no other hello was good for */
    POSTURE_TLS_ASK_FALLBACK,  /* a lower version, said to be a fallback */
    POSTURE_TLS_ASK_PROTOCOL,  /* ALPN: which of what is left? */
    POSTURE_TLS_ASK_RESUME,    /* lane SESSION: by OpenSSL, the session of before */
};

/* How much of a hello a server is asked to bear. */
enum posture_tls_variant {
    POSTURE_TLS_VARIANT_FULL,
    POSTURE_TLS_VARIANT_COMPACT, /* few suites at a time, below 256 bytes where SNI allows
                                  */
    POSTURE_TLS_VARIANT_BARE,    /* the same without extensions */
};

struct posture_tls_question {
    enum posture_tls_lane_id lane;
    enum posture_tls_purpose purpose;
    enum posture_tls_version version; /* highest that is offered */
    unsigned number;                  /* from 1, in the order of asking */
    bool is_opening;                  /* every version at once */
    bool is_handshake;                /* by OpenSSL; hello is not set */
    bool is_joint; /* TLS 1.3: groups are left out too, so that one answer shows a suite
                      and a group */
    struct posture_tls_hello hello; /* its lists point into this struct; random unset */
    uint32_t suites[POSTURE_TLS_SUITES_MAX];
    uint16_t groups[POSTURE_TLS_GROUPS_MAX];
    uint16_t versions[4];
    uint16_t signatures[POSTURE_TLS_SIGNATURES_MAX];
    uint8_t alpn[POSTURE_TLS_ALPN_BYTES_MAX];
    size_t alpn_len;
    enum posture_tls_authentication
        authentication; /* HANDSHAKE: RSA or ECDSA only; OTHER: any */
    uint16_t group;     /* HANDSHAKE: what the server chose before; 0: unknown */
};

enum posture_tls_outcome {
    POSTURE_TLS_ANSWERED,    /* flight has a hello; HANDSHAKE: it was completed */
    POSTURE_TLS_ALERTED,     /* flight has an alert; HANDSHAKE: it failed */
    POSTURE_TLS_CLOSED,      /* end of file without an answer */
    POSTURE_TLS_RESET,       /* connection reset */
    POSTURE_TLS_TIMED_OUT,   /* no (whole) answer in time */
    POSTURE_TLS_NOT_TLS,     /* the first bytes are something else */
    POSTURE_TLS_BROKEN,      /* bytes that break the protocol */
    POSTURE_TLS_TOO_LARGE,   /* over a limit of ours */
    POSTURE_TLS_REFUSED,     /* TCP: connection refused */
    POSTURE_TLS_NO_ROUTE,    /* TCP: this host has no route */
    POSTURE_TLS_UNREACHABLE, /* TCP: other errors */
    POSTURE_TLS_NO_CONNECT,  /* TCP: no connection in time */
};

enum posture_tls_lane_state {
    POSTURE_TLS_LANE_WAITING, /* for another lane */
    POSTURE_TLS_LANE_READY,
    POSTURE_TLS_LANE_ASKED,
    POSTURE_TLS_LANE_DONE,
};

struct posture_tls_lane {
    enum posture_tls_lane_state state;
    enum posture_tls_purpose purpose;
    enum posture_tls_variant variant;
    bool is_supported;
    bool is_lower;      /* FIRST was answered with a lower version */
    bool was_refused;   /* FIRST was refused or failed */
    bool is_incomplete; /* could not be measured to its end */
    bool is_unclear;    /* whether the version is spoken could not be found out */
    bool needs_confirm;
    bool is_primes;  /* GROUPS12: it asks for primes with the DHE suites now */
    bool was_ended;  /* a refusal ended the list */
    bool is_recheck; /* that refusal is asked for once more, or has been */
    uint8_t split;   /* asked for suites of one exchange at a time: 1 + it; 0: not yet */
    bool was_split;
    bool is_single;     /* TLS 1.3: no joint questions any more */
    bool joint_refused; /* by a clean alert: for its suites or for its groups? */
    bool spans_chunks; /* accepted suites of more than one chunk: their order is not known
                        */
    unsigned refused_at; /* number of the last question asked when it was refused
                            something; 0: never */
    uint8_t retries;
    uint8_t order; /* 0 not known, 1 the client's, 2 the server's */
    uint8_t first_chunk;
    size_t chunk;
    uint16_t found[POSTURE_TLS_SUITES_MAX]; /* indices of tables->suites, as accepted */
    size_t found_count;
    uint8_t gone[POSTURE_TLS_SUITES_MAX]; /* accepted, by index */
};

enum posture_tls_phase {
    POSTURE_TLS_PHASE_OPENING, /* one question at a time, until the server says anything
                                  in TLS */
    POSTURE_TLS_PHASE_RUNNING,
    POSTURE_TLS_PHASE_OVER,
};

struct posture_tls_plan {
    const struct posture_tls_tables *tables;
    const char *server_name;
    enum posture_tls_phase phase;
    unsigned opening_step;
    unsigned opening_silences;
    bool opening_failed; /* the first hello, with every version, was not answered */
    bool is_second_pass;
    bool is_full_fine; /* a FULL hello was answered */
    bool is_length_intolerant;
    bool is_extension_intolerant;
    bool is_share_intolerant; /* TLS 1.3 only for those who bring a key share */
    unsigned asked;           /* number of the last question */
    unsigned answered; /* highest number of a question that was answered, not refused */
    bool is_proving;   /* the last question: does the server still answer? */
    int gate_lane;     /* runs alone until it knows which variant works; -1: none */
    enum posture_tls_variant start_variant;
    struct posture_tls_lane lanes[POSTURE_TLS_LANE_COUNT];
    uint16_t groups[POSTURE_TLS_GROUPS_MAX]; /* codes, as found */
    size_t group_count;
    uint8_t group13_gone[POSTURE_TLS_GROUPS_MAX]; /* by index of tables->groups */
    uint8_t group12_gone[POSTURE_TLS_GROUPS_MAX];
    uint16_t group13_first;
    bool group13_over; /* joint questions have shown that there are no more */
    bool are_versions_rechecked;
    unsigned contradictions; /* refusals that were taken back when asked again */
    uint32_t dhe_bits;
    unsigned
        captured; /* bit per enum posture_tls_authentication: chain seen in the clear */
    uint16_t leaf_group; /* curve of an EC leaf; 0: none */
    unsigned handshakes;
    enum posture_tls_authentication handshake_leaf;
    bool handshake_failed;
    struct posture_tls_depth depth;
    enum posture_tls_outcome failure; /* why phase is OVER without a version */
};

void posture_tls_plan_init(struct posture_tls_plan *plan,
                           const struct posture_tls_tables *tables,
                           const char *server_name);
/* true: *ret is to be asked. false: nothing now (answers are awaited), or the plan is
 * done. */
bool posture_tls_plan_next(struct posture_tls_plan *plan,
                           struct posture_tls_question *ret);
bool posture_tls_plan_is_done(const struct posture_tls_plan *plan);

/* After EVENT_HELLO: what else of the flight is worth waiting for. */
enum {
    POSTURE_TLS_WANT_CHAIN = 1 << 0,
    POSTURE_TLS_WANT_EXCHANGE = 1 << 1,
    POSTURE_TLS_WANT_STATUS = 1 << 2, /* a staple; with the chain that it is for */
    POSTURE_TLS_WANT_SEALED = 1 << 3, /* TLS 1.3: more than an encrypted alert */
};
/* A record of TLS 1.3 that is longer than this holds more than an alert. */
enum { POSTURE_TLS_SEALED_MIN = 100 };
unsigned posture_tls_plan_wants(const struct posture_tls_plan *plan,
                                const struct posture_tls_question *question,
                                const struct posture_tls_flight *flight,
                                const struct posture_tls_suite **ret_suite);
/* A chain was read: authentication of the suite (or of a handshake's leaf), curve of its
 * leaf. */
void posture_tls_plan_captured(struct posture_tls_plan *plan,
                               enum posture_tls_authentication authentication,
                               uint16_t leaf_group);
/* The same chain's staple was read. */
void posture_tls_plan_stapled(struct posture_tls_plan *plan,
                              enum posture_tls_authentication authentication);
/* A new leaf: its kind of key and its curve by the names of the tables (curve may be
 * NULL). */
void posture_tls_plan_leaf(struct posture_tls_plan *plan, const char *key_type,
                           const char *curve);
/* Before the answer to a question that is_handshake: what OpenSSL has learnt. */
void posture_tls_plan_learnt(struct posture_tls_plan *plan,
                             const struct posture_tls_question *question,
                             const struct posture_tls_session *session);
/* flight: may be NULL unless the outcome is ANSWERED (but for HANDSHAKE) or ALERTED. */
void posture_tls_plan_answer(struct posture_tls_plan *plan,
                             const struct posture_tls_question *question,
                             enum posture_tls_outcome outcome,
                             const struct posture_tls_flight *flight);
/* Time is up: whatever is not done is incomplete. */
void posture_tls_plan_stop(struct posture_tls_plan *plan);

#endif
