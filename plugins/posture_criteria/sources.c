/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#include "posture_criteria/sources.h"

#include <string.h>

enum { BUCKETS = 4096 };

struct source {
    struct source *next;
    uint64_t epoch;
    uint64_t expected; /* the next sequence */
    const char *topic; /* behind the source in text */
    char text[];
};

struct posture_sources {
    struct source *buckets[BUCKETS];
    size_t count;
};

struct posture_sources *posture_sources_new(void)
{
    return posture_calloc(1, sizeof(struct posture_sources));
}

void posture_sources_clear(struct posture_sources *sources)
{
    for (size_t i = 0; i < BUCKETS; i++) {
        for (struct source *source = sources->buckets[i], *next; source; source = next) {
            next = source->next;
            free(source);
        }
        sources->buckets[i] = NULL;
    }
    sources->count = 0;
}

struct posture_sources *posture_sources_free(struct posture_sources *sources)
{
    if (sources)
        posture_sources_clear(sources);
    free(sources);
    return NULL;
}

/* FNV-1a: the names were accepted by then as an agency's of the registry, and their
 * number is bounded. */
static uint32_t hash_text(const char *text, uint32_t hash)
{
    for (; *text; text++)
        hash = (hash ^ (unsigned char)*text) * UINT32_C(16777619);
    return hash;
}

static struct source *source_new(struct posture_sources *sources, struct source **bucket,
                                 const char *name, const char *topic)
{
    size_t name_len = strlen(name);
    size_t topic_len = strlen(topic);
    if (sources->count >= POSTURE_SOURCES_MAX)
        return NULL;
    struct source *source = posture_malloc(sizeof(*source) + name_len + topic_len + 2);
    if (!source)
        return NULL;
    memcpy(source->text, name, name_len + 1);
    memcpy(source->text + name_len + 1, topic, topic_len + 1);
    source->topic = source->text + name_len + 1;
    source->next = *bucket;
    *bucket = source;
    sources->count++;
    return source;
}

struct posture_sources_seen posture_sources_note(struct posture_sources *sources,
                                                 const char *name, const char *topic,
                                                 uint64_t epoch, uint64_t sequence)
{
    struct posture_sources_seen seen = {0};
    struct source **bucket =
        &sources
             ->buckets[hash_text(topic, hash_text(name, UINT32_C(2166136261))) % BUCKETS];
    struct source *source = *bucket;
    while (source &&
           (strcmp(source->text, name) != 0 || strcmp(source->topic, topic) != 0))
        source = source->next;
    if (!source) {
        source = source_new(sources, bucket, name, topic);
        seen.is_not_tracked = !source;
        if (source) {
            source->epoch = epoch;
            source->expected = sequence + 1;
        }
        return seen;
    }
    if (epoch < source->epoch || (epoch == source->epoch && sequence < source->expected))
        return seen; /* again, or late */
    if (epoch > source->epoch) {
        seen.is_new_epoch = 1;
        source->epoch = epoch;
    } else {
        seen.missing = sequence - source->expected;
    }
    source->expected = sequence + 1;
    return seen;
}
