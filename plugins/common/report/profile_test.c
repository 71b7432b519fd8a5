/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#include "common/report/profile.h"

#include "common/base/clock.h"
#include "common/report/json.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define DATA_DIR POSTURE_SOURCE_DIR "/schemas"

static char *scratch; /* a folder of this run */

static int scratch_make(void **state)
{
    (void)state;
    static char path[] = "/tmp/posture-profile-test-XXXXXX";
    scratch = mkdtemp(path);
    return scratch ? 0 : -1;
}

static int scratch_remove(void **state)
{
    (void)state;
    char path[256];
    static const char *const names[] = {"p.json", "tls/suites.json", "tls"};
    for (size_t i = 0; i < POSTURE_COUNT(names); i++) {
        snprintf(path, sizeof(path), "%s/%s", scratch, names[i]);
        remove(path);
    }
    return rmdir(scratch);
}

static const char *file_write(const char *name, const char *text)
{
    static char path[256];
    snprintf(path, sizeof(path), "%s/%s", scratch, name);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    assert_int_equal(fclose(file), 0);
    return path;
}

static struct posture_profile *profile_of(const char *id)
{
    struct posture_profile *profile = NULL;
    struct posture_error error = {0};
    if (posture_profile_load(DATA_DIR, id, &profile, &error) < 0)
        fail_msg("%s: %s", id, error.text);
    return profile;
}

static int64_t at(const char *date)
{
    int64_t ns = 0;
    assert_int_equal(posture_at_parse(date, &ns, NULL), 0);
    return ns;
}

static void test_rows(void **state)
{
    (void)state;
    static const struct {
        const char *label, *profile, *cls, *name;
        enum posture_tier tier;
        enum posture_certainty certainty;
    } rows[] = {
        {"AES", "cryptrec-ls0001-2022r2", "cipher", "AES-128", POSTURE_TIER_RECOMMENDED,
         POSTURE_CERTAINTY_HIGH},
        {"3DES", "cryptrec-ls0001-2022r2", "cipher", "3DES-EDE", POSTURE_TIER_MONITORED,
         POSTURE_CERTAINTY_LOW},
        {"RC4", "cryptrec-ls0001-2022r2", "cipher", "RC4-128", POSTURE_TIER_NONE,
         POSTURE_CERTAINTY_MEDIUM},
        {"never judged", "cryptrec-ls0001-2022r2", "cipher", "ARIA-128",
         POSTURE_TIER_UNJUDGED, POSTURE_CERTAINTY_LOW},
        {"hybrid", "cryptrec-ls0001-2022r2", "group", "X25519MLKEM768", POSTURE_TIER_PQC,
         POSTURE_CERTAINTY_MEDIUM},
        {"X25519 counts as ECDH", "cryptrec-ls0001-2022r2", "group", "x25519",
         POSTURE_TIER_RECOMMENDED, POSTURE_CERTAINTY_MEDIUM},
        {"RC4 in its time", "cryptrec-2003", "cipher", "RC4-128",
         POSTURE_TIER_RECOMMENDED, POSTURE_CERTAINTY_MEDIUM},
        {"not judged then", "cryptrec-2003", "mode", "GCM", POSTURE_TIER_UNJUDGED,
         POSTURE_CERTAINTY_LOW},
        {"forbidden by the directive", "bod-18-01", "version", "SSLv3", POSTURE_TIER_NONE,
         POSTURE_CERTAINTY_MEDIUM},
    };
    for (size_t i = 0; i < POSTURE_COUNT(rows); i++) {
        POSTURE_AUTO(posture_profile_free)
        struct posture_profile *profile = profile_of(rows[i].profile);
        enum posture_certainty certainty = POSTURE_CERTAINTY_LOW;
        enum posture_tier tier =
            posture_profile_tier(profile, rows[i].cls, rows[i].name, &certainty);
        if (tier != rows[i].tier || certainty != rows[i].certainty)
            fail_msg("%s: tier %d certainty %d", rows[i].label, (int)tier,
                     (int)certainty);
    }
}

static void test_strength(void **state)
{
    (void)state;
    POSTURE_AUTO(posture_profile_free)
    struct posture_profile *profile = profile_of("cryptrec-ls0001-2022r2");
    static const struct {
        const char *label;
        uint32_t bits;
        const char *date, *until; /* NULL: for ever */
        enum posture_strength state;
        int last_year;
    } rows[] = {
        {"below all", 111, "2026-11-23", NULL, POSTURE_STRENGTH_NOT_ALLOWED, 0},
        {"112 today", 112, "2026-11-23", "2031-01-01", POSTURE_STRENGTH_MIGRATE, 2030},
        {"112, last moment", 112, "2030-12-31T14:59:59Z", "2031-01-01",
         POSTURE_STRENGTH_MIGRATE, 2030},
        {"112, year turn in Japan", 112, "2030-12-31T15:00:00Z", NULL,
         POSTURE_STRENGTH_NOT_ALLOWED, 2030},
        {"between classes", 127, "2026-11-23", "2031-01-01", POSTURE_STRENGTH_MIGRATE,
         2030},
        {"128 today", 128, "2026-11-23", "2041-01-01", POSTURE_STRENGTH_USABLE, 2050},
        {"128 in 2041", 128, "2041-01-01", "2051-01-01", POSTURE_STRENGTH_MIGRATE, 2050},
        {"128 in 2051", 128, "2051-01-01", NULL, POSTURE_STRENGTH_NOT_ALLOWED, 2050},
        {"192", 192, "2070-06-01", NULL, POSTURE_STRENGTH_USABLE, 9999},
        {"224", 224, "2026-11-23", NULL, POSTURE_STRENGTH_USABLE, 9999},
        {"256", 256, "2026-11-23", NULL, POSTURE_STRENGTH_USABLE, 9999},
    };
    for (size_t i = 0; i < POSTURE_COUNT(rows); i++) {
        int64_t until = 0;
        enum posture_strength state_ =
            posture_profile_strength(profile, rows[i].bits, at(rows[i].date), &until);
        int year = posture_profile_strength_last_year(profile, rows[i].bits);
        int64_t want = rows[i].until ? at(rows[i].until) : INT64_MAX;
        if (state_ != rows[i].state || until != want || year != rows[i].last_year)
            fail_msg("%s: state %d, last year %d, until %lld", rows[i].label, (int)state_,
                     year, (long long)until);
    }

    static const struct {
        uint64_t modulus;
        uint32_t bits;
    } sizes[] = {{512, 0},    {1023, 0},   {1024, 80},  {2047, 80},  {2048, 112},
                 {3071, 112}, {3072, 128}, {4096, 128}, {7680, 192}, {15360, 256}};
    for (size_t i = 0; i < POSTURE_COUNT(sizes); i++) {
        uint32_t bits = 1;
        enum posture_certainty certainty;
        assert_true(
            posture_profile_modulus_bits(profile, sizes[i].modulus, &bits, &certainty));
        assert_int_equal(bits, sizes[i].bits);
    }
}

static void test_no_strength(void **state)
{
    (void)state;
    POSTURE_AUTO(posture_profile_free)
    struct posture_profile *profile = profile_of("cryptrec-2003");
    int64_t until;
    uint32_t bits;
    enum posture_certainty certainty;
    assert_int_equal(posture_profile_strength(profile, 80, at("2008-04-01"), &until),
                     POSTURE_STRENGTH_UNJUDGED);
    assert_false(posture_profile_modulus_bits(profile, 1024, &bits, &certainty));
    assert_false(posture_profile_has_class(profile, "version"));
}

#define HEAD                                                                             \
    "{\"schema\":\"posture.profile/"                                                     \
    "1\",\"id\":\"x\",\"title\":{\"ja\":\"x\",\"en\":\"x\"},"
#define GOOD                                                                             \
    "{\"class\":\"cipher\",\"name\":\"AES-128\",\"tier\":\"recommended\",\"source\":"    \
    "\"s\","                                                                             \
    "\"edition\":\"e\",\"certainty\":\"high\"}"
#define SOURCE "\"source\":\"s\",\"edition\":\"e\",\"certainty\":\"high\""

static void test_refused(void **state)
{
    (void)state;
    static const struct {
        const char *label, *text, *says;
    } rows[] = {
        {"not JSON", "{", "expected near"},
        {"other schema", "{\"schema\":\"x\"}", "posture.profile/1"},
        {"no title in Japanese",
         "{\"schema\":\"posture.profile/1\",\"id\":\"x\",\"title\":{\"en\":\"x\"}}",
         "title.ja"},
        {"no rows", HEAD "\"rows\":[]}", "rows"},
        {"row of wrong type", HEAD "\"rows\":[" GOOD ",7]}", "rows[1]"},
        {"unknown tier",
         HEAD "\"rows\":[" GOOD
              ",{\"class\":\"mode\",\"name\":\"CBC\",\"tier\":\"good\"," SOURCE "}]}",
         "rows[1] (mode CBC): tier"},
        {"tier with a slip of the pen",
         HEAD "\"rows\":[{\"class\":\"mode\",\"name\":\"CBC\",\"tier\":"
              "\"recomended\"," SOURCE "}]}",
         "rows[0] (mode CBC): tier \"recomended\" is not recommended, pqc, candidate, "
         "monitored or none; did you mean \"recommended\"?"},
        {"class that is none",
         HEAD "\"rows\":[{\"class\":\"chiper\",\"name\":\"AES-128\",\"tier\":"
              "\"none\"," SOURCE "}]}",
         "rows[0] (chiper AES-128): class \"chiper\" is not a class of "
         "schemas/classes.json; did you mean \"cipher\"?"},
        {"cipher of another spelling",
         HEAD "\"rows\":[{\"class\":\"cipher\",\"name\":\"AES128\",\"tier\":"
              "\"none\"," SOURCE "}]}",
         "rows[0] (cipher AES128): name \"AES128\" is not a name of class cipher, as in "
         "tls/suites.json; did you mean \"AES-128\"?"},
        {"member of a row",
         HEAD "\"rows\":[{\"class\":\"mode\",\"name\":\"CBC\",\"tier\":\"none\","
              "\"Note\":\"n\"," SOURCE "}]}",
         "rows[0] (mode CBC): member \"Note\" is not known here; did you mean "
         "\"note\"?"},
        {"member of the profile", HEAD "\"rows\":[" GOOD "],\"strenght\":{}}",
         "member \"strenght\" is not known here; did you mean \"strength\"?"},
        {"certainty",
         HEAD "\"rows\":[{\"class\":\"mode\",\"name\":\"CBC\",\"tier\":\"none\","
              "\"source\":\"s\",\"edition\":\"e\",\"certainty\":\"certain\"}]}",
         "rows[0] (mode CBC): certainty \"certain\" is not high, medium or low"},
        {"web rule that asks nothing known",
         HEAD "\"rows\":[" GOOD "],\"web\":{\"hsts\":{\"need\":\"shuold\"," SOURCE "}}}",
         "web.hsts: need \"shuold\" is not must or should; did you mean \"should\"?"},
        {"web rule that is none",
         HEAD "\"rows\":[" GOOD "],\"web\":{\"htss\":{\"need\":\"must\"," SOURCE "}}}",
         "web: member \"htss\" is not known here; did you mean \"hsts\"?"},
        {"wording", HEAD "\"wording\":\"grade\",\"rows\":[" GOOD "]}",
         "wording \"grade\" is not lists or grades; did you mean \"grades\"?"},
        {"size of what has none",
         HEAD "\"rows\":[{\"class\":\"mode\",\"name\":\"CBC\",\"min\":8,\"tier\":"
              "\"none\"," SOURCE "}]}",
         "rows[0] (mode CBC): min is for a class"},
        {"size of nothing",
         HEAD "\"rows\":[{\"class\":\"key\",\"name\":\"rsa\",\"min\":0,\"tier\":"
              "\"none\"," SOURCE "}]}",
         "rows[0] (key rsa): min is a whole number from 1"},
        {"sizes that leave out the small",
         HEAD "\"rows\":[{\"class\":\"key\",\"name\":\"rsa\",\"min\":3072,\"tier\":"
              "\"recommended\"," SOURCE "},{\"class\":\"key\",\"name\":\"rsa\","
              "\"min\":2048,\"tier\":\"monitored\"," SOURCE "}]}",
         "rows[1] (key rsa): nothing is said of sizes below 2048; add a row without min"},
        {"size twice",
         HEAD "\"rows\":[{\"class\":\"key\",\"name\":\"rsa\",\"min\":3072,\"tier\":"
              "\"recommended\"," SOURCE "},{\"class\":\"key\",\"name\":\"rsa\","
              "\"min\":3072,\"tier\":\"monitored\"," SOURCE "}]}",
         "rows[1] (key rsa): is rows[0]"},
        {"legacy use that gets better",
         HEAD "\"rows\":[" GOOD "],\"strength\":{" SOURCE
              ",\"periods\":[{\"bits\":1,\"phases\":[{\"state\":\"usable\",\"until\":"
              "null}],\"legacy\":[{\"state\":\"with_care\",\"until\":2030},{\"state\":"
              "\"usable\",\"until\":null}]}]}}",
         "strength.periods[0]: legacy"},
        {"no source",
         HEAD "\"rows\":[{\"class\":\"mode\",\"name\":\"CBC\",\"tier\":\"none\"}]}",
         "rows[0] (mode CBC): source"},
        {"no certainty",
         HEAD "\"rows\":[{\"class\":\"mode\",\"name\":\"CBC\",\"tier\":\"none\","
              "\"source\":\"s\",\"edition\":\"e\"}]}",
         "rows[0] (mode CBC): certainty"},
        {"bits without certainty",
         HEAD "\"rows\":[{\"class\":\"mode\",\"name\":\"CBC\",\"tier\":\"none\",\"bits\":"
              "128," SOURCE "}]}",
         "rows[0] (mode CBC): bits_certainty"},
        {"bits of wrong type",
         HEAD "\"rows\":[{\"class\":\"mode\",\"name\":\"CBC\",\"tier\":\"none\",\"bits\":"
              "\"8\"," SOURCE "}]}",
         "rows[0] (mode CBC): bits"},
        {"row twice", HEAD "\"rows\":[" GOOD "," GOOD "]}",
         "rows[1] (cipher AES-128): is rows[0]"},
        {"strength comes back",
         HEAD "\"rows\":[" GOOD "],\"strength\":{" SOURCE
              ",\"periods\":[{\"bits\":1,\"phases\":"
              "[{\"state\":\"migrate\",\"until\":2030},{\"state\":\"usable\",\"until\":"
              "null}]}]}}",
         "strength.periods[0]"},
        {"years fall",
         HEAD
         "\"rows\":[" GOOD "],\"strength\":{" SOURCE
         ",\"periods\":[{\"bits\":1,\"phases\":"
         "[{\"state\":\"usable\",\"until\":2030},{\"state\":\"migrate\",\"until\":2029},"
         "{\"state\":\"not_allowed\",\"until\":null}]}]}}",
         "rising order"},
        {"last phase with an end",
         HEAD "\"rows\":[" GOOD "],\"strength\":{" SOURCE
              ",\"periods\":[{\"bits\":1,\"phases\":"
              "[{\"state\":\"usable\",\"until\":2030}]}]}}",
         "null in the last"},
        {"moduli fall",
         HEAD "\"rows\":[" GOOD "],\"modulus\":{" SOURCE
              ",\"rows\":[{\"min\":2048,\"bits\":112},"
              "{\"min\":1024,\"bits\":80}]}}",
         "modulus.rows[1]"},
        {"types without a list", HEAD "\"rows\":[" GOOD "],\"tls_types\":{" SOURCE "}}",
         "tls_types: types"},
        {"type that is worth nothing known",
         HEAD "\"rows\":[" GOOD "],\"tls_types\":{" SOURCE
              ",\"types\":[{\"id\":\"a\",\"result\":\"good\"}]}}",
         "tls_types.types[0]: result"},
        {"version with an unknown rule",
         HEAD "\"rows\":[" GOOD "],\"tls_types\":{" SOURCE
              ",\"types\":[{\"id\":\"a\",\"result\":\"pass\",\"versions\":["
              "{\"name\":\"TLSv1.2\",\"rule\":\"can\",\"certainty\":\"high\"}]}]}}",
         "tls_types.types[0].versions[0]: rule"},
        {"type without a size",
         HEAD "\"rows\":[" GOOD "],\"tls_types\":{" SOURCE
              ",\"types\":[{\"id\":\"a\",\"result\":\"pass\",\"versions\":["
              "{\"name\":\"TLSv1.2\",\"rule\":\"may\",\"certainty\":\"high\"}],"
              "\"certificate\":{\"certainty\":\"high\",\"ec_min_bits\":256}}]}}",
         "tls_types.types[0].certificate: a size"},
        {"table outside", HEAD "\"rows\":[" GOOD "],\"tables\":[\"../x.json\"]}",
         "tables[0]"},
        {"table missing", HEAD "\"rows\":[" GOOD "],\"tables\":[\"tls/none.json\"]}",
         "none.json"},
        {"group that IANA does not have",
         HEAD "\"rows\":[" GOOD ",{\"class\":\"group\",\"name\":\"secp265r1\","
              "\"tier\":\"recommended\"," SOURCE "}],\"tables\":[\"tls/groups.json\"]}",
         "rows[1] (group secp265r1): name \"secp265r1\" is not a name of class group, as "
         "in tls/groups.json; did you mean \"secp256r1\"?"},
        {"suite that IANA does not have",
         HEAD "\"rows\":[" GOOD "],\"tls_types\":{" SOURCE
              ",\"types\":[{\"id\":\"a\",\"result\":\"pass\",\"versions\":["
              "{\"name\":\"TLSv1.2\",\"rule\":\"may\",\"certainty\":\"high\"}],"
              "\"certificate\":{\"certainty\":\"high\",\"rsa_min_bits\":2048,"
              "\"ec_min_bits\":256,\"hashes\":[\"sha256\"]},"
              "\"ecdhe\":{\"certainty\":\"high\",\"min_bits\":256},"
              "\"dhe\":{\"certainty\":\"high\",\"min_bits\":2048},"
              "\"static_rsa\":{\"certainty\":\"high\",\"allowed\":false,"
              "\"rsa_min_bits\":null},"
              "\"suites\":[{\"certainty\":\"high\",\"names\":[\"0xFE00\","
              "\"TLS_AES_128_GCM_SHA265\"]}]}]},\"tables\":[\"tls/suites.json\"]}",
         "tls_types.types[0].suites[0] (TLS_AES_128_GCM_SHA265): name"},
    };
    for (size_t i = 0; i < POSTURE_COUNT(rows); i++) {
        struct posture_profile *profile = NULL;
        struct posture_error error = {0};
        const char *path = file_write("p.json", rows[i].text);
        int r = posture_profile_load(DATA_DIR, path, &profile, &error);
        if (r >= 0 || profile || !strstr(error.text, rows[i].says))
            fail_msg("%s: %d \"%s\"", rows[i].label, r, error.text);
    }
}

/* Sizes apart, the largest first; "*" for what is not named. */
static void test_sizes_and_rest(void **state)
{
    (void)state;
    POSTURE_AUTO(posture_profile_free)
    struct posture_profile *profile = profile_of("ncsc-nl-2025");
    static const struct {
        uint64_t size;
        enum posture_tier tier;
    } rows[] = {
        {16384, POSTURE_TIER_RECOMMENDED}, {3072, POSTURE_TIER_RECOMMENDED},
        {3071, POSTURE_TIER_MONITORED},    {2048, POSTURE_TIER_MONITORED},
        {2047, POSTURE_TIER_NONE},         {0, POSTURE_TIER_NONE},
    };
    for (size_t i = 0; i < POSTURE_COUNT(rows); i++) {
        const struct posture_profile_row *row =
            posture_profile_row_of_size(profile, "key", "rsa", rows[i].size);
        assert_non_null(row);
        assert_int_equal(row->tier, rows[i].tier);
    }
    assert_null(posture_profile_row_of_size(profile, "key", "x25519", 1));
    const struct posture_profile_row *rest =
        posture_profile_row(profile, "suite", "TLS_RSA_WITH_RC4_128_MD5");
    assert_non_null(rest);
    assert_string_equal(rest->name, "*");
    assert_int_equal(rest->tier, POSTURE_TIER_NONE);
    assert_null(posture_profile_row(profile, "group", "X25519MLKEM768"));
    assert_true(posture_profile_has_grades(profile));

    POSTURE_AUTO(posture_profile_free)
    struct posture_profile *cryptrec = profile_of("cryptrec-ls0001-2022r2");
    assert_int_equal(posture_profile_legacy_last_year(cryptrec, 112), 2040);
    assert_int_equal(posture_profile_legacy_last_year(cryptrec, 128), 2060);
    assert_int_equal(posture_profile_legacy_last_year(cryptrec, 256), 9999);
    assert_int_equal(posture_profile_legacy_last_year(cryptrec, 80), -1);
    assert_int_equal(posture_profile_legacy_last_year(profile, 128), -1);
}

/* The digest is of everything that a verdict can come from: the tables too. */
static void test_digest(void **state)
{
    (void)state;
    POSTURE_AUTO(posture_profile_free)
    struct posture_profile *a = profile_of("cryptrec-ls0001-2022r2");
    POSTURE_AUTO(posture_profile_free)
    struct posture_profile *b = profile_of("cryptrec-2003");
    assert_int_equal(strlen(posture_profile_digest(a)), 12);
    assert_string_not_equal(posture_profile_digest(a), posture_profile_digest(b));

    char path[256], digests[2][16];
    snprintf(path, sizeof(path), "%s/tls", scratch);
    assert_int_equal(mkdir(path, 0700), 0);
    for (int i = 0; i < 2; i++) {
        file_write(
            "tls/suites.json",
            i == 0 ? "{\"suites\":[{\"name\":\"a\",\"cipher\":\"AES-128\"}]}"
                   : "{\"suites\":[{\"name\":\"a\",\"cipher\":\"AES-128\",\"x\":1}]}");
        struct posture_profile *profile = NULL;
        struct posture_error error = {0};
        const char *text = HEAD "\"rows\":[" GOOD "],\"tables\":[\"tls/suites.json\"]}";
        if (posture_profile_load(scratch, file_write("p.json", text), &profile, &error) <
            0)
            fail_msg("%s", error.text);
        assert_non_null(posture_profile_table_row(profile, "suites", "a"));
        assert_null(posture_profile_table_row(profile, "suites", "b"));
        assert_null(posture_profile_table_row(profile, "groups", "a"));
        snprintf(digests[i], sizeof(digests[i]), "%s", posture_profile_digest(profile));
        posture_profile_free(profile);
    }
    assert_string_not_equal(digests[0], digests[1]);
}

static void test_memory_runs_out(void **state)
{
    (void)state;
    const char *text = HEAD "\"rows\":[" GOOD "],\"tables\":[\"tls/suites.json\"]}";
    char path[256];
    snprintf(path, sizeof(path), "%s", file_write("p.json", text));
    json_malloc_t old_malloc;
    json_free_t old_free;
    json_get_alloc_funcs(&old_malloc, &old_free);
    json_set_alloc_funcs(posture_malloc, free);
    for (unsigned long n = 1;; n++) {
        struct posture_profile *profile = NULL;
        posture_alloc_fail_at(n, 0);
        int r = posture_profile_load(scratch, path, &profile, NULL);
        bool has_failed = posture_alloc_count() >= n;
        posture_alloc_fail_at(0, 0);
        assert_true((r == 0) == (profile != NULL));
        posture_profile_free(profile);
        if (!has_failed) {
            assert_int_equal(r, 0);
            break;
        }
        assert_true(n < 100000);
    }
    json_set_alloc_funcs(old_malloc, old_free);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows),
        cmocka_unit_test(test_strength),
        cmocka_unit_test(test_no_strength),
        cmocka_unit_test(test_sizes_and_rest),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_digest),
        cmocka_unit_test(test_memory_runs_out),
    };
    return cmocka_run_group_tests(tests, scratch_make, scratch_remove);
}
