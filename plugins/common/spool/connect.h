/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#ifndef POSTURE_SPOOL_CONNECT_H
#define POSTURE_SPOOL_CONNECT_H

#include "common/base/error.h"

/*
 * Host side, no loop, never blocks: connects to the spool's socket at path and sends the
 * first frame, which names the plugin. The descriptor is non-blocking and close-on-exec;
 * owner: caller. Libc only beyond base: linked into common/host (target
 * posture_spool_connect).
 */
int posture_spool_connect(const char *path, const char *plugin, int *ret_fd,
                          struct posture_error *reterr);

#endif
