/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#include "common/report/profile_internal.h"

#include "common/base/buf.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* What a profile's errors say: file, row with its class and name, what is there, what was
 * expected. */

int posture_profile_refuse_(struct posture_error *reterr,
                            const struct profile_place *place, const char *what)
{
    return posture_error_at(reterr, POSTURE_E_FORMAT, place->file, 0, 0, "%s%s%s",
                            place->text, *place->text ? ": " : "", what);
}

int posture_profile_refuse_word_(struct posture_error *reterr,
                                 const struct profile_place *place, const char *key,
                                 const char *word, const char *expected,
                                 const char *const *words, size_t count)
{
    struct posture_nearest nearest = {0};
    for (size_t i = 0; word && i < count; i++) {
        if (words[i])
            posture_nearest_try(&nearest, word, words[i]);
    }
    return posture_profile_refuse_near_(reterr, place, key, word, expected, &nearest);
}

int posture_profile_refuse_near_(struct posture_error *reterr,
                                 const struct profile_place *place, const char *key,
                                 const char *word, const char *expected,
                                 const struct posture_nearest *nearest)
{
    char quoted[96] = "";
    if (word)
        posture_escape(word, strlen(word), quoted, sizeof(quoted));
    POSTURE_AUTO_BUF struct posture_buf text = {0};
    if (!word)
        posture_buf_addf(&text, "%s is missing; expected %s", key, expected);
    else
        posture_buf_addf(&text, "%s \"%s\" is not %s", key, quoted, expected);
    if (word && nearest->name)
        posture_buf_addf(&text, "; did you mean \"%s\"?", nearest->name);
    return posture_profile_refuse_(reterr, place, text.data ? text.data : key);
}

int posture_profile_word_(const char *word, const char *const *words, size_t count)
{
    for (size_t i = 0; word && i < count; i++) {
        if (words[i] && strcmp(word, words[i]) == 0)
            return (int)i;
    }
    return -1;
}

int posture_profile_certainty_(const json_t *object, const char *key,
                               const struct profile_place *place,
                               enum posture_certainty *ret, struct posture_error *reterr)
{
    const char *word = posture_json_string(object, key);
    int i = posture_profile_word_(word, posture_certainty_names_,
                                  POSTURE_COUNT(posture_certainty_names_));
    if (i < 0)
        return posture_profile_refuse_word_(
            reterr, place, key, word, "high, medium or low", posture_certainty_names_,
            POSTURE_COUNT(posture_certainty_names_));
    *ret = (enum posture_certainty)i;
    return 0;
}

int posture_profile_members_(const json_t *object, const char *const *words, size_t count,
                             const struct profile_place *place,
                             struct posture_error *reterr)
{
    const char *key;
    json_t *value;
    json_object_foreach ((json_t *)(uintptr_t)object, key, value) {
        if (posture_profile_word_(key, words, count) < 0)
            return posture_profile_refuse_word_(reterr, place, "member", key,
                                                "known here", words, count);
    }
    return 0;
}

/* A whole number min to max, or nothing: then *ret stays. */
int posture_profile_number_(const json_t *object, const char *key, json_int_t min,
                            json_int_t max, const struct profile_place *place,
                            json_int_t *ret, struct posture_error *reterr)
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

bool posture_profile_is_short_(const char *text)
{
    return text && *text && strlen(text) < PROFILE_NAME_MAX;
}

int posture_profile_source_(const json_t *object, const struct profile_place *place,
                            struct posture_error *reterr)
{
    if (!posture_json_string(object, "source") || !*posture_json_string(object, "source"))
        return posture_profile_refuse_(reterr, place, "source is missing");
    if (!posture_json_string(object, "edition") ||
        !*posture_json_string(object, "edition"))
        return posture_profile_refuse_(reterr, place, "edition is missing");
    return 0;
}

void posture_profile_place_row_(struct profile_place *place, size_t number,
                                const char *cls, const char *name)
{
    snprintf(place->text, sizeof(place->text), "rows[%zu] (%.40s %.60s)", number,
             cls ? cls : "no class", name ? name : "no name");
}
