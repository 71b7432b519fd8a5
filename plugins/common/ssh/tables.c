/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#include "common/ssh/tables.h"

#include "common/base/spawn.h"
#include "common/report/json.h"
#include "common/ssh/public.h"

#include <errno.h>
#include <string.h>

enum { TABLE_FILE_MAX = 1024 * 1024, COST_HYBRID = 2, COST_DH = 2, COST_GEX = 100 };

struct posture_ssh_tables *posture_ssh_tables_free(struct posture_ssh_tables *tables)
{
    if (!tables)
        return NULL;
    for (size_t i = 0; i < POSTURE_COUNT(tables->any); i++)
        posture_buf_done(&tables->any[i]);
    json_decref(tables->root);
    free(tables);
    return NULL;
}

/* The components of an ECDH-like method; false when one has no value here. */
static bool components_read(const json_t *list, struct posture_ssh_kex *kex)
{
    size_t count = json_array_size(list);
    if (count == 0 || count > POSTURE_SSH_COMPONENTS_MAX)
        return false;
    for (size_t i = 0; i < count; i++) {
        kex->components[i] = json_string_value(json_array_get(list, i));
        if (!kex->components[i] || posture_ssh_public_len(kex->components[i]) == 0)
            return false;
    }
    bool is_x25519 = count == 1 && strcmp(kex->components[0], "x25519") == 0;
    kex->cost = is_x25519 ? 0 : count == 1 ? 1 : COST_HYBRID;
    return true;
}

static void kex_read(const json_t *row, struct posture_ssh_kex *kex)
{
    const char *method = posture_json_string(row, "method");
    json_int_t bits = json_integer_value(json_object_get(row, "bits"));
    if (!method)
        return;
    if (strcmp(method, "ecdh") == 0 &&
        components_read(json_object_get(row, "components"), kex)) {
        kex->method = POSTURE_SSH_METHOD_ECDH;
    } else if (strcmp(method, "dh") == 0 && bits >= 1024 && bits <= 65536) {
        kex->method = POSTURE_SSH_METHOD_DH;
        kex->cost = COST_DH + (unsigned)bits / 1024;
    } else if (strcmp(method, "gex") == 0) {
        kex->method = POSTURE_SSH_METHOD_GEX;
        kex->cost = COST_GEX;
    }
}

static void any_add(struct posture_ssh_tables *tables, enum posture_ssh_list list,
                    const char *name)
{
    if (tables->any[list].len > 0)
        posture_buf_addc(&tables->any[list], ',');
    posture_buf_adds(&tables->any[list], name);
}

static int row_read(struct posture_ssh_tables *tables, const char *path,
                    const json_t *row, struct posture_error *reterr)
{
    const char *name = posture_json_string(row, "name");
    const json_t *kex = json_object_get(row, "kex");
    const json_t *host_key = json_object_get(row, "host_key");
    if (!name || !posture_ssh_name_is_sound(name, strlen(name)))
        return posture_error_at(reterr, POSTURE_E_FORMAT, path, 0, 0,
                                "a name is missing or is none");
    if ((kex && tables->kex_count == POSTURE_SSH_KEX_MAX) ||
        (host_key && tables->host_key_count == POSTURE_SSH_HOST_KEYS_MAX))
        return posture_error_at(reterr, POSTURE_E_LIMIT, path, 0, 0, "too many rows");
    if (kex) {
        struct posture_ssh_kex *entry = &tables->kex[tables->kex_count++];
        *entry = (struct posture_ssh_kex){.name = name};
        kex_read(kex, entry);
        if (entry->method != POSTURE_SSH_METHOD_OTHER)
            any_add(tables, POSTURE_SSH_LIST_KEX, name);
    }
    if (host_key) {
        tables->host_keys[tables->host_key_count++] = (struct posture_ssh_host_key){
            .name = name,
            .key = posture_json_string(host_key, "key"),
            .curve = posture_json_string(host_key, "curve"),
            .is_certificate = json_is_true(json_object_get(host_key, "certificate")),
            .is_x509 = json_is_true(json_object_get(host_key, "x509")),
        };
        if (!tables->host_keys[tables->host_key_count - 1].key)
            return posture_error_at(reterr, POSTURE_E_FORMAT, path, 0, 0,
                                    "%s: key is missing", name);
        any_add(tables, POSTURE_SSH_LIST_HOST_KEY, name);
    }
    if (json_object_get(row, "cipher"))
        any_add(tables, POSTURE_SSH_LIST_CIPHER_C2S, name);
    if (json_object_get(row, "mac"))
        any_add(tables, POSTURE_SSH_LIST_MAC_C2S, name);
    if (json_object_get(row, "compression"))
        any_add(tables, POSTURE_SSH_LIST_COMPRESSION_C2S, name);
    return 0;
}

int posture_ssh_tables_load(const char *data_dir, struct posture_ssh_tables **ret,
                            struct posture_error *reterr)
{
    POSTURE_AUTO(posture_ssh_tables_free)
    struct posture_ssh_tables *tables = posture_calloc(1, sizeof(*tables));
    POSTURE_AUTO_FREE char *path = NULL;
    if (!tables)
        return -ENOMEM;
    POSTURE_TRY(
        posture_data_path(data_dir, "schemas", "ssh/algorithms.json", &path, reterr));
    POSTURE_TRY(posture_json_load(path, TABLE_FILE_MAX, &tables->root, reterr));
    const json_t *rows = json_object_get(tables->root, "algorithms");
    if (json_array_size(rows) == 0)
        return posture_error_at(reterr, POSTURE_E_FORMAT, path, 0, 0,
                                "has no list algorithms");
    size_t i;
    const json_t *row;
    json_array_foreach (rows, i, row)
        POSTURE_TRY(row_read(tables, path, row, reterr));
    for (i = 0; i < POSTURE_COUNT(tables->any); i++)
        POSTURE_TRY(posture_buf_error(&tables->any[i]));
    *ret = POSTURE_TAKE(tables);
    return 0;
}

const struct posture_ssh_kex *
posture_ssh_kex_find(const struct posture_ssh_tables *tables,
                     struct posture_ssh_bytes name)
{
    for (size_t i = 0; i < tables->kex_count; i++) {
        if (posture_ssh_is(name, tables->kex[i].name))
            return &tables->kex[i];
    }
    return NULL;
}

const struct posture_ssh_host_key *
posture_ssh_host_key_find(const struct posture_ssh_tables *tables,
                          struct posture_ssh_bytes name)
{
    for (size_t i = 0; i < tables->host_key_count; i++) {
        if (posture_ssh_is(name, tables->host_keys[i].name))
            return &tables->host_keys[i];
    }
    return NULL;
}

bool posture_ssh_host_key_is_same(const struct posture_ssh_host_key *a,
                                  const struct posture_ssh_host_key *b)
{
    bool has_curve = a->curve && b->curve;
    return strcmp(a->key, b->key) == 0 && a->is_certificate == b->is_certificate &&
           a->is_x509 == b->is_x509 &&
           (has_curve ? strcmp(a->curve, b->curve) == 0 : a->curve == b->curve);
}

void posture_ssh_tables_kexinit(const struct posture_ssh_tables *tables,
                                struct posture_buf *out)
{
    struct posture_ssh_kexinit every = {0};
    for (size_t i = POSTURE_SSH_LIST_CIPHER_C2S; i < POSTURE_SSH_LIST_LANGUAGE_C2S; i++) {
        /* Both directions of a pair have the first one's names. */
        const struct posture_buf *names = &tables->any[i - i % 2];
        every.lists[i] =
            (struct posture_ssh_bytes){(const uint8_t *)names->data, names->len};
    }
    posture_ssh_kexinit_write(&every, tables->any[POSTURE_SSH_LIST_KEX].data,
                              tables->any[POSTURE_SSH_LIST_HOST_KEY].data, out);
}
