/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#include "common/tls/endpoint_internal.h"

#include "common/base/clock.h"
#include "common/net/address.h"
#include "common/tls/chains.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static void endpoint_pump(struct posture_tls_endpoint *endpoint);

static void endpoint_free(struct posture_tls_endpoint *endpoint)
{
    for (size_t i = 0; i < endpoint->options.connections; i++) {
        posture_connection_done(&endpoint->links[i].connection);
        posture_buf_done(&endpoint->links[i].out);
        posture_buf_done(&endpoint->links[i].say);
        posture_starttls_done(&endpoint->links[i].starttls);
        posture_tls_reader_done(&endpoint->links[i].reader);
        posture_tls_handshake_free(endpoint->links[i].handshake);
        posture_buf_done(&endpoint->links[i].kept.bytes);
    }
    SSL_SESSION_free(endpoint->session);
    posture_connections_unref(endpoint->sockets);
    json_decref(endpoint->chains.list);
    free(endpoint);
}

static void timer_closed(uv_handle_t *handle)
{
    struct posture_tls_endpoint *endpoint = handle->data;
    char address[POSTURE_ADDRESS_TEXT];
    posture_address_format((const struct sockaddr *)&endpoint->options.address, address);
    json_t *facts = posture_tls_endpoint_facts(
        &endpoint->plan, endpoint->chains.list, address, endpoint->is_reachable,
        endpoint->is_deadline, endpoint->detail, endpoint->connections,
        (posture_monotonic_ns() - endpoint->started_ns) / POSTURE_NS_PER_MS);
    posture_tls_clear_facts(&endpoint->clear, facts);
    endpoint->done(endpoint->data, facts);
    endpoint_free(endpoint);
}

static void endpoint_finish(struct posture_tls_endpoint *endpoint)
{
    if (endpoint->open > 0 || endpoint->is_closing)
        return;
    endpoint->is_closing = true;
    uv_close((uv_handle_t *)&endpoint->timer, timer_closed);
}

void posture_tls_detail_set(struct posture_tls_endpoint *endpoint, const char *text)
{
    if (endpoint->detail[0] == '\0')
        snprintf(endpoint->detail, sizeof(endpoint->detail), "%s", text);
}

static void link_answer(struct link *link, enum posture_tls_outcome outcome)
{
    struct posture_tls_endpoint *endpoint = link->endpoint;
    if (link->is_answered)
        return;
    if (posture_tls_is_unwelcome(link, outcome) && endpoint->is_reachable) {
        if (link->phase == LINK_CLEAR)
            posture_tls_clear_merge(&endpoint->clear, &link->starttls);
        posture_tls_endpoint_give_up(endpoint, posture_tls_outcome_code(outcome),
                                     link->phase == LINK_CLEAR &&
                                             link->connection.is_connected
                                         ? "before TLS"
                                         : "no further connection");
        return;
    }
    if (outcome == POSTURE_TLS_ALERTED && !link->handshake) {
        char name[POSTURE_TLS_CODE_TEXT];
        posture_tls_detail_set(endpoint,
                               posture_tls_alert_name(link->reader.flight.alert, name));
    }
    posture_tls_plan_answer(&endpoint->plan, &link->question, outcome,
                            &link->reader.flight);
    posture_tls_link_close(link);
}

static void link_hello(struct link *link)
{
    const struct posture_tls_flight *flight = &link->reader.flight;
    link->wants = posture_tls_plan_wants(&link->endpoint->plan, &link->question, flight,
                                         &link->suite);
    if (link->suite)
        posture_tls_reader_set_exchange(&link->reader, link->suite->exchange,
                                        link->suite->has_psk_hint);
    if (flight->version == posture_tls_version_code(POSTURE_TLS_SSL2)) {
        posture_tls_link_chain_add(link, flight->certificates, flight->certificate_count,
                                   false, POSTURE_TLS_AUTH_RSA);
        link->wants = 0;
    }
    if (link->wants == 0)
        link_answer(link, POSTURE_TLS_ANSWERED);
}

static void link_event(struct link *link, enum posture_tls_event event)
{
    const struct posture_tls_flight *flight = &link->reader.flight;
    switch (event) {
    case POSTURE_TLS_EVENT_NONE:
        break;
    case POSTURE_TLS_EVENT_HELLO:
        link_hello(link);
        break;
    case POSTURE_TLS_EVENT_CERTIFICATE:
        if (link->wants & POSTURE_TLS_WANT_CHAIN)
            posture_tls_link_chain(link);
        break;
    case POSTURE_TLS_EVENT_STATUS:
        if (link->wants & POSTURE_TLS_WANT_STATUS)
            posture_tls_link_staple(link);
        break;
    case POSTURE_TLS_EVENT_KEY_EXCHANGE:
        if (link->wants & POSTURE_TLS_WANT_STATUS)
            posture_tls_link_staple_absent(
                link); /* announced, and left out all the same */
        link->wants = 0;
        break;
    case POSTURE_TLS_EVENT_DONE:
        if (link->wants & POSTURE_TLS_WANT_STATUS)
            posture_tls_link_staple_absent(link);
        if (link->wants & POSTURE_TLS_WANT_SEALED &&
            flight->sealed_max < POSTURE_TLS_SEALED_MIN)
            break; /* it may be no more than an encrypted alert */
        link->wants = 0;
        break;
    case POSTURE_TLS_EVENT_ALERT:
        if (!flight->has_hello || link->wants & POSTURE_TLS_WANT_SEALED) {
            link_answer(link, POSTURE_TLS_ALERTED);
            return;
        }
        link->wants = 0;
        break;
    }
    if (flight->has_hello && link->wants == 0)
        link_answer(link, POSTURE_TLS_ANSWERED);
}

/* A ServerHello was read and that is all that counts. */
static bool link_has_answer(const struct link *link)
{
    return link->reader.flight.has_hello && !link->handshake &&
           !(link->wants & POSTURE_TLS_WANT_SEALED);
}

static void link_broken(struct link *link, int r)
{
    if (link_has_answer(link)) {
        /* The question has its answer; only what came after it is bad. */
        link_answer(link, POSTURE_TLS_ANSWERED);
        return;
    }
    link_answer(link, r == POSTURE_E_FORMAT  ? POSTURE_TLS_NOT_TLS
                      : r == POSTURE_E_LIMIT ? POSTURE_TLS_TOO_LARGE
                                             : POSTURE_TLS_BROKEN);
}

static void link_send(struct link *link)
{
    if (link->out.len > 0 &&
        posture_connection_send(&link->connection, link->out.data, link->out.len) < 0)
        link_answer(link, POSTURE_TLS_RESET);
}

/* The handshake was completed, and what comes after it has come. */
static void handshake_done(struct link *link)
{
    struct posture_tls_endpoint *endpoint = link->endpoint;
    const struct posture_tls_question *question = &link->question;
    struct posture_tls_der chain[POSTURE_TLS_CERTIFICATES_MAX], staple;
    struct posture_tls_session learnt;
    bool is_truncated = false;
    size_t count = 0;
    if (question->purpose == POSTURE_TLS_ASK_HANDSHAKE) {
        count = posture_tls_handshake_chain(link->handshake, chain, POSTURE_COUNT(chain),
                                            &is_truncated);
        posture_tls_link_chain_add(link, chain, count, is_truncated,
                                   POSTURE_TLS_AUTH_OTHER);
        if (endpoint->options.is_deep)
            posture_tls_chains_staple(
                &endpoint->chains, link->chain,
                posture_tls_handshake_staple(link->handshake, &staple) ? &staple : NULL,
                chain, count);
    }
    if (question->lane == POSTURE_TLS_LANE_SESSION && !endpoint->session)
        endpoint->session = posture_tls_handshake_session(link->handshake);
    posture_tls_handshake_learnt(link->handshake, &learnt);
    posture_tls_plan_learnt(&endpoint->plan, question, &learnt);
    bool is_bare = question->lane == POSTURE_TLS_LANE_HANDSHAKE && count == 0;
    link_answer(link, is_bare ? POSTURE_TLS_BROKEN : POSTURE_TLS_ANSWERED);
}

static void link_handshake(struct link *link, const void *bytes, size_t len)
{
    posture_buf_clear(&link->out);
    int r = posture_tls_handshake_step(link->handshake, bytes, len, &link->out);
    if (r < 0)
        link_answer(link, POSTURE_TLS_ALERTED);
    else if (r == 0)
        link_send(link);
    else
        handshake_done(link);
}

/* Ended, or out of time. */
static void handshake_ended(struct link *link, enum posture_tls_outcome outcome)
{
    if (posture_tls_handshake_end(link->handshake, outcome == POSTURE_TLS_TIMED_OUT))
        handshake_done(link);
    else
        link_answer(link, outcome);
}

static void link_bytes(struct link *link, const char *bytes, size_t len)
{
    if (link->handshake) {
        link->received += len;
        if (link->received > POSTURE_TLS_BYTES_MAX)
            handshake_ended(link, POSTURE_TLS_TOO_LARGE);
        else
            link_handshake(link, bytes, len);
        return;
    }
    int r = posture_tls_reader_feed(&link->reader, bytes, len);
    while (r >= 0 && !link->is_answered) {
        enum posture_tls_event event;
        r = posture_tls_reader_next(&link->reader, &event);
        if (r < 0 || event == POSTURE_TLS_EVENT_NONE)
            break;
        link_event(link, event);
    }
    if (r < 0)
        link_broken(link, r);
}

/* Before TLS: NULL, 0 when the connection stands. */
static void link_clear(struct link *link, const char *bytes, size_t len)
{
    struct posture_tls_endpoint *endpoint = link->endpoint;
    struct posture_starttls *starttls = &link->starttls;
    posture_buf_clear(&link->say);
    if (posture_starttls_feed(starttls, bytes, len, &link->say) < 0) {
        link_answer(link, POSTURE_TLS_TOO_LARGE);
        return;
    }
    if (starttls->state != POSTURE_STARTTLS_WAITING)
        posture_tls_clear_merge(&endpoint->clear, starttls);
    if (link->say.len > 0 &&
        posture_connection_send(&link->connection, link->say.data, link->say.len) < 0) {
        link_answer(link, POSTURE_TLS_RESET);
        return;
    }
    if (starttls->state == POSTURE_STARTTLS_ENDED) {
        posture_tls_endpoint_give_up(
            endpoint, posture_tls_starttls_code(starttls->reason), starttls->detail);
    } else if (starttls->state == POSTURE_STARTTLS_READY) {
        link->phase = LINK_TLS;
        link->deadline_ms =
            (int64_t)uv_now(endpoint->loop) + endpoint->options.timeout_ms;
        uv_timer_stop(&endpoint->timer); /* the deadline may have come nearer */
        link_send(link);
    }
}

/* is_local: this host refused at once, before anything was sent. */
static enum posture_tls_outcome connect_outcome(int error, bool is_local)
{
    switch (error) {
    case UV_ECONNREFUSED:
        return POSTURE_TLS_REFUSED;
    case UV_ETIMEDOUT:
        return POSTURE_TLS_NO_CONNECT;
    case UV_ECONNRESET:
    case UV_EPIPE:
        return POSTURE_TLS_RESET;
    case UV_ENETUNREACH:
    case UV_EHOSTUNREACH:
    case UV_EADDRNOTAVAIL:
    case UV_EAFNOSUPPORT:
        return is_local ? POSTURE_TLS_NO_ROUTE : POSTURE_TLS_UNREACHABLE;
    default:
        return POSTURE_TLS_UNREACHABLE;
    }
}

static void link_received(struct posture_connection *connection, const char *bytes,
                          size_t len)
{
    struct link *link = connection->data;
    link->endpoint->is_reachable = true;
    if (link->phase == LINK_CLEAR)
        link_clear(link, bytes, len);
    else if (link->phase == LINK_TLS)
        link_bytes(link, bytes, len);
    endpoint_pump(link->endpoint);
}

static void link_ended(struct posture_connection *connection, int r)
{
    struct link *link = connection->data;
    if (link->phase == LINK_LEAVING) {
        posture_tls_link_shut(link);
        endpoint_pump(link->endpoint);
        return;
    }
    link->is_ended = true;
    if (connection->is_connected)
        link->endpoint->is_reachable = true;
    if (!connection->is_connected) {
        posture_tls_detail_set(link->endpoint, uv_strerror(r));
        link_answer(link, connect_outcome(r, false));
    } else {
        bool is_foreign =
            link->phase == LINK_TLS && posture_tls_reader_is_foreign(&link->reader);
        enum posture_tls_outcome outcome = is_foreign ? POSTURE_TLS_NOT_TLS
                                           : r == 0   ? POSTURE_TLS_CLOSED
                                                      : POSTURE_TLS_RESET;
        if (link->handshake)
            handshake_ended(link, outcome);
        else
            link_answer(link, link_has_answer(link) ? POSTURE_TLS_ANSWERED : outcome);
    }
    endpoint_pump(link->endpoint);
}

static const struct posture_connection_ops link_ops = {
    .received = link_received,
    .ended = link_ended,
};

/* xorshift: a ClientHello's random keeps no secret here, it only differs. */
static void random_fill(struct posture_tls_endpoint *endpoint, uint8_t out[static 32])
{
    for (size_t i = 0; i < POSTURE_COUNT(endpoint->random); i++) {
        uint64_t x = endpoint->random[i];
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        endpoint->random[i] = x;
    }
    memcpy(out, endpoint->random, 32);
}

/* The first bytes of a connection, into link->out. */
static int link_prepare(struct link *link)
{
    struct posture_tls_endpoint *endpoint = link->endpoint;
    posture_buf_clear(&link->out);
    posture_tls_reader_reset(&link->reader, link->question.version == POSTURE_TLS_SSL2);
    link->handshake = posture_tls_handshake_free(link->handshake);
    link->is_answered = link->is_ended = false;
    link->wants = 0;
    link->received = 0;
    link->suite = NULL;
    link->phase = LINK_TLS;
    if (posture_tls_has_manners(endpoint)) {
        const struct posture_tls_manners *manners = &endpoint->options.manners;
        link->phase = LINK_CLEAR;
        posture_buf_clear(&link->say);
        POSTURE_TRY(posture_starttls_begin(&link->starttls, manners->protocol,
                                           manners->helo, manners->name, &link->say));
    }
    link->chain = SIZE_MAX;
    if (!link->question.is_handshake) {
        random_fill(endpoint, link->question.hello.random);
        return posture_tls_hello_write(&link->question.hello, &link->out);
    }
    POSTURE_TRY(posture_tls_handshake_new(
        endpoint->options.handshake, &link->question, endpoint->options.server_name,
        endpoint->options.is_deep,
        link->question.purpose == POSTURE_TLS_ASK_RESUME ? endpoint->session : NULL,
        &link->handshake));
    return posture_tls_handshake_step(link->handshake, NULL, 0, &link->out);
}

static void link_start(struct link *link)
{
    struct posture_tls_endpoint *endpoint = link->endpoint;
    const struct posture_buf *first =
        posture_tls_has_manners(endpoint) ? &link->say : &link->out;
    link->deadline_ms =
        (int64_t)uv_now(endpoint->loop) + (posture_tls_has_manners(endpoint)
                                               ? endpoint->options.manners.timeout_ms
                                               : endpoint->options.timeout_ms);
    if (link_prepare(link) < 0) {
        posture_tls_plan_answer(&endpoint->plan, &link->question, POSTURE_TLS_TOO_LARGE,
                                NULL);
        return;
    }
    endpoint->connections++;
    bool is_remote = false;
    int r = posture_connection_open(&link->connection,
                                    (const struct sockaddr *)&endpoint->options.address,
                                    first->data, first->len, &is_remote);
    if (r < 0) {
        if (link->connection.is_connected)
            endpoint->is_reachable = true;
        else
            posture_tls_detail_set(endpoint, uv_strerror(r));
        link_answer(link, connect_outcome(r, !is_remote));
        return;
    }
    endpoint->open++;
}

static void timer_fired(uv_timer_t *timer)
{
    struct posture_tls_endpoint *endpoint = timer->data;
    int64_t now = (int64_t)uv_now(endpoint->loop);
    for (size_t i = 0; i < endpoint->options.connections; i++) {
        struct link *link = &endpoint->links[i];
        if (!posture_tls_link_is_open(link) || link->deadline_ms > now)
            continue;
        if (link->connection.is_connected)
            endpoint->is_reachable = true;
        enum posture_tls_outcome outcome = link->connection.is_connected
                                               ? POSTURE_TLS_TIMED_OUT
                                               : POSTURE_TLS_NO_CONNECT;
        if (link->phase == LINK_LEAVING)
            posture_tls_link_shut(link);
        else if (link->handshake && link->phase == LINK_TLS)
            handshake_ended(link, outcome);
        else
            link_answer(link, link_has_answer(link) ? POSTURE_TLS_ANSWERED : outcome);
    }
    endpoint_pump(endpoint);
}

/* Set once for the earliest deadline, not per connection: a connection that ends in time
 * costs no timer work. */
static void timer_arm(struct posture_tls_endpoint *endpoint)
{
    if (uv_is_active((uv_handle_t *)&endpoint->timer))
        return;
    int64_t now = (int64_t)uv_now(endpoint->loop), first = INT64_MAX;
    for (size_t i = 0; i < endpoint->options.connections; i++) {
        const struct link *link = &endpoint->links[i];
        if (posture_tls_link_is_open(link) && link->deadline_ms < first)
            first = link->deadline_ms;
    }
    if (endpoint->pause_until_ms > now && endpoint->pause_until_ms < first &&
        !posture_tls_plan_is_done(&endpoint->plan))
        first = endpoint->pause_until_ms;
    if (first != INT64_MAX)
        uv_timer_start(&endpoint->timer, timer_fired,
                       first > now ? (uint64_t)(first - now) : 0, 0);
}

static bool handshake_is_hopeless(const struct posture_tls_endpoint *endpoint)
{
    const struct posture_tls_plan *plan = &endpoint->plan;
    bool all_known =
        plan->lanes[POSTURE_TLS_LANE_GROUPS13].state == POSTURE_TLS_LANE_DONE;
    return all_known && !posture_tls_handshake_can(endpoint->options.handshake,
                                                   plan->groups, plan->group_count);
}

static void endpoint_pump(struct posture_tls_endpoint *endpoint)
{
    if (endpoint->is_closing || endpoint->is_pumping)
        return;
    endpoint->is_pumping = true;
    for (size_t i = 0; i < endpoint->options.connections; i++) {
        struct link *link = &endpoint->links[i];
        while (!posture_tls_link_is_open(link) && posture_tls_may_connect(endpoint) &&
               posture_tls_plan_next(&endpoint->plan, &link->question)) {
            if (link->question.is_handshake && link->question.version == POSTURE_TLS_13 &&
                handshake_is_hopeless(endpoint))
                posture_tls_plan_answer(&endpoint->plan, &link->question,
                                        POSTURE_TLS_ALERTED, NULL);
            else
                link_start(link);
        }
    }
    endpoint->is_pumping = false;
    timer_arm(endpoint);
    if (posture_tls_plan_is_done(&endpoint->plan))
        endpoint_finish(endpoint);
}

static int endpoint_prepare(struct posture_tls_endpoint *endpoint)
{
    struct posture_connections **sockets = endpoint->options.sockets;
    endpoint->chains.list = json_array();
    if (!endpoint->chains.list)
        return -ENOMEM;
    POSTURE_TRY(posture_connections_ref(sockets, endpoint->loop));
    endpoint->sockets = *sockets;
    for (size_t i = 0; i < endpoint->options.connections; i++) {
        struct link *link = &endpoint->links[i];
        link->endpoint = endpoint;
        posture_tls_reader_init(&link->reader);
        posture_buf_init(&link->out, 0);
        posture_buf_init(&link->say, 0);
        posture_starttls_init(&link->starttls);
        posture_buf_init(&link->kept.bytes, POSTURE_TLS_BYTES_MAX);
        POSTURE_TRY(posture_connection_init(&link->connection, endpoint->sockets,
                                            &link_ops, link));
    }
    return 0;
}

int posture_tls_endpoint_start(uv_loop_t *loop,
                               const struct posture_tls_endpoint_options *options,
                               posture_tls_endpoint_cb *done, void *data,
                               struct posture_tls_endpoint **ret)
{
    POSTURE_REQUIRE(options->connections >= 1 &&
                    options->connections <= POSTURE_TLS_CONNECTIONS_MAX);
    struct posture_tls_endpoint *endpoint =
        posture_calloc(1, sizeof(*endpoint) + options->connections * sizeof(struct link));
    if (!endpoint)
        return -ENOMEM;
    endpoint->options = *options;
    endpoint->loop = loop;
    endpoint->done = done;
    endpoint->data = data;
    endpoint->started_ns = posture_monotonic_ns();
    endpoint->clear.protocol = options->manners.protocol;
    for (size_t i = 0; i < POSTURE_COUNT(endpoint->random); i++)
        endpoint->random[i] =
            ((uint64_t)endpoint->started_ns + i) * UINT64_C(0x9e3779b97f4a7c15) | 1;
    posture_tls_plan_init(&endpoint->plan, options->tables, options->server_name);
    endpoint->plan.depth.is_wanted = options->is_deep;
    int r = endpoint_prepare(endpoint);
    if (r < 0) {
        endpoint_free(endpoint);
        return r;
    }
    uv_timer_init(loop, &endpoint->timer);
    endpoint->timer.data = endpoint;
    *ret = endpoint;
    endpoint_pump(endpoint);
    return 0;
}

void posture_tls_endpoint_stop(struct posture_tls_endpoint *endpoint)
{
    if (!posture_tls_plan_is_done(&endpoint->plan)) {
        endpoint->is_deadline = true;
        posture_tls_plan_stop(&endpoint->plan);
    }
    for (size_t i = 0; i < endpoint->options.connections; i++) {
        endpoint->links[i].is_answered = true;
        posture_tls_link_shut(&endpoint->links[i]);
    }
    endpoint_finish(endpoint);
}
