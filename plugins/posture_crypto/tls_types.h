/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#ifndef POSTURE_CRYPTO_TLS_TYPES_H
#define POSTURE_CRYPTO_TLS_TYPES_H

#include "posture_crypto/tls_check.h"

/*
 * The types of a TLS guideline (CRYPTREC GL-3001: high, recommended, exception), member
 * tls_types of a profile, the best first. Whether a server meets a type: yes, no, or not
 * to be told; with the first thing that decides.
 */
enum tls_meets { TLS_MEETS_YES, TLS_MEETS_UNKNOWN, TLS_MEETS_NO };

struct tls_obstacle {
    enum tls_meets meets;
    bool is_missing; /* the item is not offered, though the type asks for it */
    char item[POSTURE_VERDICT_TEXT_MAX];
    int64_t valid_until_ns;
    enum posture_certainty
        certainty; /* of the rule that decides; of all rules when met */
};

/* NULL when the profile has no types. */
const json_t *tls_types_of(const struct posture_check_input *input);
const char *tls_type_id(const json_t *type);
/* What the type is worth: pass, warn … */
enum posture_result_status tls_type_result(const json_t *type);

void tls_type_versions(const json_t *type, const struct tls_endpoint *endpoint,
                       struct tls_obstacle *ret);
/* Versions, suites, agreement and certificate together. */
void tls_type_all(const struct posture_check_input *input, const json_t *type,
                  const struct tls_endpoint *endpoint, struct tls_obstacle *ret);

#endif
