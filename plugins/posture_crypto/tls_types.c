/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#include "posture_crypto/tls_types.h"

#include "common/base/parse.h"
#include "common/report/json.h"

#include <stdio.h>
#include <string.h>

const json_t *tls_types_of(const struct posture_check_input *input)
{
    const json_t *types = json_object_get(
        json_object_get(posture_profile_json(input->profile), "tls_types"), "types");
    return json_array_size(types) > 0 ? types : NULL;
}

const char *tls_type_id(const json_t *type)
{
    const char *id = posture_json_string(type, "id");
    return id ? id : "?";
}

enum posture_result_status tls_type_result(const json_t *type)
{
    enum posture_result_status status = POSTURE_RESULT_UNKNOWN;
    const char *name = posture_json_string(type, "result");
    if (!name || posture_result_from_name(name, &status) < 0)
        return POSTURE_RESULT_UNKNOWN;
    return status;
}

static enum posture_certainty certainty_of(const json_t *object)
{
    const char *name = posture_json_string(object, "certainty");
    if (name && strcmp(name, "high") == 0)
        return POSTURE_CERTAINTY_HIGH;
    return name && strcmp(name, "medium") == 0 ? POSTURE_CERTAINTY_MEDIUM
                                               : POSTURE_CERTAINTY_LOW;
}

static void obstacle_init(struct tls_obstacle *ret)
{
    *ret = (struct tls_obstacle){
        .meets = TLS_MEETS_YES,
        .certainty = POSTURE_CERTAINTY_HIGH,
        .valid_until_ns = INT64_MAX,
    };
}

/* The first thing of the worst kind stays. */
static void obstacle_add(struct tls_obstacle *ret, enum tls_meets meets, bool is_missing,
                         const char *item, enum posture_certainty certainty)
{
    if (meets == TLS_MEETS_YES) {
        if (ret->meets == TLS_MEETS_YES && certainty < ret->certainty)
            ret->certainty = certainty;
        return;
    }
    if (meets <= ret->meets)
        return;
    ret->meets = meets;
    ret->is_missing = is_missing;
    ret->certainty = certainty;
    int len = (int)posture_utf8_cut(item, strnlen(item, sizeof(ret->item) - 1));
    snprintf(ret->item, sizeof(ret->item), "%.*s", len, item);
}

static const json_t *rule_of(const json_t *rules, const char *version)
{
    size_t i;
    const json_t *rule;
    json_array_foreach (rules, i, rule) {
        const char *name = posture_json_string(rule, "name");
        if (name && strcmp(name, version) == 0)
            return rule;
    }
    return NULL;
}

static bool list_has(const json_t *list, const char *word)
{
    size_t i;
    const json_t *item;
    json_array_foreach (list, i, item) {
        const char *text = json_string_value(item);
        if (text && strcmp(text, word) == 0)
            return true;
    }
    return false;
}

static bool rule_is(const json_t *rule, const char *word)
{
    const char *text = posture_json_string(rule, "rule");
    return text && strcmp(text, word) == 0;
}

void tls_type_versions(const json_t *type, const struct tls_endpoint *endpoint,
                       struct tls_obstacle *ret)
{
    obstacle_init(ret);
    const json_t *rules = json_object_get(type, "versions");
    size_t i;
    const json_t *item;
    json_array_foreach (endpoint->versions, i, item) {
        const char *version = json_string_value(item);
        const json_t *rule = rule_of(rules, version);
        enum tls_meets meets = !rule                        ? TLS_MEETS_UNKNOWN
                               : rule_is(rule, "forbidden") ? TLS_MEETS_NO
                                                            : TLS_MEETS_YES;
        obstacle_add(ret, meets, false, version,
                     rule ? certainty_of(rule) : POSTURE_CERTAINTY_HIGH);
    }
    json_array_foreach (rules, i, item) {
        const char *version = posture_json_string(item, "name");
        if (!version || !rule_is(item, "must") || list_has(endpoint->versions, version))
            continue;
        /* What was not found may be there where the versions are not all known. */
        bool is_whole = !(endpoint->incomplete & TLS_NEED_VERSIONS);
        obstacle_add(ret, is_whole ? TLS_MEETS_NO : TLS_MEETS_UNKNOWN, true, version,
                     certainty_of(item));
    }
}

struct type_walk {
    const struct posture_check_input *input;
    const json_t *type;
    struct tls_obstacle *ret;
};

static const json_t *suite_set_of(const json_t *type, const char *name)
{
    size_t i;
    const json_t *set;
    json_array_foreach (json_object_get(type, "suites"), i, set) {
        if (list_has(json_object_get(set, "names"), name))
            return set;
    }
    return NULL;
}

/* The set of any type that names the suite. */
static const json_t *any_set_of(const json_t *types, const char *name)
{
    const json_t *set = NULL;
    size_t i;
    const json_t *type;
    json_array_foreach (types, i, type) {
        set = suite_set_of(type, name);
        if (set)
            break;
    }
    return set;
}

static void suite_add(const struct tls_suite *suite, void *data)
{
    const struct type_walk *walk = data;
    const json_t *set = suite_set_of(walk->type, suite->name);
    if (set) {
        obstacle_add(walk->ret, TLS_MEETS_YES, false, suite->name, certainty_of(set));
        return;
    }
    const json_t *static_rsa = json_object_get(walk->type, "static_rsa");
    const char *exchange = posture_json_string(suite->row, "key_exchange");
    const char *authentication = posture_json_string(suite->row, "authentication");
    if (exchange && authentication && strcmp(exchange, "RSA") == 0 &&
        strcmp(authentication, "RSA") == 0 &&
        !json_is_true(json_object_get(static_rsa, "allowed"))) {
        obstacle_add(walk->ret, TLS_MEETS_NO, false, suite->name,
                     certainty_of(static_rsa));
        return;
    }
    /* Advised by another type only: it is what keeps the server from this one. That it is
     * not forbidden here either makes this an inference. */
    const json_t *other = any_set_of(tls_types_of(walk->input), suite->name);
    if (other) {
        enum posture_certainty certainty = certainty_of(other);
        obstacle_add(walk->ret, TLS_MEETS_NO, false, suite->name,
                     certainty < POSTURE_CERTAINTY_MEDIUM ? certainty
                                                          : POSTURE_CERTAINTY_MEDIUM);
        return;
    }
    /* In no set at all: what the profile refuses meets no type; the rest is not to be
     * told. */
    struct posture_finding finding, by_exchange;
    tls_suite_judge(walk->input, suite, &finding);
    tls_exchange_judge(walk->input, suite, &by_exchange);
    posture_finding_add(&finding, &by_exchange);
    bool is_bad = finding.status == POSTURE_RESULT_FAIL;
    obstacle_add(walk->ret, is_bad ? TLS_MEETS_NO : TLS_MEETS_UNKNOWN, false, suite->name,
                 is_bad ? finding.certainty : POSTURE_CERTAINTY_HIGH);
    if (finding.valid_until_ns < walk->ret->valid_until_ns)
        walk->ret->valid_until_ns = finding.valid_until_ns;
}

/* A curve's size class is twice its strength: Curve25519 counts as 256 bits. */
static void groups_add(const struct type_walk *walk, const struct tls_endpoint *endpoint,
                       const struct tls_agreement *agreement)
{
    const json_t *ec = json_object_get(walk->type, "ecdhe");
    const json_t *dhe = json_object_get(walk->type, "dhe");
    json_int_t ec_min = json_integer_value(json_object_get(ec, "min_bits"));
    json_int_t dhe_min = json_integer_value(json_object_get(dhe, "min_bits"));
    size_t i;
    const json_t *item;
    json_array_foreach (endpoint->groups, i, item) {
        const char *name = json_string_value(item);
        const json_t *row =
            posture_profile_table_row(walk->input->profile, "groups", name);
        const char *type = posture_json_string(row, "type");
        const struct posture_profile_row *judged =
            posture_profile_row(walk->input->profile, "group", name);
        bool is_ff = type && strcmp(type, "ffdh") == 0;
        json_int_t size = is_ff    ? json_integer_value(json_object_get(row, "bits"))
                          : judged ? (json_int_t)judged->bits * 2
                                   : 0;
        enum tls_meets meets = size <= 0                           ? TLS_MEETS_UNKNOWN
                               : size < (is_ff ? dhe_min : ec_min) ? TLS_MEETS_NO
                                                                   : TLS_MEETS_YES;
        obstacle_add(walk->ret, meets, false, name, certainty_of(is_ff ? dhe : ec));
    }
    if (agreement->has_ec && json_array_size(endpoint->groups) == 0)
        obstacle_add(walk->ret, TLS_MEETS_UNKNOWN, false, "groups",
                     POSTURE_CERTAINTY_HIGH);
    if (endpoint->dhe_bits > 0) {
        char text[TLS_DHE_ITEM_MAX];
        snprintf(text, sizeof(text), "dhe %lld", (long long)endpoint->dhe_bits);
        obstacle_add(walk->ret,
                     endpoint->dhe_bits < dhe_min ? TLS_MEETS_NO : TLS_MEETS_YES, false,
                     text, certainty_of(dhe));
    } else if (agreement->has_dhe) {
        obstacle_add(walk->ret, TLS_MEETS_UNKNOWN, false, "dhe_bits",
                     POSTURE_CERTAINTY_HIGH);
    }
}

static void certificate_add(const json_t *certificate, size_t index, void *data)
{
    if (index > 0)
        return; /* the guideline's rules are about the server's own certificate */
    const struct type_walk *walk = data;
    const json_t *rules = json_object_get(walk->type, "certificate");
    const json_t *key = json_object_get(certificate, "key");
    const char *type = posture_json_string(key, "type");
    json_int_t size = json_integer_value(json_object_get(key, "bits"));
    const char *min_key = !type                          ? NULL
                          : strcmp(type, "ec") == 0      ? "ec_min_bits"
                          : strncmp(type, "rsa", 3) == 0 ? "rsa_min_bits"
                                                         : NULL;
    json_int_t min = min_key ? json_integer_value(json_object_get(rules, min_key)) : 0;
    char item[64];
    snprintf(item, sizeof(item), "%.30s %lld", type ? type : "key", (long long)size);
    obstacle_add(walk->ret,
                 min == 0 || size <= 0 ? TLS_MEETS_UNKNOWN
                 : size < min          ? TLS_MEETS_NO
                                       : TLS_MEETS_YES,
                 false, item, certainty_of(rules));

    const json_t *signature = json_object_get(certificate, "signature");
    const char *hash = posture_json_string(signature, "hash");
    const char *algorithm = posture_json_string(signature, "algorithm");
    const char *signer = posture_json_string(signature, "key_type");
    /* The guideline's hashes are those of RSA and ECDSA; other schemes have theirs built
     * in. */
    bool is_named =
        signer && (strncmp(signer, "rsa", 3) == 0 || strcmp(signer, "ec") == 0);
    obstacle_add(walk->ret,
                 !hash || !is_named                                 ? TLS_MEETS_UNKNOWN
                 : list_has(json_object_get(rules, "hashes"), hash) ? TLS_MEETS_YES
                                                                    : TLS_MEETS_NO,
                 false, algorithm ? algorithm : "signature", certainty_of(rules));
}

void tls_type_all(const struct posture_check_input *input, const json_t *type,
                  const struct tls_endpoint *endpoint, struct tls_obstacle *ret)
{
    tls_type_versions(type, endpoint, ret);
    struct type_walk walk = {.input = input, .type = type, .ret = ret};
    const char *version = tls_suites_each(input, endpoint, suite_add, &walk);
    if (version)
        obstacle_add(ret, TLS_MEETS_UNKNOWN, false, version, POSTURE_CERTAINTY_HIGH);
    struct tls_agreement agreement;
    tls_agreement_find(input, endpoint, &agreement);
    groups_add(&walk, endpoint, &agreement);
    if (!tls_certificates_each(endpoint, certificate_add, &walk))
        obstacle_add(ret, TLS_MEETS_UNKNOWN, false, "chains", POSTURE_CERTAINTY_HIGH);
}
