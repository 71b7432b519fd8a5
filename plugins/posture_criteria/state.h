/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#ifndef POSTURE_CRITERIA_STATE_H
#define POSTURE_CRITERIA_STATE_H

#include "common/report/subject.h"
#include "posture_criteria/judgement.h"

/*
 * The nation in memory: per key of posture.state.v1 the verdict and where its record lies
 * (about 400 bytes a subject), grouped by agency. The judge fills it from the state
 * topic; the gate asks it what is newer and notes what it has written and not yet read
 * back (pending). One thread.
 */
struct posture_record_item {
    int64_t since_ns;
    float value;
    uint16_t check; /* posture_state_word() */
    uint8_t status;
    uint8_t has_value;
};

struct posture_record_content {
    uint64_t epoch;
    uint64_t sequence;
    int64_t time_ns;
    int64_t next_change_ns;
    float interval_s;
    uint16_t profile; /* posture_state_word() */
    uint8_t flags;    /* enum posture_judgement_flag */
    uint8_t count;
    struct posture_record_item *items;
};

struct posture_agency_state;

struct posture_record {
    struct posture_record *next_hash;
    struct posture_record *next, *prev; /* of the agency */
    struct posture_agency_state *agency;
    bool is_present; /* content was read from the state topic; else there is only pending
                      */
    int32_t partition;
    int64_t offset;
    struct posture_record_content content;
    struct posture_record_content *pending;
    char *detail; /* compact JSON {"<check>":{"code":…,"args":…}} of content, or NULL: not
                     fetched */
    bool is_wanted; /* the judge is fetching the body */
    uint64_t hash;
    uint16_t key_len, kind_at, subject_at;
    char key[]; /* NUL-terminated */
};

struct posture_agency_state {
    struct posture_agency_state *next_hash;
    struct posture_record *first;
    size_t count; /* records, pending ones too */
    uint64_t hash;
    bool is_dirty; /* the judge's: something changed since it was evaluated */
    char id[];
};

struct posture_state;
struct posture_state *posture_state_new(void);
struct posture_state *posture_state_free(struct posture_state *state);
POSTURE_AUTO_DEFINE(struct posture_state *, posture_state_free)
size_t posture_state_count(const struct posture_state *state); /* present records */

/* A record as read from the state topic. */
struct posture_state_entry {
    const char *key; /* canonical, as posture_key_parse() accepts */
    size_t key_len;
    uint64_t epoch, sequence;
    int32_t partition;
    int64_t offset;
    const struct posture_judgement *verdict;
};
enum posture_state_applied {
    POSTURE_STATE_NEWER, /* new, or newer by (epoch, sequence): it is now the key's
                            content */
    POSTURE_STATE_SAME,  /* the same once more: only the offset moved */
    POSTURE_STATE_OLDER, /* left alone */
};
/* 0, -ENOMEM, POSTURE_E_FORMAT (the key). *ret_record (may be NULL) is the key's record.
 */
int posture_state_apply(struct posture_state *state,
                        const struct posture_state_entry *entry,
                        enum posture_state_applied *ret_applied,
                        struct posture_record **ret_record);
/* A tombstone. */
void posture_state_remove(struct posture_state *state, const char *key, size_t key_len);
/* The same facts judged again: only the verdict changes. */
int posture_state_rejudge(struct posture_state *state, struct posture_record *record,
                          const struct posture_judgement *verdict);

/* Borrowed until the next change of that key. */
struct posture_record *posture_state_find(const struct posture_state *state,
                                          const char *key, size_t key_len);
struct posture_agency_state *posture_state_agency(const struct posture_state *state,
                                                  const char *id);
/* All records: NULL starts, NULL ends. */
struct posture_record *posture_state_next(const struct posture_state *state,
                                          const struct posture_record *record);

/* The gate has handed a record of this key to the producer. */
int posture_state_accept(struct posture_state *state, const char *key, size_t key_len,
                         uint64_t epoch, uint64_t sequence,
                         const struct posture_judgement *verdict);
/* What was accepted will not be read back (the producer failed, the partition went away).
 */
void posture_state_forget(struct posture_state *state, const char *key, size_t key_len,
                          uint64_t epoch, uint64_t sequence);
void posture_state_forget_all(struct posture_state *state);

/* What the key's record is as the gate must see it: pending before content. NULL:
 * neither. */
const struct posture_record_content *
posture_record_latest(const struct posture_record *record);
/* -1, 0, 1 by (epoch, sequence). */
int posture_record_compare(const struct posture_record_content *content, uint64_t epoch,
                           uint64_t sequence);
void posture_record_verdict(const struct posture_state *state,
                            const struct posture_record_content *content,
                            struct posture_judgement *ret);
/* check: posture_state_word_find(). NULL when the content has none. */
const struct posture_record_item *
posture_record_item(const struct posture_record_content *content, int check);
/* Parts of the key. */
static inline const char *posture_record_subject(const struct posture_record *record)
{
    return record->key + record->subject_at;
}
bool posture_record_is_kind(const struct posture_record *record, const char *kind);
/* NUL-terminated copy, cut at size - 1. */
const char *posture_record_reporter(const struct posture_record *record, char *buf,
                                    size_t size);
const char *posture_record_kind(const struct posture_record *record, char *buf,
                                size_t size);

/* Words that repeat in every record (check ids, profile digests) are kept once. */
const char *posture_state_word(const struct posture_state *state, uint16_t index);
/* The word's index; -1 when no record has it. */
int posture_state_word_find(const struct posture_state *state, const char *word);

#endif
