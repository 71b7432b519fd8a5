/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#include "posture/arguments.h"

#include "common/base/clock.h"
#include "common/base/parse.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

struct argument_row {
    const char *name;
    char letter; /* 0: none */
    unsigned commands;
    const char *value; /* placeholder; NULL: takes none */
    const char *help;
    int (*set)(struct arguments *arguments, const char *value,
               struct posture_error *reterr);
};

int string_list_add(struct string_list *list, const char *text)
{
    if (list->count >= ARGUMENTS_MAX)
        return POSTURE_E_LIMIT;
    if ((list->count & (list->count + 1)) == 0) { /* full at 0, 1, 3, 7 … */
        const char **items =
            posture_reallocarray(list->items, list->count * 2 + 1, sizeof(*items));
        if (!items)
            return -ENOMEM;
        list->items = items;
    }
    list->items[list->count++] = text;
    return 0;
}

static int profile_set(struct arguments *arguments, const char *value,
                       struct posture_error *reterr)
{
    while (*value) {
        size_t len = strcspn(value, ",");
        if (len == 0)
            return posture_error_set(reterr, POSTURE_E_OPTION,
                                     "an empty name between commas");
        if (arguments->profile_count == ARGUMENTS_PROFILES_MAX)
            return posture_error_set(reterr, POSTURE_E_OPTION, "at most %d profiles",
                                     ARGUMENTS_PROFILES_MAX);
        char *name = posture_strndup(value, len);
        if (!name)
            return -ENOMEM;
        arguments->profiles[arguments->profile_count++] = name;
        value += len;
        if (*value == ',')
            value++;
    }
    return 0;
}

static int at_set(struct arguments *arguments, const char *value,
                  struct posture_error *reterr)
{
    if (posture_at_parse(value, &arguments->at_ns, NULL) < 0)
        return posture_error_set(reterr, POSTURE_E_OPTION,
                                 "'%s' is not a day (2031-04-01) or an instant "
                                 "(2031-04-01T00:00:00+09:00)",
                                 value);
    arguments->has_at = true;
    return 0;
}

static int format_set(struct arguments *arguments, const char *value,
                      struct posture_error *reterr)
{
    arguments->has_format = true;
    arguments->format = strcmp(value, "json") == 0 ? FORMAT_JSON : FORMAT_TABLE;
    if (strcmp(value, "json") != 0 && strcmp(value, "table") != 0)
        return posture_error_set(reterr, POSTURE_E_OPTION, "'%s' is not table or json",
                                 value);
    return 0;
}

static int kind_set(struct arguments *arguments, const char *value,
                    struct posture_error *reterr)
{
    (void)reterr;
    arguments->kind = value; /* judged where kinds are known */
    return 0;
}

static int agency_set(struct arguments *arguments, const char *value,
                      struct posture_error *reterr)
{
    arguments->agency = value;
    size_t len = strspn(value, "abcdefghijklmnopqrstuvwxyz0123456789.-");
    if (len == 0 || len > 63 || value[len] || *value == '.' || *value == '-')
        return posture_error_set(
            reterr, POSTURE_E_OPTION,
            "'%s' is not an agency's id (a-z, 0-9, '.', '-', at most 63)", value);
    return 0;
}

static int lang_set(struct arguments *arguments, const char *value,
                    struct posture_error *reterr)
{
    if (posture_lang_from_name(value, &arguments->lang) < 0)
        return posture_error_set(reterr, POSTURE_E_OPTION, "'%s' is not ja or en", value);
    return 0;
}

static int color_set(struct arguments *arguments, const char *value,
                     struct posture_error *reterr)
{
    static const char *const names[] = {"auto", "always", "never"};
    for (size_t i = 0; i < POSTURE_COUNT(names); i++) {
        if (strcmp(value, names[i]) == 0) {
            arguments->color = (enum screen_color_mode)i;
            return 0;
        }
    }
    return posture_error_set(reterr, POSTURE_E_OPTION,
                             "'%s' is not auto, always or never", value);
}

static int fail_on_set(struct arguments *arguments, const char *value,
                       struct posture_error *reterr)
{
    if (strcmp(value, "fail") == 0)
        arguments->fail_on = POSTURE_RESULT_FAIL;
    else if (strcmp(value, "warn") == 0)
        arguments->fail_on = POSTURE_RESULT_WARN;
    else
        return posture_error_set(reterr, POSTURE_E_OPTION, "'%s' is not fail or warn",
                                 value);
    return 0;
}

static int list_set(struct arguments *arguments, const char *value,
                    struct posture_error *reterr)
{
    (void)reterr;
    return string_list_add(&arguments->lists, value);
}

static int allow_set(struct arguments *arguments, const char *value,
                     struct posture_error *reterr)
{
    (void)reterr;
    return string_list_add(&arguments->allow, value);
}

/* Seconds with decimals, to the milliseconds that the worker takes. */
static int seconds_set(const char **ret, const char *value, double min, double max,
                       struct posture_error *reterr)
{
    double seconds;
    if (posture_parse_double(value, &seconds) < 0 || seconds < min || seconds > max)
        return posture_error_set(reterr, POSTURE_E_OPTION,
                                 "'%s' is not a number of seconds from %g to %g", value,
                                 min, max);
    free((char *)(uintptr_t)*ret);
    *ret = posture_asprintf("%lld", (long long)(seconds * 1000 + 0.5));
    return *ret ? 0 : -ENOMEM;
}

static int timeout_set(struct arguments *arguments, const char *value,
                       struct posture_error *reterr)
{
    return seconds_set(&arguments->timeout_ms, value, 0.1, 60, reterr);
}

static int deadline_set(struct arguments *arguments, const char *value,
                        struct posture_error *reterr)
{
    return seconds_set(&arguments->deadline_ms, value, 1, 600, reterr);
}

static int rate_set(struct arguments *arguments, const char *value,
                    struct posture_error *reterr)
{
    double rate;
    if (posture_parse_double(value, &rate) < 0 || rate < 0.01 || rate > 10000)
        return posture_error_set(
            reterr, POSTURE_E_OPTION,
            "'%s' is not a number of targets a second from 0.01 to 10000", value);
    free((char *)(uintptr_t)arguments->start_rate);
    arguments->start_rate = posture_strdup(value);
    return arguments->start_rate ? 0 : -ENOMEM;
}

static int end_of_life_set(struct arguments *arguments, const char *value,
                           struct posture_error *reterr)
{
    int64_t ignored;
    arguments->end_of_life = value;
    if (posture_date_parse_jst(value, strlen(value), &ignored) < 0)
        return posture_error_set(reterr, POSTURE_E_OPTION,
                                 "'%s' is not a day (2032-03-31)", value);
    return 0;
}

#define TEXT_SETTER(name, member)                                                        \
    static int name(struct arguments *arguments, const char *value,                      \
                    struct posture_error *reterr)                                        \
    {                                                                                    \
        if (!*value)                                                                     \
            return posture_error_set(reterr, POSTURE_E_OPTION, "must not be empty");     \
        arguments->member = value;                                                       \
        return 0;                                                                        \
    }
TEXT_SETTER(exceptions_set, exceptions)
TEXT_SETTER(trust_store_set, trust_store)
TEXT_SETTER(crl_file_set, crl_file)
TEXT_SETTER(server_name_set, server_name)
TEXT_SETTER(root_set, root)
TEXT_SETTER(resume_set, resume)
TEXT_SETTER(data_dir_set, data_dir)
TEXT_SETTER(worker_dir_set, worker_dir)
TEXT_SETTER(user_set, user)
TEXT_SETTER(socket_set, spool_socket)

static int verbose_set(struct arguments *arguments, const char *value,
                       struct posture_error *reterr)
{
    (void)value;
    (void)reterr;
    arguments->is_verbose = true;
    return 0;
}

static int aside_set(struct arguments *arguments, const char *value,
                     struct posture_error *reterr)
{
    (void)value;
    (void)reterr;
    arguments->is_aside = true;
    return 0;
}

static int help_set(struct arguments *arguments, const char *value,
                    struct posture_error *reterr)
{
    (void)value;
    (void)reterr;
    arguments->wants_help = true;
    return 0;
}

enum {
    BOTH = COMMAND_PROBE | COMMAND_JUDGE,
    ALL = COMMAND_PROBE | COMMAND_JUDGE | COMMAND_CHECKS | COMMAND_SPOOL,
};

/* clang-format off */
static const struct argument_row rows[] = {
    {"list", 'f', COMMAND_PROBE, "FILE", "Read targets from FILE, one a line, # begins a comment; - is standard input.", list_set},
    {"profile", 'p', BOTH, "P[,P…]", "Judge by these profiles, side by side (default cryptrec-ls0001-2022r2).", profile_set},
    {"at", 0, BOTH, "DATE", "Judge as of this day in Japan, or RFC 3339 instant; by default when it was measured.", at_set},
    {"format", 'o', ALL, "FORMAT", "table or json.", format_set},
    {"fail-on", 0, BOTH, "RESULT", "Exit with 3 when a check gives fail, or warn or worse.", fail_on_set},
    {"exceptions", 0, BOTH, "FILE", "Show which results have an exception on record (posture.exceptions/1); none becomes a pass.", exceptions_set},
    {"verbose", 'v', BOTH, NULL, "Give the reason of every check, also of those that pass.", verbose_set},
    {"kind", 0, COMMAND_PROBE, "KIND", "Measure this kind of facts (default: by the target's scheme).", kind_set},
    {"agency", 0, COMMAND_PROBE, "ID", "Agency in the reports (default local).", agency_set},
    {"allow", 0, COMMAND_PROBE, "CIDR", "Let names resolve to these otherwise refused addresses; may be repeated.", allow_set},
    {"timeout", 0, COMMAND_PROBE, "SECONDS", "For one connection (default 5).", timeout_set},
    {"deadline", 0, COMMAND_PROBE, "SECONDS", "For one target with all its addresses (default 60).", deadline_set},
    {"rate", 0, COMMAND_PROBE, "N", "Start at most N targets a second (default 20).", rate_set},
    {"trust-store", 0, COMMAND_PROBE, "STORE", "system, none, or a PEM file to verify chains against (default system).", trust_store_set},
    {"resume", 0, COMMAND_PROBE, "FILE", "Keep each report in FILE; measure only what is not there yet.", resume_set},
    {"crl-file", 0, COMMAND_PROBE, "FILE", "Certificate revocation lists to look certificates up in.", crl_file_set},
    {"root", 0, COMMAND_PROBE, "DIR", "host://: the system whose files are beneath DIR (/).", root_set},
    {"server-name", 0, COMMAND_PROBE, "NAME", "Ask for this name (SNI) and verify it instead of the target's.", server_name_set},
    {"end-of-life", 0, COMMAND_PROBE, "DATE", "Planned end of operation: strength is judged for that day.", end_of_life_set},
    {"user", 0, COMMAND_PROBE, "USER", "Run the worker as USER when root (default posture, or nobody).", user_set},
    {"worker-dir", 0, COMMAND_PROBE, "DIR", "Folder of the workers (default: the installation's).", worker_dir_set},
    {"socket", 0, COMMAND_SPOOL, "PATH", "Socket of the spool (default /run/posture/spool.sock).", socket_set},
    {"aside", 0, COMMAND_SPOOL, NULL, "What was refused or found corrupt, instead of what waits.", aside_set},
    {"data-dir", 0, ALL, "DIR", "Folder of schemas and profiles (default: the installation's).", data_dir_set},
    {"lang", 0, ALL, "LANG", "ja or en (default: from the locale).", lang_set},
    {"color", 0, ALL, "WHEN", "auto, always or never; NO_COLOR is respected.", color_set},
    {"help", 'h', ALL, NULL, "Show this.", help_set},
};
/* clang-format on */

static const struct argument_row *row_find(enum command command, const char *name,
                                           size_t len)
{
    for (size_t i = 0; i < POSTURE_COUNT(rows); i++) {
        if ((rows[i].commands & command) && strlen(rows[i].name) == len &&
            memcmp(rows[i].name, name, len) == 0)
            return &rows[i];
    }
    return NULL;
}

static const struct argument_row *letter_find(enum command command, char letter)
{
    for (size_t i = 0; i < POSTURE_COUNT(rows); i++) {
        if ((rows[i].commands & command) && rows[i].letter && rows[i].letter == letter)
            return &rows[i];
    }
    return NULL;
}

static int row_apply(const struct argument_row *row, const char *value,
                     struct arguments *arguments, struct posture_error *reterr)
{
    struct posture_error why = {0};
    int r = row->set(arguments, value, &why);
    if (r == POSTURE_E_OPTION)
        return posture_error_set(reterr, r, "--%s: %s", row->name, why.text);
    return r;
}

/* One argument that begins with '-'; *index moves on when the next is its value. */
static int option_read(enum command command, int argc, char **argv, int *index,
                       struct arguments *arguments, struct posture_error *reterr)
{
    const char *text = argv[*index];
    const struct argument_row *row;
    const char *value = NULL;
    if (text[1] == '-') {
        size_t len = strcspn(text + 2, "=");
        row = row_find(command, text + 2, len);
        value = text[2 + len] == '=' ? text + 3 + len : NULL;
    } else {
        row = letter_find(command, text[1]);
        value = text[1] && text[2] ? text + 2 : NULL;
    }
    if (!row)
        return posture_error_set(reterr, POSTURE_E_OPTION, "unknown option '%s'", text);
    if (!row->value && value)
        return posture_error_set(reterr, POSTURE_E_OPTION, "--%s takes no value",
                                 row->name);
    if (row->value && !value) {
        if (*index + 1 >= argc)
            return posture_error_set(reterr, POSTURE_E_OPTION,
                                     "--%s: expected %s after it", row->name, row->value);
        value = argv[++*index];
    }
    return row_apply(row, value, arguments, reterr);
}

int arguments_parse(enum command command, int argc, char **argv, struct arguments *ret,
                    struct posture_error *reterr)
{
    *ret = (struct arguments){
        .lang = posture_lang_from_locale(),
        .fail_on = POSTURE_RESULT_NA,
        .agency = "local",
        .spool_socket = "/run/posture/spool.sock",
    };
    bool is_over = false; /* after -- */
    for (int i = 0; i < argc; i++) {
        int r;
        if (!is_over && strcmp(argv[i], "--") == 0) {
            is_over = true;
            continue;
        }
        if (!is_over && argv[i][0] == '-' && argv[i][1])
            r = option_read(command, argc, argv, &i, ret, reterr);
        else
            r = string_list_add(&ret->words, argv[i]);
        if (r < 0)
            return r;
    }
    /* A deadline shorter than one connection's time means both. */
    if (ret->deadline_ms && !ret->timeout_ms && strlen(ret->deadline_ms) <= 4 &&
        strcmp(ret->deadline_ms, "5000") < 0) {
        ret->timeout_ms = posture_strdup(ret->deadline_ms);
        if (!ret->timeout_ms)
            return -ENOMEM;
    }
    if (ret->profile_count == 0 && (command & BOTH))
        return profile_set(ret, "cryptrec-ls0001-2022r2", reterr);
    return 0;
}

void arguments_done(struct arguments *arguments)
{
    for (size_t i = 0; i < arguments->profile_count; i++)
        free(arguments->profiles[i]);
    free(arguments->lists.items);
    free(arguments->allow.items);
    free(arguments->words.items);
    free((char *)(uintptr_t)arguments->timeout_ms);
    free((char *)(uintptr_t)arguments->deadline_ms);
    free((char *)(uintptr_t)arguments->start_rate);
}

void arguments_describe(enum command command, struct posture_buf *out)
{
    for (size_t i = 0; i < POSTURE_COUNT(rows); i++) {
        if (!(rows[i].commands & command))
            continue;
        char left[64], letter[8] = "    ";
        if (rows[i].letter)
            snprintf(letter, sizeof(letter), "-%c, ", rows[i].letter);
        snprintf(left, sizeof(left), "%s--%s%s%s", letter, rows[i].name,
                 rows[i].value ? " " : "", rows[i].value ? rows[i].value : "");
        posture_buf_adds(out, "  ");
        posture_buf_adds(out, left);
        /* "P[,P…]" is shorter than its bytes */
        size_t width = strlen(left) - (strstr(left, "…") ? 2 : 0);
        posture_buf_addf(out, "%*s%s\n", width < 26 ? (int)(26 - width) : 1, "",
                         rows[i].help);
    }
}
