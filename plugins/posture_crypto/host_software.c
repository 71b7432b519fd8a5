/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#include "posture_crypto/host_software.h"

#include "common/base/clock.h"
#include "common/base/mem.h"
#include "common/base/spawn.h"
#include "common/report/document.h"

#include <errno.h>
#include <fnmatch.h>
#include <stdio.h>
#include <string.h>

enum { TABLE_MAX = 1024 * 1024, FOUND_MAX = 16, FOLDER_MAX = 4096, TEXT_MAX = 512 };

static int table_load(const char *data_dir, const char *name, const char *schema,
                      const char *list, json_t **ret, struct posture_error *reterr)
{
    POSTURE_AUTO_FREE char *path = NULL;
    json_auto_t *root = NULL;
    POSTURE_TRY(posture_data_path(data_dir, "schemas", name, &path, reterr));
    POSTURE_TRY(
        posture_document_load(data_dir, path, schema, TABLE_MAX, &root, NULL, reterr));
    *ret = json_incref(json_object_get(root, list));
    return 0;
}

int host_tables_load(const char *data_dir, struct host_tables *ret,
                     struct posture_error *reterr)
{
    static const char schema[] = "host/software.schema.json";
    *ret = (struct host_tables){0};
    int r = table_load(data_dir, "host/file-sharing.json", schema, "software",
                       &ret->file_sharing, reterr);
    if (r == 0)
        r = table_load(data_dir, "host/malware-protection.json", schema, "software",
                       &ret->malware, reterr);
    if (r == 0)
        r = table_load(data_dir, "host/backup.json", schema, "software", &ret->backup,
                       reterr);
    if (r == 0)
        r = table_load(data_dir, "host/archives.json", "host/archives.schema.json",
                       "archives", &ret->archives, reterr);
    if (r < 0)
        host_tables_done(ret);
    return r;
}

void host_tables_done(struct host_tables *tables)
{
    json_decref(tables->file_sharing);
    json_decref(tables->malware);
    json_decref(tables->backup);
    json_decref(tables->archives);
    *tables = (struct host_tables){0};
}

int host_set_time(json_t *object, const char *key, long long seconds)
{
    char text[POSTURE_TIME_TEXT_MAX];
    if (seconds < 0 || seconds > INT64_C(9000000000))
        return 0; /* nonsense is not said */
    return host_set_text(object, key,
                         posture_time_format(seconds * POSTURE_NS_PER_S, text));
}

static int text_append(json_t *list, const char *text)
{
    if (json_array_size(list) >= FOUND_MAX)
        return 0;
    return json_array_append_new(list, host_text(text, strlen(text), TEXT_MAX)) < 0
               ? -ENOMEM
               : 0;
}

static int packages_find(const struct host_input *input, const json_t *row, json_t *list)
{
    size_t i;
    const json_t *name;
    json_array_foreach (json_object_get(row, "packages"), i, name) {
        const struct host_package *package =
            host_package_find(input->inventory, json_string_value(name));
        if (!package)
            continue;
        POSTURE_AUTO_FREE char *text =
            posture_asprintf("%s %s", package->name, package->version);
        if (!text || text_append(list, text) < 0)
            return -ENOMEM;
    }
    return 0;
}

static int named_find(const struct host_input *input, const json_t *names, json_t *list)
{
    const json_t *name;
    size_t k;
    for (size_t i = 0; i < input->inventory->process_count; i++) {
        const struct host_process *process = &input->inventory->processes[i];
        json_array_foreach (names, k, name) {
            if (!host_process_is(process, json_string_value(name)))
                continue;
            POSTURE_AUTO_FREE char *text =
                posture_asprintf("%s (%u)", json_string_value(name), process->pid);
            if (!text || text_append(list, text) < 0)
                return -ENOMEM;
            break;
        }
    }
    return 0;
}

static int processes_find(const struct host_input *input, const json_t *row, json_t *list)
{
    return named_find(input, json_object_get(row, "processes"), list);
}

static int updaters_find(const struct host_input *input, const json_t *row, json_t *list)
{
    return named_find(input, json_object_get(row, "updaters"), list);
}

int host_software_files(const struct host_root *root, const char *pattern, size_t max,
                        json_t *paths)
{
    if (!strpbrk(pattern, "*?"))
        return host_root_exists(root, pattern) ? text_append(paths, pattern) : 0;
    char folder[PATH_MAX];
    const char *slash = strrchr(pattern, '/');
    HOST_AUTO_NAMES struct host_names names = {0};
    int n = snprintf(folder, sizeof(folder), "%.*s", (int)(slash ? slash - pattern : 0),
                     pattern);
    if (n <= 0 || n >= PATH_MAX)
        return 0;
    int r = host_root_list(root, folder, FOLDER_MAX, &names);
    if (r < 0)
        return r == -ENOENT || r == -ENOTDIR ? 0 : r;
    for (size_t i = 0; i < names.count && json_array_size(paths) < max; i++) {
        if (fnmatch(slash + 1, names.items[i], FNM_PERIOD) != 0)
            continue;
        POSTURE_AUTO_FREE char *path = posture_asprintf("%s/%s", folder, names.items[i]);
        if (!path || text_append(paths, path) < 0)
            return -ENOMEM;
    }
    return 0;
}

static int paths_find(const struct host_input *input, const json_t *row, json_t *list)
{
    size_t i;
    const json_t *path;
    json_array_foreach (json_object_get(row, "paths"), i, path) {
        if (host_software_files(&input->root, json_string_value(path), FOUND_MAX, list) ==
            -ENOMEM)
            return -ENOMEM;
    }
    return 0;
}

typedef int find_fn(const struct host_input *input, const json_t *row, json_t *list);

int host_software_find(const struct host_input *input, const json_t *row, json_t *entry)
{
    static const struct {
        const char *key;
        find_fn *find;
    } ways[] = {{"packages", packages_find},
                {"paths", paths_find},
                {"processes", processes_find},
                {"updaters", updaters_find}};
    POSTURE_TRY(
        host_set_text(entry, "name", json_string_value(json_object_get(row, "name"))));
    for (size_t i = 0; i < POSTURE_COUNT(ways); i++) {
        json_auto_t *list = json_array();
        if (!list)
            return -ENOMEM;
        POSTURE_TRY(ways[i].find(input, row, list));
        if (json_array_size(list) > 0 && json_object_set(entry, ways[i].key, list) < 0)
            return -ENOMEM;
    }
    return 0;
}
