/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#include "common/report/json.h"
#include "common/report/schema_node.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum {
    NODES_MAX = 8192,
    DEPTH_MAX = 200,
    PATH_MAX_BYTES = 512,
    REQUIRED_MAX = 64,
    PROPERTIES_MAX =
        120, /* an index + 1 fits in a slot, and the table stays half empty */
    UNIQUE_MAX = 1024,
};

struct compiled {
    const json_t *json;
    struct schema_node *node;
};

struct loader {
    struct posture_schema *schema;
    struct posture_error *reterr;
    struct compiled
        *compiled; /* what is already made, so that references meet and may recurse */
    size_t compiled_count, compiled_cap;
    unsigned depth;
};

/* The schema being read: its document and the JSON pointer within it, for errors. */
struct spot {
    struct schema_document *document;
    const char *path;
};

__attribute__((format(printf, 4, 5))) static int
refuse(const struct loader *loader, const struct spot *spot, int r, const char *fmt, ...)
{
    char text[POSTURE_ERROR_TEXT_MAX];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    return posture_error_at(loader->reterr, r, spot->document->path, 0, 0, "#%s: %s",
                            spot->path, text);
}

static int no_memory(const struct loader *loader)
{
    return posture_error_set(loader->reterr, -ENOMEM, "out of memory");
}

static int compile(struct loader *loader, const struct spot *spot, const json_t *json,
                   struct schema_node **ret);

/* The subschema under spot/name, or spot/name/key. */
static int compile_below(struct loader *loader, const struct spot *spot, const char *name,
                         const char *key, const json_t *json, struct schema_node **ret)
{
    char path[PATH_MAX_BYTES];
    int n = snprintf(path, sizeof(path), "%s/%s%s%s", spot->path, name, key ? "/" : "",
                     key ? key : "");
    if (n < 0 || (size_t)n >= sizeof(path))
        return refuse(loader, spot, POSTURE_E_LIMIT, "nested too deep");
    const struct spot below = {.document = spot->document, .path = path};
    return compile(loader, &below, json, ret);
}

static int ref_compile(struct loader *loader, const struct spot *spot, const char *ref,
                       struct schema_node **ret)
{
    size_t file_len = strcspn(ref, "#");
    const char *pointer = ref[file_len] == '#' ? ref + file_len + 1 : "";
    struct schema_document *document = spot->document;
    if (file_len > 0) {
        /* Beside the referring file, as a URI reference is. */
        const char *slash = strrchr(spot->document->path, '/');
        size_t folder_len = slash ? (size_t)(slash - spot->document->path) + 1 : 0;
        char path[PATH_MAX_BYTES];
        int n = snprintf(path, sizeof(path), "%.*s%.*s", (int)folder_len,
                         spot->document->path, (int)file_len, ref);
        if (n < 0 || (size_t)n >= sizeof(path))
            return refuse(loader, spot, POSTURE_E_LIMIT, "reference '%s' is too long",
                          ref);
        if (ref[0] == '/' || memchr(ref, ':', file_len) || !schema_path_normalize(path))
            return refuse(loader, spot, POSTURE_E_DENIED,
                          "reference '%s' leaves the folder of the schemas", ref);
        POSTURE_TRY(
            schema_document_load(loader->schema, path, &document, loader->reterr));
    }
    const json_t *target = schema_pointer_resolve(document->root, pointer);
    if (!target)
        return refuse(loader, spot, POSTURE_E_MISSING, "reference '%s' leads nowhere",
                      ref);
    const struct spot there = {.document = document, .path = pointer};
    return compile(loader, &there, target, ret);
}

static int size_read(const struct loader *loader, const struct spot *spot,
                     const char *keyword, const json_t *value, size_t *ret)
{
    if (!json_is_integer(value) || json_integer_value(value) < 0 ||
        json_integer_value(value) > INT32_MAX)
        return refuse(loader, spot, POSTURE_E_FORMAT, "%s: a whole number expected",
                      keyword);
    *ret = (size_t)json_integer_value(value);
    return 0;
}

static int types_read(const struct loader *loader, const struct spot *spot,
                      const json_t *value, unsigned *ret)
{
    static const struct {
        const char *name;
        unsigned bits;
    } names[] = {
        {"null", SCHEMA_NULL},       {"boolean", SCHEMA_BOOLEAN},
        {"integer", SCHEMA_INTEGER}, {"number", SCHEMA_NUMBER | SCHEMA_INTEGER},
        {"string", SCHEMA_STRING},   {"array", SCHEMA_ARRAY},
        {"object", SCHEMA_OBJECT},
    };
    unsigned types = 0;
    size_t count = json_is_array(value) ? json_array_size(value) : 1;
    for (size_t i = 0; i < count; i++) {
        const char *text =
            json_string_value(json_is_array(value) ? json_array_get(value, i) : value);
        unsigned bits = 0;
        for (size_t k = 0; text && k < POSTURE_COUNT(names); k++) {
            if (strcmp(names[k].name, text) == 0)
                bits = names[k].bits;
        }
        if (bits == 0)
            return refuse(loader, spot, POSTURE_E_FORMAT, "type: unknown type");
        types |= bits;
    }
    if (types == 0)
        return refuse(loader, spot, POSTURE_E_FORMAT, "type: at least one expected");
    *ret = types;
    return 0;
}

static int property_add(struct loader *loader, const struct spot *spot,
                        struct schema_node *node, const char *key, size_t len,
                        struct schema_property **ret)
{
    for (size_t i = 0; i < node->property_count; i++) {
        if (node->properties[i].key_len == len &&
            memcmp(node->properties[i].key, key, len) == 0) {
            *ret = &node->properties[i];
            return 0;
        }
    }
    if (node->property_count >= PROPERTIES_MAX)
        return refuse(loader, spot, POSTURE_E_LIMIT, "more than %d properties",
                      PROPERTIES_MAX);
    if (!node->properties) {
        node->properties = posture_calloc(PROPERTIES_MAX, sizeof(*node->properties));
        if (!node->properties)
            return no_memory(loader);
    }
    node->properties[node->property_count] =
        (struct schema_property){.key = key, .key_len = len, .required = -1};
    *ret = &node->properties[node->property_count++];
    return 0;
}

static int properties_read(struct loader *loader, const struct spot *spot,
                           struct schema_node *node, const json_t *value)
{
    if (!json_is_object(value))
        return refuse(loader, spot, POSTURE_E_FORMAT, "properties: an object expected");
    const char *key;
    json_t *child;
    json_object_foreach ((json_t *)(uintptr_t)value, key, child) {
        struct schema_property *property = NULL;
        POSTURE_TRY(property_add(loader, spot, node, key, strlen(key), &property));
        property->is_declared = true;
        POSTURE_TRY(
            compile_below(loader, spot, "properties", key, child, &property->node));
    }
    return 0;
}

static int required_read(struct loader *loader, const struct spot *spot,
                         struct schema_node *node, const json_t *value)
{
    if (!json_is_array(value) || json_array_size(value) > REQUIRED_MAX)
        return refuse(loader, spot, POSTURE_E_FORMAT,
                      "required: an array of at most %d names expected", REQUIRED_MAX);
    for (size_t i = 0; i < json_array_size(value); i++) {
        const json_t *name = json_array_get(value, i);
        if (!json_is_string(name))
            return refuse(loader, spot, POSTURE_E_FORMAT, "required: names expected");
        struct schema_property *property = NULL;
        POSTURE_TRY(property_add(loader, spot, node, json_string_value(name),
                                 json_string_length(name), &property));
        property->required = (int8_t)i;
        node->required |= UINT64_C(1) << i;
    }
    return 0;
}

static int pattern_read(struct loader *loader, const struct spot *spot, const char *text,
                        struct schema_pattern **ret)
{
    struct posture_error error = {0};
    int r = schema_pattern_new(text, ret, &error);
    return r < 0 ? refuse(loader, spot, r, "'%s': %s", text, error.text) : 0;
}

static int pattern_properties_read(struct loader *loader, const struct spot *spot,
                                   struct schema_node *node, const json_t *value)
{
    if (!json_is_object(value))
        return refuse(loader, spot, POSTURE_E_FORMAT,
                      "patternProperties: an object expected");
    node->pattern_properties =
        posture_calloc(json_object_size(value) + 1, sizeof(*node->pattern_properties));
    if (!node->pattern_properties)
        return no_memory(loader);
    const char *key;
    json_t *child;
    json_object_foreach ((json_t *)(uintptr_t)value, key, child) {
        struct schema_pattern_property *entry =
            &node->pattern_properties[node->pattern_property_count++];
        POSTURE_TRY(pattern_read(loader, spot, key, &entry->pattern));
        POSTURE_TRY(
            compile_below(loader, spot, "patternProperties", key, child, &entry->node));
    }
    return 0;
}

static int list_read(struct loader *loader, const struct spot *spot, const char *keyword,
                     const json_t *value, struct schema_list *list)
{
    if (!json_is_array(value) || json_array_size(value) == 0)
        return refuse(loader, spot, POSTURE_E_FORMAT, "%s: schemas expected", keyword);
    size_t count = json_array_size(value);
    list->items = posture_calloc(count, sizeof(*list->items));
    if (!list->items)
        return no_memory(loader);
    for (size_t i = 0; i < count; i++) {
        char index[24];
        snprintf(index, sizeof(index), "%zu", i);
        POSTURE_TRY(compile_below(loader, spot, keyword, index, json_array_get(value, i),
                                  &list->items[i]));
        list->count = i + 1;
    }
    return 0;
}

static int number_read(const struct loader *loader, const struct spot *spot,
                       const char *keyword, const json_t *value, const json_t **ret)
{
    if (!json_is_number(value))
        return refuse(loader, spot, POSTURE_E_FORMAT, "%s: a number expected", keyword);
    *ret = value;
    return 0;
}

static int definitions_read(struct loader *loader, const struct spot *spot,
                            const json_t *value)
{
    if (!json_is_object(value))
        return refuse(loader, spot, POSTURE_E_FORMAT, "$defs: an object expected");
    const char *key;
    json_t *child;
    json_object_foreach ((json_t *)(uintptr_t)value, key, child) {
        struct schema_node *unused = NULL;
        POSTURE_TRY(compile_below(loader, spot, "$defs", key, child, &unused));
    }
    return 0;
}

/* Keywords that say something to readers and nothing about instances. */
static bool is_annotation(const char *keyword)
{
    static const char *const names[] = {"$comment", "title", "description", "examples",
                                        "deprecated"};
    for (size_t i = 0; i < POSTURE_COUNT(names); i++) {
        if (strcmp(names[i], keyword) == 0)
            return true;
    }
    return false;
}

static int identity_read(const struct loader *loader, const struct spot *spot,
                         const char *keyword, const json_t *value)
{
    if (*spot->path)
        return refuse(loader, spot, POSTURE_E_FORMAT, "%s: only at the top of a file",
                      keyword);
    if (!json_is_string(value))
        return refuse(loader, spot, POSTURE_E_FORMAT, "%s: a string expected", keyword);
    if (strcmp(keyword, "$schema") == 0 &&
        strcmp(json_string_value(value),
               "https://json-schema.org/draft/2020-12/schema") != 0)
        return refuse(loader, spot, POSTURE_E_FORMAT, "$schema: draft 2020-12 expected");
    return 0;
}

static int keyword_read(struct loader *loader, const struct spot *spot,
                        struct schema_node *node, const char *k, const json_t *value)
{
#define IS(name) (strcmp(k, name) == 0)
    if (is_annotation(k))
        return 0;
    if (IS("$schema") || IS("$id"))
        return identity_read(loader, spot, k, value);
    if (IS("$defs"))
        return definitions_read(loader, spot, value);
    if (IS("$ref")) {
        if (!json_is_string(value))
            return refuse(loader, spot, POSTURE_E_FORMAT, "$ref: a string expected");
        return ref_compile(loader, spot, json_string_value(value), &node->ref);
    }
    if (IS("type"))
        return types_read(loader, spot, value, &node->types);
    if (IS("const")) {
        node->constant = value;
        return 0;
    }
    if (IS("enum")) {
        if (!json_is_array(value) || json_array_size(value) == 0)
            return refuse(loader, spot, POSTURE_E_FORMAT, "enum: values expected");
        node->enums = value;
        return 0;
    }
    if (IS("minLength"))
        return size_read(loader, spot, k, value, &node->min_length);
    if (IS("maxLength"))
        return size_read(loader, spot, k, value, &node->max_length);
    if (IS("pattern")) {
        if (!json_is_string(value))
            return refuse(loader, spot, POSTURE_E_FORMAT, "pattern: a string expected");
        return pattern_read(loader, spot, json_string_value(value), &node->pattern);
    }
    if (IS("minimum"))
        return number_read(loader, spot, k, value, &node->minimum);
    if (IS("maximum"))
        return number_read(loader, spot, k, value, &node->maximum);
    if (IS("exclusiveMinimum"))
        return number_read(loader, spot, k, value, &node->exclusive_minimum);
    if (IS("items"))
        return compile_below(loader, spot, k, NULL, value, &node->items);
    if (IS("minItems"))
        return size_read(loader, spot, k, value, &node->min_items);
    if (IS("maxItems"))
        return size_read(loader, spot, k, value, &node->max_items);
    if (IS("uniqueItems")) {
        if (!json_is_boolean(value))
            return refuse(loader, spot, POSTURE_E_FORMAT,
                          "uniqueItems: true or false expected");
        node->unique_items = json_is_true(value);
        return 0;
    }
    if (IS("properties"))
        return properties_read(loader, spot, node, value);
    if (IS("required"))
        return required_read(loader, spot, node, value);
    if (IS("patternProperties"))
        return pattern_properties_read(loader, spot, node, value);
    if (IS("additionalProperties"))
        return compile_below(loader, spot, k, NULL, value, &node->additional);
    if (IS("propertyNames"))
        return compile_below(loader, spot, k, NULL, value, &node->property_names);
    if (IS("minProperties"))
        return size_read(loader, spot, k, value, &node->min_properties);
    if (IS("maxProperties"))
        return size_read(loader, spot, k, value, &node->max_properties);
    if (IS("allOf"))
        return list_read(loader, spot, k, value, &node->all_of);
    if (IS("anyOf"))
        return list_read(loader, spot, k, value, &node->any_of);
    if (IS("oneOf"))
        return list_read(loader, spot, k, value, &node->one_of);
    if (IS("not"))
        return compile_below(loader, spot, k, NULL, value, &node->not_);
    if (IS("if"))
        return compile_below(loader, spot, k, NULL, value, &node->if_);
    if (IS("then"))
        return compile_below(loader, spot, k, NULL, value, &node->then_);
    if (IS("else"))
        return compile_below(loader, spot, k, NULL, value, &node->else_);
#undef IS
    return refuse(loader, spot, POSTURE_E_FORMAT, "keyword '%s' is not supported", k);
}

static int slots_fill(struct loader *loader, struct schema_node *node)
{
    if (node->property_count == 0)
        return 0;
    /* Give back what was set aside for a schema of any size. */
    struct schema_property *fitted =
        posture_reallocarray(node->properties, node->property_count, sizeof(*fitted));
    if (!fitted)
        return no_memory(loader);
    node->properties = fitted;
    size_t size = 4;
    while (size < node->property_count * 2)
        size *= 2;
    node->slots = posture_calloc(size, 1);
    if (!node->slots)
        return no_memory(loader);
    node->slot_mask = size - 1;
    for (size_t i = 0; i < node->property_count; i++) {
        size_t slot =
            schema_key_hash(node->properties[i].key, node->properties[i].key_len);
        for (slot &= node->slot_mask; node->slots[slot] != 0;)
            slot = (slot + 1) & node->slot_mask;
        node->slots[slot] = (uint8_t)(i + 1);
    }
    return 0;
}

static int node_finish(struct loader *loader, const struct spot *spot,
                       struct schema_node *node)
{
    /* Comparing every item with every other must stay cheap. */
    if (node->unique_items && node->max_items > UNIQUE_MAX)
        return refuse(loader, spot, POSTURE_E_FORMAT,
                      "uniqueItems needs maxItems of at most %d beside it", UNIQUE_MAX);
    if (node->minimum || node->maximum || node->exclusive_minimum)
        node->constrains |= SCHEMA_NUMBER | SCHEMA_INTEGER;
    if (node->min_length > 0 || node->max_length < SIZE_MAX || node->pattern)
        node->constrains |= SCHEMA_STRING;
    if (node->items || node->min_items > 0 || node->max_items < SIZE_MAX ||
        node->unique_items)
        node->constrains |= SCHEMA_ARRAY;
    if (node->property_count > 0 || node->pattern_property_count > 0 ||
        node->additional || node->property_names || node->min_properties > 0 ||
        node->max_properties < SIZE_MAX)
        node->constrains |= SCHEMA_OBJECT;
    return slots_fill(loader, node);
}

static int node_new(struct loader *loader, const struct spot *spot, const json_t *json,
                    struct schema_node **ret)
{
    struct posture_schema *schema = loader->schema;
    if (schema->node_count >= NODES_MAX)
        return refuse(loader, spot, POSTURE_E_LIMIT, "more than %d subschemas",
                      NODES_MAX);
    if (loader->compiled_count == loader->compiled_cap) {
        size_t cap = loader->compiled_cap ? loader->compiled_cap * 2 : 64;
        struct compiled *grown =
            posture_reallocarray(loader->compiled, cap, sizeof(*grown));
        if (!grown)
            return no_memory(loader);
        loader->compiled = grown;
        loader->compiled_cap = cap;
    }
    struct schema_node *node = posture_calloc(1, sizeof(*node));
    if (!node)
        return no_memory(loader);
    node->types = SCHEMA_ANY;
    node->max_length = node->max_items = node->max_properties = SIZE_MAX;
    node->where = spot->document->path;
    node->next = schema->nodes;
    schema->nodes = node;
    schema->node_count++;
    loader->compiled[loader->compiled_count++] = (struct compiled){json, node};
    *ret = node;
    return 0;
}

static int compile(struct loader *loader, const struct spot *spot, const json_t *json,
                   struct schema_node **ret)
{
    /* jansson's true and false are one object each: a boolean schema gets its own node.
     */
    for (size_t i = 0; i < loader->compiled_count && json_is_object(json); i++) {
        if (loader->compiled[i].json == json) {
            *ret = loader->compiled[i].node;
            return 0;
        }
    }
    if (!json_is_object(json) && !json_is_boolean(json))
        return refuse(loader, spot, POSTURE_E_FORMAT, "a schema expected");
    if (loader->depth >= DEPTH_MAX)
        return refuse(loader, spot, POSTURE_E_LIMIT, "nested too deep");
    struct schema_node *node = NULL;
    POSTURE_TRY(node_new(loader, spot, json, &node));
    loader->depth++;
    if (json_is_boolean(json)) {
        node->is_false = json_is_false(json);
    } else {
        const char *key;
        json_t *value;
        json_object_foreach ((json_t *)(uintptr_t)json, key, value)
            POSTURE_TRY(keyword_read(loader, spot, node, key, value));
        POSTURE_TRY(node_finish(loader, spot, node));
    }
    loader->depth--;
    *ret = node;
    return 0;
}

/* A schema that leads back to itself without a step into the instance would never end. */
static bool has_cycle(struct schema_node *node)
{
    enum { WHITE, GREY, BLACK };
    if (!node || node->mark == BLACK)
        return false;
    if (node->mark == GREY)
        return true;
    node->mark = GREY;
    bool found = has_cycle(node->ref) || has_cycle(node->if_) || has_cycle(node->then_) ||
                 has_cycle(node->else_) || has_cycle(node->not_);
    const struct schema_list *lists[] = {&node->all_of, &node->any_of, &node->one_of};
    for (size_t k = 0; k < POSTURE_COUNT(lists) && !found; k++) {
        for (size_t i = 0; i < lists[k]->count && !found; i++)
            found = has_cycle(lists[k]->items[i]);
    }
    node->mark = BLACK;
    return found;
}

static int schema_fill(struct loader *loader, const char *path)
{
    struct posture_schema *schema = loader->schema;
    const char *slash = strrchr(path, '/');
    schema->folder = slash
                         ? posture_strndup(path, (size_t)(slash - path) + (slash == path))
                         : posture_strdup(".");
    if (!schema->folder)
        return no_memory(loader);
    struct schema_document *document = NULL;
    POSTURE_TRY(schema_document_load(schema, slash ? slash + 1 : path, &document,
                                     loader->reterr));
    const struct spot top = {.document = document, .path = ""};
    POSTURE_TRY(compile(loader, &top, document->root, &schema->root));
    for (struct schema_node *node = schema->nodes; node; node = node->next) {
        if (has_cycle(node))
            return posture_error_at(loader->reterr, POSTURE_E_FORMAT, node->where, 0, 0,
                                    "a schema that refers to itself without end");
    }
    return 0;
}

int posture_schema_load(const char *path, struct posture_schema **ret_schema,
                        struct posture_error *reterr)
{
    POSTURE_AUTO(posture_schema_free)
    struct posture_schema *schema = posture_calloc(1, sizeof(*schema));
    if (!schema)
        return posture_error_set(reterr, -ENOMEM, "out of memory");
    struct loader loader = {.schema = schema, .reterr = reterr};
    int r = schema_fill(&loader, path);
    free(loader.compiled);
    if (r < 0)
        return r;
    *ret_schema = POSTURE_TAKE(schema);
    return 0;
}
