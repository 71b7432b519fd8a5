/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#include "common/tls/endpoint.h"
#include "common/tls/plan_internal.h"

#include <stdio.h>

const char *posture_tls_outcome_code(enum posture_tls_outcome outcome)
{
    switch (outcome) {
    case POSTURE_TLS_CLOSED:
        return "closed";
    case POSTURE_TLS_RESET:
        return "reset";
    case POSTURE_TLS_TIMED_OUT:
    case POSTURE_TLS_NO_CONNECT:
        return "timeout";
    case POSTURE_TLS_NOT_TLS:
        return "not_tls";
    case POSTURE_TLS_TOO_LARGE:
        return "too_large";
    case POSTURE_TLS_REFUSED:
        return "refused";
    case POSTURE_TLS_NO_ROUTE:
        return "no_route";
    case POSTURE_TLS_UNREACHABLE:
        return "unreachable";
    case POSTURE_TLS_ANSWERED:
    case POSTURE_TLS_ALERTED:
    case POSTURE_TLS_BROKEN:
        break;
    }
    return "protocol";
}

static json_t *suites_json(const struct posture_tls_plan *plan, unsigned version)
{
    const struct posture_tls_lane *lane = &plan->lanes[version];
    json_t *list = json_array();
    for (size_t i = 0; i < lane->found_count; i++)
        json_array_append_new(list,
                              json_string(plan->tables->suites[lane->found[i]].name));
    return list;
}

static bool has_version(const struct posture_tls_plan *plan, unsigned first,
                        unsigned last)
{
    for (unsigned v = first; v <= last; v++) {
        if (plan->lanes[v].is_supported)
            return true;
    }
    return false;
}

static json_t *intolerance_json(const struct posture_tls_plan *plan)
{
    json_t *list = json_array();
    for (unsigned v = POSTURE_TLS_13; v >= POSTURE_TLS_10; v--) {
        const struct posture_tls_lane *lane = &plan->lanes[v];
        bool was_refused = v == POSTURE_TLS_13 ? plan->opening_failed : lane->was_refused;
        /* A server must negotiate down (RFC 8446, 4.2.1); one that fails instead is
         * intolerant. */
        if (lane->is_supported || lane->is_lower || !was_refused || !plan->is_full_fine ||
            !has_version(plan, POSTURE_TLS_SSL3, v - 1))
            continue;
        char text[32];
        snprintf(text, sizeof(text), "version:%s",
                 posture_tls_version_name((enum posture_tls_version)v));
        json_array_append_new(list, json_string(text));
    }
    if (plan->is_extension_intolerant)
        json_array_append_new(list, json_string("extensions"));
    if (plan->is_length_intolerant)
        json_array_append_new(list, json_string("length"));
    if (plan->is_share_intolerant)
        json_array_append_new(list, json_string("key_share"));
    return list;
}

/* Does a suite that the server took come with a certificate? */
static bool has_certificate_suite(const struct posture_tls_plan *plan)
{
    for (unsigned v = POSTURE_TLS_SSL3; v <= POSTURE_TLS_12; v++) {
        for (size_t i = 0; i < plan->lanes[v].found_count; i++) {
            if (plan->tables->suites[plan->lanes[v].found[i]].authentication >=
                POSTURE_TLS_AUTH_RSA)
                return true;
        }
    }
    return false;
}

static json_t *incomplete_json(const struct posture_tls_plan *plan, size_t chain_count)
{
    json_t *list = json_array();
    bool is_unclear = false;
    for (unsigned v = 0; v < POSTURE_TLS_VERSION_COUNT; v++) {
        const struct posture_tls_lane *lane = &plan->lanes[v];
        is_unclear = is_unclear || (lane->is_unclear && !lane->is_supported);
        if (!lane->is_incomplete)
            continue;
        char text[32];
        snprintf(text, sizeof(text), "suites.%s",
                 posture_tls_version_name((enum posture_tls_version)v));
        json_array_append_new(list, json_string(text));
    }
    if (is_unclear)
        json_array_append_new(list, json_string("versions"));
    if (plan->lanes[POSTURE_TLS_LANE_GROUPS13].is_incomplete ||
        plan->lanes[POSTURE_TLS_LANE_GROUPS12].is_incomplete)
        json_array_append_new(list, json_string("groups"));
    bool misses_chain =
        plan->lanes[POSTURE_TLS_LANE_HANDSHAKE].is_incomplete ||
        (chain_count == 0 && (plan->handshake_failed || has_certificate_suite(plan)));
    if (misses_chain)
        json_array_append_new(list, json_string("chains"));
    return list;
}

static json_t *groups_json(const struct posture_tls_plan *plan)
{
    char buf[POSTURE_TLS_CODE_TEXT];
    json_t *list = json_array();
    for (size_t i = 0; i < plan->group_count; i++)
        json_array_append_new(list, json_string(posture_tls_group_name(
                                        plan->tables, plan->groups[i], buf)));
    return list;
}

static json_t *error_json(const struct posture_tls_plan *plan, bool is_deadline,
                          bool has_any_version, const char *detail)
{
    const char *code = NULL;
    if (is_deadline)
        code = "deadline";
    else if (!has_any_version)
        code = posture_tls_outcome_code(plan->failure);
    if (!code)
        return NULL;
    json_t *error = json_pack("{s:s}", "code", code);
    if (detail[0] != '\0' && !has_any_version)
        json_object_set_new(error, "detail", json_string(detail));
    return error;
}

static void version_facts(const struct posture_tls_plan *plan, json_t *facts)
{
    json_t *versions = json_array();
    json_t *suites = json_object();
    json_t *order = json_object();
    for (unsigned v = 0; v < POSTURE_TLS_VERSION_COUNT; v++) {
        const struct posture_tls_lane *lane = &plan->lanes[v];
        if (!lane->is_supported)
            continue;
        const char *name = posture_tls_version_name((enum posture_tls_version)v);
        json_array_append_new(versions, json_string(name));
        json_object_set_new(suites, name, suites_json(plan, v));
        if (lane->order != 0)
            json_object_set_new(order, name, json_boolean(lane->order == 2));
    }
    json_object_set_new(facts, "versions", versions);
    json_object_set_new(facts, "suites", suites);
    json_object_set_new(facts, "server_order", order);
}

/* Sets a list only when it says something. */
static void list_set(json_t *facts, const char *key, json_t *list_take)
{
    if (json_array_size(list_take) > 0)
        json_object_set_new(facts, key, list_take);
    else
        json_decref(list_take);
}

json_t *posture_tls_endpoint_facts(const struct posture_tls_plan *plan,
                                   const json_t *chains, const char *address,
                                   bool is_reachable, bool is_deadline,
                                   const char *detail, unsigned connections,
                                   int64_t duration_ms)
{
    json_t *facts = json_pack("{s:s,s:b}", "address", address, "reachable", is_reachable);
    if (!facts)
        return NULL;
    bool has_any = has_version(plan, 0, POSTURE_TLS_VERSION_COUNT - 1);
    json_t *error = error_json(plan, is_deadline, has_any, detail);
    if (error)
        json_object_set_new(facts, "error", error);
    if (is_reachable) {
        version_facts(plan, facts);
        json_object_set_new(facts, "groups", groups_json(plan));
        if (plan->dhe_bits > 0)
            json_object_set_new(facts, "dhe_bits", json_integer(plan->dhe_bits));
        json_t *incomplete = incomplete_json(plan, json_array_size(chains));
        if (has_any)
            posture_tls_depth_facts(plan, chains, facts, incomplete);
        json_object_set(facts, "chains", (json_t *)chains);
        list_set(facts, "incomplete", incomplete);
        list_set(facts, "intolerance", intolerance_json(plan));
    }
    json_object_set_new(facts, "connections", json_integer(connections));
    json_object_set_new(facts, "duration_ms", json_integer(duration_ms));
    return facts;
}

static void answer_set(json_t *object, const char *key,
                       enum posture_starttls_answer answer)
{
    if (answer != POSTURE_STARTTLS_UNSAID)
        json_object_set_new(object, key, json_boolean(answer == POSTURE_STARTTLS_YES));
}

void posture_tls_clear_facts(const struct posture_tls_clear *clear, json_t *facts)
{
    if (clear->protocol == POSTURE_STARTTLS_NONE || !facts)
        return;
    json_t *starttls =
        json_pack("{s:s}", "protocol", posture_starttls_name(clear->protocol));
    answer_set(starttls, "offered", clear->offered);
    answer_set(starttls, "injection", clear->injected);
    answer_set(starttls, "plaintext_login", clear->login);
    if (clear->is_masked)
        json_object_set_new(starttls, "masked", json_true());
    if (clear->is_authenticated)
        json_object_set_new(starttls, "preauth", json_true());
    json_object_set_new(facts, "starttls", starttls);
    if (!clear->refusal)
        return;
    json_t *error = json_pack("{s:s}", "code", clear->refusal);
    if (clear->detail[0] != '\0')
        json_object_set_new(error, "detail", json_string(clear->detail));
    json_object_set_new(facts, "error", error);
}
