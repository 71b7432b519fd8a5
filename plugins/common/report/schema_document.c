/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#include "common/base/parse.h"
#include "common/report/json.h"
#include "common/report/schema_node.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum {
    FILE_MAX = 1024 * 1024,
    DOCUMENTS_MAX = 32,
    TOKEN_MAX = 512,
    ARRAY_INDEX_MAX = 99999
};

bool schema_path_normalize(char *path)
{
    char *out = path;
    for (char *part = path; *part;) {
        size_t len = strcspn(part, "/");
        char *next = part + len + (part[len] == '/');
        if (len == 2 && strncmp(part, "..", 2) == 0) {
            if (out == path)
                return false;
            out--; /* the slash */
            while (out > path && out[-1] != '/')
                out--;
        } else if (len > 0 && !(len == 1 && *part == '.')) {
            memmove(out, part, len);
            out += len;
            if (*next)
                *out++ = '/';
        }
        part = next;
    }
    *out = '\0';
    return out > path;
}

int schema_document_load(struct posture_schema *schema, const char *path,
                         struct schema_document **ret, struct posture_error *reterr)
{
    for (struct schema_document *d = schema->documents; d; d = d->next) {
        if (strcmp(d->path, path) == 0) {
            *ret = d;
            return 0;
        }
    }
    if (schema->document_count >= DOCUMENTS_MAX)
        return posture_error_at(reterr, POSTURE_E_LIMIT, path, 0, 0,
                                "more than %d schema files", DOCUMENTS_MAX);
    POSTURE_AUTO_FREE char *full = posture_asprintf("%s/%s", schema->folder, path);
    if (!full)
        return posture_error_set(reterr, -ENOMEM, "out of memory");
    struct schema_document *document = posture_calloc(1, sizeof(*document));
    if (!document)
        return posture_error_set(reterr, -ENOMEM, "out of memory");
    document->next = schema->documents; /* owned from here on */
    schema->documents = document;
    schema->document_count++;
    document->path = posture_strdup(path);
    if (!document->path)
        return posture_error_set(reterr, -ENOMEM, "out of memory");
    POSTURE_TRY(posture_json_load(full, FILE_MAX, &document->root, reterr));
    *ret = document;
    return 0;
}

const json_t *schema_pointer_resolve(const json_t *value, const char *pointer)
{
    while (value && *pointer == '/') {
        char token[TOKEN_MAX];
        size_t n = 0;
        for (pointer++; *pointer && *pointer != '/'; pointer++) {
            char c = *pointer;
            if (c == '~' && (pointer[1] == '0' || pointer[1] == '1'))
                c = *++pointer == '0' ? '~' : '/';
            if (n + 1 >= sizeof(token))
                return NULL;
            token[n++] = c;
        }
        token[n] = '\0';
        uint32_t index;
        if (json_is_array(value))
            value = posture_parse_u32(token, 0, ARRAY_INDEX_MAX, &index) == 0
                        ? json_array_get(value, index)
                        : NULL;
        else
            value = json_object_get(value, token);
    }
    return *pointer == '\0' ? value : NULL;
}

static struct schema_node *node_free(struct schema_node *node)
{
    struct schema_node *next = node->next;
    for (size_t i = 0; i < node->pattern_property_count; i++)
        schema_pattern_free(node->pattern_properties[i].pattern);
    schema_pattern_free(node->pattern);
    free(node->pattern_properties);
    free(node->properties);
    free(node->slots);
    free(node->all_of.items);
    free(node->any_of.items);
    free(node->one_of.items);
    free(node);
    return next;
}

struct posture_schema *posture_schema_free(struct posture_schema *schema)
{
    if (!schema)
        return NULL;
    for (struct schema_node *node = schema->nodes; node;)
        node = node_free(node);
    for (struct schema_document *document = schema->documents; document;) {
        struct schema_document *next = document->next;
        json_decref(document->root);
        free(document->path);
        free(document);
        document = next;
    }
    free(schema->folder);
    free(schema);
    return NULL;
}
