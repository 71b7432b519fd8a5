/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#include "common/tls/certificate_internal.h"

#include <openssl/ct.h>
#include <openssl/err.h>

#include <stdio.h>
#include <string.h>

enum {
    EXTENSIONS_MAX = 64, /* looked at; conforming certificates have about ten */
    LIST_MAX = 16,
    SUBTREES_MAX = 16,
    URLS_MAX = 2,
    URL_TEXT_MAX = 200,
    SCTS_MAX = 32,
};

/* Sets a list only when it says something. */
static void list_set(json_t *facts, const char *key, json_t *list_take)
{
    if (json_array_size(list_take) > 0)
        json_object_set_new(facts, key, list_take);
    else
        json_decref(list_take);
}

/* Each reader: the decoded extension → members of facts. */
typedef void extension_fn(void *value, json_t *facts);

static void basic_constraints_read(void *value, json_t *facts)
{
    const BASIC_CONSTRAINTS *constraints = value;
    json_object_set_new(facts, "ca", json_boolean(constraints->ca != 0));
    if (!constraints->pathlen)
        return;
    if (ASN1_STRING_type(constraints->pathlen) == V_ASN1_NEG_INTEGER) {
        json_object_set_new(facts, "malformed", json_true());
        return;
    }
    long len = ASN1_INTEGER_get(constraints->pathlen);
    json_object_set_new(facts, "path_len",
                        json_integer(len < 0 || len > 1000 ? 1000 : len));
}

static void key_usage_read(void *value, json_t *facts)
{
    static const char *const names[] = {
        "digital_signature", "content_commitment", "key_encipherment",
        "data_encipherment", "key_agreement",      "key_cert_sign",
        "crl_sign",          "encipher_only",      "decipher_only",
    };
    json_t *bits = json_array();
    for (int i = 0; i < (int)POSTURE_COUNT(names); i++) {
        if (ASN1_BIT_STRING_get_bit(value, i))
            json_array_append_new(bits, json_string(names[i]));
    }
    json_object_set_new(facts, "bits", bits);
}

static json_t *oids_json(const ASN1_OBJECT *(*get)(const void *list, int i),
                         const void *list, int count, bool *ret_is_cut)
{
    json_t *oids = json_array();
    for (int i = 0; i < count && i < LIST_MAX; i++) {
        char oid[POSTURE_TLS_OID_TEXT];
        posture_tls_oid_text(get(list, i), oid);
        json_array_append_new(oids, json_string(oid));
    }
    *ret_is_cut = count > LIST_MAX;
    return oids;
}

static const char *purpose_name(const ASN1_OBJECT *purpose,
                                char buf[static POSTURE_TLS_OID_TEXT])
{
    switch (OBJ_obj2nid(purpose)) {
    case NID_server_auth:
        return "server_auth";
    case NID_client_auth:
        return "client_auth";
    case NID_code_sign:
        return "code_signing";
    case NID_email_protect:
        return "email_protection";
    case NID_time_stamp:
        return "time_stamping";
    case NID_OCSP_sign:
        return "ocsp_signing";
    case NID_anyExtendedKeyUsage:
        return "any";
    default:
        posture_tls_oid_text(purpose, buf);
        return buf;
    }
}

static void purposes_read(void *value, json_t *facts)
{
    const EXTENDED_KEY_USAGE *usage = value;
    json_t *purposes = json_array();
    for (int i = 0; i < sk_ASN1_OBJECT_num(usage) && i < LIST_MAX; i++) {
        char oid[POSTURE_TLS_OID_TEXT];
        json_array_append_new(
            purposes, json_string(purpose_name(sk_ASN1_OBJECT_value(usage, i), oid)));
    }
    json_object_set_new(facts, "purposes", purposes);
    if (sk_ASN1_OBJECT_num(usage) > LIST_MAX)
        json_object_set_new(facts, "truncated", json_true());
}

static void alt_name_read(void *value, json_t *facts)
{
    static const char *const kinds[] = {
        [GEN_OTHERNAME] = "other", [GEN_EMAIL] = "email",     [GEN_DNS] = "dns",
        [GEN_X400] = "other",      [GEN_DIRNAME] = "dirname", [GEN_EDIPARTY] = "other",
        [GEN_URI] = "uri",         [GEN_IPADD] = "ip",        [GEN_RID] = "other",
    };
    const GENERAL_NAMES *names = value;
    json_t *counts = json_object();
    for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) {
        int type = sk_GENERAL_NAME_value(names, i)->type;
        const char *kind =
            type >= 0 && type < (int)POSTURE_COUNT(kinds) ? kinds[type] : "other";
        json_int_t count = json_integer_value(json_object_get(counts, kind));
        json_object_set_new(counts, kind, json_integer(count + 1));
    }
    json_object_set_new(facts, "names", counts);
}

static void key_id_read(void *value, json_t *facts)
{
    if (ASN1_STRING_length(value) == 0)
        json_object_set_new(facts, "malformed", json_true());
}

static void authority_read(void *value, json_t *facts)
{
    const AUTHORITY_KEYID *authority = value;
    json_object_set_new(facts, "key_id", json_boolean(authority->keyid != NULL));
    if (authority->issuer)
        json_object_set_new(facts, "issuer", json_true());
    if (authority->serial)
        json_object_set_new(facts, "serial", json_true());
}

/* RFC 5280 4.2.1.10 of one constraint; NULL: sound. */
static const char *subtree_fault(const GENERAL_SUBTREE *tree)
{
    const GENERAL_NAME *name = tree->base;
    if ((tree->minimum && ASN1_INTEGER_get(tree->minimum) != 0) || tree->maximum)
        return "range";
    if (name->type == GEN_DNS) {
        const char *text = (const char *)ASN1_STRING_get0_data(name->d.dNSName);
        size_t len = (size_t)ASN1_STRING_length(name->d.dNSName);
        if (memchr(text, '*', len))
            return "dns_wildcard";
        if (len > 0 && text[0] == '.')
            return "dns_leading_period";
        if (memchr(text, '\0', len))
            return "dns_nul";
    } else if (name->type == GEN_IPADD) {
        const unsigned char *bytes = ASN1_STRING_get0_data(name->d.iPAddress);
        int len = ASN1_STRING_length(name->d.iPAddress);
        if (len != 8 && len != 32)
            return "ip_length";
        bool has_ended = false; /* the mask is ones, then zeros */
        for (int bit = len * 4; bit < len * 8; bit++) {
            bool is_set = bytes[bit / 8] >> (7 - bit % 8) & 1;
            if (is_set && has_ended)
                return "ip_mask";
            has_ended = has_ended || !is_set;
        }
    }
    return NULL;
}

static bool subtrees_read(const STACK_OF(GENERAL_SUBTREE) * trees, const char *key,
                          json_t *facts, json_t *faults)
{
    json_t *dns = json_array();
    for (int i = 0; i < sk_GENERAL_SUBTREE_num(trees); i++) {
        const GENERAL_SUBTREE *tree = sk_GENERAL_SUBTREE_value(trees, i);
        const char *fault = subtree_fault(tree);
        if (fault && json_array_size(faults) < LIST_MAX)
            json_array_append_new(faults, json_string(fault));
        if (tree->base->type != GEN_DNS)
            continue;
        if (json_array_size(dns) < SUBTREES_MAX)
            json_array_append_new(dns,
                                  posture_tls_asn1_text_json(tree->base->d.dNSName,
                                                             POSTURE_TLS_SAN_TEXT_MAX));
        else
            json_object_set_new(facts, "truncated", json_true());
    }
    list_set(facts, key, dns);
    return sk_GENERAL_SUBTREE_num(trees) > 0;
}

static void name_constraints_read(void *value, json_t *facts)
{
    const NAME_CONSTRAINTS *constraints = value;
    json_t *faults = json_array();
    bool has_permitted =
        subtrees_read(constraints->permittedSubtrees, "permitted_dns", facts, faults);
    bool has_excluded =
        subtrees_read(constraints->excludedSubtrees, "excluded_dns", facts, faults);
    if (!has_permitted && !has_excluded)
        json_array_append_new(faults, json_string("empty"));
    list_set(facts, "faults", faults);
}

static const ASN1_OBJECT *policy_get(const void *list, int i)
{
    return sk_POLICYINFO_value((const STACK_OF(POLICYINFO) *)list, i)->policyid;
}

/* How the CA has validated the subscriber: reserved identifiers of the CA/Browser Forum.
 */
static const char *validation_of(const json_t *oids)
{
    static const struct {
        const char *oid, *word;
    } reserved[] = {
        {"2.23.140.1.1", "ev"},
        {"2.23.140.1.2.1", "dv"},
        {"2.23.140.1.2.2", "ov"},
        {"2.23.140.1.2.3", "iv"},
    };
    size_t i;
    const json_t *oid;
    json_array_foreach (oids, i, oid) {
        for (size_t n = 0; n < POSTURE_COUNT(reserved); n++) {
            if (!strcmp(json_string_value(oid), reserved[n].oid))
                return reserved[n].word;
        }
    }
    return NULL;
}

static void policies_read(void *value, json_t *facts)
{
    const STACK_OF(POLICYINFO) *policies = value;
    bool is_cut = false;
    json_t *oids = oids_json(policy_get, policies, sk_POLICYINFO_num(policies), &is_cut);
    const char *validation = validation_of(oids);
    if (validation)
        json_object_set_new(facts, "validation", json_string(validation));
    json_object_set_new(facts, "oids", oids);
    if (is_cut)
        json_object_set_new(facts, "truncated", json_true());
}

static void url_add(json_t *urls, const GENERAL_NAME *name)
{
    if (name && name->type == GEN_URI && json_array_size(urls) < URLS_MAX)
        json_array_append_new(urls, posture_tls_asn1_text_json(
                                        name->d.uniformResourceIdentifier, URL_TEXT_MAX));
}

static void crl_points_read(void *value, json_t *facts)
{
    const CRL_DIST_POINTS *points = value;
    json_t *urls = json_array();
    for (int i = 0; i < sk_DIST_POINT_num(points) && i < LIST_MAX; i++) {
        const DIST_POINT *point = sk_DIST_POINT_value(points, i);
        if (!point->distpoint || point->distpoint->type != 0)
            continue;
        const GENERAL_NAMES *names = point->distpoint->name.fullname;
        for (int n = 0; n < sk_GENERAL_NAME_num(names); n++)
            url_add(urls, sk_GENERAL_NAME_value(names, n));
    }
    json_object_set_new(facts, "urls", urls);
}

static void access_read(void *value, json_t *facts)
{
    const AUTHORITY_INFO_ACCESS *access = value;
    json_t *ocsp = json_array(), *issuers = json_array();
    for (int i = 0; i < sk_ACCESS_DESCRIPTION_num(access); i++) {
        const ACCESS_DESCRIPTION *item = sk_ACCESS_DESCRIPTION_value(access, i);
        int method = OBJ_obj2nid(item->method);
        if (method == NID_ad_OCSP)
            url_add(ocsp, item->location);
        else if (method == NID_ad_ca_issuers)
            url_add(issuers, item->location);
    }
    list_set(facts, "ocsp", ocsp);
    list_set(facts, "issuers", issuers);
}

static void feature_read(void *value, json_t *facts)
{
    enum { STATUS_REQUEST = 5, STATUS_REQUEST_V2 = 17 }; /* RFC 7633 */
    const STACK_OF(ASN1_INTEGER) *features = value;
    for (int i = 0; i < sk_ASN1_INTEGER_num(features); i++) {
        long feature = ASN1_INTEGER_get(sk_ASN1_INTEGER_value(features, i));
        if (feature == STATUS_REQUEST || feature == STATUS_REQUEST_V2)
            json_object_set_new(facts, "must_staple", json_true());
    }
}

static void scts_read(void *value, json_t *facts)
{
    const STACK_OF(SCT) *scts = value;
    int count = sk_SCT_num(scts), logs = 0;
    for (int i = 0; i < count && i < SCTS_MAX; i++) {
        unsigned char *id, *other;
        size_t len = SCT_get0_log_id(sk_SCT_value(scts, i), &id);
        bool is_new = len > 0;
        for (int j = 0; is_new && j < i; j++)
            is_new = SCT_get0_log_id(sk_SCT_value(scts, j), &other) != len ||
                     memcmp(id, other, len) != 0;
        logs += is_new;
    }
    json_object_set_new(facts, "count", json_integer(count));
    json_object_set_new(facts, "logs", json_integer(logs));
}

static const struct extension {
    int nid;
    const char *key;
    extension_fn *read; /* NULL: that it is there is all */
} known[] = {
    {NID_basic_constraints, "basic_constraints", basic_constraints_read},
    {NID_key_usage, "key_usage", key_usage_read},
    {NID_ext_key_usage, "ext_key_usage", purposes_read},
    {NID_subject_alt_name, "subject_alt_name", alt_name_read},
    {NID_subject_key_identifier, "subject_key_id", key_id_read},
    {NID_authority_key_identifier, "authority_key_id", authority_read},
    {NID_name_constraints, "name_constraints", name_constraints_read},
    {NID_certificate_policies, "policies", policies_read},
    {NID_policy_constraints, "policy_constraints", NULL},
    {NID_crl_distribution_points, "crl_distribution_points", crl_points_read},
    {NID_info_access, "authority_info_access", access_read},
    {NID_tlsfeature, "tls_feature", feature_read},
    {NID_ct_precert_scts, "scts", scts_read},
};

static json_t *known_json(X509_EXTENSION *extension, const struct extension *as,
                          bool *ret_is_bad)
{
    json_t *facts = json_object();
    if (X509_EXTENSION_get_critical(extension))
        json_object_set_new(facts, "critical", json_true());
    void *value = X509V3_EXT_d2i(extension);
    *ret_is_bad = !value;
    if (value && as->read)
        as->read(value, facts);
    if (!value)
        return facts;
    const X509V3_EXT_METHOD *method = X509V3_EXT_get(extension);
    if (method->it)
        ASN1_item_free(value, ASN1_ITEM_ptr(method->it));
    else
        method->ext_free(value);
    return facts;
}

static const struct extension *known_find(const X509_EXTENSION *extension)
{
    int nid = OBJ_obj2nid(X509_EXTENSION_get_object((X509_EXTENSION *)extension));
    for (size_t i = 0; nid != NID_undef && i < POSTURE_COUNT(known); i++) {
        if (known[i].nid == nid)
            return &known[i];
    }
    return NULL;
}

static void oid_add(json_t *list, const ASN1_OBJECT *object)
{
    char oid[POSTURE_TLS_OID_TEXT];
    posture_tls_oid_text(object, oid);
    if (json_array_size(list) < LIST_MAX)
        json_array_append_new(list, json_string(oid));
}

json_t *posture_tls_extensions_json(X509 *cert)
{
    json_t *facts = json_object();
    json_t *unknown = json_array(), *twice = json_array(), *bad = json_array();
    int count = X509_get_ext_count(cert);
    for (int i = 0; i < count && i < EXTENSIONS_MAX; i++) {
        X509_EXTENSION *extension = X509_get_ext(cert, i);
        const ASN1_OBJECT *object = X509_EXTENSION_get_object(extension);
        if (X509_get_ext_by_OBJ(cert, object, i) > i) {
            oid_add(twice, object);
            continue; /* the last one is shown */
        }
        const struct extension *as = known_find(extension);
        if (!as) {
            if (X509_EXTENSION_get_critical(extension) &&
                !X509_supported_extension(extension))
                oid_add(unknown, object);
            continue;
        }
        bool is_bad = false;
        json_object_set_new(facts, as->key, known_json(extension, as, &is_bad));
        if (is_bad)
            oid_add(bad, object);
    }
    list_set(facts, "unknown_critical", unknown);
    list_set(facts, "repeated", twice);
    list_set(facts, "malformed", bad);
    if (count > EXTENSIONS_MAX)
        json_object_set_new(facts, "truncated", json_true());
    ERR_clear_error();
    return facts;
}
