/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#include "posture_criteria/http.h"

#include "posture_criteria/http_request.h"

#include <string.h>

enum { TOKEN_MIN = 16, TOKEN_MAX = 512 };

int posture_http_settings_check(const struct posture_http_settings *settings,
                                struct posture_error *reterr)
{
    const char *listen = settings->listen ? settings->listen : POSTURE_HTTP_LISTEN;
    struct sockaddr_storage address;
    socklen_t len;
    size_t token_len = settings->token ? strspn(settings->token, " \t\r\n") : 0;

    if (posture_http_address_parse(listen, &address, &len) < 0)
        return posture_error_set(
            reterr, POSTURE_E_OPTION,
            "Listen \"%s\": expected \"[address]:port\" or \"address:port\" "
            "with a literal address",
            listen);
    if (!settings->tls_cert != !settings->tls_key)
        return posture_error_set(reterr, POSTURE_E_OPTION,
                                 "TLS needs both the certificate and its key");
    if (settings->tls_client_ca && !settings->tls_cert)
        return posture_error_set(
            reterr, POSTURE_E_OPTION,
            "a client CA needs TLS: give the certificate and its key");
    if (settings->token) {
        size_t text_len = strcspn(settings->token + token_len, " \t\r\n");

        if (text_len < TOKEN_MIN || text_len > TOKEN_MAX ||
            strspn(settings->token + token_len + text_len, " \t\r\n") !=
                strlen(settings->token + token_len + text_len))
            return posture_error_set(
                reterr, POSTURE_E_OPTION,
                "the token file must hold one word of %d to %d characters", TOKEN_MIN,
                TOKEN_MAX);
    }
    if (posture_http_address_is_loopback(&address))
        return 0;
    if (!settings->tls_cert)
        return posture_error_set(
            reterr, POSTURE_E_OPTION,
            "Listen \"%s\" is not a loopback address: it needs TLS "
            "(certificate and key), with a client CA or a token file",
            listen);
    if (!settings->tls_client_ca && !settings->token)
        return posture_error_set(
            reterr, POSTURE_E_OPTION,
            "Listen \"%s\" is not a loopback address: it needs a client CA "
            "or a token file, so that not everyone can read it",
            listen);
    return 0;
}
