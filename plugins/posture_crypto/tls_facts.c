/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#include "posture_crypto/tls_facts.h"

#include "common/report/json.h"

#include <string.h>

struct word_code {
    const char *word;
    const char *code;
};

static const struct word_code error_codes[] = {
    {"refused", "endpoint.refused"},
    {"timeout", "endpoint.timeout"},
    {"no_route", "endpoint.no_route"},
    {"unreachable", "endpoint.unreachable"},
    {"reset", "endpoint.reset"},
    {"closed", "endpoint.closed"},
    {"not_tls", "endpoint.not_tls"},
    {"protocol", "endpoint.protocol"},
    {"deadline", "endpoint.deadline"},
    {"denied", "endpoint.denied"},
    {"too_large", "endpoint.too_large"},
    {"starttls_not_offered", "endpoint.starttls_not_offered"},
    {"starttls_refused", "endpoint.starttls_refused"},
    {"starttls_injection", "endpoint.starttls_injection"},
    {"wrong_protocol", "endpoint.wrong_protocol"},
    {"greylisted", "endpoint.greylisted"},
    {"rate_limited", "endpoint.rate_limited"},
    {"unavailable", "endpoint.unavailable"},
    {"budget", "endpoint.budget"},
};

static const struct word_code resolution_codes[] = {
    {"nxdomain", "resolution.nxdomain"},
    {"timeout", "resolution.timeout"},
};

static const char *code_find(const struct word_code *codes, size_t count,
                             const char *word, const char *otherwise)
{
    for (size_t i = 0; word && i < count; i++) {
        if (strcmp(codes[i].word, word) == 0)
            return codes[i].code;
    }
    return otherwise;
}

const char *tls_resolution_code(const json_t *facts)
{
    const json_t *resolution = json_object_get(facts, "resolution");
    if (!json_is_object(resolution))
        return "endpoint.none";
    return code_find(resolution_codes, POSTURE_COUNT(resolution_codes),
                     posture_json_string(resolution, "error"), "resolution.failed");
}

/* "suites.TLSv1.0" is about suites. What we do not know the meaning of may be about
 * anything. */
static unsigned need_of(const char *word)
{
    static const struct {
        const char *word;
        unsigned need;
    } needs[] = {
        /* A version that was not tried may have suites of its own. */
        {"versions", TLS_NEED_VERSIONS | TLS_NEED_SUITES},
        {"suites", TLS_NEED_SUITES},
        {"groups", TLS_NEED_GROUPS},
        {"dhe_bits", TLS_NEED_DHE},
        {"chains", TLS_NEED_CHAINS | TLS_NEED_VERIFICATION},
        {"verification", TLS_NEED_VERIFICATION},
        {"signature_algorithms", TLS_NEED_SIGNATURES},
        {"extended_master_secret", TLS_NEED_EXTENDED_MASTER_SECRET},
        {"secure_renegotiation", TLS_NEED_RENEGOTIATION},
        {"client_renegotiation", TLS_NEED_RENEGOTIATION},
        {"compression", TLS_NEED_COMPRESSION},
        {"early_data", TLS_NEED_EARLY_DATA},
        {"ocsp_staple", TLS_NEED_OCSP_STAPLE},
        {"server_order", 0},
        {"dhe", 0},
        {"encrypt_then_mac", 0},
        {"heartbeat", 0},
        {"fallback_scsv", 0},
        {"sessions", 0},
        {"alpn", 0},
        {"intolerance", 0},
    };
    size_t len = word ? strcspn(word, ".") : 0;
    for (size_t i = 0; word && i < POSTURE_COUNT(needs); i++) {
        if (strlen(needs[i].word) == len && memcmp(needs[i].word, word, len) == 0)
            return needs[i].need;
    }
    return TLS_NEED_ALL;
}

/* Suites of a version that is not among those found: then it is not known whether the
 * version is offered at all. */
static unsigned need_of_version(const char *word, const json_t *versions)
{
    static const char prefix[] = "suites.";
    if (!word || strncmp(word, prefix, sizeof(prefix) - 1) != 0)
        return 0;
    size_t i;
    const json_t *version;
    json_array_foreach (versions, i, version) {
        if (strcmp(json_string_value(version), word + sizeof(prefix) - 1) == 0)
            return 0;
    }
    return TLS_NEED_VERSIONS;
}

static bool list_is_of(const json_t *list, json_type type)
{
    if (!json_is_array(list))
        return false;
    size_t i;
    const json_t *item;
    json_array_foreach (list, i, item) {
        if (json_typeof(item) != type)
            return false;
    }
    return true;
}

static bool suites_are_sound(const json_t *suites)
{
    if (!json_is_object(suites))
        return false;
    const char *version;
    json_t *list;
    json_object_foreach ((json_t *)(uintptr_t)suites, version, list) {
        if (strcmp(version, "truncated") == 0)
            continue;
        if (!list_is_of(list, JSON_STRING))
            return false;
    }
    return true;
}

static bool chains_are_sound(const json_t *chains, unsigned *incomplete)
{
    if (!list_is_of(chains, JSON_OBJECT))
        return false;
    size_t i;
    const json_t *chain;
    json_array_foreach (chains, i, chain) {
        if (!list_is_of(json_object_get(chain, "certificates"), JSON_OBJECT))
            return false;
        if (json_is_true(json_object_get(chain, "truncated")))
            *incomplete |= TLS_NEED_CHAINS;
    }
    return true;
}

/* Members of the right type into ret; false when one is of another. */
static bool members_read(const json_t *element, struct tls_endpoint *ret)
{
    ret->versions = json_object_get(element, "versions");
    ret->suites = json_object_get(element, "suites");
    ret->groups = json_object_get(element, "groups");
    ret->chains = json_object_get(element, "chains");
    ret->http = json_object_get(element, "http");
    const json_t *dhe_bits = json_object_get(element, "dhe_bits");
    const json_t *incomplete = json_object_get(element, "incomplete");
    const json_t *error = json_object_get(element, "error");
    if ((ret->versions && !list_is_of(ret->versions, JSON_STRING)) ||
        (ret->suites && !suites_are_sound(ret->suites)) ||
        (ret->groups && !list_is_of(ret->groups, JSON_STRING)) ||
        (ret->chains && !chains_are_sound(ret->chains, &ret->incomplete)) ||
        (ret->http && !json_is_object(ret->http)) ||
        (dhe_bits && !json_is_integer(dhe_bits)) ||
        (incomplete && !list_is_of(incomplete, JSON_STRING)) ||
        (error && !json_is_object(error)))
        return false;

    ret->facts = element;
    ret->dhe_bits = json_integer_value(dhe_bits);
    size_t i;
    const json_t *word;
    json_array_foreach (incomplete, i, word)
        ret->incomplete |= need_of(json_string_value(word)) |
                           need_of_version(json_string_value(word), ret->versions);
    if (json_is_true(json_object_get(element, "truncated")))
        ret->incomplete |= TLS_NEED_ALL;
    if (json_is_true(json_object_get(ret->suites, "truncated")))
        ret->incomplete |= TLS_NEED_SUITES;
    /* Something failed, and the prober does not say what it cost. */
    if (error && !incomplete)
        ret->incomplete |= TLS_NEED_ALL;
    return true;
}

void tls_endpoint_read(const json_t *element, struct tls_endpoint *ret)
{
    *ret = (struct tls_endpoint){.address = posture_json_string(element, "address")};
    if (!ret->address || !members_read(element, ret)) {
        *ret = (struct tls_endpoint){.address = ret->address ? ret->address : "?",
                                     .unknown = "facts.malformed"};
        return;
    }
    const char *error = posture_json_string(json_object_get(element, "error"), "code");
    bool has_error = json_object_get(element, "error") != NULL;
    bool is_measured = json_array_size(ret->versions) > 0;
    if (has_error && !is_measured) {
        ret->unknown =
            code_find(error_codes, POSTURE_COUNT(error_codes), error, "endpoint.failed");
        ret->is_left_out = error && strcmp(error, "no_route") == 0;
    } else if (!is_measured) {
        ret->unknown = "endpoint.no_version";
    }
}

bool tls_has_version(const struct tls_endpoint *endpoint, const char *version)
{
    size_t i;
    const json_t *item;
    json_array_foreach (endpoint->versions, i, item) {
        if (strcmp(json_string_value(item), version) == 0)
            return true;
    }
    return false;
}

bool tls_suite_is_ephemeral(const json_t *row)
{
    const char *protocol = posture_json_string(row, "protocol");
    const char *exchange = posture_json_string(row, "key_exchange");
    if (protocol && strcmp(protocol, "tls13") == 0)
        return true;
    return exchange &&
           (strncmp(exchange, "DHE", 3) == 0 || strncmp(exchange, "ECDHE", 5) == 0);
}

const char *tls_suites_each(const struct posture_check_input *input,
                            const struct tls_endpoint *endpoint, tls_suite_fn *fn,
                            void *data)
{
    const char *version;
    json_t *list;
    json_object_foreach ((json_t *)(uintptr_t)endpoint->suites, version, list) {
        size_t i;
        const json_t *item;
        json_array_foreach (list, i, item) {
            const char *name = json_string_value(item);
            const struct tls_suite suite = {
                .version = version,
                .name = name,
                .row = posture_profile_table_row(input->profile, "suites", name),
            };
            fn(&suite, data);
        }
    }
    size_t i;
    const json_t *item;
    json_array_foreach (endpoint->versions, i, item) {
        if (json_array_size(json_object_get(endpoint->suites, json_string_value(item))) ==
            0)
            return json_string_value(item);
    }
    return NULL;
}

bool tls_certificates_each(const struct tls_endpoint *endpoint, tls_certificate_fn *fn,
                           void *data)
{
    bool has_any = false;
    size_t i, j;
    const json_t *chain, *certificate;
    json_array_foreach (endpoint->chains, i, chain) {
        json_array_foreach (json_object_get(chain, "certificates"), j, certificate) {
            has_any = true;
            fn(certificate, j, data);
        }
    }
    return has_any;
}
