/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#ifndef POSTURE_CRYPTO_HOST_STREAM_H
#define POSTURE_CRYPTO_HOST_STREAM_H

#include "posture_crypto/host_root.h"

#include "common/base/mem.h"

#include <sys/types.h>

/*
 * A file of a system, read step by step and unpacked by the end of its name (.gz, .xz,
 * .bz2, .lz4), so that a list of packages of any size takes little memory.
 */
struct host_stream;

enum { HOST_STREAM_MAX = 1024 * 1024 * 1024 }; /* of what comes out */

/* -ENOENT …, -ENOTSUP (.zst), -ENOMEM */
int host_stream_open(const struct host_root *root, const char *path,
                     struct host_stream **ret);
/* Bytes read, 0 at the end, POSTURE_E_FORMAT for what is not packed so, POSTURE_E_LIMIT.
 */
ssize_t host_stream_read(struct host_stream *stream, char *bytes, size_t size);
struct host_stream *host_stream_free(struct host_stream *stream);
POSTURE_AUTO_DEFINE(struct host_stream *, host_stream_free)

#endif
