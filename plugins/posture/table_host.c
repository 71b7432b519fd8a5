/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#include "posture/table.h"

#include "common/report/json.h"
#include "posture/text.h"

#include <stdio.h>
#include <string.h>

enum { LABEL_INDENT = 2, LABEL_WIDTH = 15, VALUE_COLUMN = LABEL_INDENT + LABEL_WIDTH };

/* A line of what was found; nothing when there is nothing to say. */
static void line_write(struct screen *screen, const char *ja, const char *en,
                       struct posture_buf *text)
{
    if (text->len == 0 || !text->data)
        return;
    screen_spaces(screen, LABEL_INDENT);
    screen_pad(screen, SCREEN_DIM, SCREEN_WORD(screen, ja, en), LABEL_WIDTH);
    screen_wrap(screen, SCREEN_PLAIN, text->data, VALUE_COLUMN, VALUE_COLUMN);
    screen_line(screen);
    posture_buf_clear(text);
}

/* "before text", after a separator when something stands there. */
static void part_add(struct posture_buf *text, const char *before, const char *part)
{
    if (part)
        posture_buf_addf(text, "%s%s%.200s", text->len > 0 ? ", " : "", before, part);
}

static void os_write(struct screen *screen, const json_t *facts)
{
    const json_t *os = json_object_get(facts, "os");
    POSTURE_AUTO_BUF struct posture_buf text = {0};
    const char *id = posture_json_string(os, "id");
    const char *version = posture_json_string(os, "version");
    if (id)
        posture_buf_addf(&text, "%.60s%s%.60s", id, version ? " " : "",
                         version ? version : "");
    part_add(&text, SCREEN_WORD(screen, "カーネル ", "kernel "),
             posture_json_string(os, "kernel"));
    part_add(&text, SCREEN_WORD(screen, "コンテナ ", "container "),
             posture_json_string(os, "container"));
    line_write(screen, "システム", "system", &text);
}

static void libraries_write(struct screen *screen, const json_t *facts)
{
    const json_t *openssl = json_object_get(facts, "openssl");
    const json_t *gnutls = json_object_get(facts, "gnutls");
    const json_t *policy = json_object_get(facts, "crypto_policy");
    POSTURE_AUTO_BUF struct posture_buf text = {0};
    size_t i;
    const json_t *item;
    json_array_foreach (json_object_get(openssl, "libraries"), i, item)
        part_add(&text, "", json_string_value(item));
    part_add(&text, "MinProtocol ", posture_json_string(openssl, "min_protocol"));
    part_add(&text, "CipherString ", posture_json_string(openssl, "cipher_string"));
    line_write(screen, "OpenSSL", "OpenSSL", &text);
    json_array_foreach (json_object_get(gnutls, "libraries"), i, item)
        part_add(&text, "", json_string_value(item));
    json_array_foreach (json_object_get(gnutls, "disabled_versions"), i, item)
        part_add(&text, SCREEN_WORD(screen, "無効 ", "disabled "),
                 json_string_value(item));
    line_write(screen, "GnuTLS", "GnuTLS", &text);
    part_add(&text, "", posture_json_string(policy, "current"));
    line_write(screen, "暗号ポリシー", "crypto policy", &text);
}

static void sshd_write(struct screen *screen, const json_t *facts)
{
    static const struct {
        const char *key, *ja, *en;
    } lists[] = {{"kex", "sshd 鍵交換", "sshd kex"},
                 {"ciphers", "sshd 暗号", "sshd ciphers"},
                 {"macs", "sshd MAC", "sshd MACs"}};
    const json_t *sshd = json_object_get(facts, "sshd");
    POSTURE_AUTO_BUF struct posture_buf text = {0};
    for (size_t n = 0; n < POSTURE_COUNT(lists); n++) {
        size_t i;
        const json_t *item;
        json_array_foreach (json_object_get(sshd, lists[n].key), i, item)
            part_add(&text, "", json_string_value(item));
        line_write(screen, lists[n].ja, lists[n].en, &text);
    }
}

static void disks_write(struct screen *screen, const json_t *facts)
{
    const json_t *disks = json_object_get(facts, "disks");
    POSTURE_AUTO_BUF struct posture_buf text = {0};
    size_t i;
    const json_t *item;
    json_array_foreach (json_object_get(disks, "filesystems"), i, item) {
        const char *path =
            json_string_value(json_array_get(json_object_get(item, "paths"), 0));
        const char *encryption = posture_json_string(item, "encryption");
        part_add(&text, "", path);
        if (path && encryption)
            posture_buf_addf(&text, " (%.20s)", encryption);
    }
    line_write(screen, "ディスク", "disks", &text);
    const char *name;
    json_t *crypt;
    json_object_foreach (json_object_get(disks, "crypt"), name, crypt) {
        part_add(&text, "", posture_json_string(crypt, "name"));
        const char *format = posture_json_string(crypt, "format");
        const char *cipher = posture_json_string(crypt, "cipher");
        posture_buf_addf(&text, " %.20s %.60s", format ? format : "",
                         cipher ? cipher : "");
        if (json_is_integer(json_object_get(crypt, "key_bits")))
            posture_buf_addf(
                &text, " %lld",
                (long long)json_integer_value(json_object_get(crypt, "key_bits")));
    }
    line_write(screen, "暗号化装置", "encryption", &text);
    json_array_foreach (json_object_get(json_object_get(facts, "swap"), "areas"), i,
                        item) {
        const char *encryption = posture_json_string(item, "encryption");
        part_add(&text, "", posture_json_string(item, "path"));
        posture_buf_addf(&text, " (%.20s)", encryption ? encryption : "?");
    }
    line_write(screen, "スワップ", "swap", &text);
}

static void time_write(struct screen *screen, const json_t *facts)
{
    const json_t *time = json_object_get(facts, "time");
    const json_t *state =
        json_object_get(json_object_get(time, "kernel"), "synchronised");
    POSTURE_AUTO_BUF struct posture_buf text = {0};
    if (json_is_boolean(state))
        part_add(&text, "",
                 json_is_true(state) ? SCREEN_WORD(screen, "同期", "synchronised")
                                     : SCREEN_WORD(screen, "非同期", "not synchronised"));
    size_t i;
    const json_t *service;
    json_array_foreach (json_object_get(time, "services"), i, service)
        part_add(&text, "", posture_json_string(service, "name"));
    line_write(screen, "時刻", "time", &text);
}

static void wlan_write(struct screen *screen, const json_t *facts)
{
    static const char *const lists[] = {"interfaces", "networks"};
    POSTURE_AUTO_BUF struct posture_buf text = {0};
    for (size_t n = 0; n < POSTURE_COUNT(lists); n++) {
        size_t i;
        const json_t *item;
        json_array_foreach (json_object_get(json_object_get(facts, "wlan"), lists[n]), i,
                            item) {
            const char *ssid = posture_json_string(item, "ssid");
            const char *security = posture_json_string(item, "security");
            part_add(&text, "", posture_json_string(item, n == 0 ? "name" : "source"));
            posture_buf_addf(&text, "%s%.64s%s%.16s", ssid ? " " : "", ssid ? ssid : "",
                             security ? " " : "", security ? security : "");
        }
    }
    line_write(screen, "無線LAN", "WLAN", &text);
}

static void names_add(struct posture_buf *text, const json_t *list)
{
    size_t i;
    const json_t *item;
    json_array_foreach (list, i, item)
        part_add(text, "", posture_json_string(item, "name"));
}

/* "2026-11-21": a day is enough for people. */
static void day_add(struct posture_buf *text, const char *before, const char *time)
{
    if (time)
        posture_buf_addf(text, " %s%.10s", before, time);
}

static void care_write(struct screen *screen, const json_t *facts)
{
    const json_t *updates = json_object_get(facts, "updates");
    const json_t *reboot = json_object_get(facts, "reboot");
    POSTURE_AUTO_BUF struct posture_buf text = {0};
    size_t i;
    const json_t *item;
    names_add(&text, json_object_get(json_object_get(facts, "file_sharing"), "software"));
    line_write(screen, "ファイル共有", "file sharing", &text);
    json_array_foreach (json_object_get(updates, "archives"), i, item) {
        if (!json_is_true(json_object_get(item, "security")))
            continue;
        part_add(&text, "", posture_json_string(item, "suite"));
        day_add(&text, "", posture_json_string(item, "date"));
    }
    const json_t *count = json_object_get(updates, "pending_count");
    if (json_is_integer(count) && text.len > 0)
        posture_buf_addf(&text, SCREEN_WORD(screen, ", 未適用 %lld", ", %lld pending"),
                         (long long)json_integer_value(count));
    line_write(screen, "更新", "updates", &text);
    part_add(&text, SCREEN_WORD(screen, "最新のカーネル ", "newest kernel "),
             posture_json_string(json_object_get(reboot, "kernel"), "newest"));
    if (json_is_true(json_object_get(reboot, "required")))
        part_add(&text, "", SCREEN_WORD(screen, "再起動が必要", "reboot needed"));
    line_write(screen, "再起動", "reboot", &text);
    json_array_foreach (json_object_get(json_object_get(facts, "malware"), "engines"), i,
                        item) {
        const json_t *database = json_array_get(json_object_get(item, "signatures"), 0);
        part_add(&text, "", posture_json_string(item, "name"));
        day_add(&text, "", posture_json_string(database, "time"));
    }
    line_write(screen, "不正プログラム", "malware", &text);
    json_array_foreach (json_object_get(json_object_get(facts, "backup"), "records"), i,
                        item) {
        part_add(&text, "", posture_json_string(item, "path"));
        day_add(&text, "", posture_json_string(item, "time"));
    }
    line_write(screen, "バックアップ", "backup", &text);
}

void table_host_facts(struct screen *screen, const json_t *facts)
{
    os_write(screen, facts);
    libraries_write(screen, facts);
    sshd_write(screen, facts);
    disks_write(screen, facts);
    time_write(screen, facts);
    wlan_write(screen, facts);
    care_write(screen, facts);
}
