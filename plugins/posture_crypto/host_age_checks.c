/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#include "posture_crypto/host_check.h"

#include "common/base/clock.h"
#include "common/report/json.h"

#include <string.h>

static const int64_t day_ns = 86400 * POSTURE_NS_PER_S;

bool host_time_of(const json_t *object, const char *key, int64_t *ret_ns)
{
    const char *text = posture_json_string(object, key);
    return text && posture_time_parse(text, strlen(text), ret_ns) == 0;
}

/* The least age above days at which another row begins; 0: none. */
static uint64_t next_days(const struct posture_check_input *input, const char *name,
                          uint64_t days)
{
    uint64_t next = 0;
    const struct posture_profile_row *row =
        posture_profile_row(input->profile, "host_age", name);
    for (; row && row->min > days; row = row->smaller)
        next = row->min;
    return next;
}

enum posture_result_status host_age_judge(const struct posture_check_input *input,
                                          struct host_age *age)
{
    age->days = age->time_ns == INT64_MIN ? UINT64_MAX
                : input->at_ns <= age->time_ns
                    ? 0
                    : (uint64_t)(input->at_ns - age->time_ns) / (uint64_t)day_ns;
    const struct posture_profile_row *row =
        posture_profile_row_of_size(input->profile, "host_age", age->name, age->days);
    if (!row)
        return POSTURE_RESULT_NA;
    uint64_t next = next_days(input, age->name, age->days);
    age->until_ns =
        next > 0 && age->time_ns >= 0 ? age->time_ns + (int64_t)next * day_ns : INT64_MAX;
    age->certainty = row->certainty;
    switch (row->tier) {
    case POSTURE_TIER_RECOMMENDED:
    case POSTURE_TIER_PQC:
        return POSTURE_RESULT_PASS;
    case POSTURE_TIER_CANDIDATE:
    case POSTURE_TIER_MONITORED:
        return POSTURE_RESULT_WARN;
    default:
        return POSTURE_RESULT_FAIL;
    }
}

void host_age_offer(const struct host_age *age, enum posture_result_status status,
                    const char *code, const char *item, struct posture_verdict *verdict)
{
    posture_verdict_until(verdict, age->until_ns);
    bool is_first = posture_verdict_offer(verdict, status, code);
    if (!is_first && !posture_verdict_is(verdict, status, code))
        return;
    if (is_first && age->time_ns != INT64_MIN) {
        posture_verdict_value_take(verdict, json_integer((json_int_t)age->days));
        posture_verdict_arg_take(verdict, "days", json_integer((json_int_t)age->days));
        posture_verdict_arg_date(verdict, "date", age->time_ns);
    }
    posture_verdict_add_item(verdict, "items", item);
    if (status > POSTURE_RESULT_PASS && age->certainty < POSTURE_CERTAINTY_HIGH)
        posture_verdict_arg_text(verdict, "certainty",
                                 posture_certainty_name(age->certainty));
}
