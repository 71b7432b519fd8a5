/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#ifndef POSTURE_REPORT_DOCUMENT_H
#define POSTURE_REPORT_DOCUMENT_H

#include "common/report/json.h"

/*
 * A document of ours in a file (registry, catalogue, checks …): read, and checked against
 * its schema from the data folder ("registry.v1.schema.json"). ret_digest may be NULL.
 * Errors name the file.
 */
int posture_document_load(const char *data_dir, const char *path, const char *schema_name,
                          size_t max, json_t **ret_root, char *ret_digest,
                          struct posture_error *reterr);

#endif
