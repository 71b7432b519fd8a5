/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */

#include "common/net/values.h"

#include "common/base/clock.h"
#include "common/base/parse.h"

#include <errno.h>
#include <math.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>

enum {
    AUTO_SUBJECTS_MAX = 100,
    REASON_MAX = 512,
    INSTANCE_HEAD = 84,
    INSTANCE_HASH = 6,
    YEARS_MAX = 100
};

struct seen_check {
    const char *check; /* as in posture_result: static */
    enum posture_result_status status;
    int64_t since_ns;
    bool was_published;
};

struct seen_subject {
    struct seen_subject *next;
    uint64_t hash;
    struct seen_check *checks;
    size_t count;
    char name[];
};

struct posture_values {
    posture_values_sink *sink;
    void *data;
    enum posture_values_mode mode;
    const struct posture_check_registry *checks;
    const struct posture_exceptions *exceptions;
    size_t expected;
    struct seen_subject **buckets;
    size_t bucket_count; /* a power of two */
    size_t count;
};

static uint64_t name_hash(const char *name)
{
    uint64_t hash = UINT64_C(14695981039346656037); /* FNV-1a */
    for (; *name; name++)
        hash = (hash ^ (unsigned char)*name) * UINT64_C(1099511628211);
    return hash;
}

static struct seen_subject **subject_at(struct posture_values *values, const char *name,
                                        uint64_t hash)
{
    struct seen_subject **at = &values->buckets[hash & (values->bucket_count - 1)];
    while (*at && ((*at)->hash != hash || strcmp((*at)->name, name) != 0))
        at = &(*at)->next;
    return at;
}

static int buckets_grow(struct posture_values *values)
{
    size_t count = values->bucket_count * 2;
    struct seen_subject **buckets = posture_calloc(count, sizeof(*buckets));
    if (!buckets)
        return -ENOMEM;
    for (size_t i = 0; i < values->bucket_count; i++) {
        for (struct seen_subject *s = values->buckets[i]; s;) {
            struct seen_subject *next = s->next;
            s->next = buckets[s->hash & (count - 1)];
            buckets[s->hash & (count - 1)] = s;
            s = next;
        }
    }
    free(values->buckets);
    values->buckets = buckets;
    values->bucket_count = count;
    return 0;
}

static int subject_get(struct posture_values *values, const char *name,
                       struct seen_subject **ret)
{
    uint64_t hash = name_hash(name);
    struct seen_subject **at = subject_at(values, name, hash);
    if (!*at) {
        if (values->count >= values->bucket_count) {
            POSTURE_TRY(buckets_grow(values));
            at = subject_at(values, name, hash);
        }
        size_t size = strlen(name) + 1;
        struct seen_subject *subject = posture_calloc(1, sizeof(*subject) + size);
        if (!subject)
            return -ENOMEM;
        memcpy(subject->name, name, size);
        subject->hash = hash;
        *at = subject;
        values->count++;
    }
    *ret = *at;
    return 0;
}

static int check_get(struct seen_subject *subject, const char *check,
                     struct seen_check **ret)
{
    for (size_t i = 0; i < subject->count; i++) {
        if (strcmp(subject->checks[i].check, check) == 0) {
            *ret = &subject->checks[i];
            return 0;
        }
    }
    struct seen_check *checks =
        posture_reallocarray(subject->checks, subject->count + 1, sizeof(*checks));
    if (!checks)
        return -ENOMEM;
    subject->checks = checks;
    checks[subject->count] =
        (struct seen_check){.check = check, .status = POSTURE_RESULT_COUNT};
    *ret = &checks[subject->count++];
    return 0;
}

static void worker_sink(void *data, uint32_t block, const char *plugin_instance,
                        const char *type, const char *type_instance, double number,
                        const struct posture_meta *meta, size_t meta_count)
{
    posture_worker_value(data, block, plugin_instance, type, type_instance, number, meta,
                         meta_count);
}

int posture_values_new_with_sink(posture_values_sink *sink, void *data,
                                 enum posture_values_mode mode,
                                 const struct posture_check_registry *checks,
                                 struct posture_values **ret)
{
    struct posture_values *values = posture_calloc(1, sizeof(*values));
    if (!values)
        return -ENOMEM;
    values->bucket_count = 64;
    values->buckets = posture_calloc(values->bucket_count, sizeof(struct seen_subject *));
    if (!values->buckets) {
        free(values);
        return -ENOMEM;
    }
    values->sink = sink;
    values->data = data;
    values->mode = mode;
    values->checks = checks;
    *ret = values;
    return 0;
}

int posture_values_new(struct posture_worker *worker, enum posture_values_mode mode,
                       const struct posture_check_registry *checks,
                       struct posture_values **ret)
{
    return posture_values_new_with_sink(worker_sink, worker, mode, checks, ret);
}

static void subject_free(struct seen_subject *subject)
{
    free(subject->checks);
    free(subject);
}

struct posture_values *posture_values_free(struct posture_values *values)
{
    if (!values)
        return NULL;
    for (size_t i = 0; i < values->bucket_count; i++) {
        for (struct seen_subject *s = values->buckets[i]; s;) {
            struct seen_subject *next = s->next;
            subject_free(s);
            s = next;
        }
    }
    free(values->buckets);
    free(values);
    return NULL;
}

void posture_values_except(struct posture_values *values,
                           const struct posture_exceptions *exceptions)
{
    values->exceptions = exceptions;
}

void posture_values_expect(struct posture_values *values, size_t subjects)
{
    values->expected = subjects;
}

void posture_values_forget(struct posture_values *values, const char *subject)
{
    struct seen_subject **at = subject_at(values, subject, name_hash(subject));
    if (!*at)
        return;
    struct seen_subject *gone = *at;
    *at = gone->next;
    subject_free(gone);
    values->count--;
}

const char *posture_values_instance(const char *subject,
                                    char buf[static POSTURE_VALUES_INSTANCE])
{
    size_t len = strlen(subject);
    if (len < POSTURE_VALUES_INSTANCE) {
        memcpy(buf, subject, len + 1);
        return buf;
    }
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned int digest_len = 0;
    if (EVP_Digest(subject, len, digest, &digest_len, EVP_sha256(), NULL) != 1)
        memset(digest, 0, sizeof(digest));
    char hex[2 * INSTANCE_HASH + 1];
    size_t head = posture_utf8_cut(subject, INSTANCE_HEAD);
    snprintf(buf, POSTURE_VALUES_INSTANCE, "%.*s~%s", (int)head, subject,
             posture_hex(digest, INSTANCE_HASH, hex));
    return buf;
}

static double status_number(enum posture_result_status status)
{
    switch (status) {
    case POSTURE_RESULT_PASS:
        return 1;
    case POSTURE_RESULT_WARN:
        return 0.5;
    case POSTURE_RESULT_FAIL:
        return 0;
    default:
        return NAN;
    }
}

static bool is_shown(enum posture_values_mode mode, const struct posture_result *result,
                     const struct seen_check *seen)
{
    if (mode == POSTURE_VALUES_SUMMARY)
        return false;
    if (mode == POSTURE_VALUES_ALL)
        return true;
    if (result->status != POSTURE_RESULT_PASS && result->status != POSTURE_RESULT_NA)
        return true;
    /* Its end is news too: once, or the last failure would stand until collectd forgets
     * it. */
    return seen->was_published && seen->status != result->status;
}

/* Whole years from now to the end that a strength check gives; below zero it is over. */
static bool years_left(const struct posture_result *result, int64_t now_ns, int *ret)
{
    static const char suffix[] = ".strength_until";
    size_t len = strlen(result->check);
    if (len < sizeof(suffix) || !json_is_integer(result->value) ||
        strcmp(result->check + len - strlen(suffix), suffix) != 0)
        return false;
    json_int_t year = json_integer_value(result->value);
    if (year < 0 || year > 9999)
        return false;
    int years = (int)year - posture_year_jst(now_ns);
    *ret = years > YEARS_MAX ? YEARS_MAX : years < -YEARS_MAX ? -YEARS_MAX : years;
    return true;
}

/* The cliff, for every subject in every mode: one number a strength check. */
static void years_publish(struct posture_values *values, uint32_t block,
                          const char *instance, const char *subject,
                          const struct posture_result *result, int64_t now_ns)
{
    int years;
    if (!years_left(result, now_ns, &years))
        return;
    char type_instance[96];
    int len =
        snprintf(type_instance, sizeof(type_instance), "%s.years_left", result->check);
    if (len < 0 || (size_t)len >= sizeof(type_instance))
        return;
    const struct posture_meta meta[] = {{"subject", subject}, {"check", result->check}};
    values->sink(values->data, block, instance, "gauge", type_instance, years, meta,
                 POSTURE_COUNT(meta));
}

/* "until 2027-03-31: reason (owner)", or that it is over. True when it holds. */
static bool exception_text(const struct posture_values *values, const char *subject,
                           const struct posture_result *result, int64_t now_ns,
                           struct posture_buf *out)
{
    const struct posture_exceptions_entry *entry =
        posture_exceptions_find(values->exceptions, subject, result);
    if (!entry)
        return false;
    bool holds = posture_exceptions_holds(entry, now_ns);
    posture_buf_addf(out, "%s %s: %s (%s)", holds ? "until" : "expired", entry->expires,
                     entry->reason, entry->owner);
    if (out->data && out->len > REASON_MAX)
        out->data[posture_utf8_cut(out->data, REASON_MAX)] = '\0';
    return holds;
}

static void check_publish(struct posture_values *values, uint32_t block,
                          const char *instance, const char *subject,
                          const struct posture_result *result,
                          const struct seen_check *seen, int64_t now_ns)
{
    char since[POSTURE_TIME_TEXT_MAX], years_text[16];
    int years = 0;
    bool has_years = years_left(result, now_ns, &years);
    snprintf(years_text, sizeof(years_text), "%d", years);
    POSTURE_AUTO_BUF struct posture_buf reason = {0};
    const char *reason_text = NULL;
    POSTURE_AUTO_BUF struct posture_buf exception = {0};
    (void)exception_text(values, subject, result, now_ns, &exception);
    if (values->checks && result->code &&
        posture_check_reason(values->checks, result->code, result->args, POSTURE_LANG_EN,
                             &reason) == 0 &&
        reason.data) {
        if (reason.len > REASON_MAX)
            reason.data[posture_utf8_cut(reason.data, REASON_MAX)] = '\0';
        reason_text = reason.data;
    }
    const struct posture_meta meta[] = {
        {"subject", subject},
        {"check", result->check},
        {"result", posture_result_name(result->status)},
        {"since", posture_time_format(seen->since_ns, since)},
        {"code", result->code},
        {"reason", reason_text},
        {"years_left", has_years ? years_text : NULL},
        {"exception", exception.data},
    };
    values->sink(values->data, block, instance, "gauge", result->check,
                 status_number(result->status), meta, POSTURE_COUNT(meta));
}

int posture_values_publish(struct posture_values *values, uint32_t block,
                           const char *subject, const struct posture_results *results,
                           int64_t now_ns)
{
    struct seen_subject *seen_subject;
    POSTURE_TRY(subject_get(values, subject, &seen_subject));
    struct seen_check *seen;
    for (size_t i = 0; i < results->count; i++)
        POSTURE_TRY(check_get(seen_subject, results->items[i].check, &seen));

    size_t subjects = values->expected > values->count ? values->expected : values->count;
    enum posture_values_mode mode = values->mode;
    if (mode == POSTURE_VALUES_AUTO)
        mode =
            subjects <= AUTO_SUBJECTS_MAX ? POSTURE_VALUES_ALL : POSTURE_VALUES_SUMMARY;

    char instance[POSTURE_VALUES_INSTANCE];
    posture_values_instance(subject, instance);
    size_t counts[POSTURE_RESULT_COUNT] = {0}, excepted = 0;
    for (size_t i = 0; i < results->count; i++) {
        const struct posture_result *result = &results->items[i];
        (void)check_get(seen_subject, result->check, &seen); /* made above */
        counts[result->status]++;
        POSTURE_AUTO_BUF struct posture_buf exception = {0};
        excepted += exception_text(values, subject, result, now_ns, &exception);
        bool is_published = is_shown(mode, result, seen);
        if (seen->status != result->status) {
            seen->status = result->status;
            seen->since_ns = now_ns;
        }
        seen->was_published = is_published;
        if (is_published)
            check_publish(values, block, instance, subject, result, seen, now_ns);
        years_publish(values, block, instance, subject, result, now_ns);
    }

    static const enum posture_result_status counted[] = {
        POSTURE_RESULT_PASS, POSTURE_RESULT_WARN, POSTURE_RESULT_FAIL,
        POSTURE_RESULT_UNKNOWN};
    const struct posture_meta meta[] = {{"subject", subject}};
    for (size_t i = 0; i < POSTURE_COUNT(counted); i++)
        values->sink(values->data, block, instance, "count",
                     posture_result_name(counted[i]), (double)counts[counted[i]], meta,
                     POSTURE_COUNT(meta));
    if (posture_exceptions_count(values->exceptions) > 0)
        values->sink(values->data, block, instance, "count", "excepted", (double)excepted,
                     meta, POSTURE_COUNT(meta));
    return 0;
}
