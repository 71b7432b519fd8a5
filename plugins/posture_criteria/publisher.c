/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#include "posture_criteria/publisher.h"

#include "common/base/clock.h"
#include "common/report/json.h"
#include "posture_criteria/gate_worker.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum { DIFFERS_S = 600 }; /* after this without news the other centre is gone */
static const char evaluation_type[] = "posture.evaluation.v1";
static const char centre_source[] = "//centre/posture_criteria";

struct posture_publisher {
    struct posture_criteria *criteria;
    const struct posture_evaluation_context *context;
    json_t *published; /* key of the evaluations topic: id */
    int64_t started_ns, differs_until_ns;
    uint64_t count;
};

int posture_publisher_new(struct posture_criteria *criteria,
                          const struct posture_evaluation_context *context,
                          struct posture_publisher **ret)
{
    struct posture_publisher *self = posture_calloc(1, sizeof(*self));
    if (!self)
        return -ENOMEM;
    self->criteria = criteria;
    self->context = context;
    self->started_ns = posture_now_ns();
    self->published = json_object();
    if (!self->published) {
        free(self);
        return -ENOMEM;
    }
    *ret = self;
    return 0;
}

struct posture_publisher *posture_publisher_free(struct posture_publisher *self)
{
    if (self)
        json_decref(self->published);
    free(self);
    return NULL;
}

bool posture_publisher_differs(const struct posture_publisher *self)
{
    return posture_now_ns() < self->differs_until_ns;
}

uint64_t posture_publisher_published(const struct posture_publisher *self)
{
    return self->count;
}

static bool text_is(const json_t *object, const char *name, const char *text)
{
    const char *has = posture_json_string(object, name);
    return has && strcmp(has, text) == 0;
}

/* What another centre, or this one before its restart, has published. */
void posture_publisher_said(struct posture_publisher *self,
                            const rd_kafka_message_t *message)
{
    char key[POSTURE_EVALUATION_KEY_MAX];
    if (!message->key || message->key_len >= sizeof(key))
        return;
    memcpy(key, message->key, message->key_len);
    key[message->key_len] = '\0';
    json_auto_t *document = NULL;
    if (message->payload)
        (void)posture_json_parse(message->payload, message->len, &document, NULL);
    const char *id = posture_json_string(document, "id");
    const char *time_text = posture_json_string(document, "time");
    if (!id || !time_text) {
        (void)json_object_del(self->published, key);
        return;
    }
    if (json_object_set_new(self->published, key, json_string(id)) < 0)
        return; /* then it is published once more than needed */
    bool is_ours =
        text_is(document, "registry_digest", self->context->registry->digest) &&
        text_is(document, "catalogue_digest", self->context->catalogue->digest) &&
        text_is(json_object_get(document, "profile"), "digest",
                self->context->profile_digest);
    int64_t time_ns;
    if (is_ours || posture_time_parse(time_text, strlen(time_text), &time_ns) < 0 ||
        time_ns <= self->started_ns)
        return;
    if (!posture_publisher_differs(self))
        posture_worker_log(
            self->criteria->worker, POSTURE_LOG_ERROR,
            "evaluations: another centre evaluates by another registry, catalogue "
            "or profile; areas and the nation are not published until they agree");
    self->differs_until_ns = posture_now_ns() + DIFFERS_S * POSTURE_NS_PER_S;
}

static bool is_ours(const struct posture_publisher *self,
                    const struct posture_scope *scope)
{
    bool is_agency = strcmp(scope->type, "agency") == 0;
    int32_t partition = is_agency ? posture_partition(scope->id, strlen(scope->id),
                                                      self->criteria->topics.partitions)
                                  : 0;
    if (!is_agency && posture_publisher_differs(self))
        return false;
    return posture_gate_worker_owns(self->criteria->gate, partition);
}

static int publish_one(struct posture_publisher *self, const char *key,
                       const json_t *document)
{
    size_t len = 0;
    POSTURE_AUTO_FREE char *bytes = posture_json_compact(document, &len);
    const char *id = posture_json_string(document, "id");
    if (!bytes)
        return -ENOMEM;
    struct posture_outbox_entry entry = {
        .purpose = POSTURE_OUTBOX_EVALUATION,
        .topic = self->criteria->evaluations,
        .input = {.partition = -1},
        .message = {.ce_type = evaluation_type,
                    .ce_source = centre_source,
                    .ce_id = id,
                    .ce_time_ns = posture_now_ns(),
                    .epoch = self->criteria->epoch,
                    .sequence = ++self->criteria->sequence,
                    .key = key,
                    .key_len = strlen(key),
                    .value = bytes,
                    .value_len = len},
    };
    POSTURE_TRY(posture_outbox_add_take(self->criteria->outbox, &entry));
    self->count++;
    return json_object_set_new(self->published, key, json_string(id)) < 0 ? -ENOMEM : 0;
}

int posture_publisher_run(struct posture_publisher *self,
                          const struct posture_evaluator *evaluator)
{
    json_auto_t *documents = posture_evaluator_documents(evaluator);
    size_t index;
    json_t *document;
    if (!documents)
        return -ENOMEM;
    json_array_foreach (documents, index, document) {
        char key[POSTURE_EVALUATION_KEY_MAX];
        const json_t *json = json_object_get(document, "scope");
        const struct posture_scope scope = {.type = posture_json_string(json, "type"),
                                            .id = posture_json_string(json, "id")};
        (void)snprintf(key, sizeof(key), "%s:%s|%s|%s", scope.type, scope.id,
                       posture_json_string(document, "criterion"),
                       posture_json_string(document, "period"));
        const char *published = posture_json_string(self->published, key);
        if ((published && strcmp(published, posture_json_string(document, "id")) == 0) ||
            !is_ours(self, &scope))
            continue;
        POSTURE_TRY(publish_one(self, key, document));
    }
    posture_outbox_pump(self->criteria->outbox);
    return 0;
}
