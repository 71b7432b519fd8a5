/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#include "posture/table.h"

#include "common/base/clock.h"
#include "posture/text.h"

#include <stdio.h>
#include <string.h>

enum { HEADING_INDENT = 2, ROW_INDENT = 4, REASON_INDENT = 8, STATUS_WIDTH = 9 };

/* Checks are shown in groups, by the beginning of their ids; the first that fits. */
static const struct {
    const char *prefix, *ja, *en;
} groups[] = {
    {"tls.cert.", "証明書", "Certificate"},
    {"tls.strength_until", "将来", "Future"},
    {"ssh.strength_until", "将来", "Future"},
    {"tls.gl3001_type", "総合", "As a whole"},
    {"host.", "この計算機", "This host"},
    {"", "プロトコルと暗号", "Protocol and algorithms"},
};

static size_t group_of(const char *check)
{
    size_t i = 0;
    while (strncmp(check, groups[i].prefix, strlen(groups[i].prefix)) != 0)
        i++;
    return i;
}

static const char *status_word(const struct screen *screen,
                               enum posture_result_status status)
{
    static const char *const ja[POSTURE_RESULT_COUNT] = {
        [POSTURE_RESULT_NA] = "対象外",   [POSTURE_RESULT_PASS] = "適合",
        [POSTURE_RESULT_WARN] = "要注意", [POSTURE_RESULT_UNKNOWN] = "不明",
        [POSTURE_RESULT_FAIL] = "不適合",
    };
    return screen->lang == POSTURE_LANG_JA ? ja[status] : posture_result_name(status);
}

/* A line's time as people in Japan read it. */
static void instant_write(int64_t ns, struct posture_buf *out)
{
    char text[POSTURE_TIME_TEXT_MAX];
    posture_time_format(ns + POSTURE_JST_OFFSET_S * POSTURE_NS_PER_S, text);
    posture_buf_addf(out, "%.10s %.5s JST", text, text + 11);
}

static void heading_write(struct screen *screen, const struct judgement *judgement,
                          const struct judged *judged,
                          const struct posture_report *report)
{
    POSTURE_AUTO_BUF struct posture_buf subject = {0};
    POSTURE_AUTO_BUF struct posture_buf when = {0};
    text_safe_string(report->subject, &subject);
    posture_buf_adds(&when, SCREEN_WORD(screen, "測定 ", "measured "));
    instant_write(report->time_ns, &when);
    if (judgement->has_at) {
        posture_buf_adds(&when, SCREEN_WORD(screen, "、判定日 ", ", judged for "));
        instant_write(judged->at_ns, &when);
    }
    const char *planned = posture_json_string(report->declared, "planned_end");
    if (planned)
        posture_buf_addf(
            &when, SCREEN_WORD(screen, "、運用終了予定 %.10s", ", in use until %.10s"),
            planned);
    screen_add(screen, SCREEN_BOLD, subject.data ? subject.data : "?");
    screen_line(screen);
    screen_spaces(screen, HEADING_INDENT);
    screen_wrap(screen, SCREEN_DIM, when.data ? when.data : "", HEADING_INDENT,
                HEADING_INDENT);
    screen_line(screen);
}

/* The sentence of a result; the address is left out where there is but one. */
static void reason_write(const struct screen *screen, const struct judgement *judgement,
                         const struct posture_result *result, bool has_one_address,
                         struct posture_buf *out)
{
    json_auto_t *args = result->args ? json_copy(result->args) : NULL;
    if (has_one_address)
        json_object_del(args, "address");
    posture_check_reason(judgement->checks, result->code, args, screen->lang, out);
}

static bool reason_is_shown(const struct posture_result *result, bool is_verbose)
{
    return is_verbose || result->status >= POSTURE_RESULT_WARN;
}

static bool is_for_improving(enum posture_result_status status)
{
    return status == POSTURE_RESULT_WARN || status == POSTURE_RESULT_FAIL;
}

/* What the row shows beside the status: the thing that decided. */
static void value_write(const struct screen *screen, const struct posture_result *result,
                        struct posture_buf *out)
{
    if (json_is_integer(result->value)) {
        json_int_t value = json_integer_value(result->value);
        if (value == 9999)
            posture_buf_adds(out, SCREEN_WORD(screen, "期限なし", "no end"));
        else if (value != 0)
            posture_buf_addf(out, "%lld", (long long)value);
    } else if (json_is_string(result->value)) {
        const char *text = json_string_value(result->value);
        int64_t ns;
        char date[POSTURE_TIME_TEXT_MAX];
        if (posture_time_parse(text, strlen(text), &ns) == 0)
            text = posture_date_format_jst(ns, date);
        text_safe_string(text, out);
    }
}

struct table {
    struct screen *screen;
    const struct judgement *judgement;
    const struct judged *judged;
    const struct posture_report *report;
    size_t title_width;
    size_t cell_width; /* several profiles: of one's column */
    bool has_numbers;  /* their ids do not fit: columns are headed by number */
    bool has_marks;    /* nor do the words: cells hold the mark alone */
    bool has_one_address;
    bool is_verbose;
};

/* The profiles whose reason is the same as that of number i, from i on; empty when an
 * earlier one has named it. */
static bool profiles_join(const struct table *table, char *const *reasons, size_t i,
                          struct posture_buf *out)
{
    for (size_t k = 0; k < i; k++) {
        if (reasons[k] && strcmp(reasons[k], reasons[i]) == 0)
            return false;
    }
    for (size_t k = i; k < table->judgement->count; k++) {
        if (reasons[k] && strcmp(reasons[k], reasons[i]) == 0)
            posture_buf_addf(out, "%s%s", k > i ? ", " : "",
                             posture_profile_id(table->judgement->profiles[k]));
    }
    return true;
}

/* What is on record for the check, once for all profiles: entries do not name them. */
static void exception_write(const struct table *table, size_t number)
{
    struct screen *screen = table->screen;
    const struct posture_exceptions_entry *entry = NULL;
    bool holds = false;
    for (size_t i = 0; i < table->judgement->count && !entry; i++)
        entry = judged_exception(table->judgement, table->judged, table->report,
                                 &table->judged->results[i].items[number], &holds);
    if (!entry)
        return;
    POSTURE_AUTO_BUF struct posture_buf text = {0};
    posture_buf_addf(
        &text,
        holds ? SCREEN_WORD(screen, "例外(%sまで): ", "Exception until %s: ")
              : SCREEN_WORD(screen, "期限切れの例外(%sまで): ", "Exception expired %s: "),
        entry->expires);
    text_safe_string(entry->reason, &text);
    posture_buf_adds(&text, SCREEN_WORD(screen, "(", " ("));
    text_safe_string(entry->owner, &text);
    posture_buf_adds(&text, SCREEN_WORD(screen, ")", ")"));
    screen_spaces(screen, REASON_INDENT);
    screen_wrap(screen, holds ? SCREEN_BOLD : SCREEN_FAIL, text.data ? text.data : "",
                REASON_INDENT, REASON_INDENT);
    screen_line(screen);
}

static void reasons_write(const struct table *table,
                          const struct posture_check_info *info, size_t number)
{
    struct screen *screen = table->screen;
    char *reasons[ARGUMENTS_PROFILES_MAX] = {NULL};
    bool can_improve = false;
    for (size_t i = 0; i < table->judgement->count; i++) {
        const struct posture_result *result = &table->judged->results[i].items[number];
        can_improve = can_improve || is_for_improving(result->status);
        POSTURE_AUTO_BUF struct posture_buf text = {0};
        if (!reason_is_shown(result, table->is_verbose))
            continue;
        reason_write(screen, table->judgement, result, table->has_one_address, &text);
        reasons[i] = posture_buf_steal(&text, NULL);
    }
    for (size_t i = 0; i < table->judgement->count; i++) {
        POSTURE_AUTO_BUF struct posture_buf text = {0};
        if (!reasons[i] || !profiles_join(table, reasons, i, &text))
            continue;
        if (table->judgement->count > 1)
            posture_buf_adds(&text, ": ");
        else
            posture_buf_clear(&text);
        posture_buf_adds(&text, reasons[i]);
        screen_spaces(screen, REASON_INDENT);
        screen_wrap(screen, SCREEN_PLAIN, text.data ? text.data : "", REASON_INDENT,
                    REASON_INDENT);
        screen_line(screen);
    }
    for (size_t i = 0; i < ARGUMENTS_PROFILES_MAX; i++)
        free(reasons[i]);
    exception_write(table, number);
    if (!can_improve || !info)
        return;
    screen_spaces(screen, REASON_INDENT);
    screen_add(screen, SCREEN_BOLD, screen->has_unicode ? "→ " : "> ");
    screen_wrap(screen, SCREEN_DIM, info->remedy[screen->lang], REASON_INDENT + 2,
                REASON_INDENT + 2);
    screen_line(screen);
}

/* Do profiles that ask give different answers? */
static bool profiles_differ(const struct table *table, size_t number)
{
    enum posture_result_status seen = POSTURE_RESULT_NA;
    for (size_t i = 0; i < table->judgement->count; i++) {
        enum posture_result_status status =
            table->judged->results[i].items[number].status;
        if (status == POSTURE_RESULT_NA)
            continue;
        if (seen != POSTURE_RESULT_NA && status != seen)
            return true;
        seen = status;
    }
    return false;
}

static void cell_write(const struct table *table, size_t profile,
                       enum posture_result_status status)
{
    struct screen *screen = table->screen;
    POSTURE_AUTO_BUF struct posture_buf cell = {0};
    posture_buf_adds(&cell, screen_mark(screen, status));
    if (!table->has_marks)
        posture_buf_addf(&cell, " %s", status_word(screen, status));
    const char *text = cell.data ? cell.data : "";
    bool is_last = profile + 1 == table->judgement->count;
    screen_pad(screen, screen_style_of(status), text,
               is_last ? text_width(text) : table->cell_width);
}

static void row_write(const struct table *table, size_t number)
{
    struct screen *screen = table->screen;
    const struct posture_result *first = &table->judged->results[0].items[number];
    const struct posture_check_info *info =
        posture_check_find(table->judgement->checks, first->check);
    const char *title = info ? info->title[screen->lang] : first->check;
    screen_spaces(screen, ROW_INDENT);
    if (table->judgement->count == 1) {
        POSTURE_AUTO_BUF struct posture_buf value = {0};
        value_write(screen, first, &value);
        screen_addf(screen, screen_style_of(first->status), "%s ",
                    screen_mark(screen, first->status));
        screen_pad(screen, SCREEN_PLAIN, title, table->title_width);
        screen_pad(screen, screen_style_of(first->status),
                   status_word(screen, first->status),
                   value.len > 0 ? STATUS_WIDTH
                                 : text_width(status_word(screen, first->status)));
        size_t used = ROW_INDENT + 2 + table->title_width + STATUS_WIDTH;
        size_t room = screen->width > used ? screen->width - used : 0;
        if (value.data && text_width(value.data) > room)
            screen_pad(screen, SCREEN_PLAIN, value.data, room);
        else if (value.data)
            screen_add(screen, SCREEN_PLAIN, value.data);
    } else {
        bool differs = profiles_differ(table, number);
        screen_add(screen, SCREEN_BOLD,
                   !differs              ? "  "
                   : screen->has_unicode ? "≠ "
                                         : "* ");
        screen_pad(screen, differs ? SCREEN_BOLD : SCREEN_PLAIN, title,
                   table->title_width);
        for (size_t i = 0; i < table->judgement->count; i++)
            cell_write(table, i, table->judged->results[i].items[number].status);
    }
    screen_line(screen);
    reasons_write(table, info, number);
}

/* Nothing was measured, and every check says so in the same words: once is enough. What
 * does not apply says nothing. NULL: they differ, or something was judged. */
static const struct posture_result *unknown_throughout(const struct judgement *judgement,
                                                       const struct judged *judged)
{
    const struct posture_result *first = NULL;
    for (size_t i = 0; i < judgement->count; i++) {
        for (size_t n = 0; n < judged->results[i].count; n++) {
            const struct posture_result *result = &judged->results[i].items[n];
            if (result->status == POSTURE_RESULT_NA)
                continue;
            if (result->status != POSTURE_RESULT_UNKNOWN ||
                (first && strcmp(result->code, first->code) != 0))
                return NULL;
            first = first ? first : result;
        }
    }
    return first;
}

static void unknown_write(const struct table *table, const struct posture_result *why)
{
    struct screen *screen = table->screen;
    POSTURE_AUTO_BUF struct posture_buf text = {0};
    posture_buf_addf(
        &text, "%s %s", screen_mark(screen, POSTURE_RESULT_UNKNOWN),
        SCREEN_WORD(screen, "どのチェックも判定できない。", "No check can be judged. "));
    reason_write(screen, table->judgement, why, table->has_one_address, &text);
    screen_spaces(screen, HEADING_INDENT);
    screen_wrap(screen, SCREEN_UNKNOWN, text.data ? text.data : "?", HEADING_INDENT,
                HEADING_INDENT + 2);
    screen_line(screen);
}

/* How many of them have an exception that holds. Returns the width. */
static size_t excepted_write(const struct table *table,
                             const struct posture_results *results, size_t used)
{
    struct screen *screen = table->screen;
    size_t count = 0;
    for (size_t i = 0; i < results->count; i++) {
        bool holds;
        (void)judged_exception(table->judgement, table->judged, table->report,
                               &results->items[i], &holds);
        count += holds;
    }
    if (count == 0)
        return 0;
    POSTURE_AUTO_BUF struct posture_buf text = {0};
    posture_buf_addf(&text, SCREEN_WORD(screen, "(うち例外 %zu)", "(%zu excepted)"),
                     count);
    size_t width = text_width(text.data ? text.data : "") + 2;
    if (used + width > screen->width + 2) {
        screen_line(screen);
        screen_spaces(screen, HEADING_INDENT);
    }
    screen_add(screen, SCREEN_BOLD, text.data ? text.data : "");
    screen_add(screen, SCREEN_PLAIN, "  ");
    return width;
}

/* Numbers of each result, one line a profile; where that is too long, its title stands
 * above. */
static void counts_write(const struct table *table)
{
    static const enum posture_result_status order[] = {
        POSTURE_RESULT_FAIL, POSTURE_RESULT_WARN, POSTURE_RESULT_UNKNOWN,
        POSTURE_RESULT_PASS, POSTURE_RESULT_NA,
    };
    enum { COUNTS_WIDTH = 44 };
    struct screen *screen = table->screen;
    for (size_t i = 0; i < table->judgement->count; i++) {
        const struct posture_results *results = &table->judged->results[i];
        const char *title =
            posture_profile_title(table->judgement->profiles[i], screen->lang);
        bool is_above =
            HEADING_INDENT + COUNTS_WIDTH + 3 + text_width(title) > screen->width;
        size_t used = HEADING_INDENT;
        screen_spaces(screen, HEADING_INDENT);
        if (is_above) {
            screen_wrap(screen, SCREEN_DIM, title, HEADING_INDENT, HEADING_INDENT);
            screen_line(screen);
            screen_spaces(screen, HEADING_INDENT);
        }
        for (size_t n = 0; n < POSTURE_COUNT(order); n++) {
            size_t count = 0;
            for (size_t k = 0; k < results->count; k++)
                count += results->items[k].status == order[n];
            if (count == 0)
                continue;
            POSTURE_AUTO_BUF struct posture_buf text = {0};
            posture_buf_addf(&text, "%s %s %zu", screen_mark(screen, order[n]),
                             status_word(screen, order[n]), count);
            size_t width = text_width(text.data ? text.data : "") + 2;
            if (used + width > screen->width + 2) {
                screen_line(screen);
                screen_spaces(screen, HEADING_INDENT);
                used = HEADING_INDENT;
            }
            screen_add(screen, screen_style_of(order[n]), text.data ? text.data : "");
            screen_add(screen, SCREEN_PLAIN, "  ");
            used += width;
        }
        used += excepted_write(table, results, used);
        if (!is_above) {
            if (used < HEADING_INDENT + COUNTS_WIDTH)
                screen_spaces(screen, HEADING_INDENT + COUNTS_WIDTH - used);
            screen_add(screen, SCREEN_DIM, title);
        }
        screen_line(screen);
    }
}

static void profiles_heading(const struct table *table)
{
    struct screen *screen = table->screen;
    size_t count = table->judgement->count;
    if (count < 2)
        return;
    for (size_t i = 0; table->has_numbers && i < count; i++) {
        screen_spaces(screen, HEADING_INDENT);
        screen_addf(screen, SCREEN_BOLD, "%zu  %s", i + 1,
                    posture_profile_id(table->judgement->profiles[i]));
        screen_line(screen);
    }
    screen_spaces(screen, ROW_INDENT + 2 + table->title_width);
    for (size_t i = 0; i < count; i++) {
        char number[24];
        snprintf(number, sizeof(number), "%zu", i + 1);
        const char *text = table->has_numbers
                               ? number
                               : posture_profile_id(table->judgement->profiles[i]);
        screen_pad(screen, SCREEN_BOLD, text,
                   i + 1 == count ? text_width(text) : table->cell_width);
    }
    screen_line(screen);
}

/* Columns of several profiles: headed by id where that fits, else by number; of mark and
 * word where that fits, else of marks. */
static void widths_set(struct table *table)
{
    const struct judgement *judgement = table->judgement;
    const struct posture_results *results = &table->judged->results[0];
    size_t title = 0, id = 0, word = 0;
    for (size_t i = 0; i < results->count; i++) {
        const struct posture_check_info *info =
            posture_check_find(judgement->checks, results->items[i].check);
        size_t width =
            text_width(info ? info->title[table->screen->lang] : results->items[i].check);
        title = width > title ? width : title;
    }
    table->title_width = title + 2;
    for (size_t i = 0; i < judgement->count; i++) {
        size_t width = text_width(posture_profile_id(judgement->profiles[i]));
        id = width > id ? width : id;
    }
    for (int status = 0; status < POSTURE_RESULT_COUNT; status++) {
        size_t width =
            text_width(status_word(table->screen, (enum posture_result_status)status));
        word = width + 2 > word ? width + 2 : word;
    }
    size_t used = ROW_INDENT + 2 + table->title_width;
    size_t room = table->screen->width > used ? table->screen->width - used : 0;
    table->cell_width = (id > word ? id : word) + 2;
    table->has_numbers = judgement->count * table->cell_width > room + 2;
    if (table->has_numbers)
        table->cell_width = word + 2;
    table->has_marks = judgement->count * table->cell_width > room + 2;
    if (table->has_marks)
        table->cell_width = 4;
}

void table_report(struct screen *screen, const struct judgement *judgement,
                  const struct judged *judged, const struct posture_report *report,
                  bool is_verbose)
{
    const json_t *facts = json_object_get(report->facts, report->kind);
    struct table table = {
        .screen = screen,
        .judgement = judgement,
        .judged = judged,
        .report = report,
        .has_one_address = json_array_size(json_object_get(facts, "endpoints")) == 1,
        .is_verbose = is_verbose,
    };
    widths_set(&table);

    heading_write(screen, judgement, judged, report);
    if (strcmp(report->kind, "tls") == 0)
        table_tls_facts(screen, judgement, facts, judged->at_ns, is_verbose);
    if (strcmp(report->kind, "ssh") == 0)
        table_ssh_facts(screen, judgement, facts, is_verbose);
    if (strcmp(report->kind, "host") == 0)
        table_host_facts(screen, facts);
    screen_line(screen);
    const struct posture_result *unknown = unknown_throughout(judgement, judged);
    if (!is_verbose && unknown) {
        unknown_write(&table, unknown);
        screen_line(screen);
        return;
    }
    profiles_heading(&table);
    /* The last row of groups is the general one, and comes first; the rest as they stand.
     */
    for (size_t n = 0; n < POSTURE_COUNT(groups); n++) {
        size_t group = (n + POSTURE_COUNT(groups) - 1) % POSTURE_COUNT(groups);
        bool has_heading = false;
        for (size_t i = 0; i < judged->results[0].count; i++) {
            if (group_of(judged->results[0].items[i].check) != group)
                continue;
            if (!has_heading) {
                screen_spaces(screen, HEADING_INDENT);
                screen_add(screen, SCREEN_BOLD,
                           SCREEN_WORD(screen, groups[group].ja, groups[group].en));
                screen_line(screen);
            }
            has_heading = true;
            row_write(&table, i);
        }
    }
    screen_line(screen);
    counts_write(&table);
    screen_line(screen);
}

void table_totals_add(struct table_totals *totals, const struct judged *judged,
                      const struct posture_report *report)
{
    enum posture_result_status worst = POSTURE_RESULT_NA;
    for (size_t i = 0; i < judged->results[0].count; i++)
        worst = posture_result_worse(worst, judged->results[0].items[i].status);
    totals->subjects++;
    totals->not_measured += !judged_is_measured(report);
    totals->by_worst[worst]++;
}

void table_totals_write(struct screen *screen, const struct table_totals *totals)
{
    if (totals->subjects < 2)
        return;
    screen_addf(screen, SCREEN_BOLD, SCREEN_WORD(screen, "対象 %zu 件", "%zu subjects"),
                totals->subjects);
    screen_add(screen, SCREEN_PLAIN,
               SCREEN_WORD(screen, "、最も悪い結果: ", ", by their worst result: "));
    bool is_first = true;
    for (int status = POSTURE_RESULT_COUNT - 1; status >= 0; status--) {
        if (totals->by_worst[status] == 0)
            continue;
        if (!is_first)
            screen_add(screen, SCREEN_PLAIN, "  ");
        enum posture_result_status s = (enum posture_result_status)status;
        screen_addf(screen, screen_style_of(s), "%s %s %zu", screen_mark(screen, s),
                    status_word(screen, s), totals->by_worst[status]);
        is_first = false;
    }
    if (totals->not_measured > 0)
        screen_addf(
            screen, SCREEN_UNKNOWN,
            SCREEN_WORD(screen, "(測定できず %zu)", "  (%zu could not be measured)"),
            totals->not_measured);
    screen_line(screen);
}
