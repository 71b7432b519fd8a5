/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#include "posture_criteria/gate.h"
#include "posture_criteria/rejudge.h"
#include "posture_crypto/tls_checks.h"

#include "common/base/clock.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define APPEND  (INT64_C(1795420800) * POSTURE_NS_PER_S) /* 2026-11-23T08:00:00Z */
#define SUBJECT "tls://www.moj.example:443"
#define KEY     "moj|noc1|tls|" SUBJECT

static const char registry_text[] = "{\"schema\":\"posture.registry/1\",\"agencies\":["
                                    "{\"id\":\"moj\",\"area\":\"central-government\","
                                    "\"max_subjects\":2,\"inventory\":[]}]}";
static const struct posture_check_set *const sets[] = {&posture_tls_checks, NULL};

/* Loaded once: they are read-only. */
static struct {
    struct posture_registry_index *registry;
    struct posture_schema *schema;
    struct posture_profile *profile;
} loaded;

struct world {
    struct posture_gate gate;
    struct posture_state *state;
    struct posture_gate_decision decision;
};

static int load(void **state)
{
    (void)state;
    json_auto_t *registry = json_loads(registry_text, 0, NULL);
    struct posture_error error = {0};
    int r =
        posture_registry_index_new(registry, "111111111111", &loaded.registry, &error);
    if (r == 0)
        r = posture_schema_load(POSTURE_SOURCE_DIR "/schemas/report.v1.schema.json",
                                &loaded.schema, &error);
    if (r == 0)
        r = posture_profile_load(NULL, "cryptrec-ls0001-2022r2", &loaded.profile, &error);
    if (r < 0)
        print_error("%s\n", error.text);
    return r;
}

static int unload(void **state)
{
    (void)state;
    posture_registry_index_free(loaded.registry);
    posture_schema_free(loaded.schema);
    posture_profile_free(loaded.profile);
    return 0;
}

static int world_setup(void **state)
{
    struct world *world = calloc(1, sizeof(*world));
    world->gate = (struct posture_gate){.registry = loaded.registry,
                                        .schema = loaded.schema,
                                        .profile = loaded.profile,
                                        .sets = sets,
                                        .sources = posture_sources_new()};
    world->state = posture_state_new();
    *state = world;
    return 0;
}

static int world_teardown(void **state)
{
    struct world *world = *state;
    posture_sources_free(world->gate.sources);
    posture_state_free(world->state);
    posture_gate_decision_done(&world->decision);
    free(world);
    return 0;
}

/* One endpoint whose certificate ends at not_after. */
static char *body_of(const char *subject, const char *time, const char *not_after)
{
    return posture_asprintf(
        "{\"schema\":\"posture.report/"
        "1\",\"id\":\"019aaf7c-0008-7c1e-9d3b-5b0e7a4f21c6\","
        "\"time\":\"%s\",\"interval_s\":3600,\"agency\":\"moj\",\"reporter\":\"noc1\","
        "\"kind\":\"tls\",\"subject\":\"%s\",\"facts\":{\"tls\":{\"host\":\"www.moj."
        "example\","
        "\"port\":443,\"endpoints\":[{\"address\":\"203.0.113.7\",\"reachable\":true,"
        "\"versions\":[\"TLSv1.2\",\"TLSv1.3\"],\"suites\":{\"TLSv1.3\":"
        "[\"TLS_AES_256_GCM_SHA384\"],\"TLSv1.2\":"
        "[\"TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256\"]},\"groups\":[\"secp256r1\"],"
        "\"chains\":[{\"certificates\":[{\"subject\":\"CN=www\",\"issuer\":\"CN=ca\","
        "\"sans\":{\"dns\":[\"www.moj.example\"],\"ip\":[]},\"serial\":\"01\","
        "\"version\":3,"
        "\"key\":{\"type\":\"ec\",\"curve\":\"secp256r1\",\"bits\":256},\"signature\":"
        "{\"algorithm\":\"ecdsa_secp256r1_sha256\",\"name_oid\":\"1.2.840.10045.4.3.2\","
        "\"key_type\":\"ec\",\"hash\":\"sha256\"},\"not_before\":\"2026-01-01T00:00:00."
        "000Z\","
        "\"not_after\":\"%s\",\"sha256\":"
        "\"0000000000000000000000000000000000000000000000000000000000000000\"}],"
        "\"verification\":{\"store\":\"none\",\"chain\":\"ok\",\"name\":\"ok\"}}]}]}}}",
        time, subject, not_after);
}

static struct posture_message message_of(const char *value, uint64_t sequence)
{
    return (struct posture_message){.ce_type = "posture.report.v1",
                                    .ce_source = "//moj/noc1",
                                    .ce_id = "019aaf7c-0008-7c1e-9d3b-5b0e7a4f21c6",
                                    .ce_time_ns = APPEND,
                                    .epoch = 1,
                                    .sequence = sequence,
                                    .key = KEY,
                                    .key_len = strlen(KEY),
                                    .value = value,
                                    .value_len = value ? strlen(value) : 0};
}

static enum posture_gate_outcome
decide_at(struct world *world, const struct posture_message *message, int64_t append_ns)
{
    const struct posture_gate_input input = {.message = message,
                                             .value_len = message->value_len,
                                             .topic = "reports.v1",
                                             .append_ns = append_ns};
    assert_int_equal(
        posture_gate_decide(&world->gate, world->state, &input, &world->decision), 0);
    if (world->decision.outcome == POSTURE_GATE_ACCEPTED)
        assert_int_equal(posture_state_accept(
                             world->state, message->key, message->key_len, message->epoch,
                             message->sequence, &world->decision.verdict),
                         0);
    return world->decision.outcome;
}

static enum posture_gate_outcome decide(struct world *world,
                                        const struct posture_message *message)
{
    return decide_at(world, message, APPEND + POSTURE_NS_PER_S);
}

#define TIME  "2026-11-23T08:00:00.000Z"
#define LATER "2027-11-23T08:00:00.000Z"

/* Each check of the kind gives one result, whatever the facts. */
static size_t check_count(void)
{
    POSTURE_AUTO_RESULTS struct posture_results results = {0};
    assert_int_equal(posture_judge(sets, "tls", NULL, NULL, loaded.profile, 0, &results),
                     0);
    assert_true(results.count > 0);
    return results.count;
}

static void test_accepted(void **state)
{
    struct world *world = *state;
    POSTURE_AUTO_FREE char *body = body_of(SUBJECT, TIME, LATER);
    struct posture_message message = message_of(body, 1);
    assert_int_equal(decide(world, &message), POSTURE_GATE_ACCEPTED);
    const struct posture_judgement *verdict = &world->decision.verdict;
    assert_int_equal(verdict->count, check_count());
    assert_int_equal(posture_judgement_find(verdict, "tls.version")->status,
                     POSTURE_RESULT_PASS);
    assert_int_equal(posture_judgement_find(verdict, "tls.cert.chain")->status,
                     POSTURE_RESULT_NA);
    assert_true(posture_judgement_find(verdict, "tls.strength_until")->has_value);
    assert_int_equal(verdict->time_ns, APPEND);
    assert_int_equal(verdict->flags, 0);
    assert_ptr_equal(world->decision.value, body);
    print_message("%zu bytes: %s\n", world->decision.header_len, world->decision.header);

    /* The header says the same to whoever reads it. */
    struct posture_judgement back;
    assert_int_equal(posture_judgement_decode(world->decision.header,
                                              world->decision.header_len, "tls", &back),
                     0);
    assert_int_equal(back.count, check_count());
    assert_string_equal(back.profile, posture_profile_digest(loaded.profile));
}

static void test_rejected(void **state)
{
    POSTURE_AUTO_FREE char *good = body_of(SUBJECT, TIME, LATER);
    POSTURE_AUTO_FREE char *other = body_of("tls://x.moj.example:443", TIME, LATER);
    POSTURE_AUTO_FREE char *deep = posture_malloc(5001);
    POSTURE_AUTO_FREE char *twice = posture_asprintf("{\"agency\":\"moj\",%s", good + 1);
    POSTURE_AUTO_FREE char *large = posture_malloc(POSTURE_REPORT_MAX + 2);
    memset(deep, '[', 5000);
    deep[5000] = '\0';
    memset(large, ' ', POSTURE_REPORT_MAX + 1);
    large[POSTURE_REPORT_MAX + 1] = '\0';
    const struct {
        const char *label, *value, *type, *source, *key;
        enum posture_gate_reason reason;
    } rows[] = {
        {"too large", large, NULL, NULL, NULL, POSTURE_GATE_TOO_LARGE},
        {"not JSON", "hello", NULL, NULL, NULL, POSTURE_GATE_JSON},
        {"empty", "", NULL, NULL, NULL, POSTURE_GATE_JSON},
        {"deep", deep, NULL, NULL, NULL, POSTURE_GATE_DEPTH},
        {"duplicate keys", twice, NULL, NULL, NULL, POSTURE_GATE_JSON},
        {"not UTF-8", "{\"a\":\"\xff\"}", NULL, NULL, NULL, POSTURE_GATE_JSON},
        {"wrong schema", "{\"schema\":\"posture.report/2\"}", NULL, NULL, NULL,
         POSTURE_GATE_SCHEMA},
        {"null value", NULL, NULL, NULL, NULL, POSTURE_GATE_NULL_VALUE},
        {"retirement with a value", good, "posture.retire.v1", NULL, NULL,
         POSTURE_GATE_NULL_VALUE},
        {"no such type", good, "posture.incident.v1", NULL, NULL, POSTURE_GATE_TYPE},
        {"heartbeat of another kind", good, "posture.heartbeat.v1", NULL, NULL,
         POSTURE_GATE_TYPE},
        {"report of kind reporter", good, NULL, NULL, "moj|noc1|reporter|reporter://noc1",
         POSTURE_GATE_TYPE},
        {"key without subject", good, NULL, NULL, "moj|noc1|tls", POSTURE_GATE_KEY},
        {"unknown agency", good, NULL, "//mof/noc1", "mof|noc1|tls|" SUBJECT,
         POSTURE_GATE_AGENCY},
        {"source of another agency", good, NULL, "//mof/noc1", NULL,
         POSTURE_GATE_MISMATCH},
        {"source of another reporter", good, NULL, "//moj/noc11", NULL,
         POSTURE_GATE_MISMATCH},
        {"source cut short", good, NULL, "//moj/", NULL, POSTURE_GATE_MISMATCH},
        {"body of another subject", other, NULL, NULL, NULL, POSTURE_GATE_MISMATCH},
        {"subject not canonical", good, NULL, NULL,
         "moj|noc1|tls|tls://WWW.moj.example:443", POSTURE_GATE_SUBJECT},
        {"subject of another kind", good, NULL, NULL,
         "moj|noc1|tls|ssh://www.moj.example:22", POSTURE_GATE_SUBJECT},
    };
    for (size_t i = 0; i < POSTURE_COUNT(rows); i++) {
        struct world *world = *state;
        struct posture_message message = message_of(rows[i].value, i + 1);
        message.ce_type = rows[i].type ? rows[i].type : message.ce_type;
        message.ce_source = rows[i].source ? rows[i].source : message.ce_source;
        message.key = rows[i].key ? rows[i].key : message.key;
        message.key_len = strlen(message.key);
        enum posture_gate_outcome outcome = decide(world, &message);
        print_message("%s: %s\n", rows[i].label, world->decision.text);
        assert_int_equal(outcome, POSTURE_GATE_REJECTED);
        assert_string_equal(posture_gate_reason_name(world->decision.reason),
                            posture_gate_reason_name(rows[i].reason));
        assert_int_equal(posture_state_count(world->state), 0);
    }
}

static void test_nul_and_headers(void **state)
{
    struct world *world = *state;
    struct posture_message message = message_of("{}", 1);
    message.value = "{}\0";
    message.value_len = 3;
    assert_int_equal(decide(world, &message), POSTURE_GATE_REJECTED);
    assert_int_equal(world->decision.reason, POSTURE_GATE_JSON);

    struct posture_error error = {.text = "header ce_type: miss\ning"};
    struct posture_gate_input input = {.header_error = &error, .append_ns = APPEND};
    assert_int_equal(
        posture_gate_decide(&world->gate, world->state, &input, &world->decision), 0);
    assert_int_equal(world->decision.reason, POSTURE_GATE_HEADERS);
    assert_string_equal(world->decision.text, "headers: header ce_type: miss\\x0aing");
    input.header_bytes = POSTURE_GATE_HEADERS_MAX + 1;
    assert_int_equal(
        posture_gate_decide(&world->gate, world->state, &input, &world->decision), 0);
    assert_int_equal(world->decision.reason, POSTURE_GATE_TOO_LARGE);
    assert_int_equal(world->gate.counters.rejected[POSTURE_GATE_TOO_LARGE], 1);
}

static void test_newer(void **state)
{
    struct world *world = *state;
    POSTURE_AUTO_FREE char *body = body_of(SUBJECT, TIME, LATER);
    static const struct {
        const char *label;
        uint64_t epoch, sequence;
        enum posture_gate_outcome outcome;
    } rows[] = {
        {"first", 5, 10, POSTURE_GATE_ACCEPTED},
        {"again", 5, 10, POSTURE_GATE_DUPLICATE},
        {"late", 5, 9, POSTURE_GATE_DUPLICATE},
        {"replayed epoch", 4, 100, POSTURE_GATE_DUPLICATE},
        {"next", 5, 11, POSTURE_GATE_ACCEPTED},
        {"gap of three", 5, 15, POSTURE_GATE_ACCEPTED},
        {"new epoch", 6, 1, POSTURE_GATE_ACCEPTED},
    };
    for (size_t i = 0; i < POSTURE_COUNT(rows); i++) {
        struct posture_message message = message_of(body, rows[i].sequence);
        print_message("%s\n", rows[i].label);
        message.epoch = rows[i].epoch;
        assert_int_equal(decide(world, &message), rows[i].outcome);
    }
    assert_int_equal(world->gate.counters.accepted, 4);
    assert_int_equal(world->gate.counters.duplicates, 3);
    assert_int_equal(world->gate.counters.sequence_missing, 3);
    assert_int_equal(world->gate.counters.new_epochs, 1);
}

static void test_clock(void **state)
{
    static const struct {
        const char *label, *time;
        int64_t time_ns;
        unsigned flags;
    } rows[] = {
        {"late", "2026-11-20T08:00:00.000Z", APPEND - 3 * 86400 * POSTURE_NS_PER_S, 0},
        {"a little ahead", "2026-11-23T08:04:59.000Z", APPEND, 0},
        {"300 s ahead", "2026-11-23T08:05:00.000Z", APPEND, 0},
        {"more", "2026-11-23T08:05:00.001Z", APPEND, POSTURE_JUDGEMENT_CLOCK},
        {"years", "2036-11-23T08:05:00.001Z", APPEND, POSTURE_JUDGEMENT_CLOCK},
    };
    for (size_t i = 0; i < POSTURE_COUNT(rows); i++) {
        struct world *world = *state;
        POSTURE_AUTO_FREE char *body = body_of(SUBJECT, rows[i].time, LATER);
        struct posture_message message = message_of(body, i + 1);
        print_message("%s\n", rows[i].label);
        assert_int_equal(decide_at(world, &message, APPEND), POSTURE_GATE_ACCEPTED);
        assert_int_equal(world->decision.verdict.time_ns, rows[i].time_ns);
        assert_int_equal(world->decision.verdict.flags, rows[i].flags);
    }
    assert_int_equal(((struct world *)*state)->gate.counters.clock_ahead, 2);
}

static void test_max_subjects(void **state)
{
    struct world *world = *state;
    static const char *const subjects[] = {"tls://a.example:443", "tls://b.example:443",
                                           "tls://c.example:443", "tls://a.example:443"};
    for (size_t i = 0; i < POSTURE_COUNT(subjects); i++) {
        POSTURE_AUTO_FREE char *body = body_of(subjects[i], TIME, LATER);
        POSTURE_AUTO_FREE char *key = posture_asprintf("moj|noc1|tls|%s", subjects[i]);
        struct posture_message message = message_of(body, i + 1);
        message.key = key;
        message.key_len = strlen(key);
        assert_int_equal(decide(world, &message),
                         i == 2 ? POSTURE_GATE_REJECTED : POSTURE_GATE_ACCEPTED);
        if (i == 2)
            assert_int_equal(world->decision.reason, POSTURE_GATE_MAX_SUBJECTS);
    }
}

static void test_retired(void **state)
{
    struct world *world = *state;
    struct posture_message message = message_of(NULL, 7);
    message.ce_type = "posture.retire.v1";
    assert_int_equal(decide(world, &message), POSTURE_GATE_ACCEPTED);
    assert_int_equal(world->decision.verdict.flags, POSTURE_JUDGEMENT_RETIRED);
    assert_int_equal(world->decision.verdict.count, 0);
    char *value = posture_strndup(world->decision.value, world->decision.value_len);
    assert_string_equal(value,
                        "{\"schema\":\"posture.retired/1\",\"time\":\"" TIME
                        "\",\"agency\":\"moj\",\"reporter\":\"noc1\",\"kind\":\"tls\","
                        "\"subject\":\"" SUBJECT "\"}");
    free(value);
    assert_int_equal(decide(world, &message), POSTURE_GATE_DUPLICATE);
    /* A report that is newer takes it back. */
    POSTURE_AUTO_FREE char *body = body_of(SUBJECT, TIME, LATER);
    message = message_of(body, 8);
    assert_int_equal(decide(world, &message), POSTURE_GATE_ACCEPTED);
    assert_int_equal(world->decision.verdict.flags, 0);
}

/* The certificate ended between the measurement and its arrival: failing since then. */
static void test_since_of_an_expiry(void **state)
{
    struct world *world = *state;
    int64_t end_ns = APPEND + 3600 * POSTURE_NS_PER_S;
    POSTURE_AUTO_FREE char *body = body_of(SUBJECT, TIME, "2026-11-23T09:00:00.000Z");
    struct posture_message message = message_of(body, 1);
    assert_int_equal(decide_at(world, &message, end_ns + 60 * POSTURE_NS_PER_S),
                     POSTURE_GATE_ACCEPTED);
    const struct posture_judgement_item *item =
        posture_judgement_find(&world->decision.verdict, "tls.cert.validity");
    assert_int_equal(item->status, POSTURE_RESULT_FAIL);
    assert_true(item->since_ns >= end_ns && item->since_ns <= end_ns + POSTURE_NS_PER_S);
    assert_int_equal(
        posture_judgement_find(&world->decision.verdict, "tls.version")->since_ns,
        APPEND);

    /* Arrived before its end, judged again after it: the same since, whoever judges when.
     */
    message = message_of(body, 2);
    assert_int_equal(decide_at(world, &message, APPEND + POSTURE_NS_PER_S),
                     POSTURE_GATE_ACCEPTED);
    message.verdict = world->decision.header;
    message.verdict_len = world->decision.header_len;
    for (int days = 1; days < 30; days += 14) {
        const struct posture_rejudge_context context = {
            .profile = loaded.profile,
            .sets = sets,
            .now_ns = end_ns + days * 86400 * POSTURE_NS_PER_S};
        struct posture_judgement verdict;
        bool is_rejudged;
        assert_int_equal(
            posture_rejudge(&context, "tls", &message, &verdict, &is_rejudged), 0);
        assert_true(is_rejudged);
        const struct posture_judgement_item *again =
            posture_judgement_find(&verdict, "tls.cert.validity");
        assert_int_equal(again->status, POSTURE_RESULT_FAIL);
        assert_true(again->since_ns >= end_ns &&
                    again->since_ns <= end_ns + POSTURE_NS_PER_S);
    }
}

static void test_rejudge_only_when_needed(void **state)
{
    struct world *world = *state;
    POSTURE_AUTO_FREE char *body = body_of(SUBJECT, TIME, LATER);
    struct posture_message message = message_of(body, 1);
    assert_int_equal(decide(world, &message), POSTURE_GATE_ACCEPTED);
    char header[POSTURE_JUDGEMENT_MAX + 1];
    (void)snprintf(header, sizeof(header), "%s", world->decision.header);
    message.verdict = header;
    message.verdict_len = strlen(header);
    const struct posture_rejudge_context context = {.profile = loaded.profile,
                                                    .sets = sets,
                                                    .now_ns =
                                                        APPEND + 60 * POSTURE_NS_PER_S};
    struct posture_judgement verdict;
    bool is_rejudged;
    const char *whole = message.value;
    message.value = "not read";
    message.value_len = 8;
    assert_int_equal(posture_rejudge(&context, "tls", &message, &verdict, &is_rejudged),
                     0);
    assert_false(is_rejudged);
    assert_int_equal(verdict.count, check_count());

    /* By another profile the body is read; what has the same result keeps its since. */
    message.value = whole;
    message.value_len = strlen(whole);
    memcpy(strstr(header, ";p=") + 3, "ffffffffffff", 12);
    assert_int_equal(posture_rejudge(&context, "tls", &message, &verdict, &is_rejudged),
                     0);
    assert_true(is_rejudged);
    assert_string_equal(verdict.profile, posture_profile_digest(loaded.profile));
    assert_int_equal(posture_judgement_find(&verdict, "tls.version")->since_ns, APPEND);

    message.verdict = NULL;
    assert_int_equal(posture_rejudge(&context, "tls", &message, &verdict, &is_rejudged),
                     0);
    assert_int_equal(verdict.count, check_count());
    message.value = "not read";
    message.value_len = 8;
    assert_int_equal(posture_rejudge(&context, "tls", &message, &verdict, &is_rejudged),
                     POSTURE_E_FORMAT);
    assert_null(posture_rejudge_detail(&context, &message));
}

static void test_heartbeat_and_ack(void **state)
{
    struct world *world = *state;
    static const char body[] =
        "{\"schema\":\"posture.report/"
        "1\",\"id\":\"019aaf7c-0008-7c1e-9d3b-5b0e7a4f21c6\","
        "\"time\":\"" TIME
        "\",\"interval_s\":60,\"agency\":\"moj\",\"reporter\":\"noc1\","
        "\"kind\":\"reporter\",\"subject\":\"reporter://noc1\",\"facts\":{\"reporter\":{"
        "\"version\":\"0.1\",\"spool\":{\"epoch\":1,\"accepted\":1,\"delivered\":1,"
        "\"spooled\":0,\"evicted\":0,\"refused\":0,\"corrupt\":0,\"quarantined\":0}}}}";
    struct posture_message message = message_of(body, 1);
    message.ce_type = "posture.heartbeat.v1";
    message.key = "moj|noc1|reporter|reporter://noc1";
    message.key_len = strlen(message.key);
    enum posture_gate_outcome outcome = decide(world, &message);
    print_message("%s\n", world->decision.text);
    assert_int_equal(outcome, POSTURE_GATE_ACCEPTED);
    assert_int_equal(world->decision.verdict.count, 0);
    assert_string_equal(world->decision.verdict.profile, "");
    message = message_of("anything", 2);
    message.ce_type = "posture.ack.v1";
    assert_int_equal(decide(world, &message), POSTURE_GATE_NOTED);
}

static void test_no_memory(void **state)
{
    struct world *world = *state;
    POSTURE_AUTO_FREE char *body = body_of(SUBJECT, TIME, LATER);
    struct posture_message message = message_of(body, 1);
    const struct posture_gate_input input = {.message = &message,
                                             .value_len = message.value_len,
                                             .topic = "reports.v1",
                                             .append_ns = APPEND};
    for (unsigned long n = 1;; n++) {
        posture_alloc_fail_at(n, 0);
        int r = posture_gate_decide(&world->gate, world->state, &input, &world->decision);
        posture_alloc_fail_at(0, 0);
        if (r == 0 && world->decision.outcome == POSTURE_GATE_ACCEPTED)
            break;
        assert_true(r == -ENOMEM || r == 0);
        assert_true(n < 1000);
    }
}

#define WORLD_TEST(fn) cmocka_unit_test_setup_teardown(fn, world_setup, world_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WORLD_TEST(test_accepted),
        WORLD_TEST(test_rejected),
        WORLD_TEST(test_nul_and_headers),
        WORLD_TEST(test_newer),
        WORLD_TEST(test_clock),
        WORLD_TEST(test_max_subjects),
        WORLD_TEST(test_retired),
        WORLD_TEST(test_since_of_an_expiry),
        WORLD_TEST(test_rejudge_only_when_needed),
        WORLD_TEST(test_heartbeat_and_ack),
        WORLD_TEST(test_no_memory),
    };
    return cmocka_run_group_tests(tests, load, unload);
}
