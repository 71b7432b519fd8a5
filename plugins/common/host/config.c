/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */

#include "common/host/host_internal.h"

#include "common/base/options_internal.h"
#include "common/base/parse.h"

#include "plugin.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

enum { ITEMS_STEP = 8 };

/* Numbers as a person writes them: whole ones without exponent. */
static char *value_text(struct posture_arena *arena, const oconfig_value_t *value)
{
    char buf[32];
    switch (value->type) {
    case OCONFIG_TYPE_STRING:
        return posture_arena_strdup(arena, value->value.string);
    case OCONFIG_TYPE_BOOLEAN:
        return posture_arena_strdup(arena, value->value.boolean ? "yes" : "no");
    default:
        break;
    }
    double number = value->value.number;
    if (fabs(number) < 9007199254740992.0 && number == floor(number))
        snprintf(buf, sizeof(buf), "%.0f", number);
    else
        posture_double_format(number, buf);
    return posture_arena_strdup(arena, buf);
}

static int item_add(struct posture_arena *arena, struct posture_raw_block *block,
                    const oconfig_item_t *ci)
{
    if (block->count % ITEMS_STEP == 0 && (block->count & (block->count - 1)) == 0) {
        size_t cap = block->count > 0 ? block->count * 2 : ITEMS_STEP;
        struct posture_item *items = posture_arena_alloc(arena, cap * sizeof(*items));
        if (!items)
            return -ENOMEM;
        if (block->count > 0)
            memcpy(items, block->items, block->count * sizeof(*items));
        block->items = items;
    }
    size_t count = ci->values_num > 0 ? (size_t)ci->values_num : 0;
    struct posture_item *item =
        (struct posture_item *)(uintptr_t)&block->items[block->count];
    item->name = posture_arena_strdup(arena, ci->key);
    item->values = posture_arena_alloc(arena, (count + 1) * sizeof(*item->values));
    if (!item->name || !item->values)
        return -ENOMEM;
    for (size_t i = 0; i < count; i++) {
        item->values[i] = value_text(arena, &ci->values[i]);
        if (!item->values[i])
            return -ENOMEM;
    }
    item->value_count = count;
    block->count++;
    return 0;
}

static int raw_add(struct posture_host *host, const char *name,
                   struct posture_raw_block **ret)
{
    struct posture_raw_block *raw =
        posture_reallocarray(host->raw, host->raw_count + 1, sizeof(*raw));
    if (!raw)
        return -ENOMEM;
    host->raw = raw;
    raw[host->raw_count] = (struct posture_raw_block){0};
    if (name) {
        raw[host->raw_count].name = posture_arena_strdup(host->arena, name);
        if (!raw[host->raw_count].name)
            return -ENOMEM;
    }
    *ret = &raw[host->raw_count++];
    return 0;
}

/* An empty <Endpoint "x"></Endpoint> looks like an option to collectd: the table tells.
 */
static bool is_block(const struct posture_option_table *table, const oconfig_item_t *ci)
{
    if (ci->children_num > 0)
        return true;
    for (const struct posture_option_block *b = table->blocks; b->size > 0; b++)
        if (b->name && strcasecmp(b->name, ci->key) == 0)
            return true;
    return false;
}

static int block_add(struct posture_host *host, const oconfig_item_t *ci,
                     struct posture_error *reterr)
{
    struct posture_raw_block *block;
    POSTURE_TRY(raw_add(host, ci->key, &block));
    if (ci->values_num > 1)
        return posture_error_set(reterr, POSTURE_E_OPTION,
                                 "<Plugin %s> <%s>: %d arguments; expected at most one",
                                 host->name, ci->key, ci->values_num);
    if (ci->values_num == 1) {
        block->argument = value_text(host->arena, &ci->values[0]);
        if (!block->argument)
            return -ENOMEM;
    }
    for (int i = 0; i < ci->children_num; i++) {
        if (ci->children[i].children_num > 0)
            return posture_error_set(
                reterr, POSTURE_E_OPTION,
                "<Plugin %s> <%s>: block <%s> within it; expected options", host->name,
                ci->key, ci->children[i].key);
        POSTURE_TRY(item_add(host->arena, block, &ci->children[i]));
    }
    return 0;
}

/* Appends to what earlier blocks of the same plugin said: several files may hold a part
 * each. */
static int plugin_add(struct posture_host *host, const oconfig_item_t *ci,
                      struct posture_error *reterr)
{
    struct posture_raw_block *block;
    if (!host->arena)
        host->arena = posture_arena_new();
    if (!host->arena)
        return -ENOMEM;
    if (host->raw_count == 0)
        POSTURE_TRY(raw_add(host, NULL, &block));
    for (int i = 0; i < ci->children_num; i++) {
        const oconfig_item_t *child = &ci->children[i];
        if (is_block(host->plugin->options, child))
            POSTURE_TRY(block_add(host, child, reterr));
        else
            POSTURE_TRY(item_add(host->arena, &host->raw[0], child));
    }
    return 0;
}

/* Strict counts even where something else in the block is wrong. */
static bool raw_is_strict(const struct posture_host *host)
{
    if (host->raw_count == 0)
        return false;
    for (size_t i = 0; i < host->raw[0].count; i++) {
        const struct posture_item *item = &host->raw[0].items[i];
        if (strcasecmp(item->name, "Strict") == 0 && item->value_count == 1 &&
            strcasecmp(item->values[0], "yes") == 0)
            return true;
    }
    return false;
}

static int config_read(struct posture_host *host, const oconfig_item_t *ci,
                       struct posture_error *reterr)
{
    POSTURE_TRY(plugin_add(host, ci, reterr));
    POSTURE_AUTO(posture_settings_free) struct posture_settings *settings = NULL;
    POSTURE_TRY(posture_settings_parse(host->plugin->options, host->raw, host->raw_count,
                                       &settings, reterr));
    posture_buf_done(&host->lines);
    posture_buf_init(&host->lines, (size_t)2 * POSTURE_SETTINGS_LINES_MAX);
    int r = posture_settings_encode(settings, &host->lines);
    if (r < 0)
        return posture_error_set(reterr, r, "<Plugin %s>: %s", host->name,
                                 posture_strerror(r));
    posture_settings_free(host->settings);
    host->settings = POSTURE_TAKE(settings);
    return 0;
}

int posture_host_config(struct posture_host *host, const oconfig_item_t *ci)
{
    host->has_block = true;
    struct posture_error error = {0};
    int r = host->is_bad ? 0 : config_read(host, ci, &error);
    if (r < 0) {
        host->is_bad = true;
        char text[POSTURE_ERROR_TEXT_MAX + POSTURE_ERROR_FILE_MAX];
        ERROR("%s: %s", host->name,
              error.text[0] ? posture_error_format(&error, text, sizeof(text))
                            : posture_strerror(r));
    }
    /* Anything but 0 and collectd refuses to start at all: only when asked to. */
    return host->is_bad && raw_is_strict(host) ? -1 : 0;
}
