/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#ifndef POSTURE_SSH_PUBLIC_H
#define POSTURE_SSH_PUBLIC_H

#include "common/ssh/wire.h"

/*
 * Our side of a key exchange: constant public values that every server accepts (a curve's
 * base point, a number of the right subgroup, a key encapsulation key of zeros). Nobody
 * here knows, computes or needs a secret: the reply is read for the server's host key,
 * then the connection ends.
 */

/* The value of a component ("x25519", "secp256r1", "mlkem768" …) appended. False: it is
 * not known here. */
bool posture_ssh_public_add(const char *component, struct posture_buf *out);
/* Length of that value; 0: not known here. */
size_t posture_ssh_public_len(const char *component);
/* For a finite-field group of 1024 bits or more: a square, so that it is of the prime
 * subgroup of every safe prime. As an mpint's bytes. */
struct posture_ssh_bytes posture_ssh_public_dh(void);

#endif
