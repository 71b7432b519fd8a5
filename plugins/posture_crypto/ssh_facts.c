/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#include "posture_crypto/ssh_facts.h"

#include "common/report/json.h"

#include <stdio.h>
#include <string.h>

struct word_code {
    const char *word;
    const char *code;
};

static const struct word_code error_codes[] = {
    {"refused", "endpoint.refused"},
    {"timeout", "endpoint.timeout"},
    {"no_route", "endpoint.no_route"},
    {"unreachable", "endpoint.unreachable"},
    {"reset", "endpoint.reset"},
    {"closed", "endpoint.closed"},
    {"not_ssh", "endpoint.not_ssh"},
    {"ssh1_only", "endpoint.ssh1_only"},
    {"protocol", "endpoint.ssh_protocol"},
    {"deadline", "endpoint.deadline"},
    {"denied", "endpoint.denied"},
    {"too_large", "endpoint.too_large"},
    {"rate_limited", "endpoint.rate_limited"},
};

static const struct word_code resolution_codes[] = {
    {"nxdomain", "resolution.nxdomain"},
    {"timeout", "resolution.timeout"},
};

static const char *code_find(const struct word_code *codes, size_t count,
                             const char *word, const char *otherwise)
{
    for (size_t i = 0; word && i < count; i++) {
        if (strcmp(codes[i].word, word) == 0)
            return codes[i].code;
    }
    return otherwise;
}

const char *ssh_resolution_code(const json_t *facts)
{
    const json_t *resolution = json_object_get(facts, "resolution");
    if (!json_is_object(resolution))
        return "endpoint.none";
    return code_find(resolution_codes, POSTURE_COUNT(resolution_codes),
                     posture_json_string(resolution, "error"), "resolution.failed");
}

/* "host_keys.ssh-dss" is about host keys. What we do not know the meaning of may be about
 * anything. */
static unsigned need_of(const char *word)
{
    static const struct {
        const char *word;
        unsigned need;
    } needs[] = {
        /* Lists that were not seen may name keys that were not asked for. */
        {"algorithms", SSH_NEED_LISTS | SSH_NEED_KEYS},
        {"host_keys", SSH_NEED_KEYS},
        {"dh_gex", SSH_NEED_GEX},
    };
    size_t len = strcspn(word, ".");
    for (size_t i = 0; i < POSTURE_COUNT(needs); i++) {
        if (strlen(needs[i].word) == len && memcmp(needs[i].word, word, len) == 0)
            return needs[i].need;
    }
    return SSH_NEED_ALL;
}

static bool list_is_of(const json_t *list, json_type type)
{
    if (!json_is_array(list))
        return false;
    size_t i;
    const json_t *item;
    json_array_foreach (list, i, item) {
        if (json_typeof(item) != type)
            return false;
    }
    return true;
}

/* Lists of both directions, or none. */
static bool directions_read(const json_t *element, const char *key, const json_t *ret[2])
{
    const json_t *object = json_object_get(element, key);
    if (!object)
        return true;
    ret[0] = json_object_get(object, "client_to_server");
    ret[1] = json_object_get(object, "server_to_client");
    return list_is_of(ret[0], JSON_STRING) && list_is_of(ret[1], JSON_STRING);
}

static bool sizes_read(const json_t *element, struct ssh_endpoint *ret)
{
    const json_t *group = json_object_get(element, "dh_gex");
    const json_t *smallest = json_object_get(group, "smallest");
    if (!group)
        return true;
    ret->has_gex = true;
    ret->gex_bits = json_integer_value(smallest);
    return json_is_object(group) &&
           (!smallest || (json_is_integer(smallest) && ret->gex_bits > 0)) &&
           list_is_of(json_object_get(group, "requests"), JSON_OBJECT);
}

/* Members of the right type into ret; false when one is of another. */
static bool members_read(const json_t *element, struct ssh_endpoint *ret)
{
    ret->kex = json_object_get(element, "kex");
    ret->host_key_algorithms = json_object_get(element, "host_key_algorithms");
    ret->host_keys = json_object_get(element, "host_keys");
    ret->protocol = posture_json_string(element, "protocol");
    const json_t *incomplete = json_object_get(element, "incomplete");
    const json_t *error = json_object_get(element, "error");
    if ((ret->kex && !list_is_of(ret->kex, JSON_STRING)) ||
        (ret->host_key_algorithms &&
         !list_is_of(ret->host_key_algorithms, JSON_STRING)) ||
        (ret->host_keys && !list_is_of(ret->host_keys, JSON_OBJECT)) ||
        !directions_read(element, "ciphers", ret->ciphers) ||
        !directions_read(element, "macs", ret->macs) || !sizes_read(element, ret) ||
        (incomplete && !list_is_of(incomplete, JSON_STRING)) ||
        (error && !json_is_object(error)))
        return false;

    size_t i;
    const json_t *word;
    json_array_foreach (incomplete, i, word)
        ret->incomplete |= need_of(json_string_value(word));
    if (json_is_true(json_object_get(element, "truncated")))
        ret->incomplete |= SSH_NEED_ALL;
    /* Something failed, and the prober does not say what it cost. */
    if (error && !incomplete)
        ret->incomplete |= SSH_NEED_ALL;
    return true;
}

void ssh_endpoint_read(const json_t *element, struct ssh_endpoint *ret)
{
    *ret = (struct ssh_endpoint){.address = posture_json_string(element, "address")};
    if (!ret->address || !members_read(element, ret)) {
        *ret = (struct ssh_endpoint){.address = ret->address ? ret->address : "?",
                                     .unknown = "facts.malformed"};
        return;
    }
    const char *error = posture_json_string(json_object_get(element, "error"), "code");
    if (json_array_size(ret->kex) > 0)
        return;
    ret->unknown =
        code_find(error_codes, POSTURE_COUNT(error_codes), error, "endpoint.failed");
    ret->is_left_out = error && strcmp(error, "no_route") == 0;
}

static const json_t *row_find(const struct posture_check_input *input, const char *name)
{
    const json_t *row = posture_profile_table_row(input->profile, "algorithms", name);
    const char *dash = strrchr(name, '-');
    /* GSS-API methods end in the mechanism: the table has one row for all of them. */
    if (row || !dash || strncmp(name, "gss-", 4) != 0)
        return row;
    char family[64];
    int len = snprintf(family, sizeof(family), "%.*s-*", (int)(dash - name), name);
    if (len < 0 || (size_t)len >= sizeof(family))
        return NULL;
    return posture_profile_table_row(input->profile, "algorithms", family);
}

const json_t *ssh_algorithm(const struct posture_check_input *input, const char *role,
                            const char *name)
{
    return json_object_get(row_find(input, name), role);
}

bool ssh_is_indicator(const struct posture_check_input *input, const char *name)
{
    return json_is_true(json_object_get(row_find(input, name), "indicator"));
}

bool ssh_is_asked(const struct posture_check_input *input)
{
    size_t i;
    const json_t *table;
    json_array_foreach (json_object_get(posture_profile_json(input->profile), "tables"),
                        i, table) {
        const char *name = json_string_value(table);
        if (name && strcmp(name, "ssh/algorithms.json") == 0)
            return true;
    }
    return false;
}
