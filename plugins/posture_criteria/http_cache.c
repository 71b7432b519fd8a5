/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#include "posture_criteria/http_cache.h"

#include "common/base/clock.h"
#include "common/base/parse.h"
#include "common/report/json.h"
#include "posture_criteria/http_request.h"
#include "posture_criteria/metrics.h"

#include <openssl/evp.h>

#include <errno.h>
#include <string.h>

enum {
    BODY_MAX = 64 * 1024 * 1024,
    CACHE_MAX = 128 * 1024 * 1024,
};

static const struct {
    const char *path;
    enum posture_http_route route;
    bool has_id;
} routes[] = {
    {"/", POSTURE_ROUTE_OVERVIEW, false},
    {"/area/", POSTURE_ROUTE_AREA, true},
    {"/agency/", POSTURE_ROUTE_AGENCY, true},
    {"/criterion/", POSTURE_ROUTE_CRITERION, true},
    {"/evaluations.json", POSTURE_ROUTE_EVALUATIONS, false},
    {"/metrics", POSTURE_ROUTE_METRICS, false},
    {"/metrics/public", POSTURE_ROUTE_PUBLIC, false},
    {"/healthz", POSTURE_ROUTE_HEALTH, false},
};

/* One answer, kept until the next publish (pages: until the minute is over, since they
 * show ages). */
struct posture_http_entry {
    struct posture_http_entry *next;
    enum posture_http_route route;
    int variant; /* language, or format of the exposition */
    int64_t minute;
    char *id;
    char etag[40];
    size_t size;
    struct MHD_Response *full, *not_modified;
};

int posture_http_source_init(struct posture_http_source *source)
{
    const char *style = posture_page_style();
    uint8_t digest[POSTURE_HTTP_DIGEST];
    unsigned char hash[48];

    if (EVP_Digest(style, strlen(style), digest, NULL, EVP_sha256(), NULL) != 1)
        return -ENOMEM;
    EVP_EncodeBlock(hash, digest, sizeof(digest));
    snprintf(source->csp, sizeof(source->csp),
             "default-src 'none'; style-src 'sha256-%s'; img-src data:; base-uri 'none'; "
             "form-action 'none'; frame-ancestors 'none'",
             (const char *)hash);
    return 0;
}

bool posture_http_route_is_page(enum posture_http_route route)
{
    return route <= POSTURE_ROUTE_CRITERION;
}

enum posture_http_route posture_http_route_find(const char *url, const char **ret_id)
{
    *ret_id = "";
    for (size_t i = 0; i < POSTURE_COUNT(routes); i++) {
        size_t len = strlen(routes[i].path);

        if (!routes[i].has_id && strcmp(url, routes[i].path) == 0)
            return routes[i].route;
        if (routes[i].has_id && strncmp(url, routes[i].path, len) == 0 && url[len]) {
            *ret_id = url + len;
            return routes[i].route;
        }
    }
    return POSTURE_ROUTE_NONE;
}

static void headers_add(const struct posture_http_source *source,
                        struct MHD_Response *response, const char *type)
{
    MHD_add_response_header(response, "Content-Type", type);
    MHD_add_response_header(response, "Content-Security-Policy", source->csp);
    MHD_add_response_header(response, "X-Content-Type-Options", "nosniff");
    MHD_add_response_header(response, "X-Frame-Options", "DENY");
    MHD_add_response_header(response, "Referrer-Policy", "no-referrer");
    MHD_add_response_header(response, "Cross-Origin-Resource-Policy", "same-origin");
    MHD_add_response_header(response, "Cross-Origin-Opener-Policy", "same-origin");
    MHD_add_response_header(response, "Cache-Control", "private, no-cache");
    if (source->has_tls)
        MHD_add_response_header(response, "Strict-Transport-Security",
                                "max-age=31536000");
}

static void entry_free(struct posture_http_entry *entry)
{
    if (entry->full)
        MHD_destroy_response(entry->full);
    if (entry->not_modified)
        MHD_destroy_response(entry->not_modified);
    free(entry->id);
    free(entry);
}

void posture_http_cache_clear(struct posture_http_cache *cache)
{
    for (size_t i = 0; i < POSTURE_HTTP_BUCKETS; i++) {
        while (cache->buckets[i]) {
            struct posture_http_entry *entry = cache->buckets[i];

            cache->buckets[i] = entry->next;
            entry_free(entry);
        }
    }
    cache->bytes = 0;
}

static size_t bucket_of(enum posture_http_route route, int variant, const char *id)
{
    uint32_t h = 2166136261u; /* FNV-1a */

    for (const char *p = id; *p; p++)
        h = (h ^ (unsigned char)*p) * 16777619u;
    return (h ^ (uint32_t)route * 31u ^ (uint32_t)variant * 7u) % POSTURE_HTTP_BUCKETS;
}

static int etag_make(const char *bytes, size_t len, char ret_etag[static 40])
{
    uint8_t digest[POSTURE_HTTP_DIGEST];
    char hex[33];

    if (EVP_Digest(bytes, len, digest, NULL, EVP_sha256(), NULL) != 1)
        return -ENOMEM;
    posture_hex(digest, 16, hex);
    snprintf(ret_etag, 40, "\"%s\"", hex);
    return 0;
}

static int body_write(struct posture_http_source *source, enum posture_http_route route,
                      int variant, const char *id, struct posture_buf *out)
{
    struct posture_page_view view = {
        .model = source->model,
        .checks = source->checks,
        .lang = (enum posture_lang)variant,
        .now_ns = posture_now_ns(),
        .refresh_s = source->refresh_s,
    };

    source->renders++;
    switch (route) {
    case POSTURE_ROUTE_OVERVIEW:
        return posture_page_overview(&view, out);
    case POSTURE_ROUTE_AREA:
        return posture_page_area(&view, id, out);
    case POSTURE_ROUTE_AGENCY:
        return posture_page_agency(&view, id, out);
    case POSTURE_ROUTE_CRITERION:
        return posture_page_criterion(&view, id, out);
    case POSTURE_ROUTE_METRICS:
        return posture_metrics_write(source->model->json,
                                     (enum posture_exposition)variant, out);
    case POSTURE_ROUTE_PUBLIC:
        return posture_metrics_write_public(source->model->json,
                                            (enum posture_exposition)variant, out);
    case POSTURE_ROUTE_EVALUATIONS: {
        size_t len = 0;
        POSTURE_AUTO_FREE char *text = posture_json_compact(source->model->json, &len);

        if (!text)
            return -ENOMEM;
        posture_buf_add(out, text, len);
        posture_buf_addc(out, '\n');
        return posture_buf_error(out);
    }
    default:
        return POSTURE_E_MISSING;
    }
}

static const char *route_type(enum posture_http_route route, int variant)
{
    if (posture_http_route_is_page(route))
        return "text/html; charset=utf-8";
    if (route == POSTURE_ROUTE_EVALUATIONS)
        return "application/json";
    return posture_exposition_type((enum posture_exposition)variant);
}

struct MHD_Response *posture_http_response_take(const struct posture_http_source *source,
                                                char *body, size_t len, const char *type)
{
    struct MHD_Response *response =
        MHD_create_response_from_buffer(len, body, MHD_RESPMEM_MUST_FREE);

    if (!response) {
        free(body);
        return NULL;
    }
    headers_add(source, response, type);
    return response;
}

static int entry_make(struct posture_http_source *source, enum posture_http_route route,
                      int variant, int64_t minute, const char *id,
                      struct posture_http_entry **ret_entry)
{
    POSTURE_AUTO_BUF struct posture_buf body;
    const char *type = route_type(route, variant);

    posture_buf_init(&body, BODY_MAX);
    POSTURE_TRY(body_write(source, route, variant, id, &body));
    struct posture_http_entry *entry = posture_calloc(1, sizeof(*entry));
    if (!entry)
        return -ENOMEM;
    entry->route = route;
    entry->variant = variant;
    entry->minute = minute;
    entry->size = body.len;
    entry->id = posture_strdup(id);
    int r =
        body.data && entry->id ? etag_make(body.data, body.len, entry->etag) : -ENOMEM;
    if (r == 0) {
        size_t len = 0;
        char *bytes = posture_buf_steal(&body, &len);

        entry->full = bytes ? posture_http_response_take(source, bytes, len, type) : NULL;
        entry->not_modified =
            MHD_create_response_from_buffer(0, (void *)"", MHD_RESPMEM_PERSISTENT);
    }
    if (!entry->full || !entry->not_modified) {
        entry_free(entry);
        return -ENOMEM;
    }
    MHD_add_response_header(entry->full, "ETag", entry->etag);
    MHD_add_response_header(entry->full, "Vary",
                            posture_http_route_is_page(route) ? "Accept-Language"
                                                              : "Accept");
    headers_add(source, entry->not_modified, type);
    MHD_add_response_header(entry->not_modified, "ETag", entry->etag);
    MHD_add_response_header(entry->not_modified, "Vary",
                            posture_http_route_is_page(route) ? "Accept-Language"
                                                              : "Accept");
    *ret_entry = entry;
    return 0;
}

int posture_http_cache_get(struct posture_http_cache *cache,
                           struct posture_http_source *source,
                           enum posture_http_route route, int variant, const char *id,
                           struct posture_http_entry **ret_entry)
{
    int64_t minute = 0;
    struct posture_http_entry **slot = &cache->buckets[bucket_of(route, variant, id)];

    if (posture_http_route_is_page(route))
        minute = (posture_now_ns() - source->model->time_ns) / (60 * POSTURE_NS_PER_S);
    for (struct posture_http_entry **at = slot; *at; at = &(*at)->next) {
        struct posture_http_entry *entry = *at;

        if (entry->route != route || entry->variant != variant ||
            strcmp(entry->id, id) != 0)
            continue;
        if (entry->minute == minute) {
            *ret_entry = entry;
            return 0;
        }
        *at = entry->next;
        cache->bytes -= entry->size;
        entry_free(entry);
        break;
    }
    struct posture_http_entry *entry = NULL;
    POSTURE_TRY(entry_make(source, route, variant, minute, id, &entry));
    if (cache->bytes + entry->size > CACHE_MAX)
        posture_http_cache_clear(cache);
    entry->next = *slot;
    *slot = entry;
    cache->bytes += entry->size;
    *ret_entry = entry;
    return 0;
}

const char *posture_http_entry_etag(const struct posture_http_entry *entry)
{
    return entry->etag;
}

struct MHD_Response *posture_http_entry_response(const struct posture_http_entry *entry,
                                                 bool is_not_modified)
{
    return is_not_modified ? entry->not_modified : entry->full;
}
