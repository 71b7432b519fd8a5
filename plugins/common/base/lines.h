/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#ifndef POSTURE_BASE_LINES_H
#define POSTURE_BASE_LINES_H

#include "common/base/buf.h"

/*
 * The lines between host and worker: fields separated by one TAB, ended by one LF, at
 * most 64 KiB with it. In a field, backslash, TAB, LF, CR and NUL are written \\ \t \n \r
 * \0.
 *
 * host to worker   settings: "plugin TAB name TAB value …" and "block TAB name TAB
 * argument TAB name TAB value …", an empty line, then "fd TAB what TAB 0|errno" with the
 * descriptor as SCM_RIGHTS when 0 "notification TAB severity TAB …"   (posture_incidents)
 * worker to host   "values TAB block TAB plugin_instance TAB type TAB type_instance TAB
 * number [TAB key TAB text]…" "log TAB error|warning|notice|info|debug TAB text" "stats
 * TAB type TAB type_instance TAB number" "open TAB N" a file option's descriptor; "open
 * TAB spool" a connected spool socket; "open TAB listen" the listening spool socket
 * (posture_kafka) "ready" once, when the settings were accepted; "refused TAB text" when
 * not
 */
enum { POSTURE_LINE_MAX = 65536, POSTURE_LINE_FIELDS_MAX = 4096 };

/* Appends one line of fields (count >= 1), escaped. POSTURE_E_LIMIT when it would be too
 * long; the buffer is then as before. */
int posture_line_write(struct posture_buf *out, const char *const *fields, size_t count);
/* Splits and unescapes a line (no LF) in place; fields point into line. POSTURE_E_FORMAT,
 * POSTURE_E_LIMIT. */
int posture_line_split(char *line, size_t len, const char **fields, size_t max,
                       size_t *ret_count);

/* Reads lines out of a byte stream. */
struct posture_line_reader {
    struct posture_buf pending;
    size_t scanned;
};
void posture_line_reader_init(struct posture_line_reader *reader);
void posture_line_reader_done(struct posture_line_reader *reader);
int posture_line_reader_feed(struct posture_line_reader *reader, const void *bytes,
                             size_t len);
/* The next whole line (NUL-terminated, no LF), valid until the next call on the reader; 1
 * when there is one, 0 when more bytes are needed, POSTURE_E_LIMIT when a line is too
 * long. */
int posture_line_reader_next(struct posture_line_reader *reader, char **ret_line,
                             size_t *ret_len);

#endif
