/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#ifndef POSTURE_REPORT_EXCEPTIONS_H
#define POSTURE_REPORT_EXCEPTIONS_H

#include "common/base/error.h"
#include "common/base/mem.h"
#include "common/report/checks.h"
#include "common/report/result.h"

#include <stdbool.h>

/*
 * Exceptions of the local display: a file of posture.exceptions/1, entries as the
 * centre's registry has them. An exception is shown beside the result that it is about,
 * and counted; the result stays what it is, never a pass. The centre does not hear of it.
 */
struct posture_exceptions;

struct posture_exceptions_entry { /* strings borrowed, lifetime of the list */
    const char *subject;
    const char *check;
    const char *reason;
    const char *owner;
    const char *expires; /* the last day, Japan time */
    int64_t end_ns;      /* the first instant after it */
};

/* Errors name the file, the entry, what is there and what was expected. checks may be
 * NULL: then ids of checks are not looked up. */
int posture_exceptions_load(const char *path, const struct posture_check_registry *checks,
                            struct posture_exceptions **ret,
                            struct posture_error *reterr);
struct posture_exceptions *posture_exceptions_free(struct posture_exceptions *exceptions);
POSTURE_AUTO_DEFINE(struct posture_exceptions *, posture_exceptions_free)
size_t posture_exceptions_count(const struct posture_exceptions *exceptions);
/* NULL when there is none for this result, or it needs none (pass, na); exceptions may be
 * NULL. An entry that has expired is found too, unless another still holds. */
const struct posture_exceptions_entry *
posture_exceptions_find(const struct posture_exceptions *exceptions, const char *subject,
                        const struct posture_result *result);
bool posture_exceptions_holds(const struct posture_exceptions_entry *entry,
                              int64_t at_ns);

#endif
