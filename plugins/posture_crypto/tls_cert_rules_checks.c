/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#include "common/checks/certificate.h"
#include "posture_crypto/tls_cert_rules.h"

#include "common/base/parse.h"
#include "common/report/json.h"

#include <stdio.h>
#include <string.h>

bool cert_flag(const json_t *object, const char *key)
{
    return json_is_true(json_object_get(object, key));
}

const json_t *cert_extension(const struct cert_view *view, const char *name)
{
    const json_t *extension = json_object_get(view->extensions, name);
    return json_is_object(extension) ? extension : NULL;
}

bool cert_has_word(const json_t *object, const char *key, const char *word)
{
    size_t i;
    const json_t *item;
    json_array_foreach (json_object_get(object, key), i, item) {
        const char *text = json_string_value(item);
        if (text && strcmp(text, word) == 0)
            return true;
    }
    return false;
}

bool cert_faults_have(const json_t *certificate, const char *prefix)
{
    size_t i;
    const json_t *item;
    json_array_foreach (json_object_get(certificate, "faults"), i, item) {
        const char *text = json_string_value(item);
        if (text && strncmp(text, prefix, strlen(prefix)) == 0)
            return true;
    }
    return false;
}

void cert_item_set(char item[static CERT_ITEM_MAX], const char *text)
{
    snprintf(item, CERT_ITEM_MAX, "%.*s",
             (int)posture_utf8_cut(text, strnlen(text, CERT_ITEM_MAX - 1)), text);
}

bool cert_chain_is_public(const json_t *chain)
{
    return cert_flag(json_object_get(chain, "verification"), "public");
}

/* Older reporters do not say it; then the names decide. */
static bool is_self_signed(const json_t *certificate)
{
    const json_t *said = json_object_get(certificate, "self_signed");
    return said ? json_is_true(said) : posture_certificate_is_self_issued(certificate);
}

struct walk {
    const struct posture_check_input *input;
    const json_t *chain;
    cert_view_fn *fn;
    void *data;
    size_t count; /* of this chain, so far */
    unsigned below;
};

static void walk_one(struct walk *walk, const json_t *certificate, bool is_anchor)
{
    bool self_signed = is_self_signed(certificate);
    const json_t *extensions = json_object_get(certificate, "extensions");
    struct cert_view view = {
        .input = walk->input,
        .chain = walk->chain,
        .certificate = certificate,
        .extensions = json_is_object(extensions) ? extensions : NULL,
        .role = walk->count == 0           ? CERT_LEAF
                : is_anchor || self_signed ? CERT_ROOT
                                           : CERT_INTERMEDIATE,
        .is_public = cert_chain_is_public(walk->chain),
        .is_self_signed = self_signed,
        .below = walk->below,
    };
    walk->fn(&view, walk->data);
    if (walk->count > 0 && !posture_certificate_is_self_issued(certificate))
        walk->below++;
    walk->count++;
}

static bool is_on_path(const json_t *path, size_t at)
{
    size_t i;
    const json_t *position;
    json_array_foreach (path, i, position) {
        if (json_integer_value(position) == (json_int_t)at)
            return true;
    }
    return false;
}

/* Where no path holds, what is served beside may be why. */
static void walk_rest(struct walk *walk, const json_t *path, const json_t *certificates)
{
    size_t i;
    const json_t *certificate;
    json_array_foreach (certificates, i, certificate) {
        if (!is_on_path(path, i))
            walk_one(walk, certificate, false);
    }
}

static void walk_path(struct walk *walk, const json_t *path, const json_t *certificates,
                      const json_t *stored, bool is_trusted)
{
    size_t count = json_array_size(path), i;
    for (i = 0; i < count; i++) {
        json_int_t at = json_integer_value(json_array_get(path, i));
        const json_t *certificate =
            at >= 0 ? json_array_get(certificates, (size_t)at) : NULL;
        bool is_last = i + 1 == count && json_array_size(stored) == 0;
        if (json_is_object(certificate))
            walk_one(walk, certificate, is_last && is_trusted);
    }
    if (!is_trusted)
        walk_rest(walk, path, certificates);
    const json_t *certificate;
    json_array_foreach (stored, i, certificate) {
        if (json_is_object(certificate))
            walk_one(walk, certificate, i + 1 == json_array_size(stored));
    }
}

bool cert_views_each(const struct posture_check_input *input,
                     const struct tls_endpoint *endpoint, cert_view_fn *fn, void *data)
{
    bool has_any = false;
    size_t i, j;
    const json_t *chain, *certificate;
    json_array_foreach (endpoint->chains, i, chain) {
        struct walk walk = {.input = input, .chain = chain, .fn = fn, .data = data};
        const json_t *certificates = json_object_get(chain, "certificates");
        const json_t *verification = json_object_get(chain, "verification");
        const json_t *path = json_object_get(verification, "path");
        const char *said = posture_json_string(verification, "chain");
        if (json_array_size(path) > 0) {
            walk_path(&walk, path, certificates, json_object_get(verification, "stored"),
                      said && strcmp(said, "ok") == 0);
        } else {
            json_array_foreach (certificates, j, certificate)
                walk_one(&walk, certificate, false);
        }
        has_any = has_any || walk.count > 0;
    }
    return has_any;
}

struct judgement {
    const struct cert_rule *rules;
    size_t count;
    const char *sound;
    struct posture_verdict *verdict;
};

static void rules_apply(const struct cert_view *view, void *data)
{
    const struct judgement *judgement = data;
    struct posture_verdict *verdict = judgement->verdict;
    if (!view->extensions) {
        if (judgement->sound)
            tls_incomplete_offer(verdict, "extensions");
        return;
    }
    if (judgement->sound)
        posture_verdict_offer(verdict, POSTURE_RESULT_PASS, judgement->sound);
    for (size_t i = 0; i < judgement->count; i++) {
        const struct cert_rule *rule = &judgement->rules[i];
        char item[CERT_ITEM_MAX] = "";
        if (!(rule->roles & view->role) || !rule->is_broken(view, item))
            continue;
        enum posture_result_status status =
            view->is_public ? rule->status_public : rule->status;
        if (posture_verdict_offer(verdict, status, rule->code)) {
            const char *subject = posture_json_string(view->certificate, "subject");
            posture_verdict_arg_text(verdict, "subject",
                                     subject && *subject ? subject : "?");
            posture_verdict_arg_text(verdict, "item", item[0] ? item : "?");
        }
    }
}

void cert_rules_judge(const struct posture_check_input *input,
                      const struct tls_endpoint *endpoint, const struct cert_rule *rules,
                      size_t count, const char *sound, struct posture_verdict *verdict)
{
    struct judgement judgement = {
        .rules = rules, .count = count, .sound = sound, .verdict = verdict};
    if (!cert_views_each(input, endpoint, rules_apply, &judgement))
        posture_verdict_offer(verdict, POSTURE_RESULT_UNKNOWN, "tls.cert.none");
}

void cert_rules_apply(const struct posture_check_input *input,
                      const struct tls_endpoint *endpoint, const struct cert_rule *rules,
                      size_t count, struct posture_verdict *verdict)
{
    struct judgement judgement = {.rules = rules, .count = count, .verdict = verdict};
    cert_views_each(input, endpoint, rules_apply, &judgement);
}
