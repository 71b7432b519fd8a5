/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#include "posture_criteria/registry_index.h"

#include "common/base/clock.h"
#include "common/report/json.h"
#include "common/report/subject.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum { INTERVAL_DEFAULT_S = 86400 };

static const char *const area_names[POSTURE_AREA_COUNT] = {
    [POSTURE_AREA_CENTRAL_GOVERNMENT] = "central-government",
    [POSTURE_AREA_LOCAL_GOVERNMENT] = "local-government",
    [POSTURE_AREA_CRITICAL_INFRASTRUCTURE] = "critical-infrastructure",
    [POSTURE_AREA_BUSINESS] = "business",
    [POSTURE_AREA_INDIVIDUAL] = "individual",
};

const char *posture_area_name(enum posture_area area)
{
    return area_names[area];
}

int posture_area_from_name(const char *name, enum posture_area *ret)
{
    for (int i = 0; name && i < POSTURE_AREA_COUNT; i++) {
        if (strcmp(name, area_names[i]) == 0) {
            *ret = (enum posture_area)i;
            return 0;
        }
    }
    return POSTURE_E_MISSING;
}

static int entry_compare(const void *a, const void *b)
{
    const struct posture_inventory_entry *x = a;
    const struct posture_inventory_entry *y = b;
    int order = strcmp(x->kind, y->kind);
    return order ? order : strcmp(x->subject, y->subject);
}

/* The same subject twice is one expectation. */
static void exact_unique(struct posture_agency *agency)
{
    qsort(agency->exact, agency->exact_count, sizeof(*agency->exact), entry_compare);
    size_t kept = 0;
    for (size_t i = 0; i < agency->exact_count; i++) {
        if (kept == 0 || entry_compare(&agency->exact[kept - 1], &agency->exact[i]) != 0)
            agency->exact[kept++] = agency->exact[i];
    }
    agency->exact_count = kept;
}

static int inventory_fill(struct posture_agency *agency, const json_t *inventory,
                          struct posture_error *reterr)
{
    size_t size = json_array_size(inventory);
    if (size == 0)
        return 0;
    agency->exact = posture_calloc(size, sizeof(*agency->exact));
    agency->patterns = posture_calloc(size, sizeof(*agency->patterns));
    if (!agency->exact || !agency->patterns)
        return -ENOMEM;

    for (size_t i = 0; i < size; i++) {
        const json_t *item = json_array_get(inventory, i);
        struct posture_inventory_entry entry = {
            .kind = posture_json_string(item, "kind"),
            .subject = posture_json_string(item, "subject"),
            .pattern = posture_json_string(item, "pattern"),
        };
        if (!entry.kind || !entry.subject == !entry.pattern)
            return posture_error_set(
                reterr, POSTURE_E_SCHEMA,
                "agency '%s': inventory entry %zu needs a kind and either "
                "a subject or a pattern",
                agency->id, i);
        json_int_t expected = json_integer_value(json_object_get(item, "expected"));
        entry.expected = expected > 0 && expected <= UINT32_MAX ? (uint32_t)expected : 0;
        if (entry.subject)
            agency->exact[agency->exact_count++] = entry;
        else
            agency->patterns[agency->pattern_count++] = entry;
    }
    exact_unique(agency);
    return 0;
}

static int exceptions_fill(struct posture_agency *agency, const json_t *exceptions,
                           struct posture_error *reterr)
{
    size_t size = json_array_size(exceptions);
    if (size == 0)
        return 0;
    agency->exceptions = posture_calloc(size, sizeof(*agency->exceptions));
    if (!agency->exceptions)
        return -ENOMEM;

    for (size_t i = 0; i < size; i++) {
        const json_t *item = json_array_get(exceptions, i);
        const char *expires = posture_json_string(item, "expires");
        struct posture_exception *exception =
            &agency->exceptions[agency->exception_count];
        exception->subject = posture_json_string(item, "subject");
        exception->check = posture_json_string(item, "check");
        exception->expires_ns = INT64_MAX;
        if (!exception->subject || !exception->check)
            return posture_error_set(
                reterr, POSTURE_E_SCHEMA,
                "agency '%s': exception %zu needs a subject and a check", agency->id, i);
        if (expires) {
            int r =
                posture_date_parse_jst(expires, strlen(expires), &exception->expires_ns);
            if (r < 0)
                return posture_error_set(reterr, r,
                                         "agency '%s': exception %zu expires on a date, "
                                         "YYYY-MM-DD",
                                         agency->id, i);
            exception->expires_ns +=
                86400 * POSTURE_NS_PER_S; /* it holds that day through */
        }
        agency->exception_count++;
    }
    return 0;
}

static int agency_fill(struct posture_agency *agency, const json_t *item,
                       struct posture_error *reterr)
{
    agency->id = posture_json_string(item, "id");
    if (!agency->id || !posture_agency_is_valid(agency->id))
        return posture_error_set(reterr, POSTURE_E_SCHEMA, "an agency has no valid id");
    if (posture_area_from_name(posture_json_string(item, "area"), &agency->area) < 0)
        return posture_error_set(reterr, POSTURE_E_SCHEMA,
                                 "agency '%s' has no known area", agency->id);
    agency->sector = posture_json_string(item, "sector");
    json_int_t max = json_integer_value(json_object_get(item, "max_subjects"));
    agency->max_subjects =
        max > 0 && max <= UINT32_MAX ? (uint32_t)max : POSTURE_MAX_SUBJECTS_DEFAULT;
    POSTURE_TRY(inventory_fill(agency, json_object_get(item, "inventory"), reterr));
    return exceptions_fill(agency, json_object_get(item, "exceptions"), reterr);
}

static int agency_compare(const void *a, const void *b)
{
    return strcmp(((const struct posture_agency *)a)->id,
                  ((const struct posture_agency *)b)->id);
}

int posture_registry_index_new(json_t *registry, const char *digest,
                               struct posture_registry_index **ret,
                               struct posture_error *reterr)
{
    POSTURE_AUTO(posture_registry_index_free)
    struct posture_registry_index *index = posture_calloc(1, sizeof(*index));
    if (!index)
        return -ENOMEM;
    index->document = json_incref(registry);
    (void)snprintf(index->digest, sizeof(index->digest), "%s", digest);

    const json_t *agencies = json_object_get(registry, "agencies");
    size_t size = json_array_size(agencies);
    index->agencies = posture_calloc(size ? size : 1, sizeof(*index->agencies));
    if (!index->agencies)
        return -ENOMEM;
    for (size_t i = 0; i < size; i++) {
        index->agency_count++; /* before filling: free() takes half-built ones */
        POSTURE_TRY(
            agency_fill(&index->agencies[i], json_array_get(agencies, i), reterr));
    }
    qsort(index->agencies, index->agency_count, sizeof(*index->agencies), agency_compare);
    for (size_t i = 1; i < index->agency_count; i++) {
        if (agency_compare(&index->agencies[i - 1], &index->agencies[i]) == 0)
            return posture_error_set(reterr, POSTURE_E_SCHEMA,
                                     "agency '%s' is there twice", index->agencies[i].id);
    }
    *ret = POSTURE_TAKE(index);
    return 0;
}

struct posture_registry_index *
posture_registry_index_free(struct posture_registry_index *index)
{
    if (!index)
        return NULL;
    for (size_t i = 0; index->agencies && i < index->agency_count; i++) {
        free(index->agencies[i].exact);
        free(index->agencies[i].patterns);
        free(index->agencies[i].exceptions);
    }
    free(index->agencies);
    json_decref(index->document);
    free(index);
    return NULL;
}

const struct posture_agency *
posture_registry_agency(const struct posture_registry_index *index, const char *id)
{
    const struct posture_agency key = {.id = id};
    return bsearch(&key, index->agencies, index->agency_count, sizeof(key),
                   agency_compare);
}

double posture_registry_max_interval_s(const struct posture_registry_index *index,
                                       const char *kind)
{
    const json_t *max =
        json_object_get(json_object_get(index->document, "max_interval_s"), kind);
    double v = json_number_value(max);
    return v > 0 ? v : INTERVAL_DEFAULT_S;
}

const struct posture_inventory_entry *
posture_agency_exact(const struct posture_agency *agency, const char *kind,
                     const char *subject)
{
    const struct posture_inventory_entry key = {.kind = kind, .subject = subject};
    if (agency->exact_count == 0)
        return NULL;
    return bsearch(&key, agency->exact, agency->exact_count, sizeof(key), entry_compare);
}

const struct posture_inventory_entry *
posture_agency_pattern(const struct posture_agency *agency, const char *kind,
                       const char *subject)
{
    for (size_t i = 0; i < agency->pattern_count; i++) {
        const struct posture_inventory_entry *entry = &agency->patterns[i];
        if (strcmp(entry->kind, kind) == 0 &&
            posture_subject_matches(entry->pattern, subject))
            return entry;
    }
    return NULL;
}

bool posture_agency_is_excepted(const struct posture_agency *agency, const char *subject,
                                const char *check, int64_t at_ns)
{
    for (size_t i = 0; i < agency->exception_count; i++) {
        const struct posture_exception *exception = &agency->exceptions[i];
        if (at_ns < exception->expires_ns && strcmp(exception->check, check) == 0 &&
            strcmp(exception->subject, subject) == 0)
            return true;
    }
    return false;
}
