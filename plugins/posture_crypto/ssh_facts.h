/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#ifndef POSTURE_CRYPTO_SSH_FACTS_H
#define POSTURE_CRYPTO_SSH_FACTS_H

#include "common/checks/verdict.h"

/* What a check needs to know of an endpoint; the prober says what it could not measure to
 * its end. */
enum ssh_need {
    SSH_NEED_LISTS = 1 << 0,
    SSH_NEED_KEYS = 1 << 1,
    SSH_NEED_GEX = 1 << 2,
    SSH_NEED_ALL = (1 << 3) - 1,
};

/* One address of the subject. Members are borrowed from the facts and are of the type
 * that the schema gives, or NULL. */
struct ssh_endpoint {
    const char *address;
    bool is_left_out;     /* no route from here: not judged, but named */
    const char *unknown;  /* code of why its lists cannot be judged; NULL when they can */
    unsigned incomplete;  /* enum ssh_need: what is not whole */
    const char *protocol; /* of the banner: "2.0" */
    const json_t *kex;
    const json_t *host_key_algorithms;
    const json_t *ciphers[2]; /* client to server, server to client */
    const json_t *macs[2];
    const json_t *host_keys;
    bool has_gex;        /* sizes were asked, and each was given or refused */
    json_int_t gex_bits; /* smallest group; 0: none was given */
};

/* Reads one element of facts.ssh.endpoints; anything at all may stand there. */
void ssh_endpoint_read(const json_t *element, struct ssh_endpoint *ret);
/* The code of why a name gave no endpoint. */
const char *ssh_resolution_code(const json_t *facts);

/* The part that a name plays ("kex", "host_key", "cipher", "mac") as
 * schemas/ssh/algorithms.json has it; NULL: the profile's table has no such name. */
const json_t *ssh_algorithm(const struct posture_check_input *input, const char *role,
                            const char *name);
/* ext-info-s, kex-strict-s-v00@openssh.com …: in a list of methods, and none. */
bool ssh_is_indicator(const struct posture_check_input *input, const char *name);
/* Does the profile judge SSH: does it build on that table? */
bool ssh_is_asked(const struct posture_check_input *input);

#endif
