/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#include "posture_crypto/target.h"

#include "common/base/clock.h"
#include "common/base/uuid.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const struct posture_crypto_measure *
measure_find(const struct posture_crypto_measure *const *measures, const char *block,
             const char *kind)
{
    for (; kind && *measures; measures++) {
        if (!strcmp((*measures)->block, block) && !strcmp((*measures)->kind, kind))
            return *measures;
    }
    return NULL;
}

static int endpoint_subject(const char *argument, struct posture_subject *ret,
                            struct posture_error *reterr)
{
    struct posture_error error = {0};
    int r = posture_subject_parse(argument, "tls", ret, &error);
    if (r < 0)
        return posture_error_set(reterr, r, "block Endpoint \"%s\": %s", argument,
                                 error.text);
    return 0;
}

/* host://NAME; many systems are "localhost", so that is replaced by the system's name. */
static int host_subject(const char *argument, struct posture_subject *ret,
                        struct posture_error *reterr)
{
    char own[HOST_NAME_MAX + 1] = "";
    if (strcmp(argument, "localhost") == 0 && gethostname(own, sizeof(own) - 1) == 0 &&
        own[0])
        argument = own;
    struct posture_error error = {0};
    int r = posture_subject_parse(argument, "host", ret, &error);
    if (r < 0)
        return posture_error_set(reterr, r, "block Host \"%s\": %s", argument,
                                 error.text);
    return 0;
}

static int host_read(const struct posture_crypto_measure *const *measures,
                     const char *argument, struct posture_crypto_target *ret,
                     struct posture_error *reterr)
{
    const struct posture_crypto_host *host = ret->values;
    ret->end_of_life = host->end_of_life;
    ret->measure = measure_find(measures, "Host", "host");
    POSTURE_REQUIRE(ret->measure);
    return host_subject(argument, &ret->subject, reterr);
}

int posture_crypto_target_read(const struct posture_settings *settings, uint32_t block,
                               const struct posture_crypto_measure *const *measures,
                               struct posture_crypto_target *ret,
                               struct posture_error *reterr)
{
    const struct posture_block *from = &settings->blocks[block];
    ret->written = from->argument;
    ret->values = from->values;
    ret->block = from->number;
    ret->interval_ns = posture_settings_interval(settings, block);
    if (strcmp(from->type->name, "Host") == 0)
        return host_read(measures, from->argument, ret, reterr);
    const struct posture_crypto_endpoint *endpoint = from->values;
    ret->end_of_life = endpoint->end_of_life;
    POSTURE_TRY(endpoint_subject(from->argument, &ret->subject, reterr));
    ret->measure = measure_find(measures, from->type->name,
                                posture_subject_kind(ret->subject.scheme));
    if (!ret->measure)
        return posture_error_set(
            reterr, POSTURE_E_OPTION,
            "block Endpoint \"%s\": expected the scheme tls, ssh, or "
            "one that begins TLS in the clear (smtp, imap, pop3, ftp, "
            "ldap, postgresql, xmpp)",
            from->argument);
    return 0;
}

int posture_crypto_target_report(const struct posture_crypto_target *target,
                                 json_t *facts, const struct posture_profile *profile,
                                 struct posture_results *results,
                                 struct posture_report **ret)
{
    const char *kind = target->measure->kind;
    POSTURE_AUTO(posture_report_free)
    struct posture_report *report = posture_report_new();
    if (!report)
        return -ENOMEM;
    report->time_ns = posture_now_ns();
    report->interval_s = (double)target->interval_ns / (double)POSTURE_NS_PER_S;
    report->kind = posture_strdup(kind);
    report->subject = posture_strdup(target->subject.text);
    report->profile = posture_strdup(posture_profile_id(profile));
    if (target->end_of_life)
        report->declared = json_pack("{s:s}", "planned_end", target->end_of_life);
    if (!report->kind || !report->subject || !report->profile ||
        (target->end_of_life && !report->declared) ||
        posture_uuid7(report->time_ns, report->id) < 0)
        return -ENOMEM;
    const struct posture_check_set *const sets[] = {target->measure->checks, NULL};
    POSTURE_TRY(posture_judge(sets, kind, facts, report->declared, profile,
                              report->time_ns, results));
    report->facts = json_pack("{s:O}", kind, facts);
    report->results = posture_results_to_json(results);
    if (!report->facts || !report->results)
        return -ENOMEM;
    *ret = POSTURE_TAKE(report);
    return 0;
}

int posture_crypto_target_encode(const struct posture_crypto_target *target,
                                 const struct posture_profile *profile,
                                 struct posture_report *report, const char *agency,
                                 const char *reporter, char **ret_body, size_t *ret_len)
{
    if (!report->agency)
        report->agency = posture_strdup(agency);
    if (!report->reporter)
        report->reporter = posture_strdup(reporter);
    if (!report->agency || !report->reporter)
        return -ENOMEM;
    const char *kind = target->measure->kind;
    const struct posture_check_set *const sets[] = {target->measure->checks, NULL};
    json_t *facts = json_object_get(report->facts, kind);
    for (;;) {
        struct posture_error error = {0};
        int r = posture_report_encode(report, ret_body, ret_len, &error);
        if (r != POSTURE_E_LIMIT || !target->measure->shrink(facts))
            return r;
        POSTURE_AUTO_RESULTS struct posture_results results = {0};
        POSTURE_TRY(posture_judge(sets, kind, facts, report->declared, profile,
                                  report->time_ns, &results));
        json_t *judged = posture_results_to_json(&results);
        if (!judged)
            return -ENOMEM;
        json_decref(report->results);
        report->results = judged;
    }
}
