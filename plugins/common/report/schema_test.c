/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */

/* Loading, errors and limits; that verdicts equal jsonschema's is
 * tests/conventions/test_schemas.py. */
#include "common/report/schema.h"

#include "common/report/test_support.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static char folder[] = "/tmp/posture-schema-test-XXXXXX";

static void put(const char *name, const char *text)
{
    char path[256];
    snprintf(path, sizeof(path), "%s/%s", folder, name);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static int load(const char *text, struct posture_schema **ret,
                struct posture_error *reterr)
{
    char path[256];
    put("root.json", text);
    snprintf(path, sizeof(path), "%s/root.json", folder);
    return posture_schema_load(path, ret, reterr);
}

static int setup(void **state)
{
    (void)state;
    char path[256];
    test_jansson_fails_too();
    if (!mkdtemp(folder))
        return -1;
    snprintf(path, sizeof(path), "%s/sub", folder);
    return mkdir(path, 0700);
}

static int teardown(void **state)
{
    (void)state;
    static const char *const names[] = {"root.json", "other.json", "sub/low.json", "sub",
                                        ""};
    char path[256];
    for (size_t i = 0; i < POSTURE_COUNT(names); i++) {
        snprintf(path, sizeof(path), "%s/%s", folder, names[i]);
        remove(path);
    }
    return 0;
}

static void test_load_errors(void **state)
{
    (void)state;
    put("other.json", "{\"$defs\":{\"bad\":{\"typo\":1}}}");
    put("sub/low.json", "{\"$ref\":\"../other2.json\"}");
    static const struct {
        const char *label, *text;
        int want;
        const char *file, *says;
    } rows[] = {
        {"keyword of no schema", "{\"requierd\":[]}", POSTURE_E_FORMAT, "root.json",
         "#: keyword 'requierd' is not supported"},
        {"keyword that we do not use", "{\"properties\":{\"a\":{\"multipleOf\":2}}}",
         POSTURE_E_FORMAT, "root.json", "#/properties/a: keyword 'multipleOf'"},
        {"in an unused definition", "{\"$defs\":{\"x\":{\"contains\":{}}}}",
         POSTURE_E_FORMAT, "root.json", "#/$defs/x: keyword 'contains'"},
        {"in another file", "{\"$ref\":\"other.json\"}", POSTURE_E_FORMAT, "other.json",
         "#/$defs/bad: keyword 'typo'"},
        {"file that is not there", "{\"$ref\":\"none.json\"}", -ENOENT, NULL,
         "No such file"},
        {"file below that is not there", "{\"$ref\":\"sub/low.json\"}", -ENOENT, NULL,
         "No such file"},
        {"pointer to nothing", "{\"$ref\":\"#/$defs/x\"}", POSTURE_E_MISSING, "root.json",
         "'#/$defs/x' leads nowhere"},
        {"out of the folder", "{\"$ref\":\"../x.json\"}", POSTURE_E_DENIED, "root.json",
         "leaves the folder"},
        {"out of the folder by a detour", "{\"$ref\":\"sub/../../x.json\"}",
         POSTURE_E_DENIED, "root.json", "leaves the folder"},
        {"absolute path", "{\"$ref\":\"/etc/passwd\"}", POSTURE_E_DENIED, "root.json",
         "leaves the folder"},
        {"other host", "{\"$ref\":\"https://posture.example/x.json\"}", POSTURE_E_DENIED,
         "root.json", "leaves the folder"},
        {"refers to itself", "{\"$ref\":\"#\"}", POSTURE_E_FORMAT, "root.json",
         "without end"},
        {"two that refer to each other",
         "{\"$defs\":{\"a\":{\"allOf\":[{\"$ref\":\"#/$defs/"
         "b\"}]},\"b\":{\"not\":{\"$ref\":"
         "\"#/$defs/a\"}}}}",
         POSTURE_E_FORMAT, "root.json", "without end"},
        {"other draft", "{\"$schema\":\"http://json-schema.org/draft-07/schema#\"}",
         POSTURE_E_FORMAT, "root.json", "2020-12 expected"},
        {"$id below the top", "{\"items\":{\"$id\":\"x\"}}", POSTURE_E_FORMAT,
         "root.json", "#/items: $id: only at the top"},
        {"unknown type", "{\"type\":\"text\"}", POSTURE_E_FORMAT, "root.json",
         "unknown type"},
        {"schema that is a number", "{\"items\":3}", POSTURE_E_FORMAT, "root.json",
         "#/items: a schema expected"},
        {"negative length", "{\"maxLength\":-1}", POSTURE_E_FORMAT, "root.json",
         "maxLength: a whole number"},
        {"uniqueItems without a bound", "{\"uniqueItems\":true}", POSTURE_E_FORMAT,
         "root.json", "needs maxItems"},
        {"broken pattern", "{\"pattern\":\"(a\"}", POSTURE_E_FORMAT, "root.json",
         "pattern"},
        {"pattern with \\d", "{\"pattern\":\"\\\\d\"}", POSTURE_E_FORMAT, "root.json",
         "portable dialect"},
        {"pattern with a dot", "{\"pattern\":\"a.c\"}", POSTURE_E_FORMAT, "root.json",
         "portable dialect"},
        {"possessive quantifier", "{\"pattern\":\"a++\"}", POSTURE_E_FORMAT, "root.json",
         "portable dialect"},
        {"look behind", "{\"pattern\":\"(?<=a)b\"}", POSTURE_E_FORMAT, "root.json",
         "portable dialect"},
        {"POSIX class", "{\"pattern\":\"[[:alpha:]]\"}", POSTURE_E_FORMAT, "root.json",
         "portable dialect"},
        {"empty enum", "{\"enum\":[]}", POSTURE_E_FORMAT, "root.json", "enum"},
        {"not JSON", "{", POSTURE_E_FORMAT, NULL, ""},
    };
    for (size_t i = 0; i < POSTURE_COUNT(rows); i++) {
        struct posture_schema *schema = NULL;
        struct posture_error error = {0};
        int r = load(rows[i].text, &schema, &error);
        if (r != rows[i].want || schema || !strstr(error.text, rows[i].says) ||
            (rows[i].file && strcmp(error.file, rows[i].file) != 0) || !*error.file)
            fail_msg("%s: got %d, %s: %s", rows[i].label, r, error.file, error.text);
    }
}

static void test_texts(void **state)
{
    (void)state;
    static const struct {
        const char *schema, *instance, *want; /* want NULL: accepted */
    } rows[] = {
        {"true", "1", NULL},
        {"false", "1", "/: is not allowed here"},
        {"{\"type\":[\"string\",\"null\"]}", "1", "/: must be null or string"},
        {"{\"type\":\"number\"}", "\"1\"", "/: must be number"},
        {"{\"type\":\"integer\"}", "1.0", NULL},
        {"{\"type\":\"integer\"}", "1.5", "/: must be integer"},
        {"{\"properties\":{\"a\":{\"maximum\":2}}}", "{\"a\":3}",
         "/a: must be at most 2"},
        {"{\"minimum\":0.5}", "0", "/: must be at least 0.5"},
        {"{\"exclusiveMinimum\":0}", "0", "/: must be above 0"},
        {"{\"items\":{\"items\":{\"const\":\"x\"}}}", "[[\"x\"],[\"x\",\"y\"]]",
         "/1/1: must be \"x\""},
        {"{\"required\":[\"a\",\"b\"]}", "{\"a\":1}", "/: \"b\" is required"},
        {"{\"additionalProperties\":false}", "{\"a/b~c\":1}",
         "/a~1b~0c: is not a member of this object"},
        {"{\"enum\":[\"a\",\"b\",1]}", "\"c\"", "/: must be one of: a, b, …"},
        {"{\"maxLength\":2}", "\"日本\"", NULL},
        {"{\"maxLength\":2}", "\"日本語\"", "/: must be at most 2 characters"},
        {"{\"minLength\":2}", "\"日\"", "/: must be at least 2 characters"},
        {"{\"pattern\":\"^a+$\"}", "\"a\\n\"",
         "/: does not have the form that its pattern asks for"},
        {"{\"anyOf\":[{\"const\":1},{\"const\":2}]}", "3",
         "/: has none of the 2 allowed forms"},
        {"{\"oneOf\":[{\"minimum\":1},{\"minimum\":2}]}", "3",
         "/: must have exactly one of 2 forms, and has more"},
        {"{\"not\":{\"const\":1}}", "1", "/: has a form that is excluded"},
        {"{\"uniqueItems\":true,\"maxItems\":9}", "[1,[2],1.0]",
         "/: items 0 and 2 are the same"},
        {"{\"uniqueItems\":true,\"maxItems\":9}", "[1,true,\"1\",[1],{\"a\":1}]", NULL},
        {"{\"if\":{\"required\":[\"a\"]},\"then\":{\"required\":[\"b\"]},\"else\":{"
         "\"maxProperties\":0}}",
         "{\"c\":1}", "/: must have at most 0 members"},
        {"{\"propertyNames\":{\"maxLength\":1}}", "{\"ab\":1}",
         "/ab: must be at most 1 characters"},
        {"{\"patternProperties\":{\"^x\":{\"type\":\"null\"}},\"additionalProperties\":{"
         "\"type\":\"boolean\"}}",
         "{\"x1\":null,\"y\":1}", "/y: must be boolean"},
        {"{\"$defs\":{\"t\":{\"properties\":{\"n\":{\"$ref\":\"#/$defs/"
         "t\"}},\"maxProperties\":"
         "1}},\"$ref\":\"#/$defs/t\"}",
         "{\"n\":{\"n\":{\"n\":{\"a\":1,\"b\":2}}}}",
         "/n/n/n: must have at most 1 members"},
        {"{\"properties\":{\"a\\u0001\":{\"type\":\"null\"}}}", "{\"a\\u0001\":1}",
         "/a\\x01: must be null"},
    };
    for (size_t i = 0; i < POSTURE_COUNT(rows); i++) {
        POSTURE_AUTO(posture_schema_free) struct posture_schema *schema = NULL;
        struct posture_error error = {0};
        if (load(rows[i].schema, &schema, &error) < 0)
            fail_msg("%s: %s", rows[i].schema, error.text);
        json_auto_t *instance = json_loads(rows[i].instance, JSON_DECODE_ANY, NULL);
        int r = posture_schema_check(schema, instance, &error);
        if (r != (rows[i].want ? POSTURE_E_SCHEMA : 0) ||
            (rows[i].want && strcmp(error.text, rows[i].want) != 0))
            fail_msg("%s on %s: got %d '%s'", rows[i].schema, rows[i].instance, r,
                     error.text);
        if (posture_schema_check(schema, instance, NULL) != r)
            fail_msg("%s: other verdict without reterr", rows[i].schema);
    }
}

/* A schema whose parts multiply with every level is stopped, not waited for. */
static void test_steps_are_bounded(void **state)
{
    (void)state;
    POSTURE_AUTO(posture_schema_free) struct posture_schema *schema = NULL;
    assert_int_equal(
        load("{\"allOf\":[{\"items\":{\"$ref\":\"#\"}},{\"items\":{\"$ref\":\"#\"}},"
             "{\"items\":{\"$ref\":\"#\"}}]}",
             &schema, NULL),
        0);
    char text[80];
    memset(text, '[', 30);
    memset(text + 30, ']', 30);
    json_auto_t *instance = json_loadb(text, 60, 0, NULL);
    struct posture_error error = {0};
    assert_int_equal(posture_schema_check(schema, instance, &error), POSTURE_E_LIMIT);
    assert_string_equal(error.text, "too costly to check");
}

/* Catastrophic backtracking ends at PCRE2's match limit. */
static void test_patterns_are_bounded(void **state)
{
    (void)state;
    POSTURE_AUTO(posture_schema_free) struct posture_schema *schema = NULL;
    assert_int_equal(
        load("{\"not\":{\"pattern\":\"^(?:a|a)*(?:a|a)*(?:a|a)*[bc]$\"}}", &schema, NULL),
        0);
    char text[3000];
    memset(text, 'a', sizeof(text));
    json_auto_t *instance = json_stringn(text, sizeof(text));
    assert_int_equal(posture_schema_check(schema, instance, NULL), POSTURE_E_LIMIT);
}

static int load_registry_schema(void *data)
{
    (void)data;
    POSTURE_AUTO(posture_schema_free) struct posture_schema *schema = NULL;
    return posture_schema_load(POSTURE_SOURCE_DIR "/schemas/registry.v1.schema.json",
                               &schema, NULL);
}

static int load_groups_schema(void *data)
{
    (void)data;
    POSTURE_AUTO(posture_schema_free) struct posture_schema *schema = NULL;
    return posture_schema_load(POSTURE_SOURCE_DIR "/schemas/tls/groups.schema.json",
                               &schema, NULL);
}

static int check_names(void *data)
{
    json_t **both = data;
    POSTURE_AUTO(posture_schema_free) struct posture_schema *schema = NULL;
    POSTURE_TRY(load_registry_schema(NULL));
    int r = load("{\"propertyNames\":{\"pattern\":\"^[a-z]+$\"}}", &schema, NULL);
    return r < 0 ? r : posture_schema_check(schema, both[0], NULL);
}

static void test_out_of_memory_everywhere(void **state)
{
    (void)state;
    json_t *instance = json_pack("{s:i}", "name", 1);
    assert_true(test_out_of_memory(load_groups_schema, NULL) > 100);
    /* The large one has thousands of allocations: a sample of them. */
    assert_int_equal(load_registry_schema(NULL), 0);
    for (unsigned long n = 1; n < 20000; n += 97) {
        posture_alloc_fail_at(n, (int)(n & 1));
        int r = check_names(&instance);
        bool was_hit = posture_alloc_count() >= n;
        posture_alloc_fail_at(0, 0);
        /* Without memory for its JIT code a pattern is interpreted: that may succeed. */
        if (r != 0 && (!was_hit || r != -ENOMEM))
            fail_msg("allocation %lu: got %d", n, r);
        if (!was_hit)
            break;
    }
    json_decref(instance);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_load_errors),
        cmocka_unit_test(test_texts),
        cmocka_unit_test(test_steps_are_bounded),
        cmocka_unit_test(test_patterns_are_bounded),
        cmocka_unit_test(test_out_of_memory_everywhere),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
