/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#include "posture_criteria/outbox.h"

#include <errno.h>
#include <string.h>

enum {
    WAITING_MAX = 4000, /* entries not handed to the producer yet */
    WAITING_BYTES_MAX = 16 * 1024 * 1024,
};

/* Slots come and go by the thousand, most of a few sizes: those that are done are used
 * again. */
enum { CLASS_SIZE = 512, CLASS_COUNT = 16, SPARE_MAX = 8 * 1024 * 1024 };

struct slot {
    struct posture_outbox_entry entry;
    size_t bytes; /* with this head; what counts as waiting */
    struct slot *next_spare;
    char storage[]; /* the entry's strings and bytes */
};

struct posture_outbox {
    struct posture_producer *producer;
    struct posture_outbox_ops ops;
    void *data;
    void (*on_closed)(void *data);
    bool is_closing;
    struct slot **ring;
    uint64_t cap;              /* a power of two */
    uint64_t head, next, tail; /* ids: first kept, first not sent, first free */
    size_t waiting_bytes;      /* of next to tail */
    struct slot *spares[CLASS_COUNT];
    size_t spare_bytes;
};

static struct slot **slot_at(const struct posture_outbox *self, uint64_t id)
{
    return &self->ring[id & (self->cap - 1)];
}

/* Rounded up to a class; CLASS_COUNT: too large to be kept. */
static size_t class_of(size_t bytes)
{
    size_t class = (bytes + CLASS_SIZE - 1) / CLASS_SIZE - 1;
    return class < CLASS_COUNT ? class : CLASS_COUNT;
}

static struct slot *slot_alloc(struct posture_outbox *self, size_t bytes)
{
    size_t class = class_of(bytes);
    if (class == CLASS_COUNT)
        return posture_malloc(bytes);
    struct slot *slot = self->spares[class];
    if (!slot)
        return posture_malloc((class + 1) * CLASS_SIZE);
    self->spares[class] = slot->next_spare;
    self->spare_bytes -= (class + 1) * CLASS_SIZE;
    return slot;
}

static void slot_free(struct posture_outbox *self, struct slot *slot)
{
    size_t class = class_of(slot->bytes);
    if (slot->entry.headers)
        rd_kafka_headers_destroy(slot->entry.headers);
    if (class == CLASS_COUNT || self->spare_bytes >= SPARE_MAX) {
        free(slot);
        return;
    }
    slot->next_spare = self->spares[class];
    self->spares[class] = slot;
    self->spare_bytes += (class + 1) * CLASS_SIZE;
}

/* What is done at the head leaves. */
static void leave(struct posture_outbox *self)
{
    while (self->head < self->next && (*slot_at(self, self->head))->entry.is_done) {
        struct slot *slot = POSTURE_TAKE(*slot_at(self, self->head));
        self->head++;
        self->ops.on_left(self->data, &slot->entry);
        slot_free(self, slot);
    }
}

static void refuse(struct posture_outbox *self, uint64_t id, const char *reason)
{
    struct slot *slot = *slot_at(self, id);
    slot->entry.is_done = true;
    /* May add, and so move the ring; the slot itself stays. */
    self->ops.on_refused(self->data, &slot->entry, reason);
}

static int slot_send(struct posture_outbox *self, const struct slot *slot, uint64_t id)
{
    const struct posture_outbox_entry *entry = &slot->entry;
    if (!entry->headers)
        return posture_producer_send(self->producer, entry->topic, &entry->message,
                                     (int64_t)id);
    rd_kafka_headers_t *headers = rd_kafka_headers_copy(entry->headers);
    if (!headers)
        return -ENOMEM;
    return posture_producer_send_raw_take(
        self->producer, entry->topic, entry->message.key, entry->message.key_len,
        entry->message.value, entry->message.value_len, headers, (int64_t)id);
}

void posture_outbox_pump(struct posture_outbox *self)
{
    while (self->next < self->tail && !self->is_closing) {
        uint64_t id = self->next;
        struct slot *slot = *slot_at(self, id);
        if (!slot->entry.is_done) {
            int r = posture_producer_has_room(self->producer) ? slot_send(self, slot, id)
                                                              : POSTURE_E_BUSY;
            if (r == POSTURE_E_LIMIT)
                refuse(self, id, "larger than message.max.bytes");
            else if (r < 0)
                return; /* busy, or no memory: a later turn */
        }
        self->waiting_bytes -= slot->bytes;
        self->next = id + 1;
        leave(self);
    }
}

static void delivery_cb(void *data, int64_t id, enum posture_delivery delivery,
                        const char *reason)
{
    struct posture_outbox *self = data;
    if ((uint64_t)id < self->head || (uint64_t)id >= self->next)
        return;
    if (delivery == POSTURE_DELIVERY_DONE)
        (*slot_at(self, (uint64_t)id))->entry.is_done = true;
    else if (delivery == POSTURE_DELIVERY_REFUSED)
        refuse(self, (uint64_t)id, reason);
    /* LOST: it stays, and is sent again after the restart. */
}

static void turn_cb(void *data)
{
    struct posture_outbox *self = data;
    leave(self);
    posture_outbox_pump(self);
    if (!self->is_closing && self->ops.on_turn)
        self->ops.on_turn(self->data);
}

static void restart_cb(void *data)
{
    struct posture_outbox *self = data;
    for (uint64_t id = self->head; id < self->next; id++)
        self->waiting_bytes += (*slot_at(self, id))->bytes;
    self->next = self->head;
    posture_outbox_pump(self);
}

static void log_cb(void *data, enum posture_producer_level level, const char *text)
{
    struct posture_outbox *self = data;
    self->ops.on_log(self->data, level, text);
}

int posture_outbox_new(uv_loop_t *loop, const struct posture_kafka_settings *settings,
                       const struct posture_kafka_secrets *secrets,
                       const struct posture_outbox_ops *ops, void *data,
                       struct posture_outbox **ret, struct posture_error *reterr)
{
    static const struct posture_producer_ops producer_ops = {
        .on_delivery = delivery_cb,
        .on_turn = turn_cb,
        .on_restart = restart_cb,
        .on_log = log_cb,
    };
    struct posture_outbox *self = posture_calloc(1, sizeof(*self));
    if (!self)
        return -ENOMEM;
    self->cap = 1024;
    self->ring = posture_calloc(self->cap, sizeof(*self->ring));
    self->ops = *ops;
    self->data = data;
    int r = self->ring ? posture_producer_new(loop, settings, secrets, &producer_ops,
                                              self, NULL, &self->producer, reterr)
                       : -ENOMEM;
    if (r < 0) {
        free(self->ring);
        free(self);
        return r;
    }
    *ret = self;
    return 0;
}

static int ring_grow(struct posture_outbox *self)
{
    uint64_t cap = self->cap * 2;
    struct slot **ring = posture_calloc(cap, sizeof(*ring));
    if (!ring)
        return -ENOMEM;
    for (uint64_t id = self->head; id < self->tail; id++)
        ring[id & (cap - 1)] = *slot_at(self, id);
    free(self->ring);
    self->ring = ring;
    self->cap = cap;
    return 0;
}

static void *copy(char **at, const void *bytes, size_t len)
{
    if (!bytes)
        return NULL;
    char *start = *at;
    memcpy(start, bytes, len);
    *at += len;
    return start;
}

static const char *copy_text(char **at, const char *text)
{
    return text ? copy(at, text, strlen(text) + 1) : NULL;
}

static size_t text_size(const char *text)
{
    return text ? strlen(text) + 1 : 0;
}

static struct slot *slot_new(struct posture_outbox *self,
                             const struct posture_outbox_entry *entry)
{
    const struct posture_message *m = &entry->message;
    size_t bytes = text_size(m->ce_type) + text_size(m->ce_source) + text_size(m->ce_id) +
                   m->key_len + m->value_len + (m->signature ? m->signature_len : 0) +
                   (m->verdict ? m->verdict_len : 0);
    struct slot *slot = slot_alloc(self, sizeof(*slot) + bytes);
    if (!slot)
        return NULL;
    slot->entry = *entry;
    slot->bytes = sizeof(*slot) + bytes;
    char *at = slot->storage;
    struct posture_message *to = &slot->entry.message;
    to->ce_type = copy_text(&at, m->ce_type);
    to->ce_source = copy_text(&at, m->ce_source);
    to->ce_id = copy_text(&at, m->ce_id);
    to->key = copy(&at, m->key, m->key_len);
    to->value = copy(&at, m->value, m->value_len);
    to->signature = copy(&at, m->signature, m->signature_len);
    to->verdict = copy(&at, m->verdict, m->verdict_len);
    to->gate = NULL;
    return slot;
}

int posture_outbox_add_take(struct posture_outbox *self,
                            struct posture_outbox_entry *entry)
{
    struct slot *slot = NULL;
    if (self->tail - self->head < self->cap || ring_grow(self) == 0)
        slot = slot_new(self, entry);
    if (!slot) {
        if (entry->headers)
            rd_kafka_headers_destroy(POSTURE_TAKE(entry->headers));
        return -ENOMEM;
    }
    entry->headers = NULL;
    if (slot->entry.purpose == POSTURE_OUTBOX_NOTHING)
        slot->entry.is_done = true;
    *slot_at(self, self->tail++) = slot;
    self->waiting_bytes += slot->bytes;
    return 0;
}

bool posture_outbox_is_full(const struct posture_outbox *self)
{
    return self->tail - self->next > WAITING_MAX ||
           self->waiting_bytes > WAITING_BYTES_MAX;
}

bool posture_outbox_is_low(const struct posture_outbox *self)
{
    return self->tail - self->next < WAITING_MAX / 4 &&
           self->waiting_bytes < WAITING_BYTES_MAX / 4;
}

void posture_outbox_stats(const struct posture_outbox *self,
                          struct posture_producer_stats *ret, uint64_t *ret_waiting)
{
    posture_producer_stats(self->producer, ret);
    *ret_waiting = self->tail - self->head;
}

static void closed_cb(void *data)
{
    struct posture_outbox *self = data;
    void (*on_closed)(void *) = self->on_closed;
    void *owner = self->data;
    for (uint64_t id = self->head; id < self->tail; id++)
        slot_free(self, *slot_at(self, id));
    for (size_t i = 0; i < CLASS_COUNT; i++) {
        for (struct slot *slot = self->spares[i], *next; slot; slot = next) {
            next = slot->next_spare;
            free(slot);
        }
    }
    free(self->ring);
    free(self);
    if (on_closed)
        on_closed(owner);
}

void posture_outbox_close(struct posture_outbox *self, uint64_t linger_ms,
                          void (*on_closed)(void *data))
{
    if (!self || self->is_closing)
        return;
    self->is_closing = true;
    self->on_closed = on_closed;
    posture_producer_close(self->producer, linger_ms, closed_cb);
}
