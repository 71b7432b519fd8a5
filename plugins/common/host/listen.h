/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#ifndef POSTURE_HOST_LISTEN_H
#define POSTURE_HOST_LISTEN_H

#include "common/base/error.h"

/* Binds and listens on the Unix socket at path, mode 0600, making its folder (0755) when
 * that is missing and replacing a socket that nobody listens on. POSTURE_E_BUSY when
 * somebody does; POSTURE_E_DENIED when something else has the name. */
int posture_host_listen(const char *path, int *ret_fd, struct posture_error *reterr);
/* Removes the name if it is still the socket of fd. */
void posture_host_listen_done(int fd, const char *path);

#endif
