/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */

/* host.sshd.algorithms: what sshd would negotiate by its own words, as the checks of kind
 * ssh judge it on the wire. */

#include "posture_crypto/host_check.h"
#include "posture_crypto/ssh_check.h"

#include "common/report/json.h"

#include <string.h>

struct offer_walk {
    const struct posture_check_input *input;
    struct posture_verdict *verdict;
};

static void finding_offer(const struct posture_finding *finding, const char *item,
                          void *data)
{
    const struct offer_walk *walk = data;
    posture_finding_offer(walk->input, finding, item, walk->verdict);
}

/* A list of names, of which sshd always has one. */
static const json_t *names_find(const json_t *topic, const char *key)
{
    size_t i;
    const json_t *item;
    const json_t *list = json_object_get(topic, key);
    json_array_foreach (list, i, item) {
        if (!json_is_string(item))
            return NULL;
    }
    return json_array_size(list) > 0 ? list : NULL;
}

/* The sizes of groups are in the file of moduli, of which sshd -T says nothing. */
static void sizes_offer(const struct posture_check_input *input,
                        const struct ssh_endpoint *endpoint,
                        struct posture_verdict *verdict)
{
    if (!ssh_lacks_gex(input, endpoint) ||
        !posture_verdict_offer(verdict, POSTURE_RESULT_UNKNOWN,
                               "host.sshd.algorithms.sizes"))
        return;
    size_t i;
    const json_t *item;
    json_array_foreach (endpoint->kex, i, item) {
        const char *method = posture_json_string(
            ssh_algorithm(input, "kex", json_string_value(item)), "method");
        if (method && strcmp(method, "gex") == 0)
            posture_verdict_add_item(verdict, "items", json_string_value(item));
    }
}

void host_sshd_algorithms_check(const struct posture_check_input *input,
                                const json_t *topic, struct posture_verdict *verdict)
{
    if (json_is_false(json_object_get(topic, "installed"))) {
        posture_verdict_offer(verdict, POSTURE_RESULT_NA, "host.sshd.absent");
        return;
    }
    if (!ssh_is_asked(input)) {
        posture_verdict_offer(verdict, POSTURE_RESULT_NA, "profile.silent");
        return;
    }
    const char *const keys[] = {"kex", "host_key_algorithms", "ciphers", "macs"};
    const json_t *lists[POSTURE_COUNT(keys)];
    for (size_t i = 0; i < POSTURE_COUNT(keys); i++) {
        lists[i] = names_find(topic, keys[i]);
        /* Where sshd said nothing at all, facts.errors has the better reason. */
        if (!lists[i] && !host_error_reason(input->facts, "sshd"))
            posture_verdict_offer_incomplete(verdict, keys[i]);
    }
    const struct ssh_endpoint endpoint = {
        .address = "",
        .kex = lists[0],
        .host_key_algorithms = lists[1],
        .ciphers = {lists[2], lists[2]},
        .macs = {lists[3], lists[3]},
    };
    struct offer_walk walk = {input, verdict};
    ssh_kex_each(input, &endpoint, finding_offer, &walk);
    ssh_host_keys_each(input, &endpoint, finding_offer, &walk);
    ssh_ciphers_each(input, &endpoint, finding_offer, &walk);
    ssh_macs_each(input, &endpoint, finding_offer, &walk);
    sizes_offer(input, &endpoint, verdict);
}
