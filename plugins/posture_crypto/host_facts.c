/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#include "posture_crypto/host_facts.h"

#include "common/base/mem.h"
#include "common/base/parse.h"
#include "posture_crypto/host_inventory.h"

#include <errno.h>
#include <string.h>

enum { TEXT_MAX = 512 };

static host_topic_fn *const topics[] = {
    host_os_measure,           host_openssl_measure,
    host_gnutls_measure,       host_crypto_policy_measure,
    host_sshd_measure,         host_disks_measure,
    host_time_measure,         host_wlan_measure,
    host_file_sharing_measure, host_updates_measure,
    host_reboot_measure,       host_malware_measure,
    host_backup_measure,
};

const char *host_error_code(int r)
{
    switch (r) {
    case -EACCES:
    case -EPERM:
    case POSTURE_E_DENIED:
        return "denied";
    case -ENOENT:
    case -ENOTDIR:
    case POSTURE_E_MISSING:
        return "absent";
    case POSTURE_E_LIMIT:
        return "too_large";
    case POSTURE_E_DEADLINE:
        return "deadline";
    case POSTURE_E_FORMAT:
        return "malformed";
    case -EXDEV: /* the system looked at is not the running one */
        return "elsewhere";
    case -ENOTSUP:
        return "unsupported";
    default:
        return "failed";
    }
}

int host_missing(json_t *facts, const char *what, int r, const char *detail)
{
    json_t *incomplete = json_object_get(facts, "incomplete");
    if (!incomplete) {
        incomplete = json_array();
        if (json_object_set_new(facts, "incomplete", incomplete) < 0)
            return -ENOMEM;
    }
    json_t *errors = json_object_get(facts, "errors");
    if (!errors) {
        errors = json_object();
        if (json_object_set_new(facts, "errors", errors) < 0)
            return -ENOMEM;
    }
    if (json_object_get(errors, what))
        return 0; /* the first reason stays */
    json_t *error = json_pack("{s:s}", "code", host_error_code(r));
    if (detail && host_set_text(error, "detail", detail) < 0) {
        json_decref(error);
        return -ENOMEM;
    }
    if (json_object_set_new(errors, what, error) < 0 ||
        json_array_append_new(incomplete, json_string(what)) < 0)
        return -ENOMEM;
    return 0;
}

json_t *host_text(const char *bytes, size_t len, size_t max)
{
    if (posture_utf8_valid(bytes, len))
        return json_stringn(bytes, len > max ? posture_utf8_cut(bytes, max) : len);
    POSTURE_AUTO_FREE char *safe = posture_malloc(max + 1);
    if (!safe)
        return NULL;
    return json_string(posture_escape(bytes, len, safe, max + 1));
}

int host_set_text(json_t *object, const char *key, const char *text)
{
    return json_object_set_new(object, key, host_text(text, strlen(text), TEXT_MAX)) < 0
               ? -ENOMEM
               : 0;
}

json_t *host_facts_measure(const char *name, const struct host_input *input)
{
    json_auto_t *facts = json_object();
    if (!facts || host_set_text(facts, "name", name) < 0)
        return NULL;
    HOST_AUTO_INVENTORY struct host_inventory inventory = {0};
    struct host_input all = *input;
    all.inventory = &inventory;
    if (host_inventory_read(&input->root, &inventory) < 0)
        return NULL;
    for (size_t i = 0; i < POSTURE_COUNT(topics); i++) {
        if (topics[i](&all, facts) < 0)
            return NULL;
    }
    return json_incref(facts);
}
