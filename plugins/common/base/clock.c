/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */

#include "common/base/clock.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

static int64_t clock_read(clockid_t id)
{
    struct timespec ts;
    clock_gettime(id, &ts);
    return (int64_t)ts.tv_sec * POSTURE_NS_PER_S + ts.tv_nsec;
}

int64_t posture_now_ns(void)
{
    return clock_read(CLOCK_REALTIME);
}

int64_t posture_monotonic_ns(void)
{
    return clock_read(CLOCK_BOOTTIME);
}

/* Days since 1970-01-01 of a civil date and back; proleptic Gregorian. Years are counted
 * from 1 March, so that the leap day is the last of its year. */
static int64_t days_from_civil(int64_t y, unsigned m, unsigned d)
{
    y -= m <= 2;
    int64_t era = (y >= 0 ? y : y - 399) / 400;
    unsigned yoe = (unsigned)(y - era * 400);
    unsigned doy = (153 * (m > 2 ? m - 3 : m + 9) + 2) / 5 + d - 1;
    unsigned doe = yoe * 365 + yoe / 4 - yoe / 100 + doy;
    return era * 146097 + (int64_t)doe - 719468;
}

static void civil_from_days(int64_t z, int *ret_y, unsigned *ret_m, unsigned *ret_d)
{
    z += 719468;
    int64_t era = (z >= 0 ? z : z - 146096) / 146097;
    unsigned doe = (unsigned)(z - era * 146097);
    unsigned yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
    unsigned doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    unsigned mp = (5 * doy + 2) / 153;
    *ret_d = doy - (153 * mp + 2) / 5 + 1;
    *ret_m = mp < 10 ? mp + 3 : mp - 9;
    *ret_y = (int)((int64_t)yoe + era * 400 + (*ret_m <= 2));
}

static int64_t floor_div(int64_t a, int64_t b)
{
    return a / b - (a % b != 0 && (a % b < 0) != (b < 0));
}

static unsigned days_in_month(int year, unsigned month)
{
    static const unsigned char days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool is_leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    return month == 2 && is_leap ? 29 : days[month - 1];
}

const char *posture_time_format(int64_t ns, char buf[static POSTURE_TIME_TEXT_MAX])
{
    /* The whole second before; its product would overflow near the lowest instant. */
    int64_t s = ns / POSTURE_NS_PER_S, rest = ns % POSTURE_NS_PER_S;
    if (rest < 0) {
        s--;
        rest += POSTURE_NS_PER_S;
    }
    int64_t ms = rest / POSTURE_NS_PER_MS;
    int64_t days = floor_div(s, 86400);
    unsigned sod = (unsigned)(s - days * 86400);
    int y;
    unsigned m, d;
    civil_from_days(days, &y, &m, &d);
    snprintf(buf, POSTURE_TIME_TEXT_MAX, "%04d-%02u-%02uT%02u:%02u:%02u.%03uZ", y, m, d,
             sod / 3600, sod / 60 % 60, sod % 60, (unsigned)ms);
    return buf;
}

static void jst_civil(int64_t ns, int *ret_y, unsigned *ret_m, unsigned *ret_d)
{
    int64_t s = floor_div(ns, POSTURE_NS_PER_S) + POSTURE_JST_OFFSET_S;
    civil_from_days(floor_div(s, 86400), ret_y, ret_m, ret_d);
}

const char *posture_date_format_jst(int64_t ns, char buf[static POSTURE_TIME_TEXT_MAX])
{
    int y;
    unsigned m, d;
    jst_civil(ns, &y, &m, &d);
    snprintf(buf, POSTURE_TIME_TEXT_MAX, "%04d-%02u-%02u", y, m, d);
    return buf;
}

/* n digits at *text as a number; false when one is not a digit. */
static bool digits_read(const char *text, unsigned n, unsigned *ret)
{
    unsigned v = 0;
    for (unsigned i = 0; i < n; i++) {
        if (text[i] < '0' || text[i] > '9')
            return false;
        v = v * 10 + (unsigned)(text[i] - '0');
    }
    *ret = v;
    return true;
}

static bool date_read(const char *text, unsigned *ret_y, unsigned *ret_m, unsigned *ret_d)
{
    return digits_read(text, 4, ret_y) && text[4] == '-' &&
           digits_read(text + 5, 2, ret_m) && text[7] == '-' &&
           digits_read(text + 8, 2, ret_d) && *ret_m >= 1 && *ret_m <= 12 &&
           *ret_d >= 1 && *ret_d <= days_in_month((int)*ret_y, *ret_m);
}

int posture_time_parse(const char *text, size_t len, int64_t *ret_ns)
{
    unsigned y, mon, d, h, min, s;
    /* RFC 3339 5.6: date-time = full-date "T" full-time; "t" and "z" are allowed. */
    if (len < 20 || !date_read(text, &y, &mon, &d) ||
        (text[10] != 'T' && text[10] != 't') || !digits_read(text + 11, 2, &h) ||
        text[13] != ':' || !digits_read(text + 14, 2, &min) || text[16] != ':' ||
        !digits_read(text + 17, 2, &s) || h > 23 || min > 59 || s > 60)
        return POSTURE_E_FORMAT;

    size_t at = 19;
    int64_t fraction = 0;
    if (text[at] == '.') {
        at++;
        int64_t unit = POSTURE_NS_PER_S / 10;
        size_t start = at;
        while (at < len && text[at] >= '0' && text[at] <= '9') {
            if (at - start >= 9)
                return POSTURE_E_FORMAT;
            fraction += (text[at] - '0') * unit;
            unit /= 10;
            at++;
        }
        if (at == start)
            return POSTURE_E_FORMAT;
    }

    int64_t offset_s = 0;
    if (len - at == 1 && (text[at] == 'Z' || text[at] == 'z')) {
        offset_s = 0;
    } else if (len - at == 6 && (text[at] == '+' || text[at] == '-')) {
        unsigned oh, om;
        if (!digits_read(text + at + 1, 2, &oh) || text[at + 3] != ':' ||
            !digits_read(text + at + 4, 2, &om) || oh > 23 || om > 59)
            return POSTURE_E_FORMAT;
        offset_s = (int64_t)oh * 3600 + (int64_t)om * 60;
        if (text[at] == '-')
            offset_s = -offset_s;
    } else {
        return POSTURE_E_FORMAT;
    }

    /* int64 nanoseconds end in 2262 and begin in 1677. */
    if (y < 1678 || y > 2261)
        return POSTURE_E_RANGE;
    int64_t seconds = days_from_civil((int64_t)y, mon, d) * 86400 + (int64_t)h * 3600 +
                      (int64_t)min * 60 + (int64_t)s - offset_s;
    *ret_ns = seconds * POSTURE_NS_PER_S + fraction;
    return 0;
}

int posture_date_parse_jst(const char *text, size_t len, int64_t *ret_ns)
{
    unsigned y, m, d;
    if (len != 10 || !date_read(text, &y, &m, &d))
        return POSTURE_E_FORMAT;
    if (y < 1678 || y > 2261)
        return POSTURE_E_RANGE;
    int64_t seconds = days_from_civil((int64_t)y, m, d) * 86400 - POSTURE_JST_OFFSET_S;
    *ret_ns = seconds * POSTURE_NS_PER_S;
    return 0;
}

int posture_at_parse(const char *text, int64_t *ret_ns, struct posture_error *reterr)
{
    size_t len = strlen(text);
    int r = len == 10 ? posture_date_parse_jst(text, len, ret_ns)
                      : posture_time_parse(text, len, ret_ns);
    if (r < 0)
        return posture_error_set(
            reterr, r,
            "'%.40s' is not a date: expected YYYY-MM-DD (00:00 Japan time) "
            "or an RFC 3339 time such as 2031-04-01T00:00:00Z",
            text);
    return 0;
}

int posture_year_jst(int64_t ns)
{
    int y;
    unsigned m, d;
    jst_civil(ns, &y, &m, &d);
    return y;
}

int posture_fiscal_year(int64_t ns)
{
    int y;
    unsigned m, d;
    jst_civil(ns, &y, &m, &d);
    return m >= 4 ? y : y - 1;
}

/* Years that the clock does not reach begin at its end. */
static int64_t jst_midnight(int64_t year, unsigned month, unsigned day)
{
    if (year < 1678)
        return INT64_MIN;
    if (year > 2261)
        return INT64_MAX;
    return (days_from_civil(year, month, day) * 86400 - POSTURE_JST_OFFSET_S) *
           POSTURE_NS_PER_S;
}

int64_t posture_fiscal_year_start(int fiscal_year)
{
    return jst_midnight(fiscal_year, 4, 1);
}

int64_t posture_year_start_jst(int year)
{
    return jst_midnight(year, 1, 1);
}
