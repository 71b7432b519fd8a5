/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */

/* A chain of certificates (each with a length of two bytes before it) → facts and
 * verification. */

#include "common/tls/certificate.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct posture_tls_trust *trust;
    struct posture_error error;
    if (!trust && posture_tls_trust_load("none", &trust, &error) < 0)
        abort();
    struct posture_tls_der chain[4] = {0};
    size_t count = 0;
    while (count < POSTURE_COUNT(chain) && size > 2) {
        size_t len = (size_t)data[0] << 8 | data[1];
        data += 2;
        size -= 2;
        if (len > size)
            len = size;
        chain[count].bytes = data;
        chain[count++].len = len;
        data += len;
        size -= len;
    }
    bool is_bad = false;
    size_t budget = 16 * 1024;
    const struct posture_tls_chain_input input = {
        .certificates = chain,
        .count = count,
        .trust = trust,
        .host = "www.example.go.jp",
    };
    json_t *facts = posture_tls_chain_facts(&input, &budget, &is_bad);
    const char *curve = NULL;
    posture_tls_chain_leaf(facts, &curve);
    if (facts && json_dumpb(facts, NULL, 0, 0) > 256 * 1024)
        abort();
    json_decref(facts);
    return 0;
}
