/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */

#include "common/spool/frame.h"

#include <errno.h>
#include <string.h>

/* Each type as a list of its fields: encoder and decoder walk the same table. */
enum field_form { FIELD_U8, FIELD_U32, FIELD_U64, FIELD_TEXT, FIELD_BODY };

struct field {
    uint8_t form;
    uint16_t offset;
};

enum { FIELDS_MAX = 12 };

struct frame_type {
    uint8_t type;
    uint8_t count;
    struct field fields[FIELDS_MAX];
};

#define AT(form, member)                                                                 \
    {                                                                                    \
        form, offsetof(struct posture_frame, member)                                     \
    }

static const struct frame_type frame_types[] = {
    {POSTURE_FRAME_HELLO, 2, {AT(FIELD_U8, version), AT(FIELD_TEXT, plugin)}},
    {POSTURE_FRAME_REPORT,
     6,
     {AT(FIELD_U32, id), AT(FIELD_TEXT, kind), AT(FIELD_TEXT, subject),
      AT(FIELD_TEXT, ce_id), AT(FIELD_U64, time_ns), AT(FIELD_BODY, body)}},
    {POSTURE_FRAME_LIST,
     4,
     {AT(FIELD_U32, id), AT(FIELD_U8, list), AT(FIELD_U64, item), AT(FIELD_U32, max)}},
    {POSTURE_FRAME_SHOW, 3, {AT(FIELD_U32, id), AT(FIELD_U8, list), AT(FIELD_U64, item)}},
    {POSTURE_FRAME_STATS, 1, {AT(FIELD_U32, id)}},
    {POSTURE_FRAME_RETIRE,
     3,
     {AT(FIELD_U32, id), AT(FIELD_TEXT, kind), AT(FIELD_TEXT, subject)}},
    {POSTURE_FRAME_WELCOME,
     3,
     {AT(FIELD_U8, version), AT(FIELD_TEXT, agency), AT(FIELD_TEXT, reporter)}},
    {POSTURE_FRAME_ANSWER,
     4,
     {AT(FIELD_U32, id), AT(FIELD_U8, answer), AT(FIELD_U8, flags),
      AT(FIELD_TEXT, reason)}},
    {POSTURE_FRAME_GOODBYE, 1, {AT(FIELD_TEXT, reason)}},
    {POSTURE_FRAME_ITEM,
     12,
     {AT(FIELD_U32, id), AT(FIELD_U64, item), AT(FIELD_U8, topic), AT(FIELD_TEXT, plugin),
      AT(FIELD_TEXT, ce_type), AT(FIELD_TEXT, ce_id), AT(FIELD_U64, time_ns),
      AT(FIELD_TEXT, key), AT(FIELD_U64, sequence), AT(FIELD_TEXT, reason),
      AT(FIELD_U32, size), AT(FIELD_BODY, body)}},
    {POSTURE_FRAME_STAT,
     3,
     {AT(FIELD_U32, id), AT(FIELD_TEXT, name), AT(FIELD_U64, value)}},
};

static const uint32_t frame_null_body = UINT32_MAX;

static const struct frame_type *frame_type_find(uint8_t type)
{
    for (size_t i = 0; i < POSTURE_COUNT(frame_types); i++) {
        if (frame_types[i].type == type)
            return &frame_types[i];
    }
    return NULL;
}

struct reader {
    const unsigned char *bytes;
    size_t left;
};

/* A big-endian integer of size bytes. */
static int reader_number(struct reader *reader, size_t size, uint64_t *ret)
{
    if (reader->left < size)
        return POSTURE_E_PROTOCOL;
    uint64_t v = 0;
    for (size_t i = 0; i < size; i++)
        v = v << 8 | reader->bytes[i];
    reader->bytes += size;
    reader->left -= size;
    *ret = v;
    return 0;
}

static int reader_bytes(struct reader *reader, size_t len, struct posture_frame_text *ret)
{
    if (reader->left < len)
        return POSTURE_E_PROTOCOL;
    *ret = (struct posture_frame_text){.bytes = (const char *)reader->bytes, .len = len};
    reader->bytes += len;
    reader->left -= len;
    return 0;
}

static int field_decode(struct reader *reader, const struct field *field,
                        struct posture_frame *frame)
{
    char *at = (char *)frame + field->offset;
    struct posture_frame_text text;
    uint64_t v = 0;
    switch (field->form) {
    case FIELD_U8:
        POSTURE_TRY(reader_number(reader, 1, &v));
        *(uint8_t *)at = (uint8_t)v;
        return 0;
    case FIELD_U32:
        POSTURE_TRY(reader_number(reader, 4, &v));
        memcpy(at, &(uint32_t){(uint32_t)v}, 4);
        return 0;
    case FIELD_U64:
        POSTURE_TRY(reader_number(reader, 8, &v));
        memcpy(at, &v, 8); /* signed members are two's complement on the wire */
        return 0;
    case FIELD_TEXT:
        POSTURE_TRY(reader_number(reader, 2, &v));
        if (v > POSTURE_FRAME_TEXT_MAX)
            return POSTURE_E_PROTOCOL;
        POSTURE_TRY(reader_bytes(reader, (size_t)v, &text));
        if (memchr(text.bytes, 0, text.len))
            return POSTURE_E_PROTOCOL;
        memcpy(at, &text, sizeof(text));
        return 0;
    default:
        POSTURE_TRY(reader_number(reader, 4, &v));
        if (v == frame_null_body)
            return 0;
        POSTURE_TRY(reader_bytes(reader, (size_t)v, &text));
        memcpy(at, &text, sizeof(text));
        frame->has_body = true;
        return 0;
    }
}

int posture_frame_decode(const void *bytes, size_t len, size_t max,
                         struct posture_frame *ret, size_t *ret_used)
{
    struct reader reader = {.bytes = bytes, .left = len};
    uint64_t size = 0, type = 0;
    if (len < 4)
        return 0;
    POSTURE_TRY(reader_number(&reader, 4, &size));
    if (size < 1)
        return POSTURE_E_PROTOCOL;
    if (size > max)
        return POSTURE_E_LIMIT;
    if (reader.left < size)
        return 0;
    reader.left = (size_t)size;
    POSTURE_TRY(reader_number(&reader, 1, &type));
    const struct frame_type *layout = frame_type_find((uint8_t)type);
    if (!layout)
        return POSTURE_E_PROTOCOL;

    struct posture_frame frame = {.type = (uint8_t)type};
    for (size_t i = 0; i < layout->count; i++)
        POSTURE_TRY(field_decode(&reader, &layout->fields[i], &frame));
    if (reader.left > 0)
        return POSTURE_E_PROTOCOL;
    *ret = frame;
    *ret_used = 4 + (size_t)size;
    return 1;
}

static int field_encode(struct posture_buf *out, const struct field *field,
                        const struct posture_frame *frame)
{
    const char *at = (const char *)frame + field->offset;
    struct posture_frame_text text;
    uint64_t v64;
    uint32_t v32;
    switch (field->form) {
    case FIELD_U8:
        posture_buf_add_u8(out, *(const uint8_t *)at);
        return 0;
    case FIELD_U32:
        memcpy(&v32, at, 4);
        posture_buf_add_u32(out, v32);
        return 0;
    case FIELD_U64:
        memcpy(&v64, at, 8);
        posture_buf_add_u64(out, v64);
        return 0;
    case FIELD_TEXT:
        memcpy(&text, at, sizeof(text));
        if (text.len > POSTURE_FRAME_TEXT_MAX ||
            (text.len > 0 && memchr(text.bytes, 0, text.len)))
            return POSTURE_E_LIMIT;
        posture_buf_add_u16(out, (uint16_t)text.len);
        posture_buf_add(out, text.bytes, text.len);
        return 0;
    default:
        memcpy(&text, at, sizeof(text));
        if (text.len > POSTURE_FRAME_MAX)
            return POSTURE_E_LIMIT;
        posture_buf_add_u32(out, frame->has_body ? (uint32_t)text.len : frame_null_body);
        if (frame->has_body)
            posture_buf_add(out, text.bytes, text.len);
        return 0;
    }
}

/* Leaves the buffer as it was at len. */
static int encode_fail(struct posture_buf *out, size_t len, int r)
{
    out->len = len;
    if (out->data)
        out->data[len] = '\0';
    out->error = 0;
    return r;
}

int posture_frame_encode(const struct posture_frame *frame, struct posture_buf *out)
{
    const struct frame_type *layout = frame_type_find(frame->type);
    POSTURE_REQUIRE(layout != NULL);
    if (posture_buf_error(out) < 0)
        return posture_buf_error(out);
    size_t start = out->len;
    posture_buf_add_u32(out, 0);
    posture_buf_add_u8(out, frame->type);
    for (size_t i = 0; i < layout->count; i++) {
        int r = field_encode(out, &layout->fields[i], frame);
        if (r < 0)
            return encode_fail(out, start, r);
    }
    if (posture_buf_error(out) < 0)
        return encode_fail(out, start, posture_buf_error(out));
    size_t size = out->len - start - 4;
    if (size > POSTURE_FRAME_MAX)
        return encode_fail(out, start, POSTURE_E_LIMIT);
    for (int i = 0; i < 4; i++)
        out->data[start + (size_t)i] = (char)(size >> (24 - 8 * i));
    return 0;
}

struct posture_frame_text posture_frame_text(const char *s)
{
    return (struct posture_frame_text){.bytes = s, .len = s ? strlen(s) : 0};
}

bool posture_frame_text_is(struct posture_frame_text text, const char *s)
{
    return text.len == strlen(s) &&
           (text.len == 0 || memcmp(text.bytes, s, text.len) == 0);
}

bool posture_frame_text_copy(struct posture_frame_text text, char *dst, size_t size)
{
    if (text.len >= size)
        return false;
    if (text.len > 0)
        memcpy(dst, text.bytes, text.len);
    dst[text.len] = '\0';
    return true;
}
