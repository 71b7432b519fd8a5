/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#include "posture/commands.h"
#include "posture/ndjson.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* posture judge: stored reports on standard input, or in files, judged again. */

struct stream {
    struct report_sink *sink;
    const char *name;
    unsigned long bad; /* lines that could not be judged */
};

static int line_judge(void *data, unsigned long number, const char *line, size_t len)
{
    struct stream *stream = data;
    struct posture_error error = {0};
    int r = line ? report_sink_line(stream->sink, line, len, &error) : POSTURE_E_LIMIT;
    if (r == -EPIPE || r == -ENOMEM)
        return r;
    if (r < 0) {
        char text[POSTURE_ERROR_TEXT_MAX + POSTURE_ERROR_FILE_MAX];
        error.line = 0; /* the line in the document; ours is its number in the stream */
        complain("%s:%lu: %s", stream->name, number,
                 !line           ? "longer than a report may be"
                 : error.text[0] ? posture_error_format(&error, text, sizeof(text))
                                 : posture_strerror(r));
        stream->bad++;
    }
    return 0;
}

/* True when every line was judged. */
static bool stream_judge(FILE *file, const char *name, struct report_sink *sink)
{
    static char bytes[65536];
    struct stream stream = {.sink = sink, .name = name};
    struct ndjson lines;
    int r = 0;
    ndjson_init(&lines);
    for (size_t got; r == 0 && (got = fread(bytes, 1, sizeof(bytes), file)) > 0;)
        r = ndjson_feed(&lines, bytes, got, line_judge, &stream);
    if (r == 0 && ferror(file))
        r = errno ? -errno : -EIO;
    if (r == 0)
        r = ndjson_end(&lines, line_judge, &stream);
    ndjson_done(&lines);
    if (r < 0)
        complain("%s: %s", name, posture_strerror(r));
    return r == 0 && stream.bad == 0;
}

int command_judge(const struct arguments *arguments)
{
    struct report_sink sink;
    struct posture_error error = {0};
    int r =
        report_sink_open(&sink, arguments,
                         arguments->has_format ? arguments->format : FORMAT_JSON, &error);
    if (r < 0) {
        complain_error(NULL, r, &error);
        (void)report_sink_close(&sink);
        return EXIT_USAGE;
    }
    bool is_good = true;
    if (arguments->words.count == 0)
        is_good = stream_judge(stdin, "stdin", &sink);
    for (size_t i = 0; i < arguments->words.count; i++) {
        const char *path = arguments->words.items[i];
        bool is_stdin = strcmp(path, "-") == 0;
        FILE *file = is_stdin ? stdin : fopen(path, "re");
        if (!file) {
            complain("%s: %s", path, strerror(errno));
            is_good = false;
            continue;
        }
        is_good = stream_judge(file, is_stdin ? "stdin" : path, &sink) && is_good;
        if (!is_stdin)
            fclose(file);
    }
    int status = report_sink_close(&sink);
    return status == EXIT_MEASURED && !is_good ? EXIT_NOT_MEASURED : status;
}
