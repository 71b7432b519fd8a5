/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#include "common/ssh/key.h"

#include "common/base/clock.h"
#include "common/base/error.h"

#include <openssl/evp.h>
#include <openssl/sha.h>

#include <errno.h>
#include <string.h>

/* The public part of each kind, in its order: what follows the type's name. */
enum field { FIELD_END, FIELD_MPINT, FIELD_SIZE, FIELD_CURVE, FIELD_STRING };

static const struct key_kind {
    const char *prefix; /* of the type's name */
    const char *type;   /* our word, as in facts of kind tls */
    enum field fields[5];
    unsigned bits; /* fixed ones */
    size_t len;    /* of the first string where that is fixed */
} kinds[] = {
    {"ssh-rsa", "rsa", {FIELD_MPINT, FIELD_SIZE}, 0, 0},
    {"ssh-dss", "dsa", {FIELD_SIZE, FIELD_MPINT, FIELD_MPINT, FIELD_MPINT}, 0, 0},
    {"ecdsa-sha2-", "ec", {FIELD_CURVE, FIELD_STRING}, 0, 0},
    {"ssh-ed25519", "ed25519", {FIELD_STRING}, 256, 32},
    {"ssh-ed448", "ed448", {FIELD_STRING}, 456, 57},
    {"sk-ecdsa-sha2-", "ec", {FIELD_CURVE, FIELD_STRING, FIELD_STRING}, 0, 0},
    {"sk-ssh-ed25519", "ed25519", {FIELD_STRING, FIELD_STRING}, 256, 32},
};

static const struct {
    const char *name, *curve;
    unsigned bits;
    size_t len; /* of an uncompressed point */
} curves[] = {
    {"nistp256", "secp256r1", 256, 65},
    {"nistp384", "secp384r1", 384, 97},
    {"nistp521", "secp521r1", 521, 133},
};

static const struct key_kind *kind_find(struct posture_ssh_bytes name)
{
    for (size_t i = 0; i < POSTURE_COUNT(kinds); i++) {
        size_t len = strlen(kinds[i].prefix);
        if (name.len >= len && memcmp(name.at, kinds[i].prefix, len) == 0)
            return &kinds[i];
    }
    return NULL;
}

static size_t suffix_len(struct posture_ssh_bytes name)
{
    static const char suffix[] = "-cert-v01@openssh.com";
    size_t len = sizeof(suffix) - 1;
    return name.len > len && memcmp(name.at + name.len - len, suffix, len) == 0 ? len : 0;
}

/* The fields of the kind, at the cursor; NULL when they are not what they should be. */
static json_t *key_read(const struct key_kind *kind, struct posture_ssh_cursor *cursor)
{
    size_t bits = kind->bits;
    size_t point_len = kind->len;
    const char *curve = NULL;
    bool has_point = false;
    for (size_t i = 0; kind->fields[i] != FIELD_END; i++) {
        struct posture_ssh_bytes text;
        switch (kind->fields[i]) {
        case FIELD_MPINT:
            posture_ssh_read_mpint_bits(cursor);
            break;
        case FIELD_SIZE:
            bits = posture_ssh_read_mpint_bits(cursor);
            break;
        case FIELD_CURVE:
            text = posture_ssh_read_string(cursor);
            for (size_t n = 0; n < POSTURE_COUNT(curves); n++) {
                if (posture_ssh_is(text, curves[n].name)) {
                    curve = curves[n].curve;
                    bits = curves[n].bits;
                    point_len = curves[n].len;
                }
            }
            if (!curve)
                return NULL;
            break;
        case FIELD_STRING:
            text = posture_ssh_read_string(cursor);
            if (!has_point && text.len != point_len)
                return NULL;
            has_point = true;
            break;
        case FIELD_END:
            break;
        }
    }
    if (cursor->is_bad)
        return NULL;
    json_t *key = json_pack("{s:s,s:I}", "type", kind->type, "bits", (json_int_t)bits);
    if (key && curve)
        json_object_set_new(key, "curve", json_string(curve));
    return key;
}

/* As OpenSSH prints it: SHA-256, Base64 without padding. */
static json_t *fingerprint(const void *bytes, size_t len)
{
    unsigned char digest[SHA256_DIGEST_LENGTH];
    char text[4 * ((SHA256_DIGEST_LENGTH + 2) / 3) + 1];
    SHA256(bytes, len, digest);
    EVP_EncodeBlock((unsigned char *)text, digest, sizeof(digest));
    return json_stringn(text, strcspn(text, "="));
}

static json_t *plain_facts(const struct key_kind *kind, struct posture_ssh_bytes blob,
                           struct posture_ssh_cursor *cursor)
{
    json_t *key = key_read(kind, cursor);
    if (!key)
        return NULL;
    return json_pack("{s:o,s:o}", "key", key, "sha256", fingerprint(blob.at, blob.len));
}

/* The certified key as a blob of its own has the fingerprint that people know. */
static json_t *certified_facts(const struct key_kind *kind, struct posture_ssh_bytes name,
                               struct posture_ssh_cursor *cursor)
{
    posture_ssh_read_string(cursor); /* nonce */
    const uint8_t *begin = cursor->at;
    json_t *key = key_read(kind, cursor);
    if (!key)
        return NULL;
    POSTURE_AUTO_BUF struct posture_buf plain = {0};
    bool is_sk = memcmp(name.at, "sk-", 3) == 0;
    posture_buf_add_u32(&plain, (uint32_t)(name.len - suffix_len(name) +
                                           (is_sk ? strlen("@openssh.com") : 0)));
    posture_buf_add(&plain, name.at, name.len - suffix_len(name));
    if (is_sk)
        posture_buf_adds(&plain, "@openssh.com");
    posture_buf_add(&plain, begin, (size_t)(cursor->at - begin));
    if (posture_buf_error(&plain) < 0) {
        json_decref(key);
        return NULL;
    }
    return json_pack("{s:o,s:o}", "key", key, "sha256",
                     fingerprint(plain.data, plain.len));
}

static void time_set(json_t *object, const char *key, uint64_t seconds)
{
    /* 0 and the largest number mean that there is no such end. */
    if (seconds == 0 || seconds > INT64_MAX / (uint64_t)POSTURE_NS_PER_S)
        return;
    char text[POSTURE_TIME_TEXT_MAX];
    json_object_set_new(
        object, key,
        json_string(posture_time_format((int64_t)seconds * POSTURE_NS_PER_S, text)));
}

/* The rest of a certificate, after its key. */
static json_t *certificate_read(struct posture_ssh_cursor *cursor)
{
    posture_ssh_read_u64(cursor); /* serial */
    uint32_t type = posture_ssh_read_u32(cursor);
    posture_ssh_read_string(cursor); /* key id */
    posture_ssh_read_string(cursor); /* principals */
    uint64_t after = posture_ssh_read_u64(cursor);
    uint64_t before = posture_ssh_read_u64(cursor);
    posture_ssh_read_string(cursor); /* critical options */
    posture_ssh_read_string(cursor); /* extensions */
    posture_ssh_read_string(cursor); /* reserved */
    struct posture_ssh_bytes ca = posture_ssh_read_string(cursor);
    struct posture_ssh_bytes signature = posture_ssh_read_string(cursor);
    struct posture_ssh_cursor inner = {ca.at, ca.len, cursor->is_bad};
    struct posture_ssh_bytes name = posture_ssh_read_string(&inner);
    const struct key_kind *kind = kind_find(name);
    if (inner.is_bad || !kind || suffix_len(name) > 0)
        return NULL;
    json_t *ca_facts = plain_facts(kind, ca, &inner);
    if (!ca_facts)
        return NULL;
    json_t *facts = json_pack("{s:s,s:o}", "type",
                              type == 2   ? "host"
                              : type == 1 ? "user"
                                          : "unknown",
                              "ca", ca_facts);
    char algorithm[POSTURE_SSH_NAME_MAX + 1];
    posture_ssh_signature_name(signature, algorithm);
    if (facts && algorithm[0])
        json_object_set_new(facts, "signature", json_string(algorithm));
    if (facts) {
        time_set(facts, "valid_after", after);
        time_set(facts, "valid_before", before);
    }
    return facts;
}

int posture_ssh_key_facts(struct posture_ssh_bytes blob, json_t **ret_facts)
{
    struct posture_ssh_cursor cursor = {blob.at, blob.len, false};
    struct posture_ssh_bytes name = posture_ssh_read_string(&cursor);
    if (cursor.is_bad || !posture_ssh_name_is_sound((const char *)name.at, name.len))
        return POSTURE_E_PROTOCOL;
    const struct key_kind *kind = kind_find(name);
    json_auto_t *facts = NULL;
    if (!kind) {
        facts = json_pack("{s:{s:s#},s:o}", "key", "type", name.at, (int)name.len,
                          "sha256", fingerprint(blob.at, blob.len));
    } else if (suffix_len(name) == 0) {
        facts = plain_facts(kind, blob, &cursor);
    } else {
        facts = certified_facts(kind, name, &cursor);
        json_t *certificate = facts ? certificate_read(&cursor) : NULL;
        if (!certificate || json_object_set_new(facts, "certificate", certificate) < 0)
            return POSTURE_E_PROTOCOL;
    }
    if (!facts)
        return POSTURE_E_PROTOCOL;
    *ret_facts = json_incref(facts);
    return 0;
}

void posture_ssh_signature_name(struct posture_ssh_bytes signature,
                                char ret_name[static POSTURE_SSH_NAME_MAX + 1])
{
    struct posture_ssh_cursor cursor = {signature.at, signature.len, false};
    struct posture_ssh_bytes name = posture_ssh_read_string(&cursor);
    ret_name[0] = '\0';
    if (cursor.is_bad || !posture_ssh_name_is_sound((const char *)name.at, name.len))
        return;
    memcpy(ret_name, name.at, name.len);
    ret_name[name.len] = '\0';
}
