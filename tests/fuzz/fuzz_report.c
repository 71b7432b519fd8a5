/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */

/* A report as a stranger sends it: JSON, schema, struct; what is accepted is written and
 * read again. */

#include "common/report/report.h"
#include "common/report/subject.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct posture_schema *schema;
    struct posture_error error = {0};
    if (!schema &&
        posture_schema_load(POSTURE_SOURCE_DIR "/schemas/report.v1.schema.json", &schema,
                            &error) < 0) {
        fprintf(stderr, "%s: %s\n", error.file, error.text);
        abort();
    }
    POSTURE_AUTO(posture_report_free) struct posture_report *report = NULL;
    int r = posture_report_decode((const char *)data, size, schema, &report, &error);
    if ((r == 0) != (report != NULL) || (r < 0 && !*error.text))
        abort();
    if (r < 0)
        return 0;
    if (!posture_subject_is_canonical(report->subject))
        abort();

    POSTURE_AUTO_FREE char *bytes = NULL, *again = NULL;
    size_t len = 0, again_len = 0;
    POSTURE_AUTO(posture_report_free) struct posture_report *copy = NULL;
    r = posture_report_encode(report, &bytes, &len, NULL);
    if (r == POSTURE_E_LIMIT)
        return 0; /* numbers may be written longer than they were read */
    if (r < 0 || posture_report_decode(bytes, len, schema, &copy, NULL) < 0 ||
        posture_report_encode(copy, &again, &again_len, NULL) < 0 || again_len != len ||
        memcmp(bytes, again, len) != 0)
        abort();
    return 0;
}
