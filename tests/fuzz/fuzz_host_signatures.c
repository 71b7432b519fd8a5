/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */

/* The header of ClamAV's databases, and the summaries of its scans. */

#include "posture_crypto/host_software.h"

#include "common/base/mem.h"

#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    json_auto_t *database = json_object();
    long long seconds;
    POSTURE_AUTO_FREE char *text = posture_strndup((const char *)data, size);
    int r = host_clamav_read((const char *)data, size, database);
    if (!text || r > 0 || (r == 0 && !json_object_get(database, "time")))
        abort();
    r = host_scan_read(text, &seconds);
    if (r > 0 || (r == 0 && seconds < -9 * 3600))
        abort();
    return 0;
}
