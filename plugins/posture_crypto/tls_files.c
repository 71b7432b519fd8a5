/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#include "posture_crypto/tls_files.h"

#include "common/base/mem.h"
#include "common/net/sandbox.h"

#include <errno.h>
#include <string.h>

/* One distinct file of either option. */
struct file {
    char *name; /* as the option has it */
    struct posture_tls_trust *trust;
    struct posture_tls_crls *crls;
};

struct tls_files {
    const struct posture_crypto_settings *settings;
    struct file *files;
    size_t count;
};

struct tls_files *tls_files_free(struct tls_files *files)
{
    if (!files)
        return NULL;
    for (size_t i = 0; i < files->count; i++) {
        free(files->files[i].name);
        posture_tls_trust_free(files->files[i].trust);
        posture_tls_crls_free(files->files[i].crls);
    }
    free(files->files);
    free(files);
    return NULL;
}

static const struct file *file_find(const struct tls_files *files, const char *name,
                                    bool is_crl)
{
    for (size_t i = 0; name && i < files->count; i++) {
        const struct file *file = &files->files[i];
        if (!strcmp(file->name, name) && (file->crls != NULL) == is_crl)
            return file;
    }
    return NULL;
}

/* Lists are replaced by rename: it is the folder that must stay readable. */
static int folder_open(const char *path)
{
    POSTURE_AUTO_FREE char *folder = posture_strdup(path);
    if (!folder)
        return -ENOMEM;
    char *slash = strrchr(folder, '/');
    if (!slash)
        return 0; /* relative: the program made it absolute, or it is the tests' matter */
    slash[slash == folder ? 1 : 0] = '\0';
    return posture_sandbox_allow_read(folder);
}

static int file_add(struct tls_files *files, const char *option, const char *name,
                    struct posture_error *reterr)
{
    bool is_crl = !strcmp(option, "CrlFile");
    if (!name || file_find(files, name, is_crl))
        return 0;
    struct file *all =
        posture_reallocarray(files->files, files->count + 1, sizeof(*files->files));
    if (!all)
        return -ENOMEM;
    files->files = all;
    struct file *file = &all[files->count];
    *file = (struct file){.name = posture_strdup(name)};
    if (!file->name)
        return -ENOMEM;
    struct posture_error error = {0};
    int r = is_crl ? posture_tls_crls_load(name, &file->crls, &error)
                   : posture_tls_trust_load(name, &file->trust, &error);
    if (r < 0) {
        free(file->name);
        return posture_error_set(reterr, r, "option %s \"%s\": %s", option, name,
                                 error.text[0] ? error.text : posture_strerror(r));
    }
    files->count++;
    r = is_crl ? folder_open(name) : 0;
    if (r < 0)
        return posture_error_set(reterr, r, "option %s \"%s\": too many folders", option,
                                 name);
    return 0;
}

int tls_files_new(const struct posture_crypto_settings *settings, struct tls_files **ret,
                  struct posture_error *reterr)
{
    POSTURE_AUTO(tls_files_free)
    struct tls_files *files = posture_calloc(1, sizeof(*files));
    if (!files)
        return -ENOMEM;
    files->settings = settings;
    POSTURE_TRY(file_add(files, "TrustStore", settings->trust_store, reterr));
    POSTURE_TRY(file_add(files, "CrlFile", settings->crl_file, reterr));
    *ret = POSTURE_TAKE(files);
    return 0;
}

int tls_files_admit(struct tls_files *files,
                    const struct posture_crypto_endpoint *endpoint,
                    struct posture_error *reterr)
{
    POSTURE_TRY(file_add(files, "TrustStore", endpoint->trust_store, reterr));
    return file_add(files, "CrlFile", endpoint->crl_file, reterr);
}

const struct posture_tls_trust *
tls_files_trust(const struct tls_files *files,
                const struct posture_crypto_endpoint *endpoint)
{
    const struct file *file = file_find(
        files,
        endpoint->trust_store ? endpoint->trust_store : files->settings->trust_store,
        false);
    return file ? file->trust : NULL;
}

struct posture_tls_crls *tls_files_crls(const struct tls_files *files,
                                        const struct posture_crypto_endpoint *endpoint)
{
    const struct file *file = file_find(
        files, endpoint->crl_file ? endpoint->crl_file : files->settings->crl_file, true);
    return file ? file->crls : NULL;
}
