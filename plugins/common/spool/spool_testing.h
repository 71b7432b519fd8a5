/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#ifndef POSTURE_SPOOL_TESTING_H
#define POSTURE_SPOOL_TESTING_H

#include "common/spool/spool.h"

#include <stdarg.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Words that the spool's tests share. */
struct testing_listed {
    int count;
    char reason[300];
    char key[200];
};

static inline __attribute__((unused)) int testing_directory_new(char **ret)
{
    const char *base = getenv("TMPDIR");
    char *path = posture_asprintf("%s/posture-spool-XXXXXX", base ? base : "/tmp");
    if (!path || !mkdtemp(path))
        return -1;
    *ret = path;
    return 0;
}

static inline __attribute__((unused)) int testing_directory_free(char *path)
{
    char *command = posture_asprintf("rm -rf '%s'", path);
    int r = command ? system(command) : -1;
    free(command);
    free(path);
    return r;
}

/* The identity, checked wherever a test looks at the counters. */
static inline __attribute__((unused)) struct posture_spool_stats
testing_stats(struct posture_spool *spool)
{
    struct posture_spool_stats s;
    posture_spool_stats(spool, &s);
    assert_int_equal(s.accepted, s.delivered + s.spooled + s.evicted + s.refused +
                                     s.corrupt + s.quarantined);
    return s;
}

static inline __attribute__((unused)) struct posture_spool *
testing_open(const char *directory, uint64_t max_bytes)
{
    struct posture_spool_config config = {.directory = directory, .max_bytes = max_bytes};
    struct posture_spool *spool = NULL;
    struct posture_error error = {0};
    if (posture_spool_open(&config, &spool, &error) < 0)
        fail_msg("%s", error.text);
    return spool;
}

static inline __attribute__((unused)) struct posture_spool_entry
testing_entry(const char *plugin, int topic, const char *key, const char *body)
{
    return (struct posture_spool_entry){
        .plugin = plugin,
        .topic = (enum posture_spool_topic)topic,
        .ce_type = "posture.report.v1",
        .ce_id = "01936d3e-0000-7000-8000-000000000000",
        .time_ns = INT64_C(1764000000000000000),
        .key = key,
        .body = body,
        .body_len = body ? strlen(body) : 0,
    };
}

static inline __attribute__((unused)) void testing_add(struct posture_spool *spool,
                                                       const char *plugin, int topic,
                                                       const char *key, const char *body)
{
    struct posture_spool_entry entry = testing_entry(plugin, topic, key, body);
    assert_int_equal(posture_spool_begin(spool), 0);
    assert_int_equal(posture_spool_add(spool, &entry), 0);
    assert_int_equal(posture_spool_commit(spool, NULL), 0);
}

static inline __attribute__((unused)) int testing_assign(struct posture_spool *spool,
                                                         size_t n)
{
    assert_int_equal(posture_spool_begin(spool), 0);
    int count = posture_spool_assign(spool, n);
    assert_int_equal(posture_spool_commit(spool, NULL), 0);
    return count;
}

static inline __attribute__((unused)) void
testing_commit_empty(struct posture_spool *spool)
{
    assert_int_equal(posture_spool_begin(spool), 0);
    assert_int_equal(posture_spool_commit(spool, NULL), 0);
}

static inline int testing_list_item(void *data, const struct posture_spool_item *item)
{
    struct testing_listed *listed = data;
    listed->count++;
    snprintf(listed->reason, sizeof(listed->reason), "%s",
             item->reason ? item->reason : "");
    snprintf(listed->key, sizeof(listed->key), "%s", item->key);
    return 0;
}

static inline __attribute__((unused)) struct testing_listed
testing_list(struct posture_spool *spool, enum posture_spool_list list)
{
    struct testing_listed listed = {0};
    assert_int_equal(posture_spool_list(spool, list, 0, 1000, testing_list_item, &listed),
                     0);
    return listed;
}

#endif
