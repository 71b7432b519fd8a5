/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#include "posture_crypto/host_check.h"

#include "common/report/json.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

/* What the libraries of this system let programs fall back to that say nothing of their
 * own: OpenSSL, GnuTLS, the system-wide policy. */

/* Versions as the libraries write them; TLSv1 is 1.0. */
static const char *const versions[] = {"SSLv3", "TLSv1.0", "TLSv1.1", "TLSv1.2",
                                       "TLSv1.3"};

static const char *version_of(const char *text)
{
    if (strcasecmp(text, "TLSv1") == 0)
        return "TLSv1.0";
    if (strcasecmp(text, "None") == 0) /* OpenSSL: no bound */
        return "SSLv3";
    for (size_t i = 0; i < POSTURE_COUNT(versions); i++) {
        if (strcasecmp(text, versions[i]) == 0)
            return versions[i];
        /* GnuTLS: TLS1.2, SSL3.0 */
        if (i > 0 && strncasecmp(text, "TLS", 3) == 0 &&
            !strcmp(text + 3, versions[i] + 4))
            return versions[i];
    }
    return strcasecmp(text, "SSL3.0") == 0 ? "SSLv3" : NULL;
}

static bool list_has(const json_t *list, const char *text)
{
    size_t i;
    const json_t *item;
    json_array_foreach (list, i, item) {
        const char *other = json_string_value(item);
        if (other && strcasecmp(other, text) == 0)
            return true;
    }
    return false;
}

/* The major number of the newest "libssl.so.N"; 0 when there is none. */
static int newest_major(const json_t *topic)
{
    int newest = 0;
    size_t i;
    const json_t *item;
    json_array_foreach (json_object_get(topic, "libraries"), i, item) {
        const char *name = json_string_value(item);
        const char *digits = name ? strstr(name, ".so.") : NULL;
        int major = digits && digits[4] >= '0' && digits[4] <= '9' ? digits[4] - '0' : 0;
        newest = major > newest ? major : newest;
    }
    return newest;
}

static bool is_absent(const json_t *topic)
{
    return json_array_size(json_object_get(topic, "libraries")) == 0 &&
           !json_object_get(topic, "config");
}

static void minimum_offer(const struct posture_check_input *input, const char *version,
                          bool is_built_in, struct posture_verdict *verdict)
{
    host_feature_offer(input, "tls_minimum", version, version, verdict);
    if (verdict->value == NULL && verdict->status == POSTURE_RESULT_PASS)
        posture_verdict_value_text(verdict, version);
    if (is_built_in)
        posture_verdict_arg_text(verdict, "origin", "built_in");
}

void host_openssl_check(const struct posture_check_input *input, const json_t *topic,
                        struct posture_verdict *verdict)
{
    if (is_absent(topic)) {
        posture_verdict_offer(verdict, POSTURE_RESULT_NA, "host.library.absent");
        return;
    }
    const json_t *level = json_object_get(topic, "seclevel");
    const char *minimum = posture_json_string(topic, "min_protocol");
    const char *version = minimum ? version_of(minimum) : NULL;
    if (minimum && !version) {
        posture_verdict_offer(verdict, POSTURE_RESULT_UNKNOWN, "host.library.not_read");
        posture_verdict_add_item(verdict, "items", minimum);
        return;
    }
    if (!minimum && json_object_get(topic, "protocol")) {
        posture_verdict_offer(verdict, POSTURE_RESULT_UNKNOWN, "host.library.not_read");
        posture_verdict_add_item(verdict, "items",
                                 posture_json_string(topic, "protocol"));
        return;
    }
    /* OpenSSL 3: TLS 1.0 and 1.1 need signatures that level 1, its default, refuses. */
    bool is_level_zero = json_is_integer(level) && json_integer_value(level) == 0;
    if (!version)
        version = newest_major(topic) >= 3 && !is_level_zero ? "TLSv1.2" : "TLSv1.0";
    minimum_offer(input, version, !minimum, verdict);
    if (json_is_integer(level)) {
        char name[32];
        snprintf(name, sizeof(name), "SECLEVEL=%lld",
                 (long long)json_integer_value(level));
        host_feature_offer(input, "tls_minimum", name, name, verdict);
    }
}

void host_gnutls_check(const struct posture_check_input *input, const json_t *topic,
                       struct posture_verdict *verdict)
{
    if (is_absent(topic)) {
        posture_verdict_offer(verdict, POSTURE_RESULT_NA, "host.library.absent");
        return;
    }
    const json_t *disabled = json_object_get(topic, "disabled_versions");
    const json_t *enabled = json_object_get(topic, "enabled_versions");
    const char *mode = posture_json_string(topic, "override_mode");
    bool is_allowlist = mode && strcasecmp(mode, "allowlist") == 0;
    /* The oldest version that nothing has taken away; SSL 3.0 is off by itself. */
    for (size_t i = 1; i < POSTURE_COUNT(versions); i++) {
        char name[16];
        snprintf(name, sizeof(name), "tls%s", versions[i] + 4);
        bool is_on = is_allowlist ? list_has(enabled, name) : !list_has(disabled, name);
        if (!is_on)
            continue;
        minimum_offer(input, versions[i], !disabled && !is_allowlist, verdict);
        return;
    }
    posture_verdict_offer(verdict, POSTURE_RESULT_PASS, "host.library.no_tls");
}

void host_crypto_policy_check(const struct posture_check_input *input,
                              const json_t *topic, struct posture_verdict *verdict)
{
    if (!json_is_true(json_object_get(topic, "present"))) {
        posture_verdict_offer(verdict, POSTURE_RESULT_NA, "host.crypto_policy.absent");
        return;
    }
    const char *policy = posture_json_string(topic, "current");
    if (!policy)
        policy = posture_json_string(topic, "configured");
    if (!policy) {
        posture_verdict_offer(verdict, POSTURE_RESULT_UNKNOWN, "facts.malformed");
        return;
    }
    /* "DEFAULT:SHA1:NO-CBC": the policy, then modules that change it. */
    char part[64];
    for (const char *at = policy; at;) {
        size_t len = strcspn(at, ":");
        bool is_base = at == policy;
        snprintf(part, sizeof(part), "%s%.*s", is_base ? "" : ":",
                 (int)(len < 60 ? len : 60), at);
        if (len > 0)
            host_feature_offer(input, "crypto_policy", part, policy, verdict);
        at = at[len] == ':' ? at + len + 1 : NULL;
    }
    if (verdict->status == POSTURE_RESULT_PASS)
        posture_verdict_value_text(verdict, policy);
}
