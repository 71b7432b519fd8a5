/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#include "common/report/document.h"

#include "common/base/spawn.h"
#include "common/report/schema.h"

#include <string.h>

int posture_document_load(const char *data_dir, const char *path, const char *schema_name,
                          size_t max, json_t **ret_root, char *ret_digest,
                          struct posture_error *reterr)
{
    POSTURE_AUTO_FREE char *schema_path = NULL;
    POSTURE_TRY(
        posture_data_path(data_dir, "schemas", schema_name, &schema_path, reterr));
    POSTURE_AUTO(posture_schema_free) struct posture_schema *schema = NULL;
    POSTURE_TRY(posture_schema_load(schema_path, &schema, reterr));

    json_auto_t *root = NULL;
    char digest[POSTURE_DIGEST_TEXT];
    POSTURE_TRY(posture_json_load_digest(path, max, &root, digest, reterr));
    struct posture_error error = {0};
    int r = posture_schema_check(schema, root, &error);
    if (r < 0)
        return posture_error_at(reterr, r, path, 0, 0, "%s", error.text);
    if (ret_digest)
        memcpy(ret_digest, digest, sizeof(digest));
    *ret_root = json_incref(root);
    return 0;
}
