/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#include "common/report/profile_internal.h"

#include "common/base/buf.h"
#include "common/base/spawn.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum {
    PROFILE_FILE_MAX = 2 * 1024 * 1024,
    PROFILE_AGE_MAX_S = 2000000000,
    PROFILE_YEAR_MIN = 1970,
    PROFILE_YEAR_MAX = 2200, /* int64_t nanoseconds end in 2262 */
};

#define PROFILE_SCHEMA "posture.profile/1"

static const char *const strength_names[] = {
    [POSTURE_STRENGTH_USABLE] = "usable",
    [POSTURE_STRENGTH_MIGRATE] = "migrate",
    [POSTURE_STRENGTH_NOT_ALLOWED] = "not_allowed",
};

static const char *const legacy_names[] = {"usable", "migrate", "with_care",
                                           "not_allowed"};

/* The last year in which what exists may still be processed (verified, decrypted). */
static int legacy_read(const json_t *object, const struct profile_place *place,
                       struct profile_period *period, struct posture_error *reterr)
{
    const json_t *phases = json_object_get(object, "legacy");
    size_t count = json_array_size(phases);
    period->legacy_until = -1;
    if (!phases)
        return 0;
    if (count == 0 || count > PROFILE_PHASES_MAX)
        return posture_profile_refuse_(reterr, place,
                                       "legacy is a list of 1 to 8 phases");
    enum { NOT_ALLOWED = 3 };
    int year = 0, last_state = 0;
    for (size_t i = 0; i < count; i++) {
        const json_t *phase = json_array_get(phases, i);
        const char *word = posture_json_string(phase, "state");
        int state =
            posture_profile_word_(word, legacy_names, POSTURE_COUNT(legacy_names));
        if (state < 0)
            return posture_profile_refuse_word_(
                reterr, place, "legacy state", word,
                "usable, migrate, with_care or not_allowed", legacy_names,
                POSTURE_COUNT(legacy_names));
        json_int_t until = 0;
        POSTURE_TRY(posture_profile_number_(phase, "until", PROFILE_YEAR_MIN,
                                            PROFILE_YEAR_MAX, place, &until, reterr));
        if ((i + 1 == count) != (until == 0) || (until > 0 && until <= year) ||
            state < last_state)
            return posture_profile_refuse_(
                reterr, place,
                "legacy: states get worse, until rises, null in the last phase");
        if (state == NOT_ALLOWED) {
            period->legacy_until = year;
            return 0;
        }
        last_state = state;
        year = (int)until;
    }
    period->legacy_until = 9999;
    return 0;
}

static int period_read(const json_t *object, const struct profile_place *place,
                       struct profile_period *period, struct posture_error *reterr)
{
    json_int_t bits = 0;
    POSTURE_TRY(posture_profile_number_(object, "bits", 1, PROFILE_BITS_MAX, place, &bits,
                                        reterr));
    period->bits = (uint32_t)bits;
    const json_t *phases = json_object_get(object, "phases");
    period->count = json_array_size(phases);
    if (bits == 0 || period->count == 0 || period->count > PROFILE_PHASES_MAX)
        return posture_profile_refuse_(reterr, place,
                                       "bits and 1 to 8 phases are expected");
    int year = 0;
    for (size_t i = 0; i < period->count; i++) {
        const json_t *phase = json_array_get(phases, i);
        const char *word = posture_json_string(phase, "state");
        int state =
            posture_profile_word_(word, strength_names, POSTURE_COUNT(strength_names));
        if (state < 0)
            return posture_profile_refuse_word_(
                reterr, place, "state", word, "usable, migrate or not_allowed",
                strength_names, POSTURE_COUNT(strength_names));
        json_int_t until = 0;
        POSTURE_TRY(posture_profile_number_(phase, "until", PROFILE_YEAR_MIN,
                                            PROFILE_YEAR_MAX, place, &until, reterr));
        bool is_last = i + 1 == period->count;
        if (is_last != (until == 0) || (until > 0 && until <= year))
            return posture_profile_refuse_(
                reterr, place, "until is a year in rising order, null in the last phase");
        /* What is not allowed stays so: strength never comes back. */
        if (i > 0 && state < (int)period->phases[i - 1].state)
            return posture_profile_refuse_(
                reterr, place, "states go from usable over migrate to not_allowed");
        year = (int)until;
        period->phases[i] = (struct profile_phase){(enum posture_strength)state, year};
    }
    return legacy_read(object, place, period, reterr);
}

static int strength_read(struct posture_profile *profile, const char *file,
                         struct posture_error *reterr)
{
    const json_t *object = json_object_get(profile->root, "strength");
    if (!object)
        return 0;
    struct profile_place place = {.file = file, .text = "strength"};
    enum posture_certainty certainty;
    POSTURE_TRY(posture_profile_source_(object, &place, reterr));
    POSTURE_TRY(
        posture_profile_certainty_(object, "certainty", &place, &certainty, reterr));
    const json_t *periods = json_object_get(object, "periods");
    size_t count = json_array_size(periods);
    if (count == 0 || count > PROFILE_PERIODS_MAX)
        return posture_profile_refuse_(reterr, &place,
                                       "periods is a list of 1 to 16 strengths");
    for (size_t i = 0; i < count; i++) {
        snprintf(place.text, sizeof(place.text), "strength.periods[%zu]", i);
        POSTURE_TRY(period_read(json_array_get(periods, i), &place, &profile->periods[i],
                                reterr));
        if (i > 0 && profile->periods[i].bits <= profile->periods[i - 1].bits)
            return posture_profile_refuse_(reterr, &place,
                                           "bits rise from one to the next");
    }
    profile->period_count = count;
    return 0;
}

/* What is asked of web servers beside TLS: read by the checks, proved here. */
static int web_check(const struct posture_profile *profile, const char *file,
                     struct posture_error *reterr)
{
    static const char *const rules[] = {"https_redirect", "hsts"};
    static const char *const needs[] = {"must", "should"};
    static const char *const members[] = {"need",    "min_age_s", "source",
                                          "edition", "certainty", "note"};
    const json_t *web = json_object_get(profile->root, "web");
    if (!web)
        return 0;
    struct profile_place place = {.file = file, .text = "web"};
    if (!json_is_object(web))
        return posture_profile_refuse_(reterr, &place, "is an object of rules");
    POSTURE_TRY(
        posture_profile_members_(web, rules, POSTURE_COUNT(rules), &place, reterr));
    for (size_t i = 0; i < POSTURE_COUNT(rules); i++) {
        const json_t *rule = json_object_get(web, rules[i]);
        if (!rule)
            continue;
        enum posture_certainty certainty;
        json_int_t age = 0;
        const char *need = posture_json_string(rule, "need");
        snprintf(place.text, sizeof(place.text), "web.%s", rules[i]);
        POSTURE_TRY(posture_profile_members_(rule, members, POSTURE_COUNT(members),
                                             &place, reterr));
        if (posture_profile_word_(need, needs, POSTURE_COUNT(needs)) < 0)
            return posture_profile_refuse_word_(reterr, &place, "need", need,
                                                "must or should", needs,
                                                POSTURE_COUNT(needs));
        POSTURE_TRY(posture_profile_number_(rule, "min_age_s", 0, PROFILE_AGE_MAX_S,
                                            &place, &age, reterr));
        POSTURE_TRY(posture_profile_source_(rule, &place, reterr));
        POSTURE_TRY(
            posture_profile_certainty_(rule, "certainty", &place, &certainty, reterr));
    }
    return 0;
}

static int modulus_read(struct posture_profile *profile, const char *file,
                        struct posture_error *reterr)
{
    const json_t *object = json_object_get(profile->root, "modulus");
    if (!object)
        return 0;
    struct profile_place place = {.file = file, .text = "modulus"};
    POSTURE_TRY(posture_profile_source_(object, &place, reterr));
    POSTURE_TRY(posture_profile_certainty_(object, "certainty", &place,
                                           &profile->modulus_certainty, reterr));
    const json_t *rows = json_object_get(object, "rows");
    size_t count = json_array_size(rows);
    if (count == 0 || count > PROFILE_MODULUS_MAX)
        return posture_profile_refuse_(reterr, &place, "rows is a list of 1 to 16 sizes");
    json_int_t last_min = 0, last_bits = 0;
    for (size_t i = 0; i < count; i++) {
        json_int_t min = 0, bits = 0;
        snprintf(place.text, sizeof(place.text), "modulus.rows[%zu]", i);
        const json_t *row = json_array_get(rows, i);
        POSTURE_TRY(posture_profile_number_(row, "min", 1, PROFILE_BITS_MAX, &place, &min,
                                            reterr));
        POSTURE_TRY(posture_profile_number_(row, "bits", 1, PROFILE_BITS_MAX, &place,
                                            &bits, reterr));
        if (min <= last_min || bits <= last_bits)
            return posture_profile_refuse_(reterr, &place,
                                           "min and bits rise from one to the next");
        profile->modulus[i] = (struct profile_modulus){(uint64_t)min, (uint32_t)bits};
        last_min = min;
        last_bits = bits;
    }
    profile->modulus_count = count;
    return 0;
}

static const char *const head_members[] = {
    "schema", "id",   "title",    "note",    "wording",   "in_force", "sources",
    "tables", "rows", "strength", "modulus", "tls_types", "web",
};
static const char *const wordings[] = {"lists", "grades"};

static int head_read(struct posture_profile *profile, const char *file,
                     struct posture_error *reterr)
{
    const char *schema = posture_json_string(profile->root, "schema");
    if (!schema || strcmp(schema, PROFILE_SCHEMA) != 0)
        return posture_error_at(reterr, POSTURE_E_FORMAT, file, 0, 0,
                                "schema is not \"" PROFILE_SCHEMA "\"");
    profile->id = posture_json_string(profile->root, "id");
    if (!posture_profile_is_short_(profile->id))
        return posture_error_at(reterr, POSTURE_E_FORMAT, file, 0, 0,
                                "id is a word of at most 63 bytes");
    const json_t *title = json_object_get(profile->root, "title");
    for (int lang = 0; lang < POSTURE_LANG_COUNT; lang++) {
        static const char *const keys[POSTURE_LANG_COUNT] = {
            [POSTURE_LANG_EN] = "en", [POSTURE_LANG_JA] = "ja"};
        profile->title[lang] = posture_json_string(title, keys[lang]);
        if (!profile->title[lang])
            return posture_error_at(reterr, POSTURE_E_FORMAT, file, 0, 0,
                                    "title.%s is missing", keys[lang]);
    }
    struct profile_place place = {.file = file};
    const char *wording = posture_json_string(profile->root, "wording");
    if (wording && posture_profile_word_(wording, wordings, POSTURE_COUNT(wordings)) < 0)
        return posture_profile_refuse_word_(reterr, &place, "wording", wording,
                                            "lists or grades", wordings,
                                            POSTURE_COUNT(wordings));
    profile->has_grades = wording && strcmp(wording, "grades") == 0;
    return posture_profile_members_(profile->root, head_members,
                                    POSTURE_COUNT(head_members), &place, reterr);
}

/* "tls/suites.json" is table "suites"; its one list member holds the rows. */
static int table_read(struct profile_table *table, const char *name, const char *path,
                      const char *bytes, size_t len, struct posture_error *reterr)
{
    const char *base = strrchr(name, '/');
    base = base ? base + 1 : name;
    size_t stem = strcspn(base, ".");
    if (stem == 0 || stem >= sizeof(table->name))
        return posture_error_at(reterr, POSTURE_E_FORMAT, path, 0, 0, "no table's name");
    memcpy(table->name, base, stem);
    table->name[stem] = '\0';

    int r = posture_json_parse(bytes, len, &table->root, reterr);
    if (r < 0) {
        if (reterr)
            snprintf(reterr->file, sizeof(reterr->file), "%s", path);
        return r;
    }
    table->index = json_object();
    if (!table->index)
        return -ENOMEM;
    json_t *rows = json_object_get(table->root, table->name);
    if (!json_is_array(rows))
        return posture_error_at(reterr, POSTURE_E_FORMAT, path, 0, 0, "has no list %s",
                                table->name);
    size_t i;
    json_t *row;
    json_array_foreach (rows, i, row) {
        const char *row_name = posture_json_string(row, "name");
        if (!row_name)
            return posture_error_at(reterr, POSTURE_E_FORMAT, path, 0, 0,
                                    "%s[%zu]: name is missing", table->name, i);
        if (json_object_set(table->index, row_name, row) < 0)
            return -ENOMEM;
    }
    return 0;
}

/* all: every byte that the profile is made of, for the digest. Tables that it does not
 * list and its classes draw from are read all the same. */
static int tables_read(struct posture_profile *profile, const json_t *classes,
                       const char *data_dir, const char *file, struct posture_buf *all,
                       struct posture_error *reterr)
{
    const json_t *listed = json_object_get(profile->root, "tables");
    json_auto_t *names = listed ? json_copy((json_t *)(uintptr_t)listed) : json_array();
    if (!names)
        return -ENOMEM;
    if (!json_is_array(names))
        return posture_error_at(reterr, POSTURE_E_FORMAT, file, 0, 0,
                                "tables is a list of files below schemas/");
    size_t i;
    const json_t *item;
    json_array_foreach (names, i, item) {
        const char *name = json_string_value(item);
        if (!posture_profile_is_short_(name) || strstr(name, "..") || *name == '/')
            return posture_error_at(
                reterr, POSTURE_E_FORMAT, file, 0, 0,
                "tables[%zu] is not the name of a file below schemas/", i);
    }
    POSTURE_TRY(posture_profile_tables_needed_(profile, classes, names));
    if (json_array_size(names) > PROFILE_TABLES_MAX)
        return posture_error_at(reterr, POSTURE_E_LIMIT, file, 0, 0,
                                "more than %d tables", PROFILE_TABLES_MAX);
    json_array_foreach (names, i, item) {
        const char *name = json_string_value(item);
        POSTURE_AUTO_FREE char *path = NULL;
        POSTURE_AUTO_FREE char *bytes = NULL;
        size_t len = 0;
        POSTURE_TRY(posture_data_path(data_dir, "schemas", name, &path, reterr));
        POSTURE_TRY(posture_file_read(path, PROFILE_FILE_MAX, &bytes, &len, reterr));
        posture_buf_add(all, bytes, len);
        struct profile_table *table = &profile->tables[profile->table_count++];
        snprintf(table->file, sizeof(table->file), "%s", name);
        POSTURE_TRY(table_read(table, name, path, bytes, len, reterr));
    }
    return 0;
}

static int classes_load(const char *data_dir, json_t **ret, struct posture_error *reterr)
{
    POSTURE_AUTO_FREE char *path = NULL;
    POSTURE_TRY(posture_data_path(data_dir, "schemas", "classes.json", &path, reterr));
    return posture_json_load(path, PROFILE_FILE_MAX, ret, reterr);
}

static int path_find(const char *data_dir, const char *id_or_path, char **ret_path,
                     struct posture_error *reterr)
{
    if (strchr(id_or_path, '/')) {
        *ret_path = posture_strdup(id_or_path);
        return *ret_path ? 0 : -ENOMEM;
    }
    POSTURE_AUTO_FREE char *name = posture_asprintf("%s.json", id_or_path);
    if (!name)
        return -ENOMEM;
    return posture_data_path(data_dir, "profiles", name, ret_path, reterr);
}

int posture_profile_load(const char *data_dir, const char *id_or_path,
                         struct posture_profile **ret, struct posture_error *reterr)
{
    POSTURE_AUTO(posture_profile_free)
    struct posture_profile *profile = posture_calloc(1, sizeof(*profile));
    if (!profile)
        return -ENOMEM;

    POSTURE_AUTO_FREE char *path = NULL;
    POSTURE_AUTO_FREE char *bytes = NULL;
    size_t len = 0;
    POSTURE_TRY(path_find(data_dir, id_or_path, &path, reterr));
    POSTURE_TRY(posture_file_read(path, PROFILE_FILE_MAX, &bytes, &len, reterr));
    int r = posture_json_parse(bytes, len, &profile->root, reterr);
    if (r < 0) {
        if (reterr)
            snprintf(reterr->file, sizeof(reterr->file), "%s", path);
        return r;
    }
    POSTURE_TRY(head_read(profile, path, reterr));
    json_auto_t *classes = NULL;
    POSTURE_TRY(classes_load(data_dir, &classes, reterr));
    POSTURE_TRY(posture_profile_rows_read_(profile, classes, path, reterr));
    POSTURE_TRY(strength_read(profile, path, reterr));
    POSTURE_TRY(modulus_read(profile, path, reterr));
    POSTURE_TRY(web_check(profile, path, reterr));
    POSTURE_TRY(posture_profile_types_check_(profile, path, reterr));

    POSTURE_AUTO_BUF struct posture_buf all = {0};
    posture_buf_add(&all, bytes, len);
    POSTURE_TRY(tables_read(profile, classes, data_dir, path, &all, reterr));
    POSTURE_TRY(posture_profile_names_check_(profile, classes, path, reterr));
    POSTURE_TRY(posture_buf_error(&all));
    POSTURE_TRY(posture_digest12(all.data, all.len, profile->digest));
    *ret = POSTURE_TAKE(profile);
    return 0;
}
