/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#ifndef POSTURE_TLS_CERTIFICATE_INTERNAL_H
#define POSTURE_TLS_CERTIFICATE_INTERNAL_H

#include "common/tls/certificate.h"

#include <openssl/x509v3.h>

/* Parts of certificate.c; each returns a new reference, NULL when memory is out.
 * OpenSSL's error queue is left empty. */

/* Foreign text as a JSON string of at most max bytes; what is not well-formed becomes
 * \xHH. */
json_t *posture_tls_text_json(const char *bytes, size_t len, size_t max);
json_t *posture_tls_asn1_text_json(const ASN1_STRING *text, size_t max);
json_t *posture_tls_time_json(const ASN1_TIME *time);
/* Dotted decimal; "0.0" when it cannot be written or is too long. */
enum { POSTURE_TLS_OID_TEXT = 80 };
void posture_tls_oid_text(const ASN1_OBJECT *object,
                          char buf[static POSTURE_TLS_OID_TEXT]);

/* One certificate. budget as in posture_tls_chain_facts(); with_names: false leaves
 * "sans" out (certificates of a store). */
json_t *posture_tls_certificate_json(X509 *cert, const struct posture_tls_trust *trust,
                                     bool with_names, size_t *budget);
json_t *posture_tls_key_json(X509 *cert);
json_t *posture_tls_signature_json(X509 *cert);
json_t *posture_tls_extensions_json(X509 *cert);
json_t *posture_tls_sans_json(X509 *cert, const struct posture_tls_trust *trust,
                              size_t *budget);

/* RFC 9525: "ok", "mismatch" or "no_san"; ret_matched: the name of the certificate that
 * matched (new reference) or NULL. */
const char *posture_tls_name_check(X509 *leaf, const char *host, bool is_literal,
                                   json_t **ret_matched);
/* "public" or "private" (a section of the public suffix list): the wildcard's parent is a
 * suffix under which strangers register names. NULL: it is not, or no list is there. */
const char *posture_tls_wildcard_suffix(const struct posture_tls_trust *trust,
                                        const char *name);

/* Member "verification". certificates: facts of those served, in order (elements of a
 * list that was cut may be missing); authority_key_id.matches is set in them. */
json_t *posture_tls_verification_json(const struct posture_tls_chain_input *input,
                                      STACK_OF(X509) * served, json_t *certificates,
                                      size_t *budget);
/* Member "crl" of the verification: what the lists say of each certificate of the path
 * that has an issuer in it. */
json_t *posture_tls_crls_json(struct posture_tls_crls *crls, STACK_OF(X509) * path,
                              int64_t at_ns);

/* Public suffix list of the trust; const void so that only its readers see the library.
 */
const void *posture_tls_trust_suffixes(const struct posture_tls_trust *trust);

#endif
