/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */

#include "common/base/options_internal.h"

#include "common/base/clock.h"
#include "common/base/nearest.h"
#include "common/base/parse.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

enum { OPTIONS_PER_BLOCK_MAX = 128, QUOTED_VALUE_MAX = 96 };

/* "<Plugin posture_x> <Endpoint "y">: " for the text of an error. */
struct place {
    const struct posture_option_table *table;
    const char *block;
    const char *argument;
    int line;
};

static int place_error(const struct place *place, int line, struct posture_error *reterr,
                       const char *text)
{
    char argument[QUOTED_VALUE_MAX] = "";
    if (place->argument)
        posture_escape(place->argument, strlen(place->argument), argument,
                       sizeof(argument));
    if (!place->block)
        return posture_error_at(reterr, POSTURE_E_OPTION, NULL, line, 0,
                                "<Plugin %s>: %s", place->table->plugin, text);
    return posture_error_at(reterr, POSTURE_E_OPTION, NULL, line, 0,
                            "<Plugin %s> <%s%s%s%s>: %s", place->table->plugin,
                            place->block, place->argument ? " \"" : "", argument,
                            place->argument ? "\"" : "", text);
}

/* Names what may stand here: the nearest, or all of them when none is near. */
static int unknown_error(const struct place *place,
                         const struct posture_option_block *type, const char *what,
                         const char *name, int line, struct posture_error *reterr)
{
    struct posture_nearest nearest = {0};
    POSTURE_AUTO_BUF struct posture_buf text = {0};
    char quoted[QUOTED_VALUE_MAX];
    posture_escape(name, strlen(name), quoted, sizeof(quoted));
    posture_buf_addf(&text, "unknown %s \"%s\"; ", what, quoted);

    for (const struct posture_option *o = type ? type->options : NULL; o && o->name; o++)
        posture_nearest_try(&nearest, name, o->name);
    if (!type || !type->name)
        for (const struct posture_option_block *b = place->table->blocks; b->size > 0;
             b++)
            if (b->name)
                posture_nearest_try(&nearest, name, b->name);
    if (nearest.name && nearest.distance == 0) {
        bool is_block = strcmp(what, "option") == 0;
        posture_buf_addf(&text, is_block ? "it is a block: <%s …>" : "%s is an option",
                         nearest.name);
    } else if (nearest.name) {
        posture_buf_addf(&text, "did you mean \"%s\"?", nearest.name);
    } else {
        posture_buf_adds(&text, "allowed:");
        const char *separator = " ";
        for (const struct posture_option *o = type ? type->options : NULL; o && o->name;
             o++) {
            posture_buf_addf(&text, "%s%s", separator, o->name);
            separator = ", ";
        }
        for (const struct posture_option_block *b = place->table->blocks;
             (!type || !type->name) && b->size > 0; b++) {
            if (!b->name)
                continue;
            posture_buf_addf(&text, "%s<%s>", separator, b->name);
            separator = ", ";
        }
    }
    return place_error(place, line, reterr, text.data ? text.data : "unknown option");
}

static int value_error(const struct place *place, const struct posture_option *option,
                       const char *const *values, size_t count, int line,
                       struct posture_error *reterr)
{
    char expectation[256], text[640], quoted[QUOTED_VALUE_MAX] = "";
    posture_option_expectation(option, expectation, sizeof(expectation));
    /* A secret's path may be shown; what it holds is never read here. */
    if (count > 0)
        posture_escape(values[0], strlen(values[0]), quoted, sizeof(quoted));
    if (count == 0)
        snprintf(text, sizeof(text), "option %s has no value; expected %s", option->name,
                 expectation);
    else if (count > 1 && option->type != POSTURE_OPT_LIST &&
             option->type != POSTURE_OPT_PAIRS)
        snprintf(text, sizeof(text), "option %s has %zu values; expected %s",
                 option->name, count, expectation);
    else
        snprintf(text, sizeof(text), "option %s \"%s\"; expected %s", option->name,
                 quoted, expectation);
    return place_error(place, line, reterr, text);
}

static const struct posture_option *option_find(const struct posture_option_block *type,
                                                const char *name)
{
    for (const struct posture_option *o = type->options; o->name; o++)
        if (strcasecmp(o->name, name) == 0)
            return o;
    return NULL;
}

static int item_fill(struct posture_arena *arena, const struct place *place,
                     const struct posture_option_block *type,
                     const struct posture_item *item, void *values, bool *seen,
                     struct posture_error *reterr)
{
    const struct posture_option *option = option_find(type, item->name);
    if (!option)
        return unknown_error(place, type, "option", item->name, item->line, reterr);

    bool is_many = option->type == POSTURE_OPT_LIST || option->type == POSTURE_OPT_PAIRS;
    bool *given = &seen[option - type->options];
    if (*given && !is_many) {
        char text[128];
        snprintf(text, sizeof(text), "option %s is given twice; expected once",
                 option->name);
        return place_error(place, item->line, reterr, text);
    }
    const char *const *texts = (const char *const *)item->values;
    bool is_count_right = option->type == POSTURE_OPT_LIST    ? item->value_count >= 1
                          : option->type == POSTURE_OPT_PAIRS ? item->value_count == 2
                                                              : item->value_count == 1;
    if (!is_count_right)
        return value_error(place, option, texts, item->value_count, item->line, reterr);
    int r = posture_option_store(arena, option, values, texts, item->value_count);
    if (r == -ENOMEM)
        return r;
    if (r < 0)
        return value_error(place, option, texts, item->value_count, item->line, reterr);
    *given = true;
    return 0;
}

static int block_fill(struct posture_arena *arena, const struct place *place,
                      const struct posture_raw_block *raw, struct posture_block *block,
                      struct posture_error *reterr)
{
    const struct posture_option_block *type = block->type;
    bool seen[OPTIONS_PER_BLOCK_MAX] = {false};
    block->values = posture_arena_alloc(arena, type->size);
    if (!block->values)
        return -ENOMEM;

    for (size_t i = 0; raw && i < raw->count; i++)
        POSTURE_TRY(
            item_fill(arena, place, type, &raw->items[i], block->values, seen, reterr));

    for (const struct posture_option *o = type->options; o->name; o++) {
        size_t index = (size_t)(o - type->options);
        POSTURE_REQUIRE(index < OPTIONS_PER_BLOCK_MAX);
        if (seen[index])
            continue;
        if (o->is_required) {
            char expectation[256], text[400];
            posture_option_expectation(o, expectation, sizeof(expectation));
            snprintf(text, sizeof(text), "option %s is missing; expected %s", o->name,
                     expectation);
            return place_error(place, place->line, reterr, text);
        }
        if (!o->def)
            continue;
        int r = posture_option_store(arena, o, block->values, &o->def, 1);
        if (r == -ENOMEM)
            return r;
        POSTURE_REQUIRE(r == 0); /* the table's own default must be allowed */
    }

    struct posture_error why = {0};
    if (type->check && type->check(block->values, block->argument, &why) < 0)
        return place_error(place, place->line, reterr, why.text);
    return 0;
}

static int block_argument(struct posture_arena *arena, const struct place *place,
                          struct posture_block *block, struct posture_error *reterr)
{
    if (!block->type->has_argument) {
        if (place->argument)
            return place_error(place, place->line, reterr,
                               "this block takes no argument");
        return 0;
    }
    if (!place->argument || !*place->argument)
        return place_error(place, place->line, reterr, "this block needs an argument");
    size_t len = strlen(place->argument);
    if (len > POSTURE_SETTINGS_VALUE_MAX || !posture_utf8_valid(place->argument, len) ||
        place->argument[strcspn(place->argument, "\t\n\r")])
        return place_error(place, place->line, reterr,
                           "the argument is too long or holds control characters");
    block->argument = posture_arena_strdup(arena, place->argument);
    return block->argument ? 0 : -ENOMEM;
}

static const struct posture_option_block *
block_type_find(const struct posture_option_table *t, const char *name)
{
    for (const struct posture_option_block *b = t->blocks; b->size > 0; b++)
        if (b->name ? name && strcasecmp(b->name, name) == 0 : !name)
            return b;
    return NULL;
}

/* Two blocks of one name for the same thing would report it twice. */
static int blocks_compare(const void *pa, const void *pb)
{
    const struct posture_block *a = *(const struct posture_block *const *)pa;
    const struct posture_block *b = *(const struct posture_block *const *)pb;
    if (a->type != b->type)
        return a->type < b->type ? -1 : 1;
    int order =
        strcasecmp(a->argument ? a->argument : "", b->argument ? b->argument : "");
    if (order != 0)
        return order;
    return a->number < b->number ? -1 : a->number > b->number ? 1 : 0;
}

static int blocks_judge(const struct posture_settings *settings,
                        struct posture_error *reterr)
{
    const struct posture_option_block *types = settings->table->blocks;
    for (const struct posture_option_block *type = types; type->size > 0; type++) {
        size_t count = 0;
        for (size_t i = 1; i < settings->count; i++)
            count += settings->blocks[i].type == type;
        if (type->max_count > 0 && count > type->max_count) {
            char text[160];
            snprintf(text, sizeof(text), "%zu <%s> blocks; expected at most %zu", count,
                     type->name, type->max_count);
            return place_error(&(struct place){.table = settings->table}, 0, reterr,
                               text);
        }
    }

    if (settings->count < 3)
        return 0;
    POSTURE_AUTO_FREE char *memory =
        posture_reallocarray(NULL, settings->count, sizeof(struct posture_block *));
    if (!memory)
        return -ENOMEM;
    const struct posture_block **sorted = (const struct posture_block **)(void *)memory;
    for (size_t i = 1; i < settings->count; i++)
        sorted[i - 1] = &settings->blocks[i];
    qsort(sorted, settings->count - 1, sizeof(*sorted), blocks_compare);
    for (size_t i = 1; i < settings->count - 1; i++) {
        const struct posture_block *a = sorted[i - 1], *b = sorted[i];
        if (!a->argument || a->type != b->type ||
            strcasecmp(a->argument, b->argument) != 0)
            continue;
        struct place place = {settings->table, b->type->name, b->argument, b->line};
        return place_error(&place, b->line, reterr, "this block is given twice");
    }
    return 0;
}

static bool option_is_file(const struct posture_option *option)
{
    return option->type == POSTURE_OPT_FILE || option->type == POSTURE_OPT_SECRET_FILE;
}

/* In the order of blocks and of the table's rows, not of the lines: host and worker count
 * alike. */
static void files_number(struct posture_settings *settings)
{
    for (size_t i = 0; i < settings->count; i++) {
        const struct posture_block *block = &settings->blocks[i];
        for (const struct posture_option *o = block->type->options; o->name; o++) {
            if (!option_is_file(o))
                continue;
            struct posture_option_file *file = posture_option_at(o, block->values);
            if (file->path)
                file->index = ++settings->file_count;
        }
    }
}

int posture_settings_parse(const struct posture_option_table *table,
                           const struct posture_raw_block *raw, size_t count,
                           struct posture_settings **ret_settings,
                           struct posture_error *reterr)
{
    struct place top = {.table = table};
    if (count > POSTURE_SETTINGS_BLOCKS_MAX)
        return place_error(&top, 0, reterr, "too many blocks; expected at most 65536");
    POSTURE_AUTO(posture_settings_free)
    struct posture_settings *settings = posture_calloc(1, sizeof(*settings));
    if (!settings)
        return -ENOMEM;
    settings->table = table;
    settings->arena_ = posture_arena_new();
    settings->blocks = posture_calloc(count + 1, sizeof(*settings->blocks));
    if (!settings->arena_ || !settings->blocks)
        return -ENOMEM;

    const struct posture_raw_block *plugin_level = NULL;
    settings->count = 1;
    for (size_t i = 0; i < count; i++) {
        if (!raw[i].name) {
            if (plugin_level)
                return place_error(&top, raw[i].line, reterr,
                                   "this block is given twice");
            plugin_level = &raw[i];
            continue;
        }
        struct place place = {table, raw[i].name, raw[i].argument, raw[i].line};
        const struct posture_option_block *type = block_type_find(table, raw[i].name);
        if (!type)
            return unknown_error(&top, NULL, "block", raw[i].name, raw[i].line, reterr);
        place.block = type->name;
        struct posture_block *block = &settings->blocks[settings->count];
        *block = (struct posture_block){
            .type = type, .number = (uint32_t)settings->count, .line = raw[i].line};
        settings->count++;
        POSTURE_TRY(block_argument(settings->arena_, &place, block, reterr));
        POSTURE_TRY(block_fill(settings->arena_, &place, &raw[i], block, reterr));
    }

    struct posture_block *first = &settings->blocks[0];
    first->type = block_type_find(table, NULL);
    POSTURE_REQUIRE(first->type);
    top.line = first->line = plugin_level ? plugin_level->line : 0;
    POSTURE_TRY(block_fill(settings->arena_, &top, plugin_level, first, reterr));
    POSTURE_TRY(blocks_judge(settings, reterr));
    files_number(settings);

    *ret_settings = POSTURE_TAKE(settings);
    return 0;
}

struct posture_settings *posture_settings_free(struct posture_settings *settings)
{
    if (!settings)
        return NULL;
    posture_arena_free(settings->arena_);
    free(settings->blocks);
    free(settings);
    return NULL;
}

int64_t posture_settings_interval(const struct posture_settings *settings, uint32_t block)
{
    const uint32_t wanted[] = {block < settings->count ? block : 0, 0};
    for (size_t i = 0; i < POSTURE_COUNT(wanted); i++) {
        const struct posture_block *b = &settings->blocks[wanted[i]];
        const struct posture_option *o = option_find(b->type, "Interval");
        if (!o || o->type != POSTURE_OPT_SECONDS)
            continue;
        int64_t ns = *(const int64_t *)posture_option_at(o, b->values);
        if (ns > 0)
            return ns;
    }
    return 0;
}

const char *posture_settings_file(const struct posture_settings *settings, uint32_t index,
                                  bool *ret_is_secret)
{
    for (size_t i = 0; index > 0 && i < settings->count; i++) {
        const struct posture_block *block = &settings->blocks[i];
        for (const struct posture_option *o = block->type->options; o->name; o++) {
            if (!option_is_file(o))
                continue;
            const struct posture_option_file *file = posture_option_at(o, block->values);
            if (file->index != index)
                continue;
            if (ret_is_secret)
                *ret_is_secret = o->type == POSTURE_OPT_SECRET_FILE;
            return file->path;
        }
    }
    return NULL;
}
