/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#ifndef POSTURE_CRITERIA_METRICS_H
#define POSTURE_CRITERIA_METRICS_H

#include "common/base/buf.h"

#include <jansson.h>

/*
 * A posture.nation/1 document as exposition text. Pure. Labels are ids of the registry
 * and the catalogue, fixed words, and the names in posture_agency_info and
 * posture_criterion_info; never subjects, reporters or reasons. What is not measured has
 * no sample: absent, not 0.
 */
enum posture_exposition {
    POSTURE_EXPOSITION_TEXT,        /* text/plain; version=0.0.4 */
    POSTURE_EXPOSITION_OPENMETRICS, /* application/openmetrics-text; version=1.0.0 */
};
const char *posture_exposition_type(enum posture_exposition format); /* Content-Type */

/* Everything, for the centre's own Prometheus. Ends with "# EOF". 0, -ENOMEM,
 * POSTURE_E_LIMIT. */
int posture_metrics_write(const json_t *nation, enum posture_exposition format,
                          struct posture_buf *out);
/* Disclosures alone: what the public may read. nation may be NULL. */
int posture_metrics_write_public(const json_t *nation, enum posture_exposition format,
                                 struct posture_buf *out);

/* Every metric name that posture_metrics_write can give, as a query writes it; NULL after
 * the last. */
const char *posture_metrics_name(size_t index);

#endif
