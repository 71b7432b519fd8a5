/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#ifndef POSTURE_BASE_UUID_H
#define POSTURE_BASE_UUID_H

#include <stdint.h>

enum { POSTURE_UUID_TEXT = 37 };

/* UUIDv7 (RFC 9562, 5.7): 48 bits of Unix milliseconds, then random bits from
 * getrandom(). Two calls in one process are strictly increasing. -errno when the kernel
 * gives no randomness. */
int posture_uuid7(int64_t now_ns, char ret_text[static POSTURE_UUID_TEXT]);

#endif
