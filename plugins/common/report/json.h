/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#ifndef POSTURE_REPORT_JSON_H
#define POSTURE_REPORT_JSON_H

#include "common/base/buf.h"
#include "common/base/error.h"

#include <jansson.h>

/* Foreign JSON: no NUL byte, well-formed UTF-8, no duplicate keys, nesting at most 32, one value and
 * nothing after it. POSTURE_E_FORMAT with line and column, POSTURE_E_LIMIT. */
enum { POSTURE_JSON_DEPTH_MAX = 32 };
int posture_json_parse(const char *bytes, size_t len, json_t **ret_root,
                       struct posture_error *reterr);
/* A file of at most max bytes; reterr names the file. */
int posture_json_load(const char *path, size_t max, json_t **ret_root,
                      struct posture_error *reterr);
/* Compact, keys in their order; NULL when memory is out. Owner: caller. */
char *posture_json_compact(const json_t *value, size_t *ret_len);
/* String member or NULL; borrowed. */
const char *posture_json_string(const json_t *object, const char *key);

#endif
