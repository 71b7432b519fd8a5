/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#include "posture/table.h"

#include "common/base/clock.h"
#include "posture/text.h"

#include <stdio.h>
#include <string.h>

enum { LABEL_INDENT = 4, LABEL_WIDTH = 13, VALUE_COLUMN = LABEL_INDENT + LABEL_WIDTH };

#define DAY_NS (INT64_C(86400) * POSTURE_NS_PER_S)

static void label_add(struct screen *screen, const char *ja, const char *en)
{
    screen_spaces(screen, LABEL_INDENT);
    screen_pad(screen, SCREEN_DIM, SCREEN_WORD(screen, ja, en), LABEL_WIDTH);
}

static void value_add(struct screen *screen, const char *text)
{
    screen_wrap(screen, SCREEN_PLAIN, text, VALUE_COLUMN, VALUE_COLUMN);
    screen_line(screen);
}

/* Strings of a list, separated; foreign, made safe when it is shown. */
static void list_join(const json_t *list, const char *separator, struct posture_buf *out)
{
    size_t i;
    const json_t *item;
    json_array_foreach (list, i, item) {
        const char *text = json_string_value(item);
        if (i > 0)
            posture_buf_adds(out, separator);
        posture_buf_adds(out, text ? text : "?");
    }
}

static void suites_write(struct screen *screen, const json_t *endpoint, bool is_verbose)
{
    const json_t *suites = json_object_get(endpoint, "suites");
    const json_t *order = json_object_get(endpoint, "server_order");
    POSTURE_AUTO_BUF struct posture_buf text = {0};
    const char *version;
    json_t *list;
    json_object_foreach ((json_t *)(uintptr_t)suites, version, list) {
        if (!json_is_array(list))
            continue;
        if (text.len > 0)
            posture_buf_adds(&text, ", ");
        posture_buf_addf(&text, "%s: %zu", version, json_array_size(list));
        if (json_is_true(json_object_get(order, version)))
            posture_buf_adds(&text,
                             SCREEN_WORD(screen, "(サーバー順)", " (server's order)"));
    }
    if (!text.data)
        return;
    label_add(screen, "暗号スイート", "suites");
    value_add(screen, text.data);
    if (!is_verbose)
        return;
    json_object_foreach ((json_t *)(uintptr_t)suites, version, list) {
        POSTURE_AUTO_BUF struct posture_buf names = {0};
        posture_buf_addf(&names, "%s: ", version);
        list_join(list, " ", &names);
        screen_spaces(screen, VALUE_COLUMN);
        if (names.data)
            value_add(screen, names.data);
    }
}

static void groups_write(struct screen *screen, const json_t *endpoint)
{
    POSTURE_AUTO_BUF struct posture_buf text = {0};
    list_join(json_object_get(endpoint, "groups"), " ", &text);
    const json_t *dhe_bits = json_object_get(endpoint, "dhe_bits");
    if (json_is_integer(dhe_bits))
        posture_buf_addf(&text, "%sDHE %lld", text.len > 0 ? " " : "",
                         (long long)json_integer_value(dhe_bits));
    if (text.len == 0)
        return;
    label_add(screen, "グループ", "groups");
    value_add(screen, text.data);
}

static void signatures_write(struct screen *screen, const json_t *endpoint)
{
    const json_t *all = json_object_get(endpoint, "signature_algorithms");
    POSTURE_AUTO_BUF struct posture_buf text = {0};
    const char *version;
    json_t *list;
    json_object_foreach ((json_t *)(uintptr_t)all, version, list) {
        if (json_array_size(list) == 0)
            continue;
        posture_buf_addf(&text, "%s%s: ", text.len > 0 ? "; " : "", version);
        list_join(list, " ", &text);
    }
    if (text.len == 0)
        return;
    label_add(screen, "署名", "signatures");
    value_add(screen, text.data);
}

/* What the server does beside its algorithms, in a few words. */
static void features_write(struct screen *screen, const json_t *endpoint)
{
    static const struct {
        const char *fact;
        const char *ja;
        const char *en;
    } names[] = {
        {"extended_master_secret", "拡張マスターシークレット", "extended master secret"},
        {"encrypt_then_mac", "encrypt-then-MAC", "encrypt-then-MAC"},
        {"secure_renegotiation", "安全な再ネゴシエーション", "secure renegotiation"},
        {"client_renegotiation", "クライアントからの再ネゴシエーション",
         "renegotiation by the client"},
        {"fallback_scsv", "フォールバック拒否", "refuses fallback"},
        {"heartbeat", "heartbeat", "heartbeat"},
    };
    POSTURE_AUTO_BUF struct posture_buf text = {0};
    for (size_t i = 0; i < POSTURE_COUNT(names); i++) {
        if (json_is_true(json_object_get(endpoint, names[i].fact)))
            posture_buf_addf(&text, "%s%s", text.len > 0 ? ", " : "",
                             SCREEN_WORD(screen, names[i].ja, names[i].en));
    }
    const json_t *early =
        json_object_get(json_object_get(endpoint, "early_data"), "max_bytes");
    if (json_integer_value(early) > 0)
        posture_buf_addf(&text, "%s0-RTT %lld", text.len > 0 ? ", " : "",
                         (long long)json_integer_value(early));
    const json_t *alpn = json_object_get(endpoint, "alpn");
    if (json_array_size(alpn) > 0) {
        posture_buf_addf(&text, "%sALPN ", text.len > 0 ? ", " : "");
        list_join(alpn, " ", &text);
    }
    if (text.len == 0)
        return;
    label_add(screen, "機能", "features");
    value_add(screen, text.data);
}

static void key_write(const json_t *certificate, struct posture_buf *out)
{
    const json_t *key = json_object_get(certificate, "key");
    const char *type = posture_json_string(key, "type");
    const char *curve = posture_json_string(key, "curve");
    posture_buf_addf(out, "%.60s", type ? type : "?");
    if (curve)
        posture_buf_addf(out, " %.60s", curve);
    else if (json_is_integer(json_object_get(key, "bits")))
        posture_buf_addf(out, " %lld",
                         (long long)json_integer_value(json_object_get(key, "bits")));
}

static void validity_write(struct screen *screen, const json_t *certificate,
                           int64_t at_ns, struct posture_buf *out)
{
    const char *text = posture_json_string(certificate, "not_after");
    int64_t not_after;
    char date[POSTURE_TIME_TEXT_MAX];
    if (!text || posture_time_parse(text, strlen(text), &not_after) < 0)
        return;
    posture_date_format_jst(not_after, date);
    long long days = (long long)((not_after - at_ns) / DAY_NS);
    if (not_after < at_ns)
        posture_buf_addf(out, SCREEN_WORD(screen, "、%s に期限切れ", ", expired on %s"),
                         date);
    else
        posture_buf_addf(
            out, SCREEN_WORD(screen, "、%s まで(残り%lld日)", ", until %s (%lld days)"),
            date, days);
}

static void certificates_write(struct screen *screen, const json_t *endpoint,
                               int64_t at_ns)
{
    size_t i;
    const json_t *chain;
    json_array_foreach (json_object_get(endpoint, "chains"), i, chain) {
        const json_t *certificates = json_object_get(chain, "certificates");
        const json_t *leaf = json_array_get(certificates, 0);
        const char *subject = posture_json_string(leaf, "subject");
        const char *issuer = posture_json_string(leaf, "issuer");
        if (!json_is_object(leaf))
            continue;
        POSTURE_AUTO_BUF struct posture_buf text = {0};
        posture_buf_addf(&text, "%s, ", subject ? subject : "?");
        key_write(leaf, &text);
        validity_write(screen, leaf, at_ns, &text);
        label_add(screen, "証明書", "certificate");
        if (text.data)
            value_add(screen, text.data);
        screen_spaces(screen, VALUE_COLUMN);
        POSTURE_AUTO_BUF struct posture_buf signer = {0};
        posture_buf_addf(
            &signer,
            SCREEN_WORD(screen, "発行者 %s(%zu枚提示)", "issued by %s (%zu served)"),
            issuer ? issuer : "?", json_array_size(certificates));
        if (signer.data)
            value_add(screen, signer.data);
    }
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
    POSTURE_AUTO_FREE char *reason = posture_asprintf("endpoint.%.40s", code);
    POSTURE_AUTO_BUF struct posture_buf text = {0};
    if (reason)
        posture_check_reason(judgement->checks, reason, NULL, screen->lang, &text);
    if (detail)
        posture_buf_addf(&text, " (%.200s)", detail);
    label_add(screen, "結果", "result");
    screen_wrap(screen, SCREEN_UNKNOWN, text.data ? text.data : code, VALUE_COLUMN,
                VALUE_COLUMN);
    screen_line(screen);
}

/* What was said before TLS began. */
static void starttls_write(struct screen *screen, const json_t *endpoint)
{
    const json_t *starttls = json_object_get(endpoint, "starttls");
    const char *protocol = posture_json_string(starttls, "protocol");
    const json_t *offered = json_object_get(starttls, "offered");
    const json_t *login = json_object_get(starttls, "plaintext_login");
    if (!protocol)
        return;
    POSTURE_AUTO_BUF struct posture_buf text = {0};
    posture_buf_addf(&text, "%.20s: ", protocol);
    posture_buf_adds(
        &text, json_is_true(offered)    ? SCREEN_WORD(screen, "提供あり", "offered")
               : json_is_false(offered) ? SCREEN_WORD(screen, "提供なし", "not offered")
                                        : SCREEN_WORD(screen, "不明", "not known"));
    if (json_is_true(json_object_get(starttls, "injection")))
        posture_buf_adds(&text, SCREEN_WORD(screen, "、開始の応答に平文が続く",
                                            ", bytes in the clear follow the go-ahead"));
    if (json_is_true(login))
        posture_buf_adds(&text, SCREEN_WORD(screen, "、TLSなしでもパスワードを受け付ける",
                                            ", passwords are taken without TLS too"));
    label_add(screen, "STARTTLS", "STARTTLS");
    value_add(screen, text.data ? text.data : protocol);
}

static bool endpoints_are_alike(const json_t *a, const json_t *b)
{
    static const char *const members[] = {"versions",
                                          "suites",
                                          "groups",
                                          "dhe_bits",
                                          "chains",
                                          "error",
                                          "starttls",
                                          "signature_algorithms",
                                          "extended_master_secret",
                                          "encrypt_then_mac",
                                          "secure_renegotiation",
                                          "client_renegotiation",
                                          "fallback_scsv",
                                          "heartbeat",
                                          "early_data",
                                          "alpn"};
    for (size_t i = 0; i < POSTURE_COUNT(members); i++) {
        const json_t *one = json_object_get(a, members[i]);
        const json_t *other = json_object_get(b, members[i]);
        if ((one || other) && !(one && other && json_equal(one, other)))
            return false;
    }
    return true;
}

/* Addresses at which the same was found stand together. False when an earlier one has
 * said it all. */
static bool addresses_write(struct screen *screen, const json_t *endpoints, size_t index)
{
    const json_t *endpoint = json_array_get(endpoints, index);
    for (size_t i = 0; i < index; i++) {
        if (endpoints_are_alike(json_array_get(endpoints, i), endpoint))
            return false;
    }
    POSTURE_AUTO_BUF struct posture_buf text = {0};
    for (size_t i = index; i < json_array_size(endpoints); i++) {
        const json_t *other = json_array_get(endpoints, i);
        const char *address = posture_json_string(other, "address");
        if (i == index || endpoints_are_alike(endpoint, other))
            posture_buf_addf(&text, "%s%.80s", i == index ? "" : ", ",
                             address ? address : "?");
    }
    screen_spaces(screen, 2);
    screen_wrap(screen, SCREEN_BOLD, text.data ? text.data : "?", 2, 2);
    screen_line(screen);
    return true;
}

void table_tls_facts(struct screen *screen, const struct judgement *judgement,
                     const json_t *facts, int64_t at_ns, bool is_verbose)
{
    const json_t *endpoints = json_object_get(facts, "endpoints");
    if (!json_is_array(endpoints))
        return;
    for (size_t i = 0; i < json_array_size(endpoints); i++) {
        const json_t *endpoint = json_array_get(endpoints, i);
        if (!addresses_write(screen, endpoints, i))
            continue;
        error_write(screen, judgement, endpoint);
        starttls_write(screen, endpoint);
        POSTURE_AUTO_BUF struct posture_buf versions = {0};
        list_join(json_object_get(endpoint, "versions"), " ", &versions);
        if (versions.len == 0)
            continue;
        label_add(screen, "バージョン", "versions");
        value_add(screen, versions.data);
        suites_write(screen, endpoint, is_verbose);
        groups_write(screen, endpoint);
        signatures_write(screen, endpoint);
        features_write(screen, endpoint);
        certificates_write(screen, endpoint, at_ns);
    }
}
