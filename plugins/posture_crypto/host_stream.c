/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#include "posture_crypto/host_stream.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* It wants FILE from those before it. */
#include <lz4frame.h>
#include <solv/solv_xfopen.h>

enum { PACKED_STEP = 65536 };

struct host_stream {
    FILE *file; /* what libsolvext unpacks, and plain files */
    int fd;     /* lz4 */
    LZ4F_dctx *lz4;
    char *packed;
    size_t packed_len, packed_at;
    bool is_inside; /* of a frame */
    size_t total;
};

struct host_stream *host_stream_free(struct host_stream *stream)
{
    if (!stream)
        return NULL;
    if (stream->file)
        fclose(stream->file);
    posture_close(stream->fd);
    LZ4F_freeDecompressionContext(stream->lz4);
    free(stream->packed);
    free(stream);
    return NULL;
}

static bool ends_with(const char *text, const char *end)
{
    size_t len = strlen(text), end_len = strlen(end);
    return len >= end_len && strcmp(text + len - end_len, end) == 0;
}

int host_stream_open(const struct host_root *root, const char *path,
                     struct host_stream **ret)
{
    /* libsolvext 0.7 takes a frame of zstd that was cut short for a whole one. */
    if (ends_with(path, ".zst"))
        return -ENOTSUP;
    POSTURE_AUTO_CLOSE int fd = host_root_file(root, path);
    if (fd < 0)
        return POSTURE_TAKE_FD(fd);
    POSTURE_AUTO(host_stream_free)
    struct host_stream *stream = posture_calloc(1, sizeof(*stream));
    if (!stream)
        return -ENOMEM;
    stream->fd = -1;
    if (ends_with(path, ".lz4")) {
        stream->packed = posture_malloc(PACKED_STEP);
        if (!stream->packed ||
            LZ4F_isError(LZ4F_createDecompressionContext(&stream->lz4, LZ4F_VERSION)))
            return -ENOMEM;
        stream->fd = POSTURE_TAKE_FD(fd);
    } else {
        errno = 0;
        stream->file = solv_xfopen_fd(path, fd, "r");
        if (!stream->file)
            return errno > 0 ? -errno : POSTURE_E_FORMAT;
        (void)POSTURE_TAKE_FD(fd); /* the file's now */
    }
    *ret = POSTURE_TAKE(stream);
    return 0;
}

static int packed_fill(struct host_stream *stream)
{
    ssize_t n;
    do {
        n = read(stream->fd, stream->packed, PACKED_STEP);
    } while (n < 0 && errno == EINTR);
    if (n < 0)
        return -errno;
    stream->packed_at = 0;
    stream->packed_len = (size_t)n;
    return n > 0;
}

static ssize_t lz4_read(struct host_stream *stream, char *bytes, size_t size)
{
    for (;;) {
        if (stream->packed_at == stream->packed_len) {
            int r = packed_fill(stream);
            if (r < 0)
                return r;
            if (r == 0)
                return stream->is_inside ? POSTURE_E_FORMAT : 0;
        }
        size_t out = size, in = stream->packed_len - stream->packed_at;
        size_t hint = LZ4F_decompress(stream->lz4, bytes, &out,
                                      stream->packed + stream->packed_at, &in, NULL);
        if (LZ4F_isError(hint))
            return POSTURE_E_FORMAT;
        stream->packed_at += in;
        stream->is_inside = hint != 0;
        if (out > 0)
            return (ssize_t)out;
    }
}

ssize_t host_stream_read(struct host_stream *stream, char *bytes, size_t size)
{
    ssize_t n;
    if (stream->file) {
        n = (ssize_t)fread(bytes, 1, size, stream->file);
        if (n == 0 && ferror(stream->file))
            return POSTURE_E_FORMAT;
    } else {
        n = lz4_read(stream, bytes, size);
    }
    if (n <= 0)
        return n;
    stream->total += (size_t)n;
    return stream->total > HOST_STREAM_MAX ? POSTURE_E_LIMIT : n;
}
