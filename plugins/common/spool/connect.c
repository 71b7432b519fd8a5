/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */

#include "common/spool/connect.h"

#include "common/spool/frame.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

int posture_spool_connect(const char *path, const char *plugin, int *ret_fd,
                          struct posture_error *reterr)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof(address.sun_path))
        return posture_error_set(reterr, -ENAMETOOLONG, "%s: longer than %zu bytes", path,
                                 sizeof(address.sun_path) - 1);
    memcpy(address.sun_path, path, strlen(path) + 1);

    POSTURE_AUTO_BUF struct posture_buf hello;
    posture_buf_init(&hello, POSTURE_FRAME_HELLO_MAX + POSTURE_FRAME_HEADER);
    const struct posture_frame frame = {
        .type = POSTURE_FRAME_HELLO,
        .version = POSTURE_FRAME_VERSION,
        .plugin = posture_frame_text(plugin),
    };
    int r = posture_frame_encode(&frame, &hello);
    if (r < 0)
        return posture_error_set(reterr, r, "plugin name '%s': %s", plugin,
                                 posture_strerror(r));

    POSTURE_AUTO_CLOSE int fd =
        socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return posture_error_set(reterr, -errno, "socket: %s", strerror(errno));
    /* Not blocking: a full queue of the listener is an error for now, not a reason to
     * stand still. A local connection is made at once or not at all, and its buffer holds
     * the first frame. */
    if (connect(fd, (const struct sockaddr *)&address, sizeof(address)) < 0)
        return posture_error_set(reterr, -errno, "%s: cannot connect: %s", path,
                                 strerror(errno));
    ssize_t n = send(fd, hello.data, hello.len, MSG_NOSIGNAL);
    if (n < 0 || (size_t)n != hello.len)
        return posture_error_set(reterr, n < 0 ? -errno : -EIO, "%s: cannot write: %s",
                                 path, n < 0 ? strerror(errno) : "cut short");
    *ret_fd = fd;
    fd = -1;
    return 0;
}
