/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#include "posture_crypto/endpoints_device.h"

#include "common/base/clock.h"
#include "common/base/parse.h"
#include "common/report/json.h"
#include "common/report/subject.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum { FILE_MAX = 32 * 1024 * 1024, QUOTED_MAX = 120 };

#define ENDPOINTS_SCHEMA "posture.endpoints/1"

static const char *literal_refused(const struct posture_subject *subject,
                                   const struct posture_address_policy *policy)
{
    struct sockaddr_storage address;
    const char *reason = NULL;
    if (posture_address_parse(subject->host, subject->port, &address) < 0)
        return "is no address";
    if (posture_address_allowed(policy, (const struct sockaddr *)&address, &reason))
        return NULL;
    return reason ? reason : "is not allowed";
}

/* NULL: it may be measured. */
static const char *entry_refused(const char *text,
                                 const struct posture_address_policy *policy,
                                 struct posture_error *why)
{
    struct posture_subject subject;
    if (!text)
        return "has no subject";
    if (posture_subject_parse(text, NULL, &subject, why) < 0)
        return why->text[0] ? why->text : "is no subject";
    if (strcmp(subject.text, text) != 0)
        return "is not in its one spelling";
    if (!posture_subject_fits_kind(subject.scheme, "tls") &&
        !posture_subject_fits_kind(subject.scheme, "ssh"))
        return "is of no kind that posture_crypto measures";
    return subject.is_literal ? literal_refused(&subject, policy) : NULL;
}

static void refused_add(struct posture_crypto_device_endpoints *endpoints, size_t number,
                        const char *text, const char *why)
{
    endpoints->refused++;
    if (endpoints->first_refused[0])
        return;
    char quoted[QUOTED_MAX];
    text = text ? text : "";
    posture_escape(text, strlen(text), quoted, sizeof(quoted));
    snprintf(endpoints->first_refused, sizeof(endpoints->first_refused),
             "endpoints[%zu] \"%s\": %.100s", number, quoted, why);
}

static int entries_read(struct posture_crypto_device_endpoints *endpoints,
                        const json_t *list, const struct posture_address_policy *policy)
{
    json_auto_t *seen = json_object();
    size_t count = json_array_size(list);
    endpoints->items = posture_calloc(count + 1, sizeof(*endpoints->items));
    if (!seen || !endpoints->items)
        return -ENOMEM;
    for (size_t i = 0; i < count; i++) {
        const json_t *entry = json_array_get(list, i);
        const char *text = posture_json_string(entry, "subject");
        const char *device = posture_json_string(entry, "device");
        struct posture_error why = {0};
        const char *reason = entry_refused(text, policy, &why);
        if (reason) {
            refused_add(endpoints, i, text, reason);
            continue;
        }
        if (json_object_get(seen, text)) /* two devices that share an address */
            continue;
        if (json_object_set_new(seen, text, json_true()) < 0)
            return -ENOMEM;
        endpoints->items[endpoints->count++] = (struct posture_crypto_device_endpoint){
            .subject = text, .device = device ? device : ""};
    }
    return 0;
}

int posture_crypto_endpoints_device_parse(const char *path, const char *bytes, size_t len,
                                          const struct posture_address_policy *policy,
                                          struct posture_crypto_device_endpoints *ret,
                                          struct posture_error *reterr)
{
    json_auto_t *root = NULL;
    struct posture_error why = {0};
    int r = posture_json_parse(bytes, len, &root, &why);
    if (r < 0)
        return posture_error_at(reterr, r, path, why.line, why.column, "%s",
                                why.text[0] ? why.text : posture_strerror(r));
    const char *schema = posture_json_string(root, "schema");
    if (!schema || strcmp(schema, ENDPOINTS_SCHEMA) != 0)
        return posture_error_at(reterr, POSTURE_E_FORMAT, path, 0, 0,
                                "schema is not \"" ENDPOINTS_SCHEMA "\"");
    const char *written = posture_json_string(root, "written");
    struct posture_crypto_device_endpoints endpoints = {0};
    if (!written ||
        posture_time_parse(written, strlen(written), &endpoints.written_ns) < 0)
        return posture_error_at(reterr, POSTURE_E_FORMAT, path, 0, 0,
                                "written is not a time such as 2026-11-23T08:00:00.000Z");
    const json_t *list = json_object_get(root, "endpoints");
    if (!json_is_array(list) ||
        json_array_size(list) > POSTURE_CRYPTO_DEVICE_ENDPOINTS_MAX)
        return posture_error_at(reterr, POSTURE_E_LIMIT, path, 0, 0,
                                "endpoints is a list of at most %d",
                                POSTURE_CRYPTO_DEVICE_ENDPOINTS_MAX);
    r = entries_read(&endpoints, list, policy);
    if (r < 0) {
        posture_crypto_endpoints_device_done(&endpoints);
        return r;
    }
    endpoints.owner = json_incref(root);
    *ret = endpoints;
    return 0;
}

int posture_crypto_endpoints_device_read(const char *path,
                                         const struct posture_address_policy *policy,
                                         struct posture_crypto_device_endpoints *ret,
                                         struct posture_error *reterr)
{
    POSTURE_AUTO_FREE char *bytes = NULL;
    size_t len = 0;
    POSTURE_TRY(posture_file_read(path, FILE_MAX, &bytes, &len, reterr));
    return posture_crypto_endpoints_device_parse(path, bytes, len, policy, ret, reterr);
}

char *posture_crypto_endpoints_device_lines(
    const struct posture_crypto_device_endpoints *endpoints, size_t *ret_len)
{
    POSTURE_AUTO_BUF struct posture_buf text = {0};
    posture_buf_add(&text, "", 0);
    for (size_t i = 0; i < endpoints->count; i++) {
        posture_buf_adds(&text, endpoints->items[i].subject);
        posture_buf_adds(&text, "\n");
    }
    if (posture_buf_error(&text) < 0)
        return NULL;
    *ret_len = text.len;
    char *lines = posture_calloc(1, text.len + 1);
    if (lines && text.len > 0)
        memcpy(lines, text.data, text.len);
    return lines;
}

void posture_crypto_endpoints_device_done(
    struct posture_crypto_device_endpoints *endpoints)
{
    free(endpoints->items);
    json_decref(endpoints->owner);
    *endpoints = (struct posture_crypto_device_endpoints){0};
}
