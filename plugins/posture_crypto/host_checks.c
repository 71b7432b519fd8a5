/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#include "posture_crypto/host_checks.h"

#include "common/report/json.h"
#include "posture_crypto/host_check.h"

#include <errno.h>
#include <string.h>

static const struct {
    const char *id;
    const char *topic;    /* member of facts.host */
    const char *needs[3]; /* what must not be in facts.errors for anything better than a
                             fail */
    host_check_fn *check;
} checks[] = {
    {"host.openssl", "openssl", {"openssl"}, host_openssl_check},
    {"host.gnutls", "gnutls", {"gnutls"}, host_gnutls_check},
    {"host.crypto_policy", "crypto_policy", {"crypto_policy"}, host_crypto_policy_check},
    {"host.sshd.login", "sshd", {"sshd", "sshd.match"}, host_sshd_login_check},
    {"host.sshd.algorithms", "sshd", {"sshd"}, host_sshd_algorithms_check},
    {"host.disk_encryption", "disks", {"disks"}, host_disk_encryption_check},
    {"host.disk_cipher", "disks", {"disks", "disks.ciphers"}, host_disk_cipher_check},
    {"host.swap", "swap", {"swap"}, host_swap_check},
    {"host.time", "time", {"time.kernel"}, host_time_check},
    {"host.wlan", "wlan", {"wlan.interfaces", "wlan.networks"}, host_wlan_check},
    {"host.file_sharing",
     "file_sharing",
     {"file_sharing.packages", "file_sharing.processes", "file_sharing.ports"},
     host_file_sharing_check},
    {"host.updates",
     "updates",
     {"updates.packages", "updates.lists"},
     host_updates_check},
    {"host.reboot", "reboot", {"reboot.kernel"}, host_reboot_check},
    {"host.malware_protection", "malware", {NULL}, host_malware_check},
    {"host.backup", "backup", {"backup.stamps"}, host_backup_check},
};

const char *host_error_reason(const json_t *facts, const char *what)
{
    static const struct {
        const char *code, *reason;
    } reasons[] = {
        {"denied", "host.missing.denied"},
        {"absent", "host.missing.absent"},
        {"too_large", "host.missing.too_large"},
        {"deadline", "host.missing.deadline"},
        {"malformed", "host.missing.malformed"},
        {"elsewhere", "host.missing.elsewhere"},
        {"unsupported", "host.missing.unsupported"},
    };
    const json_t *error = json_object_get(json_object_get(facts, "errors"), what);
    if (!error)
        return NULL;
    const char *code = posture_json_string(error, "code");
    for (size_t i = 0; code && i < POSTURE_COUNT(reasons); i++) {
        if (strcmp(code, reasons[i].code) == 0)
            return reasons[i].reason;
    }
    return "host.missing.failed";
}

void host_feature_offer(const struct posture_check_input *input, const char *cls,
                        const char *name, const char *item,
                        struct posture_verdict *verdict)
{
    struct posture_finding finding;
    posture_algorithm_judge(input, cls, name, &finding);
    (void)posture_finding_offer(input, &finding, item, verdict);
}

void host_weakness_offer(const struct posture_check_input *input,
                         const struct host_weakness *weakness, const char *found,
                         const char *fine, struct posture_verdict *verdict)
{
    struct posture_finding finding;
    posture_algorithm_judge(input, "host_feature", weakness->feature, &finding);
    if (finding.why == POSTURE_WHY_SILENT || finding.why == POSTURE_WHY_UNJUDGED) {
        posture_verdict_offer(verdict, POSTURE_RESULT_NA, "profile.silent");
        return;
    }
    bool is_worse = weakness->is_present && finding.status > POSTURE_RESULT_PASS;
    enum posture_result_status status = is_worse ? finding.status : POSTURE_RESULT_PASS;
    const char *code = is_worse ? found : fine;
    bool is_first = posture_verdict_offer(verdict, status, code);
    if (!is_worse || (!is_first && !posture_verdict_is(verdict, status, code)))
        return;
    if (is_first && weakness->item[0])
        posture_verdict_value_text(verdict, weakness->item);
    if (weakness->item[0])
        posture_verdict_add_item(verdict, "items", weakness->item);
    if (finding.certainty < POSTURE_CERTAINTY_HIGH)
        posture_verdict_arg_text(verdict, "certainty",
                                 posture_certainty_name(finding.certainty));
}

void host_missing_offer(const struct posture_check_input *input, const char *what,
                        struct posture_verdict *verdict)
{
    const char *reason = host_error_reason(input->facts, what);
    if (!reason || !posture_verdict_offer(verdict, POSTURE_RESULT_UNKNOWN, reason))
        return;
    const json_t *error = json_object_get(json_object_get(input->facts, "errors"), what);
    const char *detail = posture_json_string(error, "detail");
    posture_verdict_arg_text(verdict, "what", detail ? detail : what);
}

static int subject_check(const struct posture_check_input *input, size_t number,
                         struct posture_results *results)
{
    POSTURE_AUTO_VERDICT struct posture_verdict verdict;
    posture_verdict_init(&verdict);
    const json_t *topic = json_object_get(input->facts, checks[number].topic);
    if (json_is_object(topic))
        checks[number].check(input, topic, &verdict);
    bool is_silent = posture_verdict_is(&verdict, POSTURE_RESULT_NA, "profile.silent");
    for (size_t i = 0; i < POSTURE_COUNT(checks[number].needs); i++) {
        if (checks[number].needs[i] && !is_silent)
            host_missing_offer(input, checks[number].needs[i], &verdict);
    }
    host_missing_offer(input, "facts", &verdict);
    if (json_is_true(json_object_get(topic, "truncated")) && !is_silent &&
        posture_verdict_offer(&verdict, POSTURE_RESULT_UNKNOWN, "facts.incomplete"))
        posture_verdict_add_item(&verdict, "items", checks[number].topic);
    /* Of a reporter that does not measure it (yet). */
    if (!verdict.is_set && json_is_object(input->facts) && !topic &&
        posture_verdict_offer(&verdict, POSTURE_RESULT_UNKNOWN, "facts.incomplete"))
        posture_verdict_add_item(&verdict, "items", checks[number].topic);
    if (!verdict.is_set)
        posture_verdict_offer(&verdict, POSTURE_RESULT_UNKNOWN, "facts.malformed");
    return posture_verdict_finish(&verdict, checks[number].id, results);
}

static int judge(const struct posture_check_input *input, struct posture_results *results)
{
    if (!input->profile)
        return -EINVAL;
    for (size_t i = 0; i < POSTURE_COUNT(checks); i++)
        POSTURE_TRY(subject_check(input, i, results));
    return 0;
}

const struct posture_check_set posture_host_checks = {.kind = "host", .judge = judge};
