/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */

/* SSH's names as the primitives that profiles judge. */

#include "common/checks/certificate.h"
#include "posture_crypto/ssh_check.h"

#include "common/report/json.h"

#include <stdio.h>
#include <string.h>

enum { ITEM_MAX = 192 };

/* One part of a name; nothing when the name has no such part. */
static void part_add(const struct posture_check_input *input, const char *cls,
                     const char *name, struct posture_finding *finding)
{
    struct posture_finding part;
    if (!name)
        return;
    posture_algorithm_judge(input, cls, name, &part);
    posture_finding_add(finding, &part);
}

static void kex_judge(const struct posture_check_input *input,
                      const struct ssh_endpoint *endpoint, const char *name,
                      struct posture_finding *ret, char item[static ITEM_MAX])
{
    const json_t *row = ssh_algorithm(input, "kex", name);
    const char *exchange = posture_json_string(row, "exchange");
    const char *method = posture_json_string(row, "method");
    json_int_t bits = json_integer_value(json_object_get(row, "bits"));
    snprintf(item, ITEM_MAX, "%.128s", name);
    if (!row || !exchange) {
        posture_algorithm_judge(input, "key_exchange", name, ret);
        return;
    }
    if (method && strcmp(method, "gex") == 0 && endpoint->gex_bits > 0) {
        bits = endpoint->gex_bits;
        snprintf(item, ITEM_MAX, "%.128s %lld", name, (long long)bits);
    }
    if (bits > 0)
        posture_modulus_judge(input, "key_exchange", exchange, bits, ret);
    else
        posture_algorithm_judge(input, "key_exchange", exchange, ret);
    part_add(input, "group", posture_json_string(row, "group"), ret);
    part_add(input, "kem", posture_json_string(row, "kem"), ret);
    part_add(input, "hash", posture_json_string(row, "hash"), ret);
}

void ssh_kex_each(const struct posture_check_input *input,
                  const struct ssh_endpoint *endpoint, ssh_finding_fn *fn, void *data)
{
    size_t i;
    const json_t *name;
    json_array_foreach (endpoint->kex, i, name) {
        struct posture_finding finding;
        char item[ITEM_MAX];
        if (ssh_is_indicator(input, json_string_value(name)))
            continue;
        kex_judge(input, endpoint, json_string_value(name), &finding, item);
        fn(&finding, item, data);
    }
}

bool ssh_lacks_gex(const struct posture_check_input *input,
                   const struct ssh_endpoint *endpoint)
{
    size_t i;
    const json_t *name;
    json_array_foreach (endpoint->kex, i, name) {
        const json_t *row = ssh_algorithm(input, "kex", json_string_value(name));
        const char *method = posture_json_string(row, "method");
        bool is_gss = method && strcmp(method, "gss") == 0 &&
                      !json_object_get(row, "group") && !json_object_get(row, "bits");
        if (is_gss || (method && strcmp(method, "gex") == 0 && !endpoint->has_gex))
            return true;
    }
    return false;
}

/* Scheme and hash of the name of a signature. */
static void signature_judge(const struct posture_check_input *input, const char *name,
                            struct posture_finding *ret)
{
    const json_t *row = ssh_algorithm(input, "host_key", name);
    posture_algorithm_judge(input, "signature",
                            row ? posture_json_string(row, "signature") : name, ret);
    part_add(input, "hash", posture_json_string(row, "hash"), ret);
}

static void key_offer(const struct posture_check_input *input, const json_t *key,
                      const char *owner, ssh_finding_fn *fn, void *data)
{
    struct posture_finding finding;
    char key_item[POSTURE_CERTIFICATE_ITEM_MAX];
    char item[ITEM_MAX];
    posture_certificate_key_judge(input, key, &finding, key_item);
    snprintf(item, sizeof(item), "%s%s", owner, key_item);
    fn(&finding, item, data);
}

void ssh_host_keys_each(const struct posture_check_input *input,
                        const struct ssh_endpoint *endpoint, ssh_finding_fn *fn,
                        void *data)
{
    struct posture_finding finding;
    size_t i;
    const json_t *item;
    json_array_foreach (endpoint->host_keys, i, item) {
        const json_t *certificate = json_object_get(item, "certificate");
        const char *signed_by = posture_json_string(certificate, "signature");
        key_offer(input, item, "", fn, data);
        if (!certificate)
            continue;
        key_offer(input, json_object_get(certificate, "ca"), "CA ", fn, data);
        char text[ITEM_MAX];
        snprintf(text, sizeof(text), "CA %.128s", signed_by ? signed_by : "?");
        signature_judge(input, signed_by ? signed_by : "?", &finding);
        fn(&finding, text, data);
    }
    json_array_foreach (endpoint->host_key_algorithms, i, item) {
        signature_judge(input, json_string_value(item), &finding);
        fn(&finding, json_string_value(item), data);
    }
}

static bool is_in(const json_t *list, const char *name)
{
    size_t i;
    const json_t *item;
    json_array_foreach (list, i, item) {
        if (strcmp(json_string_value(item), name) == 0)
            return true;
    }
    return false;
}

static void cipher_judge(const struct posture_check_input *input, const char *name,
                         struct posture_finding *ret)
{
    const json_t *row = ssh_algorithm(input, "cipher", name);
    const char *mode = posture_json_string(row, "mode");
    posture_algorithm_judge(input, "cipher",
                            row ? posture_json_string(row, "cipher") : name, ret);
    /* A stream cipher has no mode to judge. */
    if (mode && strcmp(mode, "STREAM") != 0)
        part_add(input, "mode", mode, ret);
}

void ssh_ciphers_each(const struct posture_check_input *input,
                      const struct ssh_endpoint *endpoint, ssh_finding_fn *fn, void *data)
{
    for (size_t way = 0; way < 2; way++) {
        size_t i;
        const json_t *item;
        json_array_foreach (endpoint->ciphers[way], i, item) {
            const char *name = json_string_value(item);
            struct posture_finding finding;
            if (way == 1 && is_in(endpoint->ciphers[0], name))
                continue;
            cipher_judge(input, name, &finding);
            fn(&finding, name, data);
        }
    }
}

/* In one direction: is there a cipher that leaves integrity to a MAC? */
static bool uses_mac(const struct posture_check_input *input, const json_t *ciphers)
{
    size_t i;
    const json_t *item;
    json_array_foreach (ciphers, i, item) {
        const char *mode = posture_json_string(
            ssh_algorithm(input, "cipher", json_string_value(item)), "mode");
        if (!mode || (strcmp(mode, "GCM") != 0 && strcmp(mode, "POLY1305") != 0))
            return true;
    }
    return false;
}

bool ssh_needs_mac(const struct posture_check_input *input,
                   const struct ssh_endpoint *endpoint)
{
    for (size_t way = 0; way < 2; way++) {
        if (json_array_size(endpoint->ciphers[way]) == 0 ||
            uses_mac(input, endpoint->ciphers[way]))
            return true;
    }
    return false;
}

void ssh_macs_each(const struct posture_check_input *input,
                   const struct ssh_endpoint *endpoint, ssh_finding_fn *fn, void *data)
{
    bool is_used[2];
    for (size_t way = 0; way < 2; way++)
        is_used[way] = uses_mac(input, endpoint->ciphers[way]);
    for (size_t way = 0; way < 2; way++) {
        size_t i;
        const json_t *item;
        json_array_foreach (endpoint->macs[way], i, item) {
            const char *name = json_string_value(item);
            const json_t *row = ssh_algorithm(input, "mac", name);
            const char *mac = posture_json_string(row, "mac");
            struct posture_finding finding;
            bool is_seen = way == 1 && is_used[0] && is_in(endpoint->macs[0], name);
            if (!is_used[way] || is_seen || (mac && strcmp(mac, "AEAD") == 0))
                continue;
            posture_algorithm_judge(input, "mac", row ? mac : name, &finding);
            fn(&finding, name, data);
        }
    }
}
