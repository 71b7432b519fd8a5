/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#ifndef POSTURE_REPORT_SUBJECT_H
#define POSTURE_REPORT_SUBJECT_H

#include "common/base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * A subject is one thing measured, a URI in one spelling (DESIGN section 2, Words):
 * scheme and host lower case, A-labels, no trailing dot, IPv6 in RFC 5952 within
 * brackets, port always written;
 * '|', space and controls percent-encoded.
 */
enum { POSTURE_SUBJECT_MAX = 512 };

struct posture_subject {
    char text[POSTURE_SUBJECT_MAX]; /* the canonical URI */
    char scheme[16];
    char host[256];  /* without brackets; "" when the scheme has none */
    uint16_t port;   /* 0 when the scheme has none */
    bool is_literal; /* host is an address literal */
};

/* The host of a subject in its one spelling: IPv6 and IPv4 literals, names as A-labels in
 * lower case, no trailing dot. A last label that is a number is refused unless the name
 * is never resolved (resolvers read "0x7f.1" as an address). POSTURE_E_FORMAT. */
struct posture_host {
    char text[256];
    bool is_literal;
    bool is_ipv6;
};
int posture_host_parse(const char *text, size_t len, bool is_resolved,
                       struct posture_host *ret, struct posture_error *reterr);

/* Reads any spelling a person would write ("www.Example.go.jp", "tls://[::1]",
 * "example.jp:8443"); default_scheme (may be NULL) is used when there is none; the port
 * defaults to the scheme's (tls and https 443, smtp 25, ssh 22 …; "https" becomes "tls").
 * Non-ASCII hosts become A-labels. POSTURE_E_FORMAT says what was expected. */
int posture_subject_parse(const char *text, const char *default_scheme,
                          struct posture_subject *ret, struct posture_error *reterr);
/* True when the text is a subject in its canonical spelling. */
bool posture_subject_is_canonical(const char *text);
/* The kind that measures a scheme ("tls" -> "tls"); NULL when none does. */
const char *posture_subject_kind(const char *scheme);
/* May a report of this kind have a subject of this scheme? ("host" is of kinds host and
 * ipv6.) */
bool posture_subject_fits_kind(const char *scheme, const char *kind);
/* Inventory patterns, as in "tls:" "//" "*.moj.example:443": '*' matches any run of
 * characters but '/' and
 * ':'; '.' is not special. */
bool posture_subject_matches(const char *pattern, const char *subject);

/* True when the pattern would be a canonical subject with each '*' replaced by a letter.
 */
bool posture_pattern_is_canonical(const char *pattern);

/* Message key "agency|reporter|kind|subject". -1000s when one part holds '|' or it is too
 * long. */
enum { POSTURE_KEY_MAX = 1024 };
int posture_key_format(const char *agency, const char *reporter, const char *kind,
                       const char *subject, char buf[static POSTURE_KEY_MAX]);
struct posture_key {
    char agency[64];
    char reporter[256];
    char kind[32];
    char subject[POSTURE_SUBJECT_MAX];
};
int posture_key_parse(const char *bytes, size_t len, struct posture_key *ret);
bool posture_agency_is_valid(const char *id); /* [a-z0-9][a-z0-9.-]{0,62} */

#endif
