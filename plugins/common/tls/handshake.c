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

/* The same up to TLS 1.2, with curves that TLS 1.3 has under other code points. */
static const char *const old_groups =
    "X25519:P-256:P-384:P-521:X448:brainpoolP256r1:brainpoolP384r1:brainpoolP512r1:"
    "secp256k1:P-224:P-192";

static const char *const any_signatures =
    "RSA-PSS+SHA256:RSA-PSS+SHA384:RSA-PSS+SHA512:"
    "rsa_pss_pss_sha256:rsa_pss_pss_sha384:"
    "rsa_pss_pss_sha512:ECDSA+SHA256:ECDSA+SHA384:"
    "ECDSA+SHA512:ed25519:ed448:RSA+SHA256:RSA+SHA384:"
    "RSA+SHA512:ECDSA+SHA1:RSA+SHA1";
static const char *const old_signatures =
    "RSA+SHA256:RSA-PSS+SHA256:ECDSA+SHA256:RSA+SHA384:RSA+SHA512:RSA-PSS+SHA384:"
    "RSA-PSS+SHA512:ECDSA+SHA384:ECDSA+SHA512:ed25519:ed448:RSA+SHA224:ECDSA+SHA224:"
    "RSA+SHA1:ECDSA+SHA1:DSA+SHA256:DSA+SHA1";
static const char *const rsa_signatures =
    "RSA-PSS+SHA256:RSA-PSS+SHA384:RSA-PSS+SHA512:rsa_pss_pss_sha256:rsa_pss_pss_sha384:"
    "rsa_pss_pss_sha512:RSA+SHA256:RSA+SHA384:RSA+SHA512:RSA+SHA1";
static const char *const ecdsa_signatures =
    "ECDSA+SHA256:ECDSA+SHA384:ECDSA+SHA512:ed25519:ed448:ECDSA+SHA1";

struct posture_tls_handshake_context {
    SSL_CTX *ctx;     /* TLS 1.3 */
    SSL_CTX *old_ctx; /* up to TLS 1.2 */
    uint16_t groups[OPENSSL_GROUPS_MAX];
    const char *group_names[OPENSSL_GROUPS_MAX];
    size_t group_count;
};

enum handshake_state {
    HANDSHAKING,
    CLOSING, /* goodbye is said: what comes is read to its end */
    RENEGOTIATING,
    OVER,
};

struct posture_tls_handshake {
    SSL *ssl;
    enum handshake_state state;
    enum posture_tls_purpose purpose;
    bool is_13;
    bool waits_for_tickets;
    bool is_complete;
    unsigned server_hellos;
    struct posture_tls_session learnt;
    BIO *in;  /* owned by ssl */
    BIO *out; /* owned by ssl */
    unsigned char *der[POSTURE_TLS_CERTIFICATES_MAX];
    size_t der_count;
};

/* Counts what of the server's shows only here. */
static void message_seen(int is_write, int version, int content, const void *bytes,
                         size_t len, SSL *ssl, void *data)
{
    const unsigned char server_hello = 2;
    struct posture_tls_handshake *handshake = data;
    (void)version;
    (void)ssl;
    if (!is_write && content == SSL3_RT_HANDSHAKE && len > 0 &&
        *(const unsigned char *)bytes == server_hello)
        handshake->server_hellos++;
}

/* A ticket of TLS 1.3. */
static int session_new(SSL *ssl, SSL_SESSION *session)
{
    struct posture_tls_handshake *handshake = SSL_get_app_data(ssl);
    struct posture_tls_session *learnt = &handshake->learnt;
    if (!handshake->is_13)
        return 0;
    uint32_t lifetime = (uint32_t)SSL_SESSION_get_ticket_lifetime_hint(session);
    uint32_t early = SSL_SESSION_get_max_early_data(session);
    if (learnt->tickets < 1000)
        learnt->tickets++;
    if (lifetime > learnt->ticket_lifetime_s)
        learnt->ticket_lifetime_s = lifetime;
    if (early > learnt->max_early_data)
        learnt->max_early_data = early;
    return 0; /* not kept */
}

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
    SSL_CTX_free(context->old_ctx);
    free(context);
    return NULL;
}
POSTURE_AUTO_DEFINE(struct posture_tls_handshake_context *,
                    posture_tls_handshake_context_free)

static SSL_CTX *ctx_new(int min, int max)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
    if (!ctx)
        return NULL;
    SSL_CTX_set_min_proto_version(ctx, min);
    SSL_CTX_set_max_proto_version(ctx, max);
    /* Weak keys are to be seen and judged, not refused. */
    SSL_CTX_set_security_level(ctx, 0);
    SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
    SSL_CTX_set_cert_verify_callback(ctx, verify_always, NULL);
    SSL_CTX_set_session_cache_mode(ctx,
                                   SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_sess_set_new_cb(ctx, session_new);
    SSL_CTX_set_max_cert_list(ctx, POSTURE_TLS_HANDSHAKE_MAX);
    return ctx;
}

int posture_tls_handshake_context_new(struct posture_tls_handshake_context **ret)
{
    POSTURE_AUTO(posture_tls_handshake_context_free)
    struct posture_tls_handshake_context *context = posture_calloc(1, sizeof(*context));
    if (!context)
        return -ENOMEM;
    context->ctx = ctx_new(TLS1_3_VERSION, TLS1_3_VERSION);
    context->old_ctx = ctx_new(TLS1_VERSION, TLS1_2_VERSION);
    if (!context->ctx || !context->old_ctx)
        return -ENOMEM;
    SSL_CTX_set_ciphersuites(context->ctx,
                             "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:"
                             "TLS_CHACHA20_POLY1305_SHA256:TLS_AES_128_CCM_SHA256:"
                             "TLS_AES_128_CCM_8_SHA256");
    SSL_CTX_set1_sigalgs_list(context->ctx, any_signatures);
    SSL_CTX_set_cipher_list(context->old_ctx, "ALL:COMPLEMENTOFALL:@SECLEVEL=0");
    SSL_CTX_set1_sigalgs_list(context->old_ctx, old_signatures);
    /* A server that cannot renegotiate safely is to be measured, not refused. */
    SSL_CTX_set_options(context->old_ctx, SSL_OP_LEGACY_SERVER_CONNECT |
                                              SSL_OP_ALLOW_UNSAFE_LEGACY_RENEGOTIATION);
    for (size_t i = 0; i < POSTURE_COUNT(openssl_groups); i++) {
        if (SSL_CTX_set1_groups_list(context->ctx, openssl_groups[i].name) != 1)
            continue;
        context->groups[context->group_count] = openssl_groups[i].code;
        context->group_names[context->group_count++] = openssl_groups[i].name;
    }
    SSL_CTX_set1_groups_list(context->old_ctx, old_groups);
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

static int ssl_prepare(const struct posture_tls_handshake_context *context,
                       const struct posture_tls_question *question,
                       const char *server_name, bool is_deep, SSL_SESSION *session,
                       SSL *ssl)
{
    if (server_name && SSL_set_tlsext_host_name(ssl, server_name) != 1)
        return -ENOMEM;
    if (question->version == POSTURE_TLS_13) {
        if (!groups_set(context, ssl, question->group))
            return -ENOMEM;
        if (question->authentication == POSTURE_TLS_AUTH_RSA)
            SSL_set1_sigalgs_list(ssl, rsa_signatures);
        else if (question->authentication == POSTURE_TLS_AUTH_ECDSA)
            SSL_set1_sigalgs_list(ssl, ecdsa_signatures);
    }
    if (is_deep)
        SSL_set_tlsext_status_type(ssl, TLSEXT_STATUSTYPE_ocsp);
    if (session && SSL_set_session(ssl, session) != 1)
        return POSTURE_E_PROTOCOL;
    /* 0 is success, for this function alone. */
    if (question->alpn_len > 0 &&
        SSL_set_alpn_protos(ssl, question->alpn, (unsigned)question->alpn_len) != 0)
        return -ENOMEM;
    return 0;
}

int posture_tls_handshake_new(const struct posture_tls_handshake_context *context,
                              const struct posture_tls_question *question,
                              const char *server_name, bool is_deep, SSL_SESSION *session,
                              struct posture_tls_handshake **ret)
{
    POSTURE_AUTO(posture_tls_handshake_free)
    struct posture_tls_handshake *handshake = posture_calloc(1, sizeof(*handshake));
    if (!handshake)
        return -ENOMEM;
    handshake->purpose = question->purpose;
    handshake->is_13 = question->version == POSTURE_TLS_13;
    handshake->waits_for_tickets = is_deep && handshake->is_13 &&
                                   question->lane == POSTURE_TLS_LANE_HANDSHAKE &&
                                   question->authentication == POSTURE_TLS_AUTH_OTHER;
    handshake->ssl = SSL_new(handshake->is_13 ? context->ctx : context->old_ctx);
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
    SSL_set_app_data(handshake->ssl, handshake);
    SSL_set_msg_callback(handshake->ssl, message_seen);
    SSL_set_msg_callback_arg(handshake->ssl, handshake);
    POSTURE_TRY(
        ssl_prepare(context, question, server_name, is_deep, session, handshake->ssl));
    *ret = POSTURE_TAKE(handshake);
    return 0;
}

/* OpenSSL names hash and key; TLS 1.3 has one code point for the pair. */
static uint16_t signature_code(SSL *ssl)
{
    static const struct {
        int type;
        int hash;
        uint16_t code;
        uint16_t pss_code; /* by a key that is for RSA-PSS alone */
    } codes[] = {
        {EVP_PKEY_RSA_PSS, NID_sha256, 0x0804, 0x0809},
        {EVP_PKEY_RSA_PSS, NID_sha384, 0x0805, 0x080a},
        {EVP_PKEY_RSA_PSS, NID_sha512, 0x0806, 0x080b},
        {EVP_PKEY_EC, NID_sha256, 0x0403, 0},
        {EVP_PKEY_EC, NID_sha384, 0x0503, 0},
        {EVP_PKEY_EC, NID_sha512, 0x0603, 0},
        {EVP_PKEY_ED25519, 0, 0x0807, 0},
        {EVP_PKEY_ED448, 0, 0x0808, 0},
    };
    int type = 0, hash = 0;
    if (SSL_get_peer_signature_type_nid(ssl, &type) != 1)
        return 0;
    SSL_get_peer_signature_nid(ssl, &hash);
    X509 *leaf = SSL_get0_peer_certificate(ssl);
    bool is_pss =
        leaf && EVP_PKEY_get_base_id(X509_get0_pubkey(leaf)) == EVP_PKEY_RSA_PSS;
    for (size_t i = 0; i < POSTURE_COUNT(codes); i++) {
        if (codes[i].type == type && (codes[i].hash == hash || codes[i].hash == 0))
            return is_pss ? codes[i].pss_code : codes[i].code;
    }
    return 0;
}

static void handshake_complete(struct posture_tls_handshake *handshake)
{
    struct posture_tls_session *learnt = &handshake->learnt;
    const unsigned char *alpn = NULL;
    unsigned alpn_len = 0;
    handshake->is_complete = true;
    learnt->is_13 = handshake->is_13;
    learnt->is_resumed = SSL_session_reused(handshake->ssl) == 1;
    SSL_get0_alpn_selected(handshake->ssl, &alpn, &alpn_len);
    learnt->alpn_len = (uint8_t)alpn_len;
    if (alpn_len > 0)
        memcpy(learnt->alpn, alpn, learnt->alpn_len);
    if (handshake->is_13) {
        learnt->signature = signature_code(handshake->ssl);
        return;
    }
    const SSL_SESSION *session = SSL_get0_session(handshake->ssl);
    unsigned id_len = 0;
    learnt->has_ticket = SSL_SESSION_has_ticket(session) == 1;
    learnt->ticket_lifetime_s = (uint32_t)SSL_SESSION_get_ticket_lifetime_hint(session);
    (void)SSL_SESSION_get_id(session, &id_len);
    /* OpenSSL makes an id of its own for a ticket. */
    learnt->has_id = !learnt->has_ticket && id_len > 0;
}

/* What the connection is still good for. */
static enum handshake_state state_next(struct posture_tls_handshake *handshake)
{
    const struct posture_tls_session *learnt = &handshake->learnt;
    if (handshake->is_13)
        return handshake->waits_for_tickets ? CLOSING : OVER;
    /* A session that is to be resumed must end well; one that cannot be is used up. */
    if (handshake->purpose == POSTURE_TLS_ASK_HANDSHAKE &&
        (learnt->has_ticket || learnt->has_id))
        return CLOSING;
    return RENEGOTIATING;
}

static int handshake_advance(struct posture_tls_handshake *handshake)
{
    int r = SSL_do_handshake(handshake->ssl);
    int error = r == 1 ? SSL_ERROR_NONE : SSL_get_error(handshake->ssl, r);
    if (r != 1)
        return error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE
                   ? 0
                   : POSTURE_E_PROTOCOL;
    handshake_complete(handshake);
    handshake->state = state_next(handshake);
    if (handshake->state == CLOSING) {
        SSL_shutdown(handshake->ssl);
    } else if (handshake->state == RENEGOTIATING) {
        handshake->server_hellos = 0;
        if (SSL_renegotiate(handshake->ssl) != 1)
            handshake->state = OVER;
        else
            SSL_do_handshake(handshake->ssl);
    }
    return handshake->state == OVER;
}

/* Reads on; what a server says of its own accord (a greeting) is passed over. */
static int rest_advance(struct posture_tls_handshake *handshake)
{
    char scratch[4096];
    int n;
    do
        n = SSL_read(handshake->ssl, scratch, sizeof(scratch));
    while (n > 0 && handshake->server_hellos == 0);
    bool is_renegotiation = handshake->state == RENEGOTIATING;
    if (is_renegotiation && handshake->server_hellos > 0) {
        handshake->learnt.renegotiation = POSTURE_TLS_CLAIM_YES;
        handshake->state = OVER;
        return 1;
    }
    int error = SSL_get_error(handshake->ssl, n);
    if (n > 0 || error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE)
        return 0;
    if (is_renegotiation)
        handshake->learnt.renegotiation = POSTURE_TLS_CLAIM_NO;
    handshake->state = OVER;
    return 1;
}

int posture_tls_handshake_step(struct posture_tls_handshake *handshake, const void *bytes,
                               size_t len, struct posture_buf *out)
{
    if (len > 0 && BIO_write(handshake->in, bytes, (int)len) != (int)len)
        return -ENOMEM;
    ERR_clear_error();
    int r = 0;
    if (handshake->state == HANDSHAKING) {
        r = handshake_advance(handshake);
        if (handshake->is_complete)
            handshake->server_hellos = 0;
    }
    if (r == 0 && handshake->is_complete)
        r = rest_advance(handshake);
    ERR_clear_error();
    char *pending = NULL;
    long n = BIO_get_mem_data(handshake->out, &pending);
    if (n > 0)
        posture_buf_add(out, pending, (size_t)n);
    (void)BIO_reset(handshake->out);
    POSTURE_TRY(posture_buf_error(out));
    return r;
}

bool posture_tls_handshake_end(struct posture_tls_handshake *handshake, bool is_time)
{
    if (handshake->state == RENEGOTIATING && !is_time)
        handshake->learnt.renegotiation = POSTURE_TLS_CLAIM_NO;
    handshake->state = OVER;
    return handshake->is_complete;
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

bool posture_tls_handshake_staple(const struct posture_tls_handshake *handshake,
                                  struct posture_tls_der *ret)
{
    const unsigned char *bytes = NULL;
    long len = SSL_get_tlsext_status_ocsp_resp(handshake->ssl, &bytes);
    if (len <= 0 || !bytes)
        return false;
    ret->bytes = bytes;
    ret->len = (size_t)len;
    return true;
}

void posture_tls_handshake_learnt(const struct posture_tls_handshake *handshake,
                                  struct posture_tls_session *ret)
{
    *ret = handshake->learnt;
}

SSL_SESSION *posture_tls_handshake_session(const struct posture_tls_handshake *handshake)
{
    if (!handshake->learnt.has_ticket && !handshake->learnt.has_id)
        return NULL;
    return SSL_get1_session(handshake->ssl);
}
