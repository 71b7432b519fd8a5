/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#include "posture_criteria/judge_worker.h"

#include "common/base/clock.h"
#include "common/kafka/consumer.h"
#include "common/report/json.h"
#include "posture_criteria/fetcher.h"
#include "posture_criteria/gate_worker.h"
#include "posture_criteria/http.h"
#include "posture_criteria/model.h"
#include "posture_criteria/publisher.h"
#include "posture_criteria/rejudge.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* What the gate writes the judge must be able to read. */
_Static_assert((int)POSTURE_JUDGEMENT_MAX <= (int)POSTURE_MESSAGE_VERDICT_MAX,
               "posture-verdict is longer than a message's header may be");

enum {
    SOON_MS = 20, /* bodies have come: evaluate again */
    MODEL_S = 30, /* a page's ages go on even when nothing changes */
    SWEEP_S = 3600,
    REPAIRS_MAX = 1000,
};

struct posture_judge_worker {
    struct posture_criteria *criteria;
    struct posture_consumer *consumer; /* the tail */
    struct posture_fetcher *fetcher;
    struct posture_evaluator *evaluator;
    struct posture_evaluation_context context;
    int64_t *positions; /* of the state's partitions */
    bool *is_reached;   /* state's, then the evaluations' partitions: end seen once */
    size_t to_reach;
    struct posture_publisher *publisher;
    int64_t next_change_ns, model_ns, sweep_ns;
    bool is_publish_due, is_model_due;
    char *repairs[REPAIRS_MAX]; /* keys of which a lower record came after a higher */
    size_t repair_count;
    struct posture_judge_counters counters;
    uv_timer_t tick;
    bool is_closing;
};

static struct posture_rejudge_context
rejudge_context(const struct posture_judge_worker *self)
{
    return (struct posture_rejudge_context){.profile = self->criteria->profile,
                                            .sets = self->criteria->sets,
                                            .now_ns = posture_now_ns()};
}

static void tick_soon(struct posture_judge_worker *self)
{
    uv_timer_start(
        &self->tick, self->tick.timer_cb, SOON_MS,
        (uint64_t)(self->criteria->settings->evaluate_interval_ns / POSTURE_NS_PER_MS));
}

static void next_change_note(struct posture_judge_worker *self, int64_t ns)
{
    if (ns < self->next_change_ns)
        self->next_change_ns = ns;
}

/* A paused former owner of the partition wrote a lower record after a higher: who reads
 * the topic to its end, and what compaction keeps, would be the lower. Once all is read,
 * the higher is written again. */
static void repair_note(struct posture_judge_worker *self,
                        const struct posture_state_entry *entry)
{
    for (size_t i = 0; i < self->repair_count; i++) {
        if (strlen(self->repairs[i]) == entry->key_len &&
            memcmp(self->repairs[i], entry->key, entry->key_len) == 0)
            return;
    }
    char *key = self->repair_count < REPAIRS_MAX
                    ? posture_strndup(entry->key, entry->key_len)
                    : NULL;
    if (key)
        self->repairs[self->repair_count++] = key;
}

static void repair_drop(struct posture_judge_worker *self, const char *key,
                        size_t key_len)
{
    for (size_t i = 0; i < self->repair_count; i++) {
        if (strlen(self->repairs[i]) == key_len &&
            memcmp(self->repairs[i], key, key_len) == 0) {
            free(self->repairs[i]);
            self->repairs[i] = self->repairs[--self->repair_count];
            return;
        }
    }
}

static int record_apply(struct posture_judge_worker *self,
                        const rd_kafka_message_t *rkmessage)
{
    struct posture_message_storage storage;
    struct posture_message message;
    struct posture_judgement verdict;
    struct posture_key key;
    enum posture_state_applied applied;
    bool is_rejudged;
    const struct posture_rejudge_context context = rejudge_context(self);

    POSTURE_TRY(posture_message_read(rkmessage, &storage, &message, NULL));
    POSTURE_TRY(posture_key_parse(message.key, message.key_len, &key));
    POSTURE_TRY(posture_rejudge(&context, key.kind, &message, &verdict, &is_rejudged));
    self->counters.rejudged += is_rejudged;
    const struct posture_state_entry entry = {
        .key = message.key,
        .key_len = message.key_len,
        .epoch = message.epoch,
        .sequence = message.sequence,
        .partition = rkmessage->partition,
        .offset = rkmessage->offset,
        .verdict = &verdict,
    };
    POSTURE_TRY(posture_state_apply(self->criteria->state, &entry, &applied, NULL));
    next_change_note(self, verdict.next_change_ns);
    if (applied == POSTURE_STATE_OLDER)
        repair_note(self, &entry);
    else if (self->repair_count > 0)
        repair_drop(self, message.key, message.key_len);
    return 0;
}

static void state_message(struct posture_judge_worker *self,
                          const rd_kafka_message_t *message)
{
    if (!message->payload && message->key) {
        posture_state_remove(self->criteria->state, message->key, message->key_len);
    } else {
        int r = record_apply(self, message);
        if (r == -ENOMEM)
            posture_criteria_fail(self->criteria, "judge", r);
        else if (r < 0 && self->counters.unreadable++ == 0)
            posture_worker_log(
                self->criteria->worker, POSTURE_LOG_WARNING,
                "topic '%s': record at offset %lld of partition %d cannot be read; "
                "only a centre writes there",
                self->criteria->state_topic, (long long)message->offset,
                message->partition);
    }
    self->positions[message->partition] = message->offset + 1;
    posture_gate_worker_progress(self->criteria->gate, message->partition,
                                 message->offset + 1);
}

static void message_cb(void *data, const rd_kafka_message_t *message)
{
    struct posture_judge_worker *self = data;
    if (self->is_closing || self->criteria->has_failed)
        return;
    if (strcmp(rd_kafka_topic_name(message->rkt), self->criteria->state_topic) == 0) {
        if (message->partition < self->criteria->topics.partitions)
            state_message(self, message);
    } else {
        posture_publisher_said(self->publisher, message);
    }
}

static void eof_cb(void *data, const char *topic, int32_t partition, int64_t offset)
{
    struct posture_judge_worker *self = data;
    size_t index = (size_t)partition;
    if (self->is_closing)
        return;
    if (strcmp(topic, self->criteria->state_topic) == 0) {
        if (partition >= self->criteria->topics.partitions)
            return;
        self->positions[partition] = offset;
        posture_gate_worker_progress(self->criteria->gate, partition, offset);
    } else {
        if (partition >= self->criteria->topics.evaluations)
            return;
        index += (size_t)self->criteria->topics.partitions;
    }
    if (self->is_reached[index])
        return;
    self->is_reached[index] = true;
    if (--self->to_reach > 0)
        return;
    posture_worker_log(self->criteria->worker, POSTURE_LOG_INFO,
                       "judge: the state is read: %zu records",
                       posture_state_count(self->criteria->state));
    self->is_publish_due = self->is_model_due = true;
    tick_soon(self);
}

/* A body came: for its reasons, for a new verdict, or to be written again. */
static void record_cb(void *data, const rd_kafka_message_t *rkmessage)
{
    struct posture_judge_worker *self = data;
    struct posture_message_storage storage;
    struct posture_message message;
    struct posture_judgement verdict;
    char kind[32];
    const struct posture_rejudge_context context = rejudge_context(self);
    if (self->is_closing || !rkmessage->payload ||
        posture_message_read(rkmessage, &storage, &message, NULL) < 0)
        return;
    struct posture_record *record =
        posture_state_find(self->criteria->state, message.key, message.key_len);
    if (!record || !record->is_present ||
        posture_record_compare(&record->content, message.epoch, message.sequence) != 0)
        return; /* meanwhile there is a newer one */

    posture_record_verdict(self->criteria->state, &record->content, &verdict);
    (void)posture_record_kind(record, kind, sizeof(kind));
    if (posture_rejudge_is_needed(&context, kind, &verdict)) {
        bool is_rejudged = false;
        int r = posture_rejudge(&context, kind, &message, &verdict, &is_rejudged);
        if (r == 0 && is_rejudged)
            r = posture_state_rejudge(self->criteria->state, record, &verdict);
        if (r == 0) {
            self->counters.rejudged++;
            next_change_note(self, verdict.next_change_ns);
        }
    }
    char *detail = posture_rejudge_detail(&context, &message);
    if (detail) {
        free(record->detail);
        record->detail = detail;
    }
    record->is_wanted = false;
    for (size_t i = 0; i < self->repair_count; i++) {
        if (strlen(self->repairs[i]) != message.key_len ||
            memcmp(self->repairs[i], message.key, message.key_len) != 0)
            continue;
        struct posture_outbox_entry entry = {.purpose = POSTURE_OUTBOX_REPAIR,
                                             .topic = self->criteria->state_topic,
                                             .input = {.partition = -1},
                                             .message = message};
        if (posture_outbox_add_take(self->criteria->outbox, &entry) == 0) {
            self->counters.repairs++;
            posture_outbox_pump(self->criteria->outbox);
        }
        break;
    }
    if (posture_fetcher_waiting(self->fetcher) <= 1)
        tick_soon(self);
}

static void want(struct posture_judge_worker *self, struct posture_record *record)
{
    /* Nothing under way any more: what was asked for was compacted away or could not be
     * read. */
    bool is_idle = posture_fetcher_waiting(self->fetcher) == 0;
    if ((record->is_wanted && !is_idle) || record->offset < 0)
        return;
    record->is_wanted =
        posture_fetcher_want(self->fetcher, record->partition, record->offset) == 0;
}

static void wanted_cb(void *data, struct posture_record *record)
{
    want(data, record);
}

static void changed_cb(void *data, const struct posture_scope *scope,
                       const struct posture_criterion *criterion, int fiscal_year,
                       json_t *document)
{
    struct posture_judge_worker *self = data;
    (void)scope;
    (void)criterion;
    (void)fiscal_year;
    (void)document;
    self->is_publish_due = self->is_model_due = true;
}

/* Records whose verdict does not hold any more by the passing of time. */
static void changes_want(struct posture_judge_worker *self, int64_t now_ns)
{
    if (now_ns < self->next_change_ns)
        return;
    self->next_change_ns = INT64_MAX;
    for (struct posture_record *record = posture_state_next(self->criteria->state, NULL);
         record; record = posture_state_next(self->criteria->state, record)) {
        if (!record->is_present)
            continue;
        next_change_note(self, record->content.next_change_ns);
        if (record->content.next_change_ns <= now_ns)
            want(self, record);
    }
    /* Those wanted are looked at again in a while, should their bodies not come. */
    if (self->next_change_ns <= now_ns)
        self->next_change_ns = now_ns + 10 * POSTURE_NS_PER_S;
}

static void repairs_want(struct posture_judge_worker *self)
{
    for (size_t i = 0; i < self->repair_count; i++) {
        struct posture_record *record = posture_state_find(
            self->criteria->state, self->repairs[i], strlen(self->repairs[i]));
        if (record && record->is_present &&
            posture_gate_worker_owns(self->criteria->gate, record->partition))
            want(self, record);
    }
}

/* Retired records stay through the fiscal year after the one in which they were retired.
 */
static void retired_sweep(struct posture_judge_worker *self, int64_t now_ns)
{
    if (now_ns - self->sweep_ns < SWEEP_S * POSTURE_NS_PER_S)
        return;
    self->sweep_ns = now_ns;
    for (struct posture_record *record = posture_state_next(self->criteria->state, NULL);
         record; record = posture_state_next(self->criteria->state, record)) {
        if (!record->is_present || record->pending ||
            !(record->content.flags & POSTURE_JUDGEMENT_RETIRED) ||
            posture_fiscal_year(now_ns) <
                posture_fiscal_year(record->content.time_ns) + 2 ||
            !posture_gate_worker_owns(self->criteria->gate, record->partition))
            continue;
        struct posture_outbox_entry entry = {
            .purpose = POSTURE_OUTBOX_REPAIR,
            .topic = self->criteria->state_topic,
            .input = {.partition = -1},
            .message = {.key = record->key, .key_len = record->key_len},
            .headers = rd_kafka_headers_new(0),
        };
        if (entry.headers && posture_outbox_add_take(self->criteria->outbox, &entry) == 0)
            self->counters.tombstones++;
    }
}

static void model_publish(struct posture_judge_worker *self, int64_t now_ns)
{
    const struct posture_model_input input = {
        .context = &self->context,
        .evaluator = self->evaluator,
        .profile = self->criteria->profile,
        .counters = posture_gate_worker_counters(self->criteria->gate),
        .lag = posture_gate_worker_lag(self->criteria->gate),
        .now_ns = now_ns,
    };
    struct posture_error error = {0};
    if (!self->criteria->http)
        return;
    json_auto_t *model = posture_model_build(&input);
    int r = model ? posture_http_publish(self->criteria->http, model, &error) : -ENOMEM;
    if (r < 0)
        posture_worker_log(self->criteria->worker, POSTURE_LOG_WARNING, "pages: %s",
                           error.text[0] ? error.text : posture_strerror(r));
}

static void tick_cb(uv_timer_t *timer)
{
    static const struct posture_evaluator_ops ops = {.changed = changed_cb,
                                                     .wanted = wanted_cb};
    struct posture_judge_worker *self = timer->data;
    struct posture_evaluator_ops own = ops;
    own.data = self;
    if (self->to_reach > 0 || self->is_closing || self->criteria->has_failed)
        return;
    int64_t now_ns = posture_now_ns();
    changes_want(self, now_ns);
    repairs_want(self);
    retired_sweep(self, now_ns);
    int r = posture_evaluator_run(self->evaluator, now_ns, &own);
    posture_fetcher_go(self->fetcher);
    if (r == 0 && self->is_publish_due)
        r = posture_publisher_run(self->publisher, self->evaluator);
    if (r < 0) {
        posture_criteria_fail(self->criteria, "judge", r);
        return;
    }
    self->is_publish_due = false;
    /* Right after a start reasons are still being fetched: no page is better than half a
     * page. */
    bool is_old = now_ns - self->model_ns >= MODEL_S * POSTURE_NS_PER_S;
    if (is_old ||
        (self->is_model_due && !posture_evaluator_is_waiting(self->evaluator))) {
        model_publish(self, now_ns);
        self->model_ns = now_ns;
        self->is_model_due = false;
    }
}

static void log_cb(void *data, bool is_fault, const char *text)
{
    struct posture_judge_worker *self = data;
    posture_worker_log(self->criteria->worker,
                       is_fault ? POSTURE_LOG_ERROR : POSTURE_LOG_WARNING, "judge: %s",
                       text);
}

int posture_judge_worker_new(struct posture_criteria *criteria,
                             struct posture_judge_worker **ret,
                             struct posture_error *reterr)
{
    static const struct posture_consumer_ops tail_ops = {
        .on_message = message_cb,
        .on_eof = eof_cb,
        .on_log = log_cb,
    };
    static const struct posture_fetcher_ops fetch_ops = {
        .on_record = record_cb,
        .on_log = log_cb,
    };
    const struct posture_kafka_settings *kafka = &criteria->settings->kafka;
    struct posture_judge_worker *self = posture_calloc(1, sizeof(*self));
    if (!self)
        return -ENOMEM;
    *ret = self; /* the caller frees it with everything */
    self->criteria = criteria;
    self->next_change_ns = INT64_MAX;
    self->sweep_ns = self->model_ns = posture_now_ns();
    self->context = (struct posture_evaluation_context){
        .registry = criteria->registry,
        .catalogue = criteria->catalogue,
        .state = criteria->state,
        .profile_id = posture_profile_id(criteria->profile),
        .profile_digest = posture_profile_digest(criteria->profile),
    };
    POSTURE_TRY(posture_publisher_new(criteria, &self->context, &self->publisher));
    POSTURE_TRY(posture_evaluator_new(&self->context, &self->evaluator));
    POSTURE_TRY(posture_consumer_new(criteria->loop, kafka, &criteria->secrets, NULL,
                                     &tail_ops, self, &self->consumer, reterr));
    POSTURE_TRY(posture_fetcher_new(criteria->loop, kafka, &criteria->secrets,
                                    criteria->state_topic, &fetch_ops, self,
                                    &self->fetcher, reterr));
    uv_timer_init(criteria->loop, &self->tick);
    self->tick.data = self;
    self->tick.timer_cb = tick_cb;
    return 0;
}

int posture_judge_worker_start(struct posture_judge_worker *self,
                               struct posture_error *reterr)
{
    const struct posture_topic_counts *topics = &self->criteria->topics;
    self->to_reach = (size_t)topics->partitions + (size_t)topics->evaluations;
    self->positions =
        posture_calloc((size_t)topics->partitions, sizeof(*self->positions));
    self->is_reached = posture_calloc(self->to_reach, sizeof(*self->is_reached));
    if (!self->positions || !self->is_reached)
        return -ENOMEM;
    rd_kafka_topic_partition_list_t *list =
        rd_kafka_topic_partition_list_new((int)self->to_reach);
    for (int32_t p = 0; p < topics->partitions; p++)
        rd_kafka_topic_partition_list_add(list, self->criteria->state_topic, p)->offset =
            RD_KAFKA_OFFSET_BEGINNING;
    for (int32_t p = 0; p < topics->evaluations; p++)
        rd_kafka_topic_partition_list_add(list, self->criteria->evaluations, p)->offset =
            RD_KAFKA_OFFSET_BEGINNING;
    int r = posture_consumer_assign(self->consumer, list, reterr);
    rd_kafka_topic_partition_list_destroy(list);
    tick_soon(self);
    return r;
}

int64_t posture_judge_worker_position(const struct posture_judge_worker *self,
                                      int32_t partition)
{
    return self->positions ? self->positions[partition] : 0;
}

rd_kafka_t *posture_judge_worker_handle(struct posture_judge_worker *self)
{
    return posture_consumer_handle(self->consumer);
}

void posture_judge_worker_owner_changed(struct posture_judge_worker *self)
{
    self->is_publish_due = true;
}

const struct posture_judge_counters *
posture_judge_worker_counters(struct posture_judge_worker *self)
{
    self->counters.evaluations = posture_publisher_published(self->publisher);
    return &self->counters;
}

bool posture_judge_worker_is_caught_up(const struct posture_judge_worker *self)
{
    return self->positions && self->to_reach == 0;
}

bool posture_judge_worker_differs(const struct posture_judge_worker *self)
{
    return posture_publisher_differs(self->publisher);
}

void posture_judge_worker_close(struct posture_judge_worker *self)
{
    self->is_closing = true;
    uv_close((uv_handle_t *)&self->tick, NULL);
    posture_consumer_close(self->consumer, NULL);
    posture_fetcher_close(self->fetcher, NULL);
}

struct posture_judge_worker *posture_judge_worker_free(struct posture_judge_worker *self)
{
    if (!self)
        return NULL;
    for (size_t i = 0; i < self->repair_count; i++)
        free(self->repairs[i]);
    posture_evaluator_free(self->evaluator);
    posture_publisher_free(self->publisher);
    free(self->positions);
    free(self->is_reached);
    free(self);
    return NULL;
}
