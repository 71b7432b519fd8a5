/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#include "posture_criteria/page_model.h"
#include "posture_criteria/page_entries.h"

#include "common/base/clock.h"
#include "common/report/json.h"

#include <errno.h>
#include <math.h>
#include <string.h>

static const char *const trouble_names[POSTURE_TROUBLE_COUNT] = {
    "fail", "missing", "stale", "unknown", "warn",
};

/* The areas of the strategy, in its order; others follow as they come. */
static const char *const area_order[] = {
    "central-government", "local-government", "critical-infrastructure",
    "business",           "individual",
};

const char *posture_trouble_name(enum posture_trouble trouble)
{
    return trouble_names[trouble];
}

bool posture_trouble_from_name(const char *name, enum posture_trouble *ret)
{
    for (int i = 0; name && i < POSTURE_TROUBLE_COUNT; i++) {
        if (strcmp(name, trouble_names[i]) == 0) {
            *ret = (enum posture_trouble)i;
            return true;
        }
    }
    return false;
}

static const char *text_or(const char *text, const char *otherwise)
{
    return text ? text : otherwise;
}

int64_t posture_page_member_time(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    int64_t ns = 0;

    if (!text || posture_time_parse(text, strlen(text), &ns) < 0)
        return 0;
    return ns;
}

static uint64_t member_count(const json_t *object, const char *key)
{
    double v = json_number_value(json_object_get(object, key));

    return v > 0 && v < 9e15 ? (uint64_t)v : 0;
}

static bool member_ratio(const json_t *object, const char *key, double *ret)
{
    const json_t *v = json_object_get(object, key);

    if (!json_is_number(v) || !isfinite(json_number_value(v)))
        return false;
    *ret = json_number_value(v);
    return true;
}

void posture_page_oldest_take(int64_t *oldest, int64_t ns)
{
    if (ns != 0 && (*oldest == 0 || ns < *oldest))
        *oldest = ns;
}

static void newest_take(int64_t *newest, int64_t ns)
{
    if (ns > *newest)
        *newest = ns;
}

const char *posture_page_localised(const json_t *object, const char *key,
                                   enum posture_lang lang)
{
    const json_t *texts = json_object_get(object, key);
    const char *text = json_string_value(json_object_get(texts, posture_lang_name(lang)));

    for (int i = 0; !text && i < POSTURE_LANG_COUNT; i++)
        text = json_string_value(
            json_object_get(texts, posture_lang_name((enum posture_lang)i)));
    return text ? text : json_string_value(texts);
}

long posture_page_agency_find(const struct posture_page_model *model, const char *id)
{
    for (size_t i = 0; i < model->agency_count; i++) {
        if (strcmp(model->agencies[i].id, id) == 0)
            return (long)i;
    }
    return -1;
}

long posture_page_area_find(const struct posture_page_model *model, const char *id)
{
    for (size_t i = 0; i < model->area_count; i++) {
        if (strcmp(model->areas[i].id, id) == 0)
            return (long)i;
    }
    return -1;
}

long posture_page_criterion_find(const struct posture_page_model *model, const char *id)
{
    for (size_t i = 0; i < model->criterion_count; i++) {
        if (strcmp(model->criteria[i].id, id) == 0)
            return (long)i;
    }
    return -1;
}

static void eval_fill(struct posture_page_eval *eval, const json_t *json)
{
    const char *status = text_or(posture_json_string(json, "status"), "");
    const json_t *counts = json_object_get(json, "counts");

    eval->json = json;
    eval->has_achieved = member_ratio(json, "achieved", &eval->achieved);
    eval->has_coverage = member_ratio(json, "coverage", &eval->coverage);
    eval->has_of_measured = member_ratio(json, "of_measured", &eval->of_measured);
    eval->has_target = member_ratio(json, "target", &eval->target);
    eval->expected = member_count(json, "expected");
    eval->passing = member_count(json, "passing");
    eval->unregistered = member_count(json, "unregistered");
    eval->excepted = member_count(counts, "excepted");
    for (int i = 0; i < POSTURE_TROUBLE_COUNT; i++)
        eval->troubles[i] = member_count(counts, trouble_names[i]);
    eval->oldest_ns = posture_page_member_time(json, "oldest_report");
    eval->newest_ns = posture_page_member_time(json, "newest_report");
    /* 0 of 4 that never reported is arithmetic, not a measurement. */
    if (eval->expected == 0 || eval->troubles[POSTURE_TROUBLE_MISSING] == eval->expected)
        eval->has_achieved = false;
    if (strcmp(status, "met") == 0 && eval->has_achieved)
        eval->status = POSTURE_EVAL_MET;
    else if (strcmp(status, "not_met") == 0 && eval->has_achieved)
        eval->status = POSTURE_EVAL_NOT_MET;
    else
        eval->status = POSTURE_EVAL_UNMEASURED;
}

static struct posture_page_eval *evals_new(size_t count)
{
    struct posture_page_eval *evals = posture_calloc(count ? count : 1, sizeof(*evals));

    for (size_t i = 0; evals && i < count; i++)
        evals[i].status = POSTURE_EVAL_ABSENT;
    return evals;
}

static int criteria_fill(struct posture_page_model *model, struct posture_error *reterr)
{
    const json_t *list =
        json_object_get(json_object_get(model->json, "catalogue"), "criteria");
    size_t count = json_array_size(list);

    if (count > POSTURE_PAGE_CRITERIA_MAX)
        return posture_error_set(reterr, POSTURE_E_LIMIT, "more than %d criteria",
                                 POSTURE_PAGE_CRITERIA_MAX);
    model->criteria = posture_calloc(count ? count : 1, sizeof(*model->criteria));
    model->nation = evals_new(count);
    if (!model->criteria || !model->nation)
        return -ENOMEM;
    for (size_t i = 0; i < count; i++) {
        const json_t *entry = json_array_get(list, i);
        const char *id = posture_json_string(entry, "id");

        if (!id)
            return posture_error_set(reterr, POSTURE_E_SCHEMA, "criterion without id");
        model->criteria[model->criterion_count++] =
            (struct posture_page_criterion){.id = id, .json = entry};
    }
    return 0;
}

static long area_add(struct posture_page_model *model, const char *id)
{
    long at = posture_page_area_find(model, id);

    if (at >= 0)
        return at;
    struct posture_page_area *areas =
        posture_reallocarray(model->areas, model->area_count + 1, sizeof(*model->areas));
    if (!areas)
        return -ENOMEM;
    model->areas = areas;
    areas[model->area_count] = (struct posture_page_area){.id = id};
    areas[model->area_count].evals = evals_new(model->criterion_count);
    if (!areas[model->area_count].evals)
        return -ENOMEM;
    return (long)model->area_count++;
}

static bool area_is_used(const json_t *agencies, const char *id)
{
    size_t i;
    json_t *entry;

    json_array_foreach (agencies, i, entry) {
        if (strcmp(text_or(posture_json_string(entry, "area"), ""), id) == 0)
            return true;
    }
    return false;
}

static int agencies_fill(struct posture_page_model *model, struct posture_error *reterr)
{
    const json_t *list =
        json_object_get(json_object_get(model->json, "registry"), "agencies");
    size_t i, count = json_array_size(list);
    json_t *entry;

    if (count > POSTURE_PAGE_AGENCIES_MAX)
        return posture_error_set(reterr, POSTURE_E_LIMIT, "more than %d agencies",
                                 POSTURE_PAGE_AGENCIES_MAX);
    model->agencies = posture_calloc(count ? count : 1, sizeof(*model->agencies));
    if (!model->agencies)
        return -ENOMEM;
    for (i = 0; i < POSTURE_COUNT(area_order); i++) {
        if (area_is_used(list, area_order[i]) && area_add(model, area_order[i]) < 0)
            return -ENOMEM;
    }
    json_array_foreach (list, i, entry) {
        struct posture_page_agency *agency = &model->agencies[model->agency_count];
        const char *id = posture_json_string(entry, "id");

        if (!id)
            return posture_error_set(reterr, POSTURE_E_SCHEMA, "agency without id");
        long area = area_add(model, text_or(posture_json_string(entry, "area"), "other"));
        if (area < 0)
            return -ENOMEM;
        *agency =
            (struct posture_page_agency){.id = id, .json = entry, .area = (size_t)area};
        agency->evals = evals_new(model->criterion_count);
        if (!agency->evals)
            return -ENOMEM;
        model->agency_count++;
    }
    return 0;
}

/* agency id → index, so that a nation of thousands is not searched for every evaluation
 */
static json_t *agency_index_new(const struct posture_page_model *model)
{
    json_auto_t *index = json_object();

    for (size_t i = 0; index && i < model->agency_count; i++) {
        if (json_object_set_new(index, model->agencies[i].id,
                                json_integer((json_int_t)i)) < 0)
            return NULL;
    }
    return POSTURE_TAKE(index);
}

static struct posture_page_agency *agency_at(struct posture_page_model *model,
                                             const json_t *index, const char *id)
{
    const json_t *at = id ? json_object_get(index, id) : NULL;

    return at ? &model->agencies[json_integer_value(at)] : NULL;
}

/* The agency of an agency's evaluation; NULL for other scopes. */
struct posture_page_agency *posture_page_scope_agency(struct posture_page_model *model,
                                                      const json_t *index,
                                                      const json_t *eval)
{
    const json_t *scope = json_object_get(eval, "scope");
    const char *type = text_or(posture_json_string(scope, "type"), "");

    if (strcmp(type, "agency") != 0)
        return NULL;
    return agency_at(model, index, posture_json_string(scope, "id"));
}

static void evals_fill(struct posture_page_model *model, const json_t *index)
{
    const json_t *list = json_object_get(model->json, "evaluations");
    size_t i;
    json_t *entry;

    json_array_foreach (list, i, entry) {
        const json_t *scope = json_object_get(entry, "scope");
        const char *type = text_or(posture_json_string(scope, "type"), "");
        const char *id = text_or(posture_json_string(scope, "id"), "");
        long criterion = posture_page_criterion_find(
            model, text_or(posture_json_string(entry, "criterion"), ""));
        struct posture_page_agency *agency =
            posture_page_scope_agency(model, index, entry);
        long area = strcmp(type, "area") == 0 ? posture_page_area_find(model, id) : -1;

        if (criterion < 0)
            continue;
        if (agency)
            eval_fill(&agency->evals[criterion], entry);
        else if (area >= 0)
            eval_fill(&model->areas[area].evals[criterion], entry);
        else if (strcmp(type, "nation") == 0)
            eval_fill(&model->nation[criterion], entry);
        if (agency && json_is_true(json_object_get(entry, "truncated")))
            model->is_truncated = true;
    }
}

static void ages_fill(struct posture_page_model *model, const json_t *index)
{
    const json_t *list = json_object_get(model->json, "last_report");
    size_t i;
    json_t *entry;

    json_array_foreach (list, i, entry) {
        struct posture_page_agency *agency =
            agency_at(model, index, posture_json_string(entry, "agency"));
        const char *kind = text_or(posture_json_string(entry, "kind"), "");

        /* A heartbeat (kind "reporter") says that collectd lives, not that anything was
         * measured. */
        if (agency && strcmp(kind, "reporter") != 0)
            newest_take(&agency->newest_ns, posture_page_member_time(entry, "time"));
    }
    for (i = 0; i < model->agency_count; i++) {
        struct posture_page_agency *agency = &model->agencies[i];

        for (size_t c = 0; c < model->criterion_count; c++) {
            const struct posture_page_eval *eval = &agency->evals[c];

            agency->applying += eval->status != POSTURE_EVAL_ABSENT;
            agency->met += eval->status == POSTURE_EVAL_MET;
            posture_page_oldest_take(&agency->oldest_ns, eval->oldest_ns);
            newest_take(&agency->newest_ns, eval->newest_ns);
        }
        posture_page_oldest_take(&model->oldest_ns, agency->oldest_ns);
        newest_take(&model->newest_ns, agency->newest_ns);
    }
}

static double agency_gap(const struct posture_page_agency *agency, size_t criteria)
{
    double gap = 0;

    for (size_t c = 0; c < criteria; c++) {
        const struct posture_page_eval *eval = &agency->evals[c];

        if (eval->status == POSTURE_EVAL_ABSENT || eval->status == POSTURE_EVAL_MET)
            continue;
        double target = eval->has_target ? eval->target : 1;
        gap += fmax(target - (eval->has_achieved ? eval->achieved : 0), 1e-9);
    }
    return gap;
}

static int agency_compare(const void *va, const void *vb, void *data)
{
    const struct posture_page_agency *a = va, *b = vb;
    size_t criteria = *(const size_t *)data;
    double gap_a = agency_gap(a, criteria), gap_b = agency_gap(b, criteria);

    if (a->area != b->area)
        return a->area < b->area ? -1 : 1;
    if (gap_a > gap_b || gap_a < gap_b)
        return gap_a > gap_b ? -1 : 1;
    return strcmp(a->id, b->id);
}

static void agencies_sort(struct posture_page_model *model)
{
    qsort_r(model->agencies, model->agency_count, sizeof(*model->agencies),
            agency_compare, &model->criterion_count);
    for (size_t i = 0; i < model->agency_count; i++) {
        const struct posture_page_agency *agency = &model->agencies[i];
        struct posture_page_area *area = &model->areas[agency->area];

        if (area->count++ == 0)
            area->first = i;
        area->met_count += agency->applying > 0 && agency->met == agency->applying;
    }
}

static void gate_fill(struct posture_page_model *model)
{
    const json_t *gate = json_object_get(model->json, "gate");
    const json_t *rejected = json_object_get(gate, "rejected");
    const char *reason;
    json_t *n;

    model->accepted = member_count(gate, "accepted");
    model->duplicates = member_count(gate, "duplicates");
    model->lag = member_count(model->json, "lag");
    json_object_foreach ((json_t *)rejected, reason, n) {
        if (json_number_value(n) > 0)
            model->rejected += (uint64_t)json_number_value(n);
    }
}

int posture_page_model_check(const json_t *nation, struct posture_error *reterr)
{
    const char *schema = text_or(posture_json_string(nation, "schema"), "");

    if (strcmp(schema, "posture.nation/1") != 0)
        return posture_error_set(reterr, POSTURE_E_SCHEMA,
                                 "not a posture.nation/1 document: schema \"%s\"",
                                 schema);
    return 0;
}

int posture_page_model_new(json_t *nation, struct posture_page_model **ret_model,
                           struct posture_error *reterr)
{
    POSTURE_TRY(posture_page_model_check(nation, reterr));
    POSTURE_AUTO(posture_page_model_free)
    struct posture_page_model *model = posture_calloc(1, sizeof(*model));
    if (!model)
        return -ENOMEM;
    model->json = json_incref(nation);
    model->time_ns = posture_page_member_time(nation, "time");
    model->fiscal_year = (int)member_count(nation, "fiscal_year");
    if (model->fiscal_year < 1900 || model->fiscal_year > 9999)
        model->fiscal_year = posture_fiscal_year(model->time_ns);
    POSTURE_TRY(criteria_fill(model, reterr));
    POSTURE_TRY(agencies_fill(model, reterr));

    /* Evaluations are told apart by the agencies' order, so that order comes first: once
     * with the evaluations for the ranking, and the index again for the entries. */
    json_auto_t *before = agency_index_new(model);
    if (!before)
        return -ENOMEM;
    evals_fill(model, before);
    ages_fill(model, before);
    agencies_sort(model);
    json_auto_t *index = agency_index_new(model);
    if (!index)
        return -ENOMEM;
    POSTURE_TRY(posture_page_entries_fill(model, index, reterr));
    POSTURE_TRY(posture_page_problems_fill(model));
    gate_fill(model);
    *ret_model = POSTURE_TAKE(model);
    return 0;
}

struct posture_page_model *posture_page_model_free(struct posture_page_model *model)
{
    if (!model)
        return NULL;
    for (size_t i = 0; i < model->agency_count; i++)
        free(model->agencies[i].evals);
    for (size_t i = 0; i < model->area_count; i++)
        free(model->areas[i].evals);
    free(model->agencies);
    free(model->areas);
    free(model->criteria);
    free(model->nation);
    free(model->entries);
    free(model->problems);
    json_decref(model->json);
    free(model);
    return NULL;
}
