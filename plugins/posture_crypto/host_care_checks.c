/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#include "posture_crypto/host_check.h"

#include "common/report/json.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

/* Updates, reboots, backups. */

enum { ITEM_MAX = 160 };

static void pending_offer(const struct posture_check_input *input, const json_t *pending,
                          struct posture_verdict *verdict)
{
    size_t i;
    const json_t *entry;
    struct host_weakness weakness = {"updates.pending", "", false};
    host_weakness_offer(input, &weakness, "host.updates.pending", "host.updates.none",
                        verdict);
    json_array_foreach (pending, i, entry) {
        const char *name = posture_json_string(entry, "package");
        const char *available = posture_json_string(entry, "available");
        char item[ITEM_MAX];
        snprintf(item, sizeof(item), "%.80s %.70s", name ? name : "?",
                 available ? available : "?");
        weakness = (struct host_weakness){"updates.pending", item, true};
        host_weakness_offer(input, &weakness, "host.updates.pending", "host.updates.none",
                            verdict);
    }
}

/* Old lists do not show what is new: unknown. An archive is as old as its own date says,
 * or as the last success of apt's. */
void host_updates_check(const struct posture_check_input *input, const json_t *topic,
                        struct posture_verdict *verdict)
{
    const json_t *pending = json_object_get(topic, "pending");
    const json_t *archive;
    size_t i, count = 0;
    int64_t checked = INT64_MIN;
    if (!json_is_array(pending))
        return; /* why is in facts.errors */
    pending_offer(input, pending, verdict);
    if (verdict->status == POSTURE_RESULT_NA)
        return;
    (void)host_time_of(topic, "checked", &checked);
    json_array_foreach (json_object_get(topic, "archives"), i, archive) {
        if (!json_is_true(json_object_get(archive, "security")))
            continue;
        struct host_age age = {.name = "updates.lists", .time_ns = INT64_MIN};
        (void)host_time_of(archive, "date", &age.time_ns);
        if (checked > age.time_ns)
            age.time_ns = checked;
        enum posture_result_status status = host_age_judge(input, &age);
        const char *suite = posture_json_string(archive, "suite");
        count++;
        if (status == POSTURE_RESULT_PASS)
            posture_verdict_until(verdict, age.until_ns);
        else if (status != POSTURE_RESULT_NA)
            host_age_offer(&age, POSTURE_RESULT_UNKNOWN, "host.updates.stale",
                           suite ? suite : "?", verdict);
    }
    if (count == 0)
        posture_verdict_offer(verdict, POSTURE_RESULT_UNKNOWN, "host.updates.no_archive");
}

void host_reboot_check(const struct posture_check_input *input, const json_t *topic,
                       struct posture_verdict *verdict)
{
    const json_t *required = json_object_get(topic, "required");
    const json_t *kernel = json_object_get(topic, "kernel");
    const json_t *outdated = json_object_get(kernel, "outdated");
    const char *running = posture_json_string(kernel, "running");
    if (!json_is_boolean(required))
        return;
    const char *package =
        json_string_value(json_array_get(json_object_get(topic, "packages"), 0));
    const struct host_weakness marker = {"reboot.required", package ? package : "?",
                                         json_is_true(required)};
    const struct host_weakness old = {"reboot.kernel", running ? running : "?",
                                      json_is_true(outdated)};
    host_weakness_offer(input, &marker, "host.reboot.required", "host.reboot.none",
                        verdict);
    host_weakness_offer(input, &old, "host.reboot.kernel", "host.reboot.none", verdict);
    if (json_is_true(json_object_get(topic, "container")) &&
        posture_verdict_is(verdict, POSTURE_RESULT_PASS, "host.reboot.none")) {
        posture_verdict_done(verdict);
        posture_verdict_init(verdict);
        posture_verdict_offer(verdict, POSTURE_RESULT_NA, "host.reboot.container");
    }
}

static void stamp_offer(const struct posture_check_input *input, const json_t *record,
                        struct posture_verdict *verdict)
{
    struct host_age age = {.name = "backup", .time_ns = INT64_MIN};
    (void)host_time_of(record, "time", &age.time_ns);
    enum posture_result_status status = host_age_judge(input, &age);
    const char *path = posture_json_string(record, "path");
    if (status == POSTURE_RESULT_NA)
        posture_verdict_offer(verdict, status, "profile.silent");
    else
        host_age_offer(&age, status,
                       age.time_ns == INT64_MIN        ? "host.backup.never"
                       : status == POSTURE_RESULT_PASS ? "host.backup.recent"
                                                       : "host.backup.old",
                       path ? path : "?", verdict);
}

/* What the operator named counts, the worst of it. Else the newest record of a success;
 * that something ran tells only that there is none when it is long ago. */
void host_backup_check(const struct posture_check_input *input, const json_t *topic,
                       struct posture_verdict *verdict)
{
    const json_t *records = json_object_get(topic, "records");
    const json_t *record, *success = NULL, *run = NULL;
    int64_t success_ns = INT64_MIN, run_ns = INT64_MIN, when;
    bool has_stamp = false;
    size_t i;
    if (!posture_profile_has_class(input->profile, "host_age")) {
        posture_verdict_offer(verdict, POSTURE_RESULT_NA, "profile.silent");
        return;
    }
    if (!json_is_array(records))
        return;
    json_array_foreach (records, i, record) {
        const char *means = posture_json_string(record, "means");
        bool is_stamp = means && strcmp(means, "stamp") == 0;
        has_stamp = has_stamp || is_stamp;
        if (is_stamp)
            stamp_offer(input, record, verdict);
        if (!means || is_stamp || !host_time_of(record, "time", &when))
            continue;
        bool is_success = strcmp(means, "success") == 0;
        if (when > (is_success ? success_ns : run_ns)) {
            *(is_success ? &success_ns : &run_ns) = when;
            *(is_success ? &success : &run) = record;
        }
    }
    if (has_stamp || host_error_reason(input->facts, "backup.stamps"))
        return;
    if (success) {
        stamp_offer(input, success, verdict);
        return;
    }
    struct host_age age = {.name = "backup", .time_ns = run_ns};
    enum posture_result_status status = host_age_judge(input, &age);
    if (status == POSTURE_RESULT_NA) {
        posture_verdict_offer(verdict, status, "profile.silent");
    } else if (run && status != POSTURE_RESULT_PASS) {
        stamp_offer(input, run, verdict);
    } else if (run) {
        host_age_offer(&age, POSTURE_RESULT_UNKNOWN, "host.backup.ran",
                       posture_json_string(run, "name"), verdict);
    } else {
        host_missing_offer(input, "backup.records", verdict);
        posture_verdict_offer(verdict, POSTURE_RESULT_UNKNOWN, "host.backup.none");
    }
}
