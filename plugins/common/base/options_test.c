/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */

#include "common/base/options.h"

#include "common/base/clock.h"
#include "common/base/options_common.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

struct demo_settings {
    struct posture_common_settings common;
    double start_rate;
    uint64_t max_bytes;
    uint16_t port;
    struct posture_option_list allow;
    struct posture_option_list property;
    struct posture_option_file trust;
    struct posture_option_file secret;
};
struct demo_endpoint {
    uint32_t timeout_ms;
    int64_t interval_ns;
    struct posture_option_file key;
    int mode;
};

static const char *const mode_names[] = {"off", "on", "auto", NULL};
static const struct posture_option plugin_options[] = {
    POSTURE_COMMON_OPTIONS(struct demo_settings, "posture", "3600"),
    {"StartRate", POSTURE_OPT_DOUBLE, offsetof(struct demo_settings, start_rate),
     .min = 0.1, .max = 1000, .def = "20", .unit = "a second", .help = "First round."},
    {"MaxBytes", POSTURE_OPT_U64, offsetof(struct demo_settings, max_bytes),
     .def = "18446744073709551615", .help = "Cap."},
    {"Port", POSTURE_OPT_PORT, offsetof(struct demo_settings, port), .sample = "443",
     .help = "A port."},
    {"Allow", POSTURE_OPT_LIST, offsetof(struct demo_settings, allow),
     .sample = "10.0.0.0/8", .help = "Prefixes | more."},
    {"Property", POSTURE_OPT_PAIRS, offsetof(struct demo_settings, property),
     .sample = "\"linger.ms\" \"5\"", .help = "Pairs."},
    {"Trust", POSTURE_OPT_FILE, offsetof(struct demo_settings, trust),
     .sample = "/etc/x.pem", .help = "A file."},
    {"Secret", POSTURE_OPT_SECRET_FILE, offsetof(struct demo_settings, secret),
     .sample = "/etc/x.key", .help = "A secret."},
    {0},
};
static const struct posture_option endpoint_options[] = {
    {"TimeoutMs", POSTURE_OPT_U32, offsetof(struct demo_endpoint, timeout_ms), .min = 100,
     .max = 60000, .def = "5000", .help = "Deadline."},
    {"Interval", POSTURE_OPT_SECONDS, offsetof(struct demo_endpoint, interval_ns),
     .min = 1, .max = 86400, .sample = "60", .help = "Own interval."},
    {"Key", POSTURE_OPT_FILE, offsetof(struct demo_endpoint, key), .sample = "/k",
     .help = "A key."},
    {"Mode", POSTURE_OPT_ENUM, offsetof(struct demo_endpoint, mode), .values = mode_names,
     .def = "auto", .help = "A mode."},
    {0},
};
static const struct posture_option owner_options[] = {
    {"TimeoutMs", POSTURE_OPT_U32, offsetof(struct demo_endpoint, timeout_ms),
     .is_required = true, .sample = "5", .help = "Deadline."},
    {0},
};
static int endpoint_check(const void *values, const char *argument,
                          struct posture_error *reterr)
{
    const struct demo_endpoint *endpoint = values;
    if (endpoint->mode == 0 && endpoint->timeout_ms == 777)
        return posture_error_set(reterr, POSTURE_E_OPTION, "Mode off of %s: no 777",
                                 argument);
    return 0;
}
static const struct posture_option_block blocks[] = {
    {.size = sizeof(struct demo_settings), .options = plugin_options},
    {.name = "Endpoint",
     .has_argument = true,
     .size = sizeof(struct demo_endpoint),
     .options = endpoint_options,
     .help = "One target.",
     .check = endpoint_check,
     .sample_argument = "tls://www.example.go.jp:443"},
    {.name = "Owner",
     .max_count = 1,
     .size = sizeof(struct demo_endpoint),
     .options = owner_options,
     .help = "An owner."},
    {0},
};
static const struct posture_option_table table = {"posture_demo", blocks};

/* Raw blocks from a small text: "Name value value" lines, "<Block arg" starts a block. */
enum { RAW_MAX = 8, ITEM_MAX = 16, VALUE_MAX = 4 };
struct source {
    char text[1024];
    struct posture_raw_block raw[RAW_MAX];
    struct posture_item items[RAW_MAX][ITEM_MAX];
    char *values[RAW_MAX][ITEM_MAX][VALUE_MAX];
    size_t count;
};

static void source_read(struct source *source, const char *text)
{
    memset(source, 0, sizeof(*source));
    snprintf(source->text, sizeof(source->text), "%s", text);
    struct posture_raw_block *block = &source->raw[source->count++];
    block->items = source->items[0];
    char *lines = NULL;
    for (char *line = strtok_r(source->text, "\n", &lines); line;
         line = strtok_r(NULL, "\n", &lines)) {
        char *words = NULL;
        char *name = strtok_r(line, " ", &words);
        if (name[0] == '<') {
            block = &source->raw[source->count];
            block->name = name + 1;
            block->argument = strtok_r(NULL, " ", &words);
            block->items = source->items[source->count++];
            continue;
        }
        struct posture_item *item =
            (struct posture_item *)(uintptr_t)&block->items[block->count];
        item->name = name;
        item->values = source->values[source->count - 1][block->count];
        for (char *v; (v = strtok_r(NULL, " ", &words));)
            item->values[item->value_count++] = v;
        block->count++;
    }
}

static int text_parse(const char *text, struct posture_settings **ret,
                      struct posture_error *reterr)
{
    struct source source;
    source_read(&source, text);
    return posture_settings_parse(&table, source.raw, source.count, ret, reterr);
}

static const char good_text[] =
    "StartRate 2.5\nport 8443\nAllow 10.0.0.0/8 ::1/128\n"
    "Allow 192.0.2.0/24\nProperty a b\nProperty c d\n"
    "Trust /etc/t\nstrict true\n"
    "<Endpoint tls://b:443\nInterval 60.25\nKey /k\nMode false\n"
    "<endpoint tls://a:443\nTimeoutMs 100\n";

static void good_judge(const struct posture_settings *settings)
{
    const struct demo_settings *s = posture_settings_plugin(settings);
    assert_string_equal(s->common.user, "posture");
    assert_string_equal(s->common.spool_socket, "/run/posture/spool.sock");
    assert_null(s->common.data_dir);
    assert_int_equal(s->common.strict, 1);
    assert_int_equal(s->common.interval_ns, 3600 * POSTURE_NS_PER_S);
    assert_true(s->start_rate == 2.5);
    assert_true(s->max_bytes == UINT64_MAX);
    assert_int_equal(s->port, 8443);
    assert_int_equal(s->allow.count, 3);
    assert_string_equal(s->allow.items[1], "::1/128");
    assert_string_equal(s->allow.items[2], "192.0.2.0/24");
    assert_int_equal(s->property.count, 4);
    assert_string_equal(s->property.items[3], "d");
    assert_string_equal(s->trust.path, "/etc/t");
    assert_int_equal(s->trust.index, 1);
    assert_int_equal(s->secret.index, 0);
    assert_int_equal(settings->count, 3);
    assert_int_equal(settings->file_count, 2);
    const struct posture_block *b = &settings->blocks[1];
    const struct demo_endpoint *e = b->values;
    assert_int_equal(b->number, 1);
    assert_string_equal(b->argument, "tls://b:443");
    assert_int_equal(e->timeout_ms, 5000);
    assert_int_equal(e->interval_ns, 60250 * POSTURE_NS_PER_MS);
    assert_int_equal(e->key.index, 2);
    assert_int_equal(e->mode, 0);
    bool is_secret = true;
    assert_string_equal(posture_settings_file(settings, 2, &is_secret), "/k");
    assert_false(is_secret);
    assert_null(posture_settings_file(settings, 3, NULL));
    assert_null(posture_settings_file(settings, 0, NULL));
    assert_true(posture_settings_interval(settings, 1) == 60250 * POSTURE_NS_PER_MS);
    assert_true(posture_settings_interval(settings, 2) == 3600 * POSTURE_NS_PER_S);
    assert_true(posture_settings_interval(settings, 99) == 3600 * POSTURE_NS_PER_S);
}

static void parse_test(void **state)
{
    (void)state;
    POSTURE_AUTO(posture_settings_free) struct posture_settings *settings = NULL;
    assert_int_equal(text_parse(good_text, &settings, NULL), 0);
    good_judge(settings);
}

static void refuse_test(void **state)
{
    (void)state;
    static const struct {
        const char *label, *text, *want;
    } rows[] = {
        {"near name", "StartRat 5",
         "<Plugin posture_demo>: unknown option \"StartRat\"; "
         "did you mean \"StartRate\"?"},
        {"longer name", "MaxBytesOfAll 5",
         "<Plugin posture_demo>: unknown option \"MaxBytesOfAll\"; did you mean "
         "\"MaxBytes\"?"},
        {"far name", "<Owner\nZzz 5",
         "<Plugin posture_demo> <Owner>: unknown option \"Zzz\"; allowed: TimeoutMs"},
        {"near block", "<Endpont tls://a",
         "<Plugin posture_demo>: unknown block \"Endpont\"; did you mean \"Endpoint\"?"},
        {"option as block", "Endpoint x",
         "<Plugin posture_demo>: unknown option \"Endpoint\"; it is a block: <Endpoint "
         "…>"},
        {"range", "<Endpoint a\nTimeoutMs 99",
         "<Plugin posture_demo> <Endpoint \"a\">: option TimeoutMs \"99\"; expected a "
         "whole "
         "number from 100 to 60000"},
        {"fraction", "<Endpoint a\nTimeoutMs 100.5",
         "<Plugin posture_demo> <Endpoint \"a\">: option TimeoutMs \"100.5\"; expected a "
         "whole number from 100 to 60000"},
        {"enum", "Values most",
         "<Plugin posture_demo>: option Values \"most\"; expected one of auto, summary, "
         "failing, all"},
        {"port", "Port 0",
         "<Plugin posture_demo>: option Port \"0\"; expected a port from 1 to 65535"},
        {"seconds", "Interval 0.5",
         "<Plugin posture_demo>: option Interval \"0.5\"; expected seconds from 1 to "
         "2678400"},
        {"relative file", "Trust etc/x",
         "<Plugin posture_demo>: option Trust \"etc/x\"; expected an absolute path"},
        {"control", "User a\tb",
         "<Plugin posture_demo>: option User \"a\\x09b\"; expected one text without "
         "control "
         "characters"},
        {"not UTF-8", "User \xff",
         "<Plugin posture_demo>: option User \"\\xff\"; expected one text without "
         "control "
         "characters"},
        {"twice", "User a\nuser b",
         "<Plugin posture_demo>: option User is given twice; expected once"},
        {"no value", "User",
         "<Plugin posture_demo>: option User has no value; expected one text without "
         "control "
         "characters"},
        {"two values", "User a b",
         "<Plugin posture_demo>: option User has 2 values; expected one text without "
         "control "
         "characters"},
        {"half a pair", "Property a",
         "<Plugin posture_demo>: option Property \"a\"; expected a key and a value"},
        {"missing", "<Owner",
         "<Plugin posture_demo> <Owner>: option TimeoutMs is missing; expected a whole "
         "number"},
        {"too many", "<Owner\nTimeoutMs 1\n<Owner\nTimeoutMs 1",
         "<Plugin posture_demo>: 2 <Owner> blocks; expected at most 1"},
        {"no argument", "<Endpoint",
         "<Plugin posture_demo> <Endpoint>: this block needs an argument"},
        {"argument", "<Owner x\nTimeoutMs 1",
         "<Plugin posture_demo> <Owner \"x\">: this block takes no argument"},
        {"same block", "<Endpoint a\n<Endpoint b\n<Endpoint A",
         "<Plugin posture_demo> <Endpoint \"A\">: this block is given twice"},
        {"cross rule", "<Endpoint a\nMode off\nTimeoutMs 777",
         "<Plugin posture_demo> <Endpoint \"a\">: Mode off of a: no 777"},
    };
    for (size_t i = 0; i < POSTURE_COUNT(rows); i++) {
        struct posture_settings *settings = NULL;
        struct posture_error error = {0};
        int r = text_parse(rows[i].text, &settings, &error);
        if (r != POSTURE_E_OPTION || settings || strcmp(error.text, rows[i].want) != 0)
            fail_msg("%s: got %d '%s', want '%s'", rows[i].label, r, error.text,
                     rows[i].want);
    }
}

/* Encoded lines of settings; also the way back. */
static int settings_copy(const struct posture_settings *settings,
                         struct posture_settings **ret)
{
    POSTURE_AUTO_BUF struct posture_buf out = {0};
    POSTURE_TRY(posture_settings_encode(settings, &out));
    const char *lines[64];
    size_t count = 0;
    char *at = NULL;
    assert_string_equal(out.data + out.len - 2, "\n\n");
    for (char *line = strtok_r(out.data, "\n", &at); line;
         line = strtok_r(NULL, "\n", &at)) {
        assert_true(count < POSTURE_COUNT(lines));
        assert_true(strlen(line) < 65536);
        lines[count++] = line;
    }
    return posture_settings_decode(&table, lines, count, ret, NULL);
}

static void encode_test(void **state)
{
    (void)state;
    POSTURE_AUTO(posture_settings_free) struct posture_settings *settings = NULL;
    POSTURE_AUTO(posture_settings_free) struct posture_settings *copy = NULL;
    assert_int_equal(text_parse(good_text, &settings, NULL), 0);
    assert_int_equal(settings_copy(settings, &copy), 0);
    good_judge(copy);
}

/* A list that needs more than one line, of texts that need escapes. */
static void encode_long_test(void **state)
{
    (void)state;
    enum { COUNT = 9000 };
    static char texts[COUNT][24];
    static char *values[COUNT];
    for (size_t i = 0; i < COUNT; i++) {
        snprintf(texts[i], sizeof(texts[i]), "\\prefix\\%zu", i);
        values[i] = texts[i];
    }
    struct posture_item item = {
        .name = (char[]){"Allow"}, .values = values, .value_count = COUNT};
    struct posture_raw_block raw = {.items = &item, .count = 1};
    POSTURE_AUTO(posture_settings_free) struct posture_settings *settings = NULL;
    POSTURE_AUTO(posture_settings_free) struct posture_settings *copy = NULL;
    assert_int_equal(posture_settings_parse(&table, &raw, 1, &settings, NULL), 0);
    assert_int_equal(settings_copy(settings, &copy), 0);
    const struct demo_settings *s = posture_settings_plugin(copy);
    assert_int_equal(s->allow.count, COUNT);
    for (size_t i = 0; i < COUNT; i++)
        assert_string_equal(s->allow.items[i], texts[i]);
}

static void decode_refuses_test(void **state)
{
    (void)state;
    static const struct {
        const char *label, *line;
        int r;
    } rows[] = {
        {"unknown start", "what\tUser\tx", POSTURE_E_FORMAT},
        {"more first", "more\tUser\tx", POSTURE_E_FORMAT},
        {"short block", "block\tEndpoint", POSTURE_E_FORMAT},
        {"no value", "plugin\tUser", POSTURE_E_FORMAT},
        {"half pair", "plugin\tProperty\ta", POSTURE_E_FORMAT},
        {"bad escape", "plugin\tUser\t\\q", POSTURE_E_FORMAT},
        {"bad value", "plugin\tPort\tx", POSTURE_E_OPTION},
    };
    for (size_t i = 0; i < POSTURE_COUNT(rows); i++) {
        struct posture_settings *settings = NULL;
        int r = posture_settings_decode(&table, &rows[i].line, 1, &settings, NULL);
        if (r != rows[i].r || settings)
            fail_msg("%s: got %d, want %d", rows[i].label, r, rows[i].r);
    }
}

/* Each allocation in turn fails; nothing leaks (AddressSanitizer), nothing half-made
 * comes back. */
static void memory_test(void **state)
{
    (void)state;
    for (int persistent = 0; persistent < 2; persistent++) {
        int r = -ENOMEM;
        unsigned long n = 1;
        for (; r == -ENOMEM && n < 10000; n++) {
            struct posture_settings *settings = NULL, *copy = NULL;
            posture_alloc_fail_at(n, persistent);
            r = text_parse(good_text, &settings, NULL);
            if (r == 0)
                r = settings_copy(settings, &copy);
            posture_alloc_fail_at(0, 0);
            if (r < 0)
                assert_null(copy);
            posture_settings_free(settings);
            posture_settings_free(copy);
        }
        assert_int_equal(r, 0);
        assert_true(n > 50);
    }
}

static void write_test(void **state)
{
    (void)state;
    POSTURE_AUTO_BUF struct posture_buf sample = {0};
    POSTURE_AUTO_BUF struct posture_buf markdown = {0};
    assert_int_equal(posture_options_write_sample(&table, &sample), 0);
    assert_int_equal(posture_options_write_markdown(&table, &markdown), 0);
    static const char *const in_sample[] = {
        "LoadPlugin posture_demo\n\n<Plugin posture_demo>\n",
        "    ## First round.\n    #StartRate 20\n",
        "    ## Value: one of auto, summary, failing, all.\n    #Values auto\n",
        "    #User \"posture\"\n",
        "    #Property \"linger.ms\" \"5\"\n",
        "    ## One target.\n    #<Endpoint \"tls://www.example.go.jp:443\">\n",
        "    #    #TimeoutMs 5000\n",
        "    #    TimeoutMs 5\n    #</Owner>\n</Plugin>\n",
    };
    for (size_t i = 0; i < POSTURE_COUNT(in_sample); i++)
        if (!strstr(sample.data, in_sample[i]))
            fail_msg("'%s' is not in:\n%s", in_sample[i], sample.data);
    assert_non_null(strstr(markdown.data, "| `StartRate` | a number from 0.1 to 1000, a "
                                          "second | `20` | First round. |"));
    assert_non_null(strstr(markdown.data, "Prefixes \\| more."));
    assert_non_null(
        strstr(markdown.data, "| `TimeoutMs` | a whole number | must be set |"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parse_test),          cmocka_unit_test(refuse_test),
        cmocka_unit_test(encode_test),         cmocka_unit_test(encode_long_test),
        cmocka_unit_test(decode_refuses_test), cmocka_unit_test(memory_test),
        cmocka_unit_test(write_test),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
