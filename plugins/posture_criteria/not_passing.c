/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#include "posture_criteria/not_passing.h"

#include "common/base/mem.h"
#include "common/report/json.h"

#include <errno.h>
#include <string.h>

/* One entry of a list; with an empty subject: an evaluation as a whole, and its counts as
 * floors. */
struct item {
    const char *agency, *kind, *subject;
    enum posture_trouble trouble;
    uint64_t weight;
    uint64_t floors[POSTURE_TROUBLE_COUNT];
};

struct items {
    struct item *items;
    size_t count, cap;
};

static uint64_t count_of(const json_t *number)
{
    double v = json_number_value(number);

    return v > 0 && v < 9e15 ? (uint64_t)v : 0;
}

static struct item *item_add(struct items *list, const char *agency, const char *kind,
                             const char *subject)
{
    if (list->count == list->cap) {
        size_t cap = list->cap ? list->cap * 2 : 256;
        struct item *grown = posture_reallocarray(list->items, cap, sizeof(*grown));

        if (!grown)
            return NULL;
        list->items = grown;
        list->cap = cap;
    }
    struct item *item = &list->items[list->count++];
    *item =
        (struct item){.agency = agency, .kind = kind, .subject = subject, .weight = 1};
    return item;
}

static int evaluation_read(struct items *list, const json_t *eval, const char *kind)
{
    const char *agency = posture_json_string(json_object_get(eval, "scope"), "id");
    const json_t *counts = json_object_get(eval, "counts");
    struct item *whole = item_add(list, agency, kind, "");
    size_t i;
    json_t *entry;

    if (!whole)
        return -ENOMEM;
    for (int t = 0;
         json_is_true(json_object_get(eval, "truncated")) && t < POSTURE_TROUBLE_COUNT;
         t++)
        whole->floors[t] = count_of(
            json_object_get(counts, posture_trouble_name((enum posture_trouble)t)));
    json_array_foreach (json_object_get(eval, "not_achieved"), i, entry) {
        const char *subject = posture_json_string(entry, "subject");
        uint64_t missing =
            count_of(json_object_get(json_object_get(entry, "args"), "missing"));
        enum posture_trouble trouble;

        if (!subject || !subject[0] ||
            !posture_trouble_from_name(posture_json_string(entry, "result"), &trouble))
            continue;
        struct item *item = item_add(list, agency, kind, subject);
        if (!item)
            return -ENOMEM;
        item->trouble = trouble;
        if (trouble == POSTURE_TROUBLE_MISSING && missing > 1)
            item->weight = missing;
    }
    return 0;
}

static int items_read(struct items *list, const json_t *nation)
{
    const json_t *criteria =
        json_object_get(json_object_get(nation, "catalogue"), "criteria");
    json_auto_t *kinds = json_object();
    size_t i;
    json_t *entry;

    if (!kinds)
        return -ENOMEM;
    json_array_foreach (criteria, i, entry) {
        const char *id = posture_json_string(entry, "id");

        if (id && posture_json_string(entry, "kind") &&
            json_object_set(kinds, id, json_object_get(entry, "kind")) < 0)
            return -ENOMEM;
    }
    json_array_foreach (json_object_get(nation, "evaluations"), i, entry) {
        const json_t *scope = json_object_get(entry, "scope");
        const char *type = posture_json_string(scope, "type");
        const char *criterion = posture_json_string(entry, "criterion");
        const char *kind = criterion ? posture_json_string(kinds, criterion) : NULL;

        if (type && strcmp(type, "agency") == 0 && posture_json_string(scope, "id") &&
            kind)
            POSTURE_TRY(evaluation_read(list, entry, kind));
    }
    return 0;
}

static int item_compare_group(const struct item *a, const struct item *b)
{
    int r = strcmp(a->agency, b->agency);

    return r ? r : strcmp(a->kind, b->kind);
}

static int item_compare(const void *va, const void *vb)
{
    const struct item *a = va, *b = vb;
    int r = item_compare_group(a, b);

    if (r == 0)
        r = strcmp(a->subject, b->subject);
    if (r == 0 && a->trouble != b->trouble)
        r = a->trouble < b->trouble ? -1 : 1;
    return r;
}

/* From sorted items: the first of a subject is its worst. */
static void groups_fill(struct posture_not_passing *list, const struct items *items)
{
    uint64_t floors[POSTURE_TROUBLE_COUNT] = {0};

    for (size_t i = 0; i < items->count; i++) {
        const struct item *item = &items->items[i], *last = i ? item - 1 : NULL;

        if (!last || item_compare_group(last, item) != 0) {
            list->groups[list->count++] = (struct posture_not_passing_group){
                .agency = item->agency, .kind = item->kind};
            memset(floors, 0, sizeof(floors));
            last = NULL;
        }
        struct posture_not_passing_group *group = &list->groups[list->count - 1];
        for (int t = 0; !item->subject[0] && t < POSTURE_TROUBLE_COUNT; t++) {
            if (item->floors[t] > floors[t])
                floors[t] = item->floors[t];
        }
        if (item->subject[0] && (!last || strcmp(last->subject, item->subject) != 0))
            group->subjects[item->trouble] += item->weight;
        if (i + 1 == items->count || item_compare_group(item, item + 1) != 0) {
            for (int t = 0; t < POSTURE_TROUBLE_COUNT; t++) {
                if (group->subjects[t] < floors[t])
                    group->subjects[t] = floors[t];
            }
        }
    }
}

int posture_not_passing_new(const json_t *nation, struct posture_not_passing **ret_list)
{
    struct items items = {0};
    POSTURE_AUTO(posture_not_passing_free)
    struct posture_not_passing *list = posture_calloc(1, sizeof(*list));
    int r = list ? items_read(&items, nation) : -ENOMEM;

    if (r == 0)
        list->groups =
            posture_calloc(items.count ? items.count : 1, sizeof(*list->groups));
    if (r == 0 && !list->groups)
        r = -ENOMEM;
    if (r == 0) {
        if (items.count)
            qsort(items.items, items.count, sizeof(*items.items), item_compare);
        groups_fill(list, &items);
        *ret_list = POSTURE_TAKE(list);
    }
    free(items.items);
    return r;
}

struct posture_not_passing *posture_not_passing_free(struct posture_not_passing *list)
{
    if (list)
        free(list->groups);
    free(list);
    return NULL;
}
