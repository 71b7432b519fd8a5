/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */

/* Settings lines, as a worker reads them from its host. */

#include "common/base/lines.h"
#include "common/base/options_common.h"

#include <stdlib.h>
#include <string.h>

struct demo {
    struct posture_common_settings common;
    uint64_t bytes;
    double rate;
    uint16_t port;
    struct posture_option_list list, pairs;
    struct posture_option_file file;
};
struct demo_block {
    uint32_t timeout_ms;
    int64_t interval_ns;
    struct posture_option_file secret;
};

static const struct posture_option demo_options[] = {
    POSTURE_COMMON_OPTIONS(struct demo, "posture", "3600"),
    {"Bytes", POSTURE_OPT_U64, offsetof(struct demo, bytes), .help = "x"},
    {"Rate", POSTURE_OPT_DOUBLE, offsetof(struct demo, rate), .help = "x"},
    {"Port", POSTURE_OPT_PORT, offsetof(struct demo, port), .help = "x"},
    {"List", POSTURE_OPT_LIST, offsetof(struct demo, list), .help = "x"},
    {"Pairs", POSTURE_OPT_PAIRS, offsetof(struct demo, pairs), .help = "x"},
    {"File", POSTURE_OPT_FILE, offsetof(struct demo, file), .help = "x"},
    {0},
};
static const struct posture_option block_options[] = {
    {"TimeoutMs", POSTURE_OPT_U32, offsetof(struct demo_block, timeout_ms), .min = 1,
     .max = 9999, .is_required = true, .help = "x"},
    {"Interval", POSTURE_OPT_SECONDS, offsetof(struct demo_block, interval_ns),
     .help = "x"},
    {"Secret", POSTURE_OPT_SECRET_FILE, offsetof(struct demo_block, secret), .help = "x"},
    {0},
};
static const struct posture_option_block blocks[] = {
    {.size = sizeof(struct demo), .options = demo_options},
    {.name = "Target",
     .has_argument = true,
     .max_count = 8,
     .size = sizeof(struct demo_block),
     .options = block_options},
    {0},
};
static const struct posture_option_table table = {"posture_demo", blocks};

enum { LINES_MAX = 64 };

static size_t text_cut(char *text, const char **lines)
{
    size_t count = 0;
    char *at = NULL;
    for (char *line = strtok_r(text, "\n", &at); line && count < LINES_MAX;
         line = strtok_r(NULL, "\n", &at))
        lines[count++] = line;
    return count;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    POSTURE_AUTO_FREE char *text = posture_strndup((const char *)data, size);
    const char *lines[LINES_MAX];
    struct posture_error error;
    POSTURE_AUTO(posture_settings_free) struct posture_settings *settings = NULL;
    if (!text || posture_settings_decode(&table, lines, text_cut(text, lines), &settings,
                                         &error) < 0)
        return 0;

    /* Accepted settings survive the way to the worker, and a second way gives the same
     * lines. */
    POSTURE_AUTO_BUF struct posture_buf first = {0};
    POSTURE_AUTO_BUF struct posture_buf second = {0};
    POSTURE_AUTO(posture_settings_free) struct posture_settings *copy = NULL;
    if (posture_settings_encode(settings, &first) < 0)
        abort();
    POSTURE_AUTO_FREE char *sent = posture_strdup(first.data);
    if (!sent)
        return 0;
    size_t count = text_cut(sent, lines);
    if (count == LINES_MAX)
        return 0;
    if (posture_settings_decode(&table, lines, count, &copy, &error) < 0 ||
        posture_settings_encode(copy, &second) < 0 || first.len != second.len ||
        memcmp(first.data, second.data, first.len) != 0)
        abort();
    return 0;
}
