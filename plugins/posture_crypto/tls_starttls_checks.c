/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */

/* tls.starttls: is TLS to be had where a protocol begins in the clear? What the RFCs say
 * of every server; no row of a profile is asked. */

#include "posture_crypto/tls_check.h"

#include "common/report/json.h"

static const char *missing_code(const json_t *starttls)
{
    if (json_is_true(json_object_get(starttls, "masked")))
        return "tls.starttls.masked";
    if (json_is_true(json_object_get(starttls, "preauth")))
        return "tls.starttls.preauth";
    return "tls.starttls.not_offered";
}

static void unknown_offer(const struct tls_endpoint *endpoint,
                          struct posture_verdict *verdict)
{
    if (endpoint->unknown)
        posture_verdict_offer(verdict, POSTURE_RESULT_UNKNOWN, endpoint->unknown);
    else
        tls_incomplete_offer(verdict, "starttls");
}

void tls_starttls_check(const struct posture_check_input *input,
                        const struct tls_endpoint *endpoint,
                        struct posture_verdict *verdict)
{
    (void)input;
    const json_t *starttls = json_object_get(endpoint->facts, "starttls");
    const json_t *offered = json_object_get(starttls, "offered");
    const json_t *injection = json_object_get(starttls, "injection");
    const char *protocol = posture_json_string(starttls, "protocol");
    if (!endpoint->facts) {
        unknown_offer(endpoint, verdict);
        return;
    }
    if (!starttls) {
        posture_verdict_offer(verdict, POSTURE_RESULT_NA, "tls.starttls.implicit");
        return;
    }
    if (json_is_true(injection))
        posture_verdict_offer(verdict, POSTURE_RESULT_FAIL, "tls.starttls.injection");
    else if (json_is_false(offered))
        posture_verdict_offer(verdict, POSTURE_RESULT_FAIL, missing_code(starttls));
    else if (json_is_true(offered) && json_is_false(injection))
        posture_verdict_offer(verdict, POSTURE_RESULT_PASS, "tls.starttls.offered");
    else
        unknown_offer(endpoint, verdict);
    if (protocol && verdict->status != POSTURE_RESULT_UNKNOWN)
        posture_verdict_arg_text(verdict, "protocol", protocol);
}
