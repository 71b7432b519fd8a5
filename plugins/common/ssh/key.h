/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#ifndef POSTURE_SSH_KEY_H
#define POSTURE_SSH_KEY_H

#include "common/ssh/wire.h"

#include <jansson.h>

/* Facts of a host key as a server sends it (RFC 4253 section 6.6, RFC 5656, RFC 8709,
 * OpenSSH PROTOCOL.certkeys): {"key": {"type", "bits", "curve"}, "sha256"}; of a
 * certificate also "certificate" with its CA's key. A key of a kind that is not known has
 * its type's name alone. POSTURE_E_PROTOCOL: it is not what its type says. */
int posture_ssh_key_facts(struct posture_ssh_bytes blob, json_t **ret_facts);

/* The algorithm that a signature says it is of; "" when that is no name. */
void posture_ssh_signature_name(struct posture_ssh_bytes signature,
                                char ret_name[static POSTURE_SSH_NAME_MAX + 1]);

#endif
