/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
/*
 * Serves a posture.nation/1 file through the real HTTP server, so that pages, metrics and
 * boards are tested without a broker: nation_serve FILE [--listen A] [--token-file F]
 * [--cert F --key F] [--client-ca F] [--host NAME]
 *                       [--data DIR] [--request-limit SECONDS] [--now]
 * Prints "port N" when it listens. SIGHUP reads the file again; SIGTERM or SIGINT end it.
 * --now gives the document the present as its time, and moves every report's time by as
 * much.
 */
#include "common/base/clock.h"
#include "common/base/mem.h"
#include "common/report/json.h"
#include "posture_criteria/http.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>

struct serve {
    const char *file;
    bool is_now;
    struct posture_http *http;
    uv_signal_t hup, term, interrupt;
};

static const char *const time_keys[] = {"time", "since", "oldest_report",
                                        "newest_report"};

static void times_move(json_t *value, int64_t by_ns)
{
    const char *key;
    json_t *member;
    size_t i;

    if (json_is_array(value)) {
        json_array_foreach (value, i, member)
            times_move(member, by_ns);
        return;
    }
    for (i = 0; json_is_object(value) && i < POSTURE_COUNT(time_keys); i++) {
        const char *text = posture_json_string(value, time_keys[i]);
        char moved[POSTURE_TIME_TEXT_MAX];
        int64_t ns;

        if (text && posture_time_parse(text, strlen(text), &ns) == 0)
            json_object_set_new(value, time_keys[i],
                                json_string(posture_time_format(ns + by_ns, moved)));
    }
    json_object_foreach (value, key, member)
        times_move(member, by_ns);
}

static int publish(struct serve *serve)
{
    struct posture_error error = {0};
    json_auto_t *nation = NULL;
    char text[1024];
    int64_t ns = 0;
    int r = posture_json_load(serve->file, 512u << 20, &nation, &error);

    if (r == 0 && serve->is_now) {
        const char *time = posture_json_string(nation, "time");

        if (time && posture_time_parse(time, strlen(time), &ns) == 0)
            times_move(nation, posture_now_ns() - ns);
    }
    if (r == 0)
        r = posture_http_publish(serve->http, nation, &error);
    if (r < 0)
        fprintf(stderr, "nation_serve: %s: %s\n", posture_strerror(r),
                posture_error_format(&error, text, sizeof(text)));
    return r;
}

static void on_hup(uv_signal_t *handle, int signum)
{
    (void)signum;
    if (publish(handle->data) == 0) {
        printf("published\n");
        fflush(stdout);
    }
}

static void on_end(uv_signal_t *handle, int signum)
{
    struct serve *serve = handle->data;

    (void)signum;
    posture_http_stop(serve->http);
    uv_close((uv_handle_t *)&serve->hup, NULL);
    uv_close((uv_handle_t *)&serve->term, NULL);
    uv_close((uv_handle_t *)&serve->interrupt, NULL);
}

static char *file_read(const char *path)
{
    FILE *f = fopen(path, "re");
    char *text = posture_calloc(1, 65536);

    if (!f || !text || fread(text, 1, 65535, f) == 0)
        fprintf(stderr, "nation_serve: %s cannot be read\n", path);
    if (f)
        fclose(f);
    return text;
}

int main(int argc, char **argv)
{
    struct serve serve = {0};
    struct posture_http_settings settings = {.listen = "[::1]:0"};
    struct posture_check_registry *checks = NULL;
    struct posture_error error = {0};
    const char *host_names[2] = {NULL, NULL}, *data = NULL;
    char *texts[4] = {NULL};
    char message[1024];
    uv_loop_t loop;

    for (int i = 1; i < argc; i++) {
        const char *value = i + 1 < argc ? argv[i + 1] : "";

        if (strcmp(argv[i], "--now") == 0) {
            serve.is_now = true;
            continue;
        }
        if (argv[i][0] != '-') {
            serve.file = argv[i];
            continue;
        }
        if (strcmp(argv[i], "--listen") == 0)
            settings.listen = value;
        else if (strcmp(argv[i], "--token-file") == 0)
            settings.token = texts[0] = file_read(value);
        else if (strcmp(argv[i], "--cert") == 0)
            settings.tls_cert = texts[1] = file_read(value);
        else if (strcmp(argv[i], "--key") == 0)
            settings.tls_key = texts[2] = file_read(value);
        else if (strcmp(argv[i], "--client-ca") == 0)
            settings.tls_client_ca = texts[3] = file_read(value);
        else if (strcmp(argv[i], "--host") == 0)
            host_names[0] = value;
        else if (strcmp(argv[i], "--request-limit") == 0)
            settings.request_limit_s = (uint32_t)atoi(value);
        else if (strcmp(argv[i], "--data") == 0)
            data = value;
        else
            return fprintf(stderr, "nation_serve: unknown option %s\n", argv[i]), 2;
        i++;
    }
    settings.host_names = host_names;
    if (posture_check_registry_load(data, &checks, &error) < 0)
        fprintf(stderr, "nation_serve: no check registry: %s\n",
                posture_error_format(&error, message, sizeof(message)));
    settings.checks = checks;
    uv_loop_init(&loop);
    int r = posture_http_new(&loop, &settings, &serve.http, &error);
    if (r < 0) {
        fprintf(stderr, "nation_serve: %s\n",
                posture_error_format(&error, message, sizeof(message)));
        return 1;
    }
    uv_signal_init(&loop, &serve.hup);
    uv_signal_init(&loop, &serve.term);
    uv_signal_init(&loop, &serve.interrupt);
    serve.hup.data = serve.term.data = serve.interrupt.data = &serve;
    uv_signal_start(&serve.hup, on_hup, SIGHUP);
    uv_signal_start(&serve.term, on_end, SIGTERM);
    uv_signal_start(&serve.interrupt, on_end, SIGINT);
    if (serve.file && publish(&serve) < 0)
        r = 1;
    printf("port %u\n", posture_http_port(serve.http));
    fflush(stdout);
    uv_run(&loop, UV_RUN_DEFAULT);
    uv_loop_close(&loop);
    posture_check_registry_free(checks);
    for (size_t i = 0; i < POSTURE_COUNT(texts); i++)
        free(texts[i]);
    return r;
}
