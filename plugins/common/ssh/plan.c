/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#include "common/ssh/plan.h"

#include "common/ssh/key.h"

#include <errno.h>
#include <string.h>

enum {
    SETBACKS_MAX = 3,
    KEY_FAILURES_MAX = 2,
    PAUSE_MS = 1000, /* after the first setback; doubled after each further one */
    COOKIE_END = 17, /* message number and cookie differ from one KEXINIT to the next */
};

/* Asked in this order; the first is what a client that insists on a weak group sends.
 * Each other asks for a group of its size or the next larger one, and is left out when
 * the one before was answered with a larger group. */
static const struct posture_ssh_size sizes[POSTURE_SSH_SIZES] = {
    {.min = 1024, .preferred = 1024, .max = 1536},
    {.min = 2048, .preferred = 2048, .max = 8192},
    {.min = 3072, .preferred = 3072, .max = 8192},
    {.min = 4096, .preferred = 4096, .max = 8192},
    {.min = 8192, .preferred = 8192, .max = 8192},
};

void posture_ssh_plan_init(struct posture_ssh_plan *plan,
                           const struct posture_ssh_tables *tables)
{
    *plan = (struct posture_ssh_plan){.tables = tables};
    memcpy(plan->sizes, sizes, sizeof(sizes));
}

void posture_ssh_plan_done(struct posture_ssh_plan *plan)
{
    for (size_t i = 0; i < plan->key_count; i++)
        json_decref(plan->keys[i].facts);
    posture_ssh_kexinit_done(&plan->server);
}

static void methods_find(struct posture_ssh_plan *plan)
{
    size_t state = 0;
    struct posture_ssh_bytes name;
    while (
        posture_ssh_list_next(plan->server.lists[POSTURE_SSH_LIST_KEX], &state, &name)) {
        const struct posture_ssh_kex *kex = posture_ssh_kex_find(plan->tables, name);
        if (!kex || kex->method == POSTURE_SSH_METHOD_OTHER)
            continue;
        const struct posture_ssh_kex **best =
            kex->method == POSTURE_SSH_METHOD_GEX ? &plan->gex : &plan->kex;
        if (!*best || kex->cost < (*best)->cost)
            *best = kex;
    }
}

/* One entry per key: names that differ in the signature alone share it, and the first of
 * them, which the server likes best, is asked for. */
static void keys_find(struct posture_ssh_plan *plan)
{
    size_t state = 0;
    struct posture_ssh_bytes name;
    while (posture_ssh_list_next(plan->server.lists[POSTURE_SSH_LIST_HOST_KEY], &state,
                                 &name)) {
        const struct posture_ssh_host_key *algorithm =
            posture_ssh_host_key_find(plan->tables, name);
        bool is_known = false;
        for (size_t i = 0; algorithm && i < plan->key_count; i++)
            is_known = is_known ||
                       (plan->keys[i].algorithm &&
                        posture_ssh_host_key_is_same(plan->keys[i].algorithm, algorithm));
        if (is_known)
            continue;
        if (plan->key_count == POSTURE_SSH_KEYS_MAX) {
            plan->has_more_keys = true;
            return;
        }
        struct posture_ssh_key *key = &plan->keys[plan->key_count++];
        *key = (struct posture_ssh_key){.name = name, .algorithm = algorithm};
        if (algorithm && algorithm->is_x509)
            key->state = POSTURE_SSH_STATE_UNKNOWN;
    }
}

static struct posture_ssh_key *key_pending(struct posture_ssh_plan *plan)
{
    for (size_t i = 0; i < plan->key_count; i++) {
        if (plan->keys[i].state == POSTURE_SSH_STATE_PENDING)
            return &plan->keys[i];
    }
    return NULL;
}

static struct posture_ssh_size *size_pending(struct posture_ssh_plan *plan)
{
    if (!plan->gex)
        return NULL;
    for (size_t i = 0; i < POSTURE_SSH_SIZES; i++) {
        if (plan->sizes[i].state == POSTURE_SSH_STATE_PENDING)
            return &plan->sizes[i];
    }
    return NULL;
}

/* A host key alone or, where that is known to work, with a size; a size alone last. */
static bool question_fill(struct posture_ssh_plan *plan,
                          struct posture_ssh_question *question, bool is_first)
{
    struct posture_ssh_key *key = key_pending(plan);
    struct posture_ssh_size *size = size_pending(plan);
    /* A weak group that is refused would cost the host key its connection. */
    bool is_weak = size && size->max < sizes[1].min;
    *question = (struct posture_ssh_question){0};
    if (is_first && plan->kex)
        size = NULL;
    else if (is_weak)
        key = NULL;
    else if (key && size && plan->is_gex_risky && plan->kex)
        size = NULL;
    if (!key && !size)
        return false;
    if (!size && !plan->kex) {
        /* Only group exchange, and every size asked: the size that was given last. */
        for (size_t i = 0; i < POSTURE_SSH_SIZES; i++) {
            if (plan->sizes[i].state == POSTURE_SSH_STATE_KNOWN)
                size = &plan->sizes[i];
        }
        if (!size) {
            while ((key = key_pending(plan)))
                key->state = POSTURE_SSH_STATE_UNKNOWN;
            return false;
        }
    }
    question->kex = size ? plan->gex : plan->kex;
    question->key = key;
    question->size = size;
    if (key) {
        key->state = POSTURE_SSH_STATE_ASKED;
        question->host_key = key->name;
    } else {
        size_t state = 0;
        posture_ssh_list_next(plan->server.lists[POSTURE_SSH_LIST_HOST_KEY], &state,
                              &question->host_key);
    }
    if (size && size->state == POSTURE_SSH_STATE_PENDING)
        size->state = POSTURE_SSH_STATE_ASKED;
    return true;
}

bool posture_ssh_plan_next(struct posture_ssh_plan *plan,
                           struct posture_ssh_question *ret)
{
    if (plan->is_done)
        return false;
    if (!plan->server.payload) {
        *ret = (struct posture_ssh_question){0};
        return true;
    }
    plan->is_done = !question_fill(plan, ret, false);
    return !plan->is_done;
}

static size_t lists_len(const struct posture_ssh_kexinit *kexinit)
{
    struct posture_ssh_bytes last = kexinit->lists[POSTURE_SSH_LIST_LANGUAGE_S2C];
    return (size_t)(last.at + last.len - kexinit->payload) - COOKIE_END;
}

int posture_ssh_plan_learn(struct posture_ssh_plan *plan,
                           struct posture_ssh_bytes payload,
                           struct posture_ssh_question *question)
{
    struct posture_ssh_kexinit kexinit;
    int r = posture_ssh_kexinit_read(payload, &kexinit);
    if (r < 0)
        return r;
    if (plan->server.payload) {
        size_t len = lists_len(&kexinit);
        plan->is_inconsistent = plan->is_inconsistent ||
                                len != lists_len(&plan->server) ||
                                memcmp(kexinit.payload + COOKIE_END,
                                       plan->server.payload + COOKIE_END, len) != 0;
        posture_ssh_kexinit_done(&kexinit);
        return 0;
    }
    plan->server = kexinit;
    methods_find(plan);
    keys_find(plan);
    question_fill(plan, question, true);
    return 0;
}

void posture_ssh_plan_modulus(struct posture_ssh_plan *plan,
                              struct posture_ssh_question *question, size_t bits)
{
    question->size->state = POSTURE_SSH_STATE_KNOWN;
    question->size->modulus = bits;
    /* A larger group than asked for answers the sizes up to it too. */
    for (size_t i = 0; i < POSTURE_SSH_SIZES; i++) {
        struct posture_ssh_size *size = &plan->sizes[i];
        if (size->state == POSTURE_SSH_STATE_PENDING && size > question->size &&
            size->preferred <= bits) {
            size->state = POSTURE_SSH_STATE_KNOWN;
            size->modulus = bits;
        }
    }
}

/* Names of the server's list that this key signs by. */
static json_t *algorithms_json(const struct posture_ssh_plan *plan,
                               const struct posture_ssh_key *key)
{
    json_t *names = json_array();
    size_t state = 0;
    struct posture_ssh_bytes name;
    while (posture_ssh_list_next(plan->server.lists[POSTURE_SSH_LIST_HOST_KEY], &state,
                                 &name)) {
        const struct posture_ssh_host_key *other =
            posture_ssh_host_key_find(plan->tables, name);
        bool is_its = key->algorithm && other
                          ? posture_ssh_host_key_is_same(key->algorithm, other)
                          : name.at == key->name.at;
        if (is_its)
            json_array_append_new(names, json_stringn((const char *)name.at, name.len));
    }
    return names;
}

int posture_ssh_plan_host_key(struct posture_ssh_plan *plan,
                              struct posture_ssh_question *question,
                              struct posture_ssh_bytes blob,
                              struct posture_ssh_bytes signature)
{
    struct posture_ssh_key *key = question->key;
    char name[POSTURE_SSH_NAME_MAX + 1];
    posture_ssh_signature_name(signature, name);
    int r = posture_ssh_key_facts(blob, &key->facts);
    if (r < 0)
        return r;
    json_object_set_new(key->facts, "algorithms", algorithms_json(plan, key));
    if (name[0])
        json_object_set_new(key->facts, "signature", json_string(name));
    key->state = POSTURE_SSH_STATE_KNOWN;
    return 0;
}

static void plan_fail(struct posture_ssh_plan *plan, enum posture_ssh_outcome outcome)
{
    plan->is_done = true;
    plan->has_failure = true;
    plan->failure = outcome;
}

static bool is_turned_away(enum posture_ssh_outcome outcome)
{
    return outcome == POSTURE_SSH_CLOSED || outcome == POSTURE_SSH_RESET ||
           outcome == POSTURE_SSH_RATE_LIMITED || outcome == POSTURE_SSH_DISCONNECTED;
}

/* Before the server's KEXINIT nothing of the question was refused: the connection was. */
static unsigned setback(struct posture_ssh_plan *plan, enum posture_ssh_outcome outcome)
{
    bool is_first = !plan->server.payload;
    if ((is_first && !is_turned_away(outcome)) || plan->setbacks == SETBACKS_MAX) {
        /* One that spoke to us before and now does not: it limits, whatever the form. */
        plan_fail(plan, !is_first && is_turned_away(outcome) ? POSTURE_SSH_RATE_LIMITED
                                                             : outcome);
        return 0;
    }
    return PAUSE_MS << plan->setbacks++;
}

unsigned posture_ssh_plan_answer(struct posture_ssh_plan *plan,
                                 struct posture_ssh_question *question,
                                 enum posture_ssh_outcome outcome, bool has_kexinit)
{
    struct posture_ssh_key *key = question->key;
    struct posture_ssh_size *size = question->size;
    bool key_open = key && key->state == POSTURE_SSH_STATE_ASKED;
    bool size_open = size && size->state == POSTURE_SSH_STATE_ASKED;
    if (plan->is_done)
        return 0;
    if (!has_kexinit) {
        if (key_open)
            key->state = POSTURE_SSH_STATE_PENDING;
        if (size_open)
            size->state = POSTURE_SSH_STATE_PENDING;
        return outcome == POSTURE_SSH_ANSWERED ? 0 : setback(plan, outcome);
    }
    if (size_open) {
        bool is_refused = outcome == POSTURE_SSH_CLOSED || outcome == POSTURE_SSH_RESET ||
                          outcome == POSTURE_SSH_DISCONNECTED;
        size->state = is_refused ? POSTURE_SSH_STATE_REFUSED : POSTURE_SSH_STATE_UNKNOWN;
    }
    if (key_open) {
        /* Together with a size it had no chance of its own. */
        if (size)
            plan->is_gex_risky = true;
        bool is_last = ++key->failures >= KEY_FAILURES_MAX;
        key->state = is_last ? POSTURE_SSH_STATE_UNKNOWN : POSTURE_SSH_STATE_PENDING;
    }
    return 0;
}

void posture_ssh_plan_stop(struct posture_ssh_plan *plan)
{
    if (!plan->is_done)
        plan_fail(plan, POSTURE_SSH_DEADLINE);
}
