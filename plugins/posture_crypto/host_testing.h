/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#ifndef POSTURE_CRYPTO_HOST_TESTING_H
#define POSTURE_CRYPTO_HOST_TESTING_H

#include "common/base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/*
 * Tests only: a tree of files from one text, so that a system is read at a glance:
 *
 *     == etc/os-release
 *     ID=debian
 *     == sys/dev/block/8:1 -> ../../devices/sda/sda1
 *     == run/empty/
 *
 * Every file is as of TREE_MTIME.
 */
enum { TREE_MTIME = 1790000000 };

static inline int tree_folders_make(char *path)
{
    for (char *slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        int r = mkdir(path, 0755);
        *slash = '/';
        if (r < 0 && errno != EEXIST)
            return -errno;
    }
    return 0;
}

static inline int tree_file_make(const char *root, const char *name, size_t name_len,
                                 const char *bytes, size_t len)
{
    static const char arrow[] = " -> ";
    const struct timespec times[2] = {{.tv_sec = TREE_MTIME}, {.tv_sec = TREE_MTIME}};
    POSTURE_AUTO_FREE char *path = posture_asprintf("%s/%.*s", root, (int)name_len, name);
    char *link = path ? strstr(path, arrow) : NULL;
    if (link)
        *link = '\0';
    if (!path || tree_folders_make(path) < 0)
        return -1;
    if (link)
        return symlink(link + sizeof(arrow) - 1, path);
    if (path[strlen(path) - 1] == '/')
        return 0;
    FILE *file = fopen(path, "we");
    if (!file)
        return -1;
    size_t n = fwrite(bytes, 1, len, file);
    if (fclose(file) != 0 || n != len)
        return -1;
    return utimensat(AT_FDCWD, path, times, 0);
}

/* Makes the tree in a new folder, whose path is put into root. */
static inline int tree_make(const char *text, char root[static 64])
{
    strcpy(root, "/tmp/posture-host-XXXXXX");
    if (!mkdtemp(root))
        return -1;
    const char *at = strncmp(text, "== ", 3) == 0 ? text : strstr(text, "\n== ");
    while (at) {
        at += *at == '\n' ? 4 : 3;
        size_t name_len = strcspn(at, "\n");
        const char *body = at + name_len + (at[name_len] == '\n');
        const char *next = strncmp(body, "== ", 3) == 0 ? body : strstr(body, "\n== ");
        size_t len = !next ? strlen(body) : next == body ? 0 : (size_t)(next + 1 - body);
        if (tree_file_make(root, at, name_len, body, len) < 0) {
            fprintf(stderr, "%.*s: %s\n", (int)name_len, at, strerror(errno));
            return -1;
        }
        at = next;
    }
    return 0;
}

static inline int tree_entry_remove(const char *path, const struct stat *st, int type,
                                    struct FTW *ftw)
{
    (void)st;
    (void)type;
    (void)ftw;
    return remove(path);
}

static inline void tree_remove(const char *root)
{
    (void)nftw(root, tree_entry_remove, 16, FTW_DEPTH | FTW_PHYS);
}

#endif
