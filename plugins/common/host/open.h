/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#ifndef POSTURE_HOST_OPEN_H
#define POSTURE_HOST_OPEN_H

#include "common/base/error.h"

#include <stdbool.h>

/*
 * Opens a file of the configuration to be read by a worker that could not (DESIGN section
 * 4). Walks the path one name at a time: as long as only root (or our own user) can
 * change a folder, its names and symbolic links are taken as they are; from the first
 * folder on that somebody else may write, the rest is opened with that folder's owner's
 * rights, and links are refused. The file must be regular, have one link and belong to
 * root or its folder's owner; a secret to root (our own user when that is not root), mode
 * 0600 or 0400. Changes the file system user of the calling thread meanwhile.
 * POSTURE_E_DENIED or -errno, and why.
 */
int posture_host_open(const char *path, bool is_secret, int *ret_fd,
                      struct posture_error *reterr);

#endif
