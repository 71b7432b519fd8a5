/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#include "posture_crypto/host_facts.h"

#include "common/base/mem.h"

#include <errno.h>
#include <string.h>

/* The system-wide cryptographic policy of Fedora and its kin (crypto-policies(7)): what
 * was chosen, what is applied; and whether the kernel runs in FIPS mode. */

enum { LINE_BYTES = 512 };

/* The first line that is neither empty nor a comment. */
static int policy_read(const struct host_root *root, const char *path,
                       char policy[static LINE_BYTES])
{
    POSTURE_AUTO_FREE char *bytes = NULL;
    size_t len;
    POSTURE_TRY(host_root_read(root, path, 65536, &bytes, &len));
    for (const char *line = bytes; *line;) {
        line += strspn(line, " \t\r\n");
        len = strcspn(line, "\r\n#");
        while (len > 0 && (line[len - 1] == ' ' || line[len - 1] == '\t'))
            len--;
        if (len > 0) {
            if (len >= LINE_BYTES)
                return POSTURE_E_LIMIT;
            memcpy(policy, line, len);
            policy[len] = '\0';
            return 0;
        }
        line += strcspn(line, "\r\n");
    }
    return POSTURE_E_FORMAT;
}

static int member_read(const struct host_input *input, const char *path, const char *key,
                       json_t *policy, int *ret_r)
{
    char text[LINE_BYTES];
    *ret_r = policy_read(&input->root, path, text);
    return *ret_r == 0 ? host_set_text(policy, key, text) : 0;
}

int host_crypto_policy_measure(const struct host_input *input, json_t *facts)
{
    json_t *policy = json_object();
    if (json_object_set_new(facts, "crypto_policy", policy) < 0)
        return -ENOMEM;
    char fips[8];
    if (host_root_line(&input->root, "proc/sys/crypto/fips_enabled", fips,
                       sizeof(fips)) == 0 &&
        json_object_set_new(policy, "fips_mode", json_boolean(strcmp(fips, "1") == 0)) <
            0)
        return -ENOMEM;
    bool is_there = host_root_exists(&input->root, "etc/crypto-policies");
    if (json_object_set_new(policy, "present", json_boolean(is_there)) < 0)
        return -ENOMEM;
    if (!is_there)
        return 0;
    int configured, current;
    POSTURE_TRY(member_read(input, "etc/crypto-policies/config", "configured", policy,
                            &configured));
    POSTURE_TRY(member_read(input, "etc/crypto-policies/state/current", "current", policy,
                            &current));
    /* Before version 20190807 there was no state folder: config alone says it. */
    int r = current == -ENOENT ? configured : current;
    return r < 0 ? host_missing(facts, "crypto_policy", r, "/etc/crypto-policies") : 0;
}
