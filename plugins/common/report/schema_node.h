/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#ifndef POSTURE_REPORT_SCHEMA_NODE_H
#define POSTURE_REPORT_SCHEMA_NODE_H

#include "common/report/schema.h"

#include <stdbool.h>
#include <stdint.h>

/* The compiled form of a schema; between schema_load.c, which makes it, and schema.c,
 * which walks it. */

/* Types of an instance as bits; a whole number is both INTEGER and NUMBER. */
enum {
    SCHEMA_NULL = 1,
    SCHEMA_BOOLEAN = 2,
    SCHEMA_INTEGER = 4,
    SCHEMA_NUMBER = 8,
    SCHEMA_STRING = 16,
    SCHEMA_ARRAY = 32,
    SCHEMA_OBJECT = 64,
    SCHEMA_ANY = 127,
};

struct schema_node;

/* PCRE2 behind a dialect in which ECMA 262, Python and PCRE2 mean the same. */
struct schema_pattern;
int schema_pattern_new(const char *text, struct schema_pattern **ret,
                       struct posture_error *reterr);
struct schema_pattern *schema_pattern_free(struct schema_pattern *pattern);
/* 1 found somewhere in the text, 0 not, negative: limits or memory. *scratch is made on
 * first use and shared by the matches of one check; free it with schema_scratch_free().
 */
struct schema_scratch;
int schema_pattern_match(const struct schema_pattern *pattern, const char *text,
                         size_t len, struct schema_scratch **scratch);
void schema_scratch_free(struct schema_scratch *scratch);

struct schema_property {
    const char *key; /* borrowed from the schema's document */
    size_t key_len;
    struct schema_node *node; /* NULL: any value (the name is only required) */
    int8_t required;          /* bit of the required mask, -1: not required */
    bool is_declared;         /* in "properties": additionalProperties does not apply */
};

struct schema_pattern_property {
    struct schema_pattern *pattern;
    struct schema_node *node;
};

struct schema_list {
    struct schema_node **items;
    size_t count;
};

struct schema_node {
    unsigned types;      /* allowed, SCHEMA_ANY without "type" */
    unsigned constrains; /* types of which more than the type is checked */
    bool is_false;       /* the schema false */

    const json_t *constant;
    const json_t *enums;

    size_t min_length, max_length;
    struct schema_pattern *pattern;

    const json_t *minimum, *maximum; /* inclusive */
    const json_t *exclusive_minimum;

    struct schema_node *items;
    size_t min_items, max_items;
    bool unique_items;

    struct schema_property *properties;
    size_t property_count;
    uint8_t *slots; /* hash table: index + 1 into properties; 0 empty */
    size_t slot_mask;
    uint64_t required;
    struct schema_pattern_property *pattern_properties;
    size_t pattern_property_count;
    struct schema_node *additional; /* NULL: any */
    struct schema_node *property_names;
    size_t min_properties, max_properties;

    struct schema_node *ref;
    struct schema_list all_of, any_of, one_of;
    struct schema_node *if_, *then_, *else_, *not_;

    const char *where;        /* for load errors: file; borrowed */
    int mark;                 /* of the search for cycles */
    struct schema_node *next; /* all nodes of the schema */
};

struct schema_document {
    char *path; /* relative to the root schema's folder */
    json_t *root;
    struct schema_document *next;
};

struct posture_schema {
    struct schema_node *root;
    struct schema_node *nodes;
    size_t node_count;
    struct schema_document *documents;
    size_t document_count;
    char *folder;
};

/* "a/b/../c" to "a/c", in place; false when it leaves the folder. */
bool schema_path_normalize(char *path);
/* Finds or reads a file of the schema's folder; owned by the schema. */
int schema_document_load(struct posture_schema *schema, const char *path,
                         struct schema_document **ret, struct posture_error *reterr);
/* A JSON pointer (RFC 6901) without percent-encoding: our own references need none. NULL:
 * nowhere. */
const json_t *schema_pointer_resolve(const json_t *value, const char *pointer);

static inline size_t schema_key_hash(const char *key, size_t len)
{
    /* Keys of one object differ in length or in their ends; equality decides anyway. */
    size_t h = len * 31;
    if (len > 0)
        h += (size_t)(unsigned char)key[0] * 7 +
             (size_t)(unsigned char)key[len - 1] * 13 +
             (size_t)(unsigned char)key[len / 2] * 5;
    return h ^ (h >> 5);
}

#endif
