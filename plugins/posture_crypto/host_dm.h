/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#ifndef POSTURE_CRYPTO_HOST_DM_H
#define POSTURE_CRYPTO_HOST_DM_H

#include "common/base/buf.h"

/*
 * Device-mapper tables, as posture-dm-table writes them (root) and the worker reads them:
 * a line "crypt MAJOR:MINOR CIPHER KEY_BITS" for each crypt target, "end" last. The key
 * is in the kernel's parameters, and is in nothing that is written here.
 */
enum { HOST_DM_CIPHER_MAX = 128 };

struct host_dm_crypt {
    unsigned major, minor;
    char cipher[HOST_DM_CIPHER_MAX]; /* "aes-xts-plain64", as the kernel has it */
    uint32_t key_bits;               /* with all its parts; 0: not known */
};

/* Parameters of a crypt target, "CIPHER KEY IV_OFFSET DEVICE OFFSET …". POSTURE_E_FORMAT.
 */
int host_dm_params_read(const char *params, struct host_dm_crypt *ret);
void host_dm_line_write(struct posture_buf *out, const struct host_dm_crypt *crypt);

typedef void host_dm_fn(const struct host_dm_crypt *crypt, void *data);
/* POSTURE_E_FORMAT for anything else than such lines, or without the end. */
int host_dm_lines_read(const char *bytes, size_t len, host_dm_fn *fn, void *data);

#endif
