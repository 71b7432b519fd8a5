/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#define PCRE2_CODE_UNIT_WIDTH 8
#include "common/report/schema_node.h"

#include <pcre2.h>

#include <errno.h>
#include <string.h>

/* Foreign text meets patterns of our own: the limits are a second wall, not a tuning
 * knob. */
enum { MATCH_LIMIT = 100000, DEPTH_LIMIT = 1000, PATTERN_MAX = 1024 };

struct schema_pattern {
    pcre2_general_context *general;
    pcre2_match_context *match;
    pcre2_code *code;
    bool has_jit;
};

struct schema_scratch {
    pcre2_general_context *general;
    pcre2_match_data *data;
};

static void *pcre_malloc(size_t size, void *data)
{
    (void)data;
    return posture_malloc(size);
}

static void pcre_free(void *ptr, void *data)
{
    (void)data;
    free(ptr);
}

/* Where ECMA 262, Python and PCRE2 part: class escapes know Unicode or not, '.' has
 * different line ends, and there are POSIX classes, possessive quantifiers and special
 * groups. */
static const char *dialect_fault(const char *text)
{
    bool in_class = false, after_quantifier = false;
    for (const char *p = text; *p; p++) {
        bool is_quantifier = false;
        if ((unsigned char)*p >= 0x80)
            return "only ASCII";
        if (*p == '\\') {
            p++;
            if (*p != 'n' && *p != 'r' && *p != 't' &&
                (*p == '\0' || !strchr("^$\\.*+?()[]{}|/-", *p)))
                return "only \\n \\r \\t and escaped punctuation";
        } else if (in_class) {
            if (*p == '[')
                return "'[' in a class must be escaped";
            in_class = *p != ']';
        } else {
            switch (*p) {
            case '[':
                in_class = true;
                if (p[1] == '^')
                    p++;
                if (p[1] == ']')
                    return "']' in a class must be escaped";
                break;
            case '.':
                return "'.' outside a class";
            case '(':
                if (p[1] == '?' && p[2] != ':' && p[2] != '!' && p[2] != '=')
                    return "only the groups ( (?: (?= (?!";
                if (p[1] == '?')
                    p += 2;
                break;
            case '{':
                if (p[1] < '0' || p[1] > '9')
                    return "'{' without a number";
                is_quantifier = true;
                p += strcspn(p, "}");
                if (*p == '\0')
                    return "'{' without '}'";
                break;
            case '*':
            case '+':
            case '?':
                if (after_quantifier)
                    return "a quantifier after a quantifier";
                is_quantifier = true;
                break;
            default:
                break;
            }
        }
        after_quantifier = is_quantifier;
    }
    return NULL;
}

struct schema_pattern *schema_pattern_free(struct schema_pattern *pattern)
{
    if (!pattern)
        return NULL;
    pcre2_code_free(pattern->code);
    pcre2_match_context_free(pattern->match);
    pcre2_general_context_free(pattern->general);
    free(pattern);
    return NULL;
}
POSTURE_AUTO_DEFINE(struct schema_pattern *, schema_pattern_free)

int schema_pattern_new(const char *text, struct schema_pattern **ret,
                       struct posture_error *reterr)
{
    if (strlen(text) > PATTERN_MAX)
        return posture_error_set(reterr, POSTURE_E_LIMIT, "pattern longer than %d bytes",
                                 PATTERN_MAX);
    const char *fault = dialect_fault(text);
    if (fault)
        return posture_error_set(reterr, POSTURE_E_FORMAT,
                                 "pattern outside the portable dialect (%s)", fault);

    POSTURE_AUTO(schema_pattern_free)
    struct schema_pattern *pattern = posture_calloc(1, sizeof(*pattern));
    if (!pattern)
        return posture_error_set(reterr, -ENOMEM, "out of memory");
    pattern->general = pcre2_general_context_create(pcre_malloc, pcre_free, NULL);
    if (pattern->general)
        pattern->match = pcre2_match_context_create(pattern->general);
    /* The options travel with a compile context that remembers our allocator. */
    pcre2_compile_context *compile =
        pattern->match ? pcre2_compile_context_create(pattern->general) : NULL;
    if (!compile)
        return posture_error_set(reterr, -ENOMEM, "out of memory");
    pcre2_set_match_limit(pattern->match, MATCH_LIMIT);
    pcre2_set_depth_limit(pattern->match, DEPTH_LIMIT);

    int code = 0;
    PCRE2_SIZE offset = 0;
    pattern->code = pcre2_compile((PCRE2_SPTR)text, strlen(text),
                                  PCRE2_UTF | PCRE2_DOLLAR_ENDONLY |
                                      PCRE2_NEVER_BACKSLASH_C | PCRE2_NO_AUTO_CAPTURE,
                                  &code, &offset, compile);
    pcre2_compile_context_free(compile);
    if (!pattern->code && code == PCRE2_ERROR_HEAP_FAILED)
        return posture_error_set(reterr, -ENOMEM, "out of memory");
    if (!pattern->code) {
        char message[128] = "";
        pcre2_get_error_message(code, (PCRE2_UCHAR *)message, sizeof(message));
        return posture_error_set(reterr, POSTURE_E_FORMAT, "pattern: %s at offset %zu",
                                 message, (size_t)offset);
    }
    /* Without executable memory the interpreter does the same, slower. */
    pattern->has_jit = pcre2_jit_compile(pattern->code, PCRE2_JIT_COMPLETE) == 0;
    *ret = POSTURE_TAKE(pattern);
    return 0;
}

void schema_scratch_free(struct schema_scratch *scratch)
{
    if (!scratch)
        return;
    pcre2_match_data_free(scratch->data);
    pcre2_general_context_free(scratch->general);
    free(scratch);
}

static struct schema_scratch *scratch_new(void)
{
    struct schema_scratch *scratch = posture_calloc(1, sizeof(*scratch));
    if (!scratch)
        return NULL;
    scratch->general = pcre2_general_context_create(pcre_malloc, pcre_free, NULL);
    if (scratch->general)
        scratch->data = pcre2_match_data_create(1, scratch->general);
    if (!scratch->data) {
        schema_scratch_free(scratch);
        return NULL;
    }
    return scratch;
}

int schema_pattern_match(const struct schema_pattern *pattern, const char *text,
                         size_t len, struct schema_scratch **scratch)
{
    if (!*scratch && !(*scratch = scratch_new()))
        return -ENOMEM;
    /* jansson's strings are well-formed UTF-8, so PCRE2 need not look again. */
    int r = pattern->has_jit
                ? pcre2_jit_match(pattern->code, (PCRE2_SPTR)text, len, 0,
                                  PCRE2_NO_UTF_CHECK, (*scratch)->data, pattern->match)
                : pcre2_match(pattern->code, (PCRE2_SPTR)text, len, 0, PCRE2_NO_UTF_CHECK,
                              (*scratch)->data, pattern->match);
    if (r >= 0)
        return 1;
    if (r == PCRE2_ERROR_NOMATCH)
        return 0;
    return r == PCRE2_ERROR_NOMEMORY || r == PCRE2_ERROR_HEAPLIMIT ? -ENOMEM
                                                                   : POSTURE_E_LIMIT;
}
