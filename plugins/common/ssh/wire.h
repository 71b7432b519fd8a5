/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#ifndef POSTURE_SSH_WIRE_H
#define POSTURE_SSH_WIRE_H

#include "common/base/buf.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The words of SSH messages: RFC 4251 section 5, RFC 4253, RFC 4419, RFC 5656. */

enum posture_ssh_message {
    POSTURE_SSH_DISCONNECT = 1,
    POSTURE_SSH_IGNORE = 2,
    POSTURE_SSH_UNIMPLEMENTED = 3,
    POSTURE_SSH_DEBUG = 4,
    POSTURE_SSH_EXT_INFO = 7,
    POSTURE_SSH_KEXINIT = 20,
    POSTURE_SSH_NEWKEYS = 21,
    POSTURE_SSH_KEX_INIT = 30, /* KEXDH_INIT and KEX_ECDH_INIT */
    POSTURE_SSH_KEX_REPLY = 31,
    POSTURE_SSH_GEX_GROUP = 31,
    POSTURE_SSH_GEX_INIT = 32,
    POSTURE_SSH_GEX_REPLY = 33,
    POSTURE_SSH_GEX_REQUEST = 34,
};

/* What is left of a message. Once a read fails, is_bad stays and every read gives
 * nothing. */
struct posture_ssh_cursor {
    const uint8_t *at;
    size_t left;
    bool is_bad;
};

struct posture_ssh_bytes {
    const uint8_t *at; /* borrowed */
    size_t len;
};

uint8_t posture_ssh_read_u8(struct posture_ssh_cursor *cursor);
uint32_t posture_ssh_read_u32(struct posture_ssh_cursor *cursor);
uint64_t posture_ssh_read_u64(struct posture_ssh_cursor *cursor);
struct posture_ssh_bytes posture_ssh_read(struct posture_ssh_cursor *cursor, size_t len);
struct posture_ssh_bytes posture_ssh_read_string(struct posture_ssh_cursor *cursor);
/* Size in bits of a positive mpint; a negative one or zero is bad. */
size_t posture_ssh_read_mpint_bits(struct posture_ssh_cursor *cursor);
bool posture_ssh_is(struct posture_ssh_bytes bytes, const char *text);

void posture_ssh_add_string(struct posture_buf *out, const void *bytes, size_t len);
/* One message as a packet in the clear: begin gives where it begins, end closes it (RFC
 * 4253 section 6). */
size_t posture_ssh_packet_begin(struct posture_buf *out, enum posture_ssh_message type);
void posture_ssh_packet_end(struct posture_buf *out, size_t begin);

/* Printable ASCII without comma: what a name is made of (RFC 4251 section 6), at most
 * POSTURE_SSH_NAME_MAX bytes. The RFC has 64; some servers have more. */
enum { POSTURE_SSH_NAME_MAX = 128 };
bool posture_ssh_name_is_sound(const char *name, size_t len);

#endif
