/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#ifndef POSTURE_CRYPTO_HOST_BLOCK_H
#define POSTURE_CRYPTO_HOST_BLOCK_H

#include "posture_crypto/host_root.h"

#include <stdint.h>

/*
 * Which mounted file systems and which block devices keep what they hold encrypted: from
 * /proc/self/mountinfo and the tree of block devices in sysfs, down to the devices that
 * have none below them.
 */
enum host_encryption {
    HOST_ENCRYPTION_NONE,
    HOST_ENCRYPTION_FULL,    /* every way down passes a crypt device */
    HOST_ENCRYPTION_PARTIAL, /* some do */
    HOST_ENCRYPTION_MEMORY,  /* zram, tmpfs: gone with the power */
    HOST_ENCRYPTION_VIRTUAL, /* none that this system sees; what is below its virtual
                                disks it cannot */
    HOST_ENCRYPTION_UNKNOWN,
};
const char *host_encryption_name(enum host_encryption encryption);

enum { HOST_MOUNTS_MAX = 1024, HOST_BLOCK_CRYPTS_MAX = 8, HOST_BLOCK_NAME_MAX = 64 };

struct host_mount {
    char *path;
    char *type;   /* ext4 */
    char *source; /* /dev/mapper/root */
    unsigned major, minor;
};

struct host_mounts {
    struct host_mount *items;
    size_t count;
    bool is_truncated;
};
int host_mounts_read(const struct host_root *root, struct host_mounts *ret);
void host_mounts_done(struct host_mounts *mounts);

struct host_block {
    enum host_encryption encryption;
    char name[HOST_BLOCK_NAME_MAX];                          /* of sysfs: "dm-1" */
    char crypts[HOST_BLOCK_CRYPTS_MAX][HOST_BLOCK_NAME_MAX]; /* met on the way down */
    size_t crypt_count;
};
/* A device by its path ("/dev/mapper/swap") or by its numbers; one that sysfs does not
 * know is unknown. */
void host_block_by_path(const struct host_root *root, const struct host_mounts *mounts,
                        const char *path, struct host_block *ret);
void host_block_of_mount(const struct host_root *root, const struct host_mounts *mounts,
                         const struct host_mount *mount, struct host_block *ret);
/* The mount that a path is in; NULL when there is none. */
const struct host_mount *host_mount_of_path(const struct host_mounts *mounts,
                                            const char *path);

#endif
