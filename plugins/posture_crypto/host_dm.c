/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#include "posture_crypto/host_dm.h"

#include "common/base/error.h"
#include "common/base/parse.h"

#include <string.h>

enum { KEY_BYTES_MAX = 4096, LINE_BYTES_MAX = 256 };

static bool is_hex(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

static bool is_cipher_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           (c && strchr("-_:(),.", c));
}

/* Hex digits; "-" (no key); ":SIZE:TYPE:DESCRIPTION", a key of the kernel's ring. */
static int key_read(const char *key, size_t len, uint32_t *ret_bits)
{
    if (len == 1 && *key == '-') {
        *ret_bits = 0;
        return 0;
    }
    if (len > 1 && *key == ':') {
        char digits[8];
        const char *end = memchr(key + 1, ':', len - 1);
        size_t n = end ? (size_t)(end - key - 1) : 0;
        if (n == 0 || n >= sizeof(digits))
            return POSTURE_E_FORMAT;
        memcpy(digits, key + 1, n);
        digits[n] = '\0';
        uint32_t bytes;
        POSTURE_TRY(posture_parse_u32(digits, 0, KEY_BYTES_MAX, &bytes));
        *ret_bits = bytes * 8;
        return 0;
    }
    for (size_t i = 0; i < len; i++) {
        if (!is_hex(key[i]))
            return POSTURE_E_FORMAT;
    }
    if (len == 0 || len % 2 != 0 || len > (size_t)2 * KEY_BYTES_MAX)
        return POSTURE_E_FORMAT;
    *ret_bits = (uint32_t)len * 4;
    return 0;
}

int host_dm_params_read(const char *params, struct host_dm_crypt *ret)
{
    size_t len = strcspn(params, " ");
    if (len == 0 || len >= sizeof(ret->cipher) || params[len] != ' ')
        return POSTURE_E_FORMAT;
    for (size_t i = 0; i < len; i++) {
        if (!is_cipher_char(params[i]))
            return POSTURE_E_FORMAT;
    }
    const char *key = params + len + 1;
    POSTURE_TRY(key_read(key, strcspn(key, " "), &ret->key_bits));
    memcpy(ret->cipher, params, len);
    ret->cipher[len] = '\0';
    return 0;
}

void host_dm_line_write(struct posture_buf *out, const struct host_dm_crypt *crypt)
{
    posture_buf_addf(out, "crypt %u:%u %s %u\n", crypt->major, crypt->minor,
                     crypt->cipher, crypt->key_bits);
}

/* Splits a line at its single spaces. */
static size_t words_split(char *line, char *words[static 5])
{
    size_t count = 0;
    for (char *at = line; at && count < 5;) {
        words[count++] = at;
        at = strchr(at, ' ');
        if (at)
            *at++ = '\0';
    }
    return count;
}

static int crypt_read(char *line, struct host_dm_crypt *ret)
{
    char *words[5];
    if (words_split(line, words) != 4 || strcmp(words[0], "crypt") != 0)
        return POSTURE_E_FORMAT;
    char *colon = strchr(words[1], ':');
    size_t len = strlen(words[2]);
    if (!colon || len == 0 || len >= sizeof(ret->cipher))
        return POSTURE_E_FORMAT;
    *colon = '\0';
    uint32_t major, minor;
    POSTURE_TRY(posture_parse_u32(words[1], 0, 1U << 20, &major));
    POSTURE_TRY(posture_parse_u32(colon + 1, 0, 1U << 20, &minor));
    POSTURE_TRY(posture_parse_u32(words[3], 0, KEY_BYTES_MAX * 8, &ret->key_bits));
    for (size_t i = 0; i < len; i++) {
        if (!is_cipher_char(words[2][i]))
            return POSTURE_E_FORMAT;
    }
    ret->major = major;
    ret->minor = minor;
    memcpy(ret->cipher, words[2], len + 1);
    return 0;
}

int host_dm_lines_read(const char *bytes, size_t len, host_dm_fn *fn, void *data)
{
    for (size_t at = 0; at < len;) {
        const char *newline = memchr(bytes + at, '\n', len - at);
        size_t size = newline ? (size_t)(newline - (bytes + at)) : LINE_BYTES_MAX;
        char line[LINE_BYTES_MAX];
        if (size >= sizeof(line) || memchr(bytes + at, '\0', size))
            return POSTURE_E_FORMAT;
        memcpy(line, bytes + at, size);
        line[size] = '\0';
        at += size + 1;
        if (strcmp(line, "end") == 0)
            return at == len ? 0 : POSTURE_E_FORMAT;
        struct host_dm_crypt crypt = {0};
        POSTURE_TRY(crypt_read(line, &crypt));
        fn(&crypt, data);
    }
    return POSTURE_E_FORMAT;
}
