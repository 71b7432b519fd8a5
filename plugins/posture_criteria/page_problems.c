/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#include "posture_criteria/page_parts.h"

#include "common/report/json.h"

#include <string.h>

/* Which entries of a problem a page shows. */
struct filter {
    long agency; /* -1: all */
    uint64_t criteria;
};

/* What is left of a problem behind the filter. */
struct share {
    uint64_t subjects;
    size_t agencies, entries;
    int64_t since_ns;
    const struct posture_page_entry *example;
};

enum { NAMES_MAX = 4 };

static bool filter_takes(const struct filter *filter,
                         const struct posture_page_entry *entry)
{
    return (filter->agency < 0 || entry->agency == (size_t)filter->agency) &&
           (entry->criteria & filter->criteria) != 0;
}

static struct share share_count(const struct posture_page *page,
                                const struct posture_page_problem *problem,
                                const struct filter *filter)
{
    struct share share = {0};
    const struct posture_page_entry *last = NULL;

    for (size_t i = 0; i < problem->count; i++) {
        const struct posture_page_entry *entry =
            &page->model->entries[problem->first + i];

        if (!filter_takes(filter, entry))
            continue;
        if (!share.example)
            share.example = entry;
        share.entries++;
        share.agencies += !last || last->agency != entry->agency;
        if (!last || last->agency != entry->agency ||
            strcmp(last->subject, entry->subject) != 0)
            share.subjects += entry->weight;
        if (entry->since_ns && (!share.since_ns || entry->since_ns < share.since_ns))
            share.since_ns = entry->since_ns;
        last = entry;
    }
    return share;
}

void posture_page_reason(const struct posture_page *page,
                         const struct posture_page_entry *entry)
{
    POSTURE_AUTO_BUF struct posture_buf sentence = {0};

    if (entry->trouble == POSTURE_TROUBLE_STALE) {
        posture_page_word(page, POSTURE_TEXT_STALE_WHY);
    } else if (entry->trouble == POSTURE_TROUBLE_MISSING) {
        posture_page_word(page, POSTURE_TEXT_MISSING_WHY);
    } else if (page->view->checks && entry->code &&
               posture_check_reason(page->view->checks, entry->code, entry->args,
                                    page->lang, &sentence) == 0 &&
               sentence.len) {
        posture_html_text_len(page->out, sentence.data, sentence.len);
    } else if (entry->code) {
        posture_page_adds(page, "<code>");
        posture_page_text(page, entry->code);
        posture_page_adds(page, "</code>");
    }
}

static const struct posture_check_info *check_info(const struct posture_page *page,
                                                   const char *check)
{
    return page->view->checks && check ? posture_check_find(page->view->checks, check)
                                       : NULL;
}

/* Unknown because nothing could be measured, whatever the check: the check's remedy would
 * mislead. */
static bool problem_is_unmeasured(const struct posture_page *page,
                                  const struct posture_page_problem *problem)
{
    static const char *const prefixes[] = {"endpoint.", "resolution.", "facts."};
    const char *code = page->model->entries[problem->first].code;

    for (size_t i = 0; i < POSTURE_COUNT(prefixes); i++) {
        if (problem->trouble == POSTURE_TROUBLE_UNKNOWN && code &&
            strncmp(code, prefixes[i], strlen(prefixes[i])) == 0)
            return true;
    }
    return false;
}

static void problem_title(const struct posture_page *page,
                          const struct posture_page_problem *problem)
{
    const struct posture_check_info *info = check_info(page, problem->check);

    if (info && info->title[page->lang])
        posture_page_text(page, info->title[page->lang]);
    else if (problem->check)
        posture_page_text(page, problem->check);
    else
        posture_page_text(page, posture_text_trouble(problem->trouble, page->lang));
}

static void problem_remedy(const struct posture_page *page,
                           const struct posture_page_problem *problem)
{
    const struct posture_check_info *info = check_info(page, problem->check);
    const char *remedy = info ? info->remedy[page->lang] : NULL;

    if (problem->trouble == POSTURE_TROUBLE_STALE)
        remedy = posture_text(POSTURE_TEXT_STALE_DO, page->lang);
    else if (problem->trouble == POSTURE_TROUBLE_MISSING)
        remedy = posture_text(POSTURE_TEXT_MISSING_DO, page->lang);
    else if (problem_is_unmeasured(page, problem))
        remedy = posture_text(POSTURE_TEXT_UNKNOWN_DO, page->lang);
    if (!remedy)
        return;
    posture_page_adds(page, "<span class=\"do\"><b>");
    posture_page_word(page, POSTURE_TEXT_DO);
    posture_page_adds(page, "</b> ");
    posture_page_text(page, remedy);
    posture_page_adds(page, "</span>");
}

struct place {
    size_t agency;
    uint64_t subjects;
};

/* The agencies with most of it, most first. Returns how many were filled in. */
static size_t places_find(const struct posture_page *page,
                          const struct posture_page_problem *problem,
                          const struct filter *filter, struct place *ret_places)
{
    size_t count = 0, i = 0;

    while (i < problem->count) {
        const struct posture_page_entry *entry =
            &page->model->entries[problem->first + i];
        struct place place = {.agency = entry->agency};

        for (; i < problem->count && entry->agency == place.agency; i++, entry++) {
            if (filter_takes(filter, entry))
                place.subjects += entry->weight;
        }
        size_t at = count;
        while (at > 0 && ret_places[at - 1].subjects < place.subjects)
            at--;
        if (place.subjects == 0 || at == NAMES_MAX)
            continue;
        if (count < NAMES_MAX)
            count++;
        memmove(&ret_places[at + 1], &ret_places[at],
                (count - at - 1) * sizeof(*ret_places));
        ret_places[at] = place;
    }
    return count;
}

/* "Records 6, Aoba 3 and 2 more" */
static void problem_where(const struct posture_page *page,
                          const struct posture_page_problem *problem,
                          const struct filter *filter, const struct share *share)
{
    struct place places[NAMES_MAX];
    size_t named = places_find(page, problem, filter, places);

    for (size_t i = 0; i < named; i++) {
        posture_page_adds(page, "<span class=\"chip\">");
        posture_page_text(page, posture_page_agency_name(page, places[i].agency));
        posture_page_adds(page, " <b>");
        posture_html_count(page->out, places[i].subjects);
        posture_page_adds(page, "</b></span>");
    }
    if (share->agencies > named) {
        posture_page_adds(page, "<span class=\"chip\">");
        posture_page_word_n(page, POSTURE_TEXT_AND_MORE, share->agencies - named);
        posture_page_adds(page, "</span>");
    }
}

static void since_add(const struct posture_page *page, int64_t since_ns)
{
    if (since_ns == 0)
        return;
    posture_html_date(page->out, since_ns);
    posture_page_adds(page, " (");
    posture_html_duration(page->out, page->view->now_ns - since_ns, page->lang);
    posture_page_adds(page, ")");
}

static void entry_row(const struct posture_page *page,
                      const struct posture_page_entry *entry, bool with_agency)
{
    posture_page_adds(page, "<li>");
    if (with_agency) {
        posture_page_adds(page, "<span class=\"who\">");
        posture_page_agency_link(page, entry->agency);
        posture_page_adds(page, "</span> ");
    }
    posture_page_adds(page, "<code class=\"subject\">");
    posture_page_text(page, entry->subject);
    posture_page_adds(page, "</code>");
    if (entry->weight > 1) {
        posture_page_adds(page, " <b>×");
        posture_html_count(page->out, entry->weight);
        posture_page_adds(page, "</b>");
    }
    if (entry->is_excepted) {
        posture_page_adds(page, " <span class=\"chip\">");
        posture_page_word(page, POSTURE_TEXT_EXCEPTED);
        posture_page_adds(page, "</span>");
    }
    posture_page_adds(page, "<span class=\"why\">");
    posture_page_reason(page, entry);
    posture_page_adds(page, "</span><span class=\"fine\">");
    if (entry->since_ns) {
        posture_page_word(page, POSTURE_TEXT_SINCE);
        posture_page_adds(page, " ");
        since_add(page, entry->since_ns);
    }
    if (entry->time_ns) {
        posture_page_adds(page, entry->since_ns ? " · " : "");
        posture_page_word(page, POSTURE_TEXT_LAST_REPORT);
        posture_page_adds(page, " ");
        posture_page_age(page, entry->time_ns);
    }
    if (entry->reporter) {
        posture_page_adds(page, " · ");
        posture_page_word(page, POSTURE_TEXT_REPORTER);
        posture_page_adds(page, " ");
        posture_page_text(page, entry->reporter);
    }
    posture_page_adds(page, "</span></li>");
}

static void problem_entries(const struct posture_page *page,
                            const struct posture_page_problem *problem,
                            const struct filter *filter, const struct share *share,
                            size_t limit)
{
    size_t shown = 0;

    posture_page_adds(page, "<ul class=\"entries\">");
    for (size_t i = 0; i < problem->count && shown < limit; i++) {
        const struct posture_page_entry *entry =
            &page->model->entries[problem->first + i];

        if (!filter_takes(filter, entry))
            continue;
        entry_row(page, entry, filter->agency < 0);
        shown++;
    }
    if (shown < share->entries) {
        posture_page_adds(page, "<li class=\"fine\">");
        posture_page_word_n(page, POSTURE_TEXT_AND_MORE, share->entries - shown);
        posture_page_adds(page, "</li>");
    }
    posture_page_adds(page, "</ul>");
}

static void problem_criteria(const struct posture_page *page,
                             const struct posture_page_problem *problem,
                             const struct filter *filter)
{
    uint64_t held = 0;
    bool first = true;

    for (size_t i = 0; i < problem->count; i++) {
        const struct posture_page_entry *entry =
            &page->model->entries[problem->first + i];

        if (filter_takes(filter, entry))
            held |= entry->criteria;
    }
    posture_page_adds(page, "<p class=\"fine\">");
    posture_page_word(page, POSTURE_TEXT_IN_N_CRITERIA);
    posture_page_adds(page, ": ");
    for (size_t c = 0; c < page->model->criterion_count; c++) {
        if (!(held & (UINT64_C(1) << c)))
            continue;
        posture_page_adds(page, first ? "" : " · ");
        posture_page_criterion_link(page, c);
        first = false;
    }
    posture_page_adds(page, "</p>");
}

static void problem_card(const struct posture_page *page,
                         const struct posture_page_problem *problem,
                         const struct filter *filter, const struct share *share,
                         bool is_full, bool is_open, size_t entry_limit)
{
    const char *name = posture_trouble_name(problem->trouble);

    posture_buf_addf(page->out, "<li><details class=\"problem t-%s%s\"%s><summary>", name,
                     is_full ? "" : " brief", is_open ? " open" : "");
    posture_buf_addf(page->out, "<span class=\"head\"><span class=\"pill t-%s\">", name);
    posture_page_icon(page, name);
    posture_page_text(page, posture_text_trouble(problem->trouble, page->lang));
    posture_page_adds(page, "</span> ");
    if (problem->check && !problem_is_unmeasured(page, problem)) {
        posture_page_adds(page, "<b class=\"title\">");
        problem_title(page, problem);
        posture_page_adds(page, "</b>");
    }
    posture_page_adds(page, "<span class=\"n\"><b>");
    posture_page_word_n(page, POSTURE_TEXT_SUBJECTS_N, share->subjects);
    posture_page_adds(page, "</b>");
    if (filter->agency < 0) {
        posture_page_adds(page, " · ");
        posture_page_word_n(page, POSTURE_TEXT_AGENCIES_N, share->agencies);
    }
    posture_page_adds(page, "</span></span>");
    if (is_full) {
        posture_page_adds(page, "<span class=\"why\">");
        if (share->entries > 1 && share->example->args) {
            posture_page_adds(page, "<small>");
            posture_page_word(page, POSTURE_TEXT_EXAMPLE);
            posture_page_adds(page, "</small> ");
        }
        posture_page_reason(page, share->example);
        posture_page_adds(page, "</span>");
        problem_remedy(page, problem);
        posture_page_adds(page, "<span class=\"where\">");
        if (filter->agency < 0)
            problem_where(page, problem, filter, share);
        if (share->since_ns) {
            posture_page_adds(page, "<span class=\"since\">");
            posture_page_word(page, POSTURE_TEXT_SINCE);
            posture_page_adds(page, " ");
            since_add(page, share->since_ns);
            posture_page_adds(page, "</span>");
        }
        posture_page_adds(page, "</span>");
    }
    posture_page_adds(page, "</summary>");
    if (!is_full)
        problem_remedy(page, problem);
    problem_criteria(page, problem, filter);
    problem_entries(page, problem, filter, share, entry_limit);
    posture_page_adds(page, "</details></li>");
}

void posture_page_problems(const struct posture_page *page, long agency,
                           uint64_t criteria, size_t full_count, size_t entry_limit)
{
    struct filter filter = {.agency = agency, .criteria = criteria};
    size_t shown = 0;

    if (agency < 0 && page->model->is_truncated) {
        posture_page_adds(page, "<p class=\"fine\">");
        posture_page_word(page, POSTURE_TEXT_LISTS_CUT);
        posture_page_adds(page, "</p>");
    }
    posture_page_adds(page, "<ol class=\"problems\">");
    for (size_t i = 0; i < page->model->problem_count; i++) {
        const struct posture_page_problem *problem = &page->model->problems[i];
        struct share share = share_count(page, problem, &filter);

        if (share.entries == 0)
            continue;
        problem_card(page, problem, &filter, &share, shown < full_count, agency >= 0,
                     entry_limit);
        shown++;
    }
    posture_page_adds(page, "</ol>");
    if (shown == 0) {
        posture_page_adds(page, "<p class=\"calm\">");
        posture_page_icon(page, "met");
        posture_page_word(page, POSTURE_TEXT_NOTHING_FAILS);
        posture_page_adds(page, "</p>");
    }
}
