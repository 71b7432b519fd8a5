/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#ifndef POSTURE_NET_BUDGET_H
#define POSTURE_NET_BUDGET_H

#include "common/base/error.h"
#include "common/base/mem.h"

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

/*
 * How many connections all probes of a worker have open at once to one address and to one
 * network (/24 of IPv4, /48 of IPv6), so that a long list is no load on anybody: who
 * would exceed it waits its turn.
 */
struct posture_budget;
int posture_budget_new(uint32_t per_host, uint32_t per_network,
                       struct posture_budget **ret);
/* Every ticket was given back before. */
struct posture_budget *posture_budget_free(struct posture_budget *budget);
POSTURE_AUTO_DEFINE(struct posture_budget *, posture_budget_free)

enum { POSTURE_BUDGET_KEY = 17 };
struct posture_budget_ticket {
    struct posture_budget *budget;                 /* NULL: nothing was taken */
    struct posture_budget_ticket *next, *previous; /* while it waits */
    void (*granted)(void *data);
    void *data;
    uint32_t count;
    bool is_waiting;
    uint8_t keys[2][POSTURE_BUDGET_KEY]; /* address, network */
};

/*
 * Takes count connections (as many as the budget has at most, where it has fewer). True:
 * they are there. False: granted() is called when they are, from within another ticket's
 * return. The ticket is the caller's memory and must be given back in either case.
 */
bool posture_budget_take(struct posture_budget *budget, const struct sockaddr *address,
                         uint32_t count, void (*granted)(void *data), void *data,
                         struct posture_budget_ticket *ticket);
/* Gives back what was taken, or stops waiting. Twice is harmless. */
void posture_budget_return(struct posture_budget_ticket *ticket);

#endif
