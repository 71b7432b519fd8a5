/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */

/*
 * What one report costs the gate without Kafka, in microseconds of CPU: the whole
 * decision (parse, schema, registry, identity, newer, thirteen checks, verdict header)
 * with the note that it is on its way, and what reading it back costs the judge (header
 * only, as after a restart). gate_bench [SECONDS] (default 1 a body). Each body is that
 * of another subject in turn, 1,000 of them.
 */

#include "common/base/clock.h"
#include "common/report/scratch.h"
#include "posture_criteria/gate.h"
#include "posture_criteria/rejudge.h"
#include "posture_crypto/tls_checks.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

enum { SUBJECTS = 1000 };

static const struct posture_check_set *const sets[] = {&posture_tls_checks, NULL};
static const char registry_text[] =
    "{\"schema\":\"posture.registry/1\",\"agencies\":[{\"id\":\"example\","
    "\"area\":\"central-government\",\"inventory\":[]}]}";

struct bench {
    struct posture_gate gate;
    struct posture_state *state;
    struct posture_gate_decision decision;
    struct body {
        char *bytes;
        size_t len;
        char *key;
    } bodies[SUBJECTS];
    char source[300];
    uint64_t sequence;
};

static double cpu_s(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
    return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static struct posture_message message_of(struct bench *bench, const struct body *body)
{
    return (struct posture_message){.ce_type = "posture.report.v1",
                                    .ce_source = bench->source,
                                    .ce_id = "019aaf7c-0008-7c1e-9d3b-5b0e7a4f21c6",
                                    .epoch = 1,
                                    .sequence = ++bench->sequence,
                                    .key = body->key,
                                    .key_len = strlen(body->key),
                                    .value = body->bytes,
                                    .value_len = body->len};
}

/* One message through the gate and, by its header, back through the judge. */
static int step(struct bench *bench, const struct body *body, double *decide_s,
                double *apply_s)
{
    struct posture_message message = message_of(bench, body);
    const struct posture_gate_input input = {.message = &message,
                                             .value_len = body->len,
                                             .topic = "reports.v1",
                                             .append_ns = posture_now_ns()};
    double start = cpu_s();
    posture_scratch_begin();
    int r = posture_gate_decide(&bench->gate, bench->state, &input, &bench->decision);
    posture_scratch_end();
    if (r < 0 || bench->decision.outcome != POSTURE_GATE_ACCEPTED) {
        fprintf(stderr, "gate_bench: %s\n", bench->decision.text);
        return -1;
    }
    POSTURE_TRY(posture_state_accept(bench->state, message.key, message.key_len, 1,
                                     message.sequence, &bench->decision.verdict));
    double middle = cpu_s();
    const struct posture_rejudge_context context = {
        .profile = bench->gate.profile, .sets = sets, .now_ns = input.append_ns};
    struct posture_judgement verdict;
    enum posture_state_applied applied;
    message.verdict = bench->decision.header;
    message.verdict_len = bench->decision.header_len;
    POSTURE_TRY(posture_rejudge(&context, "tls", &message, &verdict, NULL));
    const struct posture_state_entry entry = {.key = message.key,
                                              .key_len = message.key_len,
                                              .epoch = 1,
                                              .sequence = message.sequence,
                                              .verdict = &verdict};
    POSTURE_TRY(posture_state_apply(bench->state, &entry, &applied, NULL));
    *decide_s += middle - start;
    *apply_s += cpu_s() - middle;
    return 0;
}

/* The committed body with another host name for each subject, of the same length. */
static int bodies_make(struct bench *bench, const char *path)
{
    json_auto_t *root = NULL;
    POSTURE_TRY(posture_json_load(path, POSTURE_REPORT_MAX, &root, NULL));
    for (int i = 0; i < SUBJECTS; i++) {
        char subject[64];
        (void)snprintf(subject, sizeof(subject), "tls://w%04d.example.go.jp:443", i);
        json_object_set_new(root, "subject", json_string(subject));
        free(bench->bodies[i].bytes);
        free(bench->bodies[i].key);
        bench->bodies[i].bytes = posture_json_compact(root, &bench->bodies[i].len);
        bench->bodies[i].key = posture_asprintf(
            "example|%s|tls|%s", posture_json_string(root, "reporter"), subject);
        if (!bench->bodies[i].bytes || !bench->bodies[i].key)
            return -1;
    }
    (void)snprintf(bench->source, sizeof(bench->source), "//example/%s",
                   posture_json_string(root, "reporter"));
    return 0;
}

static int measure(struct bench *bench, const char *name, double seconds)
{
    char path[1024];
    double decide_s = 0, apply_s = 0, start = cpu_s();
    uint64_t count = 0;
    (void)snprintf(path, sizeof(path), POSTURE_SOURCE_DIR "/tests/bench/data/%s", name);
    if (bodies_make(bench, path) < 0) {
        fprintf(stderr, "gate_bench: %s cannot be used\n", path);
        return -1;
    }
    do {
        for (int i = 0; i < SUBJECTS; i++)
            POSTURE_TRY(step(bench, &bench->bodies[i], &decide_s, &apply_s));
        count += SUBJECTS;
    } while (cpu_s() - start < seconds);
    printf("%-16s %5zu B  gate %6.2f us  judge's reading %5.2f us  %8.0f/s on one core\n",
           name, bench->bodies[0].len, decide_s / (double)count * 1e6,
           apply_s / (double)count * 1e6, (double)count / (decide_s + apply_s));
    return 0;
}

int main(int argc, char **argv)
{
    static struct bench bench;
    static const char *const names[] = {"report-600.json", "report-2k.json",
                                        "report-8k.json"};
    struct posture_error error = {0};
    struct posture_registry_index *registry = NULL;
    struct posture_schema *schema = NULL;
    struct posture_profile *profile = NULL;
    double seconds = argc > 1 ? strtod(argv[1], NULL) : 1;
    json_t *document = json_loads(registry_text, 0, NULL);
    if (posture_registry_index_new(document, "000000000000", &registry, &error) < 0 ||
        posture_schema_load(POSTURE_SOURCE_DIR "/schemas/report.v1.schema.json", &schema,
                            &error) < 0 ||
        posture_profile_load(NULL, "cryptrec-ls0001-2022r2", &profile, &error) < 0) {
        fprintf(stderr, "gate_bench: %s\n", error.text);
        return 1;
    }
    bench.gate = (struct posture_gate){.registry = registry,
                                       .schema = schema,
                                       .profile = profile,
                                       .sets = sets,
                                       .sources = posture_sources_new()};
    bench.state = posture_state_new();
    int r = 0;
    for (size_t i = 0; r == 0 && i < POSTURE_COUNT(names); i++)
        r = measure(&bench, names[i], seconds);
    for (size_t i = 0; i < SUBJECTS; i++) {
        free(bench.bodies[i].bytes);
        free(bench.bodies[i].key);
    }
    posture_gate_decision_done(&bench.decision);
    posture_state_free(bench.state);
    posture_sources_free(bench.gate.sources);
    posture_profile_free(profile);
    posture_schema_free(schema);
    posture_registry_index_free(registry);
    json_decref(document);
    return r < 0;
}
