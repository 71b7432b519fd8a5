/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */

/* The same facts under every profile, side by side: where the standards of different
 * countries disagree, each says what it says. */

#include "common/base/clock.h"
#include "common/report/json.h"
#include "posture_crypto/tls_checks.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define SCHEMAS POSTURE_SOURCE_DIR "/schemas"

enum { CRYPTREC, NCSC, ITSP, INTERMEDIATE, MODERN, BOD, PROFILES };

static const char *const ids[PROFILES] = {
    [CRYPTREC] = "cryptrec-ls0001-2022r2",
    [NCSC] = "ncsc-nl-2025",
    [ITSP] = "itsp-40-062",
    [INTERMEDIATE] = "mozilla-intermediate",
    [MODERN] = "mozilla-modern",
    [BOD] = "bod-18-01",
};

static struct posture_profile *profiles[PROFILES];

static int profiles_load(void **state)
{
    (void)state;
    for (size_t i = 0; i < PROFILES; i++) {
        struct posture_error error = {0};
        if (posture_profile_load(SCHEMAS, ids[i], &profiles[i], &error) < 0) {
            fprintf(stderr, "%s: %s: %s\n", ids[i], error.file, error.text);
            return -1;
        }
    }
    return 0;
}

static int profiles_free(void **state)
{
    (void)state;
    for (size_t i = 0; i < PROFILES; i++)
        profiles[i] = posture_profile_free(profiles[i]);
    return 0;
}

/* One thing at a time is out of the ordinary; the rest is what all accept. */
struct thing {
    const char *label;
    const char *check;
    const char *want; /* by profile: P pass, W warn, F fail, U unknown, N na */
    const char *version, *suite, *group, *key, *hash;
    int dhe_bits;
};

static const struct thing things[] = {
    {"nothing odd", "tls.suites", "PPPPFP", .suite = NULL},
    {"Camellia", "tls.suites", "PWFFFP",
     .suite = "TLS_ECDHE_RSA_WITH_CAMELLIA_128_GCM_SHA256"},
    {"ChaCha20-Poly1305", "tls.suites", "PPFPFP",
     .suite = "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256"},
    {"CBC with SHA-256", "tls.suites", "PWPFFP",
     .suite = "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256"},
    {"CBC with SHA-1", "tls.suites", "WFWFFP",
     .suite = "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA"},
    {"CCM with a short tag", "tls.suites", "PFPFFP",
     .suite = "TLS_ECDHE_ECDSA_WITH_AES_128_CCM_8"},
    {"3DES", "tls.suites", "WFWFFF", .suite = "TLS_ECDHE_RSA_WITH_3DES_EDE_CBC_SHA"},
    {"RC4", "tls.suites", "FFFFFF", .suite = "TLS_ECDHE_RSA_WITH_RC4_128_SHA"},
    {"code point that nobody has named", "tls.suites", "UFFFFU", .suite = "0x5A5B"},
    {"static RSA", "tls.key_exchange", "WFWFFN",
     .suite = "TLS_RSA_WITH_AES_128_GCM_SHA256"},
    {"DHE, the exchange", "tls.key_exchange", "PWWFFN",
     .suite = "TLS_DHE_RSA_WITH_AES_128_GCM_SHA256", .dhe_bits = 3072},
    {"DHE 1024", "tls.groups", "FFFFFN", .suite = "TLS_DHE_RSA_WITH_AES_128_GCM_SHA256",
     .dhe_bits = 1024},
    {"DHE 2048", "tls.groups", "WFWFFN", .suite = "TLS_DHE_RSA_WITH_AES_128_GCM_SHA256",
     .dhe_bits = 2048},
    {"DHE 3072", "tls.groups", "PWWFFN", .suite = "TLS_DHE_RSA_WITH_AES_128_GCM_SHA256",
     .dhe_bits = 3072},
    {"P-256", "tls.groups", "PPPPPN", .group = "secp256r1"},
    {"P-521", "tls.groups", "PPPFFN", .group = "secp521r1"},
    {"P-224", "tls.groups", "WWWFFN", .group = "secp224r1"},
    {"X25519", "tls.groups", "PPFPPN", .group = "x25519"},
    {"X448", "tls.groups", "PPFFFN", .group = "x448"},
    {"Brainpool", "tls.groups", "UPFFFN", .group = "brainpoolP256r1"},
    {"ffdhe3072", "tls.groups", "PWPFFN", .group = "ffdhe3072"},
    {"hybrid with ML-KEM", "tls.groups", "PUUPPN", .group = "X25519MLKEM768"},
    {"hybrid, whether it is asked for", "tls.pq_hybrid", "PNNPPN",
     .group = "X25519MLKEM768"},
    {"RSA 1024", "tls.cert.key", "FFFFFN", .key = "{\"type\":\"rsa\",\"bits\":1024}"},
    {"RSA 2048", "tls.cert.key", "WWPPFN", .key = "{\"type\":\"rsa\",\"bits\":2048}"},
    {"RSA 3072", "tls.cert.key", "PPPPFN", .key = "{\"type\":\"rsa\",\"bits\":3072}"},
    {"RSA of no known size", "tls.cert.key", "UUUUFN", .key = "{\"type\":\"rsa\"}"},
    {"ECDSA P-256", "tls.cert.key", "PPPPPN",
     .key = "{\"type\":\"ec\",\"curve\":\"secp256r1\",\"bits\":256}"},
    {"Ed25519", "tls.cert.key", "PPPFFN", .key = "{\"type\":\"ed25519\",\"bits\":256}"},
    {"SHA-1 signature", "tls.cert.signature", "FFFFFN", .hash = "sha1"},
    {"SHA-224 signature", "tls.cert.signature", "FWWFFN", .hash = "sha224"},
    {"SHA-256 signature", "tls.cert.signature", "PPPPFN", .hash = "sha256"},
    {"SHA-384 with RSA", "tls.cert.signature", "PPPFFN", .hash = "sha384"},
    {"TLS 1.2", "tls.version", "PPPPFP", .version = "TLSv1.2"},
    {"TLS 1.0 beside TLS 1.2", "tls.version", "WFFFFP", .version = "TLSv1.0"},
    {"SSL 3.0 beside TLS 1.2", "tls.version", "FFFFFF", .version = "SSLv3"},
};

static json_t *facts_make(const struct thing *thing)
{
    const char *suite =
        thing->suite ? thing->suite : "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256";
    const char *version = thing->version ? thing->version : "TLSv1.2";
    const char *hash = thing->hash ? thing->hash : "sha256";
    char dhe[32] = "";
    if (thing->dhe_bits)
        snprintf(dhe, sizeof(dhe), "\"dhe_bits\":%d,", thing->dhe_bits);
    bool is_beside = strcmp(version, "TLSv1.2") != 0;
    POSTURE_AUTO_FREE char *text = posture_asprintf(
        "{\"host\":\"www.example.go.jp\",\"port\":443,\"endpoints\":[{"
        "\"address\":\"203.0.113.7\",\"reachable\":true,"
        "\"versions\":[%s%s%s\"TLSv1.2\"],"
        "\"suites\":{%s%s%s\"TLSv1.2\":[\"%s\"]},"
        "\"groups\":[\"%s\"],%s"
        "\"chains\":[{\"certificates\":[{\"subject\":\"CN=www.example.go.jp\","
        "\"issuer\":\"CN=Example CA\",\"key\":%s,"
        "\"signature\":{\"algorithm\":\"rsa_pkcs1_%s\",\"key_type\":\"rsa\","
        "\"hash\":\"%s\"},\"not_before\":\"2026-01-01T00:00:00Z\","
        "\"not_after\":\"2027-01-01T00:00:00Z\"}],"
        "\"verification\":{\"store\":\"system\",\"chain\":\"ok\",\"name\":\"ok\"}}]}]}",
        is_beside ? "\"" : "", is_beside ? version : "", is_beside ? "\"," : "",
        is_beside ? "\"" : "", is_beside ? version : "",
        is_beside ? "\":[\"TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA\"]," : "", suite,
        thing->group ? thing->group : "secp256r1", dhe,
        thing->key ? thing->key : "{\"type\":\"rsa\",\"bits\":3072}", hash, hash);
    json_t *facts = NULL;
    struct posture_error error = {0};
    if (!text || posture_json_parse(text, strlen(text), &facts, &error) < 0)
        fail_msg("%s: %s", thing->label, error.text);
    return facts;
}

static char letter_of(enum posture_result_status status)
{
    static const char letters[POSTURE_RESULT_COUNT] = {
        [POSTURE_RESULT_NA] = 'N',   [POSTURE_RESULT_PASS] = 'P',
        [POSTURE_RESULT_WARN] = 'W', [POSTURE_RESULT_UNKNOWN] = 'U',
        [POSTURE_RESULT_FAIL] = 'F',
    };
    return letters[status];
}

static void test_side_by_side(void **state)
{
    (void)state;
    static const struct posture_check_set *const sets[] = {&posture_tls_checks, NULL};
    int64_t at_ns;
    assert_int_equal(posture_at_parse("2026-11-23", &at_ns, NULL), 0);
    unsigned wrong = 0;
    for (size_t i = 0; i < POSTURE_COUNT(things); i++) {
        json_auto_t *facts = facts_make(&things[i]);
        char got[PROFILES + 1] = "";
        for (size_t p = 0; p < PROFILES; p++) {
            POSTURE_AUTO_RESULTS struct posture_results results = {0};
            assert_int_equal(
                posture_judge(sets, "tls", facts, NULL, profiles[p], at_ns, &results), 0);
            const struct posture_result *result =
                posture_results_find(&results, things[i].check);
            assert_non_null(result);
            got[p] = letter_of(result->status);
        }
        if (strcmp(got, things[i].want) != 0) {
            fprintf(stderr, "%s (%s): want %s, got %s\n", things[i].label,
                    things[i].check, things[i].want, got);
            wrong++;
        }
    }
    assert_int_equal(wrong, 0);
}

/* Profiles that grade do not speak of lists. */
static void test_wording(void **state)
{
    (void)state;
    static const struct {
        size_t thing, profile;
        const char *code;
    } rows[] = {
        {0, CRYPTREC, "algorithm.listed"},    {0, NCSC, "algorithm.accepted"},
        {1, NCSC, "algorithm.phase_out"},     {1, ITSP, "algorithm.insufficient"},
        {4, CRYPTREC, "algorithm.monitored"}, {7, CRYPTREC, "algorithm.unlisted"},
    };
    static const struct posture_check_set *const sets[] = {&posture_tls_checks, NULL};
    for (size_t i = 0; i < POSTURE_COUNT(rows); i++) {
        json_auto_t *facts = facts_make(&things[rows[i].thing]);
        POSTURE_AUTO_RESULTS struct posture_results results = {0};
        assert_int_equal(posture_judge(sets, "tls", facts, NULL,
                                       profiles[rows[i].profile], 0, &results),
                         0);
        const struct posture_result *result =
            posture_results_find(&results, things[rows[i].thing].check);
        assert_non_null(result);
        assert_string_equal(result->code, rows[i].code);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_side_by_side),
        cmocka_unit_test(test_wording),
    };
    return cmocka_run_group_tests(tests, profiles_load, profiles_free);
}
