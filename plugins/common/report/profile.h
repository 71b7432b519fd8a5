/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#ifndef POSTURE_REPORT_PROFILE_H
#define POSTURE_REPORT_PROFILE_H

#include "common/base/error.h"
#include "common/base/mem.h"
#include "common/report/checks.h"
#include "common/report/result.h"

#include <stdbool.h>
#include <stdint.h>

/*
 * A profile is the rule data that checks are judged by: schemas/profiles/<id>.json. Every
 * row has its source, edition and certainty. Validated on load; errors name the row.
 */
struct posture_profile;

enum posture_tier {
    POSTURE_TIER_NONE,        /* judged, and on no list: fail */
    POSTURE_TIER_RECOMMENDED, /* pass */
    POSTURE_TIER_PQC,         /* pass */
    POSTURE_TIER_CANDIDATE,   /* warn */
    POSTURE_TIER_MONITORED,   /* warn */
    POSTURE_TIER_UNJUDGED,    /* no row: unknown */
};
enum posture_certainty {
    POSTURE_CERTAINTY_LOW,
    POSTURE_CERTAINTY_MEDIUM,
    POSTURE_CERTAINTY_HIGH,
};

int posture_profile_load(const char *data_dir, const char *id_or_path,
                         struct posture_profile **ret, struct posture_error *reterr);
struct posture_profile *posture_profile_free(struct posture_profile *profile);
POSTURE_AUTO_DEFINE(struct posture_profile *, posture_profile_free)
const char *posture_profile_id(const struct posture_profile *profile);
/* First 12 hex digits of the SHA-256 of the profile's bytes (with the tables it builds
 * on). */
const char *posture_profile_digest(const struct posture_profile *profile);
const char *posture_profile_title(const struct posture_profile *profile,
                                  enum posture_lang lang);

/* The document that a profile was read from: rows that only one plugin's checks know
 * (GL-3001 types). Borrowed. */
const json_t *posture_profile_json(const struct posture_profile *profile);

/* A row as the file has it; strings borrowed, lifetime of the profile. bits is the
 * strength of the algorithm itself, 0 where it has none or its size decides (RSA, DH). */
struct posture_profile_row {
    const char *cls;
    const char *name;
    const char *listed_as; /* the name on the list; the row's name when it gives none */
    enum posture_tier tier;
    enum posture_certainty certainty;
    uint32_t bits;
    enum posture_certainty bits_certainty;
    const char *source;
    const char *edition;
    uint32_t min; /* the smallest size that the row is about; 0: any */
    const struct posture_profile_row *smaller; /* the same thing, smaller; NULL: none */
};
/* NULL when there is none, for the name or for "*", which stands for every other name of
 * its class. Where sizes are judged apart: the row of the largest. */
const struct posture_profile_row *
posture_profile_row(const struct posture_profile *profile, const char *cls,
                    const char *name);
/* The row that is about this size (bits of a modulus, seconds …); NULL as above. */
const struct posture_profile_row *
posture_profile_row_of_size(const struct posture_profile *profile, const char *cls,
                            const char *name, uint64_t size);
/* False: the profile says nothing about this class of things; a check about it alone is
 * na. */
bool posture_profile_has_class(const struct posture_profile *profile, const char *cls);
bool posture_profile_has_strength(const struct posture_profile *profile);

/* The strength in bits of an RSA, DH or DSA modulus; 0 below the lowest row. false when
 * the profile has no such table. */
bool posture_profile_modulus_bits(const struct posture_profile *profile,
                                  uint64_t modulus_bits, uint32_t *ret_bits,
                                  enum posture_certainty *ret_certainty);

/* A row of one of the tables that the profile builds on ("tls/suites.json" is table
 * "suites"), by its name. Borrowed; NULL when there is none. */
const json_t *posture_profile_table_row(const struct posture_profile *profile,
                                        const char *table, const char *name);

/* All rows of a table, by name: an object. Borrowed; NULL when the profile does not build
 * on it. */
const json_t *posture_profile_table(const struct posture_profile *profile,
                                    const char *table);

const char *posture_certainty_name(enum posture_certainty certainty); /* "medium" */

/* One row by class ("cipher", "mode", "mac", "hash", "signature", "key_exchange",
 * "group", "version" …) and name. *ret_certainty is set for every tier but UNJUDGED. */
enum posture_tier posture_profile_tier(const struct posture_profile *profile,
                                       const char *cls, const char *name,
                                       enum posture_certainty *ret_certainty);

/* LS-0003: state of a strength in bits at an instant, for new generation. */
enum posture_strength {
    POSTURE_STRENGTH_USABLE,
    POSTURE_STRENGTH_MIGRATE, /* migration to be completed */
    POSTURE_STRENGTH_NOT_ALLOWED,
    POSTURE_STRENGTH_UNJUDGED, /* the profile has no periods */
};
/* *ret_until_ns: when that state ends (INT64_MAX: never, as far as the profile says). */
enum posture_strength posture_profile_strength(const struct posture_profile *profile,
                                               uint32_t bits, int64_t at_ns,
                                               int64_t *ret_until_ns);
/* The last civil year in which a strength is not "not allowed"; 0 when it never is
 * allowed, 9999 when no end is known. */
int posture_profile_strength_last_year(const struct posture_profile *profile,
                                       uint32_t bits);

/* The same of processing what exists already (verify, decrypt): -1 when the profile does
 * not say. */
int posture_profile_legacy_last_year(const struct posture_profile *profile,
                                     uint32_t bits);

/* True when the profile grades (accepted, phase out, insufficient) and has no lists. */
bool posture_profile_has_grades(const struct posture_profile *profile);

#endif
