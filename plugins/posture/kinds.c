/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#include "posture/kinds.h"

#include "posture_crypto/options.h"

#include <string.h>

static const struct kind kinds[] = {
    {"tls", "posture-crypto", "posture_crypto", &posture_crypto_options, "Endpoint",
     false},
    {"ssh", "posture-crypto", "posture_crypto", &posture_crypto_options, "Endpoint",
     false},
    {"host", "posture-crypto", "posture_crypto", &posture_crypto_options, "Host", true},
};

const struct kind *kind_find(const char *name)
{
    for (size_t i = 0; name && i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        if (strcmp(kinds[i].name, name) == 0)
            return &kinds[i];
    }
    return NULL;
}

const char *kind_names(void)
{
    return "tls, ssh, host";
}
