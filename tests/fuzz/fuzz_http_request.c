/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
/* The header values that a client gives: the first byte chooses which. */
#include "common/base/mem.h"
#include "posture_criteria/http.h"
#include "posture_criteria/http_request.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
    static const char *const names[] = {"noc.example", NULL};
    static const uint8_t digest[POSTURE_HTTP_DIGEST] = {1};
    struct sockaddr_storage address;
    socklen_t address_len;

    if (len < 1)
        return 0;
    POSTURE_AUTO_FREE char *text = posture_strndup((const char *)bytes + 1, len - 1);
    if (!text)
        return 0;
    switch (bytes[0] % 7) {
    case 0:
        (void)posture_http_language(NULL, text);
        break;
    case 1:
        (void)posture_http_wants_openmetrics(text);
        break;
    case 2:
        (void)posture_http_etag_matches(text, "\"0123\"");
        break;
    case 3:
        (void)posture_http_token_matches(digest, text);
        break;
    case 4:
        (void)posture_http_host_is_local(text, names);
        break;
    case 5:
        (void)posture_http_address_parse(text, &address, &address_len);
        break;
    default: {
        struct posture_http_settings settings = {.token = text};
        (void)posture_http_settings_check(&settings, NULL);
    }
    }
    return 0;
}
