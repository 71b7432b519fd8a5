/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */

/* The C side of tests/conventions/test_schemas.py: schema_check SCHEMA… reads lines
 * "INDEX TAB DOCUMENT" and answers each with one line: ok, "no TAB text" (the schema
 * refuses) or "bad TAB text" (not read at all). INDEX counts the schemas from 0. */

#include "common/report/json.h"
#include "common/report/schema.h"

#include <stdio.h>
#include <string.h>

enum { SCHEMAS_MAX = 64 };

static void answer(const struct posture_schema *schema, const char *text, size_t len)
{
    struct posture_error error = {0};
    json_auto_t *instance = NULL;
    if (posture_json_parse(text, len, &instance, &error) < 0)
        printf("bad\t%s\n", error.text);
    else if (posture_schema_check(schema, instance, &error) < 0)
        printf("no\t%s\n", error.text);
    else
        printf("ok\n");
}

int main(int argc, char **argv)
{
    struct posture_schema *schemas[SCHEMAS_MAX] = {0};
    int count = argc - 1, status = 0;
    if (count > SCHEMAS_MAX)
        return 2;
    for (int i = 0; i < count; i++) {
        struct posture_error error = {0};
        char text[1024];
        if (posture_schema_load(argv[i + 1], &schemas[i], &error) < 0) {
            fprintf(stderr, "%s\n", posture_error_format(&error, text, sizeof(text)));
            status = 1;
        }
    }
    char *line = NULL;
    size_t cap = 0;
    ssize_t len;
    while (status == 0 && (len = getline(&line, &cap, stdin)) > 0) {
        if (line[len - 1] == '\n')
            len--;
        char *end = NULL;
        unsigned long index = strtoul(line, &end, 10);
        if (*end != '\t' || index >= (unsigned long)count) {
            status = 2;
            break;
        }
        answer(schemas[index], end + 1, (size_t)(line + len - end - 1));
    }
    free(line);
    for (int i = 0; i < count; i++)
        posture_schema_free(schemas[i]);
    return status;
}
