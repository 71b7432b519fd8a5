/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#include "posture_criteria/evaluator.h"

#include "common/base/clock.h"
#include "common/report/json.h"

#include <errno.h>
#include <string.h>

struct scope_entry {
    struct posture_scope scope;
    size_t *members; /* agencies */
    size_t member_count;
    bool is_dirty;
    json_t **documents; /* one per criterion; NULL: none applies, or not whole yet */
};

struct posture_evaluator {
    struct posture_evaluation_context context;
    struct posture_tally *tallies; /* agency × criterion */
    bool *is_tallied;              /* per agency: ever */
    struct scope_entry *scopes;    /* the agencies first, in the registry's order */
    size_t scope_count;
    int fiscal_year;
    bool is_waiting;
};

static struct posture_tally *tally_at(const struct posture_evaluator *self, size_t agency,
                                      size_t criterion)
{
    return &self->tallies[agency * self->context.catalogue->count + criterion];
}

static bool is_sector_new(const struct posture_registry_index *registry, size_t agency)
{
    const char *sector = registry->agencies[agency].sector;
    for (size_t i = 0; sector && i < agency; i++) {
        if (registry->agencies[i].sector &&
            strcmp(registry->agencies[i].sector, sector) == 0)
            return false;
    }
    return sector;
}

static struct scope_entry *scope_new(struct posture_evaluator *self, const char *type,
                                     const char *id, size_t members_max)
{
    struct scope_entry *entry = &self->scopes[self->scope_count];
    entry->members =
        posture_calloc(members_max ? members_max : 1, sizeof(*entry->members));
    entry->documents =
        posture_calloc(self->context.catalogue->count + 1, sizeof(*entry->documents));
    self->scope_count++; /* free() takes half-built ones */
    entry->scope = (struct posture_scope){.type = type, .id = id};
    entry->is_dirty = true;
    return entry->members && entry->documents ? entry : NULL;
}

static int scopes_fill(struct posture_evaluator *self)
{
    const struct posture_registry_index *registry = self->context.registry;
    struct scope_entry *entry;
    for (size_t a = 0; a < registry->agency_count; a++) {
        entry = scope_new(self, "agency", registry->agencies[a].id, 1);
        if (!entry)
            return -ENOMEM;
        entry->members[entry->member_count++] = a;
    }
    for (size_t s = 0; s < registry->agency_count; s++) {
        if (!is_sector_new(registry, s))
            continue;
        const char *sector = registry->agencies[s].sector;
        entry = scope_new(self, "sector", sector, registry->agency_count);
        if (!entry)
            return -ENOMEM;
        for (size_t a = 0; a < registry->agency_count; a++) {
            const char *other = registry->agencies[a].sector;
            if (other && strcmp(other, sector) == 0)
                entry->members[entry->member_count++] = a;
        }
    }
    for (int area = 0; area < POSTURE_AREA_COUNT; area++) {
        entry = scope_new(self, "area", posture_area_name((enum posture_area)area),
                          registry->agency_count);
        if (!entry)
            return -ENOMEM;
        for (size_t a = 0; a < registry->agency_count; a++) {
            if ((int)registry->agencies[a].area == area)
                entry->members[entry->member_count++] = a;
        }
    }
    entry = scope_new(self, "nation", POSTURE_NATION_ID, registry->agency_count);
    if (!entry)
        return -ENOMEM;
    for (size_t a = 0; a < registry->agency_count; a++)
        entry->members[entry->member_count++] = a;
    return 0;
}

int posture_evaluator_new(const struct posture_evaluation_context *context,
                          struct posture_evaluator **ret)
{
    POSTURE_AUTO(posture_evaluator_free)
    struct posture_evaluator *self = posture_calloc(1, sizeof(*self));
    if (!self)
        return -ENOMEM;
    self->context = *context;
    size_t agencies = context->registry->agency_count;
    size_t tallies = agencies * context->catalogue->count;
    self->tallies = posture_calloc(tallies ? tallies : 1, sizeof(*self->tallies));
    self->is_tallied = posture_calloc(agencies + 1, sizeof(*self->is_tallied));
    /* Each agency may be a sector of its own. */
    self->scopes =
        posture_calloc(2 * agencies + POSTURE_AREA_COUNT + 1, sizeof(*self->scopes));
    if (!self->tallies || !self->is_tallied || !self->scopes)
        return -ENOMEM;
    POSTURE_TRY(scopes_fill(self));
    *ret = POSTURE_TAKE(self);
    return 0;
}

struct posture_evaluator *posture_evaluator_free(struct posture_evaluator *self)
{
    if (!self)
        return NULL;
    size_t criteria = self->context.catalogue->count;
    for (size_t i = 0;
         self->tallies && i < self->context.registry->agency_count * criteria; i++)
        posture_tally_done(&self->tallies[i]);
    for (size_t i = 0; i < self->scope_count; i++) {
        for (size_t c = 0; self->scopes[i].documents && c < criteria; c++)
            json_decref(self->scopes[i].documents[c]);
        free(self->scopes[i].documents);
        free(self->scopes[i].members);
    }
    free(self->tallies);
    free(self->is_tallied);
    free(self->scopes);
    free(self);
    return NULL;
}

static bool agency_is_due(const struct posture_evaluator *self, size_t index)
{
    const struct posture_agency_state *has = posture_state_agency(
        self->context.state, self->context.registry->agencies[index].id);
    if (!self->is_tallied[index] || (has && has->is_dirty))
        return true;
    for (size_t c = 0; c < self->context.catalogue->count; c++) {
        if (tally_at(self, index, c)->next_change_ns <= self->context.now_ns &&
            self->context.catalogue->criteria[c].areas &
                1u << self->context.registry->agencies[index].area)
            return true;
    }
    return false;
}

/* Of the scopes beyond the agencies' own. */
static bool scope_holds(const struct scope_entry *entry,
                        const struct posture_agency *agency)
{
    if (strcmp(entry->scope.type, "sector") == 0)
        return agency->sector && strcmp(agency->sector, entry->scope.id) == 0;
    if (strcmp(entry->scope.type, "area") == 0)
        return strcmp(posture_area_name(agency->area), entry->scope.id) == 0;
    return true;
}

static int agency_run(struct posture_evaluator *self, size_t index)
{
    const struct posture_agency *agency = &self->context.registry->agencies[index];
    struct posture_agency_state *has =
        posture_state_agency(self->context.state, agency->id);
    struct posture_agency_view view;
    POSTURE_TRY(posture_agency_view_fill(self->context.state, agency->id, &view));
    int r = 0;
    for (size_t c = 0; r == 0 && c < self->context.catalogue->count; c++) {
        const struct posture_criterion *criterion = &self->context.catalogue->criteria[c];
        posture_tally_done(tally_at(self, index, c));
        if (criterion->areas & 1u << agency->area)
            r = posture_tally_agency(&self->context, agency, criterion, &view,
                                     tally_at(self, index, c));
    }
    posture_agency_view_done(&view);
    self->is_tallied[index] = r == 0;
    POSTURE_TRY(r);
    if (has)
        has->is_dirty = false;
    self->scopes[index].is_dirty = true;
    for (size_t s = self->context.registry->agency_count; s < self->scope_count; s++) {
        struct scope_entry *entry = &self->scopes[s];
        entry->is_dirty = entry->is_dirty || scope_holds(entry, agency);
    }
    return 0;
}

static void wanted_all(const struct posture_tally *tally,
                       const struct posture_evaluator_ops *ops)
{
    for (size_t i = 0; i < tally->list_count; i++) {
        struct posture_record *record = tally->list[i].record;
        if (record && tally->list[i].check && !record->detail)
            ops->wanted(ops->data, record);
    }
}

static int document_run(struct posture_evaluator *self, struct scope_entry *entry,
                        size_t c, const struct posture_tally *tally,
                        const struct posture_evaluator_ops *ops, bool *ret_is_whole)
{
    const struct posture_criterion *criterion = &self->context.catalogue->criteria[c];
    json_auto_t *document = NULL;
    size_t wanted = 0;
    POSTURE_TRY(posture_evaluation_document(&self->context, &entry->scope, criterion,
                                            tally, &document, &wanted));
    if (wanted > 0 && ops->wanted) {
        wanted_all(tally, ops);
        *ret_is_whole = false;
        return 0;
    }
    json_t *old = entry->documents[c];
    if (old &&
        strcmp(posture_json_string(old, "id"), posture_json_string(document, "id")) == 0)
        return 0;
    json_decref(old);
    entry->documents[c] = json_incref(document);
    if (ops->changed)
        ops->changed(ops->data, &entry->scope, criterion, self->fiscal_year, document);
    return 0;
}

static int scope_run(struct posture_evaluator *self, struct scope_entry *entry,
                     const struct posture_evaluator_ops *ops)
{
    bool is_whole = true;
    for (size_t c = 0; c < self->context.catalogue->count; c++) {
        const struct posture_criterion *criterion = &self->context.catalogue->criteria[c];
        struct posture_tally sum = {.next_change_ns = INT64_MAX};
        size_t members = 0;
        int r = 0;
        for (size_t m = 0; r == 0 && m < entry->member_count; m++) {
            size_t a = entry->members[m];
            if (!(criterion->areas & 1u << self->context.registry->agencies[a].area))
                continue;
            members++;
            r = posture_tally_add(&sum, tally_at(self, a, c));
        }
        posture_tally_cut(&sum);
        if (r == 0 && members > 0)
            r = document_run(self, entry, c, &sum, ops, &is_whole);
        posture_tally_done(&sum);
        POSTURE_TRY(r);
    }
    entry->is_dirty = !is_whole;
    self->is_waiting = self->is_waiting || !is_whole;
    return 0;
}

int posture_evaluator_run(struct posture_evaluator *self, int64_t now_ns,
                          const struct posture_evaluator_ops *ops)
{
    int year = posture_fiscal_year(now_ns);
    bool is_new_year = year != self->fiscal_year;
    self->context.now_ns = now_ns;
    self->fiscal_year = year;
    for (size_t a = 0; a < self->context.registry->agency_count; a++) {
        if (is_new_year || agency_is_due(self, a))
            POSTURE_TRY(agency_run(self, a));
    }
    self->is_waiting = false;
    for (size_t s = 0; s < self->scope_count; s++) {
        if (self->scopes[s].is_dirty || is_new_year)
            POSTURE_TRY(scope_run(self, &self->scopes[s], ops));
    }
    return 0;
}

int64_t posture_evaluator_next_ns(const struct posture_evaluator *self)
{
    int64_t next_ns = posture_fiscal_year_start(self->fiscal_year + 1);
    for (size_t a = 0; a < self->context.registry->agency_count; a++) {
        for (size_t c = 0; self->is_tallied[a] && c < self->context.catalogue->count;
             c++) {
            int64_t stale_ns = tally_at(self, a, c)->next_change_ns;
            /* 0: the criterion does not apply, never tallied */
            if (stale_ns > 0 && stale_ns < next_ns)
                next_ns = stale_ns;
        }
    }
    return next_ns;
}

bool posture_evaluator_is_waiting(const struct posture_evaluator *self)
{
    return self->is_waiting;
}

json_t *posture_evaluator_documents(const struct posture_evaluator *self)
{
    json_auto_t *documents = json_array();
    if (!documents)
        return NULL;
    for (size_t s = 0; s < self->scope_count; s++) {
        for (size_t c = 0; c < self->context.catalogue->count; c++) {
            json_t *document = self->scopes[s].documents[c];
            if (document && json_array_append(documents, document) < 0)
                return NULL;
        }
    }
    return json_incref(documents);
}

int posture_evaluate(const struct posture_evaluation_context *context, json_t **ret)
{
    POSTURE_AUTO(posture_evaluator_free) struct posture_evaluator *self = NULL;
    const struct posture_evaluator_ops ops = {0};
    POSTURE_TRY(posture_evaluator_new(context, &self));
    POSTURE_TRY(posture_evaluator_run(self, context->now_ns, &ops));
    json_t *documents = posture_evaluator_documents(self);
    if (!documents)
        return -ENOMEM;
    *ret = documents;
    return 0;
}
