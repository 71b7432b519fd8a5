/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */

/* Any JSON as facts of kind ssh, under profiles that judge SSH and that do not: one
 * result a check, none without a reason. */

#include "common/report/json.h"
#include "posture_crypto/ssh_checks.h"

#include <stdlib.h>

static const char *const ids[] = {"cryptrec-ls0001-2022r2", "bod-18-01"};
static struct posture_profile *profiles[POSTURE_COUNT(ids)];

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct posture_check_set *const sets[] = {&posture_ssh_checks, NULL};
    for (size_t i = 0; i < POSTURE_COUNT(ids) && !profiles[i]; i++) {
        if (posture_profile_load(POSTURE_SOURCE_DIR "/schemas", ids[i], &profiles[i],
                                 NULL) < 0)
            abort();
    }
    json_auto_t *facts = NULL;
    if (posture_json_parse((const char *)data, size, &facts, NULL) < 0)
        return 0;
    for (size_t i = 0; i < POSTURE_COUNT(ids); i++) {
        POSTURE_AUTO_RESULTS struct posture_results results = {0};
        /* 2026-11-23 */
        if (posture_judge(sets, "ssh", facts, NULL, profiles[i],
                          INT64_C(1795359600000000000), &results) != 0 ||
            results.count != 8)
            abort();
        for (size_t n = 0; n < results.count; n++) {
            if (!results.items[n].code)
                abort();
        }
    }
    return 0;
}
