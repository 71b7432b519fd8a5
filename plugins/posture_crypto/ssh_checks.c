/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#include "posture_crypto/ssh_checks.h"

#include "posture_crypto/ssh_check.h"

#include <errno.h>

static const struct {
    const char *id;
    unsigned needs; /* what must be whole for anything better than a fail */
    bool is_of_profile;
    bool is_of_banner; /* can be judged without any list */
    ssh_check_fn *check;
} checks[] = {
    {"ssh.version", 0, false, true, ssh_version_check},
    {"ssh.kex", SSH_NEED_LISTS | SSH_NEED_GEX, true, false, ssh_kex_check},
    {"ssh.pq_kex", SSH_NEED_LISTS, true, false, ssh_pq_kex_check},
    {"ssh.host_key", SSH_NEED_LISTS | SSH_NEED_KEYS, true, false, ssh_host_key_check},
    {"ssh.cipher", SSH_NEED_LISTS, true, false, ssh_cipher_check},
    {"ssh.mac", SSH_NEED_LISTS, true, false, ssh_mac_check},
    {"ssh.terrapin", SSH_NEED_LISTS, false, false, ssh_terrapin_check},
    {"ssh.strength_until", SSH_NEED_ALL, true, false, ssh_strength_check},
};

static const char *need_name(unsigned missing)
{
    static const char *const names[] = {"algorithms", "host_keys", "dh_gex"};
    for (size_t i = 0; i < POSTURE_COUNT(names); i++) {
        if (missing & (1u << i))
            return names[i];
    }
    return "facts";
}

/* One check on one endpoint, lists that are not whole taken into account. */
static void endpoint_check(const struct posture_check_input *input, size_t number,
                           const struct ssh_endpoint *endpoint,
                           struct posture_verdict *whole)
{
    POSTURE_AUTO_VERDICT struct posture_verdict part;
    posture_verdict_init(&part);
    bool by_banner = checks[number].is_of_banner && endpoint->protocol;
    if (checks[number].is_of_profile && !ssh_is_asked(input)) {
        posture_verdict_offer(&part, POSTURE_RESULT_NA, "profile.silent");
    } else if (endpoint->unknown && !by_banner) {
        posture_verdict_offer(&part, POSTURE_RESULT_UNKNOWN, endpoint->unknown);
    } else {
        checks[number].check(input, endpoint, &part);
        unsigned missing = endpoint->incomplete & checks[number].needs;
        bool is_silent = posture_verdict_is(&part, POSTURE_RESULT_NA, "profile.silent");
        /* A method that was found stays found, whatever else there may be. */
        bool is_found =
            posture_verdict_is(&part, POSTURE_RESULT_PASS, "ssh.pq_kex.offered");
        if (missing && !is_silent && !is_found)
            posture_verdict_offer_incomplete(&part, need_name(missing));
        if (!part.is_set)
            posture_verdict_offer_incomplete(&part, "facts");
    }
    if (posture_verdict_merge(whole, &part))
        posture_verdict_arg_text(whole, "address", endpoint->address);
}

static int subject_check(const struct posture_check_input *input, size_t number,
                         struct posture_results *results)
{
    POSTURE_AUTO_VERDICT struct posture_verdict whole, left_out;
    posture_verdict_init(&whole);
    posture_verdict_init(&left_out);
    const json_t *endpoints = json_object_get(input->facts, "endpoints");
    size_t i;
    const json_t *element;
    json_array_foreach (endpoints, i, element) {
        struct ssh_endpoint endpoint;
        ssh_endpoint_read(element, &endpoint);
        if (endpoint.is_left_out)
            posture_verdict_add_item(&left_out, "left_out", endpoint.address);
        else
            endpoint_check(input, number, &endpoint, &whole);
    }
    if (!json_is_object(input->facts) || !json_is_array(endpoints))
        posture_verdict_offer(&whole, POSTURE_RESULT_UNKNOWN, "facts.malformed");
    else if (json_is_true(json_object_get(input->facts, "truncated")))
        posture_verdict_offer_incomplete(&whole, "endpoints");
    json_t *left = json_object_get(left_out.args, "left_out");
    if (!whole.is_set)
        posture_verdict_offer(&whole, POSTURE_RESULT_UNKNOWN,
                              left ? "endpoint.no_route"
                                   : ssh_resolution_code(input->facts));
    if (left)
        posture_verdict_arg_take(&whole, "left_out", json_incref(left));
    if (left_out.r < 0)
        whole.r = left_out.r;
    return posture_verdict_finish(&whole, checks[number].id, results);
}

static int judge(const struct posture_check_input *input, struct posture_results *results)
{
    if (!input->profile)
        return -EINVAL;
    for (size_t i = 0; i < POSTURE_COUNT(checks); i++)
        POSTURE_TRY(subject_check(input, i, results));
    return 0;
}

const struct posture_check_set posture_ssh_checks = {.kind = "ssh", .judge = judge};
