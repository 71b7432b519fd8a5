/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#include "common/report/profile_internal.h"

#include <stdio.h>
#include <string.h>

/* tls_types: what a guideline's types ask of a server as a whole. */

/* A whole number from 0, or null where may_be_null. */
static int size_check(const json_t *object, const char *key, bool may_be_null,
                      const struct profile_place *place, struct posture_error *reterr)
{
    const json_t *value = json_object_get(object, key);
    if (may_be_null && json_is_null(value))
        return 0;
    json_int_t number = -1;
    POSTURE_TRY(posture_profile_number_(object, key, 0, PROFILE_BITS_MAX, place, &number,
                                        reterr));
    return number < 0
               ? posture_profile_refuse_(reterr, place, "a size in bits is missing")
               : 0;
}

static int type_versions_check(const json_t *type, const struct profile_place *place,
                               struct posture_error *reterr)
{
    static const char *const rules[] = {"must", "should", "may", "forbidden"};
    const json_t *versions = json_object_get(type, "versions");
    enum posture_certainty certainty;
    if (json_array_size(versions) == 0)
        return posture_profile_refuse_(reterr, place, "versions is a list of rules");
    size_t i;
    const json_t *rule;
    json_array_foreach (versions, i, rule) {
        struct profile_place here = {.file = place->file};
        snprintf(here.text, sizeof(here.text), "%.100s.versions[%zu]", place->text, i);
        if (!posture_profile_is_short_(posture_json_string(rule, "name")))
            return posture_profile_refuse_(reterr, &here, "name is missing");
        const char *word = posture_json_string(rule, "rule");
        if (posture_profile_word_(word, rules, POSTURE_COUNT(rules)) < 0)
            return posture_profile_refuse_word_(reterr, &here, "rule", word,
                                                "must, should, may or forbidden", rules,
                                                POSTURE_COUNT(rules));
        POSTURE_TRY(
            posture_profile_certainty_(rule, "certainty", &here, &certainty, reterr));
    }
    return 0;
}

static int type_suites_check(const json_t *type, const struct profile_place *place,
                             struct posture_error *reterr)
{
    const json_t *sets = json_object_get(type, "suites");
    enum posture_certainty certainty;
    if (json_array_size(sets) == 0)
        return posture_profile_refuse_(reterr, place, "suites is a list of sets");
    size_t i, j;
    const json_t *set, *name;
    json_array_foreach (sets, i, set) {
        struct profile_place here = {.file = place->file};
        snprintf(here.text, sizeof(here.text), "%.100s.suites[%zu]", place->text, i);
        POSTURE_TRY(
            posture_profile_certainty_(set, "certainty", &here, &certainty, reterr));
        if (json_array_size(json_object_get(set, "names")) == 0)
            return posture_profile_refuse_(reterr, &here, "names is a list of suites");
        json_array_foreach (json_object_get(set, "names"), j, name) {
            if (!json_is_string(name))
                return posture_profile_refuse_(reterr, &here,
                                               "names holds something other than a name");
        }
    }
    return 0;
}

/* One type of a guideline: what the TLS checks will look for in it. */
static int type_check(const json_t *type, const struct profile_place *place,
                      struct posture_error *reterr)
{
    static const struct {
        const char *member, *sizes[2];
        bool may_be_null;
    } rules[] = {
        {"certificate", {"rsa_min_bits", "ec_min_bits"}, false},
        {"ecdhe", {"min_bits", NULL}, false},
        {"dhe", {"min_bits", NULL}, false},
        {"static_rsa", {"rsa_min_bits", NULL}, true},
    };
    static const char *const results[] = {"pass", "warn", "fail"};
    enum posture_certainty certainty;
    if (!posture_profile_is_short_(posture_json_string(type, "id")))
        return posture_profile_refuse_(reterr, place, "id is a word of at most 63 bytes");
    const char *result = posture_json_string(type, "result");
    if (posture_profile_word_(result, results, POSTURE_COUNT(results)) < 0)
        return posture_profile_refuse_word_(reterr, place, "result", result,
                                            "pass, warn or fail", results,
                                            POSTURE_COUNT(results));
    POSTURE_TRY(type_versions_check(type, place, reterr));
    for (size_t i = 0; i < POSTURE_COUNT(rules); i++) {
        const json_t *rule = json_object_get(type, rules[i].member);
        struct profile_place here = {.file = place->file};
        snprintf(here.text, sizeof(here.text), "%.100s.%s", place->text, rules[i].member);
        POSTURE_TRY(
            posture_profile_certainty_(rule, "certainty", &here, &certainty, reterr));
        for (size_t n = 0; n < POSTURE_COUNT(rules[i].sizes) && rules[i].sizes[n]; n++)
            POSTURE_TRY(
                size_check(rule, rules[i].sizes[n], rules[i].may_be_null, &here, reterr));
    }
    return type_suites_check(type, place, reterr);
}

int posture_profile_types_check_(const struct posture_profile *profile, const char *file,
                                 struct posture_error *reterr)
{
    const json_t *object = json_object_get(profile->root, "tls_types");
    if (!object)
        return 0;
    struct profile_place place = {.file = file, .text = "tls_types"};
    POSTURE_TRY(posture_profile_source_(object, &place, reterr));
    const json_t *types = json_object_get(object, "types");
    if (json_array_size(types) == 0)
        return posture_profile_refuse_(reterr, &place, "types is a list, the best first");
    size_t i;
    const json_t *type;
    json_array_foreach (types, i, type) {
        snprintf(place.text, sizeof(place.text), "tls_types.types[%zu]", i);
        POSTURE_TRY(type_check(type, &place, reterr));
    }
    return 0;
}
