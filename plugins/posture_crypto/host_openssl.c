/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#include "posture_crypto/host_facts.h"

#include "common/base/buf.h"
#include "posture_crypto/host_cnf.h"
#include "posture_crypto/host_libraries.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

/* The system-wide minimums of OpenSSL, which every program that does not say otherwise
 * gets: section system_default of openssl.cnf, with what the file includes. */

enum { CNF_MAX = 1024 * 1024, INCLUDE_DEPTH_MAX = 8, INCLUDE_FILES_MAX = 64 };

static const char *const cnf_paths[] = {"etc/pki/tls/openssl.cnf", "etc/ssl/openssl.cnf"};

struct reading {
    const struct host_root *root;
    struct host_cnf cnf;
    char section[HOST_CNF_SECTION_MAX];
    json_t *files; /* read beside the first */
    unsigned depth;
};

static int include_read(void *data, const char *path);

static int file_parse(struct reading *reading, const char *path)
{
    POSTURE_AUTO_FREE char *bytes = NULL;
    size_t len;
    POSTURE_TRY(host_root_read(reading->root, path, CNF_MAX, &bytes, &len));
    return host_cnf_parse(&reading->cnf, bytes, len, reading->section, include_read,
                          reading);
}

static int included_add(struct reading *reading, const char *path)
{
    if (json_array_size(reading->files) >= INCLUDE_FILES_MAX)
        return POSTURE_E_LIMIT;
    if (json_array_append_new(reading->files, host_text(path, strlen(path), 512)) < 0)
        return -ENOMEM;
    return file_parse(reading, path);
}

static bool ends_with(const char *text, const char *end)
{
    size_t n = strlen(text), m = strlen(end);
    return n > m && strcmp(text + n - m, end) == 0;
}

/* A file, or a folder's files *.cnf and *.conf. OpenSSL passes over a file that is not
 * there; so do we. */
static int include_read(void *data, const char *path)
{
    struct reading *reading = data;
    /* Taken from the program's working folder: each program's own. */
    if (path[0] != '/')
        return POSTURE_E_FORMAT;
    if (reading->depth >= INCLUDE_DEPTH_MAX)
        return POSTURE_E_LIMIT;
    reading->depth++;
    HOST_AUTO_NAMES struct host_names names = {0};
    int r = host_root_list(reading->root, path, 256, &names);
    if (r == -ENOTDIR) {
        r = included_add(reading, path);
    } else {
        for (size_t i = 0; r == 0 && i < names.count; i++) {
            if (!ends_with(names.items[i], ".cnf") && !ends_with(names.items[i], ".conf"))
                continue;
            POSTURE_AUTO_FREE char *file =
                posture_asprintf("%s/%s", path, names.items[i]);
            r = file ? included_add(reading, file) : -ENOMEM;
        }
    }
    reading->depth--;
    return r == -ENOENT ? 0 : r;
}

/* Commands of an SSL section may have anything before a dot; case does not count. */
static const char *command_of(const char *name)
{
    const char *dot = strchr(name, '.');
    return dot ? dot + 1 : name;
}

static int command_read(const struct host_cnf_entry *entry, json_t *openssl)
{
    static const struct {
        const char *command, *key;
    } commands[] = {
        {"MinProtocol", "min_protocol"},
        {"MaxProtocol", "max_protocol"},
        {"Protocol", "protocol"},
        {"CipherString", "cipher_string"},
        {"Ciphersuites", "ciphersuites"},
        {"Groups", "groups"},
        {"Curves", "groups"},
        {"SignatureAlgorithms", "signature_algorithms"},
        {"Options", "options"},
    };
    for (size_t i = 0; i < POSTURE_COUNT(commands); i++) {
        if (strcasecmp(command_of(entry->name), commands[i].command) != 0)
            continue;
        /* A version of DTLS bounds DTLS alone. */
        if (strncasecmp(entry->value, "DTLS", 4) == 0)
            return 0;
        return host_set_text(openssl, commands[i].key, entry->value);
    }
    return 0;
}

/* The last @SECLEVEL of a cipher string holds. */
static int level_read(json_t *openssl)
{
    static const char word[] = "@SECLEVEL=";
    const char *text = json_string_value(json_object_get(openssl, "cipher_string"));
    int level = -1;
    while (text && (text = strstr(text, word))) {
        text += sizeof(word) - 1;
        if (*text >= '0' && *text <= '5')
            level = *text - '0';
    }
    if (level < 0)
        return 0;
    return json_object_set_new(openssl, "seclevel", json_integer(level)) < 0 ? -ENOMEM
                                                                             : 0;
}

static const char *value_of(const struct host_cnf *cnf, const char *section,
                            const char *name)
{
    const struct host_cnf_entry *entry =
        section ? host_cnf_find(cnf, section, name) : NULL;
    return entry ? entry->value : NULL;
}

/* Providers that the configuration activates, by their names. */
static int providers_read(const struct host_cnf *cnf, const char *list, json_t *openssl)
{
    json_auto_t *active = json_array();
    for (size_t i = 0; list && i < cnf->count; i++) {
        const struct host_cnf_entry *entry = &cnf->entries[i];
        if (strcmp(entry->section, list) != 0)
            continue;
        const char *is_active = value_of(cnf, entry->value, "activate");
        bool is_off = !is_active || strcmp(is_active, "0") == 0 ||
                      strcasecmp(is_active, "no") == 0 ||
                      strcasecmp(is_active, "false") == 0 ||
                      strcasecmp(is_active, "off") == 0;
        if (is_off || json_array_size(active) >= 16)
            continue;
        if (json_array_append_new(active,
                                  host_text(entry->name, strlen(entry->name), 64)) < 0)
            return -ENOMEM;
    }
    if (json_array_size(active) == 0)
        return 0;
    return json_object_set(openssl, "providers", active) < 0 ? -ENOMEM : 0;
}

static int sections_read(const struct host_cnf *cnf, json_t *openssl, bool *ret_unclear)
{
    const char *init = value_of(cnf, "default", "openssl_conf");
    const char *ssl = value_of(cnf, init, "ssl_conf");
    const char *system = value_of(cnf, ssl, "system_default");
    for (size_t i = 0; system && i < cnf->count; i++) {
        const struct host_cnf_entry *entry = &cnf->entries[i];
        if (strcmp(entry->section, system) != 0)
            continue;
        if (entry->has_variable)
            *ret_unclear = true;
        else
            POSTURE_TRY(command_read(entry, openssl));
    }
    POSTURE_TRY(level_read(openssl));
    POSTURE_TRY(providers_read(cnf, value_of(cnf, init, "providers"), openssl));
    const char *properties =
        value_of(cnf, value_of(cnf, init, "alg_section"), "default_properties");
    return properties ? host_set_text(openssl, "default_properties", properties) : 0;
}

static int config_read(const struct host_root *root, json_t *facts, json_t *openssl)
{
    struct reading reading = {.root = root, .section = "default", .files = json_array()};
    int r = reading.files ? -ENOENT : -ENOMEM;
    for (size_t i = 0; r == -ENOENT && i < POSTURE_COUNT(cnf_paths); i++) {
        r = file_parse(&reading, cnf_paths[i]);
        if (r == -ENOENT)
            continue;
        POSTURE_AUTO_FREE char *path = posture_asprintf("/%s", cnf_paths[i]);
        if (!path || host_set_text(openssl, "config", path) < 0)
            r = -ENOMEM;
    }
    bool is_unclear = false;
    bool is_there = r != -ENOENT && r != -ENOMEM;
    if (r == 0)
        r = sections_read(&reading.cnf, openssl, &is_unclear);
    if (r == 0 && json_array_size(reading.files) > 0 &&
        json_object_set(openssl, "includes", reading.files) < 0)
        r = -ENOMEM;
    if (r == 0 && is_unclear)
        r = host_missing(facts, "openssl", POSTURE_E_FORMAT,
                         "a value is made of a variable");
    else if (r < 0 && r != -ENOMEM && is_there)
        r = host_missing(facts, "openssl", r, "openssl.cnf");
    host_cnf_done(&reading.cnf);
    json_decref(reading.files);
    return r == -ENOENT ? 0 : r;
}

int host_openssl_measure(const struct host_input *input, json_t *facts)
{
    json_t *openssl = json_object();
    if (json_object_set_new(facts, "openssl", openssl) < 0)
        return -ENOMEM;
    json_auto_t *libraries = NULL;
    POSTURE_TRY(host_libraries_find(&input->root, "libssl.so.", &libraries));
    if (json_object_set(openssl, "libraries", libraries) < 0)
        return -ENOMEM;
    return config_read(&input->root, facts, openssl);
}
