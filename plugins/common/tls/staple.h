/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#ifndef POSTURE_TLS_STAPLE_H
#define POSTURE_TLS_STAPLE_H

#include "common/tls/reader.h"

#include <jansson.h>

/*
 * A stapled OCSP answer → facts, member "ocsp_staple" of a chain. All parsing and
 * verifying is OpenSSL's. Nothing is asked of any responder.
 */
enum { POSTURE_TLS_STAPLE_SINGLES_MAX = 64 };

/* response: an OCSPResponse; NULL: none was served. certificates: the chain as served,
 * the leaf first. New reference; NULL when memory is out. */
json_t *posture_tls_staple_facts(const struct posture_tls_der *response,
                                 const struct posture_tls_der *certificates, size_t count,
                                 int64_t now_ns);

#endif
