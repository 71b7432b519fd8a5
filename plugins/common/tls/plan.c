/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#include "common/tls/plan.h"

#include "common/tls/plan_internal.h"

#include <string.h>

/* Tried one after the other until the server says anything in TLS: everything at once,
 * then less and less, then the old protocols. */
static const struct {
    enum posture_tls_version version;
    enum posture_tls_variant variant;
} openings[POSTURE_TLS_OPENINGS] = {
    {POSTURE_TLS_13, POSTURE_TLS_VARIANT_FULL},
    {POSTURE_TLS_12, POSTURE_TLS_VARIANT_COMPACT},
    {POSTURE_TLS_10, POSTURE_TLS_VARIANT_BARE},
    {POSTURE_TLS_SSL3, POSTURE_TLS_VARIANT_BARE},
    {POSTURE_TLS_SSL2, POSTURE_TLS_VARIANT_FULL},
};

void posture_tls_plan_init(struct posture_tls_plan *plan,
                           const struct posture_tls_tables *tables,
                           const char *server_name)
{
    memset(plan, 0, sizeof(*plan));
    plan->tables = tables;
    plan->server_name = server_name;
    plan->gate_lane = -1;
}

static bool has_version_below(const struct posture_tls_plan *plan, unsigned version)
{
    for (unsigned v = 0; v < version; v++) {
        if (plan->lanes[v].is_supported)
            return true;
    }
    return false;
}

static bool is_past_first(const struct posture_tls_lane *lane)
{
    return lane->state == POSTURE_TLS_LANE_DONE ||
           (lane->state != POSTURE_TLS_LANE_WAITING &&
            lane->purpose != POSTURE_TLS_ASK_FIRST);
}

static bool is_lane_done(const struct posture_tls_plan *plan, unsigned id)
{
    return plan->lanes[id].state == POSTURE_TLS_LANE_DONE;
}

static bool old_lanes_done(const struct posture_tls_plan *plan)
{
    for (unsigned v = POSTURE_TLS_SSL3; v <= POSTURE_TLS_12; v++) {
        if (!is_lane_done(plan, v))
            return false;
    }
    return true;
}

/* Nothing but the late questions is left in it. */
static bool is_list_done(const struct posture_tls_lane *lane)
{
    return lane->state == POSTURE_TLS_LANE_DONE ||
           (lane->state != POSTURE_TLS_LANE_WAITING && lane_is_late(lane));
}

static bool old_lists_done(const struct posture_tls_plan *plan)
{
    for (unsigned v = POSTURE_TLS_SSL3; v <= POSTURE_TLS_12; v++) {
        if (!is_list_done(&plan->lanes[v]))
            return false;
    }
    return true;
}

static void version_lane_begin(struct posture_tls_plan *plan, unsigned id)
{
    struct posture_tls_lane *lane = lane_of(plan, id);
    lane->variant = plan->start_variant;
    /* SSL 3.0 has no extensions; TLS 1.3 cannot be without. */
    if (id == POSTURE_TLS_13 && plan->opening_failed &&
        lane->variant == POSTURE_TLS_VARIANT_FULL)
        lane->variant = POSTURE_TLS_VARIANT_COMPACT;
    if (id == POSTURE_TLS_13 && lane->variant == POSTURE_TLS_VARIANT_BARE)
        lane->variant = POSTURE_TLS_VARIANT_COMPACT;
    lane_ready(lane, POSTURE_TLS_ASK_FIRST);
}

static void groups_begin(struct posture_tls_plan *plan)
{
    struct posture_tls_lane *lane13 = lane_of(plan, POSTURE_TLS_13);
    struct posture_tls_lane *groups13 = lane_of(plan, POSTURE_TLS_LANE_GROUPS13);
    struct posture_tls_lane *groups12 = lane_of(plan, POSTURE_TLS_LANE_GROUPS12);
    if (groups13->state == POSTURE_TLS_LANE_WAITING) {
        /* The questions for suites show groups too: what they leave is asked for here. */
        bool is_list = is_list_done(lane13);
        bool has_more = lane13->found_count > 0 && !plan->group13_over &&
                        posture_tls_plan_has_offer(plan, POSTURE_TLS_LANE_GROUPS13);
        if (is_list && has_more) {
            groups13->variant = lane13->variant;
            lane_ready(groups13, POSTURE_TLS_ASK_GROUP);
        } else if (is_list) {
            lane_finish(groups13);
        }
    }
    /* The curve of an ECDSA leaf must be known: the first handshake may bring it. */
    bool is_leaf_known =
        plan->handshakes > 0 || is_lane_done(plan, POSTURE_TLS_LANE_HANDSHAKE);
    if (groups12->state == POSTURE_TLS_LANE_WAITING && is_list_done(groups13) &&
        is_leaf_known && old_lists_done(plan)) {
        unsigned version = 0;
        if (posture_tls_plan_groups12_version(plan, &version)) {
            groups12->variant = plan->lanes[version].variant;
            lane_ready(groups12, POSTURE_TLS_ASK_GROUP);
        } else {
            lane_finish(groups12);
        }
    }
    if (groups12->state == POSTURE_TLS_LANE_DONE && !groups12->is_primes &&
        posture_tls_plan_has_primes(plan)) {
        unsigned version = 0;
        groups12->is_primes = true;
        groups12->is_recheck = groups12->was_ended = groups12->needs_confirm = false;
        (void)posture_tls_plan_groups12_version(plan, &version);
        groups12->variant = plan->lanes[version].variant;
        lane_ready(groups12, POSTURE_TLS_ASK_GROUP);
    }
}

static void handshake_begin(struct posture_tls_plan *plan)
{
    struct posture_tls_lane *lane13 = lane_of(plan, POSTURE_TLS_13);
    struct posture_tls_lane *lane = lane_of(plan, POSTURE_TLS_LANE_HANDSHAKE);
    if (lane->state != POSTURE_TLS_LANE_WAITING)
        return;
    if (plan->handshakes == 0) {
        if (lane13->found_count > 0)
            lane_ready(lane, POSTURE_TLS_ASK_HANDSHAKE);
        else if (lane13->state == POSTURE_TLS_LANE_DONE)
            lane_finish(lane);
        return;
    }
    /* A second certificate of the other type: the suites of older versions tell; where
     * there is none, only a handshake does. */
    if (!old_lists_done(plan))
        return;
    bool is_known_type = plan->handshake_leaf == POSTURE_TLS_AUTH_RSA ||
                         plan->handshake_leaf == POSTURE_TLS_AUTH_ECDSA;
    if (plan->handshakes == 1 && !plan->handshake_failed && is_known_type &&
        !has_version_below(plan, POSTURE_TLS_13))
        lane_ready(lane, POSTURE_TLS_ASK_HANDSHAKE);
    else
        lane_finish(lane);
}

/* A server that refused every long hello may still take short ones: never "no TLS"
 * before. */
static void second_pass_begin(struct posture_tls_plan *plan)
{
    if (plan->is_second_pass || !old_lanes_done(plan) ||
        !is_lane_done(plan, POSTURE_TLS_13) || !is_lane_done(plan, POSTURE_TLS_SSL2) ||
        has_version_below(plan, POSTURE_TLS_VERSION_COUNT))
        return;
    plan->is_second_pass = true;
    for (unsigned v = POSTURE_TLS_10; v <= POSTURE_TLS_13; v++) {
        struct posture_tls_lane *lane = lane_of(plan, v);
        if (lane->variant != POSTURE_TLS_VARIANT_FULL)
            continue;
        lane->variant = POSTURE_TLS_VARIANT_COMPACT;
        lane->is_incomplete = lane->is_unclear = false;
        lane_ready(lane, POSTURE_TLS_ASK_FIRST);
    }
    lane_of(plan, POSTURE_TLS_LANE_GROUPS13)->state = POSTURE_TLS_LANE_WAITING;
    lane_of(plan, POSTURE_TLS_LANE_GROUPS12)->state = POSTURE_TLS_LANE_WAITING;
    lane_of(plan, POSTURE_TLS_LANE_HANDSHAKE)->state = POSTURE_TLS_LANE_WAITING;
}

void posture_tls_plan_mark_unproven(struct posture_tls_plan *plan)
{
    for (unsigned i = 0; i < POSTURE_TLS_LANE_COUNT; i++) {
        struct posture_tls_lane *lane = lane_of(plan, i);
        if (lane_is_proven(plan, lane))
            continue;
        if (is_version_lane(i) && !lane->is_supported)
            lane->is_unclear = true;
        else
            lane->is_incomplete = true;
    }
}

/* A version that was refused is asked for once more, late, unless the hello of a higher
 * one that is will be answered in it. */
static void versions_recheck(struct posture_tls_plan *plan)
{
    if (plan->are_versions_rechecked ||
        !has_version_below(plan, POSTURE_TLS_VERSION_COUNT))
        return;
    for (unsigned i = 0; i < POSTURE_TLS_LANE_COUNT; i++) {
        if (!is_list_done(&plan->lanes[i]) && !is_depth_lane(i))
            return;
    }
    plan->are_versions_rechecked = true;
    for (unsigned v = POSTURE_TLS_SSL3; v <= POSTURE_TLS_13; v++) {
        struct posture_tls_lane *lane = lane_of(plan, v);
        bool is_highest = v == POSTURE_TLS_13 || plan->lanes[v + 1].is_supported;
        if (!lane->was_refused || lane->is_supported || lane->is_unclear ||
            lane->is_lower || !is_highest)
            continue;
        lane->is_recheck = true;
        lane_ready(lane, POSTURE_TLS_ASK_FIRST);
    }
}

/* All is asked and the last that the server said is a refusal: once more what it has
 * taken before. */
static void proof_begin(struct posture_tls_plan *plan)
{
    bool is_proven = true;
    for (unsigned i = 0; i < POSTURE_TLS_LANE_COUNT; i++) {
        if (!is_lane_done(plan, i))
            return;
        is_proven = is_proven && lane_is_proven(plan, &plan->lanes[i]);
    }
    if (is_proven || plan->is_proving)
        return;
    for (unsigned v = POSTURE_TLS_VERSION_COUNT; v-- > POSTURE_TLS_SSL3;) {
        if (plan->lanes[v].found_count == 0)
            continue;
        plan->is_proving = true;
        lane_ready(lane_of(plan, v), POSTURE_TLS_ASK_CONFIRM);
        return;
    }
}

/* Wakes the lanes whose conditions hold now. */
void posture_tls_plan_wake(struct posture_tls_plan *plan)
{
    if (plan->phase != POSTURE_TLS_PHASE_RUNNING)
        return;
    if (plan->gate_lane >= 0) {
        struct posture_tls_lane *gate = lane_of(plan, (unsigned)plan->gate_lane);
        if (gate->state == POSTURE_TLS_LANE_WAITING)
            version_lane_begin(plan, (unsigned)plan->gate_lane);
        if (!is_past_first(gate))
            return;
        plan->start_variant = gate->is_supported ? gate->variant : plan->start_variant;
        plan->gate_lane = -1;
    }
    if (lane_of(plan, POSTURE_TLS_13)->state == POSTURE_TLS_LANE_WAITING)
        version_lane_begin(plan, POSTURE_TLS_13);
    if (lane_of(plan, POSTURE_TLS_SSL2)->state == POSTURE_TLS_LANE_WAITING)
        version_lane_begin(plan, POSTURE_TLS_SSL2);
    /* One after the other: an answer in a lower version is that lane's first answer too.
     */
    for (unsigned v = POSTURE_TLS_12; v >= POSTURE_TLS_SSL3; v--) {
        if (lane_of(plan, v)->state == POSTURE_TLS_LANE_WAITING)
            version_lane_begin(plan, v);
        if (!is_past_first(lane_of(plan, v)))
            break;
    }
    second_pass_begin(plan);
    handshake_begin(plan);
    groups_begin(plan);
    versions_recheck(plan);
    posture_tls_depth_wake(plan);
    proof_begin(plan);
}

/* Late questions wait for everything else but what is asked in depth, and those for
 * groups for those for suites, which may answer them. */
static bool lane_may_ask(const struct posture_tls_plan *plan, unsigned id)
{
    if (!lane_is_late(&plan->lanes[id]))
        return true;
    for (unsigned i = 0; i < POSTURE_TLS_LANE_COUNT; i++) {
        const struct posture_tls_lane *other = &plan->lanes[i];
        if (other->state == POSTURE_TLS_LANE_DONE || i == id || is_depth_lane(i))
            continue;
        if (!is_list_done(other) ||
            (other->purpose == POSTURE_TLS_ASK_ORDER && !is_version_lane(id)))
            return false;
    }
    return true;
}

bool posture_tls_plan_next(struct posture_tls_plan *plan,
                           struct posture_tls_question *ret)
{
    if (plan->phase == POSTURE_TLS_PHASE_OPENING) {
        enum posture_tls_version version = openings[plan->opening_step].version;
        struct posture_tls_lane *lane = lane_of(plan, version);
        if (lane->state == POSTURE_TLS_LANE_ASKED)
            return false;
        lane->variant = openings[plan->opening_step].variant;
        lane_ready(lane, POSTURE_TLS_ASK_FIRST);
        posture_tls_plan_question(plan, (enum posture_tls_lane_id)version, ret);
        ret->number = ++plan->asked;
        ret->is_opening = plan->opening_step == 0;
        lane->state = POSTURE_TLS_LANE_ASKED;
        return true;
    }
    posture_tls_plan_wake(plan);
    for (unsigned i = POSTURE_TLS_LANE_COUNT; i-- > 0;) {
        struct posture_tls_lane *lane = lane_of(plan, i);
        if (lane->state != POSTURE_TLS_LANE_READY || !lane_may_ask(plan, i))
            continue;
        posture_tls_plan_question(plan, (enum posture_tls_lane_id)i, ret);
        ret->number = ++plan->asked;
        lane->state = POSTURE_TLS_LANE_ASKED;
        return true;
    }
    return false;
}

bool posture_tls_plan_is_done(const struct posture_tls_plan *plan)
{
    if (plan->phase == POSTURE_TLS_PHASE_OVER)
        return true;
    if (plan->phase == POSTURE_TLS_PHASE_OPENING)
        return false;
    for (unsigned i = 0; i < POSTURE_TLS_LANE_COUNT; i++) {
        if (plan->lanes[i].state != POSTURE_TLS_LANE_DONE)
            return false;
    }
    return true;
}

unsigned posture_tls_plan_wants(const struct posture_tls_plan *plan,
                                const struct posture_tls_question *question,
                                const struct posture_tls_flight *flight,
                                const struct posture_tls_suite **ret_suite)
{
    *ret_suite = NULL;
    if (question->version == POSTURE_TLS_SSL2)
        return 0; /* its one message holds everything */
    if (flight->version >= posture_tls_version_code(POSTURE_TLS_13))
        return question->lane == POSTURE_TLS_LANE_SIGNATURES13 && !flight->is_retry
                   ? POSTURE_TLS_WANT_SEALED
                   : 0;
    const struct posture_tls_suite *suite =
        posture_tls_suite_find(plan->tables, POSTURE_TLS_PROTOCOL_TLS, flight->suite);
    if (!suite)
        return 0;
    *ret_suite = suite;
    unsigned wants = 0;
    if (suite->authentication >= POSTURE_TLS_AUTH_RSA &&
        !(plan->captured & 1U << suite->authentication))
        wants |= POSTURE_TLS_WANT_CHAIN;
    if (flight->has_status && !(plan->depth.stapled & 1U << suite->authentication))
        wants |= POSTURE_TLS_WANT_CHAIN | POSTURE_TLS_WANT_STATUS;
    /* Suites of one exchange share its parameters; only primes may differ by suite. */
    bool is_first = plan->lanes[question->lane].found_count == 0;
    if (suite->exchange == POSTURE_TLS_EXCHANGE_DHE ||
        (suite->exchange == POSTURE_TLS_EXCHANGE_ECDHE &&
         (is_first || question->purpose == POSTURE_TLS_ASK_GROUP ||
          question->lane == POSTURE_TLS_LANE_SIGNATURES12)))
        wants |= POSTURE_TLS_WANT_EXCHANGE;
    return wants;
}

void posture_tls_plan_captured(struct posture_tls_plan *plan,
                               enum posture_tls_authentication authentication,
                               uint16_t leaf_group)
{
    plan->captured |= 1U << authentication;
    if (leaf_group != 0)
        plan->leaf_group = leaf_group;
}

void posture_tls_plan_stop(struct posture_tls_plan *plan)
{
    posture_tls_plan_mark_unproven(plan);
    for (unsigned i = 0; i < POSTURE_TLS_LANE_COUNT; i++) {
        struct posture_tls_lane *lane = lane_of(plan, i);
        if (lane->state == POSTURE_TLS_LANE_DONE)
            continue;
        if (plan->is_proving) {
            lane_finish(lane);
            continue;
        }
        if (lane->state != POSTURE_TLS_LANE_WAITING && lane_is_late(lane))
            ; /* what was found stands */
        else if (is_version_lane(i) && !is_past_first(lane))
            lane->is_unclear = true;
        else
            lane->is_incomplete = true;
        lane_finish(lane);
    }
    plan->phase = POSTURE_TLS_PHASE_OVER;
}
