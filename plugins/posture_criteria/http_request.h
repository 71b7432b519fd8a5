/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#ifndef POSTURE_CRITERIA_HTTP_REQUEST_H
#define POSTURE_CRITERIA_HTTP_REQUEST_H

#include "common/report/checks.h"

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

/* What requests say and what may listen where: the pure half of http.c. Header values may
 * be NULL. */

/* "[address]:port" or "address:port" of a literal address. POSTURE_E_FORMAT. */
int posture_http_address_parse(const char *text, struct sockaddr_storage *ret_address,
                               socklen_t *ret_len);
bool posture_http_address_is_loopback(const struct sockaddr_storage *address);

/* The language that ?lang= names, else the one that Accept-Language likes best, else
 * English. */
enum posture_lang posture_http_language(const char *query, const char *accept_language);
/* Whether Accept names OpenMetrics with a weight above 0 and not below that of
 * text/plain. */
bool posture_http_wants_openmetrics(const char *accept);
/* Whether If-None-Match (a list, or *) has the entity tag; weak comparison (RFC
 * 9110, 8.8.3.2). */
bool posture_http_etag_matches(const char *if_none_match, const char *etag);

enum { POSTURE_HTTP_DIGEST = 32 };
/* SHA-256 of the token without the white space around it. */
int posture_http_token_digest(const char *token,
                              uint8_t ret_digest[static POSTURE_HTTP_DIGEST]);
/* Authorization: Bearer TOKEN, or Basic with it as password. Takes the same time wherever
 * they differ. */
bool posture_http_token_matches(const uint8_t digest[static POSTURE_HTTP_DIGEST],
                                const char *authorization);

/* Whether Host is a loopback literal, localhost, or one of names (ends with NULL; may be
 * NULL). */
bool posture_http_host_is_local(const char *host, const char *const *names);

#endif
