/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#ifndef POSTURE_CRYPTO_HOST_ROOT_H
#define POSTURE_CRYPTO_HOST_ROOT_H

#include "common/base/error.h"

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>

/*
 * The files of one system, beneath one folder: "/" for the running one, a tree of files
 * for tests. Paths are relative to it ("etc/passwd"); symbolic links, absolute ones too,
 * are followed within it and never out of it. The walk is ours, one name at a time:
 * openat2 could do it, but no filter of system calls can look into its arguments, so the
 * worker's refuses it.
 */
struct host_root {
    int fd;         /* O_PATH */
    bool is_system; /* it is "/": what the kernel says is about the same system */
};

int host_root_open(const char *path, struct host_root *ret, struct posture_error *reterr);
void host_root_done(struct host_root *root);

/* The whole of a regular file (those of /proc and /sys too), NUL-terminated; owner:
 * caller. -ENOENT, -EACCES …, POSTURE_E_LIMIT above max, POSTURE_E_DENIED for what is no
 * regular file. */
int host_root_read(const struct host_root *root, const char *path, size_t max,
                   char **ret_bytes, size_t *ret_len);
/* The same file to be read step by step: a descriptor that the caller closes. */
int host_root_file(const struct host_root *root, const char *path);
/* The first line, without spaces around it. POSTURE_E_LIMIT when it does not fit. */
int host_root_line(const struct host_root *root, const char *path, char *line,
                   size_t size);
bool host_root_exists(const struct host_root *root, const char *path);
/* Seconds since 1970 at which a file was last written. */
int host_root_mtime(const struct host_root *root, const char *path, long long *ret);
/* Where a path leads once its links are followed: "sys/devices/…/sda1". */
int host_root_real(const struct host_root *root, const char *path,
                   char real[static PATH_MAX]);

/* Names in a folder, sorted, without "." and ".."; at most max of them. */
struct host_names {
    char **items;
    size_t count;
    bool is_truncated;
};
int host_root_list(const struct host_root *root, const char *path, size_t max,
                   struct host_names *ret);
void host_names_done(struct host_names *names);
#define HOST_AUTO_NAMES __attribute__((cleanup(host_names_done)))

#endif
