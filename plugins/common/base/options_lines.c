/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */

#include "common/base/lines.h"
#include "common/base/options_internal.h"

#include <errno.h>
#include <string.h>

enum { GROUP_MAX = 3 }; /* an option's name with its key and value */

/* Fields of one line being gathered; a full one is written and "more" begins the next. */
struct gather {
    struct posture_buf *out;
    const char *fields[POSTURE_LINE_FIELDS_MAX];
    size_t count;
    size_t bytes; /* at worst, escaped */
};

static int gather_flush(struct gather *gather)
{
    if (gather->count == 0)
        return 0;
    int r = posture_line_write(gather->out, gather->fields, gather->count);
    gather->count = gather->bytes = 0;
    return r;
}

static int gather_add(struct gather *gather, const char *const *group, size_t count)
{
    size_t bytes = 0;
    for (size_t i = 0; i < count; i++)
        bytes += 2 * strlen(group[i]) + 1;
    if (gather->count + count > POSTURE_LINE_FIELDS_MAX ||
        gather->bytes + bytes > POSTURE_LINE_MAX) {
        POSTURE_TRY(gather_flush(gather));
        gather->fields[gather->count++] = "more";
        gather->bytes = sizeof("more");
    }
    memcpy(gather->fields + gather->count, group, count * sizeof(*group));
    gather->count += count;
    gather->bytes += bytes;
    return 0;
}

static int option_encode(struct gather *gather, const struct posture_option *option,
                         const void *values, char text[static 40])
{
    if (option->type == POSTURE_OPT_LIST || option->type == POSTURE_OPT_PAIRS) {
        const struct posture_option_list *list = posture_option_at(option, values);
        size_t step = option->type == POSTURE_OPT_PAIRS ? 2 : 1;
        for (size_t i = 0; i + step <= list->count; i += step) {
            const char *group[GROUP_MAX] = {option->name, list->items[i],
                                            step == 2 ? list->items[i + 1] : NULL};
            POSTURE_TRY(gather_add(gather, group, 1 + step));
        }
        return 0;
    }
    const char *value = posture_option_text(option, values, text);
    if (!value)
        return 0;
    /* A number that was neither given nor has a default stays out, as it came in. */
    bool is_word = option->type == POSTURE_OPT_STRING || option->type == POSTURE_OPT_ENUM;
    if (!option->def && !option->is_required && !is_word && strcmp(value, "0") == 0)
        return 0;
    const char *group[] = {option->name, value};
    return gather_add(gather, group, 2);
}

static int block_encode(struct gather *gather, const struct posture_block *block)
{
    const char *head[] = {block->type->name ? "block" : "plugin", block->type->name,
                          block->argument ? block->argument : ""};
    POSTURE_TRY(gather_add(gather, head, block->type->name ? 3 : 1));
    size_t count = 0;
    for (const struct posture_option *o = block->type->options; o->name; o++)
        count++;
    /* Numbers are made into text that must live until the line is written. */
    POSTURE_AUTO_FREE char *texts = posture_calloc(count + 1, 40);
    if (!texts)
        return -ENOMEM;
    for (size_t i = 0; i < count; i++)
        POSTURE_TRY(option_encode(gather, &block->type->options[i], block->values,
                                  texts + 40 * i));
    return gather_flush(gather);
}

int posture_settings_encode(const struct posture_settings *settings,
                            struct posture_buf *out)
{
    POSTURE_AUTO_FREE char *memory = posture_calloc(1, sizeof(struct gather));
    if (!memory)
        return -ENOMEM;
    struct gather *gather = (struct gather *)(void *)memory;
    gather->out = out;
    size_t start = out->len;
    for (size_t i = 0; i < settings->count; i++) {
        POSTURE_TRY(block_encode(gather, &settings->blocks[i]));
        if (out->len - start > POSTURE_SETTINGS_LINES_MAX)
            return POSTURE_E_LIMIT;
    }
    posture_buf_addc(out, '\n');
    return posture_buf_error(out);
}

/* The raw blocks of a set of lines; everything lives in the arena. */
struct decoder {
    struct posture_arena *arena;
    const struct posture_option_table *table;
    struct posture_raw_block *raw;
    size_t count;
    size_t item_cap;
    bool has_type;
    const struct posture_option_block *type;
};

static int decoder_item(struct decoder *decoder, const char *name, char **values,
                        size_t count)
{
    struct posture_raw_block *block = &decoder->raw[decoder->count - 1];
    if (block->count == decoder->item_cap) {
        size_t cap = decoder->item_cap > 0 ? decoder->item_cap * 2 : 16;
        struct posture_item *items =
            posture_arena_alloc(decoder->arena, cap * sizeof(*items));
        if (!items)
            return -ENOMEM;
        if (block->count > 0)
            memcpy(items, block->items, block->count * sizeof(*items));
        block->items = items;
        decoder->item_cap = cap;
    }
    struct posture_item *item =
        (struct posture_item *)(uintptr_t)&block->items[block->count];
    *item = (struct posture_item){
        .name = (char *)(uintptr_t)name, .values = values, .value_count = count};
    block->count++;
    return 0;
}

static bool name_is_pairs(const struct posture_option_block *type, const char *name)
{
    for (const struct posture_option *o = type ? type->options : NULL; o && o->name; o++)
        if (strcmp(o->name, name) == 0)
            return o->type == POSTURE_OPT_PAIRS;
    return false;
}

static int decoder_line(struct decoder *decoder, const char *line,
                        struct posture_error *reterr)
{
    size_t len = strlen(line), count, max = 1;
    for (const char *p = line; *p; p++)
        max += *p == '\t';
    if (len >= POSTURE_LINE_MAX || max > POSTURE_LINE_FIELDS_MAX)
        return posture_error_set(reterr, POSTURE_E_LIMIT, "settings line: too long");
    char *copy = posture_arena_strdup(decoder->arena, line);
    char **fields = posture_arena_alloc(decoder->arena, max * sizeof(*fields));
    if (!copy || !fields)
        return -ENOMEM;
    int r = posture_line_split(copy, len, (const char **)fields, max, &count);
    if (r < 0)
        return posture_error_set(reterr, r, "settings line: %s", posture_strerror(r));

    size_t next = 1;
    if (strcmp(fields[0], "plugin") == 0 || strcmp(fields[0], "block") == 0) {
        bool is_block = fields[0][0] == 'b';
        if (is_block && count < 3)
            return posture_error_set(reterr, POSTURE_E_FORMAT,
                                     "settings line: short block");
        struct posture_raw_block *raw = &decoder->raw[decoder->count++];
        *raw = (struct posture_raw_block){0};
        decoder->item_cap = 0;
        if (is_block) {
            raw->name = fields[1];
            raw->argument = *fields[2] ? fields[2] : NULL;
            next = 3;
        }
        decoder->type = NULL;
        for (const struct posture_option_block *b = decoder->table->blocks; b->size > 0;
             b++)
            if (b->name ? raw->name && strcmp(b->name, raw->name) == 0 : !raw->name)
                decoder->type = b;
    } else if (strcmp(fields[0], "more") != 0 || decoder->count == 0) {
        return posture_error_set(reterr, POSTURE_E_FORMAT,
                                 "settings line: unknown start");
    }
    while (next < count) {
        size_t values = name_is_pairs(decoder->type, fields[next]) ? 2 : 1;
        if (next + values >= count)
            return posture_error_set(reterr, POSTURE_E_FORMAT,
                                     "settings line: option without value");
        POSTURE_TRY(decoder_item(decoder, fields[next], fields + next + 1, values));
        next += 1 + values;
    }
    return 0;
}

int posture_settings_decode(const struct posture_option_table *table,
                            const char *const *lines, size_t count,
                            struct posture_settings **ret_settings,
                            struct posture_error *reterr)
{
    if (count > 2 * (size_t)POSTURE_SETTINGS_BLOCKS_MAX)
        return posture_error_set(reterr, POSTURE_E_LIMIT, "too many settings lines");
    POSTURE_AUTO(posture_arena_free) struct posture_arena *arena = posture_arena_new();
    if (!arena)
        return -ENOMEM;
    struct decoder decoder = {.arena = arena, .table = table};
    decoder.raw = posture_arena_alloc(arena, (count + 1) * sizeof(*decoder.raw));
    if (!decoder.raw)
        return -ENOMEM;
    for (size_t i = 0; i < count; i++)
        POSTURE_TRY(decoder_line(&decoder, lines[i], reterr));
    return posture_settings_parse(table, decoder.raw, decoder.count, ret_settings,
                                  reterr);
}
