/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#include "posture_crypto/host_control.h"
#include "posture_crypto/host_software.h"

#include "common/base/mem.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

/* Whether what is installed also runs: the marker that packages leave, and the running
 * kernel beside the newest of its flavour. */

enum { KERNELS_MAX = 256, MARKER_MAX = 65536, PACKAGES_MAX = 64, RELEASE_MAX = 256 };

static int marker_read(const struct host_input *input, json_t *topic)
{
    bool is_required = host_root_exists(&input->root, "run/reboot-required");
    if (json_object_set_new(topic, "required", json_boolean(is_required)) < 0)
        return -ENOMEM;
    POSTURE_AUTO_FREE char *text = NULL;
    size_t len;
    if (!is_required || host_root_read(&input->root, "run/reboot-required.pkgs",
                                       MARKER_MAX, &text, &len) < 0)
        return 0;
    json_t *list = json_array();
    if (json_object_set_new(topic, "packages", list) < 0)
        return -ENOMEM;
    char *save = NULL;
    for (const char *line = strtok_r(text, "\r\n", &save); line;
         line = strtok_r(NULL, "\r\n", &save)) {
        if (json_array_size(list) == PACKAGES_MAX)
            return json_object_set_new(topic, "truncated", json_true()) < 0 ? -ENOMEM : 0;
        if (json_array_append_new(list, host_text(line, strlen(line), RELEASE_MAX)) < 0)
            return -ENOMEM;
    }
    return 0;
}

/* "6.1.0-25-cloud-amd64" → "cloud-amd64"; "5.14.0-427.el9.x86_64" → "el9.x86_64": what
 * follows the first part that is no number. Kernels of one flavour are compared. */
static const char *flavour_of(const char *release)
{
    const char *at = release;
    while (*at) {
        size_t len = strcspn(at, "-.+_");
        if (len > 0 && !isdigit((unsigned char)*at))
            return at;
        at += len + (at[len] != '\0');
    }
    return at;
}

static int newest_find(const struct host_input *input, struct host_versions *versions,
                       const char *running, json_t *kernel)
{
    static const char image[] = "vmlinuz-";
    HOST_AUTO_NAMES struct host_names names = {0};
    const char *newest = NULL;
    int r = host_root_list(&input->root, "boot", KERNELS_MAX, &names);
    if (r < 0)
        return r;
    for (size_t i = 0; i < names.count; i++) {
        const char *name = names.items[i];
        if (strncmp(name, image, sizeof(image) - 1) != 0)
            continue;
        name += sizeof(image) - 1;
        if (strcmp(flavour_of(name), flavour_of(running)) == 0 &&
            (!newest || host_versions_compare(versions, name, newest) > 0))
            newest = name;
    }
    if (!newest)
        return -ENOENT;
    bool is_outdated = host_versions_compare(versions, running, newest) < 0;
    if (json_object_set_new(kernel, "outdated", json_boolean(is_outdated)) < 0)
        return -ENOMEM;
    return host_set_text(kernel, "newest", newest);
}

/* Debian keeps a kernel's name over its updates: "#1 SMP … Debian 6.1.106-3 (2024-08-26)"
 * tells which of them runs. */
static int build_compare(const struct host_input *input, struct host_versions *versions,
                         const char *running, json_t *kernel)
{
    char text[RELEASE_MAX], name[RELEASE_MAX + 16];
    static const char word[] = "Debian ";
    if (host_root_line(&input->root, "proc/sys/kernel/version", text, sizeof(text)) < 0)
        return 0;
    char *build = strstr(text, word);
    if (!build)
        return 0;
    build += sizeof(word) - 1;
    build[strcspn(build, " ")] = '\0';
    snprintf(name, sizeof(name), "linux-image-%s", running);
    const struct host_package *package = host_package_find(input->inventory, name);
    POSTURE_TRY(host_set_text(kernel, "running_build", build));
    if (!package)
        return 0;
    POSTURE_TRY(host_set_text(kernel, "installed_build", package->version));
    return host_versions_compare(versions, build, package->version) < 0 &&
                   json_object_set_new(kernel, "outdated", json_true()) < 0
               ? -ENOMEM
               : 0;
}

static int kernel_measure(const struct host_input *input, json_t *kernel)
{
    char running[RELEASE_MAX];
    POSTURE_TRY(host_root_line(&input->root, "proc/sys/kernel/osrelease", running,
                               sizeof(running)));
    POSTURE_TRY(host_set_text(kernel, "running", running));
    struct host_versions *versions = host_versions_new();
    int r = versions ? newest_find(input, versions, running, kernel) : -ENOMEM;
    if (r == 0)
        r = build_compare(input, versions, running, kernel);
    host_versions_free(versions);
    return r;
}

int host_reboot_measure(const struct host_input *input, json_t *facts)
{
    json_t *topic = json_object(), *kernel = json_object();
    if (json_object_set_new(facts, "reboot", topic) < 0 ||
        json_object_set_new(topic, "kernel", kernel) < 0)
        return -ENOMEM;
    POSTURE_TRY(marker_read(input, topic));
    bool is_container =
        json_object_get(json_object_get(facts, "os"), "container") != NULL;
    if (json_object_set_new(topic, "container", json_boolean(is_container)) < 0)
        return -ENOMEM;
    if (is_container)
        return 0; /* its kernel is another system's */
    int r = kernel_measure(input, kernel);
    if (r == -ENOMEM)
        return r;
    return r < 0 ? host_missing(facts, "reboot.kernel", r, "boot") : 0;
}
