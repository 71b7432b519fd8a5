/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#include "common/tls/certificate_trust.h"

#include "common/base/mem.h"

#include <libpsl.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/sha.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { LOCAL_MAX = 1024, FOLDER_DEPTH_MAX = 3 };

struct digest {
    unsigned char bytes[SHA256_DIGEST_LENGTH];
};

struct posture_tls_trust {
    char *name;        /* as the facts say it */
    X509_STORE *store; /* NULL: "none" */
    psl_ctx_t *suffixes;
    bool is_system;
    struct digest *local; /* added on this host to the system's bundle */
    size_t local_count;
};

/* Where distributions keep the bundle; the first that exists is "system". */
static const char *const system_bundles[] = {
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
};

/* Where an administrator puts what shall be added to it. */
static const char *const local_folders[] = {
    "/usr/local/share/ca-certificates",
    "/etc/pki/ca-trust/source/anchors",
    "/etc/pki/trust/anchors",
};

struct posture_tls_trust *posture_tls_trust_free(struct posture_tls_trust *trust)
{
    if (!trust)
        return NULL;
    X509_STORE_free(trust->store);
    psl_free(trust->suffixes);
    free(trust->local);
    free(trust->name);
    free(trust);
    return NULL;
}
POSTURE_AUTO_DEFINE(struct posture_tls_trust *, posture_tls_trust_free)

const char *posture_tls_trust_name(const struct posture_tls_trust *trust)
{
    return trust->name;
}

X509_STORE *posture_tls_trust_store(const struct posture_tls_trust *trust)
{
    return trust->store;
}

const void *posture_tls_trust_suffixes(const struct posture_tls_trust *trust)
{
    return trust->suffixes;
}

bool posture_tls_trust_is_public(const struct posture_tls_trust *trust,
                                 const X509 *anchor)
{
    struct digest digest;
    unsigned len = 0;
    if (!trust->is_system || !anchor ||
        X509_digest(anchor, EVP_sha256(), digest.bytes, &len) != 1)
        return false;
    for (size_t i = 0; i < trust->local_count; i++) {
        if (!memcmp(trust->local[i].bytes, digest.bytes, sizeof(digest.bytes)))
            return false;
    }
    return true;
}

/* Calls fn for each regular file below the folder, links followed: update-ca-trust and
 * c_rehash make links. */
typedef int file_fn(void *data, const char *path);
static int files_each(const char *folder, unsigned depth, unsigned *budget, file_fn *fn,
                      void *data)
{
    DIR *dir = opendir(folder);
    if (!dir)
        return -errno;
    int r = 0;
    for (struct dirent *entry; r == 0 && (entry = readdir(dir));) {
        struct stat st;
        POSTURE_AUTO_FREE char *path = NULL;
        if (entry->d_name[0] == '.')
            continue;
        path = posture_asprintf("%s/%s", folder, entry->d_name);
        if (!path)
            r = -ENOMEM;
        else if (stat(path, &st) < 0)
            continue;
        else if (S_ISDIR(st.st_mode) && depth > 1)
            r = files_each(path, depth - 1, budget, fn, data);
        else if (S_ISREG(st.st_mode) && (*budget)-- == 0)
            r = POSTURE_E_LIMIT;
        else if (S_ISREG(st.st_mode))
            r = fn(data, path);
    }
    closedir(dir);
    return r;
}

static int local_add(void *data, const char *path)
{
    struct posture_tls_trust *trust = data;
    BIO *bio = BIO_new_file(path, "r");
    X509 *cert = NULL;
    int r = 0;
    while (r == 0 && bio && trust->local_count < LOCAL_MAX &&
           (cert = PEM_read_bio_X509(bio, NULL, NULL, NULL))) {
        struct digest digest;
        unsigned len = 0;
        struct digest *all = posture_reallocarray(trust->local, trust->local_count + 1,
                                                  sizeof(*trust->local));
        if (!all) {
            r = -ENOMEM;
        } else {
            trust->local = all;
            if (X509_digest(cert, EVP_sha256(), digest.bytes, &len) == 1)
                all[trust->local_count++] = digest;
        }
        X509_free(cert);
    }
    BIO_free(bio);
    ERR_clear_error();
    return r;
}

static int locals_load(struct posture_tls_trust *trust)
{
    for (size_t i = 0; i < POSTURE_COUNT(local_folders); i++) {
        unsigned budget = POSTURE_TLS_STORE_FILES_MAX;
        int r = files_each(local_folders[i], FOLDER_DEPTH_MAX, &budget, local_add, trust);
        if (r == -ENOMEM)
            return r;
    }
    return 0;
}

struct folder {
    X509_STORE *store;
    unsigned loaded;
};

static int folder_add(void *data, const char *path)
{
    struct folder *folder = data;
    folder->loaded += X509_STORE_load_file(folder->store, path) == 1;
    ERR_clear_error(); /* keys, READMEs: what holds no certificate is none */
    return 0;
}

static int file_load(X509_STORE *store, const char *path, struct posture_error *reterr)
{
    /* OpenSSL would say "system lib" and not which. */
    POSTURE_AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct stat st;
    if (fd < 0 || fstat(fd, &st) < 0)
        return posture_error_set(
            reterr, -errno,
            "%s; expected a PEM file of certificates, or a folder of "
            "such, that the worker's user may read, system or none",
            strerror(errno));
    ERR_clear_error();
    struct folder folder = {.store = store};
    unsigned budget = POSTURE_TLS_STORE_FILES_MAX;
    int r = S_ISDIR(st.st_mode) ? files_each(path, 1, &budget, folder_add, &folder)
                                : folder_add(&folder, path);
    if (r < 0)
        return posture_error_set(reterr, r, "%s",
                                 r == POSTURE_E_LIMIT ? "too many files in the folder"
                                                      : posture_strerror(r));
    if (folder.loaded == 0)
        return posture_error_set(reterr, POSTURE_E_FORMAT,
                                 "no certificate in it; expected a PEM file of "
                                 "certificates, a folder of such, system or none");
    return 0;
}

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
    /* The distribution's file when it is newer than what the library was built with. */
    trust->suffixes = psl_latest(NULL);
    if (strcmp(store, "none")) {
        const char *path = store;
        trust->is_system = !strcmp(store, "system");
        if (trust->is_system) {
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
            POSTURE_TRY(locals_load(trust));
        }
        trust->store = X509_STORE_new();
        if (!trust->store)
            return -ENOMEM;
        POSTURE_TRY(file_load(trust->store, path, reterr));
    }
    *ret = POSTURE_TAKE(trust);
    return 0;
}
