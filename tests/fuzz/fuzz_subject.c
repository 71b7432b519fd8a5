/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */

/* Subjects and keys: what is accepted has one spelling, which is accepted and stays. */

#include "common/base/mem.h"
#include "common/report/subject.h"

#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    POSTURE_AUTO_FREE char *text = malloc(size + 1);
    if (!text)
        return 0;
    memcpy(text, data, size);
    text[size] = '\0';

    struct posture_subject subject;
    struct posture_error error = {0};
    if (posture_subject_parse(text, "tls", &subject, &error) == 0) {
        if (!posture_subject_is_canonical(subject.text) || strchr(subject.text, '|') ||
            !posture_subject_matches(subject.text, subject.text))
            abort();
    } else if (!*error.text) {
        abort();
    }
    char *half = strchr(text, '\n');
    if (half) {
        *half = '\0';
        (void)posture_subject_matches(text, half + 1);
    }
    struct posture_key key;
    char buf[POSTURE_KEY_MAX];
    if (posture_key_parse((const char *)data, size, &key) == 0 &&
        (posture_key_format(key.agency, key.reporter, key.kind, key.subject, buf) < 0 ||
         strlen(buf) != size || memcmp(buf, data, size) != 0))
        abort();
    return 0;
}
