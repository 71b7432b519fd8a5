/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#include "posture_crypto/host_libraries.h"

#include "common/base/buf.h"

#include <errno.h>
#include <string.h>

enum { FOLDERS_MAX = 512, FILES_MAX = 20000, FOUND_MAX = 16 };

static int folder_search(const struct host_root *root, const char *folder,
                         const char *prefix, json_t *found)
{
    HOST_AUTO_NAMES struct host_names names = {0};
    if (host_root_list(root, folder, FILES_MAX, &names) < 0)
        return 0; /* most systems have only some of these folders */
    size_t len = strlen(prefix);
    for (size_t i = 0; i < names.count && json_array_size(found) < FOUND_MAX; i++) {
        const char *name = names.items[i];
        if (strncmp(name, prefix, len) != 0)
            continue;
        bool is_known = false;
        size_t k;
        const json_t *other;
        json_array_foreach (found, k, other)
            is_known = is_known || strcmp(json_string_value(other), name) == 0;
        json_t *text = is_known ? NULL : host_text(name, strlen(name), 128);
        if (!is_known && json_array_append_new(found, text) < 0)
            return -ENOMEM;
    }
    return 0;
}

/* Debian: usr/lib/x86_64-linux-gnu. */
static int multiarch_search(const struct host_root *root, const char *prefix,
                            json_t *found)
{
    HOST_AUTO_NAMES struct host_names names = {0};
    if (host_root_list(root, "usr/lib", FOLDERS_MAX, &names) < 0)
        return 0;
    for (size_t i = 0; i < names.count; i++) {
        if (!strstr(names.items[i], "-linux-gnu"))
            continue;
        POSTURE_AUTO_FREE char *folder = posture_asprintf("usr/lib/%s", names.items[i]);
        if (!folder)
            return -ENOMEM;
        POSTURE_TRY(folder_search(root, folder, prefix, found));
    }
    return 0;
}

int host_libraries_find(const struct host_root *root, const char *prefix,
                        json_t **ret_names)
{
    static const char *const folders[] = {"usr/lib64", "usr/lib", "lib64", "lib",
                                          "usr/local/lib"};
    json_auto_t *found = json_array();
    if (!found)
        return -ENOMEM;
    for (size_t i = 0; i < POSTURE_COUNT(folders); i++)
        POSTURE_TRY(folder_search(root, folders[i], prefix, found));
    POSTURE_TRY(multiarch_search(root, prefix, found));
    *ret_names = json_incref(found);
    return 0;
}
