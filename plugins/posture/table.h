/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#ifndef POSTURE_PROGRAM_TABLE_H
#define POSTURE_PROGRAM_TABLE_H

#include "posture/judgement.h"

/* Reports as a person reads them. Whatever comes from facts is made safe for the
 * terminal. */
struct table_totals {
    size_t subjects, not_measured;
    size_t by_worst[POSTURE_RESULT_COUNT]; /* subjects by their worst result, first
                                              profile */
};

void table_report(struct screen *screen, const struct judgement *judgement,
                  const struct judged *judged, const struct posture_report *report,
                  bool is_verbose);
void table_totals_add(struct table_totals *totals, const struct judged *judged,
                      const struct posture_report *report);
/* A closing line; nothing for a single subject. */
void table_totals_write(struct screen *screen, const struct table_totals *totals);

/* What was found at each address (kind ssh): table_ssh.c. */
void table_ssh_facts(struct screen *screen, const struct judgement *judgement,
                     const json_t *facts, bool is_verbose);
/* What this host says of itself (kind host): table_host.c. */
void table_host_facts(struct screen *screen, const json_t *facts);
/* What was found at each address (kind tls): table_tls.c. */
void table_tls_facts(struct screen *screen, const struct judgement *judgement,
                     const json_t *facts, int64_t at_ns, bool is_verbose);

#endif
