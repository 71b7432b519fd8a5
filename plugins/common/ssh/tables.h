/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#ifndef POSTURE_SSH_TABLES_H
#define POSTURE_SSH_TABLES_H

#include "common/base/error.h"
#include "common/ssh/kexinit.h"

/*
 * What the prober needs of schemas/ssh/algorithms.json: how a key exchange method is
 * asked, which names of host keys are one key. Loaded once for all probes.
 */
enum {
    POSTURE_SSH_KEX_MAX = 96,
    POSTURE_SSH_HOST_KEYS_MAX = 96,
    POSTURE_SSH_COMPONENTS_MAX = 3,
};

enum posture_ssh_method {
    POSTURE_SSH_METHOD_OTHER, /* cannot be asked: GSS-API, RSA, a component unknown here
                               */
    POSTURE_SSH_METHOD_ECDH,  /* KEX_ECDH_INIT with a string, hybrids too */
    POSTURE_SSH_METHOD_DH,
    POSTURE_SSH_METHOD_GEX,
};

struct posture_ssh_kex {
    const char *name;
    enum posture_ssh_method method;
    const char *components[POSTURE_SSH_COMPONENTS_MAX]; /* what the client sends */
    unsigned cost; /* which to ask first: the least for the server */
};

struct posture_ssh_host_key {
    const char *name;
    const char *key, *curve; /* two names with the same of these share a key */
    bool is_certificate;
    bool is_x509; /* not read */
};

struct posture_ssh_tables {
    json_t *root; /* owner of the names */
    struct posture_ssh_kex kex[POSTURE_SSH_KEX_MAX];
    size_t kex_count;
    struct posture_ssh_host_key host_keys[POSTURE_SSH_HOST_KEYS_MAX];
    size_t host_key_count;
    /* For a server that waits for our KEXINIT before it sends its own: every name. */
    struct posture_buf any[POSTURE_SSH_LIST_COMPRESSION_C2S + 1];
};

int posture_ssh_tables_load(const char *data_dir, struct posture_ssh_tables **ret,
                            struct posture_error *reterr);
struct posture_ssh_tables *posture_ssh_tables_free(struct posture_ssh_tables *tables);
POSTURE_AUTO_DEFINE(struct posture_ssh_tables *, posture_ssh_tables_free)

/* NULL: no such name. Indicators such as ext-info-s are none. */
const struct posture_ssh_kex *
posture_ssh_kex_find(const struct posture_ssh_tables *tables,
                     struct posture_ssh_bytes name);
const struct posture_ssh_host_key *
posture_ssh_host_key_find(const struct posture_ssh_tables *tables,
                          struct posture_ssh_bytes name);
bool posture_ssh_host_key_is_same(const struct posture_ssh_host_key *a,
                                  const struct posture_ssh_host_key *b);
/* A KEXINIT with every name of the tables. */
void posture_ssh_tables_kexinit(const struct posture_ssh_tables *tables,
                                struct posture_buf *out);

#endif
