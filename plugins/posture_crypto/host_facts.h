/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#ifndef POSTURE_CRYPTO_HOST_FACTS_H
#define POSTURE_CRYPTO_HOST_FACTS_H

#include "posture_crypto/host_root.h"

#include <jansson.h>
#include <stdint.h>

/*
 * Facts of kind host, one module per topic: host_<topic>.c looks at a system's files, at
 * the kernel where the system is the running one, and at what the two root helpers wrote,
 * and sets facts.<topic>. What it could not see it leaves out and says so
 * (host_missing()): a check that needs it is then unknown. No judgement here.
 */

/* What common/host/helper.h ran for us as root. */
enum host_helper {
    HOST_HELPER_SSHD,     /* sshd -T */
    HOST_HELPER_DM_TABLE, /* posture-dm-table */
    HOST_HELPER_COUNT,
};

struct host_helped {
    int error;   /* 0: bytes is its whole output */
    char *bytes; /* NUL-terminated */
    size_t len;
};

struct host_inventory;
struct host_tables;

struct host_input {
    struct host_root root;
    const struct host_tables *tables;       /* host_software.h */
    const struct host_inventory *inventory; /* host_facts_measure() reads it */
    char *const *stamps;                    /* option BackupStamp */
    size_t stamp_count;
    struct host_helped helped[HOST_HELPER_COUNT];
    int64_t now_ns;
};

/* Sets facts.<topic>. 0, or -ENOMEM. */
typedef int host_topic_fn(const struct host_input *input, json_t *facts);

host_topic_fn host_os_measure;
host_topic_fn host_openssl_measure;
host_topic_fn host_gnutls_measure;
host_topic_fn host_crypto_policy_measure;
host_topic_fn host_sshd_measure;
host_topic_fn host_disks_measure; /* swap too */
host_topic_fn host_time_measure;
host_topic_fn host_wlan_measure;
host_topic_fn host_file_sharing_measure;
host_topic_fn host_updates_measure;
host_topic_fn host_reboot_measure;
host_topic_fn host_malware_measure;
host_topic_fn host_backup_measure;

/* What "sshd -T" wrote, into the topic's object; pure. POSTURE_E_FORMAT when it is
 * something else. */
int host_sshd_read(const char *bytes, size_t len, json_t *sshd);

/* All topics, in a fixed order. New reference; NULL when memory was out. */
json_t *host_facts_measure(const char *name, const struct host_input *input);

/* Says that what ("sshd", "disks.ciphers") was not measured, and why: facts.incomplete
 * has its name, facts.errors its code. r: a negative result; detail may be NULL. */
int host_missing(json_t *facts, const char *what, int r, const char *detail);
/* "denied", "absent", "too_large", "deadline", "elsewhere", "unsupported",
 * "failed" */
const char *host_error_code(int r);

/* Foreign text: well-formed UTF-8 of at most max bytes. NULL when memory was out. */
json_t *host_text(const char *bytes, size_t len, size_t max);
/* Sets object[key] from foreign text. */
int host_set_text(json_t *object, const char *key, const char *text);

#endif
