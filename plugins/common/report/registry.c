/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#include "common/report/registry.h"

#include "common/base/clock.h"
#include "common/base/spawn.h"
#include "common/report/checks.h"
#include "common/report/document.h"
#include "common/report/subject.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { REGISTRY_FILE_MAX = 256 * 1024 * 1024, CATALOGUE_FILE_MAX = 16 * 1024 * 1024 };

/* What the rules of one file need. */
struct rules {
    const char *path;
    const struct posture_check_registry *checks;
    struct posture_error *reterr;
};

__attribute__((format(printf, 2, 3))) static int refuse(const struct rules *rules,
                                                        const char *fmt, ...)
{
    char text[POSTURE_ERROR_TEXT_MAX];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    return posture_error_at(rules->reterr, POSTURE_E_SCHEMA, rules->path, 0, 0, "%s",
                            text);
}

/* 1 when the name is new to the set, 0 when it is there. */
static int set_add(json_t *set, const char *name)
{
    if (json_object_get(set, name))
        return 0;
    return json_object_set_new(set, name, json_true()) < 0 ? -ENOMEM : 1;
}

/* A day of Japan time or an RFC 3339 time that exists in the calendar. */
static int instant_read(const char *text, int64_t *ret)
{
    return strlen(text) == 10 ? posture_date_parse_jst(text, 10, ret)
                              : posture_time_parse(text, strlen(text), ret);
}

static int subject_rules(const struct rules *rules, const char *place, const char *text,
                         const char *kind)
{
    struct posture_subject subject;
    struct posture_error error = {0};
    if (posture_subject_parse(text, NULL, &subject, &error) < 0)
        return refuse(rules, "%s: subject '%s': %s", place, text, error.text);
    if (strcmp(subject.text, text) != 0)
        return refuse(rules, "%s: subject '%s' must be spelled '%s'", place, text,
                      subject.text);
    if (kind && !posture_subject_fits_kind(subject.scheme, kind))
        return refuse(rules, "%s: subject '%s' is not of kind '%s'", place, text, kind);
    return 0;
}

static int pattern_rules(const struct rules *rules, const char *place,
                         const char *pattern, const char *kind)
{
    if (!posture_pattern_is_canonical(pattern))
        return refuse(
            rules,
            "%s: pattern '%s' is not a subject in its one spelling once each '*' is "
            "a name",
            place, pattern);
    char scheme[16] = "";
    size_t len = strcspn(pattern, ":");
    if (len < sizeof(scheme))
        memcpy(scheme, pattern, len);
    if (!posture_subject_fits_kind(scheme, kind))
        return refuse(rules, "%s: pattern '%s' is not of kind '%s'", place, pattern,
                      kind);
    return 0;
}

static int inventory_rules(const struct rules *rules, const char *agency,
                           const json_t *list)
{
    json_auto_t *seen = json_object();
    if (!seen)
        return posture_error_set(rules->reterr, -ENOMEM, "out of memory");
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *entry = json_array_get(list, i);
        const char *kind = posture_json_string(entry, "kind");
        const char *subject = posture_json_string(entry, "subject");
        const char *pattern = posture_json_string(entry, "pattern");
        char place[128], name[POSTURE_SUBJECT_MAX + 40];
        snprintf(place, sizeof(place), "agency '%s': inventory[%zu]", agency, i);
        if (subject)
            POSTURE_TRY(subject_rules(rules, place, subject, kind));
        else
            POSTURE_TRY(pattern_rules(rules, place, pattern, kind));
        snprintf(name, sizeof(name), "%s %s", kind, subject ? subject : pattern);
        int r = set_add(seen, name);
        if (r < 0)
            return posture_error_set(rules->reterr, r, "out of memory");
        if (r == 0)
            return refuse(rules, "%s: '%s' is there twice", place,
                          subject ? subject : pattern);
    }
    return 0;
}

static int exception_rules(const struct rules *rules, const char *agency,
                           const json_t *list)
{
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *exception = json_array_get(list, i);
        const char *check = posture_json_string(exception, "check");
        const char *expires = posture_json_string(exception, "expires");
        char place[128];
        int64_t ns;
        snprintf(place, sizeof(place), "agency '%s': exceptions[%zu]", agency, i);
        POSTURE_TRY(
            subject_rules(rules, place, posture_json_string(exception, "subject"), NULL));
        if (!posture_check_find(rules->checks, check))
            return refuse(rules, "%s: there is no check '%s'", place, check);
        if (instant_read(expires, &ns) < 0)
            return refuse(rules, "%s: there is no day '%s'", place, expires);
    }
    return 0;
}

static int key_rules(const struct rules *rules, const char *agency, const json_t *list)
{
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *key = json_array_get(list, i);
        const char *from = posture_json_string(key, "from");
        const char *to = posture_json_string(key, "to");
        int64_t from_ns, to_ns = INT64_MAX;
        if (instant_read(from, &from_ns) < 0 || (to && instant_read(to, &to_ns) < 0))
            return refuse(rules,
                          "agency '%s': keys[%zu]: from or to is not in the calendar",
                          agency, i);
        if (to_ns <= from_ns)
            return refuse(rules, "agency '%s': keys[%zu]: 'to' must be after 'from'",
                          agency, i);
    }
    return 0;
}

static int registry_rules(const struct rules *rules, const json_t *registry)
{
    json_auto_t *seen = json_object();
    if (!seen)
        return posture_error_set(rules->reterr, -ENOMEM, "out of memory");
    const json_t *agencies = json_object_get(registry, "agencies");
    for (size_t i = 0; i < json_array_size(agencies); i++) {
        const json_t *agency = json_array_get(agencies, i);
        const char *id = posture_json_string(agency, "id");
        int r = set_add(seen, id);
        if (r < 0)
            return posture_error_set(rules->reterr, r, "out of memory");
        if (r == 0)
            return refuse(rules, "agencies[%zu]: agency '%s' is there twice", i, id);
        POSTURE_TRY(key_rules(rules, id, json_object_get(agency, "keys")));
        POSTURE_TRY(inventory_rules(rules, id, json_object_get(agency, "inventory")));
        POSTURE_TRY(exception_rules(rules, id, json_object_get(agency, "exceptions")));
    }
    return 0;
}

static int criterion_rules(const struct rules *rules, const json_t *criterion)
{
    const char *id = posture_json_string(criterion, "id");
    const char *kind = posture_json_string(criterion, "kind");
    const json_t *checks = json_object_get(criterion, "checks");
    for (size_t i = 0; i < json_array_size(checks); i++) {
        const char *check = posture_json_string(json_array_get(checks, i), "check");
        const struct posture_check_info *info = posture_check_find(rules->checks, check);
        if (!info)
            return refuse(rules, "criterion '%s': there is no check '%s'", id, check);
        if (strcmp(info->kind, kind) != 0)
            return refuse(rules, "criterion '%s': check '%s' is of kind '%s', not '%s'",
                          id, check, info->kind, kind);
        for (size_t k = 0; k < i; k++) {
            if (strcmp(posture_json_string(json_array_get(checks, k), "check"), check) ==
                0)
                return refuse(rules, "criterion '%s': check '%s' is there twice", id,
                              check);
        }
    }
    return 0;
}

static int catalogue_rules(const struct rules *rules, const json_t *catalogue)
{
    const json_t *criteria = json_object_get(catalogue, "criteria");
    for (size_t i = 0; i < json_array_size(criteria); i++) {
        const char *id = posture_json_string(json_array_get(criteria, i), "id");
        for (size_t k = 0; k < i; k++) {
            if (strcmp(posture_json_string(json_array_get(criteria, k), "id"), id) == 0)
                return refuse(rules, "criterion '%s' is there twice", id);
        }
        POSTURE_TRY(criterion_rules(rules, json_array_get(criteria, i)));
    }
    return 0;
}

int posture_registry_load(const char *data_dir, const char *path, json_t **ret_registry,
                          char ret_digest[static 13], struct posture_error *reterr)
{
    POSTURE_AUTO(posture_check_registry_free)
    struct posture_check_registry *checks = NULL;
    POSTURE_TRY(posture_check_registry_load(data_dir, &checks, reterr));
    json_auto_t *root = NULL;
    char digest[POSTURE_DIGEST_TEXT];
    POSTURE_TRY(posture_document_load(data_dir, path, "registry.v1.schema.json",
                                      REGISTRY_FILE_MAX, &root, digest, reterr));
    const struct rules rules = {.path = path, .checks = checks, .reterr = reterr};
    POSTURE_TRY(registry_rules(&rules, root));
    memcpy(ret_digest, digest, sizeof(digest));
    *ret_registry = json_incref(root);
    return 0;
}

int posture_catalogue_load(const char *data_dir, const char *path_or_id,
                           json_t **ret_catalogue, char ret_digest[static 13],
                           struct posture_error *reterr)
{
    /* A bare word is one of ours: "first" is criteria/first.json. */
    POSTURE_AUTO_FREE char *path = NULL;
    if (strchr(path_or_id, '/') || strchr(path_or_id, '.')) {
        path = posture_strdup(path_or_id);
        if (!path)
            return posture_error_set(reterr, -ENOMEM, "out of memory");
    } else {
        POSTURE_AUTO_FREE char *name = posture_asprintf("%s.json", path_or_id);
        if (!name)
            return posture_error_set(reterr, -ENOMEM, "out of memory");
        POSTURE_TRY(posture_data_path(data_dir, "criteria", name, &path, reterr));
    }
    POSTURE_AUTO(posture_check_registry_free)
    struct posture_check_registry *checks = NULL;
    POSTURE_TRY(posture_check_registry_load(data_dir, &checks, reterr));
    json_auto_t *root = NULL;
    char digest[POSTURE_DIGEST_TEXT];
    POSTURE_TRY(posture_document_load(data_dir, path, "catalogue.v1.schema.json",
                                      CATALOGUE_FILE_MAX, &root, digest, reterr));
    const struct rules rules = {.path = path, .checks = checks, .reterr = reterr};
    POSTURE_TRY(catalogue_rules(&rules, root));
    memcpy(ret_digest, digest, sizeof(digest));
    *ret_catalogue = json_incref(root);
    return 0;
}
