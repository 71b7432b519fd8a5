/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#include "posture_criteria/registry_index.h"

#include "common/report/json.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static int checks_fill(struct posture_criterion *criterion, const json_t *checks,
                       struct posture_error *reterr)
{
    size_t size = json_array_size(checks);
    if (size == 0)
        return posture_error_set(reterr, POSTURE_E_SCHEMA, "criterion '%s' has no checks",
                                 criterion->id);
    criterion->checks = posture_calloc(size, sizeof(*criterion->checks));
    if (!criterion->checks)
        return -ENOMEM;
    for (size_t i = 0; i < size; i++) {
        const json_t *item = json_array_get(checks, i);
        const json_t *min = json_object_get(item, "min");
        struct posture_criterion_check *check =
            &criterion->checks[criterion->check_count++];
        check->check = posture_json_string(item, "check");
        check->has_min = json_is_number(min);
        check->min = json_number_value(min);
        if (!check->check)
            return posture_error_set(reterr, POSTURE_E_SCHEMA,
                                     "criterion '%s': check %zu has no id", criterion->id,
                                     i);
    }
    return 0;
}

static int criterion_fill(struct posture_criterion *criterion, const json_t *item,
                          struct posture_error *reterr)
{
    criterion->id = posture_json_string(item, "id");
    criterion->kind = posture_json_string(item, "kind");
    criterion->targets = json_object_get(item, "targets");
    if (!criterion->id || !criterion->kind)
        return posture_error_set(reterr, POSTURE_E_SCHEMA,
                                 "a criterion has no id or no kind");
    const char *aggregation = posture_json_string(item, "aggregation");
    if (!aggregation || strcmp(aggregation, "share_of_subjects") != 0)
        return posture_error_set(reterr, POSTURE_E_SCHEMA,
                                 "criterion '%s': aggregation must be share_of_subjects",
                                 criterion->id);
    const json_t *areas = json_object_get(item, "areas");
    for (size_t i = 0; i < json_array_size(areas); i++) {
        enum posture_area area;
        if (posture_area_from_name(json_string_value(json_array_get(areas, i)), &area) <
            0)
            return posture_error_set(reterr, POSTURE_E_SCHEMA,
                                     "criterion '%s': area %zu is not known",
                                     criterion->id, i);
        criterion->areas |= 1u << area;
    }
    return checks_fill(criterion, json_object_get(item, "checks"), reterr);
}

int posture_catalogue_new(json_t *catalogue, const char *digest,
                          struct posture_catalogue **ret, struct posture_error *reterr)
{
    POSTURE_AUTO(posture_catalogue_free)
    struct posture_catalogue *self = posture_calloc(1, sizeof(*self));
    if (!self)
        return -ENOMEM;
    self->document = json_incref(catalogue);
    (void)snprintf(self->digest, sizeof(self->digest), "%s", digest);

    const json_t *criteria = json_object_get(catalogue, "criteria");
    size_t size = json_array_size(criteria);
    self->criteria = posture_calloc(size ? size : 1, sizeof(*self->criteria));
    if (!self->criteria)
        return -ENOMEM;
    for (size_t i = 0; i < size; i++) {
        self->count++; /* before filling: free() takes half-built ones */
        POSTURE_TRY(
            criterion_fill(&self->criteria[i], json_array_get(criteria, i), reterr));
        for (size_t j = 0; j < i; j++) {
            if (strcmp(self->criteria[j].id, self->criteria[i].id) == 0)
                return posture_error_set(reterr, POSTURE_E_SCHEMA,
                                         "criterion '%s' is there twice",
                                         self->criteria[i].id);
        }
    }
    *ret = POSTURE_TAKE(self);
    return 0;
}

struct posture_catalogue *posture_catalogue_free(struct posture_catalogue *catalogue)
{
    if (!catalogue)
        return NULL;
    for (size_t i = 0; catalogue->criteria && i < catalogue->count; i++)
        free(catalogue->criteria[i].checks);
    free(catalogue->criteria);
    json_decref(catalogue->document);
    free(catalogue);
    return NULL;
}

bool posture_criterion_target(const struct posture_criterion *criterion, int fiscal_year,
                              double *ret)
{
    char key[16];
    (void)snprintf(key, sizeof(key), "FY%d", fiscal_year);
    const json_t *target = json_object_get(criterion->targets, key);
    if (!json_is_number(target))
        return false;
    *ret = json_number_value(target);
    return true;
}
