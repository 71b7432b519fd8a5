/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */

/* ssh.version, ssh.terrapin: what no profile needs to say. */

#include "posture_crypto/ssh_check.h"

#include <string.h>

/* RFC 4253 section 5.1: 1.99 is a server of SSH-2 that speaks SSH-1 too. */
void ssh_version_check(const struct posture_check_input *input,
                       const struct ssh_endpoint *endpoint,
                       struct posture_verdict *verdict)
{
    (void)input;
    const char *protocol = endpoint->protocol;
    if (!protocol)
        return;
    if (strncmp(protocol, "2.", 2) == 0)
        posture_verdict_offer(verdict, POSTURE_RESULT_PASS, "ssh.version.current");
    else if (strcmp(protocol, "1.99") == 0)
        posture_verdict_offer(verdict, POSTURE_RESULT_FAIL, "ssh.version.ssh1_too");
    else if (strncmp(protocol, "1.", 2) == 0)
        posture_verdict_offer(verdict, POSTURE_RESULT_FAIL, "ssh.version.ssh1_only");
    else
        posture_verdict_offer(verdict, POSTURE_RESULT_UNKNOWN, "ssh.version.unjudged");
    posture_verdict_value_text(verdict, protocol);
}

static bool ends_in(const char *name, const char *end)
{
    size_t len = strlen(name), end_len = strlen(end);
    return len >= end_len && strcmp(name + len - end_len, end) == 0;
}

static bool is_cbc(const char *name)
{
    return ends_in(name, "-cbc") || strstr(name, "-cbc@") != NULL;
}

static bool is_chacha(const char *name)
{
    return strncmp(name, "chacha20-poly1305", strlen("chacha20-poly1305")) == 0;
}

static bool is_etm(const char *name)
{
    return ends_in(name, "-etm@openssh.com");
}

static bool list_has(const json_t *list, bool (*is)(const char *name))
{
    size_t i;
    const json_t *item;
    json_array_foreach (list, i, item) {
        if (is(json_string_value(item)))
            return true;
    }
    return false;
}

static void items_add(const json_t *list, bool (*is)(const char *name),
                      struct posture_verdict *verdict)
{
    size_t i;
    const json_t *item;
    json_array_foreach (list, i, item) {
        if (is(json_string_value(item)))
            posture_verdict_add_item(verdict, "items", json_string_value(item));
    }
}

static bool is_strict(const char *name)
{
    return strcmp(name, "kex-strict-s-v00@openssh.com") == 0;
}

/* CVE-2023-48795: messages at the beginning can be cut out unseen under
 * ChaCha20-Poly1305, and under CBC with encrypt-then-MAC, unless strict kex counts them.
 */
void ssh_terrapin_check(const struct posture_check_input *input,
                        const struct ssh_endpoint *endpoint,
                        struct posture_verdict *verdict)
{
    (void)input;
    if (!endpoint->ciphers[0] || !endpoint->macs[0])
        return;
    bool is_exposed = false;
    for (size_t way = 0; way < 2; way++)
        is_exposed = is_exposed || list_has(endpoint->ciphers[way], is_chacha) ||
                     (list_has(endpoint->ciphers[way], is_cbc) &&
                      list_has(endpoint->macs[way], is_etm));
    if (list_has(endpoint->kex, is_strict)) {
        posture_verdict_offer(verdict, POSTURE_RESULT_PASS, "ssh.terrapin.strict");
        return;
    }
    if (!is_exposed) {
        posture_verdict_offer(verdict, POSTURE_RESULT_PASS, "ssh.terrapin.not_exposed");
        return;
    }
    posture_verdict_offer(verdict, POSTURE_RESULT_FAIL, "ssh.terrapin.exposed");
    for (size_t way = 0; way < 2; way++) {
        items_add(endpoint->ciphers[way], is_chacha, verdict);
        if (list_has(endpoint->macs[way], is_etm))
            items_add(endpoint->ciphers[way], is_cbc, verdict);
    }
}
