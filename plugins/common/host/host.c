/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */

#include "common/host/host_internal.h"

#include "common/base/mem.h"
#include "common/base/options_internal.h"
#include "common/host/listen.h"

#include "plugin.h"

#include <dlfcn.h>
#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

/* collectd's callbacks carry no user data for config and init: one object per module. */
static struct posture_host *the_host;

static struct posture_host *host_free(struct posture_host *host)
{
    if (!host)
        return NULL;
    posture_settings_free(host->settings);
    posture_arena_free(host->arena);
    free(host->raw);
    posture_buf_done(&host->lines);
    free(host->worker_path);
    free(host->listener_path);
    posture_identities_done(&host->identities);
    if (host->wake_fd >= 0)
        posture_close(host->wake_fd);
    free(host);
    return NULL;
}

/* WorkerDir, or libexec/posture beside the lib/collectd that this module was loaded from,
 * or the one that it was built for. */
static char *worker_path_find(const struct posture_host *host)
{
    const struct posture_common_settings *common =
        posture_settings_plugin(host->settings);
    if (common->worker_dir)
        return posture_asprintf("%s/%s", common->worker_dir, host->plugin->worker);

    Dl_info info;
    char module[PATH_MAX];
    if (dladdr((void *)&the_host, &info) != 0 && info.dli_fname &&
        realpath(info.dli_fname, module)) {
        char *slash = strrchr(module, '/');
        if (slash)
            *slash = '\0';
        char *path =
            posture_asprintf("%s/../../libexec/posture/%s", module, host->plugin->worker);
        if (path && access(path, X_OK) == 0)
            return path;
        free(path);
    }
    return posture_asprintf("%s/%s", POSTURE_WORKER_DIR, host->plugin->worker);
}

static int user_find(struct posture_host *host, struct posture_error *reterr)
{
    const struct posture_common_settings *common =
        posture_settings_plugin(host->settings);
    if (geteuid() != 0) {
        WARNING(
            "%s: collectd is not root: the worker runs as the same user, not as \"%s\"",
            host->name, common->user);
        return 0;
    }
    POSTURE_TRY(
        posture_user_find(common->user, &host->spawn.uid, &host->spawn.gid, reterr));
    if (host->spawn.uid == 0)
        return posture_error_set(reterr, POSTURE_E_DENIED,
                                 "user \"%s\" is root; expected an unprivileged user",
                                 common->user);
    host->spawn.has_user = 1;
    return 0;
}

static int listener_open(struct posture_host *host, struct posture_error *reterr)
{
    if (!(host->plugin->flags & POSTURE_HOST_BINDS_SPOOL))
        return 0;
    const struct posture_common_settings *common =
        posture_settings_plugin(host->settings);
    host->listener_path = posture_strdup(common->spool_socket);
    if (!host->listener_path)
        return -ENOMEM;
    return posture_host_listen(host->listener_path, &host->listener, reterr);
}

static int thread_start(struct posture_host *host)
{
    /* collectd's signals are for its main thread, which sleeps until one comes. */
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int e = plugin_thread_create(&host->thread, posture_host_thread, host, "posture");
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    host->has_thread = e == 0;
    return e == 0 ? 0 : -EAGAIN;
}

static int host_start(struct posture_host *host, struct posture_error *reterr)
{
    host->spawn.stdout_fd = host->spawn.stderr_fd = -1;
    POSTURE_TRY(user_find(host, reterr));
    host->worker_path = worker_path_find(host);
    if (!host->worker_path)
        return -ENOMEM;
    host->spawn.path = host->worker_path;
    host->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (host->wake_fd < 0)
        return posture_error_set(reterr, -errno, "eventfd: %s", strerror(errno));
    POSTURE_TRY(listener_open(host, reterr));
    POSTURE_TRY(posture_host_worker_start(host, reterr));
    return thread_start(host);
}

static void host_stop(struct posture_host *host)
{
    if (host->has_thread) {
        atomic_store(&host->is_stopping, true);
        uint64_t one = 1;
        ssize_t n = write(host->wake_fd, &one, sizeof(one));
        (void)n; /* an eventfd that is not full takes it */
        pthread_join(host->thread, NULL);
        host->has_thread = false;
    } else if (host->worker.child.socket >= 0) {
        (void)posture_child_signal(&host->worker.child, SIGKILL);
        (void)posture_child_wait(&host->worker.child, 1000, NULL);
        posture_child_done(&host->worker.child);
    }
    posture_line_reader_done(&host->worker.reader);
    posture_buf_done(&host->worker.out);
    posture_host_listen_done(host->listener, host->listener_path);
    host->listener = -1;
}

static int host_config(oconfig_item_t *ci)
{
    return posture_host_config(the_host, ci);
}

static int host_read(void)
{
    const struct host_counters *counters = &the_host->counters;
    if (!the_host->has_thread)
        return 0; /* no block */
    posture_host_stat(the_host, "derive", "worker_restarts",
                      (double)atomic_load(&counters->restarts));
    posture_host_stat(the_host, "derive", "worker_refused_lines",
                      (double)atomic_load(&counters->refused_lines));
    posture_host_stat(the_host, "derive", "worker_dropped_values",
                      (double)atomic_load(&counters->dropped_values));
    posture_host_stat(the_host, "gauge", "worker_up",
                      atomic_load(&counters->is_up) ? 1 : 0);
    return 0;
}

static int host_init(void)
{
    struct posture_host *host = the_host;
    if (!host->has_block || host->has_thread)
        return 0;
    if (host->is_bad)
        return -1; /* config has said why */
    struct posture_error error = {0};
    int r = host_start(host, &error);
    if (r < 0) {
        ERROR("%s: %s", host->name, error.text[0] ? error.text : posture_strerror(r));
        host_stop(host);
        return -1;
    }
    return 0;
}

static int host_shutdown(void)
{
    if (!the_host)
        return 0;
    host_stop(the_host);
    the_host = host_free(the_host);
    return 0;
}

void posture_host_register(const struct posture_host_plugin *plugin)
{
    struct posture_host *host = posture_calloc(1, sizeof(*host));
    if (!host) {
        ERROR("%s: out of memory", plugin->options->plugin);
        return;
    }
    host->plugin = plugin;
    host->name = plugin->options->plugin;
    host->listener = host->wake_fd = -1;
    host->worker.child = (struct posture_child){.socket = -1, .pidfd = -1};
    the_host = host;
    if (plugin_register_complex_config(host->name, host_config) != 0 ||
        plugin_register_init(host->name, host_init) != 0 ||
        plugin_register_read(host->name, host_read) != 0 ||
        plugin_register_shutdown(host->name, host_shutdown) != 0) {
        ERROR("%s: collectd did not take the callbacks", host->name);
        plugin_unregister_complex_config(host->name);
        plugin_unregister_init(host->name);
        plugin_unregister_read(host->name);
        plugin_unregister_shutdown(host->name);
        the_host = host_free(host);
    }
}
