/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#include "posture_crypto/host_block.h"

#include "common/base/mem.h"

#include <stdio.h>
#include <string.h>

enum { DEPTH_MAX = 16, SLAVES_MAX = 256, DEVICES_MAX = 4096, LINE_BYTES = 512 };

const char *host_encryption_name(enum host_encryption encryption)
{
    static const char *const names[] = {"none",   "full",    "partial",
                                        "memory", "virtual", "unknown"};
    return names[encryption];
}

struct descent {
    const struct host_root *root;
    const struct host_mounts *mounts;
    struct host_block *block;
    unsigned depth;
};

static enum host_encryption device_judge(struct descent *descent, const char *name);

/* A member of a device's folder in sysfs. */
static int attribute_read(const struct host_root *root, const char *name,
                          const char *attribute, char line[static LINE_BYTES])
{
    char path[PATH_MAX];
    snprintf(path, sizeof(path), "sys/class/block/%s/%s", name, attribute);
    return host_root_line(root, path, line, LINE_BYTES);
}

static bool attribute_exists(const struct host_root *root, const char *name,
                             const char *attribute)
{
    char path[PATH_MAX];
    snprintf(path, sizeof(path), "sys/class/block/%s/%s", name, attribute);
    return host_root_exists(root, path);
}

/* What lies beside one another: all the same, or a mixture. */
static enum host_encryption both(enum host_encryption a, enum host_encryption b)
{
    if (a == b)
        return a;
    if (a == HOST_ENCRYPTION_UNKNOWN || b == HOST_ENCRYPTION_UNKNOWN)
        return HOST_ENCRYPTION_UNKNOWN;
    if (a == HOST_ENCRYPTION_FULL || b == HOST_ENCRYPTION_FULL ||
        a == HOST_ENCRYPTION_PARTIAL || b == HOST_ENCRYPTION_PARTIAL)
        return HOST_ENCRYPTION_PARTIAL;
    return a == HOST_ENCRYPTION_MEMORY   ? b
           : b == HOST_ENCRYPTION_MEMORY ? a
                                         : HOST_ENCRYPTION_NONE;
}

/* dm/uuid is CRYPT-TYPE-…; VERITY and INTEGRITY hide nothing. */
static bool is_crypt(const struct host_root *root, const char *name)
{
    char uuid[LINE_BYTES];
    return attribute_read(root, name, "dm/uuid", uuid) == 0 &&
           strncmp(uuid, "CRYPT-", 6) == 0 && strncmp(uuid, "CRYPT-VERITY", 12) != 0 &&
           strncmp(uuid, "CRYPT-INTEGRITY", 15) != 0;
}

static void crypt_add(struct host_block *block, const char *name)
{
    for (size_t i = 0; i < block->crypt_count; i++) {
        if (strcmp(block->crypts[i], name) == 0)
            return;
    }
    if (block->crypt_count < HOST_BLOCK_CRYPTS_MAX)
        snprintf(block->crypts[block->crypt_count++], HOST_BLOCK_NAME_MAX, "%s", name);
}

static enum host_encryption slaves_judge(struct descent *descent, const char *name,
                                         const struct host_names *slaves)
{
    if (slaves->is_truncated)
        return HOST_ENCRYPTION_UNKNOWN;
    enum host_encryption sum = device_judge(descent, slaves->items[0]);
    for (size_t i = 1; i < slaves->count; i++)
        sum = both(sum, device_judge(descent, slaves->items[i]));
    (void)name;
    return sum;
}

/* The disk that a partition is of: the folder above its own. */
static bool disk_of_partition(const struct host_root *root, const char *name,
                              char disk[static HOST_BLOCK_NAME_MAX])
{
    char path[PATH_MAX], real[PATH_MAX];
    if (!attribute_exists(root, name, "partition"))
        return false;
    snprintf(path, sizeof(path), "sys/class/block/%s", name);
    if (host_root_real(root, path, real) < 0)
        return false;
    char *slash = strrchr(real, '/');
    if (!slash)
        return false;
    *slash = '\0';
    const char *parent = strrchr(real, '/');
    int n = snprintf(disk, HOST_BLOCK_NAME_MAX, "%s", parent ? parent + 1 : "");
    return n > 0 && n < HOST_BLOCK_NAME_MAX;
}

static enum host_encryption loop_judge(struct descent *descent, const char *file)
{
    const struct host_mount *mount = host_mount_of_path(descent->mounts, file);
    if (!mount)
        return HOST_ENCRYPTION_UNKNOWN;
    struct host_block below;
    if (descent->depth >= DEPTH_MAX / 2)
        return HOST_ENCRYPTION_UNKNOWN;
    host_block_of_mount(descent->root, descent->mounts, mount, &below);
    for (size_t i = 0; i < below.crypt_count; i++)
        crypt_add(descent->block, below.crypts[i]);
    return below.encryption;
}

/* Within a virtual machine nobody can see whether its disks are encrypted below. */
static bool is_virtual(const struct host_root *root, const char *name)
{
    if (strncmp(name, "vd", 2) == 0 || strncmp(name, "xvd", 3) == 0 ||
        host_root_exists(root, "sys/hypervisor/type"))
        return true;
    POSTURE_AUTO_FREE char *cpus = NULL;
    size_t len;
    return host_root_read(root, "proc/cpuinfo", 8 * 1024 * 1024, &cpus, &len) == 0 &&
           strstr(cpus, " hypervisor");
}

static enum host_encryption leaf_judge(struct descent *descent, const char *name)
{
    char text[LINE_BYTES];
    if (strncmp(name, "zram", 4) == 0) {
        /* With a backing device it may write there. */
        if (attribute_read(descent->root, name, "backing_dev", text) == 0 &&
            strcmp(text, "none") != 0) {
            const char *slash = strrchr(text, '/');
            return device_judge(descent, slash ? slash + 1 : text);
        }
        return HOST_ENCRYPTION_MEMORY;
    }
    if (strncmp(name, "ram", 3) == 0)
        return HOST_ENCRYPTION_MEMORY;
    if (attribute_read(descent->root, name, "loop/backing_file", text) == 0)
        return loop_judge(descent, text);
    /* A device of the network, or of device mapper with nothing below it. */
    if (strncmp(name, "dm-", 3) == 0 || strncmp(name, "nbd", 3) == 0 ||
        strncmp(name, "rbd", 3) == 0 || strncmp(name, "drbd", 4) == 0)
        return HOST_ENCRYPTION_UNKNOWN;
    return is_virtual(descent->root, name) ? HOST_ENCRYPTION_VIRTUAL
                                           : HOST_ENCRYPTION_NONE;
}

static enum host_encryption device_judge(struct descent *descent, const char *name)
{
    char path[PATH_MAX], disk[HOST_BLOCK_NAME_MAX];
    snprintf(path, sizeof(path), "sys/class/block/%s", name);
    if (descent->depth >= DEPTH_MAX || !host_root_exists(descent->root, path))
        return HOST_ENCRYPTION_UNKNOWN;
    if (is_crypt(descent->root, name)) {
        crypt_add(descent->block, name);
        return HOST_ENCRYPTION_FULL;
    }
    descent->depth++;
    HOST_AUTO_NAMES struct host_names slaves = {0};
    snprintf(path, sizeof(path), "sys/class/block/%s/slaves", name);
    enum host_encryption encryption;
    if (host_root_list(descent->root, path, SLAVES_MAX, &slaves) == 0 && slaves.count > 0)
        encryption = slaves_judge(descent, name, &slaves);
    else if (disk_of_partition(descent->root, name, disk))
        encryption = device_judge(descent, disk);
    else
        encryption = leaf_judge(descent, name);
    descent->depth--;
    return encryption;
}

static void name_judge(const struct host_root *root, const struct host_mounts *mounts,
                       const char *name, struct host_block *ret)
{
    struct descent descent = {.root = root, .mounts = mounts, .block = ret};
    snprintf(ret->name, sizeof(ret->name), "%.*s", HOST_BLOCK_NAME_MAX - 1, name);
    ret->encryption = device_judge(&descent, ret->name);
}

/* The device of device mapper with that name. */
static bool mapper_find(const struct host_root *root, const char *mapped,
                        char name[static HOST_BLOCK_NAME_MAX])
{
    HOST_AUTO_NAMES struct host_names names = {0};
    if (host_root_list(root, "sys/class/block", DEVICES_MAX, &names) < 0)
        return false;
    for (size_t i = 0; i < names.count; i++) {
        char text[LINE_BYTES];
        if (strlen(names.items[i]) < HOST_BLOCK_NAME_MAX &&
            attribute_read(root, names.items[i], "dm/name", text) == 0 &&
            strcmp(text, mapped) == 0) {
            snprintf(name, HOST_BLOCK_NAME_MAX, "%s", names.items[i]);
            return true;
        }
    }
    return false;
}

void host_block_by_path(const struct host_root *root, const struct host_mounts *mounts,
                        const char *path, struct host_block *ret)
{
    *ret = (struct host_block){.encryption = HOST_ENCRYPTION_UNKNOWN};
    char real[PATH_MAX], name[HOST_BLOCK_NAME_MAX];
    static const char mapper[] = "/dev/mapper/";
    if (strncmp(path, "/dev/", 5) != 0)
        return;
    if (strncmp(path, mapper, sizeof(mapper) - 1) == 0 &&
        mapper_find(root, path + sizeof(mapper) - 1, name)) {
        name_judge(root, mounts, name, ret);
        return;
    }
    /* A link of udev's, where /dev is to be seen. */
    const char *base =
        host_root_real(root, path, real) == 0 ? strrchr(real, '/') : strrchr(path, '/');
    if (base && strlen(base + 1) < HOST_BLOCK_NAME_MAX)
        name_judge(root, mounts, base + 1, ret);
}

/* btrfs: all devices of the file system that has this one. */
static void btrfs_judge(const struct host_root *root, const struct host_mounts *mounts,
                        struct host_block *ret)
{
    HOST_AUTO_NAMES struct host_names systems = {0};
    if (host_root_list(root, "sys/fs/btrfs", DEVICES_MAX, &systems) < 0)
        return;
    for (size_t i = 0; i < systems.count; i++) {
        char path[PATH_MAX];
        HOST_AUTO_NAMES struct host_names devices = {0};
        snprintf(path, sizeof(path), "sys/fs/btrfs/%s/devices", systems.items[i]);
        if (host_root_list(root, path, SLAVES_MAX, &devices) < 0)
            continue;
        bool is_ours = false;
        for (size_t k = 0; k < devices.count; k++)
            is_ours = is_ours || strcmp(devices.items[k], ret->name) == 0;
        for (size_t k = 0; is_ours && k < devices.count; k++) {
            struct host_block other = {.encryption = HOST_ENCRYPTION_UNKNOWN};
            name_judge(root, mounts, devices.items[k], &other);
            ret->encryption = both(ret->encryption, other.encryption);
            for (size_t n = 0; n < other.crypt_count; n++)
                crypt_add(ret, other.crypts[n]);
        }
    }
}

void host_block_of_mount(const struct host_root *root, const struct host_mounts *mounts,
                         const struct host_mount *mount, struct host_block *ret)
{
    char path[PATH_MAX], real[PATH_MAX];
    if (mount->major == 0) {
        host_block_by_path(root, mounts, mount->source, ret);
    } else {
        *ret = (struct host_block){.encryption = HOST_ENCRYPTION_UNKNOWN};
        snprintf(path, sizeof(path), "sys/dev/block/%u:%u", mount->major, mount->minor);
        const char *base =
            host_root_real(root, path, real) == 0 ? strrchr(real, '/') : NULL;
        if (base && strlen(base + 1) < HOST_BLOCK_NAME_MAX)
            name_judge(root, mounts, base + 1, ret);
    }
    if (strcmp(mount->type, "btrfs") == 0)
        btrfs_judge(root, mounts, ret);
}
