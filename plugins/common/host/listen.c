/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */

#include "common/host/listen.h"

#include "common/base/mem.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum { LISTEN_BACKLOG = 64 };

static int address_fill(struct sockaddr_un *address, const char *path)
{
    *address = (struct sockaddr_un){.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof(address->sun_path))
        return -ENAMETOOLONG;
    memcpy(address->sun_path, path, strlen(path) + 1);
    return 0;
}

static int folder_make(const char *path, struct posture_error *reterr)
{
    POSTURE_AUTO_FREE char *folder = posture_strdup(path);
    if (!folder)
        return -ENOMEM;
    char *slash = strrchr(folder, '/');
    if (!slash || slash == folder)
        return 0;
    *slash = '\0';
    if (mkdir(folder, 0755) == 0) {
        /* Workers of other users must pass through it whatever the daemon's umask. */
        if (chmod(folder, 0755) < 0)
            return posture_error_set(reterr, -errno, "'%s': %s", folder, strerror(errno));
        return 0;
    }
    struct stat st;
    if (errno != EEXIST || stat(folder, &st) < 0)
        return posture_error_set(reterr, -errno, "'%s': %s", folder, strerror(errno));
    /* Whoever may write it could put a link where the socket gets its mode, or take its
     * name. */
    if ((st.st_uid != 0 && st.st_uid != geteuid()) || (st.st_mode & (S_IWGRP | S_IWOTH)))
        return posture_error_set(
            reterr, POSTURE_E_DENIED,
            "'%s' may be written by others; expected a folder of root's", folder);
    return 0;
}

/* Is the name free, or a socket that nobody listens on? */
static int name_judge(const char *path, const struct sockaddr_un *address,
                      struct posture_error *reterr)
{
    struct stat st;
    if (lstat(path, &st) < 0)
        return errno == ENOENT
                   ? 0
                   : posture_error_set(reterr, -errno, "'%s': %s", path, strerror(errno));
    if (!S_ISSOCK(st.st_mode))
        return posture_error_set(reterr, POSTURE_E_DENIED,
                                 "'%s' exists and is not a socket; it is left alone",
                                 path);
    POSTURE_AUTO_CLOSE int fd =
        socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return -errno;
    if (connect(fd, (const struct sockaddr *)address, sizeof(*address)) == 0 ||
        errno == EAGAIN)
        return posture_error_set(reterr, POSTURE_E_BUSY,
                                 "'%s' is in use: another process listens on it", path);
    return errno == ECONNREFUSED
               ? 0
               : posture_error_set(reterr, -errno, "'%s': %s", path, strerror(errno));
}

int posture_host_listen(const char *path, int *ret_fd, struct posture_error *reterr)
{
    /* Bound under another name, given its mode, then renamed: at no instant does the name
     * lead to a socket that others may write, and a stale one is replaced in one step. */
    struct sockaddr_un address, draft;
    char draft_path[sizeof(draft.sun_path) + 32];
    snprintf(draft_path, sizeof(draft_path), "%s.%d", path, (int)getpid());
    if (path[0] != '/' || address_fill(&address, path) < 0 ||
        address_fill(&draft, draft_path) < 0)
        return posture_error_set(reterr, -ENAMETOOLONG,
                                 "'%s': expected an absolute path of at most %zu bytes",
                                 path, sizeof(draft.sun_path) - 12);
    POSTURE_TRY(folder_make(path, reterr));
    POSTURE_TRY(name_judge(path, &address, reterr));

    POSTURE_AUTO_CLOSE int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return posture_error_set(reterr, -errno, "socket: %s", strerror(errno));
    (void)unlink(draft_path);
    if (bind(fd, (const struct sockaddr *)&draft, sizeof(draft)) < 0)
        return posture_error_set(reterr, -errno, "'%s': %s", draft_path, strerror(errno));
    if (chmod(draft_path, 0600) < 0 || listen(fd, LISTEN_BACKLOG) < 0 ||
        rename(draft_path, path) < 0) {
        int e = errno;
        (void)unlink(draft_path);
        return posture_error_set(reterr, -e, "'%s': %s", path, strerror(e));
    }
    *ret_fd = POSTURE_TAKE_FD(fd);
    return 0;
}

void posture_host_listen_done(int fd, const char *path)
{
    if (fd < 0)
        return;
    /* A socket's own stat is not its name's: a probe tells whether the name still leads
     * here. Once closed, a name that leads nowhere was ours. */
    posture_close(fd);
    struct sockaddr_un address;
    struct posture_error ignored;
    if (path && address_fill(&address, path) == 0 &&
        name_judge(path, &address, &ignored) == 0)
        (void)unlink(path);
}
