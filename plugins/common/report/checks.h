/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#ifndef POSTURE_REPORT_CHECKS_H
#define POSTURE_REPORT_CHECKS_H

#include "common/base/buf.h"
#include "common/report/result.h"

/* The check registry, schemas/checks.json: question, why, remedy, source and reason
 * templates. */
enum posture_lang { POSTURE_LANG_EN, POSTURE_LANG_JA, POSTURE_LANG_COUNT };
enum posture_lang posture_lang_from_locale(void); /* LC_ALL, LC_MESSAGES, LANG */
int posture_lang_from_name(const char *name, enum posture_lang *ret);
const char *posture_lang_name(enum posture_lang lang);

struct posture_check_info {
    const char *id;
    const char *kind;
    const char *title[POSTURE_LANG_COUNT]; /* two or three words, for table rows */
    const char *question[POSTURE_LANG_COUNT];
    const char *why[POSTURE_LANG_COUNT];
    const char *remedy[POSTURE_LANG_COUNT];
    const char *source;
};

struct posture_check_registry;
int posture_check_registry_load(const char *data_dir, struct posture_check_registry **ret,
                                struct posture_error *reterr);
struct posture_check_registry *
posture_check_registry_free(struct posture_check_registry *r);
POSTURE_AUTO_DEFINE(struct posture_check_registry *, posture_check_registry_free)
/* Borrowed, lifetime of the registry. NULL when unknown. */
const struct posture_check_info *
posture_check_find(const struct posture_check_registry *r, const char *id);
/* In the file's order; NULL after the last. */
const struct posture_check_info *posture_check_at(const struct posture_check_registry *r,
                                                  size_t index);
/* The sentence of a reason code: {name} replaced from args (strings, numbers, lists
 * joined by ", "; words of ours as the file says them), then the file's notes on what
 * else is in args (address, certainty …). A code or argument that is not known is
 * written as it is, never an error. Foreign text is not escaped: that is the door's
 * part (terminal, HTML). */
int posture_check_reason(const struct posture_check_registry *r, const char *code,
                         const json_t *args, enum posture_lang lang,
                         struct posture_buf *out);

#endif
