/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#include "posture_crypto/host_check.h"

#include "common/report/json.h"

#include <string.h>

static bool list_has(const json_t *list, const char *text)
{
    size_t i;
    const json_t *item;
    json_array_foreach (list, i, item) {
        if (json_is_string(item) && strcmp(json_string_value(item), text) == 0)
            return true;
    }
    return false;
}

/* Every way in ("publickey,password publickey") asks for more than a password. */
static bool methods_are_strong(const json_t *topic)
{
    const char *methods = posture_json_string(topic, "authentication_methods");
    if (!methods || strcmp(methods, "any") == 0)
        return false;
    for (const char *at = methods; *at;) {
        size_t len = strcspn(at, " ");
        const char *strong = strstr(at, "publickey");
        if (len > 0 && (!strong || strong >= at + len))
            return false;
        at += len + strspn(at + len, " ");
    }
    return true;
}

/* What Match blocks set may undo what holds otherwise. */
static const char *match_keyword(const json_t *topic)
{
    static const char *const names[] = {"passwordauthentication",
                                        "permitrootlogin",
                                        "permitemptypasswords",
                                        "kbdinteractiveauthentication",
                                        "challengeresponseauthentication",
                                        "authenticationmethods",
                                        "include"};
    const json_t *list = json_object_get(topic, "match_keywords");
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (list_has(list, names[i]))
            return names[i];
    }
    return NULL;
}

/* How one gets in, by sshd's own words. */
void host_sshd_login_check(const struct posture_check_input *input, const json_t *topic,
                           struct posture_verdict *verdict)
{
    if (json_is_false(json_object_get(topic, "installed"))) {
        posture_verdict_offer(verdict, POSTURE_RESULT_NA, "host.sshd.absent");
        return;
    }
    const char *root = posture_json_string(topic, "permit_root_login");
    const json_t *password = json_object_get(topic, "password_authentication");
    const json_t *empty = json_object_get(topic, "permit_empty_passwords");
    if (!root || !json_is_boolean(password) || !json_is_boolean(empty))
        return; /* why is in facts.errors */
    /* PAM asks for the password through keyboard-interactive too. */
    bool by_pam = json_is_true(json_object_get(topic, "use_pam")) &&
                  json_is_true(json_object_get(topic, "kbd_interactive_authentication"));
    bool has_password = (json_is_true(password) || by_pam) && !methods_are_strong(topic);
    const struct host_weakness weaknesses[] = {
        {"ssh.empty_passwords", "PermitEmptyPasswords",
         has_password && json_is_true(empty)},
        {"ssh.root_password", "PermitRootLogin", has_password && !strcmp(root, "yes")},
        {"ssh.password",
         json_is_true(password) ? "PasswordAuthentication"
                                : "KbdInteractiveAuthentication",
         has_password},
    };
    for (size_t i = 0; i < sizeof(weaknesses) / sizeof(weaknesses[0]); i++)
        host_weakness_offer(input, &weaknesses[i], "host.sshd.login.weak",
                            "host.sshd.login.keys_only", verdict);
    const char *keyword = match_keyword(topic);
    if (keyword && verdict->status != POSTURE_RESULT_NA &&
        posture_verdict_offer(verdict, POSTURE_RESULT_UNKNOWN, "host.sshd.login.match"))
        posture_verdict_add_item(verdict, "items", keyword);
}
