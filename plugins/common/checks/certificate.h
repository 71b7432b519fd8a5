/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#ifndef POSTURE_CHECKS_CERTIFICATE_H
#define POSTURE_CHECKS_CERTIFICATE_H

#include "common/checks/algorithm.h"

/*
 * Certificates as facts have them (schemas/facts/tls.schema.json,
 * chains[].certificates[]), the leaf first. What is not as the schema says is
 * "malformed", never a crash.
 */
enum { POSTURE_CERTIFICATE_ITEM_MAX = 96 };

/* Issuer and subject are the same name: a root. What it says of itself is not relied on.
 */
bool posture_certificate_is_self_issued(const json_t *certificate);

/* The public key: algorithm and strength. item becomes "rsa 2048", "ec secp256r1",
 * "ed25519". */
void posture_certificate_key_judge(const struct posture_check_input *input,
                                   const json_t *certificate, struct posture_finding *ret,
                                   char item[static POSTURE_CERTIFICATE_ITEM_MAX]);
/* The signature on it: scheme and hash. item becomes the algorithm's name. */
void posture_certificate_signature_judge(const struct posture_check_input *input,
                                         const json_t *certificate,
                                         struct posture_finding *ret,
                                         char item[static POSTURE_CERTIFICATE_ITEM_MAX]);
/* The same of any signature: algorithm by its IANA name, its signer's kind of key, its
 * hash; NULL: not known. */
void posture_signature_judge(const struct posture_check_input *input,
                             const char *algorithm, const char *key_type,
                             const char *hash, struct posture_finding *ret);
/* "not_before" or "not_after"; what is beyond the years 1678 to 2261 is the least or the
 * greatest instant. */
int posture_certificate_instant(const json_t *certificate, const char *key,
                                int64_t *ret_ns);
/* Validity at the date: offers pass, fail or unknown, with the instants at which it
 * changes. */
void posture_certificate_validity_judge(const struct posture_check_input *input,
                                        const json_t *certificate,
                                        struct posture_verdict *verdict);

#endif
