/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#include "common/ssh/endpoint.h"

#include <stdio.h>
#include <string.h>

static const char *outcome_code(enum posture_ssh_outcome outcome)
{
    static const char *const codes[] = {
        [POSTURE_SSH_REFUSED] = "refused",
        [POSTURE_SSH_NO_CONNECT] = "timeout",
        [POSTURE_SSH_NO_ROUTE] = "no_route",
        [POSTURE_SSH_UNREACHABLE] = "unreachable",
        [POSTURE_SSH_RESET] = "reset",
        [POSTURE_SSH_CLOSED] = "closed",
        [POSTURE_SSH_DISCONNECTED] = "closed",
        [POSTURE_SSH_TIMED_OUT] = "timeout",
        [POSTURE_SSH_NOT_SSH] = "not_ssh",
        [POSTURE_SSH_VERSION_1] = "ssh1_only",
        [POSTURE_SSH_PROTOCOL_ERROR] = "protocol",
        [POSTURE_SSH_TOO_LARGE] = "too_large",
        [POSTURE_SSH_RATE_LIMITED] = "rate_limited",
        [POSTURE_SSH_DEADLINE] = "deadline",
    };
    return outcome < POSTURE_COUNT(codes) && codes[outcome] ? codes[outcome] : "protocol";
}

static void banner_facts(const char *banner, json_t *facts)
{
    /* SSH-protoversion-softwareversion SP comments (RFC 4253 section 4.2) */
    json_object_set_new(facts, "banner", json_string(banner));
    const char *protocol = strncmp(banner, "SSH-", 4) == 0 ? banner + 4 : NULL;
    const char *dash = protocol ? strchr(protocol, '-') : NULL;
    if (!dash || dash == protocol)
        return;
    json_object_set_new(facts, "protocol",
                        json_stringn(protocol, (size_t)(dash - protocol)));
    size_t len = strcspn(dash + 1, " ");
    if (len > 0)
        json_object_set_new(facts, "software", json_stringn(dash + 1, len));
}

static void directions_set(const struct posture_ssh_kexinit *kexinit,
                           enum posture_ssh_list first, const char *key, json_t *facts)
{
    json_object_set_new(facts, key,
                        json_pack("{s:o,s:o}", "client_to_server",
                                  posture_ssh_list_json(kexinit->lists[first]),
                                  "server_to_client",
                                  posture_ssh_list_json(kexinit->lists[first + 1])));
}

static void lists_facts(const struct posture_ssh_kexinit *kexinit, json_t *facts)
{
    struct posture_ssh_bytes kex = kexinit->lists[POSTURE_SSH_LIST_KEX];
    json_object_set_new(facts, "kex", posture_ssh_list_json(kex));
    json_object_set_new(facts, "host_key_algorithms",
                        posture_ssh_list_json(kexinit->lists[POSTURE_SSH_LIST_HOST_KEY]));
    directions_set(kexinit, POSTURE_SSH_LIST_CIPHER_C2S, "ciphers", facts);
    directions_set(kexinit, POSTURE_SSH_LIST_MAC_C2S, "macs", facts);
    directions_set(kexinit, POSTURE_SSH_LIST_COMPRESSION_C2S, "compression", facts);
    json_object_set_new(
        facts, "strict_kex",
        json_boolean(posture_ssh_list_has(kex, "kex-strict-s-v00@openssh.com")));
    json_object_set_new(facts, "ext_info",
                        json_boolean(posture_ssh_list_has(kex, "ext-info-s")));
    if (kexinit->is_truncated)
        json_object_set_new(facts, "truncated", json_true());
}

static void keys_facts(const struct posture_ssh_plan *plan, json_t *facts,
                       json_t *incomplete)
{
    json_t *list = json_array();
    for (size_t i = 0; i < plan->key_count; i++) {
        const struct posture_ssh_key *key = &plan->keys[i];
        if (key->state == POSTURE_SSH_STATE_KNOWN) {
            json_array_append(list, key->facts);
            continue;
        }
        char word[POSTURE_SSH_NAME_MAX + 16];
        snprintf(word, sizeof(word), "host_keys.%.*s", (int)key->name.len,
                 (const char *)key->name.at);
        json_array_append_new(incomplete, json_string(word));
    }
    json_object_set_new(facts, "host_keys", list);
    if (plan->has_more_keys)
        json_array_append_new(incomplete, json_string("host_keys"));
}

/* The groups that were given, and the smallest of them. */
static void sizes_facts(const struct posture_ssh_plan *plan, json_t *facts,
                        json_t *incomplete)
{
    if (!plan->gex)
        return;
    json_t *requests = json_array();
    size_t smallest = 0;
    bool is_whole = true;
    for (size_t i = 0; i < POSTURE_SSH_SIZES; i++) {
        const struct posture_ssh_size *size = &plan->sizes[i];
        json_t *request =
            json_pack("{s:I,s:I,s:I}", "min", (json_int_t)size->min, "preferred",
                      (json_int_t)size->preferred, "max", (json_int_t)size->max);
        if (size->state == POSTURE_SSH_STATE_KNOWN) {
            json_object_set_new(request, "modulus",
                                json_integer((json_int_t)size->modulus));
            if (smallest == 0 || size->modulus < smallest)
                smallest = size->modulus;
        } else if (size->state == POSTURE_SSH_STATE_REFUSED) {
            json_object_set_new(request, "refused", json_true());
        } else {
            is_whole = false;
            json_decref(request);
            continue;
        }
        json_array_append_new(requests, request);
    }
    json_t *group = json_pack("{s:o}", "requests", requests);
    if (group && smallest > 0)
        json_object_set_new(group, "smallest", json_integer((json_int_t)smallest));
    json_object_set_new(facts, "dh_gex", group);
    if (!is_whole)
        json_array_append_new(incomplete, json_string("dh_gex"));
}

static json_t *error_json(const struct posture_ssh_plan *plan, const char *detail)
{
    json_t *error = json_pack("{s:s}", "code", outcome_code(plan->failure));
    if (error && detail[0] != '\0')
        json_object_set_new(error, "detail", json_string(detail));
    return error;
}

json_t *posture_ssh_endpoint_facts(const struct posture_ssh_plan *plan,
                                   const struct posture_ssh_found *found)
{
    json_t *facts = json_pack("{s:s,s:b}", "address", found->address, "reachable",
                              found->is_reachable);
    if (!facts)
        return NULL;
    if (plan->has_failure)
        json_object_set_new(facts, "error", error_json(plan, found->detail));
    if (found->banner[0] != '\0')
        banner_facts(found->banner, facts);
    if (plan->server.payload) {
        json_t *incomplete = json_array();
        lists_facts(&plan->server, facts);
        keys_facts(plan, facts, incomplete);
        sizes_facts(plan, facts, incomplete);
        /* Two servers behind one address: there are lists that were not seen. */
        if (plan->is_inconsistent)
            json_array_append_new(incomplete, json_string("algorithms"));
        if (json_array_size(incomplete) > 0)
            json_object_set_new(facts, "incomplete", incomplete);
        else
            json_decref(incomplete);
    }
    json_object_set_new(facts, "connections", json_integer(found->connections));
    json_object_set_new(facts, "duration_ms", json_integer(found->duration_ms));
    return facts;
}
