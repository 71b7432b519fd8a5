/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#include "common/net/budget.h"

#include <arpa/inet.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <setjmp.h>

#include <cmocka.h>

static struct sockaddr_storage address_of(const char *text)
{
    struct sockaddr_storage address = {0};
    struct sockaddr_in *in4 = (struct sockaddr_in *)&address;
    struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)&address;
    if (inet_pton(AF_INET, text, &in4->sin_addr) == 1) {
        in4->sin_family = AF_INET;
    } else {
        assert_int_equal(inet_pton(AF_INET6, text, &in6->sin6_addr), 1);
        in6->sin6_family = AF_INET6;
    }
    return address;
}

struct taker {
    struct posture_budget_ticket ticket;
    int granted;
    struct taker *gives_back; /* when granted */
};

static void granted(void *data)
{
    struct taker *taker = data;
    taker->granted++;
    if (taker->gives_back)
        posture_budget_return(&taker->gives_back->ticket);
}

static bool take(struct posture_budget *budget, const char *address, uint32_t count,
                 struct taker *taker)
{
    struct sockaddr_storage to = address_of(address);
    return posture_budget_take(budget, (const struct sockaddr *)&to, count, granted,
                               taker, &taker->ticket);
}

/* Two probes of 4 connections each, limits of 6 a host and 9 a network. */
static void test_limits(void **state)
{
    (void)state;
    static const struct {
        const char *label, *one, *two;
        bool fits;
    } cases[] = {
        {"the same address", "192.0.2.1", "192.0.2.1", false},
        {"another of the network", "192.0.2.1", "192.0.2.2", true},
        {"another network", "192.0.2.1", "192.0.3.1", true},
        {"the same IPv6 address", "2001:db8::1", "2001:db8::1", false},
        {"an IPv6 address that begins alike", "2001:db8::1", "2001:db8::2", true},
        {"an IPv4 address with the bytes of an IPv6 one", "32.1.13.184",
         "2001:db8::", true},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        print_message("%s\n", cases[i].label);
        POSTURE_AUTO(posture_budget_free) struct posture_budget *budget = NULL;
        assert_int_equal(posture_budget_new(6, 9, &budget), 0);
        struct taker one = {0}, two = {0};
        assert_true(take(budget, cases[i].one, 4, &one));
        assert_int_equal(take(budget, cases[i].two, 4, &two), cases[i].fits);
        posture_budget_return(&one.ticket);
        assert_int_equal(two.granted, !cases[i].fits);
        posture_budget_return(&two.ticket);
        posture_budget_return(&two.ticket); /* twice is harmless */
        assert_true(take(budget, cases[i].one, 6, &one));
        posture_budget_return(&one.ticket);
    }
}

static void test_networks(void **state)
{
    (void)state;
    POSTURE_AUTO(posture_budget_free) struct posture_budget *budget = NULL;
    assert_int_equal(posture_budget_new(4, 8, &budget), 0);
    struct taker takers[6] = {0};
    assert_true(take(budget, "192.0.2.1", 4, &takers[0]));
    assert_true(take(budget, "192.0.2.2", 4, &takers[1]));
    assert_false(take(budget, "192.0.2.3", 4, &takers[2]));  /* the /24 is full */
    assert_true(take(budget, "192.0.3.3", 4, &takers[3]));   /* another is not */
    assert_false(take(budget, "192.0.2.3", 99, &takers[4])); /* as much as there can be */
    posture_budget_return(&takers[2].ticket);                /* waits no more */
    posture_budget_return(&takers[0].ticket);
    assert_int_equal(takers[2].granted, 0);
    assert_int_equal(takers[4].granted, 1);
    assert_int_equal(takers[4].ticket.count, 4);
    assert_true(take(budget, "2001:db8:1::1", 4, &takers[0]));
    assert_true(take(budget, "2001:db8:1:ffff::1", 4, &takers[2]));
    assert_false(take(budget, "2001:db8:1:2::3", 1, &takers[5])); /* one /48 */
    for (size_t i = 0; i < 6; i++)
        posture_budget_return(&takers[i].ticket);
}

/* Those who wait are served in their order, each once, and may give back at once. */
static void test_order(void **state)
{
    (void)state;
    POSTURE_AUTO(posture_budget_free) struct posture_budget *budget = NULL;
    assert_int_equal(posture_budget_new(1, 100, &budget), 0);
    struct taker takers[5] = {0};
    assert_true(take(budget, "192.0.2.1", 1, &takers[0]));
    for (size_t i = 1; i < 5; i++) {
        assert_false(take(budget, "192.0.2.1", 1, &takers[i]));
        takers[i].gives_back = i < 3 ? &takers[i] : NULL;
    }
    posture_budget_return(&takers[0].ticket);
    assert_int_equal(takers[1].granted, 1);
    assert_int_equal(takers[2].granted, 1);
    assert_int_equal(takers[3].granted, 1);
    assert_int_equal(takers[4].granted, 0);
    posture_budget_return(&takers[3].ticket);
    assert_int_equal(takers[4].granted, 1);
    posture_budget_return(&takers[4].ticket);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_networks),
        cmocka_unit_test(test_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
