/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#include "posture_criteria/rejudge.h"

#include "common/base/clock.h"
#include "posture_criteria/evaluation.h"

#include <errno.h>
#include <string.h>

bool posture_rejudge_is_needed(const struct posture_rejudge_context *context,
                               const char *kind, const struct posture_judgement *verdict)
{
    if (verdict->flags & POSTURE_JUDGEMENT_RETIRED || strcmp(kind, "reporter") == 0)
        return false; /* nothing in it is judged */
    return verdict->flags & POSTURE_JUDGEMENT_BODY ||
           strcmp(verdict->profile, posture_profile_digest(context->profile)) != 0 ||
           verdict->next_change_ns <= context->now_ns;
}

/* Without a header that can be read: what it would have said of time and interval. */
static int verdict_from_body(const json_t *body, struct posture_judgement *ret)
{
    const char *text = posture_json_string(body, "time");
    int64_t time_ns;
    if (!text || posture_time_parse(text, strlen(text), &time_ns) < 0 || time_ns < 0)
        return POSTURE_E_FORMAT;
    ret->profile[0] = '\0';
    ret->time_ns = time_ns;
    ret->interval_s = json_number_value(json_object_get(body, "interval_s"));
    ret->next_change_ns = INT64_MAX;
    ret->flags = 0;
    ret->count = 0;
    return 0;
}

int posture_rejudge(const struct posture_rejudge_context *context, const char *kind,
                    const struct posture_message *message, struct posture_judgement *ret,
                    bool *ret_is_rejudged)
{
    bool has_header =
        message->verdict &&
        posture_judgement_decode(message->verdict, message->verdict_len, kind, ret) == 0;
    if (ret_is_rejudged)
        *ret_is_rejudged = false;
    if (has_header && !posture_rejudge_is_needed(context, kind, ret))
        return 0;

    json_auto_t *body = NULL;
    int r = posture_json_parse(message->value, message->value_len, &body, NULL);
    if (r == 0 && !has_header)
        r = verdict_from_body(body, ret);
    if (r < 0)
        return r == -ENOMEM ? r : POSTURE_E_FORMAT;

    struct posture_judgement previous = *ret;
    bool is_same_profile =
        strcmp(previous.profile, posture_profile_digest(context->profile)) == 0;
    /* By the same profile nothing changes before next_change; by another all is open from
     * the start. */
    int64_t first_ns = is_same_profile && !(previous.flags & POSTURE_JUDGEMENT_BODY)
                           ? previous.next_change_ns
                           : previous.time_ns;
    ret->flags &= ~(unsigned)POSTURE_JUDGEMENT_BODY;
    r = posture_gate_verdict(context->profile, context->sets, body,
                             has_header ? &previous : NULL, first_ns, context->now_ns,
                             ret, NULL);
    if (r == POSTURE_E_MISSING) {
        *ret = previous; /* of a kind that this centre has no checks for */
        return 0;
    }
    if (r == 0 && ret_is_rejudged)
        *ret_is_rejudged = true;
    return r;
}

char *posture_rejudge_detail(const struct posture_rejudge_context *context,
                             const struct posture_message *message)
{
    struct posture_results POSTURE_AUTO_RESULTS results = {.count = 0};
    json_auto_t *body = NULL;
    if (posture_json_parse(message->value, message->value_len, &body, NULL) < 0)
        return NULL;
    const char *kind = posture_json_string(body, "kind");
    if (!kind || posture_judge(context->sets, kind,
                               json_object_get(json_object_get(body, "facts"), kind),
                               json_object_get(body, "declared"), context->profile,
                               context->now_ns, &results) < 0)
        return NULL;
    return posture_evaluation_detail(&results);
}
