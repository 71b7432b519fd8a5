/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#ifndef POSTURE_PROGRAM_ARGUMENTS_H
#define POSTURE_PROGRAM_ARGUMENTS_H

#include "common/report/checks.h"
#include "posture/screen.h"

#include <stdbool.h>

enum { ARGUMENTS_MAX = 100000, ARGUMENTS_PROFILES_MAX = 6 };

enum arguments_format { FORMAT_TABLE, FORMAT_JSON };

/* Commands, as bits: which options they take. */
enum command {
    COMMAND_PROBE = 1 << 0,
    COMMAND_JUDGE = 1 << 1,
    COMMAND_CHECKS = 1 << 2,
    COMMAND_SPOOL = 1 << 3,
};

struct string_list {
    const char **items;
    size_t count;
};

/* What was asked for. Strings are borrowed from argv unless said. */
struct arguments {
    char *profiles[ARGUMENTS_PROFILES_MAX]; /* ids or paths; owned */
    size_t profile_count;
    bool has_at;
    int64_t at_ns;
    enum arguments_format format;
    bool has_format;
    const char *kind;
    const char *agency;
    enum posture_lang lang;
    enum screen_color_mode color;
    enum posture_result_status fail_on; /* NA: never */
    bool is_verbose;
    bool wants_help;
    struct string_list lists; /* -f */
    struct string_list allow;
    struct string_list words; /* what is not an option */
    const char *timeout_ms, *deadline_ms,
        *start_rate;        /* as the worker's options want them; owned */
    const char *exceptions; /* path */
    const char *trust_store, *crl_file, *server_name, *end_of_life, *root, *resume;
    const char *data_dir, *worker_dir, *user;
    const char *spool_socket;
    bool is_aside;
};

/* Reads argv[0..argc) of one command. POSTURE_E_OPTION with what was expected. */
int arguments_parse(enum command command, int argc, char **argv, struct arguments *ret,
                    struct posture_error *reterr);
void arguments_done(struct arguments *arguments);
/* The options of a command, two columns. */
void arguments_describe(enum command command, struct posture_buf *out);

int string_list_add(struct string_list *list, const char *text);

#endif
