/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#ifndef POSTURE_NET_SANDBOX_INTERNAL_H
#define POSTURE_NET_SANDBOX_INTERNAL_H

#include "common/net/sandbox.h"

#include <stdbool.h>

/* Which files: system configuration and libraries to read, writable_dir to write. -ENOSYS
 * or -EOPNOTSUPP when the kernel does not have it. */
int posture_landlock_enter(unsigned needs, const char *writable_dir,
                           struct posture_error *reterr);
/* Which system calls. */
int posture_seccomp_enter(unsigned needs, struct posture_error *reterr);

#endif
