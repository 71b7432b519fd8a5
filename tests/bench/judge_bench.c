/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */

/*
 * What judging a stored report again costs, in microseconds of CPU a body: jansson alone
 * (with JSON_REJECT_DUPLICATES), the checks alone, and both, which is what "what if the
 * rule changed?" is answered at. Rounds of all take turns, and the best round of each
 * counts, so that another load on the machine hits none alone.
 *     judge_bench [SECONDS]     (default 1 a body)
 */

#include "common/report/judge.h"
#include "common/report/report.h"
#include "posture_crypto/tls_checks.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

enum { ROUNDS = 10, STEP_COUNT = 3 };

struct body {
    char *bytes;
    size_t len;
    json_t *root;
    const struct posture_profile *profile;
};

static int step_jansson(const struct body *body)
{
    json_t *root = json_loadb(body->bytes, body->len, JSON_REJECT_DUPLICATES, NULL);
    json_decref(root);
    return root ? 0 : -1;
}

static const struct posture_check_set *const sets[] = {&posture_tls_checks, NULL};

static int judge(const struct body *body, const json_t *root)
{
    POSTURE_AUTO_RESULTS struct posture_results results = {0};
    const json_t *facts = json_object_get(json_object_get(root, "facts"), "tls");
    /* 2026-11-23 */
    return posture_judge(sets, "tls", facts, json_object_get(root, "declared"),
                         body->profile, INT64_C(1795359600000000000), &results);
}

static int step_judge(const struct body *body)
{
    return judge(body, body->root);
}

static int step_both(const struct body *body)
{
    json_auto_t *root = json_loadb(body->bytes, body->len, JSON_REJECT_DUPLICATES, NULL);
    return root ? judge(body, root) : -1;
}

static double cpu_s(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
    return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

/* Seconds of CPU for one call, over about the given time; negative when a call fails. */
static double measure(int (*step)(const struct body *), const struct body *body,
                      double seconds)
{
    double start = cpu_s(), used;
    unsigned long calls = 0;
    do {
        for (int i = 0; i < 50; i++) {
            if (step(body) < 0)
                return -1;
        }
        calls += 50;
        used = cpu_s() - start;
    } while (used < seconds);
    return used / (double)calls;
}

static int body_measure(const char *name, const struct posture_profile *profile,
                        double seconds)
{
    static int (*const steps[STEP_COUNT])(const struct body *) = {step_jansson,
                                                                  step_judge, step_both};
    char path[1024];
    struct posture_error error = {0};
    struct body body = {.profile = profile};
    snprintf(path, sizeof(path), "%s/tests/bench/data/%s.json", POSTURE_SOURCE_DIR, name);
    int r = posture_file_read(path, POSTURE_REPORT_MAX, &body.bytes, &body.len, &error);
    if (r == 0)
        r = posture_json_parse(body.bytes, body.len, &body.root, &error);
    double best[STEP_COUNT] = {0};
    for (int round = 0; r == 0 && round < ROUNDS; round++) {
        for (int i = 0; i < STEP_COUNT; i++) {
            double s = measure(steps[i], &body, seconds / ROUNDS / STEP_COUNT);
            if (s < 0)
                r = POSTURE_E_SCHEMA;
            if (round == 0 || s < best[i])
                best[i] = s;
        }
    }
    if (r < 0)
        fprintf(stderr, "%s: %s\n", path, error.text);
    else
        printf("%-12s %6zu  %9.2f %9.2f %9.2f  %9.0f/s %6.1f MB/s  %5.2f\n", name,
               body.len, best[0] * 1e6, best[1] * 1e6, best[2] * 1e6, 1 / best[2],
               (double)body.len / best[2] / 1e6, best[0] / best[2]);
    json_decref(body.root);
    free(body.bytes);
    return r;
}

int main(int argc, char **argv)
{
    static const char *const names[] = {"report-600", "report-2k", "report-8k"};
    double seconds = argc > 1 ? atof(argv[1]) : 1;
    struct posture_error error = {0};
    POSTURE_AUTO(posture_profile_free) struct posture_profile *profile = NULL;
    if (posture_profile_load(POSTURE_SOURCE_DIR "/schemas", "cryptrec-ls0001-2022r2",
                             &profile, &error) < 0) {
        fprintf(stderr, "%s: %s\n", error.file, error.text);
        return 1;
    }
    printf("%-12s %6s  %9s %9s %9s  %11s %11s  %5s\n", "body", "bytes", "jansson",
           "judge", "both", "both", "both", "ratio");
    for (size_t i = 0; i < POSTURE_COUNT(names); i++) {
        if (body_measure(names[i], profile, seconds) < 0)
            return 1;
    }
    printf(
        "microseconds of CPU a body; ratio: jansson's rate that is left with judging\n");
    return 0;
}
