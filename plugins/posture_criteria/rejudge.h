/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#ifndef POSTURE_CRITERIA_REJUDGE_H
#define POSTURE_CRITERIA_REJUDGE_H

#include "posture_criteria/gate.h"

/*
 * A record of the state as the judge must see it: the gate's verdict where it still
 * holds, else the body judged again. Pure, and a function of (record, profile, instant)
 * alone: whoever reads the same record gets the same, since included.
 */
struct posture_rejudge_context {
    const struct posture_profile *profile;
    const struct posture_check_set *const *sets;
    int64_t now_ns;
};

/* Must the body be judged for this verdict to hold now? */
bool posture_rejudge_is_needed(const struct posture_rejudge_context *context,
                               const char *kind, const struct posture_judgement *verdict);
/*
 * message: of the state topic, with a value. *ret is the verdict; *ret_is_rejudged (may
 * be NULL) says whether the body was judged. POSTURE_E_FORMAT when neither header nor
 * body can be read, -ENOMEM.
 */
int posture_rejudge(const struct posture_rejudge_context *context, const char *kind,
                    const struct posture_message *message, struct posture_judgement *ret,
                    bool *ret_is_rejudged);
/* The body's codes and args at now_ns, as posture_record.detail has them. Owner: caller;
 * NULL: no memory, or no body that can be judged. */
char *posture_rejudge_detail(const struct posture_rejudge_context *context,
                             const struct posture_message *message);

#endif
