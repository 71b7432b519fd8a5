/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#ifndef POSTURE_BASE_OPTIONS_H
#define POSTURE_BASE_OPTIONS_H

#include "common/base/buf.h"
#include "common/base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Options as data. One table per plugin (plugins/posture_<name>/options.c) drives the
 * parser, the README table and the sample configuration, and is linked into the plugin,
 * its worker and the program, so that all three read the same settings. Parsing is pure:
 * no file, no network.
 */
enum posture_option_type {
    POSTURE_OPT_STRING,  /* const char *: NULL when absent without default */
    POSTURE_OPT_ENUM,    /* int: index into .values */
    POSTURE_OPT_U32,     /* uint32_t, .min to .max */
    POSTURE_OPT_U64,     /* uint64_t, .min to .max */
    POSTURE_OPT_DOUBLE,  /* double, .min to .max */
    POSTURE_OPT_SECONDS, /* int64_t nanoseconds, written as seconds with decimals */
    POSTURE_OPT_PORT,    /* uint16_t */
    POSTURE_OPT_LIST,    /* struct posture_option_list: the option may be repeated */
    POSTURE_OPT_PAIRS, /* struct posture_option_list: Name "key" "value"; values in pairs
                        */
    POSTURE_OPT_FILE,  /* struct posture_option_file: opened by the host, read by the
                          worker */
    POSTURE_OPT_SECRET_FILE, /* the same, credentials: owner root, mode 0600 or 0400 */
};

struct posture_option_list {
    char **items;
    size_t count;
};

/* index numbers the file options of one settings set from 1 (0: not given); the worker
 * asks the host for the descriptor by it. */
struct posture_option_file {
    const char *path;
    uint32_t index;
};

struct posture_option {
    const char *name; /* CamelCase, as in collectd.conf */
    enum posture_option_type type;
    size_t offset; /* into the block's struct */
    double min, max;
    const char *const *values; /* ENUM: allowed words, NULL-terminated */
    const char *def;           /* default as text; NULL: none */
    bool is_required;
    const char *unit; /* for the README; may be NULL */
    const char *help; /* one full sentence */
    const char
        *sample; /* the value that the sample shows for an option without default */
};

/* A kind of block. name NULL: the options directly inside <Plugin posture_x>. */
struct posture_option_block {
    const char *name;
    bool has_argument;                    /* <Endpoint "tls://…"> */
    size_t max_count;                     /* 0: no limit */
    size_t size;                          /* of the struct that one block fills */
    const struct posture_option *options; /* ends with a row whose name is NULL */
    const char *help;
    const char *sample_argument;
    /* Cross-option rules of one block; may be NULL. Text of reterr says what was
     * expected. */
    int (*check)(const void *values, const char *argument, struct posture_error *reterr);
};

struct posture_option_table {
    const char *plugin; /* "posture_crypto" */
    const struct posture_option_block
        *blocks; /* blocks[0].name is NULL; ends with size 0 */
};

/* Options that every plugin has; at the start of each plugin-level struct. The rows come
 * from POSTURE_COMMON_OPTIONS in options.c's table; see options_common.h. */
struct posture_common_settings {
    const char *user;         /* User: who the worker runs as */
    const char *spool_socket; /* SpoolSocket */
    const char *worker_dir;   /* WorkerDir: where posture-<name> is installed */
    const char *data_dir; /* DataDir: schemas and profiles; NULL: beside the program */
    int values;           /* Values: enum posture_values_mode */
    int strict;           /* Strict: 0 no, 1 yes */
    int64_t interval_ns;  /* Interval: seconds between two measurements of a target */
};
enum posture_values_mode {
    POSTURE_VALUES_AUTO, /* all up to 100 subjects, else summary */
    POSTURE_VALUES_SUMMARY,
    POSTURE_VALUES_FAILING,
    POSTURE_VALUES_ALL,
};

/* One block as read: names and values in file order. */
struct posture_item {
    char *name;
    char **values;
    size_t value_count;
    int line; /* 0: unknown */
};

struct posture_block {
    const struct posture_option_block *type;
    uint32_t number; /* order in the file; the plugin level is 0 */
    char *argument;  /* NULL without one */
    int line;
    void *values; /* struct of type->size, filled */
};

struct posture_settings {
    const struct posture_option_table *table;
    struct posture_block *blocks; /* blocks[0] is the plugin level, always there */
    size_t count;
    uint32_t file_count;
    struct posture_arena *arena_; /* owns every string */
};

/* One block to be parsed: items in file order. name NULL: plugin level. */
struct posture_raw_block {
    const char *name;
    const char *argument;
    int line;
    const struct posture_item *items;
    size_t count;
};

/*
 * Judges raw blocks by the table: all or nothing. Unknown or repeated options, bad
 * values, missing required ones, too many blocks: POSTURE_E_OPTION with a text that names
 * block, option, value and what was expected. Owner: caller, posture_settings_free().
 */
int posture_settings_parse(const struct posture_option_table *table,
                           const struct posture_raw_block *raw, size_t count,
                           struct posture_settings **ret_settings,
                           struct posture_error *reterr);
/* Limits of what a configuration may hold. */
enum {
    POSTURE_SETTINGS_BLOCKS_MAX = 65536,
    POSTURE_SETTINGS_VALUE_MAX = 4096,
    POSTURE_SETTINGS_LINES_MAX = 32 * 1024 * 1024, /* of the encoded form */
};

struct posture_settings *posture_settings_free(struct posture_settings *settings);
POSTURE_AUTO_DEFINE(struct posture_settings *, posture_settings_free)

/* The plugin level's struct. */
static inline const void *posture_settings_plugin(const struct posture_settings *settings)
{
    return settings->blocks[0].values;
}

/* The block's own Interval where its table has one (SECONDS), else the plugin level's. */
int64_t posture_settings_interval(const struct posture_settings *settings,
                                  uint32_t block);
/* Path of the file option with that index, borrowed; NULL when there is none.
 * ret_is_secret may be NULL. */
const char *posture_settings_file(const struct posture_settings *settings, uint32_t index,
                                  bool *ret_is_secret);

/* Settings as the lines that host and worker exchange (base/lines.h): one per block, then
 * an empty line. Every option with its value, defaults included. */
int posture_settings_encode(const struct posture_settings *settings,
                            struct posture_buf *out);
/* The reverse, on the worker's side. lines: array of count lines without line ends. */
int posture_settings_decode(const struct posture_option_table *table,
                            const char *const *lines, size_t count,
                            struct posture_settings **ret_settings,
                            struct posture_error *reterr);

/* The sample configuration (posture_<name>.conf) and the README's table, made from the
 * table. */
int posture_options_write_sample(const struct posture_option_table *table,
                                 struct posture_buf *out);
int posture_options_write_markdown(const struct posture_option_table *table,
                                   struct posture_buf *out);

#endif
