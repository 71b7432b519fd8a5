/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */

/* The plan in depth against a model of a server: what it finds out, and with how many
 * questions of each kind. */

#include "common/tls/plan.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

enum { QUESTIONS_MAX = 400 };

static struct posture_tls_tables *tables;
static unsigned asked[POSTURE_TLS_ASK_RESUME + 1];

/* What the model does otherwise than a sound server. */
enum {
    IGNORES_SIGNATURES = 1 << 0, /* signs with rsa_pkcs1_sha1 whatever is offered */
    NO_EMS = 1 << 1,
    COMPRESSES = 1 << 2,
    HATES_EXTRAS = 1 << 3, /* refuses what offers compression */
    NO_FALLBACK_SCSV = 1 << 4,
    REPEATS_ALPN = 1 << 5, /* takes whatever stands first */
    ALSO_PKCS1_13 = 1 << 6,
};

static const uint16_t signatures12[] = {0x0804, 0x0401};
static const uint16_t signatures13[] = {0x0804, 0x0805};

static uint16_t pick(const uint16_t *own, size_t count, const uint16_t *list, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        for (size_t k = 0; k < count; k++) {
            if (list[i] == own[k])
                return own[k];
        }
    }
    return 0;
}

static bool has_suite(const struct posture_tls_hello *hello, uint32_t suite)
{
    for (size_t i = 0; i < hello->suite_count; i++) {
        if (hello->suites[i] == suite)
            return true;
    }
    return false;
}

static enum posture_tls_outcome alert(struct posture_tls_flight *flight, uint8_t code)
{
    memset(flight, 0, sizeof(*flight));
    flight->has_alert = true;
    flight->alert = code;
    return POSTURE_TLS_ALERTED;
}

static enum posture_tls_outcome answer_13(unsigned traits,
                                          const struct posture_tls_hello *hello,
                                          struct posture_tls_flight *flight)
{
    uint16_t signature = pick(signatures13, POSTURE_COUNT(signatures13),
                              hello->signatures, hello->signature_count);
    static const uint16_t pkcs1[] = {0x0401};
    if (signature == 0 && (traits & ALSO_PKCS1_13))
        signature = pick(pkcs1, 1, hello->signatures, hello->signature_count);
    static const uint16_t groups[] = {0x001d};
    flight->group = pick(groups, 1, hello->groups, hello->group_count);
    if (!has_suite(hello, 0x1301) || signature == 0 || flight->group == 0)
        return alert(flight, 40);
    flight->has_hello = flight->has_group = true;
    flight->version = 0x0304;
    flight->suite = 0x1301;
    flight->is_retry = hello->share == POSTURE_TLS_SHARE_EMPTY;
    return POSTURE_TLS_ANSWERED;
}

static enum posture_tls_outcome answer_12(unsigned traits,
                                          const struct posture_tls_hello *hello,
                                          struct posture_tls_flight *flight)
{
    if (hello->is_fallback && !(traits & NO_FALLBACK_SCSV))
        return alert(flight, 86);
    if (hello->asks_compression && (traits & HATES_EXTRAS))
        return alert(flight, 47);
    flight->suite = has_suite(hello, 0xc02f)   ? 0xc02f
                    : has_suite(hello, 0x009c) ? 0x9c
                                               : 0;
    if (flight->suite == 0)
        return alert(flight, 40);
    flight->has_hello = true;
    flight->version = 0x0303;
    flight->has_renegotiation_info = true;
    flight->has_extended_master_secret = !(traits & NO_EMS);
    flight->has_ticket = hello->asks_ticket;
    flight->session_id_len = hello->asks_ticket ? 0 : 32;
    flight->compression = hello->asks_compression && (traits & COMPRESSES) ? 1 : 0;
    if (flight->suite == 0xc02f) {
        static const uint16_t groups[] = {0x001d};
        flight->group = pick(groups, 1, hello->groups, hello->group_count);
        flight->signature = traits & IGNORES_SIGNATURES
                                ? 0x0201
                                : pick(signatures12, POSTURE_COUNT(signatures12),
                                       hello->signatures, hello->signature_count);
        if (flight->group == 0 || flight->signature == 0)
            return alert(flight, 40);
        flight->has_group = flight->has_signature = true;
    }
    if (hello->alpn_len > 0) {
        static const uint8_t h2[] = {2, 'h', '2'};
        if (traits & REPEATS_ALPN) {
            flight->alpn_len = hello->alpn[0];
            memcpy(flight->alpn, hello->alpn + 1, hello->alpn[0]);
        } else if (memmem(hello->alpn, hello->alpn_len, h2, sizeof(h2))) {
            flight->alpn_len = 2;
            memcpy(flight->alpn, "h2", 2);
        } else {
            return alert(flight, 120);
        }
    }
    return POSTURE_TLS_ANSWERED;
}

static void plan_run(unsigned traits, bool is_deep, struct posture_tls_plan *plan)
{
    static struct posture_tls_question q;
    static struct posture_tls_flight flight;
    unsigned questions = 0;
    memset(asked, 0, sizeof(asked));
    posture_tls_plan_init(plan, tables, "www.example.go.jp");
    plan->depth.is_wanted = is_deep;
    while (posture_tls_plan_next(plan, &q)) {
        enum posture_tls_outcome outcome = POSTURE_TLS_ANSWERED;
        assert_true(++questions <= QUESTIONS_MAX);
        asked[q.purpose]++;
        memset(&flight, 0, sizeof(flight));
        if (q.is_handshake) {
            const struct posture_tls_session session = {
                .is_13 = q.version == POSTURE_TLS_13,
                .signature = 0x0804,
                .tickets = 2,
                .has_ticket = true,
                .is_resumed = q.purpose == POSTURE_TLS_ASK_RESUME,
                .renegotiation = POSTURE_TLS_CLAIM_NO,
            };
            posture_tls_plan_learnt(plan, &q, &session);
            posture_tls_plan_leaf(plan, "rsa", NULL);
            plan->handshake_leaf = POSTURE_TLS_AUTH_RSA;
        } else if (q.hello.version_count > 0) {
            outcome = answer_13(traits, &q.hello, &flight);
        } else if (q.version == POSTURE_TLS_12) {
            outcome = answer_12(traits, &q.hello, &flight);
        } else {
            outcome = alert(&flight, 70);
        }
        if (outcome == POSTURE_TLS_ANSWERED && !q.is_handshake &&
            flight.version == 0x0303)
            posture_tls_plan_captured(plan, POSTURE_TLS_AUTH_RSA, 0);
        posture_tls_plan_answer(plan, &q, outcome, &flight);
    }
    assert_true(posture_tls_plan_is_done(plan));
}

static void test_sound_server(void **state)
{
    (void)state;
    static struct posture_tls_plan plan;
    const struct posture_tls_depth *depth = &plan.depth;
    plan_run(0, true, &plan);
    for (unsigned i = POSTURE_TLS_LANE_SIGNATURES12; i < POSTURE_TLS_LANE_COUNT; i++)
        assert_false(plan.lanes[i].is_incomplete);
    assert_int_equal(depth->signature12_count, 2);
    assert_int_equal(depth->signature13_count, 2);
    assert_int_equal(depth->alpn_count, 1);
    assert_string_equal(tables->alpn[depth->alpn_found[0]], "h2");
    assert_int_equal(depth->extended_master_secret, POSTURE_TLS_CLAIM_YES);
    assert_int_equal(depth->secure_renegotiation, POSTURE_TLS_CLAIM_YES);
    assert_int_equal(depth->encrypt_then_mac, POSTURE_TLS_CLAIM_NOT_SEEN);
    assert_int_equal(depth->heartbeat, POSTURE_TLS_CLAIM_NO);
    assert_int_equal(depth->fallback, POSTURE_TLS_CLAIM_YES);
    assert_int_equal(depth->ticket, POSTURE_TLS_CLAIM_YES);
    assert_int_equal(depth->session_id, POSTURE_TLS_CLAIM_YES);
    assert_true(depth->has_compression && depth->compression_count == 0);
    assert_true(depth->session12.is_resumed && depth->has_session13);
    /* 1.2: the second scheme and the refusal; 1.3: two, the handshake has shown one. */
    assert_int_equal(asked[POSTURE_TLS_ASK_SIGNATURE], 2 + 2);
    assert_int_equal(asked[POSTURE_TLS_ASK_REST], 1);
    assert_int_equal(asked[POSTURE_TLS_ASK_FEATURES], 0);
    assert_int_equal(asked[POSTURE_TLS_ASK_FALLBACK], 1);
    assert_int_equal(asked[POSTURE_TLS_ASK_PROTOCOL], 2);
    assert_int_equal(asked[POSTURE_TLS_ASK_RESUME], 1);
}

static void test_not_wanted(void **state)
{
    (void)state;
    static struct posture_tls_plan plan;
    plan_run(0, false, &plan);
    for (unsigned i = POSTURE_TLS_ASK_SIGNATURE; i <= POSTURE_TLS_ASK_RESUME; i++)
        assert_int_equal(asked[i], 0);
}

static void test_odd_servers(void **state)
{
    (void)state;
    static struct posture_tls_plan plan;
    const struct posture_tls_depth *depth = &plan.depth;
    plan_run(IGNORES_SIGNATURES | NO_EMS | COMPRESSES | NO_FALLBACK_SCSV, true, &plan);
    assert_int_equal(depth->signature12_count, 1);
    assert_int_equal(depth->signatures12[0], 0x0201);
    assert_int_equal(depth->extended_master_secret, POSTURE_TLS_CLAIM_NO);
    assert_true(depth->compression_count == 1 && depth->compression[0] == 1);
    assert_int_equal(depth->fallback, POSTURE_TLS_CLAIM_NO);

    /* A refusal of what was added is none of the suites: the list stays whole. */
    plan_run(HATES_EXTRAS, true, &plan);
    assert_false(plan.lanes[POSTURE_TLS_12].is_incomplete);
    assert_int_equal(plan.lanes[POSTURE_TLS_12].found_count, 2);
    assert_false(depth->has_compression);
    assert_true(plan.lanes[POSTURE_TLS_LANE_FEATURES].is_incomplete);

    plan_run(REPEATS_ALPN, true, &plan);
    assert_true(plan.lanes[POSTURE_TLS_LANE_ALPN].is_incomplete);
    assert_int_equal(depth->alpn_count, POSTURE_TLS_ALPN_FOUND_MAX);

    /* A scheme that no key hints at is found, one by one. */
    plan_run(ALSO_PKCS1_13, true, &plan);
    assert_int_equal(depth->signature13_count, 3);
}

/* Whatever fails, the plan comes to an end and says so. */
static void test_time_is_up(void **state)
{
    (void)state;
    static struct posture_tls_plan plan;
    posture_tls_plan_init(&plan, tables, NULL);
    plan.depth.is_wanted = true;
    posture_tls_plan_stop(&plan);
    assert_true(posture_tls_plan_is_done(&plan));
    for (unsigned i = POSTURE_TLS_LANE_SIGNATURES12; i < POSTURE_TLS_LANE_COUNT; i++)
        assert_true(plan.lanes[i].is_incomplete);
}

static int tables_load(void **state)
{
    (void)state;
    return posture_tls_tables_load(NULL, &tables, NULL);
}

static int tables_free(void **state)
{
    (void)state;
    tables = posture_tls_tables_free(tables);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sound_server),
        cmocka_unit_test(test_not_wanted),
        cmocka_unit_test(test_odd_servers),
        cmocka_unit_test(test_time_is_up),
    };
    return cmocka_run_group_tests(tests, tables_load, tables_free);
}
