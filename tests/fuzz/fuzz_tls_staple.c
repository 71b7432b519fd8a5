/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */

/* Any bytes as a stapled answer, beside a real chain (the first parts of the input: two
 * certificates with two-byte lengths): facts with a known shape, whatever they are. */

#include "common/tls/staple.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct posture_tls_der certificates[2] = {0}, response;
    size_t count = 0;
    while (count < 2 && size >= 2) {
        size_t len = (size_t)data[0] << 8 | data[1];
        if (len > size - 2)
            len = size - 2;
        certificates[count].bytes = data + 2;
        certificates[count++].len = len;
        data += 2 + len;
        size -= 2 + len;
    }
    response = (struct posture_tls_der){.bytes = data, .len = size};
    json_t *facts = posture_tls_staple_facts(&response, certificates, count,
                                             INT64_C(1795359600000000000));
    if (!facts || !json_is_true(json_object_get(facts, "present")))
        abort();
    bool has_error = json_is_string(json_object_get(facts, "error"));
    bool has_status = json_is_string(json_object_get(facts, "status")) &&
                      json_is_string(json_object_get(facts, "signature"));
    if (has_error == has_status)
        abort();
    json_decref(facts);
    return 0;
}
