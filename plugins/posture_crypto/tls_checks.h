/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#ifndef POSTURE_CRYPTO_TLS_CHECKS_H
#define POSTURE_CRYPTO_TLS_CHECKS_H

#include "common/report/judge.h"

/* Facts of kind tls (schemas/facts/tls.schema.json) → results, one per check, in a fixed
 * order. Pure. */
extern const struct posture_check_set posture_tls_checks;

#endif
