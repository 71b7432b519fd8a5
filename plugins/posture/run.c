/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#include "posture/run.h"

#include "common/base/lines.h"
#include "common/base/spawn.h"
#include "common/report/subject.h"
#include "posture/commands.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { ITEMS_MAX = 16, END_WAIT_MS = 10000 };

/* One block's options while they are put together. */
struct items {
    struct posture_item items[ITEMS_MAX];
    char *values[ITEMS_MAX];
    size_t count;
};

static void item_add(struct items *items, const char *name, const char *value)
{
    if (!value || items->count == ITEMS_MAX)
        return;
    size_t i = items->count++;
    items->values[i] = (char *)(uintptr_t)value;
    items->items[i] = (struct posture_item){
        .name = (char *)(uintptr_t)name, .values = &items->values[i], .value_count = 1};
}

/* Paths that the worker reads must mean the same in its place. Owner: caller. */
static int path_absolute(const char *path, char **ret, struct posture_error *reterr)
{
    *ret = realpath(path, NULL);
    if (*ret)
        return 0;
    int r = -errno;
    return posture_error_set(reterr, r, "%s: %s", path, strerror(-r));
}

/* What owns the strings of the plugin level. */
struct level {
    struct items items;
    struct posture_item *all; /* items, and one for each Allow */
    char **allow_values;
    size_t count;
    char *data_dir, *trust_store, *crl_file;
};

static void level_done(struct level *level)
{
    free(level->all);
    free(level->allow_values);
    free(level->data_dir);
    free(level->trust_store);
    free(level->crl_file);
}

static int level_make(const struct arguments *arguments, struct level *level,
                      struct posture_error *reterr)
{
    const char *store = arguments->trust_store;
    const char *profile = arguments->profiles[0];
    if (arguments->data_dir)
        POSTURE_TRY(path_absolute(arguments->data_dir, &level->data_dir, reterr));
    if (store && strcmp(store, "system") != 0 && strcmp(store, "none") != 0) {
        POSTURE_TRY(path_absolute(store, &level->trust_store, reterr));
        store = level->trust_store;
    }
    if (arguments->crl_file)
        POSTURE_TRY(path_absolute(arguments->crl_file, &level->crl_file, reterr));
    /* The program judges again by itself; its file need not be readable for the worker.
     */
    if (strchr(profile, '/'))
        profile = NULL;
    static char reporter[HOST_NAME_MAX + 1];
    if (gethostname(reporter, sizeof(reporter)) < 0 || !reporter[0])
        snprintf(reporter, sizeof(reporter), "localhost");
    reporter[sizeof(reporter) - 1] = '\0';

    item_add(&level->items, "Profile", profile);
    item_add(&level->items, "Agency", arguments->agency);
    item_add(&level->items, "Reporter", reporter);
    item_add(&level->items, "TrustStore", store);
    item_add(&level->items, "CrlFile", level->crl_file);
    item_add(&level->items, "TimeoutMs", arguments->timeout_ms);
    item_add(&level->items, "DeadlineMs", arguments->deadline_ms);
    item_add(&level->items, "StartRate", arguments->start_rate);
    item_add(&level->items, "DataDir", level->data_dir);

    level->count = level->items.count + arguments->allow.count;
    level->all = posture_calloc(level->count, sizeof(*level->all));
    level->allow_values = posture_calloc(arguments->allow.count + 1, sizeof(char *));
    if (!level->all || !level->allow_values)
        return -ENOMEM;
    memcpy(level->all, level->items.items, level->items.count * sizeof(*level->all));
    for (size_t i = 0; i < arguments->allow.count; i++) {
        level->allow_values[i] = (char *)(uintptr_t)arguments->allow.items[i];
        level->all[level->items.count + i] = (struct posture_item){
            .name = (char *)(uintptr_t) "Allow",
            .values = &level->allow_values[i],
            .value_count = 1,
        };
    }
    return 0;
}

/* What one target has of its own, for as long as the settings are put together. */
struct own_options {
    char *text;
    struct posture_item *items;
    char **values;
};

static void own_done(struct own_options *own, size_t count)
{
    for (size_t i = 0; own && i < count; i++) {
        free(own[i].text);
        free(own[i].items);
        free(own[i].values);
    }
    free(own);
}

/* One invocation may name several kinds of one worker. */
static const struct kind *kind_of(const struct kind *first, const char *subject)
{
    char scheme[16];
    snprintf(scheme, sizeof(scheme), "%.*s", (int)strcspn(subject, ":"), subject);
    if (posture_subject_fits_kind(scheme, first->name))
        return first;
    const struct kind *kind = kind_find(posture_subject_kind(scheme));
    return kind && strcmp(kind->worker, first->worker) == 0 ? kind : NULL;
}

const char *kind_of_subject(const struct kind *first, const char *subject)
{
    const struct kind *kind = kind_of(first, subject);
    return kind ? kind->name : NULL;
}

/* The words "Name=value" of a target's line, added to what all targets have. */
static int own_items(const char *options, struct posture_raw_block *block,
                     struct own_options *own, struct posture_error *reterr)
{
    own->text = posture_strdup(options);
    size_t words = 1;
    for (const char *p = options; *p; p++)
        words += *p == ' ' || *p == '\t';
    own->items = posture_calloc(block->count + words, sizeof(*own->items));
    own->values = posture_calloc(words, sizeof(*own->values));
    if (!own->text || !own->items || !own->values)
        return -ENOMEM;
    if (block->count > 0)
        memcpy(own->items, block->items, block->count * sizeof(*own->items));
    block->items = own->items;
    char *rest = NULL;
    size_t at = 0;
    for (char *word = strtok_r(own->text, " \t", &rest); word;
         word = strtok_r(NULL, " \t", &rest), at++) {
        char *equals = strchr(word, '=');
        if (!equals || equals == word)
            return posture_error_set(
                reterr, POSTURE_E_OPTION,
                "%s: \"%s\": expected Name=value, such as EndOfLife=2032-03-31",
                block->argument ? block->argument : "host", word);
        *equals = '\0';
        own->values[at] = equals + 1;
        size_t place = 0; /* its own word wins over what is for all */
        while (place < block->count && strcasecmp(own->items[place].name, word) != 0)
            place++;
        own->items[place] = (struct posture_item){
            .name = word, .values = &own->values[at], .value_count = 1};
        block->count += place == block->count;
    }
    return 0;
}

/* Options of all targets' blocks. */
struct blocks {
    struct items endpoint, host;
};

static int block_make(const struct kind *kind, const char *subject,
                      const struct blocks *blocks, struct posture_raw_block *ret,
                      struct posture_error *reterr)
{
    if (!kind)
        return posture_error_set(reterr, POSTURE_E_OPTION,
                                 "'%s': another worker's than the targets before it",
                                 subject);
    const struct items *items = kind->is_within ? &blocks->host : &blocks->endpoint;
    *ret = (struct posture_raw_block){
        .name = kind->block,
        .argument = kind->is_within ? strstr(subject, "://") + 3 : subject,
        .items = items->items,
        .count = items->count,
    };
    return 0;
}

/* The lines that a host would send. */
static int settings_encode(const struct kind *kind, const struct arguments *arguments,
                           const struct string_list *subjects,
                           const struct string_list *options, struct posture_buf *out,
                           struct posture_error *reterr)
{
    struct level level = {0};
    struct blocks blocks = {0};
    item_add(&blocks.endpoint, "EndOfLife", arguments->end_of_life);
    item_add(&blocks.endpoint, "ServerName", arguments->server_name);
    item_add(&blocks.host, "Root", arguments->root);
    item_add(&blocks.host, "EndOfLife", arguments->end_of_life);
    POSTURE_AUTO_FREE char *memory =
        posture_calloc(subjects->count + 1, sizeof(struct posture_raw_block));
    struct posture_raw_block *raw = (struct posture_raw_block *)(void *)memory;
    struct own_options *own = posture_calloc(subjects->count + 1, sizeof(*own));
    if (!raw || !own) {
        free(own);
        return -ENOMEM;
    }
    int r = level_make(arguments, &level, reterr);
    if (r == 0) {
        raw[0] = (struct posture_raw_block){.items = level.all, .count = level.count};
        for (size_t i = 0; r == 0 && i < subjects->count; i++) {
            r = block_make(kind_of(kind, subjects->items[i]), subjects->items[i], &blocks,
                           &raw[i + 1], reterr);
            if (r == 0 && options->items[i])
                r = own_items(options->items[i], &raw[i + 1], &own[i], reterr);
        }
    }
    if (r == 0) {
        POSTURE_AUTO(posture_settings_free) struct posture_settings *settings = NULL;
        r = posture_settings_parse(kind->options, raw, subjects->count + 1, &settings,
                                   reterr);
        if (r == 0)
            r = posture_settings_encode(settings, out);
    }
    level_done(&level);
    own_done(own, subjects->count);
    return r;
}

/* Installed beside the program, or in the tree that it was built in. Owner: caller. */
static int worker_path(const struct kind *kind, const char *worker_dir, char **ret_path,
                       struct posture_error *reterr)
{
    char dir[PATH_MAX];
    ssize_t n = readlink("/proc/self/exe", dir, sizeof(dir) - 1);
    dir[n < 0 ? 0 : n] = '\0';
    char *slash = strrchr(dir, '/');
    if (slash)
        *slash = '\0';
    char *paths[3] = {
        worker_dir ? posture_asprintf("%s/%s", worker_dir, kind->worker) : NULL,
        worker_dir ? NULL
                   : posture_asprintf("%s/../libexec/posture/%s", dir, kind->worker),
        worker_dir ? NULL
                   : posture_asprintf("%s/../%s/%s", dir, kind->folder, kind->worker),
    };
    for (size_t i = 0; i < POSTURE_COUNT(paths); i++) {
        if (!*ret_path && paths[i] && access(paths[i], X_OK) == 0)
            *ret_path = realpath(paths[i], NULL);
    }
    int r = 0;
    if (!*ret_path)
        r = posture_error_set(reterr, POSTURE_E_MISSING,
                              "worker %s is not installed (tried %s%s%s)", kind->worker,
                              worker_dir ? paths[0] : paths[1], worker_dir ? "" : " and ",
                              worker_dir ? "" : paths[2]);
    for (size_t i = 0; i < POSTURE_COUNT(paths); i++)
        free(paths[i]);
    return r;
}

/* Root gives its rights away: as under collectd, but for machines without the user. */
static int user_choose(const char *name, struct posture_spawn *spawn,
                       struct posture_error *reterr)
{
    if (geteuid() != 0)
        return 0;
    spawn->has_user = 1;
    if (name)
        return posture_user_find(name, &spawn->uid, &spawn->gid, reterr);
    if (posture_user_find("posture", &spawn->uid, &spawn->gid, NULL) == 0)
        return 0;
    return posture_user_find("nobody", &spawn->uid, &spawn->gid, reterr);
}

static int settings_send(int socket, const struct posture_buf *settings)
{
    for (size_t sent = 0; sent < settings->len;) {
        struct pollfd poll_fd = {.fd = socket, .events = POLLOUT};
        ssize_t n =
            send(socket, settings->data + sent, settings->len - sent, MSG_NOSIGNAL);
        if (n > 0)
            sent += (size_t)n;
        else if (errno == EAGAIN && poll(&poll_fd, 1, -1) < 0 && errno != EINTR)
            return -errno;
        else if (errno != EAGAIN && errno != EINTR)
            return -errno;
    }
    return 0;
}

struct conversation {
    struct posture_child child;
    int reports; /* the worker's standard output */
    struct posture_line_reader said;
    struct ndjson lines;
    ndjson_fn *fn;
    void *data;
    struct run_result *result;
};

static int said_read(struct conversation *talk)
{
    char bytes[16384];
    ssize_t n = recv(talk->child.socket, bytes, sizeof(bytes), MSG_DONTWAIT);
    if (n < 0)
        return errno == EAGAIN || errno == EINTR ? 1 : 0; /* reset: it has ended */
    if (n == 0)
        return 0;
    POSTURE_TRY(posture_line_reader_feed(&talk->said, bytes, (size_t)n));
    char *line;
    size_t len;
    int r;
    while ((r = posture_line_reader_next(&talk->said, &line, &len)) > 0) {
        const char *fields[8];
        size_t count = 0;
        if (posture_line_split(line, len, fields, POSTURE_COUNT(fields), &count) < 0)
            continue; /* values of a worker that has many: not for us */
        if (count >= 2 && strcmp(fields[0], "refused") == 0) {
            talk->result->is_refused = true;
            complain("%s", fields[1]);
        } else if (count >= 3 && strcmp(fields[0], "log") == 0) {
            complain("%s", fields[2]);
        }
    }
    return r < 0 ? r : 1;
}

static int reports_read(struct conversation *talk)
{
    static char bytes[65536];
    ssize_t n = read(talk->reports, bytes, sizeof(bytes));
    if (n < 0)
        return errno == EINTR ? 1 : -errno;
    if (n == 0) {
        POSTURE_TRY(ndjson_end(&talk->lines, talk->fn, talk->data));
        return 0;
    }
    POSTURE_TRY(ndjson_feed(&talk->lines, bytes, (size_t)n, talk->fn, talk->data));
    return 1;
}

static int talk_until_end(struct conversation *talk)
{
    struct pollfd fds[2] = {
        {.fd = talk->reports, .events = POLLIN},
        {.fd = talk->child.socket, .events = POLLIN},
    };
    while (fds[0].fd >= 0) {
        if (poll(fds, POSTURE_COUNT(fds), -1) < 0) {
            if (errno == EINTR)
                continue;
            return -errno;
        }
        int r;
        if (fds[1].revents) {
            r = said_read(talk);
            if (r < 0)
                return r;
            if (r == 0)
                fds[1].fd = -1;
        }
        if (fds[0].revents) {
            r = reports_read(talk);
            if (r < 0)
                return r;
            if (r == 0)
                fds[0].fd = -1;
        }
    }
    /* Its last words may come after its last report. */
    while (fds[1].fd >= 0 && poll(&fds[1], 1, END_WAIT_MS) > 0 && said_read(talk) > 0)
        ;
    return 0;
}

int run_worker(const struct kind *kind, const struct arguments *arguments,
               const struct string_list *subjects, const struct string_list *options,
               ndjson_fn *fn, void *data, struct run_result *ret,
               struct posture_error *reterr)
{
    POSTURE_AUTO_BUF struct posture_buf settings = {0};
    POSTURE_AUTO_FREE char *path = NULL;
    static const char *const args[] = {"--once", NULL};
    struct posture_spawn spawn = {.args = args, .stderr_fd = STDERR_FILENO};
    *ret = (struct run_result){0};
    POSTURE_TRY(settings_encode(kind, arguments, subjects, options, &settings, reterr));
    POSTURE_TRY(worker_path(kind, arguments->worker_dir, &path, reterr));
    POSTURE_TRY(user_choose(arguments->user, &spawn, reterr));

    int pipe_fds[2];
    if (pipe2(pipe_fds, O_CLOEXEC) < 0)
        return -errno;
    struct conversation talk = {
        .reports = pipe_fds[0], .fn = fn, .data = data, .result = ret};
    spawn.path = path;
    spawn.stdout_fd = pipe_fds[1];
    int r = posture_spawn(&spawn, &talk.child, reterr);
    close(pipe_fds[1]);
    if (r < 0) {
        close(pipe_fds[0]);
        return r;
    }
    posture_line_reader_init(&talk.said);
    ndjson_init(&talk.lines);
    r = settings_send(talk.child.socket, &settings);
    /* A worker that ended at once has said why; that is better than our broken pipe. */
    int ended = talk_until_end(&talk);
    r = ended < 0 ? ended : r == -EPIPE || r == -ECONNRESET ? 0 : r;
    close(pipe_fds[0]);
    if (posture_child_wait(&talk.child, END_WAIT_MS, &ret->exit_status) < 0)
        ret->exit_status = POSTURE_CHILD_STATUS_UNKNOWN;
    posture_child_done(&talk.child);
    posture_line_reader_done(&talk.said);
    ndjson_done(&talk.lines);
    return r;
}
