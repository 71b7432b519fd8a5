/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#ifndef POSTURE_BASE_LINES_H
#define POSTURE_BASE_LINES_H

#include "common/base/buf.h"

/*
 * The lines between host and worker: fields separated by one TAB, ended by one LF, at
 * most 64 KiB with it. In a field, backslash, TAB, LF and CR are written \\ \t \n \r; a
 * NUL byte is in no field. "..." below repeats the fields before it.
 *
 * Host to worker, first the settings, in file order:
 *   plugin NAME VALUE ...                the plugin level
 *   block BLOCK ARGUMENT NAME VALUE ...  one block
 *   more NAME VALUE ...                  goes on with the line before it
 *   (an empty line)                      their end
 * An option of type PAIRS is NAME KEY VALUE. Then:
 *   fd WHAT ERROR            answer to open; the descriptor as SCM_RIGHTS when "0",
 *                            else a negative errno or a code of base/error.h
 *   notification ...         posture_incidents
 *
 * Worker to host:
 *   values BLOCK PLUGIN_INSTANCE TYPE TYPE_INSTANCE NUMBER [KEY TEXT ...]
 *   stats TYPE TYPE_INSTANCE NUMBER
 *   log LEVEL TEXT           error, warning, notice, info or debug
 *   open N                   the descriptor of a file option
 *   open spool               a connected spool socket
 *   open listen              the listening spool socket (posture_kafka)
 *   open sshd, open dm-table what a root helper wrote (posture_crypto)
 *   notification SEVERITY TYPE_INSTANCE TEXT
 *                            failure, warning or okay (posture_kafka)
 *   ready                    once, when the settings were accepted
 *   refused TEXT             when not
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
    size_t taken;   /* bytes at the start that were handed out as lines */
    size_t scanned; /* bytes after them that hold no LF */
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
