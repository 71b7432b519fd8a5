/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#ifndef POSTURE_CRYPTO_HOST_CHECK_H
#define POSTURE_CRYPTO_HOST_CHECK_H

#include "common/checks/algorithm.h"

/*
 * One check of kind host. It offers at least one judgement; topic: the member of the
 * facts that it is about, an object (possibly empty). What facts.errors says is missing
 * is the caller's matter: what is here is judged as if it were all.
 */
typedef void host_check_fn(const struct posture_check_input *input, const json_t *topic,
                           struct posture_verdict *verdict);

host_check_fn host_openssl_check;
host_check_fn host_gnutls_check;
host_check_fn host_crypto_policy_check;

/* Why a fact is missing, as a reason's code: facts.errors[what]. NULL: it is not. */
const char *host_error_reason(const json_t *facts, const char *what);
/* A row of the profile by class and name: as posture_algorithm_judge(), with the words of
 * this kind's features. */
void host_feature_offer(const struct posture_check_input *input, const char *cls,
                        const char *name, const char *item,
                        struct posture_verdict *verdict);

#endif
