/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#ifndef POSTURE_CRYPTO_TLS_CHECK_H
#define POSTURE_CRYPTO_TLS_CHECK_H

#include "common/checks/certificate.h"
#include "posture_crypto/tls_facts.h"

/* One check on one endpoint of which something was measured. Lists that are not whole are
 * the caller's matter: what is here is judged as if it were all. */
typedef void tls_check_fn(const struct posture_check_input *input,
                          const struct tls_endpoint *endpoint,
                          struct posture_verdict *verdict);

tls_check_fn tls_version_check;
tls_check_fn tls_suites_check;
tls_check_fn tls_key_exchange_check;
tls_check_fn tls_forward_secrecy_check;
tls_check_fn tls_groups_check;
tls_check_fn tls_pq_hybrid_check;
tls_check_fn tls_cert_key_check;
tls_check_fn tls_cert_signature_check;
tls_check_fn tls_cert_validity_check;
tls_check_fn tls_cert_chain_check;
tls_check_fn tls_cert_name_check;
tls_check_fn tls_https_redirect_check;
tls_check_fn tls_hsts_check;
tls_check_fn tls_cert_form_check;
tls_check_fn tls_cert_lifetime_check;
tls_check_fn tls_cert_revocation_check;
tls_check_fn tls_cert_serial_check;
tls_check_fn tls_cert_transparency_check;
tls_check_fn tls_cert_usage_check;
tls_check_fn tls_cert_wildcard_check;
tls_check_fn tls_gl3001_check;
tls_check_fn tls_strength_check;
tls_check_fn tls_signature_algorithms_check;
tls_check_fn tls_extended_master_secret_check;
tls_check_fn tls_renegotiation_check;
tls_check_fn tls_compression_check;
tls_check_fn tls_early_data_check;
tls_check_fn tls_ocsp_stapling_check;
/* Also of an endpoint of which nothing else is known. */
tls_check_fn tls_starttls_check;

/* Cipher, mode and MAC of a suite; its exchange and authentication. */
void tls_suite_judge(const struct posture_check_input *input,
                     const struct tls_suite *suite, struct posture_finding *ret);
void tls_exchange_judge(const struct posture_check_input *input,
                        const struct tls_suite *suite, struct posture_finding *ret);

/* Offers unknown: a list that the verdict rests on is not there or not whole. */
void tls_incomplete_offer(struct posture_verdict *verdict, const char *what);

/* Which kinds of key agreement the endpoint's suites use. */
struct tls_agreement {
    bool has_ec;      /* ECDHE up to TLS 1.2, or any suite of TLS 1.3 */
    bool has_dhe;     /* finite field, up to TLS 1.2 */
    bool has_unknown; /* a suite without a row in the registry */
};
void tls_agreement_find(const struct posture_check_input *input,
                        const struct tls_endpoint *endpoint, struct tls_agreement *ret);
/* The smallest prime of DHE; item becomes "dhe 2048". */
enum { TLS_DHE_ITEM_MAX = 32 };
void tls_dhe_judge(const struct posture_check_input *input,
                   const struct tls_endpoint *endpoint, struct posture_finding *ret,
                   char item[static TLS_DHE_ITEM_MAX]);

#endif
