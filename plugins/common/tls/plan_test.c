/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */

/* The plan against a model of a server: what it finds out, and with how many questions.
 */

#include "common/tls/plan.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

enum { LIST_MAX = 12, QUESTIONS_MAX = 400 };

/* What a model server does beyond its lists. */
enum {
    OWN_ORDER = 1 << 0,        /* its order counts, not the client's */
    CLOSES = 1 << 1,           /* refuses by closing, without an alert */
    HANGS_LONG = 1 << 2,       /* does not answer hellos of more than 64 suites */
    HANGS_EXTENSIONS = 1 << 3, /* does not answer hellos with extensions */
    HANGS_13 = 1 << 4,         /* does not answer supported_versions with 1.3 */
    WANTS_SHARE = 1 << 5,      /* 1.3 only with a key share */
    ALERTS_13 = 1 << 6,        /* alert instead of negotiating down from 1.3 */
    HANGS_LATE = 1 << 7,       /* hangs where it should refuse the last suites */
    SILENT = 1 << 8,
    REFUSES_TCP = 1 << 9,
    GARBAGE = 1 << 10,
    EC_LEAF = 1 << 11,   /* ECDSA certificate with curve secp256r1 */
    KEM_ONLY = 1 << 12,  /* OpenSSL cannot complete a handshake */
    ODD_SUITE = 1 << 13, /* answers with a suite that was not offered */
    STRICT_13 = 1 << 15, /* illegal_parameter for 1.3 alone with a group not for 1.3 */
    OWN_PRIME = 1 << 14, /* DHE with ffdhe2048, whatever is offered */
};

struct server {
    const char *label;
    unsigned traits;
    uint16_t suites[POSTURE_TLS_VERSION_COUNT][LIST_MAX];
    uint16_t groups13[LIST_MAX];
    uint16_t groups12[LIST_MAX];
    uint16_t broken; /* chosen after the first of its suites, and then it closes */
    /* expected */
    const char *versions; /* "TLSv1.2 TLSv1.3" */
    const char
        *intolerance; /* flags: L length, E extensions, S share; X any incomplete */
    size_t groups;
    size_t questions; /* 0: any */
    int order12;      /* 0 unknown, 1 client, 2 server */
};

static struct posture_tls_tables *tables;

static int tables_load(void **state)
{
    (void)state;
    struct posture_error error = {0};
    int r = posture_tls_tables_load(NULL, &tables, &error);
    if (r < 0)
        fprintf(stderr, "%s\n", error.text);
    return r;
}

static int tables_free(void **state)
{
    (void)state;
    tables = posture_tls_tables_free(tables);
    return 0;
}

static bool has_u16(const uint16_t *list, size_t count, uint16_t value)
{
    for (size_t i = 0; i < count; i++) {
        if (list[i] == value)
            return true;
    }
    return false;
}

static bool has_u32(const uint32_t *list, size_t count, uint32_t value)
{
    for (size_t i = 0; i < count; i++) {
        if (list[i] == value)
            return true;
    }
    return false;
}

static size_t list_len(const uint16_t *list)
{
    size_t n = 0;
    while (n < LIST_MAX && list[n] != 0)
        n++;
    return n;
}

/* The suite that the server picks in a version; 0 when none is shared. */
static uint32_t suite_pick(const struct server *server, unsigned version,
                           const struct posture_tls_hello *hello)
{
    const uint16_t *own = server->suites[version];
    size_t count = list_len(own);
    if (server->traits & OWN_ORDER) {
        for (size_t i = 0; i < count; i++) {
            if (has_u32(hello->suites, hello->suite_count, own[i]))
                return own[i];
        }
        return 0;
    }
    for (size_t i = 0; i < hello->suite_count; i++) {
        if (hello->suites[i] <= 0xffff && has_u16(own, count, (uint16_t)hello->suites[i]))
            return hello->suites[i];
    }
    return 0;
}

static bool is_prime(uint16_t group)
{
    return group >= 0x100 && group <= 0x104;
}

/* The group of RFC 7919 (primes) or the curve that the server picks; 0: none. */
static uint16_t group_pick(const uint16_t *own, const struct posture_tls_hello *hello,
                           bool primes)
{
    for (size_t i = 0; i < list_len(own); i++) {
        if (is_prime(own[i]) == primes &&
            (!hello->has_extensions ||
             has_u16(hello->groups, hello->group_count, own[i])))
            return own[i];
    }
    return 0;
}

static enum posture_tls_exchange exchange_of(uint32_t suite)
{
    const struct posture_tls_suite *s =
        posture_tls_suite_find(tables, POSTURE_TLS_PROTOCOL_TLS, suite);
    return s ? s->exchange : POSTURE_TLS_EXCHANGE_OTHER;
}

static enum posture_tls_outcome refuse(const struct server *server,
                                       struct posture_tls_flight *flight, uint8_t alert)
{
    if (server->traits & CLOSES)
        return POSTURE_TLS_CLOSED;
    flight->has_alert = true;
    flight->alert = alert;
    return POSTURE_TLS_ALERTED;
}

static enum posture_tls_outcome answer_version(const struct server *server,
                                               unsigned version,
                                               const struct posture_tls_hello *hello,
                                               struct posture_tls_flight *flight)
{
    bool is_13 = version == POSTURE_TLS_13;
    uint32_t suite = suite_pick(server, version, hello);
    bool is_dhe = !is_13 && exchange_of(suite) == POSTURE_TLS_EXCHANGE_DHE;
    uint16_t group =
        group_pick(is_13 ? server->groups13 : server->groups12, hello, is_dhe);
    if (is_dhe && (server->traits & OWN_PRIME))
        group = 0x100;
    if (suite == 0)
        return server->traits & HANGS_LATE ? POSTURE_TLS_TIMED_OUT
                                           : refuse(server, flight, 40);
    if (server->broken != 0 && suite != server->suites[version][0] &&
        has_u32(hello->suites, hello->suite_count, server->broken))
        return POSTURE_TLS_CLOSED;
    bool needs_group =
        is_13 || is_dhe || exchange_of(suite) == POSTURE_TLS_EXCHANGE_ECDHE;
    bool lacks_leaf = !is_13 && (server->traits & EC_LEAF) && hello->has_extensions &&
                      !has_u16(hello->groups, hello->group_count, 0x17);
    if ((needs_group && group == 0) || lacks_leaf)
        return refuse(server, flight, 40);
    flight->has_hello = true;
    flight->version = posture_tls_version_code((enum posture_tls_version)version);
    flight->suite = server->traits & ODD_SUITE ? 0x1301u : suite;
    flight->has_group = needs_group;
    flight->group = needs_group ? group : 0;
    return POSTURE_TLS_ANSWERED;
}

static enum posture_tls_outcome server_answer(const struct server *server,
                                              const struct posture_tls_question *q,
                                              struct posture_tls_flight *flight)
{
    const struct posture_tls_hello *hello = &q->hello;
    memset(flight, 0, sizeof(*flight));
    if (server->traits & REFUSES_TCP)
        return POSTURE_TLS_REFUSED;
    if (server->traits & SILENT)
        return POSTURE_TLS_TIMED_OUT;
    if (server->traits & GARBAGE)
        return POSTURE_TLS_NOT_TLS;
    if (q->purpose == POSTURE_TLS_ASK_HANDSHAKE)
        return server->traits & KEM_ONLY ? POSTURE_TLS_ALERTED : POSTURE_TLS_ANSWERED;
    if (q->version == POSTURE_TLS_SSL2)
        return POSTURE_TLS_CLOSED;
    if ((server->traits & HANGS_LONG) && hello->suite_count > 64)
        return POSTURE_TLS_TIMED_OUT;
    if ((server->traits & HANGS_EXTENSIONS) && hello->has_extensions)
        return POSTURE_TLS_TIMED_OUT;
    bool offers_13 = hello->version_count > 0 && hello->versions[0] == 0x0304;
    if (offers_13 && (server->traits & HANGS_13))
        return POSTURE_TLS_TIMED_OUT;
    if (offers_13 && (server->traits & ALERTS_13))
        return refuse(server, flight, 70);
    if (offers_13 && (server->traits & STRICT_13) && hello->version_count == 1 &&
        has_u16(hello->groups, hello->group_count, 0x16))
        return refuse(server, flight, 47);
    bool has_share = hello->share == POSTURE_TLS_SHARE_CONSTANT;
    unsigned top = offers_13 ? POSTURE_TLS_13 : (unsigned)q->version;
    for (unsigned v = top; v >= POSTURE_TLS_SSL3; v--) {
        if (list_len(server->suites[v]) == 0)
            continue;
        if (v == POSTURE_TLS_13 &&
            (!offers_13 || ((server->traits & WANTS_SHARE) && !has_share)))
            continue;
        if (offers_13 && hello->version_count == 1 && v < POSTURE_TLS_13)
            break;
        return answer_version(server, v, hello, flight);
    }
    return refuse(server, flight, 70);
}

/* storm_at: number of the question from which on all is answered by storm, until
 * storm_end; 0: none. */
static size_t plan_run_until(const struct server *server, size_t storm_at,
                             size_t storm_end, enum posture_tls_outcome storm,
                             uint8_t alert, struct posture_tls_plan *plan)
{
    static struct posture_tls_question q;
    struct posture_tls_flight flight;
    size_t questions = 0;
    posture_tls_plan_init(plan, tables, "www.example.go.jp");
    while (!posture_tls_plan_is_done(plan)) {
        bool is_asked = posture_tls_plan_next(plan, &q);
        if (!is_asked)
            break;
        if (++questions > QUESTIONS_MAX)
            fail_msg("%s: asks for ever", server->label);
        enum posture_tls_outcome outcome = server_answer(server, &q, &flight);
        if (storm_at > 0 && questions >= storm_at && questions < storm_end) {
            memset(&flight, 0, sizeof(flight));
            flight.has_alert = storm == POSTURE_TLS_ALERTED;
            flight.alert = alert;
            outcome = storm;
        }
        if (outcome == POSTURE_TLS_ANSWERED && q.purpose != POSTURE_TLS_ASK_HANDSHAKE &&
            flight.version < 0x0304)
            posture_tls_plan_captured(plan, POSTURE_TLS_AUTH_RSA,
                                      server->traits & EC_LEAF ? 0x17 : 0);
        if (q.purpose == POSTURE_TLS_ASK_HANDSHAKE && outcome == POSTURE_TLS_ANSWERED)
            plan->handshake_leaf = POSTURE_TLS_AUTH_RSA;
        posture_tls_plan_answer(plan, &q, outcome, &flight);
    }
    if (!posture_tls_plan_is_done(plan))
        fail_msg("%s: not done, but asks nothing", server->label);
    return questions;
}

static size_t plan_run(const struct server *server, size_t storm_at,
                       enum posture_tls_outcome storm, uint8_t alert,
                       struct posture_tls_plan *plan)
{
    return plan_run_until(server, storm_at, SIZE_MAX, storm, alert, plan);
}

#define MODERN12 0xc02f, 0xc030, 0x009c
#define MODERN13 0x1301, 0x1302

static const struct server servers[] = {
    {.label = "modern, client's order",
     .suites = {[POSTURE_TLS_12] = {MODERN12}, [POSTURE_TLS_13] = {MODERN13}},
     .groups13 = {0x1d, 0x17},
     .groups12 = {0x1d, 0x17},
     .versions = "TLSv1.2 TLSv1.3",
     .intolerance = "",
     .groups = 2,
     .order12 = 1,
     /* 1.3: 2 suites with a group each, refusal of the rest, and why (suites); order;
      * groups: refusal; handshake; 1.2: 3 suites, refusal, order; groups: refusal;
      * refusals of 1.1 (twice, the second for 1.0 and SSLv3 too), 1.0, SSLv3, SSLv2 */
     .questions = 5 + 1 + 1 + 5 + 1 + 5},
    {.label = "modern, its own order",
     .traits = OWN_ORDER,
     .suites = {[POSTURE_TLS_12] = {MODERN12}, [POSTURE_TLS_13] = {MODERN13}},
     .groups13 = {0x17, 0x1d},
     .groups12 = {0x17, 0x1d},
     .versions = "TLSv1.2 TLSv1.3",
     .intolerance = "",
     .groups = 2,
     .order12 = 2,
     /* The refusals that ended 1.3 and 1.2 are asked for once more: the order did not
      * tell. */
     .questions = 5 + 1 + 1 + 1 + 5 + 1 + 1 + 5},
    {.label = "closes instead of alerts",
     .traits = CLOSES,
     .suites = {[POSTURE_TLS_12] = {MODERN12}, [POSTURE_TLS_13] = {MODERN13}},
     .groups13 = {0x1d},
     .groups12 = {0x1d},
     .versions = "TLSv1.2 TLSv1.3",
     .intolerance = "",
     .groups = 1,
     .order12 = 1},
    {.label = "only 1.3, hybrids, no OpenSSL handshake",
     .traits = KEM_ONLY,
     .suites = {[POSTURE_TLS_13] = {MODERN13}},
     .groups13 = {0x11ec, 0x11eb, 0x11ed},
     .versions = "TLSv1.3",
     .intolerance = "",
     .groups = 3},
    {.label = "closes once it has chosen DHE",
     .traits = OWN_ORDER,
     .suites = {[POSTURE_TLS_12] = {0xc030, 0xc02f, 0x009c}},
     .broken = 0x009f,
     .groups12 = {0x1d},
     .versions = "TLSv1.2",
     .intolerance = "",
     .groups = 1},
    {.label = "strict about groups in 1.3",
     .traits = STRICT_13,
     .suites = {[POSTURE_TLS_12] = {MODERN12}, [POSTURE_TLS_13] = {MODERN13}},
     .groups13 = {0x1d, 0x17},
     .groups12 = {0x1d, 0x17, 0x16},
     .versions = "TLSv1.2 TLSv1.3",
     .intolerance = "",
     .groups = 3,
     .order12 = 1},
    {.label = "primes by RFC 7919 in 1.2",
     .suites = {[POSTURE_TLS_12] = {0xc02f, 0x009e, 0x009f}},
     .groups12 = {0x1d, 0x17, 0x100, 0x102, 0x104},
     .versions = "TLSv1.2",
     .intolerance = "",
     .groups = 5,
     .order12 = 1},
    {.label = "primes by RFC 7919, no curve",
     .suites = {[POSTURE_TLS_12] = {0x009e}},
     .groups12 = {0x101, 0x100},
     .versions = "TLSv1.2",
     .intolerance = "",
     .groups = 2},
    {.label = "a prime of RFC 7919 whatever is offered",
     .traits = OWN_PRIME,
     .suites = {[POSTURE_TLS_12] = {0xc02f, 0x009e}},
     .groups12 = {0x1d},
     .versions = "TLSv1.2",
     .intolerance = "",
     .groups = 2,
     .order12 = 1},
    {.label = "old: 1.0 and SSLv3",
     .traits = 0,
     .suites =
         {[POSTURE_TLS_10] = {0x002f, 0x000a}, [POSTURE_TLS_SSL3] = {0x000a, 0x0005}},
     .versions = "SSLv3 TLSv1.0",
     .intolerance = "",
     .groups = 0},
    {.label = "gap: 1.0 and 1.2",
     .suites = {[POSTURE_TLS_10] = {0x002f}, [POSTURE_TLS_12] = {0x002f}},
     .versions = "TLSv1.0 TLSv1.2",
     .intolerance = "",
     .groups = 0},
    {.label = "hangs on long hellos",
     .traits = HANGS_LONG,
     .suites = {[POSTURE_TLS_12] = {MODERN12}, [POSTURE_TLS_10] = {0x002f}},
     .groups12 = {0x17},
     .versions = "TLSv1.0 TLSv1.2",
     .intolerance = "L",
     .groups = 1,
     .order12 = 1},
    {.label = "hangs on extensions",
     .traits = HANGS_EXTENSIONS,
     .suites = {[POSTURE_TLS_10] = {0x002f, 0x000a}},
     .versions = "TLSv1.0",
     .intolerance = "E",
     .groups = 0},
    {.label = "hangs on 1.3",
     .traits = HANGS_13,
     .suites = {[POSTURE_TLS_12] = {MODERN12}},
     .groups12 = {0x17},
     .versions = "TLSv1.2",
     .intolerance = "",
     .groups = 1,
     .order12 = 1},
    {.label = "alerts on 1.3",
     .traits = ALERTS_13,
     .suites = {[POSTURE_TLS_12] = {MODERN12}},
     .groups12 = {0x17},
     .versions = "TLSv1.2",
     .intolerance = "",
     .groups = 1,
     .order12 = 1},
    {.label = "1.3 for a key share only",
     .traits = WANTS_SHARE,
     .suites = {[POSTURE_TLS_12] = {MODERN12}, [POSTURE_TLS_13] = {MODERN13}},
     .groups13 = {0x1d},
     .groups12 = {0x1d},
     .versions = "TLSv1.2 TLSv1.3",
     .intolerance = "S",
     .groups = 1,
     .order12 = 1},
    {.label = "hangs where it should refuse",
     .traits = HANGS_LATE,
     .suites = {[POSTURE_TLS_12] = {MODERN12}},
     .groups12 = {0x17},
     .versions = "TLSv1.2",
     .intolerance = "X",
     .groups = 1,
     .order12 = 1},
    {.label = "ECDSA leaf keeps its curve in the offer",
     .traits = EC_LEAF | OWN_ORDER,
     .suites = {[POSTURE_TLS_12] = {0xc02b, 0xc02c}},
     .groups12 = {0x1d, 0x17, 0x18},
     .versions = "TLSv1.2",
     .intolerance = "",
     .groups = 2,
     .order12 = 2},
    {.label = "odd suite",
     .traits = ODD_SUITE,
     .suites = {[POSTURE_TLS_12] = {0x002f}},
     .versions = "",
     .intolerance = "X",
     .groups = 0},
    {.label = "silent",
     .traits = SILENT,
     .versions = "",
     .intolerance = "",
     .questions = 3},
    {.label = "refuses TCP",
     .traits = REFUSES_TCP,
     .versions = "",
     .intolerance = "",
     .questions = 1},
    {.label = "not TLS",
     .traits = GARBAGE,
     .versions = "",
     .intolerance = "",
     .questions = 2},
};

static void versions_text(const struct posture_tls_plan *plan, char *buf, size_t size)
{
    size_t len = 0;
    buf[0] = '\0';
    for (unsigned v = 0; v < POSTURE_TLS_VERSION_COUNT; v++) {
        if (plan->lanes[v].is_supported)
            len +=
                (size_t)snprintf(buf + len, size - len, "%s%s", len > 0 ? " " : "",
                                 posture_tls_version_name((enum posture_tls_version)v));
    }
}

static void test_servers(void **state)
{
    (void)state;
    static struct posture_tls_plan plan;
    int failures = 0;
    for (size_t i = 0; i < POSTURE_COUNT(servers); i++) {
        const struct server *server = &servers[i];
        size_t questions = plan_run(server, 0, POSTURE_TLS_ALERTED, 0, &plan);
        char versions[80], intolerance[8] = "";
        size_t n = 0;
        versions_text(&plan, versions, sizeof(versions));
        if (plan.is_length_intolerant)
            intolerance[n++] = 'L';
        if (plan.is_extension_intolerant)
            intolerance[n++] = 'E';
        if (plan.is_share_intolerant)
            intolerance[n++] = 'S';
        for (unsigned v = 0; v < POSTURE_TLS_LANE_COUNT; v++) {
            if (plan.lanes[v].is_incomplete) {
                intolerance[n++] = 'X';
                break;
            }
        }
        intolerance[n] = '\0';
        int order = plan.lanes[POSTURE_TLS_12].order;
        if (strcmp(versions, server->versions) ||
            strcmp(intolerance, server->intolerance) ||
            plan.group_count != server->groups || order != server->order12 ||
            (server->questions && questions != server->questions)) {
            print_error("%s: got \"%s\" \"%s\", %zu groups, order %d, %zu questions\n"
                        "  want \"%s\" \"%s\", %zu groups, order %d, %zu questions\n",
                        server->label, versions, intolerance, plan.group_count, order,
                        questions, server->versions, server->intolerance, server->groups,
                        server->order12, server->questions);
            failures++;
        }
        for (unsigned v = POSTURE_TLS_SSL3; v < POSTURE_TLS_VERSION_COUNT; v++) {
            const struct posture_tls_lane *lane = &plan.lanes[v];
            if (!(server->traits & ODD_SUITE) &&
                lane->found_count != list_len(server->suites[v])) {
                print_error("%s: %zu suites in %s, want %zu\n", server->label,
                            lane->found_count,
                            posture_tls_version_name((enum posture_tls_version)v),
                            list_len(server->suites[v]));
                failures++;
            }
            for (size_t k = 0; (server->traits & OWN_ORDER) && !lane->spans_chunks &&
                               k < lane->found_count;
                 k++) {
                if (tables->suites[lane->found[k]].code != server->suites[v][k]) {
                    print_error("%s: suite %zu is not the server's\n", server->label, k);
                    failures++;
                }
            }
        }
    }
    assert_int_equal(failures, 0);
}

/* A server that from some question on refuses everything: what is missing is said to be.
 */
static void test_storms_are_no_refusals(void **state)
{
    (void)state;
    static const struct server server = {
        .label = "legacy and modern",
        .suites = {[POSTURE_TLS_10] = {0x002f, 0x000a},
                   [POSTURE_TLS_12] = {MODERN12},
                   [POSTURE_TLS_13] = {MODERN13}},
        .groups13 = {0x1d, 0x17},
        .groups12 = {0x1d, 0x17, 0x18},
    };
    static const struct {
        const char *label;
        enum posture_tls_outcome outcome;
        uint8_t alert;
    } storms[] = {
        {"handshake_failure", POSTURE_TLS_ALERTED, 40},
        {"protocol_version", POSTURE_TLS_ALERTED, 70},
        {"internal_error", POSTURE_TLS_ALERTED, 80},
        {"closes", POSTURE_TLS_CLOSED, 0},
        {"resets", POSTURE_TLS_RESET, 0},
        {"hangs", POSTURE_TLS_TIMED_OUT, 0},
        {"not TLS", POSTURE_TLS_NOT_TLS, 0},
        {"refuses TCP", POSTURE_TLS_REFUSED, 0},
    };
    static struct posture_tls_plan plan;
    int failures = 0;
    size_t all = plan_run(&server, 0, POSTURE_TLS_ALERTED, 0, &plan);
    for (size_t s = 0; s < POSTURE_COUNT(storms); s++) {
        for (size_t at = 2; at <= all; at++) {
            (void)plan_run(&server, at, storms[s].outcome, storms[s].alert, &plan);
            bool is_unclear = false;
            for (unsigned v = 0; v < POSTURE_TLS_VERSION_COUNT; v++)
                is_unclear |= plan.lanes[v].is_unclear && !plan.lanes[v].is_supported;
            bool has_groups = plan.group_count == 3 ||
                              plan.lanes[POSTURE_TLS_LANE_GROUPS13].is_incomplete ||
                              plan.lanes[POSTURE_TLS_LANE_GROUPS12].is_incomplete ||
                              is_unclear || plan.lanes[POSTURE_TLS_12].is_incomplete;
            bool is_right = has_groups;
            for (unsigned v = POSTURE_TLS_SSL3; v < POSTURE_TLS_VERSION_COUNT; v++) {
                const struct posture_tls_lane *lane = &plan.lanes[v];
                size_t want = list_len(server.suites[v]);
                if (want > 0 && !lane->is_supported && !is_unclear)
                    is_right = false;
                if (lane->is_supported && lane->found_count < want &&
                    !lane->is_incomplete)
                    is_right = false;
            }
            if (is_right)
                continue;
            print_error("%s from question %zu on: something is missing in silence\n",
                        storms[s].label, at);
            failures++;
        }
    }
    assert_int_equal(failures, 0);
}

/* One answer, or a few, refused without cause (a rate limit that opens again, one bad
 * server behind a balancer): no suite and no version is missing in silence. */
static void test_moments_are_no_refusals(void **state)
{
    (void)state;
    static const struct server models[] = {
        {.label = "client's order",
         .suites = {[POSTURE_TLS_10] = {0x002f, 0x000a},
                    [POSTURE_TLS_12] = {MODERN12},
                    [POSTURE_TLS_13] = {MODERN13, 0x1303}},
         .groups13 = {0x1d, 0x17},
         .groups12 = {0x1d, 0x17, 0x18}},
        {.label = "its own order",
         .traits = OWN_ORDER,
         .suites = {[POSTURE_TLS_10] = {0x000a},
                    [POSTURE_TLS_12] = {MODERN12},
                    [POSTURE_TLS_13] = {MODERN13}},
         .groups13 = {0x1d, 0x17},
         .groups12 = {0x1d, 0x17, 0x18}},
    };
    static struct posture_tls_plan plan;
    int failures = 0;
    for (size_t m = 0; m < POSTURE_COUNT(models); m++) {
        size_t all = plan_run(&models[m], 0, POSTURE_TLS_ALERTED, 0, &plan);
        for (size_t run = 0; run < 3 * all; run++) {
            size_t at = 1 + run / 3, len = 1 + run % 3;
            enum posture_tls_outcome outcome =
                run % 2 ? POSTURE_TLS_ALERTED : POSTURE_TLS_RESET;
            (void)plan_run_until(&models[m], at, at + len, outcome, 40, &plan);
            bool is_unclear = false;
            for (unsigned v = 0; v < POSTURE_TLS_VERSION_COUNT; v++)
                is_unclear |= plan.lanes[v].is_unclear && !plan.lanes[v].is_supported;
            for (unsigned v = POSTURE_TLS_SSL3; v < POSTURE_TLS_VERSION_COUNT; v++) {
                const struct posture_tls_lane *lane = &plan.lanes[v];
                size_t want = list_len(models[m].suites[v]);
                if (lane->found_count == want || lane->is_incomplete || is_unclear)
                    continue;
                print_error("%s, %zu refused from question %zu on: %zu of %zu suites in "
                            "%s\n",
                            models[m].label, len, at, lane->found_count, want,
                            posture_tls_version_name((enum posture_tls_version)v));
                failures++;
            }
        }
    }
    assert_int_equal(failures, 0);
}

/* Any sequence of outcomes comes to an end, and stop() ends it at any point. */
static void test_chaos_ends(void **state)
{
    (void)state;
    static struct posture_tls_plan plan;
    static struct posture_tls_question q;
    uint32_t seed = 1;
    for (int run = 0; run < 500; run++) {
        posture_tls_plan_init(&plan, tables, NULL);
        int questions = 0;
        while (!posture_tls_plan_is_done(&plan)) {
            assert_true(posture_tls_plan_next(&plan, &q));
            struct posture_tls_flight flight = {0};
            seed = seed * 1664525 + 1013904223;
            enum posture_tls_outcome outcome =
                run % 3 && (seed >> 16) % 3
                    ? POSTURE_TLS_ANSWERED
                    : (enum posture_tls_outcome)((seed >> 16) % 7);
            if (outcome == POSTURE_TLS_ANSWERED) {
                flight.has_hello = true;
                flight.version = (uint16_t)(0x0300 + (seed >> 8) % 6);
                if (q.hello.suite_count > 0)
                    flight.suite = q.hello.suites[(seed >> 4) % q.hello.suite_count];
                flight.has_group = seed & 1;
                if (q.hello.group_count > 0)
                    flight.group = q.hello.groups[(seed >> 5) % q.hello.group_count];
            }
            flight.alert = (uint8_t)(seed >> 24);
            posture_tls_plan_answer(&plan, &q, outcome, &flight);
            assert_true(++questions < 4000);
            if (run % 7 == 0 && questions == run)
                posture_tls_plan_stop(&plan);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_servers),
        cmocka_unit_test(test_storms_are_no_refusals),
        cmocka_unit_test(test_moments_are_no_refusals),
        cmocka_unit_test(test_chaos_ends),
    };
    return cmocka_run_group_tests(tests, tables_load, tables_free);
}
