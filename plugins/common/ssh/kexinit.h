/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#ifndef POSTURE_SSH_KEXINIT_H
#define POSTURE_SSH_KEXINIT_H

#include "common/ssh/wire.h"

#include <jansson.h>

/* SSH_MSG_KEXINIT, RFC 4253 section 7.1. */
enum posture_ssh_list {
    POSTURE_SSH_LIST_KEX,
    POSTURE_SSH_LIST_HOST_KEY,
    POSTURE_SSH_LIST_CIPHER_C2S,
    POSTURE_SSH_LIST_CIPHER_S2C,
    POSTURE_SSH_LIST_MAC_C2S,
    POSTURE_SSH_LIST_MAC_S2C,
    POSTURE_SSH_LIST_COMPRESSION_C2S,
    POSTURE_SSH_LIST_COMPRESSION_S2C,
    POSTURE_SSH_LIST_LANGUAGE_C2S,
    POSTURE_SSH_LIST_LANGUAGE_S2C,
    POSTURE_SSH_LIST_COUNT
};
enum { POSTURE_SSH_NAMES_MAX = 128 /* of one list that are looked at */ };

struct posture_ssh_kexinit {
    uint8_t *payload; /* owned; NULL: none was read */
    struct posture_ssh_bytes lists[POSTURE_SSH_LIST_COUNT];
    bool is_truncated; /* a list has more names than are looked at */
};

/* Copies the payload. POSTURE_E_PROTOCOL: not as the RFC has it, or a name that is none
 * (empty, too long, not printable). */
int posture_ssh_kexinit_read(struct posture_ssh_bytes payload,
                             struct posture_ssh_kexinit *ret);
void posture_ssh_kexinit_done(struct posture_ssh_kexinit *kexinit);

/* The next name of a list; *state is 0 at first. False at its end. */
bool posture_ssh_list_next(struct posture_ssh_bytes list, size_t *state,
                           struct posture_ssh_bytes *ret_name);
bool posture_ssh_list_has(struct posture_ssh_bytes list, const char *name);
json_t *posture_ssh_list_json(struct posture_ssh_bytes list);

/* A KEXINIT of ours as a packet: one name each for key exchange and host key; ciphers,
 * MACs and compression are the server's own lists, so that it finds common ones. */
void posture_ssh_kexinit_write(const struct posture_ssh_kexinit *server, const char *kex,
                               const char *host_key, struct posture_buf *out);

#endif
