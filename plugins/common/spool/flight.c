/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */

#include "common/spool/store.h"

#include "common/base/uuid.h"

#include <errno.h>
#include <string.h>

/*
 * What was handed out to the producer, and the broker's answers. An answer waits in
 * memory until a commit has carried it: a commit that fails takes nothing back that the
 * broker has.
 */
enum { REASON_MAX = 256 };
static char answer_no_reason[] = "(no memory for the reason)";

void spool_cursor_reset(struct posture_spool *spool)
{
    if (spool->cursor_is_open)
        sqlite3_reset(spool->statements[SPOOL_SQL_NEXT]);
    spool->cursor_is_open = false;
}

static struct spool_flight *flight_find(struct spool_flights *flights, int64_t id)
{
    size_t low = flights->head, high = flights->tail;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (flights->items[middle].id < id)
            low = middle + 1;
        else
            high = middle;
    }
    return low < flights->tail && flights->items[low].id == id ? &flights->items[low]
                                                               : NULL;
}

static int flight_push(struct spool_flights *flights, struct spool_flight flight)
{
    if (flights->tail == flights->cap) {
        size_t count = flights->tail - flights->head;
        if (flights->head > 0 && count * 2 <= flights->cap) {
            memmove(flights->items, flights->items + flights->head,
                    count * sizeof(*flights->items));
        } else {
            size_t cap = flights->cap > 0 ? flights->cap * 2 : 256;
            struct spool_flight *items =
                posture_reallocarray(flights->items, cap, sizeof(*items));
            if (!items)
                return -ENOMEM;
            memmove(items, items + flights->head, count * sizeof(*items));
            flights->items = items;
            flights->cap = cap;
        }
        flights->head = 0;
        flights->tail = count;
    }
    flights->items[flights->tail++] = flight;
    flights->out += flight.state == SPOOL_FLIGHT_OUT;
    return 0;
}

/* A record goes out only when there is room for its answer, so that taking an answer
 * never fails. */
static int flight_out(struct posture_spool *spool, int topic, struct spool_flight flight)
{
    size_t need = spool->answer_count + 1;
    for (int i = 0; i < POSTURE_SPOOL_TOPIC_COUNT; i++)
        need += spool->flights[i].tail - spool->flights[i].head;
    if (need > spool->answer_cap) {
        size_t cap = spool->answer_cap > 0 ? spool->answer_cap * 2 : 256;
        while (cap < need)
            cap *= 2;
        struct spool_answer *answers =
            posture_reallocarray(spool->answers, cap, sizeof(*answers));
        if (!answers)
            return -ENOMEM;
        spool->answers = answers;
        spool->answer_cap = cap;
    }
    return flight_push(&spool->flights[topic], flight);
}

static int answer_order(const void *a, const void *b)
{
    int64_t x = ((const struct spool_answer *)a)->id,
            y = ((const struct spool_answer *)b)->id;
    return (x > y) - (x < y);
}

static void answers_sort(struct posture_spool *spool)
{
    for (size_t i = 1; i < spool->answer_count; i++) {
        if (spool->answers[i - 1].id > spool->answers[i].id) {
            qsort(spool->answers, spool->answer_count, sizeof(*spool->answers),
                  answer_order);
            break;
        }
    }
}

static int answer_add(struct posture_spool *spool, int64_t id, const char *reason)
{
    int topic = spool_topic_of(id);
    if (topic < 0 || topic >= POSTURE_SPOOL_TOPIC_COUNT)
        return -ENOENT;
    struct spool_flights *flights = &spool->flights[topic];
    struct spool_flight *flight = flight_find(flights, id);
    if (!flight || flight->state != SPOOL_FLIGHT_OUT)
        return -ENOENT;
    POSTURE_REQUIRE(spool->answer_count < spool->answer_cap); /* flight_out made room */
    char *refused = NULL;
    if (reason && !(refused = posture_strndup(reason, REASON_MAX)))
        refused = answer_no_reason;
    flight->state = SPOOL_FLIGHT_ANSWERED;
    flights->out--;
    spool->answers[spool->answer_count++] = (struct spool_answer){
        .id = id, .size = flight->size, .plugin = flight->plugin, .refused = refused};
    return 0;
}

int posture_spool_delivered(struct posture_spool *spool, int64_t id)
{
    return answer_add(spool, id, NULL);
}

int posture_spool_refused(struct posture_spool *spool, int64_t id, const char *reason)
{
    return answer_add(spool, id, reason ? reason : "");
}

static void answer_free(struct spool_answer *answer)
{
    if (answer->refused != answer_no_reason)
        free(answer->refused);
    answer->refused = NULL;
}

int spool_answers_apply(struct posture_spool *spool)
{
    if (spool->answer_count == 0)
        return 0;
    answers_sort(spool);
    if (spool->answers_before_rewind > 0)
        spool->answers_before_rewind = spool->answer_count;

    for (size_t i = 0; i < spool->answer_count;) {
        const struct spool_answer *answer = &spool->answers[i];
        if (answer->refused && answer->plugin != SPOOL_FILLER) {
            POSTURE_TRY(spool_row_set_aside(spool, answer->id, answer->plugin,
                                            answer->size, SPOOL_STATE_refused,
                                            answer->refused));
            i++;
            continue;
        }
        size_t end = i;
        do {
            const struct spool_answer *gone = &spool->answers[end];
            if (gone->plugin == SPOOL_FILLER) {
                spool->state[SPOOL_STATE_fillers]--;
            } else {
                spool->state[SPOOL_STATE_delivered]++;
                spool_row_forget(spool, gone->plugin, gone->size);
            }
            end++;
        } while (
            end < spool->answer_count &&
            spool->answers[end].id == spool->answers[end - 1].id + 1 &&
            (!spool->answers[end].refused || spool->answers[end].plugin == SPOOL_FILLER));
        POSTURE_TRY(spool_rows_delete(spool, answer->id, spool->answers[end - 1].id));
        i = end;
    }
    spool_point(spool, "answers.applied");
    return 0;
}

void spool_answers_done(struct posture_spool *spool)
{
    for (size_t i = 0; i < spool->answer_count; i++) {
        struct spool_answer *answer = &spool->answers[i];
        struct spool_flights *flights = &spool->flights[spool_topic_of(answer->id)];
        struct spool_flight *flight = flight_find(flights, answer->id);
        if (flight && answer->refused && answer->plugin != SPOOL_FILLER) {
            flight->state = SPOOL_FLIGHT_AGAIN;
            flight->plugin = SPOOL_FILLER;
            flight->size = 0;
            flights->again++;
        } else if (flight) {
            flight->state = SPOOL_FLIGHT_GONE;
        }
        answer_free(answer);
    }
    spool->answer_count = 0;
    spool->answers_before_rewind = 0;
    for (int topic = 0; topic < POSTURE_SPOOL_TOPIC_COUNT; topic++) {
        struct spool_flights *flights = &spool->flights[topic];
        while (flights->head < flights->tail &&
               flights->items[flights->head].state == SPOOL_FLIGHT_GONE)
            flights->head++;
        if (flights->head == flights->tail)
            flights->head = flights->tail = 0;
    }
}

void posture_spool_rewind(struct posture_spool *spool)
{
    spool_cursor_reset(spool);
    answers_sort(spool);
    spool->answers_before_rewind = spool->answer_count;
    for (int topic = 0; topic < POSTURE_SPOOL_TOPIC_COUNT; topic++) {
        struct spool_flights *flights = &spool->flights[topic];
        flights->head = flights->tail = flights->out = flights->again = 0;
        spool->handed_out[topic] = spool_topic_first(topic);
    }
}

void spool_flights_forget(struct posture_spool *spool)
{
    for (size_t i = 0; i < spool->answer_count; i++)
        answer_free(&spool->answers[i]);
    spool->answer_count = 0;
    posture_spool_rewind(spool);
}

void spool_flights_free(struct posture_spool *spool)
{
    spool_flights_forget(spool);
    free(spool->answers);
    for (int topic = 0; topic < POSTURE_SPOOL_TOPIC_COUNT; topic++)
        free(spool->flights[topic].items);
}

static bool answer_is_waiting(const struct posture_spool *spool, int64_t id)
{
    if (spool->answers_before_rewind == 0)
        return false;
    struct spool_answer key = {.id = id};
    return bsearch(&key, spool->answers, spool->answers_before_rewind, sizeof(key),
                   answer_order) != NULL;
}

/* The number of a record that could not be believed stays owed: a filler takes its place.
 */
static int next_is_corrupt(struct posture_spool *spool, int64_t id, size_t plugin,
                           uint64_t size, const char *why)
{
    spool_cursor_reset(spool);
    POSTURE_TRY(posture_spool_begin(spool));
    int r = spool_row_set_aside(spool, id, plugin, size, SPOOL_STATE_corrupt, why);
    if (r < 0) {
        posture_spool_rollback(spool);
        return r;
    }
    return posture_spool_commit(spool, NULL);
}

static int next_filler(struct posture_spool *spool, sqlite3_stmt *statement, int64_t id,
                       struct posture_spool_entry *ret)
{
    /* Its own text is only good for being the same again; if it is damaged, new text will
     * do. */
    *ret = (struct posture_spool_entry){.topic =
                                            (enum posture_spool_topic)spool_topic_of(id)};
    if (!statement || !spool_row_read(spool, statement, 4, id, ret)) {
        POSTURE_TRY(posture_uuid7(spool_now(spool), spool->filler_id));
        ret->ce_id = spool->filler_id;
        ret->time_ns = spool_now(spool);
        ret->ce_type = "posture.heartbeat.v1";
    }
    ret->plugin = "";
    ret->key = NULL;
    ret->body = NULL;
    ret->body_len = 0;
    return 0;
}

/* One that the broker refused: now a filler. */
static int next_again(struct posture_spool *spool, struct spool_flights *flights,
                      struct posture_spool_record *ret)
{
    for (size_t i = flights->head; i < flights->tail; i++) {
        struct spool_flight *flight = &flights->items[i];
        if (flight->state != SPOOL_FLIGHT_AGAIN)
            continue;
        struct posture_spool_record record = {
            .id = flight->id,
            .epoch = (uint64_t)spool->state[SPOOL_STATE_epoch],
            .sequence = spool_sequence_of(spool, flight->id),
            .is_filler = true,
        };
        POSTURE_TRY(next_filler(spool, NULL, flight->id, &record.entry));
        flight->state = SPOOL_FLIGHT_OUT;
        flights->again--;
        flights->out++;
        *ret = record;
        return 1;
    }
    flights->again = 0;
    return 0;
}

/* 1 with a record, 0 when the topic has none, 2 when this row was dealt with otherwise.
 */
static int next_row(struct posture_spool *spool, int topic,
                    struct posture_spool_record *ret)
{
    sqlite3_stmt *statement = spool->statements[SPOOL_SQL_NEXT];
    if (!spool->cursor_is_open || spool->cursor_topic != topic) {
        sqlite3_reset(statement);
        sqlite3_bind_int64(statement, 1, spool->handed_out[topic]);
        sqlite3_bind_int64(statement, 2, spool->state[SPOOL_ASSIGNED(topic)]);
        spool->cursor_is_open = true;
        spool->cursor_topic = topic;
    }
    int rc = sqlite3_step(statement);
    if (rc != SQLITE_ROW) {
        spool_cursor_reset(spool);
        POSTURE_TRY(spool_sql_error(spool, rc));
        spool->handed_out[topic] = spool->state[SPOOL_ASSIGNED(topic)];
        return 0;
    }
    int64_t id = sqlite3_column_int64(statement, 0);
    uint64_t plugin = (uint64_t)sqlite3_column_int64(statement, 1);
    uint64_t size = (uint64_t)sqlite3_column_int64(statement, 2);
    bool is_filler = plugin == SPOOL_FILLER;
    struct posture_spool_record record = {
        .id = id,
        .epoch = (uint64_t)spool->state[SPOOL_STATE_epoch],
        .sequence = spool_sequence_of(spool, id),
        .is_filler = is_filler,
    };
    if (record.sequence == 0 || plugin > spool->plugin_count ||
        size > POSTURE_SPOOL_BODY_MAX * 2)
        return spool_sql_error(spool, SQLITE_CORRUPT);

    struct spool_flight flight = {.id = id,
                                  .size = (uint32_t)size,
                                  .plugin = (uint8_t)plugin,
                                  .state = SPOOL_FLIGHT_OUT};
    if (answer_is_waiting(spool, id)) {
        flight.state = SPOOL_FLIGHT_ANSWERED;
        int r_waiting = flight_out(spool, topic, flight);
        if (r_waiting < 0) {
            spool_cursor_reset(spool);
            return r_waiting;
        }
        spool->handed_out[topic] = id;
        return 2;
    }
    if (is_filler) {
        int r_filler = next_filler(spool, statement, id, &record.entry);
        if (r_filler < 0) {
            spool_cursor_reset(spool);
            return r_filler;
        }
    } else if (sqlite3_column_type(statement, 3) == SQLITE_NULL) {
        POSTURE_TRY(next_is_corrupt(spool, id, plugin, size, "row is missing"));
        return 2;
    } else if (!spool_row_read(spool, statement, 4, id, &record.entry)) {
        /* A blob that could not be loaded for want of memory is not damage. */
        if (sqlite3_errcode(spool->db) == SQLITE_NOMEM) {
            spool_cursor_reset(spool);
            return -ENOMEM;
        }
        POSTURE_TRY(next_is_corrupt(spool, id, plugin, size, "checksum does not match"));
        return 2;
    } else {
        record.entry.plugin = spool->plugins[plugin].name;
    }
    int r = flight_out(spool, topic, flight);
    if (r < 0) {
        spool_cursor_reset(spool);
        return r;
    }
    spool->handed_out[topic] = id;
    *ret = record;
    return 1;
}

/* Everything was handed out and answered, yet records are counted as spooled: a damaged
 * index has lost them. They are counted, and what is left of them goes. */
static int next_reconcile(struct posture_spool *spool)
{
    if (spool->state[SPOOL_STATE_spooled] == 0 || spool->answer_count > 0)
        return 0;
    for (int topic = 0; topic < POSTURE_SPOOL_TOPIC_COUNT; topic++) {
        if (spool->flights[topic].out > 0 || spool->flights[topic].again > 0 ||
            spool->state[SPOOL_ASSIGNED(topic)] + 1 < spool->state[SPOOL_NEXT_ID(topic)])
            return 0;
    }
    POSTURE_TRY(posture_spool_begin(spool));
    int64_t *state = spool->state;
    state[SPOOL_STATE_corrupt] += state[SPOOL_STATE_spooled];
    state[SPOOL_STATE_spooled] = 0;
    state[SPOOL_STATE_spooled_bytes] = 0;
    for (size_t i = 1; i <= spool->plugin_count; i++) {
        spool->plugins[i].rows = spool->plugins[i].bytes = 0;
        spool->plugins[i].is_dirty = true;
    }
    int r = spool_rows_delete(spool, 0, spool_topic_last(POSTURE_SPOOL_TOPIC_COUNT - 1));
    if (r < 0) {
        posture_spool_rollback(spool);
        return r;
    }
    return posture_spool_commit(spool, NULL);
}

int posture_spool_next(struct posture_spool *spool, struct posture_spool_record *ret)
{
    POSTURE_REQUIRE(!spool->in_transaction);
    POSTURE_TRY(spool_ensure_open(spool));
    for (int topic = POSTURE_SPOOL_TOPIC_COUNT - 1; topic >= 0;) {
        if (spool->flights[topic].again > 0) {
            spool_cursor_reset(spool);
            int r = next_again(spool, &spool->flights[topic], ret);
            if (r != 0)
                return r;
        }
        if (spool->handed_out[topic] >= spool->state[SPOOL_ASSIGNED(topic)]) {
            topic--;
            continue;
        }
        int r = next_row(spool, topic, ret);
        if (r == 0)
            topic--;
        else if (r != 2)
            return r;
    }
    return next_reconcile(spool);
}
