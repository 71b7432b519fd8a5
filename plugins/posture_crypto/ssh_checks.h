/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#ifndef POSTURE_CRYPTO_SSH_CHECKS_H
#define POSTURE_CRYPTO_SSH_CHECKS_H

#include "common/report/judge.h"

/* Facts of kind ssh (schemas/facts/ssh.schema.json) → results, one per check, in a fixed
 * order. Pure. */
extern const struct posture_check_set posture_ssh_checks;

#endif
