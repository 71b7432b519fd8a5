/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */

/* Device-mapper tables: the kernel's parameters, and the root helper's lines. What one of
 * them reads, the other writes and reads again as the same; a key is in neither. */

#include "posture_crypto/host_dm.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void crypt_check(const struct host_dm_crypt *crypt, void *data)
{
    unsigned *count = data;
    if (strpbrk(crypt->cipher, " \n") || !crypt->cipher[0])
        abort();
    (*count)++;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    unsigned count = 0;
    (void)host_dm_lines_read((const char *)data, size, crypt_check, &count);
    POSTURE_AUTO_FREE char *params = posture_strndup((const char *)data, size);
    struct host_dm_crypt crypt = {.major = 254, .minor = 3};
    if (!params || host_dm_params_read(params, &crypt) < 0)
        return 0;
    POSTURE_AUTO_BUF struct posture_buf out = {0};
    host_dm_line_write(&out, &crypt);
    posture_buf_adds(&out, "end\n");
    count = 0;
    if (host_dm_lines_read(out.data, out.len, crypt_check, &count) != 0 || count != 1)
        abort();
    return 0;
}
