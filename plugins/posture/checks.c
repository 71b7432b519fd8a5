/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#include "posture/commands.h"

#include "common/base/nearest.h"
#include "posture/text.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* posture checks [ID]: the check registry. */

enum { INDENT = 2 };

static void part_write(struct screen *screen, const char *ja, const char *en,
                       const char *text)
{
    screen_add(screen, SCREEN_DIM, SCREEN_WORD(screen, ja, en));
    screen_line(screen);
    screen_spaces(screen, INDENT);
    screen_wrap(screen, SCREEN_PLAIN, text, INDENT, INDENT);
    screen_line(screen);
}

static void check_write(struct screen *screen, const struct posture_check_info *info)
{
    screen_add(screen, SCREEN_BOLD, info->id);
    screen_addf(screen, SCREEN_PLAIN, "  %s", info->title[screen->lang]);
    screen_line(screen);
    screen_line(screen);
    part_write(screen, "問い", "Question", info->question[screen->lang]);
    part_write(screen, "理由", "Why", info->why[screen->lang]);
    part_write(screen, "対処", "What to do", info->remedy[screen->lang]);
    part_write(screen, "出典", "Source", info->source);
}

static void list_write(struct screen *screen,
                       const struct posture_check_registry *registry)
{
    size_t id_width = 0, title_width = 0;
    const struct posture_check_info *info;
    for (size_t i = 0; (info = posture_check_at(registry, i)); i++) {
        size_t width = text_width(info->title[screen->lang]);
        id_width = strlen(info->id) > id_width ? strlen(info->id) : id_width;
        title_width = width > title_width ? width : title_width;
    }
    for (size_t i = 0; (info = posture_check_at(registry, i)); i++) {
        size_t column = id_width + title_width + 4;
        screen_pad(screen, SCREEN_BOLD, info->id, id_width + 2);
        screen_pad(screen, SCREEN_PLAIN, info->title[screen->lang], title_width + 2);
        /* Narrow terminals: the question goes below. */
        if (column + 30 > screen->width) {
            screen_line(screen);
            column = INDENT;
            screen_spaces(screen, column);
        }
        screen_wrap(screen, SCREEN_DIM, info->question[screen->lang], column, column);
        screen_line(screen);
    }
}

static json_t *texts_json(const char *const texts[POSTURE_LANG_COUNT])
{
    return json_pack("{s:s,s:s}", "ja", texts[POSTURE_LANG_JA], "en",
                     texts[POSTURE_LANG_EN]);
}

static int check_json(const struct posture_check_info *info, struct posture_buf *out)
{
    json_auto_t *object =
        json_pack("{s:s,s:s,s:o,s:o,s:o,s:o,s:s}", "id", info->id, "kind", info->kind,
                  "title", texts_json(info->title), "question",
                  texts_json(info->question), "why", texts_json(info->why), "remedy",
                  texts_json(info->remedy), "source", info->source);
    POSTURE_AUTO_FREE char *text = object ? posture_json_compact(object, NULL) : NULL;
    if (!text)
        return -ENOMEM;
    posture_buf_adds(out, text);
    posture_buf_addc(out, '\n');
    return posture_buf_error(out);
}

/* Whole ids, or all that begin with "tls.cert." when the word ends so. */
static bool id_fits(const char *id, const char *word)
{
    size_t len = strlen(word);
    return strcmp(id, word) == 0 ||
           (strncmp(id, word, len) == 0 &&
            (len == 0 || word[len - 1] == '.' || id[len] == '.'));
}

static void unknown_complain(const struct posture_check_registry *registry,
                             const char *word)
{
    struct posture_nearest nearest = {0};
    const struct posture_check_info *info;
    for (size_t i = 0; (info = posture_check_at(registry, i)); i++) {
        posture_nearest_try(&nearest, word, info->id);
        /* "suites" for "tls.suites" */
        const char *last = strrchr(info->id, '.');
        if (last && strcmp(last + 1, word) == 0)
            nearest = (struct posture_nearest){.name = info->id};
    }
    if (nearest.name)
        complain("no check '%s'; did you mean '%s'?", word, nearest.name);
    else
        complain("no check '%s'; 'posture checks' lists them", word);
}

int command_checks(const struct arguments *arguments)
{
    POSTURE_AUTO(posture_check_registry_free)
    struct posture_check_registry *registry = NULL;
    struct posture_error error = {0};
    int r = posture_check_registry_load(arguments->data_dir, &registry, &error);
    if (r < 0) {
        complain_error(NULL, r, &error);
        return EXIT_NOT_MEASURED;
    }
    struct screen screen;
    screen_init(&screen, arguments->color, arguments->lang);
    int status = EXIT_MEASURED;
    bool is_json = arguments->format == FORMAT_JSON;
    const struct posture_check_info *info;
    if (arguments->words.count == 0 && !is_json)
        list_write(&screen, registry);
    if (arguments->words.count == 0 && is_json) {
        for (size_t i = 0; r == 0 && (info = posture_check_at(registry, i)); i++)
            r = check_json(info, &screen.out);
    }
    size_t shown = 0;
    for (size_t n = 0; n < arguments->words.count; n++) {
        const char *word = arguments->words.items[n];
        bool is_found = false;
        for (size_t i = 0; r == 0 && (info = posture_check_at(registry, i)); i++) {
            if (!id_fits(info->id, word))
                continue;
            is_found = true;
            if (is_json) {
                r = check_json(info, &screen.out);
                continue;
            }
            if (shown++ > 0)
                screen_line(&screen);
            check_write(&screen, info);
        }
        if (!is_found) {
            unknown_complain(registry, word);
            status = EXIT_USAGE;
        }
    }
    if (r == 0)
        r = screen_flush(&screen);
    screen_done(&screen);
    if (r < 0)
        complain("%s", posture_strerror(r));
    return r < 0 ? EXIT_NOT_MEASURED : status;
}
