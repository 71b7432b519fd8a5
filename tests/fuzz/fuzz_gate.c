/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */

/*
 * The gate and the readers of its verdicts. First byte: how the rest is used.
 *   0  the body of a report whose key is that of the body's subject
 *   1  ce_type, ce_source, key and body, separated by line feeds
 *   2  a posture-verdict header: what is read, written and read again is the same
 * What the gate accepts goes into the state and must be read back as it was written.
 */

#include "posture_criteria/gate.h"
#include "posture_criteria/rejudge.h"
#include "posture_crypto/tls_checks.h"

#include <stdio.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct posture_check_set *const sets[] = {&posture_tls_checks, NULL};
static struct posture_gate gate;
static struct posture_state *state;
static uint64_t sequence;

static void load(void)
{
    static const char registry_text[] =
        "{\"schema\":\"posture.registry/1\",\"agencies\":[{\"id\":\"example\","
        "\"area\":\"central-government\",\"max_subjects\":100,\"inventory\":[]}]}";
    struct posture_error error = {0};
    struct posture_registry_index *registry = NULL;
    struct posture_schema *schema = NULL;
    struct posture_profile *profile = NULL;
    json_auto_t *document = json_loads(registry_text, 0, NULL);
    if (posture_registry_index_new(document, "000000000000", &registry, &error) < 0 ||
        posture_schema_load(POSTURE_SOURCE_DIR "/schemas/report.v1.schema.json", &schema,
                            &error) < 0 ||
        posture_profile_load(NULL, "cryptrec-ls0001-2022r2", &profile, &error) < 0) {
        fprintf(stderr, "fuzz_gate: %s\n", error.text);
        abort();
    }
    gate = (struct posture_gate){.registry = registry,
                                 .schema = schema,
                                 .profile = profile,
                                 .sets = sets,
                                 .sources = posture_sources_new()};
    state = posture_state_new();
}

static void must(bool is_true, const char *what)
{
    if (is_true)
        return;
    fprintf(stderr, "fuzz_gate: %s\n", what);
    abort();
}

static void decide(struct posture_message *message)
{
    static struct posture_gate_decision decision;
    const struct posture_gate_input input = {.message = message,
                                             .value_len = message->value_len,
                                             .topic = "reports.v1",
                                             .append_ns = INT64_C(1795420800000000000)};
    message->epoch = 1;
    message->sequence = ++sequence;
    if (posture_gate_decide(&gate, state, &input, &decision) < 0)
        return;
    if (decision.outcome == POSTURE_GATE_REJECTED)
        must(decision.text[0] && strlen(decision.text) < sizeof(decision.text),
             "no reason");
    if (decision.outcome != POSTURE_GATE_ACCEPTED)
        return;
    must(posture_state_accept(state, message->key, message->key_len, 1, sequence,
                              &decision.verdict) == 0,
         "accepted, but the state does not take it");
    struct posture_judgement verdict;
    must(posture_judgement_decode(decision.header, decision.header_len, decision.key.kind,
                                  &verdict) == 0,
         "the verdict cannot be read back");
    must(verdict.count == decision.verdict.count ||
             verdict.flags & POSTURE_JUDGEMENT_BODY,
         "the verdict lost a check");
    const struct posture_rejudge_context context = {
        .profile = gate.profile, .sets = sets, .now_ns = input.append_ns + 1};
    message->verdict = decision.header;
    message->verdict_len = decision.header_len;
    message->value = decision.value;
    message->value_len = decision.value_len;
    must(posture_rejudge(&context, decision.key.kind, message, &verdict, NULL) == 0,
         "the record cannot be judged again");
    enum posture_state_applied applied;
    const struct posture_state_entry entry = {.key = message->key,
                                              .key_len = message->key_len,
                                              .epoch = 1,
                                              .sequence = sequence,
                                              .verdict = &verdict};
    must(posture_state_apply(state, &entry, &applied, NULL) == 0 &&
             applied == POSTURE_STATE_NEWER,
         "the record is not newer");
}

static void body_run(const char *bytes, size_t len)
{
    char key[POSTURE_KEY_MAX];
    json_auto_t *root = NULL;
    if (posture_json_parse(bytes, len, &root, NULL) < 0)
        return;
    const char *reporter = posture_json_string(root, "reporter");
    const char *kind = posture_json_string(root, "kind");
    const char *subject = posture_json_string(root, "subject");
    char source[400];
    if (!reporter || !kind || !subject ||
        posture_key_format("example", reporter, kind, subject, key) < 0 ||
        (size_t)snprintf(source, sizeof(source), "//example/%s", reporter) >=
            sizeof(source))
        return;
    struct posture_message message = {.ce_type = strcmp(kind, "reporter") == 0
                                                     ? "posture.heartbeat.v1"
                                                     : "posture.report.v1",
                                      .ce_source = source,
                                      .ce_id = "x",
                                      .key = key,
                                      .key_len = strlen(key),
                                      .value = bytes,
                                      .value_len = len};
    decide(&message);
}

static void parts_run(const char *bytes, size_t len)
{
    const char *parts[3] = {"", "", ""};
    size_t lens[3] = {0};
    char type[64], source[400];
    for (int i = 0; i < 3; i++) {
        const char *end = len ? memchr(bytes, '\n', len) : NULL;
        if (!end)
            return;
        parts[i] = bytes;
        lens[i] = (size_t)(end - bytes);
        len -= lens[i] + 1;
        bytes = end + 1;
    }
    if (lens[0] >= sizeof(type) || lens[1] >= sizeof(source) ||
        memchr(parts[0], 0, lens[0]) || memchr(parts[1], 0, lens[1]))
        return;
    (void)snprintf(type, sizeof(type), "%.*s", (int)lens[0], parts[0]);
    (void)snprintf(source, sizeof(source), "%.*s", (int)lens[1], parts[1]);
    struct posture_message message = {.ce_type = type,
                                      .ce_source = source,
                                      .ce_id = "x",
                                      .key = parts[2],
                                      .key_len = lens[2],
                                      .value = len ? bytes : NULL,
                                      .value_len = len};
    decide(&message);
}

static void verdict_run(const char *bytes, size_t len)
{
    struct posture_judgement first, again;
    char text[POSTURE_JUDGEMENT_MAX + 1], other[POSTURE_JUDGEMENT_MAX + 1];
    size_t text_len, other_len;
    if (posture_judgement_decode(bytes, len, "tls", &first) < 0)
        return;
    posture_judgement_encode(&first, "tls", text, &text_len);
    must(posture_judgement_decode(text, text_len, "tls", &again) == 0, "not read again");
    posture_judgement_encode(&again, "tls", other, &other_len);
    must(text_len == other_len && memcmp(text, other, text_len) == 0,
         "not the same again");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (!state)
        load();
    if (size == 0)
        return 0;
    const char *bytes = (const char *)data + 1;
    switch (data[0] % 3) {
    case 0:
        body_run(bytes, size - 1);
        break;
    case 1:
        parts_run(bytes, size - 1);
        break;
    default:
        verdict_run(bytes, size - 1);
        break;
    }
    return 0;
}
