/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#ifndef POSTURE_CRITERIA_HTTP_CACHE_H
#define POSTURE_CRITERIA_HTTP_CACHE_H

#include "posture_criteria/page.h"

#include <microhttpd.h>

/* The answers of the HTTP server: which there are, how each is made, and those that are
 * made already. */

enum posture_http_route {
    POSTURE_ROUTE_OVERVIEW,
    POSTURE_ROUTE_AREA,
    POSTURE_ROUTE_AGENCY,
    POSTURE_ROUTE_CRITERION,
    POSTURE_ROUTE_EVALUATIONS,
    POSTURE_ROUTE_METRICS,
    POSTURE_ROUTE_PUBLIC,
    POSTURE_ROUTE_HEALTH,
    POSTURE_ROUTE_NONE,
};

/* *ret_id: what follows the route's path, "" without; points into url. */
enum posture_http_route posture_http_route_find(const char *url, const char **ret_id);
bool posture_http_route_is_page(enum posture_http_route route);

/* What answers are made from. */
struct posture_http_source {
    struct posture_page_model
        *model; /* owned by the server; NULL before the first publish */
    const struct posture_check_registry *checks;
    uint32_t refresh_s;
    bool has_tls;
    char csp[256];
    uint64_t renders; /* answers made */
};
/* Fills csp: no script, no frame, nothing from elsewhere; the one style sheet by its
 * hash. */
int posture_http_source_init(struct posture_http_source *source);

/* A response that takes the body (malloc), with the headers that every answer has; NULL
 * when memory is out. */
struct MHD_Response *posture_http_response_take(const struct posture_http_source *source,
                                                char *body, size_t len, const char *type);

/* One answer, kept until the next publish (pages: until the minute is over, since they
 * show ages). */
struct posture_http_entry;
const char *posture_http_entry_etag(const struct posture_http_entry *entry);
struct MHD_Response *posture_http_entry_response(const struct posture_http_entry *entry,
                                                 bool is_not_modified);

enum { POSTURE_HTTP_BUCKETS = 512 };
struct posture_http_cache {
    struct posture_http_entry *buckets[POSTURE_HTTP_BUCKETS];
    size_t bytes;
};
/* variant: language of a page, format of an exposition. The entry lives until the next
 * call of either function. POSTURE_E_MISSING for an id that the model does not have,
 * -ENOMEM, POSTURE_E_LIMIT. */
int posture_http_cache_get(struct posture_http_cache *cache,
                           struct posture_http_source *source,
                           enum posture_http_route route, int variant, const char *id,
                           struct posture_http_entry **ret_entry);
void posture_http_cache_clear(struct posture_http_cache *cache);

#endif
