/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#include "common/checks/verdict.h"

#include "common/base/clock.h"
#include "common/base/parse.h"

#include <errno.h>
#include <string.h>

void posture_verdict_init(struct posture_verdict *verdict)
{
    *verdict = (struct posture_verdict){.valid_until_ns = INT64_MAX};
}

void posture_verdict_done(struct posture_verdict *verdict)
{
    json_decref(verdict->value);
    json_decref(verdict->args);
    posture_verdict_init(verdict);
}

bool posture_verdict_offer(struct posture_verdict *verdict,
                           enum posture_result_status status, const char *code)
{
    if (verdict->is_set && status <= verdict->status)
        return false;
    json_decref(verdict->value);
    json_decref(verdict->args);
    verdict->value = NULL;
    verdict->args = NULL;
    verdict->is_set = true;
    verdict->status = status;
    verdict->code = code;
    return true;
}

bool posture_verdict_is(const struct posture_verdict *verdict,
                        enum posture_result_status status, const char *code)
{
    return verdict->is_set && verdict->status == status &&
           strcmp(verdict->code, code) == 0;
}

void posture_verdict_until(struct posture_verdict *verdict, int64_t ns)
{
    if (ns < verdict->valid_until_ns)
        verdict->valid_until_ns = ns;
}

void posture_verdict_value_take(struct posture_verdict *verdict, json_t *value)
{
    if (!value)
        verdict->r = -ENOMEM;
    json_decref(verdict->value);
    verdict->value = value;
}

static json_t *text_new(const char *text)
{
    return json_stringn(text,
                        posture_utf8_cut(text, strnlen(text, POSTURE_VERDICT_TEXT_MAX)));
}

void posture_verdict_value_text(struct posture_verdict *verdict, const char *text)
{
    posture_verdict_value_take(verdict, text_new(text));
}

void posture_verdict_arg_take(struct posture_verdict *verdict, const char *key,
                              json_t *value)
{
    if (!verdict->args)
        verdict->args = json_object();
    if (!verdict->args || json_object_set_new(verdict->args, key, value) < 0) {
        if (!verdict->args)
            json_decref(value);
        verdict->r = -ENOMEM;
    }
}

void posture_verdict_arg_text(struct posture_verdict *verdict, const char *key,
                              const char *text)
{
    posture_verdict_arg_take(verdict, key, text_new(text));
}

void posture_verdict_arg_date(struct posture_verdict *verdict, const char *key,
                              int64_t ns)
{
    char buf[POSTURE_TIME_TEXT_MAX];
    posture_verdict_arg_text(verdict, key, posture_date_format_jst(ns, buf));
}

void posture_verdict_add_item(struct posture_verdict *verdict, const char *key,
                              const char *text)
{
    json_t *list = json_object_get(verdict->args, key);
    if (!list) {
        list = json_array();
        posture_verdict_arg_take(verdict, key, list);
        list = json_object_get(verdict->args, key);
        if (!list)
            return;
    }
    if (json_array_size(list) >= POSTURE_VERDICT_ITEMS_MAX)
        return;
    json_auto_t *item = text_new(text);
    size_t i;
    json_t *other;
    json_array_foreach (list, i, other) {
        if (item && json_equal(item, other))
            return;
    }
    if (!item || json_array_append(list, item) < 0)
        verdict->r = -ENOMEM;
}

void posture_verdict_offer_incomplete(struct posture_verdict *verdict, const char *what)
{
    if (posture_verdict_offer(verdict, POSTURE_RESULT_UNKNOWN, "facts.incomplete") ||
        posture_verdict_is(verdict, POSTURE_RESULT_UNKNOWN, "facts.incomplete"))
        posture_verdict_add_item(verdict, "items", what);
}

bool posture_verdict_merge(struct posture_verdict *whole, struct posture_verdict *part)
{
    posture_verdict_until(whole, part->valid_until_ns);
    if (part->r < 0)
        whole->r = part->r;
    /* Among equals the smaller number (a year) is the worse one. */
    bool is_earlier = part->is_set && whole->is_set && part->status == whole->status &&
                      json_is_integer(part->value) && json_is_integer(whole->value) &&
                      json_integer_value(part->value) < json_integer_value(whole->value);
    if (is_earlier)
        whole->is_set = false;
    bool is_worse =
        part->is_set && posture_verdict_offer(whole, part->status, part->code);
    if (is_worse) {
        whole->value = POSTURE_TAKE(part->value);
        whole->args = POSTURE_TAKE(part->args);
    }
    posture_verdict_done(part);
    return is_worse;
}

int posture_verdict_finish(struct posture_verdict *verdict, const char *check,
                           struct posture_results *results)
{
    int r = verdict->r;
    if (r == 0)
        r = posture_results_add_take(
            results, check, verdict->status, POSTURE_TAKE(verdict->value), verdict->code,
            POSTURE_TAKE(verdict->args), verdict->valid_until_ns);
    posture_verdict_done(verdict);
    return r;
}
