/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#include "common/ssh/wire.h"

#include <string.h>

enum { PACKET_BLOCK = 8, PACKET_PADDING_MIN = 4, PACKET_HEAD = 5 };

struct posture_ssh_bytes posture_ssh_read(struct posture_ssh_cursor *cursor, size_t len)
{
    if (cursor->is_bad || len > cursor->left) {
        cursor->is_bad = true;
        return (struct posture_ssh_bytes){.at = (const uint8_t *)""};
    }
    struct posture_ssh_bytes bytes = {cursor->at, len};
    cursor->at += len;
    cursor->left -= len;
    return bytes;
}

uint8_t posture_ssh_read_u8(struct posture_ssh_cursor *cursor)
{
    struct posture_ssh_bytes bytes = posture_ssh_read(cursor, 1);
    return bytes.len == 1 ? bytes.at[0] : 0;
}

uint32_t posture_ssh_read_u32(struct posture_ssh_cursor *cursor)
{
    struct posture_ssh_bytes bytes = posture_ssh_read(cursor, 4);
    uint32_t value = 0;
    for (size_t i = 0; i < bytes.len; i++)
        value = value << 8 | bytes.at[i];
    return value;
}

uint64_t posture_ssh_read_u64(struct posture_ssh_cursor *cursor)
{
    uint64_t high = posture_ssh_read_u32(cursor);
    return high << 32 | posture_ssh_read_u32(cursor);
}

struct posture_ssh_bytes posture_ssh_read_string(struct posture_ssh_cursor *cursor)
{
    return posture_ssh_read(cursor, posture_ssh_read_u32(cursor));
}

size_t posture_ssh_read_mpint_bits(struct posture_ssh_cursor *cursor)
{
    struct posture_ssh_bytes bytes = posture_ssh_read_string(cursor);
    if (bytes.len > 0 && bytes.at[0] & 0x80) {
        cursor->is_bad = true;
        return 0;
    }
    while (bytes.len > 0 && bytes.at[0] == 0) {
        bytes.at++;
        bytes.len--;
    }
    if (bytes.len == 0) {
        cursor->is_bad = true;
        return 0;
    }
    size_t bits = bytes.len * 8;
    for (uint8_t mask = 0x80; !(bytes.at[0] & mask); mask >>= 1)
        bits--;
    return bits;
}

bool posture_ssh_is(struct posture_ssh_bytes bytes, const char *text)
{
    return bytes.len == strlen(text) && memcmp(bytes.at, text, bytes.len) == 0;
}

void posture_ssh_add_string(struct posture_buf *out, const void *bytes, size_t len)
{
    posture_buf_add_u32(out, (uint32_t)len);
    posture_buf_add(out, bytes, len);
}

size_t posture_ssh_packet_begin(struct posture_buf *out, enum posture_ssh_message type)
{
    size_t begin = out->len;
    posture_buf_add(out, "\0\0\0\0", PACKET_HEAD);
    posture_buf_add_u8(out, (uint8_t)type);
    return begin;
}

void posture_ssh_packet_end(struct posture_buf *out, size_t begin)
{
    static const uint8_t zeros[PACKET_BLOCK + PACKET_PADDING_MIN];
    if (posture_buf_error(out) < 0)
        return;
    size_t len = out->len - begin;
    size_t padding = PACKET_BLOCK - len % PACKET_BLOCK;
    if (padding < PACKET_PADDING_MIN)
        padding += PACKET_BLOCK;
    posture_buf_add(out, zeros, padding);
    if (posture_buf_error(out) < 0)
        return;
    uint32_t packet = (uint32_t)(len + padding - 4);
    for (size_t i = 0; i < 4; i++)
        out->data[begin + i] = (char)(packet >> (24 - 8 * i));
    out->data[begin + 4] = (char)padding;
}

bool posture_ssh_name_is_sound(const char *name, size_t len)
{
    if (len == 0 || len > POSTURE_SSH_NAME_MAX)
        return false;
    for (size_t i = 0; i < len; i++) {
        if (name[i] <= ' ' || name[i] > '~' || name[i] == ',')
            return false;
    }
    return true;
}
