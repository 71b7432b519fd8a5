/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#ifndef POSTURE_REPORT_REGISTRY_H
#define POSTURE_REPORT_REGISTRY_H

#include "common/report/json.h"

/*
 * The registry (who is evaluated, what is expected) and the criteria catalogue. Each is
 * one JSON file checked against its schema, then against rules that a schema cannot say
 * (unique ids, known areas, canonical subjects); errors name file and entry. Digest:
 * first 12 hex digits of the bytes' SHA-256.
 */
int posture_registry_load(const char *data_dir, const char *path, json_t **ret_registry,
                          char ret_digest[static 13], struct posture_error *reterr);
int posture_catalogue_load(const char *data_dir, const char *path_or_id,
                           json_t **ret_catalogue, char ret_digest[static 13],
                           struct posture_error *reterr);

#endif
