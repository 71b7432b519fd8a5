/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */

/* What "sshd -T" wrote. */

#include "posture_crypto/host_facts.h"

#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    json_auto_t *sshd = json_object();
    int r = host_sshd_read((const char *)data, size, sshd);
    if (r > 0 || (r == 0 && !json_object_get(sshd, "ciphers")))
        abort();
    return 0;
}
