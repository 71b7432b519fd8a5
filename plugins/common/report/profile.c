/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#include "common/report/profile_internal.h"

#include "common/base/clock.h"

#include <string.h>

const char *const posture_certainty_names_[3] = {
    [POSTURE_CERTAINTY_LOW] = "low",
    [POSTURE_CERTAINTY_MEDIUM] = "medium",
    [POSTURE_CERTAINTY_HIGH] = "high",
};

const char *posture_certainty_name(enum posture_certainty certainty)
{
    return (size_t)certainty < POSTURE_COUNT(posture_certainty_names_)
               ? posture_certainty_names_[certainty]
               : "low";
}

struct posture_profile *posture_profile_free(struct posture_profile *profile)
{
    if (!profile)
        return NULL;
    for (size_t i = 0; i < profile->table_count; i++) {
        json_decref(profile->tables[i].index);
        json_decref(profile->tables[i].root);
    }
    json_decref(profile->index);
    json_decref(profile->root);
    free(profile->rows);
    free(profile);
    return NULL;
}

const char *posture_profile_id(const struct posture_profile *profile)
{
    return profile->id;
}

const char *posture_profile_digest(const struct posture_profile *profile)
{
    return profile->digest;
}

const char *posture_profile_title(const struct posture_profile *profile,
                                  enum posture_lang lang)
{
    return profile->title[lang == POSTURE_LANG_JA ? POSTURE_LANG_JA : POSTURE_LANG_EN];
}

const json_t *posture_profile_json(const struct posture_profile *profile)
{
    return profile->root;
}

const struct posture_profile_row *
posture_profile_row(const struct posture_profile *profile, const char *cls,
                    const char *name)
{
    const json_t *names = json_object_get(profile->index, cls);
    const json_t *number = json_object_get(names, name);
    if (!number)
        number = json_object_get(names, "*");
    return number ? &profile->rows[json_integer_value(number)] : NULL;
}

const struct posture_profile_row *
posture_profile_row_of_size(const struct posture_profile *profile, const char *cls,
                            const char *name, uint64_t size)
{
    const struct posture_profile_row *row = posture_profile_row(profile, cls, name);
    while (row && row->min > size)
        row = row->smaller;
    return row;
}

bool posture_profile_has_class(const struct posture_profile *profile, const char *cls)
{
    return json_object_get(profile->index, cls) != NULL;
}

enum posture_tier posture_profile_tier(const struct posture_profile *profile,
                                       const char *cls, const char *name,
                                       enum posture_certainty *ret_certainty)
{
    const struct posture_profile_row *row = posture_profile_row(profile, cls, name);
    if (!row)
        return POSTURE_TIER_UNJUDGED;
    *ret_certainty = row->certainty;
    return row->tier;
}

bool posture_profile_has_strength(const struct posture_profile *profile)
{
    return profile->period_count > 0;
}

/* The highest class that the strength reaches; NULL when it is below the lowest. */
static const struct profile_period *period_find(const struct posture_profile *profile,
                                                uint32_t bits)
{
    const struct profile_period *found = NULL;
    for (size_t i = 0; i < profile->period_count; i++) {
        if (bits >= profile->periods[i].bits)
            found = &profile->periods[i];
    }
    return found;
}

enum posture_strength posture_profile_strength(const struct posture_profile *profile,
                                               uint32_t bits, int64_t at_ns,
                                               int64_t *ret_until_ns)
{
    *ret_until_ns = INT64_MAX;
    if (!posture_profile_has_strength(profile))
        return POSTURE_STRENGTH_UNJUDGED;
    const struct profile_period *period = period_find(profile, bits);
    if (!period)
        return POSTURE_STRENGTH_NOT_ALLOWED;
    int year = posture_year_jst(at_ns);
    for (size_t i = 0; i < period->count; i++) {
        const struct profile_phase *phase = &period->phases[i];
        if (phase->until == 0)
            return phase->state;
        if (year <= phase->until) {
            *ret_until_ns = posture_year_start_jst(phase->until + 1);
            return phase->state;
        }
    }
    return POSTURE_STRENGTH_NOT_ALLOWED; /* not reached: the last phase has no end */
}

int posture_profile_strength_last_year(const struct posture_profile *profile,
                                       uint32_t bits)
{
    if (!posture_profile_has_strength(profile))
        return 9999;
    const struct profile_period *period = period_find(profile, bits);
    int year = 0;
    for (size_t i = 0; period && i < period->count; i++) {
        if (period->phases[i].state == POSTURE_STRENGTH_NOT_ALLOWED)
            return year;
        year = period->phases[i].until;
        if (year == 0)
            return 9999;
    }
    return year;
}

int posture_profile_legacy_last_year(const struct posture_profile *profile, uint32_t bits)
{
    const struct profile_period *period = period_find(profile, bits);
    return period ? period->legacy_until : -1;
}

bool posture_profile_has_grades(const struct posture_profile *profile)
{
    return profile->has_grades;
}

bool posture_profile_modulus_bits(const struct posture_profile *profile,
                                  uint64_t modulus_bits, uint32_t *ret_bits,
                                  enum posture_certainty *ret_certainty)
{
    if (profile->modulus_count == 0)
        return false;
    *ret_bits = 0;
    *ret_certainty = profile->modulus_certainty;
    for (size_t i = 0; i < profile->modulus_count; i++) {
        if (modulus_bits >= profile->modulus[i].min)
            *ret_bits = profile->modulus[i].bits;
    }
    return true;
}

const json_t *posture_profile_table(const struct posture_profile *profile,
                                    const char *table)
{
    for (size_t i = 0; i < profile->table_count; i++) {
        if (strcmp(profile->tables[i].name, table) == 0)
            return profile->tables[i].index;
    }
    return NULL;
}

const json_t *posture_profile_table_row(const struct posture_profile *profile,
                                        const char *table, const char *name)
{
    return json_object_get(posture_profile_table(profile, table), name);
}
