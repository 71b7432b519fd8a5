/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#include "posture_criteria/evaluation.h"

#include "common/base/clock.h"

#include <errno.h>
#include <string.h>

enum { STALE_GRACE_S = 600 };

int64_t posture_stale_after_ns(const struct posture_registry_index *registry,
                               const char *kind, double interval_s)
{
    if (strcmp(kind, "incidents") == 0)
        return INT64_MAX;
    double max = posture_registry_max_interval_s(registry, kind);
    if (!(interval_s > 0) || interval_s > max)
        interval_s = max;
    return (int64_t)((2 * interval_s + STALE_GRACE_S) * 1e9);
}

static int kind_compare(const struct posture_record *x, const struct posture_record *y)
{
    size_t x_len = (size_t)(x->subject_at - x->kind_at);
    size_t y_len = (size_t)(y->subject_at - y->kind_at);
    int order =
        memcmp(x->key + x->kind_at, y->key + y->kind_at, x_len < y_len ? x_len : y_len);
    return order ? order : (x_len > y_len) - (x_len < y_len);
}

/* By kind first: two kinds may share a subject, and its reporters must stand together. */
static int record_compare(const void *a, const void *b)
{
    const struct posture_record *x = *(struct posture_record *const *)a;
    const struct posture_record *y = *(struct posture_record *const *)b;
    int order = kind_compare(x, y);
    if (order == 0)
        order = strcmp(posture_record_subject(x), posture_record_subject(y));
    return order ? order : strcmp(x->key, y->key);
}

int posture_agency_view_fill(const struct posture_state *state, const char *agency,
                             struct posture_agency_view *ret)
{
    const struct posture_agency_state *has = posture_state_agency(state, agency);
    struct posture_agency_view view = {0};
    if (has && has->count > 0) {
        view.records = posture_calloc(has->count, sizeof(struct posture_record *));
        if (!view.records)
            return -ENOMEM;
        for (struct posture_record *record = has->first; record; record = record->next) {
            if (record->is_present &&
                !(record->content.flags & POSTURE_JUDGEMENT_RETIRED))
                view.records[view.count++] = record;
        }
        if (view.count > 0)
            qsort(view.records, view.count, sizeof(struct posture_record *),
                  record_compare);
    }
    *ret = view;
    return 0;
}

void posture_agency_view_done(struct posture_agency_view *view)
{
    free(view->records);
    *view = (struct posture_agency_view){0};
}

void posture_tally_done(struct posture_tally *tally)
{
    free(tally->list);
    *tally = (struct posture_tally){.next_change_ns = INT64_MAX};
}

uint64_t posture_tally_expected(const struct posture_tally *tally)
{
    uint64_t expected = 0;
    for (int i = 0; i < POSTURE_STANDING_COUNT; i++)
        expected += i == POSTURE_STANDING_NA ? 0 : tally->counts[i];
    return expected;
}

static int shortfall_compare(const void *a, const void *b)
{
    const struct posture_shortfall *x = a;
    const struct posture_shortfall *y = b;
    if (x->standing != y->standing)
        return x->standing < y->standing ? -1 : 1;
    int order = strcmp(x->agency, y->agency);
    return order ? order : strcmp(x->subject, y->subject);
}

/* The worst ones stay. */
static void list_cut(struct posture_tally *tally)
{
    if (tally->list_count > 1)
        qsort(tally->list, tally->list_count, sizeof(*tally->list), shortfall_compare);
    if (tally->list_count > POSTURE_EVALUATION_LIST_MAX) {
        tally->list_count = POSTURE_EVALUATION_LIST_MAX;
        tally->is_truncated = true;
    }
    tally->sorted_count = tally->list_count;
}

static int list_add(struct posture_tally *tally,
                    const struct posture_shortfall *shortfall)
{
    if (tally->list_count == tally->list_cap) {
        /* Cutting now and then bounds the memory by the limit, not by the number of
         * subjects. */
        if (tally->list_count >= 4 * POSTURE_EVALUATION_LIST_MAX) {
            list_cut(tally);
        } else {
            size_t cap = tally->list_cap ? tally->list_cap * 2 : 16;
            struct posture_shortfall *list =
                posture_reallocarray(tally->list, cap, sizeof(*list));
            if (!list)
                return -ENOMEM;
            tally->list = list;
            tally->list_cap = cap;
        }
    }
    tally->list[tally->list_count++] = *shortfall;
    return 0;
}

/* What a criterion says of one record. */
struct outcome {
    enum posture_result_status status;
    const char *check; /* the first of the worst; NULL when na */
    int64_t since_ns;
    bool is_covered;
    bool is_excepted;
};

/* Check ids as the state's words, looked up once per criterion. */
enum { CHECKS_MAX = POSTURE_RESULTS_MAX };

static enum posture_result_status
check_status(const struct posture_criterion_check *check,
             const struct posture_record_item *item)
{
    if (!item)
        return POSTURE_RESULT_UNKNOWN;
    enum posture_result_status status = (enum posture_result_status)item->status;
    if (!check->has_min || status == POSTURE_RESULT_NA ||
        status == POSTURE_RESULT_UNKNOWN)
        return status;
    if (!item->has_value)
        return POSTURE_RESULT_UNKNOWN;
    /* The criterion's own bar takes the place of the check's. */
    return (double)item->value >= check->min ? POSTURE_RESULT_PASS : POSTURE_RESULT_FAIL;
}

static struct outcome record_outcome(const struct posture_evaluation_context *context,
                                     const struct posture_agency *agency,
                                     const struct posture_criterion *criterion,
                                     const int words[],
                                     const struct posture_record *record)
{
    struct outcome outcome = {.status = POSTURE_RESULT_NA, .is_covered = true};
    for (size_t i = 0; i < criterion->check_count; i++) {
        const struct posture_criterion_check *check = &criterion->checks[i];
        const struct posture_record_item *item =
            posture_record_item(&record->content, words[i]);
        enum posture_result_status status = check_status(check, item);
        if (status == POSTURE_RESULT_NA)
            continue;
        outcome.is_covered = outcome.is_covered && status != POSTURE_RESULT_UNKNOWN;
        if (status != POSTURE_RESULT_PASS &&
            posture_agency_is_excepted(agency, posture_record_subject(record),
                                       check->check, context->now_ns))
            outcome.is_excepted = true;
        if (outcome.check &&
            posture_result_worse(outcome.status, status) == outcome.status)
            continue;
        outcome.status = status;
        outcome.check = check->check;
        outcome.since_ns = item ? item->since_ns : 0;
    }
    outcome.is_covered = outcome.is_covered && outcome.check;
    return outcome;
}

static enum posture_standing standing_of(enum posture_result_status status)
{
    static const enum posture_standing standings[POSTURE_RESULT_COUNT] = {
        [POSTURE_RESULT_NA] = POSTURE_STANDING_NA,
        [POSTURE_RESULT_PASS] = POSTURE_STANDING_PASS,
        [POSTURE_RESULT_WARN] = POSTURE_STANDING_WARN,
        [POSTURE_RESULT_UNKNOWN] = POSTURE_STANDING_UNKNOWN,
        [POSTURE_RESULT_FAIL] = POSTURE_STANDING_FAIL,
    };
    return standings[status];
}

/* Everything that is asked while one agency is tallied. */
struct work {
    const struct posture_evaluation_context *context;
    const struct posture_agency *agency;
    const struct posture_criterion *criterion;
    int words[CHECKS_MAX];
    bool *exact_seen;
    uint64_t *pattern_seen;
    struct posture_tally *tally;
};

static void times_note(struct posture_tally *tally, int64_t time_ns)
{
    if (!tally->oldest_ns || time_ns < tally->oldest_ns)
        tally->oldest_ns = time_ns;
    if (time_ns > tally->newest_ns)
        tally->newest_ns = time_ns;
}

/* Is the subject expected, and by what? */
static bool register_subject(struct work *work, const char *subject)
{
    const struct posture_agency *agency = work->agency;
    const struct posture_inventory_entry *entry =
        posture_agency_exact(agency, work->criterion->kind, subject);
    if (entry) {
        work->exact_seen[entry - agency->exact] = true;
        return true;
    }
    entry = posture_agency_pattern(agency, work->criterion->kind, subject);
    if (entry)
        work->pattern_seen[entry - agency->patterns]++;
    return entry;
}

/* One subject, seen by one or more reporters: the worst fresh result counts once. */
static int subject_tally(struct work *work, struct posture_record *const *records,
                         size_t count)
{
    const struct posture_evaluation_context *context = work->context;
    struct posture_tally *tally = work->tally;
    struct posture_record *worst = NULL, *newest = NULL;
    struct outcome worst_outcome = {0};
    for (size_t i = 0; i < count; i++) {
        struct posture_record *record = records[i];
        int64_t stale_after = posture_stale_after_ns(
            context->registry, work->criterion->kind, (double)record->content.interval_s);
        int64_t stale_ns = stale_after < INT64_MAX - record->content.time_ns
                               ? record->content.time_ns + stale_after
                               : INT64_MAX;
        if (!newest || record->content.time_ns > newest->content.time_ns)
            newest = record;
        if (context->now_ns > stale_ns)
            continue;
        if (stale_ns < tally->next_change_ns)
            tally->next_change_ns = stale_ns + 1;
        struct outcome outcome =
            record_outcome(context, work->agency, work->criterion, work->words, record);
        if (!worst || (outcome.status != worst_outcome.status &&
                       posture_result_worse(outcome.status, worst_outcome.status) ==
                           outcome.status)) {
            worst = record;
            worst_outcome = outcome;
        }
    }
    if (!register_subject(work, posture_record_subject(newest))) {
        tally->unregistered++;
        return 0;
    }

    struct posture_record *shown = worst ? worst : newest;
    enum posture_standing standing =
        worst ? standing_of(worst_outcome.status) : POSTURE_STANDING_STALE;
    times_note(tally, shown->content.time_ns);
    tally->counts[standing]++;
    if (standing == POSTURE_STANDING_PASS || standing == POSTURE_STANDING_NA) {
        tally->covered += standing == POSTURE_STANDING_PASS;
        return 0;
    }
    tally->covered += worst && worst_outcome.is_covered;
    tally->excepted += worst && worst_outcome.is_excepted;
    struct posture_shortfall shortfall = {
        .agency = work->agency->id,
        .subject = posture_record_subject(shown),
        .record = shown,
        .check = worst ? worst_outcome.check : NULL,
        .standing = standing,
        .since_ns = worst_outcome.since_ns,
        .is_excepted = worst && worst_outcome.is_excepted,
    };
    if (!worst) {
        int64_t stale_after = posture_stale_after_ns(
            context->registry, work->criterion->kind, (double)shown->content.interval_s);
        shortfall.since_ns = shown->content.time_ns + stale_after;
    }
    return list_add(tally, &shortfall);
}

static int missing_tally(struct work *work)
{
    const struct posture_agency *agency = work->agency;
    struct posture_shortfall shortfall = {.agency = agency->id,
                                          .standing = POSTURE_STANDING_MISSING};
    for (size_t i = 0; i < agency->exact_count; i++) {
        if (work->exact_seen[i] ||
            strcmp(agency->exact[i].kind, work->criterion->kind) != 0)
            continue;
        shortfall.subject = agency->exact[i].subject;
        work->tally->counts[POSTURE_STANDING_MISSING]++;
        POSTURE_TRY(list_add(work->tally, &shortfall));
    }
    for (size_t i = 0; i < agency->pattern_count; i++) {
        const struct posture_inventory_entry *entry = &agency->patterns[i];
        if (strcmp(entry->kind, work->criterion->kind) != 0 ||
            work->pattern_seen[i] >= entry->expected)
            continue;
        shortfall.subject = entry->pattern;
        shortfall.missing = entry->expected - (uint32_t)work->pattern_seen[i];
        work->tally->counts[POSTURE_STANDING_MISSING] += shortfall.missing;
        POSTURE_TRY(list_add(work->tally, &shortfall));
    }
    return 0;
}

/* Exceptions are counted, so that the end of one is a change like staleness. */
static void exceptions_note(struct work *work)
{
    for (size_t i = 0; i < work->agency->exception_count; i++) {
        int64_t expires_ns = work->agency->exceptions[i].expires_ns;
        if (expires_ns > work->context->now_ns &&
            expires_ns < work->tally->next_change_ns)
            work->tally->next_change_ns = expires_ns;
    }
}

static int agency_tally(struct work *work, const struct posture_agency_view *view)
{
    size_t i = 0;
    exceptions_note(work);
    while (i < view->count) {
        struct posture_record *first = view->records[i];
        if (!posture_record_is_kind(first, work->criterion->kind)) {
            i++;
            continue;
        }
        size_t end = i + 1;
        while (end < view->count &&
               posture_record_is_kind(view->records[end], work->criterion->kind) &&
               strcmp(posture_record_subject(view->records[end]),
                      posture_record_subject(first)) == 0)
            end++;
        POSTURE_TRY(subject_tally(work, view->records + i, end - i));
        i = end;
    }
    POSTURE_TRY(missing_tally(work));
    list_cut(work->tally);
    return 0;
}

int posture_tally_agency(const struct posture_evaluation_context *context,
                         const struct posture_agency *agency,
                         const struct posture_criterion *criterion,
                         const struct posture_agency_view *view,
                         struct posture_tally *ret)
{
    struct work work = {
        .context = context, .agency = agency, .criterion = criterion, .tally = ret};
    *ret = (struct posture_tally){.next_change_ns = INT64_MAX};
    if (criterion->check_count > CHECKS_MAX)
        return POSTURE_E_LIMIT;
    for (size_t i = 0; i < criterion->check_count; i++)
        work.words[i] =
            posture_state_word_find(context->state, criterion->checks[i].check);

    POSTURE_AUTO_FREE char *seen =
        posture_calloc(agency->exact_count + 1, sizeof(*work.exact_seen));
    POSTURE_AUTO_FREE char *counts =
        posture_calloc(agency->pattern_count + 1, sizeof(*work.pattern_seen));
    if (!seen || !counts)
        return -ENOMEM;
    work.exact_seen = (bool *)(void *)seen;
    work.pattern_seen = (uint64_t *)(void *)counts;
    int r = agency_tally(&work, view);
    if (r < 0)
        posture_tally_done(ret);
    return r;
}

int posture_tally_add(struct posture_tally *sum, const struct posture_tally *from)
{
    for (int i = 0; i < POSTURE_STANDING_COUNT; i++)
        sum->counts[i] += from->counts[i];
    sum->covered += from->covered;
    sum->excepted += from->excepted;
    sum->unregistered += from->unregistered;
    if (from->oldest_ns && (!sum->oldest_ns || from->oldest_ns < sum->oldest_ns))
        sum->oldest_ns = from->oldest_ns;
    if (from->newest_ns > sum->newest_ns)
        sum->newest_ns = from->newest_ns;
    if (from->next_change_ns < sum->next_change_ns)
        sum->next_change_ns = from->next_change_ns;
    sum->is_truncated = sum->is_truncated || from->is_truncated;
    for (size_t i = 0; i < from->list_count; i++) {
        /* Both are sorted as far as this looks: what is behind the last that stays, and
         * all after it, would only be cut again. */
        if (sum->sorted_count == POSTURE_EVALUATION_LIST_MAX &&
            shortfall_compare(&from->list[i],
                              &sum->list[POSTURE_EVALUATION_LIST_MAX - 1]) > 0) {
            sum->is_truncated = true;
            break;
        }
        POSTURE_TRY(list_add(sum, &from->list[i]));
    }
    return 0;
}

void posture_tally_cut(struct posture_tally *tally)
{
    list_cut(tally);
}
