/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#include "posture_criteria/model.h"

#include "common/base/clock.h"

#include <string.h>

enum { KINDS_MAX = 16 };

static json_t *gate_json(const struct posture_gate_counters *counters)
{
    json_auto_t *rejected = json_object();
    for (int i = 0; rejected && i < POSTURE_GATE_REASON_COUNT; i++) {
        if (json_object_set_new(rejected,
                                posture_gate_reason_name((enum posture_gate_reason)i),
                                json_integer((json_int_t)counters->rejected[i])) < 0)
            return NULL;
    }
    return json_pack(
        "{s:I, s:I, s:I, s:I, s:I, s:I, s:O}", "accepted", (json_int_t)counters->accepted,
        "duplicates", (json_int_t)counters->duplicates, "acknowledgements",
        (json_int_t)counters->noted, "clock_ahead", (json_int_t)counters->clock_ahead,
        "sequence_missing", (json_int_t)counters->sequence_missing, "new_epochs",
        (json_int_t)counters->new_epochs, "rejected", rejected);
}

/* The newest report of each kind; the same few kinds at every agency. */
static int agency_last_reports(const struct posture_agency_state *agency, json_t *list)
{
    struct {
        char kind[32];
        int64_t time_ns;
    } kinds[KINDS_MAX];
    size_t count = 0;
    for (const struct posture_record *record = agency->first; record;
         record = record->next) {
        if (!record->is_present)
            continue;
        size_t k = 0;
        while (k < count && !posture_record_is_kind(record, kinds[k].kind))
            k++;
        if (k == KINDS_MAX)
            continue;
        if (k == count) {
            (void)posture_record_kind(record, kinds[k].kind, sizeof(kinds[k].kind));
            kinds[count++].time_ns = 0;
        }
        if (record->content.time_ns > kinds[k].time_ns)
            kinds[k].time_ns = record->content.time_ns;
    }
    for (size_t k = 0; k < count; k++) {
        char text[POSTURE_TIME_TEXT_MAX];
        if (json_array_append_new(
                list,
                json_pack("{s:s, s:s, s:s}", "agency", agency->id, "kind", kinds[k].kind,
                          "time", posture_time_format(kinds[k].time_ns, text))) < 0)
            return -1;
    }
    return 0;
}

static json_t *last_reports(const struct posture_evaluation_context *context)
{
    json_auto_t *list = json_array();
    for (size_t a = 0; list && a < context->registry->agency_count; a++) {
        const struct posture_agency_state *agency =
            posture_state_agency(context->state, context->registry->agencies[a].id);
        if (agency && agency_last_reports(agency, list) < 0)
            return NULL;
    }
    return json_incref(list);
}

json_t *posture_model_build(const struct posture_model_input *input)
{
    const struct posture_evaluation_context *context = input->context;
    char time_text[POSTURE_TIME_TEXT_MAX];
    json_auto_t *model = json_pack(
        "{s:s, s:s, s:i, s:O, s:O, s:o, s:{s:s, s:s, s:{s:s, s:s}}, s:o, s:o}", "schema",
        "posture.nation/1", "time", posture_time_format(input->now_ns, time_text),
        "fiscal_year", posture_fiscal_year(input->now_ns), "registry",
        context->registry->document, "catalogue", context->catalogue->document,
        "evaluations", posture_evaluator_documents(input->evaluator), "profile", "id",
        context->profile_id, "digest", context->profile_digest, "title", "ja",
        posture_profile_title(input->profile, POSTURE_LANG_JA), "en",
        posture_profile_title(input->profile, POSTURE_LANG_EN), "gate",
        gate_json(input->counters), "last_report", last_reports(context));
    if (!model)
        return NULL;
    if (input->lag >= 0 &&
        json_object_set_new(model, "lag", json_integer((json_int_t)input->lag)) < 0)
        return NULL;
    return json_incref(model);
}
