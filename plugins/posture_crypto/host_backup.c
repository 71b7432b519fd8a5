/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#include "posture_crypto/host_software.h"

#include "common/base/mem.h"

#include <errno.h>
#include <string.h>

/* When a backup last succeeded: files that the operator names, whose time is that of the
 * last success, and what known tools leave behind. */

enum { RECORDS_MAX = 64, FILES_MAX = 16 };

static int record_add(const struct host_input *input, const char *name, const char *path,
                      const char *means, json_t *facts, json_t *records)
{
    long long when;
    const char *relative = path + strspn(path, "/");
    json_auto_t *record = json_object();
    if (!record || host_set_text(record, "name", name) < 0 ||
        host_set_text(record, "path", relative) < 0 ||
        host_set_text(record, "means", means) < 0)
        return -ENOMEM;
    int r = host_root_mtime(&input->root, relative, &when);
    if (r == 0)
        POSTURE_TRY(host_set_time(record, "time", when));
    else if (strcmp(means, "stamp") != 0)
        return host_missing(facts, "backup.records", r, relative);
    else if (r != -ENOENT && r != -ENOTDIR) /* a stamp that is not there: never yet */
        return host_missing(facts, "backup.stamps", r, relative);
    return json_array_append(records, record) < 0 ? -ENOMEM : 0;
}

static int tool_measure(const struct host_input *input, const json_t *row, json_t *facts,
                        json_t *topic)
{
    size_t i, k;
    const json_t *rule, *path;
    json_t *records = json_object_get(topic, "records");
    json_auto_t *entry = json_object();
    if (!entry)
        return -ENOMEM;
    POSTURE_TRY(host_software_find(input, row, entry));
    if (json_object_size(entry) > 1 &&
        json_array_append(json_object_get(topic, "tools"), entry) < 0)
        return -ENOMEM;
    json_array_foreach (json_object_get(row, "records"), i, rule) {
        json_auto_t *paths = json_array();
        const char *pattern = json_string_value(json_object_get(rule, "path"));
        if (!paths)
            return -ENOMEM;
        int r = host_software_files(&input->root, pattern, FILES_MAX, paths);
        if (r < 0)
            POSTURE_TRY(r == -ENOMEM ? r
                                     : host_missing(facts, "backup.records", r, pattern));
        json_array_foreach (paths, k, path) {
            if (json_array_size(records) == RECORDS_MAX)
                return json_object_set_new(topic, "truncated", json_true()) < 0 ? -ENOMEM
                                                                                : 0;
            POSTURE_TRY(record_add(input, json_string_value(json_object_get(row, "name")),
                                   json_string_value(path),
                                   json_string_value(json_object_get(rule, "means")),
                                   facts, records));
        }
    }
    return 0;
}

int host_backup_measure(const struct host_input *input, json_t *facts)
{
    json_t *topic = json_object(), *records = json_array();
    if (json_object_set_new(facts, "backup", topic) < 0 ||
        json_object_set_new(topic, "records", records) < 0 ||
        json_object_set_new(topic, "tools", json_array()) < 0)
        return -ENOMEM;
    for (size_t i = 0; i < input->stamp_count; i++) {
        if (json_array_size(records) == RECORDS_MAX)
            return json_object_set_new(topic, "truncated", json_true()) < 0 ? -ENOMEM : 0;
        POSTURE_TRY(
            record_add(input, "BackupStamp", input->stamps[i], "stamp", facts, records));
    }
    size_t i;
    const json_t *row;
    json_array_foreach (input->tables->backup, i, row)
        POSTURE_TRY(tool_measure(input, row, facts, topic));
    return 0;
}
