/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */

/*
 * The spool's frames. What is read as a frame lies within the bytes given, and written
 * again it is the same bytes; what is not, is refused or waits, whatever stands there.
 */
#include "common/spool/frame.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    /* A copy of its own, so that a sanitizer sees every byte read behind the end. */
    unsigned char *bytes = malloc(size > 0 ? size : 1);
    if (!bytes)
        return 0;
    if (size > 0)
        memcpy(bytes, data, size);
    struct posture_buf out = {0};
    size_t at = 0;
    for (;;) {
        struct posture_frame frame;
        size_t used = 0;
        size_t max = at == 0 ? POSTURE_FRAME_HELLO_MAX : POSTURE_FRAME_MAX;
        if (posture_frame_decode(bytes + at, size - at, max, &frame, &used) != 1)
            break;
        if (used == 0 || used > size - at)
            abort();
        posture_buf_clear(&out);
        if (posture_frame_encode(&frame, &out) < 0 || out.len != used ||
            memcmp(out.data, bytes + at, used) != 0)
            abort();
        at += used;
    }
    posture_buf_done(&out);
    free(bytes);
    return 0;
}
