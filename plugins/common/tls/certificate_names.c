/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#include "common/tls/certificate_internal.h"

#include <libpsl.h>
#include <openssl/err.h>

#include <arpa/inet.h>
#include <string.h>

enum { FAULTS_MAX = 16, WILDCARDS_MAX = 16 };

static json_t *ip_json(const ASN1_OCTET_STRING *ip)
{
    char text[INET6_ADDRSTRLEN] = "";
    int len = ASN1_STRING_length(ip);
    if (len == 4)
        inet_ntop(AF_INET, ASN1_STRING_get0_data(ip), text, sizeof(text));
    else if (len == 16)
        inet_ntop(AF_INET6, ASN1_STRING_get0_data(ip), text, sizeof(text));
    return text[0] ? json_string(text) : NULL;
}

static bool is_letter_digit(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

/* One label of a name; NULL: sound (RFC 1034 3.5, RFC 1123 2.1). */
static const char *label_fault(const char *label, size_t len)
{
    if (len == 0)
        return "empty_label";
    if (len > 63)
        return "label_length";
    if (label[0] == '-' || label[len - 1] == '-')
        return "hyphen";
    for (size_t i = 0; i < len; i++) {
        if (label[i] == '*')
            return "wildcard_position";
        if (label[i] == '_')
            return "underscore";
        if (label[i] & 0x80)
            return "not_ascii";
        if (!is_letter_digit(label[i]) && label[i] != '-')
            return "character";
    }
    return NULL;
}

/* What is wrong with a DNS name of a certificate (RFC 5280 4.2.1.6: preferred name
 * syntax, A-labels; RFC 9525 6.3: a wildcard is the whole leftmost label). NULL: sound.
 */
static const char *dns_fault(const char *name, size_t len)
{
    unsigned char address[16];
    char text[POSTURE_TLS_SAN_TEXT_MAX + 1];
    if (len == 0)
        return "empty_label";
    if (len > POSTURE_TLS_SAN_TEXT_MAX)
        return "length";
    if (memchr(name, '\0', len))
        return "nul";
    memcpy(text, name, len);
    text[len] = '\0';
    if (inet_pton(AF_INET, text, address) == 1 || inet_pton(AF_INET6, text, address) == 1)
        return "address";
    const char *at = text;
    bool is_wildcard = len >= 2 && text[0] == '*' && text[1] == '.';
    if (is_wildcard)
        at += 2;
    size_t labels = 0;
    for (;;) {
        size_t n = strcspn(at, ".");
        const char *fault = label_fault(at, n);
        if (fault)
            return fault;
        labels++;
        if (at[n] == '\0')
            break;
        at += n + 1;
    }
    return is_wildcard && labels < 2 ? "wildcard_top" : NULL;
}

const char *posture_tls_wildcard_suffix(const struct posture_tls_trust *trust,
                                        const char *name)
{
    const psl_ctx_t *list = posture_tls_trust_suffixes(trust);
    if (!list || name[0] != '*' || name[1] != '.')
        return NULL;
    /* An A-label is not always found by itself: the list's own entries are both forms. */
    const char *parent = name + 2;
    if (psl_is_public_suffix2(list, parent, PSL_TYPE_ICANN | PSL_TYPE_NO_STAR_RULE))
        return "public";
    if (psl_is_public_suffix2(list, parent, PSL_TYPE_PRIVATE | PSL_TYPE_NO_STAR_RULE))
        return "private";
    return NULL;
}

static void fault_add(json_t *faults, const char *fault, json_t *value_take)
{
    if (json_array_size(faults) < FAULTS_MAX)
        json_array_append_new(faults,
                              json_pack("{s:s,s:o}", "fault", fault, "name", value_take));
    else
        json_decref(value_take);
}

static void dns_add(const ASN1_IA5STRING *name, const struct posture_tls_trust *trust,
                    json_t *dns, json_t *faults, json_t *wildcards)
{
    const char *bytes = (const char *)ASN1_STRING_get0_data(name);
    size_t len = (size_t)ASN1_STRING_length(name);
    json_t *text = posture_tls_asn1_text_json(name, POSTURE_TLS_SAN_TEXT_MAX);
    const char *fault = dns_fault(bytes, len);
    if (fault)
        fault_add(faults, fault, json_incref(text));
    const char *suffix =
        fault ? NULL : posture_tls_wildcard_suffix(trust, json_string_value(text));
    if (suffix && json_array_size(wildcards) < WILDCARDS_MAX)
        json_array_append_new(wildcards,
                              json_pack("{s:O,s:s}", "name", text, "suffix", suffix));
    json_array_append_new(dns, text);
}

/* Sets a list only when it says something. */
static void list_set(json_t *facts, const char *key, json_t *list)
{
    if (json_array_size(list) > 0)
        json_object_set(facts, key, list);
}

json_t *posture_tls_sans_json(X509 *cert, const struct posture_tls_trust *trust,
                              size_t *budget)
{
    json_auto_t *sans = json_object();
    json_auto_t *dns = json_array();
    json_auto_t *ip = json_array();
    json_auto_t *faults = json_array();
    json_auto_t *wildcards = json_array();
    GENERAL_NAMES *names = X509_get_ext_d2i(cert, NID_subject_alt_name, NULL, NULL);
    ERR_clear_error();
    bool is_cut = false;
    for (int i = 0; names && i < sk_GENERAL_NAME_num(names); i++) {
        const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);
        size_t cost =
            name->type == GEN_DNS ? (size_t)ASN1_STRING_length(name->d.dNSName) + 4 : 44;
        if (json_array_size(dns) >= POSTURE_TLS_SANS_MAX ||
            json_array_size(ip) >= POSTURE_TLS_SAN_IPS_MAX || *budget < cost) {
            is_cut = true;
            break;
        }
        *budget -= cost;
        if (name->type == GEN_DNS) {
            dns_add(name->d.dNSName, trust, dns, faults, wildcards);
        } else if (name->type == GEN_IPADD) {
            json_t *text = ip_json(name->d.iPAddress);
            if (text)
                json_array_append_new(ip, text);
            else
                fault_add(faults, "address_length", json_string("?"));
        }
    }
    GENERAL_NAMES_free(names);
    json_object_set(sans, "dns", dns);
    json_object_set(sans, "ip", ip);
    list_set(sans, "faults", faults);
    list_set(sans, "suffix_wildcards", wildcards);
    if (is_cut)
        json_object_set_new(sans, "truncated", json_true());
    return json_incref(sans);
}

static bool has_names(X509 *leaf)
{
    GENERAL_NAMES *names = X509_get_ext_d2i(leaf, NID_subject_alt_name, NULL, NULL);
    ERR_clear_error();
    bool has_any = false;
    for (int i = 0; names && !has_any && i < sk_GENERAL_NAME_num(names); i++) {
        int type = sk_GENERAL_NAME_value(names, i)->type;
        has_any = type == GEN_DNS || type == GEN_IPADD;
    }
    GENERAL_NAMES_free(names);
    return has_any;
}

const char *posture_tls_name_check(X509 *leaf, const char *host, bool is_literal,
                                   json_t **ret_matched)
{
    enum {
        RFC_9525 =
            X509_CHECK_FLAG_NEVER_CHECK_SUBJECT | X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS
    };
    char *matched = NULL;
    int r = is_literal ? X509_check_ip_asc(leaf, host, 0)
                       : X509_check_host(leaf, host, strlen(host), RFC_9525, &matched);
    ERR_clear_error();
    *ret_matched = matched ? posture_tls_text_json(matched, strlen(matched),
                                                   POSTURE_TLS_SAN_TEXT_MAX)
                           : NULL;
    OPENSSL_free(matched);
    if (r == 1)
        return "ok";
    return has_names(leaf) ? "mismatch" : "no_san";
}
