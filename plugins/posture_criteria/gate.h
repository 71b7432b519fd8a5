/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#ifndef POSTURE_CRITERIA_GATE_H
#define POSTURE_CRITERIA_GATE_H

#include "common/base/buf.h"
#include "common/kafka/message.h"
#include "common/report/judge.h"
#include "common/report/report.h"
#include "posture_criteria/registry_index.h"
#include "posture_criteria/sources.h"
#include "posture_criteria/state.h"

/*
 * The gate's question, asked of one message at a time: does it become its key's record in
 * the state? The order is DESIGN section 3's: size, NUL, UTF-8 and JSON, (signature: a
 * later issue), registry, schema, type, clock, newer. Pure but for its counters: what is
 * decided is written by the worker.
 */
enum posture_gate_reason {
    POSTURE_GATE_TOO_LARGE,
    POSTURE_GATE_HEADERS,
    POSTURE_GATE_TYPE, /* not a type of that topic, or not of that kind */
    POSTURE_GATE_KEY,
    POSTURE_GATE_AGENCY, /* not in the registry */
    POSTURE_GATE_NULL_VALUE,
    POSTURE_GATE_JSON, /* NUL, UTF-8, grammar, duplicate keys */
    POSTURE_GATE_DEPTH,
    POSTURE_GATE_SCHEMA,
    POSTURE_GATE_MISMATCH, /* key, ce_source and body do not name the same */
    POSTURE_GATE_SUBJECT,  /* not canonical, or not a subject of that kind */
    POSTURE_GATE_KIND,     /* this centre has no checks for it */
    POSTURE_GATE_MAX_SUBJECTS,
    POSTURE_GATE_REFUSED, /* the broker does not take it into the state */
    POSTURE_GATE_REASON_COUNT
};
const char *posture_gate_reason_name(enum posture_gate_reason reason);

enum posture_gate_outcome {
    POSTURE_GATE_ACCEPTED,  /* write it to the state */
    POSTURE_GATE_REJECTED,  /* write it to the rejected messages */
    POSTURE_GATE_DUPLICATE, /* not newer than the state's record: drop */
    POSTURE_GATE_NOTED,     /* valid, not for the state: an acknowledgement */
};

enum {
    POSTURE_GATE_HEADERS_MAX = 16 * 1024, /* bytes of names and values */
    POSTURE_GATE_CLOCK_AHEAD_S = 300,
    POSTURE_GATE_TEXT_MAX = 256,
};

struct posture_gate_counters {
    uint64_t accepted;
    uint64_t duplicates;
    uint64_t noted;
    uint64_t rejected[POSTURE_GATE_REASON_COUNT];
    uint64_t clock_ahead;
    uint64_t sequence_missing;
    uint64_t new_epochs;
    uint64_t sources_not_tracked;
};

/* Everything is borrowed but sources. */
struct posture_gate {
    const struct posture_registry_index *registry;
    const struct posture_schema *schema; /* report.v1 */
    const struct posture_profile *profile;
    const struct posture_check_set *const *sets;
    struct posture_sources *sources;
    struct posture_gate_counters counters;
};

/* A message of the reports topic. message: as posture_message_read() gave it, or NULL and
 * header_error. */
struct posture_gate_input {
    const struct posture_message *message;
    const struct posture_error *header_error;
    size_t header_bytes;
    size_t value_len;  /* also when the headers could not be read */
    const char *topic; /* without prefix: "reports.v1" */
    int64_t append_ns;
};

struct posture_gate_decision {
    enum posture_gate_outcome outcome;
    enum posture_gate_reason reason;  /* of REJECTED */
    char text[POSTURE_GATE_TEXT_MAX]; /* "reason: what and where", printable */
    /* Of ACCEPTED: */
    struct posture_key key;
    struct posture_judgement verdict;
    char header[POSTURE_JUDGEMENT_MAX + 1]; /* posture-verdict */
    size_t header_len;
    const void *value; /* the message's own, or the statement of retirement in retired */
    size_t value_len;
    struct posture_buf
        retired; /* kept for the next message; posture_gate_decision_done() frees */
};
void posture_gate_decision_done(struct posture_gate_decision *decision);

/* Decides and counts. 0 or -ENOMEM (then nothing is counted). *ret is reused from message
 * to message: zero-initialise it once. */
int posture_gate_decide(struct posture_gate *gate, const struct posture_state *state,
                        const struct posture_gate_input *input,
                        struct posture_gate_decision *ret);
/* The worker's verdict on an accepted message that the broker then refused: count and
 * fill in. */
void posture_gate_refuse(struct posture_gate *gate, const char *why,
                         struct posture_gate_decision *decision);

/*
 * The verdict on a body, first at first_ns and then at every instant up to until_ns from
 * which the same facts give another one (an expiry, the end of a strength period), so
 * that since is that instant whoever judges whenever. verdict: time_ns, interval_s and
 * flags are kept, the rest is filled. previous may be NULL; one of another profile lends
 * its since where the result is the same. body: a parsed report. ret_results (may be
 * NULL) is filled from empty with the last results. -ENOMEM, POSTURE_E_MISSING for a kind
 * without checks.
 */
int posture_gate_verdict(const struct posture_profile *profile,
                         const struct posture_check_set *const *sets, const json_t *body,
                         const struct posture_judgement *previous, int64_t first_ns,
                         int64_t until_ns, struct posture_judgement *verdict,
                         struct posture_results *ret_results);

#endif
