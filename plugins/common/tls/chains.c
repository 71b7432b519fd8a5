/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#include "common/tls/chains.h"

#include "common/base/clock.h"
#include "common/tls/staple.h"

#include <string.h>

size_t posture_tls_chains_add(struct posture_tls_chains *chains,
                              const struct posture_tls_endpoint_options *options,
                              size_t *budget, struct posture_tls_plan *plan,
                              const struct posture_tls_der *certificates, size_t count,
                              bool is_truncated, bool *ret_is_bad)
{
    unsigned char digest[SHA256_DIGEST_LENGTH];
    SHA256(certificates[0].bytes, certificates[0].len, digest);
    for (size_t i = 0; i < chains->count; i++) {
        if (!memcmp(chains->leaves[i], digest, sizeof(digest)))
            return i;
    }
    if (chains->count == POSTURE_TLS_CHAINS_MAX)
        return SIZE_MAX;
    const struct posture_tls_chain_input input = {
        .certificates = certificates,
        .count = count,
        .is_truncated = is_truncated,
        .trust = options->trust,
        .crls = options->crls,
        .host = options->verify_name,
        .is_literal = options->verify_is_literal,
    };
    json_t *facts = posture_tls_chain_facts(&input, budget, ret_is_bad);
    if (!facts || json_array_append_new(chains->list, facts) < 0)
        return SIZE_MAX;
    const json_t *leaf = json_array_get(json_object_get(facts, "certificates"), 0);
    const json_t *key = json_object_get(leaf, "key");
    const char *type = json_string_value(json_object_get(key, "type"));
    if (type)
        posture_tls_plan_leaf(plan, type,
                              json_string_value(json_object_get(key, "curve")));
    memcpy(chains->leaves[chains->count], digest, sizeof(digest));
    return chains->count++;
}

void posture_tls_chains_staple(struct posture_tls_chains *chains, size_t index,
                               const struct posture_tls_der *response,
                               const struct posture_tls_der *certificates, size_t count)
{
    json_t *chain = json_array_get(chains->list, index);
    if (!chain || (!response && json_object_get(chain, "ocsp_staple")))
        return;
    json_t *facts =
        posture_tls_staple_facts(response, certificates, count, posture_now_ns());
    if (facts)
        json_object_set_new(chain, "ocsp_staple", facts);
}

void posture_tls_kept_set(struct posture_tls_kept *kept,
                          const struct posture_tls_der *certificates, size_t count)
{
    posture_buf_clear(&kept->bytes);
    kept->count = count < POSTURE_TLS_KEPT_MAX ? count : POSTURE_TLS_KEPT_MAX;
    for (size_t i = 0; i < kept->count; i++)
        posture_buf_add(&kept->bytes, certificates[i].bytes, certificates[i].len);
    if (posture_buf_error(&kept->bytes) < 0)
        kept->count = 0;
    const uint8_t *at = (const uint8_t *)kept->bytes.data;
    for (size_t i = 0; i < kept->count; i++) {
        kept->certificates[i] =
            (struct posture_tls_der){.bytes = at, .len = certificates[i].len};
        at += certificates[i].len;
    }
}
