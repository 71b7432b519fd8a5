/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#ifndef POSTURE_CRYPTO_TLS_CERT_RULES_H
#define POSTURE_CRYPTO_TLS_CERT_RULES_H

#include "posture_crypto/tls_check.h"

/*
 * The certificates that a relying party depends on, one after another, against a table of
 * rules: those of the path that was built, or where none was, all that were served. What
 * a public CA must not do and an agency's own may (CA/Browser Forum, not RFC 5280, or no
 * harm by itself) has two statuses.
 */
enum cert_role {
    CERT_LEAF = 1 << 0,
    CERT_INTERMEDIATE = 1 << 1,
    CERT_ROOT = 1 << 2, /* the anchor, or self-signed and not the leaf */
    CERT_CA = CERT_INTERMEDIATE | CERT_ROOT,
    CERT_ISSUED = CERT_LEAF | CERT_INTERMEDIATE,
    CERT_ANY = CERT_ISSUED | CERT_ROOT,
};

enum { CERT_ITEM_MAX = 96 };

struct cert_view {
    const struct posture_check_input *input;
    const json_t *chain;
    const json_t *certificate;
    const json_t *extensions; /* object */
    enum cert_role role;
    bool is_public;
    bool is_self_signed;
    unsigned below; /* certificates between it and the leaf that are not self-issued */
};

struct cert_rule {
    const char *code;
    unsigned roles;
    enum posture_result_status status;        /* of a private CA's */
    enum posture_result_status status_public; /* below a public anchor; NA: not asked */
    /* True when it is broken; item may be filled for the reason. */
    bool (*is_broken)(const struct cert_view *view, char item[static CERT_ITEM_MAX]);
};

/* Offers sound when no rule is broken; unknown where extensions were not read. */
void cert_rules_judge(const struct posture_check_input *input,
                      const struct tls_endpoint *endpoint, const struct cert_rule *rules,
                      size_t count, const char *sound, struct posture_verdict *verdict);

/* The same for a check that has its own pass: offers only what is broken. */
void cert_rules_apply(const struct posture_check_input *input,
                      const struct tls_endpoint *endpoint, const struct cert_rule *rules,
                      size_t count, struct posture_verdict *verdict);

/* Calls fn for each certificate of each chain that is relied on. False: there is none. */
typedef void cert_view_fn(const struct cert_view *view, void *data);
bool cert_views_each(const struct posture_check_input *input,
                     const struct tls_endpoint *endpoint, cert_view_fn *fn, void *data);

bool cert_chain_is_public(const json_t *chain);
const json_t *cert_extension(const struct cert_view *view, const char *name);
bool cert_flag(const json_t *object, const char *key);
/* The list object[key] has the word. */
bool cert_has_word(const json_t *object, const char *key, const char *word);
bool cert_faults_have(const json_t *certificate, const char *prefix);
void cert_item_set(char item[static CERT_ITEM_MAX], const char *text);

#endif
