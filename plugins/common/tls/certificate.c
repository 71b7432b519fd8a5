/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#include "common/tls/certificate.h"

#include "common/tls/certificate_internal.h"

#include <openssl/err.h>

#include <string.h>

static void fault_add(json_t *facts, const char *fault)
{
    if (!json_object_get(facts, "faults"))
        json_object_set_new(facts, "faults", json_array());
    json_array_append_new(json_object_get(facts, "faults"), json_string(fault));
}

json_t *posture_tls_chain_facts(const struct posture_tls_chain_input *input,
                                size_t *budget, bool *ret_is_bad)
{
    *ret_is_bad = false;
    bool is_truncated = input->is_truncated;
    json_auto_t *chain = json_object();
    json_auto_t *list = json_array();
    STACK_OF(X509) *stack = sk_X509_new_null();
    json_t *result = NULL;
    if (!chain || !list || !stack)
        goto out;
    for (size_t i = 0; i < input->count; i++) {
        const struct posture_tls_der *der = &input->certificates[i];
        const unsigned char *at = der->bytes;
        X509 *cert = der->parsed;
        if (cert) { /* parsing costs more than all else here */
            X509_up_ref(cert);
            at += der->len;
        } else {
            cert = d2i_X509(NULL, &at, (long)der->len);
        }
        ERR_clear_error();
        if (!cert) {
            *ret_is_bad = i == 0;
            is_truncated = true;
            if (i == 0)
                goto out;
            continue;
        }
        if (!sk_X509_push(stack, cert)) {
            X509_free(cert);
            goto out;
        }
        if (*budget < POSTURE_TLS_CERTIFICATE_COST) {
            is_truncated = true;
            continue; /* verified all the same */
        }
        *budget -= POSTURE_TLS_CERTIFICATE_COST;
        json_t *facts = posture_tls_certificate_json(cert, input->trust,
                                                     /* with_names = */ true, budget);
        if (at != der->bytes + der->len)
            fault_add(facts, "der.trailing");
        json_array_append_new(list, facts);
    }
    if (sk_X509_num(stack) == 0)
        goto out;
    json_object_set(chain, "certificates", list);
    if (is_truncated)
        json_object_set_new(chain, "truncated", json_true());
    json_t *verification = posture_tls_verification_json(input, stack, list, budget);
    if (verification && !json_object_set_new(chain, "verification", verification))
        result = json_incref(chain);
out:
    sk_X509_pop_free(stack, X509_free);
    return result;
}

enum posture_tls_authentication posture_tls_chain_leaf(const json_t *chain,
                                                       const char **ret_curve)
{
    const json_t *leaf = json_array_get(json_object_get(chain, "certificates"), 0);
    const json_t *key = json_object_get(leaf, "key");
    const char *type = json_string_value(json_object_get(key, "type"));
    *ret_curve = json_string_value(json_object_get(key, "curve"));
    if (!type)
        return POSTURE_TLS_AUTH_OTHER;
    if (!strncmp(type, "rsa", 3))
        return POSTURE_TLS_AUTH_RSA;
    if (!strcmp(type, "ec") || !strncmp(type, "ed", 2))
        return POSTURE_TLS_AUTH_ECDSA;
    return strcmp(type, "dsa") ? POSTURE_TLS_AUTH_OTHER : POSTURE_TLS_AUTH_DSS;
}
