/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#ifndef POSTURE_PROGRAM_COMMANDS_H
#define POSTURE_PROGRAM_COMMANDS_H

#include "posture/judgement.h"
#include "posture/table.h"

/* Exit statuses (DESIGN section 5). */
enum {
    EXIT_MEASURED = 0, /* whatever the verdict */
    EXIT_NOT_MEASURED = 1,
    EXIT_USAGE = 2,
    EXIT_VERDICT = 3, /* --fail-on */
};

int command_probe(const struct arguments *arguments);
int command_judge(const struct arguments *arguments);
int command_checks(const struct arguments *arguments);
int command_spool(const struct arguments *arguments);

/* "posture: text" on standard error, foreign text made safe. */
void complain(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void complain_error(const char *what, int r, const struct posture_error *error);

/* Reports as they come, from a probe or a file: judged and shown. */
struct report_sink {
    const struct arguments *arguments;
    struct judgement judgement;
    struct screen screen;
    enum arguments_format format;
    struct table_totals totals;
    bool has_reached; /* --fail-on */
};
int report_sink_open(struct report_sink *sink, const struct arguments *arguments,
                     enum arguments_format format, struct posture_error *reterr);
/* One line of NDJSON. POSTURE_E_FORMAT, _SCHEMA, _MISSING … with what is wrong with it.
 */
int report_sink_line(struct report_sink *sink, const char *bytes, size_t len,
                     struct posture_error *reterr);
/* The closing line; EXIT_MEASURED or EXIT_VERDICT. */
int report_sink_close(struct report_sink *sink);

#endif
