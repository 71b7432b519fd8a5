/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#ifndef POSTURE_NET_VALUES_H
#define POSTURE_NET_VALUES_H

#include "common/net/worker.h"
#include "common/report/checks.h"
#include "common/report/exceptions.h"
#include "common/report/result.h"

/*
 * The results of a subject as collectd values (DESIGN, "collectd values"): per check a
 * gauge with meta data, per subject the counts of pass, warn, fail and unknown; which of
 * them by option Values. Remembers each subject's results for "since": since when this
 * worker has seen the result.
 */
struct posture_values;

/* What posture_worker_value() does; the tests record instead. */
typedef void posture_values_sink(void *data, uint32_t block, const char *plugin_instance,
                                 const char *type, const char *type_instance,
                                 double number, const struct posture_meta *meta,
                                 size_t meta_count);

/* checks (borrowed, may be NULL: no "reason") must outlive it. */
int posture_values_new(struct posture_worker *worker, enum posture_values_mode mode,
                       const struct posture_check_registry *checks,
                       struct posture_values **ret);
int posture_values_new_with_sink(posture_values_sink *sink, void *data,
                                 enum posture_values_mode mode,
                                 const struct posture_check_registry *checks,
                                 struct posture_values **ret);
struct posture_values *posture_values_free(struct posture_values *values);
POSTURE_AUTO_DEFINE(struct posture_values *, posture_values_free)

/* Results for which an exception is on record carry it as meta data "exception", and are
 * counted as "excepted" beside what they are. Borrowed, must outlive it. */
void posture_values_except(struct posture_values *values,
                           const struct posture_exceptions *exceptions);
/* How many subjects there will be, for mode auto; else those seen so far count. */
void posture_values_expect(struct posture_values *values, size_t subjects);
/* One measurement. -ENOMEM: nothing was published. */
int posture_values_publish(struct posture_values *values, uint32_t block,
                           const char *subject, const struct posture_results *results,
                           int64_t now_ns);
/* The subject is no longer measured. */
void posture_values_forget(struct posture_values *values, const char *subject);

/* plugin_instance of a subject: itself, or over 100 bytes its first 84, '~' and 12 hex
 * digits of its SHA-256. Never an identity: that is meta data "subject". */
enum { POSTURE_VALUES_INSTANCE = 101 };
const char *posture_values_instance(const char *subject,
                                    char buf[static POSTURE_VALUES_INSTANCE]);

#endif
