/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */

#include "common/base/uuid.h"

#include "common/base/clock.h"
#include "common/base/parse.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <sys/random.h>

/* RFC 9562 6.2, method 1: within one millisecond the 12 bits of rand_a count up. */
static pthread_mutex_t uuid_lock = PTHREAD_MUTEX_INITIALIZER;
static uint64_t uuid_last; /* milliseconds << 12 | counter */

int posture_uuid7(int64_t now_ns, char ret_text[static POSTURE_UUID_TEXT])
{
    unsigned char b[16];
    size_t have = 0;
    while (have < sizeof(b)) {
        ssize_t n = getrandom(b + have, sizeof(b) - have, 0);
        if (n < 0) {
            if (errno == EINTR)
                continue;
            return -errno;
        }
        have += (size_t)n;
    }

    uint64_t ms = now_ns > 0 ? (uint64_t)(now_ns / POSTURE_NS_PER_MS) : 0;
    /* Half of the counter's room is left for what follows in the same millisecond. */
    uint64_t stamp = ms << 12 | (((unsigned)b[6] << 8 | b[7]) & 0x7FF);
    pthread_mutex_lock(&uuid_lock);
    if (stamp <= uuid_last)
        stamp = uuid_last + 1;
    uuid_last = stamp;
    pthread_mutex_unlock(&uuid_lock);

    for (unsigned i = 0; i < 6; i++)
        b[i] = (unsigned char)(stamp >> (12 + 8 * (5 - i)));
    b[6] = (unsigned char)(0x70 | ((stamp >> 8) & 0x0F)); /* version 7 */
    b[7] = (unsigned char)stamp;
    b[8] = (unsigned char)((b[8] & 0x3F) | 0x80); /* variant 10 */

    char hex[33];
    posture_hex(b, sizeof(b), hex);
    char *dst = ret_text;
    for (unsigned i = 0; i < 32; i++) {
        if (i == 8 || i == 12 || i == 16 || i == 20)
            *dst++ = '-';
        *dst++ = hex[i];
    }
    *dst = '\0';
    return 0;
}
