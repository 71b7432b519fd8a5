/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#ifndef POSTURE_SSH_PLAN_H
#define POSTURE_SSH_PLAN_H

#include "common/ssh/tables.h"

/*
 * What to ask of one address, and what its answers mean; no I/O. One connection after
 * another: the first learns the lists and reads one host key, each later one reads one
 * host key, one size of DH group exchange, or both. A server that turns connections away
 * is asked again after a pause, a few times; what it then does not say stays unknown.
 */
enum {
    POSTURE_SSH_KEYS_MAX = 16, /* host keys of one server */
    POSTURE_SSH_SIZES = 5,     /* sizes asked of DH group exchange */
};

enum posture_ssh_state {
    POSTURE_SSH_STATE_PENDING,
    POSTURE_SSH_STATE_ASKED,
    POSTURE_SSH_STATE_KNOWN,
    POSTURE_SSH_STATE_REFUSED, /* sizes only: the server gives none */
    POSTURE_SSH_STATE_UNKNOWN, /* could not be measured */
};

struct posture_ssh_key {
    struct posture_ssh_bytes name;                /* of the server's list, asked for */
    const struct posture_ssh_host_key *algorithm; /* NULL: a name that we do not know */
    enum posture_ssh_state state;
    unsigned failures;
    json_t *facts; /* when known */
};

struct posture_ssh_size {
    uint32_t min, preferred, max;
    enum posture_ssh_state state;
    size_t modulus; /* bits, when known */
};

enum posture_ssh_outcome {
    POSTURE_SSH_ANSWERED,
    POSTURE_SSH_REFUSED,
    POSTURE_SSH_NO_CONNECT,
    POSTURE_SSH_NO_ROUTE,
    POSTURE_SSH_UNREACHABLE,
    POSTURE_SSH_RESET,
    POSTURE_SSH_CLOSED,
    POSTURE_SSH_DISCONNECTED, /* SSH_MSG_DISCONNECT */
    POSTURE_SSH_TIMED_OUT,
    POSTURE_SSH_NOT_SSH,
    POSTURE_SSH_VERSION_1, /* only SSH-1 */
    POSTURE_SSH_PROTOCOL_ERROR,
    POSTURE_SSH_TOO_LARGE,
    POSTURE_SSH_RATE_LIMITED,
    POSTURE_SSH_DEADLINE,
};

struct posture_ssh_question {
    const struct posture_ssh_kex *kex; /* NULL: the lists are not known yet */
    struct posture_ssh_bytes host_key; /* name for our KEXINIT */
    struct posture_ssh_key *key;       /* wanted; NULL: none */
    struct posture_ssh_size *size;     /* wanted; NULL: none */
};

struct posture_ssh_plan {
    const struct posture_ssh_tables *tables;
    struct posture_ssh_kexinit server;
    bool is_inconsistent;              /* two connections gave different lists */
    bool has_more_keys;                /* than are asked */
    const struct posture_ssh_kex *kex; /* the cheapest without group exchange, or NULL */
    const struct posture_ssh_kex *gex; /* or NULL */
    struct posture_ssh_key keys[POSTURE_SSH_KEYS_MAX];
    size_t key_count;
    struct posture_ssh_size sizes[POSTURE_SSH_SIZES];
    bool is_gex_risky; /* a host key failed together with a size: no more of that */
    unsigned setbacks; /* connections turned away */
    bool is_done;
    bool has_failure;
    enum posture_ssh_outcome failure; /* what ended it before its end */
};

void posture_ssh_plan_init(struct posture_ssh_plan *plan,
                           const struct posture_ssh_tables *tables);
void posture_ssh_plan_done(struct posture_ssh_plan *plan);

/* The next question. False: there is none, the plan is at its end. */
bool posture_ssh_plan_next(struct posture_ssh_plan *plan,
                           struct posture_ssh_question *ret);
/* The server's KEXINIT came. Completes a question that was asked before the lists were
 * known: its kex stays NULL when nothing can be asked. POSTURE_E_PROTOCOL, -ENOMEM. */
int posture_ssh_plan_learn(struct posture_ssh_plan *plan,
                           struct posture_ssh_bytes payload,
                           struct posture_ssh_question *question);
/* The group that the server gives for the question's size. */
void posture_ssh_plan_modulus(struct posture_ssh_plan *plan,
                              struct posture_ssh_question *question, size_t bits);
/* The reply's host key and signature. POSTURE_E_PROTOCOL: it is not one. */
int posture_ssh_plan_host_key(struct posture_ssh_plan *plan,
                              struct posture_ssh_question *question,
                              struct posture_ssh_bytes blob,
                              struct posture_ssh_bytes signature);
/* The connection of the question is over. has_kexinit: after the server's KEXINIT came.
 * Returns the pause in milliseconds that is due before the next one. */
unsigned posture_ssh_plan_answer(struct posture_ssh_plan *plan,
                                 struct posture_ssh_question *question,
                                 enum posture_ssh_outcome outcome, bool has_kexinit);
/* Time is up: what is pending stays unknown. */
void posture_ssh_plan_stop(struct posture_ssh_plan *plan);

#endif
