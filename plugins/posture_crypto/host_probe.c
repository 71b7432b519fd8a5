/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#include "posture_crypto/host_facts.h"
#include "posture_crypto/host_software.h"
#include "posture_crypto/measure.h"
#include "posture_crypto/options.h"
#include "posture_crypto/host_checks.h"

#include "common/base/clock.h"
#include "common/base/mem.h"
#include "common/net/sandbox.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

/* Kind host of the worker: asks for what only root can see, then reads files in a thread
 * of libuv's pool, so that a slow disk holds no probe of the other kinds. */

enum { HELPED_MAX = 1024 * 1024 };

static const char *const helper_names[HOST_HELPER_COUNT] = {
    [HOST_HELPER_SSHD] = "sshd",
    [HOST_HELPER_DM_TABLE] = "dm-table",
};

/* Beyond what every worker may read. */
static const char *const system_folders[] = {"/proc", "/sys", "/run", "/var", "/boot"};

struct host_run;

/* A question to the host process; it may be answered when the run is long over. */
struct ask {
    struct ask *next;
    struct host_run *run; /* NULL: nobody waits any more */
    enum host_helper helper;
    bool is_answered;
};

struct host_shared {
    struct posture_worker *runtime;
    const struct posture_crypto_settings *settings;
    struct ask *asks;
    struct host_tables tables;
};

struct host_run {
    struct host_shared *shared;
    uv_work_t work;
    uv_timer_t deadline;
    bool has_timer;  /* not yet closed */
    bool is_working; /* in the pool */
    bool is_cancelled;
    unsigned waiting; /* helpers that have not answered */
    struct host_input input;
    char name[256];
    json_t *facts;
    posture_crypto_measured_cb *done;
    void *data;
};

static void run_free(struct host_run *run)
{
    if (run->has_timer || run->is_working)
        return;
    for (size_t i = 0; i < HOST_HELPER_COUNT; i++)
        free(run->input.helped[i].bytes);
    if (run->input.root.fd >= 0)
        host_root_done(&run->input.root);
    json_decref(run->facts);
    free(run);
}

static void timer_closed(uv_handle_t *handle)
{
    struct host_run *run = handle->data;
    run->has_timer = false;
    run_free(run);
}

/* What is still asked is answered into the void. */
static void run_leave(struct host_run *run)
{
    for (struct ask *ask = run->shared->asks; ask; ask = ask->next) {
        if (ask->run == run)
            ask->run = NULL;
    }
    if (!uv_is_closing((uv_handle_t *)&run->deadline))
        uv_close((uv_handle_t *)&run->deadline, timer_closed);
}

static void files_read(uv_work_t *work)
{
    struct host_run *run = work->data;
    run->facts = host_facts_measure(run->name, &run->input);
}

static void files_were_read(uv_work_t *work, int status)
{
    (void)status;
    struct host_run *run = work->data;
    run->is_working = false;
    if (!run->is_cancelled)
        run->done(run->data, POSTURE_TAKE(run->facts));
    run_free(run);
}

/* All that root was asked for is here, or will not come. */
static void run_read(struct host_run *run)
{
    run_leave(run);
    run->input.now_ns = posture_now_ns();
    run->is_working = true;
    if (uv_queue_work(run->work.loop, &run->work, files_read, files_were_read) == 0)
        return;
    run->is_working = false;
    if (!run->is_cancelled)
        run->done(run->data, NULL);
}

static void helper_answered(struct posture_worker *runtime, int fd, void *data)
{
    (void)runtime;
    struct ask *ask = data;
    struct host_run *run = ask->run;
    ask->is_answered = true;
    ask->run = NULL;
    if (!run) {
        posture_close(fd);
        return;
    }
    struct host_helped *helped = &run->input.helped[ask->helper];
    helped->error =
        fd < 0 ? fd
               : posture_worker_read_all(fd, HELPED_MAX, &helped->bytes, &helped->len);
    posture_close(fd);
    if (--run->waiting == 0)
        run_read(run);
}

static void deadline_passed(uv_timer_t *timer)
{
    run_read(timer->data);
}

static void asks_forget(struct host_shared *shared, bool is_end)
{
    for (struct ask **at = &shared->asks; *at;) {
        struct ask *ask = *at;
        if (ask->is_answered || is_end) {
            *at = ask->next;
            free(ask);
        } else {
            at = &ask->next;
        }
    }
}

/* Once mode has no host process to ask; a tree of files has nothing running. */
static int helpers_ask(struct host_run *run)
{
    struct host_shared *shared = run->shared;
    asks_forget(shared, false);
    for (int i = 0; i < HOST_HELPER_COUNT; i++) {
        struct host_helped *helped = &run->input.helped[i];
        helped->error = !run->input.root.is_system                ? -EXDEV
                        : posture_worker_is_once(shared->runtime) ? POSTURE_E_DENIED
                                                                  : POSTURE_E_DEADLINE;
        if (helped->error != POSTURE_E_DEADLINE)
            continue;
        struct ask *ask = posture_calloc(1, sizeof(*ask));
        if (!ask)
            return -ENOMEM;
        *ask =
            (struct ask){.next = shared->asks, .run = run, .helper = (enum host_helper)i};
        shared->asks = ask;
        int r =
            posture_worker_open(shared->runtime, helper_names[i], helper_answered, ask);
        if (r < 0) {
            ask->run = NULL;
            ask->is_answered = true;
            helped->error = r;
            continue;
        }
        run->waiting++;
    }
    return 0;
}

static int host_start(void *shared, uv_loop_t *loop,
                      const struct posture_subject *subject, const void *values,
                      posture_crypto_measured_cb *done, void *data, void **ret)
{
    struct host_shared *host = shared;
    const struct posture_crypto_host *block = values;
    struct host_run *run = posture_calloc(1, sizeof(*run));
    if (!run)
        return -ENOMEM;
    *run = (struct host_run){
        .shared = host, .input.root.fd = -1, .done = done, .data = data};
    run->input.tables = &host->tables;
    run->input.stamps = block->backup_stamps.items;
    run->input.stamp_count = block->backup_stamps.count;
    memcpy(run->name, subject->host, strlen(subject->host) + 1);
    int r = host_root_open(block->root, &run->input.root, NULL);
    if (r == 0)
        r = uv_timer_init(loop, &run->deadline);
    if (r < 0) {
        run_free(run);
        return r;
    }
    run->deadline.data = run->work.data = run;
    run->work.loop = loop;
    run->has_timer = true;
    r = helpers_ask(run);
    if (r == 0 && run->waiting > 0)
        r = uv_timer_start(&run->deadline, deadline_passed, host->settings->deadline_ms,
                           0);
    if (r < 0) {
        run_leave(run);
        return r;
    }
    *ret = run;
    if (run->waiting > 0)
        return 0;
    run_leave(run);
    run->input.now_ns = posture_now_ns();
    run->is_working = true;
    r = uv_queue_work(loop, &run->work, files_read, files_were_read);
    run->is_working = r == 0;
    return r;
}

static void host_cancel(void *data)
{
    struct host_run *run = data;
    run->is_cancelled = true;
    if (run->is_working)
        (void)uv_cancel((uv_req_t *)&run->work);
    else
        run_leave(run);
}

/* The folder that a stamp is in; the stamp itself may come later. */
static int stamp_allow(const struct posture_crypto_host *block, const char *stamp)
{
    POSTURE_AUTO_FREE char *path =
        posture_asprintf("%s%s", strcmp(block->root, "/") == 0 ? "" : block->root, stamp);
    if (!path)
        return -ENOMEM;
    char *slash = strrchr(path, '/');
    if (slash == path)
        return 0; /* not the whole system for a file of its root */
    *slash = '\0';
    return access(path, F_OK) == 0 ? posture_sandbox_allow_read(path) : 0;
}

static int setup(struct posture_worker *runtime,
                 const struct posture_crypto_common *common, void **ret,
                 struct posture_error *reterr)
{
    (void)common;
    struct host_shared *shared = posture_calloc(1, sizeof(*shared));
    if (!shared)
        return -ENOMEM;
    const struct posture_settings *settings = posture_worker_settings(runtime);
    shared->runtime = runtime;
    shared->settings = posture_settings_plugin(settings);
    int r = 0;
    for (size_t i = 1; r == 0 && i < settings->count; i++) {
        if (strcmp(settings->blocks[i].type->name, posture_crypto_measure_host.block) !=
            0)
            continue;
        const struct posture_crypto_host *block = settings->blocks[i].values;
        struct host_root root;
        struct posture_error error = {0};
        r = host_root_open(block->root, &root, &error);
        if (r < 0) {
            (void)posture_error_set(reterr, r, "block Host: option Root %s", error.text);
            break;
        }
        if (!root.is_system)
            r = posture_sandbox_allow_read(block->root);
        for (size_t k = 0; r == 0 && root.is_system && k < POSTURE_COUNT(system_folders);
             k++)
            r = access(system_folders[k], F_OK) == 0
                    ? posture_sandbox_allow_read(system_folders[k])
                    : 0;
        for (size_t k = 0; r == 0 && k < block->backup_stamps.count; k++)
            r = stamp_allow(block, block->backup_stamps.items[k]);
        host_root_done(&root);
    }
    if (r == 0)
        r = host_tables_load(shared->settings->common.data_dir, &shared->tables, reterr);
    if (r < 0) {
        free(shared);
        return r;
    }
    *ret = shared;
    return 0;
}

static void teardown(void *data)
{
    struct host_shared *shared = data;
    asks_forget(shared, true);
    host_tables_done(&shared->tables);
    free(shared);
}

static json_t *facts_none(const struct posture_subject *subject)
{
    json_auto_t *facts = json_pack("{s:s}", "name", subject->host);
    if (!facts || host_missing(facts, "facts", -EIO, NULL) < 0)
        return NULL;
    return json_incref(facts);
}

static bool is_failure(const json_t *facts)
{
    return !json_is_object(json_object_get(facts, "os"));
}

/* The longest list of the whole goes. */
static bool shrink(json_t *facts)
{
    json_t *longest_in = NULL;
    const char *longest = NULL;
    size_t most = 8;
    const char *topic;
    json_t *object;
    json_object_foreach (facts, topic, object) {
        const char *key;
        json_t *list;
        json_object_foreach (object, key, list) {
            if (!json_is_array(list) || json_array_size(list) <= most)
                continue;
            most = json_array_size(list);
            longest_in = object;
            longest = key;
        }
    }
    if (!longest_in)
        return false;
    json_t *list = json_object_get(longest_in, longest);
    while (json_array_size(list) > most / 2) {
        if (json_array_remove(list, json_array_size(list) - 1) < 0)
            return false;
    }
    return json_object_set_new(longest_in, "truncated", json_true()) == 0;
}

const struct posture_crypto_measure posture_crypto_measure_host = {
    .kind = "host",
    .block = "Host",
    .checks = &posture_host_checks,
    .setup = setup,
    .teardown = teardown,
    .start = host_start,
    .cancel = host_cancel,
    .facts_none = facts_none,
    .is_failure = is_failure,
    .shrink = shrink,
};
