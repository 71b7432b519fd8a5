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
host_check_fn host_sshd_algorithms_check;
host_check_fn host_sshd_login_check;
host_check_fn host_disk_encryption_check;
host_check_fn host_disk_cipher_check;
host_check_fn host_swap_check;
host_check_fn host_time_check;
host_check_fn host_wlan_check;

/* Why a fact is missing, as a reason's code: facts.errors[what]. NULL: it is not. */
const char *host_error_reason(const json_t *facts, const char *what);
/* A row of the profile by class and name: as posture_algorithm_judge(), with the words of
 * this kind's features. */
void host_feature_offer(const struct posture_check_input *input, const char *cls,
                        const char *name, const char *item,
                        struct posture_verdict *verdict);
/* Something that a profile's row of class "host_feature" calls a weakness. Present: fail
 * or warn by the row's tier, code found, the item listed; else pass, code fine. Without
 * the row the profile does not ask. */
struct host_weakness {
    const char *feature;
    const char *item;
    bool is_present;
};
void host_weakness_offer(const struct posture_check_input *input,
                         const struct host_weakness *weakness, const char *found,
                         const char *fine, struct posture_verdict *verdict);

#endif
