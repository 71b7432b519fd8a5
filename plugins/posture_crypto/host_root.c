/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#include "posture_crypto/host_root.h"

#include "common/base/buf.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { LINKS_MAX = 32, READ_STEP = 16384 };

struct walk {
    int root;            /* borrowed */
    int dir;             /* where the walk stands, O_PATH */
    char real[PATH_MAX]; /* its path from the root, "" at it */
    char rest[PATH_MAX]; /* names still to be walked */
    unsigned links;
};

static int walk_restart(struct walk *walk)
{
    int fd = fcntl(walk->root, F_DUPFD_CLOEXEC, 3);
    if (fd < 0)
        return -errno;
    posture_close(walk->dir);
    walk->dir = fd;
    walk->real[0] = '\0';
    return 0;
}

static int walk_enter(struct walk *walk, int dir, const char *name)
{
    size_t len = strlen(walk->real), add = strlen(name);
    if (len + add + 2 > sizeof(walk->real)) {
        posture_close(dir);
        return -ENAMETOOLONG;
    }
    if (len > 0)
        walk->real[len++] = '/';
    memcpy(walk->real + len, name, add + 1);
    posture_close(walk->dir);
    walk->dir = dir;
    return 0;
}

/* Never above the root. */
static int walk_up(struct walk *walk)
{
    if (!walk->real[0])
        return 0;
    int fd = openat(walk->dir, "..", O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    posture_close(walk->dir);
    walk->dir = fd;
    char *slash = strrchr(walk->real, '/');
    *(slash ? slash : walk->real) = '\0';
    return 0;
}

/* Puts the link's text before the rest. */
static int walk_follow(struct walk *walk, const char *name)
{
    char text[PATH_MAX];
    if (++walk->links > LINKS_MAX)
        return -ELOOP;
    ssize_t n = readlinkat(walk->dir, name, text, sizeof(text));
    if (n < 0)
        return -errno;
    size_t len = strlen(walk->rest);
    if ((size_t)n + 1 + len >= sizeof(walk->rest))
        return -ENAMETOOLONG;
    memmove(walk->rest + n + 1, walk->rest, len + 1);
    walk->rest[n] = '/';
    memcpy(walk->rest, text, (size_t)n);
    return text[0] == '/' ? walk_restart(walk) : 0;
}

/* Takes the next name off the rest; false at its end. */
static bool name_take(struct walk *walk, char name[static NAME_MAX + 1], int *ret_error)
{
    char *begin = walk->rest + strspn(walk->rest, "/");
    size_t len = strcspn(begin, "/");
    *ret_error = len > NAME_MAX ? -ENAMETOOLONG : 0;
    if (len == 0 || *ret_error < 0)
        return false;
    memcpy(name, begin, len);
    name[len] = '\0';
    memmove(walk->rest, begin + len, strlen(begin + len) + 1);
    return true;
}

/* Walks to the end; a last name that is no folder is entered too (O_PATH). */
static int walk_run(struct walk *walk)
{
    char name[NAME_MAX + 1];
    int r;
    while (name_take(walk, name, &r)) {
        if (strcmp(name, ".") == 0)
            continue;
        if (strcmp(name, "..") == 0) {
            POSTURE_TRY(walk_up(walk));
            continue;
        }
        int fd = openat(walk->dir, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
        if (fd < 0)
            return -errno;
        struct stat st;
        if (fstat(fd, &st) < 0) {
            r = -errno;
            posture_close(fd);
            return r;
        }
        if (S_ISLNK(st.st_mode)) {
            posture_close(fd);
            POSTURE_TRY(walk_follow(walk, name));
            continue;
        }
        POSTURE_TRY(walk_enter(walk, fd, name));
    }
    return r;
}

static int walk_path(const struct host_root *root, const char *path, struct walk *ret)
{
    *ret = (struct walk){.root = root->fd, .dir = -1};
    size_t len = strlen(path);
    if (len >= sizeof(ret->rest))
        return -ENAMETOOLONG;
    memcpy(ret->rest, path, len + 1);
    int r = walk_restart(ret);
    r = r < 0 ? r : walk_run(ret);
    if (r < 0) {
        posture_close(ret->dir);
        ret->dir = -1;
    }
    return r;
}

/* The thing that the walk found, opened by its last name within its folder: an O_PATH
 * descriptor cannot be read, and /proc need not be there to reopen it. */
static int root_openat(const struct host_root *root, const char *path, int flags)
{
    struct walk walk;
    POSTURE_TRY(walk_path(root, path, &walk));
    char real[PATH_MAX];
    memcpy(real, walk.real, sizeof(real));
    struct stat found, opened;
    int r = fstat(walk.dir, &found) < 0 ? -errno : 0;
    posture_close(walk.dir);
    if (r < 0)
        return r;
    char *slash = strrchr(real, '/');
    const char *name = slash ? slash + 1 : real;
    POSTURE_AUTO_CLOSE int dir = -1;
    if (slash) {
        *slash = '\0';
        POSTURE_TRY(walk_path(root, real, &walk));
        dir = walk.dir;
    } else {
        dir = fcntl(root->fd, F_DUPFD_CLOEXEC, 3);
        if (dir < 0)
            return -errno;
    }
    POSTURE_AUTO_CLOSE int fd =
        openat(dir, *name ? name : ".",
               flags | O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    if (fstat(fd, &opened) < 0)
        return -errno;
    if (opened.st_dev != found.st_dev || opened.st_ino != found.st_ino)
        return -EAGAIN; /* replaced meanwhile */
    return POSTURE_TAKE_FD(fd);
}

int host_root_open(const char *path, struct host_root *ret, struct posture_error *reterr)
{
    int fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return posture_error_set(reterr, -errno, "'%s': %s", path, strerror(errno));
    *ret = (struct host_root){.fd = fd, .is_system = strspn(path, "/") == strlen(path)};
    return 0;
}

void host_root_done(struct host_root *root)
{
    posture_close(root->fd);
    root->fd = -1;
}

int host_root_file(const struct host_root *root, const char *path)
{
    POSTURE_AUTO_CLOSE int fd = root_openat(root, path, 0);
    if (fd < 0)
        return POSTURE_TAKE_FD(fd);
    struct stat st;
    if (fstat(fd, &st) < 0)
        return -errno;
    return S_ISREG(st.st_mode) ? POSTURE_TAKE_FD(fd) : POSTURE_E_DENIED;
}

int host_root_read(const struct host_root *root, const char *path, size_t max,
                   char **ret_bytes, size_t *ret_len)
{
    POSTURE_AUTO_CLOSE int fd = host_root_file(root, path);
    if (fd < 0)
        return POSTURE_TAKE_FD(fd);
    POSTURE_AUTO_BUF struct posture_buf buf = {0};
    posture_buf_init(&buf, max + READ_STEP + 1);
    for (;;) {
        char bytes[READ_STEP];
        ssize_t n = read(fd, bytes, sizeof(bytes));
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        if (n == 0)
            break;
        posture_buf_add(&buf, bytes, (size_t)n);
        if (buf.len > max)
            return POSTURE_E_LIMIT;
    }
    posture_buf_adds(&buf, "");
    char *bytes = posture_buf_steal(&buf, ret_len);
    if (!bytes)
        bytes = posture_strdup(""), *ret_len = 0;
    if (!bytes)
        return -ENOMEM;
    *ret_bytes = bytes;
    return 0;
}

int host_root_line(const struct host_root *root, const char *path, char *line,
                   size_t size)
{
    POSTURE_AUTO_FREE char *bytes = NULL;
    size_t len;
    POSTURE_TRY(host_root_read(root, path, 65536, &bytes, &len));
    char *begin = bytes + strspn(bytes, " \t");
    len = strcspn(begin, "\r\n");
    while (len > 0 && (begin[len - 1] == ' ' || begin[len - 1] == '\t'))
        len--;
    if (len >= size)
        return POSTURE_E_LIMIT;
    memcpy(line, begin, len);
    line[len] = '\0';
    return 0;
}

bool host_root_exists(const struct host_root *root, const char *path)
{
    struct walk walk;
    if (walk_path(root, path, &walk) < 0)
        return false;
    posture_close(walk.dir);
    return true;
}

int host_root_mtime(const struct host_root *root, const char *path, long long *ret)
{
    struct walk walk;
    POSTURE_TRY(walk_path(root, path, &walk));
    struct stat st;
    int r = fstat(walk.dir, &st) < 0 ? -errno : 0;
    posture_close(walk.dir);
    if (r == 0)
        *ret = (long long)st.st_mtime;
    return r;
}

int host_root_real(const struct host_root *root, const char *path,
                   char real[static PATH_MAX])
{
    struct walk walk;
    POSTURE_TRY(walk_path(root, path, &walk));
    posture_close(walk.dir);
    memcpy(real, walk.real, PATH_MAX);
    return 0;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

int host_root_list(const struct host_root *root, const char *path, size_t max,
                   struct host_names *ret)
{
    *ret = (struct host_names){0};
    POSTURE_AUTO_CLOSE int fd = root_openat(root, path, O_DIRECTORY);
    if (fd < 0)
        return POSTURE_TAKE_FD(fd);
    DIR *dir = fdopendir(fd);
    if (!dir)
        return -errno;
    (void)POSTURE_TAKE_FD(fd);
    int r = 0;
    const struct dirent *entry;
    while (r == 0 && (errno = 0, entry = readdir(dir))) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        if (ret->count == max) {
            ret->is_truncated = true;
            break;
        }
        char **items =
            posture_reallocarray(ret->items, ret->count + 1, sizeof(*ret->items));
        if (items)
            ret->items = items;
        char *name = posture_strdup(entry->d_name);
        if (!items || !name) {
            free(name);
            r = -ENOMEM;
            break;
        }
        ret->items[ret->count++] = name;
    }
    if (r == 0 && errno != 0 && !ret->is_truncated)
        r = -errno;
    closedir(dir);
    if (r < 0)
        host_names_done(ret);
    else if (ret->count > 1)
        qsort(ret->items, ret->count, sizeof(*ret->items), by_name);
    return r;
}

void host_names_done(struct host_names *names)
{
    for (size_t i = 0; i < names->count; i++)
        free(names->items[i]);
    free(names->items);
    *names = (struct host_names){0};
}
