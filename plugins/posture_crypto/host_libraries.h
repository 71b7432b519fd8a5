/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#ifndef POSTURE_CRYPTO_HOST_LIBRARIES_H
#define POSTURE_CRYPTO_HOST_LIBRARIES_H

#include "posture_crypto/host_facts.h"

/* File names of shared libraries that begin so ("libssl.so."), where the dynamic linker
 * of Debian and of Fedora looks. *ret_names: new reference to a list, empty when there is
 * none. 0 or -ENOMEM. */
int host_libraries_find(const struct host_root *root, const char *prefix,
                        json_t **ret_names);

#endif
