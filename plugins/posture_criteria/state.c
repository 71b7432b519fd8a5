/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#include "posture_criteria/state.h"

#include <errno.h>
#include <string.h>
#include <sys/random.h>

enum { BUCKETS_FIRST = 1024, AGENCY_BUCKETS = 1024, WORDS_MAX = 4096 };

struct posture_state {
    struct posture_record **buckets;
    size_t bucket_count; /* a power of two */
    size_t record_count; /* pending ones too */
    size_t present_count;
    struct posture_agency_state *agencies[AGENCY_BUCKETS];
    char **words;
    size_t word_count;
    uint64_t seed[2];
};

static uint64_t rotl(uint64_t x, int b)
{
    return (x << b) | (x >> (64 - b));
}

static void sip_round(uint64_t v[4])
{
    v[0] += v[1];
    v[1] = rotl(v[1], 13) ^ v[0];
    v[0] = rotl(v[0], 32);
    v[2] += v[3];
    v[3] = rotl(v[3], 16) ^ v[2];
    v[0] += v[3];
    v[3] = rotl(v[3], 21) ^ v[0];
    v[2] += v[1];
    v[1] = rotl(v[1], 17) ^ v[2];
    v[2] = rotl(v[2], 32);
}

/* SipHash-1-3: agencies choose the keys, so the table must not fall to keys that collide.
 */
static uint64_t hash_bytes(const uint64_t seed[2], const char *bytes, size_t len)
{
    uint64_t v[4] = {
        seed[0] ^ UINT64_C(0x736f6d6570736575), seed[1] ^ UINT64_C(0x646f72616e646f6d),
        seed[0] ^ UINT64_C(0x6c7967656e657261), seed[1] ^ UINT64_C(0x7465646279746573)};
    uint64_t word;
    size_t at = 0;
    for (; at + 8 <= len; at += 8) {
        memcpy(&word, bytes + at, 8);
        v[3] ^= word;
        sip_round(v);
        v[0] ^= word;
    }
    word = (uint64_t)len << 56;
    memcpy(&word, bytes + at, len - at);
    ((unsigned char *)&word)[7] = (unsigned char)len;
    v[3] ^= word;
    sip_round(v);
    v[0] ^= word;
    v[2] ^= 0xff;
    sip_round(v);
    sip_round(v);
    sip_round(v);
    return v[0] ^ v[1] ^ v[2] ^ v[3];
}

static void content_done(struct posture_record_content *content)
{
    free(content->items);
    content->items = NULL;
    content->count = 0;
}

static void pending_drop(struct posture_record *record)
{
    if (record->pending) {
        content_done(record->pending);
        free(record->pending);
        record->pending = NULL;
    }
}

static void record_free(struct posture_record *record)
{
    content_done(&record->content);
    pending_drop(record);
    free(record->detail);
    free(record);
}

int posture_state_word_find(const struct posture_state *state, const char *word)
{
    for (size_t i = 0; i < state->word_count; i++) {
        if (strcmp(state->words[i], word) == 0)
            return (int)i;
    }
    return -1;
}

/* hint: the word's likely index; checks come in the same order in every verdict of a
 * kind. */
static int word_intern(struct posture_state *state, const char *word, size_t hint,
                       uint16_t *ret)
{
    int found = hint < state->word_count && strcmp(state->words[hint], word) == 0
                    ? (int)hint
                    : posture_state_word_find(state, word);
    if (found >= 0) {
        *ret = (uint16_t)found;
        return 0;
    }
    if (state->word_count == WORDS_MAX)
        return POSTURE_E_LIMIT;
    char *copy = posture_strdup(word);
    if (!copy)
        return -ENOMEM;
    state->words[state->word_count] = copy;
    *ret = (uint16_t)state->word_count++;
    return 0;
}

const char *posture_state_word(const struct posture_state *state, uint16_t index)
{
    return index < state->word_count ? state->words[index] : "";
}

struct posture_state *posture_state_new(void)
{
    struct posture_state *state = posture_calloc(1, sizeof(*state));
    if (!state)
        return NULL;
    state->bucket_count = BUCKETS_FIRST;
    state->buckets = posture_calloc(state->bucket_count, sizeof(struct posture_record *));
    state->words = posture_calloc(WORDS_MAX, sizeof(char *));
    if (!state->buckets || !state->words ||
        getrandom(state->seed, sizeof(state->seed), 0) != (ssize_t)sizeof(state->seed))
        return posture_state_free(state);
    return state;
}

struct posture_state *posture_state_free(struct posture_state *state)
{
    if (!state)
        return NULL;
    for (size_t i = 0; state->buckets && i < state->bucket_count; i++) {
        for (struct posture_record *record = state->buckets[i], *next; record;
             record = next) {
            next = record->next_hash;
            record_free(record);
        }
    }
    for (size_t i = 0; i < AGENCY_BUCKETS; i++) {
        for (struct posture_agency_state *a = state->agencies[i], *next; a; a = next) {
            next = a->next_hash;
            free(a);
        }
    }
    for (size_t i = 0; i < state->word_count; i++)
        free(state->words[i]);
    free(state->words);
    free(state->buckets);
    free(state);
    return NULL;
}

size_t posture_state_count(const struct posture_state *state)
{
    return state->present_count;
}

static struct posture_record *find(const struct posture_state *state, uint64_t hash,
                                   const char *key, size_t key_len)
{
    struct posture_record *record = state->buckets[hash & (state->bucket_count - 1)];
    while (record && (record->hash != hash || record->key_len != key_len ||
                      memcmp(record->key, key, key_len) != 0))
        record = record->next_hash;
    return record;
}

struct posture_record *posture_state_find(const struct posture_state *state,
                                          const char *key, size_t key_len)
{
    return find(state, hash_bytes(state->seed, key, key_len), key, key_len);
}

struct posture_agency_state *posture_state_agency(const struct posture_state *state,
                                                  const char *id)
{
    uint64_t hash = hash_bytes(state->seed, id, strlen(id));
    struct posture_agency_state *agency = state->agencies[hash % AGENCY_BUCKETS];
    while (agency && (agency->hash != hash || strcmp(agency->id, id) != 0))
        agency = agency->next_hash;
    return agency;
}

static struct posture_agency_state *agency_get(struct posture_state *state,
                                               const char *id)
{
    struct posture_agency_state *agency = posture_state_agency(state, id);
    if (agency)
        return agency;
    size_t len = strlen(id);
    agency = posture_calloc(1, sizeof(*agency) + len + 1);
    if (!agency)
        return NULL;
    memcpy(agency->id, id, len + 1);
    agency->hash = hash_bytes(state->seed, id, len);
    agency->next_hash = state->agencies[agency->hash % AGENCY_BUCKETS];
    state->agencies[agency->hash % AGENCY_BUCKETS] = agency;
    return agency;
}

/* Growing is a favour: without memory the chains only get longer. */
static void grow(struct posture_state *state)
{
    size_t count = state->bucket_count * 2;
    struct posture_record **buckets = posture_calloc(count, sizeof(*buckets));
    if (!buckets)
        return;
    for (size_t i = 0; i < state->bucket_count; i++) {
        for (struct posture_record *record = state->buckets[i], *next; record;
             record = next) {
            next = record->next_hash;
            record->next_hash = buckets[record->hash & (count - 1)];
            buckets[record->hash & (count - 1)] = record;
        }
    }
    free(state->buckets);
    state->buckets = buckets;
    state->bucket_count = count;
}

static int record_get(struct posture_state *state, const char *key, size_t key_len,
                      struct posture_record **ret)
{
    uint64_t hash = hash_bytes(state->seed, key, key_len);
    struct posture_record *record = find(state, hash, key, key_len);
    if (record) {
        *ret = record;
        return 0;
    }

    struct posture_key parts;
    POSTURE_TRY(posture_key_parse(key, key_len, &parts));
    if (key_len > UINT16_MAX)
        return POSTURE_E_LIMIT;
    struct posture_agency_state *agency = agency_get(state, parts.agency);
    record = agency ? posture_calloc(1, sizeof(*record) + key_len + 1) : NULL;
    if (!record)
        return -ENOMEM;
    memcpy(record->key, key, key_len);
    record->hash = hash;
    record->key_len = (uint16_t)key_len;
    record->kind_at = (uint16_t)(strlen(parts.agency) + 1 + strlen(parts.reporter) + 1);
    record->subject_at = (uint16_t)(record->kind_at + strlen(parts.kind) + 1);
    record->offset = -1;
    record->agency = agency;
    record->next = agency->first;
    if (agency->first)
        agency->first->prev = record;
    agency->first = record;
    agency->count++;
    if (state->record_count >= state->bucket_count)
        grow(state);
    size_t bucket = hash & (state->bucket_count - 1);
    record->next_hash = state->buckets[bucket];
    state->buckets[bucket] = record;
    state->record_count++;
    *ret = record;
    return 0;
}

static void record_unlink(struct posture_state *state, struct posture_record *record)
{
    struct posture_record **at =
        &state->buckets[record->hash & (state->bucket_count - 1)];
    while (*at != record)
        at = &(*at)->next_hash;
    *at = record->next_hash;
    if (record->prev)
        record->prev->next = record->next;
    else
        record->agency->first = record->next;
    if (record->next)
        record->next->prev = record->prev;
    record->agency->count--;
    state->record_count--;
    state->present_count -= record->is_present;
    record_free(record);
}

/* What nobody refers to any more goes. */
static void record_sweep(struct posture_state *state, struct posture_record *record)
{
    if (!record->is_present && !record->pending)
        record_unlink(state, record);
}

static int content_fill(struct posture_state *state,
                        const struct posture_judgement *verdict,
                        struct posture_record_content *content)
{
    struct posture_record_item *items = NULL;
    uint16_t profile;
    POSTURE_TRY(word_intern(state, verdict->profile, content->profile, &profile));
    if (verdict->count > 0) {
        items = content->count == verdict->count
                    ? content->items
                    : posture_calloc(verdict->count, sizeof(*items));
        if (!items)
            return -ENOMEM;
    }
    size_t hint = content->count > 0 ? content->items[0].check : 0;
    for (size_t i = 0; i < verdict->count; i++) {
        const struct posture_judgement_item *from = &verdict->items[i];
        uint16_t check = 0;
        int r = word_intern(state, from->check, hint, &check);
        if (r < 0) {
            if (items != content->items)
                free(items);
            return r;
        }
        hint = (size_t)check + 1;
        items[i] = (struct posture_record_item){.since_ns = from->since_ns,
                                                .value = (float)from->value,
                                                .check = check,
                                                .status = (uint8_t)from->status,
                                                .has_value = from->has_value};
    }
    if (items != content->items)
        free(content->items);
    content->items = items;
    content->count = (uint8_t)verdict->count;
    content->time_ns = verdict->time_ns;
    content->next_change_ns = verdict->next_change_ns;
    content->interval_s = (float)verdict->interval_s;
    content->profile = profile;
    content->flags = (uint8_t)verdict->flags;
    return 0;
}

static void detail_drop(struct posture_record *record)
{
    free(record->detail);
    record->detail = NULL;
    record->is_wanted = false;
}

int posture_record_compare(const struct posture_record_content *content, uint64_t epoch,
                           uint64_t sequence)
{
    if (content->epoch != epoch)
        return content->epoch < epoch ? -1 : 1;
    if (content->sequence != sequence)
        return content->sequence < sequence ? -1 : 1;
    return 0;
}

int posture_state_apply(struct posture_state *state,
                        const struct posture_state_entry *entry,
                        enum posture_state_applied *ret_applied,
                        struct posture_record **ret_record)
{
    struct posture_record *record;
    POSTURE_TRY(record_get(state, entry->key, entry->key_len, &record));
    int order = record->is_present ? posture_record_compare(&record->content,
                                                            entry->epoch, entry->sequence)
                                   : -1;
    if (order < 0) {
        int r = content_fill(state, entry->verdict, &record->content);
        if (r < 0) {
            record_sweep(state, record);
            return r;
        }
        record->content.epoch = entry->epoch;
        record->content.sequence = entry->sequence;
        state->present_count += !record->is_present;
        record->is_present = true;
        record->agency->is_dirty = true;
        detail_drop(record);
    }
    if (order <= 0) {
        record->partition = entry->partition;
        record->offset = entry->offset;
        record->is_wanted = false; /* where it was wanted it may be no more */
        if (record->pending &&
            posture_record_compare(record->pending, entry->epoch, entry->sequence) <= 0)
            pending_drop(record);
    }
    *ret_applied = order < 0 ? POSTURE_STATE_NEWER
                             : (order == 0 ? POSTURE_STATE_SAME : POSTURE_STATE_OLDER);
    if (ret_record)
        *ret_record = record;
    return 0;
}

void posture_state_remove(struct posture_state *state, const char *key, size_t key_len)
{
    struct posture_record *record = posture_state_find(state, key, key_len);
    if (!record)
        return;
    if (record->is_present) {
        state->present_count--;
        record->is_present = false;
        record->agency->is_dirty = true;
        content_done(&record->content);
        detail_drop(record);
    }
    record_sweep(state, record);
}

int posture_state_rejudge(struct posture_state *state, struct posture_record *record,
                          const struct posture_judgement *verdict)
{
    POSTURE_TRY(content_fill(state, verdict, &record->content));
    record->agency->is_dirty = true;
    detail_drop(record);
    return 0;
}

struct posture_record *posture_state_next(const struct posture_state *state,
                                          const struct posture_record *record)
{
    if (record && record->next_hash)
        return record->next_hash;
    size_t bucket = record ? (record->hash & (state->bucket_count - 1)) + 1 : 0;
    while (bucket < state->bucket_count && !state->buckets[bucket])
        bucket++;
    return bucket < state->bucket_count ? state->buckets[bucket] : NULL;
}

int posture_state_accept(struct posture_state *state, const char *key, size_t key_len,
                         uint64_t epoch, uint64_t sequence,
                         const struct posture_judgement *verdict)
{
    struct posture_record *record;
    POSTURE_TRY(record_get(state, key, key_len, &record));
    struct posture_record_content *pending = record->pending;
    if (!pending)
        pending = posture_calloc(1, sizeof(*pending));
    int r = pending ? content_fill(state, verdict, pending) : -ENOMEM;
    if (r < 0) {
        if (pending != record->pending)
            free(pending);
        record_sweep(state, record);
        return r;
    }
    pending->epoch = epoch;
    pending->sequence = sequence;
    record->pending = pending;
    return 0;
}

void posture_state_forget(struct posture_state *state, const char *key, size_t key_len,
                          uint64_t epoch, uint64_t sequence)
{
    struct posture_record *record = posture_state_find(state, key, key_len);
    if (record && record->pending &&
        posture_record_compare(record->pending, epoch, sequence) == 0) {
        pending_drop(record);
        record_sweep(state, record);
    }
}

void posture_state_forget_all(struct posture_state *state)
{
    struct posture_record *record = posture_state_next(state, NULL);
    while (record) {
        struct posture_record *next = posture_state_next(state, record);
        pending_drop(record);
        record_sweep(state, record);
        record = next;
    }
}

const struct posture_record_content *
posture_record_latest(const struct posture_record *record)
{
    if (record->pending &&
        (!record->is_present ||
         posture_record_compare(&record->content, record->pending->epoch,
                                record->pending->sequence) < 0))
        return record->pending;
    return record->is_present ? &record->content : NULL;
}

void posture_record_verdict(const struct posture_state *state,
                            const struct posture_record_content *content,
                            struct posture_judgement *ret)
{
    memcpy(ret->profile, "", 1);
    const char *profile = posture_state_word(state, content->profile);
    memcpy(ret->profile, profile, strnlen(profile, 12));
    ret->profile[strnlen(profile, 12)] = '\0';
    ret->time_ns = content->time_ns;
    ret->interval_s = (double)content->interval_s;
    ret->next_change_ns = content->next_change_ns;
    ret->flags = content->flags;
    ret->count = content->count;
    for (size_t i = 0; i < content->count; i++) {
        const struct posture_record_item *from = &content->items[i];
        struct posture_judgement_item *item = &ret->items[i];
        const char *check = posture_state_word(state, from->check);
        size_t len = strnlen(check, sizeof(item->check) - 1);
        memcpy(item->check, check, len);
        item->check[len] = '\0';
        item->status = (enum posture_result_status)from->status;
        item->has_value = from->has_value;
        item->value = (double)from->value;
        item->since_ns = from->since_ns;
    }
}

const struct posture_record_item *
posture_record_item(const struct posture_record_content *content, int check)
{
    for (size_t i = 0; i < content->count; i++) {
        if (content->items[i].check == check)
            return &content->items[i];
    }
    return NULL;
}

bool posture_record_is_kind(const struct posture_record *record, const char *kind)
{
    size_t len = (size_t)(record->subject_at - record->kind_at) - 1;
    return strlen(kind) == len && memcmp(record->key + record->kind_at, kind, len) == 0;
}

static const char *part(const struct posture_record *record, size_t from, size_t to,
                        char *buf, size_t size)
{
    size_t len = to - from < size ? to - from : size - 1;
    memcpy(buf, record->key + from, len);
    buf[len] = '\0';
    return buf;
}

const char *posture_record_reporter(const struct posture_record *record, char *buf,
                                    size_t size)
{
    return part(record, strlen(record->agency->id) + 1, (size_t)record->kind_at - 1, buf,
                size);
}

const char *posture_record_kind(const struct posture_record *record, char *buf,
                                size_t size)
{
    return part(record, record->kind_at, (size_t)record->subject_at - 1, buf, size);
}
