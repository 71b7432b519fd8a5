/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#include "common/report/profile.h"

#include "common/base/buf.h"
#include "common/base/clock.h"
#include "common/base/spawn.h"
#include "common/report/json.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum {
    PROFILE_FILE_MAX = 2 * 1024 * 1024,
    PROFILE_ROWS_MAX = 4096,
    PROFILE_TABLES_MAX = 8,
    PROFILE_PERIODS_MAX = 16,
    PROFILE_PHASES_MAX = 8,
    PROFILE_MODULUS_MAX = 16,
    PROFILE_NAME_MAX = 64,
    PROFILE_YEAR_MIN = 1970,
    PROFILE_YEAR_MAX = 2200, /* int64_t nanoseconds end in 2262 */
    PROFILE_BITS_MAX = 65536,
};

#define PROFILE_SCHEMA "posture.profile/1"

struct profile_phase {
    enum posture_strength state;
    int until; /* last civil year; 0: no end known */
};

struct profile_period {
    uint32_t bits;
    struct profile_phase phases[PROFILE_PHASES_MAX];
    size_t count;
};

struct profile_modulus {
    uint64_t min;
    uint32_t bits;
};

struct profile_table {
    char name[PROFILE_NAME_MAX];
    json_t *root;  /* the document, owner of the rows */
    json_t *index; /* name -> row */
};

struct posture_profile {
    json_t *root; /* owner of every string of the rows */
    const char *id;
    const char *title[POSTURE_LANG_COUNT];
    char digest[POSTURE_DIGEST_TEXT];
    struct posture_profile_row *rows;
    size_t count;
    json_t *index; /* class -> {name -> number of the row} */
    struct profile_period periods[PROFILE_PERIODS_MAX];
    size_t period_count;
    struct profile_modulus modulus[PROFILE_MODULUS_MAX];
    size_t modulus_count;
    enum posture_certainty modulus_certainty;
    struct profile_table tables[PROFILE_TABLES_MAX];
    size_t table_count;
};

static const char *const tier_names[] = {
    [POSTURE_TIER_NONE] = "none",
    [POSTURE_TIER_RECOMMENDED] = "recommended",
    [POSTURE_TIER_PQC] = "pqc",
    [POSTURE_TIER_CANDIDATE] = "candidate",
    [POSTURE_TIER_MONITORED] = "monitored",
};

static const char *const certainty_names[] = {
    [POSTURE_CERTAINTY_LOW] = "low",
    [POSTURE_CERTAINTY_MEDIUM] = "medium",
    [POSTURE_CERTAINTY_HIGH] = "high",
};

static const char *const strength_names[] = {
    [POSTURE_STRENGTH_USABLE] = "usable",
    [POSTURE_STRENGTH_MIGRATE] = "migrate",
    [POSTURE_STRENGTH_NOT_ALLOWED] = "not_allowed",
};

const char *posture_certainty_name(enum posture_certainty certainty)
{
    return (size_t)certainty < POSTURE_COUNT(certainty_names) ? certainty_names[certainty]
                                                              : "low";
}

/* --- reading
 * ------------------------------------------------------------------------------ */

/* Where in the file an error is: "rows[3] (cipher AES-128)". */
struct place {
    const char *file;
    char text[3 * PROFILE_NAME_MAX];
};

static int refuse(struct posture_error *reterr, const struct place *place,
                  const char *what)
{
    return posture_error_at(reterr, POSTURE_E_FORMAT, place->file, 0, 0, "%s: %s",
                            place->text, what);
}

static int word_find(const char *word, const char *const *words, size_t count)
{
    for (size_t i = 0; word && i < count; i++) {
        if (words[i] && strcmp(word, words[i]) == 0)
            return (int)i;
    }
    return -1;
}

static int certainty_read(const json_t *object, const char *key,
                          const struct place *place, enum posture_certainty *ret,
                          struct posture_error *reterr)
{
    int i = word_find(posture_json_string(object, key), certainty_names,
                      POSTURE_COUNT(certainty_names));
    if (i < 0)
        return posture_error_at(reterr, POSTURE_E_FORMAT, place->file, 0, 0,
                                "%s: %s is high, medium or low", place->text, key);
    *ret = (enum posture_certainty)i;
    return 0;
}

/* A whole number min to max, or nothing: then *ret stays. */
static int number_read(const json_t *object, const char *key, json_int_t min,
                       json_int_t max, const struct place *place, json_int_t *ret,
                       struct posture_error *reterr)
{
    const json_t *value = json_object_get(object, key);
    if (!value || json_is_null(value))
        return 0;
    if (!json_is_integer(value) || json_integer_value(value) < min ||
        json_integer_value(value) > max)
        return posture_error_at(reterr, POSTURE_E_RANGE, place->file, 0, 0,
                                "%s: %s is a whole number from %lld to %lld", place->text,
                                key, (long long)min, (long long)max);
    *ret = json_integer_value(value);
    return 0;
}

static bool text_is_short(const char *text)
{
    return text && *text && strlen(text) < PROFILE_NAME_MAX;
}

static int source_check(const json_t *object, const struct place *place,
                        struct posture_error *reterr)
{
    if (!posture_json_string(object, "source") || !*posture_json_string(object, "source"))
        return refuse(reterr, place, "source is missing");
    if (!posture_json_string(object, "edition") ||
        !*posture_json_string(object, "edition"))
        return refuse(reterr, place, "edition is missing");
    return 0;
}

static int row_read(const json_t *object, const struct place *place,
                    struct posture_profile_row *row, struct posture_error *reterr)
{
    row->cls = posture_json_string(object, "class");
    row->name = posture_json_string(object, "name");
    if (!text_is_short(row->cls) || !text_is_short(row->name))
        return refuse(reterr, place, "class and name are words of at most 63 bytes");
    row->listed_as = posture_json_string(object, "listed_as");
    if (!row->listed_as)
        row->listed_as = row->name;

    int tier = word_find(posture_json_string(object, "tier"), tier_names,
                         POSTURE_COUNT(tier_names));
    if (tier < 0)
        return refuse(reterr, place,
                      "tier is recommended, pqc, candidate, monitored or none");
    row->tier = (enum posture_tier)tier;
    POSTURE_TRY(source_check(object, place, reterr));
    row->source = posture_json_string(object, "source");
    row->edition = posture_json_string(object, "edition");
    POSTURE_TRY(certainty_read(object, "certainty", place, &row->certainty, reterr));

    json_int_t bits = 0;
    POSTURE_TRY(number_read(object, "bits", 1, PROFILE_BITS_MAX, place, &bits, reterr));
    row->bits = (uint32_t)bits;
    row->bits_certainty = row->certainty;
    if (bits > 0)
        POSTURE_TRY(certainty_read(object, "bits_certainty", place, &row->bits_certainty,
                                   reterr));
    return 0;
}

static int row_index(struct posture_profile *profile, size_t number,
                     const struct place *place, struct posture_error *reterr)
{
    const struct posture_profile_row *row = &profile->rows[number];
    json_t *names = json_object_get(profile->index, row->cls);
    if (!names) {
        names = json_object();
        if (json_object_set_new(profile->index, row->cls, names) < 0)
            return -ENOMEM;
    }
    const json_t *other = json_object_get(names, row->name);
    if (other)
        return posture_error_at(reterr, POSTURE_E_FORMAT, place->file, 0, 0,
                                "%s: is rows[%lld] once more", place->text,
                                (long long)json_integer_value(other));
    if (json_object_set_new(names, row->name, json_integer((json_int_t)number)) < 0)
        return -ENOMEM;
    return 0;
}

static int rows_read(struct posture_profile *profile, const char *file,
                     struct posture_error *reterr)
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
        struct place place = {.file = file};
        const char *cls = posture_json_string(object, "class");
        const char *name = posture_json_string(object, "name");
        snprintf(place.text, sizeof(place.text), "rows[%zu] (%.40s %.60s)", i,
                 cls ? cls : "no class", name ? name : "no name");
        POSTURE_TRY(row_read(object, &place, &profile->rows[i], reterr));
        POSTURE_TRY(row_index(profile, i, &place, reterr));
        profile->count = i + 1;
    }
    return 0;
}

static int period_read(const json_t *object, const struct place *place,
                       struct profile_period *period, struct posture_error *reterr)
{
    json_int_t bits = 0;
    POSTURE_TRY(number_read(object, "bits", 1, PROFILE_BITS_MAX, place, &bits, reterr));
    period->bits = (uint32_t)bits;
    const json_t *phases = json_object_get(object, "phases");
    period->count = json_array_size(phases);
    if (bits == 0 || period->count == 0 || period->count > PROFILE_PHASES_MAX)
        return refuse(reterr, place, "bits and 1 to 8 phases are expected");
    int year = 0;
    for (size_t i = 0; i < period->count; i++) {
        const json_t *phase = json_array_get(phases, i);
        int state = word_find(posture_json_string(phase, "state"), strength_names,
                              POSTURE_COUNT(strength_names));
        if (state < 0)
            return refuse(reterr, place, "state is usable, migrate or not_allowed");
        json_int_t until = 0;
        POSTURE_TRY(number_read(phase, "until", PROFILE_YEAR_MIN, PROFILE_YEAR_MAX, place,
                                &until, reterr));
        bool is_last = i + 1 == period->count;
        if (is_last != (until == 0) || (until > 0 && until <= year))
            return refuse(reterr, place,
                          "until is a year in rising order, null in the last phase");
        /* What is not allowed stays so: strength never comes back. */
        if (i > 0 && state < (int)period->phases[i - 1].state)
            return refuse(reterr, place,
                          "states go from usable over migrate to not_allowed");
        year = (int)until;
        period->phases[i] = (struct profile_phase){(enum posture_strength)state, year};
    }
    return 0;
}

static int strength_read(struct posture_profile *profile, const char *file,
                         struct posture_error *reterr)
{
    const json_t *object = json_object_get(profile->root, "strength");
    if (!object)
        return 0;
    struct place place = {.file = file, .text = "strength"};
    enum posture_certainty certainty;
    POSTURE_TRY(source_check(object, &place, reterr));
    POSTURE_TRY(certainty_read(object, "certainty", &place, &certainty, reterr));
    const json_t *periods = json_object_get(object, "periods");
    size_t count = json_array_size(periods);
    if (count == 0 || count > PROFILE_PERIODS_MAX)
        return refuse(reterr, &place, "periods is a list of 1 to 16 strengths");
    for (size_t i = 0; i < count; i++) {
        snprintf(place.text, sizeof(place.text), "strength.periods[%zu]", i);
        POSTURE_TRY(period_read(json_array_get(periods, i), &place, &profile->periods[i],
                                reterr));
        if (i > 0 && profile->periods[i].bits <= profile->periods[i - 1].bits)
            return refuse(reterr, &place, "bits rise from one to the next");
    }
    profile->period_count = count;
    return 0;
}

static int modulus_read(struct posture_profile *profile, const char *file,
                        struct posture_error *reterr)
{
    const json_t *object = json_object_get(profile->root, "modulus");
    if (!object)
        return 0;
    struct place place = {.file = file, .text = "modulus"};
    POSTURE_TRY(source_check(object, &place, reterr));
    POSTURE_TRY(
        certainty_read(object, "certainty", &place, &profile->modulus_certainty, reterr));
    const json_t *rows = json_object_get(object, "rows");
    size_t count = json_array_size(rows);
    if (count == 0 || count > PROFILE_MODULUS_MAX)
        return refuse(reterr, &place, "rows is a list of 1 to 16 sizes");
    json_int_t last_min = 0, last_bits = 0;
    for (size_t i = 0; i < count; i++) {
        json_int_t min = 0, bits = 0;
        snprintf(place.text, sizeof(place.text), "modulus.rows[%zu]", i);
        const json_t *row = json_array_get(rows, i);
        POSTURE_TRY(number_read(row, "min", 1, PROFILE_BITS_MAX, &place, &min, reterr));
        POSTURE_TRY(number_read(row, "bits", 1, PROFILE_BITS_MAX, &place, &bits, reterr));
        if (min <= last_min || bits <= last_bits)
            return refuse(reterr, &place, "min and bits rise from one to the next");
        profile->modulus[i] = (struct profile_modulus){(uint64_t)min, (uint32_t)bits};
        last_min = min;
        last_bits = bits;
    }
    profile->modulus_count = count;
    return 0;
}

static int head_read(struct posture_profile *profile, const char *file,
                     struct posture_error *reterr)
{
    const char *schema = posture_json_string(profile->root, "schema");
    if (!schema || strcmp(schema, PROFILE_SCHEMA) != 0)
        return posture_error_at(reterr, POSTURE_E_FORMAT, file, 0, 0,
                                "schema is not \"" PROFILE_SCHEMA "\"");
    profile->id = posture_json_string(profile->root, "id");
    if (!text_is_short(profile->id))
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
    return 0;
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

/* all: every byte that the profile is made of, for the digest. */
static int tables_read(struct posture_profile *profile, const char *data_dir,
                       const char *file, struct posture_buf *all,
                       struct posture_error *reterr)
{
    const json_t *names = json_object_get(profile->root, "tables");
    size_t count = json_array_size(names);
    if (count > PROFILE_TABLES_MAX)
        return posture_error_at(reterr, POSTURE_E_LIMIT, file, 0, 0,
                                "more than %d tables", PROFILE_TABLES_MAX);
    for (size_t i = 0; i < count; i++) {
        const char *name = json_string_value(json_array_get(names, i));
        if (!name || strstr(name, "..") || *name == '/')
            return posture_error_at(
                reterr, POSTURE_E_FORMAT, file, 0, 0,
                "tables[%zu] is not the name of a file below schemas/", i);
        POSTURE_AUTO_FREE char *path = NULL;
        POSTURE_AUTO_FREE char *bytes = NULL;
        size_t len = 0;
        POSTURE_TRY(posture_data_path(data_dir, "schemas", name, &path, reterr));
        POSTURE_TRY(posture_file_read(path, PROFILE_FILE_MAX, &bytes, &len, reterr));
        posture_buf_add(all, bytes, len);
        struct profile_table *table = &profile->tables[profile->table_count++];
        POSTURE_TRY(table_read(table, name, path, bytes, len, reterr));
    }
    return 0;
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
    POSTURE_TRY(rows_read(profile, path, reterr));
    POSTURE_TRY(strength_read(profile, path, reterr));
    POSTURE_TRY(modulus_read(profile, path, reterr));

    POSTURE_AUTO_BUF struct posture_buf all = {0};
    posture_buf_add(&all, bytes, len);
    POSTURE_TRY(tables_read(profile, data_dir, path, &all, reterr));
    POSTURE_TRY(posture_buf_error(&all));
    POSTURE_TRY(posture_digest12(all.data, all.len, profile->digest));
    *ret = POSTURE_TAKE(profile);
    return 0;
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

/* --- asking
 * --------------------------------------------------------------------------------- */

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
    const json_t *number = json_object_get(json_object_get(profile->index, cls), name);
    return number ? &profile->rows[json_integer_value(number)] : NULL;
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

const json_t *posture_profile_table_row(const struct posture_profile *profile,
                                        const char *table, const char *name)
{
    for (size_t i = 0; i < profile->table_count; i++) {
        if (strcmp(profile->tables[i].name, table) == 0)
            return json_object_get(profile->tables[i].index, name);
    }
    return NULL;
}
