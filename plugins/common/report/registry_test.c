/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */

/* Check registry, agency registry and catalogue, from files in a data folder of the
 * test's own that has the committed schemas. */
#include "common/report/checks.h"
#include "common/report/registry.h"

#include "common/report/test_support.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static char folder[] = "/tmp/posture-registry-test-XXXXXX";
static char document[256]; /* the file under test */

#define T(ja, en) "{\"ja\":\"" ja "\",\"en\":\"" en "\"}"
#define CHECK(id, kind, codes)                                                           \
    "{\"id\":\"" id "\",\"kind\":\"" kind                                                \
    "\",\"title\":" T("題", "title") ",\"question\":" T("問", "q") ",\"why\":" T(        \
        "由", "w") ",\"remedy\":" T("策", "r") ",\"source\":\"s\",\"codes\":{" codes     \
                                               "}}"
static const char good_checks[] = "{\"schema\":\"posture.checks/1\",\"checks\":[" CHECK(
    "tls.version", "tls",
    "\"tls.version.legacy\":" T(
        "{items}は古い。",
        "{items} is old.")) "," CHECK("ssh.kex", "ssh",
                                      "") "],"
                                          "\"codes\":{\"endpoint."
                                          "refused\":" T(
                                              "拒否。",
                                              "Refused.") ",\"facts."
                                                          "incomplete\""
                                                          ":" T("未測定: "
                                                                "{items}"
                                                                "。",
                                                                "Not "
                                                                "measured:"
                                                                " {items}"
                                                                ".") "},"
                                                                     "\"no"
                                                                     "tes"
                                                                     "\":["
                                                                     "{\"a"
                                                                     "rg\""
                                                                     ":\"a"
                                                                     "ddre"
                                                                     "ss\""
                                                                     ",\"j"
                                                                     "a\":"
                                                                     "\"ア"
                                                                     "ドレ"
                                                                     "ス "
                                                                     "{add"
                                                                     "ress"
                                                                     "}。"
                                                                     "\","
                                                                     "\"en"
                                                                     "\":"
                                                                     "\"Ad"
                                                                     "dres"
                                                                     "s "
                                                                     "{add"
                                                                     "ress"
                                                                     "}."
                                                                     "\"}]"
                                                                     ","
                                                                     "\"wo"
                                                                     "rds"
                                                                     "\":{"
                                                                     "\"it"
                                                                     "ems"
                                                                     "\":{"
                                                                     "\"su"
                                                                     "ites"
                                                                     "\""
                                                                     ":" T("スイート",
                                                                           "cipher "
                                                                           "suites") "}}"
                                                                                     "}";

static void put(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static void put_checks(const char *text)
{
    char path[256];
    snprintf(path, sizeof(path), "%s/schemas/checks.json", folder);
    put(path, text);
}

static int setup(void **state)
{
    (void)state;
    static const char *const names[] = {
        "checks.v1.schema.json", "registry.v1.schema.json", "catalogue.v1.schema.json",
        "report.v1.schema.json", "facts"};
    char path[512], target[512];
    test_jansson_fails_too();
    if (!mkdtemp(folder))
        return -1;
    snprintf(path, sizeof(path), "%s/schemas", folder);
    if (mkdir(path, 0700) < 0)
        return -1;
    for (size_t i = 0; i < POSTURE_COUNT(names); i++) {
        snprintf(path, sizeof(path), "%s/schemas/%s", folder, names[i]);
        snprintf(target, sizeof(target), "%s/schemas/%s", POSTURE_SOURCE_DIR, names[i]);
        if (symlink(target, path) < 0)
            return -1;
    }
    snprintf(document, sizeof(document), "%s/document.json", folder);
    put_checks(good_checks);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    static const char *const names[] = {"schemas/checks.json",
                                        "schemas/checks.v1.schema.json",
                                        "schemas/registry.v1.schema.json",
                                        "schemas/catalogue.v1.schema.json",
                                        "schemas/report.v1.schema.json",
                                        "schemas/facts",
                                        "schemas",
                                        "document.json",
                                        ""};
    char path[512];
    for (size_t i = 0; i < POSTURE_COUNT(names); i++) {
        snprintf(path, sizeof(path), "%s/%s", folder, names[i]);
        remove(path);
    }
    return 0;
}

static void test_languages(void **state)
{
    (void)state;
    static const struct {
        const char *all, *messages, *lang;
        enum posture_lang want;
    } rows[] = {
        {NULL, NULL, NULL, POSTURE_LANG_EN},
        {NULL, NULL, "ja_JP.UTF-8", POSTURE_LANG_JA},
        {NULL, NULL, "ja", POSTURE_LANG_JA},
        {NULL, NULL, "jam_JM", POSTURE_LANG_EN},
        {NULL, "C", "ja_JP", POSTURE_LANG_EN},
        {"ja.UTF-8", "C", "C", POSTURE_LANG_JA},
        {"", "", "ja@x", POSTURE_LANG_JA},
    };
    for (size_t i = 0; i < POSTURE_COUNT(rows); i++) {
        const char *const values[] = {rows[i].all, rows[i].messages, rows[i].lang};
        static const char *const names[] = {"LC_ALL", "LC_MESSAGES", "LANG"};
        for (size_t k = 0; k < 3; k++)
            values[k] ? setenv(names[k], values[k], 1) : unsetenv(names[k]);
        assert_int_equal(posture_lang_from_locale(), rows[i].want);
    }
    enum posture_lang lang;
    assert_int_equal(posture_lang_from_name("ja", &lang), 0);
    assert_string_equal(posture_lang_name(lang), "ja");
    assert_int_equal(posture_lang_from_name("fr", &lang), POSTURE_E_FORMAT);
}

static void test_checks(void **state)
{
    (void)state;
    POSTURE_AUTO(posture_check_registry_free) struct posture_check_registry *r = NULL;
    struct posture_error error = {0};
    if (posture_check_registry_load(folder, &r, &error) < 0)
        fail_msg("%s: %s", error.file, error.text);
    assert_string_equal(posture_check_at(r, 0)->id, "tls.version");
    assert_string_equal(posture_check_at(r, 1)->id, "ssh.kex");
    assert_null(posture_check_at(r, 2));
    assert_string_equal(posture_check_find(r, "ssh.kex")->kind, "ssh");
    assert_string_equal(posture_check_find(r, "ssh.kex")->remedy[POSTURE_LANG_JA], "策");
    assert_null(posture_check_find(r, "ssh.ke"));

    static const struct {
        const char *code, *args;
        enum posture_lang lang;
        const char *want;
    } rows[] = {
        {"tls.version.legacy", "{\"items\":\"TLSv1.0\"}", POSTURE_LANG_EN,
         "TLSv1.0 is old."},
        {"tls.version.legacy", "{\"items\":[\"SSLv3\",\"TLSv1.0\",3,1.5,true,null]}",
         POSTURE_LANG_JA, "SSLv3, TLSv1.0, 3, 1.5, true, -は古い。"},
        {"tls.version.legacy", "{}", POSTURE_LANG_EN, "{items} is old."},
        {"tls.version.legacy", NULL, POSTURE_LANG_EN, "{items} is old."},
        {"tls.version.legacy", "{\"items\":\"{items} %s\"}", POSTURE_LANG_EN,
         "{items} %s is old."},
        {"endpoint.refused", "{\"address\":\"192.0.2.1\"}", POSTURE_LANG_EN,
         "Refused. Address 192.0.2.1."},
        {"endpoint.refused", "{\"address\":\"192.0.2.1\"}", POSTURE_LANG_JA,
         "拒否。アドレス 192.0.2.1。"},
        {"facts.incomplete", "{\"items\":[\"suites\",\"suites.TLSv1.0\",\"groups\"]}",
         POSTURE_LANG_EN, "Not measured: cipher suites, suites.TLSv1.0, groups."},
        {"no.such.code", "{\"items\":1}", POSTURE_LANG_EN, "no.such.code"},
    };
    for (size_t i = 0; i < POSTURE_COUNT(rows); i++) {
        POSTURE_AUTO_BUF struct posture_buf out = {0};
        json_auto_t *args = rows[i].args ? json_loads(rows[i].args, 0, NULL) : NULL;
        assert_int_equal(posture_check_reason(r, rows[i].code, args, rows[i].lang, &out),
                         0);
        assert_string_equal(out.data, rows[i].want);
    }
}

static void test_bad_checks(void **state)
{
    (void)state;
    static const struct {
        const char *label, *text, *says;
    } rows[] = {
        {"twice",
         "{\"schema\":\"posture.checks/1\",\"checks\":[" CHECK(
             "a.b", "tls", "") "," CHECK("a.b", "tls", "") "]}",
         "check 'a.b' is there twice"},
        {"code twice",
         "{\"schema\":\"posture.checks/1\",\"checks\":[" CHECK(
             "a.b", "tls",
             "\"a.b.c\":" T("あ", "x")) "],\"codes\":{\"a.b.c\":" T("あ", "x") "}}",
         "code 'a.b.c' is there twice"},
        {"argument in one language",
         "{\"schema\":\"posture.checks/1\",\"checks\":[" CHECK(
             "a.b", "tls", "\"a.b.c\":" T("あ{n}", "x")) "]}",
         "code 'a.b.c': {n} is in one language only"},
        {"schema", "{\"schema\":\"posture.checks/1\",\"checks\":[]}",
         "/checks: must have at least 1 items"},
    };
    for (size_t i = 0; i < POSTURE_COUNT(rows); i++) {
        put_checks(rows[i].text);
        struct posture_check_registry *r = NULL;
        struct posture_error error = {0};
        if (posture_check_registry_load(folder, &r, &error) != POSTURE_E_SCHEMA ||
            strcmp(error.text, rows[i].says) != 0 || !strstr(error.file, "checks.json"))
            fail_msg("%s: %s: %s", rows[i].label, error.file, error.text);
    }
    put_checks(good_checks);
}

#define AGENCY(id, more)                                                                 \
    "{\"id\":\"" id                                                                      \
    "\",\"name\":" T("庁", "A") ",\"area\":\"central-government\",\"class\":"            \
                                "\"ministry\"" more "}"
#define REGISTRY(agencies)                                                               \
    "{\"schema\":\"posture.registry/1\",\"agencies\":[" agencies "]}"
#define INVENTORY(entries) AGENCY("moj", ",\"inventory\":[" entries "]")
#define EXCEPTION(subject, check, expires)                                               \
    AGENCY("moj", ",\"exceptions\":[{\"subject\":\"" subject "\",\"check\":\"" check     \
                  "\",\"reason\":\"r\",\"owner\":\"o\",\"expires\":\"" expires "\"}]")
#define KEY(from, to)                                                                    \
    AGENCY("moj",                                                                        \
           ",\"keys\":[{\"jwk\":{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":"                \
           "\"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU\","                            \
           "\"y\":\"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0\"},\"from\":\"" from     \
           "\",\"to\":" to "}]")

static void test_registries(void **state)
{
    (void)state;
    static const struct {
        const char *label, *text, *says; /* says NULL: accepted */
    } rows[] = {
        {"nobody", REGISTRY(""), NULL},
        {"one of each",
         REGISTRY(
             INVENTORY("{\"kind\":\"tls\",\"subject\":\"tls://www.moj.example:443\"},"
                       "{\"kind\":\"tls\",\"pattern\":\"tls://*.moj.example:443\","
                       "\"expected\":120}")),
         NULL},
        {"the same subject of two kinds",
         REGISTRY(INVENTORY("{\"kind\":\"host\",\"subject\":\"host://a\"},"
                            "{\"kind\":\"ipv6\",\"subject\":\"host://a\"}")),
         NULL},
        {"agency twice", REGISTRY(AGENCY("moj", "") "," AGENCY("moj", "")),
         "agencies[1]: agency 'moj' is there twice"},
        {"subject in another spelling",
         REGISTRY(INVENTORY("{\"kind\":\"tls\",\"subject\":\"tls://WWW.moj.example\"}")),
         "agency 'moj': inventory[0]: subject 'tls://WWW.moj.example' must be spelled "
         "'tls://www.moj.example:443'"},
        {"subject that is none",
         REGISTRY(INVENTORY("{\"kind\":\"tls\",\"subject\":\"tls://127.1:443\"}")),
         "agency 'moj': inventory[0]: subject 'tls://127.1:443': host '127.1' is neither "
         "a name "
         "nor a full IPv4 address"},
        {"subject of another kind",
         REGISTRY(INVENTORY("{\"kind\":\"ssh\",\"subject\":\"tls://a:443\"}")),
         "agency 'moj': inventory[0]: subject 'tls://a:443' is not of kind 'ssh'"},
        {"subject twice",
         REGISTRY(INVENTORY("{\"kind\":\"tls\",\"subject\":\"tls://a:443\"},"
                            "{\"kind\":\"tls\",\"subject\":\"tls://a:443\"}")),
         "agency 'moj': inventory[1]: 'tls://a:443' is there twice"},
        {"pattern without port",
         REGISTRY(INVENTORY(
             "{\"kind\":\"tls\",\"pattern\":\"tls://*.moj.example\",\"expected\":1}")),
         "agency 'moj': inventory[0]: pattern 'tls://*.moj.example' is not a subject in "
         "its one "
         "spelling once each '*' is a name"},
        {"pattern of another kind",
         REGISTRY(
             INVENTORY("{\"kind\":\"ssh\",\"pattern\":\"tls://*:443\",\"expected\":1}")),
         "agency 'moj': inventory[0]: pattern 'tls://*:443' is not of kind 'ssh'"},
        {"exception", REGISTRY(EXCEPTION("tls://a:443", "tls.version", "2027-03-31")),
         NULL},
        {"exception from a check that is none",
         REGISTRY(EXCEPTION("tls://a:443", "tls.versions", "2027-03-31")),
         "agency 'moj': exceptions[0]: there is no check 'tls.versions'"},
        {"exception to a day that is none",
         REGISTRY(EXCEPTION("tls://a:443", "tls.version", "2027-02-30")),
         "agency 'moj': exceptions[0]: there is no day '2027-02-30'"},
        {"exception for another spelling",
         REGISTRY(EXCEPTION("tls://a", "tls.version", "2027-03-31")),
         "agency 'moj': exceptions[0]: subject 'tls://a' must be spelled 'tls://a:443'"},
        {"key", REGISTRY(KEY("2026-04-01", "null")), NULL},
        {"key that ends before it begins", REGISTRY(KEY("2026-04-01", "\"2026-04-01\"")),
         "agency 'moj': keys[0]: 'to' must be after 'from'"},
        {"key from a day that is none", REGISTRY(KEY("2026-02-30", "null")),
         "agency 'moj': keys[0]: from or to is not in the calendar"},
        {"schema", REGISTRY(AGENCY("moj", ",\"inventry\":[]")),
         "/agencies/0/inventry: is not a member of this object"},
    };
    for (size_t i = 0; i < POSTURE_COUNT(rows); i++) {
        put(document, rows[i].text);
        json_auto_t *registry = NULL;
        char digest[POSTURE_DIGEST_TEXT] = "", want[POSTURE_DIGEST_TEXT] = "";
        struct posture_error error = {0};
        int r = posture_registry_load(folder, document, &registry, digest, &error);
        if (!rows[i].says)
            assert_int_equal(posture_digest12(rows[i].text, strlen(rows[i].text), want),
                             0);
        if (r != (rows[i].says ? POSTURE_E_SCHEMA : 0) || strcmp(digest, want) != 0 ||
            (rows[i].says && (strcmp(error.text, rows[i].says) != 0 ||
                              strcmp(error.file, document) != 0)))
            fail_msg("%s: got %d, %s: %s", rows[i].label, r, error.file, error.text);
    }
    json_t *registry = NULL;
    char digest[POSTURE_DIGEST_TEXT];
    struct posture_error error = {0};
    unlink(document);
    assert_int_equal(posture_registry_load(folder, document, &registry, digest, &error),
                     -ENOENT);
    assert_string_equal(error.file, document);
}

#define CRITERION(id, kind, checks)                                                      \
    "{\"id\":\"" id "\",\"title\":" T(                                                   \
        "題",                                                                            \
        "t") ",\"source\":\"s\",\"areas\":[\"business\"],\"kind\":\"" kind               \
             "\",\"checks\":[" checks                                                    \
             "],\"aggregation\":\"share_of_subjects\",\"targets\":{\"FY2026\":0.5},"     \
             "\"tlp\":\"AMBER\",\"recommendation\":" T("策", "r") "}"
#define CATALOGUE(criteria)                                                              \
    "{\"schema\":\"posture.catalogue/1\",\"criteria\":[" criteria "]}"

static void test_catalogues(void **state)
{
    (void)state;
    static const struct {
        const char *label, *text, *says;
    } rows[] = {
        {"one", CATALOGUE(CRITERION("crypto.tls", "tls", "{\"check\":\"tls.version\"}")),
         NULL},
        {"criterion twice",
         CATALOGUE(CRITERION("a", "tls", "{\"check\":\"tls.version\"}") "," CRITERION(
             "a", "tls", "{\"check\":\"tls.version\"}")),
         "criterion 'a' is there twice"},
        {"check that is none", CATALOGUE(CRITERION("a", "tls", "{\"check\":\"tls.x\"}")),
         "criterion 'a': there is no check 'tls.x'"},
        {"check of another kind",
         CATALOGUE(CRITERION("a", "tls", "{\"check\":\"ssh.kex\"}")),
         "criterion 'a': check 'ssh.kex' is of kind 'ssh', not 'tls'"},
        {"check twice",
         CATALOGUE(CRITERION("a", "tls",
                             "{\"check\":\"tls.version\"},{\"check\":\"tls.version\"}")),
         "criterion 'a': check 'tls.version' is there twice"},
        {"schema", CATALOGUE(""), "/criteria: must have at least 1 items"},
    };
    for (size_t i = 0; i < POSTURE_COUNT(rows); i++) {
        put(document, rows[i].text);
        json_auto_t *catalogue = NULL;
        char digest[POSTURE_DIGEST_TEXT] = "";
        struct posture_error error = {0};
        int r = posture_catalogue_load(folder, document, &catalogue, digest, &error);
        if (r != (rows[i].says ? POSTURE_E_SCHEMA : 0) ||
            (rows[i].says && strcmp(error.text, rows[i].says) != 0))
            fail_msg("%s: got %d, %s: %s", rows[i].label, r, error.file, error.text);
    }
    json_t *catalogue = NULL;
    char digest[POSTURE_DIGEST_TEXT];
    struct posture_error error = {0};
    assert_int_equal(
        posture_catalogue_load(folder, "no-such", &catalogue, digest, &error),
        POSTURE_E_MISSING);
    assert_true(*error.text);
}

static void test_out_of_memory_everywhere(void **state)
{
    (void)state;
    put(document, REGISTRY(EXCEPTION("tls://a:443", "tls.version", "2027-03-31")));
    for (unsigned long n = 1;; n += 131) {
        json_t *registry = NULL;
        char digest[POSTURE_DIGEST_TEXT];
        posture_alloc_fail_at(n, (int)(n & 1));
        int r = posture_registry_load(folder, document, &registry, digest, NULL);
        bool was_hit = posture_alloc_count() >= n;
        posture_alloc_fail_at(0, 0);
        json_decref(registry);
        /* Without memory for its JIT code a pattern is interpreted: that may succeed. */
        if (r != 0 && (!was_hit || r != -ENOMEM))
            fail_msg("allocation %lu: got %d", n, r);
        if (!was_hit)
            break;
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_languages),
        cmocka_unit_test(test_checks),
        cmocka_unit_test(test_bad_checks),
        cmocka_unit_test(test_registries),
        cmocka_unit_test(test_catalogues),
        cmocka_unit_test(test_out_of_memory_everywhere),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
