/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#include "common/tls/plan_internal.h"

#include <string.h>

enum { CHUNK_SUITES = 40, COMPACT_GROUPS = 8 };

enum posture_tls_protocol posture_tls_plan_protocol(unsigned lane)
{
    switch (lane) {
    case POSTURE_TLS_SSL2:
        return POSTURE_TLS_PROTOCOL_SSL2;
    case POSTURE_TLS_13:
    case POSTURE_TLS_LANE_GROUPS13:
    case POSTURE_TLS_LANE_HANDSHAKE:
        return POSTURE_TLS_PROTOCOL_TLS13;
    default:
        return POSTURE_TLS_PROTOCOL_TLS;
    }
}

/* Groups that servers of every age have, for the short hello. */
static const uint16_t compact_groups[COMPACT_GROUPS] = {0x001d, 0x0017, 0x0018, 0x0019,
                                                        0x001e, 0x11ec, 0x0100, 0x0101};

/* Suites that the lane offers now, into suites (may be NULL: only counts, at most stop).
 */
static size_t suites_offer(const struct posture_tls_plan *plan, unsigned lane,
                           uint32_t *suites, size_t stop)
{
    const struct posture_tls_lane *state = &plan->lanes[lane];
    enum posture_tls_protocol protocol = posture_tls_plan_protocol(lane);
    bool is_chunked = state->variant != POSTURE_TLS_VARIANT_FULL;
    size_t position = 0, count = 0;
    for (size_t i = 0; i < plan->tables->suite_count && count < stop; i++) {
        if (plan->tables->suites[i].protocol != protocol)
            continue;
        size_t chunk = position++ / CHUNK_SUITES;
        if ((is_chunked && chunk != state->chunk) || state->gone[i])
            continue;
        if (state->split > 0 &&
            plan->tables->suites[i].exchange + 1U != (unsigned)state->split)
            continue;
        if (suites)
            suites[count] = plan->tables->suites[i].code;
        count++;
    }
    return count;
}

size_t posture_tls_plan_chunks(const struct posture_tls_plan *plan, unsigned lane)
{
    enum posture_tls_protocol protocol = posture_tls_plan_protocol(lane);
    size_t count = 0;
    for (size_t i = 0; i < plan->tables->suite_count; i++)
        count += plan->tables->suites[i].protocol == protocol;
    return (count + CHUNK_SUITES - 1) / CHUNK_SUITES;
}

size_t posture_tls_plan_groups_offer(const struct posture_tls_plan *plan, unsigned lane,
                                     uint16_t *groups)
{
    bool is_13 = lane == POSTURE_TLS_LANE_GROUPS13;
    bool is_primes = plan->lanes[POSTURE_TLS_LANE_GROUPS12].is_primes;
    size_t count = 0;
    for (size_t i = 0; i < plan->tables->group_count; i++) {
        const struct posture_tls_group *group = &plan->tables->groups[i];
        if (group->is_old && is_13)
            continue;
        if (!is_13 && is_primes != (group->type == POSTURE_TLS_GROUP_FFDH))
            continue;
        if (!is_13 && !is_primes && group->type != POSTURE_TLS_GROUP_EC &&
            group->type != POSTURE_TLS_GROUP_EXPLICIT)
            continue;
        if (is_13 ? plan->group13_gone[i]
                  : plan->group12_gone[i] || plan->group13_gone[i])
            continue;
        if (groups)
            groups[count] = group->code;
        count++;
    }
    return count;
}

bool posture_tls_plan_has_offer(const struct posture_tls_plan *plan, unsigned lane)
{
    if (lane >= POSTURE_TLS_VERSION_COUNT)
        return posture_tls_plan_groups_offer(plan, lane, NULL) > 0;
    return suites_offer(plan, lane, NULL, 1) > 0;
}

/* Accepted suites of a version with an ECDHE exchange, those without an ECDSA certificate
 * alone when there are any: an ECDSA certificate's own curve would have to stay in the
 * offer. */
static size_t ecdhe_suites(const struct posture_tls_plan *plan, unsigned version,
                           uint32_t *suites, bool *ret_is_ecdsa)
{
    const struct posture_tls_lane *lane = &plan->lanes[version];
    for (int ecdsa = 0; ecdsa < 2; ecdsa++) {
        size_t count = 0;
        for (size_t i = 0; i < lane->found_count; i++) {
            const struct posture_tls_suite *suite = &plan->tables->suites[lane->found[i]];
            if (suite->exchange == POSTURE_TLS_EXCHANGE_ECDHE &&
                (suite->authentication == POSTURE_TLS_AUTH_ECDSA) == (ecdsa == 1)) {
                if (suites)
                    suites[count] = suite->code;
                count++;
            }
        }
        if (count > 0) {
            *ret_is_ecdsa = ecdsa == 1;
            return count;
        }
    }
    return 0;
}

static size_t dhe_suites(const struct posture_tls_plan *plan, unsigned version,
                         uint32_t *suites)
{
    const struct posture_tls_lane *lane = &plan->lanes[version];
    size_t count = 0;
    for (size_t i = 0; i < lane->found_count; i++) {
        const struct posture_tls_suite *suite = &plan->tables->suites[lane->found[i]];
        if (suite->exchange != POSTURE_TLS_EXCHANGE_DHE)
            continue;
        if (suites)
            suites[count] = suite->code;
        count++;
    }
    return count;
}

/* A server that goes by RFC 7919 takes the first that is offered and has shown it in the
 * answers with DHE suites; one with a prime of its own is not asked. */
bool posture_tls_plan_has_primes(const struct posture_tls_plan *plan)
{
    bool is_seen = false, is_left = false, has_suite = false;
    for (size_t i = 0; i < plan->tables->group_count; i++) {
        if (plan->tables->groups[i].type != POSTURE_TLS_GROUP_FFDH)
            continue;
        is_seen = is_seen || plan->group12_gone[i];
        is_left = is_left || !(plan->group12_gone[i] || plan->group13_gone[i]);
    }
    for (unsigned v = POSTURE_TLS_10; v <= POSTURE_TLS_12; v++)
        has_suite = has_suite || (plan->lanes[v].variant != POSTURE_TLS_VARIANT_BARE &&
                                  dhe_suites(plan, v, NULL) > 0);
    return is_seen && is_left && has_suite;
}

bool posture_tls_plan_groups12_version(const struct posture_tls_plan *plan, unsigned *ret)
{
    bool is_ecdsa = false, is_primes = plan->lanes[POSTURE_TLS_LANE_GROUPS12].is_primes;
    for (unsigned v = POSTURE_TLS_12; v >= POSTURE_TLS_10; v--) {
        if (plan->lanes[v].variant != POSTURE_TLS_VARIANT_BARE &&
            (is_primes ? dhe_suites(plan, v, NULL)
                       : ecdhe_suites(plan, v, NULL, &is_ecdsa)) > 0) {
            *ret = v;
            return true;
        }
    }
    return false;
}

/* Every group, or those that TLS 1.3 alone may be offered: strict servers (tlslite-ng)
 * refuse a hello for 1.3 and nothing else that has others in it. */
static size_t groups_all(const struct posture_tls_plan *plan, bool is_13,
                         uint16_t *groups)
{
    size_t count = 0;
    for (size_t i = 0; i < plan->tables->group_count; i++) {
        if (!is_13 || !plan->tables->groups[i].is_old)
            groups[count++] = plan->tables->groups[i].code;
    }
    return count;
}

static void groups_question(const struct posture_tls_plan *plan,
                            enum posture_tls_lane_id lane, struct posture_tls_question *q)
{
    bool is_ecdsa = false;
    size_t suites = 0;
    if (lane == POSTURE_TLS_LANE_GROUPS13) {
        q->version = POSTURE_TLS_13;
        for (size_t i = 0; i < plan->tables->suite_count; i++) {
            if (plan->tables->suites[i].protocol == POSTURE_TLS_PROTOCOL_TLS13)
                q->suites[suites++] = plan->tables->suites[i].code;
        }
    } else {
        unsigned version = POSTURE_TLS_12;
        (void)posture_tls_plan_groups12_version(plan, &version);
        q->version = (enum posture_tls_version)version;
        if (plan->lanes[lane].is_primes)
            suites = dhe_suites(plan, version, q->suites);
        else
            suites = ecdhe_suites(plan, version, q->suites, &is_ecdsa);
    }
    q->hello.suite_count = suites;
    size_t groups = 0;
    if (q->purpose == POSTURE_TLS_ASK_CONFIRM) {
        groups = groups_all(plan, lane == POSTURE_TLS_LANE_GROUPS13, q->groups);
    } else {
        groups = posture_tls_plan_groups_offer(plan, lane, q->groups);
        if (is_ecdsa && plan->leaf_group != 0 && groups < POSTURE_TLS_GROUPS_MAX) {
            bool has_leaf = false;
            for (size_t i = 0; i < groups; i++)
                has_leaf = has_leaf || q->groups[i] == plan->leaf_group;
            if (!has_leaf)
                q->groups[groups++] = plan->leaf_group;
        }
    }
    q->hello.group_count = groups;
}

/* Every suite that servers of TLS 1.3 usually have is found: what is left is refused, as
 * a rule, and a joint question would leave open why. */
static bool is_usual_left(const struct posture_tls_plan *plan)
{
    enum { USUAL_FIRST = 0x1301, USUAL_LAST = 0x1303 }; /* RFC 8446, 9.1 */
    for (size_t i = 0; i < plan->tables->suite_count; i++) {
        const struct posture_tls_suite *suite = &plan->tables->suites[i];
        if (suite->protocol == POSTURE_TLS_PROTOCOL_TLS13 && suite->code >= USUAL_FIRST &&
            suite->code <= USUAL_LAST && !plan->lanes[POSTURE_TLS_13].gone[i])
            return true;
    }
    return false;
}

/* All groups; in questions of TLS 1.3 after the first those not found yet alone. */
static size_t suites_groups(const struct posture_tls_plan *plan, unsigned lane,
                            struct posture_tls_question *q)
{
    const struct posture_tls_lane *state = &plan->lanes[lane];
    size_t count = 0;
    if (lane == POSTURE_TLS_13 && q->purpose == POSTURE_TLS_ASK_SUITE &&
        !state->is_single && !state->is_recheck && is_usual_left(plan)) {
        count = posture_tls_plan_groups_offer(plan, POSTURE_TLS_LANE_GROUPS13, q->groups);
        q->is_joint = count > 0;
    }
    if (count > 0)
        return count;
    return groups_all(plan,
                      lane == POSTURE_TLS_13 && plan->phase != POSTURE_TLS_PHASE_OPENING,
                      q->groups);
}

static void suites_question(const struct posture_tls_plan *plan, unsigned lane,
                            struct posture_tls_question *q)
{
    const struct posture_tls_lane *state = &plan->lanes[lane];
    size_t count = 0;
    q->version = (enum posture_tls_version)lane;
    bool is_full = state->variant == POSTURE_TLS_VARIANT_FULL;
    if (q->purpose == POSTURE_TLS_ASK_ORDER || q->purpose == POSTURE_TLS_ASK_CONFIRM) {
        /* What was refused comes first: a server that goes by the client's order says
         * once more that it has none of it. */
        if (q->purpose == POSTURE_TLS_ASK_ORDER && is_full && state->was_ended &&
            !state->was_split && plan->contradictions <= CONTRADICTIONS_MAX)
            count = suites_offer(plan, lane, q->suites,
                                 POSTURE_TLS_SUITES_MAX - state->found_count);
        for (size_t i = state->found_count; i-- > 0;)
            q->suites[count++] = plan->tables->suites[state->found[i]].code;
    } else {
        count = suites_offer(plan, lane, q->suites, POSTURE_TLS_SUITES_MAX);
        if (plan->phase == POSTURE_TLS_PHASE_OPENING && lane == POSTURE_TLS_13)
            count += suites_offer(plan, POSTURE_TLS_12, q->suites + count,
                                  POSTURE_TLS_SUITES_MAX - count);
    }
    q->hello.suite_count = count;
    if (is_full) {
        q->hello.group_count = suites_groups(plan, lane, q);
    } else {
        memcpy(q->groups, compact_groups, sizeof(compact_groups));
        q->hello.group_count = COMPACT_GROUPS;
    }
}

static void handshake_question(const struct posture_tls_plan *plan,
                               struct posture_tls_question *q)
{
    q->version = POSTURE_TLS_13;
    q->group = plan->group13_first;
    q->authentication = POSTURE_TLS_AUTH_OTHER;
    if (plan->handshakes > 0)
        q->authentication = plan->handshake_leaf == POSTURE_TLS_AUTH_RSA
                                ? POSTURE_TLS_AUTH_ECDSA
                                : POSTURE_TLS_AUTH_RSA;
}

void posture_tls_plan_question(const struct posture_tls_plan *plan,
                               enum posture_tls_lane_id lane,
                               struct posture_tls_question *ret)
{
    const struct posture_tls_lane *state = &plan->lanes[lane];
    struct posture_tls_hello *hello = &ret->hello;
    memset(hello, 0, sizeof(*hello));
    ret->lane = lane;
    ret->purpose = state->purpose;
    ret->is_opening = false;
    ret->is_joint = false;
    ret->is_handshake = false;
    ret->alpn_len = 0;
    ret->group = 0;
    ret->authentication = POSTURE_TLS_AUTH_OTHER;
    if (lane == POSTURE_TLS_LANE_HANDSHAKE) {
        handshake_question(plan, ret);
        ret->is_handshake = true;
        return;
    }
    if (is_depth_lane(lane))
        posture_tls_depth_question(plan, lane, ret);
    else if ((unsigned)lane >= POSTURE_TLS_VERSION_COUNT)
        groups_question(plan, lane, ret);
    else
        suites_question(plan, lane, ret);

    hello->suites = ret->suites;
    hello->groups = ret->groups;
    hello->versions = ret->versions;
    hello->signatures = plan->tables->signatures;
    hello->server_name = plan->server_name;
    hello->version = posture_tls_version_code(
        ret->version > POSTURE_TLS_12 ? POSTURE_TLS_12 : ret->version);
    hello->has_extensions =
        ret->version >= POSTURE_TLS_10 && state->variant != POSTURE_TLS_VARIANT_BARE;
    if (ret->version >= POSTURE_TLS_12)
        hello->signature_count = plan->tables->signature_count;
    if (ret->version == POSTURE_TLS_13) {
        bool is_full = state->variant == POSTURE_TLS_VARIANT_FULL;
        hello->has_session_id = true;
        hello->share = is_full ? POSTURE_TLS_SHARE_EMPTY : POSTURE_TLS_SHARE_CONSTANT;
        ret->versions[hello->version_count++] = posture_tls_version_code(POSTURE_TLS_13);
        if (plan->phase == POSTURE_TLS_PHASE_OPENING) {
            for (unsigned v = POSTURE_TLS_12; v >= POSTURE_TLS_10; v--)
                ret->versions[hello->version_count++] =
                    posture_tls_version_code((enum posture_tls_version)v);
        }
    }
    posture_tls_depth_hello(plan, ret);
}
