/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */

/* A hostile server's answers to the plan, four bytes each: whatever they are, it comes to
 * an end, asks nothing twice for ever, and its hellos can be written. */

#include "common/tls/plan.h"

#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct posture_tls_tables *tables;
    static struct posture_tls_plan plan;
    static struct posture_tls_question question;
    struct posture_error error = {0};
    if (!tables && posture_tls_tables_load(NULL, &tables, &error) < 0) {
        fprintf(stderr, "%s\n", error.text);
        abort();
    }
    struct posture_buf out = {0};
    posture_tls_plan_init(&plan, tables, "www.example.go.jp");
    plan.depth.is_wanted = size % 2 == 1;
    unsigned questions = 0;
    size_t at = 0;
    while (!posture_tls_plan_is_done(&plan)) {
        if (!posture_tls_plan_next(&plan, &question) || ++questions > 6000)
            abort();
        uint8_t answer[4] = {0};
        for (size_t i = 0; i < sizeof(answer) && at < size; i++)
            answer[i] = data[at++];
        if (question.is_handshake) {
            const struct posture_tls_session session = {
                .is_13 = question.version == POSTURE_TLS_13,
                .signature = (uint16_t)(answer[1] << 8 | answer[2]),
                .has_ticket = answer[2] & 1,
                .renegotiation = (enum posture_tls_claim)(answer[3] % 3),
                .alpn = {'h', '2'},
                .alpn_len = answer[3] & 2,
            };
            posture_tls_plan_learnt(&plan, &question, &session);
            posture_tls_plan_leaf(&plan, answer[3] & 4 ? "rsa" : "ec", "secp256r1");
        } else {
            posture_buf_clear(&out);
            if (posture_tls_hello_write(&question.hello, &out) < 0)
                abort();
        }
        struct posture_tls_flight flight = {
            .has_hello = true,
            .version = (uint16_t)(0x0300 + answer[1] % 6),
            .has_group = answer[1] & 0x80,
            .has_alert = answer[2] & 0x40,
            .alert = answer[2],
            .is_retry = answer[3] & 0x80,
            .compression = answer[3],
            .has_signature = answer[3] & 1,
            .alpn = {'h', '2'},
            .alpn_len = answer[3] & 2,
        };
        if (question.hello.signature_count > 0)
            flight.signature =
                question.hello.signatures[answer[2] % question.hello.signature_count];
        if (answer[1] == 0xff)
            flight.version = 2;
        if (question.hello.suite_count > 0)
            flight.suite = question.hello.suites[answer[2] % question.hello.suite_count];
        if (question.hello.group_count > 0)
            flight.group = question.hello.groups[answer[3] % question.hello.group_count];
        posture_tls_plan_answer(&plan, &question,
                                (enum posture_tls_outcome)(answer[0] % 12), &flight);
    }
    posture_buf_done(&out);
    return 0;
}
