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
host_check_fn host_file_sharing_check;
host_check_fn host_updates_check;
host_check_fn host_reboot_check;
host_check_fn host_malware_check;
host_check_fn host_backup_check;

/* Why a fact is missing, as a reason's code: facts.errors[what]. NULL: it is not. */
const char *host_error_reason(const json_t *facts, const char *what);
/* Unknown with that reason, when it is missing. */
void host_missing_offer(const struct posture_check_input *input, const char *what,
                        struct posture_verdict *verdict);
/* A row of the profile by class and name: as posture_algorithm_judge(), with the words of
 * this kind's features. */
void host_feature_offer(const struct posture_check_input *input, const char *cls,
                        const char *name, const char *item,
                        struct posture_verdict *verdict);
/* Something that a profile's row of class "host_feature" calls a weakness. Present: fail
 * or warn by the row's tier, code found, the item (if any) listed; else pass, code fine.
 * Without the row the profile does not ask. */
struct host_weakness {
    const char *feature;
    const char *item;
    bool is_present;
};
void host_weakness_offer(const struct posture_check_input *input,
                         const struct host_weakness *weakness, const char *found,
                         const char *fine, struct posture_verdict *verdict);

/* How old a thing of some instant may be: rows of class "host_age", whose min is in days;
 * the verdict changes by time alone where a row ends. NA: the profile does not ask. */
struct host_age {
    const char *name;                 /* of the row */
    int64_t time_ns;                  /* INT64_MIN: never */
    uint64_t days;                    /* out */
    int64_t until_ns;                 /* out: INT64_MAX: for ever */
    enum posture_certainty certainty; /* out */
};
enum posture_result_status host_age_judge(const struct posture_check_input *input,
                                          struct host_age *age);
/* Offers what an age came to; item: what is so old. */
void host_age_offer(const struct host_age *age, enum posture_result_status status,
                    const char *code, const char *item, struct posture_verdict *verdict);
/* object[key] as an instant. */
bool host_time_of(const json_t *object, const char *key, int64_t *ret_ns);

#endif
