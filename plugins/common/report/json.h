/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#ifndef POSTURE_REPORT_JSON_H
#define POSTURE_REPORT_JSON_H

#include "common/base/buf.h"
#include "common/base/error.h"

#include <jansson.h>
#include <stdbool.h>

/* Foreign JSON: no NUL byte, well-formed UTF-8, no duplicate keys, nesting at most 32,
 * one value and nothing after it, integers within int64. POSTURE_E_FORMAT with line and
 * column, POSTURE_E_LIMIT for depth, -ENOMEM. The size is the caller's to limit. Sets
 * jansson's allocator to posture_malloc/free. */
enum { POSTURE_JSON_DEPTH_MAX = 32 };
int posture_json_parse(const char *bytes, size_t len, json_t **ret_root,
                       struct posture_error *reterr);
/* A file of at most max bytes; reterr names the file. */
int posture_json_load(const char *path, size_t max, json_t **ret_root,
                      struct posture_error *reterr);
/* As posture_json_load, with the digest of the file's bytes (see posture_digest12). */
int posture_json_load_digest(const char *path, size_t max, json_t **ret_root,
                             char ret_digest[static 13], struct posture_error *reterr);
/* The whole file, NUL-terminated. Owner: caller. -errno, POSTURE_E_LIMIT. */
int posture_file_read(const char *path, size_t max, char **ret_bytes, size_t *ret_len,
                      struct posture_error *reterr);
/* First 12 hex digits of the SHA-256 of the bytes. */
enum { POSTURE_DIGEST_TEXT = 13 };
int posture_digest12(const void *bytes, size_t len, char ret_digest[static 13]);
/* Compact, keys in their order; NULL when memory is out. Owner: caller. */
char *posture_json_compact(const json_t *value, size_t *ret_len);
/* The same into a buffer: its limit holds, posture_buf_error() tells. */
int posture_json_write(const json_t *value, struct posture_buf *out);
/* Equal as JSON Schema has it: numbers by value (1 and 1.0), objects without order. */
bool posture_json_equal(const json_t *a, const json_t *b);
/* String member or NULL; borrowed. */
const char *posture_json_string(const json_t *object, const char *key);

#endif
