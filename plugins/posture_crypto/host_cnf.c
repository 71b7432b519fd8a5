/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#include "posture_crypto/host_cnf.h"

#include "common/base/buf.h"

#include <errno.h>
#include <string.h>

enum { LINE_MAX_BYTES = 65536 };

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\f' || c == '\v';
}

static int entry_add(struct host_cnf *cnf, const char *section, const char *name,
                     size_t name_len, const struct posture_buf *value, bool has_variable)
{
    if (cnf->count == HOST_CNF_ENTRIES_MAX)
        return POSTURE_E_LIMIT;
    struct host_cnf_entry *entries =
        posture_reallocarray(cnf->entries, cnf->count + 1, sizeof(*entries));
    if (!entries)
        return -ENOMEM;
    cnf->entries = entries;
    /* "name = value" may name another section: "section::name". */
    size_t at = 0;
    while (at + 1 < name_len && !(name[at] == ':' && name[at + 1] == ':'))
        at++;
    bool is_other = at + 1 < name_len;
    struct host_cnf_entry *entry = &entries[cnf->count];
    *entry = (struct host_cnf_entry){
        .section = is_other ? posture_strndup(name, at) : posture_strdup(section),
        .name = is_other ? posture_strndup(name + at + 2, name_len - at - 2)
                         : posture_strndup(name, name_len),
        .value = posture_strndup(value->len > 0 ? value->data : "", value->len),
        .has_variable = has_variable,
    };
    cnf->count++;
    return entry->section && entry->name && entry->value ? 0 : -ENOMEM;
}

/* The next line with its continuations, without its comment; quotes and escapes stay.
 * False at the end. */
static bool line_take(const char **at, const char *end, struct posture_buf *line)
{
    if (*at >= end)
        return false;
    posture_buf_clear(line);
    const char *p = *at;
    char quote = '\0';
    bool is_comment = false;
    for (; p < end && *p != '\n'; p++) {
        bool is_continued =
            *p == '\\' && p + 1 < end &&
            (p[1] == '\n' || (p[1] == '\r' && p + 2 < end && p[2] == '\n'));
        if (is_continued && !is_comment) {
            p += p[1] == '\r' ? 2 : 1;
            continue;
        }
        if (is_comment)
            continue;
        if (*p == '\\' && p + 1 < end && p[1] != '\n') {
            posture_buf_add(line, p, 2);
            p++;
            continue;
        }
        if (quote && *p == quote)
            quote = '\0';
        else if (!quote && (*p == '"' || *p == '\''))
            quote = *p;
        else if (!quote && *p == '#') {
            is_comment = true;
            continue;
        }
        posture_buf_addc(line, *p);
    }
    *at = p < end ? p + 1 : end;
    return true;
}

/* Quotes taken off, escapes replaced, spaces at both ends cut. */
static void value_clean(const char *text, size_t len, struct posture_buf *out,
                        bool *ret_has_variable)
{
    char quote = '\0';
    size_t keep = 0;
    *ret_has_variable = false;
    size_t begin = 0;
    while (begin < len && is_space(text[begin]))
        begin++;
    for (size_t i = begin; i < len; i++) {
        char c = text[i];
        if (quote && c == quote) {
            quote = '\0';
            keep = out->len;
            continue;
        }
        if (!quote && (c == '"' || c == '\'')) {
            quote = c;
            continue;
        }
        bool is_escaped = c == '\\' && i + 1 < len;
        if (is_escaped) {
            c = text[++i];
            c = c == 'n' ? '\n' : c == 't' ? '\t' : c == 'r' ? '\r' : c;
        } else if (c == '$' && quote != '\'') {
            *ret_has_variable = true;
        }
        if (c == '\0')
            c = ' ';
        posture_buf_addc(out, c);
        if (quote || is_escaped || !is_space(c))
            keep = out->len;
    }
    if (out->data && out->len > keep) {
        out->len = keep;
        out->data[keep] = '\0';
    }
}

static int section_enter(const char *text, size_t len,
                         char section[static HOST_CNF_SECTION_MAX])
{
    const char *close = memchr(text, ']', len);
    if (!close)
        return POSTURE_E_FORMAT;
    const char *begin = text + 1, *end = close;
    while (begin < end && is_space(*begin))
        begin++;
    while (end > begin && is_space(end[-1]))
        end--;
    size_t n = (size_t)(end - begin);
    if (n >= HOST_CNF_SECTION_MAX || memchr(begin, '\0', n))
        return POSTURE_E_FORMAT;
    memcpy(section, begin, n);
    section[n] = '\0';
    return 0;
}

/* ".include path" or ".include = path"; other pragmas change nothing that is read here.
 */
static int directive_run(const char *text, size_t len, host_cnf_include_fn *include,
                         void *data)
{
    static const char word[] = ".include";
    size_t n = sizeof(word) - 1;
    if (len < n || strncmp(text, word, n) != 0)
        return 0;
    while (n < len && (is_space(text[n]) || text[n] == '='))
        n++;
    POSTURE_AUTO_BUF struct posture_buf path = {0};
    bool has_variable;
    value_clean(text + n, len - n, &path, &has_variable);
    POSTURE_TRY(posture_buf_error(&path));
    if (path.len == 0 || has_variable)
        return POSTURE_E_FORMAT;
    return include(data, path.data);
}

static int line_read(struct host_cnf *cnf, const char *text, size_t len,
                     char section[static HOST_CNF_SECTION_MAX],
                     host_cnf_include_fn *include, void *data)
{
    while (len > 0 && is_space(*text)) {
        text++;
        len--;
    }
    if (len == 0)
        return 0;
    if (*text == '[')
        return section_enter(text, len, section);
    const char *equals = memchr(text, '=', len);
    bool is_include = len >= 8 && strncmp(text, ".include", 8) == 0;
    if (is_include || *text == '.')
        return directive_run(text, len, include, data);
    if (!equals)
        return POSTURE_E_FORMAT;
    size_t name_len = (size_t)(equals - text);
    while (name_len > 0 && is_space(text[name_len - 1]))
        name_len--;
    if (name_len == 0 || memchr(text, '\0', name_len))
        return POSTURE_E_FORMAT;
    POSTURE_AUTO_BUF struct posture_buf value = {0};
    bool has_variable;
    value_clean(equals + 1, len - (size_t)(equals + 1 - text), &value, &has_variable);
    POSTURE_TRY(posture_buf_error(&value));
    return entry_add(cnf, section, text, name_len, &value, has_variable);
}

int host_cnf_parse(struct host_cnf *cnf, const char *bytes, size_t len,
                   char section[static HOST_CNF_SECTION_MAX],
                   host_cnf_include_fn *include, void *data)
{
    POSTURE_AUTO_BUF struct posture_buf line = {0};
    posture_buf_init(&line, LINE_MAX_BYTES);
    const char *at = bytes, *end = bytes + len;
    while (line_take(&at, end, &line)) {
        POSTURE_TRY(posture_buf_error(&line));
        if (line.len > 0)
            POSTURE_TRY(line_read(cnf, line.data, line.len, section, include, data));
    }
    return 0;
}

void host_cnf_done(struct host_cnf *cnf)
{
    for (size_t i = 0; i < cnf->count; i++) {
        free(cnf->entries[i].section);
        free(cnf->entries[i].name);
        free(cnf->entries[i].value);
    }
    free(cnf->entries);
    *cnf = (struct host_cnf){0};
}

const struct host_cnf_entry *host_cnf_find(const struct host_cnf *cnf,
                                           const char *section, const char *name)
{
    for (size_t i = cnf->count; i > 0; i--) {
        const struct host_cnf_entry *entry = &cnf->entries[i - 1];
        if (strcmp(entry->section, section) == 0 && strcmp(entry->name, name) == 0)
            return entry;
    }
    return NULL;
}
