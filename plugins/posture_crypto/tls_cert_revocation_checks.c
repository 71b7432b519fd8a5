/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */

/* tls.cert.revocation: what a stapled OCSP answer and the configured CRLs say. */

#include "posture_crypto/tls_cert_rules.h"

#include "common/base/clock.h"
#include "common/report/json.h"

#include <string.h>

/* The best that was learnt of one chain's leaf: revoked wins, then good. */
struct sources {
    const struct posture_check_input *input;
    struct posture_verdict *verdict;
    bool is_good;
    const char *why; /* of the source that could not tell */
};

static bool word_is(const json_t *object, const char *key, const char *word)
{
    const char *said = posture_json_string(object, key);
    return said && strcmp(said, word) == 0;
}

static bool instant_read(const json_t *object, const char *key, int64_t *ret_ns)
{
    const char *text = posture_json_string(object, key);
    return text && posture_time_parse(text, strlen(text), ret_ns) == 0;
}

/* Good holds until the next update, revoked for ever. answer: a member of a staple or of
 * a revocation list's facts. */
static void answer_read(struct sources *sources, const json_t *answer)
{
    int64_t next_ns;
    if (word_is(answer, "status", "revoked")) {
        const char *reason = posture_json_string(answer, "reason");
        if (posture_verdict_offer(sources->verdict, POSTURE_RESULT_FAIL,
                                  "tls.cert.revocation.revoked"))
            posture_verdict_arg_text(sources->verdict, "reason",
                                     reason ? reason : "unspecified");
    } else if (word_is(answer, "status", "good")) {
        if (instant_read(answer, "next_update", &next_ns)) {
            if (sources->input->at_ns > next_ns) {
                sources->why = "expired";
                return;
            }
            if (next_ns < INT64_MAX)
                posture_verdict_until(sources->verdict, next_ns + 1);
        }
        sources->is_good = true;
    } else {
        const char *why = posture_json_string(answer, "why");
        sources->why = why ? why : "unknown";
    }
}

/* What its responder has not signed says nothing, be it good or bad. */
static void staple_read(struct sources *sources, const json_t *staple)
{
    const char *error = posture_json_string(staple, "error");
    const char *signature = posture_json_string(staple, "signature");
    bool is_good = word_is(staple, "status", "good");
    if (error || !signature)
        sources->why = error ? error : "malformed";
    else if (strcmp(signature, "ok") != 0)
        sources->why = strcmp(signature, "invalid") == 0 ? "signature" : "unverified";
    else if (is_good && !cert_flag(staple, "current"))
        sources->why = "expired";
    else
        answer_read(sources, staple);
}

/* An intermediate that is revoked takes its leaves with it; one that no list speaks of is
 * not held against them: CRLs of roots are rarely at hand. */
static void issuers_read(struct sources *sources, const json_t *certificates)
{
    for (size_t i = 1; i < json_array_size(certificates); i++) {
        const json_t *answer = json_array_get(certificates, i);
        if (word_is(answer, "status", "revoked"))
            answer_read(sources, answer);
    }
}

static bool has_list(const json_t *extensions, const char *name, const char *list)
{
    return json_array_size(json_object_get(json_object_get(extensions, name), list)) > 0;
}

static void chain_judge(const struct posture_check_input *input, const json_t *chain,
                        struct posture_verdict *verdict)
{
    const json_t *leaf = json_array_get(json_object_get(chain, "certificates"), 0);
    const json_t *extensions = json_object_get(leaf, "extensions");
    const json_t *staple = json_object_get(chain, "ocsp_staple");
    const json_t *lists = json_object_get(
        json_object_get(json_object_get(chain, "verification"), "crl"), "certificates");
    struct sources sources = {.input = input, .verdict = verdict};
    bool is_stapled = cert_flag(staple, "present");
    if (!json_is_object(extensions)) {
        tls_incomplete_offer(verdict, "extensions");
        return;
    }
    if (is_stapled)
        staple_read(&sources, staple);
    if (json_array_size(lists) > 0) {
        answer_read(&sources, json_array_get(lists, 0));
        issuers_read(&sources, lists);
    }
    bool must_staple =
        cert_flag(json_object_get(extensions, "tls_feature"), "must_staple");
    if (must_staple && staple && !is_stapled)
        posture_verdict_offer(verdict, POSTURE_RESULT_FAIL,
                              "tls.cert.revocation.must_staple");
    bool is_offered = has_list(extensions, "authority_info_access", "ocsp") ||
                      has_list(extensions, "crl_distribution_points", "urls");
    if (sources.is_good) {
        posture_verdict_offer(verdict, POSTURE_RESULT_PASS, "tls.cert.revocation.good");
    } else if (sources.why) {
        if (posture_verdict_offer(verdict, POSTURE_RESULT_UNKNOWN,
                                  "tls.cert.revocation.no_answer"))
            posture_verdict_arg_text(verdict, "why", sources.why);
    } else if (is_offered || must_staple) {
        posture_verdict_offer(verdict, POSTURE_RESULT_UNKNOWN,
                              "tls.cert.revocation.unmeasured");
    } else {
        posture_verdict_offer(verdict, POSTURE_RESULT_NA,
                              "tls.cert.revocation.no_source");
    }
}

void tls_cert_revocation_check(const struct posture_check_input *input,
                               const struct tls_endpoint *endpoint,
                               struct posture_verdict *verdict)
{
    size_t i;
    const json_t *chain;
    if (json_array_size(endpoint->chains) == 0)
        posture_verdict_offer(verdict, POSTURE_RESULT_UNKNOWN, "tls.cert.none");
    json_array_foreach (endpoint->chains, i, chain)
        chain_judge(input, chain, verdict);
}
