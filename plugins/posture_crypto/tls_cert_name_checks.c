/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */

/* tls.cert.name, tls.cert.wildcard: whom the leaf is for (RFC 9525). */

#include "posture_crypto/tls_cert_rules.h"

#include "common/report/json.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

static const json_t *sans_of(const struct cert_view *view)
{
    return json_object_get(view->certificate, "sans");
}

/* The first of the leaf's odd names whose fault is, or is not, one of the words. */
static bool fault_find(const struct cert_view *view, const char *const *words, bool is_in,
                       char item[static CERT_ITEM_MAX])
{
    size_t i;
    const json_t *element;
    json_array_foreach (json_object_get(sans_of(view), "faults"), i, element) {
        const char *fault = posture_json_string(element, "fault");
        const char *name = posture_json_string(element, "name");
        bool has_word = false;
        for (size_t n = 0; fault && words[n]; n++)
            has_word = has_word || strcmp(words[n], fault) == 0;
        if (!fault || has_word != is_in)
            continue;
        cert_item_set(item, name && *name ? name : fault);
        return true;
    }
    return false;
}

/* Names that resolvers and private networks know, and no public CA may certify. */
static const char *const private_faults[] = {"underscore", "hyphen", "address", NULL};
static const char *const wildcard_faults[] = {"wildcard_position", "wildcard_top", NULL};
static const char *const other_faults[] = {"underscore",        "hyphen",       "address",
                                           "wildcard_position", "wildcard_top", NULL};

static bool name_is_malformed(const struct cert_view *view,
                              char item[static CERT_ITEM_MAX])
{
    return fault_find(view, other_faults, false, item);
}

static bool name_is_private(const struct cert_view *view, char item[static CERT_ITEM_MAX])
{
    return fault_find(view, private_faults, true, item);
}

static bool subject_is_empty(const struct cert_view *view)
{
    const char *subject = posture_json_string(view->certificate, "subject");
    return subject && *subject == '\0';
}

static bool san_is_not_critical(const struct cert_view *view,
                                char item[static CERT_ITEM_MAX])
{
    (void)item;
    const json_t *names = cert_extension(view, "subject_alt_name");
    return subject_is_empty(view) && names && !cert_flag(names, "critical");
}

static bool san_is_critical(const struct cert_view *view, char item[static CERT_ITEM_MAX])
{
    (void)item;
    return !subject_is_empty(view) &&
           cert_flag(cert_extension(view, "subject_alt_name"), "critical");
}

/* CA/B 7.1.4.3: a common name is one of the alternative names, character for character.
 */
static bool common_name_is_extra(const struct cert_view *view,
                                 char item[static CERT_ITEM_MAX])
{
    const json_t *sans = sans_of(view);
    size_t i;
    const json_t *name;
    if (!cert_extension(view, "subject_alt_name") || cert_flag(sans, "truncated"))
        return false;
    json_array_foreach (json_object_get(view->certificate, "common_names"), i, name) {
        const char *text = json_string_value(name);
        if (!text || cert_has_word(sans, "dns", text) || cert_has_word(sans, "ip", text))
            continue;
        cert_item_set(item, text);
        return true;
    }
    return false;
}

static bool wildcard_is_misplaced(const struct cert_view *view,
                                  char item[static CERT_ITEM_MAX])
{
    return fault_find(view, wildcard_faults, true, item);
}

static bool suffix_find(const struct cert_view *view, const char *section,
                        char item[static CERT_ITEM_MAX])
{
    size_t i;
    const json_t *element;
    json_array_foreach (json_object_get(sans_of(view), "suffix_wildcards"), i, element) {
        const char *name = posture_json_string(element, "name");
        const char *suffix = posture_json_string(element, "suffix");
        if (!name || !suffix || strcmp(suffix, section) != 0)
            continue;
        cert_item_set(item, name);
        return true;
    }
    return false;
}

static bool wildcard_is_public(const struct cert_view *view,
                               char item[static CERT_ITEM_MAX])
{
    return suffix_find(view, "public", item);
}

static bool wildcard_is_shared(const struct cert_view *view,
                               char item[static CERT_ITEM_MAX])
{
    return suffix_find(view, "private", item);
}

#define FAIL POSTURE_RESULT_FAIL
#define WARN POSTURE_RESULT_WARN
static const struct cert_rule name_rules[] = {
    {"tls.cert.name.malformed", CERT_LEAF, FAIL, FAIL, name_is_malformed},
    {"tls.cert.name.not_public", CERT_LEAF, WARN, FAIL, name_is_private},
    {"tls.cert.name.san_not_critical", CERT_LEAF, WARN, FAIL, san_is_not_critical},
    {"tls.cert.name.common_name", CERT_LEAF, WARN, FAIL, common_name_is_extra},
    {"tls.cert.name.san_critical", CERT_LEAF, WARN, WARN, san_is_critical},
};
static const struct cert_rule wildcard_rules[] = {
    {"tls.cert.wildcard.position", CERT_LEAF, FAIL, FAIL, wildcard_is_misplaced},
    {"tls.cert.wildcard.public_suffix", CERT_LEAF, FAIL, FAIL, wildcard_is_public},
    {"tls.cert.wildcard.shared_suffix", CERT_LEAF, WARN, WARN, wildcard_is_shared},
};

/* The host is the common name and nothing else: browsers have not looked there for years.
 */
static bool is_common_name_only(const struct posture_check_input *input,
                                const json_t *chain)
{
    const json_t *leaf = json_array_get(json_object_get(chain, "certificates"), 0);
    const char *host = posture_json_string(input->facts, "host");
    size_t i;
    const json_t *name;
    json_array_foreach (json_object_get(leaf, "common_names"), i, name) {
        const char *text = json_string_value(name);
        if (host && text && strcasecmp(host, text) == 0)
            return true;
    }
    return false;
}

static void match_judge(const struct posture_check_input *input, const json_t *chain,
                        struct posture_verdict *verdict)
{
    const char *said =
        posture_json_string(json_object_get(chain, "verification"), "name");
    const char *code = NULL;
    if (said && strcmp(said, "ok") == 0)
        posture_verdict_offer(verdict, POSTURE_RESULT_PASS, "tls.cert.name.matches");
    else if (said && strcmp(said, "mismatch") == 0)
        code = "tls.cert.name.mismatch";
    else if (said && strcmp(said, "no_san") == 0)
        code = is_common_name_only(input, chain) ? "tls.cert.name.common_name_only"
                                                 : "tls.cert.name.no_san";
    else
        tls_incomplete_offer(verdict, "verification");
    if (code && posture_verdict_offer(verdict, POSTURE_RESULT_FAIL, code))
        posture_verdict_value_text(verdict, said);
}

void tls_cert_name_check(const struct posture_check_input *input,
                         const struct tls_endpoint *endpoint,
                         struct posture_verdict *verdict)
{
    size_t i;
    const json_t *chain;
    if (json_array_size(endpoint->chains) == 0)
        posture_verdict_offer(verdict, POSTURE_RESULT_UNKNOWN, "tls.cert.none");
    json_array_foreach (endpoint->chains, i, chain)
        match_judge(input, chain, verdict);
    cert_rules_apply(input, endpoint, name_rules, POSTURE_COUNT(name_rules), verdict);
}

void tls_cert_wildcard_check(const struct posture_check_input *input,
                             const struct tls_endpoint *endpoint,
                             struct posture_verdict *verdict)
{
    cert_rules_judge(input, endpoint, wildcard_rules, POSTURE_COUNT(wildcard_rules),
                     "tls.cert.wildcard.sound", verdict);
}
