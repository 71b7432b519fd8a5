/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#ifndef POSTURE_CRYPTO_WEB_WIRE_H
#define POSTURE_CRYPTO_WEB_WIRE_H

#include "common/http/client.h"

#include <jansson.h>

/* What a web server's answers say, as facts: endpoints[].http of
 * schemas/facts/tls.schema.json. Pure. New references; NULL: no memory. */

/* A Strict-Transport-Security field value (RFC 6797, section 6.1): {"max_age",
 * "include_subdomains", "preload"}, or {"invalid": true} when a user agent would ignore
 * it. */
json_t *web_hsts_facts(const char *value);
/* The answer over TLS. */
json_t *web_https_facts(const struct posture_http_response *response);
/* The answer over plain HTTP to url, at its port. */
json_t *web_plain_facts(const struct posture_http_response *response, const char *url,
                        uint16_t port);
json_t *web_error_facts(const char *code, const char *detail);

#endif
