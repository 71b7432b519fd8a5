/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */

/*
 * tls_checks_golden DIR [--kind KIND] [--write]: judges DIR/facts.json (of kind tls, or
 * KIND) by DIR/profile at DIR/at and compares results, reasons' arguments and ends with
 * DIR/expected.json.
 * --write makes that file, for a person to read before it is committed.
 */

#include "common/base/buf.h"
#include "common/base/clock.h"
#include "common/report/json.h"
#include "posture_crypto/host_checks.h"
#include "posture_crypto/ssh_checks.h"
#include "posture_crypto/tls_checks.h"

#include <stdio.h>
#include <string.h>

enum { CASE_FILE_MAX = 4 * 1024 * 1024 };

static int die(const char *what, const struct posture_error *error)
{
    char text[1024];
    fprintf(stderr, "%s: %s\n", what, posture_error_format(error, text, sizeof(text)));
    return 2;
}

/* A small text file without its line end. */
static int word_read(const char *dir, const char *name, char **ret,
                     struct posture_error *reterr)
{
    POSTURE_AUTO_FREE char *path = posture_asprintf("%s/%s", dir, name);
    size_t len;
    POSTURE_TRY(posture_file_read(path, 4096, ret, &len, reterr));
    (*ret)[strcspn(*ret, "\n")] = '\0';
    return 0;
}

static json_t *document_load(const char *dir, const char *name,
                             struct posture_error *reterr)
{
    POSTURE_AUTO_FREE char *path = posture_asprintf("%s/%s", dir, name);
    json_t *root = NULL;
    if (posture_json_load(path, CASE_FILE_MAX, &root, reterr) < 0)
        return NULL;
    return root;
}

/* As in a report, and the instant at which each may change. */
static json_t *results_describe(const struct posture_results *results)
{
    json_t *list = posture_results_to_json(results);
    size_t i;
    json_t *item;
    json_array_foreach (list, i, item) {
        char text[POSTURE_TIME_TEXT_MAX];
        int64_t until = results->items[i].valid_until_ns;
        json_object_set_new(item, "until",
                            until == INT64_MAX
                                ? json_null()
                                : json_string(posture_time_format(until, text)));
    }
    return list;
}

static const json_t *result_find(const json_t *list, const char *check)
{
    size_t i;
    const json_t *item;
    json_array_foreach (list, i, item) {
        const char *name = json_string_value(json_object_get(item, "check"));
        if (name && strcmp(name, check) == 0)
            return item;
    }
    return NULL;
}

/* What the case is about is what it lists; a check that it does not name may say what it
 * likes. */
static int compare(const json_t *expected, const json_t *got)
{
    int failures = json_array_size(expected) > 0 ? 0 : 1;
    size_t i;
    const json_t *want;
    json_array_foreach (expected, i, want) {
        const char *check = json_string_value(json_object_get(want, "check"));
        const json_t *have = check ? result_find(got, check) : NULL;
        if (have && posture_json_equal(want, have))
            continue;
        POSTURE_AUTO_FREE char *a = posture_json_compact(want, NULL);
        POSTURE_AUTO_FREE char *b = posture_json_compact(have, NULL);
        fprintf(stderr, "expected %s\n     got %s\n", a ? a : "nothing",
                b ? b : "nothing");
        failures++;
    }
    return failures ? 1 : 0;
}

/* Each reason is a whole sentence in each language: no code, no argument left over. */
static int reasons_check(const struct posture_results *results)
{
    POSTURE_AUTO(posture_check_registry_free)
    struct posture_check_registry *registry = NULL;
    struct posture_error error = {0};
    if (posture_check_registry_load(POSTURE_SOURCE_DIR "/schemas", &registry, &error) < 0)
        return die("checks.json", &error);
    int failures = 0;
    for (size_t i = 0; i < results->count; i++) {
        const struct posture_result *result = &results->items[i];
        for (int lang = 0; lang < POSTURE_LANG_COUNT; lang++) {
            POSTURE_AUTO_BUF struct posture_buf text = {0};
            posture_check_reason(registry, result->code, result->args,
                                 (enum posture_lang)lang, &text);
            if (text.data && strcmp(text.data, result->code) != 0 &&
                !strchr(text.data, '{'))
                continue;
            fprintf(stderr, "%s: no sentence in %s: %s\n", result->check,
                    posture_lang_name((enum posture_lang)lang),
                    text.data ? text.data : "");
            failures++;
        }
        if (!posture_check_find(registry, result->check)) {
            fprintf(stderr, "%s: not in the registry\n", result->check);
            failures++;
        }
    }
    return failures ? 1 : 0;
}

static int write_expected(const char *dir, const json_t *list)
{
    POSTURE_AUTO_FREE char *path = posture_asprintf("%s/expected.json", dir);
    FILE *file = fopen(path, "w");
    if (!file)
        return 2;
    fputs("[\n", file);
    size_t i;
    const json_t *item;
    json_array_foreach (list, i, item) {
        POSTURE_AUTO_FREE char *text = posture_json_compact(item, NULL);
        fprintf(file, "  %s%s\n", text, i + 1 < json_array_size(list) ? "," : "");
    }
    fputs("]\n", file);
    return fclose(file) == 0 ? 0 : 2;
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        fputs("usage: tls_checks_golden DIR [--kind KIND] [--write]\n", stderr);
        return 2;
    }
    const char *dir = argv[1], *kind = "tls";
    bool is_writing = false;
    for (int i = 2; i < argc; i++) {
        if (strcmp(argv[i], "--kind") == 0 && i + 1 < argc)
            kind = argv[++i];
        is_writing = is_writing || strcmp(argv[i], "--write") == 0;
    }
    struct posture_error error = {0};
    POSTURE_AUTO_FREE char *at = NULL;
    POSTURE_AUTO_FREE char *profile_id = NULL;
    int64_t at_ns;
    if (word_read(dir, "at", &at, &error) < 0 ||
        word_read(dir, "profile", &profile_id, &error) < 0 ||
        posture_at_parse(at, &at_ns, &error) < 0)
        return die(dir, &error);

    POSTURE_AUTO(posture_profile_free) struct posture_profile *profile = NULL;
    if (posture_profile_load(POSTURE_SOURCE_DIR "/schemas", profile_id, &profile,
                             &error) < 0)
        return die(profile_id, &error);
    json_auto_t *facts = document_load(dir, "facts.json", &error);
    if (!facts)
        return die(dir, &error);
    struct posture_error ignored = {0};
    json_auto_t *declared = document_load(dir, "declared.json", &ignored);

    POSTURE_AUTO_RESULTS struct posture_results results = {0};
    static const struct posture_check_set *const sets[] = {
        &posture_tls_checks, &posture_ssh_checks, &posture_host_checks, NULL};
    int r = posture_judge(sets, kind, facts, declared, profile, at_ns, &results);
    if (r < 0) {
        fprintf(stderr, "judge: %s\n", posture_strerror(r));
        return 2;
    }
    json_auto_t *got = results_describe(&results);
    if (is_writing)
        return write_expected(dir, got);
    json_auto_t *expected = document_load(dir, "expected.json", &error);
    if (!expected)
        return die(dir, &error);
    int failures = compare(expected, got);
    r = reasons_check(&results);
    return failures ? failures : r;
}
