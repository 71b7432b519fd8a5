/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#ifndef POSTURE_CRITERIA_GATE_WORKER_H
#define POSTURE_CRITERIA_GATE_WORKER_H

#include "posture_criteria/criteria.h"

/*
 * The gate's I/O: a consumer group over the reports topic. A partition that is assigned
 * is read only once the state of the same number has been read to its high watermark; an
 * offset is committed only once everything before it is acknowledged in the state or
 * among the rejected.
 */
int posture_gate_worker_new(struct posture_criteria *criteria,
                            struct posture_gate_worker **ret,
                            struct posture_error *reterr);
/* Joins the group; the topics were checked. */
int posture_gate_worker_start(struct posture_gate_worker *gate,
                              struct posture_error *reterr);
/* The state of a partition was read up to this offset (the next to come). */
void posture_gate_worker_progress(struct posture_gate_worker *gate, int32_t partition,
                                  int64_t position);
/* From the outbox. */
void posture_gate_worker_left(struct posture_gate_worker *gate,
                              const struct posture_outbox_entry *entry);
void posture_gate_worker_refused(struct posture_gate_worker *gate,
                                 const struct posture_outbox_entry *entry,
                                 const char *reason);
void posture_gate_worker_turn(struct posture_gate_worker *gate);
/* Assigned, and its state is read: what is written for it is ours to write. */
bool posture_gate_worker_owns(const struct posture_gate_worker *gate, int32_t partition);
size_t posture_gate_worker_owned(const struct posture_gate_worker *gate);
const struct posture_gate_counters *
posture_gate_worker_counters(const struct posture_gate_worker *gate);
/* Messages not read yet; -1: not known. */
int64_t posture_gate_worker_lag(const struct posture_gate_worker *gate);
/* Commits what is done and leaves the group. */
void posture_gate_worker_close(struct posture_gate_worker *gate);
struct posture_gate_worker *posture_gate_worker_free(struct posture_gate_worker *gate);

#endif
