/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#ifndef POSTURE_REPORT_SCHEMA_H
#define POSTURE_REPORT_SCHEMA_H

#include "common/base/error.h"
#include "common/base/mem.h"

#include <jansson.h>

/*
 * A checker for the keywords of JSON Schema 2020-12 that our own schemas use; any other
 * keyword is a load error that names the file and the place. Schemas are compiled once
 * and then read-only. References to other files of the folder ("facts/tls.schema.json")
 * are resolved by relative path within the folder of the root schema.
 */
struct posture_schema;

int posture_schema_load(const char *path, struct posture_schema **ret_schema,
                        struct posture_error *reterr);
struct posture_schema *posture_schema_free(struct posture_schema *schema);
POSTURE_AUTO_DEFINE(struct posture_schema *, posture_schema_free)

/* 0, or POSTURE_E_SCHEMA with the instance's JSON pointer and the rule in reterr->text.
 * Bounded in time by the size of the instance times the size of the schema. */
int posture_schema_check(const struct posture_schema *schema, const json_t *instance,
                         struct posture_error *reterr);

#endif
