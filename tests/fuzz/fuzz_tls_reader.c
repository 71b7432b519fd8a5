/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */

/* Bytes of a TLS server. The first byte chooses how they are read: bit 0 an SSLv2 hello
 * was sent, bits 1 to 2 the key exchange, bit 3 a PSK hint, bits 4 to 7 the size of the
 * pieces. */

#include "common/tls/reader.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct posture_tls_reader reader;
    static int is_ready;
    if (size < 1)
        return 0;
    if (!is_ready)
        posture_tls_reader_init(&reader);
    is_ready = 1;
    unsigned how = data[0];
    size_t step = (how >> 4) == 0 ? size : (size_t)1 << ((how >> 4) - 1);
    posture_tls_reader_reset(&reader, how & 1);
    int r = 0;
    unsigned sum = 0, events = 0;
    for (size_t at = 1; at < size && r >= 0; at += step) {
        r = posture_tls_reader_feed(&reader, data + at,
                                    size - at < step ? size - at : step);
        while (r >= 0) {
            enum posture_tls_event event = POSTURE_TLS_EVENT_NONE;
            r = posture_tls_reader_next(&reader, &event);
            if (r < 0 || event == POSTURE_TLS_EVENT_NONE)
                break;
            if (++events > POSTURE_TLS_BYTES_MAX)
                abort(); /* an event without bytes, again and again */
            if (event == POSTURE_TLS_EVENT_HELLO)
                posture_tls_reader_set_exchange(
                    &reader, (enum posture_tls_exchange)((how >> 1 & 3) % 3),
                    how >> 3 & 1);
            /* Every certificate handed out must be readable to its end. */
            for (size_t i = 0;
                 i < reader.flight.certificate_count &&
                 (event == POSTURE_TLS_EVENT_CERTIFICATE || reader.flight.version == 2);
                 i++) {
                const struct posture_tls_der *der = &reader.flight.certificates[i];
                for (size_t k = 0; k < der->len; k++)
                    sum += der->bytes[k];
            }
        }
    }
    if (reader.in.cap + reader.handshake.cap > (size_t)4 * POSTURE_TLS_BYTES_MAX)
        abort();
    return sum == UINT32_MAX ? 1 : 0;
}
