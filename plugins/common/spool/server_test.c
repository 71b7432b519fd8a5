/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */

/* Server and workers' client over a real socket and a real spool on one loop. */

#include "common/spool/server_testing.h"

static void test_stored(void **state)
{
    struct fixture *f = *state;
    client_start(f, 1 << 20);
    char subject[64];
    for (int i = 0; i < 500; i++) {
        snprintf(subject, sizeof(subject), "tls://host%d.example:443", i);
        assert_int_equal(send_report(f, "tls", subject), 0);
    }
    LOOP_UNTIL(f, f->stored == 500);
    struct posture_spool_server_stats stats;
    posture_spool_server_stats(f->server, &stats);
    assert_int_equal(stats.entries_stored, 500);
    assert_in_range(stats.commits, 1, 20); /* not one a report */
    assert_int_equal(f->after_commit, stats.commits);
    assert_int_equal(f->accepted, 500);
    assert_int_equal(testing_assign(f->spool, 1), 1);
    struct posture_spool_record record;
    assert_int_equal(posture_spool_next(f->spool, &record), 1);
    assert_string_equal(record.entry.key,
                        "moj|noc1.moj.example|tls|tls://host0.example:443");
    assert_string_equal(record.entry.plugin, "posture_crypto");
    assert_string_equal(record.entry.ce_type, "posture.report.v1");
    assert_int_equal(record.entry.time_ns, 42);
    struct posture_spool_client_stats client;
    posture_spool_client_stats(f->client, &client);
    assert_int_equal(client.pending, 0);
    assert_int_equal(client.stored, 500);
}

static void test_refused(void **state)
{
    struct fixture *f = *state;
    client_start(f, 1 << 20);
    static const struct {
        const char *label, *kind, *subject, *body_agency, *body_kind, *body_subject,
            *body_id, *reason;
    } rows[] = {
        {"agency", "tls", "tls://a.example:443", "mof", "tls", "tls://a.example:443",
         "id", "agency is 'mof'"},
        {"kind in the body", "tls", "tls://b.example:443", "moj", "ssh",
         "tls://b.example:443", "id", "kind is 'ssh'"},
        {"kind of another plugin", "ipv6", "ipv6://c.example", "moj", "ipv6",
         "ipv6://c.example", "id", "kind 'ipv6' is not"},
        {"subject", "tls", "tls://d.example:443", "moj", "tls", "tls://e.example:443",
         "id", "subject is"},
        {"id", "tls", "tls://f.example:443", "moj", "tls", "tls://f.example:443", "other",
         "id is 'other'"},
        {"spelling", "tls", "tls://G.example:443", "moj", "tls", "tls://G.example:443",
         "id", "canonical"},
        {"bar in the subject", "tls", "tls://h|i.example:443", "moj", "tls",
         "tls://h|i.example:443", "id", "canonical"},
    };
    for (size_t i = 0; i < POSTURE_COUNT(rows); i++) {
        char body[1024];
        body_format(body, sizeof(body), rows[i].body_agency, rows[i].body_kind,
                    rows[i].body_subject, rows[i].body_id);
        assert_int_equal(posture_spool_client_report(f->client, rows[i].kind,
                                                     rows[i].subject, "id", 1, body,
                                                     strlen(body)),
                         0);
        int before = f->refused;
        LOOP_UNTIL(f, f->refused == before + 1);
        if (!strstr(f->last_reason, rows[i].reason))
            fail_msg("%s: got '%s'", rows[i].label, f->last_reason);
    }
    static const char *const bodies[] = {"",         "{",  "[]", "{\"a\":1,\"a\":2}",
                                         "\"\xFF\"", "{}x"};
    for (size_t i = 0; i < POSTURE_COUNT(bodies); i++) {
        assert_int_equal(posture_spool_client_report(f->client, "tls",
                                                     "tls://j.example:443", "id", 1,
                                                     bodies[i], strlen(bodies[i])),
                         0);
        int before = f->refused;
        LOOP_UNTIL(f, f->refused == before + 1);
    }
    assert_int_equal(f->stored, 0);
    assert_int_equal(testing_stats(f->spool).accepted, 0);
    assert_int_equal(f->need, 1); /* the connection lived through all of it */
}

/* What is not stored is kept, the latest of each subject, and sent again after the
 * connection broke. */
static void test_reconnect(void **state)
{
    struct fixture *f = *state;
    client_start(f, 1 << 20);
    LOOP_UNTIL(f, f->welcome == 1);
    posture_spool_server_close(f->server);
    for (int i = 0; i < 5; i++)
        uv_run(&f->loop, UV_RUN_NOWAIT);
    for (int i = 0; i < 50; i++)
        assert_int_equal(send_report(f, "tls", "tls://a.example:443"), 0);
    assert_int_equal(send_report(f, "ssh", "ssh://a.example:22"), 0);
    struct posture_spool_client_stats stats;
    posture_spool_client_stats(f->client, &stats);
    assert_int_equal(stats.pending, 2);
    server_start(f, getuid());
    LOOP_UNTIL(f, f->stored == 2);
    assert_int_equal(f->welcome, 2);
    posture_spool_client_stats(f->client, &stats);
    assert_int_equal(stats.reconnects, 1);
    assert_int_equal(stats.pending, 0);
    assert_int_equal(stats.dropped, 0);
}

static void test_bounded(void **state)
{
    struct fixture *f = *state;
    f->plugin = "posture_unknown"; /* never let in */
    client_start(f, 20000);
    char subject[64];
    for (int i = 0; i < 300; i++) {
        snprintf(subject, sizeof(subject), "tls://host%d.example:443", i);
        assert_int_equal(send_report(f, "tls", subject), 0);
    }
    struct posture_spool_client_stats stats;
    posture_spool_client_stats(f->client, &stats);
    assert_in_range(stats.pending, 20, 80);
    assert_int_equal(stats.dropped, 300 - stats.pending);
    static char large[30000];
    assert_int_equal(
        posture_spool_client_report(f->client, "tls", "s", "i", 0, large, sizeof(large)),
        POSTURE_E_LIMIT);
    LOOP_UNTIL(f, f->peers == 1);
    assert_string_equal(f->last_text, "no such plugin");
    LOOP_UNTIL(f, f->need == 2); /* and it tries again, after a pause */
    assert_int_equal(f->welcome, 0);
}

static void test_another_user(void **state)
{
    struct fixture *f = *state;
    posture_spool_server_close(f->server);
    uv_run(&f->loop, UV_RUN_NOWAIT);
    server_start(f, getuid() + 1);
    client_start(f, 20000);
    LOOP_UNTIL(f, f->peers == 1);
    assert_non_null(strstr(f->last_text, "is not let in"));
    assert_int_equal(f->welcome, 0);
}

/* "Not now" is asked again until it is stored, without the owner's doing. */
static void test_retry(void **state)
{
    struct fixture *f = *state;
    client_start(f, 1 << 20);
    f->spool->config.reserve_bytes = UINT64_MAX;
    assert_int_equal(send_report(f, "tls", "tls://a.example:443"), 0);
    LOOP_UNTIL(f, testing_stats(f->spool).not_accepted >= 2);
    assert_int_equal(f->stored + f->refused, 0);
    f->spool->config.reserve_bytes = 0;
    LOOP_UNTIL(f, f->stored == 1);

    f->in_transaction_result = -EIO; /* the transaction fails as a whole */
    assert_int_equal(send_report(f, "tls", "tls://b.example:443"), 0);
    assert_int_equal(send_report(f, "tls", "tls://c.example:443"), 0);
    LOOP_UNTIL(f, f->failed >= 1);
    assert_int_equal(testing_stats(f->spool).accepted, 1);
    f->in_transaction_result = 0;
    LOOP_UNTIL(f, f->stored == 3);
    assert_int_equal(testing_stats(f->spool).accepted, 3);
    struct posture_spool_client_stats stats;
    posture_spool_client_stats(f->client, &stats);
    assert_int_equal(stats.reconnects, 0);
}

static void test_request_commit(void **state)
{
    struct fixture *f = *state;
    posture_spool_server_request_commit(f->server);
    LOOP_UNTIL(f, f->after_commit == 1);
    assert_int_equal(f->in_transaction, 1);
    uv_run(&f->loop, UV_RUN_NOWAIT);
    assert_int_equal(f->after_commit, 1); /* once */
}

/* Memory runs out at every point of taking a report in: the client keeps it, the server
 * lives. */
static void test_oom(void **state)
{
    struct fixture *f = *state;
    client_start(f, 1 << 20);
    LOOP_UNTIL(f, f->welcome == 1);
    unsigned long failed = 0;
    for (unsigned long n = 1; n < 40; n++) {
        char subject[64];
        snprintf(subject, sizeof(subject), "tls://host%lu.example:443", n);
        posture_alloc_fail_at(n, 0);
        int r = send_report(f, "tls", subject);
        for (int i = 0; r == 0 && i < 10; i++)
            uv_run(&f->loop, UV_RUN_NOWAIT);
        failed += posture_alloc_count() >= n;
        posture_alloc_fail_at(0, 0);
        if (r < 0) {
            assert_int_equal(r, -ENOMEM);
            assert_int_equal(send_report(f, "tls", subject), 0);
        }
    }
    assert_true(failed > 5);
    LOOP_UNTIL(f, f->stored == 39);
    assert_true(testing_stats(f->spool).accepted >= 39);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_stored, setup, teardown),
        cmocka_unit_test_setup_teardown(test_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(test_reconnect, setup, teardown),
        cmocka_unit_test_setup_teardown(test_bounded, setup, teardown),
        cmocka_unit_test_setup_teardown(test_another_user, setup, teardown),
        cmocka_unit_test_setup_teardown(test_retry, setup, teardown),
        cmocka_unit_test_setup_teardown(test_request_commit, setup, teardown),
        cmocka_unit_test_setup_teardown(test_oom, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
