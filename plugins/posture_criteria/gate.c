/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#include "posture_criteria/gate.h"

#include "common/base/clock.h"
#include "common/base/parse.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* The heartbeat's kind has no checks: that it comes is the news. */
static const char reporter_kind[] = "reporter";
/* A body whose verdict changes more often than this while it is current does not exist.
 */
enum { STEPS_MAX = 64 };

static const char *const reason_names[POSTURE_GATE_REASON_COUNT] = {
    [POSTURE_GATE_TOO_LARGE] = "too_large",
    [POSTURE_GATE_HEADERS] = "headers",
    [POSTURE_GATE_TYPE] = "type",
    [POSTURE_GATE_KEY] = "key",
    [POSTURE_GATE_AGENCY] = "agency",
    [POSTURE_GATE_NULL_VALUE] = "null_value",
    [POSTURE_GATE_JSON] = "json",
    [POSTURE_GATE_DEPTH] = "depth",
    [POSTURE_GATE_SCHEMA] = "schema",
    [POSTURE_GATE_MISMATCH] = "mismatch",
    [POSTURE_GATE_SUBJECT] = "subject",
    [POSTURE_GATE_KIND] = "kind",
    [POSTURE_GATE_MAX_SUBJECTS] = "max_subjects",
    [POSTURE_GATE_REFUSED] = "refused",
};

/* Types of the reports topic. */
enum type { TYPE_REPORT, TYPE_HEARTBEAT, TYPE_RETIRE, TYPE_ACK, TYPE_COUNT };
static const char *const type_names[TYPE_COUNT] = {
    [TYPE_REPORT] = "posture.report.v1",
    [TYPE_HEARTBEAT] = "posture.heartbeat.v1",
    [TYPE_RETIRE] = "posture.retire.v1",
    [TYPE_ACK] = "posture.ack.v1",
};

const char *posture_gate_reason_name(enum posture_gate_reason reason)
{
    return (unsigned)reason < POSTURE_GATE_REASON_COUNT ? reason_names[reason]
                                                        : "unknown";
}

/* Says no; the text goes into a header, so what is foreign in it is escaped. Returns 1:
 * decided. */
__attribute__((format(printf, 3, 4))) static int
reject(struct posture_gate_decision *decision, enum posture_gate_reason reason,
       const char *fmt, ...)
{
    char text[POSTURE_GATE_TEXT_MAX * 2];
    va_list args;
    va_start(args, fmt);
    int n = vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    size_t len = n < 0 ? 0 : (size_t)n < sizeof(text) ? (size_t)n : sizeof(text) - 1;
    decision->outcome = POSTURE_GATE_REJECTED;
    decision->reason = reason;
    n = snprintf(decision->text, sizeof(decision->text), "%s: ", reason_names[reason]);
    (void)posture_escape(text, len, decision->text + n,
                         sizeof(decision->text) - (size_t)n);
    return 1;
}

/* "//AGENCY/REPORTER" */
static bool source_is(const char *source, const struct posture_key *key)
{
    size_t agency_len = strlen(key->agency);
    return strncmp(source, "//", 2) == 0 &&
           strncmp(source + 2, key->agency, agency_len) == 0 &&
           source[2 + agency_len] == '/' &&
           strcmp(source + 3 + agency_len, key->reporter) == 0;
}

static int envelope_check(const struct posture_gate_input *input,
                          struct posture_gate_decision *ret, enum type *ret_type)
{
    const struct posture_message *message = input->message;
    if (input->value_len > POSTURE_REPORT_MAX)
        return reject(ret, POSTURE_GATE_TOO_LARGE, "%zu bytes, at most %d are allowed",
                      input->value_len, POSTURE_REPORT_MAX);
    if (input->header_bytes > POSTURE_GATE_HEADERS_MAX)
        return reject(ret, POSTURE_GATE_TOO_LARGE,
                      "%zu bytes of headers, at most %d are allowed", input->header_bytes,
                      POSTURE_GATE_HEADERS_MAX);
    if (!message)
        return reject(ret, POSTURE_GATE_HEADERS, "%s", input->header_error->text);

    *ret_type = TYPE_REPORT;
    while (*ret_type < TYPE_COUNT && strcmp(message->ce_type, type_names[*ret_type]) != 0)
        (*ret_type)++;
    if (*ret_type == TYPE_COUNT)
        return reject(ret, POSTURE_GATE_TYPE, "%s is not a type of topic %s",
                      message->ce_type, input->topic);
    return 0;
}

static int identity_check(struct posture_gate *gate,
                          const struct posture_gate_input *input,
                          struct posture_gate_decision *ret, enum type type,
                          const struct posture_agency **ret_agency)
{
    const struct posture_message *message = input->message;
    struct posture_key *key = &ret->key;
    if (posture_key_parse(message->key, message->key_len, key) < 0)
        return reject(ret, POSTURE_GATE_KEY, "expected AGENCY|REPORTER|KIND|SUBJECT");
    *ret_agency = posture_registry_agency(gate->registry, key->agency);
    if (!*ret_agency)
        return reject(ret, POSTURE_GATE_AGENCY, "%s is not in the registry", key->agency);
    if (!source_is(message->ce_source, key))
        return reject(ret, POSTURE_GATE_MISMATCH, "ce_source %s, key //%s/%s",
                      message->ce_source, key->agency, key->reporter);

    /* From here on it is that source's message, whatever becomes of it. */
    struct posture_sources_seen seen =
        posture_sources_note(gate->sources, message->ce_source, input->topic,
                             message->epoch, message->sequence);
    gate->counters.sequence_missing += seen.missing;
    gate->counters.new_epochs += (uint64_t)seen.is_new_epoch;
    gate->counters.sources_not_tracked += (uint64_t)seen.is_not_tracked;

    if (!posture_subject_is_canonical(key->subject))
        return reject(ret, POSTURE_GATE_SUBJECT, "%s is not in its canonical spelling",
                      key->subject);
    const char *colon = strchr(key->subject, ':');
    char scheme[16] = "";
    if (colon && (size_t)(colon - key->subject) < sizeof(scheme))
        memcpy(scheme, key->subject, (size_t)(colon - key->subject));
    if (!posture_subject_fits_kind(scheme, key->kind))
        return reject(ret, POSTURE_GATE_SUBJECT, "%s is not a subject of kind %s",
                      key->subject, key->kind);
    bool is_heartbeat = strcmp(key->kind, reporter_kind) == 0;
    if (type != TYPE_ACK && type != TYPE_RETIRE &&
        is_heartbeat != (type == TYPE_HEARTBEAT))
        return reject(ret, POSTURE_GATE_TYPE, "%s with kind %s", type_names[type],
                      key->kind);
    return 0;
}

static int member_check(const json_t *body, const char *name, const char *expected,
                        struct posture_gate_decision *ret)
{
    const char *text = posture_json_string(body, name);
    if (text && strcmp(text, expected) == 0)
        return 0;
    return reject(ret, POSTURE_GATE_MISMATCH, "%s: body has %s, key has %s", name,
                  text ? text : "none", expected);
}

static int body_check(const struct posture_gate *gate,
                      const struct posture_gate_input *input,
                      struct posture_gate_decision *ret, json_t **ret_body)
{
    const struct posture_message *message = input->message;
    struct posture_error error = {0};
    if (!message->value)
        return reject(ret, POSTURE_GATE_NULL_VALUE, "only %s may have none",
                      type_names[TYPE_RETIRE]);
    int r = posture_json_parse(message->value, message->value_len, ret_body, &error);
    if (r == -ENOMEM)
        return r;
    if (r < 0)
        return reject(ret, r == POSTURE_E_LIMIT ? POSTURE_GATE_DEPTH : POSTURE_GATE_JSON,
                      "line %d column %d: %s", error.line, error.column, error.text);
    r = posture_schema_check(gate->schema, *ret_body, &error);
    if (r == -ENOMEM)
        return r;
    if (r < 0)
        return reject(ret, POSTURE_GATE_SCHEMA, "%s", error.text);

    const struct posture_key *key = &ret->key;
    if ((r = member_check(*ret_body, "agency", key->agency, ret)) ||
        (r = member_check(*ret_body, "reporter", key->reporter, ret)) ||
        (r = member_check(*ret_body, "kind", key->kind, ret)) ||
        (r = member_check(*ret_body, "subject", key->subject, ret)))
        return r;
    return 0;
}

/* When it was measured, as the centre believes it: never later than the broker saw it. */
static void clock_check(struct posture_gate *gate, const struct posture_gate_input *input,
                        int64_t time_ns, struct posture_judgement *verdict)
{
    if (time_ns > input->append_ns + POSTURE_GATE_CLOCK_AHEAD_S * POSTURE_NS_PER_S) {
        verdict->flags |= POSTURE_JUDGEMENT_CLOCK;
        gate->counters.clock_ahead++;
    }
    if (time_ns > input->append_ns)
        time_ns = input->append_ns;
    if (time_ns < 0)
        time_ns = 0;
    verdict->time_ns = time_ns - time_ns % POSTURE_NS_PER_MS;
}

/* Newer than the key's record, and within the agency's number of subjects when the key is
 * new. */
static int newer_check(const struct posture_state *state,
                       const struct posture_agency *agency,
                       const struct posture_gate_input *input,
                       struct posture_gate_decision *ret,
                       const struct posture_record_content **ret_previous)
{
    const struct posture_message *message = input->message;
    const struct posture_record *record =
        posture_state_find(state, message->key, message->key_len);
    *ret_previous = record ? posture_record_latest(record) : NULL;
    if (*ret_previous &&
        posture_record_compare(*ret_previous, message->epoch, message->sequence) >= 0) {
        ret->outcome = POSTURE_GATE_DUPLICATE;
        return 1;
    }
    const struct posture_agency_state *has = posture_state_agency(state, agency->id);
    if (!record && has && has->count >= agency->max_subjects)
        return reject(ret, POSTURE_GATE_MAX_SUBJECTS,
                      "%s has %u subjects, no more are allowed", agency->id,
                      agency->max_subjects);
    return 0;
}

int posture_gate_verdict(const struct posture_profile *profile,
                         const struct posture_check_set *const *sets, const json_t *body,
                         const struct posture_judgement *previous, int64_t first_ns,
                         int64_t until_ns, struct posture_judgement *verdict,
                         struct posture_results *ret_results)
{
    struct posture_results POSTURE_AUTO_RESULTS own = {.count = 0};
    struct posture_results *results = ret_results ? ret_results : &own;
    const char *kind = posture_json_string(body, "kind");
    const json_t *facts =
        json_object_get(json_object_get(body, "facts"), kind ? kind : "");
    const json_t *declared = json_object_get(body, "declared");
    struct posture_judgement earlier;
    int64_t at_ns = first_ns;

    (void)snprintf(verdict->profile, sizeof(verdict->profile), "%s",
                   posture_profile_digest(profile));
    for (int step = 0;; step++) {
        POSTURE_TRY(posture_judge(sets, kind ? kind : "", facts, declared, profile, at_ns,
                                  results));
        posture_judgement_set_results(verdict, results, previous, at_ns);
        verdict->next_change_ns = posture_results_valid_until(results);
        if (verdict->next_change_ns > until_ns || verdict->next_change_ns <= at_ns)
            break;
        at_ns = step < STEPS_MAX ? verdict->next_change_ns : until_ns;
        if (step > STEPS_MAX)
            break;
        earlier = *verdict;
        previous = &earlier;
    }
    /* Whole milliseconds, as the header carries them; never before the instant itself. */
    if (verdict->next_change_ns != INT64_MAX &&
        verdict->next_change_ns % POSTURE_NS_PER_MS != 0)
        verdict->next_change_ns +=
            POSTURE_NS_PER_MS - verdict->next_change_ns % POSTURE_NS_PER_MS;
    return 0;
}

static int report_judge(struct posture_gate *gate, const struct posture_state *state,
                        const struct posture_gate_input *input, const json_t *body,
                        const struct posture_record_content *previous_content,
                        struct posture_gate_decision *ret)
{
    struct posture_judgement previous;
    struct posture_judgement *verdict = &ret->verdict;
    verdict->interval_s = json_number_value(json_object_get(body, "interval_s"));
    verdict->next_change_ns = INT64_MAX;
    ret->value = input->message->value;
    ret->value_len = input->message->value_len;
    if (strcmp(ret->key.kind, reporter_kind) == 0)
        return 0;

    if (previous_content)
        posture_record_verdict(state, previous_content, &previous);
    int r = posture_gate_verdict(gate->profile, gate->sets, body,
                                 previous_content ? &previous : NULL, verdict->time_ns,
                                 input->append_ns, verdict, NULL);
    if (r == POSTURE_E_MISSING)
        return reject(ret, POSTURE_GATE_KIND, "no checks for kind %s here",
                      ret->key.kind);
    return r;
}

static int report_decide(struct posture_gate *gate, const struct posture_state *state,
                         const struct posture_gate_input *input,
                         const struct posture_agency *agency,
                         struct posture_gate_decision *ret)
{
    const struct posture_record_content *previous = NULL;
    json_auto_t *body = NULL;
    int r = body_check(gate, input, ret, &body);
    if (r)
        return r;
    const char *time_text = posture_json_string(body, "time");
    int64_t time_ns;
    if (!time_text || posture_time_parse(time_text, strlen(time_text), &time_ns) < 0)
        return reject(ret, POSTURE_GATE_SCHEMA, "/time is not an RFC 3339 time");
    r = newer_check(state, agency, input, ret, &previous);
    if (r)
        return r;
    clock_check(gate, input, time_ns, &ret->verdict);
    return report_judge(gate, state, input, body, previous, ret);
}

/* Retiring is a statement, so that it is kept: the state gets a last record, not a
 * tombstone. */
static int retire_decide(struct posture_gate *gate, const struct posture_state *state,
                         const struct posture_gate_input *input,
                         const struct posture_agency *agency,
                         struct posture_gate_decision *ret)
{
    const struct posture_record_content *previous = NULL;
    char time_text[POSTURE_TIME_TEXT_MAX];
    if (input->message->value)
        return reject(ret, POSTURE_GATE_NULL_VALUE, "%s must have none",
                      type_names[TYPE_RETIRE]);
    int r = newer_check(state, agency, input, ret, &previous);
    if (r)
        return r;
    clock_check(gate, input, input->message->ce_time_ns, &ret->verdict);
    ret->verdict.flags |= POSTURE_JUDGEMENT_RETIRED;
    ret->verdict.next_change_ns = INT64_MAX;

    const struct posture_key *key = &ret->key;
    json_auto_t *statement = json_pack(
        "{s:s, s:s, s:s, s:s, s:s, s:s}", "schema", "posture.retired/1", "time",
        posture_time_format(ret->verdict.time_ns, time_text), "agency", key->agency,
        "reporter", key->reporter, "kind", key->kind, "subject", key->subject);
    if (!statement)
        return -ENOMEM;
    posture_buf_clear(&ret->retired);
    if (posture_json_write(statement, &ret->retired) < 0 ||
        posture_buf_error(&ret->retired))
        return -ENOMEM;
    ret->value = ret->retired.data;
    ret->value_len = ret->retired.len;
    return 0;
}

static int decide(struct posture_gate *gate, const struct posture_state *state,
                  const struct posture_gate_input *input,
                  struct posture_gate_decision *ret)
{
    enum type type = TYPE_REPORT;
    const struct posture_agency *agency = NULL;
    int r = envelope_check(input, ret, &type);
    if (r)
        return r;
    r = identity_check(gate, input, ret, type, &agency);
    if (r)
        return r;
    if (type == TYPE_ACK) {
        ret->outcome = POSTURE_GATE_NOTED;
        return 0;
    }
    return type == TYPE_RETIRE ? retire_decide(gate, state, input, agency, ret)
                               : report_decide(gate, state, input, agency, ret);
}

int posture_gate_decide(struct posture_gate *gate, const struct posture_state *state,
                        const struct posture_gate_input *input,
                        struct posture_gate_decision *ret)
{
    ret->outcome = POSTURE_GATE_ACCEPTED;
    ret->text[0] = '\0';
    ret->value = NULL;
    ret->value_len = 0;
    ret->verdict.profile[0] = '\0';
    ret->verdict.interval_s = 0;
    ret->verdict.flags = 0;
    ret->verdict.count = 0;
    POSTURE_TRY(decide(gate, state, input, ret));
    switch (ret->outcome) {
    case POSTURE_GATE_ACCEPTED:
        posture_judgement_encode(&ret->verdict, ret->key.kind, ret->header,
                                 &ret->header_len);
        gate->counters.accepted++;
        break;
    case POSTURE_GATE_REJECTED:
        gate->counters.rejected[ret->reason]++;
        break;
    case POSTURE_GATE_DUPLICATE:
        gate->counters.duplicates++;
        break;
    case POSTURE_GATE_NOTED:
        gate->counters.noted++;
        break;
    }
    return 0;
}

void posture_gate_refuse(struct posture_gate *gate, const char *why,
                         struct posture_gate_decision *decision)
{
    gate->counters.accepted--;
    gate->counters.rejected[POSTURE_GATE_REFUSED]++;
    (void)reject(decision, POSTURE_GATE_REFUSED, "%s", why);
}

void posture_gate_decision_done(struct posture_gate_decision *decision)
{
    posture_buf_done(&decision->retired);
}
