/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#include "common/report/checks.h"

#include "common/base/parse.h"
#include "common/base/spawn.h"
#include "common/report/document.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { CHECKS_FILE_MAX = 4 * 1024 * 1024 };

struct reason {
    const char *code;
    const char *text[POSTURE_LANG_COUNT];
};

/* Every string is the document's. */
struct posture_check_registry {
    json_t *root;
    struct posture_check_info *checks; /* in the file's order */
    size_t count;
    const struct posture_check_info **by_id;
    struct reason *reasons; /* by code */
    size_t reason_count;
    const json_t *notes; /* list of {"arg", language: sentence} */
    const json_t *words; /* argument -> value -> {language: word} */
};

static const char *const lang_names[POSTURE_LANG_COUNT] = {
    [POSTURE_LANG_EN] = "en",
    [POSTURE_LANG_JA] = "ja",
};

const char *posture_lang_name(enum posture_lang lang)
{
    return (unsigned)lang < POSTURE_LANG_COUNT ? lang_names[lang] : "en";
}

int posture_lang_from_name(const char *name, enum posture_lang *ret)
{
    for (int i = 0; name && i < POSTURE_LANG_COUNT; i++) {
        if (strcmp(name, lang_names[i]) == 0) {
            *ret = (enum posture_lang)i;
            return 0;
        }
    }
    return POSTURE_E_FORMAT;
}

enum posture_lang posture_lang_from_locale(void)
{
    static const char *const variables[] = {"LC_ALL", "LC_MESSAGES", "LANG"};
    for (size_t i = 0; i < POSTURE_COUNT(variables); i++) {
        const char *value = getenv(variables[i]);
        if (!value || !*value)
            continue;
        /* "ja", "ja_JP.UTF-8", "ja.UTF-8"; not "jam" */
        bool is_ja =
            strncmp(value, "ja", 2) == 0 && (!value[2] || strchr("_.@", value[2]));
        return is_ja ? POSTURE_LANG_JA : POSTURE_LANG_EN;
    }
    return POSTURE_LANG_EN;
}

/* The next "{name}" at or after text: its '{', and the length of the name. */
static const char *placeholder_next(const char *text, size_t *ret_len)
{
    for (const char *open = strchr(text, '{'); open; open = strchr(open + 1, '{')) {
        size_t len = strspn(open + 1, "abcdefghijklmnopqrstuvwxyz0123456789_");
        if (len > 0 && open[len + 1] == '}') {
            *ret_len = len;
            return open;
        }
    }
    return NULL;
}

/* A sentence that forgets an argument in one language tells less than in the other. */
static int placeholders_agree(const char *a, const char *b, const char *code,
                              const char *path, struct posture_error *reterr)
{
    size_t len = 0, other_len = 0;
    for (const char *p = a; (p = placeholder_next(p, &len)); p += len + 2) {
        const char *other = b;
        while ((other = placeholder_next(other, &other_len))) {
            if (other_len == len && memcmp(other, p, len + 2) == 0)
                break;
            other += other_len + 2;
        }
        if (!other)
            return posture_error_at(reterr, POSTURE_E_SCHEMA, path, 0, 0,
                                    "code '%s': {%.*s} is in one language only", code,
                                    (int)len, p + 1);
    }
    return 0;
}

static void texts_fill(const json_t *object, const char *name, const char *texts[])
{
    const json_t *text = json_object_get(object, name);
    for (int i = 0; i < POSTURE_LANG_COUNT; i++)
        texts[i] = posture_json_string(text, lang_names[i]);
}

static int info_order(const void *a, const void *b)
{
    return strcmp((*(const struct posture_check_info *const *)a)->id,
                  (*(const struct posture_check_info *const *)b)->id);
}

static int reason_order(const void *a, const void *b)
{
    return strcmp(((const struct reason *)a)->code, ((const struct reason *)b)->code);
}

static int reasons_fill(struct posture_check_registry *registry, const json_t *codes,
                        const char *path, struct posture_error *reterr)
{
    const char *code;
    json_t *texts;
    json_object_foreach ((json_t *)(uintptr_t)codes, code, texts) {
        struct reason *reason = &registry->reasons[registry->reason_count++];
        reason->code = code;
        texts_fill(codes, code, reason->text);
        const char *en = reason->text[POSTURE_LANG_EN],
                   *ja = reason->text[POSTURE_LANG_JA];
        POSTURE_TRY(placeholders_agree(en, ja, code, path, reterr));
        POSTURE_TRY(placeholders_agree(ja, en, code, path, reterr));
    }
    return 0;
}

static int registry_fill(struct posture_check_registry *registry, const char *path,
                         struct posture_error *reterr)
{
    const json_t *checks = json_object_get(registry->root, "checks");
    const json_t *shared = json_object_get(registry->root, "codes");
    size_t count = json_array_size(checks), reason_count = json_object_size(shared);
    registry->notes = json_object_get(registry->root, "notes");
    registry->words = json_object_get(registry->root, "words");
    for (size_t i = 0; i < count; i++)
        reason_count +=
            json_object_size(json_object_get(json_array_get(checks, i), "codes"));
    registry->checks = posture_calloc(count, sizeof(*registry->checks));
    registry->by_id = posture_calloc(count, sizeof(*registry->by_id));
    registry->reasons = posture_calloc(reason_count, sizeof(*registry->reasons));
    if (!registry->checks || !registry->by_id || !registry->reasons)
        return posture_error_set(reterr, -ENOMEM, "out of memory");

    for (size_t i = 0; i < count; i++) {
        const json_t *object = json_array_get(checks, i);
        struct posture_check_info *info = &registry->checks[i];
        info->id = posture_json_string(object, "id");
        info->kind = posture_json_string(object, "kind");
        info->source = posture_json_string(object, "source");
        texts_fill(object, "title", info->title);
        texts_fill(object, "question", info->question);
        texts_fill(object, "why", info->why);
        texts_fill(object, "remedy", info->remedy);
        registry->by_id[i] = info;
        registry->count++;
        POSTURE_TRY(
            reasons_fill(registry, json_object_get(object, "codes"), path, reterr));
    }
    POSTURE_TRY(reasons_fill(registry, shared, path, reterr));
    qsort(registry->by_id, registry->count, sizeof(*registry->by_id), info_order);
    qsort(registry->reasons, registry->reason_count, sizeof(*registry->reasons),
          reason_order);
    for (size_t i = 1; i < registry->count; i++) {
        if (info_order(&registry->by_id[i - 1], &registry->by_id[i]) == 0)
            return posture_error_at(reterr, POSTURE_E_SCHEMA, path, 0, 0,
                                    "check '%s' is there twice", registry->by_id[i]->id);
    }
    for (size_t i = 1; i < registry->reason_count; i++) {
        if (reason_order(&registry->reasons[i - 1], &registry->reasons[i]) == 0)
            return posture_error_at(reterr, POSTURE_E_SCHEMA, path, 0, 0,
                                    "code '%s' is there twice",
                                    registry->reasons[i].code);
    }
    return 0;
}

struct posture_check_registry *
posture_check_registry_free(struct posture_check_registry *r)
{
    if (!r)
        return NULL;
    free(r->checks);
    free(r->by_id);
    free(r->reasons);
    json_decref(r->root);
    free(r);
    return NULL;
}

int posture_check_registry_load(const char *data_dir, struct posture_check_registry **ret,
                                struct posture_error *reterr)
{
    POSTURE_AUTO_FREE char *path = NULL;
    POSTURE_TRY(posture_data_path(data_dir, "schemas", "checks.json", &path, reterr));
    POSTURE_AUTO(posture_check_registry_free)
    struct posture_check_registry *registry = posture_calloc(1, sizeof(*registry));
    if (!registry)
        return posture_error_set(reterr, -ENOMEM, "out of memory");
    POSTURE_TRY(posture_document_load(data_dir, path, "checks.v1.schema.json",
                                      CHECKS_FILE_MAX, &registry->root, NULL, reterr));
    POSTURE_TRY(registry_fill(registry, path, reterr));
    *ret = POSTURE_TAKE(registry);
    return 0;
}

const struct posture_check_info *
posture_check_find(const struct posture_check_registry *r, const char *id)
{
    const struct posture_check_info wanted = {.id = id}, *key = &wanted;
    const struct posture_check_info **found =
        bsearch(&key, r->by_id, r->count, sizeof(*r->by_id), info_order);
    return found ? *found : NULL;
}

const struct posture_check_info *posture_check_at(const struct posture_check_registry *r,
                                                  size_t index)
{
    return index < r->count ? &r->checks[index] : NULL;
}

/* words: how values of the argument are said in the language; may be NULL. */
static void value_write(const json_t *value, const json_t *words, enum posture_lang lang,
                        struct posture_buf *out)
{
    const char *said =
        json_is_string(value)
            ? posture_json_string(json_object_get(words, json_string_value(value)),
                                  lang_names[lang])
            : NULL;
    if (said) {
        posture_buf_adds(out, said);
        return;
    }
    char number[32];
    switch (json_typeof(value)) {
    case JSON_STRING:
        posture_buf_add(out, json_string_value(value), json_string_length(value));
        break;
    case JSON_INTEGER:
        posture_buf_addf(out, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
        break;
    case JSON_REAL:
        posture_buf_adds(out, posture_double_format(json_real_value(value), number));
        break;
    case JSON_TRUE:
        posture_buf_adds(out, "true");
        break;
    case JSON_FALSE:
        posture_buf_adds(out, "false");
        break;
    case JSON_ARRAY:
        for (size_t i = 0; i < json_array_size(value); i++) {
            const json_t *item = json_array_get(value, i);
            if (i > 0)
                posture_buf_adds(out, ", ");
            if (!json_is_array(item)) /* one level is a list; more is nobody's sentence */
                value_write(item, words, lang, out);
        }
        break;
    default:
        posture_buf_adds(out, "-");
        break;
    }
}

/* text with its {name}s replaced. */
static void sentence_write(const struct posture_check_registry *r, const char *text,
                           const json_t *args, enum posture_lang lang,
                           struct posture_buf *out)
{
    size_t len = 0;
    for (const char *p; (p = placeholder_next(text, &len)); text = p + len + 2) {
        posture_buf_add(out, text, (size_t)(p - text));
        const json_t *value = json_object_getn(args, p + 1, len);
        if (value)
            value_write(value, json_object_getn(r->words, p + 1, len), lang, out);
        else
            posture_buf_add(out, p, len + 2);
    }
    posture_buf_adds(out, text);
}

int posture_check_reason(const struct posture_check_registry *r, const char *code,
                         const json_t *args, enum posture_lang lang,
                         struct posture_buf *out)
{
    const struct reason wanted = {.code = code};
    const struct reason *reason =
        bsearch(&wanted, r->reasons, r->reason_count, sizeof(*r->reasons), reason_order);
    if (!reason || (unsigned)lang >= POSTURE_LANG_COUNT || !reason->text[lang]) {
        posture_buf_adds(out, code);
        return posture_buf_error(out);
    }
    sentence_write(r, reason->text[lang], args, lang, out);
    size_t i;
    const json_t *note;
    json_array_foreach (r->notes, i, note) {
        if (!json_object_get(args, posture_json_string(note, "arg")))
            continue;
        if (lang != POSTURE_LANG_JA) /* Japanese sentences follow without a space */
            posture_buf_addc(out, ' ');
        sentence_write(r, posture_json_string(note, lang_names[lang]), args, lang, out);
    }
    return posture_buf_error(out);
}
