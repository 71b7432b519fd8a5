/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */

/* What a web server answers: the first line of the input is a Strict-Transport-Security
 * value, the second a Location. */

#include "posture_crypto/web_wire.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = malloc(size + 1);
    if (!text)
        return 0;
    memcpy(text, data, size);
    text[size] = '\0';
    char *location = strchr(text, '\n');
    if (location)
        *location++ = '\0';
    struct posture_http_response response = {
        .status = 301,
        .headers = {{"Strict-Transport-Security", text},
                    {"Location", location ? location : ""}},
        .header_count = 2,
        .body = "",
    };
    json_t *hsts = web_hsts_facts(text);
    /* Either a time or refused, never both or neither. */
    if (!hsts || !json_object_get(hsts, "max_age") == !json_object_get(hsts, "invalid"))
        abort();
    json_decref(hsts);
    json_t *plain = web_plain_facts(&response, "http://www.example.go.jp:80/", 80);
    const json_t *to = json_object_get(plain, "location");
    if (!to || !json_object_get(to, "host") == !json_object_get(to, "invalid"))
        abort();
    json_decref(plain);
    json_decref(web_https_facts(&response));
    free(text);
    return 0;
}
