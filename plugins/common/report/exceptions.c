/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#include "common/report/exceptions.h"

#include "common/base/buf.h"
#include "common/base/clock.h"
#include "common/base/nearest.h"
#include "common/base/parse.h"
#include "common/report/json.h"
#include "common/report/subject.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum {
    EXCEPTIONS_FILE_MAX = 8 * 1024 * 1024,
    EXCEPTIONS_MAX = 10000,
    REASON_MAX = 2000,
    OWNER_MAX = 200,
    DAY_S = 86400,
};

#define EXCEPTIONS_SCHEMA "posture.exceptions/1"

struct posture_exceptions {
    json_t *root; /* owner of the strings */
    struct posture_exceptions_entry *entries;
    size_t count;
    json_t *index; /* "subject check" -> list of numbers */
};

struct place {
    const char *file;
    size_t number;
    struct posture_error *reterr;
};

static int refuse(const struct place *place, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

static int refuse(const struct place *place, const char *fmt, ...)
{
    POSTURE_AUTO_BUF struct posture_buf text = {0};
    va_list args;
    va_start(args, fmt);
    posture_buf_vaddf(&text, fmt, args);
    va_end(args);
    return posture_error_at(place->reterr, POSTURE_E_FORMAT, place->file, 0, 0,
                            "exceptions[%zu]: %s", place->number,
                            text.data ? text.data : "out of memory");
}

static int members_check(const json_t *object, const struct place *place)
{
    static const char *const members[] = {"subject", "check", "reason", "owner",
                                          "expires"};
    const char *key;
    json_t *value;
    json_object_foreach ((json_t *)(uintptr_t)object, key, value) {
        struct posture_nearest nearest = {0};
        bool is_known = false;
        for (size_t i = 0; i < POSTURE_COUNT(members); i++) {
            is_known = is_known || strcmp(key, members[i]) == 0;
            posture_nearest_try(&nearest, key, members[i]);
        }
        if (!is_known)
            return refuse(place, "member \"%.60s\" is not known here%s%s%s", key,
                          nearest.name ? "; did you mean \"" : "",
                          nearest.name ? nearest.name : "", nearest.name ? "\"?" : "");
    }
    for (size_t i = 0; i < POSTURE_COUNT(members); i++) {
        const char *text = posture_json_string(object, members[i]);
        if (!text || !*text)
            return refuse(place, "%s is missing, or not a text", members[i]);
    }
    return 0;
}

static int subject_check(const char *text, const struct place *place)
{
    struct posture_subject subject;
    struct posture_error why = {0};
    if (posture_subject_parse(text, NULL, &subject, &why) < 0)
        return refuse(place, "subject \"%.200s\" is none: %s", text, why.text);
    if (strcmp(subject.text, text) != 0)
        return refuse(place, "subject \"%.200s\" must be spelled \"%s\"", text,
                      subject.text);
    return 0;
}

static int check_check(const struct posture_check_registry *checks, const char *id,
                       const struct place *place)
{
    if (!checks || posture_check_find(checks, id))
        return 0;
    struct posture_nearest nearest = {0};
    const struct posture_check_info *info;
    for (size_t i = 0; (info = posture_check_at(checks, i)); i++)
        posture_nearest_try(&nearest, id, info->id);
    return refuse(place, "there is no check \"%.100s\"%s%s%s", id,
                  nearest.name ? "; did you mean \"" : "",
                  nearest.name ? nearest.name : "", nearest.name ? "\"?" : "");
}

static int entry_read(const json_t *object, const struct posture_check_registry *checks,
                      const struct place *place, struct posture_exceptions_entry *ret)
{
    if (!json_is_object(object))
        return refuse(place, "is not an object");
    POSTURE_TRY(members_check(object, place));
    struct posture_exceptions_entry entry = {
        .subject = posture_json_string(object, "subject"),
        .check = posture_json_string(object, "check"),
        .reason = posture_json_string(object, "reason"),
        .owner = posture_json_string(object, "owner"),
        .expires = posture_json_string(object, "expires"),
    };
    POSTURE_TRY(subject_check(entry.subject, place));
    POSTURE_TRY(check_check(checks, entry.check, place));
    if (strlen(entry.reason) > REASON_MAX)
        return refuse(place, "reason is longer than %d bytes", REASON_MAX);
    if (strlen(entry.owner) > OWNER_MAX)
        return refuse(place, "owner is longer than %d bytes", OWNER_MAX);
    if (posture_date_parse_jst(entry.expires, strlen(entry.expires), &entry.end_ns) < 0)
        return refuse(place, "expires \"%.40s\" is not a day such as 2027-03-31",
                      entry.expires);
    entry.end_ns += DAY_S * POSTURE_NS_PER_S;
    *ret = entry;
    return 0;
}

static int entry_index(struct posture_exceptions *exceptions, size_t number,
                       const struct place *place)
{
    const struct posture_exceptions_entry *entry = &exceptions->entries[number];
    POSTURE_AUTO_FREE char *key = posture_asprintf("%s %s", entry->subject, entry->check);
    if (!key)
        return -ENOMEM;
    json_t *numbers = json_object_get(exceptions->index, key);
    if (!numbers) {
        numbers = json_array();
        if (json_object_set_new(exceptions->index, key, numbers) < 0)
            return -ENOMEM;
    }
    size_t i;
    const json_t *other;
    json_array_foreach (numbers, i, other) {
        if (exceptions->entries[json_integer_value(other)].end_ns == entry->end_ns)
            return refuse(place, "is exceptions[%lld] once more",
                          (long long)json_integer_value(other));
    }
    return json_array_append_new(numbers, json_integer((json_int_t)number)) < 0 ? -ENOMEM
                                                                                : 0;
}

int posture_exceptions_load(const char *path, const struct posture_check_registry *checks,
                            struct posture_exceptions **ret, struct posture_error *reterr)
{
    POSTURE_AUTO(posture_exceptions_free)
    struct posture_exceptions *exceptions = posture_calloc(1, sizeof(*exceptions));
    if (!exceptions)
        return -ENOMEM;
    POSTURE_TRY(posture_json_load(path, EXCEPTIONS_FILE_MAX, &exceptions->root, reterr));
    const char *schema = posture_json_string(exceptions->root, "schema");
    if (!schema || strcmp(schema, EXCEPTIONS_SCHEMA) != 0)
        return posture_error_at(reterr, POSTURE_E_FORMAT, path, 0, 0,
                                "schema is not \"" EXCEPTIONS_SCHEMA "\"");
    const json_t *list = json_object_get(exceptions->root, "exceptions");
    size_t count = json_array_size(list);
    if (!json_is_array(list) || count > EXCEPTIONS_MAX)
        return posture_error_at(reterr, POSTURE_E_FORMAT, path, 0, 0,
                                "exceptions is a list of at most %d entries",
                                EXCEPTIONS_MAX);
    exceptions->entries = posture_calloc(count + 1, sizeof(*exceptions->entries));
    exceptions->index = json_object();
    if (!exceptions->entries || !exceptions->index)
        return -ENOMEM;
    for (size_t i = 0; i < count; i++) {
        const struct place place = {.file = path, .number = i, .reterr = reterr};
        POSTURE_TRY(
            entry_read(json_array_get(list, i), checks, &place, &exceptions->entries[i]));
        POSTURE_TRY(entry_index(exceptions, i, &place));
        exceptions->count = i + 1;
    }
    *ret = POSTURE_TAKE(exceptions);
    return 0;
}

struct posture_exceptions *posture_exceptions_free(struct posture_exceptions *exceptions)
{
    if (!exceptions)
        return NULL;
    json_decref(exceptions->index);
    json_decref(exceptions->root);
    free(exceptions->entries);
    free(exceptions);
    return NULL;
}

size_t posture_exceptions_count(const struct posture_exceptions *exceptions)
{
    return exceptions ? exceptions->count : 0;
}

const struct posture_exceptions_entry *
posture_exceptions_find(const struct posture_exceptions *exceptions, const char *subject,
                        const struct posture_result *result)
{
    if (!exceptions || exceptions->count == 0 || result->status == POSTURE_RESULT_PASS ||
        result->status == POSTURE_RESULT_NA)
        return NULL;
    char key[POSTURE_SUBJECT_MAX + 128];
    int len = snprintf(key, sizeof(key), "%s %s", subject, result->check);
    if (len < 0 || (size_t)len >= sizeof(key))
        return NULL;
    /* Of several, the one that ends last: it holds if any does. */
    const struct posture_exceptions_entry *found = NULL;
    size_t i;
    const json_t *number;
    json_array_foreach (json_object_get(exceptions->index, key), i, number) {
        const struct posture_exceptions_entry *entry =
            &exceptions->entries[json_integer_value(number)];
        if (!found || entry->end_ns > found->end_ns)
            found = entry;
    }
    return found;
}

bool posture_exceptions_holds(const struct posture_exceptions_entry *entry, int64_t at_ns)
{
    return at_ns < entry->end_ns;
}
