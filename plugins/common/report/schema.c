/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#include "common/report/schema.h"

#include "common/base/parse.h"
#include "common/report/json.h"
#include "common/report/schema_node.h"

#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* Far above what the largest report takes; a schema whose parts multiply is stopped here.
 */
enum { STEPS_MAX = 4000000 };

/* Where we are in the instance; lives on the C stack. */
struct place {
    const struct place *parent;
    const char *key; /* NULL: an array's item */
    size_t index;
};

struct check {
    struct posture_error *reterr;
    struct schema_scratch *scratch;
    unsigned quiet; /* > 0: within anyOf, oneOf, not, if: failing is not the verdict */
    size_t steps;
    int fatal; /* limit or memory: no verdict at all */
};

static size_t place_format(const struct place *place, char *buf, size_t size)
{
    size_t n = place->parent ? place_format(place->parent, buf, size) : 0;
    if (!place->parent)
        return n;
    char part[96];
    if (place->key) {
        char safe[80];
        posture_escape(place->key, strlen(place->key), safe, sizeof(safe));
        size_t m = 0;
        part[m++] = '/';
        for (const char *p = safe; *p && m + 2 < sizeof(part); p++) {
            if (*p == '~' || *p == '/') {
                part[m++] = '~';
                part[m++] = *p == '~' ? '0' : '1';
            } else {
                part[m++] = *p;
            }
        }
        part[m] = '\0';
    } else {
        snprintf(part, sizeof(part), "/%zu", place->index);
    }
    int added = snprintf(buf + n, size - n, "%s", part);
    size_t room = size - n - 1;
    return n + ((size_t)added < room ? (size_t)added : room);
}

/* Always false, so that a failing rule can end with it. */
__attribute__((format(printf, 3, 4), cold)) static bool
fail(struct check *check, const struct place *place, const char *fmt, ...)
{
    if (check->quiet > 0 || !check->reterr)
        return false;
    char where[256], text[256];
    where[place_format(place, where, sizeof(where))] = '\0';
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    posture_error_set(check->reterr, POSTURE_E_SCHEMA, "%s: %s", *where ? where : "/",
                      text);
    return false;
}

static bool fatal(struct check *check, int r)
{
    if (check->fatal == 0)
        check->fatal = r;
    return false;
}

static unsigned type_of(const json_t *instance)
{
    switch (json_typeof(instance)) {
    case JSON_NULL:
        return SCHEMA_NULL;
    case JSON_TRUE:
    case JSON_FALSE:
        return SCHEMA_BOOLEAN;
    case JSON_INTEGER:
        return SCHEMA_INTEGER | SCHEMA_NUMBER;
    case JSON_REAL: {
        double v = json_real_value(instance);
        return floor(v) < v ? SCHEMA_NUMBER : SCHEMA_INTEGER | SCHEMA_NUMBER;
    }
    case JSON_STRING:
        return SCHEMA_STRING;
    case JSON_ARRAY:
        return SCHEMA_ARRAY;
    case JSON_OBJECT:
        return SCHEMA_OBJECT;
    }
    return 0;
}

static const char *types_format(unsigned types, char *buf, size_t size)
{
    static const struct {
        unsigned bit;
        const char *name;
    } names[] = {
        {SCHEMA_NULL, "null"},       {SCHEMA_BOOLEAN, "boolean"},
        {SCHEMA_INTEGER, "integer"}, {SCHEMA_NUMBER, "number"},
        {SCHEMA_STRING, "string"},   {SCHEMA_ARRAY, "array"},
        {SCHEMA_OBJECT, "object"},
    };
    size_t n = 0;
    buf[0] = '\0';
    for (size_t i = 0; i < POSTURE_COUNT(names); i++) {
        if (!(types & names[i].bit))
            continue;
        if (names[i].bit == SCHEMA_INTEGER && (types & SCHEMA_NUMBER))
            continue;
        int added =
            snprintf(buf + n, size - n, "%s%s", n > 0 ? " or " : "", names[i].name);
        if (added < 0 || (size_t)added >= size - n)
            break;
        n += (size_t)added;
    }
    return buf;
}

/* a < b: -1, a = b: 0, a > b: 1; exact where a double cannot hold the integer. */
static int number_compare(const json_t *a, const json_t *b)
{
    if (json_is_integer(a) && json_is_integer(b)) {
        json_int_t x = json_integer_value(a), y = json_integer_value(b);
        return (x > y) - (x < y);
    }
    if (json_is_real(a) && json_is_real(b)) {
        double x = json_real_value(a), y = json_real_value(b);
        return (x > y) - (x < y);
    }
    bool real_is_a = json_is_real(a);
    double d = json_real_value(real_is_a ? a : b);
    json_int_t i = json_integer_value(real_is_a ? b : a);
    int sign; /* of d - i */
    if (d >= 9223372036854775808.0) {
        sign = 1;
    } else if (d < -9223372036854775808.0) {
        sign = -1;
    } else {
        double whole = floor(d);
        json_int_t w = (json_int_t)whole;
        sign = (w > i) - (w < i);
        if (sign == 0 && whole < d)
            sign = 1;
    }
    return real_is_a ? sign : -sign;
}

static const char *number_format(const json_t *number, char buf[static 32])
{
    if (json_is_integer(number))
        snprintf(buf, 32, "%" JSON_INTEGER_FORMAT, json_integer_value(number));
    else
        posture_double_format(json_real_value(number), buf);
    return buf;
}

static bool number_check(struct check *check, const struct schema_node *node,
                         const json_t *instance, const struct place *place)
{
    char text[32];
    if (node->minimum && number_compare(instance, node->minimum) < 0)
        return fail(check, place, "must be at least %s",
                    number_format(node->minimum, text));
    if (node->maximum && number_compare(instance, node->maximum) > 0)
        return fail(check, place, "must be at most %s",
                    number_format(node->maximum, text));
    if (node->exclusive_minimum && number_compare(instance, node->exclusive_minimum) <= 0)
        return fail(check, place, "must be above %s",
                    number_format(node->exclusive_minimum, text));
    return true;
}

/* Lengths count characters, not bytes; text is well-formed. */
static size_t character_count(const char *text, size_t len)
{
    size_t n = 0;
    for (size_t i = 0; i < len; i++)
        n += ((unsigned char)text[i] & 0xc0) != 0x80;
    return n;
}

static bool string_check(struct check *check, const struct schema_node *node,
                         const json_t *instance, const struct place *place)
{
    const char *text = json_string_value(instance);
    size_t len = json_string_length(instance);
    /* A character is 1 to 4 bytes: most strings need no counting. */
    if (len > node->max_length && character_count(text, len) > node->max_length)
        return fail(check, place, "must be at most %zu characters", node->max_length);
    if (node->min_length > 0 && len < node->min_length * 4 &&
        character_count(text, len) < node->min_length)
        return fail(check, place, "must be at least %zu characters", node->min_length);
    if (node->pattern) {
        int r = schema_pattern_match(node->pattern, text, len, &check->scratch);
        if (r < 0)
            return fatal(check, r);
        if (r == 0)
            return fail(check, place, "does not have the form that its pattern asks for");
    }
    return true;
}

static bool enum_check(struct check *check, const struct schema_node *node,
                       const json_t *instance, const struct place *place)
{
    if (node->constant && !posture_json_equal(instance, node->constant)) {
        if (json_is_string(node->constant))
            return fail(check, place, "must be \"%s\"",
                        json_string_value(node->constant));
        return fail(check, place, "must be the one value allowed");
    }
    if (!node->enums)
        return true;
    size_t count = json_array_size(node->enums);
    for (size_t i = 0; i < count; i++) {
        if (posture_json_equal(instance, json_array_get(node->enums, i)))
            return true;
    }
    if (check->quiet > 0)
        return false;
    char list[200];
    size_t n = 0;
    list[0] = '\0';
    for (size_t i = 0; i < count; i++) {
        const char *word = json_string_value(json_array_get(node->enums, i));
        int added = snprintf(list + n, sizeof(list) - n, "%s%s", n > 0 ? ", " : "",
                             word ? word : "…");
        if (added < 0 || (size_t)added >= sizeof(list) - n) {
            list[n] = '\0';
            break;
        }
        n += (size_t)added;
    }
    return fail(check, place, "must be one of: %s", list);
}

static bool node_check(struct check *check, const struct schema_node *node,
                       const json_t *instance, const struct place *place);

static bool array_check(struct check *check, const struct schema_node *node,
                        const json_t *instance, const struct place *place)
{
    size_t count = json_array_size(instance);
    if (count < node->min_items)
        return fail(check, place, "must have at least %zu items", node->min_items);
    if (count > node->max_items)
        return fail(check, place, "must have at most %zu items", node->max_items);
    if (node->items) {
        struct place below = {.parent = place};
        for (size_t i = 0; i < count; i++) {
            below.index = i;
            if (!node_check(check, node->items, json_array_get(instance, i), &below))
                return false;
        }
    }
    if (node->unique_items) { /* maxItems is there: the loader asks for it */
        for (size_t i = 1; i < count; i++) {
            for (size_t j = 0; j < i; j++) {
                if (posture_json_equal(json_array_get(instance, i),
                                       json_array_get(instance, j)))
                    return fail(check, place, "items %zu and %zu are the same", j, i);
            }
        }
    }
    return true;
}

static const struct schema_property *property_find(const struct schema_node *node,
                                                   const char *key, size_t len)
{
    if (!node->slots)
        return NULL;
    for (size_t slot = schema_key_hash(key, len) & node->slot_mask;
         node->slots[slot] != 0; slot = (slot + 1) & node->slot_mask) {
        const struct schema_property *property = &node->properties[node->slots[slot] - 1];
        if (property->key_len == len && memcmp(property->key, key, len) == 0)
            return property;
    }
    return NULL;
}

static bool name_check(struct check *check, const struct schema_node *node,
                       const char *key, size_t len, const struct place *place)
{
    json_t *name = json_stringn_nocheck(key, len);
    if (!name)
        return fatal(check, -ENOMEM);
    bool is_good = node_check(check, node, name, place);
    json_decref(name);
    return is_good;
}

static bool member_check(struct check *check, const struct schema_node *node,
                         const char *key, size_t len, const json_t *value,
                         const struct schema_property *property,
                         const struct place *below)
{
    bool is_known = property && property->is_declared;
    if (is_known && property->node && !node_check(check, property->node, value, below))
        return false;
    for (size_t i = 0; i < node->pattern_property_count; i++) {
        const struct schema_pattern_property *entry = &node->pattern_properties[i];
        int r = schema_pattern_match(entry->pattern, key, len, &check->scratch);
        if (r < 0)
            return fatal(check, r);
        if (r == 0)
            continue;
        is_known = true;
        if (!node_check(check, entry->node, value, below))
            return false;
    }
    if (is_known || !node->additional)
        return true;
    if (node->additional->is_false)
        return fail(check, below, "is not a member of this object");
    return node_check(check, node->additional, value, below);
}

static bool object_check(struct check *check, const struct schema_node *node,
                         const json_t *instance, const struct place *place)
{
    size_t count = json_object_size(instance);
    if (count < node->min_properties)
        return fail(check, place, "must have at least %zu members", node->min_properties);
    if (count > node->max_properties)
        return fail(check, place, "must have at most %zu members", node->max_properties);

    uint64_t seen = 0;
    struct place below = {.parent = place};
    json_t *object = (json_t *)(uintptr_t)instance; /* the iterators are not const */
    for (void *iter = json_object_iter(object); iter;
         iter = json_object_iter_next(object, iter)) {
        const char *key = json_object_iter_key(iter);
        size_t len = json_object_iter_key_len(iter);
        below.key = key;
        const struct schema_property *property = property_find(node, key, len);
        if (property && property->required >= 0)
            seen |= UINT64_C(1) << property->required;
        if (node->property_names &&
            !name_check(check, node->property_names, key, len, &below))
            return false;
        if (!member_check(check, node, key, len, json_object_iter_value(iter), property,
                          &below))
            return false;
    }
    uint64_t missing = node->required & ~seen;
    if (missing == 0)
        return true;
    for (size_t i = 0; i < node->property_count; i++) {
        const struct schema_property *property = &node->properties[i];
        if (property->required >= 0 && ((missing >> property->required) & 1))
            return fail(check, place, "\"%s\" is required", property->key);
    }
    return false;
}

static bool is_quietly(struct check *check, const struct schema_node *node,
                       const json_t *instance, const struct place *place)
{
    check->quiet++;
    bool is_good = node_check(check, node, instance, place);
    check->quiet--;
    return is_good;
}

static bool combine_check(struct check *check, const struct schema_node *node,
                          const json_t *instance, const struct place *place)
{
    if (node->ref && !node_check(check, node->ref, instance, place))
        return false;
    for (size_t i = 0; i < node->all_of.count; i++) {
        if (!node_check(check, node->all_of.items[i], instance, place))
            return false;
    }
    if (node->any_of.count > 0) {
        bool is_one = false;
        for (size_t i = 0; !is_one && i < node->any_of.count; i++)
            is_one = is_quietly(check, node->any_of.items[i], instance, place);
        if (!is_one)
            return fail(check, place, "has none of the %zu allowed forms",
                        node->any_of.count);
    }
    if (node->one_of.count > 0) {
        size_t matching = 0;
        for (size_t i = 0; matching < 2 && i < node->one_of.count; i++)
            matching += is_quietly(check, node->one_of.items[i], instance, place);
        if (matching != 1)
            return fail(check, place, "must have exactly one of %zu forms, and has %s",
                        node->one_of.count, matching == 0 ? "none" : "more");
    }
    if (node->not_ && is_quietly(check, node->not_, instance, place))
        return fail(check, place, "has a form that is excluded");
    if (node->if_) {
        const struct schema_node *branch =
            is_quietly(check, node->if_, instance, place) ? node->then_ : node->else_;
        if (branch && !node_check(check, branch, instance, place))
            return false;
    }
    return true;
}

static bool node_check(struct check *check, const struct schema_node *node,
                       const json_t *instance, const struct place *place)
{
    if (check->fatal < 0)
        return false;
    if (++check->steps > STEPS_MAX)
        return fatal(check, POSTURE_E_LIMIT);
    if (node->is_false)
        return fail(check, place, "is not allowed here");
    unsigned type = type_of(instance);
    if (!(node->types & type)) {
        char names[80];
        return fail(check, place, "must be %s",
                    types_format(node->types, names, sizeof(names)));
    }
    if ((node->constant || node->enums) && !enum_check(check, node, instance, place))
        return false;
    if (node->constrains & type) {
        bool is_good = true;
        if (type & SCHEMA_NUMBER)
            is_good = number_check(check, node, instance, place);
        else if (type == SCHEMA_STRING)
            is_good = string_check(check, node, instance, place);
        else if (type == SCHEMA_ARRAY)
            is_good = array_check(check, node, instance, place);
        else if (type == SCHEMA_OBJECT)
            is_good = object_check(check, node, instance, place);
        if (!is_good)
            return false;
    }
    return combine_check(check, node, instance, place);
}

int posture_schema_check(const struct posture_schema *schema, const json_t *instance,
                         struct posture_error *reterr)
{
    struct check check = {.reterr = reterr};
    const struct place top = {0};
    bool is_good = node_check(&check, schema->root, instance, &top);
    schema_scratch_free(check.scratch);
    if (check.fatal < 0)
        return posture_error_set(reterr, check.fatal,
                                 check.fatal == -ENOMEM ? "out of memory"
                                                        : "too costly to check");
    return is_good ? 0 : POSTURE_E_SCHEMA;
}
