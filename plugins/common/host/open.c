/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */

#include "common/host/open.h"

#include "common/base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/fsuid.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { LINKS_MAX = 16 };

struct walk {
    int dir; /* O_PATH */
    struct stat dir_st;
    char rest[PATH_MAX]; /* names still to be walked, without a leading slash */
    unsigned links;
    bool is_guest; /* with another user's rights */
    uid_t old_uid;
    gid_t old_gid;
};

static int path_open(int dir, const char *name, uint64_t flags)
{
    struct open_how how = {.flags = flags | O_CLOEXEC, .resolve = RESOLVE_NO_MAGICLINKS};
    int fd = (int)syscall(SYS_openat2, dir, name, &how, sizeof(how));
    return fd < 0 ? -errno : fd;
}

static bool user_is_trusted(uid_t uid)
{
    return uid == 0 || uid == geteuid();
}

/* Only root, or we, can change what the folder's names mean. */
static bool dir_is_trusted(const struct stat *st)
{
    return user_is_trusted(st->st_uid) && !(st->st_mode & S_IWOTH) &&
           (!(st->st_mode & S_IWGRP) || st->st_gid == 0 || st->st_gid == getegid());
}

/* Steps into the folder; takes its owner's rights when it is another's, and keeps the
 * first such. */
static int walk_enter(struct walk *walk, int dir)
{
    struct stat st;
    if (fstat(dir, &st) < 0) {
        posture_close(dir);
        return -errno;
    }
    posture_close(walk->dir);
    walk->dir = dir;
    walk->dir_st = st;
    if (geteuid() != 0 || walk->is_guest || dir_is_trusted(&st) || st.st_uid == 0)
        return 0;
    walk->is_guest = true;
    walk->old_gid = (gid_t)setfsgid(st.st_gid);
    walk->old_uid = (uid_t)setfsuid(st.st_uid);
    return 0;
}

static void walk_leave(struct walk *walk)
{
    if (walk->is_guest) {
        setfsuid(walk->old_uid);
        setfsgid(walk->old_gid);
    }
    posture_close(walk->dir);
}

/* Puts the link's text before the rest. */
static int link_follow(struct walk *walk, int link)
{
    if (!dir_is_trusted(&walk->dir_st) || ++walk->links > LINKS_MAX)
        return -ELOOP;
    char text[PATH_MAX], rest[PATH_MAX];
    ssize_t n = readlinkat(link, "", text, sizeof(text) - 1);
    if (n < 0)
        return -errno;
    text[n] = '\0';
    int size = snprintf(rest, sizeof(rest), "%s/%s", text, walk->rest);
    if (size < 0 || (size_t)size >= sizeof(rest))
        return -ENAMETOOLONG;
    memcpy(walk->rest, rest, (size_t)size + 1);
    if (text[0] != '/')
        return 0;
    int root = path_open(AT_FDCWD, "/", O_PATH | O_DIRECTORY);
    return root < 0 ? root : walk_enter(walk, root);
}

/* One name of a folder. */
static int walk_step(struct walk *walk, const char *name)
{
    int fd = path_open(walk->dir, name, O_PATH | O_NOFOLLOW);
    if (fd < 0)
        return fd;
    struct stat st;
    int r = fstat(fd, &st) < 0 ? -errno : 0;
    if (r == 0 && S_ISDIR(st.st_mode))
        return walk_enter(walk, fd);
    if (r == 0)
        r = S_ISLNK(st.st_mode) ? link_follow(walk, fd) : -ENOTDIR;
    posture_close(fd);
    return r;
}

static int file_judge(const struct walk *walk, const struct stat *st, bool is_secret,
                      const char **ret_why)
{
    mode_t mode = st->st_mode & 07777;
    if (!S_ISREG(st->st_mode))
        *ret_why = "not a regular file";
    else if (st->st_nlink != 1)
        *ret_why = "it has more than one name (hard links)";
    else if (is_secret && !user_is_trusted(st->st_uid))
        *ret_why = "a credential must belong to root";
    else if (is_secret && mode != 0600 && mode != 0400)
        *ret_why = "a credential must have mode 0600 or 0400";
    else if (!user_is_trusted(st->st_uid) && st->st_uid != walk->dir_st.st_uid)
        *ret_why = "it belongs neither to root nor to its folder's owner";
    else
        return 0;
    return POSTURE_E_DENIED;
}

static int walk_open(struct walk *walk, bool is_secret, int *ret_fd, const char **ret_why)
{
    for (;;) {
        char *name = walk->rest + strspn(walk->rest, "/");
        size_t len = strcspn(name, "/");
        char *next = name + len + strspn(name + len, "/");
        char step[NAME_MAX + 1];
        if (len > NAME_MAX)
            return -ENAMETOOLONG;
        if (len == 0)
            return -EISDIR;
        memcpy(step, name, len);
        step[len] = '\0';
        bool is_last = *next == '\0' && name[len] == '\0';
        memmove(walk->rest, next, strlen(next) + 1);
        if (is_last) {
            /* O_NONBLOCK: a FIFO must not hold the thread. */
            POSTURE_AUTO_CLOSE int fd =
                path_open(walk->dir, step, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
            if (fd < 0)
                return POSTURE_TAKE_FD(fd);
            struct stat st;
            if (fstat(fd, &st) < 0)
                return -errno;
            POSTURE_TRY(file_judge(walk, &st, is_secret, ret_why));
            *ret_fd = POSTURE_TAKE_FD(fd);
            return 0;
        }
        POSTURE_TRY(walk_step(walk, step));
    }
}

int posture_host_open(const char *path, bool is_secret, int *ret_fd,
                      struct posture_error *reterr)
{
    struct walk walk = {.dir = -1};
    const char *why = NULL;
    int fd = -1;
    int r = -EINVAL;
    if (path[0] != '/') {
        why = "not an absolute path";
    } else if (strlen(path) >= sizeof(walk.rest)) {
        r = -ENAMETOOLONG;
    } else {
        memcpy(walk.rest, path, strlen(path) + 1);
        int root = path_open(AT_FDCWD, "/", O_PATH | O_DIRECTORY);
        r = root < 0 ? root : walk_enter(&walk, root);
        if (r == 0)
            r = walk_open(&walk, is_secret, &fd, &why);
        walk_leave(&walk);
    }
    if (r < 0)
        return posture_error_set(reterr, r, "'%s': %s", path,
                                 why ? why : posture_strerror(r));
    *ret_fd = fd;
    return 0;
}
