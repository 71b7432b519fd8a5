/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#include "posture_crypto/host_facts.h"

#include "common/base/mem.h"
#include "common/base/parse.h"

#include <errno.h>
#include <string.h>

/* What sshd does, as it says itself (sshd -T): a keyword a line, lower case, its value
 * after a space. Run without a connection's particulars: Match blocks that name a user or
 * an address do not show, so that their presence is a fact of its own. */

enum { LIST_MAX = 128, NAME_BYTES = 128, CONFIG_MAX = 256 * 1024, FOLDER_MAX = 256 };

enum value_form { FORM_TEXT, FORM_YES_NO, FORM_NUMBER, FORM_COMMAS, FORM_REPEATED };

static const struct {
    const char *keyword, *key;
    enum value_form form;
} keywords[] = {
    {"port", "ports", FORM_REPEATED},
    {"listenaddress", "listen", FORM_REPEATED},
    {"hostkey", "host_keys", FORM_REPEATED},
    {"ciphers", "ciphers", FORM_COMMAS},
    {"macs", "macs", FORM_COMMAS},
    {"kexalgorithms", "kex", FORM_COMMAS},
    {"hostkeyalgorithms", "host_key_algorithms", FORM_COMMAS},
    {"pubkeyacceptedalgorithms", "pubkey_algorithms", FORM_COMMAS},
    {"pubkeyacceptedkeytypes", "pubkey_algorithms", FORM_COMMAS}, /* before 8.5 */
    {"requiredrsasize", "required_rsa_size", FORM_NUMBER},
    {"permitrootlogin", "permit_root_login", FORM_TEXT},
    {"passwordauthentication", "password_authentication", FORM_YES_NO},
    {"kbdinteractiveauthentication", "kbd_interactive_authentication", FORM_YES_NO},
    {"challengeresponseauthentication", "kbd_interactive_authentication", FORM_YES_NO},
    {"pubkeyauthentication", "pubkey_authentication", FORM_YES_NO},
    {"hostbasedauthentication", "hostbased_authentication", FORM_YES_NO},
    {"permitemptypasswords", "permit_empty_passwords", FORM_YES_NO},
    {"usepam", "use_pam", FORM_YES_NO},
    {"authenticationmethods", "authentication_methods", FORM_TEXT},
    {"compression", "compression", FORM_TEXT},
    {"maxauthtries", "max_auth_tries", FORM_NUMBER},
};

static int list_append(json_t *sshd, const char *key, const char *text, size_t len)
{
    json_t *list = json_object_get(sshd, key);
    if (!list) {
        list = json_array();
        if (json_object_set_new(sshd, key, list) < 0)
            return -ENOMEM;
    }
    if (len == 0)
        return 0;
    if (json_array_size(list) >= LIST_MAX)
        return json_object_set_new(sshd, "truncated", json_true()) < 0 ? -ENOMEM : 0;
    return json_array_append_new(list, host_text(text, len, NAME_BYTES)) < 0 ? -ENOMEM
                                                                             : 0;
}

static int value_set(json_t *sshd, size_t number, const char *value, size_t len)
{
    const char *key = keywords[number].key;
    char text[32];
    uint32_t count;
    json_t *json = NULL;
    switch (keywords[number].form) {
    case FORM_REPEATED:
        return list_append(sshd, key, value, len);
    case FORM_COMMAS:
        for (size_t at = 0; at < len;) {
            size_t end = at;
            while (end < len && value[end] != ',')
                end++;
            POSTURE_TRY(list_append(sshd, key, value + at, end - at));
            at = end + 1;
        }
        return 0;
    case FORM_YES_NO:
        if (len == 3 && memcmp(value, "yes", 3) == 0)
            json = json_true();
        else if (len == 2 && memcmp(value, "no", 2) == 0)
            json = json_false();
        else
            return POSTURE_E_FORMAT;
        break;
    case FORM_NUMBER:
        if (len >= sizeof(text))
            return POSTURE_E_FORMAT;
        memcpy(text, value, len);
        text[len] = '\0';
        POSTURE_TRY(posture_parse_u32(text, 0, UINT32_MAX, &count));
        json = json_integer(count);
        break;
    case FORM_TEXT:
        json = host_text(value, len, NAME_BYTES);
        break;
    }
    return json_object_set_new(sshd, key, json) < 0 ? -ENOMEM : 0;
}

int host_sshd_read(const char *bytes, size_t len, json_t *sshd)
{
    for (size_t at = 0; at < len;) {
        const char *line = bytes + at;
        const char *newline = memchr(line, '\n', len - at);
        size_t size = newline ? (size_t)(newline - line) : len - at;
        at += size + 1;
        while (size > 0 && (line[size - 1] == '\r' || line[size - 1] == ' '))
            size--;
        const char *space = memchr(line, ' ', size);
        size_t name_len = space ? (size_t)(space - line) : size;
        size_t value_at = space ? name_len + 1 : size;
        for (size_t i = 0; i < POSTURE_COUNT(keywords); i++) {
            if (strlen(keywords[i].keyword) != name_len ||
                memcmp(keywords[i].keyword, line, name_len) != 0)
                continue;
            POSTURE_TRY(value_set(sshd, i, line + value_at, size - value_at));
            break;
        }
    }
    /* Every version says these; what does not is no answer of sshd's. */
    bool is_whole = json_object_get(sshd, "ports") && json_object_get(sshd, "ciphers") &&
                    json_object_get(sshd, "permit_root_login");
    return is_whole ? 0 : POSTURE_E_FORMAT;
}

/* Files that we read anyway. What else is included may hold Match blocks unseen. */
static bool include_is_known(const char *value)
{
    static const char *const folders[] = {"/etc/ssh/sshd_config.d/*.conf",
                                          "sshd_config.d/*.conf"};
    value += strspn(value, " \t=");
    size_t len = strcspn(value, "\r\n");
    while (len > 0 && (value[len - 1] == ' ' || value[len - 1] == '\t'))
        len--;
    for (size_t i = 0; i < POSTURE_COUNT(folders); i++) {
        if (strlen(folders[i]) == len && memcmp(folders[i], value, len) == 0)
            return true;
    }
    return false;
}

/* The keywords that a file sets within Match blocks, in lower case. */
static int match_read(const char *bytes, json_t *sshd)
{
    bool is_within = false;
    for (const char *line = bytes; *line;) {
        line += strspn(line, " \t");
        size_t len = strcspn(line, " \t=\"\r\n");
        char word[64];
        if (len > 0 && len < sizeof(word) && *line != '#') {
            for (size_t i = 0; i < len; i++)
                word[i] = line[i] >= 'A' && line[i] <= 'Z' ? (char)(line[i] - 'A' + 'a')
                                                           : line[i];
            word[len] = '\0';
            if (strcmp(word, "match") == 0)
                is_within = true;
            else if (is_within ||
                     (strcmp(word, "include") == 0 && !include_is_known(line + len)))
                POSTURE_TRY(list_append(sshd, "match_keywords", word, len));
        }
        line += strcspn(line, "\n");
        line += *line == '\n';
    }
    return 0;
}

/* The file and what it includes where Debian and Fedora do. */
static int match_find(const struct host_root *root, json_t *sshd)
{
    POSTURE_AUTO_FREE char *bytes = NULL;
    size_t len;
    POSTURE_TRY(host_root_read(root, "etc/ssh/sshd_config", CONFIG_MAX, &bytes, &len));
    POSTURE_TRY(list_append(sshd, "match_keywords", "", 0));
    POSTURE_TRY(match_read(bytes, sshd));
    HOST_AUTO_NAMES struct host_names names = {0};
    int r = host_root_list(root, "etc/ssh/sshd_config.d", FOLDER_MAX, &names);
    if (r < 0)
        return r == -ENOENT ? 0 : r;
    if (names.is_truncated)
        return POSTURE_E_LIMIT;
    for (size_t i = 0; i < names.count; i++) {
        POSTURE_AUTO_FREE char *path =
            posture_asprintf("etc/ssh/sshd_config.d/%s", names.items[i]);
        POSTURE_AUTO_FREE char *part = NULL;
        if (!path)
            return -ENOMEM;
        POSTURE_TRY(host_root_read(root, path, CONFIG_MAX, &part, &len));
        POSTURE_TRY(match_read(part, sshd));
    }
    return 0;
}

int host_sshd_measure(const struct host_input *input, json_t *facts)
{
    json_t *sshd = json_object();
    bool is_installed = host_root_exists(&input->root, "usr/sbin/sshd");
    if (json_object_set_new(facts, "sshd", sshd) < 0 ||
        json_object_set_new(sshd, "installed", json_boolean(is_installed)) < 0)
        return -ENOMEM;
    if (!is_installed)
        return 0;
    int match = match_find(&input->root, sshd);
    if (match == -ENOMEM)
        return match;
    if (match < 0) {
        (void)json_object_del(sshd, "match_keywords");
        POSTURE_TRY(host_missing(facts, "sshd.match", match, "/etc/ssh/sshd_config"));
    }
    const struct host_helped *helped = &input->helped[HOST_HELPER_SSHD];
    int r = helped->error < 0 ? helped->error
                              : host_sshd_read(helped->bytes, helped->len, sshd);
    if (r == -ENOMEM)
        return r;
    return r < 0 ? host_missing(facts, "sshd", r, "sshd -T") : 0;
}
