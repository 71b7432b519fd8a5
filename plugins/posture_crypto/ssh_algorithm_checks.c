/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */

/* ssh.kex, ssh.pq_kex, ssh.host_key, ssh.cipher, ssh.mac, ssh.strength_until: what the
 * profile says of what is offered. */

#include "common/checks/strength.h"
#include "posture_crypto/ssh_check.h"

#include "common/report/json.h"

#include <string.h>

static const struct posture_strength_codes codes = {
    .year = "ssh.strength_until.year",
    .open = "ssh.strength_until.open",
    .over = "ssh.strength_until.over",
    .over_planned = "ssh.strength_until.over_planned",
    .never = "ssh.strength_until.never",
};

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

static void finding_add(const struct posture_finding *finding, const char *item,
                        void *data)
{
    posture_strength_walk_add(data, finding, item);
}

void ssh_kex_check(const struct posture_check_input *input,
                   const struct ssh_endpoint *endpoint, struct posture_verdict *verdict)
{
    struct offer_walk walk = {input, verdict};
    ssh_kex_each(input, endpoint, finding_offer, &walk);
    if (ssh_lacks_gex(input, endpoint))
        posture_verdict_offer_incomplete(verdict, "dh_gex");
}

void ssh_host_key_check(const struct posture_check_input *input,
                        const struct ssh_endpoint *endpoint,
                        struct posture_verdict *verdict)
{
    struct offer_walk walk = {input, verdict};
    ssh_host_keys_each(input, endpoint, finding_offer, &walk);
    if (json_array_size(endpoint->host_keys) == 0)
        posture_verdict_offer_incomplete(verdict, "host_keys");
}

void ssh_cipher_check(const struct posture_check_input *input,
                      const struct ssh_endpoint *endpoint,
                      struct posture_verdict *verdict)
{
    struct offer_walk walk = {input, verdict};
    ssh_ciphers_each(input, endpoint, finding_offer, &walk);
}

void ssh_mac_check(const struct posture_check_input *input,
                   const struct ssh_endpoint *endpoint, struct posture_verdict *verdict)
{
    struct offer_walk walk = {input, verdict};
    ssh_macs_each(input, endpoint, finding_offer, &walk);
    if (!verdict->is_set && !ssh_needs_mac(input, endpoint) && endpoint->macs[0])
        posture_verdict_offer(verdict, POSTURE_RESULT_NA, "ssh.mac.not_used");
}

void ssh_strength_check(const struct posture_check_input *input,
                        const struct ssh_endpoint *endpoint,
                        struct posture_verdict *verdict)
{
    if (!posture_profile_has_strength(input->profile)) {
        posture_verdict_offer(verdict, POSTURE_RESULT_NA, "profile.silent");
        return;
    }
    struct posture_strength_walk years;
    posture_strength_walk_init(&years);
    ssh_kex_each(input, endpoint, finding_add, &years);
    ssh_host_keys_each(input, endpoint, finding_add, &years);
    ssh_ciphers_each(input, endpoint, finding_add, &years);
    ssh_macs_each(input, endpoint, finding_add, &years);
    if (ssh_lacks_gex(input, endpoint))
        posture_verdict_offer_incomplete(verdict, "dh_gex");
    if (json_array_size(endpoint->host_keys) == 0)
        posture_verdict_offer_incomplete(verdict, "host_keys");
    posture_strength_walk_offer(&years, input, &codes, verdict);
}

/* A profile without a post-quantum group does not ask. */
static bool pq_is_asked(const struct posture_check_input *input)
{
    size_t i;
    const json_t *row;
    json_array_foreach (json_object_get(posture_profile_json(input->profile), "rows"), i,
                        row) {
        const char *tier = posture_json_string(row, "tier");
        const char *cls = posture_json_string(row, "class");
        if (tier && cls && strcmp(tier, "pqc") == 0 && strcmp(cls, "group") == 0)
            return true;
    }
    return false;
}

/* The row by which a method is post-quantum on the profile's list; NULL: it is not. */
static const struct posture_profile_row *pq_row(const struct posture_check_input *input,
                                                const json_t *kex)
{
    const char *group = posture_json_string(kex, "group");
    const struct posture_profile_row *row =
        group && json_is_true(json_object_get(kex, "pq"))
            ? posture_profile_row(input->profile, "group", group)
            : NULL;
    return row && row->tier == POSTURE_TIER_PQC ? row : NULL;
}

void ssh_pq_kex_check(const struct posture_check_input *input,
                      const struct ssh_endpoint *endpoint,
                      struct posture_verdict *verdict)
{
    if (!pq_is_asked(input)) {
        posture_verdict_offer(verdict, POSTURE_RESULT_NA, "profile.silent");
        return;
    }
    size_t i;
    const json_t *item;
    json_array_foreach (endpoint->kex, i, item) {
        const char *name = json_string_value(item);
        const struct posture_profile_row *row =
            pq_row(input, ssh_algorithm(input, "kex", name));
        if (!row)
            continue;
        posture_verdict_offer(verdict, POSTURE_RESULT_PASS, "ssh.pq_kex.offered");
        posture_verdict_value_text(verdict, name);
        posture_verdict_arg_text(verdict, "kex", name);
        if (row->certainty < POSTURE_CERTAINTY_HIGH)
            posture_verdict_arg_text(verdict, "certainty",
                                     posture_certainty_name(row->certainty));
        return;
    }
    bool has_unlisted = false;
    json_array_foreach (endpoint->kex, i, item) {
        const char *name = json_string_value(item);
        const json_t *kex = ssh_algorithm(input, "kex", name);
        if (!kex && !ssh_is_indicator(input, name)) {
            /* A name that nobody has told us of may be post-quantum. */
            if (posture_verdict_offer(verdict, POSTURE_RESULT_UNKNOWN,
                                      "algorithm.unjudged"))
                posture_verdict_value_text(verdict, name);
            posture_verdict_add_item(verdict, "items", name);
            posture_verdict_add_item(verdict, "algorithms", name);
        }
        has_unlisted = has_unlisted || json_is_true(json_object_get(kex, "pq"));
    }
    if (!posture_verdict_offer(verdict, POSTURE_RESULT_WARN,
                               has_unlisted ? "ssh.pq_kex.unlisted" : "ssh.pq_kex.none"))
        return;
    json_array_foreach (endpoint->kex, i, item) {
        const char *name = json_string_value(item);
        if (has_unlisted &&
            json_is_true(json_object_get(ssh_algorithm(input, "kex", name), "pq")))
            posture_verdict_add_item(verdict, "items", name);
    }
}
