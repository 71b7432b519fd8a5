/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#ifndef POSTURE_CRITERIA_EVALUATOR_H
#define POSTURE_CRITERIA_EVALUATOR_H

#include "posture_criteria/evaluation.h"

/*
 * Keeps the evaluation of every scope up to date: only agencies whose records changed, or
 * of which a report turned stale, are tallied again, and only the scopes that hold them
 * are summed again. Pure: it says which documents changed and which bodies it needs for
 * their reasons.
 */
struct posture_evaluator;

/* The context's pointers are borrowed for the evaluator's life; its now_ns is given per
 * run. */
int posture_evaluator_new(const struct posture_evaluation_context *context,
                          struct posture_evaluator **ret);
struct posture_evaluator *posture_evaluator_free(struct posture_evaluator *evaluator);
POSTURE_AUTO_DEFINE(struct posture_evaluator *, posture_evaluator_free)

struct posture_evaluator_ops {
    /* A document whose content is another one than before. Borrowed. */
    void (*changed)(void *data, const struct posture_scope *scope,
                    const struct posture_criterion *criterion, int fiscal_year,
                    json_t *document);
    /* The record's detail is needed. May be called again in later runs until it is there.
     * NULL: documents are taken without. */
    void (*wanted)(void *data, struct posture_record *record);
    void *data;
};
/* Evaluates at now_ns what has changed since the last run. A scope with details missing
 * is not whole: it is looked at again in the next run. */
int posture_evaluator_run(struct posture_evaluator *evaluator, int64_t now_ns,
                          const struct posture_evaluator_ops *ops);
/* When the next run would find something to do although nothing is reported. */
int64_t posture_evaluator_next_ns(const struct posture_evaluator *evaluator);
/* Some document still lacks details. */
bool posture_evaluator_is_waiting(const struct posture_evaluator *evaluator);
/* All documents as they are now: agencies, sectors, areas, the nation. New reference. */
json_t *posture_evaluator_documents(const struct posture_evaluator *evaluator);

/* All at once, for the program. New reference (array) in *ret. */
int posture_evaluate(const struct posture_evaluation_context *context, json_t **ret);

#endif
