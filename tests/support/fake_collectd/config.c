/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */

#include "fake_collectd/fake_collectd.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static oconfig_item_t *child_add(oconfig_item_t *parent)
{
    size_t count = (size_t)parent->children_num + 1;
    parent->children = realloc(parent->children, count * sizeof(*parent->children));
    oconfig_item_t *child = &parent->children[parent->children_num++];
    memset(child, 0, sizeof(*child));
    return child;
}

static void value_add(oconfig_item_t *item, const char *text, bool is_quoted)
{
    size_t count = (size_t)item->values_num + 1;
    item->values = realloc(item->values, count * sizeof(*item->values));
    oconfig_value_t *value = &item->values[item->values_num++];
    char *end;
    double number = strtod(text, &end);
    if (!is_quoted && (strcmp(text, "true") == 0 || strcmp(text, "false") == 0)) {
        value->type = OCONFIG_TYPE_BOOLEAN;
        value->value.boolean = text[0] == 't';
    } else if (!is_quoted && *end == '\0') {
        value->type = OCONFIG_TYPE_NUMBER;
        value->value.number = number;
    } else {
        value->type = OCONFIG_TYPE_STRING;
        value->value.string = strdup(text);
    }
}

/* The next word of the line into buf; false at its end. */
static bool word_next(const char **at, char *buf, size_t size, bool *ret_is_quoted)
{
    *at += strspn(*at, " \t");
    if (**at == '\0')
        return false;
    *ret_is_quoted = **at == '"';
    *at += *ret_is_quoted;
    size_t len = strcspn(*at, *ret_is_quoted ? "\"" : " \t");
    snprintf(buf, size, "%.*s", (int)len, *at);
    *at += len + (*ret_is_quoted && (*at)[len] == '"');
    return true;
}

static void line_read(oconfig_item_t *item, const char *line)
{
    char word[2048];
    bool is_quoted;
    if (word_next(&line, word, sizeof(word), &is_quoted))
        item->key = strdup(word);
    while (word_next(&line, word, sizeof(word), &is_quoted))
        value_add(item, word, is_quoted);
}

oconfig_item_t *fake_oconfig_parse(const char *text)
{
    oconfig_item_t *root = calloc(1, sizeof(*root));
    oconfig_item_t *block = NULL;
    root->key = strdup("Plugin");
    while (*text) {
        size_t len = strcspn(text, "\n");
        char line[4096];
        snprintf(line, sizeof(line), "%.*s", (int)len, text);
        text += len + (text[len] == '\n');
        char *start = line + strspn(line, " ");
        if (start[0] == '<' && start[1] == '/') {
            block = NULL;
        } else if (start[0] == '<') {
            start[strcspn(start, ">")] = '\0';
            block = child_add(root);
            line_read(block, start + 1);
        } else if (*start) {
            line_read(child_add(block ? block : root), start);
        }
    }
    return root;
}

static void item_clear(oconfig_item_t *item)
{
    for (int i = 0; i < item->values_num; i++)
        if (item->values[i].type == OCONFIG_TYPE_STRING)
            free(item->values[i].value.string);
    for (int i = 0; i < item->children_num; i++)
        item_clear(&item->children[i]);
    free(item->values);
    free(item->children);
    free(item->key);
}

void fake_oconfig_free(oconfig_item_t *item)
{
    item_clear(item);
    free(item);
}
