/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#ifndef POSTURE_HTTP_CLIENT_H
#define POSTURE_HTTP_CLIENT_H

#include "common/base/error.h"
#include "common/base/mem.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>
#include <uv.h>

/*
 * One HTTP request at a time and address, by libcurl's multi interface on the loop. The
 * address that the caller checked is the one connected to; nothing is resolved, no proxy
 * is used, no redirect is followed, no cookie or credential is sent.
 */
enum {
    POSTURE_HTTP_HEADERS_MAX = 128,
    POSTURE_HTTP_HEAD_MAX = 64 * 1024,
    POSTURE_HTTP_DETAIL_MAX = 160,
};

enum posture_http_error {
    POSTURE_HTTP_OK,
    POSTURE_HTTP_REFUSED,     /* TCP: connection refused */
    POSTURE_HTTP_NO_ROUTE,    /* TCP: this host has no route */
    POSTURE_HTTP_UNREACHABLE, /* TCP: other errors */
    POSTURE_HTTP_TIMEOUT,
    POSTURE_HTTP_CLOSED,   /* ended or reset before the head was whole */
    POSTURE_HTTP_TLS,      /* no TLS session, or the certificate was refused */
    POSTURE_HTTP_NOT_HTTP, /* the bytes are something else */
    POSTURE_HTTP_TOO_LARGE,
    POSTURE_HTTP_FAILED, /* anything else; detail says it */
};
const char *posture_http_error_name(enum posture_http_error error); /* "refused" */

struct posture_http_request {
    const char *url;                /* absolute, http or https */
    const struct sockaddr *address; /* where the URL's host is; its port is not used */
    uint32_t timeout_ms;            /* of the whole exchange */
    size_t body_max;  /* bytes of body that are kept; 0: none, the connection ends after
                         the head */
    bool is_verified; /* chain and name are checked; else any certificate will do */
};

struct posture_http_header {
    const char *name; /* as sent; compared without regard to case */
    const char *value;
};

/* Lives as long as the callback. */
struct posture_http_response {
    enum posture_http_error error;
    char detail[POSTURE_HTTP_DETAIL_MAX];
    long status; /* 0 when there is no head */
    struct posture_http_header headers[POSTURE_HTTP_HEADERS_MAX];
    size_t header_count;
    const char *body; /* NUL after its end */
    size_t body_len;
    bool is_truncated; /* headers or body were cut */
};
/* The value of the first header of the name, NULL when there is none. */
const char *posture_http_header_find(const struct posture_http_response *response,
                                     const char *name);

struct posture_http_client;
int posture_http_client_new(uv_loop_t *loop, struct posture_http_client **ret);
/* Every call is cancelled; the handles close in the loop, the memory goes with them. */
void posture_http_client_close(struct posture_http_client *client);

struct posture_http_call;
/* Runs once, in the loop, never from within posture_http_get(). */
typedef void posture_http_cb(void *data, const struct posture_http_response *response);
/* Strings are copied. */
int posture_http_get(struct posture_http_client *client,
                     const struct posture_http_request *request, posture_http_cb *done,
                     void *data, struct posture_http_call **ret);
/* No callback comes any more. */
void posture_http_cancel(struct posture_http_call *call);

/* Where a Location header leads from a URL (RFC 9110, section 10.2.2). POSTURE_E_FORMAT
 * when it is no URL. scheme is lower case; a name is lower case, without trailing dot,
 * an IPv6 literal without brackets. */
struct posture_http_target {
    char scheme[16];
    char host[256];
    uint16_t port;
};
int posture_http_location(const char *url, const char *location,
                          struct posture_http_target *ret);

#endif
