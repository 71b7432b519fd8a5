/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#include "posture/commands.h"
#include "posture/run.h"

#include "common/report/subject.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

/* posture probe: measures targets by the worker of their kind. */

enum { PROGRESS_MIN = 4, TARGET_LINE_MAX = 2048 };

/* What is to be measured: each subject once, in the order given. */
struct targets {
    struct string_list subjects; /* owned strings */
    json_t *seen;
    const struct kind *kind;
};

static void targets_done(struct targets *targets)
{
    for (size_t i = 0; i < targets->subjects.count; i++)
        free((char *)(uintptr_t)targets->subjects.items[i]);
    free(targets->subjects.items);
    json_decref(targets->seen);
}

/* localhost, or what this host calls itself, with or without its domain. */
static bool host_is_own(const char *host)
{
    char own[HOST_NAME_MAX + 1] = "";
    (void)gethostname(own, sizeof(own) - 1);
    size_t len = strcspn(own, ".");
    return strcmp(host, "localhost") == 0 ||
           (len > 0 && strncasecmp(host, own, len) == 0 &&
            (host[len] == '\0' || (host[len] == '.' && own[len] == '\0') ||
             strcasecmp(host, own) == 0));
}

static int target_add(struct targets *targets, const struct arguments *arguments,
                      const char *text, struct posture_error *reterr)
{
    struct posture_subject subject;
    struct posture_error why = {0};
    const char *scheme = arguments->kind ? arguments->kind : "tls";
    if (posture_subject_parse(text, scheme, &subject, &why) < 0)
        return posture_error_set(reterr, POSTURE_E_FORMAT, "'%s': %s", text, why.text);
    const char *name =
        arguments->kind ? arguments->kind : posture_subject_kind(subject.scheme);
    const struct kind *kind = kind_find(name);
    if (!kind || !posture_subject_fits_kind(subject.scheme, kind->name))
        return posture_error_set(
            reterr, POSTURE_E_FORMAT,
            "'%s': scheme %s cannot be measured by hand; expected %s", text,
            subject.scheme, kind_names());
    if (!targets->kind)
        targets->kind = kind;
    if (kind->is_within && !arguments->root && !host_is_own(subject.host))
        return posture_error_set(
            reterr, POSTURE_E_FORMAT,
            "'%s': a host measures itself; expected host://localhost", text);
    if (json_object_get(targets->seen, subject.text))
        return 0;
    char *copy = posture_strdup(subject.text);
    int r = copy ? string_list_add(&targets->subjects, copy) : -ENOMEM;
    if (r < 0) {
        free(copy);
        return r;
    }
    return json_object_set_new(targets->seen, subject.text, json_true()) < 0 ? -ENOMEM
                                                                             : 0;
}

/* A line of a list: a target, then perhaps a comment. */
static char *target_of_line(char *line)
{
    line += strspn(line, " \t");
    line[strcspn(line, "\r\n#")] = '\0';
    size_t len = strlen(line);
    while (len > 0 && (line[len - 1] == ' ' || line[len - 1] == '\t'))
        line[--len] = '\0';
    return line;
}

static int list_add(struct targets *targets, const struct arguments *arguments,
                    const char *path, struct posture_error *reterr)
{
    bool is_stdin = strcmp(path, "-") == 0;
    FILE *file = is_stdin ? stdin : fopen(path, "re");
    if (!file)
        return posture_error_set(reterr, -errno, "%s: %s", path, strerror(errno));
    char line[TARGET_LINE_MAX];
    int r = 0;
    for (int number = 1; r == 0 && fgets(line, sizeof(line), file); number++) {
        struct posture_error why = {0};
        if (!strchr(line, '\n') && !feof(file)) {
            r = posture_error_set(reterr, POSTURE_E_LIMIT,
                                  "%s:%d: longer than a target may be", path, number);
            break;
        }
        const char *target = target_of_line(line);
        if (strpbrk(target,
                    " \t")) /* not passed over: somebody means it to be measured */
            r = posture_error_set(&why, POSTURE_E_FORMAT,
                                  "'%s': expected one target a line", target);
        else if (*target)
            r = target_add(targets, arguments, target, &why);
        if (r < 0)
            (void)posture_error_set(reterr, r, "%s:%d: %s", path, number,
                                    why.text[0] ? why.text : posture_strerror(r));
    }
    if (r == 0 && ferror(file))
        r = posture_error_set(reterr, -EIO, "%s: cannot be read", path);
    if (!is_stdin)
        fclose(file);
    return r;
}

struct probing {
    struct report_sink sink;
    size_t expected, got;
    bool has_progress;
    int failure; /* the first */
};

static void progress_clear(const struct probing *probing)
{
    if (probing->has_progress)
        fputs("\r\x1b[K", stderr);
}

static void progress_show(const struct probing *probing)
{
    if (!probing->has_progress || probing->got == probing->expected)
        return;
    const struct table_totals *totals = &probing->sink.totals;
    bool is_ja = probing->sink.arguments->lang == POSTURE_LANG_JA;
    fprintf(stderr,
            is_ja ? "測定 %zu/%zu(不適合 %zu、測定できず %zu)"
                  : "measured %zu of %zu (%zu failing, %zu could not be measured)",
            totals->subjects, probing->expected, totals->by_worst[POSTURE_RESULT_FAIL],
            totals->not_measured);
    fflush(stderr);
}

static int report_came(void *data, unsigned long number, const char *line, size_t len)
{
    (void)number;
    struct probing *probing = data;
    struct posture_error error = {0};
    progress_clear(probing);
    int r = line ? report_sink_line(&probing->sink, line, len, &error) : POSTURE_E_LIMIT;
    probing->got++;
    progress_show(probing);
    if (r == -EPIPE || r == -ENOMEM)
        return r;
    if (r < 0) {
        complain_error("the worker's report", r, &error);
        probing->failure = r;
    }
    return 0;
}

static int targets_read(struct targets *targets, const struct arguments *arguments,
                        struct posture_error *reterr)
{
    targets->seen = json_object();
    if (!targets->seen)
        return -ENOMEM;
    if (arguments->kind && !kind_find(arguments->kind))
        return posture_error_set(reterr, POSTURE_E_OPTION, "--kind: '%s' is not %s",
                                 arguments->kind, kind_names());
    for (size_t i = 0; i < arguments->words.count; i++)
        POSTURE_TRY(target_add(targets, arguments, arguments->words.items[i], reterr));
    for (size_t i = 0; i < arguments->lists.count; i++)
        POSTURE_TRY(list_add(targets, arguments, arguments->lists.items[i], reterr));
    if (targets->subjects.count == 0)
        return posture_error_set(reterr, POSTURE_E_OPTION,
                                 "no target: expected a URI such as "
                                 "tls://www.example.go.jp:443, or -f LIST");
    return 0;
}

static int probe_run(const struct arguments *arguments, const struct targets *targets)
{
    struct probing probing = {.expected = targets->subjects.count};
    struct posture_error error = {0};
    int r = report_sink_open(&probing.sink, arguments, arguments->format, &error);
    if (r < 0) {
        complain_error(NULL, r, &error);
        (void)report_sink_close(&probing.sink);
        return EXIT_USAGE;
    }
    probing.has_progress = probing.expected >= PROGRESS_MIN && isatty(STDERR_FILENO);
    progress_show(&probing);
    struct run_result result;
    r = run_worker(targets->kind, arguments, &targets->subjects, report_came, &probing,
                   &result, &error);
    progress_clear(&probing);
    size_t not_measured = probing.sink.totals.not_measured;
    int status = report_sink_close(&probing.sink);
    if (r < 0)
        complain_error(NULL, r, &error);
    else if (!result.is_refused && probing.got < probing.expected)
        complain("the worker ended (%d) with %zu of %zu targets not reported",
                 result.exit_status, probing.expected - probing.got, probing.expected);
    if (r == POSTURE_E_OPTION || result.is_refused)
        return EXIT_USAGE;
    bool is_whole = r == 0 && probing.failure == 0 && probing.got >= probing.expected &&
                    not_measured == 0;
    return status == EXIT_MEASURED && !is_whole ? EXIT_NOT_MEASURED : status;
}

int command_probe(const struct arguments *arguments)
{
    struct targets targets = {0};
    struct posture_error error = {0};
    int r = targets_read(&targets, arguments, &error);
    int status = EXIT_USAGE;
    if (r < 0)
        complain_error(NULL, r, &error);
    else
        status = probe_run(arguments, &targets);
    targets_done(&targets);
    return status;
}
