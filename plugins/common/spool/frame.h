/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#ifndef POSTURE_SPOOL_FRAME_H
#define POSTURE_SPOOL_FRAME_H

#include "common/base/buf.h"
#include "common/base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * What goes over the spool's socket. A frame is a 4-byte big-endian length of what
 * follows, one byte type, and the payload: integers big-endian, strings as 2-byte length
 * and bytes without NUL, bodies as 4-byte length and bytes (length 0xFFFFFFFF: null).
 * Pure: bytes in, struct out; nothing is allocated.
 *
 *   peer       HELLO first, one; names the plugin ("admin" for the program)
 *   server     WELCOME: as whom the peer reports; or GOODBYE and the end
 *   worker     REPORT, each answered by ANSWER with its number after the commit that
 * holds it admin      LIST, SHOW, STATS, RETIRE: answered by any number of ITEM or STAT,
 * then ANSWER
 *
 * Numbers 3 and 4 are kept for an incident with its source's offset and for reading one's
 * own offset, 20 for an incident by hand.
 */
enum posture_frame_type {
    POSTURE_FRAME_HELLO = 1,
    POSTURE_FRAME_REPORT = 2,
    POSTURE_FRAME_INCIDENT = 3,    /* reserved */
    POSTURE_FRAME_READ_OFFSET = 4, /* reserved */
    POSTURE_FRAME_LIST = 16,
    POSTURE_FRAME_SHOW = 17,
    POSTURE_FRAME_STATS = 18,
    POSTURE_FRAME_RETIRE = 19,
    POSTURE_FRAME_ADMIN_INCIDENT = 20, /* reserved */
    POSTURE_FRAME_WELCOME = 64,
    POSTURE_FRAME_ANSWER = 65,
    POSTURE_FRAME_GOODBYE = 66,
    POSTURE_FRAME_ITEM = 80,
    POSTURE_FRAME_STAT = 81,
};

enum posture_frame_answer {
    POSTURE_ANSWER_STORED,  /* it is on disk */
    POSTURE_ANSWER_REFUSED, /* never: what is wrong with it stands in reason */
    POSTURE_ANSWER_RETRY,   /* not now (disk full …): send it again later */
    POSTURE_ANSWER_COUNT,
};

enum {
    POSTURE_FRAME_VERSION = 1,
    POSTURE_FRAME_HEADER = 5,
    POSTURE_FRAME_MAX = 260 * 1024, /* the length field at most */
    POSTURE_FRAME_HELLO_MAX = 256,  /* of a first frame */
    POSTURE_FRAME_TEXT_MAX = 1024,  /* of a string */
    POSTURE_FRAME_LIST_MAX = 1000,  /* items of one LIST */
    POSTURE_FRAME_NEAR_CAP = 1,     /* flag of an ANSWER: journal sources stop reading */
};

struct posture_frame_text {
    const char *bytes; /* in the frame, not NUL-terminated */
    size_t len;
};

/* Every field of every type; those of the type are set. */
struct posture_frame {
    uint8_t type;
    uint32_t id;                      /* REPORT, admin requests, ANSWER, ITEM, STAT */
    uint8_t version;                  /* HELLO, WELCOME */
    struct posture_frame_text plugin; /* HELLO, ITEM */
    struct posture_frame_text agency, reporter; /* WELCOME */
    struct posture_frame_text kind, subject;    /* REPORT, RETIRE */
    struct posture_frame_text ce_type;          /* ITEM */
    struct posture_frame_text ce_id;            /* REPORT, ITEM */
    struct posture_frame_text key;              /* ITEM */
    struct posture_frame_text reason;           /* ANSWER, GOODBYE, ITEM */
    struct posture_frame_text name;             /* STAT */
    int64_t time_ns;                            /* REPORT, ITEM */
    uint64_t sequence;                          /* ITEM */
    uint64_t value;                             /* STAT */
    int64_t item;                               /* LIST (after), SHOW, ITEM */
    uint32_t max;                               /* LIST */
    uint32_t size;                              /* ITEM: the body's length */
    uint8_t list;   /* LIST, SHOW, ITEM: enum posture_spool_list */
    uint8_t topic;  /* ITEM */
    uint8_t answer; /* ANSWER: enum posture_frame_answer */
    uint8_t flags;  /* ANSWER */
    bool has_body;
    struct posture_frame_text body; /* REPORT, ITEM of a SHOW */
};

/* The first frame of bytes: 1 and its whole length in ret_used; 0 when more bytes are
 * needed; POSTURE_E_LIMIT when it is longer than max (of the length field),
 * POSTURE_E_PROTOCOL when it is not a frame. */
int posture_frame_decode(const void *bytes, size_t len, size_t max,
                         struct posture_frame *ret, size_t *ret_used);
/* Appends a frame. POSTURE_E_LIMIT when a text or the whole is too long, -ENOMEM; the
 * buffer is then as it was. */
int posture_frame_encode(const struct posture_frame *frame, struct posture_buf *out);

struct posture_frame_text posture_frame_text(const char *s);
bool posture_frame_text_is(struct posture_frame_text text, const char *s);
/* Copies with a NUL; false when it does not fit. */
bool posture_frame_text_copy(struct posture_frame_text text, char *dst, size_t size);

#endif
