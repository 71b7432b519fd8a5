/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#include "common/report/exceptions.h"

#include "common/base/clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define SCHEMAS POSTURE_SOURCE_DIR "/schemas"
#define HEAD    "{\"schema\":\"posture.exceptions/1\",\"exceptions\":["
#define ENTRY(subject, check, expires)                                                   \
    "{\"subject\":\"" subject "\",\"check\":\"" check                                    \
    "\",\"reason\":\"r\",\"owner\":\"o\",\"expires\":\"" expires "\"}"
#define WWW "tls://www.example.go.jp:443"

static char path[] = "/tmp/posture-exceptions-test-XXXXXX";
static struct posture_check_registry *checks;

static int setup(void **state)
{
    (void)state;
    int fd = mkstemp(path);
    if (fd < 0 || close(fd) < 0)
        return -1;
    return posture_check_registry_load(SCHEMAS, &checks, NULL);
}

static int teardown(void **state)
{
    (void)state;
    posture_check_registry_free(checks);
    return unlink(path);
}

static int load(const char *text, struct posture_exceptions **ret,
                struct posture_error *reterr)
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    assert_int_equal(fclose(file), 0);
    return posture_exceptions_load(path, checks, ret, reterr);
}

static int64_t at(const char *date)
{
    int64_t ns = 0;
    assert_int_equal(posture_at_parse(date, &ns, NULL), 0);
    return ns;
}

static void test_found(void **state)
{
    (void)state;
    POSTURE_AUTO(posture_exceptions_free) struct posture_exceptions *list = NULL;
    struct posture_error error = {0};
    if (load(HEAD ENTRY(WWW, "tls.version", "2026-03-31") "," ENTRY(
                 WWW, "tls.version", "2027-03-31") "," ENTRY(WWW, "tls.cert.key",
                                                             "2026-03-31") "]}",
             &list, &error) < 0)
        fail_msg("%s", error.text);
    assert_int_equal(posture_exceptions_count(list), 3);
    static const struct {
        const char *label, *subject, *check;
        enum posture_result_status status;
        const char *at, *expires; /* NULL: none is found */
        bool holds;
    } rows[] = {
        {"holds", WWW, "tls.version", POSTURE_RESULT_FAIL, "2026-11-23", "2027-03-31",
         true},
        {"its last moment", WWW, "tls.version", POSTURE_RESULT_WARN,
         "2027-03-31T14:59:59Z", "2027-03-31", true},
        {"the moment after", WWW, "tls.version", POSTURE_RESULT_WARN,
         "2027-03-31T15:00:00Z", "2027-03-31", false},
        {"expired long ago", WWW, "tls.cert.key", POSTURE_RESULT_FAIL, "2026-11-23",
         "2026-03-31", false},
        {"not measured", WWW, "tls.version", POSTURE_RESULT_UNKNOWN, "2026-11-23",
         "2027-03-31", true},
        {"needs none", WWW, "tls.version", POSTURE_RESULT_PASS, "2026-11-23", NULL,
         false},
        {"not asked", WWW, "tls.version", POSTURE_RESULT_NA, "2026-11-23", NULL, false},
        {"another check", WWW, "tls.suites", POSTURE_RESULT_FAIL, "2026-11-23", NULL,
         false},
        {"another subject", "tls://www2.example.go.jp:443", "tls.version",
         POSTURE_RESULT_FAIL, "2026-11-23", NULL, false},
    };
    for (size_t i = 0; i < POSTURE_COUNT(rows); i++) {
        const struct posture_result result = {.check = rows[i].check,
                                              .status = rows[i].status};
        const struct posture_exceptions_entry *entry =
            posture_exceptions_find(list, rows[i].subject, &result);
        const char *got = entry ? entry->expires : "none";
        const char *want = rows[i].expires ? rows[i].expires : "none";
        bool holds = entry && posture_exceptions_holds(entry, at(rows[i].at));
        if (strcmp(got, want) != 0 || holds != rows[i].holds)
            fail_msg("%s: %s, %s", rows[i].label, got, holds ? "holds" : "does not hold");
    }
    const struct posture_result result = {.check = "tls.version",
                                          .status = POSTURE_RESULT_FAIL};
    assert_null(posture_exceptions_find(NULL, WWW, &result));
}

static void test_refused(void **state)
{
    (void)state;
    static const struct {
        const char *label, *text, *says;
    } rows[] = {
        {"not JSON", "[", "expected"},
        {"other schema", "{\"schema\":\"posture.registry/1\"}", "posture.exceptions/1"},
        {"no list", "{\"schema\":\"posture.exceptions/1\"}", "exceptions is a list"},
        {"entry of wrong type", HEAD "7]}", "exceptions[0]: is not an object"},
        {"reason left out",
         HEAD "{\"subject\":\"" WWW "\",\"check\":\"tls.version\",\"owner\":\"o\","
              "\"expires\":\"2027-03-31\"}]}",
         "exceptions[0]: reason is missing"},
        {"owner empty",
         HEAD "{\"subject\":\"" WWW "\",\"check\":\"tls.version\",\"reason\":\"r\","
              "\"owner\":\"\",\"expires\":\"2027-03-31\"}]}",
         "exceptions[0]: owner is missing"},
        {"for ever", HEAD ENTRY(WWW, "tls.version", "never") "]}",
         "exceptions[0]: expires \"never\" is not a day such as"},
        {"no such day", HEAD ENTRY(WWW, "tls.version", "2027-02-29") "]}",
         "exceptions[0]: expires \"2027-02-29\""},
        {"no such check", HEAD ENTRY(WWW, "tls.versions", "2027-03-31") "]}",
         "exceptions[0]: there is no check \"tls.versions\"; did you mean "
         "\"tls.version\"?"},
        {"another spelling",
         HEAD ENTRY("tls://WWW.example.go.jp", "tls.version", "2027-03-31") "]}",
         "exceptions[0]: subject \"tls://WWW.example.go.jp\" must be spelled \"" WWW
         "\""},
        {"no subject", HEAD ENTRY("tls://", "tls.version", "2027-03-31") "]}",
         "exceptions[0]: subject \"tls://\" is none"},
        {"slip of the pen",
         HEAD "{\"subject\":\"" WWW "\",\"check\":\"tls.version\",\"reason\":\"r\","
              "\"owner\":\"o\",\"expiers\":\"2027-03-31\"}]}",
         "exceptions[0]: member \"expiers\" is not known here; did you mean "
         "\"expires\"?"},
        {"twice",
         HEAD ENTRY(WWW, "tls.version", "2027-03-31") "," ENTRY(WWW, "tls.version",
                                                                "2027-03-31") "]}",
         "exceptions[1]: is exceptions[0] once more"},
    };
    for (size_t i = 0; i < POSTURE_COUNT(rows); i++) {
        struct posture_exceptions *list = NULL;
        struct posture_error error = {0};
        int r = load(rows[i].text, &list, &error);
        if (r >= 0 || list || !strstr(error.text, rows[i].says) ||
            (i > 0 && strcmp(error.file, path) != 0))
            fail_msg("%s: %d \"%s\" in \"%s\"", rows[i].label, r, error.text, error.file);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_found),
        cmocka_unit_test(test_refused),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
