/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#include "common/report/judge.h"

#include "common/base/clock.h"

#include <string.h>

/* The last day that our clock has. */
static const char last_day[] = "2261-12-31";

/* The later of the judgement's date and the declared end of life; a date that cannot be
 * read is as if it had not been declared. "9999-12-31" can: it is later than all. */
static int64_t planned_end(const json_t *declared, int64_t at_ns)
{
    const char *text = json_string_value(json_object_get(declared, "planned_end"));
    int64_t end_ns;
    int r =
        text ? posture_date_parse_jst(text, strlen(text), &end_ns) : POSTURE_E_MISSING;
    if (r == POSTURE_E_RANGE && strcmp(text, last_day) > 0)
        r = posture_date_parse_jst(last_day, strlen(last_day), &end_ns);
    if (r < 0)
        return at_ns;
    return end_ns > at_ns ? end_ns : at_ns;
}

int posture_judge(const struct posture_check_set *const *sets, const char *kind,
                  const json_t *facts, const json_t *declared,
                  const struct posture_profile *profile, int64_t at_ns,
                  struct posture_results *results)
{
    posture_results_done(results);
    for (; *sets; sets++) {
        if (strcmp((*sets)->kind, kind) != 0)
            continue;
        const struct posture_check_input input = {
            .facts = facts,
            .declared = declared,
            .profile = profile,
            .at_ns = at_ns,
            .planned_end_ns = planned_end(declared, at_ns),
        };
        int r = (*sets)->judge(&input, results);
        if (r < 0)
            posture_results_done(results);
        return r;
    }
    return POSTURE_E_MISSING;
}
