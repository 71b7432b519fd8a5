/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */

/* dpkg's status, apt's lists and Release files: in one piece and in two, the same. */

#include "posture_crypto/host_control.h"

#include "common/base/mem.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *const names[] = {"Package", "Status", "Version", "Date"};

static int sum_take(const struct host_control *control, void *data)
{
    unsigned long *sum = data;
    for (size_t i = 0; i < POSTURE_COUNT(names); i++) {
        const char *value = host_control_value(control, i);
        if (value && strlen(value) >= HOST_CONTROL_VALUE_MAX)
            abort();
        for (; value && *value; value++)
            *sum = *sum * 31 + (unsigned char)*value + i;
    }
    *sum = *sum * 31 + 1;
    return 0;
}

static unsigned long sum_of(const char *bytes, size_t size, size_t first)
{
    unsigned long sum = 0;
    struct host_control control;
    host_control_init(&control, names, POSTURE_COUNT(names), sum_take, &sum);
    if (host_control_feed(&control, bytes, first) != 0 ||
        host_control_feed(&control, bytes + first, size - first) != 0 ||
        host_control_end(&control) != 0)
        abort();
    return sum;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *bytes = (const char *)data;
    if (sum_of(bytes, size, 0) != sum_of(bytes, size, size / 2))
        abort();
    return 0;
}
