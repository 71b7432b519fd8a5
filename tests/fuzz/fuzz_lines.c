/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */

/* The bytes that a worker sends to its host: the first byte cuts the rest into pieces. */

#include "common/base/lines.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    size_t step = (size_t)data[0] + 1;
    struct posture_line_reader reader;
    posture_line_reader_init(&reader);
    for (size_t at = 1; at < size; at += step) {
        size_t n = size - at < step ? size - at : step;
        if (posture_line_reader_feed(&reader, data + at, n) < 0)
            break;
        char *line;
        size_t len;
        while (posture_line_reader_next(&reader, &line, &len) > 0) {
            const char *fields[64];
            size_t count;
            if (posture_line_split(line, len, fields, 64, &count) < 0)
                continue;
            /* What was read can be written, and is read again as the same. */
            POSTURE_AUTO_BUF struct posture_buf out = {0};
            if (posture_line_write(&out, fields, count) < 0)
                continue;
            const char *again[64];
            size_t again_count;
            if (posture_line_split(out.data, out.len - 1, again, 64, &again_count) < 0 ||
                again_count != count)
                abort();
            for (size_t i = 0; i < count; i++)
                if (strcmp(again[i], fields[i]) != 0)
                    abort();
        }
    }
    posture_line_reader_done(&reader);
    return 0;
}
