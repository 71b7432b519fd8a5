/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#include "common/tls/certificate_internal.h"

#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>

#include <stdio.h>
#include <string.h>

enum {
    MODULUS_EXAMINED_MAX =
        16384, /* bits; above, looking for faults would cost too much */
    SMALL_FACTOR_MAX = 1000,
};

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

/*
 * ROCA (CVE-2017-15361): the faulty library's primes are k * M + (65537^a mod M), so that
 * the modulus is a power of 65537 modulo each small prime that divides M. A random
 * modulus passes all of these with a chance of about 2^-27.
 */
static bool modulus_is_roca(const BIGNUM *n)
{
    static const unsigned char primes[] = {11, 13, 17,  19,  37,  53,  61,  71, 73,
                                           79, 97, 103, 107, 109, 127, 151, 157};
    for (size_t i = 0; i < POSTURE_COUNT(primes); i++) {
        unsigned p = primes[i];
        BN_ULONG rest = BN_mod_word(n, p);
        unsigned power = 1;
        do {
            if (power == rest)
                break;
            power = power * (65537 % p) % p;
        } while (power != 1);
        if (power != rest)
            return false;
    }
    return true;
}

static bool modulus_has_small_factor(const BIGNUM *n)
{
    for (unsigned p = 2; p < SMALL_FACTOR_MAX; p += p == 2 ? 1 : 2) {
        if (BN_mod_word(n, p) == 0)
            return true;
    }
    return false;
}

static void rsa_facts(EVP_PKEY *key, int bits, json_t *facts)
{
    BIGNUM *e = NULL, *n = NULL;
    if (EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_RSA_E, &e) == 1) {
        /* Larger ones are as good as each other: 0 stands for them. */
        BN_ULONG word = BN_num_bits(e) <= 48 ? BN_get_word(e) : 0;
        json_object_set_new(facts, "exponent", json_integer((json_int_t)word));
        if (!BN_is_odd(e))
            json_object_set_new(facts, "exponent_even", json_true());
    }
    if (bits <= MODULUS_EXAMINED_MAX &&
        EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_RSA_N, &n) == 1) {
        if (modulus_is_roca(n))
            json_object_set_new(facts, "roca", json_true());
        if (modulus_has_small_factor(n))
            json_object_set_new(facts, "small_factor", json_true());
    }
    BN_free(e);
    BN_free(n);
    ERR_clear_error();
}

/* RFC 5480 2.1.1 allows a curve by its name only; OpenSSL takes parameters that spell a
 * curve out and finds the name by itself. */
static bool is_spelled_out(EVP_PKEY *key)
{
    int value = 0;
    bool is_so = EVP_PKEY_get_int_param(
                     key, OSSL_PKEY_PARAM_EC_DECODED_FROM_EXPLICIT_PARAMS, &value) == 1 &&
                 value != 0;
    ERR_clear_error();
    return is_so;
}

static json_t *ec_json(EVP_PKEY *key, int bits)
{
    json_t *facts = json_pack("{s:s,s:s,s:i}", "type", "ec", "curve",
                              curve_name(key_curve(key)), "bits", bits);
    if (is_spelled_out(key))
        json_object_set_new(facts, "explicit_parameters", json_true());
    return facts;
}

static json_t *dsa_json(EVP_PKEY *key, int bits)
{
    BIGNUM *q = NULL;
    json_t *facts = json_pack("{s:s,s:i}", "type", "dsa", "bits", bits);
    if (EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_FFC_Q, &q) == 1)
        json_object_set_new(facts, "q_bits", json_integer(BN_num_bits(q)));
    BN_free(q);
    ERR_clear_error();
    return facts;
}

json_t *posture_tls_key_json(X509 *cert)
{
    EVP_PKEY *key = X509_get0_pubkey(cert);
    if (!key) {
        ERR_clear_error();
        ASN1_OBJECT *object = NULL;
        char oid[POSTURE_TLS_OID_TEXT];
        X509_PUBKEY_get0_param(&object, NULL, NULL, NULL, X509_get_X509_PUBKEY(cert));
        posture_tls_oid_text(object, oid);
        return json_pack("{s:s}", "type", oid);
    }
    int bits = EVP_PKEY_get_bits(key);
    switch (EVP_PKEY_get_base_id(key)) {
    case EVP_PKEY_RSA:
    case EVP_PKEY_RSA_PSS: {
        bool is_pss = EVP_PKEY_get_base_id(key) == EVP_PKEY_RSA_PSS;
        json_t *facts =
            json_pack("{s:s,s:i}", "type", is_pss ? "rsa-pss" : "rsa", "bits", bits);
        rsa_facts(key, bits, facts);
        return facts;
    }
    case EVP_PKEY_EC:
        return ec_json(key, bits);
    case EVP_PKEY_ED25519:
        return json_pack("{s:s,s:i}", "type", "ed25519", "bits", 256);
    case EVP_PKEY_ED448:
        return json_pack("{s:s,s:i}", "type", "ed448", "bits", 456);
    case EVP_PKEY_DSA:
        return dsa_json(key, bits);
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

/* Hash, mask hash and salt of RSASSA-PSS (RFC 4055). */
static json_t *pss_json(const X509_ALGOR *algorithm)
{
    const ASN1_OBJECT *object;
    const void *value;
    int type;
    X509_ALGOR_get0(&object, &type, &value, algorithm);
    if (OBJ_obj2nid(object) != NID_rsassaPss)
        return NULL;
    RSA_PSS_PARAMS *pss = type == V_ASN1_SEQUENCE
                              ? ASN1_TYPE_unpack_sequence(ASN1_ITEM_rptr(RSA_PSS_PARAMS),
                                                          algorithm->parameter)
                              : NULL;
    ERR_clear_error();
    if (!pss)
        return json_pack("{s:b}", "malformed", 1);
    int hash = NID_sha1, mask = NID_sha1; /* the defaults */
    if (pss->hashAlgorithm)
        hash = OBJ_obj2nid(pss->hashAlgorithm->algorithm);
    if (pss->maskGenAlgorithm) {
        X509_ALGOR *inner =
            pss->maskGenAlgorithm->parameter
                ? ASN1_TYPE_unpack_sequence(ASN1_ITEM_rptr(X509_ALGOR),
                                            pss->maskGenAlgorithm->parameter)
                : NULL;
        mask = inner ? OBJ_obj2nid(inner->algorithm) : NID_undef;
        X509_ALGOR_free(inner);
    }
    long salt = pss->saltLength ? ASN1_INTEGER_get(pss->saltLength) : 20;
    RSA_PSS_PARAMS_free(pss);
    ERR_clear_error();
    json_t *facts =
        json_pack("{s:s,s:s}", "hash", hash_name(hash), "mask_hash", hash_name(mask));
    if (salt >= 0 && salt <= 65536)
        json_object_set_new(facts, "salt_bytes", json_integer(salt));
    return facts;
}

static json_t *algorithm_json(X509 *cert)
{
    int md = NID_undef, pk = NID_undef;
    char oid[POSTURE_TLS_OID_TEXT], name[96];
    const X509_ALGOR *algorithm = NULL;
    const ASN1_OBJECT *object = NULL;
    X509_get0_signature(NULL, &algorithm, cert);
    X509_ALGOR_get0(&object, NULL, NULL, algorithm);
    posture_tls_oid_text(object, oid);
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

json_t *posture_tls_signature_json(X509 *cert)
{
    json_t *facts = algorithm_json(cert);
    const X509_ALGOR *outer = NULL;
    X509_get0_signature(NULL, &outer, cert);
    /* RFC 5280 4.1.1.2: the same identifier inside and outside of what is signed. */
    if (X509_ALGOR_cmp(outer, X509_get0_tbs_sigalg(cert)) != 0)
        json_object_set_new(facts, "mismatch", json_true());
    json_t *pss = pss_json(outer);
    if (pss)
        json_object_set_new(facts, "pss", pss);
    return facts;
}
