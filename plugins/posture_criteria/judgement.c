/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#include "posture_criteria/judgement.h"

#include "common/base/clock.h"
#include "common/base/parse.h"

#include <stdio.h>
#include <string.h>

static const char status_letters[POSTURE_RESULT_COUNT] = {
    [POSTURE_RESULT_NA] = 'n',   [POSTURE_RESULT_PASS] = 'p',
    [POSTURE_RESULT_WARN] = 'w', [POSTURE_RESULT_UNKNOWN] = 'u',
    [POSTURE_RESULT_FAIL] = 'f',
};
static const char digits36[] = "0123456789abcdefghijklmnopqrstuvwxyz";

/* An append-only text of fixed size: once it does not fit, nothing more is written. */
struct text {
    char *data;
    size_t len;
    size_t size; /* without the NUL */
    bool is_full;
};

static void text_add(struct text *text, const char *bytes, size_t len)
{
    if (text->is_full || text->size - text->len < len) {
        text->is_full = true;
        return;
    }
    memcpy(text->data + text->len, bytes, len);
    text->len += len;
    text->data[text->len] = '\0';
}

static void text_adds(struct text *text, const char *s)
{
    text_add(text, s, strlen(s));
}

static void text_add_ms(struct text *text, int64_t ns)
{
    uint64_t ms = ns > 0 ? (uint64_t)(ns / POSTURE_NS_PER_MS) : 0;
    char buf[16];
    size_t at = sizeof(buf);
    do {
        buf[--at] = digits36[ms % 36];
        ms /= 36;
    } while (ms);
    text_add(text, buf + at, sizeof(buf) - at);
}

static void text_add_number(struct text *text, double v)
{
    char buf[32];
    text_adds(text, posture_double_format(v, buf));
}

/* The since that most items share, so that it is written once. */
static int64_t common_since(const struct posture_judgement *verdict)
{
    int64_t best = verdict->time_ns;
    size_t best_count = 0;
    for (size_t i = 0; i < verdict->count; i++) {
        size_t count = 0;
        for (size_t j = 0; j < verdict->count; j++)
            count += verdict->items[j].since_ns == verdict->items[i].since_ns;
        if (count > best_count) {
            best = verdict->items[i].since_ns;
            best_count = count;
        }
    }
    return best;
}

static void text_add_item(struct text *text, const struct posture_judgement_item *item,
                          const char *kind, int64_t since_ns)
{
    size_t kind_len = strlen(kind);
    if (strncmp(item->check, kind, kind_len) == 0 && item->check[kind_len] == '.') {
        text_adds(text, item->check + kind_len + 1);
    } else {
        text_add(text, ".", 1);
        text_adds(text, item->check);
    }
    text_add(text, "=", 1);
    text_add(text, &status_letters[item->status], 1);
    if (item->since_ns != since_ns) {
        text_add(text, "@", 1);
        text_add_ms(text, item->since_ns);
    }
    if (item->has_value) {
        text_add(text, "/", 1);
        text_add_number(text, item->value);
    }
}

static void encode(const struct posture_judgement *verdict, const char *kind,
                   unsigned flags, bool with_items, struct text *text)
{
    int64_t since_ns = common_since(verdict);
    text_adds(text, "1;p=");
    text_adds(text, verdict->profile[0] ? verdict->profile : "-");
    text_adds(text, ";t=");
    text_add_ms(text, verdict->time_ns);
    text_adds(text, ";i=");
    text_add_number(text, verdict->interval_s);
    text_adds(text, ";n=");
    if (verdict->next_change_ns == INT64_MAX)
        text_adds(text, "-");
    else
        text_add_ms(text, verdict->next_change_ns);
    if (flags) {
        text_adds(text, ";f=");
        text_adds(text, flags & POSTURE_JUDGEMENT_RETIRED ? "r" : "");
        text_adds(text, flags & POSTURE_JUDGEMENT_CLOCK ? "c" : "");
        text_adds(text, flags & POSTURE_JUDGEMENT_BODY ? "b" : "");
    }
    text_adds(text, ";s=");
    text_add_ms(text, since_ns);
    text_adds(text, "|");
    for (size_t i = 0; with_items && i < verdict->count; i++) {
        if (i > 0)
            text_adds(text, ";");
        text_add_item(text, &verdict->items[i], kind, since_ns);
    }
}

void posture_judgement_encode(const struct posture_judgement *verdict, const char *kind,
                              char buf[static POSTURE_JUDGEMENT_MAX + 1], size_t *ret_len)
{
    struct text text = {.data = buf, .size = POSTURE_JUDGEMENT_MAX};
    encode(verdict, kind, verdict->flags, /* with_items = */ true, &text);
    if (text.is_full) {
        text = (struct text){.data = buf, .size = POSTURE_JUDGEMENT_MAX};
        encode(verdict, kind, verdict->flags | POSTURE_JUDGEMENT_BODY,
               /* with_items = */ false, &text);
    }
    *ret_len = text.len;
}

const struct posture_judgement_item *
posture_judgement_find(const struct posture_judgement *verdict, const char *check)
{
    for (size_t i = 0; i < verdict->count; i++) {
        if (strcmp(verdict->items[i].check, check) == 0)
            return &verdict->items[i];
    }
    return NULL;
}

void posture_judgement_set_results(struct posture_judgement *verdict,
                                   const struct posture_results *results,
                                   const struct posture_judgement *previous,
                                   int64_t at_ns)
{
    verdict->count = 0;
    for (size_t i = 0; i < results->count; i++) {
        const struct posture_result *result = &results->items[i];
        struct posture_judgement_item *item = &verdict->items[verdict->count];
        size_t len = strlen(result->check);
        if (len >= sizeof(item->check))
            continue; /* no check of ours is that long; its absence reads as unknown */
        memcpy(item->check, result->check, len + 1);
        item->status = result->status;
        item->has_value = json_is_number(result->value);
        item->value = json_number_value(result->value);
        item->since_ns = at_ns;
        const struct posture_judgement_item *old =
            previous ? posture_judgement_find(previous, item->check) : NULL;
        if (old && old->status == item->status)
            item->since_ns = old->since_ns;
        verdict->count++;
    }
}

/* One field of [*at, end) up to the separator or the end; *at moves behind the separator.
 */
static bool field_next(const char **at, const char *end, char separator, const char **ret,
                       size_t *ret_len)
{
    if (*at > end)
        return false;
    const char *start = *at;
    const char *stop =
        start < end ? memchr(start, separator, (size_t)(end - start)) : NULL;
    if (!stop)
        stop = end;
    *ret = start;
    *ret_len = (size_t)(stop - start);
    *at = stop + 1;
    return true;
}

static int ms_parse(const char *text, size_t len, int64_t *ret_ns)
{
    uint64_t ms = 0;
    if (len == 0 || len > 9) /* 36^9 ms in nanoseconds may not fit: checked below */
        return POSTURE_E_FORMAT;
    for (size_t i = 0; i < len; i++) {
        const char *digit = memchr(digits36, text[i], 36);
        if (!digit)
            return POSTURE_E_FORMAT;
        ms = ms * 36 + (uint64_t)(digit - digits36);
    }
    if (ms > (uint64_t)(INT64_MAX / POSTURE_NS_PER_MS))
        return POSTURE_E_FORMAT;
    *ret_ns = (int64_t)ms * POSTURE_NS_PER_MS;
    return 0;
}

static int number_parse(const char *text, size_t len, double *ret)
{
    char buf[32];
    if (len == 0 || len >= sizeof(buf) || memchr(text, '\0', len))
        return POSTURE_E_FORMAT;
    memcpy(buf, text, len);
    buf[len] = '\0';
    return posture_parse_double(buf, ret);
}

static int flags_parse(const char *text, size_t len, unsigned *ret)
{
    for (size_t i = 0; i < len; i++) {
        if (text[i] == 'r')
            *ret |= POSTURE_JUDGEMENT_RETIRED;
        else if (text[i] == 'c')
            *ret |= POSTURE_JUDGEMENT_CLOCK;
        else if (text[i] == 'b')
            *ret |= POSTURE_JUDGEMENT_BODY;
        else
            return POSTURE_E_FORMAT;
    }
    return 0;
}

static int profile_parse(const char *text, size_t len, char ret[static 13])
{
    ret[0] = '\0';
    if (len == 1 && text[0] == '-')
        return 0;
    if (len != 12)
        return POSTURE_E_FORMAT;
    for (size_t i = 0; i < len; i++) {
        if (!memchr("0123456789abcdef", text[i], 16))
            return POSTURE_E_FORMAT;
    }
    memcpy(ret, text, len);
    ret[len] = '\0';
    return 0;
}

static bool name_is_valid(const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        char c = text[i];
        if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '.'))
            return false;
    }
    return len > 0;
}

static int item_parse(const char *text, size_t len, const char *kind, int64_t since_ns,
                      struct posture_judgement_item *ret)
{
    const char *equals = memchr(text, '=', len);
    if (!equals || !name_is_valid(text, (size_t)(equals - text)))
        return POSTURE_E_FORMAT;

    size_t name_len = (size_t)(equals - text);
    int n = text[0] == '.' ? snprintf(ret->check, sizeof(ret->check), "%.*s",
                                      (int)name_len - 1, text + 1)
                           : snprintf(ret->check, sizeof(ret->check), "%s.%.*s", kind,
                                      (int)name_len, text);
    if (n <= 0 || (size_t)n >= sizeof(ret->check))
        return POSTURE_E_FORMAT;

    const char *at = equals + 1;
    const char *end = text + len;
    const char *letter =
        at < end && *at ? memchr(status_letters, *at, POSTURE_RESULT_COUNT) : NULL;
    if (!letter)
        return POSTURE_E_FORMAT;
    ret->status = (enum posture_result_status)(letter - status_letters);
    ret->since_ns = since_ns;
    ret->has_value = false;
    ret->value = 0;
    at++;
    const char *slash = memchr(at, '/', (size_t)(end - at));
    const char *since_end = slash ? slash : end;
    if (at < since_end) {
        if (*at != '@')
            return POSTURE_E_FORMAT;
        POSTURE_TRY(ms_parse(at + 1, (size_t)(since_end - at - 1), &ret->since_ns));
    }
    if (slash) {
        POSTURE_TRY(number_parse(slash + 1, (size_t)(end - slash - 1), &ret->value));
        ret->has_value = true;
    }
    return 0;
}

static int header_parse(const char *at, const char *end, struct posture_judgement *ret,
                        int64_t *ret_since_ns)
{
    const char *field;
    size_t len;
    unsigned seen = 0;
    if (!field_next(&at, end, ';', &field, &len) || len != 1 || field[0] != '1')
        return POSTURE_E_FORMAT;
    while (field_next(&at, end, ';', &field, &len)) {
        if (len < 2 || field[1] != '=')
            return POSTURE_E_FORMAT;
        const char *value = field + 2;
        size_t value_len = len - 2;
        switch (field[0]) {
        case 'p':
            seen |= 1;
            POSTURE_TRY(profile_parse(value, value_len, ret->profile));
            break;
        case 't':
            seen |= 2;
            POSTURE_TRY(ms_parse(value, value_len, &ret->time_ns));
            break;
        case 'i':
            seen |= 4;
            POSTURE_TRY(number_parse(value, value_len, &ret->interval_s));
            break;
        case 'n':
            seen |= 8;
            ret->next_change_ns = INT64_MAX;
            if (value_len != 1 || value[0] != '-')
                POSTURE_TRY(ms_parse(value, value_len, &ret->next_change_ns));
            break;
        case 'f':
            POSTURE_TRY(flags_parse(value, value_len, &ret->flags));
            break;
        case 's':
            seen |= 16;
            POSTURE_TRY(ms_parse(value, value_len, ret_since_ns));
            break;
        default: /* a later version's */
            break;
        }
    }
    return seen == 31 ? 0 : POSTURE_E_FORMAT;
}

int posture_judgement_decode(const void *bytes, size_t len, const char *kind,
                             struct posture_judgement *ret)
{
    const char *text = bytes;
    const char *bar =
        len > 0 && len <= POSTURE_JUDGEMENT_MAX ? memchr(text, '|', len) : NULL;
    if (!bar)
        return POSTURE_E_FORMAT;

    int64_t since_ns = 0;
    ret->flags = 0;
    ret->count = 0;
    POSTURE_TRY(header_parse(text, bar, ret, &since_ns));
    const char *at = bar + 1;
    const char *end = text + len;
    const char *field;
    size_t field_len;
    while (at < end && field_next(&at, end, ';', &field, &field_len)) {
        if (ret->count == POSTURE_RESULTS_MAX)
            return POSTURE_E_FORMAT;
        struct posture_judgement_item *item = &ret->items[ret->count];
        POSTURE_TRY(item_parse(field, field_len, kind, since_ns, item));
        if (posture_judgement_find(ret, item->check))
            return POSTURE_E_FORMAT;
        ret->count++;
    }
    return 0;
}
