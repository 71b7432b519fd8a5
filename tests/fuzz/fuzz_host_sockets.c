/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */

/* Tables of /proc/net. */

#include "posture_crypto/host_inventory.h"

#include "common/base/mem.h"

#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    HOST_AUTO_INVENTORY struct host_inventory inventory = {0};
    POSTURE_AUTO_FREE char *text = posture_strndup((const char *)data, size);
    if (!text || host_sockets_read(text, size % 2 == 1, &inventory) > 0)
        abort();
    for (size_t i = 0; i < inventory.socket_count; i++) {
        if (inventory.sockets[i].port == 0 || inventory.sockets[i].port > 65535)
            abort();
    }
    return 0;
}
