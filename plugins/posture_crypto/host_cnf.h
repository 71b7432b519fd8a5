/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#ifndef POSTURE_CRYPTO_HOST_CNF_H
#define POSTURE_CRYPTO_HOST_CNF_H

#include "common/base/error.h"

#include <stdbool.h>
#include <stddef.h>

/*
 * Files of OpenSSL's config(5) form: sections, names, values, continued lines, quotes,
 * comments, ".include". Pure: included files are asked for. Variables ($name) are not
 * expanded; a value that has one says so.
 */
struct host_cnf_entry {
    char *section; /* "default" before the first */
    char *name;
    char *value;
    bool has_variable;
};

struct host_cnf {
    struct host_cnf_entry *entries; /* in file order; the last of a name holds */
    size_t count;
};

/* Reads what ".include" names and feeds it to host_cnf_parse() again, or not. */
typedef int host_cnf_include_fn(void *data, const char *path);

enum { HOST_CNF_ENTRIES_MAX = 4096 };

/* Adds the entries of one file. section: where it begins; an included file goes on in the
 * section of its .include, and what it ends in stays. POSTURE_E_FORMAT, POSTURE_E_LIMIT,
 * -ENOMEM, or what include gives. */
enum { HOST_CNF_SECTION_MAX = 256 };
int host_cnf_parse(struct host_cnf *cnf, const char *bytes, size_t len,
                   char section[static HOST_CNF_SECTION_MAX],
                   host_cnf_include_fn *include, void *data);
void host_cnf_done(struct host_cnf *cnf);
/* The last entry of the name; NULL when there is none. */
const struct host_cnf_entry *host_cnf_find(const struct host_cnf *cnf,
                                           const char *section, const char *name);

#endif
