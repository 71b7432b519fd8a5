/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */

#include "common/base/parse.h"

#include "common/base/error.h"

#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int posture_parse_u64(const char *text, uint64_t min, uint64_t max, uint64_t *ret)
{
    if (!text || !*text)
        return POSTURE_E_FORMAT;
    uint64_t v = 0;
    for (const char *p = text; *p; p++) {
        if (*p < '0' || *p > '9')
            return POSTURE_E_FORMAT;
        uint64_t digit = (uint64_t)(*p - '0');
        if (v > (UINT64_MAX - digit) / 10)
            return POSTURE_E_RANGE;
        v = v * 10 + digit;
    }
    if (v < min || v > max)
        return POSTURE_E_RANGE;
    *ret = v;
    return 0;
}

int posture_parse_u32(const char *text, uint32_t min, uint32_t max, uint32_t *ret)
{
    uint64_t v;
    int r = posture_parse_u64(text, min, max, &v);
    if (r < 0)
        return r;
    *ret = (uint32_t)v;
    return 0;
}

int posture_parse_port(const char *text, uint16_t *ret)
{
    uint64_t v;
    int r = posture_parse_u64(text, 1, UINT16_MAX, &v);
    if (r < 0)
        return r;
    *ret = (uint16_t)v;
    return 0;
}

/* strtod and printf follow LC_NUMERIC, which a host may set: wire numbers must not. */
static locale_t c_locale(void)
{
    static locale_t locale;
    if (!locale) {
        locale_t made = newlocale(LC_ALL_MASK, "C", (locale_t)0);
        locale_t none = (locale_t)0;
        if (!__atomic_compare_exchange_n(&locale, &none, made, 0, __ATOMIC_ACQ_REL,
                                         __ATOMIC_ACQUIRE))
            freelocale(made);
    }
    return locale;
}

int posture_parse_double(const char *text, double *ret)
{
    if (!text || !*text || strlen(text) > 64)
        return POSTURE_E_FORMAT;
    /* strtod also takes spaces, hex, "inf" and "nan". */
    if (text[strspn(text, "0123456789+-.eE")] != '\0')
        return POSTURE_E_FORMAT;
    char *end;
    double v = strtod_l(text, &end, c_locale());
    if (end == text || *end != '\0')
        return POSTURE_E_FORMAT;
    if (!isfinite(v))
        return POSTURE_E_RANGE;
    *ret = v;
    return 0;
}

const char *posture_double_format(double v, char buf[static 32])
{
    locale_t old = uselocale(c_locale());
    for (int precision = 15; precision <= 17; precision++) {
        snprintf(buf, 32, "%.*g", precision, v);
        if (strtod_l(buf, NULL, c_locale()) == v)
            break;
    }
    uselocale(old);
    return buf;
}

/* Length of the well-formed UTF-8 character at p (RFC 3629 section 4); 0 when there is
 * none. */
static size_t utf8_char(const unsigned char *p, size_t left)
{
    if (p[0] < 0x80)
        return 1;
    size_t n;
    unsigned char low = 0x80, high = 0xBF;
    if (p[0] >= 0xC2 && p[0] <= 0xDF) {
        n = 2;
    } else if (p[0] >= 0xE0 && p[0] <= 0xEF) {
        n = 3;
        low = p[0] == 0xE0 ? 0xA0 : low;
        high = p[0] == 0xED ? 0x9F : high;
    } else if (p[0] >= 0xF0 && p[0] <= 0xF4) {
        n = 4;
        low = p[0] == 0xF0 ? 0x90 : low;
        high = p[0] == 0xF4 ? 0x8F : high;
    } else {
        return 0;
    }
    if (left < n || p[1] < low || p[1] > high)
        return 0;
    for (size_t i = 2; i < n; i++)
        if (p[i] < 0x80 || p[i] > 0xBF)
            return 0;
    return n;
}

bool posture_utf8_valid(const char *bytes, size_t len)
{
    const unsigned char *p = (const unsigned char *)bytes;
    size_t i = 0;
    while (i < len) {
        /* Eight ASCII bytes at a time: most of what passes here is. */
        uint64_t word;
        if (len - i >= sizeof(word)) {
            memcpy(&word, p + i, sizeof(word));
            if (!(word & UINT64_C(0x8080808080808080))) {
                i += sizeof(word);
                continue;
            }
        }
        size_t n = utf8_char(p + i, len - i);
        if (n == 0)
            return false;
        i += n;
    }
    return true;
}

size_t posture_utf8_cut(const char *bytes, size_t n)
{
    size_t cut = n;
    while (cut > 0 && n - cut < 3 && ((unsigned char)bytes[cut - 1] & 0xC0) == 0x80)
        cut--;
    if (cut == 0 || (unsigned char)bytes[cut - 1] < 0xC2)
        return n;
    size_t start = cut - 1;
    return utf8_char((const unsigned char *)bytes + start, n - start) == n - start
               ? n
               : start;
}

const char *posture_escape(const char *bytes, size_t len, char *dst, size_t size)
{
    static const char digits[] = "0123456789abcdef";
    const unsigned char *p = (const unsigned char *)bytes;
    size_t out = 0;
    for (size_t i = 0; i < len && size > 0;) {
        size_t n = utf8_char(p + i, len - i);
        bool is_c1 = n == 2 && p[i] == 0xC2 && p[i + 1] < 0xA0;
        if (n == 0 || is_c1 || p[i] < 0x20 || p[i] == 0x7F || p[i] == '\\') {
            if (out + 4 >= size)
                break;
            dst[out++] = '\\';
            dst[out++] = 'x';
            dst[out++] = digits[p[i] >> 4];
            dst[out++] = digits[p[i] & 15];
            i++;
            continue;
        }
        if (out + n >= size)
            break;
        memcpy(dst + out, p + i, n);
        out += n;
        i += n;
    }
    if (size > 0)
        dst[out] = '\0';
    return dst;
}

const char *posture_hex(const void *bytes, size_t len, char *dst)
{
    static const char digits[] = "0123456789abcdef";
    const unsigned char *p = bytes;
    for (size_t i = 0; i < len; i++) {
        dst[2 * i] = digits[p[i] >> 4];
        dst[2 * i + 1] = digits[p[i] & 15];
    }
    dst[2 * len] = '\0';
    return dst;
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

int posture_unhex(const char *text, size_t text_len, void *out, size_t out_len)
{
    unsigned char *p = out;
    if (text_len != 2 * out_len)
        return POSTURE_E_FORMAT;
    for (size_t i = 0; i < out_len; i++) {
        int high = hex_digit(text[2 * i]);
        int low = hex_digit(text[2 * i + 1]);
        if (high < 0 || low < 0)
            return POSTURE_E_FORMAT;
        p[i] = (unsigned char)(high << 4 | low);
    }
    return 0;
}
