/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#include "common/net/budget.h"

#include <errno.h>
#include <string.h>

enum { BUCKETS = 1024 };

/* Connections to one address or one network. */
struct account {
    struct account *next;
    uint32_t used;
    uint8_t key[POSTURE_BUDGET_KEY];
};

struct posture_budget {
    uint32_t limits[2];                         /* as the keys of a ticket */
    struct posture_budget_ticket *first, *last; /* waiting, longest first */
    struct account *accounts[BUCKETS];
    bool is_granting;
    bool is_again; /* something was given back meanwhile */
};

int posture_budget_new(uint32_t per_host, uint32_t per_network,
                       struct posture_budget **ret)
{
    POSTURE_REQUIRE(per_host > 0 && per_network > 0);
    struct posture_budget *budget = posture_calloc(1, sizeof(*budget));
    if (!budget)
        return -ENOMEM;
    budget->limits[0] = per_host;
    budget->limits[1] = per_network;
    *ret = budget;
    return 0;
}

struct posture_budget *posture_budget_free(struct posture_budget *budget)
{
    for (size_t i = 0; budget && i < BUCKETS; i++) {
        for (struct account *account = budget->accounts[i], *next; account;
             account = next) {
            next = account->next;
            free(account);
        }
    }
    free(budget);
    return NULL;
}

/* The address, then its network: a letter and the bytes that count. */
static void keys_make(const struct sockaddr *address,
                      uint8_t keys[static 2][POSTURE_BUDGET_KEY])
{
    memset(keys, 0, (size_t)2 * POSTURE_BUDGET_KEY);
    if (address->sa_family == AF_INET6) {
        const struct in6_addr *in6 =
            &((const struct sockaddr_in6 *)(const void *)address)->sin6_addr;
        keys[0][0] = '6';
        keys[1][0] = 'n';
        memcpy(&keys[0][1], in6, 16);
        memcpy(&keys[1][1], in6, 6);
    } else {
        const struct in_addr *in4 =
            &((const struct sockaddr_in *)(const void *)address)->sin_addr;
        keys[0][0] = '4';
        keys[1][0] = 'm';
        memcpy(&keys[0][1], in4, 4);
        memcpy(&keys[1][1], in4, 3);
    }
}

static struct account **account_slot(struct posture_budget *budget, const uint8_t *key)
{
    uint32_t hash = 2166136261u; /* FNV-1a */
    for (size_t i = 0; i < POSTURE_BUDGET_KEY; i++)
        hash = (hash ^ key[i]) * 16777619u;
    struct account **slot = &budget->accounts[hash % BUCKETS];
    while (*slot && memcmp((*slot)->key, key, POSTURE_BUDGET_KEY) != 0)
        slot = &(*slot)->next;
    return slot;
}

/* One that always has room is as good as one that there is no memory for: the caps of
 * each probe still hold. */
static void account_add(struct posture_budget *budget, const uint8_t *key, uint32_t count)
{
    struct account **slot = account_slot(budget, key);
    if (!*slot) {
        *slot = posture_calloc(1, sizeof(**slot));
        if (!*slot)
            return;
        memcpy((*slot)->key, key, POSTURE_BUDGET_KEY);
    }
    (*slot)->used += count;
}

static void account_subtract(struct posture_budget *budget, const uint8_t *key,
                             uint32_t count)
{
    struct account **slot = account_slot(budget, key);
    struct account *account = *slot;
    if (!account)
        return;
    account->used -= count < account->used ? count : account->used;
    if (account->used == 0) {
        *slot = account->next;
        free(account);
    }
}

static bool has_room(struct posture_budget *budget,
                     const struct posture_budget_ticket *ticket)
{
    for (size_t i = 0; i < 2; i++) {
        const struct account *account = *account_slot(budget, ticket->keys[i]);
        if (account && account->used + ticket->count > budget->limits[i])
            return false;
    }
    return true;
}

static void ticket_grant(struct posture_budget *budget,
                         struct posture_budget_ticket *ticket)
{
    account_add(budget, ticket->keys[0], ticket->count);
    account_add(budget, ticket->keys[1], ticket->count);
}

static void queue_remove(struct posture_budget *budget,
                         struct posture_budget_ticket *ticket)
{
    if (ticket->previous)
        ticket->previous->next = ticket->next;
    else
        budget->first = ticket->next;
    if (ticket->next)
        ticket->next->previous = ticket->previous;
    else
        budget->last = ticket->previous;
    ticket->next = ticket->previous = NULL;
    ticket->is_waiting = false;
}

bool posture_budget_take(struct posture_budget *budget, const struct sockaddr *address,
                         uint32_t count, void (*granted)(void *data), void *data,
                         struct posture_budget_ticket *ticket)
{
    *ticket = (struct posture_budget_ticket){
        .budget = budget, .granted = granted, .data = data, .count = count};
    for (size_t i = 0; i < 2; i++) {
        if (ticket->count > budget->limits[i])
            ticket->count = budget->limits[i];
    }
    keys_make(address, ticket->keys);
    if (has_room(budget, ticket)) {
        ticket_grant(budget, ticket);
        return true;
    }
    ticket->is_waiting = true;
    ticket->previous = budget->last;
    if (budget->last)
        budget->last->next = ticket;
    else
        budget->first = ticket;
    budget->last = ticket;
    return false;
}

/* In the order of waiting; one that has no room does not hold up those behind it, which
 * wait for something else. granted() may take and return: the walk then begins again. */
static void waiting_grant(struct posture_budget *budget)
{
    if (budget->is_granting) {
        budget->is_again = true;
        return;
    }
    budget->is_granting = true;
    do {
        budget->is_again = false;
        for (struct posture_budget_ticket *ticket = budget->first; ticket;
             ticket = ticket->next) {
            if (!has_room(budget, ticket))
                continue;
            queue_remove(budget, ticket);
            ticket_grant(budget, ticket);
            budget->is_again = true;
            ticket->granted(ticket->data);
            break;
        }
    } while (budget->is_again);
    budget->is_granting = false;
}

void posture_budget_return(struct posture_budget_ticket *ticket)
{
    struct posture_budget *budget = ticket->budget;
    if (!budget)
        return;
    ticket->budget = NULL;
    if (ticket->is_waiting) {
        queue_remove(budget, ticket);
        return;
    }
    account_subtract(budget, ticket->keys[0], ticket->count);
    account_subtract(budget, ticket->keys[1], ticket->count);
    waiting_grant(budget);
}
