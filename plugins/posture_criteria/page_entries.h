/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#ifndef POSTURE_CRITERIA_PAGE_ENTRIES_H
#define POSTURE_CRITERIA_PAGE_ENTRIES_H

#include "posture_criteria/page_model.h"

/* The second half of making a model: what keeps subjects from being achieved, as entries
 * and problems. Inside the writer only. */

/* index: agency id → number in model->agencies, in its final order. */
int posture_page_entries_fill(struct posture_page_model *model, const json_t *index,
                              struct posture_error *reterr);
/* From the entries. */
int posture_page_problems_fill(struct posture_page_model *model);

/* The agency of an agency's evaluation; NULL for other scopes. */
struct posture_page_agency *posture_page_scope_agency(struct posture_page_model *model,
                                                      const json_t *index,
                                                      const json_t *eval);
/* 0 when the member is not a time. */
int64_t posture_page_member_time(const json_t *object, const char *key);
/* Keeps the older of two, where 0 is none. */
void posture_page_oldest_take(int64_t *oldest, int64_t ns);

#endif
