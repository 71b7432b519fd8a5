/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#include "posture_criteria/gate_worker.h"

#include "common/base/clock.h"
#include "common/kafka/consumer.h"
#include "common/report/scratch.h"
#include "posture_criteria/judge_worker.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum {
    COMMIT_MS = 1000,
    WATERMARK_TIMEOUT_MS = 2000,
    WATERMARK_PAUSE_MS = 1000,
};

enum part_state {
    PART_NONE,
    PART_ASKING,  /* for the state's high watermark */
    PART_WAITING, /* until the state is read up to it */
    PART_OPEN,
};

struct part {
    enum part_state state;
    uint32_t generation; /* assignments so far: entries of an earlier one do not commit */
    int64_t high;        /* of the state's partition, asked after the assignment */
    int64_t done;        /* last offset that is done; -1: none yet */
    bool is_done_new;    /* not stored yet */
};

struct posture_gate_worker {
    struct posture_criteria *criteria;
    struct posture_consumer *consumer;
    struct posture_gate gate;
    struct posture_gate_decision decision;
    struct part *parts;
    int32_t part_count;
    bool is_held; /* the outbox is full: nothing is taken from the input */
    bool is_closing;
    uv_timer_t commit_timer, ask_timer;
    uint64_t not_append_time;
};

static void held_set(struct posture_gate_worker *self, bool is_held)
{
    if (self->is_held == is_held)
        return;
    self->is_held = is_held;
    posture_consumer_hold(self->consumer, is_held);
}

/* Bytes and key as they were, with why and from where. */
static int reject_headers(const rd_kafka_message_t *message, const char *topic,
                          const char *reason, rd_kafka_headers_t **ret)
{
    rd_kafka_headers_t *theirs = NULL, *headers;
    char number[24];
    (void)rd_kafka_message_headers(message, &theirs);
    headers = theirs ? rd_kafka_headers_copy(theirs) : rd_kafka_headers_new(4);
    if (!headers)
        return -ENOMEM;
    /* A message that was rejected before, and sent again as it was, has these already. */
    static const char *const ours[] = {"posture-reason", "posture-source-topic",
                                       "posture-source-partition",
                                       "posture-source-offset"};
    for (size_t i = 0; i < POSTURE_COUNT(ours); i++)
        (void)rd_kafka_header_remove(headers, ours[i]);
    (void)rd_kafka_header_add(headers, ours[0], -1, reason, -1);
    (void)rd_kafka_header_add(headers, ours[1], -1, topic, -1);
    (void)snprintf(number, sizeof(number), "%" PRId32, message->partition);
    (void)rd_kafka_header_add(headers, ours[2], -1, number, -1);
    (void)snprintf(number, sizeof(number), "%" PRId64, message->offset);
    (void)rd_kafka_header_add(headers, ours[3], -1, number, -1);
    *ret = headers;
    return 0;
}

static size_t header_bytes(const rd_kafka_message_t *message)
{
    rd_kafka_headers_t *headers = NULL;
    const char *name;
    const void *value;
    size_t len, bytes = 0;
    if (rd_kafka_message_headers(message, &headers))
        return 0;
    for (size_t i = 0; !rd_kafka_header_get_all(headers, i, &name, &value, &len); i++)
        bytes += strlen(name) + len;
    return bytes;
}

static int64_t append_time(struct posture_gate_worker *self,
                           const rd_kafka_message_t *message)
{
    rd_kafka_timestamp_type_t type;
    int64_t ms = rd_kafka_message_timestamp(message, &type);
    if (type == RD_KAFKA_TIMESTAMP_LOG_APPEND_TIME && ms > 0)
        return ms * POSTURE_NS_PER_MS;
    /* Someone changed the topic under way. The sender's clock is not taken for the
     * broker's. */
    if (self->not_append_time++ == 0)
        posture_worker_log(self->criteria->worker, POSTURE_LOG_ERROR,
                           "topic '%s': messages no longer carry the broker's time; set "
                           "message.timestamp.type=LogAppendTime",
                           self->criteria->reports);
    return posture_now_ns();
}

static int accepted_add(struct posture_gate_worker *self,
                        const struct posture_message *message,
                        const struct posture_outbox_input *input)
{
    const struct posture_gate_decision *decision = &self->decision;
    struct posture_outbox_entry entry = {
        .purpose = POSTURE_OUTBOX_STATE,
        .topic = self->criteria->state_topic,
        .input = *input,
        .message = *message,
    };
    entry.message.value = decision->value;
    entry.message.value_len = decision->value_len;
    entry.message.verdict = decision->header;
    entry.message.verdict_len = decision->header_len;
    entry.message.gate = NULL; /* theirs is not ours */
    POSTURE_TRY(posture_state_accept(self->criteria->state, message->key,
                                     message->key_len, message->epoch, message->sequence,
                                     &decision->verdict));
    return posture_outbox_add_take(self->criteria->outbox, &entry);
}

static int rejected_add(struct posture_gate_worker *self,
                        const rd_kafka_message_t *message,
                        const struct posture_outbox_input *input)
{
    struct posture_outbox_entry entry = {
        .purpose = POSTURE_OUTBOX_REJECTED,
        .topic = self->criteria->rejected,
        .input = *input,
        .message = {.key = message->key,
                    .key_len = message->key ? message->key_len : 0,
                    .value = message->payload,
                    .value_len = message->payload ? message->len : 0},
    };
    POSTURE_TRY(reject_headers(message, self->criteria->reports, self->decision.text,
                               &entry.headers));
    return posture_outbox_add_take(self->criteria->outbox, &entry);
}

static int nothing_add(struct posture_gate_worker *self,
                       const struct posture_outbox_input *input)
{
    struct posture_outbox_entry entry = {.purpose = POSTURE_OUTBOX_NOTHING,
                                         .input = *input};
    return posture_outbox_add_take(self->criteria->outbox, &entry);
}

static int message_decide(struct posture_gate_worker *self,
                          const rd_kafka_message_t *rkmessage)
{
    struct posture_message_storage storage;
    struct posture_message message;
    struct posture_error error = {0};
    int r = posture_message_read(rkmessage, &storage, &message, &error);
    if (r == -ENOMEM)
        return r;
    const struct posture_gate_input input = {
        .message = r < 0 ? NULL : &message,
        .header_error = &error,
        .header_bytes = header_bytes(rkmessage),
        .value_len = rkmessage->payload ? rkmessage->len : 0,
        .topic = "reports.v1",
        .append_ns = append_time(self, rkmessage),
    };
    posture_scratch_begin();
    r = posture_gate_decide(&self->gate, self->criteria->state, &input, &self->decision);
    posture_scratch_end();
    if (r < 0)
        return r;
    const struct posture_outbox_input place = {
        .partition = rkmessage->partition,
        .generation = self->parts[rkmessage->partition].generation,
        .offset = rkmessage->offset,
    };
    switch (self->decision.outcome) {
    case POSTURE_GATE_ACCEPTED:
        return accepted_add(self, &message, &place);
    case POSTURE_GATE_REJECTED:
        return rejected_add(self, rkmessage, &place);
    case POSTURE_GATE_DUPLICATE:
    case POSTURE_GATE_NOTED:
        break;
    }
    return nothing_add(self, &place);
}

static void message_cb(void *data, const rd_kafka_message_t *message)
{
    struct posture_gate_worker *self = data;
    /* From the first that is passed over none is taken: done stays without gaps. */
    if (self->is_closing || self->criteria->is_stopping || self->criteria->has_failed)
        return;
    if (message->partition >= self->part_count ||
        self->parts[message->partition].state != PART_OPEN) {
        /* It would be passed over and then lost: begin again from what is committed. */
        posture_criteria_fail(self->criteria,
                              "a message came of a partition that is not open",
                              POSTURE_E_PROTOCOL);
        return;
    }
    int r = message_decide(self, message);
    if (r < 0) {
        posture_criteria_fail(self->criteria, "gate", r);
        return;
    }
    posture_outbox_pump(self->criteria->outbox);
    if (posture_outbox_is_full(self->criteria->outbox))
        held_set(self, true);
}

/* What is done may be committed. */
static void store_all(struct posture_gate_worker *self, bool and_commit)
{
    bool is_any = false;
    for (int32_t p = 0; p < self->part_count; p++) {
        struct part *part = &self->parts[p];
        if (part->state == PART_NONE || !part->is_done_new)
            continue;
        if (posture_consumer_store(self->consumer, self->criteria->reports, p,
                                   part->done) == 0) {
            part->is_done_new = false;
            is_any = true;
        }
    }
    if (is_any && and_commit)
        posture_consumer_commit(self->consumer);
}

static void commit_cb(uv_timer_t *timer)
{
    store_all(timer->data, /* and_commit = */ true);
}

/* Asks the broker, on a thread of the pool, how far the state goes. */
struct ask {
    uv_work_t work;
    struct posture_gate_worker *gate;
    rd_kafka_t *rk;
    char topic[POSTURE_KAFKA_TOPIC_MAX];
    size_t count;
    struct {
        int32_t partition;
        uint32_t generation;
        int64_t high; /* -1: no answer */
    } items[];
};

static void ask_run(uv_work_t *work)
{
    struct ask *ask = work->data;
    for (size_t i = 0; i < ask->count; i++) {
        int64_t low, high;
        ask->items[i].high = -1;
        if (!rd_kafka_query_watermark_offsets(ask->rk, ask->topic,
                                              ask->items[i].partition, &low, &high,
                                              WATERMARK_TIMEOUT_MS))
            ask->items[i].high = high;
        else
            break; /* the others would only wait as long; asked again soon */
    }
}

static void ask_done(uv_work_t *work, int status)
{
    struct ask *ask = work->data;
    struct posture_gate_worker *self = ask->gate;
    bool is_again = false;
    (void)status;
    self->criteria->jobs--;
    for (size_t i = 0; i < ask->count && !self->is_closing; i++) {
        struct part *part = &self->parts[ask->items[i].partition];
        if (part->state != PART_ASKING || part->generation != ask->items[i].generation)
            continue;
        if (ask->items[i].high < 0) {
            is_again = true;
            continue;
        }
        part->state = PART_WAITING;
        part->high = ask->items[i].high;
        posture_gate_worker_progress(self, ask->items[i].partition,
                                     posture_judge_worker_position(
                                         self->criteria->judge, ask->items[i].partition));
    }
    free(ask);
    if (self->criteria->is_stopping)
        posture_criteria_job_done(self->criteria);
    else if (is_again)
        uv_timer_start(&self->ask_timer, self->ask_timer.timer_cb, WATERMARK_PAUSE_MS, 0);
}

static void ask_cb(uv_timer_t *timer)
{
    struct posture_gate_worker *self = timer->data;
    struct ask *ask = posture_calloc(1, sizeof(*ask) + (size_t)self->part_count *
                                                           sizeof(ask->items[0]));
    if (!ask) {
        uv_timer_start(&self->ask_timer, ask_cb, WATERMARK_PAUSE_MS, 0);
        return;
    }
    ask->work.data = ask;
    ask->gate = self;
    ask->rk = posture_judge_worker_handle(self->criteria->judge);
    (void)snprintf(ask->topic, sizeof(ask->topic), "%s", self->criteria->state_topic);
    for (int32_t p = 0; p < self->part_count; p++) {
        if (self->parts[p].state != PART_ASKING)
            continue;
        ask->items[ask->count].partition = p;
        ask->items[ask->count].high = -1;
        ask->items[ask->count++].generation = self->parts[p].generation;
    }
    if (ask->count == 0 ||
        uv_queue_work(self->criteria->loop, &ask->work, ask_run, ask_done) < 0)
        free(ask);
    else
        self->criteria->jobs++;
}

static void assign_cb(void *data, rd_kafka_topic_partition_list_t *partitions)
{
    struct posture_gate_worker *self = data;
    for (int i = 0; i < partitions->cnt; i++) {
        int32_t p = partitions->elems[i].partition;
        if (p < 0 || p >= self->part_count) {
            posture_criteria_fail(self->criteria, "the number of partitions has changed",
                                  POSTURE_E_RANGE);
            return;
        }
        (void)posture_consumer_pause(self->consumer, self->criteria->reports, p, true);
        self->parts[p].state = PART_ASKING;
        self->parts[p].generation++;
        self->parts[p].done = -1;
        self->parts[p].is_done_new = false;
    }
    posture_sources_clear(self->gate.sources);
    posture_worker_log(self->criteria->worker, POSTURE_LOG_INFO,
                       "gate: %d partitions assigned", partitions->cnt);
    uv_timer_start(&self->ask_timer, ask_cb, 0, 0);
}

static void revoke_cb(void *data, const rd_kafka_topic_partition_list_t *partitions,
                      bool lost)
{
    struct posture_gate_worker *self = data;
    if (!lost)
        store_all(self,
                  /* and_commit = */ false); /* the consumer commits when this returns */
    for (int i = 0; i < partitions->cnt; i++) {
        int32_t p = partitions->elems[i].partition;
        if (p >= 0 && p < self->part_count)
            self->parts[p].state = PART_NONE;
    }
    if (!self->is_closing)
        posture_worker_log(self->criteria->worker, POSTURE_LOG_INFO,
                           "gate: %d partitions %s", partitions->cnt,
                           lost ? "lost" : "given up");
}

static void log_cb(void *data, bool is_fault, const char *text)
{
    struct posture_gate_worker *self = data;
    posture_worker_log(self->criteria->worker,
                       is_fault ? POSTURE_LOG_ERROR : POSTURE_LOG_WARNING, "gate: %s",
                       text);
}

int posture_gate_worker_new(struct posture_criteria *criteria,
                            struct posture_gate_worker **ret,
                            struct posture_error *reterr)
{
    char host[256] = "";
    (void)gethostname(host, sizeof(host) - 1);
    /* A member that comes back under its name gets its old partitions, whatever it asks
     * for: another prefix must be another member. */
    char instance[512];
    snprintf(instance, sizeof(instance), "%s.%s",
             criteria->settings->instance ? criteria->settings->instance : host,
             criteria->settings->kafka.topic_prefix);
    const struct posture_consumer_ops ops = {
        .instance = instance,
        .on_message = message_cb,
        .on_assign = assign_cb,
        .on_revoke = revoke_cb,
        .on_log = log_cb,
    };
    struct posture_gate_worker *self = posture_calloc(1, sizeof(*self));
    if (!self)
        return -ENOMEM;
    self->criteria = criteria;
    self->gate.registry = criteria->registry;
    self->gate.schema = criteria->schema;
    self->gate.profile = criteria->profile;
    self->gate.sets = criteria->sets;
    self->gate.sources = posture_sources_new();
    int r = self->gate.sources
                ? posture_consumer_new(criteria->loop, &criteria->settings->kafka,
                                       &criteria->secrets, criteria->settings->group,
                                       &ops, self, &self->consumer, reterr)
                : -ENOMEM;
    if (r < 0) {
        posture_sources_free(self->gate.sources);
        free(self);
        return r;
    }
    uv_timer_init(criteria->loop, &self->commit_timer);
    uv_timer_init(criteria->loop, &self->ask_timer);
    self->commit_timer.data = self->ask_timer.data = self;
    self->ask_timer.timer_cb = ask_cb;
    *ret = self;
    return 0;
}

int posture_gate_worker_start(struct posture_gate_worker *self,
                              struct posture_error *reterr)
{
    const char *const topics[] = {self->criteria->reports};
    self->part_count = self->criteria->topics.partitions;
    self->parts = posture_calloc((size_t)self->part_count, sizeof(*self->parts));
    if (!self->parts)
        return -ENOMEM;
    uv_timer_start(&self->commit_timer, commit_cb, COMMIT_MS, COMMIT_MS);
    return posture_consumer_subscribe(self->consumer, topics, 1, reterr);
}

void posture_gate_worker_progress(struct posture_gate_worker *self, int32_t partition,
                                  int64_t position)
{
    if (self->is_closing || partition >= self->part_count)
        return;
    struct part *part = &self->parts[partition];
    if (part->state != PART_WAITING || position < part->high)
        return;
    part->state = PART_OPEN;
    (void)posture_consumer_pause(self->consumer, self->criteria->reports, partition,
                                 false);
    posture_judge_worker_owner_changed(self->criteria->judge);
}

void posture_gate_worker_left(struct posture_gate_worker *self,
                              const struct posture_outbox_entry *entry)
{
    const struct posture_outbox_input *input = &entry->input;
    if (!self || entry->purpose == POSTURE_OUTBOX_EVALUATION ||
        entry->purpose == POSTURE_OUTBOX_REPAIR || input->partition < 0 ||
        input->partition >= self->part_count)
        return;
    struct part *part = &self->parts[input->partition];
    if (part->state != PART_OPEN || part->generation != input->generation)
        return; /* another member has it, or we have it anew */
    part->done = input->offset;
    part->is_done_new = true;
}

/* The state will not have it: it becomes a rejected message, with the input's place. */
static int refused_add(struct posture_gate_worker *self,
                       const struct posture_outbox_entry *entry)
{
    struct posture_outbox_entry rejected = {
        .purpose = POSTURE_OUTBOX_REJECTED,
        .topic = self->criteria->rejected,
        .input = entry->input,
        .message = entry->message,
    };
    rejected.message.verdict = NULL;
    POSTURE_TRY(posture_message_headers(&rejected.message, &rejected.headers));
    (void)rd_kafka_header_add(rejected.headers, "posture-reason", -1, self->decision.text,
                              -1);
    return posture_outbox_add_take(self->criteria->outbox, &rejected);
}

void posture_gate_worker_refused(struct posture_gate_worker *self,
                                 const struct posture_outbox_entry *entry,
                                 const char *reason)
{
    const struct posture_message *message = &entry->message;
    if (entry->purpose == POSTURE_OUTBOX_STATE) {
        posture_state_forget(self->criteria->state, message->key, message->key_len,
                             message->epoch, message->sequence);
        posture_gate_refuse(&self->gate, reason, &self->decision);
        int r = refused_add(self, entry);
        if (r < 0)
            posture_criteria_fail(self->criteria, "gate", r);
        return;
    }
    posture_worker_log(
        self->criteria->worker, POSTURE_LOG_ERROR,
        "topic '%s': the broker does not take a message of %zu bytes: %s; it stays "
        "in the input only",
        entry->topic, message->value_len, reason);
}

void posture_gate_worker_turn(struct posture_gate_worker *self)
{
    if (self->is_held && !self->is_closing &&
        posture_outbox_is_low(self->criteria->outbox))
        held_set(self, false);
}

bool posture_gate_worker_owns(const struct posture_gate_worker *self, int32_t partition)
{
    return partition >= 0 && partition < self->part_count &&
           self->parts[partition].state == PART_OPEN;
}

size_t posture_gate_worker_owned(const struct posture_gate_worker *self)
{
    size_t count = 0;
    for (int32_t p = 0; p < self->part_count; p++)
        count += self->parts[p].state == PART_OPEN;
    return count;
}

const struct posture_gate_counters *
posture_gate_worker_counters(const struct posture_gate_worker *self)
{
    return &self->gate.counters;
}

/* What is not done of one open partition, as far as the last answer of the broker goes;
 * -1 when nothing was done since the assignment, so that its place is not known here. */
static int64_t part_lag(const struct posture_gate_worker *self, int32_t p)
{
    int64_t low, high;
    if (rd_kafka_get_watermark_offsets(posture_consumer_handle(self->consumer),
                                       self->criteria->reports, p, &low, &high) ||
        high < 0)
        return -1;
    int64_t next = self->parts[p].done + 1;
    if (high == 0 || next >= high)
        return 0;
    return self->parts[p].done < 0 ? -1 : high - next;
}

int64_t posture_gate_worker_lag(const struct posture_gate_worker *self)
{
    struct posture_consumer_stats stats;
    int64_t sum = 0;
    if (self->is_closing)
        return -1;
    for (int32_t p = 0; sum >= 0 && p < self->part_count; p++) {
        if (self->parts[p].state == PART_NONE)
            continue;
        int64_t lag = self->parts[p].state == PART_OPEN ? part_lag(self, p) : -1;
        sum = lag < 0 ? -1 : sum + lag;
    }
    if (sum >= 0 && posture_gate_worker_owned(self) > 0)
        return sum;
    /* The library knows every place, but tells it only now and then: what came since is
     * not in it, what has been done since still is. */
    posture_consumer_stats(self->consumer, &stats);
    return stats.lag;
}

void posture_gate_worker_close(struct posture_gate_worker *self)
{
    if (self->is_closing)
        return;
    store_all(self, /* and_commit = */ true);
    self->is_closing = true;
    uv_close((uv_handle_t *)&self->commit_timer, NULL);
    uv_close((uv_handle_t *)&self->ask_timer, NULL);
    posture_consumer_close(self->consumer, NULL);
}

struct posture_gate_worker *posture_gate_worker_free(struct posture_gate_worker *self)
{
    if (!self)
        return NULL;
    posture_gate_decision_done(&self->decision);
    posture_sources_free(self->gate.sources);
    free(self->parts);
    free(self);
    return NULL;
}
