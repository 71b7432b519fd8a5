/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */

/* The plan: what is asked in depth once versions and suites are known. */

#include "common/tls/plan_internal.h"

#include <string.h>

/* Groups that hello.c has a constant share for: the answer must be a ServerHello. */
static const uint16_t share_groups[] = {0x001d, 0x0017, 0x0018, 0x001e};

static void claim_add(enum posture_tls_claim *claim, bool is_so)
{
    if (!is_so)
        *claim = POSTURE_TLS_CLAIM_NO;
    else if (*claim == POSTURE_TLS_CLAIM_NOT_SEEN)
        *claim = POSTURE_TLS_CLAIM_YES;
}

/* -1: no code point of the table. */
int posture_tls_depth_signature_index(const struct posture_tls_plan *plan, uint16_t code)
{
    for (size_t i = 0; i < plan->tables->signature_count; i++) {
        if (plan->tables->signatures[i] == code)
            return (int)i;
    }
    return -1;
}

/* True when it is new. */
bool posture_tls_depth_signature_add(uint16_t *list, size_t *count, uint16_t code)
{
    for (size_t i = 0; i < *count; i++) {
        if (list[i] == code)
            return false;
    }
    if (*count == POSTURE_TLS_SIGNATURES_MAX)
        return false;
    list[(*count)++] = code;
    return true;
}

static void signature12_seen(struct posture_tls_plan *plan, uint16_t code)
{
    struct posture_tls_depth *depth = &plan->depth;
    int i = posture_tls_depth_signature_index(plan, code);
    if (i >= 0)
        depth->signature12_gone[i] = 1;
    posture_tls_depth_signature_add(depth->signatures12, &depth->signature12_count, code);
}

static void compression_seen(struct posture_tls_depth *depth, uint8_t method)
{
    depth->has_compression = true;
    if (method == 0 || depth->compression_count == POSTURE_TLS_COMPRESSIONS_MAX)
        return;
    for (size_t i = 0; i < depth->compression_count; i++) {
        if (depth->compression[i] == method)
            return;
    }
    depth->compression[depth->compression_count++] = method;
}

void posture_tls_depth_observe(struct posture_tls_plan *plan,
                               const struct posture_tls_question *question,
                               const struct posture_tls_flight *flight)
{
    struct posture_tls_depth *depth = &plan->depth;
    const struct posture_tls_hello *hello = &question->hello;
    if (!flight || flight->version < posture_tls_version_code(POSTURE_TLS_SSL3) ||
        flight->version > posture_tls_version_code(POSTURE_TLS_12))
        return;
    /* The signalling suite stands in every hello. */
    claim_add(&depth->secure_renegotiation, flight->has_renegotiation_info);
    if (hello->asks_compression)
        compression_seen(depth, flight->compression);
    if (flight->has_signature && hello->signature_count > 0)
        signature12_seen(plan, flight->signature);
    if (!hello->has_extensions ||
        flight->version < posture_tls_version_code(POSTURE_TLS_10))
        return;
    const struct posture_tls_suite *suite =
        posture_tls_suite_find(plan->tables, POSTURE_TLS_PROTOCOL_TLS, flight->suite);
    claim_add(&depth->extended_master_secret, flight->has_extended_master_secret);
    if (suite && suite->is_cbc)
        claim_add(&depth->encrypt_then_mac, flight->has_encrypt_then_mac);
    if (hello->asks_heartbeat)
        claim_add(&depth->heartbeat, flight->has_heartbeat);
    /* A server that gives a ticket gives no id with it. */
    if (hello->asks_ticket)
        claim_add(&depth->ticket, flight->has_ticket);
    else
        claim_add(&depth->session_id, flight->session_id_len > 0);
}

/* -- which lane is next ---------------------------------------------------------- */

static bool is_done(const struct posture_tls_plan *plan, unsigned id)
{
    return plan->lanes[id].state == POSTURE_TLS_LANE_DONE;
}

static bool others_done(const struct posture_tls_plan *plan)
{
    for (unsigned i = 0; !is_depth_lane(i); i++) {
        if (!is_done(plan, i))
            return false;
    }
    return true;
}

/* The highest version up to last that can be asked in the clear; -1: none. */
static int highest_upto(const struct posture_tls_plan *plan, int last,
                        bool wants_extensions)
{
    for (int v = last; v >= POSTURE_TLS_SSL3; v--) {
        const struct posture_tls_lane *lane = &plan->lanes[v];
        if (!lane->is_supported || lane->found_count == 0)
            continue;
        if (wants_extensions &&
            (v < POSTURE_TLS_10 || lane->variant == POSTURE_TLS_VARIANT_BARE))
            continue;
        return v;
    }
    return -1;
}

void posture_tls_depth_begin(struct posture_tls_plan *plan, enum posture_tls_lane_id id,
                             int version, enum posture_tls_purpose purpose)
{
    struct posture_tls_lane *lane = lane_of(plan, id);
    if (version < 0) {
        lane_finish(lane);
        return;
    }
    lane->variant = plan->lanes[version].variant;
    lane_ready(lane, purpose);
}

/* Suites of TLS 1.2 whose key exchange the server signs. */
static size_t signed_suites(const struct posture_tls_plan *plan, uint32_t *suites)
{
    const struct posture_tls_lane *lane = &plan->lanes[POSTURE_TLS_12];
    size_t count = 0;
    for (size_t i = 0; i < lane->found_count; i++) {
        const struct posture_tls_suite *suite = &plan->tables->suites[lane->found[i]];
        if (suite->exchange == POSTURE_TLS_EXCHANGE_OTHER ||
            suite->authentication < POSTURE_TLS_AUTH_RSA)
            continue;
        if (suites)
            suites[count] = suite->code;
        count++;
    }
    return count;
}

static size_t shared_groups(const struct posture_tls_plan *plan, uint16_t *groups)
{
    size_t count = 0;
    for (size_t i = 0; i < plan->group_count; i++) {
        for (size_t k = 0; k < POSTURE_COUNT(share_groups); k++) {
            if (plan->groups[i] != share_groups[k])
                continue;
            if (groups)
                groups[count] = plan->groups[i];
            count++;
        }
    }
    return count;
}

/* A scheme of TLS 1.3 to be asked for alone now; -1: none. Before the rest was asked,
 * those that a leaf's key allows. */
int posture_tls_depth_signature13_next(const struct posture_tls_plan *plan)
{
    const struct posture_tls_depth *depth = &plan->depth;
    for (size_t i = 0; i < plan->tables->signature_count; i++) {
        if (!depth->signature13_gone[i] &&
            !plan->tables->signature_rows[i].is_tls12_only &&
            (depth->is_rest_asked || depth->signature13_leaf[i]))
            return (int)i;
    }
    return -1;
}

static void signatures13_wake(struct posture_tls_plan *plan)
{
    struct posture_tls_lane *lane = lane_of(plan, POSTURE_TLS_LANE_SIGNATURES13);
    if (plan->lanes[POSTURE_TLS_13].found_count == 0) {
        lane_finish(lane);
        return;
    }
    if (!is_done(plan, POSTURE_TLS_LANE_HANDSHAKE) ||
        !is_done(plan, POSTURE_TLS_LANE_GROUPS13))
        return;
    if (shared_groups(plan, NULL) == 0) {
        lane->is_incomplete = true; /* only groups that we bring no share for */
        lane_finish(lane);
        return;
    }
    lane_ready(lane, posture_tls_depth_signature13_next(plan) >= 0
                         ? POSTURE_TLS_ASK_SIGNATURE
                         : POSTURE_TLS_ASK_REST);
}

/* The version below the highest; -1: there is only one. */
int posture_tls_depth_fallback(const struct posture_tls_plan *plan)
{
    int highest = highest_upto(plan, POSTURE_TLS_13, false);
    return highest < 0 ? -1 : highest_upto(plan, highest - 1, false);
}

static void features_wake(struct posture_tls_plan *plan)
{
    struct posture_tls_lane *lane = lane_of(plan, POSTURE_TLS_LANE_FEATURES);
    int version = highest_upto(plan, POSTURE_TLS_12, false);
    bool misses = !plan->depth.has_compression ||
                  (plan->depth.heartbeat == POSTURE_TLS_CLAIM_NOT_SEEN &&
                   highest_upto(plan, POSTURE_TLS_12, true) >= 0);
    if (version >= 0 && misses)
        posture_tls_depth_begin(plan, POSTURE_TLS_LANE_FEATURES, version,
                                POSTURE_TLS_ASK_FEATURES);
    else if (posture_tls_depth_fallback(plan) >= 0)
        posture_tls_depth_begin(plan, POSTURE_TLS_LANE_FEATURES,
                                posture_tls_depth_fallback(plan),
                                POSTURE_TLS_ASK_FALLBACK);
    else
        lane_finish(lane);
}

static void alpn_wake(struct posture_tls_plan *plan)
{
    int version = highest_upto(plan, POSTURE_TLS_12, true);
    if (version < 0 && plan->lanes[POSTURE_TLS_13].found_count > 0) {
        /* What a server of TLS 1.3 takes is encrypted. */
        if (!is_done(plan, POSTURE_TLS_LANE_HANDSHAKE))
            return;
        if (plan->handshake_failed)
            lane_of(plan, POSTURE_TLS_LANE_ALPN)->is_incomplete = true;
        else
            version = POSTURE_TLS_13;
    }
    posture_tls_depth_begin(plan, POSTURE_TLS_LANE_ALPN, version,
                            POSTURE_TLS_ASK_PROTOCOL);
}

void posture_tls_depth_wake(struct posture_tls_plan *plan)
{
    bool is_known = others_done(plan);
    for (unsigned i = POSTURE_TLS_LANE_SIGNATURES12; i < POSTURE_TLS_LANE_COUNT; i++) {
        struct posture_tls_lane *lane = lane_of(plan, i);
        if (lane->state != POSTURE_TLS_LANE_WAITING)
            continue;
        if (!plan->depth.is_wanted) {
            lane_finish(lane);
            continue;
        }
        if (!is_known)
            continue;
        switch (i) {
        case POSTURE_TLS_LANE_SIGNATURES12:
            posture_tls_depth_begin(plan, POSTURE_TLS_LANE_SIGNATURES12,
                                    signed_suites(plan, NULL) > 0 ? POSTURE_TLS_12 : -1,
                                    POSTURE_TLS_ASK_SIGNATURE);
            if (lane->variant == POSTURE_TLS_VARIANT_BARE)
                lane_finish(lane); /* without extensions it signs with SHA-1 or so */
            break;
        case POSTURE_TLS_LANE_SIGNATURES13:
            signatures13_wake(plan);
            break;
        case POSTURE_TLS_LANE_FEATURES:
            features_wake(plan);
            break;
        case POSTURE_TLS_LANE_ALPN:
            alpn_wake(plan);
            break;
        default:
            posture_tls_depth_begin(plan, POSTURE_TLS_LANE_SESSION,
                                    highest_upto(plan, POSTURE_TLS_12, false) >=
                                            POSTURE_TLS_10
                                        ? POSTURE_TLS_12
                                        : -1,
                                    POSTURE_TLS_ASK_HANDSHAKE);
            break;
        }
    }
}

/* -- what its hello holds --------------------------------------------------------- */

static size_t found_suites(const struct posture_tls_plan *plan, unsigned version,
                           uint32_t *suites)
{
    const struct posture_tls_lane *lane = &plan->lanes[version];
    for (size_t i = 0; i < lane->found_count; i++)
        suites[i] = plan->tables->suites[lane->found[i]].code;
    return lane->found_count;
}

static void alpn_offer(const struct posture_tls_plan *plan,
                       struct posture_tls_question *q)
{
    q->alpn_len = 0;
    for (size_t i = 0; i < plan->tables->alpn_count; i++) {
        size_t len = strlen(plan->tables->alpn[i]);
        if (plan->depth.alpn_gone[i] || q->alpn_len + len + 1 > sizeof(q->alpn))
            continue;
        q->alpn[q->alpn_len++] = (uint8_t)len;
        memcpy(q->alpn + q->alpn_len, plan->tables->alpn[i], len);
        q->alpn_len += len;
    }
}

void posture_tls_depth_question(const struct posture_tls_plan *plan,
                                enum posture_tls_lane_id lane,
                                struct posture_tls_question *q)
{
    int version = POSTURE_TLS_12;
    size_t suites = 0, groups = plan->tables->group_count;
    switch (q->purpose) {
    case POSTURE_TLS_ASK_HANDSHAKE:
    case POSTURE_TLS_ASK_RESUME:
        q->is_handshake = true;
        break;
    case POSTURE_TLS_ASK_REST:
        version = POSTURE_TLS_13;
        break;
    case POSTURE_TLS_ASK_SIGNATURE:
        if (lane == POSTURE_TLS_LANE_SIGNATURES13)
            version = POSTURE_TLS_13;
        else
            suites = signed_suites(plan, q->suites);
        break;
    case POSTURE_TLS_ASK_FALLBACK:
        version = posture_tls_depth_fallback(plan);
        break;
    case POSTURE_TLS_ASK_PROTOCOL:
        alpn_offer(plan, q);
        version = highest_upto(plan, POSTURE_TLS_12, true);
        if (version < 0) {
            version = POSTURE_TLS_13;
            q->is_handshake = true;
            q->group = plan->group13_first;
        }
        break;
    default:
        version = highest_upto(plan, POSTURE_TLS_12, false);
        break;
    }
    q->version = (enum posture_tls_version)(version < 0 ? POSTURE_TLS_12 : version);
    if (suites == 0)
        suites = found_suites(plan, q->version, q->suites);
    for (size_t i = 0; i < groups; i++)
        q->groups[i] = plan->tables->groups[i].code;
    if (q->version == POSTURE_TLS_13)
        groups = shared_groups(plan, q->groups);
    q->hello.suite_count = suites;
    q->hello.group_count = groups;
}

/* TLS 1.2: what is left. 1.3: one alone, or all that no leaf hints at. */
static void signatures_offer(const struct posture_tls_plan *plan,
                             struct posture_tls_question *q)
{
    const struct posture_tls_depth *depth = &plan->depth;
    const struct posture_tls_tables *tables = plan->tables;
    size_t count = 0;
    int alone = posture_tls_depth_signature13_next(plan);
    for (size_t i = 0; i < tables->signature_count; i++) {
        bool is_offered = !depth->signature12_gone[i];
        if (q->purpose == POSTURE_TLS_ASK_REST)
            is_offered =
                !depth->signature13_gone[i] && !tables->signature_rows[i].is_tls12_only;
        else if (q->version == POSTURE_TLS_13)
            is_offered = (int)i == alone;
        if (is_offered)
            q->signatures[count++] = tables->signatures[i];
    }
    q->hello.signatures = q->signatures;
    q->hello.signature_count = count;
}

void posture_tls_depth_hello(const struct posture_tls_plan *plan,
                             struct posture_tls_question *q)
{
    const struct posture_tls_lane *lane = &plan->lanes[q->lane];
    struct posture_tls_hello *hello = &q->hello;
    if (!plan->depth.is_wanted)
        return;
    bool is_old = q->version <= POSTURE_TLS_12;
    bool is_full = lane->variant == POSTURE_TLS_VARIANT_FULL;
    switch (q->purpose) {
    case POSTURE_TLS_ASK_FIRST:
        hello->asks_status = hello->asks_ticket = is_full;
        break;
    case POSTURE_TLS_ASK_ORDER:
        /* Only suites that were taken before: a refusal then is one of what is added, and
         * the retry goes without. */
        if (lane->retries > 0)
            break;
        hello->asks_status = is_old;
        hello->asks_compression = hello->asks_heartbeat = is_old;
        break;
    case POSTURE_TLS_ASK_FEATURES:
        hello->asks_status = hello->asks_compression = hello->asks_heartbeat = true;
        break;
    case POSTURE_TLS_ASK_FALLBACK:
        hello->is_fallback = true;
        break;
    case POSTURE_TLS_ASK_PROTOCOL:
        hello->alpn = q->alpn;
        hello->alpn_len = q->alpn_len;
        break;
    case POSTURE_TLS_ASK_SIGNATURE:
    case POSTURE_TLS_ASK_REST:
        signatures_offer(plan, q);
        if (!is_old)
            hello->share = POSTURE_TLS_SHARE_ALL;
        break;
    default:
        break;
    }
}
