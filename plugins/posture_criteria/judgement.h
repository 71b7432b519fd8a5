/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#ifndef POSTURE_CRITERIA_JUDGEMENT_H
#define POSTURE_CRITERIA_JUDGEMENT_H

#include "common/base/error.h"
#include "common/report/result.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * The header posture-verdict of posture.state.v1: what the gate judged, so that whoever
 * reads the state needs no body to count it. ASCII, at most POSTURE_JUDGEMENT_MAX bytes:
 *
 *     verdict = "1;p=" profile ";t=" ms ";i=" seconds ";n=" (ms / "-") [";f=" flags]
 * ";s=" ms "|" [checks] checks  = check *(";" check) check   = name "=" result ["@" ms]
 * ["/" number] result  = "p" / "w" / "f" / "u" / "n"          pass, warn, fail, unknown,
 * na flags   = 1*("r" / "c" / "b")                   retired, clock, body ms      =
 * milliseconds since 1970-01-01 UTC, base 36
 *
 * p: digest of the profile, 12 hex digits or "-". t: when it was measured, min(time,
 * append time). i: interval_s. n: the instant from which the same facts give another
 * verdict. s: since when the checks without "@" have their result. A check's name lacks
 * the "<kind>." that it begins with; one that begins otherwise is written with a leading
 * ".". The number is the result's value where it has one. Flag b: the checks did not fit,
 * judge the body. Unknown fields before "|" are skipped.
 */
enum { POSTURE_JUDGEMENT_MAX = 2048, POSTURE_JUDGEMENT_CHECK_MAX = 64 };

enum posture_judgement_flag {
    POSTURE_JUDGEMENT_RETIRED = 1 << 0,
    POSTURE_JUDGEMENT_CLOCK =
        1 << 1, /* the sender's clock was ahead: append time was used */
    POSTURE_JUDGEMENT_BODY = 1 << 2, /* without checks: they did not fit */
};

struct posture_judgement_item {
    char check[POSTURE_JUDGEMENT_CHECK_MAX]; /* whole id, "tls.version" */
    enum posture_result_status status;
    bool has_value;
    double value;
    int64_t since_ns;
};

struct posture_judgement {
    char profile[13]; /* "" when nothing was judged */
    int64_t time_ns;
    double interval_s;
    int64_t next_change_ns; /* INT64_MAX: never */
    unsigned flags;
    size_t count;
    struct posture_judgement_item items[POSTURE_RESULTS_MAX];
};

/* The items of results. since is at_ns, or what previous (may be NULL) has for the same
 * check with the same result. The rest of *verdict is untouched. */
void posture_judgement_set_results(struct posture_judgement *verdict,
                                   const struct posture_results *results,
                                   const struct posture_judgement *previous,
                                   int64_t at_ns);

const struct posture_judgement_item *
posture_judgement_find(const struct posture_judgement *verdict, const char *check);

/* NUL-terminated text; *ret_len without the NUL. Checks that do not fit are left out and
 * flag b is set: it always succeeds. */
void posture_judgement_encode(const struct posture_judgement *verdict, const char *kind,
                              char buf[static POSTURE_JUDGEMENT_MAX + 1],
                              size_t *ret_len);
/* POSTURE_E_FORMAT; *ret is then undefined. */
int posture_judgement_decode(const void *bytes, size_t len, const char *kind,
                             struct posture_judgement *ret);

#endif
