/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */

#include "common/base/options_internal.h"

#include "common/base/clock.h"
#include "common/base/options_common.h"
#include "common/base/parse.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

const char *const posture_values_names[] = {"auto", "summary", "failing", "all", NULL};
const char *const posture_yes_no_names[] = {"no", "yes", NULL};

struct arena_piece {
    struct arena_piece *next;
    max_align_t bytes[];
};
struct posture_arena {
    struct arena_piece *pieces;
};

struct posture_arena *posture_arena_new(void)
{
    return posture_calloc(1, sizeof(struct posture_arena));
}

struct posture_arena *posture_arena_free(struct posture_arena *arena)
{
    if (!arena)
        return NULL;
    for (struct arena_piece *piece = arena->pieces; piece;) {
        struct arena_piece *next = piece->next;
        free(piece);
        piece = next;
    }
    free(arena);
    return NULL;
}

void *posture_arena_alloc(struct posture_arena *arena, size_t size)
{
    if (size > SIZE_MAX - sizeof(struct arena_piece))
        return NULL;
    struct arena_piece *piece = posture_calloc(1, sizeof(*piece) + size);
    if (!piece)
        return NULL;
    piece->next = arena->pieces;
    arena->pieces = piece;
    return piece->bytes;
}

char *posture_arena_strdup(struct posture_arena *arena, const char *s)
{
    size_t size = strlen(s) + 1;
    char *copy = posture_arena_alloc(arena, size);
    if (copy)
        memcpy(copy, s, size);
    return copy;
}

/* collectd reads an unquoted yes, true or on as a boolean: the words are one to us. */
static int word_truth(const char *text)
{
    static const char *const words[2][3] = {{"no", "false", "off"},
                                            {"yes", "true", "on"}};
    for (int truth = 0; truth < 2; truth++)
        for (size_t i = 0; i < 3; i++)
            if (strcasecmp(text, words[truth][i]) == 0)
                return truth;
    return -1;
}

static int enum_parse(const char *const *values, const char *text, int *ret)
{
    for (int i = 0; values[i]; i++) {
        if (strcasecmp(values[i], text) == 0) {
            *ret = i;
            return 0;
        }
    }
    int truth = word_truth(text);
    for (int i = 0; truth >= 0 && values[i]; i++) {
        if (word_truth(values[i]) == truth) {
            *ret = i;
            return 0;
        }
    }
    return POSTURE_E_FORMAT;
}

/* Nothing that a log line, a path or a protocol line would not carry. */
static int text_judge(const char *text)
{
    size_t len = strlen(text);
    if (len > POSTURE_SETTINGS_VALUE_MAX)
        return POSTURE_E_LIMIT;
    if (!posture_utf8_valid(text, len))
        return POSTURE_E_FORMAT;
    for (size_t i = 0; i < len; i++)
        if ((unsigned char)text[i] < 0x20 || text[i] == 0x7F)
            return POSTURE_E_FORMAT;
    return 0;
}

static bool option_has_range(const struct posture_option *option)
{
    return option->min != 0 || option->max != 0;
}

static int number_parse(const struct posture_option *option, const char *text,
                        double *ret)
{
    double v;
    POSTURE_TRY(posture_parse_double(text, &v));
    if (option_has_range(option) && (v < option->min || v > option->max))
        return POSTURE_E_RANGE;
    *ret = v;
    return 0;
}

static int whole_parse(const struct posture_option *option, const char *text,
                       uint64_t limit, uint64_t *ret)
{
    uint64_t min = 0, max = limit;
    if (option_has_range(option)) {
        min = (uint64_t)option->min;
        max = (uint64_t)option->max < limit ? (uint64_t)option->max : limit;
    }
    return posture_parse_u64(text, min, max, ret);
}

static int list_append(struct posture_arena *arena, struct posture_option_list *list,
                       const char *const *texts, size_t count)
{
    for (size_t i = 0; i < count; i++)
        POSTURE_TRY(text_judge(texts[i]));
    /* Doubling: capacity is the next power of two at or above the count. */
    for (size_t i = 0; i < count; i++) {
        if ((list->count & (list->count - 1)) == 0) {
            size_t cap = list->count > 0 ? list->count * 2 : 1;
            char **items = posture_arena_alloc(arena, cap * sizeof(*items));
            if (!items)
                return -ENOMEM;
            if (list->count > 0)
                memcpy(items, list->items, list->count * sizeof(*items));
            list->items = items;
        }
        char *copy = posture_arena_strdup(arena, texts[i]);
        if (!copy)
            return -ENOMEM;
        list->items[list->count++] = copy;
    }
    return 0;
}

int posture_option_store(struct posture_arena *arena, const struct posture_option *option,
                         void *values, const char *const *texts, size_t count)
{
    void *at = posture_option_at(option, values);
    const char *text = texts[0];
    double number;
    uint64_t whole;

    switch (option->type) {
    case POSTURE_OPT_LIST:
    case POSTURE_OPT_PAIRS:
        return list_append(arena, at, texts, count);
    case POSTURE_OPT_ENUM:
        return enum_parse(option->values, text, at);
    case POSTURE_OPT_U32:
        POSTURE_TRY(whole_parse(option, text, UINT32_MAX, &whole));
        *(uint32_t *)at = (uint32_t)whole;
        return 0;
    case POSTURE_OPT_U64:
        return whole_parse(option, text, UINT64_MAX, at);
    case POSTURE_OPT_DOUBLE:
        return number_parse(option, text, at);
    case POSTURE_OPT_SECONDS:
        POSTURE_TRY(number_parse(option, text, &number));
        if (fabs(number) > (double)(INT64_MAX / POSTURE_NS_PER_S))
            return POSTURE_E_RANGE;
        *(int64_t *)at = (int64_t)llround(number * (double)POSTURE_NS_PER_S);
        return 0;
    case POSTURE_OPT_PORT:
        return posture_parse_port(text, at);
    case POSTURE_OPT_FILE:
    case POSTURE_OPT_SECRET_FILE:
        if (text[0] != '/')
            return POSTURE_E_FORMAT;
        __attribute__((fallthrough));
    case POSTURE_OPT_STRING: {
        POSTURE_TRY(text_judge(text));
        char *copy = posture_arena_strdup(arena, text);
        if (!copy)
            return -ENOMEM;
        if (option->type == POSTURE_OPT_STRING)
            *(const char **)at = copy;
        else
            ((struct posture_option_file *)at)->path = copy;
        return 0;
    }
    }
    return -EINVAL;
}

static void range_text(const struct posture_option *option, const char *noun, char *buf,
                       size_t size)
{
    char min[32], max[32];
    if (option_has_range(option))
        snprintf(buf, size, "%s from %s to %s", noun,
                 posture_double_format(option->min, min),
                 posture_double_format(option->max, max));
    else
        snprintf(buf, size, "%s", noun);
}

const char *posture_option_expectation(const struct posture_option *option, char *buf,
                                       size_t size)
{
    switch (option->type) {
    case POSTURE_OPT_ENUM: {
        size_t used = (size_t)snprintf(buf, size, "one of");
        for (size_t i = 0; option->values[i] && used < size; i++)
            used += (size_t)snprintf(buf + used, size - used, "%s %s", i > 0 ? "," : "",
                                     option->values[i]);
        return buf;
    }
    case POSTURE_OPT_U32:
    case POSTURE_OPT_U64:
        range_text(option, "a whole number", buf, size);
        return buf;
    case POSTURE_OPT_DOUBLE:
        range_text(option, "a number", buf, size);
        return buf;
    case POSTURE_OPT_SECONDS:
        range_text(option, "seconds", buf, size);
        return buf;
    case POSTURE_OPT_PORT:
        snprintf(buf, size, "a port from 1 to 65535");
        return buf;
    case POSTURE_OPT_FILE:
    case POSTURE_OPT_SECRET_FILE:
        snprintf(buf, size, "an absolute path");
        return buf;
    case POSTURE_OPT_LIST:
        snprintf(buf, size, "one or more texts");
        return buf;
    case POSTURE_OPT_PAIRS:
        snprintf(buf, size, "a key and a value");
        return buf;
    case POSTURE_OPT_STRING:
        break;
    }
    snprintf(buf, size, "one text without control characters");
    return buf;
}

static const char *seconds_text(int64_t ns, char buf[static 40])
{
    uint64_t magnitude = ns < 0 ? -(uint64_t)ns : (uint64_t)ns;
    int n = snprintf(buf, 40, "%s%" PRIu64 ".%09" PRIu64, ns < 0 ? "-" : "",
                     magnitude / (uint64_t)POSTURE_NS_PER_S,
                     magnitude % (uint64_t)POSTURE_NS_PER_S);
    while (n > 0 && buf[n - 1] == '0')
        buf[--n] = '\0';
    if (n > 0 && buf[n - 1] == '.')
        buf[n - 1] = '\0';
    return buf;
}

const char *posture_option_text(const struct posture_option *option, const void *values,
                                char buf[static 40])
{
    const void *at = posture_option_at(option, values);
    switch (option->type) {
    case POSTURE_OPT_STRING:
        return *(const char *const *)at;
    case POSTURE_OPT_FILE:
    case POSTURE_OPT_SECRET_FILE:
        return ((const struct posture_option_file *)at)->path;
    case POSTURE_OPT_ENUM:
        return option->values[*(const int *)at];
    case POSTURE_OPT_U32:
        snprintf(buf, 40, "%" PRIu32, *(const uint32_t *)at);
        return buf;
    case POSTURE_OPT_U64:
        snprintf(buf, 40, "%" PRIu64, *(const uint64_t *)at);
        return buf;
    case POSTURE_OPT_DOUBLE:
        return posture_double_format(*(const double *)at, buf);
    case POSTURE_OPT_SECONDS:
        return seconds_text(*(const int64_t *)at, buf);
    case POSTURE_OPT_PORT:
        snprintf(buf, 40, "%u", *(const uint16_t *)at);
        return buf;
    case POSTURE_OPT_LIST:
    case POSTURE_OPT_PAIRS:
        break;
    }
    return NULL;
}
