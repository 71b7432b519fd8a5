/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#include "common/tls/tables.h"

#include "common/base/spawn.h"
#include "common/report/json.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum { TABLE_FILE_MAX = 1024 * 1024 };

static const struct {
    const char *name;
    uint16_t code;
} versions[POSTURE_TLS_VERSION_COUNT] = {
    [POSTURE_TLS_SSL2] = {"SSLv2", 0x0002}, [POSTURE_TLS_SSL3] = {"SSLv3", 0x0300},
    [POSTURE_TLS_10] = {"TLSv1.0", 0x0301}, [POSTURE_TLS_11] = {"TLSv1.1", 0x0302},
    [POSTURE_TLS_12] = {"TLSv1.2", 0x0303}, [POSTURE_TLS_13] = {"TLSv1.3", 0x0304},
};

const char *posture_tls_version_name(enum posture_tls_version version)
{
    return version < POSTURE_TLS_VERSION_COUNT ? versions[version].name : "unknown";
}

uint16_t posture_tls_version_code(enum posture_tls_version version)
{
    return version < POSTURE_TLS_VERSION_COUNT ? versions[version].code : 0;
}

bool posture_tls_version_from_code(uint16_t code, enum posture_tls_version *ret)
{
    for (unsigned i = 0; i < POSTURE_TLS_VERSION_COUNT; i++) {
        if (versions[i].code == code) {
            *ret = (enum posture_tls_version)i;
            return true;
        }
    }
    return false;
}

struct posture_tls_tables *posture_tls_tables_free(struct posture_tls_tables *tables)
{
    if (!tables)
        return NULL;
    for (size_t i = 0; i < tables->suite_count; i++)
        free(tables->suites[i].name);
    for (size_t i = 0; i < tables->group_count; i++)
        free(tables->groups[i].name);
    for (size_t i = 0; i < tables->signature_count; i++) {
        free(tables->signature_rows[i].name);
        free(tables->signature_rows[i].key_type);
    }
    for (size_t i = 0; i < tables->prime_count; i++) {
        free(tables->primes[i].name);
        free(tables->primes[i].bytes);
    }
    for (size_t i = 0; i < tables->alpn_count; i++)
        free(tables->alpn[i]);
    free(tables);
    return NULL;
}

struct word {
    const char *name;
    int value;
};

static const struct word protocols[] = {
    {"ssl2", POSTURE_TLS_PROTOCOL_SSL2},
    {"tls", POSTURE_TLS_PROTOCOL_TLS},
    {"tls13", POSTURE_TLS_PROTOCOL_TLS13},
    {NULL, -1},
};
static const struct word exchanges[] = {
    {"ECDHE", POSTURE_TLS_EXCHANGE_ECDHE},
    {"DHE", POSTURE_TLS_EXCHANGE_DHE},
    {NULL, POSTURE_TLS_EXCHANGE_OTHER},
};
static const struct word authentications[] = {
    {"anon", POSTURE_TLS_AUTH_NONE},   {"RSA", POSTURE_TLS_AUTH_RSA},
    {"ECDSA", POSTURE_TLS_AUTH_ECDSA}, {"DSS", POSTURE_TLS_AUTH_DSS},
    {NULL, POSTURE_TLS_AUTH_OTHER},
};
static const struct word group_types[] = {
    {"ec", POSTURE_TLS_GROUP_EC},
    {"ffdh", POSTURE_TLS_GROUP_FFDH},
    {"hybrid", POSTURE_TLS_GROUP_HYBRID},
    {"kem", POSTURE_TLS_GROUP_KEM},
    {"explicit", POSTURE_TLS_GROUP_EXPLICIT},
    {NULL, -1},
};

static int word_find(const struct word *words, const char *name)
{
    size_t i = 0;
    for (; words[i].name; i++) {
        if (name && !strcmp(words[i].name, name))
            break;
    }
    return words[i].value;
}

/* "0x1301"; at most max. */
static int code_read(const json_t *row, unsigned long max, unsigned long *ret)
{
    const char *text = posture_json_string(row, "code");
    if (!text || strncmp(text, "0x", 2) || strlen(text) > 8 || !text[2])
        return POSTURE_E_FORMAT;
    unsigned long value = 0;
    for (const char *p = text + 2; *p; p++) {
        unsigned digit = 0;
        if (*p >= '0' && *p <= '9')
            digit = (unsigned)(*p - '0');
        else if (*p >= 'A' && *p <= 'F')
            digit = (unsigned)(*p - 'A') + 10;
        else
            return POSTURE_E_FORMAT;
        value = value * 16 + digit;
    }
    if (value > max)
        return POSTURE_E_RANGE;
    *ret = value;
    return 0;
}

/* Ciphers that servers of every age have: they make the short hello for servers that a
 * long one breaks. */
static bool suite_is_common(const json_t *row)
{
    const char *cipher = posture_json_string(row, "cipher");
    const char *mode = posture_json_string(row, "mode");
    const char *mac = posture_json_string(row, "mac");
    if (!cipher || !mode || !mac || !json_is_true(json_object_get(row, "registered")))
        return false;
    if (!strncmp(mode, "CCM", 3) || json_is_true(json_object_get(row, "export")))
        return false;
    return !strncmp(cipher, "AES-", 4) || !strcmp(cipher, "CHACHA20") ||
           !strcmp(cipher, "3DES-EDE") || !strcmp(cipher, "RC4-128");
}

static int suite_rank(const struct posture_tls_suite *suite, bool is_common)
{
    if (suite->protocol == POSTURE_TLS_PROTOCOL_TLS13)
        return 0;
    bool has_certificate = suite->authentication == POSTURE_TLS_AUTH_RSA ||
                           suite->authentication == POSTURE_TLS_AUTH_ECDSA;
    int rank = is_common && has_certificate ? 0 : 10;
    if (!has_certificate)
        return rank + 5;
    switch (suite->exchange) {
    case POSTURE_TLS_EXCHANGE_ECDHE:
        return rank + 1;
    case POSTURE_TLS_EXCHANGE_DHE:
        return rank + 3;
    case POSTURE_TLS_EXCHANGE_OTHER:
        break;
    }
    return rank + 2;
}

static int suite_add(struct posture_tls_tables *tables, const json_t *row)
{
    if (tables->suite_count >= POSTURE_TLS_SUITES_MAX)
        return POSTURE_E_LIMIT;
    struct posture_tls_suite *suite = &tables->suites[tables->suite_count];
    int protocol = word_find(protocols, posture_json_string(row, "protocol"));
    const char *name = posture_json_string(row, "name");
    const char *authentication = posture_json_string(row, "authentication");
    unsigned long code = 0;
    if (protocol < 0 || !name || !authentication)
        return POSTURE_E_FORMAT;
    POSTURE_TRY(
        code_read(row, protocol == POSTURE_TLS_PROTOCOL_SSL2 ? 0xffffff : 0xffff, &code));
    suite->code = (uint32_t)code;
    suite->protocol = (enum posture_tls_protocol)protocol;
    suite->exchange = (enum posture_tls_exchange)word_find(
        exchanges, posture_json_string(row, "key_exchange"));
    suite->authentication =
        (enum posture_tls_authentication)word_find(authentications, authentication);
    const char *mode = posture_json_string(row, "mode");
    suite->is_cbc = mode && !strcmp(mode, "CBC");
    suite->has_psk_hint = !strcmp(authentication, "PSK");
    suite->rank = suite_rank(suite, suite_is_common(row));
    suite->name = posture_strdup(name);
    if (!suite->name)
        return -ENOMEM;
    tables->suite_count++;
    return 0;
}

static int group_add(struct posture_tls_tables *tables, const json_t *row)
{
    if (tables->group_count >= POSTURE_TLS_GROUPS_MAX)
        return POSTURE_E_LIMIT;
    struct posture_tls_group *group = &tables->groups[tables->group_count];
    int type = word_find(group_types, posture_json_string(row, "type"));
    const char *name = posture_json_string(row, "name");
    unsigned long code = 0;
    if (type < 0 || !name)
        return POSTURE_E_FORMAT;
    POSTURE_TRY(code_read(row, 0xffff, &code));
    group->code = (uint16_t)code;
    group->type = (enum posture_tls_group_type)type;
    const char *protocol = posture_json_string(row, "protocol");
    group->is_old = protocol && !strcmp(protocol, "tls12");
    group->name = posture_strdup(name);
    if (!group->name)
        return -ENOMEM;
    tables->group_count++;
    return 0;
}

static int signature_add(struct posture_tls_tables *tables, const json_t *row)
{
    if (tables->signature_count >= POSTURE_TLS_SIGNATURES_MAX)
        return POSTURE_E_LIMIT;
    struct posture_tls_signature *signature =
        &tables->signature_rows[tables->signature_count];
    const char *name = posture_json_string(row, "name");
    const char *key_type = posture_json_string(row, "key_type");
    const char *protocol = posture_json_string(row, "protocol");
    unsigned long code = 0;
    if (!name || !key_type || !protocol)
        return POSTURE_E_FORMAT;
    POSTURE_TRY(code_read(row, 0xffff, &code));
    tables->signatures[tables->signature_count++] = (uint16_t)code;
    signature->code = (uint16_t)code;
    signature->is_tls12_only = !strcmp(protocol, "tls12");
    signature->name = posture_strdup(name);
    signature->key_type = posture_strdup(key_type);
    return signature->name && signature->key_type ? 0 : -ENOMEM;
}

static int prime_add(struct posture_tls_tables *tables, const json_t *row)
{
    if (tables->prime_count >= POSTURE_TLS_PRIMES_MAX)
        return POSTURE_E_LIMIT;
    struct posture_tls_prime *prime = &tables->primes[tables->prime_count];
    const char *name = posture_json_string(row, "name");
    const char *text = posture_json_string(row, "prime");
    size_t len = text ? strlen(text) : 0;
    if (!name || len == 0 || len % 2 != 0 || len / 2 > POSTURE_TLS_PRIME_MAX)
        return POSTURE_E_FORMAT;
    tables->prime_count++;
    prime->name = posture_strdup(name);
    prime->bytes = posture_malloc(len / 2);
    if (!prime->name || !prime->bytes)
        return -ENOMEM;
    for (size_t i = 0; i < len; i += 2) {
        char byte[3] = {text[i], text[i + 1], '\0'};
        char *end = NULL;
        prime->bytes[prime->len++] = (uint8_t)strtoul(byte, &end, 16);
        if (*end != '\0')
            return POSTURE_E_FORMAT;
    }
    return 0;
}

static int alpn_add(struct posture_tls_tables *tables, const json_t *row)
{
    const char *name = posture_json_string(row, "name");
    if (!name || name[0] == '\0' || strlen(name) > 255)
        return POSTURE_E_FORMAT;
    if (!json_is_true(json_object_get(row, "offer")))
        return 0;
    if (tables->alpn_count >= POSTURE_TLS_ALPN_MAX)
        return POSTURE_E_LIMIT;
    tables->alpn[tables->alpn_count] = posture_strdup(name);
    return tables->alpn[tables->alpn_count++] ? 0 : -ENOMEM;
}

static int table_load(struct posture_tls_tables *tables, const char *data_dir,
                      const char *file, const char *key,
                      int (*add)(struct posture_tls_tables *tables, const json_t *row),
                      struct posture_error *reterr)
{
    POSTURE_AUTO_FREE char *path = NULL;
    POSTURE_TRY(posture_data_path(data_dir, "schemas", file, &path, reterr));
    json_auto_t *root = NULL;
    POSTURE_TRY(posture_json_load(path, TABLE_FILE_MAX, &root, reterr));
    const json_t *rows = json_object_get(root, key);
    if (!json_is_array(rows) || json_array_size(rows) == 0)
        return posture_error_at(reterr, POSTURE_E_SCHEMA, path, 0, 0,
                                "expected a list \"%s\" with at least one row", key);
    size_t i;
    json_t *row;
    json_array_foreach (rows, i, row) {
        int r = add(tables, row);
        if (r < 0)
            return posture_error_at(reterr, r, path, 0, 0, "row %zu of \"%s\": %s", i + 1,
                                    key, posture_strerror(r));
    }
    return 0;
}

static int suite_compare(const void *a, const void *b)
{
    const struct posture_tls_suite *x = a, *y = b;
    if (x->rank != y->rank)
        return x->rank < y->rank ? -1 : 1;
    /* Higher code points are newer; a server that follows our order then shows its best
     * first. */
    return x->code < y->code ? 1 : x->code > y->code ? -1 : 0;
}

int posture_tls_tables_load(const char *data_dir, struct posture_tls_tables **ret,
                            struct posture_error *reterr)
{
    POSTURE_AUTO(posture_tls_tables_free)
    struct posture_tls_tables *tables = posture_calloc(1, sizeof(*tables));
    if (!tables)
        return -ENOMEM;
    POSTURE_TRY(
        table_load(tables, data_dir, "tls/suites.json", "suites", suite_add, reterr));
    POSTURE_TRY(
        table_load(tables, data_dir, "tls/groups.json", "groups", group_add, reterr));
    POSTURE_TRY(table_load(tables, data_dir, "tls/signatures.json", "signatures",
                           signature_add, reterr));
    POSTURE_TRY(
        table_load(tables, data_dir, "tls/primes.json", "primes", prime_add, reterr));
    POSTURE_TRY(
        table_load(tables, data_dir, "tls/alpn.json", "protocols", alpn_add, reterr));
    qsort(tables->suites, tables->suite_count, sizeof(tables->suites[0]), suite_compare);
    *ret = POSTURE_TAKE(tables);
    return 0;
}

const struct posture_tls_suite *
posture_tls_suite_find(const struct posture_tls_tables *tables,
                       enum posture_tls_protocol protocol, uint32_t code)
{
    for (size_t i = 0; i < tables->suite_count; i++) {
        const struct posture_tls_suite *suite = &tables->suites[i];
        if (suite->code == code && suite->protocol == protocol)
            return suite;
    }
    return NULL;
}

const struct posture_tls_group *
posture_tls_group_find(const struct posture_tls_tables *tables, uint16_t code)
{
    for (size_t i = 0; i < tables->group_count; i++) {
        if (tables->groups[i].code == code)
            return &tables->groups[i];
    }
    return NULL;
}

const struct posture_tls_group *
posture_tls_group_by_name(const struct posture_tls_tables *tables, const char *name)
{
    for (size_t i = 0; i < tables->group_count; i++) {
        if (!strcmp(tables->groups[i].name, name))
            return &tables->groups[i];
    }
    return NULL;
}

const char *posture_tls_suite_name(const struct posture_tls_tables *tables,
                                   enum posture_tls_protocol protocol, uint32_t code,
                                   char buf[static POSTURE_TLS_CODE_TEXT])
{
    const struct posture_tls_suite *suite =
        posture_tls_suite_find(tables, protocol, code);
    if (suite)
        return suite->name;
    snprintf(buf, POSTURE_TLS_CODE_TEXT,
             protocol == POSTURE_TLS_PROTOCOL_SSL2 ? "0x%06X" : "0x%04X", (unsigned)code);
    return buf;
}

const char *posture_tls_group_name(const struct posture_tls_tables *tables, uint16_t code,
                                   char buf[static POSTURE_TLS_CODE_TEXT])
{
    const struct posture_tls_group *group = posture_tls_group_find(tables, code);
    if (group)
        return group->name;
    snprintf(buf, POSTURE_TLS_CODE_TEXT, "0x%04X", (unsigned)code);
    return buf;
}

const char *posture_tls_signature_name(const struct posture_tls_tables *tables,
                                       uint16_t code,
                                       char buf[static POSTURE_TLS_CODE_TEXT])
{
    for (size_t i = 0; i < tables->signature_count; i++) {
        if (tables->signature_rows[i].code == code)
            return tables->signature_rows[i].name;
    }
    snprintf(buf, POSTURE_TLS_CODE_TEXT, "0x%04X", (unsigned)code);
    return buf;
}

const char *posture_tls_prime_name(const struct posture_tls_tables *tables,
                                   const uint8_t *bytes, size_t len)
{
    for (size_t i = 0; i < tables->prime_count; i++) {
        const struct posture_tls_prime *prime = &tables->primes[i];
        if (prime->len == len && !memcmp(prime->bytes, bytes, len))
            return prime->name;
    }
    return NULL;
}
