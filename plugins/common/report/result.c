/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#include "common/report/result.h"

#include <errno.h>
#include <string.h>

static const char *const status_names[POSTURE_RESULT_COUNT] = {
    [POSTURE_RESULT_NA] = "na",     [POSTURE_RESULT_PASS] = "pass",
    [POSTURE_RESULT_WARN] = "warn", [POSTURE_RESULT_UNKNOWN] = "unknown",
    [POSTURE_RESULT_FAIL] = "fail",
};

const char *posture_result_name(enum posture_result_status status)
{
    if ((unsigned)status >= POSTURE_RESULT_COUNT)
        return "unknown"; /* never a pass by accident */
    return status_names[status];
}

int posture_result_from_name(const char *name, enum posture_result_status *ret)
{
    if (!name)
        return POSTURE_E_FORMAT;
    for (int i = 0; i < POSTURE_RESULT_COUNT; i++) {
        if (strcmp(name, status_names[i]) == 0) {
            *ret = (enum posture_result_status)i;
            return 0;
        }
    }
    return POSTURE_E_FORMAT;
}

enum posture_result_status posture_result_worse(enum posture_result_status a,
                                                enum posture_result_status b)
{
    return a > b ? a : b; /* the enum is in this order */
}

void posture_results_done(struct posture_results *results)
{
    for (size_t i = 0; i < results->count; i++) {
        json_decref(results->items[i].value);
        json_decref(results->items[i].args);
    }
    results->count = 0;
}

int posture_results_add_take(struct posture_results *results, const char *check,
                             enum posture_result_status status, json_t *value,
                             const char *code, json_t *args, int64_t valid_until_ns)
{
    if (results->count >= POSTURE_RESULTS_MAX || !check) {
        json_decref(value);
        json_decref(args);
        return check ? POSTURE_E_LIMIT : -EINVAL;
    }
    results->items[results->count++] = (struct posture_result){
        .check = check,
        .status = status,
        .value = value,
        .code = code,
        .args = args,
        .valid_until_ns = valid_until_ns,
    };
    return 0;
}

const struct posture_result *posture_results_find(const struct posture_results *results,
                                                  const char *check)
{
    for (size_t i = 0; i < results->count; i++) {
        if (strcmp(results->items[i].check, check) == 0)
            return &results->items[i];
    }
    return NULL;
}

static json_t *result_to_json(const struct posture_result *result)
{
    json_auto_t *object = json_object();
    if (!object)
        return NULL;
    if (json_object_set_new(object, "check", json_string(result->check)) < 0 ||
        json_object_set_new(object, "result",
                            json_string(posture_result_name(result->status))) < 0)
        return NULL;
    if (result->value && json_object_set(object, "value", result->value) < 0)
        return NULL;
    if (result->code &&
        json_object_set_new(object, "code", json_string(result->code)) < 0)
        return NULL;
    if (result->args && json_object_size(result->args) > 0 &&
        json_object_set(object, "args", result->args) < 0)
        return NULL;
    return json_incref(object);
}

json_t *posture_results_to_json(const struct posture_results *results)
{
    json_auto_t *array = json_array();
    if (!array)
        return NULL;
    for (size_t i = 0; i < results->count; i++) {
        /* NULL, when memory is out, makes the append fail. */
        if (json_array_append_new(array, result_to_json(&results->items[i])) < 0)
            return NULL;
    }
    return json_incref(array);
}

int64_t posture_results_valid_until(const struct posture_results *results)
{
    int64_t earliest = INT64_MAX;
    for (size_t i = 0; i < results->count; i++) {
        if (results->items[i].valid_until_ns < earliest)
            earliest = results->items[i].valid_until_ns;
    }
    return earliest;
}
