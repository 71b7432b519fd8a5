/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#include "common/report/profile_internal.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* rows: each on its own, then all against the classes and tables of names. */

enum { PROFILE_ROWS_MAX = 4096, PROFILE_SIZE_MAX = 1000000000 };

static const char *const tier_names[] = {
    [POSTURE_TIER_NONE] = "none",
    [POSTURE_TIER_RECOMMENDED] = "recommended",
    [POSTURE_TIER_PQC] = "pqc",
    [POSTURE_TIER_CANDIDATE] = "candidate",
    [POSTURE_TIER_MONITORED] = "monitored",
};

static const char *const row_members[] = {
    "class",     "name",   "min",     "tier",      "bits", "bits_certainty",
    "listed_as", "source", "edition", "certainty", "note",
};

/* schemas/classes.json: which classes there are, and which names one may have. */
static const json_t *class_find(const json_t *classes, const char *cls)
{
    size_t i;
    const json_t *item;
    json_array_foreach (json_object_get(classes, "classes"), i, item) {
        const char *name = posture_json_string(item, "class");
        if (name && strcmp(name, cls) == 0)
            return item;
    }
    return NULL;
}

static int class_check(const json_t *classes, const char *cls,
                       const struct profile_place *place, struct posture_error *reterr)
{
    if (class_find(classes, cls))
        return 0;
    struct posture_nearest nearest = {0};
    size_t i;
    const json_t *item;
    json_array_foreach (json_object_get(classes, "classes"), i, item) {
        const char *name = posture_json_string(item, "class");
        if (name)
            posture_nearest_try(&nearest, cls, name);
    }
    return posture_profile_refuse_near_(reterr, place, "class", cls,
                                        "a class of schemas/classes.json", &nearest);
}

static int row_read(const json_t *object, const json_t *classes,
                    const struct profile_place *place, struct posture_profile_row *row,
                    struct posture_error *reterr)
{
    row->cls = posture_json_string(object, "class");
    row->name = posture_json_string(object, "name");
    if (!posture_profile_is_short_(row->cls) || !posture_profile_is_short_(row->name))
        return posture_profile_refuse_(reterr, place,
                                       "class and name are words of at most 63 bytes");
    POSTURE_TRY(posture_profile_members_(object, row_members, POSTURE_COUNT(row_members),
                                         place, reterr));
    POSTURE_TRY(class_check(classes, row->cls, place, reterr));
    row->listed_as = posture_json_string(object, "listed_as");
    if (!row->listed_as)
        row->listed_as = row->name;

    const char *word = posture_json_string(object, "tier");
    int tier = posture_profile_word_(word, tier_names, POSTURE_COUNT(tier_names));
    if (tier < 0)
        return posture_profile_refuse_word_(
            reterr, place, "tier", word, "recommended, pqc, candidate, monitored or none",
            tier_names, POSTURE_COUNT(tier_names));
    row->tier = (enum posture_tier)tier;
    POSTURE_TRY(posture_profile_source_(object, place, reterr));
    row->source = posture_json_string(object, "source");
    row->edition = posture_json_string(object, "edition");
    POSTURE_TRY(
        posture_profile_certainty_(object, "certainty", place, &row->certainty, reterr));

    json_int_t bits = 0, min = 0;
    POSTURE_TRY(posture_profile_number_(object, "bits", 1, PROFILE_BITS_MAX, place, &bits,
                                        reterr));
    row->bits = (uint32_t)bits;
    row->bits_certainty = row->certainty;
    if (bits > 0)
        POSTURE_TRY(posture_profile_certainty_(object, "bits_certainty", place,
                                               &row->bits_certainty, reterr));
    POSTURE_TRY(
        posture_profile_number_(object, "min", 1, PROFILE_SIZE_MAX, place, &min, reterr));
    row->min = (uint32_t)min;
    if (min > 0 && !posture_json_string(class_find(classes, row->cls), "size"))
        return posture_profile_refuse_(
            reterr, place, "min is for a class whose things have a size (see classes)");
    return 0;
}

/* Rows of one thing by its size stand in a chain, the largest first. */
static int row_index(struct posture_profile *profile, size_t number,
                     const struct profile_place *place, struct posture_error *reterr)
{
    struct posture_profile_row *rows = profile->rows;
    json_t *names = json_object_get(profile->index, rows[number].cls);
    if (!names) {
        names = json_object();
        if (json_object_set_new(profile->index, rows[number].cls, names) < 0)
            return -ENOMEM;
    }
    const json_t *first = json_object_get(names, rows[number].name);
    const struct posture_profile_row *before = NULL;
    const struct posture_profile_row *row =
        first ? &rows[json_integer_value(first)] : NULL;
    for (; row && row->min > rows[number].min; row = row->smaller)
        before = row;
    if (row && row->min == rows[number].min)
        return posture_error_at(reterr, POSTURE_E_FORMAT, place->file, 0, 0,
                                "%s: is rows[%zu] once more", place->text,
                                (size_t)(row - rows));
    rows[number].smaller = row;
    if (before)
        rows[before - rows].smaller = &rows[number];
    else if (json_object_set_new(names, rows[number].name,
                                 json_integer((json_int_t)number)) < 0)
        return -ENOMEM;
    return 0;
}

/* Every size has its judgement: what is smaller than all is not left to chance. */
static int sizes_check(const struct posture_profile *profile, const char *file,
                       struct posture_error *reterr)
{
    for (size_t i = 0; i < profile->count; i++) {
        const struct posture_profile_row *row = &profile->rows[i];
        if (row->min == 0 || row->smaller)
            continue;
        struct profile_place place = {.file = file};
        posture_profile_place_row_(&place, i, row->cls, row->name);
        return posture_error_at(reterr, POSTURE_E_FORMAT, file, 0, 0,
                                "%s: nothing is said of sizes below %lu; add a row "
                                "without min",
                                place.text, (unsigned long)row->min);
    }
    return 0;
}

int posture_profile_rows_read_(struct posture_profile *profile, const json_t *classes,
                               const char *file, struct posture_error *reterr)
{
    const json_t *rows = json_object_get(profile->root, "rows");
    size_t count = json_array_size(rows);
    if (!json_is_array(rows) || count == 0 || count > PROFILE_ROWS_MAX)
        return posture_error_at(reterr, POSTURE_E_FORMAT, file, 0, 0,
                                "rows is a list of 1 to %d rows", PROFILE_ROWS_MAX);
    profile->rows = posture_calloc(count, sizeof(*profile->rows));
    profile->index = json_object();
    if (!profile->rows || !profile->index)
        return -ENOMEM;
    for (size_t i = 0; i < count; i++) {
        const json_t *object = json_array_get(rows, i);
        struct profile_place place = {.file = file};
        posture_profile_place_row_(&place, i, posture_json_string(object, "class"),
                                   posture_json_string(object, "name"));
        POSTURE_TRY(row_read(object, classes, &place, &profile->rows[i], reterr));
        POSTURE_TRY(row_index(profile, i, &place, reterr));
        profile->count = i + 1;
    }
    return sizes_check(profile, file, reterr);
}

/* The tables that the classes of the rows draw their names from. */
int posture_profile_tables_needed_(const struct posture_profile *profile,
                                   const json_t *classes, json_t *tables)
{
    const char *cls;
    json_t *names;
    json_object_foreach (profile->index, cls, names) {
        const char *table = posture_json_string(class_find(classes, cls), "table");
        bool has = !table;
        size_t i;
        const json_t *item;
        json_array_foreach (tables, i, item)
            has = has || strcmp(json_string_value(item), table) == 0;
        if (!has && json_array_append_new(tables, json_string(table)) < 0)
            return -ENOMEM;
    }
    return 0;
}

static const struct profile_table *table_find(const struct posture_profile *profile,
                                              const char *file)
{
    for (size_t i = 0; file && i < profile->table_count; i++) {
        if (strcmp(profile->tables[i].file, file) == 0)
            return &profile->tables[i];
    }
    return NULL;
}

/* Is the name among the class's own words, or in its table's column? nearest: NULL, or
 * where what is near is remembered: work for a name that is wrong, not for every one. */
static bool name_is_known(const json_t *cls, const struct profile_table *table,
                          const char *name, struct posture_nearest *nearest)
{
    size_t i;
    const json_t *item;
    json_array_foreach (json_object_get(cls, "names"), i, item) {
        const char *word = json_string_value(item);
        if (word && strcmp(word, name) == 0)
            return true;
        if (word && nearest)
            posture_nearest_try(nearest, name, word);
    }
    const char *column = posture_json_string(cls, "column");
    json_array_foreach (
        json_object_get(table ? table->root : NULL, table ? table->name : ""), i, item) {
        const char *word = column ? posture_json_string(item, column) : NULL;
        if (word && strcmp(word, name) == 0)
            return true;
        if (word && nearest)
            posture_nearest_try(nearest, name, word);
    }
    return false;
}

/* A name with a slip of the pen would judge nothing, and say nothing. Code points that
 * nobody has named, and "*", may stand anywhere. */
static int name_check(const struct posture_profile *profile, const json_t *cls,
                      const char *name, const struct profile_place *place,
                      struct posture_error *reterr)
{
    const char *file = posture_json_string(cls, "table");
    bool is_open = !file && !json_is_array(json_object_get(cls, "names"));
    if (is_open || strncmp(name, "0x", 2) == 0 || strcmp(name, "*") == 0)
        return 0;
    const struct profile_table *table = table_find(profile, file);
    if (name_is_known(cls, table, name, NULL))
        return 0;
    struct posture_nearest nearest = {0};
    (void)name_is_known(cls, table, name, &nearest);
    char expected[128];
    const char *word = posture_json_string(cls, "class");
    snprintf(expected, sizeof(expected), "a name of class %.40s%s%.40s", word,
             file ? ", as in " : "", file ? file : "");
    return posture_profile_refuse_near_(reterr, place, "name", name, expected, &nearest);
}

int posture_profile_names_check_(const struct posture_profile *profile,
                                 const json_t *classes, const char *file,
                                 struct posture_error *reterr)
{
    struct profile_place place = {.file = file};
    for (size_t i = 0; i < profile->count; i++) {
        const struct posture_profile_row *row = &profile->rows[i];
        posture_profile_place_row_(&place, i, row->cls, row->name);
        POSTURE_TRY(name_check(profile, class_find(classes, row->cls), row->name, &place,
                               reterr));
    }
    size_t t, i, j;
    const json_t *type, *set, *name;
    json_array_foreach (
        json_object_get(json_object_get(profile->root, "tls_types"), "types"), t, type) {
        json_array_foreach (json_object_get(type, "suites"), i, set) {
            json_array_foreach (json_object_get(set, "names"), j, name) {
                snprintf(place.text, sizeof(place.text),
                         "tls_types.types[%zu].suites[%zu] (%.60s)", t, i,
                         json_string_value(name));
                POSTURE_TRY(name_check(profile, class_find(classes, "suite"),
                                       json_string_value(name), &place, reterr));
            }
        }
    }
    return 0;
}
