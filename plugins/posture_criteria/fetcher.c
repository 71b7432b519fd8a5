/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#include "posture_criteria/fetcher.h"

#include "common/base/mem.h"

#include <errno.h>
#include <string.h>

/* Reading on through records that nobody wants is cheaper than asking anew, up to a
 * point. */
enum { READ_ON_MAX = 1000 };

struct want {
    int32_t partition;
    int64_t offset;
};

struct posture_fetcher {
    struct posture_consumer *consumer;
    const char *topic;
    struct posture_fetcher_ops ops;
    void *data;
    void (*on_closed)(void *data);
    struct want *batch; /* at work, sorted, from batch_at on */
    size_t batch_count, batch_at;
    struct want *next; /* collected meanwhile */
    size_t next_count, next_cap;
    bool is_at_work;
    bool is_closing;
};

static int want_compare(const void *a, const void *b)
{
    const struct want *x = a;
    const struct want *y = b;
    if (x->partition != y->partition)
        return x->partition < y->partition ? -1 : 1;
    if (x->offset != y->offset)
        return x->offset < y->offset ? -1 : 1;
    return 0;
}

static void position_set(struct posture_fetcher *self)
{
    const struct want *want = &self->batch[self->batch_at];
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(list, self->topic, want->partition)->offset =
        want->offset;
    (void)posture_consumer_assign(self->consumer, list, NULL);
    rd_kafka_topic_partition_list_destroy(list);
}

static void batch_end(struct posture_fetcher *self)
{
    free(self->batch);
    self->batch = NULL;
    self->batch_count = self->batch_at = 0;
    self->is_at_work = false;
    if (self->next_count > 0)
        posture_fetcher_go(self);
    else
        (void)posture_consumer_assign(self->consumer, NULL, NULL);
}

/* Everything wanted up to this place is answered: by the record, or by its absence. */
static void passed(struct posture_fetcher *self, int32_t partition, int64_t offset)
{
    bool has_moved = false;
    while (self->batch_at < self->batch_count &&
           self->batch[self->batch_at].partition == partition &&
           self->batch[self->batch_at].offset <= offset) {
        self->batch_at++;
        has_moved = true;
    }
    if (self->batch_at == self->batch_count) {
        batch_end(self);
        return;
    }
    const struct want *want = &self->batch[self->batch_at];
    if (has_moved &&
        (want->partition != partition || want->offset - offset > READ_ON_MAX))
        position_set(self);
}

static void message_cb(void *data, const rd_kafka_message_t *message)
{
    struct posture_fetcher *self = data;
    if (!self->is_at_work || self->is_closing)
        return;
    const struct want *want = &self->batch[self->batch_at];
    if (message->partition != want->partition)
        return; /* of the position before this one */
    if (message->offset == want->offset)
        self->ops.on_record(self->data, message);
    if (self->is_at_work)
        passed(self, message->partition, message->offset);
}

static void eof_cb(void *data, const char *topic, int32_t partition, int64_t offset)
{
    struct posture_fetcher *self = data;
    (void)topic;
    if (self->is_at_work && !self->is_closing &&
        self->batch[self->batch_at].partition == partition)
        passed(self, partition, offset - 1);
}

static void log_cb(void *data, bool is_fault, const char *text)
{
    struct posture_fetcher *self = data;
    self->ops.on_log(self->data, is_fault, text);
}

int posture_fetcher_new(uv_loop_t *loop, const struct posture_kafka_settings *settings,
                        const struct posture_kafka_secrets *secrets, const char *topic,
                        const struct posture_fetcher_ops *ops, void *data,
                        struct posture_fetcher **ret, struct posture_error *reterr)
{
    static const struct posture_consumer_ops consumer_ops = {
        .on_message = message_cb,
        .on_eof = eof_cb,
        .on_log = log_cb,
    };
    struct posture_fetcher *self = posture_calloc(1, sizeof(*self));
    if (!self)
        return -ENOMEM;
    self->topic = topic;
    self->ops = *ops;
    self->data = data;
    int r = posture_consumer_new(loop, settings, secrets, NULL, &consumer_ops, self,
                                 &self->consumer, reterr);
    if (r < 0) {
        free(self);
        return r;
    }
    *ret = self;
    return 0;
}

int posture_fetcher_want(struct posture_fetcher *self, int32_t partition, int64_t offset)
{
    if (self->next_count == self->next_cap) {
        size_t cap = self->next_cap ? self->next_cap * 2 : 64;
        struct want *next = posture_reallocarray(self->next, cap, sizeof(*next));
        if (!next)
            return -ENOMEM;
        self->next = next;
        self->next_cap = cap;
    }
    self->next[self->next_count++] = (struct want){partition, offset};
    return 0;
}

void posture_fetcher_go(struct posture_fetcher *self)
{
    if (self->is_at_work || self->is_closing || self->next_count == 0)
        return;
    self->batch = POSTURE_TAKE(self->next);
    self->batch_count = self->next_count;
    self->batch_at = 0;
    self->next_count = self->next_cap = 0;
    qsort(self->batch, self->batch_count, sizeof(*self->batch), want_compare);
    self->is_at_work = true;
    position_set(self);
}

size_t posture_fetcher_waiting(const struct posture_fetcher *self)
{
    return self->batch_count - self->batch_at + self->next_count;
}

static void closed_cb(void *data)
{
    struct posture_fetcher *self = data;
    void (*on_closed)(void *) = self->on_closed;
    void *owner = self->data;
    free(self->batch);
    free(self->next);
    free(self);
    if (on_closed)
        on_closed(owner);
}

void posture_fetcher_close(struct posture_fetcher *self, void (*on_closed)(void *data))
{
    if (!self || self->is_closing)
        return;
    self->is_closing = true;
    self->on_closed = on_closed;
    posture_consumer_close(self->consumer, closed_cb);
}
