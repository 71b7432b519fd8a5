/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#ifndef POSTURE_SSH_READER_H
#define POSTURE_SSH_READER_H

#include "common/ssh/wire.h"

/*
 * A server's bytes before encryption → its identification line and its packets. Bounded:
 * whatever comes, at most POSTURE_SSH_READER_MAX bytes are held.
 */
enum {
    POSTURE_SSH_BANNER_MAX = 255,        /* RFC 4253 section 4.2, line end included */
    POSTURE_SSH_PREFACE_MAX = 16 * 1024, /* of lines before it */
    POSTURE_SSH_PACKET_MAX = 35000,      /* RFC 4253 section 6.1 */
    POSTURE_SSH_PACKETS_MAX = 64,        /* in the clear, of one connection */
    POSTURE_SSH_READER_MAX = 64 * 1024,
    POSTURE_SSH_LINE_MAX = 160, /* of the first line before the banner that is kept */
};

struct posture_ssh_reader {
    struct posture_buf in;
    size_t at; /* read so far */
    size_t preface;
    unsigned packets;
    bool has_banner;
    char banner[POSTURE_SSH_BANNER_MAX + 1]; /* without line end; not escaped */
    size_t banner_len;
    char line[POSTURE_SSH_LINE_MAX + 1]; /* the first line before it; not escaped */
    size_t line_len;
};

enum posture_ssh_event {
    POSTURE_SSH_EVENT_NONE, /* more bytes are needed */
    POSTURE_SSH_EVENT_BANNER,
    POSTURE_SSH_EVENT_PACKET,
};

void posture_ssh_reader_init(struct posture_ssh_reader *reader);
void posture_ssh_reader_done(struct posture_ssh_reader *reader);
/* For the next connection; keeps the memory. */
void posture_ssh_reader_reset(struct posture_ssh_reader *reader);

/* POSTURE_E_LIMIT over the limit, -ENOMEM. */
int posture_ssh_reader_feed(struct posture_ssh_reader *reader, const void *bytes,
                            size_t len);
/* The next thing that came. payload: the packet's, message number first, not empty;
 * borrowed until the next feed or reset. POSTURE_E_FORMAT: this is not SSH (before the
 * banner); POSTURE_E_PROTOCOL: SSH's rules are broken; POSTURE_E_LIMIT. */
int posture_ssh_reader_next(struct posture_ssh_reader *reader,
                            enum posture_ssh_event *ret_event,
                            struct posture_ssh_bytes *ret_payload);

#endif
