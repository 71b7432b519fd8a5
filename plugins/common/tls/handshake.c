/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#include "common/tls/handshake.h"

#include <openssl/err.h>
#include <openssl/objects.h>

#include <errno.h>
#include <string.h>

enum { OPENSSL_GROUPS_MAX = 16 };

/* What OpenSSL 3 may offer in TLS 1.3, cheapest first. Names it does not know are left
 * out. */
static const struct {
    uint16_t code;
    const char *name;
} openssl_groups[] = {
    {0x001d, "X25519"},    {0x0017, "P-256"},     {0x0018, "P-384"},
    {0x0019, "P-521"},     {0x001e, "X448"},      {0x0100, "ffdhe2048"},
    {0x0101, "ffdhe3072"}, {0x0102, "ffdhe4096"}, {0x0103, "ffdhe6144"},
    {0x0104, "ffdhe8192"},
};

static const char *const any_signatures =
    "RSA-PSS+SHA256:RSA-PSS+SHA384:RSA-PSS+SHA512:"
    "rsa_pss_pss_sha256:rsa_pss_pss_sha384:"
    "rsa_pss_pss_sha512:ECDSA+SHA256:ECDSA+SHA384:"
    "ECDSA+SHA512:ed25519:ed448:RSA+SHA256:RSA+SHA384:"
    "RSA+SHA512:ECDSA+SHA1:RSA+SHA1";
static const char *const rsa_signatures =
    "RSA-PSS+SHA256:RSA-PSS+SHA384:RSA-PSS+SHA512:rsa_pss_pss_sha256:rsa_pss_pss_sha384:"
    "rsa_pss_pss_sha512:RSA+SHA256:RSA+SHA384:RSA+SHA512:RSA+SHA1";
static const char *const ecdsa_signatures =
    "ECDSA+SHA256:ECDSA+SHA384:ECDSA+SHA512:ed25519:ed448:ECDSA+SHA1";

struct posture_tls_handshake_context {
    SSL_CTX *ctx;
    uint16_t groups[OPENSSL_GROUPS_MAX];
    const char *group_names[OPENSSL_GROUPS_MAX];
    size_t group_count;
};

struct posture_tls_handshake {
    SSL *ssl;
    BIO *in;  /* owned by ssl */
    BIO *out; /* owned by ssl */
    unsigned char *der[POSTURE_TLS_CERTIFICATES_MAX];
    size_t der_count;
};

static int verify_always(X509_STORE_CTX *ctx, void *data)
{
    (void)ctx;
    (void)data;
    return 1;
}

struct posture_tls_handshake_context *
posture_tls_handshake_context_free(struct posture_tls_handshake_context *context)
{
    if (!context)
        return NULL;
    SSL_CTX_free(context->ctx);
    free(context);
    return NULL;
}
POSTURE_AUTO_DEFINE(struct posture_tls_handshake_context *,
                    posture_tls_handshake_context_free)

int posture_tls_handshake_context_new(struct posture_tls_handshake_context **ret)
{
    POSTURE_AUTO(posture_tls_handshake_context_free)
    struct posture_tls_handshake_context *context = posture_calloc(1, sizeof(*context));
    if (!context)
        return -ENOMEM;
    context->ctx = SSL_CTX_new(TLS_client_method());
    if (!context->ctx)
        return -ENOMEM;
    SSL_CTX_set_min_proto_version(context->ctx, TLS1_3_VERSION);
    SSL_CTX_set_max_proto_version(context->ctx, TLS1_3_VERSION);
    /* Weak keys are to be seen and judged, not refused. */
    SSL_CTX_set_security_level(context->ctx, 0);
    SSL_CTX_set_verify(context->ctx, SSL_VERIFY_PEER, NULL);
    SSL_CTX_set_cert_verify_callback(context->ctx, verify_always, NULL);
    SSL_CTX_set_session_cache_mode(context->ctx, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_max_cert_list(context->ctx, POSTURE_TLS_HANDSHAKE_MAX);
    SSL_CTX_set_ciphersuites(context->ctx,
                             "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:"
                             "TLS_CHACHA20_POLY1305_SHA256:TLS_AES_128_CCM_SHA256:"
                             "TLS_AES_128_CCM_8_SHA256");
    SSL_CTX_set1_sigalgs_list(context->ctx, any_signatures);
    for (size_t i = 0; i < POSTURE_COUNT(openssl_groups); i++) {
        if (SSL_CTX_set1_groups_list(context->ctx, openssl_groups[i].name) != 1)
            continue;
        context->groups[context->group_count] = openssl_groups[i].code;
        context->group_names[context->group_count++] = openssl_groups[i].name;
    }
    ERR_clear_error();
    *ret = POSTURE_TAKE(context);
    return 0;
}

bool posture_tls_handshake_can(const struct posture_tls_handshake_context *context,
                               const uint16_t *groups, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        for (size_t k = 0; k < context->group_count; k++) {
            if (groups[i] == context->groups[k])
                return true;
        }
    }
    return false;
}

struct posture_tls_handshake *
posture_tls_handshake_free(struct posture_tls_handshake *handshake)
{
    if (!handshake)
        return NULL;
    for (size_t i = 0; i < handshake->der_count; i++)
        OPENSSL_free(handshake->der[i]);
    SSL_free(handshake->ssl);
    free(handshake);
    return NULL;
}
POSTURE_AUTO_DEFINE(struct posture_tls_handshake *, posture_tls_handshake_free)

/* The group that the server chose before comes first: no second round, no second key. */
static bool groups_set(const struct posture_tls_handshake_context *context, SSL *ssl,
                       uint16_t first)
{
    char list[OPENSSL_GROUPS_MAX * 12] = "";
    size_t len = 0;
    for (int rest = 0; rest < 2; rest++) {
        for (size_t i = 0; i < context->group_count; i++) {
            if ((context->groups[i] == first) == (rest == 1))
                continue;
            const char *name = context->group_names[i];
            size_t n = strlen(name);
            if (len + n + 2 > sizeof(list))
                return false;
            if (len > 0)
                list[len++] = ':';
            memcpy(list + len, name, n + 1);
            len += n;
        }
    }
    return SSL_set1_groups_list(ssl, list) == 1;
}

int posture_tls_handshake_new(const struct posture_tls_handshake_context *context,
                              const struct posture_tls_question *question,
                              const char *server_name, struct posture_tls_handshake **ret)
{
    POSTURE_AUTO(posture_tls_handshake_free)
    struct posture_tls_handshake *handshake = posture_calloc(1, sizeof(*handshake));
    if (!handshake)
        return -ENOMEM;
    handshake->ssl = SSL_new(context->ctx);
    handshake->in = BIO_new(BIO_s_mem());
    handshake->out = BIO_new(BIO_s_mem());
    if (!handshake->ssl || !handshake->in || !handshake->out) {
        BIO_free(handshake->in);
        BIO_free(handshake->out);
        return -ENOMEM;
    }
    BIO_set_mem_eof_return(handshake->in, -1);
    SSL_set_bio(handshake->ssl, handshake->in, handshake->out);
    SSL_set_connect_state(handshake->ssl);
    if (server_name && SSL_set_tlsext_host_name(handshake->ssl, server_name) != 1)
        return -ENOMEM;
    if (!groups_set(context, handshake->ssl, question->group))
        return -ENOMEM;
    if (question->authentication == POSTURE_TLS_AUTH_RSA)
        SSL_set1_sigalgs_list(handshake->ssl, rsa_signatures);
    else if (question->authentication == POSTURE_TLS_AUTH_ECDSA)
        SSL_set1_sigalgs_list(handshake->ssl, ecdsa_signatures);
    *ret = POSTURE_TAKE(handshake);
    return 0;
}

int posture_tls_handshake_step(struct posture_tls_handshake *handshake, const void *bytes,
                               size_t len, struct posture_buf *out)
{
    if (len > 0 && BIO_write(handshake->in, bytes, (int)len) != (int)len)
        return -ENOMEM;
    ERR_clear_error();
    int r = SSL_do_handshake(handshake->ssl);
    int error = r == 1 ? SSL_ERROR_NONE : SSL_get_error(handshake->ssl, r);
    ERR_clear_error();
    char *pending = NULL;
    long n = BIO_get_mem_data(handshake->out, &pending);
    if (n > 0)
        posture_buf_add(out, pending, (size_t)n);
    (void)BIO_reset(handshake->out);
    POSTURE_TRY(posture_buf_error(out));
    if (r == 1)
        return 1;
    return error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE
               ? 0
               : POSTURE_E_PROTOCOL;
}

size_t posture_tls_handshake_chain(struct posture_tls_handshake *handshake,
                                   struct posture_tls_der *certificates, size_t max,
                                   bool *ret_is_truncated)
{
    STACK_OF(X509) *chain = SSL_get_peer_cert_chain(handshake->ssl);
    *ret_is_truncated = false;
    for (int i = 0; chain && i < sk_X509_num(chain); i++) {
        if (handshake->der_count >= max ||
            handshake->der_count >= POSTURE_TLS_CERTIFICATES_MAX) {
            *ret_is_truncated = true;
            break;
        }
        unsigned char *der = NULL;
        int len = i2d_X509(sk_X509_value(chain, i), &der);
        if (len <= 0)
            continue;
        handshake->der[handshake->der_count] = der;
        certificates[handshake->der_count].bytes = der;
        certificates[handshake->der_count].parsed = sk_X509_value(chain, i);
        certificates[handshake->der_count++].len = (size_t)len;
    }
    return handshake->der_count;
}
