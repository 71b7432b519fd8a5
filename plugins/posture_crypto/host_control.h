/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#ifndef POSTURE_CRYPTO_HOST_CONTROL_H
#define POSTURE_CRYPTO_HOST_CONTROL_H

#include "posture_crypto/host_root.h"

/*
 * Files of paragraphs with "Field: value" lines (deb822(5)): dpkg's status, apt's lists
 * and Release files. Of each paragraph only the fields that were asked for are kept, and
 * of each field its first line; memory does not grow with the file.
 */
enum {
    HOST_CONTROL_FIELDS_MAX = 8,
    HOST_CONTROL_VALUE_MAX = 256,
    HOST_CONTROL_LINE_MAX = 384
};

struct host_control;
/* One paragraph: value() of the fields. Not 0: stop, and give it to the caller. */
typedef int host_control_fn(const struct host_control *control, void *data);

struct host_control {
    const char *const *names; /* borrowed */
    size_t count;
    host_control_fn *paragraph;
    void *data;
    char values[HOST_CONTROL_FIELDS_MAX][HOST_CONTROL_VALUE_MAX];
    bool is_set[HOST_CONTROL_FIELDS_MAX];
    bool has_fields; /* of any name */
    char line[HOST_CONTROL_LINE_MAX];
    size_t line_len;
    bool is_long; /* the line does not fit */
};

void host_control_init(struct host_control *control, const char *const *names,
                       size_t count, host_control_fn *paragraph, void *data);
int host_control_feed(struct host_control *control, const char *bytes, size_t len);
int host_control_end(struct host_control *control);
/* NULL: the paragraph has no such field, or its value is too long. */
const char *host_control_value(const struct host_control *control, size_t number);
/* A whole file, packed or not. */
int host_control_file(const struct host_root *root, const char *path,
                      struct host_control *control);
/* Debian's order of versions, deb-version(7): below 0, 0, above 0. -ENOMEM in ret. */
struct host_versions;
struct host_versions *host_versions_new(void);
struct host_versions *host_versions_free(struct host_versions *versions);
int host_versions_compare(struct host_versions *versions, const char *a, const char *b);

#endif
