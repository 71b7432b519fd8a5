/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#include "posture_crypto/host_facts.h"

#include "common/base/mem.h"
#include "common/base/parse.h"
#include "posture_crypto/host_block.h"
#include "posture_crypto/host_dm.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* facts.disks: each local file system that can be written, once, with the crypt devices
 * below it; facts.swap: each place of swap. */

enum { PATHS_MAX = 8, LINE_BYTES = 512, SWAPS_MAX = 65536 };

/* Where nothing of the system's own is kept: the kernel's, memory, images that cannot be
 * written, the network's. */
static bool type_is_left_out(const char *type)
{
    static const char *const types[] = {
        "proc",      "sysfs",   "devtmpfs",   "devpts",      "tmpfs",     "ramfs",
        "cgroup",    "cgroup2", "mqueue",     "debugfs",     "tracefs",   "securityfs",
        "pstore",    "bpf",     "autofs",     "hugetlbfs",   "configfs",  "fusectl",
        "efivarfs",  "nsfs",    "rpc_pipefs", "binfmt_misc", "squashfs",  "iso9660",
        "erofs",     "udf",     "cramfs",     "romfs",       "selinuxfs", "nfs",
        "nfs4",      "cifs",    "smb3",       "ceph",        "9p",        "virtiofs",
        "glusterfs", "afs",     "nfsd",       "ocfs2",       "gfs2"};
    for (size_t i = 0; i < POSTURE_COUNT(types); i++) {
        if (strcmp(types[i], type) == 0)
            return true;
    }
    return strncmp(type, "fuse.", 5) == 0;
}

/* What must be readable before any key is known. */
static bool path_is_left_out(const char *path)
{
    static const char *const paths[] = {"/boot", "/boot/efi", "/efi", "/boot/firmware"};
    for (size_t i = 0; i < POSTURE_COUNT(paths); i++) {
        if (strcmp(paths[i], path) == 0)
            return true;
    }
    return false;
}

static int crypts_set(json_t *object, const struct host_block *block)
{
    if (block->crypt_count == 0)
        return 0;
    json_t *list = json_array();
    for (size_t i = 0; i < block->crypt_count; i++) {
        if (json_array_append_new(
                list, host_text(block->crypts[i], strlen(block->crypts[i]), 63)) < 0) {
            json_decref(list);
            return -ENOMEM;
        }
    }
    return json_object_set_new(object, "crypt", list) < 0 ? -ENOMEM : 0;
}

/* The device's entry of facts.disks.crypt. */
static int crypt_describe(const struct host_root *root, const char *name, json_t *crypts)
{
    if (json_object_get(crypts, name))
        return 0;
    char path[PATH_MAX], text[LINE_BYTES];
    json_t *crypt = json_object();
    if (json_object_set_new(crypts, name, crypt) < 0)
        return -ENOMEM;
    snprintf(path, sizeof(path), "sys/class/block/%s/dm/name", name);
    if (host_root_line(root, path, text, sizeof(text)) == 0)
        POSTURE_TRY(host_set_text(crypt, "name", text));
    snprintf(path, sizeof(path), "sys/class/block/%s/dm/uuid", name);
    if (host_root_line(root, path, text, sizeof(text)) == 0 && strlen(text) > 6) {
        /* CRYPT-LUKS2-… */
        text[6 + strcspn(text + 6, "-")] = '\0';
        POSTURE_TRY(host_set_text(crypt, "format", text + 6));
    }
    snprintf(path, sizeof(path), "sys/class/block/%s/dev", name);
    if (host_root_line(root, path, text, sizeof(text)) == 0)
        POSTURE_TRY(host_set_text(crypt, "device", text));
    return 0;
}

static int block_describe(const struct host_root *root, const struct host_block *block,
                          json_t *object, json_t *crypts)
{
    if (block->name[0])
        POSTURE_TRY(host_set_text(object, "device", block->name));
    POSTURE_TRY(
        host_set_text(object, "encryption", host_encryption_name(block->encryption)));
    POSTURE_TRY(crypts_set(object, block));
    for (size_t i = 0; i < block->crypt_count; i++)
        POSTURE_TRY(crypt_describe(root, block->crypts[i], crypts));
    return 0;
}

/* The entry of the same device, whose paths get this one too. */
static bool path_join(json_t *systems, const struct host_mount *mount)
{
    size_t i;
    json_t *other;
    char id[32];
    snprintf(id, sizeof(id), "%u:%u", mount->major, mount->minor);
    json_array_foreach (systems, i, other) {
        const char *of_other = json_string_value(json_object_get(other, "id"));
        if (!of_other || strcmp(of_other, id) != 0)
            continue;
        json_t *paths = json_object_get(other, "paths");
        if (json_array_size(paths) < PATHS_MAX)
            (void)json_array_append_new(paths,
                                        host_text(mount->path, strlen(mount->path), 256));
        return true;
    }
    return false;
}

static int system_add(const struct host_root *root, const struct host_mounts *mounts,
                      const struct host_mount *mount, json_t *systems, json_t *crypts)
{
    if (type_is_left_out(mount->type) || path_is_left_out(mount->path) ||
        path_join(systems, mount))
        return 0;
    char id[32];
    snprintf(id, sizeof(id), "%u:%u", mount->major, mount->minor);
    json_t *system = json_object();
    if (json_array_append_new(systems, system) < 0)
        return -ENOMEM;
    json_t *paths = json_array();
    if (json_object_set_new(system, "paths", paths) < 0 ||
        json_array_append_new(paths, host_text(mount->path, strlen(mount->path), 256)) <
            0)
        return -ENOMEM;
    POSTURE_TRY(host_set_text(system, "id", id));
    POSTURE_TRY(host_set_text(system, "type", mount->type));
    struct host_block block;
    host_block_of_mount(root, mounts, mount, &block);
    return block_describe(root, &block, system, crypts);
}

static int systems_measure(const struct host_root *root, const struct host_mounts *mounts,
                           json_t *disks, json_t *crypts)
{
    enum { SYSTEMS_MAX = 128 };
    json_t *systems = json_array();
    if (json_object_set_new(disks, "filesystems", systems) < 0)
        return -ENOMEM;
    bool is_cut = mounts->is_truncated;
    for (size_t i = 0; i < mounts->count; i++) {
        if (json_array_size(systems) >= SYSTEMS_MAX) {
            is_cut = true;
            break;
        }
        POSTURE_TRY(system_add(root, mounts, &mounts->items[i], systems, crypts));
    }
    return is_cut && json_object_set_new(disks, "truncated", json_true()) < 0 ? -ENOMEM
                                                                              : 0;
}

/* "Filename Type Size Used Priority" after a line of headings. */
static int swap_line(const struct host_root *root, const struct host_mounts *mounts,
                     char *line, json_t *areas, json_t *crypts)
{
    char *save = NULL;
    char *path = strtok_r(line, " \t", &save);
    const char *type = strtok_r(NULL, " \t", &save);
    if (!path || !type)
        return POSTURE_E_FORMAT;
    struct host_block block = {.encryption = HOST_ENCRYPTION_UNKNOWN};
    if (strcmp(type, "file") == 0) {
        const struct host_mount *mount = host_mount_of_path(mounts, path);
        if (mount)
            host_block_of_mount(root, mounts, mount, &block);
    } else {
        host_block_by_path(root, mounts, path, &block);
    }
    json_t *area = json_object();
    if (json_array_append_new(areas, area) < 0)
        return -ENOMEM;
    POSTURE_TRY(host_set_text(area, "path", path));
    POSTURE_TRY(host_set_text(area, "type", type));
    return block_describe(root, &block, area, crypts);
}

static int swap_measure(const struct host_root *root, const struct host_mounts *mounts,
                        json_t *facts, json_t *crypts)
{
    json_t *swap = json_object(), *areas = json_array();
    if (json_object_set_new(facts, "swap", swap) < 0 ||
        json_object_set_new(swap, "areas", areas) < 0)
        return -ENOMEM;
    POSTURE_AUTO_FREE char *bytes = NULL;
    size_t len;
    int r = host_root_read(root, "proc/swaps", SWAPS_MAX, &bytes, &len);
    if (r < 0)
        return host_missing(facts, "swap", r, "/proc/swaps");
    char *save = NULL;
    char *line = strtok_r(bytes, "\n", &save);
    for (int i = 0; line && i < 32; i++) {
        line = strtok_r(NULL, "\n", &save);
        if (line)
            r = swap_line(root, mounts, line, areas, crypts);
        if (r < 0)
            return r == -ENOMEM ? r : host_missing(facts, "swap", r, "/proc/swaps");
    }
    return 0;
}

struct ciphers {
    json_t *crypts;
    int r;
};

static void cipher_add(const struct host_dm_crypt *crypt, void *data)
{
    struct ciphers *ciphers = data;
    char device[32];
    const char *name;
    json_t *entry;
    snprintf(device, sizeof(device), "%u:%u", crypt->major, crypt->minor);
    json_object_foreach (ciphers->crypts, name, entry) {
        const char *of_entry = json_string_value(json_object_get(entry, "device"));
        if (!of_entry || strcmp(of_entry, device) != 0)
            continue;
        if (host_set_text(entry, "cipher", crypt->cipher) < 0 ||
            json_object_set_new(entry, "key_bits", json_integer(crypt->key_bits)) < 0)
            ciphers->r = -ENOMEM;
    }
}

/* What root's helper says about the crypt devices that were met. */
static int ciphers_measure(const struct host_input *input, json_t *facts, json_t *crypts)
{
    const struct host_helped *helped = &input->helped[HOST_HELPER_DM_TABLE];
    if (json_object_size(crypts) == 0)
        return 0;
    struct ciphers ciphers = {.crypts = crypts};
    int r = helped->error < 0
                ? helped->error
                : host_dm_lines_read(helped->bytes, helped->len, cipher_add, &ciphers);
    if (ciphers.r < 0)
        return ciphers.r;
    const char *name;
    json_t *entry;
    json_object_foreach (crypts, name, entry) {
        if (r == 0 && !json_object_get(entry, "cipher"))
            r = -ENOENT; /* made or taken away meanwhile */
    }
    return r < 0 ? host_missing(facts, "disks.ciphers", r, "posture-dm-table") : 0;
}

int host_disks_measure(const struct host_input *input, json_t *facts)
{
    json_t *disks = json_object(), *crypts = json_object();
    if (json_object_set_new(facts, "disks", disks) < 0 ||
        json_object_set_new(disks, "crypt", crypts) < 0)
        return -ENOMEM;
    struct host_mounts mounts;
    int r = host_mounts_read(&input->root, &mounts);
    if (r == -ENOMEM)
        return r;
    if (r < 0) {
        POSTURE_TRY(host_missing(facts, "disks", r, "/proc/self/mountinfo"));
        mounts = (struct host_mounts){0};
    }
    r = systems_measure(&input->root, &mounts, disks, crypts);
    if (r == 0)
        r = swap_measure(&input->root, &mounts, facts, crypts);
    if (r == 0)
        r = ciphers_measure(input, facts, crypts);
    host_mounts_done(&mounts);
    return r;
}
