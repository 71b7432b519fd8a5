/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */

/* tls.cert.usage: what each certificate of the path may be used for. */

#include "posture_crypto/tls_cert_rules.h"

#include "common/report/json.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

static bool is_version_1(const struct cert_view *view, char item[static CERT_ITEM_MAX])
{
    json_int_t version =
        json_integer_value(json_object_get(view->certificate, "version"));
    snprintf(item, CERT_ITEM_MAX, "%lld", (long long)version);
    return version < 3;
}

static bool is_ca(const struct cert_view *view)
{
    return cert_flag(cert_extension(view, "basic_constraints"), "ca");
}

static bool leaf_is_ca(const struct cert_view *view, char item[static CERT_ITEM_MAX])
{
    (void)item;
    return is_ca(view);
}

static bool leaf_signs(const struct cert_view *view, char item[static CERT_ITEM_MAX])
{
    (void)item;
    return !is_ca(view) &&
           cert_has_word(cert_extension(view, "key_usage"), "bits", "key_cert_sign");
}

static bool purpose_is_missing(const struct cert_view *view,
                               char item[static CERT_ITEM_MAX])
{
    (void)item;
    return !cert_extension(view, "ext_key_usage");
}

/* Neither for servers nor for everything; one that names no purpose is for nothing. */
static bool purpose_is_other(const struct cert_view *view,
                             char item[static CERT_ITEM_MAX])
{
    const json_t *usage = cert_extension(view, "ext_key_usage");
    const json_t *purposes = json_object_get(usage, "purposes");
    const char *first = json_string_value(json_array_get(purposes, 0));
    cert_item_set(item, first ? first : "-");
    return usage && !cert_flag(usage, "truncated") &&
           !cert_has_word(usage, "purposes", "server_auth") &&
           !cert_has_word(usage, "purposes", "any");
}

static bool purpose_is_any(const struct cert_view *view, char item[static CERT_ITEM_MAX])
{
    (void)item;
    return cert_has_word(cert_extension(view, "ext_key_usage"), "purposes", "any");
}

static bool purpose_is_critical(const struct cert_view *view,
                                char item[static CERT_ITEM_MAX])
{
    (void)item;
    return cert_flag(cert_extension(view, "ext_key_usage"), "critical");
}

static bool root_has_purpose(const struct cert_view *view,
                             char item[static CERT_ITEM_MAX])
{
    (void)item;
    return cert_extension(view, "ext_key_usage") != NULL;
}

/* A server signs its handshake, or (static RSA) decrypts a key with it. */
static bool server_cannot_use(const struct cert_view *view,
                              char item[static CERT_ITEM_MAX])
{
    (void)item;
    const json_t *usage = cert_extension(view, "key_usage");
    const char *type =
        posture_json_string(json_object_get(view->certificate, "key"), "type");
    bool decrypts = type && strcmp(type, "rsa") == 0 &&
                    cert_has_word(usage, "bits", "key_encipherment");
    bool agrees =
        type && strcmp(type, "ec") == 0 && cert_has_word(usage, "bits", "key_agreement");
    return usage && !decrypts && !agrees &&
           !cert_has_word(usage, "bits", "digital_signature");
}

static bool issuer_is_no_ca(const struct cert_view *view, char item[static CERT_ITEM_MAX])
{
    (void)item;
    return !is_ca(view);
}

static bool ca_cannot_sign(const struct cert_view *view, char item[static CERT_ITEM_MAX])
{
    (void)item;
    const json_t *usage = cert_extension(view, "key_usage");
    return usage && !cert_has_word(usage, "bits", "key_cert_sign");
}

static bool ca_usage_is_missing(const struct cert_view *view,
                                char item[static CERT_ITEM_MAX])
{
    (void)item;
    return !cert_extension(view, "key_usage");
}

static bool path_is_too_long(const struct cert_view *view,
                             char item[static CERT_ITEM_MAX])
{
    const json_t *len =
        json_object_get(cert_extension(view, "basic_constraints"), "path_len");
    snprintf(item, CERT_ITEM_MAX, "%lld", (long long)json_integer_value(len));
    return json_is_integer(len) && view->below > json_integer_value(len);
}

static bool leaf_constrains(const struct cert_view *view, char item[static CERT_ITEM_MAX])
{
    (void)item;
    return cert_extension(view, "name_constraints") != NULL;
}

static bool constraints_are_bad(const struct cert_view *view,
                                char item[static CERT_ITEM_MAX])
{
    const char *first = json_string_value(json_array_get(
        json_object_get(cert_extension(view, "name_constraints"), "faults"), 0));
    cert_item_set(item, first ? first : "");
    return first != NULL;
}

static bool constraints_may_be_ignored(const struct cert_view *view,
                                       char item[static CERT_ITEM_MAX])
{
    (void)item;
    const json_t *constraints = cert_extension(view, "name_constraints");
    return constraints && !cert_flag(constraints, "critical");
}

/* *.example.jp stands for a name that is example.jp with one label before. */
static bool wildcard_covers(const char *wildcard, const char *name)
{
    const char *parent = strchr(name, '.');
    return wildcard[0] == '*' && wildcard[1] == '.' && parent &&
           strcasecmp(wildcard + 1, parent) == 0;
}

/* A wildcard of the leaf may stand for a name that this CA is not allowed to certify;
 * verifiers compare the text only (CVE-2025-61727). */
static bool wildcard_escapes(const struct cert_view *view,
                             char item[static CERT_ITEM_MAX])
{
    const json_t *leaf = json_array_get(json_object_get(view->chain, "certificates"), 0);
    const json_t *names = json_object_get(json_object_get(leaf, "sans"), "dns");
    const json_t *excluded =
        json_object_get(cert_extension(view, "name_constraints"), "excluded_dns");
    size_t i, j;
    const json_t *name, *subtree;
    json_array_foreach (excluded, i, subtree) {
        json_array_foreach (names, j, name) {
            const char *wildcard = json_string_value(name);
            const char *text = json_string_value(subtree);
            if (!wildcard || !text || !wildcard_covers(wildcard, text))
                continue;
            cert_item_set(item, wildcard);
            return true;
        }
    }
    return false;
}

#define FAIL POSTURE_RESULT_FAIL
#define WARN POSTURE_RESULT_WARN
#define NA   POSTURE_RESULT_NA /* nobody but its store can do anything about it */
static const struct cert_rule rules[] = {
    {"tls.cert.usage.version_1", CERT_ISSUED, FAIL, FAIL, is_version_1},
    {"tls.cert.usage.ca_as_leaf", CERT_LEAF, FAIL, FAIL, leaf_is_ca},
    {"tls.cert.usage.leaf_signs", CERT_LEAF, FAIL, FAIL, leaf_signs},
    {"tls.cert.usage.not_for_servers", CERT_ISSUED, FAIL, FAIL, purpose_is_other},
    {"tls.cert.usage.no_purpose", CERT_LEAF, WARN, FAIL, purpose_is_missing},
    {"tls.cert.usage.any_purpose", CERT_LEAF, WARN, FAIL, purpose_is_any},
    {"tls.cert.usage.purpose_critical", CERT_LEAF, WARN, WARN, purpose_is_critical},
    {"tls.cert.usage.root_purpose", CERT_ROOT, WARN, NA, root_has_purpose},
    {"tls.cert.usage.key_usage", CERT_LEAF, FAIL, FAIL, server_cannot_use},
    {"tls.cert.usage.issuer_not_ca", CERT_CA, FAIL, FAIL, issuer_is_no_ca},
    {"tls.cert.usage.issuer_cannot_sign", CERT_CA, FAIL, FAIL, ca_cannot_sign},
    {"tls.cert.usage.ca_key_usage", CERT_INTERMEDIATE, WARN, FAIL, ca_usage_is_missing},
    {"tls.cert.usage.path_length", CERT_CA, FAIL, FAIL, path_is_too_long},
    {"tls.cert.usage.leaf_constrains", CERT_LEAF, FAIL, FAIL, leaf_constrains},
    {"tls.cert.usage.constraints_malformed", CERT_CA, FAIL, FAIL, constraints_are_bad},
    {"tls.cert.usage.constraints_escaped", CERT_CA, FAIL, FAIL, wildcard_escapes},
    {"tls.cert.usage.constraints_ignored", CERT_CA, WARN, WARN,
     constraints_may_be_ignored},
};

void tls_cert_usage_check(const struct posture_check_input *input,
                          const struct tls_endpoint *endpoint,
                          struct posture_verdict *verdict)
{
    cert_rules_judge(input, endpoint, rules, POSTURE_COUNT(rules), "tls.cert.usage.sound",
                     verdict);
}
