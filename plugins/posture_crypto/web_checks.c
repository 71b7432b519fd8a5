/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */

/* tls.https_redirect and tls.hsts: what a web server does besides TLS. How much is asked
 * of it is the profile's member "web". */

#include "posture_crypto/tls_check.h"

#include "common/report/json.h"

#include <string.h>

/* What the profile says about one of the two. */
struct web_rule {
    bool is_must; /* else it should: what fails is a warning */
    json_int_t min_age_s;
    const char *certainty; /* NULL: high */
};

static bool rule_read(const struct posture_check_input *input, const char *name,
                      struct web_rule *ret)
{
    const json_t *rule = json_object_get(
        json_object_get(posture_profile_json(input->profile), "web"), name);
    const char *need = posture_json_string(rule, "need");
    if (!need)
        return false;
    ret->is_must = strcmp(need, "must") == 0;
    ret->min_age_s = json_integer_value(json_object_get(rule, "min_age_s"));
    ret->certainty = posture_json_string(rule, "certainty");
    if (ret->certainty && strcmp(ret->certainty, "high") == 0)
        ret->certainty = NULL;
    return true;
}

/* The member of endpoints[].http, or NULL when the verdict is there already. */
static const json_t *answer_find(const struct posture_check_input *input,
                                 const struct tls_endpoint *endpoint, const char *rule,
                                 const char *member, struct web_rule *ret_rule,
                                 struct posture_verdict *verdict)
{
    if (!rule_read(input, rule, ret_rule)) {
        posture_verdict_offer(verdict, POSTURE_RESULT_NA, "profile.silent");
        return NULL;
    }
    if (!endpoint->http) {
        posture_verdict_offer(verdict, POSTURE_RESULT_NA, "tls.web.none");
        return NULL;
    }
    const json_t *answer = json_object_get(endpoint->http, member);
    if (!json_is_object(answer)) {
        tls_incomplete_offer(verdict, "http");
        return NULL;
    }
    return answer;
}

static bool bad_offer(const struct web_rule *rule, const char *code,
                      struct posture_verdict *verdict)
{
    if (!posture_verdict_offer(
            verdict, rule->is_must ? POSTURE_RESULT_FAIL : POSTURE_RESULT_WARN, code))
        return false;
    if (rule->certainty)
        posture_verdict_arg_text(verdict, "certainty", rule->certainty);
    return true;
}

/* True when there was no answer to judge. */
static bool error_offer(const json_t *answer, struct posture_verdict *verdict)
{
    const json_t *error = json_object_get(answer, "error");
    if (!error)
        return false;
    const char *code = posture_json_string(error, "code");
    if (posture_verdict_offer(verdict, POSTURE_RESULT_UNKNOWN, "tls.web.unmeasured"))
        posture_verdict_arg_text(verdict, "error", code ? code : "?");
    return true;
}

static void location_judge(const struct web_rule *rule, const char *name,
                           const json_t *location, struct posture_verdict *verdict)
{
    const char *scheme = posture_json_string(location, "scheme");
    const char *host = posture_json_string(location, "host");
    if (!scheme || !host) {
        (void)bad_offer(rule, "tls.https_redirect.invalid", verdict);
    } else if (strcmp(scheme, "https") != 0) {
        if (bad_offer(rule, "tls.https_redirect.not_https", verdict))
            posture_verdict_arg_text(verdict, "host", host);
    } else if (!name || strcmp(host, name) != 0) {
        /* The name itself never says HSTS to those who come in the clear. */
        if (posture_verdict_offer(verdict, POSTURE_RESULT_WARN,
                                  "tls.https_redirect.other_host"))
            posture_verdict_arg_text(verdict, "host", host);
    } else {
        posture_verdict_offer(verdict, POSTURE_RESULT_PASS, "tls.https_redirect.leads");
    }
}

void tls_https_redirect_check(const struct posture_check_input *input,
                              const struct tls_endpoint *endpoint,
                              struct posture_verdict *verdict)
{
    struct web_rule rule;
    const json_t *plain =
        answer_find(input, endpoint, "https_redirect", "plain", &rule, verdict);
    if (!plain)
        return;
    const char *error = posture_json_string(json_object_get(plain, "error"), "code");
    if (error && strcmp(error, "refused") == 0) {
        posture_verdict_offer(verdict, POSTURE_RESULT_PASS, "tls.https_redirect.closed");
        return;
    }
    if (error_offer(plain, verdict))
        return;
    json_int_t status = json_integer_value(json_object_get(plain, "status"));
    const json_t *location = json_object_get(plain, "location");
    if (location) {
        location_judge(&rule, posture_json_string(endpoint->http, "name"), location,
                       verdict);
    } else if (status >= 400) {
        if (posture_verdict_offer(verdict, POSTURE_RESULT_WARN,
                                  "tls.https_redirect.error_page"))
            posture_verdict_arg_take(verdict, "status", json_integer(status));
    } else if (status > 0) {
        (void)bad_offer(&rule, "tls.https_redirect.served", verdict);
    } else {
        tls_incomplete_offer(verdict, "http");
    }
}

/* Clients take no HSTS from an address (RFC 6797, section 8.1.1). */
static bool is_literal(const char *name)
{
    return !name || strchr(name, ':') || strspn(name, "0123456789.") == strlen(name);
}

void tls_hsts_check(const struct posture_check_input *input,
                    const struct tls_endpoint *endpoint, struct posture_verdict *verdict)
{
    struct web_rule rule;
    const json_t *https = answer_find(input, endpoint, "hsts", "https", &rule, verdict);
    if (!https)
        return;
    if (is_literal(posture_json_string(endpoint->http, "name"))) {
        posture_verdict_offer(verdict, POSTURE_RESULT_NA, "tls.hsts.literal");
        return;
    }
    if (error_offer(https, verdict))
        return;
    const json_t *hsts = json_object_get(https, "hsts");
    const json_t *max_age = json_object_get(hsts, "max_age");
    json_int_t age = json_integer_value(max_age);
    if (!json_integer_value(json_object_get(https, "status"))) {
        tls_incomplete_offer(verdict, "http");
    } else if (!hsts) {
        (void)bad_offer(&rule, "tls.hsts.absent", verdict);
    } else if (!json_is_integer(max_age)) {
        (void)bad_offer(&rule, "tls.hsts.invalid", verdict);
    } else if (age < rule.min_age_s || age == 0) {
        if (bad_offer(&rule, "tls.hsts.short", verdict)) {
            posture_verdict_arg_take(verdict, "age", json_integer(age));
            posture_verdict_arg_take(verdict, "min", json_integer(rule.min_age_s));
            posture_verdict_value_take(verdict, json_integer(age));
        }
    } else if (posture_verdict_offer(verdict, POSTURE_RESULT_PASS, "tls.hsts.sent")) {
        posture_verdict_arg_take(verdict, "age", json_integer(age));
        posture_verdict_value_take(verdict, json_integer(age));
    }
}
