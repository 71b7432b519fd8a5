/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */

/* One address: certificates and staples of its connections. */

#include "common/tls/endpoint_internal.h"

void posture_tls_link_chain_add(struct link *link,
                                const struct posture_tls_der *certificates, size_t count,
                                bool is_truncated,
                                enum posture_tls_authentication suite_authentication)
{
    struct posture_tls_endpoint *endpoint = link->endpoint;
    bool is_bad = false;
    if (count == 0)
        return;
    link->chain = posture_tls_chains_add(&endpoint->chains, &endpoint->options,
                                         &endpoint->options.facts_budget, &endpoint->plan,
                                         certificates, count, is_truncated, &is_bad);
    if (is_bad)
        posture_tls_detail_set(endpoint, "a certificate that cannot be parsed");
    const json_t *chain = json_array_get(endpoint->chains.list, link->chain);
    const char *curve = NULL;
    enum posture_tls_authentication leaf = posture_tls_chain_leaf(chain, &curve);
    const struct posture_tls_group *group =
        curve ? posture_tls_group_by_name(endpoint->options.tables, curve) : NULL;
    if (link->question.lane == POSTURE_TLS_LANE_HANDSHAKE)
        endpoint->plan.handshake_leaf = leaf;
    else if (!link->handshake)
        posture_tls_plan_captured(&endpoint->plan, suite_authentication,
                                  group ? group->code : 0);
}

void posture_tls_link_staple_absent(struct link *link)
{
    posture_tls_chains_staple(&link->endpoint->chains, link->chain, NULL, NULL, 0);
}

void posture_tls_link_chain(struct link *link)
{
    const struct posture_tls_flight *flight = &link->reader.flight;
    const struct posture_tls_hello *hello = &link->question.hello;
    posture_tls_link_chain_add(
        link, flight->certificates, flight->certificate_count, flight->is_truncated,
        link->suite ? link->suite->authentication : POSTURE_TLS_AUTH_OTHER);
    link->wants &= ~(unsigned)POSTURE_TLS_WANT_CHAIN;
    if (link->wants & POSTURE_TLS_WANT_STATUS)
        posture_tls_kept_set(&link->kept, flight->certificates,
                             flight->certificate_count);
    else if (link->endpoint->options.is_deep &&
             (hello->asks_status || !hello->has_extensions))
        posture_tls_link_staple_absent(link);
}

void posture_tls_link_staple(struct link *link)
{
    struct posture_tls_endpoint *endpoint = link->endpoint;
    if (link->suite)
        posture_tls_plan_stapled(&endpoint->plan, link->suite->authentication);
    posture_tls_chains_staple(&endpoint->chains, link->chain, &link->reader.flight.staple,
                              link->kept.certificates, link->kept.count);
    link->wants &= ~(unsigned)POSTURE_TLS_WANT_STATUS;
}
