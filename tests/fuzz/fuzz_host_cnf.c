/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */

/* A file of OpenSSL's configuration; an included file is the same bytes again. */

#include "posture_crypto/host_cnf.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct reading {
    struct host_cnf cnf;
    const char *bytes;
    size_t len;
    unsigned files;
    char section[HOST_CNF_SECTION_MAX];
};

static int include_read(void *data, const char *path)
{
    struct reading *reading = data;
    if (!path[0])
        abort();
    if (++reading->files > 4)
        return POSTURE_E_LIMIT;
    return host_cnf_parse(&reading->cnf, reading->bytes, reading->len, reading->section,
                          include_read, reading);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct reading reading = {
        .bytes = (const char *)data, .len = size, .section = "default"};
    int r = host_cnf_parse(&reading.cnf, reading.bytes, reading.len, reading.section,
                           include_read, &reading);
    if (r > 0 || reading.cnf.count > HOST_CNF_ENTRIES_MAX)
        abort();
    /* What was read is found again: the last of its name. */
    for (size_t i = 0; r == 0 && i < reading.cnf.count; i++) {
        const struct host_cnf_entry *entry = &reading.cnf.entries[i];
        if (host_cnf_find(&reading.cnf, entry->section, entry->name) < entry)
            abort();
    }
    host_cnf_done(&reading.cnf);
    return 0;
}
