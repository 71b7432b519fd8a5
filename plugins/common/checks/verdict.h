/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#ifndef POSTURE_CHECKS_VERDICT_H
#define POSTURE_CHECKS_VERDICT_H

#include "common/report/judge.h"

#include <stdbool.h>

/*
 * What one check says while it looks at one thing after another: the worst so far with
 * its reason, and every instant at which it may change. Among equals the first stays;
 * what else fails for the same reason is listed in its args, bounded.
 */
enum { POSTURE_VERDICT_ITEMS_MAX = 8, POSTURE_VERDICT_TEXT_MAX = 160 };

struct posture_verdict {
    bool is_set;
    enum posture_result_status status;
    const char *code; /* static */
    json_t *value;
    json_t *args; /* object */
    int64_t valid_until_ns;
    int r; /* -ENOMEM once memory was out */
};

void posture_verdict_init(struct posture_verdict *verdict);
void posture_verdict_done(struct posture_verdict *verdict);
#define POSTURE_AUTO_VERDICT __attribute__((cleanup(posture_verdict_done)))

/* Offers a judgement: true when it is now the verdict; its value and args are then empty,
 * for the caller to fill. */
bool posture_verdict_offer(struct posture_verdict *verdict,
                           enum posture_result_status status, const char *code);
/* The same judgement (status and code) of one thing more: adds the text to the list
 * args[key], without doubles, up to POSTURE_VERDICT_ITEMS_MAX. */
void posture_verdict_add_item(struct posture_verdict *verdict, const char *key,
                              const char *text);
/* Offers unknown, facts.incomplete: what the verdict rests on is not there or not whole.
 */
void posture_verdict_offer_incomplete(struct posture_verdict *verdict, const char *what);
bool posture_verdict_is(const struct posture_verdict *verdict,
                        enum posture_result_status status, const char *code);
/* Nothing changes after the instant unless an earlier one was named. */
void posture_verdict_until(struct posture_verdict *verdict, int64_t ns);
/* value is taken; NULL means that memory was out. */
void posture_verdict_value_take(struct posture_verdict *verdict, json_t *value);
void posture_verdict_value_text(struct posture_verdict *verdict, const char *text);
void posture_verdict_arg_take(struct posture_verdict *verdict, const char *key,
                              json_t *value);
/* Text from facts: cut at POSTURE_VERDICT_TEXT_MAX bytes. */
void posture_verdict_arg_text(struct posture_verdict *verdict, const char *key,
                              const char *text);
/* The instant's date in Japan. */
void posture_verdict_arg_date(struct posture_verdict *verdict, const char *key,
                              int64_t ns);
/* Takes over what part says when it is worse than whole, and its instants always. part is
 * emptied. */
bool posture_verdict_merge(struct posture_verdict *whole, struct posture_verdict *part);
/* Appends it as the result of check; the verdict is empty afterwards. 0 or negative. */
int posture_verdict_finish(struct posture_verdict *verdict, const char *check,
                           struct posture_results *results);

#endif
