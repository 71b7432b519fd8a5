/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#include "posture_criteria/metrics.h"

#include "common/base/clock.h"
#include "common/base/parse.h"
#include "common/report/json.h"
#include "posture_criteria/not_passing.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <string.h>

#ifndef POSTURE_VERSION
#define POSTURE_VERSION "0.1.0"
#endif

enum metric_type { TYPE_GAUGE, TYPE_COUNTER };

/* One family: name without "_total", as OpenMetrics wants it. */
struct family {
    const char *name;
    enum metric_type type;
    const char *unit; /* OpenMetrics "# UNIT"; NULL: none */
    const char *help;
};

enum family_id {
    FAMILY_BUILD,
    FAMILY_MODEL_TIME,
    FAMILY_PROFILE,
    FAMILY_AGENCY,
    FAMILY_CRITERION,
    FAMILY_ACHIEVED,
    FAMILY_TARGET,
    FAMILY_COVERAGE,
    FAMILY_OF_MEASURED,
    FAMILY_EXPECTED,
    FAMILY_PASSING,
    FAMILY_MEASURED,
    FAMILY_UNREGISTERED,
    FAMILY_EXCEPTED,
    FAMILY_OLDEST,
    FAMILY_NOT_PASSING,
    FAMILY_LAST_REPORT,
    FAMILY_ACCEPTED,
    FAMILY_DUPLICATES,
    FAMILY_REJECTED,
    FAMILY_EVENTS,
    FAMILY_LAG,
    FAMILY_COUNT,
};

#define EVAL_LABELS                                                                      \
    "by scope (agency, sector, area, nation): choose one scope before summing"

static const struct family families[FAMILY_COUNT] = {
    [FAMILY_BUILD] = {"posture_build_info", TYPE_GAUGE, NULL, "Version of the centre."},
    [FAMILY_MODEL_TIME] = {"posture_model_timestamp_seconds", TYPE_GAUGE, "seconds",
                           "When the shown evaluation of the nation was made."},
    [FAMILY_PROFILE] = {"posture_profile_info", TYPE_GAUGE, NULL,
                        "Profile that verdicts are judged by."},
    [FAMILY_AGENCY] = {"posture_agency_info", TYPE_GAUGE, NULL,
                       "Registered agency with its area, class, sector and names."},
    [FAMILY_CRITERION] = {"posture_criterion_info", TYPE_GAUGE, NULL,
                          "Criterion of the catalogue with its kind and titles."},
    [FAMILY_ACHIEVED] = {"posture_criterion_achieved_ratio", TYPE_GAUGE, "ratio",
                         "Passing subjects of those expected, " EVAL_LABELS "."},
    [FAMILY_TARGET] = {"posture_criterion_target_ratio", TYPE_GAUGE, "ratio",
                       "Target of the fiscal year, " EVAL_LABELS "."},
    [FAMILY_COVERAGE] = {"posture_criterion_coverage_ratio", TYPE_GAUGE, "ratio",
                         "Freshly measured subjects of those expected, " EVAL_LABELS "."},
    [FAMILY_OF_MEASURED] = {"posture_criterion_of_measured_ratio", TYPE_GAUGE, "ratio",
                            "Passing subjects of those measured, " EVAL_LABELS "."},
    [FAMILY_EXPECTED] = {"posture_criterion_expected_subjects", TYPE_GAUGE, "subjects",
                         "Subjects that the registry expects, " EVAL_LABELS "."},
    [FAMILY_PASSING] = {"posture_criterion_passing_subjects", TYPE_GAUGE, "subjects",
                        "Subjects that pass, " EVAL_LABELS "."},
    [FAMILY_MEASURED] = {"posture_criterion_measured_subjects", TYPE_GAUGE, "subjects",
                         "Subjects freshly and wholly measured, " EVAL_LABELS "."},
    [FAMILY_UNREGISTERED] =
        {"posture_criterion_unregistered_subjects", TYPE_GAUGE, "subjects",
         "Reported subjects that the registry does not expect, " EVAL_LABELS "."},
    [FAMILY_EXCEPTED] = {"posture_criterion_excepted_subjects", TYPE_GAUGE, "subjects",
                         "Subjects with an exception on record, " EVAL_LABELS "."},
    [FAMILY_OLDEST] = {"posture_criterion_oldest_report_timestamp_seconds", TYPE_GAUGE,
                       "seconds",
                       "Time of the oldest report that counts, " EVAL_LABELS "."},
    [FAMILY_NOT_PASSING] =
        {"posture_not_passing", TYPE_GAUGE, NULL,
         "Subjects that keep a criterion from being achieved, by worst "
         "result."},
    [FAMILY_LAST_REPORT] = {"posture_last_report_timestamp_seconds", TYPE_GAUGE,
                            "seconds",
                            "Time of an agency's newest accepted report of a kind."},
    [FAMILY_ACCEPTED] = {"posture_gate_accepted", TYPE_COUNTER, NULL,
                         "Messages that the gate wrote to the state."},
    [FAMILY_DUPLICATES] = {"posture_gate_duplicates", TYPE_COUNTER, NULL,
                           "Messages that the gate dropped as already known."},
    [FAMILY_REJECTED] = {"posture_gate_rejected", TYPE_COUNTER, NULL,
                         "Messages that the gate refused, by reason."},
    [FAMILY_EVENTS] = {"posture_gate_events", TYPE_COUNTER, NULL,
                       "Other events that the gate counts, by name."},
    [FAMILY_LAG] = {"posture_gate_lag_messages", TYPE_GAUGE, "messages",
                    "Messages that wait in front of the gate."},
};

/* The state of one writing: a family's head is written before its first sample only. */
struct writer {
    struct posture_buf *out;
    enum posture_exposition format;
    enum family_id family;
    bool has_head, has_label;
};

const char *posture_exposition_type(enum posture_exposition format)
{
    return format == POSTURE_EXPOSITION_OPENMETRICS
               ? "application/openmetrics-text; version=1.0.0; charset=utf-8"
               : "text/plain; version=0.0.4; charset=utf-8";
}

const char *posture_metrics_name(size_t index)
{
    /* Counters are queried with their suffix. */
    static const char *const totals[] = {
        "posture_gate_accepted_total", "posture_gate_duplicates_total",
        "posture_gate_rejected_total", "posture_gate_events_total"};

    if (index >= FAMILY_COUNT)
        return NULL;
    if (index >= FAMILY_ACCEPTED && index <= FAMILY_EVENTS)
        return totals[index - FAMILY_ACCEPTED];
    return families[index].name;
}

static void family_begin(struct writer *w, enum family_id family)
{
    w->family = family;
    w->has_head = false;
}

static void head_write(struct writer *w)
{
    const struct family *f = &families[w->family];
    bool is_open = w->format == POSTURE_EXPOSITION_OPENMETRICS;
    const char *suffix = f->type == TYPE_COUNTER && !is_open ? "_total" : "";

    posture_buf_addf(w->out, "# HELP %s%s %s\n# TYPE %s%s %s\n", f->name, suffix, f->help,
                     f->name, suffix, f->type == TYPE_COUNTER ? "counter" : "gauge");
    if (is_open && f->unit)
        posture_buf_addf(w->out, "# UNIT %s %s\n", f->name, f->unit);
    w->has_head = true;
}

static void sample_begin(struct writer *w)
{
    const struct family *f = &families[w->family];

    if (!w->has_head)
        head_write(w);
    posture_buf_adds(w->out, f->name);
    if (f->type == TYPE_COUNTER)
        posture_buf_adds(w->out, "_total");
    w->has_label = false;
}

/* An empty label is an absent one in Prometheus; it is left out. */
static void label_add(struct writer *w, const char *name, const char *value)
{
    if (!value || !value[0])
        return;
    posture_buf_addc(w->out, w->has_label ? ',' : '{');
    posture_buf_adds(w->out, name);
    posture_buf_adds(w->out, "=\"");
    while (*value) {
        size_t plain = strcspn(value, "\\\"\n");

        posture_buf_add(w->out, value, plain);
        value += plain;
        if (!*value)
            break;
        posture_buf_adds(w->out, *value == '\n'  ? "\\n"
                                 : *value == '"' ? "\\\""
                                                 : "\\\\");
        value++;
    }
    posture_buf_addc(w->out, '"');
    w->has_label = true;
}

static void sample_end(struct writer *w, double value)
{
    char number[32];

    posture_buf_adds(w->out, w->has_label ? "} " : " ");
    /* Most values are counts. */
    if (value >= 0 && value < 1e15 && value == floor(value))
        snprintf(number, sizeof(number), "%" PRIu64, (uint64_t)value);
    else
        posture_double_format(value, number);
    posture_buf_adds(w->out, number);
    posture_buf_addc(w->out, '\n');
}

static void sample_simple(struct writer *w, enum family_id family, double value)
{
    family_begin(w, family);
    sample_begin(w);
    sample_end(w, value);
}

static bool time_read(const json_t *object, const char *key, double *ret_s)
{
    const char *text = posture_json_string(object, key);
    int64_t ns = 0;

    if (!text || posture_time_parse(text, strlen(text), &ns) < 0)
        return false;
    *ret_s = (double)(ns / POSTURE_NS_PER_MS) / 1000;
    return true;
}

static bool number_read(const json_t *object, const char *key, double *ret)
{
    const json_t *v = json_object_get(object, key);

    if (!json_is_number(v) || !isfinite(json_number_value(v)))
        return false;
    *ret = json_number_value(v);
    return true;
}

static void info_write(struct writer *w, const json_t *nation)
{
    const json_t *profile = json_object_get(nation, "profile");
    double s;

    family_begin(w, FAMILY_BUILD);
    sample_begin(w);
    label_add(w, "version", POSTURE_VERSION);
    sample_end(w, 1);
    if (time_read(nation, "time", &s))
        sample_simple(w, FAMILY_MODEL_TIME, s);
    if (profile) {
        family_begin(w, FAMILY_PROFILE);
        sample_begin(w);
        label_add(w, "profile", posture_json_string(profile, "id"));
        label_add(w, "digest", posture_json_string(profile, "digest"));
        sample_end(w, 1);
    }
}

static void agencies_write(struct writer *w, const json_t *agencies)
{
    size_t i;
    json_t *agency;

    family_begin(w, FAMILY_AGENCY);
    json_array_foreach (agencies, i, agency) {
        sample_begin(w);
        label_add(w, "agency", posture_json_string(agency, "id"));
        label_add(w, "area", posture_json_string(agency, "area"));
        label_add(w, "class", posture_json_string(agency, "class"));
        label_add(w, "sector", posture_json_string(agency, "sector"));
        label_add(w, "name_ja", posture_page_localised(agency, "name", POSTURE_LANG_JA));
        label_add(w, "name_en", posture_page_localised(agency, "name", POSTURE_LANG_EN));
        sample_end(w, 1);
    }
}

static void criteria_write(struct writer *w, const json_t *criteria)
{
    size_t i;
    json_t *criterion;

    family_begin(w, FAMILY_CRITERION);
    json_array_foreach (criteria, i, criterion) {
        sample_begin(w);
        label_add(w, "criterion", posture_json_string(criterion, "id"));
        label_add(w, "kind", posture_json_string(criterion, "kind"));
        label_add(w, "title_ja",
                  posture_page_localised(criterion, "title", POSTURE_LANG_JA));
        label_add(w, "title_en",
                  posture_page_localised(criterion, "title", POSTURE_LANG_EN));
        sample_end(w, 1);
    }
}

/* agency id → registry entry, for the area and sector of an agency's evaluation */
static json_t *agency_index(const json_t *agencies)
{
    json_auto_t *index = json_object();
    size_t i;
    json_t *agency;

    json_array_foreach (agencies, i, agency) {
        const char *id = posture_json_string(agency, "id");

        if (!index || (id && json_object_set(index, id, agency) < 0))
            return NULL;
    }
    return POSTURE_TAKE(index);
}

static void eval_labels(struct writer *w, const json_t *eval, const json_t *index)
{
    const json_t *scope = json_object_get(eval, "scope");
    const char *type = posture_json_string(scope, "type"),
               *id = posture_json_string(scope, "id");

    label_add(w, "scope", type);
    if (type && id && strcmp(type, "agency") == 0) {
        const json_t *agency = json_object_get(index, id);

        label_add(w, "agency", id);
        label_add(w, "area", posture_json_string(agency, "area"));
        label_add(w, "sector", posture_json_string(agency, "sector"));
    } else if (type && strcmp(type, "nation") != 0) {
        label_add(w, strcmp(type, "area") == 0 ? "area" : "sector", id);
    }
    label_add(w, "criterion", posture_json_string(eval, "criterion"));
}

static bool eval_value(const json_t *eval, enum family_id family, double *ret)
{
    static const char *const keys[FAMILY_COUNT] = {
        [FAMILY_ACHIEVED] = "achieved",         [FAMILY_TARGET] = "target",
        [FAMILY_COVERAGE] = "coverage",         [FAMILY_OF_MEASURED] = "of_measured",
        [FAMILY_EXPECTED] = "expected",         [FAMILY_PASSING] = "passing",
        [FAMILY_UNREGISTERED] = "unregistered",
    };
    const json_t *counts = json_object_get(eval, "counts");
    double n, sum = 0;

    if (family == FAMILY_OLDEST)
        return time_read(eval, "oldest_report", ret);
    if (family == FAMILY_EXCEPTED)
        return number_read(counts, "excepted", ret);
    if (family != FAMILY_MEASURED)
        return number_read(eval, keys[family], ret);
    if (number_read(eval, "covered", ret))
        return true;
    static const char *const measured[] = {"pass", "warn", "fail"};
    for (size_t i = 0; i < POSTURE_COUNT(measured); i++) {
        if (!number_read(counts, measured[i], &n))
            return false;
        sum += n;
    }
    *ret = sum;
    return true;
}

/* The labels of an evaluation are the same in every family: made once, as a piece of one
 * buffer. */
struct row {
    const json_t *eval;
    size_t at, len;
};

static int evaluations_write(struct writer *w, const json_t *evaluations,
                             const json_t *index)
{
    POSTURE_AUTO_BUF struct posture_buf labels = {0};
    struct writer label_writer = {.out = &labels};
    size_t i, count = json_array_size(evaluations);
    json_t *eval;
    POSTURE_AUTO_FREE char *memory =
        posture_calloc(count ? count : 1, sizeof(struct row));
    struct row *rows = (void *)memory;

    if (!rows)
        return -ENOMEM;
    json_array_foreach (evaluations, i, eval) {
        rows[i] = (struct row){.eval = eval, .at = labels.len};
        label_writer.has_label = false;
        eval_labels(&label_writer, eval, index);
        rows[i].len = labels.len - rows[i].at;
    }
    POSTURE_TRY(posture_buf_error(&labels));
    for (enum family_id family = FAMILY_ACHIEVED; family <= FAMILY_OLDEST; family++) {
        family_begin(w, family);
        for (i = 0; i < count; i++) {
            double value;

            if (!eval_value(rows[i].eval, family, &value))
                continue;
            sample_begin(w);
            if (rows[i].len)
                posture_buf_add(w->out, labels.data + rows[i].at, rows[i].len);
            w->has_label = rows[i].len > 0;
            sample_end(w, value);
        }
    }
    return 0;
}

static int not_passing_write(struct writer *w, const json_t *nation)
{
    POSTURE_AUTO(posture_not_passing_free) struct posture_not_passing *list = NULL;

    POSTURE_TRY(posture_not_passing_new(nation, &list));
    family_begin(w, FAMILY_NOT_PASSING);
    for (size_t i = 0; i < list->count; i++) {
        for (int t = 0; t < POSTURE_TROUBLE_COUNT; t++) {
            sample_begin(w);
            label_add(w, "agency", list->groups[i].agency);
            label_add(w, "kind", list->groups[i].kind);
            label_add(w, "result", posture_trouble_name((enum posture_trouble)t));
            sample_end(w, (double)list->groups[i].subjects[t]);
        }
    }
    return 0;
}

static void last_reports_write(struct writer *w, const json_t *list)
{
    size_t i;
    json_t *entry;

    family_begin(w, FAMILY_LAST_REPORT);
    json_array_foreach (list, i, entry) {
        double s;

        if (!time_read(entry, "time", &s))
            continue;
        sample_begin(w);
        label_add(w, "agency", posture_json_string(entry, "agency"));
        label_add(w, "kind", posture_json_string(entry, "kind"));
        sample_end(w, s);
    }
}

static void gate_write(struct writer *w, const json_t *nation)
{
    const json_t *gate = json_object_get(nation, "gate");
    const char *key;
    json_t *value;
    double n;

    if (number_read(gate, "accepted", &n))
        sample_simple(w, FAMILY_ACCEPTED, n);
    if (number_read(gate, "duplicates", &n))
        sample_simple(w, FAMILY_DUPLICATES, n);
    family_begin(w, FAMILY_REJECTED);
    json_object_foreach (json_object_get(gate, "rejected"), key, value) {
        if (!number_read(json_object_get(gate, "rejected"), key, &n))
            continue;
        sample_begin(w);
        label_add(w, "reason", key);
        sample_end(w, n);
    }
    family_begin(w, FAMILY_EVENTS);
    json_object_foreach ((json_t *)gate, key, value) {
        if (strcmp(key, "accepted") == 0 || strcmp(key, "duplicates") == 0 ||
            !number_read(gate, key, &n))
            continue;
        sample_begin(w);
        label_add(w, "event", key);
        sample_end(w, n);
    }
    if (number_read(nation, "lag", &n))
        sample_simple(w, FAMILY_LAG, n);
}

int posture_metrics_write(const json_t *nation, enum posture_exposition format,
                          struct posture_buf *out)
{
    const json_t *agencies =
        json_object_get(json_object_get(nation, "registry"), "agencies");
    json_auto_t *index = agency_index(agencies);
    struct writer w = {.out = out, .format = format};

    if (!index)
        return -ENOMEM;
    info_write(&w, nation);
    agencies_write(&w, agencies);
    criteria_write(&w, json_object_get(json_object_get(nation, "catalogue"), "criteria"));
    POSTURE_TRY(evaluations_write(&w, json_object_get(nation, "evaluations"), index));
    POSTURE_TRY(not_passing_write(&w, nation));
    last_reports_write(&w, json_object_get(nation, "last_report"));
    gate_write(&w, nation);
    posture_buf_adds(out, "# EOF\n");
    return posture_buf_error(out);
}

int posture_metrics_write_public(const json_t *nation, enum posture_exposition format,
                                 struct posture_buf *out)
{
    /* No period is closed by this version, so nothing is disclosed yet: a valid, empty
     * exposition. */
    (void)nation;
    (void)format;
    posture_buf_adds(out, "# EOF\n");
    return posture_buf_error(out);
}
