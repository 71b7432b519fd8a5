/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */

#include "common/host/host_internal.h"

#include "common/base/mem.h"
#include "common/base/parse.h"
#include "common/host/open.h"
#ifdef POSTURE_HAVE_SPOOL_CONNECT
#include "common/spool/connect.h"
#endif

#include "plugin.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

static int spool_connect(struct posture_host *host, int *ret_fd)
{
#ifdef POSTURE_HAVE_SPOOL_CONNECT
    /* No log line: the worker asks again with growing pauses, and says so itself. */
    const struct posture_common_settings *common =
        posture_settings_plugin(host->settings);
    return posture_spool_connect(common->spool_socket, host->name, ret_fd, NULL);
#else
    (void)host;
    (void)ret_fd;
    return -ENOTSUP;
#endif
}

static int listener_copy(const struct posture_host *host, int *ret_fd)
{
    if (host->listener < 0)
        return POSTURE_E_DENIED;
    int fd = fcntl(host->listener, F_DUPFD_CLOEXEC, 3);
    if (fd < 0)
        return -errno;
    *ret_fd = fd;
    return 0;
}

static int file_open(struct posture_host *host, const char *what, int *ret_fd)
{
    uint32_t index;
    bool is_secret = false;
    if (strlen(what) > 10 || posture_parse_u32(what, 1, UINT32_MAX, &index) < 0)
        return POSTURE_E_PROTOCOL;
    const char *path = posture_settings_file(host->settings, index, &is_secret);
    if (!path)
        return POSTURE_E_PROTOCOL;
    struct posture_error error = {0};
    int r = posture_host_open(path, is_secret, ret_fd, &error);
    if (r < 0)
        posture_host_log(host, LOG_WARNING, error.text);
    return r;
}

static void answer_add(struct posture_host *host, const char *what, int r, int fd)
{
    struct host_worker *worker = &host->worker;
    struct host_answer *answer = &worker->answers[worker->answer_count++];
    answer->fd = r == 0 ? fd : -1;
    answer->len = (size_t)snprintf(answer->line, sizeof(answer->line), "fd\t%s\t%d\n",
                                   what, r < 0 ? r : 0);
}

/* The same trouble every hour is one line. */
static void helper_complain(struct posture_host *host, struct posture_helper *helper,
                            const char *text)
{
    if (!text[0] || strncmp(helper->said, text, sizeof(helper->said) - 1) == 0)
        return;
    snprintf(helper->said, sizeof(helper->said), "%s", text);
    posture_host_log(host, LOG_NOTICE, text);
}

/* 1: it runs, its answer comes later. */
static int helper_start(struct posture_host *host, int number)
{
    if (!(host->plugin->flags & POSTURE_HOST_HAS_HELPERS))
        return POSTURE_E_PROTOCOL;
    struct posture_error error = {0};
    struct posture_helper *helper = &host->worker.helpers[number];
    int r = posture_helper_start(helper, number, host->worker_path, &error);
    if (r < 0 && r != -ENOENT)
        helper_complain(host, helper, error.text);
    return r < 0 ? r : 1;
}

void posture_host_helpers_answer(struct posture_host *host)
{
    struct host_worker *worker = &host->worker;
    for (int i = 0; i < POSTURE_HELPERS; i++) {
        struct posture_helper *helper = &worker->helpers[i];
        if (!posture_helper_is_running(helper) ||
            worker->answer_count == HOST_ANSWERS_MAX)
            continue;
        struct posture_error error = {0};
        int fd = -1;
        int r = posture_helper_poll(helper, i, &fd, &error);
        if (r > 0)
            continue;
        if (r < 0)
            helper_complain(host, helper, error.text);
        answer_add(host, posture_helper_name(i), r, fd);
    }
}

int posture_host_open_request(struct posture_host *host, const char *what)
{
    struct host_worker *worker = &host->worker;
    if (worker->answer_count == HOST_ANSWERS_MAX)
        return POSTURE_E_CLOSED;

    int fd = -1;
    int r;
    if (strcmp(what, "spool") == 0)
        r = spool_connect(host, &fd);
    else if (strcmp(what, "listen") == 0)
        r = listener_copy(host, &fd);
    else if (posture_helper_find(what) >= 0)
        r = helper_start(host, posture_helper_find(what));
    else
        r = file_open(host, what, &fd);
    if (r == POSTURE_E_PROTOCOL)
        return r;
    if (r <= 0)
        answer_add(host, what, r, fd);
    return 0;
}
