/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */

#include "common/base/buf.h"
#include "common/base/mem.h"
#include "common/base/spawn.h"

#include <errno.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

/* The folder of the running program, without a slash at the end. */
static int program_dir(char *buf, size_t size)
{
    ssize_t n = readlink("/proc/self/exe", buf, size - 1);
    if (n < 0)
        return -errno;
    buf[n] = '\0';
    char *slash = strrchr(buf, '/');
    if (!slash)
        return POSTURE_E_MISSING;
    *slash = '\0';
    return 0;
}

/* ROOT[/SUB]/NAME when it can be read; 1 then, 0 when not, negative. Adds what it tried
 * to the list. */
static int path_try(const char *root, const char *sub, const char *name,
                    struct posture_buf *tried, char **ret_path)
{
    const char *slash = sub && *sub ? "/" : "";
    POSTURE_AUTO_FREE char *path =
        posture_asprintf("%s%s%s/%s", root, slash, sub ? sub : "", name);
    if (!path)
        return -ENOMEM;
    if (access(path, R_OK) == 0) {
        *ret_path = POSTURE_TAKE(path);
        return 1;
    }
    posture_buf_addf(tried, "%s%s (%s)", tried->len > 0 ? ", " : "", path,
                     strerror(errno));
    return 0;
}

int posture_data_path(const char *override_dir, const char *sub, const char *name,
                      char **ret_path, struct posture_error *reterr)
{
    POSTURE_AUTO_BUF struct posture_buf tried = {0};
    int r = 0;

    if (override_dir) {
        r = path_try(override_dir, sub, name, &tried, ret_path);
        /* A checkout's own layout: DataDir may name the source tree's schemas/. */
        if (r == 0 && sub && strcmp(sub, "schemas") == 0)
            r = path_try(override_dir, "", name, &tried, ret_path);
        if (r != 0)
            return r < 0 ? r : 0;
    }

    char dir[PATH_MAX];
    if (program_dir(dir, sizeof(dir)) == 0) {
        static const char *const beside[] = {"/../share/posture", "/../../share/posture"};
        for (size_t i = 0; i < POSTURE_COUNT(beside); i++) {
            POSTURE_AUTO_FREE char *root = posture_asprintf("%s%s", dir, beside[i]);
            if (!root)
                return -ENOMEM;
            r = path_try(root, sub, name, &tried, ret_path);
            if (r != 0)
                return r < 0 ? r : 0;
        }
    }

#ifdef POSTURE_SOURCE_DIR
    /* In the source tree, profiles/ and criteria/ lie below schemas/, dashboards/ beside
     * it. */
    const char *in_tree = sub && strcmp(sub, "schemas") == 0 ? "" : sub;
    r = path_try(sub && strcmp(sub, "dashboards") == 0 ? POSTURE_SOURCE_DIR
                                                       : POSTURE_SOURCE_DIR "/schemas",
                 in_tree, name, &tried, ret_path);
    if (r != 0)
        return r < 0 ? r : 0;
#endif
    return posture_error_set(reterr, POSTURE_E_MISSING,
                             "data file '%s' not found; tried %s", name,
                             tried.data ? tried.data : "nothing");
}
