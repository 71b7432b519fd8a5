/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#include "posture_crypto/host_facts.h"

#include "common/base/mem.h"

#include <errno.h>
#include <string.h>

/* What system this is: os-release(5), the kernel's release, the container if it is one.
 */

enum { RELEASE_MAX = 65536, VALUE_MAX = 256 };

/* NAME="value with \"escapes\"" or NAME=value; false when the line is another's. */
static bool value_read(const char *line, size_t len, const char *name,
                       char value[static VALUE_MAX])
{
    size_t name_len = strlen(name);
    if (len <= name_len || strncmp(line, name, name_len) != 0 || line[name_len] != '=')
        return false;
    const char *p = line + name_len + 1, *end = line + len;
    char quote = '\0';
    size_t n = 0;
    if (p < end && (*p == '"' || *p == '\''))
        quote = *p++;
    for (; p < end && *p != quote && n + 1 < VALUE_MAX; p++) {
        if (*p == '\\' && quote != '\'' && p + 1 < end)
            p++;
        value[n++] = *p;
    }
    value[n] = '\0';
    return true;
}

static int release_read(const char *bytes, json_t *os)
{
    static const struct {
        const char *name, *key;
    } members[] = {{"ID", "id"}, {"VERSION_ID", "version"}, {"ID_LIKE", "like"}};
    for (const char *line = bytes; *line;) {
        size_t len = strcspn(line, "\n");
        char value[VALUE_MAX];
        for (size_t i = 0; i < POSTURE_COUNT(members); i++) {
            if (value_read(line, len, members[i].name, value))
                POSTURE_TRY(host_set_text(os, members[i].key, value));
        }
        line += len + (line[len] == '\n');
    }
    return 0;
}

/* The files that container run-times leave for what runs inside. */
static const char *container_find(const struct host_root *root,
                                  char name[static VALUE_MAX])
{
    if (host_root_line(root, "run/systemd/container", name, VALUE_MAX) == 0 && name[0])
        return name;
    if (host_root_exists(root, "run/.containerenv"))
        return "podman";
    return host_root_exists(root, ".dockerenv") ? "docker" : NULL;
}

int host_os_measure(const struct host_input *input, json_t *facts)
{
    json_t *os = json_object();
    if (json_object_set_new(facts, "os", os) < 0)
        return -ENOMEM;
    POSTURE_AUTO_FREE char *bytes = NULL;
    size_t len;
    int r = host_root_read(&input->root, "etc/os-release", RELEASE_MAX, &bytes, &len);
    if (r == -ENOENT)
        r = host_root_read(&input->root, "usr/lib/os-release", RELEASE_MAX, &bytes, &len);
    r = r < 0 ? host_missing(facts, "os", r, "os-release") : release_read(bytes, os);
    POSTURE_TRY(r);
    char value[VALUE_MAX];
    if (host_root_line(&input->root, "proc/sys/kernel/osrelease", value, sizeof(value)) ==
        0)
        POSTURE_TRY(host_set_text(os, "kernel", value));
    const char *container = container_find(&input->root, value);
    return container ? host_set_text(os, "container", container) : 0;
}
