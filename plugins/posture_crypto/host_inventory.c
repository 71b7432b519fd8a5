/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#include "posture_crypto/host_inventory.h"

#include "common/base/mem.h"
#include "common/base/parse.h"
#include "posture_crypto/host_control.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { COMM_MAX = 15, COMMAND_MAX = 65536, NET_MAX = 16 * 1024 * 1024, GROW = 256 };

/* One more place in a list; NULL when memory was out. */
static void *list_grow(void *items, size_t count, size_t size)
{
    return count % GROW == 0 ? posture_reallocarray(items, count + GROW, size) : items;
}

enum { PACKAGE, STATUS, VERSION, ARCHITECTURE };
static const char *const status_fields[] = {"Package", "Status", "Version",
                                            "Architecture"};

static int package_add(const struct host_control *control, void *data)
{
    struct host_inventory *inventory = data;
    const char *name = host_control_value(control, PACKAGE);
    const char *status = host_control_value(control, STATUS);
    const char *version = host_control_value(control, VERSION);
    const char *architecture = host_control_value(control, ARCHITECTURE);
    const char *state = status ? strrchr(status, ' ') : NULL;
    if (!name || !version || !state || strcmp(state, " installed") != 0)
        return 0;
    if (inventory->package_count == HOST_PACKAGES_MAX)
        return POSTURE_E_LIMIT;
    struct host_package *items = list_grow(inventory->packages, inventory->package_count,
                                           sizeof(*inventory->packages));
    if (!items)
        return -ENOMEM;
    inventory->packages = items;
    struct host_package *package = &items[inventory->package_count++];
    package->name = posture_strdup(name);
    package->version = posture_strdup(version);
    package->architecture = posture_strdup(architecture ? architecture : "");
    return package->name && package->version && package->architecture ? 0 : -ENOMEM;
}

static int by_name(const void *a, const void *b)
{
    const struct host_package *left = a, *right = b;
    int r = strcmp(left->name, right->name);
    return r != 0 ? r : strcmp(left->architecture, right->architecture);
}

static int packages_read(const struct host_root *root, struct host_inventory *inventory)
{
    static const char *const foreign[] = {"var/lib/rpm", "usr/lib/sysimage/rpm",
                                          "lib/apk/db/installed", "var/lib/pacman/local"};
    struct host_control control;
    host_control_init(&control, status_fields, POSTURE_COUNT(status_fields), package_add,
                      inventory);
    int r = host_control_file(root, "var/lib/dpkg/status", &control);
    for (size_t i = 0; r == -ENOENT && i < POSTURE_COUNT(foreign); i++) {
        if (host_root_exists(root, foreign[i]))
            r = -ENOTSUP;
    }
    if (r == 0 && inventory->package_count > 1)
        qsort(inventory->packages, inventory->package_count, sizeof(*inventory->packages),
              by_name);
    return r;
}

const struct host_package *host_package_find(const struct host_inventory *inventory,
                                             const char *name)
{
    size_t low = 0, high = inventory->package_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (strcmp(inventory->packages[middle].name, name) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low < inventory->package_count &&
                   strcmp(inventory->packages[low].name, name) == 0
               ? &inventory->packages[low]
               : NULL;
}

/* Both kinds of slash: programs for Windows run here too. */
static const char *last_part(const char *path)
{
    const char *at = path;
    for (const char *p = path; *p; p++) {
        if ((*p == '/' || *p == '\\') && p[1])
            at = p + 1;
    }
    return at;
}

static void command_read(const char *bytes, size_t len, struct host_process *process)
{
    size_t count = 0;
    for (const char *at = bytes; at < bytes + len && count < HOST_PROCESS_WORDS;
         at += strlen(at) + 1) {
        char *word = process->words[count++];
        snprintf(word, HOST_PROCESS_WORD_MAX, "%.*s", HOST_PROCESS_WORD_MAX - 1,
                 last_part(at));
        word[strcspn(word, "\r\n")] = '\0';
    }
}

static int process_read(const struct host_root *root, const char *pid,
                        struct host_inventory *inventory)
{
    char path[64];
    struct host_process process = {0};
    POSTURE_TRY(posture_parse_u32(pid, 1, UINT32_MAX, &process.pid));
    snprintf(path, sizeof(path), "proc/%s/comm", pid);
    POSTURE_TRY(host_root_line(root, path, process.name, sizeof(process.name)));
    POSTURE_AUTO_FREE char *command = NULL;
    size_t len;
    snprintf(path, sizeof(path), "proc/%s/cmdline", pid);
    if (host_root_read(root, path, COMMAND_MAX, &command, &len) == 0)
        command_read(command, len, &process);
    struct host_process *items = list_grow(inventory->processes, inventory->process_count,
                                           sizeof(*inventory->processes));
    if (!items)
        return -ENOMEM;
    inventory->processes = items;
    items[inventory->process_count++] = process;
    return 0;
}

/* The first process is everybody's to see, unless /proc hides what is others'. */
static int processes_read(const struct host_root *root, struct host_inventory *inventory)
{
    HOST_AUTO_NAMES struct host_names names = {0};
    char line[64];
    POSTURE_TRY(host_root_list(root, "proc", HOST_PROCESSES_MAX, &names));
    if (names.is_truncated)
        return POSTURE_E_LIMIT;
    if (host_root_line(root, "proc/1/comm", line, sizeof(line)) < 0)
        return host_root_exists(root, "proc/self") ? -EACCES : -ENOENT;
    for (size_t i = 0; i < names.count; i++) {
        if (names.items[i][0] < '1' || names.items[i][0] > '9')
            continue;
        if (process_read(root, names.items[i], inventory) == -ENOMEM) /* else it ended */
            return -ENOMEM;
    }
    return 0;
}

static bool is_program(const char *word, const char *name)
{
    size_t len = strlen(name);
    return strncasecmp(word, name, len) == 0 &&
           (!word[len] || strcasecmp(word + len, ".exe") == 0);
}

bool host_process_is(const struct host_process *process, const char *name)
{
    size_t len = strlen(process->name);
    if (is_program(process->name, name) || (len == COMM_MAX && strlen(name) > len &&
                                            strncasecmp(process->name, name, len) == 0))
        return true;
    for (size_t i = 0; i < HOST_PROCESS_WORDS; i++) {
        /* Further words only as programs for Windows: "less winny" runs none. */
        size_t word = strlen(process->words[i]);
        bool is_windows =
            word > 4 && strcasecmp(process->words[i] + word - 4, ".exe") == 0;
        if ((i == 0 || is_windows) && is_program(process->words[i], name))
            return true;
    }
    return false;
}

/* "  0: 00000000:1F90 00000000:0000 0A …": state 0A listens; of UDP, 07 has no peer. The
 * digits are read as text: sscanf() lets numbers have a sign. */
static int socket_read(const char *line, bool is_udp, struct host_inventory *inventory)
{
    char digits[5], state_digits[3];
    if (sscanf(line,
               " %*[0-9]: %*[0-9A-Fa-f]:%4[0-9A-Fa-f] %*[0-9A-Fa-f]:%*[0-9A-Fa-f] "
               "%2[0-9A-Fa-f]",
               digits, state_digits) != 2)
        return POSTURE_E_FORMAT;
    unsigned port = (unsigned)strtoul(digits, NULL, 16);
    unsigned state = (unsigned)strtoul(state_digits, NULL, 16);
    if (state != (is_udp ? 0x07U : 0x0aU) || port == 0)
        return 0;
    if (inventory->socket_count == HOST_SOCKETS_MAX)
        return POSTURE_E_LIMIT;
    struct host_socket *items = list_grow(inventory->sockets, inventory->socket_count,
                                          sizeof(*inventory->sockets));
    if (!items)
        return -ENOMEM;
    inventory->sockets = items;
    items[inventory->socket_count++] = (struct host_socket){is_udp, port};
    return 0;
}

int host_sockets_read(const char *text, bool is_udp, struct host_inventory *inventory)
{
    const char *line = strchr(text, '\n'); /* after the heading */
    while (line && line[1]) {
        POSTURE_TRY(socket_read(line + 1, is_udp, inventory));
        line = strchr(line + 1, '\n');
    }
    return 0;
}

static int sockets_read(const struct host_root *root, struct host_inventory *inventory)
{
    static const char *const paths[] = {"proc/net/tcp", "proc/net/tcp6", "proc/net/udp",
                                        "proc/net/udp6"};
    for (size_t i = 0; i < POSTURE_COUNT(paths); i++) {
        POSTURE_AUTO_FREE char *text = NULL;
        size_t len;
        int r = host_root_read(root, paths[i], NET_MAX, &text, &len);
        if (r == -ENOENT && i % 2 == 1)
            continue; /* a kernel without IPv6 */
        if (r < 0)
            return r;
        POSTURE_TRY(host_sockets_read(text, i >= 2, inventory));
    }
    return 0;
}

int host_inventory_read(const struct host_root *root, struct host_inventory *ret)
{
    *ret = (struct host_inventory){0};
    ret->packages_error = packages_read(root, ret);
    ret->processes_error = processes_read(root, ret);
    ret->sockets_error = sockets_read(root, ret);
    if (ret->packages_error != -ENOMEM && ret->processes_error != -ENOMEM &&
        ret->sockets_error != -ENOMEM)
        return 0;
    host_inventory_done(ret);
    return -ENOMEM;
}

void host_inventory_done(struct host_inventory *inventory)
{
    for (size_t i = 0; i < inventory->package_count; i++) {
        free(inventory->packages[i].name);
        free(inventory->packages[i].version);
        free(inventory->packages[i].architecture);
    }
    free(inventory->packages);
    free(inventory->processes);
    free(inventory->sockets);
    *inventory = (struct host_inventory){0};
}
