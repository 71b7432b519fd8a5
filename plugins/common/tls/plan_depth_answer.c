/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */

/* The plan: what answers to the questions in depth mean. */

#include "common/tls/plan_internal.h"

#include <string.h>

enum { ALERT_INAPPROPRIATE_FALLBACK = 86, ALERT_NO_APPLICATION_PROTOCOL = 120 };

static bool is_refusal(enum posture_tls_outcome outcome)
{
    return outcome == POSTURE_TLS_ALERTED || outcome == POSTURE_TLS_CLOSED ||
           outcome == POSTURE_TLS_RESET;
}

/* Neither an answer nor a refusal: once more, then it stays open. */
static void lane_retry(struct posture_tls_lane *lane)
{
    if (lane->retries++ < POSTURE_TLS_RETRIES_MAX) {
        lane->state = POSTURE_TLS_LANE_READY;
        return;
    }
    lane->is_incomplete = true;
    lane_finish(lane);
}

static void signature12_answered(struct posture_tls_plan *plan,
                                 struct posture_tls_lane *lane,
                                 const struct posture_tls_question *question,
                                 const struct posture_tls_flight *flight)
{
    bool is_offered = false, is_left = false;
    if (flight->version != posture_tls_version_code(POSTURE_TLS_12)) {
        lane_finish(lane); /* rather another version than these schemes */
        return;
    }
    for (size_t i = 0; flight->has_signature && i < question->hello.signature_count; i++)
        is_offered = is_offered || question->hello.signatures[i] == flight->signature;
    for (size_t i = 0; i < plan->tables->signature_count; i++)
        is_left = is_left || !plan->depth.signature12_gone[i];
    /* One that was not offered: it does not look at the list, and has shown all. */
    if (!flight->has_signature)
        lane->is_incomplete = true;
    if (is_offered && is_left)
        lane_ready(lane, POSTURE_TLS_ASK_SIGNATURE);
    else
        lane_finish(lane);
}

static void signature13_next_step(struct posture_tls_plan *plan,
                                  struct posture_tls_lane *lane)
{
    if (posture_tls_depth_signature13_next(plan) >= 0)
        lane_ready(lane, POSTURE_TLS_ASK_SIGNATURE);
    else if (!plan->depth.is_rest_asked)
        lane_ready(lane, POSTURE_TLS_ASK_REST);
    else
        lane_finish(lane);
}

static void signature13_answered(struct posture_tls_plan *plan,
                                 struct posture_tls_lane *lane,
                                 const struct posture_tls_question *question,
                                 const struct posture_tls_flight *flight, bool is_answer)
{
    struct posture_tls_depth *depth = &plan->depth;
    if (is_answer && (flight->is_retry ||
                      flight->version != posture_tls_version_code(POSTURE_TLS_13))) {
        lane->is_incomplete = true; /* it says nothing of the scheme */
        lane_finish(lane);
        return;
    }
    if (question->purpose == POSTURE_TLS_ASK_REST) {
        depth->is_rest_asked = true;
        if (is_answer)
            signature13_next_step(plan, lane); /* which of them? one by one */
        else
            lane_finish(lane);
        return;
    }
    uint16_t code = question->hello.signatures[0];
    int i = posture_tls_depth_signature_index(plan, code);
    if (i >= 0)
        depth->signature13_gone[i] = 1;
    if (is_answer)
        posture_tls_depth_signature_add(depth->signatures13, &depth->signature13_count,
                                        code);
    signature13_next_step(plan, lane);
}

static void alpn_answered(struct posture_tls_plan *plan, struct posture_tls_lane *lane,
                          const uint8_t *name, size_t len)
{
    struct posture_tls_depth *depth = &plan->depth;
    if (len == 0) {
        lane_finish(lane); /* it ignores what it does not speak */
        return;
    }
    for (size_t i = 0; i < plan->tables->alpn_count; i++) {
        if (depth->alpn_gone[i] || strlen(plan->tables->alpn[i]) != len ||
            memcmp(plan->tables->alpn[i], name, len) != 0)
            continue;
        depth->alpn_gone[i] = 1;
        depth->alpn_found[depth->alpn_count++] = (uint8_t)i;
        if (depth->alpn_count < POSTURE_TLS_ALPN_FOUND_MAX) {
            lane_ready(lane, POSTURE_TLS_ASK_PROTOCOL);
            return;
        }
        break;
    }
    lane->is_incomplete = true; /* too many, or one that was not offered */
    lane_finish(lane);
}

static void alpn_refused(struct posture_tls_plan *plan, struct posture_tls_lane *lane,
                         const struct posture_tls_question *question,
                         const struct posture_tls_flight *flight)
{
    bool is_clear =
        question->is_handshake || plan->depth.alpn_count > 0 ||
        (flight && flight->has_alert && flight->alert == ALERT_NO_APPLICATION_PROTOCOL);
    if (!is_clear)
        lane->is_incomplete = true; /* a server that cannot bear the question */
    lane_finish(lane);
}

bool posture_tls_depth_is_fallback_alert(const struct posture_tls_question *question,
                                         enum posture_tls_outcome outcome,
                                         const struct posture_tls_flight *flight)
{
    return question->purpose == POSTURE_TLS_ASK_FALLBACK &&
           outcome == POSTURE_TLS_ALERTED && flight && flight->has_alert &&
           flight->alert == ALERT_INAPPROPRIATE_FALLBACK;
}

static void features_answered(struct posture_tls_plan *plan,
                              struct posture_tls_lane *lane,
                              const struct posture_tls_question *question,
                              enum posture_tls_outcome outcome,
                              const struct posture_tls_flight *flight)
{
    bool is_answer = outcome == POSTURE_TLS_ANSWERED;
    if (question->purpose == POSTURE_TLS_ASK_FEATURES) {
        if (!is_answer)
            lane->is_incomplete = true;
        if (posture_tls_depth_fallback(plan) >= 0)
            posture_tls_depth_begin(plan, POSTURE_TLS_LANE_FEATURES,
                                    posture_tls_depth_fallback(plan),
                                    POSTURE_TLS_ASK_FALLBACK);
        else
            lane_finish(lane);
        return;
    }
    if (posture_tls_depth_is_fallback_alert(question, outcome, flight))
        plan->depth.fallback = POSTURE_TLS_CLAIM_YES;
    else if (is_answer)
        plan->depth.fallback = POSTURE_TLS_CLAIM_NO;
    lane_finish(lane);
}

static void session_answered(struct posture_tls_plan *plan, struct posture_tls_lane *lane,
                             const struct posture_tls_question *question, bool is_answer)
{
    const struct posture_tls_session *session = &plan->depth.session12;
    if (!is_answer)
        lane->is_incomplete = true;
    else if (question->purpose == POSTURE_TLS_ASK_HANDSHAKE &&
             (session->has_ticket || session->has_id)) {
        lane_ready(lane, POSTURE_TLS_ASK_RESUME);
        return;
    }
    lane_finish(lane);
}

void posture_tls_depth_answer(struct posture_tls_plan *plan,
                              const struct posture_tls_question *question,
                              enum posture_tls_outcome outcome,
                              const struct posture_tls_flight *flight)
{
    struct posture_tls_lane *lane = lane_of(plan, question->lane);
    const struct posture_tls_session *session = &plan->depth.session13;
    bool is_answer = outcome == POSTURE_TLS_ANSWERED;
    if (!is_answer && !is_refusal(outcome)) {
        lane_retry(lane);
        return;
    }
    switch (question->lane) {
    case POSTURE_TLS_LANE_SIGNATURES12:
        if (is_answer)
            signature12_answered(plan, lane, question, flight);
        else
            lane_finish(lane);
        break;
    case POSTURE_TLS_LANE_SIGNATURES13:
        signature13_answered(plan, lane, question, flight, is_answer);
        break;
    case POSTURE_TLS_LANE_FEATURES:
        features_answered(plan, lane, question, outcome, flight);
        break;
    case POSTURE_TLS_LANE_ALPN:
        if (!is_answer)
            alpn_refused(plan, lane, question, flight);
        else if (question->is_handshake)
            alpn_answered(plan, lane, session->alpn, session->alpn_len);
        else
            alpn_answered(plan, lane, flight->alpn, flight->alpn_len);
        break;
    default:
        session_answered(plan, lane, question, is_answer);
        break;
    }
}

void posture_tls_plan_stapled(struct posture_tls_plan *plan,
                              enum posture_tls_authentication authentication)
{
    plan->depth.stapled |= 1U << authentication;
}

void posture_tls_plan_leaf(struct posture_tls_plan *plan, const char *key_type,
                           const char *curve)
{
    static const char prefix[] = "ecdsa_";
    for (size_t i = 0; i < plan->tables->signature_count; i++) {
        const struct posture_tls_signature *row = &plan->tables->signature_rows[i];
        if (strcmp(row->key_type, key_type) != 0)
            continue;
        /* TLS 1.3 ties ECDSA to a curve, and has PKCS #1 for certificates only. */
        bool is_curve = strcmp(key_type, "ec") != 0 ||
                        (curve && !strncmp(row->name, prefix, sizeof(prefix) - 1) &&
                         !strncmp(row->name + sizeof(prefix) - 1, curve, strlen(curve)));
        if (is_curve && strncmp(row->name, "rsa_pkcs1", 9) != 0)
            plan->depth.signature13_leaf[i] = 1;
    }
}

void posture_tls_plan_learnt(struct posture_tls_plan *plan,
                             const struct posture_tls_question *question,
                             const struct posture_tls_session *session)
{
    struct posture_tls_depth *depth = &plan->depth;
    if (session->is_13) {
        int i = posture_tls_depth_signature_index(plan, session->signature);
        if (i >= 0) {
            depth->signature13_gone[i] = 1;
            posture_tls_depth_signature_add(
                depth->signatures13, &depth->signature13_count, session->signature);
        }
        /* A handshake that asks for a protocol does not wait for tickets. */
        struct posture_tls_session kept = depth->session13;
        depth->session13 = *session;
        if (question->lane != POSTURE_TLS_LANE_HANDSHAKE || depth->has_session13) {
            depth->session13.tickets = kept.tickets;
            depth->session13.ticket_lifetime_s = kept.ticket_lifetime_s;
            depth->session13.max_early_data = kept.max_early_data;
        }
        depth->has_session13 =
            depth->has_session13 || question->lane == POSTURE_TLS_LANE_HANDSHAKE;
        return;
    }
    if (question->purpose == POSTURE_TLS_ASK_RESUME) {
        depth->session12.is_resumed = session->is_resumed;
        depth->session12.renegotiation = session->renegotiation;
        depth->is_resume_known = true;
        return;
    }
    depth->session12 = *session;
    depth->has_session12 = true;
}
