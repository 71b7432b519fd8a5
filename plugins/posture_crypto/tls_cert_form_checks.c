/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */

/* tls.cert.form, tls.cert.serial: what RFC 5280 asks of a certificate's fields. */

#include "common/checks/certificate.h"
#include "posture_crypto/tls_cert_rules.h"

#include "common/report/json.h"

#include <stdio.h>
#include <string.h>

static bool algorithm_differs(const struct cert_view *view,
                              char item[static CERT_ITEM_MAX])
{
    const json_t *signature = json_object_get(view->certificate, "signature");
    const char *algorithm = posture_json_string(signature, "algorithm");
    cert_item_set(item, algorithm ? algorithm : "");
    return cert_flag(signature, "mismatch");
}

static bool pss_is_odd(const struct cert_view *view, char item[static CERT_ITEM_MAX])
{
    (void)item;
    const json_t *pss =
        json_object_get(json_object_get(view->certificate, "signature"), "pss");
    const char *hash = posture_json_string(pss, "hash");
    const char *mask = posture_json_string(pss, "mask_hash");
    return pss && (cert_flag(pss, "malformed") || !hash || !mask || strcmp(hash, mask));
}

static bool oids_name(const struct cert_view *view, const char *list,
                      char item[static CERT_ITEM_MAX])
{
    const char *oid =
        json_string_value(json_array_get(json_object_get(view->extensions, list), 0));
    cert_item_set(item, oid ? oid : "");
    return oid != NULL;
}

static bool extension_is_repeated(const struct cert_view *view,
                                  char item[static CERT_ITEM_MAX])
{
    return oids_name(view, "repeated", item);
}

static bool extension_is_malformed(const struct cert_view *view,
                                   char item[static CERT_ITEM_MAX])
{
    return oids_name(view, "malformed", item);
}

static bool extension_is_unknown(const struct cert_view *view,
                                 char item[static CERT_ITEM_MAX])
{
    return oids_name(view, "unknown_critical", item);
}

static bool extensions_need_version_3(const struct cert_view *view,
                                      char item[static CERT_ITEM_MAX])
{
    (void)item;
    return cert_faults_have(view->certificate, "version.extensions");
}

static bool time_is_odd(const struct cert_view *view, char item[static CERT_ITEM_MAX])
{
    (void)item;
    return cert_faults_have(view->certificate, "not_before.") ||
           cert_faults_have(view->certificate, "not_after.");
}

static bool bytes_trail(const struct cert_view *view, char item[static CERT_ITEM_MAX])
{
    (void)item;
    return cert_faults_have(view->certificate, "der.trailing");
}

static bool issuer_is_empty(const struct cert_view *view, char item[static CERT_ITEM_MAX])
{
    (void)item;
    const char *issuer = posture_json_string(view->certificate, "issuer");
    return issuer && *issuer == '\0';
}

static bool subject_is_empty(const struct cert_view *view,
                             char item[static CERT_ITEM_MAX])
{
    (void)item;
    const char *subject = posture_json_string(view->certificate, "subject");
    return subject && *subject == '\0';
}

static bool is_critical(const struct cert_view *view, const char *name)
{
    return cert_flag(cert_extension(view, name), "critical");
}

static bool authority_is_missing(const struct cert_view *view,
                                 char item[static CERT_ITEM_MAX])
{
    (void)item;
    return !view->is_self_signed &&
           !cert_flag(cert_extension(view, "authority_key_id"), "key_id");
}

static bool authority_is_critical(const struct cert_view *view,
                                  char item[static CERT_ITEM_MAX])
{
    (void)item;
    return is_critical(view, "authority_key_id");
}

static bool authority_is_another(const struct cert_view *view,
                                 char item[static CERT_ITEM_MAX])
{
    (void)item;
    return json_is_false(
        json_object_get(cert_extension(view, "authority_key_id"), "matches"));
}

/* A root that names its own issuer by serial number, or not by its key. */
static bool root_authority_is_odd(const struct cert_view *view,
                                  char item[static CERT_ITEM_MAX])
{
    (void)item;
    const json_t *authority = cert_extension(view, "authority_key_id");
    return posture_certificate_is_self_issued(view->certificate) && authority &&
           (!cert_flag(authority, "key_id") || cert_flag(authority, "issuer") ||
            cert_flag(authority, "serial"));
}

static bool key_id_is_missing(const struct cert_view *view,
                              char item[static CERT_ITEM_MAX])
{
    (void)item;
    return !cert_extension(view, "subject_key_id");
}

static bool key_id_is_critical(const struct cert_view *view,
                               char item[static CERT_ITEM_MAX])
{
    (void)item;
    return is_critical(view, "subject_key_id");
}

static bool constraints_may_be_ignored(const struct cert_view *view,
                                       char item[static CERT_ITEM_MAX])
{
    (void)item;
    const json_t *constraints = cert_extension(view, "basic_constraints");
    return constraints && !cert_flag(constraints, "critical");
}

static bool path_length_is_odd(const struct cert_view *view,
                               char item[static CERT_ITEM_MAX])
{
    (void)item;
    const json_t *constraints = cert_extension(view, "basic_constraints");
    return cert_flag(constraints, "malformed") ||
           (json_object_get(constraints, "path_len") && !cert_flag(constraints, "ca"));
}

static bool policies_may_be_ignored(const struct cert_view *view,
                                    char item[static CERT_ITEM_MAX])
{
    (void)item;
    const json_t *constraints = cert_extension(view, "policy_constraints");
    return constraints && !cert_flag(constraints, "critical");
}

static bool access_is_critical(const struct cert_view *view,
                               char item[static CERT_ITEM_MAX])
{
    (void)item;
    return is_critical(view, "authority_info_access");
}

#define FAIL POSTURE_RESULT_FAIL
#define WARN POSTURE_RESULT_WARN
#define NA   POSTURE_RESULT_NA /* nobody but its store can do anything about it */
static const struct cert_rule form_rules[] = {
    {"tls.cert.form.signature_mismatch", CERT_ANY, FAIL, FAIL, algorithm_differs},
    {"tls.cert.form.extension_repeated", CERT_ANY, FAIL, FAIL, extension_is_repeated},
    {"tls.cert.form.extension_malformed", CERT_ANY, FAIL, FAIL, extension_is_malformed},
    {"tls.cert.form.extension_unknown", CERT_ANY, FAIL, FAIL, extension_is_unknown},
    {"tls.cert.form.extension_version", CERT_ANY, FAIL, FAIL, extensions_need_version_3},
    {"tls.cert.form.trailing_bytes", CERT_ANY, FAIL, FAIL, bytes_trail},
    {"tls.cert.form.issuer_empty", CERT_ANY, FAIL, FAIL, issuer_is_empty},
    {"tls.cert.form.ca_subject_empty", CERT_CA, FAIL, FAIL, subject_is_empty},
    {"tls.cert.form.time_encoding", CERT_ISSUED, FAIL, FAIL, time_is_odd},
    {"tls.cert.form.pss_parameters", CERT_ISSUED, WARN, FAIL, pss_is_odd},
    {"tls.cert.form.aki_missing", CERT_ANY, WARN, FAIL, authority_is_missing},
    {"tls.cert.form.aki_critical", CERT_ANY, WARN, FAIL, authority_is_critical},
    {"tls.cert.form.aki_mismatch", CERT_ANY, WARN, FAIL, authority_is_another},
    {"tls.cert.form.aki_of_root", CERT_ROOT, WARN, NA, root_authority_is_odd},
    {"tls.cert.form.ski_missing", CERT_INTERMEDIATE, WARN, FAIL, key_id_is_missing},
    {"tls.cert.form.ski_missing", CERT_ROOT, WARN, NA, key_id_is_missing},
    {"tls.cert.form.ski_critical", CERT_ANY, WARN, FAIL, key_id_is_critical},
    {"tls.cert.form.basic_constraints_not_critical", CERT_INTERMEDIATE, WARN, FAIL,
     constraints_may_be_ignored},
    {"tls.cert.form.basic_constraints_not_critical", CERT_ROOT, WARN, NA,
     constraints_may_be_ignored},
    {"tls.cert.form.path_length", CERT_ISSUED, WARN, FAIL, path_length_is_odd},
    {"tls.cert.form.policy_constraints_not_critical", CERT_CA, WARN, FAIL,
     policies_may_be_ignored},
    {"tls.cert.form.aia_critical", CERT_ANY, WARN, FAIL, access_is_critical},
};

void tls_cert_form_check(const struct posture_check_input *input,
                         const struct tls_endpoint *endpoint,
                         struct posture_verdict *verdict)
{
    cert_rules_judge(input, endpoint, form_rules, POSTURE_COUNT(form_rules),
                     "tls.cert.form.sound", verdict);
}

/* Hex digits that say something. */
static const char *serial_of(const struct cert_view *view)
{
    const char *serial = posture_json_string(view->certificate, "serial");
    return serial ? serial + strspn(serial, "0") : "";
}

static bool serial_is_negative(const struct cert_view *view,
                               char item[static CERT_ITEM_MAX])
{
    (void)item;
    return cert_faults_have(view->certificate, "serial.negative");
}

static bool serial_is_zero(const struct cert_view *view, char item[static CERT_ITEM_MAX])
{
    (void)item;
    return *serial_of(view) == '\0';
}

/* RFC 5280 4.1.2.2: at most 20 octets, the sign's included. */
static bool serial_is_long(const struct cert_view *view, char item[static CERT_ITEM_MAX])
{
    const char *serial = serial_of(view);
    size_t digits = strlen(serial);
    bool needs_sign = digits % 2 == 0 && digits > 0 && strchr("89abcdef", serial[0]);
    size_t octets = (digits + 1) / 2 + needs_sign;
    snprintf(item, CERT_ITEM_MAX, "%zu", octets);
    return octets > 20;
}

/* 64 random bits are asked for; one in 256 of such has a zero octet in front. */
static bool serial_is_short(const struct cert_view *view, char item[static CERT_ITEM_MAX])
{
    size_t digits = strlen(serial_of(view));
    snprintf(item, CERT_ITEM_MAX, "%zu", digits * 4);
    return digits > 0 && digits < 14;
}

static const struct cert_rule serial_rules[] = {
    {"tls.cert.serial.negative", CERT_ANY, FAIL, FAIL, serial_is_negative},
    {"tls.cert.serial.zero", CERT_ISSUED, FAIL, FAIL, serial_is_zero},
    {"tls.cert.serial.long", CERT_ANY, FAIL, FAIL, serial_is_long},
    {"tls.cert.serial.short", CERT_ISSUED, WARN, FAIL, serial_is_short},
};

void tls_cert_serial_check(const struct posture_check_input *input,
                           const struct tls_endpoint *endpoint,
                           struct posture_verdict *verdict)
{
    cert_rules_judge(input, endpoint, serial_rules, POSTURE_COUNT(serial_rules),
                     "tls.cert.serial.sound", verdict);
}
