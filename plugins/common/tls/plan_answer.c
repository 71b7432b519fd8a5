/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */

/* The plan: what answers mean. */

#include "common/tls/plan_internal.h"

#include <string.h>

enum {
    ALERT_HANDSHAKE_FAILURE = 40,
    ALERT_PROTOCOL_VERSION = 70,
    ALERT_INSUFFICIENT_SECURITY = 71,
};

static void group_add(struct posture_tls_plan *plan, uint16_t code)
{
    for (size_t i = 0; i < plan->group_count; i++) {
        if (plan->groups[i] == code)
            return;
    }
    if (plan->group_count < POSTURE_TLS_GROUPS_MAX)
        plan->groups[plan->group_count++] = code;
}

/* Marks a group of the table; -1 when it is none, 0 when it was known, 1 when it is new.
 */
static int group_mark(const struct posture_tls_plan *plan, uint8_t *gone, uint16_t code)
{
    for (size_t i = 0; i < plan->tables->group_count; i++) {
        if (plan->tables->groups[i].code != code)
            continue;
        if (gone[i])
            return 0;
        gone[i] = 1;
        return 1;
    }
    return -1;
}

static int group13_take(struct posture_tls_plan *plan, uint16_t code)
{
    int r = group_mark(plan, plan->group13_gone, code);
    if (r == 1 && plan->group13_first == 0)
        plan->group13_first = code;
    return r;
}

static void flight_groups(struct posture_tls_plan *plan,
                          const struct posture_tls_flight *flight)
{
    if (flight->dhe_bits > 0 &&
        (plan->dhe_bits == 0 || flight->dhe_bits < plan->dhe_bits)) {
        plan->dhe_bits = flight->dhe_bits;
        plan->depth.dhe_group =
            posture_tls_prime_name(plan->tables, flight->prime, flight->prime_len);
    }
    if (!flight->has_group)
        return;
    if (flight->version >= posture_tls_version_code(POSTURE_TLS_13))
        group13_take(plan, flight->group);
    else
        group_mark(plan, plan->group12_gone, flight->group);
    group_add(plan, flight->group);
}

/* Takes an accepted suite; false when it was not among those offered. */
static bool lane_accept(struct posture_tls_plan *plan, unsigned id,
                        const struct posture_tls_flight *flight)
{
    struct posture_tls_lane *lane = lane_of(plan, id);
    enum posture_tls_protocol protocol = posture_tls_plan_protocol(id);
    for (size_t i = 0; i < plan->tables->suite_count; i++) {
        const struct posture_tls_suite *suite = &plan->tables->suites[i];
        if (suite->code != flight->suite || suite->protocol != protocol || lane->gone[i])
            continue;
        lane->gone[i] = 1;
        lane->found[lane->found_count++] = (uint16_t)i;
        lane->is_supported = true;
        if (lane->variant != POSTURE_TLS_VARIANT_FULL) {
            if (lane->found_count == 1)
                lane->first_chunk = (uint8_t)lane->chunk;
            else if (lane->first_chunk != lane->chunk)
                lane->spans_chunks = true;
        }
        flight_groups(plan, flight);
        return true;
    }
    return false;
}

static void ssl2_answered(struct posture_tls_plan *plan,
                          const struct posture_tls_flight *flight)
{
    struct posture_tls_lane *lane = lane_of(plan, POSTURE_TLS_SSL2);
    lane_finish(lane);
    if (flight->version != posture_tls_version_code(POSTURE_TLS_SSL2))
        return; /* an answer in TLS: what it says belongs to no hello of that lane */
    lane->is_supported = true;
    for (size_t k = 0; k < flight->ssl2_count; k++) {
        for (size_t i = 0; i < plan->tables->suite_count; i++) {
            const struct posture_tls_suite *suite = &plan->tables->suites[i];
            if (suite->protocol == POSTURE_TLS_PROTOCOL_SSL2 &&
                suite->code == flight->ssl2_suites[k] && !lane->gone[i]) {
                lane->gone[i] = 1;
                lane->found[lane->found_count++] = (uint16_t)i;
            }
        }
    }
    lane->is_incomplete = flight->is_truncated;
}

/* A refusal may be a moment's: a rate limit, one bad server behind a balancer. The one
 * that ended a list is asked for once more, late. */
static bool lane_recheck(const struct posture_tls_plan *plan,
                         struct posture_tls_lane *lane, enum posture_tls_purpose purpose)
{
    if (!lane->was_ended || lane->is_recheck ||
        plan->contradictions > CONTRADICTIONS_MAX ||
        lane->variant != POSTURE_TLS_VARIANT_FULL)
        return false;
    lane->is_recheck = true;
    lane_ready(lane, purpose);
    return true;
}

/* What was refused is taken now: the list goes on, and is not to be relied on. The first
 * time, every other refusal is doubted too. */
static void lane_contradicted(struct posture_tls_plan *plan,
                              struct posture_tls_lane *lane)
{
    lane->is_incomplete = true;
    lane->is_recheck = lane->was_ended = false;
    if (plan->contradictions++ > 0)
        return;
    for (unsigned i = 0; i < POSTURE_TLS_LANE_COUNT; i++) {
        struct posture_tls_lane *other = lane_of(plan, i);
        if (other == lane || other->state != POSTURE_TLS_LANE_DONE)
            continue;
        if (!is_version_lane(i))
            lane_recheck(plan, other, POSTURE_TLS_ASK_GROUP);
        else if (i != POSTURE_TLS_SSL2 && other->was_refused && !other->is_supported &&
                 !other->is_recheck) {
            other->is_recheck = true;
            lane_ready(other, POSTURE_TLS_ASK_FIRST);
        }
    }
}

/* All offered is used up, or the last refusal came: what is left is whose order counts.
 */
static void lane_close(struct posture_tls_plan *plan, struct posture_tls_lane *lane)
{
    /* The question for the order leaves out what was refused when lists were split. */
    if (lane->was_split && lane_recheck(plan, lane, POSTURE_TLS_ASK_SUITE))
        return;
    if (lane->found_count >= 2 && (!lane->is_recheck || lane->was_split))
        lane_ready(lane, POSTURE_TLS_ASK_ORDER);
    else if (lane->found_count == 1 && lane_recheck(plan, lane, POSTURE_TLS_ASK_SUITE))
        return;
    else if (lane->needs_confirm && lane->found_count == 1)
        lane_ready(lane, POSTURE_TLS_ASK_CONFIRM);
    else
        lane_finish(lane);
}

/* The next exchange to ask for alone; false: all have been. */
static bool lane_split(struct posture_tls_lane *lane)
{
    lane->was_split = lane->spans_chunks = true;
    if (lane->split > POSTURE_TLS_EXCHANGE_DHE) {
        lane->split = 0;
        return false;
    }
    lane->split++;
    return true;
}

static void lane_continue(struct posture_tls_plan *plan, unsigned id)
{
    struct posture_tls_lane *lane = lane_of(plan, id);
    while (!posture_tls_plan_has_offer(plan, id)) {
        if (lane->split > 0 && lane_split(lane))
            continue;
        if (lane->variant == POSTURE_TLS_VARIANT_FULL ||
            ++lane->chunk >= posture_tls_plan_chunks(plan, id)) {
            lane_close(plan, lane);
            return;
        }
    }
    lane_ready(lane,
               lane->found_count > 0 ? POSTURE_TLS_ASK_SUITE : POSTURE_TLS_ASK_FIRST);
}

static void variant_learnt(struct posture_tls_plan *plan, unsigned id)
{
    const struct posture_tls_lane *lane = &plan->lanes[id];
    if (id == POSTURE_TLS_13 && lane->variant != POSTURE_TLS_VARIANT_FULL) {
        if (plan->start_variant == POSTURE_TLS_VARIANT_FULL)
            plan->is_share_intolerant = true;
        return;
    }
    if (lane->variant == POSTURE_TLS_VARIANT_FULL)
        plan->is_full_fine = true;
    else if (lane->variant == POSTURE_TLS_VARIANT_COMPACT)
        plan->is_length_intolerant = true;
    else
        plan->is_extension_intolerant = true;
}

static void order_answered(struct posture_tls_plan *plan, unsigned id,
                           const struct posture_tls_flight *flight)
{
    struct posture_tls_lane *lane = lane_of(plan, id);
    const struct posture_tls_suite *suites = plan->tables->suites;
    if (flight->suite == suites[lane->found[lane->found_count - 1]].code) {
        lane->order = 1;
        lane_finish(lane);
        return;
    }
    if (flight->suite == suites[lane->found[0]].code)
        lane->order = lane->spans_chunks ? 0 : 2;
    else if (lane_accept(plan, id, flight)) {
        lane_contradicted(plan, lane);
        lane_continue(plan, id);
        return;
    }
    if (!lane_recheck(plan, lane, POSTURE_TLS_ASK_SUITE))
        lane_finish(lane);
}

static void version_answered(struct posture_tls_plan *plan,
                             const struct posture_tls_question *question,
                             const struct posture_tls_flight *flight)
{
    unsigned id = question->lane;
    struct posture_tls_lane *lane = lane_of(plan, id);
    enum posture_tls_version version;
    if (!posture_tls_version_from_code(flight->version, &version) ||
        version > question->version || version == POSTURE_TLS_SSL2) {
        lane->is_incomplete = true;
        lane_finish(lane);
        return;
    }
    if (question->purpose == POSTURE_TLS_ASK_ORDER) {
        order_answered(plan, id, flight);
        return;
    }
    if (question->purpose == POSTURE_TLS_ASK_CONFIRM) {
        lane_finish(lane);
        return;
    }
    if (version == id) {
        bool is_first = lane->found_count == 0;
        if (!lane_accept(plan, id, flight)) {
            /* A suite that was not offered: it speaks, but what it says proves nothing.
             */
            lane->is_incomplete = true;
            lane->is_unclear = is_first;
            lane_close(plan, lane);
            return;
        }
        if (is_first && id >= POSTURE_TLS_10)
            variant_learnt(plan, id);
        if (lane->is_recheck)
            lane_contradicted(plan, lane);
        /* The same suites with other groups: it was the groups that it refused. */
        if (lane->joint_refused)
            plan->group13_over = true;
        lane->joint_refused = false;
        lane_continue(plan, id);
        return;
    }
    /* A lower version: the server has had enough of this one. */
    struct posture_tls_lane *lower = lane_of(plan, version);
    if (question->purpose == POSTURE_TLS_ASK_FIRST) {
        lane->is_lower = true;
        if (lane->variant == POSTURE_TLS_VARIANT_FULL)
            plan->is_full_fine = true;
        if (lower->state == POSTURE_TLS_LANE_WAITING &&
            lane->variant == POSTURE_TLS_VARIANT_FULL &&
            lane_accept(plan, version, flight)) {
            lane_continue(plan, version);
        } else if (lane->is_recheck && !lower->is_supported &&
                   lane_accept(plan, version, flight)) {
            lane_contradicted(plan, lower);
            lane_continue(plan, version);
        }
    }
    if (question->is_opening) {
        /* It may still speak 1.3 to those who bring a key share. */
        lane->variant = POSTURE_TLS_VARIANT_COMPACT;
        lane_ready(lane, POSTURE_TLS_ASK_FIRST);
        return;
    }
    lane_close(plan, lane);
}

static bool alert_is_clean(const struct posture_tls_flight *flight)
{
    return flight && (flight->alert == ALERT_HANDSHAKE_FAILURE ||
                      flight->alert == ALERT_PROTOCOL_VERSION ||
                      flight->alert == ALERT_INSUFFICIENT_SECURITY);
}

static void first_refused(struct posture_tls_plan *plan,
                          const struct posture_tls_question *question,
                          enum posture_tls_outcome outcome,
                          const struct posture_tls_flight *flight)
{
    unsigned id = question->lane;
    struct posture_tls_lane *lane = lane_of(plan, id);
    bool is_silent = outcome != POSTURE_TLS_ALERTED && outcome != POSTURE_TLS_CLOSED &&
                     outcome != POSTURE_TLS_RESET && outcome != POSTURE_TLS_NOT_TLS &&
                     outcome != POSTURE_TLS_BROKEN;
    bool is_clean = outcome == POSTURE_TLS_ALERTED && alert_is_clean(flight);
    lane->was_refused = true;
    if (lane->is_recheck) { /* as before: it was meant */
        lane_finish(lane);
        return;
    }
    if (question->is_opening) {
        lane->variant = POSTURE_TLS_VARIANT_COMPACT;
        lane_ready(lane, POSTURE_TLS_ASK_FIRST);
        return;
    }
    if (is_clean && flight->alert != ALERT_PROTOCOL_VERSION &&
        lane->variant != POSTURE_TLS_VARIANT_FULL && id != POSTURE_TLS_13 &&
        ++lane->chunk < posture_tls_plan_chunks(plan, id)) {
        lane_ready(lane, POSTURE_TLS_ASK_FIRST);
        return;
    }
    /* The same hello in another version was fine, so it is the version that is refused.
     */
    bool is_final = is_clean || (plan->is_full_fine && !is_silent) ||
                    id == POSTURE_TLS_SSL2 || id == POSTURE_TLS_13;
    enum posture_tls_variant last =
        id == POSTURE_TLS_SSL3 ? POSTURE_TLS_VARIANT_COMPACT : POSTURE_TLS_VARIANT_BARE;
    if (!is_final && !(is_silent && plan->is_full_fine) && lane->variant < last) {
        lane->variant++;
        lane->chunk = 0;
        lane_ready(lane, POSTURE_TLS_ASK_FIRST);
        return;
    }
    if (is_silent && lane->retries++ < POSTURE_TLS_RETRIES_MAX && plan->is_full_fine) {
        lane->state = POSTURE_TLS_LANE_READY;
        return;
    }
    /* A negotiation down from 1.3 has answered already; silence elsewhere has not. */
    if (is_silent && !lane->is_lower)
        lane->is_unclear = true;
    lane_finish(lane);
}

static void suite_refused(struct posture_tls_plan *plan,
                          const struct posture_tls_question *question,
                          enum posture_tls_outcome outcome,
                          const struct posture_tls_flight *flight)
{
    unsigned id = question->lane;
    struct posture_tls_lane *lane = lane_of(plan, id);
    bool is_silence = false;
    if (question->is_joint) {
        lane->is_single = true;
        lane->joint_refused = outcome == POSTURE_TLS_ALERTED;
        if (lane->joint_refused)
            lane_of(plan, POSTURE_TLS_LANE_GROUPS13)->refused_at = plan->asked;
        lane->state = POSTURE_TLS_LANE_READY;
        return;
    }
    if (lane->is_recheck) { /* as before: it was meant */
        lane_close(plan, lane);
        return;
    }
    switch (outcome) {
    case POSTURE_TLS_CLOSED:
    case POSTURE_TLS_RESET:
        lane->needs_confirm = true;
        break;
    case POSTURE_TLS_ALERTED:
        /* Is it the suites that it minds, or something else in the hello? */
        lane->needs_confirm = lane->needs_confirm || !alert_is_clean(flight);
        break;
    default:
        if (lane->retries++ < POSTURE_TLS_RETRIES_MAX) {
            lane->state = POSTURE_TLS_LANE_READY;
            return;
        }
        lane->is_incomplete = is_silence = true;
        break;
    }
    if (lane->variant != POSTURE_TLS_VARIANT_FULL &&
        ++lane->chunk < posture_tls_plan_chunks(plan, id)) {
        lane_continue(plan, id);
        return;
    }
    /* Nothing that is said of the suites: a server may have chosen one that it cannot
     * speak (Dovecot, DHE without parameters), and would have taken others. */
    bool is_unclean = outcome != POSTURE_TLS_ALERTED || !alert_is_clean(flight);
    if (lane->variant == POSTURE_TLS_VARIANT_FULL && id != POSTURE_TLS_13 &&
        !is_silence && (lane->split > 0 || (is_unclean && !lane->was_split)) &&
        lane_split(lane)) {
        lane_continue(plan, id);
        return;
    }
    lane->was_ended = !is_silence;
    lane->joint_refused = false;
    lane_close(plan, lane);
}

/* is_plain: the hello held nothing that a refusal may be meant for but its lists. */
static void order_refused(struct posture_tls_lane *lane, enum posture_tls_outcome outcome,
                          bool is_plain)
{
    if ((outcome != POSTURE_TLS_ALERTED || !is_plain) &&
        lane->retries++ < POSTURE_TLS_RETRIES_MAX) {
        lane->state = POSTURE_TLS_LANE_READY;
        return;
    }
    /* What was taken before is refused now: the refusal that ended the list proves
     * nothing. */
    lane->is_incomplete = true;
    lane_finish(lane);
}

static void group_answered(struct posture_tls_plan *plan,
                           const struct posture_tls_question *question,
                           const struct posture_tls_flight *flight)
{
    bool is_13 = question->lane == POSTURE_TLS_LANE_GROUPS13;
    struct posture_tls_lane *lane = lane_of(plan, question->lane);
    if (question->purpose == POSTURE_TLS_ASK_CONFIRM) {
        lane_finish(lane);
        return;
    }
    if (flight->version != posture_tls_version_code(question->version)) {
        lane_finish(lane); /* rather another version than these groups */
        return;
    }
    if (!flight->has_group && !lane->is_primes) {
        lane->is_incomplete = true; /* a retry request for a cookie alone */
        lane_finish(lane);
        return;
    }
    bool is_leaf = !is_13 && flight->group == plan->leaf_group;
    int r = !flight->has_group ? -1
            : is_13            ? group13_take(plan, flight->group)
                               : group_mark(plan, plan->group12_gone, flight->group);
    if (r == 1) {
        if (lane->is_recheck)
            lane_contradicted(plan, lane);
        group_add(plan, flight->group);
        lane->found_count++;
        if (posture_tls_plan_has_offer(plan, question->lane))
            lane_ready(lane, POSTURE_TLS_ASK_GROUP);
        else
            lane_finish(lane);
        return;
    }
    /* With an ECDSA certificate its curve must stay in the offer; picked though it stands
     * last, it says that nothing else is left that could ever be negotiated. A server
     * whose prime is fixed takes it whatever was offered. */
    if (!is_leaf && !lane->is_primes)
        lane->is_incomplete = true;
    lane_finish(lane);
}

static void group_refused(struct posture_tls_plan *plan, struct posture_tls_lane *lane,
                          enum posture_tls_outcome outcome,
                          const struct posture_tls_flight *flight)
{
    if (lane->is_recheck) {
        lane_finish(lane);
        return;
    }
    if (lane->purpose == POSTURE_TLS_ASK_CONFIRM) {
        order_refused(lane, outcome, /* is_plain = */ true);
        return;
    }
    if (outcome == POSTURE_TLS_ALERTED && alert_is_clean(flight)) {
        lane->was_ended = true;
        if (plan->contradictions == 0 || !lane_recheck(plan, lane, POSTURE_TLS_ASK_GROUP))
            lane_finish(lane);
    } else if (outcome == POSTURE_TLS_ALERTED || outcome == POSTURE_TLS_CLOSED ||
               outcome == POSTURE_TLS_RESET) {
        lane->needs_confirm = true;
        lane_ready(lane, POSTURE_TLS_ASK_CONFIRM);
    } else if (lane->retries++ < POSTURE_TLS_RETRIES_MAX) {
        lane->state = POSTURE_TLS_LANE_READY;
    } else {
        lane->is_incomplete = true;
        lane_finish(lane);
    }
}

static void handshake_answered(struct posture_tls_plan *plan,
                               enum posture_tls_outcome outcome,
                               const struct posture_tls_question *question)
{
    struct posture_tls_lane *lane = lane_of(plan, POSTURE_TLS_LANE_HANDSHAKE);
    bool is_second = question->authentication != POSTURE_TLS_AUTH_OTHER;
    if (outcome != POSTURE_TLS_ANSWERED) {
        bool is_refusal = outcome == POSTURE_TLS_ALERTED ||
                          outcome == POSTURE_TLS_CLOSED || outcome == POSTURE_TLS_RESET;
        if (!is_refusal && lane->retries++ < POSTURE_TLS_RETRIES_MAX) {
            lane->state = POSTURE_TLS_LANE_READY;
            return;
        }
        if (!is_second)
            plan->handshake_failed = true;
        else if (!is_refusal)
            lane->is_incomplete = true;
    }
    plan->handshakes++;
    lane->retries = 0;
    lane->state = POSTURE_TLS_LANE_WAITING;
}

/* The first handshake may fail of our own accord: OpenSSL knows less than we ask for. */
static bool is_no_refusal(const struct posture_tls_question *question)
{
    return question->lane == POSTURE_TLS_LANE_SESSION ||
           (question->lane == POSTURE_TLS_LANE_HANDSHAKE &&
            question->authentication == POSTURE_TLS_AUTH_OTHER);
}

static void proof_answered(struct posture_tls_plan *plan, struct posture_tls_lane *lane,
                           bool is_answer)
{
    if (!is_answer && lane->retries++ < POSTURE_TLS_RETRIES_MAX) {
        lane->state = POSTURE_TLS_LANE_READY;
        return;
    }
    if (!is_answer)
        posture_tls_plan_mark_unproven(plan);
    lane_finish(lane);
}

void posture_tls_plan_answer(struct posture_tls_plan *plan,
                             const struct posture_tls_question *question,
                             enum posture_tls_outcome outcome,
                             const struct posture_tls_flight *flight)
{
    struct posture_tls_lane *lane = lane_of(plan, question->lane);
    if (plan->phase == POSTURE_TLS_PHASE_OVER || lane->state != POSTURE_TLS_LANE_ASKED)
        return;
    if (plan->phase == POSTURE_TLS_PHASE_OPENING &&
        posture_tls_plan_opening_answered(plan, question, outcome))
        return;
    bool is_answer = outcome == POSTURE_TLS_ANSWERED;
    if (is_answer && question->number > plan->answered)
        plan->answered = question->number;
    if (plan->is_proving) {
        proof_answered(plan, lane, is_answer);
        return;
    }
    if (is_answer && !question->is_handshake)
        posture_tls_depth_observe(plan, question, flight);
    if (!is_answer && !is_no_refusal(question) && !lane->is_recheck &&
        !posture_tls_depth_is_fallback_alert(question, outcome, flight))
        lane->refused_at = plan->asked;
    if (is_depth_lane(question->lane))
        posture_tls_depth_answer(plan, question, outcome, flight);
    else if (question->lane == POSTURE_TLS_LANE_HANDSHAKE)
        handshake_answered(plan, outcome, question);
    else if (!is_version_lane(question->lane) && is_answer)
        group_answered(plan, question, flight);
    else if (!is_version_lane(question->lane))
        group_refused(plan, lane, outcome, flight);
    else if (is_answer && question->version == POSTURE_TLS_SSL2)
        ssl2_answered(plan, flight);
    else if (is_answer)
        version_answered(plan, question, flight);
    else if (question->purpose == POSTURE_TLS_ASK_FIRST)
        first_refused(plan, question, outcome, flight);
    else if (question->purpose == POSTURE_TLS_ASK_SUITE)
        suite_refused(plan, question, outcome, flight);
    else
        order_refused(lane, outcome, !question->hello.asks_compression);
    posture_tls_plan_wake(plan);
}
