/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */

#include "common/base/options_internal.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

enum { COMMENT_WIDTH = 78 };

/* A full-sentence comment, folded at spaces. */
static void comment_write(struct posture_buf *out, const char *prefix, const char *text)
{
    size_t room = COMMENT_WIDTH - strlen(prefix);
    while (*text) {
        size_t n = strlen(text);
        if (n > room) {
            n = room;
            while (n > 0 && text[n] != ' ')
                n--;
            if (n == 0)
                n = strcspn(text, " ");
        }
        posture_buf_addf(out, "%s %.*s\n", prefix, (int)n, text);
        text += n;
        while (*text == ' ')
            text++;
    }
}

static bool option_is_quoted(const struct posture_option *option)
{
    switch (option->type) {
    case POSTURE_OPT_U32:
    case POSTURE_OPT_U64:
    case POSTURE_OPT_DOUBLE:
    case POSTURE_OPT_SECONDS:
    case POSTURE_OPT_PORT:
    case POSTURE_OPT_ENUM:
        return false;
    default:
        return true;
    }
}

/* What to write after the name: the default, or the sample's value. PAIRS samples are
 * written whole ("key" "value") in the table. */
static void value_write(struct posture_buf *out, const struct posture_option *option)
{
    const char *value = option->def ? option->def : option->sample ? option->sample : "";
    bool is_bare = !option_is_quoted(option) || option->type == POSTURE_OPT_PAIRS;
    posture_buf_addf(out, is_bare ? "%s" : "\"%s\"", value);
}

static void sample_option_write(struct posture_buf *out,
                                const struct posture_option *option, const char *indent)
{
    char prefix[32], expectation[256];
    snprintf(prefix, sizeof(prefix), "%s##", indent);
    comment_write(out, prefix, option->help);
    if (option->type == POSTURE_OPT_ENUM) {
        POSTURE_AUTO_BUF struct posture_buf line = {0};
        posture_buf_addf(
            &line, "Value: %s.",
            posture_option_expectation(option, expectation, sizeof(expectation)));
        if (posture_buf_error(&line) == 0)
            comment_write(out, prefix, line.data);
    }
    posture_buf_addf(out, "%s%s%s ", indent, option->is_required ? "" : "#",
                     option->name);
    value_write(out, option);
    posture_buf_addc(out, '\n');
}

int posture_options_write_sample(const struct posture_option_table *table,
                                 struct posture_buf *out)
{
    posture_buf_addf(out, "## %s: sample configuration, made from the option table.\n",
                     table->plugin);
    posture_buf_adds(out,
                     "## A commented option shows its default, or an example where it "
                     "has none;\n## an option that is not commented must be set.\n");
    posture_buf_addf(out, "LoadPlugin %s\n\n<Plugin %s>\n", table->plugin, table->plugin);
    for (const struct posture_option_block *b = table->blocks; b->size > 0; b++) {
        if (!b->name) {
            for (const struct posture_option *o = b->options; o->name; o++)
                sample_option_write(out, o, "    ");
            continue;
        }
        posture_buf_addc(out, '\n');
        comment_write(out, "    ##", b->help ? b->help : "");
        posture_buf_addf(out, "    #<%s", b->name);
        if (b->has_argument)
            posture_buf_addf(out, " \"%s\"",
                             b->sample_argument ? b->sample_argument : "");
        posture_buf_adds(out, ">\n");
        for (const struct posture_option *o = b->options; o->name; o++)
            sample_option_write(out, o, "    #    ");
        posture_buf_addf(out, "    #</%s>\n", b->name);
    }
    posture_buf_adds(out, "</Plugin>\n");
    return posture_buf_error(out);
}

/* A cell: pipes would end it. */
static void cell_write(struct posture_buf *out, const char *text)
{
    for (const char *p = text; *p; p++) {
        if (*p == '|')
            posture_buf_addc(out, '\\');
        posture_buf_addc(out, *p);
    }
}

static void markdown_option_write(struct posture_buf *out,
                                  const struct posture_option *option)
{
    char expectation[256];
    posture_option_expectation(option, expectation, sizeof(expectation));
    posture_buf_addf(out, "| `%s` | ", option->name);
    cell_write(out, expectation);
    if (option->unit && option->type != POSTURE_OPT_SECONDS)
        posture_buf_addf(out, ", %s", option->unit);
    if (option->def)
        posture_buf_addf(out, " | `%s` | ", option->def);
    else
        posture_buf_adds(out, option->is_required ? " | must be set | " : " | - | ");
    cell_write(out, option->help);
    posture_buf_adds(out, " |\n");
}

int posture_options_write_markdown(const struct posture_option_table *table,
                                   struct posture_buf *out)
{
    for (const struct posture_option_block *b = table->blocks; b->size > 0; b++) {
        if (!b->name)
            posture_buf_addf(out, "Options in `<Plugin %s>`:\n", table->plugin);
        else
            posture_buf_addf(out, "\nOptions in `<%s%s%s%s>`: %s\n", b->name,
                             b->has_argument ? " \"" : "",
                             b->has_argument && b->sample_argument ? b->sample_argument
                                                                   : "",
                             b->has_argument ? "\"" : "", b->help ? b->help : "");
        posture_buf_adds(out, "\n| option | value | default | meaning |\n"
                              "|---|---|---|---|\n");
        for (const struct posture_option *o = b->options; o->name; o++)
            markdown_option_write(out, o);
    }
    return posture_buf_error(out);
}
