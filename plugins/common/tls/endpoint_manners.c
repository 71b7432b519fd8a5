/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */

/* What a measurement owes a server that was greeted: few visits, a pause between them, a
 * proper leave, and to stop when it says so. */

#include "common/tls/endpoint_internal.h"

#include <stdio.h>
#include <sys/socket.h>

enum { LEAVE_MS = 1000 }; /* for a server that was told goodbye to close */

void posture_tls_link_shut(struct link *link)
{
    struct posture_tls_endpoint *endpoint = link->endpoint;
    if (!posture_tls_link_is_open(link))
        return;
    if (link->connection.is_connected)
        endpoint->is_reachable = true;
    /* RST: neither side keeps a TIME_WAIT of a connection that asked one question. A
     * server that was greeted is left as its protocol asks. */
    posture_connection_close(&link->connection,
                             /* reset = */ !posture_tls_has_manners(endpoint));
    endpoint->open--;
    if (endpoint->options.manners.pause_ms == 0)
        return;
    endpoint->pause_until_ms =
        (int64_t)uv_now(endpoint->loop) + endpoint->options.manners.pause_ms;
    uv_timer_stop(&endpoint->timer); /* the pause may end before any deadline */
}

/* Says that no more comes and lets the server close. A handshake broken off gets its
 * close_notify (RFC 5246, 7.2.1); one that was completed would need it encrypted. */
static void link_leave(struct link *link)
{
    static const char close_notify[] = {21, 3, 1, 0, 2, 1, 0};
    bool is_in_tls = link->phase == LINK_TLS;
    if (!is_in_tls && link->say.len == 0) {
        posture_tls_link_shut(link); /* no word of farewell that could be answered */
        return;
    }
    link->phase = LINK_LEAVING;
    link->deadline_ms = (int64_t)uv_now(link->endpoint->loop) + LEAVE_MS;
    uv_timer_stop(&link->endpoint->timer); /* the deadline has come nearer */
    if (is_in_tls && !link->handshake && link->question.version != POSTURE_TLS_SSL2 &&
        posture_connection_send(&link->connection, close_notify, sizeof(close_notify)) <
            0) {
        posture_tls_link_shut(link);
        return;
    }
    if (is_in_tls)
        (void)shutdown(link->connection.fd, SHUT_WR);
}

void posture_tls_link_close(struct link *link)
{
    bool was_answered = link->is_answered;
    link->is_answered = true;
    if (!posture_tls_link_is_open(link))
        return;
    if (posture_tls_has_manners(link->endpoint) && link->connection.is_connected &&
        !link->is_ended && !was_answered)
        link_leave(link);
    else if (link->phase != LINK_LEAVING)
        posture_tls_link_shut(link);
}

/* No further connection: what is not known stays unknown, and this says why. */
void posture_tls_endpoint_give_up(struct posture_tls_endpoint *endpoint, const char *code,
                                  const char *detail)
{
    if (endpoint->clear.refusal)
        return;
    endpoint->clear.refusal = code;
    snprintf(endpoint->clear.detail, sizeof(endpoint->clear.detail), "%s", detail);
    posture_tls_plan_stop(&endpoint->plan);
    for (size_t i = 0; i < endpoint->options.connections; i++) {
        if (!endpoint->links[i].is_answered)
            posture_tls_link_close(&endpoint->links[i]);
    }
}

/* Broken off before TLS, or not let in any more: to go on knocking helps nobody. */
bool posture_tls_is_unwelcome(const struct link *link, enum posture_tls_outcome outcome)
{
    const struct posture_tls_endpoint *endpoint = link->endpoint;
    return posture_tls_has_manners(endpoint) &&
           (link->phase == LINK_CLEAR ||
            (outcome >= POSTURE_TLS_REFUSED && endpoint->connections > 1));
}

const char *posture_tls_starttls_code(enum posture_starttls_reason reason)
{
    switch (reason) {
    case POSTURE_STARTTLS_NOT_OFFERED:
        return "starttls_not_offered";
    case POSTURE_STARTTLS_REFUSED:
        return "starttls_refused";
    case POSTURE_STARTTLS_GREYLISTED:
        return "greylisted";
    case POSTURE_STARTTLS_RATE_LIMITED:
        return "rate_limited";
    case POSTURE_STARTTLS_UNAVAILABLE:
        return "unavailable";
    case POSTURE_STARTTLS_INJECTED:
        return "starttls_injection";
    case POSTURE_STARTTLS_FOREIGN:
        return "wrong_protocol";
    case POSTURE_STARTTLS_TOO_LARGE:
        return "too_large";
    case POSTURE_STARTTLS_FINE:
        break;
    }
    return "protocol";
}

static void answer_merge(enum posture_starttls_answer *into,
                         enum posture_starttls_answer answer)
{
    if (answer > *into)
        *into = answer;
}

void posture_tls_clear_merge(struct posture_tls_clear *clear,
                             const struct posture_starttls *starttls)
{
    answer_merge(&clear->offered, starttls->offered);
    answer_merge(&clear->injected, starttls->injected);
    answer_merge(&clear->login, starttls->login);
    clear->is_masked = clear->is_masked || starttls->is_masked;
    clear->is_authenticated = clear->is_authenticated || starttls->is_authenticated;
}

/* May another connection be made now? */
bool posture_tls_may_connect(struct posture_tls_endpoint *endpoint)
{
    const struct posture_tls_manners *manners = &endpoint->options.manners;
    if (endpoint->clear.refusal ||
        endpoint->pause_until_ms > (int64_t)uv_now(endpoint->loop))
        return false;
    if (manners->connections_max == 0 ||
        endpoint->connections < manners->connections_max ||
        posture_tls_plan_is_done(&endpoint->plan))
        return true;
    if (endpoint->open == 0)
        posture_tls_endpoint_give_up(endpoint, "budget",
                                     "no connection is left of those allowed");
    return false;
}
