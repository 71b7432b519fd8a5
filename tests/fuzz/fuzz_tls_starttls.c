/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */

/* A server's words before TLS. The first byte chooses how they are read: bits 0 to 3 the
 * protocol, bits 4 to 7 the size of the pieces. */

#include "common/tls/starttls.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What holds whatever the server says. */
static void invariants_hold(const struct posture_starttls *s,
                            const struct posture_buf *out)
{
    bool is_bounded = s->in.cap <= (size_t)2 * POSTURE_STARTTLS_BYTES_MAX &&
                      out->len < 4096 && strlen(s->detail) < sizeof(s->detail);
    bool is_ready_clean = s->state != POSTURE_STARTTLS_READY ||
                          (s->in.len == 0 && s->injected == POSTURE_STARTTLS_NO &&
                           s->offered == POSTURE_STARTTLS_YES);
    bool has_reason =
        (s->state == POSTURE_STARTTLS_ENDED) == (s->reason != POSTURE_STARTTLS_FINE);
    bool says_no =
        s->reason != POSTURE_STARTTLS_NOT_OFFERED || s->offered == POSTURE_STARTTLS_NO;
    if (!is_bounded || !is_ready_clean || !has_reason || !says_no)
        abort();
    for (const char *p = s->detail; *p; p++) {
        if (*p < 0x20 || *p > 0x7e)
            abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct posture_starttls s;
    static struct posture_buf out;
    static int is_ready;
    if (size < 1)
        return 0;
    if (!is_ready)
        posture_starttls_init(&s);
    is_ready = 1;
    unsigned how = data[0];
    size_t step = (how >> 4) == 0 ? size : (size_t)1 << ((how >> 4) - 1);
    unsigned protocol = 1 + (how & 15) % (POSTURE_STARTTLS_COUNT - 1);
    posture_buf_clear(&out);
    if (posture_starttls_begin(&s, (enum posture_starttls_protocol)protocol,
                               "noc1.moj.example", "mail.example.go.jp", &out) < 0)
        abort();
    for (size_t at = 1; at < size; at += step) {
        if (posture_starttls_feed(&s, data + at, size - at < step ? size - at : step,
                                  &out) < 0)
            abort();
        invariants_hold(&s, &out);
    }
    return 0;
}
