/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */

#include "common/host/identity.h"

#include "common/base/mem.h"

#include <string.h>

static uint64_t hash_add(uint64_t hash, const char *s)
{
    do
        hash = (hash ^ (unsigned char)*s) *
               UINT64_C(1099511628211); /* FNV-1a, with the NUL */
    while (*s++);
    return hash;
}

/* The slot of the hash, or the empty one where it would go. */
static uint64_t *slot_find(uint64_t *slots, size_t cap, uint64_t hash)
{
    size_t at = (size_t)(hash ^ hash >> 32) & (cap - 1);
    while (slots[at] != 0 && slots[at] != hash)
        at = (at + 1) & (cap - 1);
    return &slots[at];
}

static bool slots_grow(struct posture_identities *identities)
{
    size_t cap = identities->cap > 0 ? identities->cap * 2 : 256;
    uint64_t *slots = posture_calloc(cap, sizeof(*slots));
    if (!slots)
        return false;
    for (size_t i = 0; i < identities->cap; i++)
        if (identities->slots[i] != 0)
            *slot_find(slots, cap, identities->slots[i]) = identities->slots[i];
    free(identities->slots);
    identities->slots = slots;
    identities->cap = cap;
    return true;
}

bool posture_identities_admit(struct posture_identities *identities, const char *a,
                              const char *b, const char *c, int64_t now_ns,
                              int64_t keep_ns)
{
    if (identities->count > 0 && now_ns - identities->since_ns > keep_ns) {
        memset(identities->slots, 0, identities->cap * sizeof(*identities->slots));
        identities->count = 0;
    }
    if (identities->count == 0)
        identities->since_ns = now_ns;

    uint64_t hash = UINT64_C(14695981039346656037);
    hash = hash_add(hash_add(hash_add(hash, a), b), c);
    hash = hash != 0 ? hash : 1;
    if (identities->cap > 0 &&
        *slot_find(identities->slots, identities->cap, hash) == hash)
        return true;
    if (identities->count >= POSTURE_IDENTITIES_MAX)
        return false;
    if (identities->count + 1 > identities->cap / 4 * 3 && !slots_grow(identities))
        return false;
    *slot_find(identities->slots, identities->cap, hash) = hash;
    identities->count++;
    return true;
}

void posture_identities_done(struct posture_identities *identities)
{
    free(identities->slots);
    *identities = (struct posture_identities){0};
}
