/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#include "posture_crypto/host_check.h"

#include "common/report/json.h"

#include <stdint.h>
#include <string.h>

static bool has(const json_t *entry, const char *key)
{
    return json_array_size(json_object_get(entry, key)) > 0;
}

static const char *name_of(const json_t *entry)
{
    const char *name = posture_json_string(entry, "name");
    return name ? name : "?";
}

/* A port alone may be anybody's; where the software runs or is installed, that says more.
 */
void host_file_sharing_check(const struct posture_check_input *input, const json_t *topic,
                             struct posture_verdict *verdict)
{
    const json_t *list = json_object_get(topic, "software");
    size_t i;
    const json_t *entry;
    if (!json_is_array(list))
        return;
    const struct host_weakness none = {"file_sharing.running", "", false};
    host_weakness_offer(input, &none, "host.file_sharing.running",
                        "host.file_sharing.none", verdict);
    json_array_foreach (list, i, entry) {
        bool is_running = has(entry, "processes");
        bool is_installed = has(entry, "packages") || has(entry, "paths");
        const struct host_weakness weaknesses[] = {
            {"file_sharing.running", name_of(entry), is_running},
            {"file_sharing.installed", name_of(entry), is_installed && !is_running},
            {"file_sharing.port", name_of(entry),
             has(entry, "ports") && !is_installed && !is_running},
        };
        static const char *const codes[] = {"host.file_sharing.running",
                                            "host.file_sharing.installed",
                                            "host.file_sharing.port"};
        for (size_t k = 0; k < 3; k++) {
            if (weaknesses[k].is_present)
                host_weakness_offer(input, &weaknesses[k], codes[k],
                                    "host.file_sharing.none", verdict);
        }
    }
}

/* From the worst to the best that one engine may be. */
enum state { STATE_NONE, STATE_IDLE, STATE_NO_AGE, STATE_OLD, STATE_CURRENT };

struct protection {
    enum state state;
    const char *name;
    struct host_age age;
    enum posture_result_status status; /* of the age */
};

static struct protection engine_judge(const struct posture_check_input *input,
                                      const json_t *engine)
{
    struct protection ret = {.name = name_of(engine),
                             .age = {.name = "malware.signatures", .time_ns = INT64_MIN}};
    struct host_age scan = {.name = "malware.scan"};
    bool is_scanning =
        host_time_of(json_object_get(engine, "last_scan"), "time", &scan.time_ns) &&
        host_age_judge(input, &scan) == POSTURE_RESULT_PASS;
    size_t i;
    const json_t *database;
    /* Of several databases the newest: the others change in years. */
    json_array_foreach (json_object_get(engine, "signatures"), i, database) {
        int64_t when;
        if (host_time_of(database, "time", &when) && when > ret.age.time_ns)
            ret.age.time_ns = when;
    }
    if (!has(engine, "processes") && !is_scanning) {
        ret.state = STATE_IDLE;
        return ret;
    }
    ret.status = host_age_judge(input, &ret.age);
    ret.state = ret.age.time_ns == INT64_MIN        ? STATE_NO_AGE
                : ret.status == POSTURE_RESULT_PASS ? STATE_CURRENT
                                                    : STATE_OLD;
    if (is_scanning && !has(engine, "processes") && scan.until_ns < ret.age.until_ns)
        ret.age.until_ns = scan.until_ns;
    return ret;
}

/* One engine that protects is enough: the best of them counts. */
void host_malware_check(const struct posture_check_input *input, const json_t *topic,
                        struct posture_verdict *verdict)
{
    const json_t *engines = json_object_get(topic, "engines");
    struct protection best = {.state = STATE_NONE, .name = ""};
    size_t i;
    const json_t *engine;
    if (!json_is_array(engines))
        return;
    if (!posture_profile_has_class(input->profile, "host_age")) {
        posture_verdict_offer(verdict, POSTURE_RESULT_NA, "profile.silent");
        return;
    }
    json_array_foreach (engines, i, engine) {
        struct protection one = engine_judge(input, engine);
        if (one.state > best.state ||
            (one.state == best.state && one.age.time_ns > best.age.time_ns))
            best = one;
    }
    struct host_weakness weakness = {"malware.none", best.name, best.state == STATE_NONE};
    if (best.state <= STATE_IDLE) {
        host_missing_offer(input, "malware.processes", verdict);
        if (best.state == STATE_NONE)
            host_missing_offer(input, "malware.packages", verdict);
        if (verdict->is_set)
            return; /* what was not seen may be there */
        weakness.is_present = true;
    }
    if (best.state == STATE_NONE) {
        host_weakness_offer(input, &weakness, "host.malware.none", "host.malware.current",
                            verdict);
    } else if (best.state == STATE_IDLE) {
        weakness.feature = "malware.idle";
        host_weakness_offer(input, &weakness, "host.malware.idle", "host.malware.current",
                            verdict);
    } else if (best.status == POSTURE_RESULT_NA) {
        posture_verdict_offer(verdict, POSTURE_RESULT_NA, "profile.silent");
    } else if (best.state == STATE_NO_AGE) {
        host_missing_offer(input, "malware.signatures", verdict);
        if (posture_verdict_offer(verdict, POSTURE_RESULT_UNKNOWN, "host.malware.no_age"))
            posture_verdict_add_item(verdict, "items", best.name);
    } else {
        host_age_offer(&best.age, best.status,
                       best.state == STATE_CURRENT ? "host.malware.current"
                                                   : "host.malware.old",
                       best.name, verdict);
    }
}
