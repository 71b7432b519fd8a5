/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */

/* tls.cert.lifetime, tls.cert.transparency: what browsers ask of publicly trusted
 * certificates, by the rows of table "certificates" (schemas/tls/certificates.json). */

#include "common/checks/certificate.h"
#include "posture_crypto/tls_cert_rules.h"

#include "common/base/clock.h"
#include "common/report/json.h"

#include <string.h>

/* CA/B 6.3.2: both ends included; a day begun is a day. */
static bool lifetime_read(const json_t *leaf, int64_t *ret_from_ns, json_int_t *ret_days)
{
    int64_t from, to;
    if (posture_certificate_instant(leaf, "not_before", &from) < 0 ||
        posture_certificate_instant(leaf, "not_after", &to) < 0 || to < from)
        return false;
    int64_t seconds = to / POSTURE_NS_PER_S - from / POSTURE_NS_PER_S + 1;
    *ret_from_ns = from;
    *ret_days = (seconds + 86399) / 86400;
    return true;
}

static bool row_is(const json_t *row, const char *rule, int64_t issued_ns,
                   int64_t *ret_from_ns)
{
    const char *word = posture_json_string(row, "rule");
    const char *from = posture_json_string(row, "issued_from");
    char text[32];
    if (!word || strcmp(word, rule) != 0 || !from || strlen(from) != 10)
        return false;
    memcpy(text, from, 10);
    memcpy(text + 10, "T00:00:00.000Z", 15);
    return posture_time_parse(text, strlen(text), ret_from_ns) == 0 &&
           *ret_from_ns <= issued_ns;
}

/* The latest row in force at issue. */
static const json_t *lifetime_row(const struct posture_check_input *input,
                                  int64_t issued_ns)
{
    const json_t *best = NULL;
    int64_t best_ns = INT64_MIN, from_ns;
    const char *name;
    json_t *row;
    json_object_foreach (
        (json_t *)(uintptr_t)posture_profile_table(input->profile, "certificates"), name,
        row) {
        if (row_is(row, "lifetime", issued_ns, &from_ns) && from_ns > best_ns) {
            best = row;
            best_ns = from_ns;
        }
    }
    return best;
}

/* The row for the longest of the shorter lifetimes. */
static const json_t *timestamps_row(const struct posture_check_input *input,
                                    int64_t issued_ns, json_int_t days)
{
    const json_t *best = NULL;
    json_int_t best_days = -1;
    int64_t from_ns;
    const char *name;
    json_t *row;
    json_object_foreach (
        (json_t *)(uintptr_t)posture_profile_table(input->profile, "certificates"), name,
        row) {
        json_int_t longer = json_integer_value(json_object_get(row, "longer_than_days"));
        if (row_is(row, "timestamps", issued_ns, &from_ns) && days > longer &&
            longer > best_days) {
            best = row;
            best_days = longer;
        }
    }
    return best;
}

static void certainty_add(const json_t *row, struct posture_verdict *verdict)
{
    const char *certainty = posture_json_string(row, "certainty");
    if (certainty && strcmp(certainty, "high") != 0)
        posture_verdict_arg_text(verdict, "certainty", certainty);
}

static void number_add(struct posture_verdict *verdict, const char *key, json_int_t value)
{
    posture_verdict_arg_take(verdict, key, json_integer(value));
}

typedef void chain_judge_fn(const struct posture_check_input *input, const json_t *chain,
                            const json_t *leaf, int64_t issued_ns, json_int_t days,
                            struct posture_verdict *verdict);

/* What holds for public certificates only, of each chain. */
static void public_judge(const struct posture_check_input *input,
                         const struct tls_endpoint *endpoint, const char *otherwise,
                         chain_judge_fn *judge, struct posture_verdict *verdict)
{
    size_t i;
    const json_t *chain;
    if (json_array_size(endpoint->chains) == 0)
        posture_verdict_offer(verdict, POSTURE_RESULT_UNKNOWN, "tls.cert.none");
    json_array_foreach (endpoint->chains, i, chain) {
        const json_t *leaf = json_array_get(json_object_get(chain, "certificates"), 0);
        int64_t issued_ns;
        json_int_t days;
        const json_t *verification = json_object_get(chain, "verification");
        const char *said = posture_json_string(verification, "chain");
        bool is_verified = said && strcmp(said, "ok") == 0;
        if (!said || (is_verified && !json_object_get(verification, "public")))
            tls_incomplete_offer(verdict, "verification");
        else if (!cert_chain_is_public(chain))
            posture_verdict_offer(verdict, POSTURE_RESULT_NA, otherwise);
        else if (!posture_profile_table(input->profile, "certificates"))
            posture_verdict_offer(verdict, POSTURE_RESULT_NA, "profile.silent");
        else if (!lifetime_read(leaf, &issued_ns, &days))
            posture_verdict_offer(verdict, POSTURE_RESULT_UNKNOWN, "facts.malformed");
        else
            judge(input, chain, leaf, issued_ns, days, verdict);
    }
}

static void lifetime_judge(const struct posture_check_input *input, const json_t *chain,
                           const json_t *leaf, int64_t issued_ns, json_int_t days,
                           struct posture_verdict *verdict)
{
    (void)chain;
    (void)leaf;
    const json_t *row = lifetime_row(input, issued_ns);
    json_int_t limit = json_integer_value(json_object_get(row, "days"));
    bool is_long = row && days > limit;
    if (!posture_verdict_offer(verdict,
                               is_long ? POSTURE_RESULT_FAIL : POSTURE_RESULT_PASS,
                               is_long ? "tls.cert.lifetime.long"
                               : row   ? "tls.cert.lifetime.within"
                                       : "tls.cert.lifetime.no_limit"))
        return;
    posture_verdict_value_take(verdict, json_integer(days));
    number_add(verdict, "days", days);
    if (row) {
        number_add(verdict, "limit", limit);
        certainty_add(row, verdict);
    }
}

void tls_cert_lifetime_check(const struct posture_check_input *input,
                             const struct tls_endpoint *endpoint,
                             struct posture_verdict *verdict)
{
    public_judge(input, endpoint, "tls.cert.lifetime.not_public", lifetime_judge,
                 verdict);
}

static void transparency_judge(const struct posture_check_input *input,
                               const json_t *chain, const json_t *leaf, int64_t issued_ns,
                               json_int_t days, struct posture_verdict *verdict)
{
    const json_t *extensions = json_object_get(leaf, "extensions");
    const json_t *row = timestamps_row(input, issued_ns, days);
    if (!json_is_object(extensions)) {
        tls_incomplete_offer(verdict, "extensions");
        return;
    }
    json_int_t logs =
        json_integer_value(json_object_get(json_object_get(extensions, "scts"), "logs"));
    json_int_t want = json_integer_value(json_object_get(row, "logs"));
    /* In the handshake or in a stapled answer: two are enough whatever the lifetime. */
    const json_t *delivered = json_object_get(chain, "delivered_scts");
    bool is_delivered =
        json_integer_value(json_object_get(delivered, "logs")) >= (want < 2 ? want : 2);
    bool is_enough = !row || logs >= want || (delivered && is_delivered);
    enum posture_result_status status = is_enough   ? POSTURE_RESULT_PASS
                                        : delivered ? POSTURE_RESULT_FAIL
                                                    : POSTURE_RESULT_UNKNOWN;
    const char *code = !row        ? "tls.cert.transparency.no_rule"
                       : is_enough ? "tls.cert.transparency.enough"
                       : delivered ? "tls.cert.transparency.few"
                                   : "tls.cert.transparency.few_embedded";
    if (!posture_verdict_offer(verdict, status, code))
        return;
    number_add(verdict, "logs", logs);
    if (row)
        number_add(verdict, "want", want);
}

void tls_cert_transparency_check(const struct posture_check_input *input,
                                 const struct tls_endpoint *endpoint,
                                 struct posture_verdict *verdict)
{
    public_judge(input, endpoint, "tls.cert.transparency.not_public", transparency_judge,
                 verdict);
}
