/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#include "posture/judgement.h"

#include "posture_crypto/host_checks.h"
#include "posture_crypto/ssh_checks.h"
#include "posture_crypto/tls_checks.h"

#include <errno.h>
#include <string.h>

const struct posture_check_set *const judgement_sets[] = {
    &posture_tls_checks, &posture_ssh_checks, &posture_host_checks, NULL};

int judgement_load(const struct arguments *arguments, struct judgement *ret,
                   struct posture_error *reterr)
{
    *ret = (struct judgement){.has_at = arguments->has_at, .at_ns = arguments->at_ns};
    POSTURE_TRY(posture_check_registry_load(arguments->data_dir, &ret->checks, reterr));
    for (size_t i = 0; i < arguments->profile_count; i++) {
        POSTURE_TRY(posture_profile_load(arguments->data_dir, arguments->profiles[i],
                                         &ret->profiles[i], reterr));
        ret->count = i + 1;
    }
    if (arguments->exceptions)
        POSTURE_TRY(posture_exceptions_load(arguments->exceptions, ret->checks,
                                            &ret->exceptions, reterr));
    return 0;
}

void judgement_done(struct judgement *judgement)
{
    for (size_t i = 0; i < judgement->count; i++)
        posture_profile_free(judgement->profiles[i]);
    posture_exceptions_free(judgement->exceptions);
    posture_check_registry_free(judgement->checks);
    *judgement = (struct judgement){0};
}

int judgement_apply(const struct judgement *judgement,
                    const struct posture_report *report, struct judged *ret)
{
    memset(ret, 0, sizeof(*ret));
    ret->at_ns = judgement->has_at ? judgement->at_ns : report->time_ns;
    for (size_t i = 0; i < judgement->count; i++) {
        int r = posture_judge(
            judgement_sets, report->kind, json_object_get(report->facts, report->kind),
            report->declared, judgement->profiles[i], ret->at_ns, &ret->results[i]);
        if (r < 0) {
            judged_done(ret);
            return r;
        }
    }
    return 0;
}

void judged_done(struct judged *judged)
{
    for (size_t i = 0; i < ARGUMENTS_PROFILES_MAX; i++)
        posture_results_done(&judged->results[i]);
}

const struct posture_exceptions_entry *
judged_exception(const struct judgement *judgement, const struct judged *judged,
                 const struct posture_report *report, const struct posture_result *result,
                 bool *ret_holds)
{
    const struct posture_exceptions_entry *entry =
        posture_exceptions_find(judgement->exceptions, report->subject, result);
    *ret_holds = entry && posture_exceptions_holds(entry, judged->at_ns);
    return entry;
}

enum posture_result_status judged_worst(const struct judgement *judgement,
                                        const struct judged *judged)
{
    /* Of verdicts: unknown is not one, and must not hide a warning. */
    enum posture_result_status worst = POSTURE_RESULT_NA;
    for (size_t i = 0; i < judgement->count; i++) {
        for (size_t n = 0; n < judged->results[i].count; n++) {
            enum posture_result_status status = judged->results[i].items[n].status;
            if (status != POSTURE_RESULT_UNKNOWN)
                worst = posture_result_worse(worst, status);
        }
    }
    return worst;
}

bool judged_is_measured(const struct posture_report *report)
{
    const json_t *facts = json_object_get(report->facts, report->kind);
    size_t i;
    const json_t *endpoint;
    if (json_is_object(json_object_get(facts, "os"))) /* kind host */
        return true;
    json_array_foreach (json_object_get(facts, "endpoints"), i, endpoint) {
        if (json_array_size(json_object_get(endpoint, "versions")) > 0 ||
            json_array_size(json_object_get(endpoint, "kex")) > 0) /* tls, ssh */
            return true;
    }
    return false;
}

/* Beside each result that has one: what is on record, and whether it has expired. */
static int exceptions_add(const struct judgement *judgement, const struct judged *judged,
                          const struct posture_results *results,
                          struct posture_report *report)
{
    for (size_t i = 0; judgement->exceptions && i < results->count; i++) {
        bool holds;
        const struct posture_exceptions_entry *entry =
            judged_exception(judgement, judged, report, &results->items[i], &holds);
        if (!entry)
            continue;
        json_t *object =
            json_pack("{s:s,s:s,s:s,s:b}", "reason", entry->reason, "owner", entry->owner,
                      "expires", entry->expires, "expired", !holds);
        if (json_object_set_new(json_array_get(report->results, i), "exception", object) <
            0)
            return -ENOMEM;
    }
    return 0;
}

int judged_write_json(const struct judgement *judgement, const struct judged *judged,
                      struct posture_report *report, bool is_ascii,
                      struct posture_buf *out)
{
    for (size_t i = 0; i < judgement->count; i++) {
        json_decref(report->results);
        report->results = posture_results_to_json(&judged->results[i]);
        free(report->profile);
        report->profile = posture_strdup(posture_profile_id(judgement->profiles[i]));
        if (!report->results || !report->profile)
            return -ENOMEM;
        POSTURE_TRY(exceptions_add(judgement, judged, &judged->results[i], report));
        POSTURE_AUTO_FREE char *bytes = NULL;
        size_t len = 0;
        POSTURE_TRY(posture_report_encode(report, &bytes, &len, NULL));
        if (!is_ascii) {
            posture_buf_add(out, bytes, len);
        } else {
            json_auto_t *root = NULL;
            POSTURE_TRY(posture_json_parse(bytes, len, &root, NULL));
            char *ascii = json_dumps(root, JSON_COMPACT | JSON_ENSURE_ASCII);
            if (!ascii)
                return -ENOMEM;
            /* ASCII, but for DEL, which JSON leaves as it is. */
            for (char *p = ascii; *p; p++) {
                if (*p == 0x7f)
                    posture_buf_adds(out, "\\u007f");
                else
                    posture_buf_addc(out, *p);
            }
            free(ascii);
        }
        posture_buf_addc(out, '\n');
    }
    return posture_buf_error(out);
}
