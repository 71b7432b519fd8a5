/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */

#include "common/spool/store.h"

#include "common/base/clock.h"
#include "common/base/parse.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

static const char directory_database[] = "spool.db";
static const char directory_wal[] = "spool.db-wal";
static const char directory_lock[] = "lock";
static const char directory_epoch[] = "epoch";
static const char directory_epoch_new[] = "epoch.new";
static const char directory_damaged[] = "damaged"; /* being salvaged */
static const char directory_quarantine[] = "quarantine";

enum {
    DIRECTORY_QUARANTINED_MAX = 4, /* databases kept for a person to look at */
    DIRECTORY_BLOCK = 65536,
};

/* A regular file with one name that only we can write; made when flags say so. */
static int directory_openat(const struct posture_spool *spool, const char *name,
                            int flags, int *ret_fd, struct posture_error *reterr)
{
    POSTURE_AUTO_CLOSE int fd = openat(spool->directory_fd, name,
                                       flags | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK, 0600);
    if (fd < 0)
        return posture_error_set(reterr, -errno, "%s/%s: %s", spool->directory, name,
                                 strerror(errno));

    struct stat st;
    if (fstat(fd, &st) < 0)
        return posture_error_set(reterr, -errno, "%s/%s: %s", spool->directory, name,
                                 strerror(errno));
    if (!S_ISREG(st.st_mode) || st.st_nlink != 1 || st.st_uid != geteuid() ||
        (st.st_mode & 022) != 0)
        return posture_error_set(
            reterr, POSTURE_E_DENIED,
            "%s/%s: expected a regular file with one name, ours, that "
            "no one else may write",
            spool->directory, name);

    *ret_fd = fd;
    fd = -1;
    return 0;
}

int spool_directory_open(struct posture_spool *spool, struct posture_error *reterr)
{
    const char *path = spool->config.directory;
    if (mkdir(path, 0700) < 0 && errno != EEXIST)
        return posture_error_set(reterr, -errno, "%s: cannot be made: %s", path,
                                 strerror(errno));
    spool->directory_fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (spool->directory_fd < 0)
        return posture_error_set(reterr, -errno, "%s: cannot be opened: %s", path,
                                 strerror(errno));
    struct stat st;
    if (fstat(spool->directory_fd, &st) < 0)
        return posture_error_set(reterr, -errno, "%s: %s", path, strerror(errno));
    if (st.st_uid != geteuid() || (st.st_mode & 077) != 0)
        return posture_error_set(
            reterr, POSTURE_E_DENIED,
            "%s: expected owner %u and mode 0700, found owner %u and "
            "mode %04o",
            path, (unsigned)geteuid(), (unsigned)st.st_uid,
            (unsigned)(st.st_mode & 07777));

    /* SQLite opens by path and refuses symbolic links anywhere in it: give it the
     * canonical one, once it is known to be the directory that was judged. */
    char canonical[PATH_MAX];
    struct stat named;
    if (!realpath(path, canonical) || stat(canonical, &named) < 0)
        return posture_error_set(reterr, -errno, "%s: %s", path, strerror(errno));
    if (named.st_dev != st.st_dev || named.st_ino != st.st_ino)
        return posture_error_set(reterr, POSTURE_E_DENIED,
                                 "%s: changed while it was opened", path);
    spool->directory = posture_strdup(canonical);
    spool->path = posture_asprintf("%s/%s", canonical, directory_database);
    if (!spool->directory || !spool->path)
        return -ENOMEM;

    POSTURE_TRY(directory_openat(spool, directory_lock, O_RDWR | O_CREAT, &spool->lock_fd,
                                 reterr));
    if (flock(spool->lock_fd, LOCK_EX | LOCK_NB) < 0)
        return posture_error_set(reterr, errno == EWOULDBLOCK ? POSTURE_E_BUSY : -errno,
                                 "%s/%s: another process has this spool",
                                 spool->directory, directory_lock);
    return 0;
}

int spool_directory_file(struct posture_spool *spool, struct posture_error *reterr)
{
    POSTURE_AUTO_CLOSE int fd = -1;
    int r = directory_openat(spool, directory_database, O_RDWR, &fd, reterr);
    if (r == 0) {
        struct stat st;
        if (fstat(fd, &st) < 0)
            return -errno;
        return st.st_size == 0 ? 1 : 0;
    }
    if (r != -ENOENT)
        return r;

    /* A WAL without its database belongs to nothing and must not be replayed into a new
     * one. */
    if (unlinkat(spool->directory_fd, directory_wal, 0) < 0 && errno != ENOENT)
        return posture_error_set(reterr, -errno, "%s/%s: %s", spool->directory,
                                 directory_wal, strerror(errno));
    POSTURE_TRY(directory_openat(spool, directory_database, O_RDWR | O_CREAT | O_EXCL,
                                 &fd, reterr));
    if (fsync(spool->directory_fd) < 0)
        return posture_error_set(reterr, -errno, "%s: %s", spool->directory,
                                 strerror(errno));
    spool_point(spool, "database.created");
    return 1;
}

int spool_epoch_read(struct posture_spool *spool, int64_t *ret)
{
    POSTURE_AUTO_CLOSE int fd = -1;
    int r = directory_openat(spool, directory_epoch, O_RDONLY, &fd, NULL);
    if (r == -ENOENT) {
        *ret = 0;
        return 0;
    }
    if (r < 0)
        return r;

    char text[32] = "";
    ssize_t n = pread(fd, text, sizeof(text) - 1, 0);
    if (n < 0)
        return -errno;
    text[strcspn(text, "\n")] = '\0';
    uint64_t epoch = 0;
    /* A damaged file says nothing; the clock alone must then do. */
    if (posture_parse_u64(text, 1, INT64_MAX, &epoch) < 0)
        epoch = 0;
    *ret = (int64_t)epoch;
    return 0;
}

static int directory_write_all(int fd, const char *bytes, size_t len, off_t offset)
{
    while (len > 0) {
        ssize_t n = pwrite(fd, bytes, len, offset);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return n < 0 ? -errno : -EIO;
        bytes += n;
        len -= (size_t)n;
        offset += n;
    }
    return 0;
}

int spool_epoch_write(struct posture_spool *spool, int64_t epoch,
                      struct posture_error *reterr)
{
    POSTURE_AUTO_CLOSE int fd = -1;
    POSTURE_TRY(directory_openat(spool, directory_epoch_new, O_WRONLY | O_CREAT | O_TRUNC,
                                 &fd, reterr));
    char text[32];
    int n = snprintf(text, sizeof(text), "%" PRId64 "\n", epoch);
    int r = directory_write_all(fd, text, (size_t)n, 0);
    if (r == 0 && fsync(fd) < 0)
        r = -errno;
    spool_point(spool, "epoch.written");
    if (r == 0 && renameat(spool->directory_fd, directory_epoch_new, spool->directory_fd,
                           directory_epoch) < 0)
        r = -errno;
    spool_point(spool, "epoch.renamed");
    if (r == 0 && fsync(spool->directory_fd) < 0)
        r = -errno;
    if (r < 0)
        return posture_error_set(reterr, r, "%s/%s: cannot be written: %s",
                                 spool->directory, directory_epoch, posture_strerror(r));
    return 0;
}

/* Reads exactly len bytes. */
static bool directory_read_at(int fd, unsigned char *bytes, size_t len, off_t offset)
{
    return pread(fd, bytes, len, offset) == (ssize_t)len;
}

/* The WAL's format: sqlite.org/fileformat2.html, "The Write-Ahead Log". */
int spool_wal_commits(struct posture_spool *spool)
{
    enum { HEADER = 32, FRAME_HEADER = 24, SALT = 8 };
    POSTURE_AUTO_CLOSE int fd = -1;
    unsigned char header[HEADER], frame[FRAME_HEADER];
    if (directory_openat(spool, directory_wal, O_RDONLY, &fd, NULL) < 0 ||
        !directory_read_at(fd, header, sizeof(header), 0))
        return 0;
    int last = 0;
    off_t offset = HEADER;
    for (int i = 1; directory_read_at(fd, frame, sizeof(frame), offset); i++) {
        bool is_commit = frame[4] || frame[5] || frame[6] || frame[7];
        if (is_commit && memcmp(frame + 8, header + 16, SALT) == 0)
            last = i;
        offset += FRAME_HEADER + SPOOL_PAGE;
    }
    return last;
}

int spool_wal_rewrite(struct posture_spool *spool)
{
    POSTURE_AUTO_CLOSE int fd = -1;
    int r = directory_openat(spool, directory_wal, O_RDWR, &fd, NULL);
    if (r == -ENOENT)
        return 0;
    if (r < 0)
        return r;

    POSTURE_AUTO_FREE char *block = posture_malloc(DIRECTORY_BLOCK);
    if (!block)
        return -ENOMEM;
    for (off_t offset = 0;;) {
        ssize_t n = pread(fd, block, DIRECTORY_BLOCK, offset);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        if (n == 0)
            break;
        POSTURE_TRY(directory_write_all(fd, block, (size_t)n, offset));
        offset += n;
    }
    return fsync(fd) < 0 ? -errno : 0;
}

/* Removes the oldest of quarantine/ beyond DIRECTORY_QUARANTINED_MAX. Names are 20
 * digits, so that their order is their age. */
static void quarantine_trim(int fd)
{
    for (;;) {
        int copy = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        DIR *dir = copy < 0 ? NULL : fdopendir(copy);
        if (!dir) {
            posture_close(copy);
            return;
        }
        int count = 0;
        char oldest[21] = "";
        for (struct dirent *entry; (entry = readdir(dir)) != NULL;) {
            if (strlen(entry->d_name) != 20 || strspn(entry->d_name, "0123456789") != 20)
                continue;
            count++;
            if (oldest[0] == '\0' || strcmp(entry->d_name, oldest) < 0)
                memcpy(oldest, entry->d_name, sizeof(oldest));
        }
        closedir(dir);
        if (count <= DIRECTORY_QUARANTINED_MAX)
            return;
        int old = openat(fd, oldest, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (old < 0)
            return;
        (void)unlinkat(old, directory_database, 0);
        (void)unlinkat(old, directory_wal, 0);
        posture_close(old);
        if (unlinkat(fd, oldest, AT_REMOVEDIR) < 0)
            return;
    }
}

static int directory_sub(struct posture_spool *spool, const char *name, bool make,
                         int *ret_fd, struct posture_error *reterr)
{
    if (make && mkdirat(spool->directory_fd, name, 0700) < 0 && errno != EEXIST)
        return posture_error_set(reterr, -errno, "%s/%s: cannot be made: %s",
                                 spool->directory, name, strerror(errno));
    int fd = openat(spool->directory_fd, name,
                    O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return posture_error_set(reterr, -errno, "%s/%s: %s", spool->directory, name,
                                 strerror(errno));
    *ret_fd = fd;
    return 0;
}

/* The WAL first: it is damaged/spool.db that says "the move is complete". */
int spool_damaged_begin(struct posture_spool *spool, struct posture_error *reterr)
{
    POSTURE_AUTO_CLOSE int fd = -1;
    POSTURE_TRY(directory_sub(spool, directory_damaged, /* make = */ true, &fd, reterr));
    spool_point(spool, "damaged.made");
    if (renameat(spool->directory_fd, directory_wal, fd, directory_wal) < 0 &&
        errno != ENOENT)
        return posture_error_set(reterr, -errno, "%s/%s: cannot be moved: %s",
                                 spool->directory, directory_wal, strerror(errno));
    spool_point(spool, "damaged.wal_moved");
    if (renameat(spool->directory_fd, directory_database, fd, directory_database) < 0)
        return posture_error_set(reterr, -errno, "%s: cannot be moved: %s", spool->path,
                                 strerror(errno));
    if (fsync(fd) < 0 || fsync(spool->directory_fd) < 0)
        return posture_error_set(reterr, -errno, "%s: %s", spool->directory,
                                 strerror(errno));
    spool_point(spool, "damaged.moved");
    return 0;
}

int spool_damaged_find(struct posture_spool *spool, bool *ret_found,
                       struct posture_error *reterr)
{
    POSTURE_AUTO_CLOSE int fd = -1;
    int r = directory_sub(spool, directory_damaged, /* make = */ false, &fd, NULL);
    if (r == -ENOENT) {
        *ret_found = false;
        return 0;
    }
    if (r < 0)
        return posture_error_set(reterr, r, "%s/%s: %s", spool->directory,
                                 directory_damaged, posture_strerror(r));
    struct stat st;
    if (fstatat(fd, directory_database, &st, AT_SYMLINK_NOFOLLOW) == 0) {
        /* What was begun beside it is half a salvage: nothing was accepted into it yet.
         */
        (void)unlinkat(spool->directory_fd, directory_database, 0);
        (void)unlinkat(spool->directory_fd, directory_wal, 0);
        *ret_found = true;
        return 0;
    }
    if (fstatat(fd, directory_wal, &st, AT_SYMLINK_NOFOLLOW) == 0) {
        *ret_found = true;
        return spool_damaged_begin(spool, reterr);
    }
    *ret_found = false;
    return unlinkat(spool->directory_fd, directory_damaged, AT_REMOVEDIR) < 0 ? -errno
                                                                              : 0;
}

char *spool_damaged_path(const struct posture_spool *spool)
{
    return posture_asprintf("%s/%s/%s", spool->directory, directory_damaged,
                            directory_database);
}

int spool_damaged_end(struct posture_spool *spool, struct posture_error *reterr)
{
    POSTURE_AUTO_CLOSE int fd = -1;
    POSTURE_TRY(
        directory_sub(spool, directory_quarantine, /* make = */ true, &fd, reterr));
    int64_t now = spool_now(spool);
    char name[32];
    for (int i = 0;; i++) {
        snprintf(name, sizeof(name), "%020" PRId64, (now > 0 ? now : 0) + i);
        if (renameat(spool->directory_fd, directory_damaged, fd, name) == 0)
            break;
        if ((errno != EEXIST && errno != ENOTEMPTY) || i >= 100)
            return posture_error_set(reterr, -errno, "%s/%s: cannot be moved: %s",
                                     spool->directory, directory_damaged,
                                     strerror(errno));
    }
    if (fsync(fd) < 0 || fsync(spool->directory_fd) < 0)
        return posture_error_set(reterr, -errno, "%s: %s", spool->directory,
                                 strerror(errno));
    spool_point(spool, "damaged.quarantined");
    quarantine_trim(fd);
    return 0;
}

bool spool_is_disk_low(const struct posture_spool *spool)
{
    if (spool->config.reserve_bytes == 0)
        return false;
    struct statvfs vfs;
    if (fstatvfs(spool->directory_fd, &vfs) < 0)
        return false;
    return (uint64_t)vfs.f_bavail * vfs.f_frsize < spool->config.reserve_bytes;
}
