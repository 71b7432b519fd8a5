/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#include "posture_crypto/host_check.h"

#include "common/report/json.h"

#include <stdio.h>
#include <string.h>

enum { WORD_MAX = 32 };

static const char *item_of(const json_t *thing)
{
    const char *path =
        json_string_value(json_array_get(json_object_get(thing, "paths"), 0));
    if (!path)
        path = posture_json_string(thing, "path");
    return path ? path : "?";
}

/* One file system or swap area. Codes: found, fine, virtual, unknown. */
static void thing_offer(const struct posture_check_input *input, const json_t *thing,
                        const char *feature, const char *const codes[static 4],
                        struct posture_verdict *verdict)
{
    const char *encryption = posture_json_string(thing, "encryption");
    const char *item = item_of(thing);
    bool is_plain = encryption && (strcmp(encryption, "none") == 0 ||
                                   strcmp(encryption, "partial") == 0);
    bool is_safe = encryption &&
                   (strcmp(encryption, "full") == 0 || strcmp(encryption, "memory") == 0);
    const struct host_weakness weakness = {feature, item, is_plain};
    host_weakness_offer(input, &weakness, codes[0], codes[1], verdict);
    if (is_plain || is_safe || verdict->status == POSTURE_RESULT_NA)
        return;
    const char *code =
        encryption && strcmp(encryption, "virtual") == 0 ? codes[2] : codes[3];
    if (posture_verdict_offer(verdict, POSTURE_RESULT_UNKNOWN, code) ||
        posture_verdict_is(verdict, POSTURE_RESULT_UNKNOWN, code))
        posture_verdict_add_item(verdict, "items", item);
}

static void list_offer(const struct posture_check_input *input, const json_t *list,
                       const char *feature, const char *const codes[static 4],
                       const char *none, struct posture_verdict *verdict)
{
    size_t i;
    const json_t *thing;
    if (!json_is_array(list))
        return;
    if (json_array_size(list) == 0)
        posture_verdict_offer(verdict, POSTURE_RESULT_NA, none);
    json_array_foreach (list, i, thing)
        thing_offer(input, thing, feature, codes, verdict);
}

void host_disk_encryption_check(const struct posture_check_input *input,
                                const json_t *topic, struct posture_verdict *verdict)
{
    static const char *const codes[4] = {"host.disk.plain", "host.disk.encrypted",
                                         "host.disk.virtual", "host.disk.unknown"};
    list_offer(input, json_object_get(topic, "filesystems"), "storage.plain", codes,
               "host.disk.none", verdict);
}

void host_swap_check(const struct posture_check_input *input, const json_t *topic,
                     struct posture_verdict *verdict)
{
    static const char *const codes[4] = {"host.swap.plain", "host.swap.encrypted",
                                         "host.disk.virtual", "host.disk.unknown"};
    list_offer(input, json_object_get(topic, "areas"), "swap.plain", codes,
               "host.swap.none", verdict);
}

/* Letters and digits up to anything else, as an upper-case word. */
static size_t word_take(const char *text, char word[static WORD_MAX])
{
    size_t n = 0;
    while ((text[n] >= 'a' && text[n] <= 'z') || (text[n] >= 'A' && text[n] <= 'Z') ||
           (text[n] >= '0' && text[n] <= '9') || text[n] == '_') {
        if (n + 1 >= WORD_MAX)
            break;
        word[n] =
            text[n] >= 'a' && text[n] <= 'z' ? (char)(text[n] - 'a' + 'A') : text[n];
        n++;
    }
    word[n] = '\0';
    return n;
}

/* "aes-xts-plain64", "aes:64-cbc-lmk", "capi:xts(aes)-plain64",
 * "capi:authenc(hmac(sha256),xts(aes))-random": cipher and mode. */
static bool spec_split(const char *spec, char cipher[static WORD_MAX],
                       char mode[static WORD_MAX])
{
    if (strncmp(spec, "capi:", 5) != 0) {
        const char *dash = strchr(spec, '-');
        return word_take(spec, cipher) > 0 && dash && word_take(dash + 1, mode) > 0;
    }
    spec += 5;
    if (strncmp(spec, "authenc(", 8) == 0) {
        spec = strstr(spec, "),");
        if (!spec)
            return false;
        spec += 2;
    }
    size_t n = word_take(spec, mode);
    return n > 0 && spec[n] == '(' && word_take(spec + n + 1, cipher) > 0;
}

/* XTS takes two keys of the cipher's size; an authenticated key has the MAC's besides,
 * whose size the table does not tell apart. */
static void name_make(const char *cipher, const char *mode, json_int_t key_bits,
                      char name[static WORD_MAX * 2])
{
    bool is_sized = strcmp(cipher, "AES") == 0 || strcmp(cipher, "CAMELLIA") == 0;
    if (strcmp(cipher, "CIPHER_NULL") == 0)
        snprintf(name, WORD_MAX * 2, "NULL");
    else if (strcmp(mode, "ADIANTUM") == 0)
        snprintf(name, WORD_MAX * 2, "ADIANTUM");
    else if (is_sized)
        snprintf(name, WORD_MAX * 2, "%s-%lld", cipher,
                 (long long)(strcmp(mode, "XTS") == 0 ? key_bits / 2 : key_bits));
    else
        snprintf(name, WORD_MAX * 2, "%s", cipher);
}

static void cipher_offer(const struct posture_check_input *input, const json_t *crypt,
                         struct posture_verdict *verdict)
{
    const char *spec = posture_json_string(crypt, "cipher");
    const json_t *bits = json_object_get(crypt, "key_bits");
    char cipher[WORD_MAX], mode[WORD_MAX], name[WORD_MAX * 2];
    if (!spec) {
        if (!host_error_reason(input->facts, "disks.ciphers"))
            posture_verdict_offer_incomplete(verdict, "disks.crypt");
        return;
    }
    bool is_authenticated = strstr(spec, "authenc(") != NULL;
    if (!spec_split(spec, cipher, mode) || is_authenticated || !json_is_integer(bits)) {
        if (posture_verdict_offer(verdict, POSTURE_RESULT_UNKNOWN,
                                  "host.disk_cipher.odd"))
            posture_verdict_add_item(verdict, "items", spec);
        return;
    }
    name_make(cipher, mode, json_integer_value(bits), name);
    struct posture_finding finding, of_mode;
    posture_algorithm_judge(input, "cipher", name, &finding);
    if (strcmp(name, "NULL") != 0 && strcmp(name, "ADIANTUM") != 0) {
        posture_algorithm_judge(input, "mode", mode, &of_mode);
        posture_finding_add(&finding, &of_mode);
    }
    (void)posture_finding_offer(input, &finding, spec, verdict);
}

void host_disk_cipher_check(const struct posture_check_input *input, const json_t *topic,
                            struct posture_verdict *verdict)
{
    const json_t *crypts = json_object_get(topic, "crypt");
    const char *name;
    json_t *crypt;
    if (!json_is_object(crypts))
        return;
    if (json_object_size(crypts) == 0)
        posture_verdict_offer(verdict, POSTURE_RESULT_NA, "host.disk_cipher.none");
    json_object_foreach ((json_t *)(uintptr_t)crypts, name, crypt)
        cipher_offer(input, crypt, verdict);
}
