/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#include "common/ssh/reader.h"

#include "common/base/error.h"

#include <string.h>

enum { PACKET_HEAD = 5, PADDING_MIN = 4 };

void posture_ssh_reader_init(struct posture_ssh_reader *reader)
{
    *reader = (struct posture_ssh_reader){0};
    posture_buf_init(&reader->in, POSTURE_SSH_READER_MAX);
}

void posture_ssh_reader_done(struct posture_ssh_reader *reader)
{
    posture_buf_done(&reader->in);
}

void posture_ssh_reader_reset(struct posture_ssh_reader *reader)
{
    struct posture_buf in = reader->in;
    *reader = (struct posture_ssh_reader){.in = in};
    posture_buf_clear(&reader->in);
}

int posture_ssh_reader_feed(struct posture_ssh_reader *reader, const void *bytes,
                            size_t len)
{
    if (reader->at > 0) {
        posture_buf_consume(&reader->in, reader->at);
        reader->at = 0;
    }
    posture_buf_add(&reader->in, bytes, len);
    return posture_buf_error(&reader->in);
}

static void line_keep(struct posture_ssh_reader *reader, const char *line, size_t len)
{
    if (reader->line_len > 0 || len == 0)
        return;
    reader->line_len = len < POSTURE_SSH_LINE_MAX ? len : POSTURE_SSH_LINE_MAX;
    memcpy(reader->line, line, reader->line_len);
    reader->line[reader->line_len] = '\0';
}

static void line_forget(struct posture_ssh_reader *reader)
{
    reader->line_len = 0;
    reader->line[0] = '\0';
}

/* One whole line; lines before the banner may be anything that does not begin with
 * "SSH-". */
static int line_read(struct posture_ssh_reader *reader, enum posture_ssh_event *ret_event)
{
    const char *line = reader->in.data + reader->at;
    size_t left = reader->in.len - reader->at;
    const char *end = left > 0 ? memchr(line, '\n', left) : NULL;
    size_t len = end ? (size_t)(end - line) + 1 : left;
    bool is_banner = len >= 4 && memcmp(line, "SSH-", 4) == 0;
    if (is_banner && len > POSTURE_SSH_BANNER_MAX)
        return POSTURE_E_PROTOCOL;
    if (!is_banner && reader->preface + len > POSTURE_SSH_PREFACE_MAX)
        return POSTURE_E_LIMIT;
    if (!end) {
        /* What waits for its line end is kept for the reason why none came. */
        if (reader->preface == 0)
            line_forget(reader);
        if (!is_banner)
            line_keep(reader, line, len);
        return 0;
    }
    reader->at += len;
    len--;
    if (len > 0 && line[len - 1] == '\r')
        len--;
    if (!is_banner) {
        if (reader->preface == 0)
            line_forget(reader);
        line_keep(reader, line, len);
        reader->preface += (size_t)(end - line) + 1;
        return 1;
    }
    if (reader->preface == 0)
        line_forget(reader); /* it was the beginning of this one */
    memcpy(reader->banner, line, len);
    reader->banner_len = len;
    reader->has_banner = true;
    *ret_event = POSTURE_SSH_EVENT_BANNER;
    return 0;
}

static int packet_read(struct posture_ssh_reader *reader,
                       enum posture_ssh_event *ret_event,
                       struct posture_ssh_bytes *ret_payload)
{
    struct posture_ssh_cursor cursor = {
        .at = (const uint8_t *)reader->in.data + reader->at,
        .left = reader->in.len - reader->at,
    };
    if (cursor.left < PACKET_HEAD)
        return 0;
    uint32_t len = posture_ssh_read_u32(&cursor);
    uint8_t padding = posture_ssh_read_u8(&cursor);
    if (len > POSTURE_SSH_PACKET_MAX - 4)
        return POSTURE_E_LIMIT;
    /* Blocks of 8 are the rule; who breaks only that one is understood all the same. */
    if (padding < PADDING_MIN || len < (uint32_t)padding + 2)
        return POSTURE_E_PROTOCOL;
    struct posture_ssh_bytes payload =
        posture_ssh_read(&cursor, (size_t)len - 1 - padding);
    posture_ssh_read(&cursor, padding);
    if (cursor.is_bad)
        return 0;
    if (++reader->packets > POSTURE_SSH_PACKETS_MAX)
        return POSTURE_E_LIMIT;
    reader->at += 4 + (size_t)len;
    *ret_payload = payload;
    *ret_event = POSTURE_SSH_EVENT_PACKET;
    return 0;
}

int posture_ssh_reader_next(struct posture_ssh_reader *reader,
                            enum posture_ssh_event *ret_event,
                            struct posture_ssh_bytes *ret_payload)
{
    *ret_event = POSTURE_SSH_EVENT_NONE;
    *ret_payload = (struct posture_ssh_bytes){0};
    if (reader->has_banner)
        return packet_read(reader, ret_event, ret_payload);
    int r = 1;
    while (r == 1)
        r = line_read(reader, ret_event);
    return r;
}
