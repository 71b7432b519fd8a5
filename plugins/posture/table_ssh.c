/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#include "posture/table.h"

#include "common/report/json.h"
#include "posture/text.h"

#include <stdio.h>
#include <string.h>

enum { LABEL_INDENT = 4, LABEL_WIDTH = 13, VALUE_COLUMN = LABEL_INDENT + LABEL_WIDTH };

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

static void names_add(const json_t *list, struct posture_buf *text)
{
    size_t i;
    const json_t *item;
    json_array_foreach (list, i, item) {
        const char *name = json_string_value(item);
        posture_buf_addf(text, "%s%.128s", i > 0 ? " " : "", name ? name : "?");
    }
}

/* One list where both directions have the same names, else both. */
static void directions_write(struct screen *screen, const json_t *object, const char *ja,
                             const char *en)
{
    const json_t *in = json_object_get(object, "client_to_server");
    const json_t *out = json_object_get(object, "server_to_client");
    POSTURE_AUTO_BUF struct posture_buf text = {0};
    names_add(in, &text);
    if (in && out && !json_equal(in, out)) {
        posture_buf_adds(&text, SCREEN_WORD(screen, " / 逆方向: ", " / other way: "));
        names_add(out, &text);
    }
    line_write(screen, ja, en, &text);
}

static void key_add(const json_t *object, struct posture_buf *text)
{
    const json_t *key = json_object_get(object, "key");
    const char *type = posture_json_string(key, "type");
    const char *curve = posture_json_string(key, "curve");
    posture_buf_addf(text, "%.60s", type ? type : "?");
    if (curve)
        posture_buf_addf(text, " %.60s", curve);
    else if (json_is_integer(json_object_get(key, "bits")))
        posture_buf_addf(text, " %lld",
                         (long long)json_integer_value(json_object_get(key, "bits")));
}

static void host_keys_write(struct screen *screen, const json_t *endpoint)
{
    size_t i;
    const json_t *item;
    json_array_foreach (json_object_get(endpoint, "host_keys"), i, item) {
        POSTURE_AUTO_BUF struct posture_buf text = {0};
        const char *fingerprint = posture_json_string(item, "sha256");
        const json_t *certificate = json_object_get(item, "certificate");
        key_add(item, &text);
        if (fingerprint)
            posture_buf_addf(&text, " SHA256:%.60s", fingerprint);
        posture_buf_adds(&text, " (");
        names_add(json_object_get(item, "algorithms"), &text);
        posture_buf_adds(&text, ")");
        if (certificate) {
            posture_buf_adds(&text, SCREEN_WORD(screen, "、CA ", ", CA "));
            key_add(json_object_get(certificate, "ca"), &text);
        }
        line_write(screen, "ホスト鍵", "host key", &text);
    }
}

static void sizes_write(struct screen *screen, const json_t *endpoint)
{
    POSTURE_AUTO_BUF struct posture_buf text = {0};
    size_t i;
    const json_t *item;
    json_array_foreach (json_object_get(json_object_get(endpoint, "dh_gex"), "requests"),
                        i, item) {
        long long asked = json_integer_value(json_object_get(item, "preferred"));
        long long given = json_integer_value(json_object_get(item, "modulus"));
        posture_buf_addf(&text, "%s%lld%s", i > 0 ? ", " : "", asked,
                         screen->has_unicode ? " → " : " > ");
        if (given > 0)
            posture_buf_addf(&text, "%lld", given);
        else
            posture_buf_adds(&text, SCREEN_WORD(screen, "拒否", "refused"));
    }
    line_write(screen, "DHグループ", "DH groups", &text);
}

/* The reason that a check would give for an endpoint of which nothing is known. */
static void error_write(struct screen *screen, const struct judgement *judgement,
                        const json_t *endpoint)
{
    const json_t *error = json_object_get(endpoint, "error");
    const char *code = posture_json_string(error, "code");
    const char *detail = posture_json_string(error, "detail");
    if (!code)
        return;
    bool is_protocol = strcmp(code, "protocol") == 0;
    POSTURE_AUTO_FREE char *reason =
        posture_asprintf("endpoint.%s%.40s", is_protocol ? "ssh_" : "", code);
    POSTURE_AUTO_BUF struct posture_buf text = {0};
    if (reason)
        posture_check_reason(judgement->checks, reason, NULL, screen->lang, &text);
    if (detail)
        posture_buf_addf(&text, " (%.200s)", detail);
    screen_spaces(screen, LABEL_INDENT);
    screen_pad(screen, SCREEN_DIM, SCREEN_WORD(screen, "結果", "result"), LABEL_WIDTH);
    screen_wrap(screen, SCREEN_UNKNOWN, text.data ? text.data : code, VALUE_COLUMN,
                VALUE_COLUMN);
    screen_line(screen);
}

static void endpoint_write(struct screen *screen, const struct judgement *judgement,
                           const json_t *endpoint, bool is_verbose)
{
    POSTURE_AUTO_BUF struct posture_buf text = {0};
    const char *address = posture_json_string(endpoint, "address");
    const char *banner = posture_json_string(endpoint, "banner");
    screen_spaces(screen, 2);
    screen_wrap(screen, SCREEN_BOLD, address ? address : "?", 2, 2);
    screen_line(screen);
    error_write(screen, judgement, endpoint);
    if (banner)
        posture_buf_adds(&text, banner);
    line_write(screen, "バナー", "banner", &text);
    names_add(json_object_get(endpoint, "kex"), &text);
    line_write(screen, "鍵交換", "key exchange", &text);
    host_keys_write(screen, endpoint);
    sizes_write(screen, endpoint);
    directions_write(screen, json_object_get(endpoint, "ciphers"), "暗号", "ciphers");
    directions_write(screen, json_object_get(endpoint, "macs"), "MAC", "MACs");
    if (is_verbose)
        directions_write(screen, json_object_get(endpoint, "compression"), "圧縮",
                         "compression");
}

/* What differs at no address stands there once. */
static bool is_like_one_before(const json_t *endpoints, size_t index)
{
    static const char *const members[] = {"banner",    "kex",    "ciphers", "macs",
                                          "host_keys", "dh_gex", "error"};
    const json_t *endpoint = json_array_get(endpoints, index);
    for (size_t i = 0; i < index; i++) {
        size_t same = 0;
        for (size_t n = 0; n < POSTURE_COUNT(members); n++) {
            const json_t *one = json_object_get(json_array_get(endpoints, i), members[n]);
            const json_t *other = json_object_get(endpoint, members[n]);
            same += (!one && !other) || (one && other && json_equal(one, other));
        }
        if (same == POSTURE_COUNT(members))
            return true;
    }
    return false;
}

void table_ssh_facts(struct screen *screen, const struct judgement *judgement,
                     const json_t *facts, bool is_verbose)
{
    const json_t *endpoints = json_object_get(facts, "endpoints");
    size_t i;
    const json_t *endpoint;
    json_array_foreach (endpoints, i, endpoint) {
        if (!is_like_one_before(endpoints, i)) {
            endpoint_write(screen, judgement, endpoint, is_verbose);
            continue;
        }
        const char *address = posture_json_string(endpoint, "address");
        screen_spaces(screen, 2);
        screen_wrap(screen, SCREEN_BOLD, address ? address : "?", 2, 2);
        screen_add(screen, SCREEN_DIM, SCREEN_WORD(screen, " 同じ", " the same"));
        screen_line(screen);
    }
}
