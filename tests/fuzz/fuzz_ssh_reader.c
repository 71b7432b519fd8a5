/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */

/* A hostile server's bytes: the first says how they are cut into pieces. Whatever comes,
 * memory stays bounded, the plan comes to its end, and its facts can be written. */

#include "common/ssh/endpoint.h"
#include "common/ssh/key.h"
#include "common/ssh/reader.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void payload_use(struct posture_ssh_plan *plan, struct posture_ssh_bytes payload)
{
    struct posture_ssh_question question = {0};
    if (payload.at[0] == POSTURE_SSH_KEXINIT && !plan->server.payload) {
        if (posture_ssh_plan_learn(plan, payload, &question) == 0)
            posture_ssh_plan_answer(plan, &question, POSTURE_SSH_CLOSED, true);
        return;
    }
    struct posture_ssh_cursor cursor = {payload.at + 1, payload.len - 1, false};
    struct posture_ssh_bytes blob = posture_ssh_read_string(&cursor);
    posture_ssh_read_string(&cursor);
    struct posture_ssh_bytes signature = posture_ssh_read_string(&cursor);
    if (plan->server.payload && posture_ssh_plan_next(plan, &question)) {
        if (question.size)
            posture_ssh_plan_modulus(plan, &question, payload.len);
        if (question.key)
            (void)posture_ssh_plan_host_key(plan, &question, blob, signature);
        posture_ssh_plan_answer(plan, &question,
                                (enum posture_ssh_outcome)(payload.at[0] % 15),
                                payload.len & 1);
        return;
    }
    json_t *facts = NULL;
    if (posture_ssh_key_facts(blob, &facts) == 0)
        json_decref(facts);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct posture_ssh_tables *tables;
    struct posture_error error = {0};
    if (!tables &&
        posture_ssh_tables_load(POSTURE_SOURCE_DIR "/schemas", &tables, &error) < 0) {
        fprintf(stderr, "%s\n", error.text);
        abort();
    }
    struct posture_ssh_reader reader;
    struct posture_ssh_plan plan;
    posture_ssh_reader_init(&reader);
    posture_ssh_plan_init(&plan, tables);
    size_t piece = size > 0 && data[0] ? data[0] : 65536;
    int r = 0;
    for (size_t at = 1; at < size && r >= 0; at += piece) {
        size_t len = size - at < piece ? size - at : piece;
        r = posture_ssh_reader_feed(&reader, data + at, len);
        while (r >= 0) {
            enum posture_ssh_event event;
            struct posture_ssh_bytes payload;
            r = posture_ssh_reader_next(&reader, &event, &payload);
            if (r < 0 || event == POSTURE_SSH_EVENT_NONE)
                break;
            if (event == POSTURE_SSH_EVENT_PACKET)
                payload_use(&plan, payload);
        }
    }
    if (reader.in.len > POSTURE_SSH_READER_MAX)
        abort();
    /* A server that answers nothing more ends the plan. */
    struct posture_ssh_question question;
    for (unsigned n = 0; posture_ssh_plan_next(&plan, &question); n++) {
        if (n > 100)
            abort();
        posture_ssh_plan_answer(&plan, &question, POSTURE_SSH_CLOSED, n & 1);
    }
    struct posture_ssh_found found = {.address = "192.0.2.1"};
    json_t *facts = posture_ssh_endpoint_facts(&plan, &found);
    if (!facts)
        abort();
    json_decref(facts);
    posture_ssh_plan_done(&plan);
    posture_ssh_reader_done(&reader);
    return 0;
}
