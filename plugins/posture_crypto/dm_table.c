/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */

/*
 * posture-dm-table: the root helper that says which cipher and key size the crypt targets
 * of the device mapper have (host_dm.h). Run by common/host for worker posture-crypto;
 * takes no argument, reads no input, and writes no key.
 */

#include "common/base/mem.h"
#include "posture_crypto/host_dm.h"

#include <libdevmapper.h>

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <unistd.h>

enum { DEVICES_MAX = 4096, OUTPUT_MAX = 200 * 1024 };

/* The library's own words may hold parameters: only ours go out. */
static void log_nothing(int level, const char *file, int line, int errno_or_class,
                        const char *format, ...)
{
    (void)level;
    (void)file;
    (void)line;
    (void)errno_or_class;
    (void)format;
}

static int crypts_add(struct dm_task *task, struct posture_buf *out)
{
    struct dm_info info;
    if (!dm_task_get_info(task, &info) || !info.exists)
        return 0; /* gone meanwhile */
    void *next = NULL;
    do {
        uint64_t start, length;
        char *type = NULL, *params = NULL;
        next = dm_get_next_target(task, next, &start, &length, &type, &params);
        struct host_dm_crypt crypt = {.major = info.major, .minor = info.minor};
        if (!type || strcmp(type, "crypt") != 0 || !params)
            continue;
        int r = host_dm_params_read(params, &crypt);
        explicit_bzero(params, strlen(params));
        if (r < 0)
            snprintf(crypt.cipher, sizeof(crypt.cipher), "unknown");
        host_dm_line_write(out, &crypt);
    } while (next);
    return 0;
}

static int device_read(const char *name, struct posture_buf *out)
{
    struct dm_task *task = dm_task_create(DM_DEVICE_TABLE);
    if (!task)
        return -1;
    int r = dm_task_set_name(task, name) && dm_task_secure_data(task) &&
                    dm_task_no_open_count(task) && dm_task_run(task)
                ? crypts_add(task, out)
                : -1;
    dm_task_destroy(task);
    return r;
}

static int devices_read(struct posture_buf *out)
{
    struct dm_task *task = dm_task_create(DM_DEVICE_LIST);
    if (!task)
        return -1;
    int r = dm_task_run(task) ? 0 : -1;
    struct dm_names *names = r == 0 ? dm_task_get_names(task) : NULL;
    for (int i = 0; names && names->dev && i < DEVICES_MAX; i++) {
        (void)device_read(names->name, out);
        if (names->next == 0)
            break;
        names = (struct dm_names *)(void *)((char *)names + names->next);
    }
    dm_task_destroy(task);
    return r;
}

int main(void)
{
    POSTURE_AUTO_BUF struct posture_buf out = {0};
    posture_buf_init(&out, OUTPUT_MAX);
    dm_log_with_errno_init(log_nothing);
    /* Never made by us: the library would. */
    if (access("/sys/class/misc/device-mapper", F_OK) == 0) {
        if (access("/dev/mapper/control", F_OK) < 0) {
            fputs("/dev/mapper/control is not there\n", stderr);
            return 1;
        }
        if (devices_read(&out) < 0) {
            fputs("the device mapper gives no list of devices\n", stderr);
            return 1;
        }
    }
    posture_buf_adds(&out, "end\n");
    if (posture_buf_error(&out) < 0)
        return 1;
    return fwrite(out.data, 1, out.len, stdout) == out.len && fflush(stdout) == 0 ? 0 : 1;
}
