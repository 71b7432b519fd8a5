/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#include "posture/commands.h"
#include "posture/text.h"

#include "common/base/clock.h"
#include "common/base/parse.h"
#include "common/spool/admin.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* posture spool: what is waiting for the broker. */

enum { DEADLINE_MS = 10000 };

struct listing {
    struct screen screen;
    bool is_json;
    bool is_aside;
    size_t count;
};

static int item_json(struct listing *listing, const struct posture_spool_admin_item *item)
{
    char time[POSTURE_TIME_TEXT_MAX];
    json_auto_t *object =
        json_pack("{s:I,s:s,s:s,s:s,s:s,s:s,s:s}", "id", (json_int_t)item->id, "topic",
                  item->is_incident ? "incidents" : "reports", "plugin", item->plugin,
                  "type", item->ce_type, "ce_id", item->ce_id, "key", item->key, "time",
                  posture_time_format(item->time_ns, time));
    if (!object)
        return -ENOMEM;
    if (item->sequence > 0)
        json_object_set_new(object, "sequence", json_integer((json_int_t)item->sequence));
    if (item->reason && *item->reason)
        json_object_set_new(object, "reason", json_string(item->reason));
    POSTURE_AUTO_FREE char *text = posture_json_compact(object, NULL);
    if (!text)
        return -ENOMEM;
    posture_buf_adds(&listing->screen.out, text);
    posture_buf_addc(&listing->screen.out, '\n');
    return screen_flush(&listing->screen);
}

static int item_row(void *data, const struct posture_spool_admin_item *item)
{
    struct listing *listing = data;
    struct screen *screen = &listing->screen;
    listing->count++;
    if (listing->is_json)
        return item_json(listing, item);
    char time[POSTURE_TIME_TEXT_MAX], id[24];
    posture_time_format(item->time_ns, time);
    snprintf(id, sizeof(id), "%lld", (long long)item->id);
    POSTURE_AUTO_BUF struct posture_buf key = {0};
    POSTURE_AUTO_BUF struct posture_buf type = {0};
    text_safe_string(item->key, &key);
    text_safe_string(item->ce_type, &type);
    screen_pad(screen, SCREEN_BOLD, id, 8);
    screen_addf(screen, SCREEN_DIM, "%.19sZ  ", time);
    screen_pad(screen, SCREEN_PLAIN, type.data ? type.data : "", 24);
    screen_add(screen, SCREEN_PLAIN, key.data ? key.data : "");
    if (item->reason && *item->reason) {
        screen_line(screen);
        screen_spaces(screen, 8);
        screen_wrap(screen, SCREEN_FAIL, item->reason, 8, 8);
    }
    screen_line(screen);
    return screen_flush(screen);
}

static int item_body(void *data, const struct posture_spool_admin_item *item)
{
    struct listing *listing = data;
    struct screen *screen = &listing->screen;
    int r = listing->is_json ? 0 : item_row(data, item);
    if (r < 0)
        return r;
    if (!item->body) {
        posture_buf_adds(&screen->out, "null\n"); /* a retirement */
        return screen_flush(screen);
    }
    json_auto_t *root = NULL;
    bool is_sound = posture_json_parse(item->body, item->body_len, &root, NULL) == 0;
    size_t flags = (listing->is_json ? JSON_COMPACT : JSON_INDENT(2)) | JSON_ENCODE_ANY |
                   (screen->is_terminal ? JSON_ENSURE_ASCII : 0);
    POSTURE_AUTO_FREE char *text = is_sound ? json_dumps(root, flags) : NULL;
    if (text)
        posture_buf_adds(&screen->out, text);
    else /* what is corrupt is shown too, as it is */
        text_safe(item->body, item->body_len, &screen->out);
    posture_buf_addc(&screen->out, '\n');
    return screen_flush(screen);
}

static int stat_row(void *data, const char *name, uint64_t value)
{
    struct listing *listing = data;
    struct screen *screen = &listing->screen;
    POSTURE_AUTO_BUF struct posture_buf safe = {0};
    text_safe_string(name, &safe);
    if (listing->is_json) {
        posture_buf_addf(&screen->out, "%s\"%s\":%llu", listing->count++ ? "," : "{",
                         safe.data ? safe.data : "?", (unsigned long long)value);
        return 0;
    }
    screen_pad(screen, SCREEN_PLAIN, safe.data ? safe.data : "?", 24);
    screen_addf(screen, value > 0 ? SCREEN_BOLD : SCREEN_DIM, "%15llu",
                (unsigned long long)value);
    screen_line(screen);
    return screen_flush(screen);
}

static int spool_run(const struct arguments *arguments, const char *verb, int64_t id,
                     struct listing *listing, struct posture_error *reterr)
{
    POSTURE_AUTO(posture_spool_admin_free) struct posture_spool_admin *admin = NULL;
    POSTURE_TRY(
        posture_spool_admin_new(arguments->spool_socket, DEADLINE_MS, &admin, reterr));
    if (strcmp(verb, "list") == 0)
        return posture_spool_admin_list(admin, arguments->is_aside, 0, 0, item_row,
                                        listing, reterr);
    if (strcmp(verb, "show") == 0)
        return posture_spool_admin_show(admin, arguments->is_aside, id, item_body,
                                        listing, reterr);
    POSTURE_TRY(posture_spool_admin_stats(admin, stat_row, listing, reterr));
    if (listing->is_json)
        posture_buf_adds(&listing->screen.out, listing->count ? "}\n" : "{}\n");
    return screen_flush(&listing->screen);
}

int command_spool(const struct arguments *arguments)
{
    const char *verb = arguments->words.count > 0 ? arguments->words.items[0] : "list";
    bool is_show = strcmp(verb, "show") == 0;
    uint64_t id = 0;
    if (strcmp(verb, "list") != 0 && strcmp(verb, "stats") != 0 && !is_show) {
        complain("spool: '%s' is not list, show or stats", verb);
        return EXIT_USAGE;
    }
    if (arguments->words.count > (is_show ? 2u : 1u) ||
        (is_show &&
         (arguments->words.count < 2 ||
          posture_parse_u64(arguments->words.items[1], 1, INT64_MAX, &id) < 0))) {
        complain("spool %s: expected %s", verb,
                 is_show ? "one number, as 'posture spool list' gives it"
                         : "nothing after it");
        return EXIT_USAGE;
    }
    struct listing listing = {.is_json = arguments->format == FORMAT_JSON,
                              .is_aside = arguments->is_aside};
    screen_init(&listing.screen, arguments->color, arguments->lang);
    struct posture_error error = {0};
    int r = spool_run(arguments, verb, (int64_t)id, &listing, &error);
    if (r == -ENOENT && is_show)
        complain("spool: no item %llu%s", (unsigned long long)id,
                 arguments->is_aside ? " aside" : "");
    else if (r < 0)
        complain_error("spool", r, &error);
    else if (strcmp(verb, "list") == 0 && listing.count == 0 && !listing.is_json)
        puts(SCREEN_WORD(&listing.screen, "待っているものはない。",
                         "Nothing is waiting."));
    screen_done(&listing.screen);
    return r < 0 ? EXIT_NOT_MEASURED : EXIT_MEASURED;
}
