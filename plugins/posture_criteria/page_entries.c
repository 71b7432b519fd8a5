/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#include "posture_criteria/page_entries.h"

#include "common/base/mem.h"
#include "common/report/json.h"

#include <errno.h>
#include <string.h>

static const char *text_or(const char *text, const char *otherwise)
{
    return text ? text : otherwise;
}

static int compare_text(const char *a, const char *b)
{
    return strcmp(text_or(a, ""), text_or(b, ""));
}

/* Entries of one problem compare equal. What could not be judged is one problem by its
 * reason, whatever check asked: a server that refuses is not repaired check by check. */
static int entry_compare_problem(const struct posture_page_entry *a,
                                 const struct posture_page_entry *b)
{
    if (a->trouble != b->trouble)
        return a->trouble < b->trouble ? -1 : 1;
    if (a->trouble == POSTURE_TROUBLE_UNKNOWN && a->code && b->code)
        return strcmp(a->code, b->code);
    if (a->trouble == POSTURE_TROUBLE_UNKNOWN && (a->code || b->code))
        return a->code ? 1 : -1;
    return compare_text(a->check, b->check);
}

/* Order in which one subject's entries of several criteria fall together. */
static int entry_compare_same(const void *va, const void *vb)
{
    const struct posture_page_entry *a = va, *b = vb;
    int r;

    if ((r = entry_compare_problem(a, b)) != 0)
        return r;
    if (a->agency != b->agency)
        return a->agency < b->agency ? -1 : 1;
    if ((r = compare_text(a->subject, b->subject)) != 0)
        return r;
    return compare_text(a->code, b->code);
}

static bool entry_fill(struct posture_page_entry *entry, const json_t *json,
                       size_t agency, size_t criterion)
{
    *entry = (struct posture_page_entry){
        .agency = agency,
        .subject = posture_json_string(json, "subject"),
        .check = posture_json_string(json, "check"),
        .code = posture_json_string(json, "code"),
        .reporter = posture_json_string(json, "reporter"),
        .args = json_object_get(json, "args"),
        .is_excepted = json_is_true(json_object_get(json, "excepted")),
        .criteria = UINT64_C(1) << criterion,
        .weight = 1,
        .since_ns = posture_page_member_time(json, "since"),
        .time_ns = posture_page_member_time(json, "time"),
    };
    if (!entry->subject ||
        !posture_trouble_from_name(posture_json_string(json, "result"), &entry->trouble))
        return false;
    /* Nothing was judged: a check that stands there all the same says nothing. */
    if (entry->trouble == POSTURE_TROUBLE_MISSING ||
        entry->trouble == POSTURE_TROUBLE_STALE)
        entry->check = entry->code = NULL;
    double missing = json_number_value(json_object_get(entry->args, "missing"));
    if (entry->trouble == POSTURE_TROUBLE_MISSING && missing > 1 && missing < 9e15)
        entry->weight = (uint64_t)missing;
    return true;
}

static void entries_merge(struct posture_page_model *model)
{
    size_t kept = 0;

    qsort(model->entries, model->entry_count, sizeof(*model->entries),
          entry_compare_same);
    for (size_t i = 0; i < model->entry_count; i++) {
        struct posture_page_entry *last = kept ? &model->entries[kept - 1] : NULL;
        const struct posture_page_entry *entry = &model->entries[i];

        if (last && entry_compare_same(last, entry) == 0) {
            last->criteria |= entry->criteria;
            last->is_excepted = last->is_excepted || entry->is_excepted;
            posture_page_oldest_take(&last->since_ns, entry->since_ns);
        } else {
            model->entries[kept++] = *entry;
        }
    }
    model->entry_count = kept;
}

int posture_page_entries_fill(struct posture_page_model *model, const json_t *index,
                              struct posture_error *reterr)
{
    const json_t *list = json_object_get(model->json, "evaluations");
    size_t i, count = 0;
    json_t *eval;

    json_array_foreach (list, i, eval) {
        if (posture_page_scope_agency(model, index, eval))
            count += json_array_size(json_object_get(eval, "not_achieved"));
    }
    if (count > POSTURE_PAGE_ENTRIES_MAX)
        return posture_error_set(reterr, POSTURE_E_LIMIT,
                                 "more than %d entries not achieved",
                                 POSTURE_PAGE_ENTRIES_MAX);
    model->entries = posture_calloc(count ? count : 1, sizeof(*model->entries));
    if (!model->entries)
        return -ENOMEM;
    json_array_foreach (list, i, eval) {
        const struct posture_page_agency *agency =
            posture_page_scope_agency(model, index, eval);
        long criterion = posture_page_criterion_find(
            model, text_or(posture_json_string(eval, "criterion"), ""));
        size_t k;
        json_t *json;

        if (!agency || criterion < 0)
            continue;
        json_array_foreach (json_object_get(eval, "not_achieved"), k, json) {
            if (entry_fill(&model->entries[model->entry_count], json,
                           (size_t)(agency - model->agencies), (size_t)criterion))
                model->entry_count++;
        }
    }
    entries_merge(model);
    return 0;
}

static int problem_compare(const void *va, const void *vb)
{
    const struct posture_page_problem *a = va, *b = vb;

    bool is_warn_a = a->trouble == POSTURE_TROUBLE_WARN,
         is_warn_b = b->trouble == POSTURE_TROUBLE_WARN;

    if (is_warn_a != is_warn_b)
        return is_warn_a ? 1 : -1;
    if (a->subjects != b->subjects)
        return a->subjects > b->subjects ? -1 : 1;
    if (a->trouble != b->trouble)
        return a->trouble < b->trouble ? -1 : 1;
    return compare_text(a->check, b->check);
}

int posture_page_problems_fill(struct posture_page_model *model)
{
    const struct posture_page_entry *entries = model->entries, *last = NULL;
    struct posture_page_problem *problem = NULL;

    for (size_t i = 0; i < model->entry_count; i++) {
        const struct posture_page_entry *entry = &entries[i];

        if (!last || entry_compare_problem(last, entry) != 0) {
            struct posture_page_problem *grown = posture_reallocarray(
                model->problems, model->problem_count + 1, sizeof(*grown));

            if (!grown)
                return -ENOMEM;
            model->problems = grown;
            problem = &grown[model->problem_count++];
            *problem = (struct posture_page_problem){
                .trouble = entry->trouble, .check = entry->check, .first = i};
            last = NULL;
        }
        problem->count++;
        problem->agencies += !last || last->agency != entry->agency;
        if (!last || last->agency != entry->agency ||
            strcmp(last->subject, entry->subject) != 0)
            problem->subjects += entry->weight;
        posture_page_oldest_take(&problem->since_ns, entry->since_ns);
        last = entry;
    }
    if (model->problem_count)
        qsort(model->problems, model->problem_count, sizeof(*model->problems),
              problem_compare);
    return 0;
}
