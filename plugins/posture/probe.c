/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#include "posture/commands.h"
#include "posture/resume.h"
#include "posture/run.h"

#include "common/base/clock.h"
#include "common/report/report.h"
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
    struct string_list options;  /* of each, as its line has them, or NULL; owned */
    json_t *seen;
    const struct kind *kind;
};

static void targets_done(struct targets *targets)
{
    for (size_t i = 0; i < targets->subjects.count; i++)
        free((char *)(uintptr_t)targets->subjects.items[i]);
    for (size_t i = 0; i < targets->options.count; i++)
        free((char *)(uintptr_t)targets->options.items[i]);
    free(targets->subjects.items);
    free(targets->options.items);
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

static int owned_add(struct string_list *list, const char *text)
{
    char *copy = text ? posture_strdup(text) : NULL;
    int r = copy || !text ? string_list_add(list, copy) : -ENOMEM;
    if (r < 0)
        free(copy);
    return r;
}

/* options: "Name=value …" or NULL. */
static int target_add(struct targets *targets, const struct arguments *arguments,
                      const char *text, const char *options, struct posture_error *reterr)
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
    POSTURE_TRY(owned_add(&targets->subjects, subject.text));
    POSTURE_TRY(owned_add(&targets->options, options));
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
        char *target = target_of_line(line);
        char *options = target + strcspn(target, " \t");
        if (*options)
            *options++ = '\0';
        options += strspn(options, " \t");
        if (*options && !strchr(options, '=')) /* not passed over: somebody means it */
            r = posture_error_set(
                &why, POSTURE_E_FORMAT,
                "'%s %s': expected one target a line, then options as Name=value", target,
                options);
        else if (*target)
            r = target_add(targets, arguments, target, *options ? options : NULL, &why);
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
    struct resume resume;
    size_t expected, got;
    size_t resumed; /* of those got: measured before */
    int64_t started_ns;
    bool has_progress;
    int failure; /* the first */
};

static void progress_clear(const struct probing *probing)
{
    if (probing->has_progress)
        fputs("\r\x1b[K", stderr);
}

/* "about 3 min left": by what this run took so far; nothing before it can be said. */
static void progress_left(const struct probing *probing, bool is_ja)
{
    enum { SAYING_MIN = 5 };
    size_t done = probing->got - probing->resumed;
    if (done < SAYING_MIN)
        return;
    double spent =
        (double)(posture_monotonic_ns() - probing->started_ns) / (double)POSTURE_NS_PER_S;
    double left = spent / (double)done * (double)(probing->expected - probing->got);
    fprintf(stderr, is_ja ? "、毎秒%.1f件、残り" : ", %.1f/s, about ",
            (double)done / (spent > 0.001 ? spent : 0.001));
    if (left < 90)
        fprintf(stderr, is_ja ? "約%.0f秒" : "%.0f s left", left < 1 ? 1 : left);
    else if (left < 5400)
        fprintf(stderr, is_ja ? "約%.0f分" : "%.0f min left", left / 60);
    else
        fprintf(stderr, is_ja ? "約%.1f時間" : "%.1f h left", left / 3600);
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
    progress_left(probing, is_ja);
    fflush(stderr);
}

static int report_came(void *data, unsigned long number, const char *line, size_t len)
{
    (void)number;
    struct probing *probing = data;
    struct posture_error error = {0};
    progress_clear(probing);
    int r = line ? resume_add(&probing->resume, line, len) : 0;
    if (r < 0) {
        complain_error(probing->resume.path, r, NULL);
        return r;
    }
    r = line ? report_sink_line(&probing->sink, line, len, &error) : POSTURE_E_LIMIT;
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

/* A report of an earlier run: shown again where it is one of the targets. */
struct earlier {
    struct probing *probing;
    const struct targets *targets;
};

static int earlier_came(void *data, unsigned long number, const char *line, size_t len)
{
    (void)number;
    const struct earlier *earlier = data;
    POSTURE_AUTO(posture_report_free) struct posture_report *report = NULL;
    POSTURE_TRY(posture_report_decode(line, len, NULL, &report, NULL));
    if (!json_object_get(earlier->targets->seen, report->subject))
        return 0;
    struct posture_error error = {0};
    int r = report_sink_line(&earlier->probing->sink, line, len, &error);
    earlier->probing->got++;
    earlier->probing->resumed++;
    if (r < 0 && r != -EPIPE)
        complain_error(earlier->probing->resume.path, r, &error);
    return r;
}

/* Takes those that were measured before off the list. */
static int resume_take(struct probing *probing, struct targets *targets,
                       struct posture_error *reterr)
{
    const char *path = probing->sink.arguments->resume;
    probing->resume.fd = -1;
    if (!path)
        return 0;
    struct earlier earlier = {.probing = probing, .targets = targets};
    POSTURE_TRY(resume_open(path, &probing->resume, earlier_came, &earlier, reterr));
    size_t left = 0;
    for (size_t i = 0; i < targets->subjects.count; i++) {
        const char *subject = targets->subjects.items[i];
        const char *options = targets->options.items[i];
        if (resume_has(&probing->resume, kind_of_subject(targets->kind, subject),
                       subject)) {
            free((char *)(uintptr_t)subject);
            free((char *)(uintptr_t)options);
            continue;
        }
        targets->subjects.items[left] = subject;
        targets->options.items[left++] = options;
    }
    targets->subjects.count = targets->options.count = left;
    if (probing->resumed > 0)
        complain(probing->sink.arguments->lang == POSTURE_LANG_JA
                     ? "%s: %zu件中%zu件は測定済み"
                     : "%s: of %zu targets %zu are there already",
                 path, probing->expected, probing->resumed);
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
        POSTURE_TRY(
            target_add(targets, arguments, arguments->words.items[i], NULL, reterr));
    for (size_t i = 0; i < arguments->lists.count; i++)
        POSTURE_TRY(list_add(targets, arguments, arguments->lists.items[i], reterr));
    if (targets->subjects.count == 0)
        return posture_error_set(reterr, POSTURE_E_OPTION,
                                 "no target: expected a URI such as "
                                 "tls://www.example.go.jp:443, or -f LIST");
    return 0;
}

static int probe_run(const struct arguments *arguments, struct targets *targets)
{
    struct probing probing = {.expected = targets->subjects.count, .resume.fd = -1};
    struct posture_error error = {0};
    int r = report_sink_open(&probing.sink, arguments, arguments->format, &error);
    if (r == 0)
        r = resume_take(&probing, targets, &error);
    if (r < 0) {
        complain_error(NULL, r, &error);
        resume_done(&probing.resume);
        (void)report_sink_close(&probing.sink);
        return EXIT_USAGE;
    }
    probing.started_ns = posture_monotonic_ns();
    probing.has_progress = probing.expected >= PROGRESS_MIN && isatty(STDERR_FILENO);
    progress_show(&probing);
    struct run_result result = {0};
    if (targets->subjects.count > 0)
        r = run_worker(targets->kind, arguments, &targets->subjects, &targets->options,
                       report_came, &probing, &result, &error);
    progress_clear(&probing);
    resume_done(&probing.resume);
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
