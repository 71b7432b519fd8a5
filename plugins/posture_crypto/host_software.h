/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#ifndef POSTURE_CRYPTO_HOST_SOFTWARE_H
#define POSTURE_CRYPTO_HOST_SOFTWARE_H

#include "posture_crypto/host_facts.h"
#include "posture_crypto/host_inventory.h"

/*
 * Software that is known by name, as data: schemas/host/. What it is installed as, runs
 * as, listens at and leaves behind.
 */
struct host_tables {
    json_t *file_sharing, *malware, *backup; /* lists of software */
    json_t *archives;                        /* apt's, of security updates */
};

int host_tables_load(const char *data_dir, struct host_tables *ret,
                     struct posture_error *reterr);
void host_tables_done(struct host_tables *tables);

/* Looks for one row of a table: packages, paths, processes found, in entry (its name
 * too). */
int host_software_find(const struct host_input *input, const json_t *row, json_t *entry);

/* The files that a pattern means: at most one *, in its last name. */
int host_software_files(const struct host_root *root, const char *pattern, size_t max,
                        json_t *paths);

/* Sets object[key] to an instant of seconds since 1970. */
int host_set_time(json_t *object, const char *key, long long seconds);

/* The 512 bytes that begin one of ClamAV's databases: version, signatures, time. Pure.
 * POSTURE_E_FORMAT when they are something else. */
enum { HOST_CLAMAV_HEADER = 512 };
int host_clamav_read(const char *bytes, size_t len, json_t *database);
/* The last "End Date:" of a scan's summary in the end of a log. Pure; -ENOENT: none. */
int host_scan_read(const char *text, long long *ret_seconds);

#endif
