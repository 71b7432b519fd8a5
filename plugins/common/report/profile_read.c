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
    PROFILE_ROWS_MAX = 4096,
    PROFILE_YEAR_MIN = 1970,
    PROFILE_YEAR_MAX = 2200, /* int64_t nanoseconds end in 2262 */
    PROFILE_BITS_MAX = 65536,
};

#define PROFILE_SCHEMA "posture.profile/1"

static const char *const tier_names[] = {
    [POSTURE_TIER_NONE] = "none",
    [POSTURE_TIER_RECOMMENDED] = "recommended",
    [POSTURE_TIER_PQC] = "pqc",
    [POSTURE_TIER_CANDIDATE] = "candidate",
    [POSTURE_TIER_MONITORED] = "monitored",
};

static const char *const strength_names[] = {
    [POSTURE_STRENGTH_USABLE] = "usable",
    [POSTURE_STRENGTH_MIGRATE] = "migrate",
    [POSTURE_STRENGTH_NOT_ALLOWED] = "not_allowed",
};

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
    int i = word_find(posture_json_string(object, key), posture_certainty_names_,
                      POSTURE_COUNT(posture_certainty_names_));
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

/* A whole number from 0, or null where may_be_null. */
static int size_check(const json_t *object, const char *key, bool may_be_null,
                      const struct place *place, struct posture_error *reterr)
{
    const json_t *value = json_object_get(object, key);
    if (may_be_null && json_is_null(value))
        return 0;
    json_int_t number = -1;
    POSTURE_TRY(number_read(object, key, 0, PROFILE_BITS_MAX, place, &number, reterr));
    return number < 0 ? refuse(reterr, place, "a size in bits is missing") : 0;
}

static int type_versions_check(const json_t *type, const struct place *place,
                               struct posture_error *reterr)
{
    static const char *const rules[] = {"must", "should", "may", "forbidden"};
    const json_t *versions = json_object_get(type, "versions");
    enum posture_certainty certainty;
    if (json_array_size(versions) == 0)
        return refuse(reterr, place, "versions is a list of rules");
    size_t i;
    const json_t *rule;
    json_array_foreach (versions, i, rule) {
        struct place here = {.file = place->file};
        snprintf(here.text, sizeof(here.text), "%.100s.versions[%zu]", place->text, i);
        if (!text_is_short(posture_json_string(rule, "name")))
            return refuse(reterr, &here, "name is missing");
        if (word_find(posture_json_string(rule, "rule"), rules, POSTURE_COUNT(rules)) < 0)
            return refuse(reterr, &here, "rule is must, should, may or forbidden");
        POSTURE_TRY(certainty_read(rule, "certainty", &here, &certainty, reterr));
    }
    return 0;
}

static int type_suites_check(const json_t *type, const struct place *place,
                             struct posture_error *reterr)
{
    const json_t *sets = json_object_get(type, "suites");
    enum posture_certainty certainty;
    if (json_array_size(sets) == 0)
        return refuse(reterr, place, "suites is a list of sets");
    size_t i, j;
    const json_t *set, *name;
    json_array_foreach (sets, i, set) {
        struct place here = {.file = place->file};
        snprintf(here.text, sizeof(here.text), "%.100s.suites[%zu]", place->text, i);
        POSTURE_TRY(certainty_read(set, "certainty", &here, &certainty, reterr));
        if (json_array_size(json_object_get(set, "names")) == 0)
            return refuse(reterr, &here, "names is a list of suites");
        json_array_foreach (json_object_get(set, "names"), j, name) {
            if (!json_is_string(name))
                return refuse(reterr, &here, "names holds something other than a name");
        }
    }
    return 0;
}

/* One type of a guideline: what the TLS checks will look for in it. */
static int type_check(const json_t *type, const struct place *place,
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
    if (!text_is_short(posture_json_string(type, "id")))
        return refuse(reterr, place, "id is a word of at most 63 bytes");
    if (word_find(posture_json_string(type, "result"), results, POSTURE_COUNT(results)) <
        0)
        return refuse(reterr, place, "result is pass, warn or fail");
    POSTURE_TRY(type_versions_check(type, place, reterr));
    for (size_t i = 0; i < POSTURE_COUNT(rules); i++) {
        const json_t *rule = json_object_get(type, rules[i].member);
        struct place here = {.file = place->file};
        snprintf(here.text, sizeof(here.text), "%.100s.%s", place->text, rules[i].member);
        POSTURE_TRY(certainty_read(rule, "certainty", &here, &certainty, reterr));
        for (size_t n = 0; n < POSTURE_COUNT(rules[i].sizes) && rules[i].sizes[n]; n++)
            POSTURE_TRY(
                size_check(rule, rules[i].sizes[n], rules[i].may_be_null, &here, reterr));
    }
    return type_suites_check(type, place, reterr);
}

static int types_check(const struct posture_profile *profile, const char *file,
                       struct posture_error *reterr)
{
    const json_t *object = json_object_get(profile->root, "tls_types");
    if (!object)
        return 0;
    struct place place = {.file = file, .text = "tls_types"};
    POSTURE_TRY(source_check(object, &place, reterr));
    const json_t *types = json_object_get(object, "types");
    if (json_array_size(types) == 0)
        return refuse(reterr, &place, "types is a list, the best first");
    size_t i;
    const json_t *type;
    json_array_foreach (types, i, type) {
        snprintf(place.text, sizeof(place.text), "tls_types.types[%zu]", i);
        POSTURE_TRY(type_check(type, &place, reterr));
    }
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

/* A profile may name code points that IANA has not; without the table nothing is known.
 */
static bool name_is_known(const struct posture_profile *profile, const char *table,
                          const char *name)
{
    for (size_t i = 0; i < profile->table_count; i++) {
        if (strcmp(profile->tables[i].name, table) == 0)
            return strncmp(name, "0x", 2) == 0 ||
                   json_object_get(profile->tables[i].index, name);
    }
    return true;
}

/* A name with a slip of the pen would judge nothing, and say nothing. */
static int names_check(const struct posture_profile *profile, const char *file,
                       struct posture_error *reterr)
{
    struct place place = {.file = file};
    for (size_t i = 0; i < profile->count; i++) {
        const struct posture_profile_row *row = &profile->rows[i];
        snprintf(place.text, sizeof(place.text), "rows[%zu] (%.40s %.60s)", i, row->cls,
                 row->name);
        if (strcmp(row->cls, "group") == 0 &&
            !name_is_known(profile, "groups", row->name))
            return refuse(reterr, &place, "table groups has no such name");
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
                if (!name_is_known(profile, "suites", json_string_value(name)))
                    return refuse(reterr, &place, "table suites has no such name");
            }
        }
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
    POSTURE_TRY(types_check(profile, path, reterr));

    POSTURE_AUTO_BUF struct posture_buf all = {0};
    posture_buf_add(&all, bytes, len);
    POSTURE_TRY(tables_read(profile, data_dir, path, &all, reterr));
    POSTURE_TRY(names_check(profile, path, reterr));
    POSTURE_TRY(posture_buf_error(&all));
    POSTURE_TRY(posture_digest12(all.data, all.len, profile->digest));
    *ret = POSTURE_TAKE(profile);
    return 0;
}
