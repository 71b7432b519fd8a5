/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#include "common/tls/certificate.h"

#include "common/base/mem.h"
#include "common/base/parse.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/sha.h>
#include <openssl/x509v3.h>

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

struct posture_tls_trust {
    char *name;        /* as the facts say it */
    X509_STORE *store; /* NULL: "none" */
};

/* Where distributions keep the bundle; the first that exists is "system". */
static const char *const system_bundles[] = {
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
};

struct posture_tls_trust *posture_tls_trust_free(struct posture_tls_trust *trust)
{
    if (!trust)
        return NULL;
    X509_STORE_free(trust->store);
    free(trust->name);
    free(trust);
    return NULL;
}
POSTURE_AUTO_DEFINE(struct posture_tls_trust *, posture_tls_trust_free)

int posture_tls_trust_load(const char *store, struct posture_tls_trust **ret,
                           struct posture_error *reterr)
{
    POSTURE_AUTO(posture_tls_trust_free)
    struct posture_tls_trust *trust = posture_calloc(1, sizeof(*trust));
    if (!trust)
        return -ENOMEM;
    trust->name = posture_strdup(store);
    if (!trust->name)
        return -ENOMEM;
    if (strcmp(store, "none")) {
        const char *path = store;
        if (!strcmp(store, "system")) {
            path = NULL;
            for (size_t i = 0; !path && i < POSTURE_COUNT(system_bundles); i++) {
                if (!access(system_bundles[i], R_OK))
                    path = system_bundles[i];
            }
            if (!path)
                return posture_error_set(
                    reterr, POSTURE_E_MISSING,
                    "none of the known places (such as %s) can be read; expected a PEM "
                    "file of certificates or none",
                    system_bundles[0]);
        }
        trust->store = X509_STORE_new();
        if (!trust->store)
            return -ENOMEM;
        /* OpenSSL would say "system lib" and not which. */
        POSTURE_AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
        if (fd < 0)
            return posture_error_set(reterr, -errno,
                                     "%s; expected a PEM file of certificates that the "
                                     "worker's user may read, system or none",
                                     strerror(errno));
        ERR_clear_error();
        int loaded = X509_STORE_load_file(trust->store, path);
        ERR_clear_error();
        if (loaded != 1)
            return posture_error_set(reterr, POSTURE_E_FORMAT,
                                     "no certificate in it; expected a PEM file of "
                                     "certificates, system or none");
    }
    *ret = POSTURE_TAKE(trust);
    return 0;
}

/* Foreign text as a JSON string of at most max bytes; what is not well-formed becomes
 * \xHH. */
static json_t *text_json(const char *bytes, size_t len, size_t max)
{
    if (len > max)
        len = posture_utf8_cut(bytes, max);
    if (posture_utf8_valid(bytes, len) && !memchr(bytes, '\0', len))
        return json_stringn(bytes, len);
    char safe[POSTURE_TLS_NAME_TEXT_MAX + 1];
    return json_string(posture_escape(bytes, len, safe, max + 1));
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
    json_t *text = text_json(bytes, len > 0 ? (size_t)len : 0, POSTURE_TLS_NAME_TEXT_MAX);
    BIO_free(bio);
    return text;
}

static json_t *serial_json(const X509 *cert)
{
    const ASN1_INTEGER *serial = X509_get0_serialNumber(cert);
    int len = ASN1_STRING_length(serial);
    char hex[2 * 64 + 2];
    if (len > 64)
        len = 64;
    if (len <= 0)
        return json_string("00");
    posture_hex(ASN1_STRING_get0_data(serial), (size_t)len, hex);
    return json_string(hex);
}

static json_t *time_json(const ASN1_TIME *time)
{
    struct tm tm;
    if (ASN1_TIME_to_tm(time, &tm) != 1)
        return NULL;
    char text[96];
    snprintf(text, sizeof(text), "%04d-%02d-%02dT%02d:%02d:%02d.000Z", tm.tm_year + 1900,
             tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec);
    return json_string(text);
}

/* OpenSSL's names of the curves for which IANA has another. */
static const char *curve_name(int nid)
{
    switch (nid) {
    case NID_X9_62_prime256v1:
        return "secp256r1";
    case NID_X9_62_prime192v1:
        return "secp192r1";
    case NID_undef:
        return "explicit";
    default:
        return OBJ_nid2sn(nid);
    }
}

static int key_curve(EVP_PKEY *key)
{
    char group[80] = "";
    size_t len = 0;
    if (EVP_PKEY_get_group_name(key, group, sizeof(group), &len) != 1)
        return NID_undef;
    return OBJ_txt2nid(group);
}

static void oid_text(const ASN1_OBJECT *object, char *buf, size_t size)
{
    if (!object || OBJ_obj2txt(buf, (int)size, object, /* no_name = */ 1) <= 0)
        snprintf(buf, size, "unknown");
}

static json_t *key_json(X509 *cert)
{
    EVP_PKEY *key = X509_get0_pubkey(cert);
    if (!key) {
        ERR_clear_error();
        ASN1_OBJECT *object = NULL;
        char oid[80];
        X509_PUBKEY_get0_param(&object, NULL, NULL, NULL, X509_get_X509_PUBKEY(cert));
        oid_text(object, oid, sizeof(oid));
        return json_pack("{s:s}", "type", oid);
    }
    int bits = EVP_PKEY_get_bits(key);
    switch (EVP_PKEY_get_base_id(key)) {
    case EVP_PKEY_RSA:
        return json_pack("{s:s,s:i}", "type", "rsa", "bits", bits);
    case EVP_PKEY_RSA_PSS:
        return json_pack("{s:s,s:i}", "type", "rsa-pss", "bits", bits);
    case EVP_PKEY_EC:
        return json_pack("{s:s,s:s,s:i}", "type", "ec", "curve",
                         curve_name(key_curve(key)), "bits", bits);
    case EVP_PKEY_ED25519:
        return json_pack("{s:s,s:i}", "type", "ed25519", "bits", 256);
    case EVP_PKEY_ED448:
        return json_pack("{s:s,s:i}", "type", "ed448", "bits", 456);
    case EVP_PKEY_DSA:
        return json_pack("{s:s,s:i}", "type", "dsa", "bits", bits);
    default:
        return json_pack("{s:s,s:i}", "type", OBJ_nid2sn(EVP_PKEY_get_base_id(key)),
                         "bits", bits);
    }
}

static const char *hash_name(int nid)
{
    switch (nid) {
    case NID_md2:
        return "md2";
    case NID_md4:
        return "md4";
    case NID_md5:
        return "md5";
    case NID_sha1:
        return "sha1";
    case NID_sha224:
        return "sha224";
    case NID_sha256:
        return "sha256";
    case NID_sha384:
        return "sha384";
    case NID_sha512:
        return "sha512";
    case NID_sha3_256:
        return "sha3-256";
    case NID_sha3_384:
        return "sha3-384";
    case NID_sha3_512:
        return "sha3-512";
    case NID_undef:
        return "none";
    default:
        return OBJ_nid2sn(nid);
    }
}

static json_t *signature_json(X509 *cert)
{
    int md = NID_undef, pk = NID_undef;
    char oid[80], name[96];
    const X509_ALGOR *algorithm = NULL;
    const ASN1_OBJECT *object = NULL;
    X509_get0_signature(NULL, &algorithm, cert);
    X509_ALGOR_get0(&object, NULL, NULL, algorithm);
    oid_text(object, oid, sizeof(oid));
    if (X509_get_signature_info(cert, &md, &pk, NULL, NULL) != 1) {
        ERR_clear_error();
        if (pk == NID_undef && !OBJ_find_sigid_algs(OBJ_obj2nid(object), &md, &pk))
            return json_pack("{s:s,s:s,s:s,s:s}", "algorithm", oid, "name_oid", oid,
                             "key_type", "unknown", "hash", "unknown");
    }
    const char *hash = hash_name(md);
    const char *key = "unknown";
    switch (pk) {
    case EVP_PKEY_RSA:
        key = "rsa";
        snprintf(name, sizeof(name), "rsa_pkcs1_%s", hash);
        break;
    case NID_rsassaPss:
        key = "rsa";
        snprintf(name, sizeof(name), "rsa_pss_rsae_%s", hash);
        break;
    case NID_X9_62_id_ecPublicKey:
        key = "ec";
        snprintf(name, sizeof(name), "ecdsa_%s", hash);
        break;
    case NID_ED25519:
        key = "ed25519";
        hash = "sha512"; /* RFC 8032: the hash is part of the algorithm */
        snprintf(name, sizeof(name), "ed25519");
        break;
    case NID_ED448:
        key = "ed448";
        hash = "shake256";
        snprintf(name, sizeof(name), "ed448");
        break;
    case EVP_PKEY_DSA:
        key = "dsa";
        snprintf(name, sizeof(name), "dsa_%s", hash);
        break;
    default:
        snprintf(name, sizeof(name), "%s", oid);
        break;
    }
    return json_pack("{s:s,s:s,s:s,s:s}", "algorithm", name, "name_oid", oid, "key_type",
                     key, "hash", hash);
}

static json_t *ip_json(const ASN1_OCTET_STRING *ip)
{
    char text[INET6_ADDRSTRLEN] = "";
    int len = ASN1_STRING_length(ip);
    if (len == 4)
        inet_ntop(AF_INET, ASN1_STRING_get0_data(ip), text, sizeof(text));
    else if (len == 16)
        inet_ntop(AF_INET6, ASN1_STRING_get0_data(ip), text, sizeof(text));
    return text[0] ? json_string(text) : NULL;
}

static json_t *sans_json(X509 *cert, size_t *budget)
{
    json_auto_t *sans = json_object();
    json_auto_t *dns = json_array();
    json_auto_t *ip = json_array();
    GENERAL_NAMES *names = X509_get_ext_d2i(cert, NID_subject_alt_name, NULL, NULL);
    ERR_clear_error();
    bool is_cut = false;
    for (int i = 0; names && i < sk_GENERAL_NAME_num(names); i++) {
        const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);
        size_t cost =
            name->type == GEN_DNS ? (size_t)ASN1_STRING_length(name->d.dNSName) + 4 : 44;
        if (json_array_size(dns) >= POSTURE_TLS_SANS_MAX ||
            json_array_size(ip) >= POSTURE_TLS_SAN_IPS_MAX || *budget < cost) {
            is_cut = true;
            break;
        }
        *budget -= cost;
        if (name->type == GEN_DNS)
            json_array_append_new(
                dns, text_json((const char *)ASN1_STRING_get0_data(name->d.dNSName),
                               (size_t)ASN1_STRING_length(name->d.dNSName),
                               POSTURE_TLS_SAN_TEXT_MAX));
        else if (name->type == GEN_IPADD)
            json_array_append_new(ip, ip_json(name->d.iPAddress));
    }
    GENERAL_NAMES_free(names);
    json_object_set(sans, "dns", dns);
    json_object_set(sans, "ip", ip);
    if (is_cut)
        json_object_set_new(sans, "truncated", json_true());
    return json_incref(sans);
}

static json_t *certificate_json(X509 *cert, const struct posture_tls_der *der,
                                size_t *budget)
{
    json_auto_t *object = json_object();
    unsigned char digest[SHA256_DIGEST_LENGTH];
    char hex[2 * SHA256_DIGEST_LENGTH + 1];
    SHA256(der->bytes, der->len, digest);
    posture_hex(digest, sizeof(digest), hex);
    json_object_set_new(object, "subject", name_json(X509_get_subject_name(cert)));
    json_object_set_new(object, "issuer", name_json(X509_get_issuer_name(cert)));
    json_object_set_new(object, "sans", sans_json(cert, budget));
    json_object_set_new(object, "serial", serial_json(cert));
    long version = X509_get_version(cert) + 1;
    if (version >= 1 && version <= 255)
        json_object_set_new(object, "version", json_integer(version));
    json_object_set_new(object, "key", key_json(cert));
    json_object_set_new(object, "signature", signature_json(cert));
    json_t *before = time_json(X509_get0_notBefore(cert));
    json_t *after = time_json(X509_get0_notAfter(cert));
    if (before)
        json_object_set_new(object, "not_before", before);
    if (after)
        json_object_set_new(object, "not_after", after);
    json_object_set_new(object, "sha256", json_string(hex));
    return json_incref(object);
}

static const char *verify_error_name(int error, char buf[static 32])
{
    static const struct {
        int error;
        const char *name;
    } names[] = {
        {X509_V_OK, "ok"},
        {X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT, "unable_to_get_issuer_cert"},
        {X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY,
         "unable_to_get_issuer_cert_locally"},
        {X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE, "unable_to_verify_leaf_signature"},
        {X509_V_ERR_CERT_SIGNATURE_FAILURE, "cert_signature_failure"},
        {X509_V_ERR_CERT_NOT_YET_VALID, "cert_not_yet_valid"},
        {X509_V_ERR_CERT_HAS_EXPIRED, "cert_has_expired"},
        {X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT, "depth_zero_self_signed_cert"},
        {X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN, "self_signed_cert_in_chain"},
        {X509_V_ERR_CERT_CHAIN_TOO_LONG, "cert_chain_too_long"},
        {X509_V_ERR_INVALID_CA, "invalid_ca"},
        {X509_V_ERR_PATH_LENGTH_EXCEEDED, "path_length_exceeded"},
        {X509_V_ERR_INVALID_PURPOSE, "invalid_purpose"},
        {X509_V_ERR_CERT_UNTRUSTED, "cert_untrusted"},
        {X509_V_ERR_CERT_REJECTED, "cert_rejected"},
        {X509_V_ERR_KEYUSAGE_NO_CERTSIGN, "keyusage_no_certsign"},
        {X509_V_ERR_UNHANDLED_CRITICAL_EXTENSION, "unhandled_critical_extension"},
        {X509_V_ERR_PERMITTED_VIOLATION, "permitted_violation"},
        {X509_V_ERR_EXCLUDED_VIOLATION, "excluded_violation"},
        {X509_V_ERR_UNABLE_TO_DECODE_ISSUER_PUBLIC_KEY,
         "unable_to_decode_issuer_public_key"},
        {X509_V_ERR_UNSUPPORTED_SIGNATURE_ALGORITHM, "unsupported_signature_algorithm"},
    };
    for (size_t i = 0; i < POSTURE_COUNT(names); i++) {
        if (names[i].error == error)
            return names[i].name;
    }
    snprintf(buf, 32, "error_%d", error);
    return buf;
}

static const char *name_check(X509 *leaf, const char *host, bool is_literal,
                              const json_t *facts)
{
    int r = is_literal ? X509_check_ip_asc(leaf, host, 0)
                       : X509_check_host(leaf, host, strlen(host),
                                         X509_CHECK_FLAG_NEVER_CHECK_SUBJECT, NULL);
    if (r == 1)
        return "ok";
    const json_t *sans = json_object_get(facts, "sans");
    bool has_any = json_array_size(json_object_get(sans, "dns")) > 0 ||
                   json_array_size(json_object_get(sans, "ip")) > 0;
    return has_any ? "mismatch" : "no_san";
}

static json_t *verification_json(const struct posture_tls_trust *trust, X509 *leaf,
                                 STACK_OF(X509) * chain, const char *host,
                                 bool is_literal, const json_t *leaf_facts)
{
    json_auto_t *object = json_object();
    json_object_set_new(object, "store", json_string(trust->name));
    if (!trust->store) {
        json_object_set_new(object, "chain", json_string("unchecked"));
    } else {
        X509_STORE_CTX *ctx = X509_STORE_CTX_new();
        if (!ctx || X509_STORE_CTX_init(ctx, trust->store, leaf, chain) != 1) {
            X509_STORE_CTX_free(ctx);
            return NULL;
        }
        X509_STORE_CTX_set_default(ctx, "ssl_server");
        int error = X509_V_OK;
        if (X509_verify_cert(ctx) != 1) {
            error = X509_STORE_CTX_get_error(ctx);
            if (error == X509_V_OK)
                error = X509_V_ERR_UNSPECIFIED;
        }
        X509_STORE_CTX_free(ctx);
        ERR_clear_error();
        char buf[32];
        json_object_set_new(object, "chain", json_string(verify_error_name(error, buf)));
        if (error != X509_V_OK)
            json_object_set_new(object, "chain_detail",
                                json_string(X509_verify_cert_error_string(error)));
    }
    json_object_set_new(object, "name",
                        json_string(name_check(leaf, host, is_literal, leaf_facts)));
    return json_incref(object);
}

json_t *posture_tls_chain_facts(const struct posture_tls_der *certificates, size_t count,
                                bool is_truncated, const struct posture_tls_trust *trust,
                                const char *host, bool is_literal, size_t *budget,
                                bool *ret_is_bad)
{
    *ret_is_bad = false;
    json_auto_t *chain = json_object();
    json_auto_t *list = json_array();
    STACK_OF(X509) *stack = sk_X509_new_null();
    json_t *result = NULL;
    if (!chain || !list || !stack)
        goto out;
    for (size_t i = 0; i < count; i++) {
        const unsigned char *at = certificates[i].bytes;
        X509 *cert = d2i_X509(NULL, &at, (long)certificates[i].len);
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
        json_array_append_new(list, certificate_json(cert, &certificates[i], budget));
    }
    if (sk_X509_num(stack) == 0)
        goto out;
    json_object_set(chain, "certificates", list);
    if (is_truncated)
        json_object_set_new(chain, "truncated", json_true());
    json_t *verification = verification_json(trust, sk_X509_value(stack, 0), stack, host,
                                             is_literal, json_array_get(list, 0));
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
