/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#include "common/checks/strength.h"

#include "common/base/clock.h"

#include <errno.h>

enum { YEAR_OPEN = 9999, YEAR_UNSET = 10000 };

void posture_strength_walk_init(struct posture_strength_walk *walk)
{
    *walk = (struct posture_strength_walk){
        .year = YEAR_UNSET,
        .legacy_year = -1,
        .certainty = POSTURE_CERTAINTY_HIGH,
    };
    posture_verdict_init(&walk->items);
    posture_verdict_init(&walk->unknown_items);
}

void posture_strength_walk_add(struct posture_strength_walk *walk,
                               const struct posture_finding *finding, const char *item)
{
    if (finding->why == POSTURE_WHY_SILENT)
        return;
    if (finding->last_year < 0) {
        posture_verdict_add_item(&walk->unknown_items, "items", item);
        posture_verdict_add_item(&walk->unknown_items, "algorithms", finding->algorithm);
        if (!walk->is_unknown)
            walk->unknown_code =
                posture_finding_code(finding->why == POSTURE_WHY_NO_LENGTHS ||
                                             finding->why == POSTURE_WHY_MALFORMED
                                         ? finding->why
                                         : POSTURE_WHY_UNJUDGED);
        walk->is_unknown = true;
        return;
    }
    if (finding->legacy_year >= 0 &&
        (walk->legacy_year < 0 || finding->legacy_year < walk->legacy_year))
        walk->legacy_year = finding->legacy_year;
    if (finding->last_year > walk->year)
        return;
    if (finding->last_year < walk->year) {
        walk->year = finding->last_year;
        walk->certainty = finding->year_certainty;
        int r = walk->items.r;
        posture_verdict_done(&walk->items);
        walk->items.r = r;
    } else if (finding->year_certainty < walk->certainty) {
        walk->certainty = finding->year_certainty;
    }
    posture_verdict_add_item(&walk->items, "items", item);
}

static void year_offer(const struct posture_strength_walk *walk,
                       const struct posture_check_input *input,
                       const struct posture_strength_codes *codes,
                       struct posture_verdict *verdict)
{
    int wanted = posture_year_jst(input->planned_end_ns);
    enum posture_result_status status = POSTURE_RESULT_PASS;
    const char *code = codes->year;
    if (walk->year < wanted) {
        status = POSTURE_RESULT_FAIL;
        bool is_planned = walk->year >= posture_year_jst(input->at_ns);
        code = walk->year == 0 ? codes->never
               : is_planned    ? codes->over_planned
                               : codes->over;
        if (is_planned) /* then the date itself is the reason */
            posture_verdict_until(verdict, posture_year_start_jst(walk->year + 1));
    } else if (walk->year == YEAR_OPEN) {
        code = codes->open;
    } else {
        posture_verdict_until(verdict, posture_year_start_jst(walk->year + 1));
    }
    if (!posture_verdict_offer(verdict, status, code))
        return;
    posture_verdict_value_take(verdict, json_integer(walk->year));
    json_t *items = json_object_get(walk->items.args, "items");
    if (items)
        posture_verdict_arg_take(verdict, "items", json_incref(items));
    if (walk->year > 0 && walk->year < YEAR_OPEN)
        posture_verdict_arg_take(verdict, "until", json_integer(walk->year));
    if (walk->year > 0 && walk->legacy_year > walk->year && walk->legacy_year < YEAR_OPEN)
        posture_verdict_arg_take(verdict, "legacy_until",
                                 json_integer(walk->legacy_year));
    if (status == POSTURE_RESULT_FAIL && walk->year > 0)
        posture_verdict_arg_date(verdict, "date", input->planned_end_ns);
    if (walk->certainty < POSTURE_CERTAINTY_HIGH)
        posture_verdict_arg_text(verdict, "certainty",
                                 posture_certainty_name(walk->certainty));
}

void posture_strength_walk_offer(struct posture_strength_walk *walk,
                                 const struct posture_check_input *input,
                                 const struct posture_strength_codes *codes,
                                 struct posture_verdict *verdict)
{
    if (walk->is_unknown &&
        posture_verdict_offer(verdict, POSTURE_RESULT_UNKNOWN, walk->unknown_code)) {
        json_decref(verdict->args);
        verdict->args = POSTURE_TAKE(walk->unknown_items.args);
    }
    if (walk->year != YEAR_UNSET)
        year_offer(walk, input, codes, verdict);
    if (walk->items.r < 0 || walk->unknown_items.r < 0)
        verdict->r = -ENOMEM;
    posture_verdict_done(&walk->items);
    posture_verdict_done(&walk->unknown_items);
    posture_strength_walk_init(walk);
}
