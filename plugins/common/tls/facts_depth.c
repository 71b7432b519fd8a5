/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */

/* Facts of one address: what depth.h names. A claim that is not seen though the server
 * could have made it is left out and named in "incomplete". */

#include "common/tls/endpoint.h"
#include "common/tls/plan_internal.h"

#include <stdio.h>

static bool has_old(const struct posture_tls_plan *plan, unsigned first)
{
    for (unsigned v = first; v <= POSTURE_TLS_12; v++) {
        if (plan->lanes[v].is_supported)
            return true;
    }
    return false;
}

static bool is_incomplete(const struct posture_tls_plan *plan, unsigned lane)
{
    return plan->lanes[lane].is_incomplete;
}

static void miss(json_t *incomplete, const char *name)
{
    json_array_append_new(incomplete, json_string(name));
}

static void claim_set(json_t *facts, const char *name, enum posture_tls_claim claim,
                      json_t *incomplete)
{
    if (claim == POSTURE_TLS_CLAIM_NOT_SEEN)
        miss(incomplete, name);
    else
        json_object_set_new(facts, name, json_boolean(claim == POSTURE_TLS_CLAIM_YES));
}

/* What needs an extension: a server that bears none, or speaks only SSL, has none of it.
 */
static void extension_set(const struct posture_tls_plan *plan, json_t *facts,
                          const char *name, enum posture_tls_claim claim,
                          json_t *incomplete)
{
    bool can_have = false;
    for (unsigned v = POSTURE_TLS_10; v <= POSTURE_TLS_12; v++)
        can_have = can_have || (plan->lanes[v].is_supported &&
                                plan->lanes[v].variant != POSTURE_TLS_VARIANT_BARE);
    claim_set(facts, name,
              claim == POSTURE_TLS_CLAIM_NOT_SEEN && !can_have ? POSTURE_TLS_CLAIM_NO
                                                               : claim,
              incomplete);
}

static json_t *signatures_json(const struct posture_tls_plan *plan, const uint16_t *codes,
                               size_t count)
{
    char buf[POSTURE_TLS_CODE_TEXT];
    json_t *list = json_array();
    for (size_t i = 0; i < count; i++)
        json_array_append_new(
            list, json_string(posture_tls_signature_name(plan->tables, codes[i], buf)));
    return list;
}

static void signature_facts(const struct posture_tls_plan *plan, json_t *facts,
                            json_t *incomplete)
{
    const struct posture_tls_depth *depth = &plan->depth;
    json_t *all = json_object();
    if (plan->lanes[POSTURE_TLS_12].is_supported)
        json_object_set_new(
            all, "TLSv1.2",
            signatures_json(plan, depth->signatures12, depth->signature12_count));
    if (plan->lanes[POSTURE_TLS_13].is_supported)
        json_object_set_new(
            all, "TLSv1.3",
            signatures_json(plan, depth->signatures13, depth->signature13_count));
    json_object_set_new(facts, "signature_algorithms", all);
    /* Suites that are not known may have signatures that are not known. */
    if (is_incomplete(plan, POSTURE_TLS_LANE_SIGNATURES12) ||
        is_incomplete(plan, POSTURE_TLS_12))
        miss(incomplete, "signature_algorithms.TLSv1.2");
    if (is_incomplete(plan, POSTURE_TLS_LANE_SIGNATURES13) ||
        (plan->lanes[POSTURE_TLS_13].is_supported && depth->signature13_count == 0))
        miss(incomplete, "signature_algorithms.TLSv1.3");
}

static void compression_facts(const struct posture_tls_depth *depth, json_t *facts,
                              json_t *incomplete)
{
    if (!depth->has_compression) {
        miss(incomplete, "compression");
        return;
    }
    json_t *list = json_array();
    for (size_t i = 0; i < depth->compression_count; i++) {
        const uint8_t method = depth->compression[i];
        char code[8];
        snprintf(code, sizeof(code), "0x%02X", method);
        json_array_append_new(list, json_string(method == 1    ? "DEFLATE"
                                                : method == 64 ? "LZS"
                                                               : code));
    }
    json_object_set_new(facts, "compression", list);
}

static void alpn_facts(const struct posture_tls_plan *plan, json_t *facts,
                       json_t *incomplete)
{
    json_t *list = json_array();
    for (size_t i = 0; i < plan->depth.alpn_count; i++)
        json_array_append_new(list,
                              json_string(plan->tables->alpn[plan->depth.alpn_found[i]]));
    if (is_incomplete(plan, POSTURE_TLS_LANE_ALPN))
        miss(incomplete, "alpn");
    if (is_incomplete(plan, POSTURE_TLS_LANE_ALPN) && json_array_size(list) == 0)
        json_decref(list);
    else
        json_object_set_new(facts, "alpn", list);
}

static json_t *session12_json(const struct posture_tls_depth *depth)
{
    const struct posture_tls_session *session = &depth->session12;
    json_t *json = json_object();
    if (depth->has_session12)
        json_object_set_new(json, "ticket", json_boolean(session->has_ticket));
    else if (depth->ticket != POSTURE_TLS_CLAIM_NOT_SEEN)
        json_object_set_new(json, "ticket",
                            json_boolean(depth->ticket == POSTURE_TLS_CLAIM_YES));
    if (session->has_ticket)
        json_object_set_new(json, "ticket_lifetime_s",
                            json_integer(session->ticket_lifetime_s));
    if (session->has_id || depth->session_id != POSTURE_TLS_CLAIM_NOT_SEEN)
        json_object_set_new(
            json, "id",
            json_boolean(session->has_id || depth->session_id == POSTURE_TLS_CLAIM_YES));
    if (depth->is_resume_known)
        json_object_set_new(json, "resumed", json_boolean(session->is_resumed));
    else if (depth->has_session12 && !session->has_ticket && !session->has_id)
        json_object_set_new(json, "resumed", json_false());
    return json;
}

static void session_facts(const struct posture_tls_plan *plan, json_t *facts,
                          json_t *incomplete)
{
    const struct posture_tls_depth *depth = &plan->depth;
    json_t *sessions = json_object();
    bool misses = false;
    if (has_old(plan, POSTURE_TLS_10)) {
        json_object_set_new(sessions, "TLSv1.2", session12_json(depth));
        misses = is_incomplete(plan, POSTURE_TLS_LANE_SESSION);
    }
    if (plan->lanes[POSTURE_TLS_13].is_supported && depth->has_session13) {
        const struct posture_tls_session *session = &depth->session13;
        json_t *json = json_pack("{s:I}", "tickets", (json_int_t)session->tickets);
        if (session->tickets > 0)
            json_object_set_new(json, "ticket_lifetime_s",
                                json_integer(session->ticket_lifetime_s));
        json_object_set_new(sessions, "TLSv1.3", json);
        json_object_set_new(
            facts, "early_data",
            json_pack("{s:I}", "max_bytes", (json_int_t)session->max_early_data));
    } else if (plan->lanes[POSTURE_TLS_13].is_supported) {
        miss(incomplete, "early_data");
        misses = true;
    }
    if (misses)
        miss(incomplete, "sessions");
    json_object_set_new(facts, "sessions", sessions);
}

/* The chains of which it is not known whether a staple comes with them. */
static bool misses_staple(const json_t *chains)
{
    size_t i;
    const json_t *chain;
    json_array_foreach (chains, i, chain) {
        if (!json_object_get(chain, "ocsp_staple"))
            return true;
    }
    return false;
}

void posture_tls_depth_facts(const struct posture_tls_plan *plan, const json_t *chains,
                             json_t *facts, json_t *incomplete)
{
    const struct posture_tls_depth *depth = &plan->depth;
    if (plan->dhe_bits > 0) {
        json_t *dhe = json_pack("{s:I}", "bits", (json_int_t)plan->dhe_bits);
        if (depth->dhe_group)
            json_object_set_new(dhe, "group", json_string(depth->dhe_group));
        json_object_set_new(facts, "dhe", dhe);
    }
    if (!depth->is_wanted) {
        static const char *const names[] = {"signature_algorithms",
                                            "extended_master_secret",
                                            "secure_renegotiation",
                                            "client_renegotiation",
                                            "compression",
                                            "early_data",
                                            "ocsp_staple",
                                            "sessions",
                                            "alpn"};
        for (size_t i = 0; i < POSTURE_COUNT(names); i++)
            miss(incomplete, names[i]);
        return;
    }
    signature_facts(plan, facts, incomplete);
    if (has_old(plan, POSTURE_TLS_SSL2)) {
        extension_set(plan, facts, "extended_master_secret",
                      depth->extended_master_secret, incomplete);
        if (depth->encrypt_then_mac != POSTURE_TLS_CLAIM_NOT_SEEN)
            claim_set(facts, "encrypt_then_mac", depth->encrypt_then_mac, incomplete);
    }
    if (has_old(plan, POSTURE_TLS_SSL3)) {
        claim_set(facts, "secure_renegotiation", depth->secure_renegotiation, incomplete);
        compression_facts(depth, facts, incomplete);
        extension_set(plan, facts, "heartbeat", depth->heartbeat, incomplete);
        claim_set(facts, "client_renegotiation", depth->session12.renegotiation,
                  incomplete);
    }
    if (depth->fallback != POSTURE_TLS_CLAIM_NOT_SEEN)
        claim_set(facts, "fallback_scsv", depth->fallback, incomplete);
    else if (is_incomplete(plan, POSTURE_TLS_LANE_FEATURES))
        miss(incomplete, "fallback_scsv");
    session_facts(plan, facts, incomplete);
    alpn_facts(plan, facts, incomplete);
    if (misses_staple(chains))
        miss(incomplete, "ocsp_staple");
}
