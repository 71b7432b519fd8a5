/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#include "common/tls/certificate_internal.h"

#include "common/base/parse.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/sha.h>

#include <stdio.h>
#include <string.h>

enum { COMMON_NAMES_MAX = 4, SERIAL_BYTES_MAX = 64 };

json_t *posture_tls_text_json(const char *bytes, size_t len, size_t max)
{
    if (len > max)
        len = posture_utf8_cut(bytes, max);
    if (posture_utf8_valid(bytes, len) && !memchr(bytes, '\0', len))
        return json_stringn(bytes, len);
    char safe[POSTURE_TLS_NAME_TEXT_MAX + 1];
    return json_string(posture_escape(bytes, len, safe, max + 1));
}

json_t *posture_tls_asn1_text_json(const ASN1_STRING *text, size_t max)
{
    return posture_tls_text_json((const char *)ASN1_STRING_get0_data(text),
                                 (size_t)ASN1_STRING_length(text), max);
}

void posture_tls_oid_text(const ASN1_OBJECT *object,
                          char buf[static POSTURE_TLS_OID_TEXT])
{
    int len =
        object ? OBJ_obj2txt(buf, POSTURE_TLS_OID_TEXT, object, /* no_name = */ 1) : 0;
    if (len <= 0 || len >= POSTURE_TLS_OID_TEXT)
        snprintf(buf, POSTURE_TLS_OID_TEXT, "0.0");
}

static json_t *name_json(const X509_NAME *name)
{
    BIO *bio = BIO_new(BIO_s_mem());
    if (!bio)
        return NULL;
    char *bytes = NULL;
    X509_NAME_print_ex(bio, name, 0,
                       XN_FLAG_RFC2253 & ~(unsigned long)ASN1_STRFLGS_ESC_MSB);
    long len = BIO_get_mem_data(bio, &bytes);
    /* An empty name is a name too. */
    json_t *text = posture_tls_text_json(len > 0 ? bytes : "", len > 0 ? (size_t)len : 0,
                                         POSTURE_TLS_NAME_TEXT_MAX);
    BIO_free(bio);
    return text;
}

static json_t *common_names_json(const X509_NAME *subject)
{
    json_t *list = json_array();
    for (int at = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);
         at >= 0 && json_array_size(list) < COMMON_NAMES_MAX;
         at = X509_NAME_get_index_by_NID(subject, NID_commonName, at)) {
        unsigned char *utf8 = NULL;
        int len = ASN1_STRING_to_UTF8(
            &utf8, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at)));
        if (len >= 0)
            json_array_append_new(list,
                                  posture_tls_text_json((const char *)utf8, (size_t)len,
                                                        POSTURE_TLS_SAN_TEXT_MAX));
        OPENSSL_free(utf8);
    }
    ERR_clear_error();
    return list;
}

static json_t *serial_json(const X509 *cert)
{
    const ASN1_INTEGER *serial = X509_get0_serialNumber(cert);
    int len = ASN1_STRING_length(serial);
    char hex[2 * SERIAL_BYTES_MAX + 2];
    if (len > SERIAL_BYTES_MAX)
        len = SERIAL_BYTES_MAX;
    if (len <= 0)
        return json_string("00");
    posture_hex(ASN1_STRING_get0_data(serial), (size_t)len, hex);
    return json_string(hex);
}

json_t *posture_tls_time_json(const ASN1_TIME *time)
{
    struct tm tm;
    if (!time || ASN1_TIME_to_tm(time, &tm) != 1)
        return NULL;
    char text[96];
    snprintf(text, sizeof(text), "%04d-%02d-%02dT%02d:%02d:%02d.000Z", tm.tm_year + 1900,
             tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec);
    return json_string(text);
}

static void fault_add(json_t *faults, const char *what, const char *fault)
{
    char word[64];
    snprintf(word, sizeof(word), "%s%s", what, fault);
    json_array_append_new(faults, json_string(word));
}

/* RFC 5280 4.1.2.5: UTCTime through 2049, GeneralizedTime from 2050, both to the second,
 * in Zulu. */
static void time_faults_add(const ASN1_TIME *time, const char *what, json_t *faults)
{
    const char *text = (const char *)ASN1_STRING_get0_data(time);
    size_t len = (size_t)ASN1_STRING_length(time);
    bool is_generalized = ASN1_STRING_type(time) == V_ASN1_GENERALIZEDTIME;
    size_t digits = is_generalized ? 14 : 12;
    if (len != digits + 1 || text[digits] != 'Z' || strspn(text, "0123456789") != digits)
        fault_add(faults, what, ".form");
    else if (is_generalized && memcmp(text, "2050", 4) < 0)
        fault_add(faults, what, ".generalized_time");
}

/* What the bytes do otherwise than RFC 5280 has it and no other member says. */
static json_t *faults_json(X509 *cert)
{
    json_t *faults = json_array();
    if (ASN1_STRING_type(X509_get0_serialNumber(cert)) == V_ASN1_NEG_INTEGER)
        fault_add(faults, "serial", ".negative");
    time_faults_add(X509_get0_notBefore(cert), "not_before", faults);
    time_faults_add(X509_get0_notAfter(cert), "not_after", faults);
    if (X509_get_version(cert) < 2 && X509_get_ext_count(cert) > 0)
        fault_add(faults, "version", ".extensions");
    return faults;
}

/* Sets a list only when it says something. */
static void list_set(json_t *facts, const char *key, json_t *list_take)
{
    if (json_array_size(list_take) > 0)
        json_object_set_new(facts, key, list_take);
    else
        json_decref(list_take);
}

json_t *posture_tls_certificate_json(X509 *cert, const struct posture_tls_trust *trust,
                                     bool with_names, size_t *budget)
{
    json_auto_t *object = json_object();
    unsigned char digest[SHA256_DIGEST_LENGTH];
    unsigned len = 0;
    char hex[2 * SHA256_DIGEST_LENGTH + 1] = "";
    if (X509_digest(cert, EVP_sha256(), digest, &len) == 1)
        posture_hex(digest, len, hex);
    json_object_set_new(object, "subject", name_json(X509_get_subject_name(cert)));
    json_object_set_new(object, "issuer", name_json(X509_get_issuer_name(cert)));
    list_set(object, "common_names", common_names_json(X509_get_subject_name(cert)));
    if (with_names)
        json_object_set_new(object, "sans", posture_tls_sans_json(cert, trust, budget));
    json_object_set_new(object, "serial", serial_json(cert));
    long version = X509_get_version(cert) + 1;
    if (version >= 1 && version <= 255)
        json_object_set_new(object, "version", json_integer(version));
    json_object_set_new(object, "key", posture_tls_key_json(cert));
    json_object_set_new(object, "signature", posture_tls_signature_json(cert));
    json_object_set_new(object, "self_signed",
                        json_boolean(X509_self_signed(cert, /* verify = */ 1) == 1));
    json_t *before = posture_tls_time_json(X509_get0_notBefore(cert));
    json_t *after = posture_tls_time_json(X509_get0_notAfter(cert));
    if (before)
        json_object_set_new(object, "not_before", before);
    if (after)
        json_object_set_new(object, "not_after", after);
    json_object_set_new(object, "extensions", posture_tls_extensions_json(cert));
    list_set(object, "faults", faults_json(cert));
    json_object_set_new(object, "sha256", json_string(hex));
    ERR_clear_error();
    return json_incref(object);
}
