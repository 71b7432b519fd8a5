/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */

/* A schema, a line of "---", an instance: the compiler and the checker against both. */

#include "common/report/json.h"
#include "common/report/schema.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char mark[] = "\n---\n";
    const uint8_t *end = memmem(data, size, mark, sizeof(mark) - 1);
    if (!end)
        return 0;
    const char *instance_text = (const char *)end + sizeof(mark) - 1;
    size_t instance_len = size - (size_t)((const uint8_t *)instance_text - data);

    char path[64];
    POSTURE_AUTO_CLOSE int fd = memfd_create("schema", MFD_CLOEXEC);
    if (fd < 0 || write(fd, data, (size_t)(end - data)) != end - data)
        return 0;
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);

    POSTURE_AUTO(posture_schema_free) struct posture_schema *schema = NULL;
    struct posture_error error = {0};
    int r = posture_schema_load(path, &schema, &error);
    if ((r == 0) != (schema != NULL) || (r < 0 && !*error.text))
        abort();
    json_auto_t *instance = NULL;
    if (r < 0 || posture_json_parse(instance_text, instance_len, &instance, NULL) < 0)
        return 0;
    error = (struct posture_error){0};
    r = posture_schema_check(schema, instance, &error);
    if ((r < 0) != (*error.text != '\0') ||
        posture_schema_check(schema, instance, NULL) != r)
        abort();
    return 0;
}
