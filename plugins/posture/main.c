/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#include "posture/commands.h"

#include <locale.h>
#include <stdio.h>
#include <string.h>

static const struct {
    enum command command;
    const char *name, *usage, *help;
    int (*run)(const struct arguments *arguments);
} commands[] = {
    {COMMAND_PROBE, "probe", "[OPTION]… URI…",
     "Measure TLS endpoints (tls://HOST:PORT, or HOST[:PORT]) and judge them.",
     command_probe},
    {COMMAND_JUDGE, "judge", "[OPTION]… [FILE]…",
     "Judge stored reports again: NDJSON in (standard input by default), NDJSON out.\n"
     "One line a report and profile; lines that are no reports are named and passed "
     "over.",
     command_judge},
    {COMMAND_CHECKS, "checks", "[OPTION]… [ID]…",
     "The checks: question, why, what to do, source. ID may end in a dot: tls.cert.",
     command_checks},
    {COMMAND_SPOOL, "spool", "[OPTION]… [list | show NUMBER | stats]",
     "What waits for the broker on this host; to be run as collectd's own user.",
     command_spool},
};

static void overview_write(FILE *out)
{
    fputs("usage: posture COMMAND …\n\n", out);
    for (size_t i = 0; i < POSTURE_COUNT(commands); i++)
        fprintf(out, "  %-8s%.*s\n", commands[i].name,
                (int)strcspn(commands[i].help, "\n"), commands[i].help);
    fputs("\n'posture COMMAND --help' tells more; 'posture --version' the version.\n"
          "Exit status: 0 measured, whatever the verdict; 1 could not measure; 2 usage;\n"
          "3 a verdict that --fail-on names.\n",
          out);
}

static int command_run(size_t i, int argc, char **argv)
{
    struct arguments arguments;
    struct posture_error error = {0};
    int r = arguments_parse(commands[i].command, argc, argv, &arguments, &error);
    int status = EXIT_USAGE;
    if (r < 0) {
        complain("%s: %s", commands[i].name,
                 error.text[0] ? error.text : posture_strerror(r));
        fprintf(stderr, "Try 'posture %s --help'.\n", commands[i].name);
    } else if (arguments.wants_help) {
        POSTURE_AUTO_BUF struct posture_buf text = {0};
        arguments_describe(commands[i].command, &text);
        printf("usage: posture %s %s\n\n%s\n\n%s", commands[i].name, commands[i].usage,
               commands[i].help, text.data ? text.data : "");
        status = 0;
    } else {
        status = commands[i].run(&arguments);
    }
    arguments_done(&arguments);
    return status;
}

int main(int argc, char **argv)
{
    (void)setlocale(LC_CTYPE, ""); /* numbers stay with the point */
    const char *word = argc > 1 ? argv[1] : "";
    if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0 ||
        strcmp(word, "help") == 0) {
        overview_write(stdout);
        return 0;
    }
    if (strcmp(word, "--version") == 0) {
        puts("posture " POSTURE_VERSION);
        return 0;
    }
    for (size_t i = 0; i < POSTURE_COUNT(commands); i++) {
        if (strcmp(word, commands[i].name) == 0)
            return command_run(i, argc - 2, argv + 2);
    }
    if (*word)
        complain("'%s' is not a command", word);
    overview_write(stderr);
    return EXIT_USAGE;
}
