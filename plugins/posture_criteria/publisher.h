/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#ifndef POSTURE_CRITERIA_PUBLISHER_H
#define POSTURE_CRITERIA_PUBLISHER_H

#include "posture_criteria/criteria.h"

/*
 * Writes evaluations: those that are this centre's to write, and only where the last one
 * under the key has another content. What was said last is known from the topic itself.
 */
struct posture_publisher;

/* context is borrowed for the publisher's life. */
int posture_publisher_new(struct posture_criteria *criteria,
                          const struct posture_evaluation_context *context,
                          struct posture_publisher **ret);
struct posture_publisher *posture_publisher_free(struct posture_publisher *publisher);
/* A message of the evaluations topic: this centre's, before its restart or now, or
 * another's. */
void posture_publisher_said(struct posture_publisher *publisher,
                            const rd_kafka_message_t *message);
/* Hands to the outbox what is to be said. -ENOMEM. */
int posture_publisher_run(struct posture_publisher *publisher,
                          const struct posture_evaluator *evaluator);
/* Another centre evaluates by another registry, catalogue or profile. */
bool posture_publisher_differs(const struct posture_publisher *publisher);
uint64_t posture_publisher_published(const struct posture_publisher *publisher);

#endif
