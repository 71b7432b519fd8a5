/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */

#include "common/net/sandbox_internal.h"

#include "common/base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Debian 12's headers know the interface up to version 3; kernels are newer than headers.
 */
#define LL_FS_TRUNCATE  (UINT64_C(1) << 14)
#define LL_FS_IOCTL_DEV (UINT64_C(1) << 15)
#define LL_NET_BIND_TCP (UINT64_C(1) << 0)
#define LL_SCOPE_ALL    UINT64_C(3) /* abstract sockets, signals */

struct ruleset {
    uint64_t handled_access_fs;
    uint64_t handled_access_net; /* version 4 */
    uint64_t scoped;             /* version 6 */
};

static const uint64_t fs_read =
    LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR;
static const uint64_t fs_write =
    LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_REMOVE_DIR |
    LANDLOCK_ACCESS_FS_REMOVE_FILE | LANDLOCK_ACCESS_FS_MAKE_DIR |
    LANDLOCK_ACCESS_FS_MAKE_REG | LL_FS_TRUNCATE;
static const uint64_t fs_version_1 = (UINT64_C(1) << 13) - 1;

/* What resolving names, loading NSS modules and checking chains reads. Folders, because
 * files in them are replaced by rename while the worker runs (resolv.conf). What is
 * secret below /etc is so by its permissions: the worker is no privileged user. */
static const char *const readable[] = {
    "/etc",
    "/usr",
    "/lib",
    "/lib64",
    "/run/systemd/resolve",
    "/run/resolvconf",
    "/run/NetworkManager",
    "/var/run/nscd",
    "/sys/devices/system/cpu",
    "/proc/self",
    "/proc/stat",
    "/proc/meminfo",
    "/dev/null",
    "/dev/urandom",
};

enum { EXTRA_MAX = 16 };
static const char *extra_readable[EXTRA_MAX];
static size_t extra_count;

int posture_sandbox_allow_read(const char *path)
{
    if (extra_count == EXTRA_MAX)
        return POSTURE_E_LIMIT;
    char *copy = posture_strdup(path);
    if (!copy)
        return -ENOMEM;
    extra_readable[extra_count++] = copy;
    return 0;
}

static int path_allow(int ruleset_fd, const char *path, uint64_t access)
{
    POSTURE_AUTO_CLOSE int fd = open(path, O_PATH | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    struct stat st;
    if (fstat(fd, &st) < 0)
        return -errno;
    if (!S_ISDIR(st.st_mode))
        access &=
            LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_WRITE_FILE | LL_FS_TRUNCATE;
    struct landlock_path_beneath_attr beneath = {.allowed_access = access,
                                                 .parent_fd = fd};
    if (syscall(SYS_landlock_add_rule, ruleset_fd, LANDLOCK_RULE_PATH_BENEATH, &beneath,
                0) < 0)
        return -errno;
    return 0;
}

static int rules_add(int ruleset_fd, uint64_t handled, unsigned needs,
                     const char *writable_dir, struct posture_error *reterr)
{
    for (size_t i = 0; i < POSTURE_COUNT(readable); i++) {
        int r = path_allow(ruleset_fd, readable[i], fs_read & handled);
        /* What this system does not have, nobody will read. */
        if (r < 0 && r != -ENOENT && r != -EACCES && r != -ENOTDIR)
            return posture_error_set(reterr, r, "Landlock, '%s': %s", readable[i],
                                     strerror(-r));
    }
    for (size_t i = 0; i < extra_count; i++) {
        int r = path_allow(ruleset_fd, extra_readable[i], fs_read & handled);
        if (r < 0)
            return posture_error_set(reterr, r, "Landlock, '%s': %s", extra_readable[i],
                                     strerror(-r));
    }
    if ((needs & POSTURE_SANDBOX_FILES) && writable_dir) {
        int r = path_allow(ruleset_fd, writable_dir, (fs_read | fs_write) & handled);
        if (r < 0)
            return posture_error_set(reterr, r, "Landlock, '%s': %s", writable_dir,
                                     strerror(-r));
    }
    return 0;
}

int posture_landlock_enter(unsigned needs, const char *writable_dir,
                           struct posture_error *reterr)
{
    long version =
        syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
    if (version < 0)
        return -errno;

    struct ruleset rules = {.handled_access_fs = fs_version_1};
    size_t size = sizeof(rules.handled_access_fs);
    if (version >= 2)
        rules.handled_access_fs |= LANDLOCK_ACCESS_FS_REFER;
    if (version >= 3)
        rules.handled_access_fs |= LL_FS_TRUNCATE;
    if (version >= 5)
        rules.handled_access_fs |= LL_FS_IOCTL_DEV;
    if (version >= 4) {
        size = offsetof(struct ruleset, scoped);
        if (!(needs & POSTURE_SANDBOX_LISTEN))
            rules.handled_access_net = LL_NET_BIND_TCP;
    }
    if (version >= 6) {
        size = sizeof(rules);
        rules.scoped = LL_SCOPE_ALL;
    }
    POSTURE_AUTO_CLOSE int fd =
        (int)syscall(SYS_landlock_create_ruleset, &rules, size, 0);
    if (fd < 0)
        return posture_error_set(reterr, -errno, "Landlock: %s", strerror(errno));
    POSTURE_TRY(rules_add(fd, rules.handled_access_fs, needs, writable_dir, reterr));
    if (syscall(SYS_landlock_restrict_self, fd, 0) < 0)
        return posture_error_set(reterr, -errno, "Landlock: %s", strerror(errno));
    return 0;
}
