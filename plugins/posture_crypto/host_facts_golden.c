/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */

/*
 * host_facts_golden DIR [--write]: measures the system of DIR/tree (and what the root
 * helpers wrote in DIR/sshd, DIR/dm-table), compares with DIR/facts.json.
 */

#include "common/report/json.h"
#include "posture_crypto/host_software.h"
#include "posture_crypto/host_testing.h"

enum { CASE_FILE_MAX = 4 * 1024 * 1024 };

static char *text_load(const char *dir, const char *name, size_t *ret_len)
{
    POSTURE_AUTO_FREE char *path = posture_asprintf("%s/%s", dir, name);
    char *bytes = NULL;
    if (!path || posture_file_read(path, CASE_FILE_MAX, &bytes, ret_len, NULL) < 0)
        return NULL;
    return bytes;
}

static json_t *case_measure(const char *dir, const char *root)
{
    static const char *const names[HOST_HELPER_COUNT] = {"sshd", "dm-table"};
    static char stamp[] = "/var/lib/agency/backup-done", *const stamps[] = {stamp};
    struct host_tables tables;
    struct posture_error error = {0};
    struct host_input input = {.tables = &tables,
                               .stamps = stamps,
                               .now_ns = (TREE_MTIME + 3600) * INT64_C(1000000000)};
    if (host_root_open(root, &input.root, NULL) < 0)
        return NULL;
    if (host_tables_load(NULL, &tables, &error) < 0) {
        fprintf(stderr, "%s\n", error.text);
        host_root_done(&input.root);
        return NULL;
    }
    /* One that the trees name: the folder is there. */
    input.stamp_count = host_root_exists(&input.root, "var/lib/agency");
    for (size_t i = 0; i < HOST_HELPER_COUNT; i++) {
        input.helped[i].bytes = text_load(dir, names[i], &input.helped[i].len);
        input.helped[i].error = input.helped[i].bytes ? 0 : -EXDEV;
    }
    json_t *facts = host_facts_measure("host.example.jp", &input);
    for (size_t i = 0; i < HOST_HELPER_COUNT; i++)
        free(input.helped[i].bytes);
    host_root_done(&input.root);
    host_tables_done(&tables);
    return facts;
}

int main(int argc, char **argv)
{
    if (argc < 2)
        return 2;
    size_t len;
    char root[64];
    POSTURE_AUTO_FREE char *tree = text_load(argv[1], "tree", &len);
    if (!tree || tree_make(tree, root) < 0)
        return 2;
    json_auto_t *got = case_measure(argv[1], root);
    tree_remove(root);
    POSTURE_AUTO_FREE char *path = posture_asprintf("%s/facts.json", argv[1]);
    if (!got || !path)
        return 2;
    if (argc > 2 && strcmp(argv[2], "--write") == 0)
        return json_dump_file(got, path, JSON_INDENT(1) | JSON_COMPACT) == 0 ? 0 : 2;
    json_t *want = NULL;
    struct posture_error error = {0};
    if (posture_json_load(path, CASE_FILE_MAX, &want, &error) < 0) {
        fprintf(stderr, "%s: %s\n", path, error.text);
        return 2;
    }
    bool is_equal = posture_json_equal(want, got);
    if (!is_equal) {
        POSTURE_AUTO_FREE char *a = json_dumps(want, JSON_INDENT(1));
        POSTURE_AUTO_FREE char *b = json_dumps(got, JSON_INDENT(1));
        fprintf(stderr, "expected %s\n     got %s\n", a, b);
    }
    json_decref(want);
    return is_equal ? 0 : 1;
}
