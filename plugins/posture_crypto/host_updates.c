/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#include "posture_crypto/host_control.h"
#include "posture_crypto/host_software.h"

#include "common/base/mem.h"
#include "common/report/json.h"

#include <errno.h>
#include <fnmatch.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

/* Security updates that apt knows of and that are not installed: its lists of packages
 * against dpkg's. Which archives are of security is data (schemas/host/archives.json). */

enum { LISTS_MAX = 4096, ARCHIVES_MAX = 64, PENDING_MAX = 128 };

enum { ORIGIN, LABEL, SUITE, CODENAME, DATE, VALID_UNTIL };
static const char *const release_fields[] = {"Origin",   "Label", "Suite",
                                             "Codename", "Date",  "Valid-Until"};
enum { PACKAGE, VERSION, ARCHITECTURE };
static const char *const list_fields[] = {"Package", "Version", "Architecture"};

struct lists {
    const struct host_input *input;
    struct host_versions *versions;
    struct host_names names;
    json_t *facts, *topic, *archives;
    json_t *pending;  /* "package:architecture" → entry */
    const char *list; /* the one that is read */
    size_t read_count;
};

/* "Sat, 21 Nov 2026 00:53:02 UTC" */
static int date_set(json_t *archive, const char *key, const char *text)
{
    struct tm tm = {0};
    const char *end = text ? strptime(text, "%a, %d %b %Y %H:%M:%S", &tm) : NULL;
    return end ? host_set_time(archive, key, (long long)timegm(&tm)) : 0;
}

/* A signed Release begins with a paragraph that is the signature's. */
static int release_take(const struct host_control *control, void *data)
{
    json_t *archive = data;
    static const char *const keys[] = {"origin", "label", "suite", "codename"};
    if (!host_control_value(control, ORIGIN) && !host_control_value(control, LABEL) &&
        !host_control_value(control, SUITE) && !host_control_value(control, CODENAME))
        return 0;
    for (size_t i = 0; i < POSTURE_COUNT(keys); i++) {
        const char *value = host_control_value(control, i);
        if (value)
            POSTURE_TRY(host_set_text(archive, keys[i], value));
    }
    POSTURE_TRY(date_set(archive, "date", host_control_value(control, DATE)));
    POSTURE_TRY(
        date_set(archive, "valid_until", host_control_value(control, VALID_UNTIL)));
    return 1;
}

static bool is_of_security(const json_t *table, const json_t *archive)
{
    static const char *const keys[] = {"origin", "label", "suite"};
    size_t i;
    const json_t *row;
    json_array_foreach (table, i, row) {
        bool is_match = true;
        for (size_t k = 0; k < POSTURE_COUNT(keys); k++) {
            const char *want = posture_json_string(row, keys[k]);
            const char *have = posture_json_string(archive, keys[k]);
            is_match = is_match && (!want || (have && fnmatch(want, have, 0) == 0));
        }
        if (is_match)
            return true;
    }
    return false;
}

static int pending_add(struct lists *lists, const struct host_package *package,
                       const char *version)
{
    POSTURE_AUTO_FREE char *key =
        posture_asprintf("%s:%s", package->name, package->architecture);
    if (!key)
        return -ENOMEM;
    const char *known =
        posture_json_string(json_object_get(lists->pending, key), "available");
    if (known && host_versions_compare(lists->versions, known, version) >= 0)
        return 0;
    json_t *entry = json_object();
    if (json_object_set_new(lists->pending, key, entry) < 0)
        return -ENOMEM;
    POSTURE_TRY(host_set_text(entry, "package", package->name));
    POSTURE_TRY(host_set_text(entry, "architecture", package->architecture));
    POSTURE_TRY(host_set_text(entry, "installed", package->version));
    POSTURE_TRY(host_set_text(entry, "available", version));
    return host_set_text(entry, "path", lists->list);
}

static int offered_take(const struct host_control *control, void *data)
{
    struct lists *lists = data;
    const char *name = host_control_value(control, PACKAGE);
    const char *version = host_control_value(control, VERSION);
    const char *architecture = host_control_value(control, ARCHITECTURE);
    if (!name || !version)
        return 0;
    const struct host_inventory *inventory = lists->input->inventory;
    const struct host_package *package = host_package_find(inventory, name);
    for (; package && package < inventory->packages + inventory->package_count &&
           strcmp(package->name, name) == 0;
         package++) {
        /* A package may become one for all architectures, and the reverse. */
        if (architecture && strcmp(architecture, package->architecture) != 0 &&
            strcmp(architecture, "all") != 0 && strcmp(package->architecture, "all") != 0)
            continue;
        if (host_versions_compare(lists->versions, package->version, version) < 0)
            POSTURE_TRY(pending_add(lists, package, version));
    }
    return 0;
}

/* All lists of packages of the archive whose Release file is named. */
static int packages_read(struct lists *lists, const char *release, size_t prefix_len)
{
    for (size_t i = 0; i < lists->names.count; i++) {
        const char *name = lists->names.items[i];
        const char *packages = strstr(name, "_Packages");
        if (strncmp(name, release, prefix_len) != 0 || !packages ||
            (packages[9] && packages[9] != '.'))
            continue;
        char path[PATH_MAX];
        snprintf(path, sizeof(path), "var/lib/apt/lists/%s", name);
        struct host_control control;
        host_control_init(&control, list_fields, POSTURE_COUNT(list_fields), offered_take,
                          lists);
        lists->list = path;
        int r = host_control_file(&lists->input->root, path, &control);
        lists->list = NULL;
        if (r < 0)
            POSTURE_TRY(
                r == -ENOMEM ? r : host_missing(lists->facts, "updates.lists", r, path));
        else
            lists->read_count++;
    }
    return 0;
}

static int release_read(struct lists *lists, const char *name, size_t prefix_len)
{
    char path[PATH_MAX];
    struct host_control control;
    json_auto_t *archive = json_object();
    snprintf(path, sizeof(path), "var/lib/apt/lists/%s", name);
    if (!archive || host_set_text(archive, "path", path) < 0)
        return -ENOMEM;
    host_control_init(&control, release_fields, POSTURE_COUNT(release_fields),
                      release_take, archive);
    int r = host_control_file(&lists->input->root, path, &control);
    if (r < 0)
        return r == -ENOMEM ? r : host_missing(lists->facts, "updates.lists", r, path);
    bool is_security = is_of_security(lists->input->tables->archives, archive);
    if (json_object_set_new(archive, "security", json_boolean(is_security)) < 0)
        return -ENOMEM;
    if (json_array_size(lists->archives) == ARCHIVES_MAX)
        return json_object_set_new(lists->topic, "truncated", json_true()) < 0 ? -ENOMEM
                                                                               : 0;
    if (json_array_append(lists->archives, archive) < 0)
        return -ENOMEM;
    size_t before = lists->read_count;
    if (is_security)
        POSTURE_TRY(packages_read(lists, name, prefix_len));
    if (is_security && lists->read_count == before)
        return host_missing(lists->facts, "updates.lists", -ENOENT, path);
    return 0;
}

static int pending_write(const struct lists *lists)
{
    json_t *list = json_array();
    if (json_object_set_new(lists->topic, "pending", list) < 0 ||
        json_object_set_new(lists->topic, "pending_count",
                            json_integer((json_int_t)json_object_size(lists->pending))) <
            0)
        return -ENOMEM;
    const char *key;
    json_t *entry;
    json_object_foreach (lists->pending, key, entry) {
        if (json_array_size(list) == PENDING_MAX)
            return json_object_set_new(lists->topic, "truncated", json_true()) < 0
                       ? -ENOMEM
                       : 0;
        if (json_array_append(list, entry) < 0)
            return -ENOMEM;
    }
    return 0;
}

static int lists_read(struct lists *lists)
{
    long long when;
    int r = host_root_list(&lists->input->root, "var/lib/apt/lists", LISTS_MAX,
                           &lists->names);
    if (r == 0 && lists->names.is_truncated)
        r = POSTURE_E_LIMIT;
    if (r < 0)
        return r == -ENOMEM
                   ? r
                   : host_missing(lists->facts, "updates.lists", r, "var/lib/apt/lists");
    for (size_t i = 0; i < lists->names.count; i++) {
        const char *name = lists->names.items[i], *end = strrchr(name, '_');
        if (end && (strcmp(end, "_InRelease") == 0 || strcmp(end, "_Release") == 0))
            POSTURE_TRY(release_read(lists, name, (size_t)(end + 1 - name)));
    }
    if (host_root_mtime(&lists->input->root, "var/lib/apt/periodic/update-success-stamp",
                        &when) == 0)
        POSTURE_TRY(host_set_time(lists->topic, "checked", when));
    return pending_write(lists);
}

int host_updates_measure(const struct host_input *input, json_t *facts)
{
    json_t *topic = json_object(), *archives = json_array();
    if (json_object_set_new(facts, "updates", topic) < 0 ||
        json_object_set_new(topic, "archives", archives) < 0)
        return -ENOMEM;
    if (input->inventory->packages_error < 0)
        return host_missing(facts, "updates.packages", input->inventory->packages_error,
                            "var/lib/dpkg/status");
    json_auto_t *pending = json_object();
    struct lists lists = {.input = input,
                          .versions = host_versions_new(),
                          .facts = facts,
                          .topic = topic,
                          .archives = archives,
                          .pending = pending};
    int r = pending && lists.versions ? host_set_text(topic, "manager", "apt") : -ENOMEM;
    r = r < 0 ? r : lists_read(&lists);
    host_names_done(&lists.names);
    host_versions_free(lists.versions);
    return r;
}
