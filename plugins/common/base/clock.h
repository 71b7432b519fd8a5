/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#ifndef POSTURE_BASE_CLOCK_H
#define POSTURE_BASE_CLOCK_H

#include "common/base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Time inside is int64_t nanoseconds since 1970-01-01 UTC; converted at the doors. */
#define POSTURE_NS_PER_S     INT64_C(1000000000)
#define POSTURE_NS_PER_MS    INT64_C(1000000)
#define POSTURE_JST_OFFSET_S INT64_C(32400) /* Japan Standard Time, no summer time */

enum { POSTURE_TIME_TEXT_MAX = 32 };

int64_t posture_now_ns(void);       /* CLOCK_REALTIME */
int64_t posture_monotonic_ns(void); /* CLOCK_BOOTTIME: deadlines and intervals */

/* RFC 3339 UTC with milliseconds, "2026-11-23T08:00:00.123Z", into buf. Returns buf. */
const char *posture_time_format(int64_t ns, char buf[static POSTURE_TIME_TEXT_MAX]);
/* "2026-11-23" of the instant in Japan time. Returns buf. */
const char *posture_date_format_jst(int64_t ns, char buf[static POSTURE_TIME_TEXT_MAX]);
/* RFC 3339 with any offset and 0 to 9 decimals. POSTURE_E_FORMAT otherwise. */
int posture_time_parse(const char *text, size_t len, int64_t *ret_ns);
/* A full date "YYYY-MM-DD": 00:00 Japan time of that day. */
int posture_date_parse_jst(const char *text, size_t len, int64_t *ret_ns);
/* Either of the two (option --at). */
int posture_at_parse(const char *text, int64_t *ret_ns, struct posture_error *reterr);

/* Civil year in Japan time of the instant. */
int posture_year_jst(int64_t ns);
/* Fiscal year (April to March, Japan time) of the instant: 2009-03-31 is in 2008. */
int posture_fiscal_year(int64_t ns);
/* First instant of that fiscal year: 1 April, 00:00 Japan time. */
/* INT64_MIN and INT64_MAX stand for years that the clock does not reach. */
int64_t posture_fiscal_year_start(int fiscal_year);
/* First instant of that civil year in Japan time. */
int64_t posture_year_start_jst(int year);

#endif
