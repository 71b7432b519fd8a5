/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#include "posture_crypto/targets.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum { LINE_MAX_BYTES = 2048, WORDS_MAX = 16 };

static struct posture_crypto_target *target_free(struct posture_crypto_target *target)
{
    if (!target)
        return NULL;
    posture_report_free(target->held);
    posture_settings_free(target->own_settings);
    free(target->line);
    free(target);
    return NULL;
}
POSTURE_AUTO_DEFINE(struct posture_crypto_target *, target_free)

void posture_crypto_targets_done(struct posture_crypto_targets *targets)
{
    for (size_t i = 0; i < targets->count; i++)
        target_free(targets->items[i]);
    free(targets->items);
    *targets = (struct posture_crypto_targets){0};
}

/* What is being put together; taken apart again on failure, but for what is previous's.
 */
struct reading {
    const struct posture_settings *settings;
    const struct posture_crypto_measure *const *measures;
    const struct posture_crypto_targets *previous;
    json_t *previous_lines; /* line → number in previous */
    json_t *seen;           /* subjects */
    struct posture_crypto_targets list;
    size_t *old;
    size_t room;
};

static void reading_done(struct reading *reading)
{
    for (size_t i = 0; i < reading->list.count; i++) {
        if (reading->old[i] == SIZE_MAX)
            target_free(reading->list.items[i]);
    }
    free(reading->list.items);
    free(reading->old);
    json_decref(reading->previous_lines);
    json_decref(reading->seen);
}

static int target_append(struct reading *reading,
                         struct posture_crypto_target *target_take, size_t old)
{
    struct posture_crypto_targets *list = &reading->list;
    if (list->count == reading->room) {
        size_t room = reading->room ? 2 * reading->room : 64;
        struct posture_crypto_target **items = posture_reallocarray(
            list->items, room, sizeof(struct posture_crypto_target *));
        if (items)
            list->items = items;
        size_t *numbers = posture_reallocarray(reading->old, room, sizeof(*numbers));
        if (numbers)
            reading->old = numbers;
        if (!items || !numbers) {
            if (old == SIZE_MAX)
                target_free(target_take);
            return -ENOMEM;
        }
        reading->room = room;
    }
    list->items[list->count] = target_take;
    reading->old[list->count++] = old;
    return 0;
}

static int subject_once(struct reading *reading, const char *subject,
                        struct posture_error *reterr)
{
    if (json_object_get(reading->seen, subject))
        return posture_error_set(reterr, POSTURE_E_OPTION,
                                 "%s is in the configuration twice", subject);
    return json_object_set_new(reading->seen, subject, json_true()) < 0 ? -ENOMEM : 0;
}

/* A block of the configuration is the same for as long as the worker lives. */
static int block_read(struct reading *reading, uint32_t block,
                      struct posture_error *reterr)
{
    size_t number = block - 1;
    if (reading->previous) {
        struct posture_crypto_target *target = reading->previous->items[number];
        POSTURE_TRY(subject_once(reading, target->subject.text, reterr));
        return target_append(reading, target, number);
    }
    POSTURE_AUTO(target_free)
    struct posture_crypto_target *target = posture_calloc(1, sizeof(*target));
    if (!target)
        return -ENOMEM;
    POSTURE_TRY(posture_crypto_target_read(reading->settings, block, reading->measures,
                                           target, reterr));
    POSTURE_TRY(subject_once(reading, target->subject.text, reterr));
    return target_append(reading, POSTURE_TAKE(target), SIZE_MAX);
}

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

/* The words of a line up to a comment; they point into buf. */
static size_t words_split(char *buf, char *words[static WORDS_MAX + 1])
{
    size_t count = 0;
    for (char *p = buf; count <= WORDS_MAX;) {
        while (is_space(*p))
            p++;
        if (!*p || *p == '#')
            break;
        words[count++] = p;
        while (*p && !is_space(*p))
            p++;
        if (*p)
            *p++ = '\0';
    }
    return count;
}

int posture_crypto_line_parse(const char *line, size_t len,
                              struct posture_settings **ret_settings,
                              struct posture_error *reterr)
{
    char buf[LINE_MAX_BYTES];
    *ret_settings = NULL;
    if (memchr(line, '\0', len))
        return posture_error_set(reterr, POSTURE_E_FORMAT, "a NUL byte");
    if (len >= sizeof(buf))
        return posture_error_set(reterr, POSTURE_E_LIMIT,
                                 "longer than the %d bytes that a line may have",
                                 LINE_MAX_BYTES - 1);
    memcpy(buf, line, len);
    buf[len] = '\0';
    char *words[WORDS_MAX + 1];
    size_t count = words_split(buf, words);
    if (count == 0)
        return 0;
    if (count > WORDS_MAX)
        return posture_error_set(reterr, POSTURE_E_LIMIT, "more than %d words",
                                 WORDS_MAX);
    struct posture_item items[WORDS_MAX];
    char *values[WORDS_MAX];
    for (size_t i = 1; i < count; i++) {
        char *equals = strchr(words[i], '=');
        if (!equals || equals == words[i])
            return posture_error_set(
                reterr, POSTURE_E_FORMAT,
                "\"%s\": expected Option=value, such as EndOfLife=2032-03-31", words[i]);
        *equals = '\0';
        if (strcasecmp(words[i], "Interval") == 0)
            return posture_error_set(
                reterr, POSTURE_E_OPTION,
                "Interval: cannot be given for a line; the plugin's holds for all");
        values[i] = equals + 1;
        items[i - 1] = (struct posture_item){
            .name = words[i], .values = &values[i], .value_count = 1};
    }
    const struct posture_raw_block raw[] = {
        {.name = NULL},
        {.name = "Endpoint", .argument = words[0], .items = items, .count = count - 1},
    };
    return posture_settings_parse(&posture_crypto_options, raw, POSTURE_COUNT(raw),
                                  ret_settings, reterr);
}

/* Lines that say the same are the same. */
static char *line_key(const char *line, size_t len)
{
    while (len > 0 && is_space(*line)) {
        line++;
        len--;
    }
    while (len > 0 && is_space(line[len - 1]))
        len--;
    char *key = posture_calloc(1, len + 1);
    if (key)
        memcpy(key, line, len);
    return key;
}

static bool is_seen(const struct reading *reading, const char *subject)
{
    return json_object_get(reading->seen, subject) != NULL;
}

static int line_read(struct reading *reading, const char *line, size_t len, bool is_found,
                     struct posture_error *reterr)
{
    POSTURE_AUTO_FREE char *key = line_key(line, len);
    if (!key)
        return -ENOMEM;
    const json_t *old = json_object_get(reading->previous_lines, key);
    if (old) {
        size_t number = (size_t)json_integer_value(old);
        struct posture_crypto_target *target = reading->previous->items[number];
        if (is_found && is_seen(reading, target->subject.text))
            return 0;
        POSTURE_TRY(subject_once(reading, target->subject.text, reterr));
        return target_append(reading, target, number);
    }
    POSTURE_AUTO(posture_settings_free) struct posture_settings *settings = NULL;
    POSTURE_TRY(posture_crypto_line_parse(line, len, &settings, reterr));
    if (!settings)
        return 0;
    POSTURE_AUTO(target_free)
    struct posture_crypto_target *target = posture_calloc(1, sizeof(*target));
    if (!target)
        return -ENOMEM;
    POSTURE_TRY(
        posture_crypto_target_read(settings, 1, reading->measures, target, reterr));
    target->own_settings = POSTURE_TAKE(settings);
    target->line = POSTURE_TAKE(key);
    target->block = 0; /* its values come at the plugin's interval */
    target->interval_ns = posture_settings_interval(reading->settings, 0);
    if (is_found && is_seen(reading, target->subject.text))
        return 0;
    POSTURE_TRY(subject_once(reading, target->subject.text, reterr));
    return target_append(reading, POSTURE_TAKE(target), SIZE_MAX);
}

static int file_read(struct reading *reading, const struct posture_crypto_file *file,
                     struct posture_error *reterr)
{
    const char *at = file->bytes, *end = file->bytes + file->len;
    for (int number = 1; at < end; number++) {
        const char *stop = memchr(at, '\n', (size_t)(end - at));
        if (!stop)
            stop = end;
        struct posture_error why = {0};
        int r = line_read(reading, at, (size_t)(stop - at), file->is_found, &why);
        if (r < 0)
            return posture_error_at(reterr, r, file->path, number, 0, "%s",
                                    why.text[0] ? why.text : posture_strerror(r));
        at = stop + 1;
    }
    return 0;
}

static int previous_index(struct reading *reading)
{
    reading->seen = json_object();
    reading->previous_lines = json_object();
    if (!reading->seen || !reading->previous_lines)
        return -ENOMEM;
    for (size_t i = 0; reading->previous && i < reading->previous->count; i++) {
        const char *line = reading->previous->items[i]->line;
        if (line && json_object_set_new_nocheck(reading->previous_lines, line,
                                                json_integer((json_int_t)i)) < 0)
            return -ENOMEM;
    }
    return 0;
}

/* previous keeps what the new list has not taken over. */
static void previous_thin(struct posture_crypto_targets *previous, const size_t *old,
                          size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (old[i] != SIZE_MAX)
            previous->items[old[i]] = NULL;
    }
    size_t left = 0;
    for (size_t i = 0; i < previous->count; i++) {
        if (previous->items[i])
            previous->items[left++] = previous->items[i];
    }
    previous->count = left;
}

int posture_crypto_targets_read(const struct posture_settings *settings,
                                const struct posture_crypto_file *files,
                                size_t file_count,
                                const struct posture_crypto_measure *const *measures,
                                struct posture_crypto_targets *previous,
                                struct posture_crypto_targets *ret, size_t **ret_old,
                                struct posture_error *reterr)
{
    struct reading reading = {
        .settings = settings, .measures = measures, .previous = previous};
    int r = previous_index(&reading);
    for (uint32_t i = 1; r == 0 && i < settings->count; i++)
        r = block_read(&reading, i, reterr);
    for (size_t i = 0; r == 0 && i < file_count; i++) {
        if (files[i].bytes)
            r = file_read(&reading, &files[i], reterr);
    }
    if (r == 0) {
        if (previous)
            previous_thin(previous, reading.old, reading.list.count);
        *ret = reading.list;
        *ret_old = reading.old;
        reading.list = (struct posture_crypto_targets){0};
        reading.old = NULL;
    }
    reading_done(&reading);
    return r;
}

void posture_crypto_targets_restore(struct posture_crypto_targets *previous,
                                    struct posture_crypto_targets *list,
                                    const size_t *old)
{
    /* What is left of previous stands in its order at the front: it moves back to where
     * its number says, the last first, and the others come to theirs. */
    size_t total = previous->count;
    for (size_t left = previous->count; left > 0; left--) {
        struct posture_crypto_target *target = previous->items[left - 1];
        previous->items[target->number] = target;
    }
    for (size_t i = 0; i < list->count; i++)
        total += old[i] != SIZE_MAX;
    for (size_t i = 0; i < list->count; i++) {
        if (old[i] != SIZE_MAX)
            previous->items[old[i]] = list->items[i];
        else
            target_free(list->items[i]);
    }
    previous->count = total;
    free(list->items);
    *list = (struct posture_crypto_targets){0};
}
