/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#include "posture/commands.h"
#include "posture/text.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

void complain(const char *fmt, ...)
{
    POSTURE_AUTO_BUF struct posture_buf text = {0};
    POSTURE_AUTO_BUF struct posture_buf safe = {0};
    va_list args;
    va_start(args, fmt);
    posture_buf_vaddf(&text, fmt, args);
    va_end(args);
    if (text.data)
        text_safe(text.data, text.len, &safe);
    fprintf(stderr, "posture: %s\n", safe.data ? safe.data : posture_strerror(-ENOMEM));
}

void complain_error(const char *what, int r, const struct posture_error *error)
{
    char text[POSTURE_ERROR_TEXT_MAX + POSTURE_ERROR_FILE_MAX + 32];
    complain("%s%s%s", what ? what : "", what ? ": " : "",
             error && error->text[0] ? posture_error_format(error, text, sizeof(text))
                                     : posture_strerror(r));
}

int report_sink_open(struct report_sink *sink, const struct arguments *arguments,
                     enum arguments_format format, struct posture_error *reterr)
{
    *sink = (struct report_sink){.arguments = arguments, .format = format};
    screen_init(&sink->screen, arguments->color, arguments->lang);
    return judgement_load(arguments, &sink->judgement, reterr);
}

int report_sink_line(struct report_sink *sink, const char *bytes, size_t len,
                     struct posture_error *reterr)
{
    POSTURE_AUTO(posture_report_free) struct posture_report *report = NULL;
    POSTURE_TRY(posture_report_decode(bytes, len, NULL, &report, reterr));
    struct judged judged;
    int r = judgement_apply(&sink->judgement, report, &judged);
    if (r == POSTURE_E_MISSING)
        return posture_error_set(reterr, r, "no checks of kind '%s'", report->kind);
    if (r < 0)
        return r;
    table_totals_add(&sink->totals, &judged, report);
    if (sink->arguments->fail_on != POSTURE_RESULT_NA) {
        enum posture_result_status worst = judged_worst(&sink->judgement, &judged);
        sink->has_reached = sink->has_reached || worst >= sink->arguments->fail_on;
    }
    if (sink->format == FORMAT_JSON)
        r = judged_write_json(&sink->judgement, &judged, report, sink->screen.is_terminal,
                              &sink->screen.out);
    else
        table_report(&sink->screen, &sink->judgement, &judged, report,
                     sink->arguments->is_verbose);
    judged_done(&judged);
    int written = screen_flush(&sink->screen);
    return r < 0 ? r : written;
}

int report_sink_close(struct report_sink *sink)
{
    if (sink->format == FORMAT_TABLE) {
        table_totals_write(&sink->screen, &sink->totals);
        (void)screen_flush(&sink->screen);
    }
    screen_done(&sink->screen);
    judgement_done(&sink->judgement);
    return sink->has_reached ? EXIT_VERDICT : EXIT_MEASURED;
}
